//! `set`: one thing of an entry, changed where it stands.
//! Takes the name of an entry and what to change; says what pflow gains and loses by it, then writes. Never touches what was not named.

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::{Map, Value, json};

use super::{
    args,
    context::Context,
    render::count,
    screen::{Reply, careful, yes},
};
use pflow_gateway::{
    Gateway,
    config::{ConfigFile, Filter, GatewayConfig, Replace},
    report::Tools,
};
use pflow_gateway_base::{Error, Result, scrub};

/// Names that are said on a screen.
const SAID: usize = 6;

/// A member of an entry's `gateway`, and what it shall be. None: it is taken out.
struct Change {
    group: &'static str,
    member: &'static str,
    value: Option<Value>,
}

/// `set`.
pub(super) async fn set(context: &Context, set: &args::Set) -> Reply {
    let shape = json!({"gateway": set.name, "changed": [], "gains": [], "loses": [], "tools": null, "written": false, "warnings": []});
    match changed(context, set).await {
        Ok((text, json)) => Reply::good(text, &json),
        Err(error) => Reply::failed(shape, error),
    }
}

async fn changed(context: &Context, set: &args::Set) -> Result<(String, Value)> {
    let changes = changes(set)?;
    let file = context.file()?;
    let (before, now) = (config_of(&file, &set.name)?, entry(&file, &set.name)?);
    let mut new = now.clone();
    let told = apply(&mut new, &changes);
    if told.is_empty() {
        let text = format!("{} {} says so already; nothing was written\n", yes(), set.name);
        return Ok((
            text,
            json!({"gateway": set.name, "changed": [], "gains": [], "loses": [], "tools": null, "written": false, "warnings": [], "error": null}),
        ));
    }
    // What cannot be read back is not written.
    let after = GatewayConfig { filter: read_filter(&set.name, &new)?, ..before.clone() };
    let seen = if set.no_test { None } else { Some(difference(context, before, after).await?) };
    if !set.dry_run {
        write(context, &set.name, &now, &changes)?;
        if let Some(seen) = &seen {
            context.history().left_out(&set.name, &seen.loses);
        }
    }
    Ok(said(set, &file, &told, seen.as_ref()))
}

fn entry(file: &ConfigFile, name: &str) -> Result<Value> {
    let entry = file.entry(name).filter(|entry| entry.get("gateway").is_some_and(Value::is_object)).cloned();
    entry.ok_or_else(|| {
        Error::config(format!(
            "{} is an entry that pflow uses without this program, and has no filter",
            scrub::line(name, 100)
        ))
        .with_hint(format!("make it a gateway first: adopt {}", scrub::line(name, 100)))
    })
}

/// The gateway of this name; never one at a URL.
fn config_of(file: &ConfigFile, name: &str) -> Result<GatewayConfig> {
    if file.contains(name) || !name.contains("://") {
        return Ok(file.find(name)?);
    }
    Err(Error::config("an entry is changed by its name, not by its URL").with_hint("`list` shows the names"))
}

fn read_filter(name: &str, entry: &Value) -> Result<Filter> {
    Ok(pflow_gateway::config::read_entry(name, entry)?.filter)
}

fn changes(set: &args::Set) -> Result<Vec<Change>> {
    let pick = &set.pick;
    let mut changes = Vec::new();
    for (group, member, values) in [
        ("services", "include", &set.include_services),
        ("services", "exclude", &pick.exclude_services),
        ("tools", "include", &pick.include_tools),
        ("tools", "exclude", &pick.exclude_tools),
    ] {
        if !values.is_empty() {
            changes.push(Change { group, member, value: Some(json!(values)) });
        }
    }
    for (member, on) in
        [("read_only", pick.read_only), ("no_destructive", pick.no_destructive), ("control", pick.control_tools)]
    {
        if on {
            changes.push(Change { group: "tools", member, value: Some(Value::Bool(true)) });
        }
    }
    for what in &set.unset {
        let (group, member) = what.place();
        if changes.iter().any(|change| (change.group, change.member) == (group, member)) {
            return Err(Error::config(format!("\"{member}\" of {group} is to be set and to be unset"))
                .with_hint("say one of the two"));
        }
        changes.push(Change { group, member, value: None });
    }
    if changes.is_empty() {
        return Err(Error::config(format!("nothing to change was said of {}", scrub::line(&set.name, 100)))
            .with_hint("say what, like --exclude 'slack_*', --read-only or --unset include; `set --help` lists all"));
    }
    Ok(changes)
}

