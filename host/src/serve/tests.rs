//! The stdio server, spoken to line by line, in front of a gateway made of canned answers.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on shall stop")]

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf},
    sync::{Barrier, Notify},
    task::JoinHandle,
};

use super::{
    NoSnapshots, Snapshot, Snapshots,
    catalog::{catalogue, tool},
    serve_on,
    upstream::Upstream,
};
use crate::{
    CallOptions, Class, Error, Result,
    report::{Call, Tool, Tools},
};

/// Tool, arguments, `_meta`.
type Called = (String, Value, Option<Value>);

/// A gateway of canned answers.
#[derive(Clone)]
struct Canned {
    tools: Arc<Mutex<Result<Tools>>>,
    calls: Arc<Mutex<Vec<Called>>>,
    all_here: Arc<Barrier>,
    dropped: Arc<Notify>,
    closed: Arc<AtomicUsize>,
    changes: Arc<AtomicUsize>,
    refresh: Option<Duration>,
}

struct TellDropped(Arc<Notify>);

impl Drop for TellDropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Canned {
    fn new(tools: Result<Tools>) -> Self {
        Self {
            tools: Arc::new(Mutex::new(tools)),
            calls: Arc::default(),
            all_here: Arc::new(Barrier::new(70)),
            dropped: Arc::default(),
            closed: Arc::default(),
            changes: Arc::default(),
            refresh: None,
        }
    }
}

impl Upstream for Canned {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn url(&self) -> String {
        "http://127.0.0.1:1/mcp".to_owned()
    }

    async fn tools(&self) -> Result<Tools> {
        self.tools.lock().unwrap().clone()
    }

    async fn call(&self, tool: &str, arguments: Map<String, Value>, options: CallOptions) -> Call {
        let meta = options.meta.clone().map(Value::Object);
        self.calls.lock().unwrap().push((tool.to_owned(), Value::Object(arguments), meta));
        let mut call = Call {
            gateway: "docker".to_owned(),
            tool: tool.to_owned(),
            service: None,
            ok: true,
            result: Some(json!({"content": [], "structuredContent": null, "x-unknown": {"kept": true}})),
            error: None,
        };
        match tool {
            "together" => {
                self.all_here.wait().await;
            }
            "forever" => {
                let _tell = TellDropped(Arc::clone(&self.dropped));
                std::future::pending::<()>().await;
            }
            "chatty" => {
                for step in 1..=3_u32 {
                    if let Some(progress) = &options.on_progress {
                        progress(f64::from(step), Some(3.0), Some(format!("step {step}")));
                    }
                }
                if let Some(message) = &options.on_message {
                    message("debug".to_owned(), None, json!("too quiet"));
                    message("warning".to_owned(), Some("github".to_owned()), json!({"slow": true}));
                }
            }
            "broken" => {
                let error =
                    Error::new(Class::RateLimited, "the gateway asked to wait 30 s").with_hint("Try again later.");
                call = Call { ok: false, result: None, error: Some(error), ..call };
            }
            _ => {}
        }
        call
    }

    fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst) as u64
    }

    fn refresh(&self) -> Option<Duration> {
        self.refresh
    }

    async fn close(&self) {
        self.closed.fetch_add(1, Ordering::SeqCst);
    }

    fn left_running(&self) -> Vec<crate::LeftRunning> {
        Vec::new()
    }
}

/// One kept catalogue.
struct Kept(Mutex<Option<Tools>>);

impl Snapshots for Kept {
    fn load(&self) -> Option<Snapshot> {
        let taken = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        self.0.lock().unwrap().clone().map(|tools| Snapshot { tools, taken })
    }

    fn store(&self, tools: &Tools) -> io::Result<()> {
        *self.0.lock().unwrap() = Some(tools.clone());
        Ok(())
    }
}

/// A client on the other end of the pipe.
struct Client {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    input: WriteHalf<DuplexStream>,
    server: JoinHandle<Result<()>>,
}

