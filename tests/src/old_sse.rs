//! HTTP+SSE of 2024-11-05: a `GET` stream whose first event names where to `POST`; every answer comes on the stream.
//! Takes a request and the generic server's tools; gives the answers. Never answers a `POST` with anything but a status.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    generic::Generic,
    reply::{Answer, Reply, event},
    rpc,
    wire::Seen,
};

/// The answer to one request.
pub fn answer(server: &Generic, seen: &Seen) -> Reply {
    match (seen.method.as_str(), seen.path()) {
        ("GET", "/mcp" | "/sse") => {
            let id = format!("stream-{}", server.next.fetch_add(1, Ordering::Relaxed) + 1);
            let (sender, receiver) = mpsc::unbounded_channel();
            let _ = sender.send(Bytes::from(format!("event: endpoint\ndata: /messages?session_id={id}\n\n")));
            server.live.lock().old_streams.insert(id, sender);
            Answer::stream(receiver).into()
        }
        ("POST", "/messages") => post(server, seen).into(),
        (_, "/mcp" | "/sse" | "/messages") => {
            Answer::body(405, "text/plain", "Method Not Allowed").with("Allow", "GET").into()
        }
        _ => Answer::body(404, "text/plain", "Not Found").into(),
    }
}

fn post(server: &Generic, seen: &Seen) -> Answer {
    let stream = seen.query("session_id").and_then(|id| server.live.lock().old_streams.get(id).cloned());
    let Some(stream) = stream else {
        return Answer::body(404, "text/plain", "Could not find session");
    };
    let id = seen.rpc_id();
    let method = seen.rpc_method().unwrap_or_default().to_owned();
    let params = seen.message.as_ref().and_then(|m| m.get("params")).cloned().unwrap_or_default();
    if !id.is_null() {
        let server = server.clone();
        tokio::spawn(async move {
            let response = match method.as_str() {
                "initialize" => {
                    let (name, release) = server.config().server.clone();
                    let result = json!({"protocolVersion": "2024-11-05", "capabilities": {"tools": {}},
                        "serverInfo": {"name": name, "version": release}});
                    rpc::result(&id, &result)
                }
                "ping" => rpc::result(&id, &json!({})),
                "tools/list" => match server.page(params.get("cursor").and_then(Value::as_str)) {
                    Some(page) => rpc::result(&id, &page),
                    None => rpc::error(&id, -32602, "Invalid params"),
                },
                "tools/call" => server.call(&id, &params, &None).await,
                other => rpc::error(&id, -32601, format!("Method not found: {other}")),
            };
            let _ = stream.send(event(&response));
        });
    }
    Answer::body(202, "text/plain", "Accepted")
}
