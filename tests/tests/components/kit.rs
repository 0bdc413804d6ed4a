//! `component check`: the built-in component does everything, and what does not is found out, by name.

use std::collections::BTreeSet;

use pflow_gateway::runtime::BUILT_IN;
use pflow_gateway_tests::program::Run;
use serde_json::Value;

use super::{anonymous, bytes, component, home, put, replaced};

/// The names of the checks with this outcome.
fn names<'a>(report: &'a Value, outcome: &str) -> BTreeSet<&'a str> {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().filter(|check| check["outcome"] == outcome).map(|check| check["name"].as_str().unwrap()).collect()
}

fn interfaces(report: &Value) -> Vec<&str> {
    report["interfaces"].as_array().unwrap().iter().map(|of| of["name"].as_str().unwrap()).collect()
}

fn failed(run: &Run) {
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("checks failed"), "{}", run.stderr);
}

#[tokio::test]
async fn the_built_in_component_scores_100_percent() {
    let run = component(&home(&[]), &["check", "--json"]).await;
    let report = run.json();
    assert_eq!(names(&report, "failed"), BTreeSet::new(), "{report:#}");
    assert_eq!(names(&report, "not_offered"), BTreeSet::new(), "{report:#}");
    assert_eq!(run.code, Some(0), "{run:?}");
    let score = &report["score"];
    assert_eq!((&score["percent"], &score["failed"]), (&100.into(), &0.into()));
    assert_eq!(score["passed"], score["total"]);
    assert!(score["total"].as_u64() > Some(100), "{score}");
    assert_eq!((&report["ok"], &report["error"]), (&true.into(), &Value::Null));
    assert_eq!(interfaces(&report), ["discovery", "filter", "health", "calls", "products", "review", "sandbox"]);
    // What it had before there was a kit.
    for member in ["source", "sha256", "package", "version", "size", "imports", "exports", "limits"] {
        assert!(!report[member].is_null(), "{member} is missing");
    }
    for member in ["name", "interface", "ok", "outcome", "cites", "expected", "found", "ms"] {
        assert!(report["checks"].as_array().unwrap().iter().all(|check| !check[member].is_null()), "{member}");
    }
}

#[tokio::test]
async fn every_check_cites_a_place_of_the_contract() {
    let wit = include_str!("../../../wit/gateway.wit");
    let report = component(&home(&[]), &["check", "--json"]).await.json();
    let mut seen = BTreeSet::new();
    for check in report["checks"].as_array().unwrap() {
        assert!(seen.insert(check["name"].as_str().unwrap()), "two checks have one name: {check}");
        for word in check["cites"].as_str().unwrap().split('.') {
            assert!(wit.contains(word), "wit/gateway.wit has no {word}: {check}");
        }
    }
}

#[tokio::test]
async fn the_table_has_a_line_for_every_check() {
    let run = component(&home(&[]), &["check"]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.stderr, "", "progress is for terminals");
    insta::assert_snapshot!("table-built-in", run.stdout);
}

#[tokio::test]
async fn a_component_that_answers_with_constants_is_seen_through() {
    let home = home(&[]);
    put(&home, "liar.wasm", &bytes("liar"));
    let run = component(&home, &["check", "liar.wasm", "--json"]).await;
    failed(&run);
    let report = run.json();
    assert!(report["score"]["percent"].as_u64().unwrap() < 25, "{}", report["score"]);
    assert_eq!((&report["ok"], &report["error"]["class"]), (&false.into(), &"component".into()));
    // It has nothing to be praised for but that it starts, and what a constant happens to get right.
    let table = component(&home, &["check", "liar.wasm"]).await;
    failed(&table);
    insta::assert_snapshot!("table-liar", anonymous(&table.stdout, home.path()));
}

