//! Which service a tool is from: the ladder, best evidence first.
//! Takes a tool's name and `_meta`, and what is known of the gateway's services; gives a provenance for every tool.
//! Must never invent a service: what is not known stays unattributed.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    gateways::{Product, Report, Reported},
    glob::{Broken, Glob},
    model::{Attribution, Confidence, DeclaredService, Provenance, Tool},
    names, text,
};

/// The service that control tools are attributed to: the gateway itself.
pub const GATEWAY: &str = "gateway";

/// Between a service's name and a tool's, as seen in the wild. Longest first.
const SEPARATORS: &[&str] = &["__", "_", "-", ".", ":", "/"];

/// Separators at which a prefix may be inferred. Never `_`: it is in most tools' names.
const INFERENCE: &[&str] = &["__", "/", ":", ".", "-"];

/// First words of kebab-case names that are no services.
const VERBS: &[&str] = &[
    "add", "ask", "call", "check", "close", "convert", "copy", "count", "create", "delete", "describe", "download",
    "edit", "execute", "export", "fetch", "find", "generate", "get", "import", "insert", "list", "load", "lookup",
    "make", "merge", "move", "new", "open", "post", "publish", "put", "query", "read", "remove", "rename", "resolve",
    "run", "save", "search", "select", "send", "set", "show", "start", "stop", "submit", "sync", "test", "update",
    "upload", "validate", "view", "write",
];

/// Everything that the ladder stands on.
pub struct Ladder<'a> {
    product: &'a dyn Product,
    report: &'a Report,
    /// What declared services claim, the nearest first.
    declared: Vec<Claim>,
    /// Prefixes of services that the gateway reports, longest first.
    known: Vec<Prefix>,
    /// Services that tools cannot claim, by their looks, and why.
    closed: BTreeMap<String, Closed>,
    /// Prefixes with their separators that several tools share.
    inferred: BTreeMap<String, usize>,
}

/// Why a tool's word does not make it a service's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closed {
    /// The user said what is its.
    Declared,
    /// The gateway says what is its.
    Reported,
    /// It is the gateway itself.
    Own,
}

/// What a tool says of itself.
struct Said {
    service: String,
    original_name: Option<String>,
    member: &'static str,
}

/// What the names of a service's tools start with.
struct Prefix {
    text: String,
    service: String,
    /// From where the service is known.
    source: String,
}

/// What a declared service says of its tools' names.
struct Claim {
    text: String,
    how: How,
    service: String,
}

enum How {
    /// They start so, or one is called so.
    Start,
    /// They start so; made of the service's name.
    Made,
    Glob(Glob),
}

impl Claim {
    fn is_name(&self, tool: &str) -> bool {
        !matches!(self.how, How::Made) && !self.text.is_empty() && self.text == tool
    }

    fn covers(&self, tool: &str) -> bool {
        match &self.how {
            How::Start | How::Made => tool.len() > self.text.len() && tool.starts_with(self.text.as_str()),
            How::Glob(glob) => glob.is_match(tool),
        }
    }
}

fn claims(declared: &[DeclaredService]) -> Vec<Claim> {
    let mut claims = Vec::new();
    for DeclaredService { name, prefix, tools } in declared {
        let mut claim = |text: String, how| claims.push(Claim { text, how, service: name.clone() });
        match prefix {
            Some(prefix) => claim(prefix.clone(), How::Start),
            None if tools.is_empty() => prefixes_of(name).into_iter().for_each(|text| claim(text, How::Made)),
            None => {}
        }
        for pattern in tools {
            if let Ok(glob) = pattern.parse() {
                claim(pattern.clone(), How::Glob(glob));
            }
        }
    }
    // What says more is nearer, however it is said: the signs of a glob say nothing.
    let says = |claim: &Claim| match claim.how {
        How::Start | How::Made => claim.text.len(),
        How::Glob(_) => claim.text.chars().filter(|c| !"*?[]{},!\\".contains(*c)).map(char::len_utf8).sum(),
    };
    claims.sort_by_key(|claim| std::cmp::Reverse(says(claim)));
    claims
}

