//! A plain MCP server of the legacy era, as the SDKs make them: a session, JSON or streams, pages.

use pflow_gateway_component::http::{Failure, Method};
use serde_json::{Value, json};

use crate::fake::{Canned, Peer, Seen, tool};

/// How a lost session is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    NotFound,
    BadRequest,
    MissingId,
    GoodWithError,
    Unavailable,
}

/// The server.
pub(crate) struct Plain {
    pub(crate) version: &'static str,
    /// Answers are event streams, cut into chunks of this many bytes.
    pub(crate) stream: Option<usize>,
    pub(crate) sessions: Sessions,
    pub(crate) pages: Vec<Vec<Value>>,
    pub(crate) loss: Loss,
    /// Sessions die after this many requests.
    pub(crate) dies_after: Option<usize>,
    pub(crate) opened: usize,
    pub(crate) alive: Option<String>,
    pub(crate) served: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sessions {
    Used,
    Unused,
}

impl Default for Plain {
    fn default() -> Self {
        Self {
            version: "2025-11-25",
            stream: None,
            sessions: Sessions::Used,
            pages: vec![vec![tool("b"), tool("a")]],
            loss: Loss::NotFound,
            dies_after: None,
            opened: 0,
            alive: None,
            served: 0,
        }
    }
}

impl Plain {
    fn lost(&self, seen: &Seen) -> Canned {
        match self.loss {
            Loss::NotFound => Canned::text(404, "text/plain", "session not found\n"),
            Loss::BadRequest => Canned::error(400, seen, -32_000, "Bad Request: No valid session ID provided"),
            Loss::MissingId => Canned::error(400, seen, -32_600, "Bad Request: Missing session ID"),
            Loss::GoodWithError => Canned::error(200, seen, -32_001, "Session not found"),
            Loss::Unavailable => Canned::text(503, "application/json", r#"{"error":"Session expired"}"#),
        }
    }

    fn page(&self, seen: &Seen) -> Canned {
        let at = match &seen.body["params"]["cursor"] {
            Value::Null => 0,
            Value::String(text) if text.is_empty() => 1,
            Value::String(text) => match text.parse::<usize>() {
                Ok(at) => at,
                Err(_) => return Canned::error(200, seen, -32_602, "Invalid cursor"),
            },
            _ => return Canned::error(200, seen, -32_602, "Invalid cursor"),
        };
        let mut result = json!({"tools": self.pages.get(at).cloned().unwrap_or_default()});
        if at + 1 < self.pages.len() {
            // The first cursor is the empty string: it is valid, and not the end.
            result["nextCursor"] = if at == 0 { json!("") } else { json!((at + 1).to_string()) };
        }
        Canned::result(seen, &result)
    }
}

impl Peer for Plain {
    fn answer(&mut self, seen: &Seen) -> Result<Canned, Failure> {
        assert_eq!(seen.header("origin"), None, "an Origin makes gateways refuse");
        if seen.method == Method::Delete {
            self.alive = None;
            return Ok(Canned::empty(405));
        }
        assert_eq!(seen.header("content-type"), Some("application/json"));
        let rpc = seen.rpc();
        if rpc == "initialize" {
            assert_eq!(seen.header("mcp-session-id"), None, "a new session starts without an id");
            assert_eq!(seen.body["params"]["capabilities"], json!({}));
            self.opened += 1;
            self.served = 0;
            let id = format!("session-{}", self.opened);
            let hello = json!({
                "protocolVersion": self.version,
                "capabilities": {"tools": {"listChanged": true}},
                "serverInfo": {"name": "plain", "version": "1.2"},
            });
            let canned = self.dress(Canned::result(seen, &hello));
            if self.sessions == Sessions::Unused {
                return Ok(canned);
            }
            self.alive = Some(id.clone());
            return Ok(canned.header("Mcp-Session-Id", &id));
        }
        if rpc == "server/discover" {
            return Ok(Canned::error(400, seen, -32_600, "Bad Request: Server not initialized"));
        }
        if self.sessions == Sessions::Used {
            let known = self.alive.is_some() && seen.header("mcp-session-id") == self.alive.as_deref();
            let due = !seen.id().is_null() && self.dies_after.is_some_and(|limit| self.served >= limit);
            if !known || due {
                self.alive = None;
                self.dies_after = None;
                return Ok(self.lost(seen));
            }
        }
        assert_eq!(seen.header("mcp-protocol-version"), Some(self.version));
        if seen.id().is_null() || rpc.is_empty() {
            return Ok(Canned::empty(202));
        }
        self.served += 1;
        Ok(match rpc {
            "tools/list" => {
                let page = self.page(seen);
                self.dress(page)
            }
            "tools/call" => self.dress(Canned::result(seen, &json!({"content": [{"type": "text", "text": "ok"}]}))),
            _ => Canned::error(200, seen, -32_601, "Method not found"),
        })
    }
}

impl Plain {
    fn dress(&self, canned: Canned) -> Canned {
        match self.stream {
            Some(cut) => canned.into_stream().cut(cut),
            None => canned,
        }
    }
}
