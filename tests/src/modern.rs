//! The modern era (2026-07-28): self-contained requests, no session.
//! Takes a request and the generic server's tools; gives the answer that the specification asks for.
//! Never forgives a header that contradicts the body: that is what clients are tested for.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    generic::{Framing, Generic, frame},
    reply::{Answer, Reply},
    rpc,
    wire::Seen,
};

/// The one revision.
pub const VERSION: &str = "2026-07-28";

const PROTOCOL: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const SERVER: &str = "io.modelcontextprotocol/serverInfo";

/// Whether a request means to be modern, by its header or its `_meta`.
#[must_use]
pub fn is_modern(seen: &Seen) -> bool {
    let meta = seen.param("_meta").and_then(|m| m.get(PROTOCOL)).is_some();
    let legacy = seen.header("mcp-protocol-version").is_some_and(|v| crate::generic::LEGACY.contains(&v));
    seen.method == "POST" && !legacy && (meta || seen.header("mcp-protocol-version").is_some())
}

/// `=?base64?…?=` undone.
fn plain(value: &str) -> Option<String> {
    match value.strip_prefix("=?base64?").and_then(|v| v.strip_suffix("?=")) {
        Some(coded) => String::from_utf8(STANDARD.decode(coded).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}

fn problem(seen: &Seen, method: &str) -> Option<Answer> {
    let id = seen.rpc_id();
    let mismatch = |text: String| Some(Answer::json(400, &rpc::error(&id, -32020, text)));
    let meta = seen.param("_meta");
    let Some(version) = meta.and_then(|m| m.get(PROTOCOL)).and_then(Value::as_str) else {
        return Some(Answer::json(
            400,
            &rpc::error(&id, -32602, format!("Invalid params: _meta[\"{PROTOCOL}\"] is required")),
        ));
    };
    if seen.header("mcp-protocol-version") != Some(version) {
        return mismatch(format!("Header mismatch: MCP-Protocol-Version is not {version}"));
    }
    if version != VERSION {
        let data = json!({"supported": [VERSION], "requested": version});
        return Some(Answer::json(400, &rpc::error_with(&id, -32022, "Unsupported protocol version", &data)));
    }
    if !meta.and_then(|m| m.get(CAPABILITIES)).is_some_and(Value::is_object) {
        return Some(Answer::json(
            400,
            &rpc::error(&id, -32602, format!("Invalid params: _meta[\"{CAPABILITIES}\"] is required")),
        ));
    }
    if seen.header("mcp-method") != Some(method) {
        return mismatch(format!("Header mismatch: Mcp-Method is not {method}"));
    }
    let name = match method {
        "tools/call" | "prompts/get" => seen.param("name"),
        "resources/read" => seen.param("uri"),
        _ => None,
    };
    let name = name.and_then(Value::as_str)?;
    if seen.header("mcp-name").and_then(plain).as_deref() == Some(name) {
        None
    } else {
        mismatch(format!("Header mismatch: Mcp-Name is not {name}"))
    }
}

/// The answer to one request.
pub async fn answer(server: &Generic, seen: &Seen) -> Reply {
    if seen.method != "POST" {
        return Answer::empty(405).with("Allow", "POST").into();
    }
    let Some(Value::Object(message)) = &seen.message else {
        return Answer::json(400, &rpc::error(&Value::Null, -32700, "Parse error")).into();
    };
    let Some(method) = seen.rpc_method() else {
        return Answer::json(400, &rpc::error(&Value::Null, -32600, "Invalid Request")).into();
    };
    if !message.contains_key("id") {
        return Answer::empty(202).into();
    }
    if method != "initialize"
        && let Some(problem) = problem(seen, method)
    {
        return problem.into();
    }
    let config = server.config();
    let id = seen.rpc_id();
    let (name, release) = config.server.clone();
    let complete = move |mut result: Value| {
        if let Some(object) = result.as_object_mut() {
            object.entry("resultType").or_insert_with(|| json!("complete"));
            let meta = object.entry("_meta").or_insert_with(|| json!({}));
            if let Some(meta) = meta.as_object_mut() {
                meta.insert(SERVER.to_owned(), json!({"name": name, "version": release}));
            }
        }
        result
    };
    let called = {
        let complete = complete.clone();
        move |mut response: Value| {
            if let Some(result) = response.get_mut("result") {
                *result = complete(result.take());
            }
            response
        }
    };
    let cached = |mut result: Value| {
        if let Some(object) = result.as_object_mut() {
            object.insert("ttlMs".to_owned(), json!(config.ttl_ms));
            object.insert("cacheScope".to_owned(), json!("private"));
        }
        complete(result)
    };
    let response = match method {
        "server/discover" => {
            let result = json!({"supportedVersions": [VERSION], "capabilities": {"tools": {"listChanged": true}}});
            rpc::result(&id, &cached(result))
        }
        "tools/list" => match server.page(seen.param("cursor").and_then(Value::as_str)) {
            Some(page) => rpc::result(&id, &cached(page)),
            None => rpc::error(&id, -32602, "Invalid params: unknown cursor"),
        },
        "tools/call" => {
            let params = message.get("params").cloned().unwrap_or_default();
            if config.framing != Framing::Json {
                return server.stream_call(id, params, called);
            }
            called(server.call(&id, &params, &None).await)
        }
        other => {
            let error = rpc::error(&id, -32601, format!("Method not found: {other}"));
            return Answer::json(404, &error).into();
        }
    };
    frame(config.framing, &response).into()
}
