//! ContextForge's MCP endpoints.
//! Takes a request for `/mcp` or `/servers/{id}/mcp`; gives the answer.
//! Never answers a failing call with a JSON-RPC error: all of them are texts in HTTP 200.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::{
    Api, Backend, ContextForge, Enabled, Framing, Grant, OTHER_SERVER, Process, Reachable, SERVER, Sessions, VERSIONS,
    slugify,
};
use crate::{reply::Answer, rpc, services, wire::Seen};

/// A tool, its backend, and the name it is shown under.
pub(super) struct Exposed {
    pub(super) public: String,
    pub(super) backend: Backend,
    pub(super) tool: services::Tool,
}

impl ContextForge {
    /// The tools of a virtual server; of all, without one. In the order of the database, which is none.
    pub(super) fn exposed(&self, server: Option<&str>) -> Vec<Exposed> {
        let config = self.config();
        if server == Some(OTHER_SERVER) {
            return Vec::new();
        }
        let mut tools = Vec::new();
        for backend in &config.backends {
            let slug = slugify(&backend.name, &config.separator);
            for tool in &backend.service.tools {
                let public = format!("{slug}{}{}", config.separator, slugify(&tool.name, &config.separator));
                tools.push(Exposed { public, backend: backend.clone(), tool: tool.clone() });
            }
        }
        // Random across deployments, stable within one.
        tools.sort_by_key(|t| t.public.bytes().fold(7_u32, |hash, b| hash.wrapping_mul(31).wrapping_add(b.into())));
        tools
    }

    fn listed(&self, server: Option<&str>) -> Value {
        let enabled = self.exposed(server).into_iter().filter(|t| t.backend.enabled == Enabled::Yes);
        let tool = |t: Exposed| {
            let of = |key: &str| t.tool.rest.get(key).cloned();
            json!({"name": t.public, "title": of("title"), "description": of("description"), "inputSchema": of("inputSchema"),
                "outputSchema": {"type": "object"}, "annotations": of("annotations").unwrap_or_else(|| json!({}))})
        };
        json!({"tools": enabled.map(tool).collect::<Vec<_>>()})
    }

    async fn call(&self, server: Option<&str>, grant: &Grant, params: &Value) -> Value {
        if !grant.may("tools.execute") {
            return rpc::failed("Access denied");
        }
        let name = params.get("name").and_then(Value::as_str).unwrap_or_default();
        let exposed = self.exposed(server);
        let mut found: Vec<&Exposed> = exposed.iter().filter(|t| t.public == name).collect();
        if found.is_empty() {
            found = exposed.iter().filter(|t| t.tool.name == name).collect();
        }
        let tool = match found.as_slice() {
            [] => return rpc::failed(format!("Tool not found: {name}")),
            [tool] => *tool,
            _ => {
                let text =
                    format!("Multiple tools found with name '{name}' at same priority level. Tool name is ambiguous.");
                return rpc::failed(text);
            }
        };
        if tool.backend.enabled == Enabled::No {
            return rpc::failed(format!("Tool '{name}' exists but is inactive"));
        }
        if tool.backend.reachable == Reachable::No {
            let text = format!("Tool '{name}' exists but is currently offline. Please verify if it is running.");
            return rpc::failed(text);
        }
        match tool.backend.process {
            Process::Up => {}
            Process::Dead => {
                return rpc::failed("Tool invocation failed: All connection attempts failed");
            }
            Process::RefusesCredential => {
                return rpc::failed(
                    "Tool invocation failed: Client error '401 Unauthorized' for url 'http://localhost:9101/mcp'\n\
                     For more information check: https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/401",
                );
            }
        }
        let run = services::run(&tool.backend.service.name, &tool.tool.name, params, &None);
        let Ok(mut result) = tokio::time::timeout(self.config().tool_timeout, run).await else {
            return rpc::failed("Tool invocation failed: ");
        };
        if let Some(object) = result.as_object_mut() {
            object.entry("isError").or_insert_with(|| json!(false));
        }
        result
    }

    pub(super) async fn mcp(&self, seen: &Seen, server: Option<&str>) -> Answer {
        let config = self.config();
        let grant = match self.authenticate(seen, Api::Mcp) {
            Ok(grant) => grant,
            Err(answer) => return answer,
        };
        if let Some(server) = server {
            if ![SERVER, OTHER_SERVER].contains(&server) {
                return Answer::json(404, &json!({"detail": "Server not found"}));
            }
            if grant.server.as_deref().is_some_and(|own| own != server) {
                return Answer::json(403, &json!({"detail": "Access denied"}));
            }
        }
        let answer = match seen.method.as_str() {
            "POST" => self.post(seen, server, &grant).await,
            "DELETE" if config.sessions == Sessions::Stateful => {
                Answer::json(200, &json!({"jsonrpc": "2.0", "result": {}}))
            }
            _ => Answer::json(405, &json!({"detail": "Method Not Allowed"})).with("allow", "POST, DELETE"),
        };
        if answer.status < 300 { answer.with("x-contextforge-mcp-runtime", "python") } else { answer }
    }

