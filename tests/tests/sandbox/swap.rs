//! `component use` while calls run: none is lost, none is sent twice, and a component that does not work is put out again.

use std::{path::PathBuf, sync::Arc, time::Duration};

use pflow_gateway::{
    CallOptions, Gateway,
    components::{Components, Scope},
    config::{ConfigFile, GatewayConfig, Trust},
    runtime::{BUILT_IN, Runtime},
};
use pflow_gateway_tests::{
    generic::{Config, Generic},
    server::Fake,
    services::{Nature, Service, Tool},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::guest;

struct Place {
    folder: tempfile::TempDir,
    gateway: Arc<Generic>,
    fake: Fake,
}

impl Place {
    /// A gateway with one tool, called as the hostile component calls its own.
    async fn new() -> Self {
        let tool = Tool::new("attack", "Does nothing", &["number!"], Nature::Writes);
        let services = vec![Service { name: "lab".to_owned(), tools: vec![tool] }];
        let gateway = Arc::new(Generic::new(Config { services, separator: None, ..Config::default() }));
        let fake = Fake::start(Arc::clone(&gateway) as Arc<_>).await.unwrap();
        Self { folder: tempfile::tempdir().unwrap(), gateway, fake }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("mcp-servers.json")
    }

    fn components(&self) -> Components {
        Components::beside(&self.file())
    }

    /// The gateway as `serve` has it. A hostile component that is chosen for it will make this attack.
    fn gateway(&self, attack: &str) -> Gateway {
        let services = json!({"declare": [format!("attack-{attack}")]});
        let entry = json!({"command": "x", "gateway": {"url": self.fake.url(), "services": services}});
        let text = json!({"mcpServers": {"any": entry}}).to_string();
        std::fs::write(self.file(), &text).unwrap();
        // A file that nobody trusts may choose no component.
        let trust = Trust::at(self.folder.path().join("trusted.json"));
        trust.pin(&self.file(), text.as_bytes()).unwrap();
        let config: GatewayConfig = ConfigFile::load_with(&self.file(), trust).unwrap().find("any").unwrap();
        Gateway::new(Runtime::shared(&config.component, &config.limits).unwrap(), config)
    }

    /// The built-in component with another digest.
    fn renamed(&self, name: &str) -> PathBuf {
        let mut bytes = BUILT_IN.to_vec();
        bytes.extend([0, u8::try_from(name.len() + 1).unwrap(), u8::try_from(name.len()).unwrap()]);
        bytes.extend(name.bytes());
        let file = self.folder.path().join(format!("{name}.wasm"));
        std::fs::write(&file, bytes).unwrap();
        file
    }

    /// How often each number was called, as the gateway saw it.
    fn called(&self) -> Vec<i64> {
        let records = self.fake.log().records();
        let calls = records.iter().filter(|record| record.tool.is_some());
        let number = |message: &Value| message.get("params")?.get("arguments")?.get("number")?.as_i64();
        let mut numbers: Vec<_> = calls.filter_map(|record| number(record.message.as_ref()?)).collect();
        numbers.sort_unstable();
        numbers
    }
}

async fn call(gateway: &Gateway, number: i64) -> pflow_gateway::report::Call {
    let arguments = json!({"number": number}).as_object().unwrap().clone();
    gateway.call("attack", arguments, CallOptions::default()).await
}

/// Calls with these numbers, eight at a time; every one must be answered.
async fn calls(gateway: &Gateway, numbers: std::ops::Range<i64>) {
    let mut running = JoinSet::new();
    for number in numbers {
        if running.len() == 8 {
            running.join_next().await.unwrap().unwrap();
        }
        let gateway = gateway.clone();
        running.spawn(async move {
            let report = call(&gateway, number).await;
            assert!(report.ok, "{number}: {:?}", report.error);
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

/// Calls until this component answers; gives the next number.
async fn until(gateway: &Gateway, sha256: &str, mut number: i64) -> i64 {
    for _ in 0..2_000 {
        calls(gateway, number..number + 1).await;
        number += 1;
        if gateway.component().sha256 == sha256 {
            return number;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{sha256} never took over");
}

#[tokio::test(flavor = "multi_thread")]
async fn components_take_over_during_calls_and_none_is_lost_or_doubled() {
    let place = Place::new().await;
    let gateway = place.gateway("none");
    let built_in = gateway.component().sha256;
    calls(&gateway, 0..50).await;
    let mut next = 50;
    for name in ["first", "second"] {
        let pin = place.components().install(&place.renamed(name), &Scope::All).unwrap();
        next = until(&gateway, &pin.sha256, next).await;
        calls(&gateway, next..next + 50).await;
        next += 50;
    }
    place.components().reset(&Scope::All).unwrap();
    next = until(&gateway, &built_in, next).await;
    calls(&gateway, next..next + 50).await;
    gateway.close().await;
    assert_eq!(place.called(), (0..next + 50).collect::<Vec<_>>());
    // One session for all of them.
    assert_eq!(place.fake.log().count("initialize"), 1);
}

/// Chooses the hostile component, calls until it was tried, and looks who answers after that.
async fn survives(attack: &str) {
    let place = Place::new().await;
    let gateway = place.gateway(attack);
    let built_in = gateway.component().sha256;
    calls(&gateway, 0..10).await;
    let changes = gateway.changes();
    let hostile = place.components().install(&guest::component("hostile"), &Scope::All).unwrap();
    let mut next = 10;
    // Its first calls may be answered by it: with "well", which no gateway said.
    let mut fooled = 0;
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while std::time::Instant::now() < deadline && gateway.changes() < changes + 2 {
        let report = call(&gateway, next).await;
        assert!(report.ok, "{attack}: {:?}", report.error);
        fooled += i64::from(report.result == Some(Value::String("well".into()).into()));
        next += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(gateway.component().sha256, built_in, "{attack}");
    assert_eq!(fooled, 0, "{attack} was never made");
    // It stays so, though the choice stands.
    calls(&gateway, next..next + 30).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    calls(&gateway, next + 30..next + 40).await;
    assert_eq!(gateway.component().sha256, built_in, "{attack}");
    assert_eq!(place.components().chosen("any").unwrap().unwrap(), hostile);
    // Another choice is tried again.
    let good = place.components().install(&place.renamed("good"), &Scope::All).unwrap();
    let next = until(&gateway, &good.sha256, next + 40).await;
    gateway.close().await;
    assert_eq!(place.called(), (0..next).collect::<Vec<_>>(), "{attack}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_traps_in_its_first_call_is_rolled_back_and_the_call_is_made_all_the_same() {
    survives("panic_with_control_characters").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_runs_into_a_limit_in_its_first_call_is_rolled_back_too() {
    survives("recurse").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_see_the_gateways_tools_never_takes_over() {
    let place = Place::new().await;
    let tools = ["attack", "b", "c"].map(|name| Tool::new(name, "Does nothing", &["number!"], Nature::Writes));
    place.gateway.change(|config| {
        config.services = vec![Service { name: "lab".to_owned(), tools: tools.to_vec() }];
    });
    never_takes_over(&place, "none").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_even_connect_never_takes_over() {
    never_takes_over(&Place::new().await, "panic_in_open").await;
}

async fn never_takes_over(place: &Place, attack: &str) {
    let gateway = place.gateway(attack);
    let built_in = gateway.component().sha256;
    calls(&gateway, 0..10).await;
    place.components().install(&guest::component("hostile"), &Scope::All).unwrap();
    for step in 1..=20 {
        calls(&gateway, step * 10..step * 10 + 10).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!((gateway.component().sha256, gateway.changes()), (built_in, 0));
    gateway.close().await;
    assert_eq!(place.called(), (0..210).collect::<Vec<_>>());
}
