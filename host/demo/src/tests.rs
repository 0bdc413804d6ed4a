//! The demo gateway, asked over real HTTP.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on shall stop")]

use std::num::NonZeroUsize;

use ::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};

use super::{Demo, Options};

const TOKEN: &str = "test-token";

async fn demo(page_size: usize) -> Demo {
    Demo::start(Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        token: TOKEN.to_owned(),
        page_size: NonZeroUsize::new(page_size).unwrap(),
    })
    .await
    .unwrap()
}

/// A legacy MCP client as small as it gets.
struct Peer {
    url: String,
    session: Option<String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Peer {
    async fn connect(demo: &Demo) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut peer = Self { url: demo.url(), session: None, client };
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
        let response =
            peer.post(Some(TOKEN), &json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})).await;
        assert_eq!(response.status(), StatusCode::OK);
        peer.session = response.headers().get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
        assert!(peer.session.is_some(), "the demo has sessions, like most gateways");
        let answer = message(response).await;
        assert_eq!(answer["result"]["serverInfo"]["name"], "pflow-gateway-demo");
        let done = peer.post(Some(TOKEN), &json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        assert_eq!(done.status(), StatusCode::ACCEPTED);
        peer
    }

    async fn send(&self, method: Method, token: Option<&str>, body: String) -> Response<hyper::body::Incoming> {
        let mut request = Request::builder()
            .method(method)
            .uri(&self.url)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25");
        }
        self.client.request(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap()
    }

    async fn post(&self, token: Option<&str>, body: &Value) -> Response<hyper::body::Incoming> {
        self.send(Method::POST, token, body.to_string()).await
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        message(self.post(Some(TOKEN), &json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})).await)
            .await
    }

    /// The newer protocol: a request that says all that it needs.
    async fn modern(&self, method: &str, mut params: Value) -> Value {
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let request = Request::post(&self.url)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method)
            .header("mcp-name", name);
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).to_string();
        message(self.client.request(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap()).await
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments})).await["result"].clone()
    }

    async fn tools(&self) -> Vec<Value> {
        let (mut tools, mut params) = (Vec::new(), json!({}));
        loop {
            let page = self.ask("tools/list", params).await["result"].clone();
            tools.extend(page["tools"].as_array().unwrap().iter().cloned());
            match page.get("nextCursor") {
                Some(cursor) => params = json!({"cursor": cursor}),
                None => return tools,
            }
        }
    }
}

/// The JSON-RPC answer, out of a JSON body or out of the last event of a stream.
async fn message(response: Response<hyper::body::Incoming>) -> Value {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let last =
        text.lines().rev().find_map(|line| line.strip_prefix("data:").map(str::trim).filter(|data| !data.is_empty()));
    serde_json::from_str(last.unwrap_or(&text)).unwrap()
}

#[tokio::test]
async fn lists_a_few_dozen_tools_each_naming_its_service() {
    let demo = demo(100).await;
    let tools = Peer::connect(&demo).await.tools().await;
    assert_eq!(tools.len(), demo.services().iter().map(|service| service.tools).sum::<usize>());
    assert!((24..=60).contains(&tools.len()), "a few dozen, not {}", tools.len());
    for tool in &tools {
        let service = tool["_meta"]["pflow.dev/service"].as_str().unwrap();
        assert!(tool["name"].as_str().unwrap().starts_with(&format!("{service}_")), "{tool}");
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
        assert!(tool["annotations"]["readOnlyHint"].is_boolean(), "{tool}");
    }
    demo.stop().await;
}

#[tokio::test]
async fn pages_are_as_large_as_asked_and_together_the_whole() {
    let small = demo(10).await;
    let peer = Peer::connect(&small).await;
    let first = peer.ask("tools/list", json!({})).await;
    assert_eq!(first["result"]["tools"].as_array().unwrap().len(), 10);
    assert!(first["result"]["nextCursor"].is_string());
    let whole = demo(1000).await;
    assert_eq!(peer.tools().await, Peer::connect(&whole).await.tools().await);
    assert_eq!(peer.ask("tools/list", json!({"cursor": "nonsense"})).await["error"]["code"], -32602);
    small.stop().await;
    whole.stop().await;
}