#[tokio::test]
async fn a_component_that_traps_spins_hangs_and_miscounts_fails_and_the_kit_goes_on() {
    let home = home(&[]);
    put(&home, "broken.wasm", &bytes("broken"));
    let run = component(&home, &["check", "broken.wasm", "--timeout", "2", "--json", "-v"]).await;
    failed(&run);
    // For its author: by which way it came to the trap.
    let way = run.stderr.lines().find(|line| line.contains("the component trapped: ")).unwrap();
    assert!(way.contains("wasm backtrace") && way.contains("unreachable"), "{way}");
    let report = run.json();
    let found = |name: &str| {
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no check {name}"));
        assert_eq!(check["outcome"], "failed", "{check}");
        check["found"].as_str().unwrap().to_owned()
    };
    assert!(found("lists tools that come as JSON").contains("out of cheese"));
    let spun = found("says how each known service is, and on what that rests");
    assert!(spun.contains("no answer within") || spun.contains("no end within"), "{spun}");
    let hung = found("calls a tool by its exact name");
    assert!(hung.contains("no answer within") || hung.contains("no end within"), "{hung}");
    assert!(found("gives one verdict per candidate, in order").contains("verdicts for"));
    assert!(found("ends the session when it is closed").contains("protocol-error"));
    // It reports no events, so it is not asked for any.
    assert!(names(&report, "not_offered").contains("asks for progress and passes it on"), "{report:#}");
    assert!(names(&report, "passed").contains("exports the contract in a version that this host speaks"), "{report:#}");
    let unseen = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    let table = component(&home, &["check", "broken.wasm", "--timeout", "2"]).await;
    assert!(!table.stdout.contains(unseen) && !run.stdout.contains(unseen), "{}", table.stdout);
}

/// The built-in component with one text for another: a bug each, as small as bugs are.
const BUGS: &[(&str, &str, &str)] = &[
    ("session ids under another name", "Mcp-Session-Id", "Mcp-Session-Ib"),
    // Where the linker puts it: the word alone stands in names of the contract, too.
    ("cursors under another name", "tools/listcursor", "tools/listcursos"),
    ("cancelled misspelt", "notifications/cancelled", "notifications/canceled_"),
    ("the token for progress under another name", "progressToken", "progressTokem"),
    ("deaf to a lost session", "no valid session id", "no valld session id"),
];

#[tokio::test]
async fn a_small_bug_fails_the_checks_that_are_about_it_and_no_others() {
    let home = home(&[]);
    // Compiled code of these is of no use to anybody later.
    let cache = home.path().join("cache").display().to_string();
    let home = home.with("XDG_CACHE_HOME", &cache);
    let mut found = String::new();
    for (bug, from, to) in BUGS {
        put(&home, "bug.wasm", &replaced(BUILT_IN, from, to));
        let run = component(&home, &["check", "bug.wasm", "--json"]).await;
        failed(&run);
        found.push_str(&format!("{bug}:\n"));
        for name in names(&run.json(), "failed") {
            found.push_str(&format!("  {name}\n"));
        }
    }
    insta::assert_snapshot!("bugs", found);
}

#[tokio::test]
async fn an_author_checks_only_what_was_implemented() {
    let home = home(&[]);
    put(&home, "broken.wasm", &bytes("broken"));
    let run = component(&home, &["check", "broken.wasm", "--interface", "filter", "--json"]).await;
    failed(&run);
    let report = run.json();
    // Fitting the contract is looked at in any case.
    assert_eq!(interfaces(&report), ["filter", "sandbox"]);
    let run = component(&home, &["check", "--interface", "filter", "--interface", "health", "--json"]).await;
    assert_eq!((run.code, interfaces(&run.json())), (Some(0), vec!["filter", "health", "sandbox"]));
    let run = component(&home, &["check", "--interface", "filters"]).await;
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("discovery, filter, health, calls, products, review, sandbox"), "{}", run.stderr);
}

#[tokio::test]
async fn without_a_file_the_component_that_runs_is_checked() {
    let home = home(&[]);
    put(&home, "liar.wasm", &bytes("liar"));
    let filter = ["--interface", "filter", "--json"];
    let source = |run: &Run| run.json()["source"].as_str().unwrap().to_owned();

    let run = component(&home, &[&["check"], &filter[..]].concat()).await;
    assert_eq!((run.code, source(&run).as_str()), (Some(0), "built-in"));
    component(&home, &["use", "liar.wasm", "--gateway", "docker"]).await;
    let run = component(&home, &[&["check"], &filter[..]].concat()).await;
    assert_eq!((run.code, source(&run).as_str()), (Some(0), "built-in"));
    let run = component(&home, &[&["check", "--gateway", "docker"], &filter[..]].concat()).await;
    assert!(source(&run).contains("gateway-components"), "{run:?}");
    failed(&run);
    let run = component(&home, &[&["check", "--component", "liar.wasm"], &filter[..]].concat()).await;
    assert_eq!(source(&run), "liar.wasm");
    failed(&run);
    component(&home, &["use", "liar.wasm"]).await;
    failed(&component(&home, &[&["check"], &filter[..]].concat()).await);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_a_matter_of_usage() {
    let run = component(&home(&[]), &["check", "nowhere.wasm", "--json"]).await;
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("nowhere.wasm"), "{}", run.stderr);
    let report = run.json();
    assert_eq!((&report["ok"], &report["error"]["class"]), (&false.into(), &"config".into()));
}
