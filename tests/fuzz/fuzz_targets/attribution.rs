//! Attribution: every tool gets one place on the ladder, the best that applies, whatever the order in which tools are listed.

use std::collections::BTreeMap;

use crate::arbitrary;
use derive_arbitrary::Arbitrary;
use pflow_gateway_component::{
    attribution::{GATEWAY, Ladder},
    catalog,
    gateways::{self, Report, Reported},
    mcp::paging::Listing,
    model::{self, Attribution, Confidence, DeclaredService, Kind, Provenance, Status},
};
use serde_json::json;

/// What is tried.
#[derive(Arbitrary, Debug)]
pub struct Input {
    kind: Product,
    tools: Vec<Tool>,
    declared: Vec<(Name, Option<Name>)>,
    reported_tools: Vec<(u8, Name)>,
    reported_services: Vec<Name>,
    rotate: u8,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Product {
    Docker,
    ContextForge,
    Generic,
}

#[derive(Arbitrary, Clone, Debug)]
struct Tool {
    name: Name,
    meta: Meta,
}

#[derive(Arbitrary, Clone, Debug)]
enum Meta {
    None,
    Ours(Name),
    Gateway(Name),
    Service(Name),
    Text(String),
}

/// Names out of few parts, so that prefixes meet; and any name at all.
#[derive(Arbitrary, Clone, Debug)]
enum Name {
    Parts(Vec<Part>),
    Control(u8),
    Any(String),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Part {
    A,
    B,
    CapitalA,
    Get,
    Space,
    Underscore,
    Two,
    Hyphen,
    Dot,
    Colon,
    Slash,
    Umlaut,
}

impl Name {
    fn text(&self) -> String {
        match self {
            Self::Parts(parts) => parts
                .iter()
                .take(12)
                .map(|part| match part {
                    Part::A => "a",
                    Part::B => "b",
                    Part::CapitalA => "A",
                    Part::Get => "get",
                    Part::Space => " ",
                    Part::Underscore => "_",
                    Part::Two => "__",
                    Part::Hyphen => "-",
                    Part::Dot => ".",
                    Part::Colon => ":",
                    Part::Slash => "/",
                    Part::Umlaut => "ä",
                })
                .collect(),
            Self::Control(which) => {
                ["mcp-find", "mcp-exec", "code-mode-a", "code-mode", "find-tools"][usize::from(which % 5)].to_owned()
            }
            Self::Any(text) => text.chars().filter(|c| !c.is_control()).take(40).collect(),
        }
    }
}

impl Meta {
    fn json(&self) -> Option<String> {
        Some(match self {
            Self::None => return None,
            Self::Ours(name) => json!({"pflow.dev/service": name.text()}).to_string(),
            Self::Gateway(name) => json!({"gateway": {"service": name.text()}}).to_string(),
            Self::Service(name) => json!({"service": {"name": name.text()}}).to_string(),
            Self::Text(text) => text.clone(),
        })
    }
}

const SEPARATORS: [&str; 6] = ["__", "_", "-", ".", ":", "/"];

/// The length of the longest prefix by which a declaration can claim a name, spelled out; none when it cannot.
fn claim(declared: &DeclaredService, tool: &str) -> Option<usize> {
    let slug = |with: &str| {
        let lower = declared.name.to_lowercase();
        lower.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(with)
    };
    let prefixes: Vec<String> = match &declared.prefix {
        Some(prefix) => vec![prefix.clone()],
        None if declared.name.is_empty() => vec![],
        None => SEPARATORS
            .iter()
            .flat_map(|separator| {
                let inner = if matches!(*separator, ":" | "/") { "-" } else { separator };
                [format!("{}{separator}", declared.name), format!("{}{separator}", slug(inner))]
            })
            // A separator alone names nobody.
            .filter(|prefix| !SEPARATORS.contains(&prefix.as_str()))
            .collect(),
    };
    prefixes
        .iter()
        .filter(|prefix| {
            // What was written may be the whole name of a tool; what was made of the service's name is not.
            let whole = declared.prefix.is_some() && !prefix.is_empty() && *prefix == tool;
            whole || tool.len() > prefix.len() && tool.starts_with(prefix.as_str())
        })
        .map(String::len)
        .max()
}

fn ladder_of<'t>(
    input: &Input,
    report: &Report,
    declared: &[DeclaredService],
    tools: &'t [model::Tool],
) -> Vec<(&'t str, Provenance)> {
    let ladder = Ladder::new(product(input.kind), declared, report, tools);
    tools.iter().map(|tool| (tool.name.as_str(), ladder.climb(tool))).collect()
}

fn product(kind: Product) -> &'static dyn gateways::Product {
    gateways::product(match kind {
        Product::Docker => Kind::Docker,
        Product::ContextForge => Kind::ContextForge,
        Product::Generic => Kind::Generic,
    })
}