/// What was, and what is now: of those that change anything.
fn apply(entry: &mut Value, changes: &[Change]) -> Vec<(String, Value, Value)> {
    let mut told = Vec::new();
    let Some(gateway) = entry.get_mut("gateway").and_then(Value::as_object_mut) else { return told };
    for Change { group, member, value } in changes {
        let was = gateway.get(*group).and_then(|members| members.get(*member)).cloned().unwrap_or_default();
        let now = value.clone().unwrap_or_default();
        if was == now {
            continue;
        }
        let members = gateway.entry(*group).or_insert_with(|| Value::Object(Map::new()));
        if let Some(members) = members.as_object_mut() {
            match value {
                Some(value) => drop(members.insert((*member).to_owned(), value.clone())),
                None => drop(members.shift_remove(*member)),
            }
            if members.is_empty() {
                gateway.shift_remove(*group);
            }
        }
        told.push((format!("{group}.{member}"), was, now));
    }
    told
}

/// What pflow gets, before and after.
pub(super) struct Difference {
    pub(super) gains: Vec<String>,
    pub(super) loses: Vec<String>,
    after: Tools,
}

/// Reads the catalogue with the filter that is, and with the one that shall be.
pub(super) async fn difference(context: &Context, before: GatewayConfig, after: GatewayConfig) -> Result<Difference> {
    let name = before.name.clone();
    let narrow = after.filter.clone();
    let (was, now) = (listed(context, before, &Filter::default()).await, listed(context, after, &narrow).await);
    let unread = |error: Error| {
        let nothing = "nothing was written; --no-test writes it all the same";
        let hint = error.hint.clone().map_or_else(|| nothing.to_owned(), |hint| format!("{hint} ({nothing})"));
        let message = format!("cannot tell what this changes for pflow: {}", error.message);
        error.with_message(message).with_hint(hint)
    };
    let difference = Difference::between(&was.map_err(unread)?, now.map_err(unread)?);
    tracing::debug!(gateway = %name, loses = difference.loses.len(), gains = difference.gains.len(), "compared");
    Ok(difference)
}

/// What pflow gains and loses by a new entry in the place of another; none where that one cannot be asked any more.
pub(super) async fn instead_of(context: &Context, before: GatewayConfig, gateway: &Gateway) -> Option<Difference> {
    let was = listed(context, before, &Filter::default()).await.ok()?;
    Some(Difference::between(&was, gateway.tools(&Filter::default()).await.ok()?))
}

async fn listed(context: &Context, config: GatewayConfig, narrow: &Filter) -> Result<Tools> {
    let gateway: Gateway = context.open(config).await?;
    let tools = gateway.tools(narrow).await;
    // The entry's own filter decides; asked for the same, it also says which patterns match nothing.
    let own = gateway.known_catalog();
    gateway.close().await;
    let tools = tools?;
    let warnings = tools.warnings.clone();
    Ok(Tools { warnings, ..own.unwrap_or(tools) })
}

/// Writes the entry, unless somebody else changed it meanwhile.
fn write(context: &Context, name: &str, seen: &Value, changes: &[Change]) -> Result<()> {
    let mut file = context.edit()?;
    let mut now = entry(&file, name)?;
    if now != *seen {
        return Err(Error::config(format!("{} was changed by another program meanwhile", scrub::line(name, 100)))
            .with_hint("nothing was written; look at it, then run the command again"));
    }
    apply(&mut now, changes);
    file.put(vec![(name.to_owned(), now)], Replace::Yes)?;
    context.save(&file)
}

