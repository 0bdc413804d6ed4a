//! The shapes of `--json`, and what people see, as snapshots: members may be added, never changed or removed.

use std::{sync::Arc, time::Duration};

use pflow_gateway_tests::{
    docker::{Config as DockerConfig, Docker, Feature},
    faults::Fault,
    generic::{Config, Generic},
    program::{Home, Run},
    server::{Fake, Gateway},
};
use serde_json::{Value, json};

use crate::{entry, program};

const WAIT: Duration = Duration::from_secs(20);

/// Numbers that differ from run to run are zero, ports are `PORT`.
fn redact(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                match name.as_str() {
                    "ms" | "latency_ms" if value.is_number() => *value = json!(0),
                    "checked_at" => *value = json!("TIME"),
                    "sha256" => *value = json!("DIGEST"),
                    "size" => *value = json!(0),
                    // Whether pflow could start the entry's command is about this machine.
                    "detail" if value.as_str().is_some_and(|text| text.contains("on this PATH")) => {
                        *value = json!("PATH");
                    }
                    _ => redact(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(redact),
        _ => {}
    }
}

async fn shown(gateway: Arc<dyn Gateway>, words: &[&str]) -> (Run, String) {
    let fake = Fake::start(gateway).await.unwrap();
    let home = Home::new(&program().await, &json!({"g": entry(&fake.url(), Value::Null)})).unwrap();
    let run = home.run(words, WAIT).await.unwrap();
    let port = fake.address().port().to_string();
    let text = if words.contains(&"--json") {
        let mut report = run.json();
        redact(&mut report);
        format!("{report:#}")
    } else {
        run.stdout.clone()
    };
    (run, text.replace(&port, "PORT"))
}

fn small() -> Arc<Generic> {
    let mut config = Config { page: Some(4), ..Config::default() };
    config.services.pop();
    Arc::new(Generic::new(config))
}

#[tokio::test]
async fn the_json_of_test_services_tools_health_and_call() {
    for (name, words) in [
        ("test", &["test", "g", "--json"][..]),
        ("services", &["services", "g", "--json"]),
        ("tools", &["tools", "g", "--json", "--include", "slack__*"]),
        ("call", &["call", "g", "slack__set_topic", "--args", "{\"channel\": \"a\", \"topic\": \"b\"}", "--json"]),
    ] {
        let (run, text) = shown(small(), words).await;
        assert_eq!(run.code, Some(0), "{name}: {run:?}");
        insta::assert_snapshot!(format!("json-{name}"), text);
    }
}

#[tokio::test]
async fn the_json_of_health_has_its_members() {
    let (run, text) = shown(small(), &["health", "g", "--json"]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["status"], "ok");
    let gateway = report["gateways"].as_array().unwrap().first().unwrap().clone();
    for member in
        ["gateway", "status", "latency_ms", "tools", "services", "vanished", "appeared", "checked_at", "error"]
    {
        assert!(gateway.get(member).is_some(), "{member} is missing: {gateway}");
    }
}

#[tokio::test]
async fn what_people_see() {
    let docker = || {
        Arc::new(Docker::new(DockerConfig {
            dynamic_tools: Feature::On,
            prefix: Feature::On,
            ..DockerConfig::default()
        }))
    };
    let (run, text) = shown(docker(), &["services", "g"]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    insta::assert_snapshot!("text-services-docker", text);
    let (run, text) = shown(small(), &["tools", "g"]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    insta::assert_snapshot!("text-tools", text);
}

#[tokio::test]
async fn nothing_that_a_gateway_sends_controls_the_terminal() {
    for (fault, words) in [
        ("mcp-escape-sequences", &["tools", "g"][..]),
        ("mcp-escape-sequences", &["tools", "g", "--json"]),
        ("mcp-escape-sequences", &["services", "g"]),
        ("mcp-escape-sequences", &["test", "g"]),
        ("call-escape-sequences", &["call", "g", "github__create_issue", "--no-check"]),
        ("call-escape-sequences", &["call", "g", "github__create_issue", "--no-check", "--json"]),
    ] {
        let faulty = Fault::named(fault).unwrap().start().await.unwrap();
        let home = Home::new(&program().await, &json!({"g": entry(&faulty.url, Value::Null)})).unwrap();
        let run = home.run(words, WAIT).await.unwrap();
        assert_eq!(run.code, Some(0), "{words:?}: {run:?}");
        for text in [&run.stdout, &run.stderr] {
            let bad = text.chars().find(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c));
            let json = words.contains(&"--json") && bad == Some('\u{202e}');
            assert!(bad.is_none() || json, "{words:?}: {bad:?} in {text:?}");
        }
    }
}
