//! A catalogue: all tools of a gateway with their services, and what is odd about them.
//! Takes what was listed and what the gateway reports; gives the contract's catalogue, sorted by name.
//! Must not drop or rename a tool: duplicates are kept and reported.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    attribution::{self, Ladder},
    gateways::{Product, Report, Reported},
    mcp::paging::Listing,
    model::{Attribution, Catalog, Concern, Confidence, DeclaredService, Provenance, Service, Status, Tool, Warning},
    review, text,
};

/// Puts a catalogue together.
#[must_use]
pub fn build(listing: Listing, mut report: Report, product: &dyn Product, declared: &[DeclaredService]) -> Catalog {
    for meta in &listing.metas {
        outcomes(meta, &mut report);
        assigned(meta, &mut report);
    }
    let ladder = Ladder::new(product, declared, &report, &listing.tools);
    let places: Vec<Provenance> = listing.tools.iter().map(|tool| ladder.climb(tool)).collect();
    let refused = refused(&ladder, &listing.tools, &places);
    let mut tools = listing.tools;
    for (tool, provenance) in tools.iter_mut().zip(places) {
        tool.provenance = provenance;
        // Names change when somebody renames a service, the id does not.
        let reported = report.tools.get(&tool.name);
        tool.provenance.service_id = reported.and_then(|reported| reported.service_id.clone());
    }
    tools.sort_by(|a, b| a.name.cmp(&b.name));
    let services = services(&tools, &report, declared);
    // That reading stopped early is one finding, and more important than any number of malformed tools.
    let (mut malformed, mut warnings): (Vec<_>, Vec<_>) =
        listing.warnings.into_iter().partition(|warning| warning.concern == Concern::MalformedTool);
    let beyond = malformed.len().saturating_sub(LISTING_WARNINGS);
    malformed.truncate(LISTING_WARNINGS);
    warnings.append(&mut malformed);
    if beyond > 0 {
        warnings.push(Warning {
            concern: Concern::Other,
            subject: None,
            message: format!("{} like these not shown", text::count(beyond, "more finding")),
        });
    }
    warnings.append(&mut report.warnings);
    // What is missing may stand on a page that could not be read: nothing is said of it.
    warnings.extend(findings(&tools, &services, if listing.cut { &[] } else { declared }));
    warnings.extend(untold(&tools, product).filter(|_| !listing.cut));
    warnings.extend(review::few(Concern::Claim, refused));
    warnings.extend(review::review(&tools, &services, &report, declared));
    Catalog { tools, services, warnings, pages: listing.pages, ttl_ms: listing.ttl_ms }
}

/// `litellm.ai/server_outcomes` of a list result: what became of each service.
fn outcomes(meta: &str, report: &mut Report) {
    #[derive(Deserialize)]
    struct Meta {
        #[serde(default, rename = "litellm.ai/server_outcomes")]
        outcomes: BTreeMap<String, serde_json::Value>,
    }
    const SOURCE: &str = "_meta[\"litellm.ai/server_outcomes\"]";
    let Ok(meta) = serde_json::from_str::<Meta>(meta) else {
        return;
    };
    for (name, outcome) in meta.outcomes {
        if text::name(&name).is_empty() {
            continue;
        }
        let words =
            outcome.get("status").and_then(serde_json::Value::as_str).or_else(|| outcome.as_str()).unwrap_or_default();
        let status = match words {
            "ok" => Status::Ok,
            "auth_required" => Status::AuthRequired,
            "forbidden" => Status::Forbidden,
            "rate_limited" => Status::RateLimited,
            "timeout" => Status::Timeout,
            "unreachable" => Status::Unreachable,
            "upstream_error" | "internal" => Status::UpstreamError,
            _ => Status::Unknown,
        };
        let count = outcome.get("tool_count").and_then(serde_json::Value::as_u64);
        let count = count.and_then(|count| usize::try_from(count).ok());
        let count = count.map(|count| format!(", {}", text::count(count, "tool"))).unwrap_or_default();
        let evidence = format!("{SOURCE}: {}{count}", text::clean(words));
        report.services.insert(text::name(&name), (status, evidence));
    }
}

/// What tools say of themselves and nobody believes.
fn refused(ladder: &Ladder<'_>, tools: &[Tool], places: &[Provenance]) -> Vec<(String, String)> {
    let told = |(tool, place): (&Tool, &Provenance)| Some((text::clean(&tool.name), ladder.refused(tool, place)?));
    tools.iter().zip(places).filter_map(told).collect()
}

