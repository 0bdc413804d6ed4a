//! What a component is given, and what it cannot claim: settings, details for its filter, reasons and rules of its own, `declared`.
//! Takes the guest in `tests/components/acme`.

use std::sync::Arc;

use pflow_gateway_tests::{
    generic::{Config, Generic},
    program::{Home, Run},
    server::Fake,
};
use serde_json::{Value, json};

use super::{bytes, component, home, put, run};

/// A gateway of ACME with these settings, and a home in which its component runs.
async fn acme(settings: &[&str]) -> (Fake, Home) {
    let fake = Fake::start(Arc::new(Generic::new(Config::default()))).await.unwrap();
    let home = home(&[]);
    put(&home, "acme.wasm", &bytes("acme"));
    let used = component(&home, &["use", "acme.wasm"]).await;
    assert_eq!(used.code, Some(0), "{used:?}");
    let url = fake.url();
    let mut words = vec!["add", "shop", &url, "--json"];
    words.extend(settings.iter().flat_map(|setting| ["--setting", setting]));
    let added = run(&home, &words).await;
    assert_eq!(added.code, Some(0), "{added:?}");
    (fake, home)
}

fn names(run: &Run) -> Vec<String> {
    let report = run.json();
    report["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_setting_reaches_the_component_and_is_shown() {
    let (fake, home) = acme(&["mail.description=Sends what you write."]).await;
    let tools = run(&home, &["tools", "shop", "--json"]).await.json();
    assert_eq!(tools["tools"][1]["description"], "Sends what you write.", "{tools:#}");
    let listed = run(&home, &["list", "--json"]).await.json();
    assert_eq!(listed["gateways"][0]["settings"], json!({"mail.description": "Sends what you write."}), "{listed:#}");
    let url = fake.url();
    for secret in ["api_key=x", "page=ghp_16C7e42F292c6912E7710c838347Ae178B4a", "page=${TOKEN}"] {
        let refused = run(&home, &["add", "other", &url, "--setting", secret, "--json"]).await;
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stdout.contains("\\\"auth\\\""), "the remedy: {}", refused.stdout);
        assert!(!refused.stdout.contains("ghp_"), "{}", refused.stdout);
    }
    fake.stop();
}

#[tokio::test]
async fn a_filter_sees_what_it_asks_for_and_its_own_reason_is_shown_wherever_one_is() {
    let (fake, home) = acme(&["mail.description=Sends secret mail."]).await;
    let run_json = run(&home, &["tools", "shop", "--json"]).await;
    assert_eq!(names(&run_json), ["find_customer"]);
    assert_eq!(
        run_json.json()["filtered_because"],
        json!({"other: its data are secret\u{fffd}[31m\u{fffd}": 1}),
        "{}",
        run_json.stdout
    );
    let shown = run(&home, &["tools", "shop"]).await;
    assert!(shown.stdout.contains("left out: by the component: its data are secret"), "{}", shown.stdout);
    assert!(!shown.stdout.contains(['\u{1b}', '\u{202e}']), "{}", shown.stdout);
    let called = run(&home, &["call", "shop", "send_mail", "--json"]).await;
    let error = &called.json()["error"];
    assert_eq!(
        error["message"],
        "the component of shop refuses the tool send_mail: its data are secret\u{fffd}[31m\u{fffd}"
    );
    assert!(error["hint"].as_str().unwrap().contains("component show"), "{error}");
    fake.stop();
}

#[tokio::test]
async fn what_a_component_alone_calls_declared_is_shown_as_claimed() {
    let (fake, home) = acme(&["crm.declared=yes"]).await;
    let tools = run(&home, &["tools", "shop", "--json"]).await.json();
    let tool = &tools["tools"][0];
    assert_eq!((&tool["name"], &tool["attribution"]), (&json!("find_customer"), &json!("claimed")), "{tools:#}");
    assert_eq!(tool["confidence"], "high");
    assert!(tool["evidence"].as_str().unwrap().starts_with("the component's own rule, and nothing in the entry"));
    let told = |report: &Value| report["warnings"].to_string().contains("the component says that the entry declares");
    assert!(told(&tools), "{tools:#}");
    assert!(told(&run(&home, &["health", "shop", "--json"]).await.json()["gateways"][0]));
    // Where the entry does say so, it is true.
    let url = fake.url();
    let words = ["add", "said", &url, "--setting", "crm.declared=yes", "--service", "crm=find_", "--json"];
    assert_eq!(run(&home, &words).await.code, Some(0));
    let tools = run(&home, &["tools", "said", "--json"]).await.json();
    assert_eq!(tools["tools"][0]["attribution"], "declared", "{tools:#}");
    assert_eq!(tools["tools"][0]["confidence"], "certain");
    fake.stop();
}

#[tokio::test]
async fn rules_of_its_own_are_shown_by_tools_and_by_health() {
    let (fake, home) = acme(&["mail.description=Delivery is guaranteed."]).await;
    let review = run(&home, &["tools", "shop", "--review", "--json"]).await;
    assert_eq!(review.code, Some(1), "a warning: {review:?}");
    let report = review.json();
    let finding = &report["findings"][0];
    let expected = json!({"severity": "warning", "rule": "acme-promises", "tool": "send_mail", "service": "mail", "at": "description",
        "excerpt": "Delivery is guaranteed.", "message": "send_mail promises something\u{fffd}[31m"});
    assert_eq!(*finding, expected);
    assert_eq!((&report["tools"], &report["rules"][0]["id"]), (&json!(2), &json!("acme-promises")));
    let shown = run(&home, &["tools", "shop", "--review"]).await;
    assert!(shown.stdout.contains("send_mail promises something\u{fffd}[31m (acme-promises)"), "{}", shown.stdout);
    let health = run(&home, &["health", "shop", "--json"]).await.json();
    let found = health["gateways"][0]["findings"].as_array().unwrap().clone();
    assert!(
        found.iter().any(|found| found["kind"] == "acme_promises" && found["subject"] == "send_mail"),
        "{health:#}"
    );
    // Nothing to find: another entry, without that description.
    let url = fake.url();
    assert_eq!(run(&home, &["add", "quiet", &url, "--json"]).await.code, Some(0));
    let quiet = run(&home, &["tools", "quiet", "--review", "--json"]).await;
    assert_eq!((quiet.code, &quiet.json()["findings"]), (Some(0), &json!([])), "{quiet:?}");
    fake.stop();
}