fn said(
    set: &args::Set,
    file: &ConfigFile,
    told: &[(String, Value, Value)],
    seen: Option<&Difference>,
) -> (String, Value) {
    let mut text = String::new();
    let done = if set.dry_run { "Would change" } else { "Changed" };
    let _ = writeln!(text, "{} {done} {} in {}", yes(), set.name, file.path().display());
    let word =
        |value: &Value| if value.is_null() { "not set".to_owned() } else { scrub::line(&value.to_string(), 200) };
    for (member, was, now) in told {
        let _ = writeln!(text, "  {member}: {} → {}", word(was), word(now));
    }
    let warnings = seen.map(|seen| seen.say(&mut text)).unwrap_or_default();
    for warning in &warnings {
        let _ = writeln!(text, "{} {}", careful(), scrub::line(warning, 300));
    }
    if !set.dry_run {
        let _ = writeln!(text, "  → pflow mcp sync {}", set.name);
    }
    let changed: Vec<_> =
        told.iter().map(|(member, was, now)| json!({"member": member, "before": was, "now": now})).collect();
    let json = json!({
        "gateway": set.name, "file": file.path().display().to_string(), "changed": changed,
        "gains": seen.map(|seen| &seen.gains), "loses": seen.map(|seen| &seen.loses),
        "tools": seen.map(Difference::tools), "written": !set.dry_run, "warnings": warnings, "error": null,
    });
    (text, json)
}

impl Difference {
    fn between(was: &Tools, after: Tools) -> Self {
        let names = |tools: &Tools| tools.tools.iter().map(|tool| tool.name.clone()).collect::<BTreeSet<_>>();
        let (old, new) = (names(was), names(&after));
        Self { gains: new.difference(&old).cloned().collect(), loses: old.difference(&new).cloned().collect(), after }
    }

    /// How many tools pflow has afterwards.
    pub(super) fn tools(&self) -> usize {
        self.after.tools.len()
    }

    /// Says it, and gives what is odd about it.
    pub(super) fn say(&self, text: &mut String) -> Vec<String> {
        let (seen, mut warnings) = (self, Vec::new());
        for (verb, names) in [("loses", &seen.loses), ("gains", &seen.gains)] {
            if !names.is_empty() {
                let _ = writeln!(text, "  pflow {verb} {}: {}", count(names.len(), "tool"), few(names));
            }
        }
        if seen.loses.is_empty() && seen.gains.is_empty() {
            let _ = writeln!(text, "  pflow gets the same {} as before", count(seen.after.tools.len(), "tool"));
        }
        warnings.extend(seen.after.warnings.iter().filter(|warning| warning.starts_with("no ")).cloned());
        if seen.after.tools.is_empty() && seen.after.total > 0 {
            warnings.push(format!("the filter keeps none of the {}", count(seen.after.total, "tool")));
        }
        warnings
    }
}

fn few(names: &[String]) -> String {
    let mut said: Vec<String> = names.iter().take(SAID).map(|name| scrub::line(name, 100)).collect();
    let more = names.len().saturating_sub(SAID);
    if more > 0 {
        said.push(format!("and {more} more"));
    }
    said.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_named_changes_and_an_empty_group_goes() {
        let mut entry = json!({"command": "x", "note": 1, "gateway": {"url": "http://h", "odd": true,
            "tools": {"include": ["a"], "read_only": true}}});
        let was = entry.clone();
        let changes = [
            Change { group: "tools", member: "include", value: None },
            Change { group: "services", member: "exclude", value: Some(json!(["slack"])) },
            Change { group: "tools", member: "read_only", value: Some(json!(true)) },
        ];
        let told = apply(&mut entry, &changes);
        assert_eq!(told.len(), 2, "what is so already is no change");
        assert_eq!(
            entry,
            json!({"command": "x", "note": 1, "gateway": {"url": "http://h", "odd": true,
                "tools": {"read_only": true}, "services": {"exclude": ["slack"]}}})
        );
        let back = [
            Change { group: "tools", member: "include", value: Some(json!(["a"])) },
            Change { group: "services", member: "exclude", value: None },
        ];
        apply(&mut entry, &back);
        assert_eq!(entry, was);
    }
}
