//! What a component says that the user declared, held against what the user declared.
//! Takes a catalogue; says of it what only the component says as claimed. Never takes away more than the word `declared`.

use crate::{
    config::{DeclaredService, GatewayConfig},
    runtime::types,
    scrub,
};

/// Names in the warning.
const NAMED: usize = 3;

/// Changes what is not true of it, and says so in a warning.
pub(super) fn held_to_the_entry(catalog: &mut types::Catalog, config: &GatewayConfig) {
    let is_declared = |service: &str, tool: Option<&str>| {
        let mut own = config.services.iter().filter(|declared| declared.name == service);
        own.any(|declared| tool.is_none_or(|tool| may_be_of(declared, tool)))
    };
    let mut invented: Vec<String> = Vec::new();
    for tool in &mut catalog.tools {
        let provenance = &mut tool.provenance;
        if !matches!(provenance.attribution, types::Attribution::Declared) {
            continue;
        }
        let service = provenance.service.clone().unwrap_or_default();
        if is_declared(&service, Some(&tool.name)) {
            continue;
        }
        provenance.attribution = types::Attribution::Claimed;
        provenance.confidence = at_most_high(provenance.confidence);
        provenance.evidence = format!("the component's own rule, and nothing in the entry: {}", provenance.evidence);
        if !invented.contains(&service) {
            invented.push(service);
        }
    }
    for service in &mut catalog.services {
        if matches!(service.attribution, types::Attribution::Declared) && !is_declared(&service.name, None) {
            service.attribution = types::Attribution::Claimed;
            service.confidence = at_most_high(service.confidence);
        }
    }
    if invented.is_empty() {
        return;
    }
    let mut names: Vec<String> =
        invented.iter().take(NAMED).map(|name| format!("\"{}\"", scrub::line(name, 60))).collect();
    if invented.len() > NAMED {
        names.push("…".to_owned());
    }
    catalog.warnings.push(types::Warning {
        concern: types::Concern::Claim,
        subject: None,
        message: format!(
            "the component says that the entry declares tools of {}, which it does not: they count as claimed",
            names.join(", ")
        ),
    });
}

fn at_most_high(confidence: types::Confidence) -> types::Confidence {
    match confidence {
        types::Confidence::Certain => types::Confidence::High,
        other => other,
    }
}

/// Whether the declaration can mean this tool. What a glob means in the end is the component's business: here its start counts.
fn may_be_of(declared: &DeclaredService, tool: &str) -> bool {
    let start = |pattern: &String| {
        let plain = pattern.split(['*', '?', '[', '{', '\\']).next().unwrap_or_default();
        if plain.len() == pattern.len() { tool == pattern } else { tool.starts_with(plain) }
    };
    match &declared.prefix {
        Some(prefix) => tool.starts_with(prefix.as_str()) || declared.tools.iter().any(start),
        // By its name and a separator; which ones are usual the component knows.
        None if declared.tools.is_empty() => tool.starts_with(declared.name.as_str()),
        None => declared.tools.iter().any(start),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]
mod tests {
    use super::{super::testing, *};

    fn tool(name: &str, service: &str) -> types::Tool {
        let mut tool = testing::tool(name);
        tool.provenance.service = Some(service.to_owned());
        tool.provenance.attribution = types::Attribution::Declared;
        tool.provenance.confidence = types::Confidence::Certain;
        tool
    }

    #[test]
    fn only_what_the_entry_declares_is_declared() {
        let mut config = GatewayConfig::for_url("http://127.0.0.1:1/mcp").unwrap();
        config.services = ["github", "crm=c_", "mail=send_*,inbox", "all="].map(|text| text.parse().unwrap()).into();
        let tools = [
            ("github__list", "github", true),
            ("gitlab__list", "github", false),
            ("c_find", "crm", true),
            ("crm_find", "crm", false),
            ("send_mail", "mail", true),
            ("inbox", "mail", true),
            ("inbox2", "mail", false),
            ("anything", "all", true),
            ("github__list", "nobody", false),
        ];
        let service = |name: &str| types::Service {
            name: name.to_owned(),
            tools: 1,
            attribution: types::Attribution::Declared,
            confidence: types::Confidence::Certain,
            status: types::Status::Unknown,
            evidence: Vec::new(),
        };
        let mut catalog = types::Catalog {
            tools: tools.map(|(name, service, _)| tool(name, service)).into(),
            services: vec![service("github"), service("nobody")],
            warnings: Vec::new(),
            pages: 1,
            ttl_ms: None,
        };
        held_to_the_entry(&mut catalog, &config);
        for ((name, service, expected), tool) in tools.iter().zip(&catalog.tools) {
            let declared = matches!(tool.provenance.attribution, types::Attribution::Declared);
            let certain = matches!(tool.provenance.confidence, types::Confidence::Certain);
            assert_eq!((declared, certain), (*expected, *expected), "{name} of {service}");
        }
        let kept: Vec<_> = catalog
            .services
            .iter()
            .map(|service| matches!(service.attribution, types::Attribution::Declared))
            .collect();
        assert_eq!(kept, [true, false]);
        let [warning] = catalog.warnings.as_slice() else { panic!("{:?}", catalog.warnings) };
        assert!(warning.message.contains("\"github\", \"crm\", \"mail\", …"), "{}", warning.message);
    }
}
