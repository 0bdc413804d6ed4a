//! `services.include`: what it keeps, what it leaves out for want of certainty, and what `add` and `adopt` write.

use std::collections::BTreeMap;

use pflow_gateway_tests::{program::Home, server::Fake};
use serde_json::{Value, json};

use crate::{Served, WAIT, home, run};

fn tools(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"name": name, "description": "x", "inputSchema": {"type": "object"}})).collect()
}

/// A tool that says of itself that it is from this service.
fn claiming(name: &str, service: &str) -> Value {
    json!({"name": name, "description": "x", "inputSchema": {"type": "object"}, "_meta": {"service": service}})
}

/// A gateway that lists these, and its URL.
async fn gateway(tools: Vec<Value>) -> (Fake, String) {
    let fake = Served(BTreeMap::from([("mcp".to_owned(), json!({"tools": tools}))])).start().await;
    let url = format!("http://{}/mcp", fake.address());
    (fake, url)
}

/// The entry of this name as it is in the file.
fn entry(home: &Home, name: &str) -> Value {
    let text = std::fs::read_to_string(home.path().join(".pflow/mcp-servers.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["mcpServers"][name].clone()
}

fn names(report: &Value) -> Vec<&str> {
    report["tools"].as_array().unwrap().iter().filter_map(|tool| tool["name"].as_str()).collect()
}

fn says(report: &Value, words: &str) -> bool {
    report["warnings"].as_array().unwrap().iter().filter_map(Value::as_str).any(|warning| warning.contains(words))
}

#[tokio::test]
async fn one_flag_is_enough_where_names_tell_and_what_was_declared_is_said() {
    // Never inferred from `_` alone; inferred from `__`; and in one of them with a service of another kind of name.
    for separator in ["_", "__", "-"] {
        let named = |name: &str| name.replace('/', separator);
        let all = ["github/list", "github/get", "slack/post", "slack/read", "other"].map(named);
        let (_fake, url) = gateway(tools(&all.each_ref().map(String::as_str))).await;
        let home = home(&json!({"plain": {"type": "http", "url": url}}));
        let added =
            home.run(&["add", "gw", &url, "--include-service", "github", "--kind", "generic"], WAIT).await.unwrap();
        assert_eq!(added.code, Some(0), "{}{}", added.stdout, added.stderr);
        assert!(
            added.stdout.contains(&format!("declared github by the prefix github{separator} of its 2 tools")),
            "{}",
            added.stdout
        );
        assert!(!added.stdout.contains("left out"), "what was just settled is no warning: {}", added.stdout);
        let adopted = home.run(&["adopt", "plain", "--include-service", "github"], WAIT).await.unwrap();
        assert_eq!(adopted.code, Some(0), "{}{}", adopted.stdout, adopted.stderr);
        for name in ["gw", "plain"] {
            let gateway = entry(&home, name)["gateway"].clone();
            assert_eq!(gateway["trust"], "certain");
            assert_eq!(
                gateway["services"],
                json!({"include": ["github"], "declare": [{"name": "github", "prefix": format!("github{separator}")}]})
            );
            let report = run(&home, &["tools", name, "--json"]).await;
            assert_eq!(names(&report).len(), 2, "{report}");
        }
    }
}

#[tokio::test]
async fn where_only_the_tools_own_word_tells_nothing_is_written_without_saying_so() {
    let (_fake, url) = gateway(vec![claiming("list_issues", "github"), claiming("post", "slack")]).await;
    let home = home(&json!({}));
    let add = ["add", "gw", &url, "--include-service", "github"];
    let refused = home.run(&add, WAIT).await.unwrap();
    assert_eq!(refused.code, Some(2), "{}{}", refused.stdout, refused.stderr);
    assert!(
        refused.stderr.contains("said by the tools themselves") && refused.stderr.contains("--trust claims"),
        "{}",
        refused.stderr
    );
    assert!(entry(&home, "gw").is_null());
    let believed = home.run(&[&add[..], &["--trust", "claims"]].concat(), WAIT).await.unwrap();
    assert_eq!(believed.code, Some(0), "{}{}", believed.stdout, believed.stderr);
    assert_eq!(entry(&home, "gw")["gateway"]["trust"], "claims");
    let report = run(&home, &["tools", "gw", "--json"]).await;
    assert_eq!(names(&report), ["list_issues"]);
    assert_eq!(report["tools"][0]["attribution"], "claimed");
}

#[tokio::test]
async fn what_is_only_claimed_is_left_out_counted_and_explained_and_cannot_be_called() {
    let mut all = tools(&["gh_list"]);
    all.extend([claiming("b", "slack"), claiming("c", "slack")]);
    let (_fake, url) = gateway(all).await;
    let services = json!({"include": ["github", "slack"], "declare": [{"name": "github", "prefix": "gh_"}]});
    let entry = json!({"command": "x", "gateway": {"url": url, "services": services, "trust": "certain"}});
    let home = home(&json!({"gw": entry}));
    let report = run(&home, &["tools", "gw", "--json"]).await;
    assert_eq!(names(&report), ["gh_list"]);
    assert_eq!(report["filtered_because"], json!({"service_not_certain": 2}));
    for command in ["tools", "services", "test"] {
        let report = run(&home, &[command, "gw", "--json"]).await;
        assert!(says(&report, "2 tools of slack left out"), "{command}: {report}");
        assert!(says(&report, "\"trust\": \"claims\""), "{command}: {report}");
    }
    let health = run(&home, &["health", "gw", "--json"]).await;
    assert!(says(&health["gateways"][0], "2 tools of slack left out"), "{health}");
    let called = run(&home, &["call", "gw", "b", "--json"]).await;
    let message = called["error"]["message"].as_str().unwrap();
    assert!(message.contains("only claimed"), "{message}");
}

#[tokio::test]
async fn an_entry_of_before_keeps_what_it_kept_and_is_told_of() {
    let (_fake, url) = gateway(vec![claiming("list_issues", "github"), claiming("post", "slack")]).await;
    let home = home(&json!({"gw": {"command": "x", "gateway": {"url": url, "services": {"include": ["github"]}}}}));
    for command in ["tools", "services", "test"] {
        let report = run(&home, &[command, "gw", "--json"]).await;
        assert!(says(&report, "1 tool of github kept"), "{command}: {report}");
        if command == "tools" {
            assert_eq!(names(&report), ["list_issues"]);
        }
    }
    let health = run(&home, &["health", "gw", "--json"]).await;
    assert!(says(&health["gateways"][0], "1 tool of github kept"), "{health}");
    let list = run(&home, &["list", "--json"]).await;
    assert!(says(&list, "\"trust\": \"certain\""), "{list}");
}
