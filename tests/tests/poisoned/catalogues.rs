//! Poisoned catalogues, and honest ones: `tests/poisoned`, one file each, with what is wrong about it.
//! Plays each to the real program, and reads what `tools`, `services` and `health` find. Every poisoned one is noticed by the finding that its
//! file names, and no honest one is accused.

use std::{collections::BTreeMap, fs, path::Path};

use pflow_gateway_tests::{program::Home, server::Fake};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{Served, WAIT, run};

/// Kinds of findings that accuse somebody.
const ACCUSING: [&str; 3] = ["claim", "hidden_text", "look_alike"];

/// One file.
#[derive(Deserialize)]
struct Catalogue {
    /// What is wrong with it, or what could be mistaken for wrong.
    what: String,
    /// What has to be noticed; an honest one has none.
    finding: Option<Expected>,
    /// The entry's `services`.
    #[serde(default)]
    services: Value,
    /// What `tools/list` gives.
    result: Value,
}

#[derive(Deserialize)]
struct Expected {
    kind: String,
    /// A part of the sentence.
    says: String,
}

fn corpus(folder: &str) -> BTreeMap<String, Catalogue> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("poisoned").join(folder);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files
        .map(|file| {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let read = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path.file_stem().unwrap().to_string_lossy().into_owned(), read)
        })
        .collect()
}

/// The catalogues, served, and a home with an entry for each.
async fn home(corpus: &BTreeMap<String, Catalogue>) -> (Fake, Home) {
    let results = corpus.iter().map(|(name, read)| (name.clone(), read.result.clone())).collect();
    let fake = Served(results).start().await;
    let entries: Map<String, Value> = corpus
        .iter()
        .map(|(name, read)| {
            let mut gateway =
                json!({"url": format!("http://{}/{name}", fake.address()), "kind": "generic", "era": "legacy"});
            if !read.services.is_null() {
                gateway["services"] = read.services.clone();
            }
            (name.clone(), json!({"command": "pflow-gateway", "args": ["serve", name], "gateway": gateway}))
        })
        .collect();
    (fake, crate::home(&Value::Object(entries)))
}

/// What was found in a report, as `kind: message`; those that accuse.
fn accusations(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = report["findings"].as_array().unwrap_or_else(|| panic!("no findings in {report}"));
    let found: Vec<_> = all.iter().map(|finding| (text(&finding["kind"]), text(&finding["message"]))).collect();
    for (_, message) in &found {
        let told = report["warnings"].as_array().is_some_and(|warnings| warnings.iter().any(|w| w == message));
        assert!(told, "a finding that no warning tells: {message}");
    }
    found.into_iter().filter(|(kind, _)| ACCUSING.contains(&kind.as_str())).collect()
}

/// By name, what `health` says of all of them at once.
fn of_each(health: &Value) -> BTreeMap<String, &Value> {
    let gateways = health["gateways"].as_array().unwrap();
    gateways.iter().map(|gateway| (gateway["gateway"].as_str().unwrap().to_owned(), gateway)).collect()
}

#[tokio::test]
async fn every_poisoned_catalogue_is_noticed_and_no_control_character_is_shown() {
    let corpus = corpus("poisoned");
    assert!(corpus.len() >= 40, "{} catalogues", corpus.len());
    let (_fake, home) = home(&corpus).await;
    let health = run(&home, &["health", "--json"]).await;
    let health = of_each(&health);
    let mut missed = Vec::new();
    for (name, read) in &corpus {
        let expected = read.finding.as_ref().unwrap_or_else(|| panic!("{name} names no finding"));
        let noticed = |report: &Value| {
            accusations(report).iter().any(|(kind, message)| *kind == expected.kind && message.contains(&expected.says))
        };
        for command in ["tools", "services"] {
            let report = run(&home, &[command, name, "--json"]).await;
            if !noticed(&report) {
                missed.push(format!("{command} {name} ({}): {:?}", read.what, accusations(&report)));
            }
        }
        if !noticed(health[name]) {
            missed.push(format!("health {name}: {}", health[name]));
        }
        let shown = home.run(&["tools", name], WAIT).await.unwrap().stdout;
        let steers =
            |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{200b}';
        assert!(!shown.contains(steers), "{name}: {shown:?}");
    }
    assert!(missed.is_empty(), "{} were missed:\n{}", missed.len(), missed.join("\n"));
}

#[tokio::test]
async fn no_honest_catalogue_is_accused() {
    let corpus = corpus("honest");
    assert!(corpus.len() >= 20, "{} catalogues", corpus.len());
    let (_fake, home) = home(&corpus).await;
    let health = run(&home, &["health", "--json"]).await;
    let health = of_each(&health);
    for (name, read) in &corpus {
        assert!(read.finding.is_none(), "{name} is honest");
        let tools = run(&home, &["tools", name, "--json"]).await;
        let harmed = tools["warnings"].as_array().unwrap().iter().any(|w| w.as_str().unwrap().contains("nobody sees"));
        assert!(!harmed, "{name}: {tools}");
        for report in [&tools, health[name]] {
            let accused = accusations(report);
            assert!(accused.is_empty(), "{name} ({}): {accused:?}", read.what);
        }
    }
}
