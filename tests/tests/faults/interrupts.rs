//! Ctrl-C, SIGTERM and a closed stdin while a tool runs: the gateway is told, and so is the user.

use std::{
    process::Output,
    time::{Duration, Instant},
};

use pflow_gateway_tests::{
    faults::{Fault, Faulty},
    program::Home,
    wire::WireLog,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::Child,
};

use crate::{entry, program};

/// A process that ends is given this long.
const WAIT: Duration = Duration::from_secs(20);

async fn never_answers() -> (Faulty, Home) {
    let faulty = Fault::named("call-never-answered").unwrap().start().await.unwrap();
    let home = Home::new(&program().await, &json!({"g": entry(&faulty.url, Value::Null)})).unwrap();
    (faulty, home)
}

async fn seen(log: &WireLog, what: impl Fn(&WireLog) -> bool) {
    let started = Instant::now();
    while !what(log) {
        assert!(started.elapsed() < WAIT, "{}", log.summary());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
}

async fn ends(child: Child) -> (Output, String) {
    let output = tokio::time::timeout(WAIT, child.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

/// The gateway was told that nobody waits, and its session ended, in this order.
fn told(log: &WireLog) {
    let records = log.records();
    let at = |found: &dyn Fn(&pflow_gateway_tests::wire::Record) -> bool| records.iter().position(found);
    let called = records.iter().find(|record| record.rpc.as_deref() == Some("tools/call")).unwrap();
    let cancelled = at(&|record| record.rpc.as_deref() == Some("notifications/cancelled"));
    let ended = at(&|record| record.method == "DELETE");
    assert!(cancelled.is_some() && cancelled < ended, "{}", log.summary());
    let cancelled = records.get(cancelled.unwrap()).unwrap();
    let id = |record: &pflow_gateway_tests::wire::Record| record.header("mcp-session-id").map(str::to_owned);
    assert_eq!(id(cancelled), id(called), "in the session of the call");
    let (told, call) = (cancelled.message.as_ref().unwrap(), called.message.as_ref().unwrap());
    assert_eq!(told["params"]["requestId"], call["id"]);
}

#[tokio::test]
async fn a_call_that_is_interrupted_is_cancelled_at_the_gateway_and_may_still_run() {
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let (faulty, home) = never_answers().await;
        let child = home.start(&["call", "g", "github__create_issue", "--no-check", "--timeout", "60"]).unwrap();
        seen(&faulty.log, |log| log.count("tools/call") == 1).await;
        signal(&child, name);
        let started = Instant::now();
        let (output, said) = ends(child).await;
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains("github__create_issue may still run at g; check before calling it again"), "{said}");
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        told(&faulty.log);
    }
}

#[tokio::test]
async fn whoever_interrupts_twice_does_not_wait_for_goodbyes() {
    let (faulty, home) = never_answers().await;
    let child = home.start(&["call", "g", "github__create_issue", "--no-check", "--timeout", "60"]).unwrap();
    seen(&faulty.log, |log| log.count("tools/call") == 1).await;
    signal(&child, "-INT");
    signal(&child, "-INT");
    let (output, said) = ends(child).await;
    assert_eq!(output.status.code(), Some(130), "{said}");
}

async fn serving(home: &Home) -> Child {
    let mut child = home.start(&["serve", "g"]).unwrap();
    let hello =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let call = json!({"name": "github__create_issue", "arguments": {"repo": "a", "title": "t"}});
    let messages = [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}),
    ];
    for message in messages {
        child.stdin.as_mut().unwrap().write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }
    child
}

#[tokio::test]
async fn serve_tells_the_gateway_when_its_client_goes_away_in_the_middle_of_a_call() {
    let (faulty, home) = never_answers().await;
    let mut child = serving(&home).await;
    seen(&faulty.log, |log| log.count("tools/call") == 1).await;
    drop(child.stdin.take());
    let (output, said) = ends(child).await;
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("github__create_issue may still run at g; check before calling it again"), "{said}");
    told(&faulty.log);
}

#[tokio::test]
async fn serve_tells_the_gateway_when_it_is_asked_to_end_in_the_middle_of_a_call() {
    let (faulty, home) = never_answers().await;
    let child = serving(&home).await;
    seen(&faulty.log, |log| log.count("tools/call") == 1).await;
    signal(&child, "-TERM");
    let (_, said) = ends(child).await;
    assert!(said.contains("github__create_issue may still run at g; check before calling it again"), "{said}");
    told(&faulty.log);
}

#[tokio::test]
async fn serve_gives_up_by_itself_and_names_both_places_that_allow_more() {
    let faulty = Fault::named("call-never-answered").unwrap().start().await.unwrap();
    let mut server = entry(&faulty.url, Value::Null);
    server["gateway"]["timeout"] = json!(2);
    let home = Home::new(&program().await, &json!({"g": server})).unwrap();
    let mut child = serving(&home).await;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let answer = loop {
        let line = tokio::time::timeout(WAIT, lines.next_line()).await.unwrap().unwrap().unwrap();
        let message: Value = serde_json::from_str(&line).unwrap();
        if message["id"] == 2 {
            break message;
        }
    };
    let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned();
    assert!(text.contains("github__create_issue may have run; check before calling it again"), "{answer:#}");
    assert!(text.contains("\"timeout\" in the entry") && text.contains("its parameter timeout"), "{text}");
    assert!(!text.to_lowercase().contains("try again"), "{text}");
    drop(child.stdin.take());
    ends(child).await;
}

#[tokio::test]
async fn a_server_file_that_never_ends_is_refused_at_once() {
    let (_faulty, home) = never_answers().await;
    let pipe = home.path().join("pipe.json");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pipe = pipe.display().to_string();
    for command in [["tools", "g"], ["remove", "g"], ["test", "g"]] {
        let words: Vec<&str> = command.into_iter().chain(["--json", "--config", &pipe]).collect();
        let run = home.run(&words, WAIT).await.unwrap();
        assert_eq!((run.code, &run.json()["error"]["class"]), (Some(2), &json!("config")), "{words:?} {run:?}");
    }
}
