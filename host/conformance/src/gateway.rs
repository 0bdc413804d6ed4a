//! What an imitation gateway says: a plain, correct MCP server, and whatever a check puts in its place.
//! Takes requests; gives answers. Never does anything of its own.

use serde_json::{Value, json};

use super::imitation::{Answer, Received, response};

/// The revision that the legacy imitation agrees to: not the newest, so that a client that does not listen is found out.
pub(super) const LEGACY: &str = "2025-06-18";
/// The modern revision.
pub(super) const MODERN: &str = "2026-07-28";
/// The name of the imitation's server.
pub(super) const SERVER: &str = "imitation";
/// Its version.
pub(super) const VERSION: &str = "4.5.6";

/// What its tools answer: nothing that anybody would make up.
pub(super) const DONE: &str = "done by the imitation";

/// How the gateway speaks MCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Legacy,
    Modern,
}

/// Whether it hands out session ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sessions {
    Given,
    None,
}

/// How it frames what it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Json,
    Stream,
}

/// What a check wants instead of the usual answer: the request, and how many like it there were before.
type Act = Box<dyn Fn(&Received, usize) -> Option<Answer> + Send + Sync>;

/// A gateway to imitate.
pub(super) struct Gateway {
    speaks: Speaks,
    sessions: Sessions,
    framing: Framing,
    path: &'static str,
    server: &'static str,
    pages: Vec<Vec<Value>>,
    capabilities: Value,
    ttl_ms: Option<u64>,
    list_meta: Option<Value>,
    routes: Vec<(&'static str, Value)>,
    acts: Vec<(&'static str, Act)>,
}

impl Gateway {
    /// Speaks up to 2025-11-25, with sessions, and answers in JSON.
    pub(super) fn legacy() -> Self {
        Self {
            speaks: Speaks::Legacy,
            sessions: Sessions::Given,
            framing: Framing::Json,
            path: "/mcp",
            server: SERVER,
            pages: vec![vec![tool("send_message"), tool("list_messages")]],
            capabilities: json!({"tools": {}}),
            ttl_ms: None,
            list_meta: None,
            routes: Vec::new(),
            acts: Vec::new(),
        }
    }

    /// Speaks 2026-07-28 and nothing else.
    pub(super) fn modern() -> Self {
        Self { speaks: Speaks::Modern, sessions: Sessions::None, ..Self::legacy() }
    }

    pub(super) fn without_sessions(mut self) -> Self {
        self.sessions = Sessions::None;
        self
    }

    /// Answers as event streams.
    pub(super) fn streaming(mut self) -> Self {
        self.framing = Framing::Stream;
        self
    }

    pub(super) fn at(mut self, path: &'static str) -> Self {
        self.path = path;
        self
    }

    pub(super) fn named(mut self, server: &'static str) -> Self {
        self.server = server;
        self
    }

    pub(super) fn tools(self, tools: Vec<Value>) -> Self {
        self.pages(vec![tools])
    }

    pub(super) fn pages(mut self, pages: Vec<Vec<Value>>) -> Self {
        self.pages = pages;
        self
    }

    /// With this `_meta` in each page of the list.
    pub(super) fn list_meta(mut self, meta: Value) -> Self {
        self.list_meta = Some(meta);
        self
    }

    pub(super) fn announcing_changes(mut self) -> Self {
        self.capabilities = json!({"tools": {"listChanged": true}});
        self
    }

    pub(super) fn cacheable(mut self, ttl_ms: u64) -> Self {
        self.ttl_ms = Some(ttl_ms);
        self
    }

    /// Answers a GET of this path with this JSON.
    pub(super) fn route(mut self, path: &'static str, body: Value) -> Self {
        self.routes.push((path, body));
        self
    }

    /// Does this when it is asked `what`: a JSON-RPC method, an HTTP method, or `*` for everything.
    pub(super) fn on(
        mut self,
        what: &'static str,
        act: impl Fn(&Received, usize) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        self.acts.push((what, Box::new(act)));
        self
    }

    /// Answers `what` so, always.
    pub(super) fn always(self, what: &'static str, answer: Answer) -> Self {
        self.on(what, move |_, _| Some(answer.clone()))
    }

    pub(super) fn path(&self) -> &'static str {
        self.path
    }

    /// The answer to a request of which there were `before` like it.
    pub(super) fn answer(&self, request: &Received, before: usize) -> Answer {
        let about = |what: &str| what == "*" || what == request.rpc() || what == request.method.as_str();
        let played = self.acts.iter().filter(|(what, _)| about(what)).find_map(|(_, act)| act(request, before));
        played.unwrap_or_else(|| self.usual(request, before))
    }

    fn usual(&self, request: &Received, before: usize) -> Answer {
        match request.method.as_str() {
            "GET" => self.routes.iter().find(|(path, _)| *path == request.path).map_or_else(
                || Answer::empty(if request.path == self.path { 405 } else { 404 }),
                |(_, body)| Answer::json(200, body),
            ),
            "DELETE" => Answer::empty(if self.sessions == Sessions::Given { 200 } else { 405 }),
            "POST" if request.path == self.path => self.message(request, before),
            _ => Answer::empty(404),
        }
    }

    fn message(&self, request: &Received, before: usize) -> Answer {
        if request.id().is_null() {
            return Answer::empty(202);
        }
        match (request.rpc(), self.speaks) {
            ("initialize", Speaks::Legacy) => {
                let answer = Answer::result(
                    request,
                    &json!({
                        "protocolVersion": LEGACY, "capabilities": self.capabilities,
                        "serverInfo": {"name": self.server, "version": VERSION},
                    }),
                );
                match self.sessions {
                    Sessions::Given => answer.with("mcp-session-id", &session_id(before)),
                    Sessions::None => answer,
                }
            }
            ("initialize", Speaks::Modern) => {
                let data = json!({"supported": [MODERN], "requested": request.at("/params/protocolVersion")});
                Answer::error(400, request, -32_022, "Unsupported protocol version", data)
            }
            ("server/discover", Speaks::Modern) => self.complete(
                request,
                json!({"supportedVersions": [MODERN], "capabilities": self.capabilities, "instructions": ""}),
            ),
            ("ping", Speaks::Legacy) => self.complete(request, json!({})),
            ("tools/list", _) => match self.page(request) {
                Some(page) => self.complete(request, page),
                None => Answer::error(200, request, -32_602, "Invalid cursor", Value::Null),
            },
            ("tools/call", _) => {
                self.complete(request, json!({"content": [{"type": "text", "text": DONE}], "isError": false}))
            }
            (_, Speaks::Modern) => Answer::error(404, request, -32_601, "Method not found", Value::Null),
            // What legacy servers say to a request that comes before the handshake.
            ("server/discover", Speaks::Legacy) => {
                Answer::error(400, request, -32_600, "Bad Request: Server not initialized", Value::Null)
            }
            _ => Answer::error(200, request, -32_601, "Method not found", Value::Null),
        }
    }

    /// The page that the request's cursor asks for.
    pub(super) fn page(&self, request: &Received) -> Option<Value> {
        let at = match request.at("/params/cursor") {
            Value::Null => 0,
            cursor => (0..self.pages.len()).find(|page| *cursor == json!(cursor_of(*page)))?,
        };
        let mut page = json!({"tools": self.pages.get(at).cloned().unwrap_or_default()});
        if let Some(members) = page.as_object_mut() {
            if at + 1 < self.pages.len() {
                members.insert("nextCursor".to_owned(), cursor_of(at + 1).into());
            }
            if let Some(meta) = &self.list_meta {
                members.insert("_meta".to_owned(), meta.clone());
            }
            if let Some(ttl) = self.ttl_ms {
                members.insert("ttlMs".to_owned(), ttl.into());
                members.insert("cacheScope".to_owned(), "private".into());
            }
        }
        Some(page)
    }

    /// A result, framed and with what its era adds.
    fn complete(&self, request: &Received, mut result: Value) -> Answer {
        if let (Speaks::Modern, Some(members)) = (self.speaks, result.as_object_mut()) {
            members.insert("resultType".to_owned(), "complete".into());
            members.insert(
                "_meta".to_owned(),
                json!({"io.modelcontextprotocol/serverInfo": {"name": self.server, "version": VERSION}}),
            );
        }
        match self.framing {
            Framing::Json => Answer::result(request, &result),
            Framing::Stream => Answer::events([&response(request, &result)]),
        }
    }
}

/// The id of the session that the n-th `initialize` opens.
pub(super) fn session_id(before: usize) -> String {
    format!("session-{}", before + 1)
}

/// The cursor of a page: opaque, and not easy to carry.
pub(super) fn cursor_of(page: usize) -> String {
    format!("{page}/ä\"\\ =&%{{}}")
}

/// A tool that is in order.
pub(super) fn tool(name: &str) -> Value {
    json!({"name": name, "description": format!("Does {name}."), "inputSchema": {"type": "object"}})
}

/// A tool with these members too.
pub(super) fn tool_with(name: &str, members: Value) -> Value {
    let mut tool = tool(name);
    if let (Some(tool), Value::Object(members)) = (tool.as_object_mut(), members) {
        tool.extend(members);
    }
    tool
}
