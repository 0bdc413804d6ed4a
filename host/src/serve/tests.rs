//! The stdio server, spoken to line by line, in front of a gateway made of canned answers.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on shall stop")]

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
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
    json::Json,
    report::{Call, Tool, Tools},
    sync::Mutex,
};

/// Tool, arguments, `_meta`.
type Called = (String, Json, Option<Json>);

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
    known: Option<Tools>,
    /// How often the list was read.
    listed: Arc<AtomicUsize>,
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
            known: None,
            listed: Arc::default(),
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
        self.listed.fetch_add(1, Ordering::SeqCst);
        self.tools.lock().clone()
    }

    fn known_tools(&self) -> Option<Tools> {
        self.known.clone()
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn request_limit(&self) -> u64 {
        1024 * 1024
    }

    async fn call(&self, tool: &str, arguments: Json, options: CallOptions) -> Call {
        self.calls.lock().push((tool.to_owned(), arguments, options.meta.clone()));
        let mut call = Call {
            gateway: "docker".to_owned(),
            tool: tool.to_owned(),
            service: None,
            ok: true,
            result: Some(json!({"content": [], "structuredContent": null, "x-unknown": {"kept": true}}).into()),
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
                    message("debug".to_owned(), None, Json::string("too quiet"));
                    message("warning".to_owned(), Some("github".to_owned()), json!({"slow": true}).into());
                }
            }
            "broken" => {
                let error =
                    Error::new(Class::RateLimited, "the gateway asked to wait 30 s").with_hint("Try again later.");
                call = Call { ok: false, result: None, error: Some(error), ..call };
            }
            "exact" => {
                let digits =
                    r#"{"content":[],"structuredContent":{"n":[123456789012345678901234567890,1.0,1e400,-0.0]}}"#;
                call.result = Some(Json::parse(digits.to_owned()).unwrap());
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
        self.0.lock().clone().map(|tools| Snapshot { tools, taken })
    }

    fn store(&self, tools: &Tools) -> io::Result<()> {
        *self.0.lock() = Some(tools.clone());
        Ok(())
    }
}

/// A client on the other end of the pipe.
struct Client {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    input: WriteHalf<DuplexStream>,
    server: JoinHandle<()>,
    end: Arc<Notify>,
}

impl Client {
    async fn start(upstream: &Canned, snapshots: Arc<dyn Snapshots>) -> Self {
        Self::start_with("2025-11-25", upstream, snapshots).await
    }

    async fn start_with(revision: &str, upstream: &Canned, snapshots: Arc<dyn Snapshots>) -> Self {
        let mut client = Self::silent(upstream, snapshots);
        // What pflow 0.16 sends.
        let hello =
            json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "mcp", "version": "0.1.0"}});
        let answer = client.ask(0, "initialize", hello).await;
        assert_eq!(answer["result"]["protocolVersion"], revision);
        assert_eq!(answer["result"]["serverInfo"]["name"], "pflow-gateway");
        assert_eq!(answer["result"]["capabilities"], json!({"logging": {}, "tools": {"listChanged": true}}));
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        client
    }

    /// One that has not said anything yet.
    fn silent(upstream: &Canned, snapshots: Arc<dyn Snapshots>) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (upstream, end) = (upstream.clone(), Arc::new(Notify::new()));
        let asked = Arc::clone(&end);
        let server = tokio::spawn(async move {
            let (input, output) = tokio::io::split(theirs);
            serve_on(upstream, snapshots, input, output, asked.notified()).await;
        });
        let (output, input) = tokio::io::split(ours);
        Self { lines: BufReader::new(output).lines(), input, server, end }
    }

    /// Sends a line as it is and gives the next one.
    async fn say(&mut self, line: &str) -> String {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        tokio::time::timeout(Duration::from_secs(10), self.lines.next_line()).await.unwrap().unwrap().unwrap()
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

    async fn end(mut self) {
        self.input.shutdown().await.unwrap();
        drop((self.input, self.lines));
        tokio::time::timeout(Duration::from_secs(10), self.server).await.unwrap().unwrap();
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
    client.end().await;
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
    let call = ("github_get".to_owned(), json!({"n": 1}).into(), Some(json!({"traceparent": "00-1"}).into()));
    assert_eq!(*gateway.calls.lock(), [call]);
    client.end().await;
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
    client.end().await;
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
    client.end().await;
}

#[tokio::test]
async fn a_cancelled_call_is_dropped_and_not_answered() {
    let gateway = Canned::new(Ok(catalogue(vec![])));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    client.send(&json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "forever"}})).await;
    // A call that is cancelled before it begins never does; this is about one that runs.
    while gateway.calls.lock().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}})).await;
    tokio::time::timeout(Duration::from_secs(10), gateway.dropped.notified()).await.unwrap();
    let next = client.ask(6, "ping", json!({})).await;
    assert_eq!(next["result"], json!({}));
    client.end().await;
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
    client.end().await;
}