/// `pflow.dev/services` of a list result: the services, each with the exact names of its tools on this page, as a list or under `tools`. A
/// gateway puts its own list together, and no service behind it writes there. The gateway's API, where it has one, goes before it.
fn assigned(meta: &str, report: &mut Report) {
    #[derive(Deserialize)]
    struct Meta {
        #[serde(default, rename = "pflow.dev/services")]
        services: BTreeMap<String, serde_json::Value>,
    }
    const SOURCE: &str = "the list's _meta[\"pflow.dev/services\"]";
    let Ok(meta) = serde_json::from_str::<Meta>(meta) else {
        return;
    };
    for (name, tools) in meta.services {
        let service = text::name(&name);
        if service.is_empty() {
            continue;
        }
        let evidence = format!("{SOURCE} says \"{service}\"");
        let tools = tools.get("tools").unwrap_or(&tools).as_array();
        for tool in tools.into_iter().flatten().filter_map(serde_json::Value::as_str) {
            report.tools.entry(tool.to_owned()).or_insert_with(|| Reported {
                service: service.clone(),
                original_name: None,
                service_id: None,
                evidence: evidence.clone(),
            });
        }
        report.services.entry(service).or_insert((Status::Unknown, evidence));
    }
}

fn services(tools: &[Tool], report: &Report, declared: &[DeclaredService]) -> Vec<Service> {
    let mut services: BTreeMap<&str, Service> = BTreeMap::new();
    for tool in tools {
        let provenance = &tool.provenance;
        let Some(name) = &provenance.service else {
            continue;
        };
        let service = services.entry(name).or_insert_with(|| Service {
            name: name.clone(),
            tools: 0,
            attribution: provenance.attribution,
            confidence: provenance.confidence,
            status: Status::Unknown,
            evidence: Vec::new(),
        });
        service.tools = service.tools.saturating_add(1);
        service.attribution = service.attribution.max(provenance.attribution);
        service.confidence = service.confidence.max(provenance.confidence);
        if service.evidence.len() < EVIDENCE && !service.evidence.contains(&provenance.evidence) {
            service.evidence.push(provenance.evidence.clone());
        }
    }
    for (name, (status, evidence)) in &report.services {
        let service = services.entry(name).or_insert_with(|| Service {
            name: name.clone(),
            tools: 0,
            attribution: Attribution::Reported,
            confidence: Confidence::Certain,
            status: Status::Unknown,
            evidence: Vec::new(),
        });
        service.status = *status;
        if !service.evidence.contains(evidence) {
            service.evidence.insert(0, evidence.clone());
        }
    }
    for DeclaredService { name, .. } in declared {
        services.entry(name).or_insert_with(|| Service {
            name: name.clone(),
            tools: 0,
            attribution: Attribution::Declared,
            confidence: Confidence::Certain,
            status: Status::Unknown,
            evidence: vec!["declared, but none of its tools is listed".to_owned()],
        });
    }
    services.into_values().collect()
}

/// Findings of reading that are kept: a gateway may have ten thousand malformed tools.
const LISTING_WARNINGS: usize = 100;

/// Phrases of evidence per service.
const EVIDENCE: usize = 4;

/// Sizes at which gateways were seen to cut a catalogue, silently.
const ROUND: &[usize] = &[50, 100];

fn findings(tools: &[Tool], services: &[Service], declared: &[DeclaredService]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for pair in tools.chunk_by(|a, b| a.name == b.name).filter(|same| same.len() > 1) {
        let Some(tool) = pair.first() else { continue };
        let name = text::clean(&tool.name);
        warnings.push(Warning {
            concern: Concern::DuplicateName,
            message: format!("{} tools are named \"{name}\"; most gateways refuse to call any of them", pair.len()),
            subject: Some(name),
        });
    }
    if ROUND.contains(&tools.len()) {
        warnings.push(Warning {
            concern: Concern::RoundNumber,
            subject: None,
            message: format!("the gateway lists exactly {} tools; the list may have been cut", tools.len()),
        });
    }
    for service in
        services.iter().filter(|service| usize::try_from(service.tools).is_ok_and(|count| ROUND.contains(&count)))
    {
        let name = text::clean(&service.name);
        warnings.push(Warning {
            concern: Concern::RoundNumber,
            message: format!(
                "\"{name}\" has exactly {} tools; several gateways read only the first page of a service",
                service.tools
            ),
            subject: Some(name),
        });
    }
    if !tools.is_empty() {
        warnings.extend(idle_declarations(tools, services, declared));
    }
    warnings
}

