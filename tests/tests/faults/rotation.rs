//! A credential that changes while many calls run, alone and together with a gateway that starts anew.

use std::{fs, sync::Arc};

use pflow_gateway::{
    CallOptions, Gateway,
    config::{ConfigFile, Trust},
    runtime::{Runtime, Source},
};
use pflow_gateway_tests::{
    generic::{Auth, Config, Generic},
    server::Fake,
};
use serde_json::json;
use tokio::task::JoinSet;

struct Place {
    folder: tempfile::TempDir,
    fake: Fake,
    behind: Arc<Generic>,
}

impl Place {
    async fn new() -> Self {
        let behind = Arc::new(Generic::new(Config { auth: Auth::Bearer("first".to_owned()), ..Config::default() }));
        let fake = Fake::start(Arc::clone(&behind) as Arc<_>).await.unwrap();
        let place = Self { folder: tempfile::tempdir().unwrap(), fake, behind };
        place.hold("first");
        place
    }

    /// What `--token-command` prints from now on.
    fn hold(&self, token: &str) {
        fs::write(self.folder.path().join("token"), token).unwrap();
    }

    fn gateway(&self) -> Gateway {
        let command = json!(["cat", self.folder.path().join("token")]);
        let auth = json!({"type": "command", "command": command});
        let entry = json!({"command": "x", "gateway": {"url": self.fake.url(), "auth": auth}});
        let file = self.folder.path().join("mcp-servers.json");
        let text = json!({"mcpServers": {"gw": entry}}).to_string();
        fs::write(&file, &text).unwrap();
        let trust = Trust::at(self.folder.path().join("trusted.json"));
        trust.pin(&file, text.as_bytes()).unwrap();
        let config = ConfigFile::load_with(&file, trust).unwrap().find("gw").unwrap();
        Gateway::new(Runtime::shared(&Source::BuiltIn, &config.limits).unwrap(), config)
    }
}

/// So many calls at once; how many of them were answered.
async fn together(gateway: &Gateway, calls: usize) -> usize {
    let mut running = JoinSet::new();
    for number in 0..calls {
        let gateway = gateway.clone();
        running.spawn(async move {
            let arguments = json!({"repo": "a", "title": number.to_string()}).as_object().unwrap().clone();
            gateway.call("github__create_issue", arguments, CallOptions::default()).await
        });
    }
    let reports = running.join_all().await;
    for report in reports.iter().filter(|report| !report.ok) {
        println!("{:?}", report.error);
    }
    reports.iter().filter(|report| report.ok).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_replaced_is_read_again_for_all_calls_that_run() {
    let place = Place::new().await;
    let gateway = place.gateway();
    assert_eq!(together(&gateway, 40).await, 40);
    place.behind.change(|config| config.auth = Auth::Bearer("second".to_owned()));
    place.hold("second");
    assert_eq!(together(&gateway, 40).await, 40);
    gateway.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_starts_anew_with_another_token_is_found_again_by_all_calls_that_run() {
    let place = Place::new().await;
    let gateway = place.gateway();
    assert_eq!(together(&gateway, 40).await, 40);
    place.behind.change(|config| config.auth = Auth::Bearer("second".to_owned()));
    place.behind.lose_sessions();
    place.hold("second");
    assert_eq!(together(&gateway, 40).await, 40);
    gateway.close().await;
    // What was refused never reached a service: 80 calls were answered, each once.
    let records = place.fake.log().records();
    let opened = records.iter().filter(|record| record.rpc.as_deref() == Some("initialize")).count();
    assert!((2..=3).contains(&opened), "{opened} sessions were opened: one for all");
}

#[tokio::test]
async fn a_token_that_stays_wrong_is_told_after_one_more_try() {
    let place = Place::new().await;
    let gateway = place.gateway();
    assert_eq!(together(&gateway, 1).await, 1);
    place.behind.change(|config| config.auth = Auth::Bearer("second".to_owned()));
    place.hold("third");
    place.fake.log().clear();
    assert_eq!(together(&gateway, 1).await, 0);
    assert_eq!(place.fake.log().count("tools/call"), 2);
}
