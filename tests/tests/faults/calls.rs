//! Calls that come together, names that are not there, and openings that nobody waits for.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pflow_gateway::{
    CallOptions, Class, Gateway,
    config::GatewayConfig,
    report,
    runtime::{Runtime, Source},
};
use pflow_gateway_tests::{
    faults::Fault,
    generic::{Config, Generic},
    server::Fake,
};
use serde_json::json;
use tokio::task::JoinSet;

async fn place(config: Config) -> (Arc<Generic>, Fake, Gateway) {
    let behind = Arc::new(Generic::new(config));
    let fake = Fake::start(Arc::clone(&behind) as Arc<_>).await.unwrap();
    let gateway = gateway(&fake.url());
    (behind, fake, gateway)
}

fn gateway(url: &str) -> Gateway {
    let config = GatewayConfig::for_url(url).unwrap();
    Gateway::new(Runtime::shared(&Source::BuiltIn, &config.limits).unwrap(), config)
}

async fn call(gateway: &Gateway, tool: &str) -> report::Call {
    let arguments = json!({"repo": "a/b", "title": "t"}).as_object().unwrap().clone();
    gateway.call(tool, arguments, CallOptions::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn seventy_first_calls_read_the_catalogue_once_and_open_one_session() {
    let (_, fake, gateway) = place(Config { latency: Duration::from_millis(50), ..Config::default() }).await;
    let mut running = JoinSet::new();
    for _ in 0..70 {
        let gateway = gateway.clone();
        running.spawn(async move { call(&gateway, "github__create_issue").await });
    }
    let reports = running.join_all().await;
    assert!(reports.iter().all(|report| report.ok), "{:?}", reports.iter().find(|report| !report.ok));
    let counts = ["initialize", "tools/list", "tools/call"].map(|method| fake.log().count(method));
    assert_eq!(counts, [1, 1, 70], "{}", fake.log().summary());
    gateway.close().await;
}

#[tokio::test]
async fn an_unknown_name_is_looked_for_once_however_often_it_is_asked_for() {
    let (behind, fake, gateway) = place(Config::default()).await;
    for _ in 0..5 {
        let report = call(&gateway, "github__no_such_tool").await;
        assert_eq!(report.error.unwrap().class, Class::Config);
    }
    assert_eq!(fake.log().count("tools/list"), 1);
    // Another name may be new.
    assert!(!call(&gateway, "github__other").await.ok);
    assert_eq!(fake.log().count("tools/list"), 2);
    drop(behind);
    gateway.close().await;
}

#[tokio::test]
async fn a_call_has_its_time_for_everything_together() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = gateway(&format!("http://{}/mcp", listener.local_addr().unwrap()));
    let started = Instant::now();
    let options = CallOptions { timeout: Some(Duration::from_secs(2)), ..CallOptions::default() };
    let report = gateway.call("any", serde_json::Map::new(), options).await;
    let error = report.error.unwrap();
    assert_eq!(error.class, Class::Timeout, "{error:?}");
    // A silent gateway took 30 s, and with the repetitions a multiple of that.
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert!(!error.hint.unwrap_or_default().contains("may have run"), "nothing was called");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_that_nobody_waits_for_leaves_no_session() {
    let (behind, fake, gateway) = place(Config { latency: Duration::from_millis(400), ..Config::default() }).await;
    let opening = tokio::spawn({
        let gateway = gateway.clone();
        async move { call(&gateway, "github__create_issue").await }
    });
    let started = Instant::now();
    while fake.log().count("notifications/initialized") == 0 && behind.sessions() == 0 {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", fake.log().summary());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    opening.abort();
    let _ = opening.await;
    gateway.hang_up().await;
    assert_eq!(behind.sessions(), 0, "{}", fake.log().summary());
    assert_eq!(fake.log().records().iter().filter(|record| record.method == "DELETE").count(), 1);
}

#[tokio::test]
async fn a_session_that_is_lost_for_good_says_so_only_when_another_was_opened() {
    for name in ["session-lost-at-every-call", "backend-poisoned-session"] {
        let faulty = Fault::named(name).unwrap().start().await.unwrap();
        let gateway = gateway(&faulty.url);
        let error = call(&gateway, "github__create_issue").await.error.unwrap();
        // The call was made in the new one, too.
        let again = faulty.log.count("tools/call") > 1;
        assert_eq!(error.message.contains("again after a new one was opened"), again, "{error:?}");
        gateway.close().await;
    }
}

#[tokio::test]
async fn health_opens_a_lost_session_anew_as_a_listing_does() {
    let (behind, _fake, gateway) = place(Config::default()).await;
    assert!(gateway.health().await.error.is_none());
    behind.lose_sessions();
    let health = gateway.health().await;
    assert!(health.error.is_none(), "{health:?}");
    gateway.close().await;
}
