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
async fn arguments_that_do_not_fit_the_tool_are_refused_before_it_is_called() {
    let fake = Fake::start(std::sync::Arc::new(Generic::new(Config::default()))).await.unwrap();
    let home = home(json!({"g": entry(&fake.url(), Value::Null)})).await;
    for (words, says) in [
        (&[][..], "missing arguments: repo, title"),
        (&["repo=a/b", "titel=x"], "missing argument: title; unknown argument: titel (did you mean title?)"),
        (&["--args", r#"{"repo": 7, "title": "x"}"#], "repo must be a string, and is 7"),
    ] {
        let run = home.run(&[&["call", "g", "github__create_issue"], words].concat(), WAIT).await.unwrap();
        assert_eq!(run.code, Some(2), "{words:?}: {run:?}");
        assert!(run.stderr.contains(says), "{words:?}: {run:?}");
        assert!(run.stderr.contains("→ github__create_issue(repo: string, title: string, body?: string)"), "{run:?}");
    }
    assert_eq!(fake.log().count("tools/call"), 0);
    let good = home.run(&["call", "g", "github__create_issue", "repo=a/b", "title=x"], WAIT).await.unwrap();
    assert_eq!((good.code, fake.log().count("tools/call")), (Some(0), 1), "{good:?}");
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

/// Entries that other programs write: none is a server that pflow starts, and each gets the line that pflow wants.
#[tokio::test]
async fn entries_of_other_programs_are_named_alike_by_list_and_test() {
    const URL: &str = "http://127.0.0.1:9/mcp";
    let rows = [
        ("cursor", json!({"url": URL}), "no \"type\""),
        ("streamable-http", json!({"type": "streamable-http", "url": URL}), "\"type\": \"streamable-http\""),
        ("cline", json!({"type": "streamableHttp", "url": URL, "disabled": false}), "\"type\": \"streamableHttp\""),
        ("windsurf", json!({"serverUrl": URL}), "\"serverUrl\""),
        ("gemini", json!({"httpUrl": URL, "timeout": 60000}), "\"httpUrl\""),
        ("inside", json!({"transport": {"type": "streamable-http", "url": URL}}), "\"transport\""),
        ("blueking", json!({"transportType": "streamable-http", "url": URL}), "\"transportType\""),
    ];
    let servers: serde_json::Map<String, Value> =
        rows.iter().map(|(name, entry, _)| ((*name).to_owned(), entry.clone())).collect();
    let home = home(Value::Object(servers)).await;
    let list = home.run(&["list"], WAIT).await.unwrap();
    let rest = home.run(&["list", "--json"], WAIT).await.unwrap().json();
    for (name, _, word) in rows {
        let run = home.run(&["test", name], WAIT).await.unwrap();
        refused(&run, word);
        assert!(run.stderr.contains("\"type\": \"http\", \"url\": \"http://127.0.0.1:9/mcp\""), "{}", run.stderr);
        assert!(!run.stderr.contains("starts itself"), "{}", run.stderr);
        assert!(list.stdout.contains(word), "{word} is not in {}", list.stdout);
        let listed = rest["gateways"].as_array().unwrap().iter().find(|row| row["gateway"] == name).unwrap();
        assert!(listed["error"]["message"].as_str().unwrap().contains(word), "{listed}");
    }
    assert!(!list.stderr.contains("No gateways"), "{}", list.stderr);
}

#[tokio::test]
async fn the_old_transport_is_named_and_not_taken_for_a_typing_error() {
    let home = home(json!({"g": {"type": "sse", "url": "http://127.0.0.1:9/sse"}})).await;
    refused(&home.run(&["test", "g"], WAIT).await.unwrap(), "HTTP+SSE");
}

/// Bytes of a file, a word of the message, and the words of the remedy.
#[tokio::test]
async fn files_that_editors_and_other_programs_write_are_named_for_what_they_are() {
    let entry = r#"{"type": "http", "url": "http://127.0.0.1:9/mcp"}"#;
    let good = format!("{{\"mcpServers\": {{\"g\": {entry}}}}}");
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(good.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let bom: Vec<u8> = [0xef, 0xbb, 0xbf].into_iter().chain(good.bytes()).collect();
    let comment = format!("{{\n  \"mcpServers\": {{\n    // the gateway\n    \"g\": {entry}\n  }}\n}}");
    let behind = format!("{{\n  \"mcpServers\": {{ /* one */\n    \"g\": {entry}\n  }}\n}}");
    let trailing = format!("{{\n  \"mcpServers\": {{\n    \"g\": {entry},\n  }}\n}}");
    for (bytes, word) in [
        (bom, "byte order mark"),
        (utf16, "UTF-16"),
        (b"{\"mcpServers\": {\"g\": {\"url\": \"\xfc\"}}}".to_vec(), "not UTF-8"),
        (comment.into_bytes(), "comment"),
        (behind.into_bytes(), "comment"),
        (trailing.into_bytes(), "trailing comma"),
        (b"registry:\n  github:\n    ref: \"\"\n".to_vec(), "YAML"),
        (format!("{{\"servers\": {{\"g\": {entry}}}}}").into_bytes(), "\"servers\", as VS Code"),
        (format!("{{\"mcp\": {{\"servers\": {{\"g\": {entry}}}}}}}").into_bytes(), "\"mcp.servers\""),
    ] {
        let home = home(json!({})).await;
        let path = home.path().join(".pflow/mcp-servers.json");
        fs::write(&path, &bytes).unwrap();
        refused(&home.run(&["test", "g", "--json"], WAIT).await.unwrap(), word);
        let list = home.run(&["list"], WAIT).await.unwrap();
        assert!(list.stderr.contains(word), "{word} is not in {}", list.stderr);
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[tokio::test]
async fn what_pflow_reads_otherwise_than_its_author_meant_is_said() {
    let home = home(json!({})).await;
    let path = home.path().join(".pflow/mcp-servers.json");
    let twice = r#"{"mcpServers": {
        "g": {"type": "http", "url": "http://127.0.0.1:1/mcp"},
        "g": {"type": "http", "url": "http://127.0.0.1:9/mcp", "disabled": true,
              "headers": {"Authorization": "Bearer ${env:TOK}", "X-A": "$TOK", "X-B": "%TOK%"}}}}"#;
    fs::write(path, twice).unwrap();
    for words in [&["list"][..], &["test", "g"]] {
        let run = home.run(words, WAIT).await.unwrap();
        assert!(run.stderr.contains("more than once (lines 2 and 3)"), "{}", run.stderr);
        assert!(run.stderr.contains("disabled"), "{}", run.stderr);
    }
    let list = home.run(&["list"], WAIT).await.unwrap();
    for (written, right) in [("${env:TOK}", "write ${TOK}"), ("$TOK", "write ${TOK}"), ("%TOK%", "write ${TOK}")] {
        assert!(list.stdout.contains(&format!("{written} (no variable for pflow: {right})")), "{}", list.stdout);
    }
}

#[tokio::test]
async fn a_key_in_a_url_is_shown_by_no_command_and_stored_nowhere_else() {
    const KEY: &str = "key-of-mine-SECRET-4242";
    for url in ["?api_key=key-of-mine-SECRET-4242", "/key-of-mine-SECRET-4242/mcp", "#key-of-mine-SECRET-4242"] {
        let fake = Fake::start(std::sync::Arc::new(Generic::new(Config::default()))).await.unwrap();
        let home = home(json!({"g": entry(&format!("{}{url}", fake.url()), Value::Null)})).await;
        let direct = format!("{}{url}", fake.url());
        for words in [
            &["list"][..],
            &["list", "--json"],
            &["test", "g"],
            &["test", "g", "--json"],
            &["test", &direct],
            &["test", &direct, "--json"],
            &["tools", "g", "--json"],
            &["tools", &direct, "--json"],
            &["services", "g"],
            &["call", "g", "lab__echo", "--json"],
            &["call", &direct, "lab__echo", "--json"],
            &["health", "g", "--json"],
            &["health", &direct],
            &["-vvv", "tools", "g"],
        ] {
            let run = home.run(words, WAIT).await.unwrap();
            assert!(!run.stdout.contains("SECRET"), "{words:?}: {}", run.stdout);
            assert!(!run.stderr.contains("SECRET"), "{words:?}: {}", run.stderr);
        }
        for file in ["gateway", "settings.json"].map(|name| home.path().join(".pflow").join(name)) {
            for (path, bytes) in files(&file) {
                assert!(!bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes()), "{}", path.display());
            }
        }
        let added = home.run(&["add", "new", &direct, "--no-test"], WAIT).await.unwrap();
        assert_eq!(added.stderr.contains("${VAR}"), !url.starts_with('#'), "{}", added.stderr);
        assert!(!added.stderr.contains("SECRET") && added.code == Some(0), "{}", added.stderr);
    }
}

fn files(folder: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![(path.clone(), fs::read(path).unwrap())] })
        .collect()
}

/// A device has no end, and a pipe may have no beginning: neither may hold a command up.
#[tokio::test]
async fn only_ordinary_files_are_read() {
    let home =
        home(json!({"g": {"command": "x", "gateway": {"url": "https://127.0.0.1:9/mcp", "ca_file": "/dev/zero"}}}))
            .await;
    let pipe = home.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let large = home.path().join("large.json");
    fs::write(&large, vec![b' '; 1024 * 1024 + 1]).unwrap();
    let (pipe, large) = (pipe.to_str().unwrap(), large.to_str().unwrap());
    for words in [
        &["list", "--config", "/dev/zero"][..],
        &["list", "--config", pipe],
        &["list", "--config", large],
        &["test", "g"],
        &["test", "https://127.0.0.1:9/mcp", "--ca-file", pipe],
    ] {
        let run = home.run(words, WAIT).await.unwrap();
        assert_eq!(run.code, Some(2), "{words:?}: {run:?}");
        assert!(run.stderr.contains("ordinary file") || run.stderr.contains("1 MiB"), "{words:?}: {}", run.stderr);
    }
    // Settings that cannot be read are none, as for pflow.
    let settings = home.path().join(".pflow/settings.json");
    std::os::unix::fs::symlink("/dev/zero", settings).unwrap();
    assert_eq!(home.run(&["list"], WAIT).await.unwrap().code, Some(0));
}

#[tokio::test]
async fn a_name_that_would_be_a_flag_is_refused() {
    let home = home(json!({})).await;
    let before = home.files().unwrap();
    let run = home.run(&["add", "--no-test", "--", "-x", "http://127.0.0.1:9/mcp"], WAIT).await.unwrap();
    refused(&run, "-x");
    assert_eq!(home.files().unwrap(), before);
}