/// What the names do not tell: that there is no service at all, or which one a tool is of.
fn untold(tools: &[Tool], product: &dyn Product) -> Option<Warning> {
    let warn = |concern, message| Some(Warning { concern, subject: None, message });
    let own = |tool: &&Tool| tool.provenance.attribution == Attribution::Control;
    let control = tools.iter().filter(own).count();
    if control == tools.len() {
        let what = if tools.is_empty() {
            "the gateway lists no tools".to_owned()
        } else {
            format!(
                "the gateway has no services: {} its own",
                if control == 1 { "its only tool is".to_owned() } else { format!("all its {control} tools are") }
            )
        };
        let why = product
            .no_services()
            .unwrap_or("gateways also answer so when they fail inside, or when the credential may see nothing");
        return warn(Concern::NoTools, format!("{what}; {why}"));
    }
    let unknown = tools.iter().filter(|tool| tool.provenance.service.is_none()).count();
    let how = product.bare_names().filter(|_| unknown > 0)?;
    let which = if unknown == tools.len() - control {
        "the gateway does not tell which services are behind it".to_owned()
    } else {
        format!(
            "the gateway does not tell of which service {} {}",
            text::count(unknown, "tool"),
            if unknown == 1 { "is" } else { "are" }
        )
    };
    warn(Concern::Unattributed, format!("{which}: {how}"))
}

/// Declared services without a tool, and of the others what no tool's name is. A service may be declared in several parts.
fn idle_declarations(tools: &[Tool], services: &[Service], declared: &[DeclaredService]) -> Vec<Warning> {
    let mut parts: BTreeMap<&str, Vec<&DeclaredService>> = BTreeMap::new();
    for part in declared {
        parts.entry(&part.name).or_default().push(part);
    }
    let mut warnings = Vec::new();
    for (name, parts) in parts {
        let absent = services.iter().any(|service| service.name == name && service.tools == 0);
        let name = text::clean(name);
        let mut why = Vec::new();
        for part in parts {
            for (pattern, broken) in attribution::idle_claims(part, tools) {
                let pattern = text::clean(&pattern);
                why.push(match broken {
                    Some(problem) => format!("\"{pattern}\" is no pattern: {problem}"),
                    None => format!("no tool is called \"{pattern}\""),
                });
            }
            match &part.prefix {
                Some(prefix) if absent => why.push(match prefix.as_str() {
                    "" => "every tool is the gateway's own, or another service's".to_owned(),
                    prefix => format!("no tool's name starts with \"{}\"", text::clean(prefix)),
                }),
                None if absent && part.tools.is_empty() => why.push(format!(
                    "no tool's name starts with it; if all tools are from it, declare it as \"{name}=\", if some are, by their names, like \"{name}=TOOL,TOOL\""
                )),
                _ => {}
            }
        }
        if !why.is_empty() {
            let what = if absent { "has no tools" } else { "is declared with what matches nothing" };
            warnings.push(Warning {
                concern: Concern::Other,
                message: format!("the declared service \"{name}\" {what}: {}", why.join("; ")),
                subject: Some(name),
            });
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{gateways, model::Kind};

    #[test]
    fn of_what_may_stand_on_a_page_that_could_not_be_read_nothing_is_said() {
        let declared = [DeclaredService { name: "wiki".to_owned(), prefix: None, tools: Vec::new() }];
        for (cut, said) in [(true, 0), (false, 1)] {
            let listing = Listing { tools: vec![Tool::named("github_a")], cut, ..Listing::default() };
            let catalog = build(listing, Report::default(), gateways::product(Kind::Generic), &declared);
            let absent = |warning: &&Warning| warning.subject.as_deref() == Some("wiki");
            assert_eq!(catalog.warnings.iter().filter(absent).count(), said, "{:?}", catalog.warnings);
        }
    }

    #[test]
    fn that_reading_stopped_early_is_told_whatever_else_is_odd() {
        let malformed = Warning { concern: Concern::MalformedTool, subject: None, message: "a tool".to_owned() };
        let stopped = Warning { concern: Concern::PageLimit, subject: None, message: "stopped".to_owned() };
        let mut warnings = vec![malformed; LISTING_WARNINGS + 50];
        warnings.push(stopped.clone());
        let listing = Listing { warnings, ..Listing::default() };
        let catalog = build(listing, Report::default(), gateways::product(Kind::Generic), &[]);
        assert!(catalog.warnings.contains(&stopped), "{:?}", catalog.warnings);
        let malformed = catalog.warnings.iter().filter(|warning| warning.concern == Concern::MalformedTool).count();
        assert_eq!(malformed, LISTING_WARNINGS);
        assert!(catalog.warnings.iter().any(|warning| warning.message.starts_with("50 more findings")));
    }
}
