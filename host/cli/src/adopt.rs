//! `adopt`: a plain HTTP entry becomes a gateway entry, and back.
//! Takes an entry's name; rewrites that entry alone. URL, credential and whatever else stands in it stay.

use serde_json::{Map, Value, json};

use super::{
    args,
    context::Context,
    edit::{Done, Plan, Proof, Split, carry_out},
    screen::{Reply, yes},
};
use pflow_gateway::{
    config::{ConfigFile, Launcher, Replace, Variables, relaunched},
    told_of_stdio,
};
use pflow_gateway_base::{Error, Result};

/// What pflow reads in an HTTP entry; a gateway entry has these inside `gateway`.
const PLAIN: [&str; 5] = ["type", "url", "auth", "headers", "timeout"];
/// What `serve` is started with, and what it reads.
const OURS: [&str; 4] = ["command", "args", "env", "gateway"];

/// The member of a gateway entry that says what it was before.
const ADOPTED: &str = "adopted";
/// In it: the names of its members in their order, those that a gateway entry needs for itself, and its text.
const ORDER: &str = "members";
const KEPT: &str = "kept";
const TEXT: &str = "text";
/// How long pflow waits for a server's tools unless the entry says more, in seconds.
const PFLOWS_PATIENCE: f64 = 60.0;

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
        Ok(Ready::Adopt(plan)) => {
            carry_out(context, &plan, if adopt.no_test { Proof::Untested } else { Proof::Tested }, Done::Adopted).await
        }
        Ok(Ready::Relaunched(entry, path)) => {
            let command = entry.get("command").and_then(Value::as_str).unwrap_or_default().to_owned();
            let text = format!("{} pflow starts {} in {path} by {command} now\n", yes(), adopt.name);
            let entries: Map<String, Value> = [(adopt.name.clone(), entry)].into_iter().collect();
            Reply::good(
                text,
                &json!({"gateway": adopt.name, "added": [adopt.name], "entries": entries, "file": path, "next": [], "test": null, "error": null}),
            )
        }
        Err(error) => {
            let error = match context.file() {
                Ok(file) => told_of_stdio(error, &file, &adopt.name, &context.component_of(&adopt.name)).await,
                Err(_) => error,
            };
            Reply::failed(shape, error)
        }
    }
}

/// What there is to do.
enum Ready {
    Adopt(Box<Plan>),
    /// It was a gateway entry that pflow could not start, or not safely; now it can.
    Relaunched(Value, String),
}

fn plan(context: &Context, adopt: &args::Adopt) -> Result<Ready> {
    let mut file = context.file()?;
    let config = file.find(&adopt.name)?;
    let Some(Value::Object(plain)) = file.entry(&adopt.name) else {
        return Err(Error::config(format!(
            "\"{}\" is not the name of an entry in {}",
            adopt.name,
            file.path().display()
        ))
        .with_hint(format!("to write a new one: {} add NAME {}", context.program, adopt.name)));
    };
    if !config.plain {
        let launch = file.launch(&adopt.name, &Variables::of_this_user()?);
        if launch.is_some_and(|launch| launch.broken.is_some() || launch.is_unsafe) {
            let entry = relaunched(&Value::Object(plain.clone()), &Launcher::current()?);
            file.put(vec![(adopt.name.clone(), entry.clone())], Replace::Yes)?;
            context.save(&file)?;
            return Ok(Ready::Relaunched(entry, file.path().display().to_string()));
        }
        return Err(Error::config(format!("{} is a gateway entry already", adopt.name))
            .with_hint("change it with `add --replace`, or turn it back with `adopt --undo`"));
    }
    let mut plan = Plan::new(context, &adopt.name, config.address.written(), &adopt.entry, &args::Auth::default())?;
    plan.new.auth = config.auth;
    plan.new.timeout = context.timeout.or(config.timeout_given.then_some(config.timeout));
    plan.split = Split::Whole;
    plan.replace = Replace::Yes;
    plan.adopted = Some(Adopted::of(&file, &adopt.name, plain, context.timeout.is_some()));
    Ok(Ready::Adopt(Box::new(plan)))
}

/// What an entry was before it was adopted.
#[derive(Clone)]
pub(super) struct Adopted {
    plain: Map<String, Value>,
    /// How it stood in the file, when it would be laid out otherwise.
    text: Option<String>,
    /// `--timeout` was given, and takes the place of its own.
    other_timeout: bool,
}

