//! Entries that `add --per-service` wrote together, and that go together.
//! Takes the name that was given to `add`; gives the entries that are its group. Never counts one that only has a name like theirs.

use serde_json::json;

use super::{
    context::Context,
    edit,
    screen::{Reply, yes},
};
use pflow_gateway::config::{ConfigFile, GatewayConfig, as_glob};
use pflow_gateway_base::{Error, Result, scrub};

/// The entries of a group: each keeps one service alone, and has that service's name behind the group's.
fn members(file: &ConfigFile, group: &str) -> Vec<GatewayConfig> {
    let of_group = |config: &GatewayConfig| {
        let [service] = config.filter.include_services.as_slice() else { return false };
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        // As it stands in the entry, a letter that is a pattern has a backslash before it.
        let name: String = service.replace('\\', "").chars().map(plain).collect();
        config.name.strip_prefix(group).and_then(|rest| rest.strip_prefix('_')) == Some(name.as_str())
            && as_glob(&service.replace('\\', "")) == *service
    };
    let mut found: Vec<_> =
        file.gateways().into_iter().filter_map(|(_, config)| config.ok()).filter(of_group).collect();
    // Two groups cannot have one name: what goes elsewhere is somebody's own entry.
    let address = found.first().map(|first| first.address.written().to_owned());
    found.retain(|config| Some(config.address.written()) == address.as_deref());
    found
}

fn names(members: &[GatewayConfig]) -> String {
    let names: Vec<String> = members.iter().map(|config| scrub::line(&config.name, 100)).collect();
    names.join(", ")
}

/// The words for whoever names a group where an entry is wanted. None: it is none.
pub(super) fn is_meant(file: &ConfigFile, group: &str, program: &str) -> Option<Error> {
    let found = members(file, group);
    let shown = scrub::line(group, 100);
    (!found.is_empty()).then(|| {
        Error::config(format!("{shown} is a group of {} entries, one per service: {}", found.len(), names(&found)))
            .with_hint(format!("to remove all of them: {program} remove {shown} --all"))
    })
}

/// `remove GROUP --all`.
pub(super) fn remove(context: &Context, group: &str) -> Reply {
    match take_out(context, group) {
        Ok((removed, path)) => {
            let text = format!(
                "{} Removed {} from {path}\n  → pflow mcp sync --all takes their tools out of pflow's registry\n",
                yes(),
                removed.join(", ")
            );
            Reply::good(text, &json!({"gateway": group, "removed": removed, "file": path, "error": null}))
        }
        Err(error) => Reply::failed(json!({"gateway": group, "removed": []}), error),
    }
}

fn take_out(context: &Context, group: &str) -> Result<(Vec<String>, String)> {
    let mut file = context.edit()?;
    let found = members(&file, group);
    if found.is_empty() {
        let shown = scrub::line(group, 100);
        let single = file.gateways().into_iter().any(|(name, _)| name == group);
        let error = Error::config(format!("{shown} is no group of entries that `add --per-service` wrote"));
        return Err(error.with_hint(if single {
            format!("it is one entry: {} remove {shown}", context.program)
        } else {
            "`list` shows the entries".to_owned()
        }));
    }
    for config in &found {
        file.remove(&config.name);
    }
    context.save(&file)?;
    for config in &found {
        edit::forget(context, config);
    }
    Ok((found.into_iter().map(|config| config.name).collect(), file.path().display().to_string()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn only_what_was_written_together_is_a_group() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mcp-servers.json");
        let entry = |name: &str, url: &str, include: &[&str]| {
            (
                name.to_owned(),
                json!({"command": "x", "args": ["serve", name], "gateway": {"url": url, "services": {"include": include}}}),
            )
        };
        let servers: serde_json::Map<_, _> = [
            entry("team_git_hub", "http://h/mcp", &["git.hub"]),
            entry("team_slack", "http://h/mcp", &["slack"]),
            entry("team_a_b", "http://h/mcp", &["a\\*b"]),
            entry("team_weather", "http://other/mcp", &["weather"]),
            entry("team_both", "http://h/mcp", &["both", "more"]),
            entry("team_x", "http://h/mcp", &["y"]),
            entry("team_globs_", "http://h/mcp", &["globs*"]),
            entry("team", "http://h/mcp", &[]),
            entry("teams_slack", "http://h/mcp", &["slack"]),
        ]
        .into_iter()
        .collect();
        std::fs::write(&path, json!({"mcpServers": servers}).to_string()).unwrap();
        let file = ConfigFile::load(&path).unwrap();
        assert_eq!(names(&members(&file, "team")), "team_git_hub, team_slack, team_a_b");
        assert!(is_meant(&file, "team", "p").unwrap().hint.unwrap().contains("p remove team --all"));
        assert!(is_meant(&file, "te", "p").is_none());
    }
}
