//! `adopt`: a plain HTTP entry becomes a gateway entry, and back.
//! Takes an entry's name; rewrites that entry alone. URL, credential and whatever else stands in it stay.

use serde_json::{Map, Value, json};

use super::{
    args,
    context::Context,
    edit::{Plan, Proof, Split, carry_out},
    screen::{Reply, yes},
};
use crate::{
    Error, Result,
    config::{ConfigFile, Replace},
};

/// What pflow reads in an HTTP entry; a gateway entry has these inside `gateway`.
const PLAIN: [&str; 5] = ["type", "url", "auth", "headers", "timeout"];
/// What `serve` is started with, and what it reads.
const OURS: [&str; 4] = ["command", "args", "env", "gateway"];

/// `adopt`.
pub(super) async fn adopt(context: &Context, adopt: &args::Adopt) -> Reply {
    let shape = json!({"gateway": adopt.name, "added": [], "entries": {}, "test": null});
    if adopt.undo {
        return match undo(context, &adopt.name) {
            Ok((entry, path)) => {
                let next = format!("pflow mcp sync {}", adopt.name);
                let text = format!("{} {} in {path} is a plain HTTP entry again\n  → {next}\n", yes(), adopt.name);
                let entries: Map<String, Value> = [(adopt.name.clone(), entry)].into_iter().collect();
                Reply::good(
                    text,
                    &json!({"gateway": adopt.name, "added": [adopt.name], "entries": entries, "file": path, "next": [next], "test": null, "error": null}),
                )
            }
            Err(error) => Reply::failed(shape, error),
        };
    }
    match plan(context, adopt) {
        Ok(plan) => {
            carry_out(context, &plan, if adopt.no_test { Proof::Untested } else { Proof::Tested }, "Adopted").await
        }
        Err(error) => Reply::failed(shape, error),
    }
}

fn plan(context: &Context, adopt: &args::Adopt) -> Result<Plan> {
    let file = context.file()?;
    let config = file.find(&adopt.name)?;
    if !file.contains(&adopt.name) {
        return Err(Error::config(format!(
            "\"{}\" is not the name of an entry in {}",
            adopt.name,
            file.path().display()
        ))
        .with_hint(format!("to write a new one: {} add NAME {}", context.program, adopt.name)));
    }
    if !config.plain {
        return Err(Error::config(format!("{} is a gateway entry already", adopt.name))
            .with_hint("change it with `add --replace`, or turn it back with `adopt --undo`"));
    }
    let mut plan = Plan::new(context, &adopt.name, config.url.as_str(), &adopt.entry, &args::Auth::default())?;
    plan.new.auth = config.auth;
    plan.new.timeout = context.timeout.or(config.timeout_given.then_some(config.timeout));
    plan.split = Split::Whole;
    plan.replace = Replace::Yes;
    plan.keep = others(&file, &adopt.name, &PLAIN);
    Ok(plan)
}

/// Members of an entry that are none of these: somebody else's, to be kept.
fn others(file: &ConfigFile, name: &str, known: &[&str]) -> Map<String, Value> {
    let members = file.entry(name).and_then(Value::as_object).into_iter().flatten();
    members
        .filter(|(name, _)| !known.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn undo(context: &Context, name: &str) -> Result<(Value, String)> {
    let mut file = context.edit()?;
    let gateway = file.entry(name).and_then(|entry| entry.get("gateway")).and_then(Value::as_object).cloned();
    let Some(gateway) = gateway else {
        // Unknown names and other servers get the words that they get everywhere.
        let plain = || Error::config(format!("{name} is a plain HTTP entry already"));
        return Err(file.find(name).err().unwrap_or_else(plain));
    };
    if gateway.get("auth").and_then(|auth| auth.get("type")).and_then(Value::as_str) == Some("command") {
        return Err(Error::config(format!("{name} gets its token from a command, which pflow cannot do by itself"))
            .with_hint("give it another credential first: `add --replace` with --bearer-env VAR"));
    }
    let mut entry = Map::new();
    entry.insert("type".to_owned(), "http".into());
    for member in PLAIN {
        if let Some(value) = gateway.get(member) {
            entry.insert(member.to_owned(), value.clone());
        }
    }
    entry.extend(others(&file, name, &OURS));
    let entry = Value::Object(entry);
    file.put(vec![(name.to_owned(), entry.clone())], Replace::Yes)?;
    file.save()?;
    Ok((entry, file.path().display().to_string()))
}
