//! `component use`, `list`, `show` and `reset`, and `--component` for one run: what runs for whom, and what is on disk afterwards.

use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc};

use pflow_gateway_tests::{
    generic::{Config, Generic},
    program::{Home, Run},
    server::Fake,
};
use serde_json::Value;

use super::{anonymous, bytes, component, home, put, run};

/// The tools that the liar makes up. No gateway here has them.
const MADE_UP: [&str; 2] = ["list_issues", "send_message"];

async fn gateway() -> Fake {
    Fake::start(Arc::new(Generic::new(Config::default()))).await.unwrap()
}

/// The names of a gateway's tools.
async fn tools(home: &Home, words: &[&str]) -> BTreeSet<String> {
    let run = run(home, &[&["tools"], words, &["--json"]].concat()).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    run.json()["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

fn is_made_up(tools: &BTreeSet<String>) -> bool {
    tools.iter().map(String::as_str).eq(MADE_UP)
}

/// The one copy in pflow's folder.
fn copy(home: &Home) -> PathBuf {
    let mut files = fs::read_dir(home.path().join(".pflow/gateway-components")).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none(), "more than one copy");
    file
}

fn shown(home: &Home, run: &Run) -> String {
    assert_eq!(run.code, Some(0), "{run:?}");
    anonymous(&run.stdout, home.path())
}

#[tokio::test]
async fn a_component_is_installed_listed_shown_and_taken_back() {
    let home = home(&[]);
    put(&home, "liar.wasm", &bytes("liar"));
    let mut told = String::new();
    for words in [
        &["list"][..],
        &["use", "liar.wasm"],
        &["use", "liar.wasm", "--gateway", "docker"],
        &["list"],
        &["reset"],
        &["list"],
        &["reset", "--gateway", "docker"],
        &["reset"],
        &["list"],
    ] {
        let run = component(&home, words).await;
        told.push_str(&format!("$ component {}\n{}\n", words.join(" "), shown(&home, &run)));
    }
    insta::assert_snapshot!("commands", told);
    assert!(fs::read_dir(home.path().join(".pflow/gateway-components")).unwrap().next().is_none(), "a copy is left");
}

#[tokio::test]
async fn the_json_of_the_commands_says_what_was_done() {
    let home = home(&[]);
    put(&home, "liar.wasm", &bytes("liar"));
    let installed = component(&home, &["use", "liar.wasm", "--gateway", "docker", "--json"]).await.json();
    assert_eq!((&installed["gateway"], &installed["error"]), (&"docker".into(), &Value::Null));
    let digest = installed["sha256"].as_str().unwrap().to_owned();
    assert!(copy(&home).ends_with(format!("{digest}.wasm")));
    let listed = component(&home, &["list", "--json"]).await.json();
    assert_eq!(listed["components"][0]["sha256"], digest.as_str());
    let removed = component(&home, &["reset", "--gateway", "docker", "--json"]).await.json();
    assert_eq!(removed["removed"]["sha256"], digest.as_str());
    let removed = component(&home, &["reset", "--gateway", "docker", "--json"]).await.json();
    assert_eq!(removed["removed"], Value::Null);
}

#[tokio::test]
async fn show_says_what_runs_and_what_it_is_held_to() {
    let home = home(&[]);
    put(&home, "liar.wasm", &bytes("liar"));
    let built_in = component(&home, &["show", "--json"]).await.json();
    assert_eq!((&built_in["source"], &built_in["version"]), (&"built-in".into(), &"0.2.0".into()));
    assert!(built_in["limits"]["memory_bytes"].as_u64() > Some(0), "{built_in}");
    component(&home, &["use", "liar.wasm"]).await;
    let used = component(&home, &["show", "--json"]).await.json();
    assert_eq!(used["source"].as_str().unwrap(), copy(&home).to_str().unwrap());
    assert_ne!(used["sha256"], built_in["sha256"]);
    let text = component(&home, &["show"]).await.stdout;
    assert!(text.contains("pflow:gateway@0.2.0") && text.contains("memory_bytes"), "{text}");
}

#[tokio::test]
async fn it_runs_for_all_gateways_or_for_one() {
    let fake = gateway().await;
    let url = fake.url();
    let home = home(&[("one", &url), ("two", &url)]);
    put(&home, "liar.wasm", &bytes("liar"));
    let real = tools(&home, &["one"]).await;
    assert!(!is_made_up(&real) && !real.is_empty(), "{real:?}");

    component(&home, &["use", "liar.wasm", "--gateway", "one"]).await;
    assert!(is_made_up(&tools(&home, &["one"]).await));
    assert_eq!(tools(&home, &["two"]).await, real);
    component(&home, &["use", "liar.wasm"]).await;
    assert!(is_made_up(&tools(&home, &["two"]).await));
    component(&home, &["reset"]).await;
    component(&home, &["reset", "--gateway", "one"]).await;
    assert_eq!(tools(&home, &["one"]).await, real);
}

#[tokio::test]
async fn a_component_for_one_run_leaves_nothing_behind() {
    let fake = gateway().await;
    let url = fake.url();
    let home = home(&[("one", &url)]);
    put(&home, "liar.wasm", &bytes("liar"));
    assert!(is_made_up(&tools(&home, &["one", "--component", "liar.wasm"]).await));
    assert!(!home.path().join(".pflow/gateway-components.json").exists(), "it was installed");
    assert!(!home.path().join(".pflow/gateway-components").exists(), "it was copied");
    assert!(!is_made_up(&tools(&home, &["one"]).await));
}

#[tokio::test]
async fn what_its_author_does_to_the_file_later_changes_nothing() {
    let fake = gateway().await;
    let url = fake.url();
    let home = home(&[("one", &url)]);
    put(&home, "liar.wasm", &bytes("liar"));
    component(&home, &["use", "liar.wasm"]).await;
    put(&home, "liar.wasm", b"something else");
    assert!(is_made_up(&tools(&home, &["one"]).await));
}

#[tokio::test]
async fn a_copy_that_changed_under_its_pin_is_refused_everywhere() {
    let fake = gateway().await;
    let url = fake.url();
    let home = home(&[("one", &url)]);
    put(&home, "liar.wasm", &bytes("liar"));
    component(&home, &["use", "liar.wasm"]).await;
    let file = copy(&home);
    let mut changed = fs::read(&file).unwrap();
    // An empty custom section: the same component, another digest.
    changed.extend_from_slice(&[0, 2, 1, b'x']);
    fs::write(&file, changed).unwrap();
    for words in [
        &["tools", "one"][..],
        &["services", "one"],
        &["call", "one", "send_message"],
        &["component", "show"],
        &["component", "check"],
    ] {
        let run = run(&home, words).await;
        assert_eq!(run.code, Some(1), "{words:?}: {run:?}");
        let text = format!("{}{}", run.stdout, run.stderr);
        assert!(text.contains("changed since it was installed"), "{words:?}: {text}");
        assert!(text.contains("component reset"), "{words:?}: {text}");
    }
    component(&home, &["use", "liar.wasm"]).await;
    assert!(is_made_up(&tools(&home, &["one"]).await), "installing it again heals it");
    fs::remove_file(copy(&home)).unwrap();
    let run = run(&home, &["tools", "one"]).await;
    assert_eq!(run.code, Some(2), "{run:?}");
    component(&home, &["reset"]).await;
    assert!(!is_made_up(&tools(&home, &["one"]).await));
}

#[tokio::test]
async fn the_built_in_component_is_written_to_a_file_that_runs_like_it_and_replaces_nothing() {
    let home = home(&[]);
    let run = component(&home, &["export", "gateway.wasm", "--json"]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    let file = home.path().join("gateway.wasm");
    assert_eq!(run.json()["size"], fs::metadata(&file).unwrap().len());
    let check = component(&home, &["check", "gateway.wasm", "--interface", "filter", "--json"]).await;
    assert_eq!((check.code, &check.json()["score"]["percent"]), (Some(0), &Value::from(100)), "{check:?}");
    fs::write(&file, "mine").unwrap();
    let again = component(&home, &["export", "gateway.wasm"]).await;
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.stderr.contains("cannot write gateway.wasm"), "{again:?}");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}
