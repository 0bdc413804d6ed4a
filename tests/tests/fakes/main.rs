//! The imitations against what was measured: each row of the fact sheets, over a raw client.
//! Takes nothing; never uses the host or the component.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failing test shall panic")]

mod context_forge;
mod docker;
mod generic;
mod server;

use std::time::Duration;

use pflow_gateway_tests::{
    client::{self, Response},
    server::Fake,
};
use serde_json::{Value, json};

/// A client of one fake, with headers that go with every request.
struct Peer<'a> {
    fake: &'a Fake,
    path: String,
    headers: Vec<(String, String)>,
}

impl<'a> Peer<'a> {
    fn new(fake: &'a Fake) -> Self {
        let path = fake.url().splitn(4, '/').nth(3).unwrap().to_owned();
        let peer = Self { fake, path: format!("/{path}"), headers: Vec::new() };
        peer.with("Accept", "application/json, text/event-stream").with("Content-Type", "application/json")
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self
    }

    fn at(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    async fn send(&self, method: &str, body: &str) -> Response {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let wait = Duration::from_millis(if method == "GET" { 400 } else { 5000 });
        client::send(self.fake.address(), method, &self.path, &headers, body, wait).await.expect("an answer")
    }

    async fn get(&self) -> Response {
        self.send("GET", "").await
    }

    async fn rpc(&self, method: &str, params: Value) -> Response {
        self.send("POST", &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()).await
    }

    async fn notify(&self, method: &str) -> Response {
        self.send("POST", &json!({"jsonrpc": "2.0", "method": method}).to_string()).await
    }

    async fn initialize(&self, version: &str) -> Response {
        let params =
            json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "probe", "version": "0"}});
        self.rpc("initialize", params).await
    }

    /// The same peer in a new session.
    async fn in_session(self) -> Self {
        let answer = self.initialize("2025-06-18").await;
        let id = answer.header("mcp-session-id").expect("a session id").to_owned();
        self.with("Mcp-Session-Id", &id)
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.rpc("tools/call", json!({"name": tool, "arguments": arguments})).await.json()
    }

    async fn tools(&self) -> Vec<String> {
        let list = self.rpc("tools/list", json!({})).await.json();
        let tools = list["result"]["tools"].as_array().cloned().unwrap_or_default();
        tools.iter().map(|t| t["name"].as_str().unwrap().to_owned()).collect()
    }
}