impl Adopted {
    fn of(file: &ConfigFile, name: &str, plain: &Map<String, Value>, other_timeout: bool) -> Self {
        let laid_out = file.laid_out(name, &Value::Object(plain.clone()));
        let text = file.entry_text(name).filter(|text| *text != laid_out).map(str::to_owned);
        Self { plain: plain.clone(), text, other_timeout }
    }

    /// Puts everything of it into the new entry: pflow's members word for word, and what is needed to undo this.
    pub(super) fn put_into(&self, entry: &mut Map<String, Value>) {
        for (name, value) in &self.plain {
            if !PLAIN.contains(&name.as_str()) && !OURS.contains(&name.as_str()) {
                entry.insert(name.clone(), value.clone());
            }
        }
        // pflow waits this long for the tools of a server that it starts, too.
        if let Some(timeout) =
            self.plain.get("timeout").filter(|timeout| timeout.as_f64().is_some_and(|s| s > PFLOWS_PATIENCE))
        {
            entry.insert("timeout".to_owned(), timeout.clone());
        }
        if let Some(Value::Object(theirs)) = self.plain.get("env") {
            let mut env = theirs.clone();
            if let Some(Value::Object(ours)) = entry.get("env") {
                env.extend(ours.clone());
            }
            entry.insert("env".to_owned(), Value::Object(env));
        }
        let Some(Value::Object(gateway)) = entry.get_mut("gateway") else { return };
        for member in PLAIN.iter().filter(|member| **member != "type") {
            if let Some(value) = self.plain.get(*member)
                && !(*member == "timeout" && self.other_timeout)
            {
                gateway.insert((*member).to_owned(), value.clone());
            }
        }
        let mut adopted = Map::new();
        adopted.insert(ORDER.to_owned(), self.plain.keys().map(String::as_str).collect());
        let kept: Map<String, Value> =
            OURS.iter().filter_map(|name| Some(((*name).to_owned(), self.plain.get(*name)?.clone()))).collect();
        if !kept.is_empty() {
            adopted.insert(KEPT.to_owned(), Value::Object(kept));
        }
        if let Some(text) = &self.text {
            adopted.insert(TEXT.to_owned(), text.as_str().into());
        }
        gateway.insert(ADOPTED.to_owned(), Value::Object(adopted));
    }
}

/// The plain entry that a gateway entry came from, with what was changed since.
fn plain_again(entry: &Map<String, Value>, gateway: &Map<String, Value>) -> Map<String, Value> {
    let adopted = gateway.get(ADOPTED);
    let kept = adopted.and_then(|adopted| adopted.get(KEPT));
    let value = |name: &str| match name {
        "type" => Some(Value::from("http")),
        name if PLAIN.contains(&name) => gateway.get(name).cloned(),
        name if OURS.contains(&name) => kept.and_then(|kept| kept.get(name)).cloned(),
        name => entry.get(name).cloned(),
    };
    let before = adopted.and_then(|adopted| adopted.get(ORDER)).and_then(Value::as_array).into_iter().flatten();
    let others = entry.keys().map(String::as_str).filter(|name| !OURS.contains(name));
    let order = before.filter_map(Value::as_str).chain(PLAIN).chain(others);
    let mut plain = Map::new();
    for name in order {
        if !plain.contains_key(name)
            && let Some(value) = value(name)
        {
            plain.insert(name.to_owned(), value);
        }
    }
    plain
}

fn undo(context: &Context, name: &str) -> Result<(Value, String)> {
    let mut file = context.edit()?;
    let entry = put_back(&mut file, name)?;
    context.save(&file)?;
    Ok((entry, file.path().display().to_string()))
}

