//! The real binary against the products' imitations: what a client must do there.

use std::{sync::Arc, time::Duration};

use pflow_gateway_tests::{
    context_forge::{self, ContextForge, Grant, SERVER},
    docker::{self, Docker, Feature},
    generic::{Auth, Config, Eras, Framing, Generic, Meta, Sessions},
    program::{Home, Run},
    server::{Fake, Gateway},
    services,
};
use serde_json::{Value, json};

use crate::{QUIET, entry, program};

const WAIT: Duration = Duration::from_secs(20);

async fn serve(gateway: Arc<dyn Gateway>) -> Fake {
    Fake::start(gateway).await.unwrap()
}

async fn home(fake: &Fake, token: Option<&str>) -> Home {
    let auth = token.map_or(Value::Null, |_| json!({"type": "bearer", "token": "${TOKEN}"}));
    let home = Home::new(&program().await, &json!({"g": entry(&fake.url(), auth)})).unwrap();
    home.with("TOKEN", token.unwrap_or_default())
}

async fn run(home: &Home, words: &[&str]) -> Run {
    let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
    home.run(&words, WAIT).await.unwrap()
}

async fn good(home: &Home, words: &[&str]) -> Value {
    let run = run(home, words).await;
    assert_eq!(run.code, Some(0), "{words:?}: {run:?}");
    run.json()
}

