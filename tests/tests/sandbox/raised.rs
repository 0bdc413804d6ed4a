//! Limits as a user sets them: `"limits"` in an entry counts, and the error of each says how to allow more.

use std::sync::Arc;

use pflow_gateway::{
    Class, Error, Gateway,
    config::ConfigFile,
    egress::EgressLimits,
    runtime::{Limits, Runtime, Source},
};
use pflow_gateway_tests::{
    generic::{Config, Generic},
    server::Fake,
};
use serde_json::{Value, json};

/// What listing the tools comes to with these limits, in front of fourteen pages.
async fn listing(limits: Value) -> Result<usize, Error> {
    let headers = vec![("x-padding".to_owned(), "a".repeat(10_000))];
    let gateway = Generic::new(Config { page: Some(1), headers, ..Config::default() });
    let fake = Fake::start(Arc::new(gateway)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mcp-servers.json");
    let entry = json!({"command": "x", "gateway": {"url": fake.url(), "limits": limits}});
    std::fs::write(&file, json!({"mcpServers": {"gw": entry}}).to_string()).unwrap();
    let config = ConfigFile::load(&file).unwrap().find("gw")?;
    let gateway = Gateway::new(Runtime::shared(&Source::BuiltIn, &config.limits)?, config);
    let tools = gateway.tools(&pflow_gateway::config::Filter::default()).await.map(|tools| tools.total);
    gateway.close().await;
    tools
}

async fn refused(name: &str, value: u64) {
    let error = listing(json!({name: value})).await.unwrap_err();
    assert_eq!(error.class, Class::Limit, "{name}: {error:?}");
    let hint = error.hint.clone().unwrap();
    assert!(hint.contains(&format!("{{\"{name}\": …}}")) && hint.contains(&format!("it is {value} now")), "{error:?}");
}

#[tokio::test]
async fn defaults_and_more_than_enough_do() {
    let tools = listing(json!({})).await.unwrap();
    assert!(tools >= 10, "{tools}");
    assert_eq!(
        listing(json!({"requests": 100, "memory_bytes": 1 << 30, "stack_bytes": 4 << 20})).await.unwrap(),
        tools
    );
}

#[tokio::test]
async fn too_little_memory_names_its_setting() {
    refused("memory_bytes", 1 << 16).await;
}

#[tokio::test]
async fn too_few_handles_name_their_setting() {
    refused("handles", 1).await;
}

#[tokio::test]
async fn too_small_a_transfer_names_its_setting() {
    refused("transfer_bytes", 512).await;
}

#[tokio::test]
async fn too_few_instances_name_their_setting() {
    refused("instances", 1).await;
}

#[tokio::test]
async fn too_few_requests_name_their_setting() {
    refused("requests", 5).await;
}

#[tokio::test]
async fn too_small_answers_name_their_setting() {
    refused("response_body_bytes", 64).await;
}

#[tokio::test]
async fn too_small_headers_name_their_setting() {
    refused("response_header_bytes", 8_192).await;
}

#[tokio::test]
async fn too_small_an_operation_names_its_setting() {
    refused("operation_body_bytes", 200).await;
}

/// Where it lasts for some pages, those are kept, and the list is known not to be whole.
#[tokio::test]
async fn an_operation_that_ends_within_the_list_leaves_a_part_of_it() {
    let some = listing(json!({"operation_body_bytes": 1_000})).await.unwrap();
    assert!((1..10).contains(&some), "{some}");
}

#[tokio::test]
async fn what_is_over_the_ceiling_is_refused_before_anything_runs() {
    let error = listing(json!({"memory_bytes": 1_u64 << 33})).await.unwrap_err();
    assert_eq!(error.class, Class::Config);
    assert_eq!(error.message, "gw.gateway.limits.memory_bytes must be between 1 and 4294967296, not 8589934592");
}

#[test]
fn the_reference_page_lists_every_limit_with_its_default_and_its_ceiling() {
    let page = include_str!("../../../docs/reference/configuration.md");
    let mut rows = Vec::new();
    let limits = Limits::default().to_json();
    let egress = EgressLimits::default().to_json();
    rows.extend(Limits::SETTINGS.iter().map(|setting| (setting.name, &limits[setting.name], setting.ceiling)));
    rows.extend(EgressLimits::SETTINGS.iter().map(|setting| (setting.name, &egress[setting.name], setting.ceiling)));
    for (name, default, ceiling) in &rows {
        assert!(
            page.contains(&format!("| `{name}` | {default} | {ceiling} |")),
            "{name}: {default}, at most {ceiling}"
        );
    }
    let section = page.split("\n## ").find(|section| section.contains("| `memory_bytes` |")).unwrap();
    assert_eq!(section.matches("\n| `").count(), rows.len(), "a row for something that does not exist");
}
