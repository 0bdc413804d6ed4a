//! The server under all fakes, the wire log, and the faults that live below HTTP.

use std::{collections::HashSet, io::ErrorKind, sync::Arc, time::Duration};

use pflow_gateway_tests::{
    client,
    faults::{self, Fault},
    generic::{Config, Generic},
    server::Fake,
    wire::WireLog,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::Peer;

#[tokio::test]
async fn chunked_requests_and_reused_connections_are_read() {
    let fake = Fake::start(Arc::new(Generic::new(Config::default()))).await.unwrap();
    let mut stream = TcpStream::connect(fake.address()).await.unwrap();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}})
        .to_string();
    let (one, two) = body.split_at(7);
    for _ in 0..2 {
        let request = format!(
            "POST /mcp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
            one.len(),
            two.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let n = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(answer.get(..n).unwrap()).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    let connections: Vec<u64> = fake.log().records().iter().map(|r| r.connection).collect();
    assert_eq!(connections, [1, 1]);
}

#[tokio::test]
async fn the_log_has_a_line_per_request_and_no_credential() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let log = WireLog::to_file(file.path()).unwrap();
    let gateway = Arc::new(Generic::new(Config::default()));
    let fake = Fake::start_with(gateway, pflow_gateway_tests::server::Transport::Plain, log, 0).await.unwrap();
    let peer = Peer::new(&fake).with("Authorization", "Bearer very-secret").in_session().await;
    peer.call("lab__echo", json!({})).await;
    let text = std::fs::read_to_string(file.path()).unwrap();
    assert!(!text.contains("very-secret"));
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    let call = lines.last().unwrap();
    assert_eq!((call["rpc"].as_str(), call["tool"].as_str()), (Some("tools/call"), Some("lab__echo")));
    assert_eq!((call["auth"].as_bool(), call["session"].as_str()), (Some(true), Some("session-1")));
}

#[tokio::test]
async fn a_client_that_goes_away_is_noticed() {
    let fault = Fault::named("never-answers").unwrap();
    let faulty = fault.start().await.unwrap();
    let mut stream = TcpStream::connect(faulty.url.split('/').nth(2).unwrap()).await.unwrap();
    stream.write_all(b"GET /mcp HTTP/1.1\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!faulty.log.records().first().unwrap().abandoned);
    drop(stream);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(faulty.log.records().first().unwrap().abandoned);
}

#[tokio::test]
async fn a_stopped_fake_refuses_connections() {
    let fake = Fake::start(Arc::new(Generic::new(Config::default()))).await.unwrap();
    fake.stop();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(TcpStream::connect(fake.address()).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_port_whose_queue_is_full_never_connects() {
    let faulty = Fault::named("connect-never-completes").unwrap().start().await.unwrap();
    let address = faulty.url.split('/').nth(2).unwrap().to_owned();
    let connecting = tokio::time::timeout(Duration::from_millis(500), TcpStream::connect(address)).await;
    assert!(connecting.is_err(), "{connecting:?}");
}

#[tokio::test]
async fn a_reset_is_a_reset_and_a_close_is_a_close() {
    let read = async |name: &str| {
        let faulty = Fault::named(name).unwrap().start().await.unwrap();
        let mut stream = TcpStream::connect(faulty.url.split('/').nth(2).unwrap()).await.unwrap();
        stream.write_all(b"GET /mcp HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.map(|_| String::from_utf8_lossy(&answer).into_owned())
    };
    assert_eq!(read("reset-after-request").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(read("reset-mid-body").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(read("closed-after-request").await.unwrap(), "");
    assert_eq!(read("closed-mid-headers").await.unwrap(), "HTTP/1.1 200 OK\r\nContent-Type: appl");
}

#[tokio::test]
async fn every_fault_starts_and_has_a_name_of_its_own() {
    let mut names = HashSet::new();
    for fault in faults::all() {
        assert!(names.insert(fault.name), "{} is there twice", fault.name);
        assert!(fault.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{}", fault.name);
        assert!(fault.does.ends_with('.') && !fault.does.contains('|'), "{}: {}", fault.name, fault.does);
        let faulty = fault.start().await.unwrap();
        assert!(faulty.url.starts_with("http"), "{}", fault.name);
    }
    assert!(names.len() >= 60, "{} faults", names.len());
}

#[tokio::test]
async fn a_fault_in_lists_leaves_the_rest_alone() {
    let faulty = Fault::named("session-404-once").unwrap().start().await.unwrap();
    let address = faulty.url.split('/').nth(2).unwrap().parse().unwrap();
    let send = async |session: &str, method: &str| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}}).to_string();
        client::send(address, "POST", "/mcp", &[("Mcp-Session-Id", session)], &body, Duration::from_secs(2))
            .await
            .unwrap()
    };
    let session = send("", "initialize").await.header("mcp-session-id").unwrap().to_owned();
    assert_eq!(send(&session, "ping").await.status, 200);
    assert_eq!(send(&session, "tools/list").await.status, 404);
    assert_eq!(send(&session, "tools/list").await.status, 200);
}