#[tokio::test]
async fn a_renamed_argument_reaches_the_tool_under_its_own_name_even_before_any_list() {
    let input_schema = json!({"type": "object", "properties": {"timeout": {"type": "integer"}}}).into();
    let gateway = Canned::new(Ok(catalogue(vec![Tool { input_schema, ..tool("run", Some("ci")) }])));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    client.ask(1, "tools/call", json!({"name": "run", "arguments": {"timeout_arg": 5, "x": 1}})).await;
    assert_eq!(gateway.calls.lock()[0].1.to_value(), json!({"timeout": 5, "x": 1}));
    client.end().await;
}

#[tokio::test]
async fn a_gateway_that_is_away_is_answered_for_by_the_snapshot_and_marked() {
    let snapshots = Arc::new(Kept(Mutex::new(None)));
    let gateway = Canned::new(Ok(catalogue(vec![tool("a", Some("github"))])));
    let mut client = Client::start(&gateway, snapshots.clone()).await;
    let fresh = client.ask(1, "tools/list", json!({})).await["result"].clone();
    *gateway.tools.lock() = Err(Error::new(Class::Unreachable, "nothing listens on 127.0.0.1:1"));
    let stale = client.ask(2, "tools/list", json!({})).await["result"].clone();
    assert_eq!(stale["tools"], fresh["tools"]);
    let mark = &stale["_meta"]["pflow-gateway"];
    assert_eq!((&mark["stale"], &mark["snapshot_taken_at"]), (&json!(true), &json!(1_000)));
    assert_eq!(mark["error"]["class"], "unreachable");
    // An empty list is told as it is, and does not replace what was known.
    *gateway.tools.lock() = Ok(catalogue(vec![]));
    assert_eq!(client.ask(3, "tools/list", json!({})).await["result"], json!({"tools": []}));
    assert_eq!(snapshots.load().unwrap().tools.tools.len(), 1);
    // What could be read of a list is shown, and is not what is kept.
    let half = Tools { cut: true, ..catalogue(vec![tool("half", None), tool("other", None)]) };
    *gateway.tools.lock() = Ok(half);
    assert_eq!(client.ask(9, "tools/list", json!({})).await["result"]["tools"].as_array().unwrap().len(), 2);
    assert_eq!(snapshots.load().unwrap().tools.tools.len(), 1);
    client.end().await;
}

#[tokio::test]
async fn without_a_snapshot_and_with_a_wrong_credential_the_error_is_told() {
    let gateway = Canned::new(Err(Error::new(Class::Unreachable, "nothing listens there").with_hint("Start it.")));
    let mut client = Client::start(&gateway, Arc::new(Kept(Mutex::new(None)))).await;
    let error = client.ask(1, "tools/list", json!({})).await["error"].clone();
    assert_eq!(error["message"], "nothing listens there → Start it.");
    assert_eq!(error["data"]["class"], "unreachable");
    client.end().await;
    // A snapshot must not hide that somebody has to act.
    let gateway = Canned::new(Err(Error::new(Class::AuthRequired, "the gateway wants a token")));
    let mut client = Client::start(&gateway, Arc::new(Kept(Mutex::new(Some(catalogue(vec![tool("a", None)])))))).await;
    assert_eq!(client.ask(1, "tools/list", json!({})).await["error"]["data"]["class"], "auth_required");
    client.end().await;
}

#[tokio::test]
async fn the_client_is_told_when_the_gateway_is_back_with_other_tools() {
    let gateway = Canned::new(Err(Error::new(Class::Timeout, "no answer")));
    let mut client =
        Client::start(&gateway, Arc::new(Kept(Mutex::new(Some(catalogue(vec![tool("old", None)])))))).await;
    assert_eq!(client.ask(1, "tools/list", json!({})).await["result"]["tools"][0]["name"], "old");
    *gateway.tools.lock() = Ok(catalogue(vec![tool("new", None)]));
    assert_eq!(client.next().await["method"], "notifications/tools/list_changed");
    assert_eq!(client.ask(2, "tools/list", json!({})).await["result"]["tools"][0]["name"], "new");
    client.end().await;
}