impl Client {
    async fn start(upstream: &Canned, snapshots: Arc<dyn Snapshots>) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let upstream = upstream.clone();
        let server = tokio::spawn(async move {
            serve_on(upstream, snapshots, tokio::io::split(theirs), std::future::pending()).await
        });
        let (output, input) = tokio::io::split(ours);
        let mut client = Self { lines: BufReader::new(output).lines(), input, server };
        // What pflow 0.16 sends.
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "mcp", "version": "0.1.0"}});
        let answer = client.ask(0, "initialize", hello).await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
        assert_eq!(answer["result"]["serverInfo"]["name"], "pflow-gateway");
        assert_eq!(answer["result"]["capabilities"], json!({"logging": {}, "tools": {"listChanged": true}}));
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        client
    }

    async fn send(&mut self, message: &Value) {
        self.input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        let line =
            tokio::time::timeout(Duration::from_secs(10), self.lines.next_line()).await.unwrap().unwrap().unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("not protocol on stdout: {line}"))
    }

    async fn ask(&mut self, id: u64, method: &str, params: Value) -> Value {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        loop {
            let message = self.next().await;
            if message["id"] == id {
                return message;
            }
        }
    }

    async fn end(mut self) -> Result<()> {
        self.input.shutdown().await.unwrap();
        drop((self.input, self.lines));
        tokio::time::timeout(Duration::from_secs(10), self.server).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn tools_are_listed_on_one_page_with_their_origin() {
    let gateway = Canned::new(Ok(catalogue((0..1500).map(|n| tool(&format!("t{n}"), Some("github"))).collect())));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    let list = client.ask(1, "tools/list", json!({})).await["result"].clone();
    assert_eq!(list["tools"].as_array().unwrap().len(), 1500);
    assert_eq!(list.as_object().unwrap().keys().collect::<Vec<_>>(), ["tools"], "no cursor, no marks");
    assert_eq!(list["tools"][7]["description"], "[github via docker]");
    assert_eq!(client.ask(2, "tools/list", json!({"cursor": "x"})).await["error"]["code"], -32602);
    client.end().await.unwrap();
    assert_eq!(gateway.closed.load(Ordering::SeqCst), 1, "the gateway's session is ended");
}

#[tokio::test]
async fn results_pass_verbatim_with_fields_that_rmcp_does_not_know() {
    let gateway = Canned::new(Ok(catalogue(vec![])));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    let params =
        json!({"name": "github_get", "arguments": {"n": 1}, "_meta": {"traceparent": "00-1", "progressToken": 4}});
    let answer = client.ask(1, "tools/call", params).await;
    assert_eq!(answer["result"].to_string(), r#"{"content":[],"structuredContent":null,"x-unknown":{"kept":true}}"#);
    let call = ("github_get".to_owned(), json!({"n": 1}), Some(json!({"traceparent": "00-1"})));
    assert_eq!(*gateway.calls.lock().unwrap(), [call]);
    client.end().await.unwrap();
}

#[tokio::test]
async fn seventy_calls_run_side_by_side() {
    let gateway = Canned::new(Ok(catalogue(vec![])));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    for id in 0..70 {
        let params = json!({"name": "together", "arguments": {}});
        client.send(&json!({"jsonrpc": "2.0", "id": 100 + id, "method": "tools/call", "params": params})).await;
    }
    let mut answered = std::collections::BTreeSet::new();
    while answered.len() < 70 {
        answered.insert(client.next().await["id"].as_u64().unwrap());
    }
    client.end().await.unwrap();
}

#[tokio::test]
async fn progress_and_messages_come_before_the_answer_and_quiet_ones_only_when_asked_for() {
    let gateway = Canned::new(Ok(catalogue(vec![])));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "chatty", "arguments": {}, "_meta": {"progressToken": "p"}}});
    client.send(&call).await;
    for step in 1..=3_u32 {
        let event = client.next().await;
        let expected =
            json!({"progressToken": "p", "progress": f64::from(step), "total": 3.0, "message": format!("step {step}")});
        assert_eq!((&event["method"], &event["params"]), (&json!("notifications/progress"), &expected));
    }
    let message = client.next().await;
    assert_eq!(message["method"], "notifications/message");
    assert_eq!(message["params"], json!({"level": "warning", "logger": "github", "data": {"slow": true}}));
    assert_eq!(client.next().await["id"], 1);
    assert_eq!(client.ask(2, "logging/setLevel", json!({"level": "debug"})).await["result"], json!({}));
    client
        .send(
            &json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "chatty", "arguments": {}}}),
        )
        .await;
    assert_eq!(client.next().await["params"]["data"], "too quiet", "and no progress, since nobody asked for it");
    client.end().await.unwrap();
}

