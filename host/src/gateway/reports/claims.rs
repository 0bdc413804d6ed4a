//! Tools whose service is not certain, where an entry keeps only some services.
//! Takes a listing with its verdicts; says what was left out or let in by a claim or a name alone, and what would make it certain. Never
//! changes a verdict.

use std::collections::BTreeMap;

use crate::{
    config::Claims,
    gateway::{catalogue::Listed, convert::is_control, parts::Parts},
    runtime::{filter::Reason, types},
    scrub,
};

/// Services that are told of one by one.
const TOLD: usize = 5;
/// Between a service's name and a tool's.
const SEPARATORS: [&str; 6] = ["__", "_", "-", ".", ":", "/"];

/// A service of which some tools are not for certain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncertain {
    /// Its name.
    pub service: String,
    /// How many of its tools are not certain.
    pub tools: usize,
    /// … and how many are.
    pub certain: usize,
    /// What the names of all of these tools begin with, and of no other service's.
    pub prefix: Option<String>,
}

impl Uncertain {
    fn name(&self) -> String {
        scrub::line(&self.service, 100)
    }

    /// How it becomes certain.
    fn declaration(&self) -> String {
        let name = self.name();
        match &self.prefix {
            Some(prefix) => {
                let prefix = scrub::line(prefix, 100);
                format!(
                    "their names tell it: declare the service, {{\"name\": \"{name}\", \"prefix\": \"{prefix}\"}} in \"declare\" of \"services\""
                )
            }
            None => format!(
                "say which they are, {{\"name\": \"{name}\", \"tools\": [\"…\"]}} in \"declare\" of \"services\""
            ),
        }
    }
}

/// The services of a listing of whose tools some are not certain. `wanted`: which tools count.
pub(in crate::gateway) fn uncertain(
    listed: &Listed,
    wanted: impl Fn(&types::Tool, Option<&Reason>) -> bool,
) -> Vec<Uncertain> {
    let certain = |tool: &types::Tool| tool.provenance.confidence == types::Confidence::Certain;
    let mut doubtful: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (tool, verdict) in listed.catalog.tools.iter().zip(&listed.verdicts) {
        let Some(service) = tool.provenance.service.as_deref() else { continue };
        if !certain(tool) && !is_control(tool.provenance.attribution) && wanted(tool, verdict.as_ref()) {
            doubtful.entry(service).or_default().push(&tool.name);
        }
    }
    let tools = &listed.catalog.tools;
    let of = |tool: &types::Tool, service: &str| tool.provenance.service.as_deref() == Some(service);
    doubtful
        .into_iter()
        .map(|(service, names)| {
            let others = tools.iter().filter(|tool| certain(tool) && !of(tool, service)).map(|tool| tool.name.as_str());
            Uncertain {
                service: service.to_owned(),
                tools: names.len(),
                certain: tools.iter().filter(|tool| certain(tool) && of(tool, service)).count(),
                prefix: prefix(service, &names, &others.collect::<Vec<_>>()),
            }
        })
        .collect()
}

/// What the names of tools that no service is known of for certain begin with, when that tells this service; and how many they are.
pub(in crate::gateway) fn by_name(listed: &Listed, service: &str) -> Option<(String, usize)> {
    let certain = |tool: &&types::Tool| tool.provenance.confidence == types::Confidence::Certain;
    let tools = listed.catalog.tools.iter();
    let (known, open): (Vec<_>, Vec<_>) = tools.partition(certain);
    let spelled = spelled(service);
    let begins =
        |name: &&str| spelled.iter().any(|prefix| name.len() > prefix.len() && name.starts_with(prefix.as_str()));
    let names: Vec<&str> = open.iter().map(|tool| tool.name.as_str()).filter(begins).collect();
    let others: Vec<&str> = known.iter().map(|tool| tool.name.as_str()).collect();
    if names.is_empty() {
        return None;
    }
    prefix(service, &names, &others).map(|prefix| (prefix, names.len()))
}

/// The service's name as gateways write it, with every separator.
fn spelled(service: &str) -> Vec<String> {
    let slug = |inner: &str| {
        let lower = service.to_lowercase();
        lower.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(inner)
    };
    let names = [service.to_owned(), slug("_"), slug("-")];
    let named = names.iter().filter(|name| !name.is_empty());
    named.flat_map(|name| SEPARATORS.map(|separator| format!("{name}{separator}"))).collect()
}

/// The service's name and a separator, when all of its tools' names begin so and nobody else's do.
fn prefix(service: &str, names: &[&str], others: &[&str]) -> Option<String> {
    let fits = |prefix: &String| {
        names.iter().all(|name| name.len() > prefix.len() && name.starts_with(prefix.as_str()))
            && !others.iter().any(|name| name.starts_with(prefix.as_str()))
    };
    spelled(service).into_iter().filter(fits).max_by_key(String::len)
}

/// What somebody has to know who keeps only some services.
pub(super) fn notes(parts: &Parts, listed: &Listed) -> Vec<String> {
    let config = parts.config();
    if config.filter.include_services.is_empty() {
        return Vec::new();
    }
    let left_out = match config.claims {
        Claims::Believed => return Vec::new(),
        Claims::LeftOut => true,
        Claims::Unsaid => false,
    };
    let wanted = |verdict: Option<&Reason>| {
        if left_out { matches!(verdict, Some(Reason::ServiceNotCertain)) } else { verdict.is_none() }
    };
    let found = uncertain(listed, |_, verdict| wanted(verdict));
    let words = |found: &Uncertain| {
        let tools = if found.tools == 1 { "1 tool".to_owned() } else { format!("{} tools", found.tools) };
        let (name, declare) = (found.name(), found.declaration());
        let word = "only names, or the tools themselves, say that they are from it";
        if left_out {
            format!("{tools} of {name} left out: {word}; {declare}, or believe them with \"trust\": \"claims\"")
        } else {
            // What makes it certain is said where it is simple: the line has an end.
            let declare = if found.prefix.is_some() { format!("; {declare}") } else { String::new() };
            format!(
                "{tools} of {name} kept, though {word}, since the entry does not say whom to trust; write \"trust\": \"claims\" to keep \
                 them, or \"trust\": \"certain\" to leave them out{declare}"
            )
        }
    };
    let mut notes: Vec<String> = found.iter().take(TOLD).map(words).collect();
    let more = found.len().saturating_sub(TOLD);
    if more > 0 {
        notes.push(format!("{more} more services like these"));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_tells_only_where_all_of_a_services_tools_have_it_and_no_other_service_does() {
        assert_eq!(prefix("github", &["github_a", "github_b"], &["slack_a"]).as_deref(), Some("github_"));
        assert_eq!(prefix("github", &["github__a", "github__b"], &[]).as_deref(), Some("github__"));
        assert_eq!(prefix("Git Hub", &["git_hub-a"], &[]).as_deref(), Some("git_hub-"));
        assert_eq!(prefix("github", &["github_a", "list"], &[]), None);
        assert_eq!(prefix("github", &["github_a"], &["github_enterprise"]), None, "it would take another's tool");
        assert_eq!(prefix("github", &["github_"], &[]), None);
    }
}
