//! What a user gets wrong before any gateway is asked.

#![expect(clippy::indexing_slicing, reason = "a member that is missing fails the test")]

use std::{fs, time::Duration};

use pflow_gateway_tests::{
    generic::{Auth, Config, Generic},
    program::{Home, Run},
    server::Fake,
};
use serde_json::{Value, json};

use crate::{entry, program};

const WAIT: Duration = Duration::from_secs(10);

async fn home(servers: Value) -> Home {
    Home::new(&program().await, &servers).unwrap()
}

/// Exit code 2, class config, one sentence that holds this word, one hint.
fn refused(run: &Run, word: &str) {
    assert_eq!(run.code, Some(2), "{run:?}");
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert!(
        matches!(lines.as_slice(), [error, hint] if error.starts_with("Error: ") && hint.starts_with("  → ")),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains(word), "{word} is not in {}", run.stderr);
    let class = run.json()["error"]["class"].clone();
    assert!(class.is_null() || class == "config", "{class}");
}

#[tokio::test]
async fn a_name_that_is_not_there_is_refused_with_the_names_that_are() {
    let home = home(json!({"docker": entry("http://127.0.0.1:9/mcp", Value::Null)})).await;
    for words in [&["test", "dokcer", "--json"][..], &["tools", "dokcer", "--json"], &["call", "dokcer", "x", "--json"]]
    {
        let before = home.files().unwrap();
        refused(&home.run(words, WAIT).await.unwrap(), "docker");
        assert_eq!(home.files().unwrap(), before);
    }
}

#[tokio::test]
async fn a_variable_that_is_not_set_is_named() {
    let auth = json!({"type": "bearer", "token": "${NO_SUCH_VARIABLE}"});
    let home = home(json!({"g": entry("http://127.0.0.1:9/mcp", auth)})).await;
    refused(&home.run(&["test", "g", "--json"], WAIT).await.unwrap(), "NO_SUCH_VARIABLE");
}

#[tokio::test]
async fn a_broken_file_is_refused_with_its_line_and_left_alone() {
    let home = home(json!({})).await;
    let path = home.path().join(".pflow/mcp-servers.json");
    fs::write(&path, "{\n  \"mcpServers\": {\"a\": }\n}\n").unwrap();
    for words in
        [&["list", "--json"][..], &["test", "a", "--json"], &["add", "b", "http://127.0.0.1:9/mcp", "--no-test"]]
    {
        let run = home.run(words, WAIT).await.unwrap();
        refused(&run, "mcp-servers.json");
        assert!(run.stderr.contains("line 2"), "{}", run.stderr);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\n  \"mcpServers\": {\"a\": }\n}\n");
}

#[tokio::test]
async fn a_url_with_a_password_or_another_scheme_is_refused_without_repeating_the_password() {
    let home = home(json!({})).await;
    for url in ["http://ann:s3cret@127.0.0.1:9/mcp", "ftp://127.0.0.1/mcp", "http://"] {
        let run = home.run(&["test", url], WAIT).await.unwrap();
        assert_eq!(run.code, Some(2), "{url}: {run:?}");
        assert!(!run.stderr.contains("s3cret") && !run.stdout.contains("s3cret"), "{run:?}");
    }
}

#[tokio::test]
async fn arguments_that_are_no_object_are_refused_before_anything_is_sent() {
    let fake = Fake::start(std::sync::Arc::new(Generic::new(Config::default()))).await.unwrap();
    let home = home(json!({"g": entry(&fake.url(), Value::Null)})).await;
    for arguments in ["[1]", "{", "\"x\""] {
        let run = home.run(&["call", "g", "lab__echo", "--args", arguments], WAIT).await.unwrap();
        assert_eq!(run.code, Some(2), "{arguments}: {run:?}");
    }
    assert_eq!(fake.log().len(), 0);
}

#[tokio::test]
async fn adding_a_gateway_that_fails_its_test_leaves_the_file_alone() {
    let home = home(json!({})).await;
    let before = home.files().unwrap();
    let run = home.run(&["add", "g", "http://127.0.0.1:9/mcp"], WAIT).await.unwrap();
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(home.files().unwrap(), before);
}

#[tokio::test]
async fn adding_a_good_gateway_adds_one_entry_without_the_value_of_the_token() {
    let config = Config { auth: Auth::Bearer("s3cret-value".to_owned()), ..Config::default() };
    let fake = Fake::start(std::sync::Arc::new(Generic::new(config))).await.unwrap();
    let home = home(json!({})).await.with("MY_TOKEN", "s3cret-value");
    let run = home.run(&["add", "g", &fake.url(), "--bearer-env", "MY_TOKEN"], WAIT).await.unwrap();
    assert_eq!(run.code, Some(0), "{run:?}");
    let text = fs::read_to_string(home.path().join(".pflow/mcp-servers.json")).unwrap();
    assert!(!text.contains("s3cret-value") && text.contains("${MY_TOKEN}"), "{text}");
    let file: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(file["x-kept"], true);
    assert_eq!(file["mcpServers"]["stranger"], json!({"command": "true", "x-unknown": [1, 2]}));
    assert_eq!(file["mcpServers"]["g"]["gateway"]["url"], fake.url());
    assert!(!run.stdout.contains("s3cret-value") && !run.stderr.contains("s3cret-value"), "{run:?}");
}

#[tokio::test]
async fn wrong_flags_are_usage() {
    let home = home(json!({})).await;
    for words in [&["test"][..], &["tools", "g", "--no-such-flag"], &["nonsense"], &["test", "g", "--timeout", "soon"]]
    {
        assert_eq!(home.run(words, WAIT).await.unwrap().code, Some(2), "{words:?}");
    }
}