#[tokio::test]
async fn what_is_created_at_one_service_is_found_there_again() {
    let demo = demo(100).await;
    let peer = Peer::connect(&demo).await;
    let created =
        peer.call("github_create_issue", json!({"repo": "acme/api", "title": "Flaky test", "labels": ["bug"]})).await;
    assert_eq!(created["isError"], false, "{created}");
    assert_eq!(created["structuredContent"]["number"], 6, "issues and pull requests share their numbers");
    let again = Peer::connect(&demo).await.call("github_get_issue", json!({"repo": "acme/api", "number": 6})).await;
    assert_eq!(again["structuredContent"]["issue"]["title"], "Flaky test");
    let posted = peer.call("slack_post_message", json!({"channel": "general", "text": "See acme/api#6"})).await;
    assert_eq!(posted["structuredContent"]["channel"], "general");
    let warmest = peer.call("weather_find_warmest", json!({})).await;
    assert_eq!(warmest["structuredContent"], json!({"city": "Nairobi", "temperature": 24.0}));
    demo.stop().await;
}

#[tokio::test]
async fn a_failure_of_a_service_is_a_tool_error_and_an_unknown_tool_is_not() {
    let demo = demo(100).await;
    let peer = Peer::connect(&demo).await;
    let missing = peer.call("github_get_issue", json!({"repo": "acme/api"})).await;
    assert_eq!(missing["isError"], true);
    assert_eq!(
        missing["content"][0]["text"],
        "get_issue needs the argument \"number\": Number of the issue or pull request."
    );
    let nowhere = peer.call("weather_get_current", json!({"city": "Atlantis"})).await;
    assert_eq!(nowhere["isError"], true);
    let unknown = peer.ask("tools/call", json!({"name": "github_nope", "arguments": {}})).await;
    assert_eq!(unknown["error"], json!({"code": -32602, "message": "Unknown tool: github_nope"}));
    demo.stop().await;
}

#[tokio::test]
async fn nobody_comes_in_without_the_token_and_each_service_wants_its_own() {
    let demo = demo(100).await;
    let peer = Peer::connect(&demo).await;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    for token in [None, Some("wrong")] {
        let refused = peer.post(token, &ping).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        assert!(refused.headers().contains_key("www-authenticate"));
    }
    for (backend, service) in demo.backends.iter().zip(demo.services()) {
        let direct = Peer { url: backend.url(), session: None, client: peer.client.clone() };
        let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        let expected = if service.credential == "no credential" { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(direct.post(Some(TOKEN), &list).await.status(), expected, "the gateway's token at {}", service.name);
    }
    demo.stop().await;
}

#[tokio::test]
async fn a_deleted_session_is_gone() {
    let demo = demo(100).await;
    let peer = Peer::connect(&demo).await;
    let ended = peer.send(Method::DELETE, Some(TOKEN), String::new()).await;
    assert_eq!(ended.status(), StatusCode::NO_CONTENT, "clients take 200 or 204 for an end, and nothing else");
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_eq!(peer.post(Some(TOKEN), &ping).await.status(), StatusCode::NOT_FOUND);
    demo.stop().await;
}

#[tokio::test]
async fn every_result_says_that_it_is_complete_in_the_newer_protocol_and_none_in_the_older() {
    let demo = demo(100).await;
    let older = Peer::connect(&demo).await;
    let newer = Peer { url: older.url.clone(), session: None, client: older.client.clone() };
    let wanted = json!({"name": "weather_get_current", "arguments": {"city": "Lisbon"}});
    for (method, params) in [("server/discover", json!({})), ("tools/list", json!({})), ("tools/call", wanted.clone())]
    {
        let answer = newer.modern(method, params).await;
        assert_eq!(answer["result"]["resultType"], "complete", "{method}: {answer}");
    }
    let failed = newer.modern("tools/call", json!({"name": "weather_get_current", "arguments": {}})).await;
    assert_eq!((&failed["result"]["isError"], &failed["result"]["resultType"]), (&json!(true), &json!("complete")));
    let answer = older.ask("tools/call", wanted).await;
    assert!(answer["result"]["content"].is_array() && answer["result"].get("resultType").is_none(), "{answer}");
    demo.stop().await;
}

#[tokio::test]
async fn it_listens_on_loopback_alone_and_lets_go_of_the_port() {
    let outside =
        Options { listen: "0.0.0.0:0".parse().unwrap(), token: TOKEN.to_owned(), page_size: NonZeroUsize::MIN };
    let refused = Demo::start(outside.clone()).await.err().unwrap();
    assert_eq!(refused.exit_code(), 2);
    let first = demo(100).await;
    let address = first.gateway.address;
    let taken = Demo::start(Options { listen: address, ..outside.clone() }).await.err().unwrap();
    assert!(taken.message.contains(&address.to_string()), "{}", taken.message);
    first.stop().await;
    Demo::start(Options { listen: address, ..outside }).await.unwrap().stop().await;
}