fn names(tools: &Value) -> Vec<String> {
    tools["tools"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn docker_is_recognised_ended_politely_and_never_asked_for_elicitation() {
    let docker = Arc::new(Docker::new(docker::Config { token: Some("t0p".to_owned()), ..docker::Config::default() }));
    let fake = serve(docker.clone()).await;
    let home = home(&fake, Some("t0p")).await;
    let report = good(&home, &["test", "g"]).await;
    assert_eq!((report["kind"].as_str(), report["tools"].as_u64()), (Some("docker"), Some(129)));
    assert_eq!(docker.sessions(), 0, "every session must be ended with DELETE\n{}", fake.log().summary());
    good(&home, &["tools", "g"]).await;
    good(&home, &["call", "g", "list_channels"]).await;
    assert_eq!(docker.sessions(), 0, "every session must be ended with DELETE\n{}", fake.log().summary());
    assert!(fake.log().records().iter().all(|r| !r.path.contains("well-known")), "no OAuth dance");
}

#[tokio::test]
async fn dockers_control_tools_are_left_out_and_cannot_be_called() {
    let config = docker::Config { dynamic_tools: Feature::On, ..docker::Config::default() };
    let fake = serve(Arc::new(Docker::new(config))).await;
    let home = home(&fake, None).await;
    let tools = good(&home, &["tools", "g"]).await;
    assert_eq!((tools["total"].as_u64(), tools["filtered_out"].as_u64()), (Some(137), Some(8)));
    assert!(names(&tools).iter().all(|n| !n.starts_with("mcp-") && n != "code-mode"));
    let refused = run(&home, &["call", "g", "mcp-remove", "--args", "{\"name\": \"slack\"}"]).await;
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert_eq!(fake.log().count("tools/call"), 0);
    let mut keeps = entry(&fake.url(), Value::Null);
    keeps["gateway"]["tools"] = json!({"control": true});
    let home = Home::new(&program().await, &json!({"g": keeps})).unwrap();
    let asked = good(&home, &["tools", "g"]).await;
    let control = asked["tools"].as_array().unwrap().iter().find(|t| t["name"] == "mcp-add").unwrap();
    assert_eq!(control["attribution"], "control");
}

#[tokio::test]
async fn bare_names_are_unattributed_and_not_guessed_at() {
    let fake = serve(Arc::new(Docker::new(docker::Config::default()))).await;
    let home = home(&fake, None).await;
    let tools = good(&home, &["tools", "g"]).await;
    let tool = tools["tools"].as_array().unwrap().iter().find(|t| t["name"] == "create_issue").unwrap();
    assert_eq!((tool["service"].clone(), tool["attribution"].as_str()), (Value::Null, Some("none")));
}

#[tokio::test]
async fn a_poisoned_backend_session_is_healed_by_a_new_one_only_where_that_is_safe() {
    let docker = Arc::new(Docker::new(docker::Config::default()));
    let fake = serve(docker.clone()).await;
    let home = home(&fake, None).await;
    // One process per call: each has a session of its own, so a restart between two is no trouble.
    good(&home, &["call", "g", "list_channels"]).await;
    docker.restart_backend("slack");
    good(&home, &["call", "g", "post_message", "--args", "{\"channel\": \"a\", \"text\": \"b\"}"]).await;
    assert_eq!(docker.ran(), ["slack/list_channels", "slack/post_message"]);
}

#[tokio::test]
async fn context_forge_tells_every_service_for_certain() {
    let config = context_forge::Config::usual();
    let token = config.token();
    let forge = Arc::new(ContextForge::new(config));
    let fake = serve(forge.clone()).await.at(&format!("/servers/{SERVER}/mcp"));
    let home = home(&fake, Some(&token)).await;
    let report = good(&home, &["services", "g"]).await;
    let services = report["services"].as_array().unwrap();
    assert_eq!(services.len(), 4, "{report}");
    assert!(services.iter().all(|s| s["attribution"] == "reported" && s["confidence"] == "certain"), "{report}");
    assert!(
        fake.log().records().iter().all(|r| !r.path.starts_with("/v1/servers") || r.path.contains("/tools?")),
        "the link is a lie"
    );
    assert!(forge.violations() == 0);
}

#[tokio::test]
async fn context_forge_works_stateful_over_event_streams() {
    let mut config = context_forge::Config::usual();
    config.sessions = context_forge::Sessions::Stateful;
    config.framing = context_forge::Framing::Sse;
    let token = config.token();
    let fake = serve(Arc::new(ContextForge::new(config))).await.at(&format!("/servers/{SERVER}/mcp"));
    let home = home(&fake, Some(&token)).await;
    let report = good(&home, &["test", "g"]).await;
    assert_eq!((report["kind"].as_str(), report["tools"].as_u64()), (Some("context-forge"), Some(163)));
    good(&home, &["call", "g", "slack-post-message", "--args", "{\"text\": \"x\", \"channel\": \"c\"}"]).await;
}

#[tokio::test]
async fn context_forges_root_endpoint_is_warned_about() {
    let config = context_forge::Config::usual();
    let token = config.token();
    let fake = serve(Arc::new(ContextForge::new(config))).await;
    let home = home(&fake, Some(&token)).await;
    let tools = good(&home, &["tools", "g"]).await;
    assert!(tools["warnings"].to_string().contains("/servers/"), "{}", tools["warnings"]);
}

#[tokio::test]
async fn a_duplicate_name_at_context_forge_is_warned_about_and_kept() {
    let config = context_forge::Config::usual();
    let token = config.token();
    let fake = serve(Arc::new(ContextForge::new(config))).await.at(&format!("/servers/{SERVER}/mcp"));
    let tools = good(&home(&fake, Some(&token)).await, &["tools", "g"]).await;
    let name = "weird-server-1-do-thing-with-mixed";
    assert_eq!(names(&tools).iter().filter(|n| *n == name).count(), 2);
    assert!(tools["warnings"].to_string().contains(name), "{}", tools["warnings"]);
}

#[tokio::test]
async fn context_forges_rate_limit_is_never_hammered() {
    let mut config = context_forge::Config::usual();
    config.limits.medium = 2;
    let token = config.token();
    let forge = Arc::new(ContextForge::new(config));
    let fake = serve(forge.clone()).await.at(&format!("/servers/{SERVER}/mcp"));
    let home = home(&fake, Some(&token)).await;
    let limited = run(&home, &["tools", "g"]).await;
    assert_eq!(
        (limited.code, limited.json()["error"]["class"].as_str()),
        (Some(1), Some("rate_limited")),
        "{limited:?}"
    );
    assert!(forge.violations() <= 1, "{} violations\n{}", forge.violations(), fake.log().summary());
}

#[tokio::test]
async fn a_revoked_and_a_narrow_token_are_told_apart() {
    let config = context_forge::Config::usual();
    let forge = Arc::new(ContextForge::new(config));
    forge.grant("revoked", Grant { refused: Some(context_forge::Refused::Revoked), ..Grant::admin() });
    forge.grant("elsewhere", Grant::scoped(context_forge::OTHER_SERVER));
    forge.grant("reader", Grant::new(Some(SERVER), &["tools.read", "servers.read"]));
    let fake = serve(forge).await.at(&format!("/servers/{SERVER}/mcp"));
    let class = async |token: &str, words: &[&str]| {
        let run = run(&home(&fake, Some(token)).await, words).await;
        assert!(!run.stderr.contains(token) || token.len() < 8, "{run:?}");
        run.json()["error"]["class"].as_str().map(str::to_owned)
    };
    assert_eq!(class("revoked", &["test", "g"]).await.as_deref(), Some("auth_required"));
    assert_eq!(class("elsewhere", &["test", "g"]).await.as_deref(), Some("forbidden"));
    assert_eq!(class("reader", &["test", "g"]).await, None);
    assert_eq!(class("reader", &["call", "g", "slack-post-message", "--no-check"]).await.as_deref(), Some("forbidden"));
}

#[tokio::test]
async fn both_eras_all_framings_and_no_session_work() {
    let usual = || Config { page: Some(5), ..Config::default() };
    let cases = [
        ("legacy", "json", Config { ..usual() }),
        ("legacy", "sse", Config { framing: Framing::Sse, ..usual() }),
        ("legacy", "sse-primed", Config { framing: Framing::SsePrimed, ..usual() }),
        ("legacy", "stateless", Config { sessions: Sessions::None, ..usual() }),
        ("modern", "json", Config { eras: Eras::Modern, ..usual() }),
        ("modern", "sse", Config { eras: Eras::Modern, framing: Framing::Sse, ..usual() }),
        ("modern", "dual", Config { eras: Eras::Dual, ..usual() }),
    ];
    for (era, name, config) in cases {
        let fake = serve(Arc::new(Generic::new(config))).await;
        let home = home(&fake, None).await;
        let report = good(&home, &["test", "g"]).await;
        let seen = (report["era"].as_str(), report["tools"].as_u64());
        assert_eq!(seen, (Some(era), Some(15)), "{name}\n{}", fake.log().summary());
        let called = good(&home, &["call", "g", "lab__echo", "--args", "{\"text\": \"x\"}"]).await;
        assert_eq!(called["result"]["structuredContent"]["arguments"], json!({"text": "x"}), "{name}");
    }
}

#[tokio::test]
async fn old_servers_work_or_are_told_clearly() {
    let fake = serve(Arc::new(Generic::new(Config { eras: Eras::OldSse, ..Config::default() }))).await;
    let report = run(&home(&fake, None).await, &["test", "g", "--timeout", "3"]).await;
    let told = report.code == Some(1) && report.stderr.contains("2024-11-05");
    assert!(report.code == Some(0) || told, "{report:?}\n{}", fake.log().summary());
}

#[tokio::test]
async fn every_kind_of_credential_arrives() {
    let cases = [
        (Auth::Bearer("s3cret".to_owned()), json!({"type": "bearer", "token": "${TOKEN}"})),
        (Auth::ApiKey("x-api-key".to_owned(), "s3cret".to_owned()), json!({"type": "api_key", "key": "${TOKEN}"})),
        (
            Auth::ApiKey("x-gateway-key".to_owned(), "s3cret".to_owned()),
            json!({"type": "api_key", "header": "X-Gateway-Key", "key": "${TOKEN}"}),
        ),
        (
            Auth::Basic("YW5uOnMzY3JldA==".to_owned()),
            json!({"type": "basic", "username": "ann", "password": "${TOKEN}"}),
        ),
        (
            Auth::Bearer("s3cret".to_owned()),
            json!({"type": "command", "command": ["/bin/sh", "-c", "printf %s s3cret"]}),
        ),
    ];
    for (auth, written) in cases {
        let fake = serve(Arc::new(Generic::new(Config { auth, ..Config::default() }))).await;
        let servers = json!({"g": entry(&fake.url(), written.clone())});
        let home = Home::new(&program().await, &servers).unwrap().with("TOKEN", "s3cret").with("PATH", "/usr/bin:/bin");
        let run = run(&home, &["test", "g"]).await;
        assert_eq!(run.code, Some(0), "{written}: {run:?}");
        assert!(!run.stdout.contains("s3cret") && !run.stderr.contains("s3cret"), "{run:?}");
    }
}

#[tokio::test]
async fn a_thousand_tools_in_ten_pages_and_ten_thousand_are_all_there() {
    let _quiet = QUIET.lock().await;
    for (count, page) in [(1000, Some(100)), (10_000, Some(1000))] {
        let config = Config { services: vec![services::numbered("svc", count)], page, ..Config::default() };
        let fake = serve(Arc::new(Generic::new(config))).await;
        let tools = good(&home(&fake, None).await, &["tools", "g"]).await;
        assert_eq!((tools["total"].as_u64(), tools["pages"].as_u64()), (Some(count as u64), Some(10)));
        let listed = names(&tools);
        assert!(listed.len() == count && listed.is_sorted(), "{count}");
    }
}

#[tokio::test]
async fn metadata_of_the_list_attributes_for_certain_and_that_of_a_tool_is_its_claim() {
    for (meta, attribution, confidence) in [(Meta::List, "reported", "certain"), (Meta::Tools, "claimed", "high")] {
        let config = Config { meta, separator: Some("_".to_owned()), ..Config::default() };
        let fake = serve(Arc::new(Generic::new(config))).await;
        let tools = good(&home(&fake, None).await, &["tools", "g"]).await;
        let tool = tools["tools"].as_array().unwrap().iter().find(|t| t["name"] == "github_create_issue").unwrap();
        assert_eq!(tool["service"], "github", "{tool}");
        assert_eq!((&tool["attribution"], &tool["confidence"]), (&attribution.into(), &confidence.into()), "{tool}");
    }
}

/// What `test` asked, in order.
async fn asked(gateway: Arc<dyn Gateway>, path: &str, token: Option<&str>) -> Vec<String> {
    let fake = serve(gateway).await.at(path);
    let report = good(&home(&fake, token).await, &["test", "g"]).await;
    assert_eq!(report["ok"], true, "{report}");
    let of = |path: &str| path.split('?').next().unwrap_or_default().replace(SERVER, "ID");
    let records = fake.log().records();
    records.into_iter().map(|r| r.rpc.unwrap_or_else(|| format!("{} {}", r.method, of(&r.path)))).collect()
}

/// The counts are those of the version before 2026-11-27: nothing that was learned since costs a healthy gateway a request.
#[tokio::test]
async fn a_test_of_a_healthy_gateway_asks_these_questions_and_no_others() {
    let handshake = ["server/discover", "initialize", "notifications/initialized", "tools/list"];
    let generic = |eras, page| Arc::new(Generic::new(Config { eras, page, ..Config::default() }));
    let legacy = [&handshake[..], &["DELETE /mcp"]].concat();
    let paged = [&handshake[..], &["tools/list", "DELETE /mcp"]].concat();
    assert_eq!(asked(generic(Eras::Legacy, None), "/mcp", None).await, legacy);
    assert_eq!(asked(generic(Eras::Legacy, Some(10)), "/mcp", None).await, paged);
    assert_eq!(asked(generic(Eras::Modern, None), "/mcp", None).await, ["server/discover", "tools/list"]);
    assert_eq!(asked(Arc::new(Docker::new(docker::Config::default())), "/mcp", None).await, legacy);
    let config = context_forge::Config::usual();
    let token = config.token();
    let forge = [&handshake[..], &["GET /v1/servers/ID/tools"]].concat();
    let path = format!("/servers/{SERVER}/mcp");
    assert_eq!(asked(Arc::new(ContextForge::new(config)), &path, Some(&token)).await, forge);
}