#[tokio::test]
async fn a_change_that_nobody_announced_is_found_and_neither_an_empty_list_nor_half_of_one_is_one() {
    let mut gateway = Canned::new(Ok(catalogue(vec![tool("old", None)])));
    gateway.refresh = Some(Duration::from_millis(20));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    // Nothing was shown: nothing can have changed.
    *gateway.tools.lock() = Ok(catalogue(vec![tool("first", None)]));
    assert_eq!(client.ask(1, "tools/list", json!({})).await["result"]["tools"][0]["name"], "first");
    for other in [
        Ok(catalogue(vec![])),
        Ok(Tools { cut: true, ..catalogue(vec![tool("half", None)]) }),
        Err(Error::new(Class::Timeout, "no answer")),
        Ok(catalogue(vec![tool("new", None)])),
    ] {
        *gateway.tools.lock() = other;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    // One notification, for the last of them.
    assert_eq!(client.next().await["method"], "notifications/tools/list_changed");
    client.send(&json!({"jsonrpc": "2.0", "id": 2, "method": "ping"})).await;
    assert_eq!(client.next().await["id"], 2);
    client.end().await;
}

#[tokio::test]
async fn a_gateway_that_asks_to_be_left_alone_is_not_looked_at_before() {
    let limited = Error::new(Class::RateLimited, "too many").with_retry_after(Some(3_600));
    // Looked at for changes, and after an old catalogue was shown.
    for kept in [None, Some(catalogue(vec![tool("old", None)]))] {
        let mut gateway = Canned::new(Ok(catalogue(vec![tool("old", None)])));
        gateway.refresh = Some(Duration::from_millis(20));
        let stale = kept.is_some();
        if stale {
            *gateway.tools.lock() = Err(limited.clone());
        }
        let mut client = Client::start(&gateway, Arc::new(Kept(Mutex::new(kept)))).await;
        client.ask(1, "tools/list", json!({})).await;
        *gateway.tools.lock() = Err(limited.clone());
        tokio::time::sleep(Duration::from_millis(100)).await;
        let before = gateway.listed.load(Ordering::SeqCst);
        assert!(stale || before > 1, "it was asked once more, and answered that it is too often");
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(gateway.listed.load(Ordering::SeqCst), before, "stale: {stale}");
        client.end().await;
    }
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
    client.end().await;
}

#[tokio::test]
async fn a_client_that_never_speaks_is_no_error() {
    let gateway = Canned::new(Ok(catalogue(vec![])));
    let client = Client::silent(&gateway, Arc::new(NoSnapshots));
    client.end().await;
    assert_eq!(gateway.closed.load(Ordering::SeqCst), 1);
}

/// The error of an answer: its id, as it was written, and its code.
fn refused(line: &str) -> (String, i64) {
    let answer: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not protocol on stdout: {line}"));
    assert!(answer["error"]["message"].as_str().is_some_and(|words| words.len() > 10), "{line}");
    (answer["id"].to_string(), answer["error"]["code"].as_i64().unwrap())
}

#[tokio::test]
async fn every_line_is_answered_and_the_next_one_too() {
    let gateway = Canned::new(Ok(catalogue(vec![])));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    for (line, id, code) in [
        ("not json", "null", -32700),
        (r#"{"jsonrpc":"2.0","id":111,"method":"#, "null", -32700),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":"\ud83d"}}}"#,
            "null",
            -32700,
        ),
        (r#"[{"jsonrpc":"2.0","id":113,"method":"ping"}]"#, "null", -32700),
        (r#"{"jsonrpc":"2.0"}"#, "null", -32600),
        (r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"t","arguments":[1]}}"#, "2", -32602),
        (r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"arguments":{}}}"#, "3", -32602),
        (r#"{"jsonrpc":"2.0","id":4,"method":"tools/call","params":[1]}"#, "4", -32602),
        (r#"{"jsonrpc":"2.0","id":5,"method":"tools/call"}"#, "5", -32602),
        (r#"{"jsonrpc":"2.0","id":6,"method":"logging/setLevel","params":{"level":"loud"}}"#, "6", -32602),
        (r#"{"jsonrpc":"2.0","id":7,"method":"prompts/list"}"#, "7", -32601),
        (r#"{"jsonrpc":"2.0","id":8,"method":"server/discover"}"#, "8", -32601),
    ] {
        assert_eq!(refused(&client.say(line).await), (id.to_owned(), code), "{line}");
        assert_eq!(
            client.say("\r\n  \n{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"ping\"}\r").await,
            r#"{"jsonrpc":"2.0","id":"a","result":{}}"#
        );
    }
    assert!(gateway.calls.lock().is_empty(), "nothing of that reached a tool");
    client.end().await;
}

#[tokio::test]
async fn a_line_that_is_too_long_is_answered_with_its_id_and_the_limit() {
    let gateway = Canned::new(Ok(catalogue(vec![])));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    let text = "x".repeat(3 << 20);
    let first = format!(
        r#"{{"jsonrpc":"2.0","id":120,"method":"tools/call","params":{{"name":"t","arguments":{{"a":"{text}"}}}}}}"#
    );
    // As MCP's Python SDK writes it.
    let last = format!(
        r#"{{"method":"tools/call","params":{{"name":"t","arguments":{{"a":"{text}"}}}},"jsonrpc":"2.0","id":121}}"#
    );
    for (line, id) in [(first, "120"), (last, "121")] {
        let answer = client.say(&line).await;
        assert_eq!(refused(&answer), (id.to_owned(), -32600));
        assert!(answer.contains("longer than 2097152 bytes") && answer.contains("request_body_bytes"), "{answer}");
    }
    // What is documented as allowed is.
    let text = "x".repeat(1 << 20);
    let call = format!(
        r#"{{"jsonrpc":"2.0","id":122,"method":"tools/call","params":{{"name":"t","arguments":{{"a":"{text}"}}}}}}"#
    );
    assert!(client.say(&call).await.contains("\"result\""));
    client.end().await;
}

#[tokio::test]
async fn what_comes_before_initialize_is_told_so() {
    let gateway = Canned::new(Ok(catalogue(vec![])));
    let mut client = Client::silent(&gateway, Arc::new(NoSnapshots));
    let answer = client.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    assert_eq!(refused(&answer), ("1".to_owned(), -32600));
    assert!(answer.contains("\\\"initialize\\\" comes first"), "{answer}");
    assert_eq!(
        client.say(r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#).await,
        r#"{"jsonrpc":"2.0","id":2,"result":{}}"#
    );
    assert_eq!(
        refused(&client.say(r#"{"jsonrpc":"2.0","id":3,"method":"initialize"}"#).await),
        ("3".to_owned(), -32602)
    );
    // One that nobody knows yet is answered with the newest that has a handshake.
    let answer = client.ask(4, "initialize", json!({"protocolVersion": "2099-01-01"})).await;
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(client.ask(5, "tools/list", json!({})).await["result"], json!({"tools": []}));
    client.end().await;
}

#[tokio::test]
async fn a_batch_is_answered_as_one_where_it_is_allowed() {
    let gateway = Canned::new(Ok(catalogue(vec![])));
    let mut client = Client::start_with("2025-03-26", &gateway, Arc::new(NoSnapshots)).await;
    let ping = |id: u32| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    let batch = format!("[{},{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}},7,{}]", ping(1), ping(2));
    let answers: Value = serde_json::from_str(&client.say(&batch).await).unwrap();
    let ids: Vec<Value> = answers.as_array().unwrap().iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!(null), json!(2)]);
    assert_eq!(refused(&client.say("[]").await), ("null".to_owned(), -32600));
    client.end().await;
}

#[tokio::test]
async fn digits_stay_as_they_were_written_in_both_directions() {
    let digits = "[123456789012345678901234567890,1.0,1e400,-0.0,2047948614742839297]";
    let schema = format!(r#"{{"type":"object","properties":{{"timeout":{{"default":{digits}}}}}}}"#);
    let exact = Tool { input_schema: Json::parse(schema).unwrap(), ..tool("exact", None) };
    let gateway = Canned::new(Ok(catalogue(vec![exact])));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    let listed = client.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    assert!(listed.contains(&format!(r#"{{"timeout_arg":{{"default":{digits}}}}}"#)), "{listed}");
    let call = format!(
        r#"{{"jsonrpc":"2.0","id":12345678901234567890123,"method":"tools/call","params":{{"name":"exact","arguments":{{"timeout_arg":{digits}}},"_meta":{{"x":1.0}}}}}}"#
    );
    assert_eq!(
        client.say(&call).await,
        r#"{"jsonrpc":"2.0","id":12345678901234567890123,"result":{"content":[],"structuredContent":{"n":[123456789012345678901234567890,1.0,1e400,-0.0]}}}"#
    );
    {
        let calls = gateway.calls.lock();
        let (_, arguments, meta) = calls.first().unwrap();
        assert_eq!(arguments.get(), format!(r#"{{"timeout":{digits}}}"#));
        assert_eq!(meta.as_ref().unwrap().get(), r#"{"x":1.0}"#);
    }
    client.end().await;
}

#[tokio::test]
async fn one_odd_tool_never_hides_the_others() {
    let odd = |name: &str, schema: Value| Tool { input_schema: schema.into(), ..tool(name, None) };
    let wide: serde_json::Map<_, _> = (0..60_000).map(|n| (format!("__a{n}"), json!({}))).collect();
    let gateway = Canned::new(Ok(catalogue(vec![
        odd("boolean", json!({"type": "object", "properties": {"payload": true}, "required": null})),
        odd("php", json!({"type": "object", "properties": []})),
        odd("wide", json!({"type": "object", "properties": wide})),
        tool("good", None),
    ])));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    let tools = client.ask(1, "tools/list", json!({})).await["result"]["tools"].clone();
    let names: Vec<&str> = tools.as_array().unwrap().iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert_eq!(names, ["boolean", "php", "good"]);
    assert_eq!(tools[0]["inputSchema"], json!({"type": "object", "properties": {"payload": {}}}));
    assert_eq!(tools[1]["inputSchema"], json!({"type": "object", "properties": {}}));
    client.end().await;
}

#[tokio::test]
async fn no_output_schema_is_shown_to_who_calls_or_where_it_is_none() {
    let with = |name: &str, schema: Value| Tool { output_schema: Some(schema.into()), ..tool(name, None) };
    let dangling = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/nowhere"}}});
    let gateway = Canned::new(Ok(catalogue(vec![with("good", json!({"type": "object"})), with("odd", dangling)])));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    let schemas = |list: &Value| -> Vec<bool> {
        list["result"]["tools"].as_array().unwrap().iter().map(|tool| tool.get("outputSchema").is_some()).collect()
    };
    assert_eq!(schemas(&client.ask(1, "tools/list", json!({})).await), [true, false]);
    client.ask(2, "tools/call", json!({"name": "good"})).await;
    // pflow's client lists now, to check what the tool answered; it must not fail for what the tool promised.
    assert_eq!(schemas(&client.ask(3, "tools/list", json!({})).await), [false, false]);
    client.end().await;
}

#[tokio::test]
async fn a_list_after_a_call_is_answered_with_what_the_call_was_found_in() {
    let mut gateway = Canned::new(Err(Error::new(Class::AuthRequired, "the token has just ended")));
    gateway.known = Some(catalogue(vec![tool("good", None)]));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    assert_eq!(client.ask(1, "tools/list", json!({})).await["error"]["data"]["class"], "auth_required");
    client.ask(2, "tools/call", json!({"name": "good"})).await;
    assert_eq!(client.ask(3, "tools/list", json!({})).await["result"]["tools"][0]["name"], "good");
    client.end().await;
}

#[tokio::test]
async fn whoever_is_asked_to_end_drops_its_calls_and_ends_the_session() {
    let gateway = Canned::new(Ok(catalogue(vec![])));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    client.send(&json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "forever"}})).await;
    while gateway.calls.lock().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    client.end.notify_one();
    tokio::time::timeout(Duration::from_secs(10), gateway.dropped.notified()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), client.server).await.unwrap().unwrap();
    assert_eq!(gateway.closed.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_call_in_flight_is_still_answered_when_stdin_closes() {
    let gateway = Canned::new(Ok(catalogue(vec![])));
    let mut client = Client::start(&gateway, Arc::new(NoSnapshots)).await;
    for id in 0..70 {
        let params = json!({"name": "together", "arguments": {}});
        client.send(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})).await;
    }
    client.input.shutdown().await.unwrap();
    for _ in 0..70 {
        assert!(client.next().await.get("result").is_some());
    }
    tokio::time::timeout(Duration::from_secs(10), client.server).await.unwrap().unwrap();
}
