//! What a peer spoke is remembered: the next process does not ask again, and finds out when it is wrong.

use std::{fs, sync::Arc};

use pflow_gateway::{
    Gateway,
    config::{ConfigFile, Filter},
    runtime::{Runtime, Source},
};
use pflow_gateway_tests::{
    generic::{Config, Eras, Generic},
    server::Fake,
};
use serde_json::json;

#[tokio::test]
async fn a_legacy_peer_is_asked_a_modern_question_once_and_a_modern_one_is_found_again() {
    let behind = Arc::new(Generic::new(Config::default()));
    let fake = Fake::start(Arc::clone(&behind) as Arc<_>).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mcp-servers.json");
    fs::write(&file, json!({"mcpServers": {"gw": {"command": "x", "gateway": {"url": fake.url()}}}}).to_string())
        .unwrap();
    let list = async || {
        let config = ConfigFile::load(&file).unwrap().find("gw").unwrap();
        let gateway = Gateway::new(Runtime::shared(&Source::BuiltIn, &config.limits).unwrap(), config);
        let tools = gateway.tools(&Filter::default()).await.unwrap();
        gateway.close().await;
        assert!(tools.total > 0);
    };
    list().await;
    list().await;
    assert_eq!((fake.log().count("server/discover"), fake.log().count("initialize")), (1, 2));
    // It learned the modern era and forgot the other.
    behind.change(|config| config.eras = Eras::Modern);
    list().await;
    list().await;
    assert_eq!(fake.log().count("initialize"), 3, "tried once more, then remembered");
}