/// What a user declared of a service and no tool's name is, with the reason if it cannot be.
#[must_use]
pub fn idle_claims(declared: &DeclaredService, tools: &[Tool]) -> Vec<(String, Option<Broken>)> {
    let idle = |pattern: &String| match pattern.parse::<Glob>() {
        Ok(glob) => (!tools.iter().any(|tool| glob.is_match(&tool.name))).then(|| (pattern.clone(), None)),
        Err(problem) => Some((pattern.clone(), Some(problem))),
    };
    declared.tools.iter().filter_map(idle).collect()
}

impl<'a> Ladder<'a> {
    /// Looks at all tools once, for what only shows in many.
    #[must_use]
    pub fn new(product: &'a dyn Product, declared: &[DeclaredService], report: &'a Report, tools: &[Tool]) -> Self {
        let mut sources: BTreeMap<String, String> =
            report.services.iter().map(|(name, (_, evidence))| (name.clone(), evidence.clone())).collect();
        for reported in report.tools.values() {
            sources.entry(reported.service.clone()).or_insert_with(|| reported.evidence.clone());
        }
        let mut closed: BTreeMap<String, Closed> = BTreeMap::from([(names::look(GATEWAY), Closed::Own)]);
        closed.extend(sources.keys().map(|service| (names::look(service), Closed::Reported)));
        closed.extend(declared.iter().map(|service| (names::look(&service.name), Closed::Declared)));
        let known = sources.into_iter().flat_map(|(service, source)| {
            prefixes_of(&service).into_iter().map(move |text| Prefix {
                text,
                service: service.clone(),
                source: source.clone(),
            })
        });
        Self {
            product,
            report,
            declared: claims(declared),
            known: longest_first(known),
            closed,
            inferred: infer(product, tools),
        }
    }

    /// Where this tool is from.
    #[must_use]
    pub fn climb(&self, tool: &Tool) -> Provenance {
        self.declared(tool)
            .or_else(|| self.reported(tool))
            .or_else(|| self.control(tool))
            .or_else(|| self.claimed(tool))
            .or_else(|| self.prefixed(tool))
            .or_else(|| self.inferred(tool))
            .unwrap_or_default()
    }

    fn declared(&self, tool: &Tool) -> Option<Provenance> {
        // Control tools stay the gateway's, whatever prefix was declared.
        if self.product.is_control_tool(&tool.name) {
            return None;
        }
        let exact = self.declared.iter().find(|claim| claim.is_name(&tool.name));
        let Claim { text, how, service } =
            exact.or_else(|| self.declared.iter().find(|claim| claim.covers(&tool.name)))?;
        let evidence = match how {
            _ if exact.is_some() => "declared by its name".to_owned(),
            How::Glob(_) => format!("declared; the name matches \"{}\"", text::clean(text)),
            _ if text.is_empty() => format!("all tools are declared to be from \"{}\"", text::clean(service)),
            How::Start | How::Made => format!("declared; the name starts with \"{}\"", text::clean(text)),
        };
        // What the gateway reports of the same tool tells its name there.
        let original_name = self.report.tools.get(&tool.name).and_then(|reported| reported.original_name.clone());
        Some(Provenance {
            service: Some(service.clone()),
            attribution: Attribution::Declared,
            confidence: Confidence::Certain,
            evidence,
            original_name,
            service_id: None,
        })
    }

    fn reported(&self, tool: &Tool) -> Option<Provenance> {
        // Control tools stay the gateway's, whoever lists them.
        if self.product.is_control_tool(&tool.name) {
            return None;
        }
        let Reported { service, original_name, evidence, .. } = self.report.tools.get(&tool.name)?.clone();
        Some(Provenance {
            service: Some(service),
            attribution: Attribution::Reported,
            confidence: Confidence::Certain,
            evidence,
            original_name,
            service_id: None,
        })
    }