/// Turns an entry of the file back into a plain HTTP entry; the file is yet to be written.
pub(super) fn put_back(file: &mut ConfigFile, name: &str) -> Result<Value> {
    let members = file.entry(name).and_then(Value::as_object);
    let gateway = members.and_then(|entry| entry.get("gateway")).and_then(Value::as_object);
    let (Some(members), Some(gateway)) = (members, gateway) else {
        // Unknown names and other servers get the words that they get everywhere.
        file.find(name)?;
        return Err(Error::config(format!("{name} is a plain HTTP entry already")));
    };
    if gateway.get("auth").and_then(|auth| auth.get("type")).and_then(Value::as_str) == Some("command") {
        return Err(Error::config(format!("{name} gets its token from a command, which pflow cannot do by itself"))
            .with_hint("give it another credential first: `add --replace` with --bearer-env VAR"));
    }
    let entry = Value::Object(plain_again(members, gateway));
    let text = gateway.get(ADOPTED).and_then(|adopted| adopted.get(TEXT)).and_then(Value::as_str).map(str::to_owned);
    // As text, since the order counts.
    let now = entry.to_string();
    let before =
        |text: &str| serde_json::from_str::<Value>(text).map_or_else(|_| String::new(), |then| then.to_string());
    match text.filter(|text| before(text) == now) {
        Some(text) => file.put_text(name, &text)?,
        None => file.put(vec![(name.to_owned(), entry.clone())], Replace::Yes)?,
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    /// Adopts the entry `g` of this file and undoes it, with a change in between; gives the file then.
    fn there_and_back(before: &str, change: impl FnOnce(&mut Value)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mcp-servers.json");
        std::fs::write(&path, before).unwrap();
        let mut file = ConfigFile::load(&path).unwrap();
        let plain = file.entry("g").unwrap().as_object().unwrap();
        let adopted = Adopted::of(&file, "g", plain, false);
        let mut entry = json!({"command": "x", "args": ["serve", "g"], "env": {"T": "${T}"}, "gateway": {"kind": "docker", "url": "x"}});
        adopted.put_into(entry.as_object_mut().unwrap());
        change(&mut entry);
        file.put(vec![("g".to_owned(), entry)], Replace::Yes).unwrap();
        file.save().unwrap();
        let members = file.entry("g").unwrap().as_object().unwrap().clone();
        assert_eq!(members.get("command"), Some(&json!("x")));
        let line = ["adopt", "g", "--undo", "--config", path.to_str().unwrap()];
        let typed = super::super::parse("pflow-gateway", line.iter().map(std::ffi::OsString::from)).unwrap();
        undo(&Context::new("pflow-gateway", &typed.global), "g").unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn undoing_gives_back_every_byte() {
        let awkward = r#""url":"http://h:1/mcp?k=${K}", "headers": {"Authorization": "Bearer good","X-Team":"\u00fc"},"type":"http" , "auth":null,"timeout": 30.0,  "env":{"A":"b"},"note":"keep""#;
        for before in [
            format!("{{\"mcpServers\": {{\"g\": {{{awkward}}}, \"other\": {{ \"command\" : \"x\" }} }} }}"),
            format!("{{\n\t\"z\": 1e2,\n\t\"mcpServers\": {{\n\t\t\"a\": {{}}, \"g\": {{{awkward}}}\n\t}}}}\n\n"),
            "{\r\n    \"mcpServers\": {\r\n        \"g\": {\r\n            \"type\": \"http\",\r\n            \"url\": \"http://h:1/mcp\"\r\n        }\r\n    }\r\n}".to_owned(),
            "{\"mcpServers\":{\"g\":{\"url\":\"http://h:1/mcp\",\"type\":\"http\"}}}".to_owned(),
        ] {
            assert_eq!(there_and_back(&before, |_| {}), before);
        }
    }

    #[test]
    fn undoing_keeps_what_was_changed_meanwhile() {
        let before = r#"{"mcpServers":{"g":{"type":"http", "url":"http://h:1/mcp","note":"a"}}}"#;
        let after = there_and_back(before, |entry| {
            let gateway = entry.get_mut("gateway").unwrap().as_object_mut().unwrap();
            gateway.insert("url".to_owned(), "http://other/mcp".into());
            gateway.insert("timeout".to_owned(), 5.into());
        });
        assert_eq!(after, r#"{"mcpServers":{"g":{"type":"http","url":"http://other/mcp","note":"a","timeout":5}}}"#);
    }

    #[test]
    fn a_longer_wait_for_the_tools_stays_where_pflow_reads_it() {
        let wait = |seconds: u64| {
            let plain = json!({"type": "http", "url": "http://h", "timeout": seconds});
            let adopted = Adopted { plain: plain.as_object().unwrap().clone(), text: None, other_timeout: false };
            let mut entry = json!({"gateway": {}});
            adopted.put_into(entry.as_object_mut().unwrap());
            entry.get("timeout").cloned()
        };
        assert_eq!((wait(30), wait(120)), (None, Some(json!(120))));
    }
}
