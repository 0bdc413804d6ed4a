//! Components that were built when a version of the contract was frozen, and never since: they go on working.
//! Takes the files in `tests/components/frozen`; how each was made stands beside it. Whoever has to change one has broken the contract.

use std::{fs, path::Path, sync::Arc};

use pflow_gateway_tests::{
    generic::{Config, Generic},
    server::Fake,
};
use serde_json::json;

use super::{component, home, put, run};

#[tokio::test]
async fn a_component_of_0_2_0_lists_and_calls_as_it_did() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("components/frozen/acme-0.2.0.wasm");
    let bytes = fs::read(file).unwrap();
    assert!(bytes.len() < 300_000, "{}", bytes.len());
    let fake = Fake::start(Arc::new(Generic::new(Config::default()))).await.unwrap();
    let home = home(&[("shop", &fake.url())]);
    put(&home, "acme.wasm", &bytes);
    let used = component(&home, &["use", "acme.wasm"]).await;
    assert_eq!(used.code, Some(0), "{used:?}");
    assert_eq!(component(&home, &["show", "--json"]).await.json()["version"], "0.2.0");
    let tools = run(&home, &["tools", "shop", "--json"]).await.json();
    let names: Vec<_> = tools["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, [json!("find_customer"), json!("send_mail")], "{tools:#}");
    let called = run(&home, &["call", "shop", "find_customer", "--json"]).await;
    assert_eq!(called.code, Some(0), "{called:?}");
    assert!(called.stdout.contains("done"), "{}", called.stdout);
    fake.stop();
}