    /// What the tool says of itself, where nobody who knows says anything of that service.
    fn claimed(&self, tool: &Tool) -> Option<Provenance> {
        let Said { service, original_name, member } = said(tool)?;
        if self.closed.contains_key(&names::look(&service)) {
            return None;
        }
        Some(Provenance {
            evidence: format!("the tool's own {member} says \"{}\"", text::clean(&service)),
            service: Some(service),
            attribution: Attribution::Claimed,
            confidence: Confidence::High,
            original_name,
            service_id: None,
        })
    }

    /// Why the word of a tool was not believed, in a sentence, where it is another one than what is known.
    #[must_use]
    pub fn refused(&self, tool: &Tool, known: &Provenance) -> Option<String> {
        let Said { service, member, .. } = said(tool)?;
        // However it is written: it is the same word.
        if known.service.as_deref().is_some_and(|known| known.to_lowercase() == service.to_lowercase()) {
            return None;
        }
        let shown = names::shown(&service);
        let why = match self.closed.get(&names::look(&service))? {
            Closed::Declared => format!("what is from \"{shown}\" is declared, and this tool is not"),
            Closed::Reported => {
                format!("the gateway itself tells of \"{shown}\", and does not say that this tool is from there")
            }
            Closed::Own => "that is the gateway itself".to_owned(),
        };
        Some(format!(
            "the tool \"{}\" says in its {member} that it is from \"{shown}\", which is not believed: {why}",
            names::shown(&tool.name)
        ))
    }

    fn control(&self, tool: &Tool) -> Option<Provenance> {
        self.product.is_control_tool(&tool.name).then(|| Provenance {
            service: Some(GATEWAY.to_owned()),
            attribution: Attribution::Control,
            confidence: Confidence::Certain,
            evidence: "a control tool of the gateway, by its exact name".to_owned(),
            original_name: None,
            service_id: None,
        })
    }

    /// What a user declared takes in nothing by a guess.
    fn is_declared(&self, service: &str) -> bool {
        self.closed.get(&names::look(service)) == Some(&Closed::Declared)
    }

    fn prefixed(&self, tool: &Tool) -> Option<Provenance> {
        let Prefix { text: prefix, service, source } = matching(&self.known, &tool.name)?;
        if self.is_declared(service) {
            return None;
        }
        Some(Provenance {
            service: Some(service.clone()),
            attribution: Attribution::Prefix,
            confidence: Confidence::High,
            evidence: format!("the name starts with \"{}\", a service known from {source}", text::clean(prefix)),
            original_name: tool.name.get(prefix.len()..).map(str::to_owned),
            service_id: None,
        })
    }

    fn inferred(&self, tool: &Tool) -> Option<Provenance> {
        let (service, prefix) = candidate(self.product, &tool.name)?;
        let tools = *self.inferred.get(&prefix)?;
        if self.is_declared(service) {
            return None;
        }
        Some(Provenance {
            service: Some(service.to_owned()),
            attribution: Attribution::Inferred,
            confidence: Confidence::Low,
            evidence: format!("a guess: {tools} tools share the prefix \"{}\"", text::clean(&prefix)),
            original_name: None,
            service_id: None,
        })
    }
}

fn longest_first(prefixes: impl Iterator<Item = Prefix>) -> Vec<Prefix> {
    let mut prefixes: Vec<Prefix> = prefixes.collect();
    prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.text.len()));
    prefixes
}

/// The longest prefix of a tool's name; a name that is all prefix is no tool of it.
fn matching<'p>(longest_first: &'p [Prefix], tool: &str) -> Option<&'p Prefix> {
    longest_first.iter().find(|prefix| tool.len() > prefix.text.len() && tool.starts_with(prefix.text.as_str()))
}