#[tokio::test]
async fn a_cancelled_call_is_dropped_and_not_answered() {
    let gateway = Canned::new(Ok(catalogue(vec![])));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    client.send(&json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "forever"}})).await;
    // A call that is cancelled before it begins never does; this is about one that runs.
    while gateway.calls.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}})).await;
    tokio::time::timeout(Duration::from_secs(10), gateway.dropped.notified()).await.unwrap();
    let next = client.ask(6, "ping", json!({})).await;
    assert_eq!(next["result"], json!({}));
    client.end().await.unwrap();
}

#[tokio::test]
async fn a_failed_call_says_class_sentence_and_hint_in_the_result() {
    let gateway = Canned::new(Ok(catalogue(vec![])));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    let result = client.ask(1, "tools/call", json!({"name": "broken"})).await["result"].clone();
    assert_eq!(result["isError"], true);
    assert_eq!(
        result["content"],
        json!([{"type": "text", "text": "the gateway asked to wait 30 s\n  → Try again later.\n  (error class: rate_limited)"}])
    );
    assert_eq!(result["_meta"]["pflow-gateway"]["error"]["class"], "rate_limited");
    client.end().await.unwrap();
}

#[tokio::test]
async fn a_renamed_argument_reaches_the_tool_under_its_own_name_even_before_any_list() {
    let input_schema = json!({"type": "object", "properties": {"timeout": {"type": "integer"}}});
    let gateway = Canned::new(Ok(catalogue(vec![Tool { input_schema, ..tool("run", Some("ci")) }])));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    client.ask(1, "tools/call", json!({"name": "run", "arguments": {"timeout_arg": 5, "x": 1}})).await;
    assert_eq!(gateway.calls.lock().unwrap()[0].1, json!({"timeout": 5, "x": 1}));
    client.end().await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_is_away_is_answered_for_by_the_snapshot_and_marked() {
    let snapshots = Arc::new(Kept(Mutex::new(None)));
    let gateway = Canned::new(Ok(catalogue(vec![tool("a", Some("github"))])));
    let mut client = Client::start(&gateway, snapshots.clone()).await;
    let fresh = client.ask(1, "tools/list", json!({})).await["result"].clone();
    *gateway.tools.lock().unwrap() = Err(Error::new(Class::Unreachable, "nothing listens on 127.0.0.1:1"));
    let stale = client.ask(2, "tools/list", json!({})).await["result"].clone();
    assert_eq!(stale["tools"], fresh["tools"]);
    let mark = &stale["_meta"]["pflow-gateway"];
    assert_eq!((&mark["stale"], &mark["snapshot_taken_at"]), (&json!(true), &json!(1_000)));
    assert_eq!(mark["error"]["class"], "unreachable");
    // An empty list is told as it is, and does not replace what was known.
    *gateway.tools.lock().unwrap() = Ok(catalogue(vec![]));
    assert_eq!(client.ask(3, "tools/list", json!({})).await["result"], json!({"tools": []}));
    assert_eq!(snapshots.load().unwrap().tools.tools.len(), 1);
    client.end().await.unwrap();
}

#[tokio::test]
async fn without_a_snapshot_and_with_a_wrong_credential_the_error_is_told() {
    let gateway = Canned::new(Err(Error::new(Class::Unreachable, "nothing listens there").with_hint("Start it.")));
    let mut client = Client::start(&gateway, Arc::new(Kept(Mutex::new(None)))).await;
    let error = client.ask(1, "tools/list", json!({})).await["error"].clone();
    assert_eq!(error["message"], "nothing listens there → Start it.");
    assert_eq!(error["data"]["class"], "unreachable");
    client.end().await.unwrap();
    // A snapshot must not hide that somebody has to act.
    let gateway = Canned::new(Err(Error::new(Class::AuthRequired, "the gateway wants a token")));
    let mut client = Client::start(&gateway, Arc::new(Kept(Mutex::new(Some(catalogue(vec![tool("a", None)])))))).await;
    assert_eq!(client.ask(1, "tools/list", json!({})).await["error"]["data"]["class"], "auth_required");
    client.end().await.unwrap();
}

#[tokio::test]
async fn the_client_is_told_when_the_gateway_is_back_with_other_tools() {
    let gateway = Canned::new(Err(Error::new(Class::Timeout, "no answer")));
    let mut client =
        Client::start(&gateway, Arc::new(Kept(Mutex::new(Some(catalogue(vec![tool("old", None)])))))).await;
    assert_eq!(client.ask(1, "tools/list", json!({})).await["result"]["tools"][0]["name"], "old");
    *gateway.tools.lock().unwrap() = Ok(catalogue(vec![tool("new", None)]));
    assert_eq!(client.next().await["method"], "notifications/tools/list_changed");
    assert_eq!(client.ask(2, "tools/list", json!({})).await["result"]["tools"][0]["name"], "new");
    client.end().await.unwrap();
}

#[tokio::test]
async fn a_change_that_nobody_announced_is_found_and_an_empty_list_is_not_one() {
    let mut gateway = Canned::new(Ok(catalogue(vec![tool("old", None)])));
    gateway.refresh = Some(Duration::from_millis(20));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    // Nothing was shown: nothing can have changed.
    *gateway.tools.lock().unwrap() = Ok(catalogue(vec![tool("first", None)]));
    assert_eq!(client.ask(1, "tools/list", json!({})).await["result"]["tools"][0]["name"], "first");
    for other in
        [Ok(catalogue(vec![])), Err(Error::new(Class::Timeout, "no answer")), Ok(catalogue(vec![tool("new", None)]))]
    {
        *gateway.tools.lock().unwrap() = other;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    // One notification, for the last of them.
    assert_eq!(client.next().await["method"], "notifications/tools/list_changed");
    client.send(&json!({"jsonrpc": "2.0", "id": 2, "method": "ping"})).await;
    assert_eq!(client.next().await["id"], 2);
    client.end().await.unwrap();
}

#[tokio::test]
async fn an_announcement_of_other_tools_is_passed_on_once() {
    let gateway = Canned::new(Ok(catalogue(vec![])));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    gateway.changes.store(3, Ordering::SeqCst);
    assert_eq!(client.next().await["method"], "notifications/tools/list_changed");
    tokio::time::sleep(Duration::from_millis(100)).await;
    client.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})).await;
    assert_eq!(client.next().await["id"], 1);
    client.end().await.unwrap();
}

#[tokio::test]
async fn a_client_that_never_speaks_is_no_error_and_garbage_does_not_end_the_server() {
    let gateway = Canned::new(Ok(catalogue(vec![])));
    let (ours, theirs) = tokio::io::duplex(1024);
    drop(ours);
    serve_on(gateway.clone(), Arc::new(NoSnapshots), tokio::io::split(theirs), std::future::pending()).await.unwrap();
    assert_eq!(gateway.closed.load(Ordering::SeqCst), 1);
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    client.input.write_all(b"not json\n{\"jsonrpc\":\"2.0\"}\n\n[]\n").await.unwrap();
    assert_eq!(client.ask(9, "ping", json!({})).await["result"], json!({}));
    assert_eq!(client.ask(10, "prompts/list", json!({})).await["error"]["code"], -32601);
    client.end().await.unwrap();
}