/// One input.
pub fn run(input: &Input) {
    let tools: Vec<model::Tool> = input
        .tools
        .iter()
        .take(24)
        .map(|tool| model::Tool {
            name: tool.name.text(),
            title: None,
            description: None,
            input_schema: "{}".to_owned(),
            output_schema: None,
            annotations: None,
            icons: None,
            meta: tool.meta.json(),
            provenance: Provenance::default(),
        })
        .collect();
    let declared: Vec<DeclaredService> = input
        .declared
        .iter()
        .take(6)
        .map(|(name, prefix)| DeclaredService {
            name: name.text(),
            prefix: prefix.as_ref().map(Name::text),
            tools: Vec::new(),
        })
        .collect();
    let mut report = Report::default();
    for (at, service) in input.reported_tools.iter().take(6) {
        if let Some(tool) = tools.get(usize::from(*at) % tools.len().max(1)) {
            let reported = Reported {
                service: service.text(),
                original_name: None,
                service_id: Some("id".to_owned()),
                evidence: "told".to_owned(),
            };
            report.tools.insert(tool.name.clone(), reported);
        }
    }
    for service in input.reported_services.iter().take(6) {
        report.services.insert(service.text(), (Status::Ok, "told".to_owned()));
    }

    let climbed = ladder_of(input, &report, &declared, &tools);
    for (tool, (name, provenance)) in tools.iter().zip(&climbed) {
        one_rung(tool, name, provenance, input, &report, &declared);
    }

    // The order of the list changes nothing but words.
    let mut turned = tools.clone();
    turned.rotate_left(usize::from(input.rotate) % tools.len().max(1));
    turned.reverse();
    let essence = |climbed: &[(&str, Provenance)]| {
        let mut essence: Vec<_> = climbed
            .iter()
            .map(|(name, p)| {
                ((*name).to_owned(), p.service.clone(), p.attribution, p.confidence, p.original_name.clone())
            })
            .collect();
        essence.sort();
        essence
    };
    assert_eq!(essence(&climbed), essence(&ladder_of(input, &report, &declared, &turned)));

    // A catalogue of them counts every tool once.
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for service in climbed.iter().filter_map(|(_, provenance)| provenance.service.as_deref()) {
        *counts.entry(service).or_default() += 1;
    }
    let listing = Listing { tools: tools.clone(), ..Listing::default() };
    let catalog = catalog::build(listing, report.clone(), product(input.kind), &declared);
    assert_eq!(catalog.tools.len(), tools.len());
    let mut seen = Vec::new();
    for service in &catalog.services {
        assert_eq!(
            counts.get(service.name.as_str()).copied().unwrap_or(0),
            usize::try_from(service.tools).expect("few")
        );
        assert!(!seen.contains(&&service.name), "a service is listed once");
        seen.push(&service.name);
    }
    assert!(counts.keys().all(|name| catalog.services.iter().any(|service| service.name == *name)));
}

fn one_rung(
    tool: &model::Tool,
    name: &str,
    provenance: &Provenance,
    input: &Input,
    report: &Report,
    declared: &[DeclaredService],
) {
    let Provenance { service, service_id: _, attribution, confidence, evidence, original_name } = provenance;
    assert_eq!(service.is_none(), *attribution == Attribution::None);
    assert_eq!(service.is_none(), *confidence == Confidence::None);
    assert!(!evidence.is_empty() && !evidence.chars().any(char::is_control));
    let control = product(input.kind).is_control_tool(name);
    let longest = declared.iter().filter_map(|declared| claim(declared, name)).max();
    match attribution {
        Attribution::Declared => {
            assert!(!control, "a control tool is the gateway's");
            let service = service.as_deref().expect("a service");
            let its = declared
                .iter()
                .filter(|declared| declared.name == service)
                .filter_map(|declared| claim(declared, name));
            assert_eq!(its.max(), longest, "the longest prefix wins");
        }
        // Nothing is better than what the user declares.
        _ => assert!(longest.is_none() || control, "declared, and yet {provenance:?}"),
    }
    match attribution {
        Attribution::Reported => {
            let told = report.tools.get(name).map(|reported| reported.service.clone());
            assert!(told.is_some() && told == *service, "reported by nobody");
        }
        // Control tools stay the gateway's, whoever lists them.
        Attribution::Declared | Attribution::Control => {}
        _ => assert!(!report.tools.contains_key(name), "the gateway's own word is better than {provenance:?}"),
    }
    match attribution {
        Attribution::Claimed => {
            assert_eq!(*confidence, Confidence::High);
            assert!(tool.meta.is_some(), "claimed by nobody");
            let service = service.as_deref().expect("a service");
            let reported =
                report.services.contains_key(service) || report.tools.values().any(|told| told.service == service);
            let closed = reported || declared.iter().any(|declared| declared.name == service) || service == GATEWAY;
            assert!(!closed, "what is declared or reported is closed to claims: {provenance:?}");
        }
        Attribution::Control => assert!(control && service.as_deref() == Some(GATEWAY)),
        Attribution::Prefix => {
            assert_eq!(*confidence, Confidence::High);
            let rest = original_name.as_deref().expect("the name behind the prefix");
            assert!(!rest.is_empty() && name.ends_with(rest) && rest.len() < name.len());
        }
        Attribution::Inferred => {
            assert_eq!(*confidence, Confidence::Low);
            let service = service.as_deref().expect("a service");
            let rest = name.strip_prefix(service).expect("what the names share");
            assert!(["__", "/", ":", ".", "-"].iter().any(|separator| rest.starts_with(separator)), "never on _ alone");
        }
        Attribution::None => assert!(!control),
        Attribution::Declared | Attribution::Reported => assert_eq!(*confidence, Confidence::Certain),
    }
}