/// A service's name with every separator; the name as it is, and as gateways write it (lower case, every run of
/// other characters one separator).
fn prefixes_of(service: &str) -> BTreeSet<String> {
    if service.is_empty() {
        return BTreeSet::new();
    }
    SEPARATORS
        .iter()
        .flat_map(|separator| {
            let inner = if *separator == ":" || *separator == "/" { "-" } else { separator };
            [format!("{service}{separator}"), format!("{}{separator}", slug(service, inner))]
        })
        .filter(|prefix| !SEPARATORS.contains(&prefix.as_str()))
        .collect()
}

fn slug(name: &str, separator: &str) -> String {
    let lower = name.to_lowercase();
    lower.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(separator)
}

/// The service that a tool's `_meta` names, its name there, and the member that says so. Only members that mean just that.
fn said(tool: &Tool) -> Option<Said> {
    let meta = tool.meta.as_deref().filter(|meta| meta.contains("service") || meta.contains("gateway"))?;
    let meta: serde_json::Value = serde_json::from_str(meta).ok()?;
    let text = |value: Option<&serde_json::Value>| {
        value.and_then(serde_json::Value::as_str).map(text::name).filter(|text| !text.is_empty())
    };
    let named = |value: Option<&serde_json::Value>| {
        let value = value?;
        text(Some(value)).or_else(|| text(value.get("name"))).or_else(|| text(value.get("service")))
    };
    let original = text(meta.get("pflow.dev/original-name"));
    let said = |service, original_name, member| Some(Said { service, original_name, member });
    if let Some(service) = named(meta.get("pflow.dev/service")) {
        return said(service, original, "_meta[\"pflow.dev/service\"]");
    }
    if let Some(gateway) = meta.get("gateway").filter(|gateway| gateway.is_object())
        && let Some(service) = named(gateway.get("service")).or_else(|| named(gateway.get("server")))
    {
        return said(service, original.or_else(|| text(gateway.get("original_name"))), "_meta.gateway.service");
    }
    if let Some(service) = named(meta.get("gateway.service")) {
        return said(service, original, "_meta[\"gateway.service\"]");
    }
    said(named(meta.get("service"))?, original, "_meta.service")
}

/// The service that a tool names in its own `_meta`, believed or not.
#[must_use]
pub fn claim_of(tool: &Tool) -> Option<String> {
    said(tool).map(|said| said.service)
}

/// Whether a tool's name starts with the name of this service and a usual separator.
#[must_use]
pub fn begins_with(service: &str, tool: &str) -> bool {
    prefixes_of(service).iter().any(|prefix| tool.len() > prefix.len() && tool.starts_with(prefix.as_str()))
}

/// The part before the first separator at which one may infer, and that part with the separator.
fn candidate<'t>(product: &dyn Product, tool: &'t str) -> Option<(&'t str, String)> {
    let (service, separator) =
        INFERENCE.iter().filter(|separator| product.infers_at(separator)).find_map(|separator| {
            let (before, after) = tool.split_once(separator)?;
            (!before.is_empty() && !after.is_empty()).then_some((before, *separator))
        })?;
    let is_verb = separator == "-" && VERBS.contains(&service.to_ascii_lowercase().as_str());
    (!is_verb).then(|| (service, format!("{service}{separator}")))
}

