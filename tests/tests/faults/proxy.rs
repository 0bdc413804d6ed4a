//! Behind a company's proxy: what works, what `test` says of it, and what `add` writes for pflow.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pflow_gateway_base::Listener;
use pflow_gateway_tests::{
    generic::{Config, Generic},
    program::Home,
    server::Fake,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{entry, program};

const WAIT: Duration = Duration::from_secs(20);
/// A name that only the proxy knows.
const CORP: &str = "http://gateway.corp.invalid";

/// A proxy that forwards what is for [`CORP`] to the gateway.
async fn forwarding_to(gateway: SocketAddr) -> SocketAddr {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.address();
    tokio::spawn(listener.serve_each(move |mut client| async move {
        let mut server = TcpStream::connect(gateway).await.unwrap();
        let (mut from_server, mut to_server) = server.split();
        let (mut from_client, mut to_client) = client.split();
        let there = async {
            let mut bytes = vec![0; 1 << 16];
            while let Ok(read @ 1..) = from_client.read(&mut bytes).await {
                let text = String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()).replace(CORP, "");
                to_server.write_all(text.as_bytes()).await?;
            }
            to_server.shutdown().await
        };
        tokio::select! {
            _ = there => {}
            _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
        }
    }));
    address
}

fn steps(report: &Value) -> Vec<(String, Value)> {
    let checks = report["checks"].as_array().unwrap().iter();
    checks.map(|check| (check["name"].as_str().unwrap().to_owned(), check["ok"].clone())).collect()
}

#[tokio::test]
async fn a_gateway_behind_a_proxy_works_and_the_proxy_is_a_step_of_its_own() {
    let gateway = Fake::start(Arc::new(Generic::new(Config::default()))).await.unwrap();
    let proxy = forwarding_to(gateway.address()).await;
    let url = format!("{CORP}/mcp");
    let home = Home::new(&program().await, &json!({"g": entry(&url, Value::Null)})).unwrap();
    let home = home.with("http_proxy", &format!("http://ann:s3cret@{proxy}"));
    let run = home.run(&["test", "g", "--json"], WAIT).await.unwrap();
    let report = run.json();
    assert_eq!(report["ok"], true, "{run:?}");
    let names: Vec<_> = steps(&report).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["pflow", "proxy", "resolve", "connect", "tls", "auth", "protocol", "tools"]);
    assert_eq!(report["checks"][2]["ok"], Value::Null, "{report:#}");
    let detail = report["checks"][1]["detail"].as_str().unwrap();
    assert!(detail.starts_with(&format!("http://{proxy} (http_proxy)")), "{detail}");
    assert!(!format!("{run:?}").contains("s3cret"), "{run:?}");
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_to_blame_and_not_the_gateway() {
    let closed = Listener::bind("127.0.0.1:0").await.unwrap().address();
    let home = Home::new(&program().await, &json!({"g": entry(&format!("{CORP}/mcp"), Value::Null)})).unwrap();
    let home = home.with("http_proxy", &format!("http://ann:s3cret@{closed}"));
    let run = home.run(&["test", "g", "--json"], WAIT).await.unwrap();
    let report = run.json();
    assert_eq!(report["checks"][1]["ok"], false, "{report:#}");
    assert!(steps(&report).iter().skip(2).all(|(_, ok)| ok.is_null()), "{report:#}");
    let error = &report["error"];
    assert_eq!(
        error["message"],
        format!("cannot connect to the proxy http://{closed} (http_proxy): connection refused")
    );
    assert!(error["hint"].as_str().unwrap().contains("\"proxy\": false"), "{error}");
    assert!(!format!("{run:?}").contains("s3cret"), "{run:?}");
}

#[tokio::test]
async fn an_entry_carries_the_variables_of_the_way_to_where_pflow_starts_serve_whether_they_are_set_or_not() {
    let plain = json!({"old": {"type": "http", "url": format!("{CORP}/mcp")}});
    let home = Home::new(&program().await, &plain).unwrap();
    let home = home
        .with("HTTP_PROXY", "http://ann:s3cret@proxy.invalid:3128")
        .with("NO_PROXY", "localhost")
        .with("ALL_PROXY", "");
    for words in [&["add", "new", &format!("{CORP}/mcp"), "--no-test"][..], &["adopt", "old", "--no-test"]] {
        let run = home.run(words, WAIT).await.unwrap();
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    let written = std::fs::read_to_string(home.path().join(".pflow/mcp-servers.json")).unwrap();
    let file: Value = serde_json::from_str(&written).unwrap();
    let carried = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];
    for name in ["new", "old"] {
        let env = file["mcpServers"][name]["env"].as_object().unwrap();
        assert!(carried.iter().all(|name| env[*name] == json!(format!("${{{name}:-}}"))), "{written}");
        assert_eq!(env.len(), carried.len(), "{written}");
    }
    assert!(!written.contains("s3cret"), "{written}");
}