    async fn post(&self, seen: &Seen, server: Option<&str>, grant: &Grant) -> Answer {
        let config = self.config();
        let plain =
            |status: u16, code: i64, text: &str| Answer::json(status, &rpc::error(&json!("server-error"), code, text));
        let accept = seen.header("accept").unwrap_or_default();
        let (json_ok, sse_ok) = (accept.contains("application/json"), accept.contains("text/event-stream"));
        match config.framing {
            Framing::Json if !json_ok => {
                return plain(406, -32600, "Not Acceptable: Client must accept application/json");
            }
            Framing::Sse if !(json_ok && sse_ok) => {
                let text = "Not Acceptable: Client must accept both application/json and text/event-stream";
                return plain(406, -32600, text);
            }
            _ => {}
        }
        if let Some(version) = seen.header("mcp-protocol-version")
            && !VERSIONS.contains(&version)
        {
            let known = VERSIONS.join(", ");
            let text = format!("Unsupported protocol version: {version}. Supported versions: {known}");
            return Answer::json(400, &json!({"error": "Bad Request", "message": text}));
        }
        let message = match &seen.message {
            None => return plain(400, -32700, "Parse error"),
            Some(Value::Array(_)) => {
                return plain(400, -32602, "Validation error: batch requests are not supported");
            }
            Some(message) => message,
        };
        let method = seen.rpc_method().unwrap_or_default();
        let id = seen.rpc_id();
        if method == "initialize" {
            return self.initialize(seen);
        }
        if config.sessions == Sessions::Stateful {
            match seen.header("mcp-session-id") {
                None => return plain(400, -32600, "Bad Request: Missing session ID"),
                Some(session) if !self.sessions.lock().contains(session) => {
                    return plain(404, -32600, "Session not found");
                }
                Some(_) => {}
            }
        }
        if message.get("id").is_none() {
            return Answer::empty(202);
        }
        let params = message.get("params").cloned().unwrap_or_else(|| json!({}));
        let response = match method {
            "ping" => rpc::result(&id, &json!({})),
            // The cursor is ignored.
            "tools/list" if grant.may("tools.read") => rpc::result(&id, &self.listed(server)),
            "tools/list" => rpc::result(&id, &json!({"tools": []})),
            "tools/call" => rpc::result(&id, &self.call(server, grant, &params).await),
            "list_gateways" => rpc::error(&id, -32602, "Invalid request parameters"),
            other => rpc::error(&id, -32601, format!("Method not found: {other}")),
        };
        self.framed(&response)
    }

    fn initialize(&self, seen: &Seen) -> Answer {
        let offered = seen.param("protocolVersion").and_then(Value::as_str).unwrap_or_default();
        let version = if VERSIONS.contains(&offered) { offered } else { "2025-11-25" };
        let result = json!({"protocolVersion": version,
            "capabilities": {"experimental": {}, "logging": {}, "prompts": {"listChanged": false},
                "resources": {"subscribe": false, "listChanged": false}, "tools": {"listChanged": false}, "completions": {}},
            "serverInfo": {"name": "mcp-streamable-http", "version": "1.30.0"}});
        let answer = self.framed(&rpc::result(&seen.rpc_id(), &result));
        if self.config().sessions == Sessions::Stateless {
            return answer;
        }
        let session = format!("{:032x}", 0xabcd_0000_u64 + self.next.fetch_add(1, Ordering::Relaxed));
        self.sessions.lock().insert(session.clone());
        answer.with("mcp-session-id", session)
    }

    fn framed(&self, message: &Value) -> Answer {
        let config = self.config();
        match (config.framing, config.sessions) {
            (Framing::Json, _) => Answer::json(200, message),
            (Framing::Sse, Sessions::Stateless) => {
                Answer::events(200, format!("event: message\r\ndata: {message}\r\n\r\n"))
            }
            (Framing::Sse, Sessions::Stateful) => {
                let first = "id: 7a3f8f6e-1d0b-4a59-9c55-0f6f5f1f2a10\r\ndata: \r\n\r\n";
                Answer::events(200, format!("{first}event: message\r\ndata: {message}\r\n\r\n"))
            }
        }
    }
}