/// Prefixes that at least two tools share. All but `__` must show at least two such services: a server whose tools all start
/// alike is one service with a habit.
fn infer(product: &dyn Product, tools: &[Tool]) -> BTreeMap<String, usize> {
    let mut groups: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for tool in tools.iter().filter(|tool| !product.is_control_tool(&tool.name)) {
        if let Some((_, prefix)) = candidate(product, &tool.name) {
            groups.entry(prefix).or_default().insert(&tool.name);
        }
    }
    groups.retain(|_, names| names.len() >= 2);
    let shared: BTreeMap<String, usize> = groups.into_iter().map(|(prefix, names)| (prefix, names.len())).collect();
    let mut by_separator: BTreeMap<&str, usize> = BTreeMap::new();
    for prefix in shared.keys() {
        if let Some(separator) = INFERENCE.iter().find(|separator| prefix.ends_with(**separator)) {
            *by_separator.entry(separator).or_default() += 1;
        }
    }
    let enough = |prefix: &str| {
        prefix.ends_with("__")
            || INFERENCE
                .iter()
                .find(|separator| prefix.ends_with(**separator))
                .is_some_and(|separator| by_separator.get(separator).is_some_and(|services| *services >= 2))
    };
    shared.iter().filter(|(prefix, _)| enough(prefix)).map(|(prefix, tools)| (prefix.clone(), *tools)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{gateways, model::Kind};

    fn declared(names: &[String]) -> Vec<DeclaredService> {
        names.iter().map(|name| DeclaredService { name: name.clone(), prefix: None, tools: Vec::new() }).collect()
    }

    const KINDS: [Kind; 3] = [Kind::Docker, Kind::ContextForge, Kind::Generic];

    proptest! {
        #[test]
        fn a_service_is_named_if_and_only_if_there_is_a_rung(
            names in proptest::collection::vec("[a-c]{0,2}(_|__|-|\\.|:|/)?[a-c]{0,3}", 0..12),
            services in proptest::collection::vec("[a-c]{0,2}", 0..4),
            kind in 0_usize..3,
        ) {
            let tools: Vec<Tool> = names.iter().map(|name| Tool::named(name)).collect();
            let declared = declared(&services);
            let report = Report::default();
            let kind = KINDS.get(kind).copied().unwrap_or(Kind::Generic);
            let ladder = Ladder::new(gateways::product(kind), &declared, &report, &tools);
            for tool in &tools {
                let provenance = ladder.climb(tool);
                prop_assert_eq!(provenance.service.is_none(), provenance.attribution == Attribution::None);
                prop_assert_eq!(provenance.service.is_none(), provenance.confidence == Confidence::None);
                prop_assert!(!provenance.evidence.is_empty());
                if provenance.attribution == Attribution::Inferred {
                    prop_assert_eq!(provenance.confidence, Confidence::Low);
                    prop_assert!(INFERENCE.iter().any(|separator| tool.name.contains(separator)), "never on _ alone");
                }
            }
        }

        #[test]
        fn the_order_in_which_tools_are_listed_changes_nothing(
            names in proptest::collection::vec("[a-c]{0,2}(_|__|-|\\.|:|/)?[a-c]{0,3}", 0..12),
            services in proptest::collection::vec("[a-c]{0,2}", 0..3),
            turn in 0_usize..12,
        ) {
            let tools: Vec<Tool> = names.iter().map(|name| Tool::named(name)).collect();
            let mut turned = tools.clone();
            turned.rotate_left(turn % tools.len().max(1));
            turned.reverse();
            let declared = declared(&services);
            let report = Report::default();
            let ladder = |tools: &[Tool]| Ladder::new(gateways::product(Kind::Generic), &declared, &report, tools);
            let (one, other) = (ladder(&tools), ladder(&turned));
            for tool in &tools {
                prop_assert_eq!(one.climb(tool), other.climb(tool));
            }
        }

        #[test]
        fn the_longest_declared_prefix_wins_in_any_order(mut services in proptest::collection::vec("[ab]{1,3}(-[ab]{1,2})?", 1..6), tool in "[ab]{1,2}") {
            services.sort();
            services.dedup();
            let longest = services.iter().max_by_key(|service| service.len()).cloned().unwrap_or_default();
            let tools = [Tool::named(&format!("{longest}-{tool}"))];
            let report = Report::default();
            let forwards = declared(&services);
            services.reverse();
            let backwards = declared(&services);
            for declared in [&forwards, &backwards] {
                let ladder = Ladder::new(gateways::product(Kind::Generic), declared, &report, &tools);
                let found = tools.first().map(|tool| ladder.climb(tool)).and_then(|provenance| provenance.service);
                prop_assert_eq!(found.as_deref().map(str::len), Some(longest.len()));
            }
        }
    }
}
