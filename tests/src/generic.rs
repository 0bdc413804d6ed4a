//! Any MCP server: services, pages, sessions, credentials, eras, framings, all chosen by the test.
//! Takes a [`Config`]; gives a [`Gateway`] whose state can be changed while it runs.
//! Never does what no server does: every choice here was seen somewhere (`facts`, issue threads, the specification).

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use pflow_gateway_base::sync::Mutex;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    modern, old_sse,
    reply::{Answer, Reply, event},
    rpc,
    server::{Answering, Gateway},
    services::{self, Service},
    wire::Seen,
};

/// The revisions of the legacy era, newest first.
pub const LEGACY: &[&str] = &["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// What a server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Eras {
    /// `initialize`, up to 2025-11-25.
    #[default]
    Legacy,
    /// 2026-07-28 alone.
    Modern,
    /// Both.
    Dual,
    /// HTTP+SSE of 2024-11-05: `GET` for the stream, `POST` to the endpoint that it names.
    OldSse,
}

/// How answers are framed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// `application/json`.
    #[default]
    Json,
    /// `text/event-stream`.
    Sse,
    /// The same, with a priming event first: an id and empty data.
    SsePrimed,
}

/// Whether there are sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sessions {
    /// No session id, ever.
    None,
    /// An id with the answer to `initialize`, wanted on every other request.
    #[default]
    Required,
}

/// What a request with a lost session is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lost {
    /// 404 with a JSON-RPC error, as the specification has it.
    #[default]
    NotFound,
    /// 404 with `session not found` as text.
    NotFoundText,
    /// 400 with "No valid session ID provided".
    NoValidSession,
    /// 200 with a JSON-RPC error.
    Ok,
    /// 503 with "session not found".
    Unavailable,
}

/// What a caller must show.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// Nothing.
    #[default]
    None,
    /// `Authorization: Bearer …`
    Bearer(String),
    /// A header of this name (lower case).
    ApiKey(String, String),
    /// `Authorization: Basic …`, base64 already.
    Basic(String),
}

/// What `_meta` tells of the services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Meta {
    /// Nothing.
    #[default]
    None,
    /// Each tool names its service, as our own `serve` does.
    Tools,
    /// The list result names the tools of each service, as our own demo does.
    List,
    /// The list result carries `litellm.ai/server_outcomes`.
    Outcomes,
}

/// How a service is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Well.
    #[default]
    Up,
    /// Its tools are gone from the list.
    Gone,
    /// Listed; calls fail with a JSON-RPC error.
    Failing,
    /// Listed; calls fail with an `isError` text.
    FailingAsText,
    /// Listed; its credential is refused.
    Unauthorized,
}

/// Everything that can be chosen.
#[derive(Clone, Debug)]
pub struct Config {
    /// The services, in the gateway's order.
    pub services: Vec<Service>,
    /// Between service and tool; none: bare names.
    pub separator: Option<String>,
    /// Tools per page; none: all at once.
    pub page: Option<usize>,
    /// Sent as `serverInfo`.
    pub server: (String, String),
    /// What it speaks.
    pub eras: Eras,
    /// How it frames answers.
    pub framing: Framing,
    /// Whether it has sessions.
    pub sessions: Sessions,
    /// How it says that a session is lost.
    pub lost: Lost,
    /// A session is lost after so many `tools/call`.
    pub calls_per_session: Option<u32>,
    /// A session is lost when it is so old.
    pub session_ttl: Option<Duration>,
    /// What a caller must show.
    pub auth: Auth,
    /// A wait before every answer.
    pub latency: Duration,
    /// What `_meta` tells.
    pub meta: Meta,
    /// `ttlMs` of lists, modern era.
    pub ttl_ms: u64,
    /// Further headers of good answers.
    pub headers: Vec<(String, String)>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            services: vec![services::github(), services::slack(), services::lab()],
            separator: Some("__".to_owned()),
            page: None,
            server: ("fake-gateway".to_owned(), "1.2.3".to_owned()),
            eras: Eras::default(),
            framing: Framing::default(),
            sessions: Sessions::default(),
            lost: Lost::default(),
            calls_per_session: None,
            session_ttl: None,
            auth: Auth::default(),
            latency: Duration::ZERO,
            meta: Meta::default(),
            ttl_ms: 0,
            headers: Vec::new(),
        }
    }
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    since: Instant,
    calls: u32,
    /// The open `GET` stream.
    stream: Option<mpsc::UnboundedSender<Bytes>>,
}

/// What changes while it runs.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) sessions: HashMap<String, Session>,
    pub(crate) states: HashMap<String, State>,
    pub(crate) cancelled: Vec<Value>,
    pub(crate) old_streams: HashMap<String, mpsc::UnboundedSender<Bytes>>,
}

/// A server of this kind.
#[derive(Clone, Debug)]
pub struct Generic {
    /// Shared by requests: ten thousand tools are not copied for each.
    pub(crate) config: Arc<Mutex<Arc<Config>>>,
    pub(crate) live: Arc<Mutex<Live>>,
    pub(crate) next: Arc<AtomicU64>,
    /// Made once: with a page of a hundred of a hundred thousand tools, all that the client waited for was this.
    shown: Arc<Mutex<Option<Shown>>>,
}

/// What is exposed, and of what that was made.
#[derive(Debug)]
struct Shown {
    /// As long as it is held here, a change makes another one.
    config: Arc<Config>,
    states: HashMap<String, State>,
    tools: Arc<Vec<Exposed>>,
}

/// A tool as the gateway shows it.
#[derive(Clone, Debug)]
pub(crate) struct Exposed {
    pub(crate) service: String,
    pub(crate) original: String,
    pub(crate) definition: Value,
}

fn expose(config: &Config, states: &HashMap<String, State>) -> Vec<Exposed> {
    let up = config.services.iter().filter(|service| states.get(&service.name) != Some(&State::Gone));
    let tools = up.flat_map(|service| service.tools.iter().map(move |tool| (service, tool)));
    let expose = |(service, tool): (&Service, &services::Tool)| {
        let name = match &config.separator {
            Some(separator) => format!("{}{separator}{}", service.name, tool.name),
            None => tool.name.clone(),
        };
        let mut definition = tool.listed(&name);
        if let (Meta::Tools, Some(object)) = (config.meta, definition.as_object_mut()) {
            object.insert("_meta".to_owned(), json!({"pflow.dev/service": service.name}));
        }
        Exposed { service: service.name.clone(), original: tool.name.clone(), definition }
    };
    tools.map(expose).collect()
}

impl Generic {
    /// A server that is set up like this.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config: Arc::new(Mutex::new(Arc::new(config))),
            live: Arc::default(),
            next: Arc::default(),
            shown: Arc::default(),
        }
    }

    /// Changes the configuration of the running server.
    pub fn change(&self, change: impl FnOnce(&mut Config)) {
        change(Arc::make_mut(&mut self.config.lock()));
    }

    /// The configuration now.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.config.lock().clone()
    }

    /// Forgets all sessions.
    pub fn lose_sessions(&self) {
        self.live.lock().sessions.clear();
    }

    /// Number of sessions that are open.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.live.lock().sessions.len()
    }

    /// Changes how a service is.
    pub fn set(&self, service: &str, state: State) {
        self.live.lock().states.insert(service.to_owned(), state);
    }

    /// The ids that clients have cancelled.
    #[must_use]
    pub fn cancelled(&self) -> Vec<Value> {
        self.live.lock().cancelled.clone()
    }

    /// Sends a notification to every open `GET` stream.
    pub fn notify(&self, message: &Value) {
        for session in self.live.lock().sessions.values() {
            if let Some(stream) = &session.stream {
                let _ = stream.send(event(message));
            }
        }
    }

    pub(crate) fn state(&self, service: &str) -> State {
        self.live.lock().states.get(service).copied().unwrap_or_default()
    }

    pub(crate) fn exposed(&self) -> Arc<Vec<Exposed>> {
        let config = self.config();
        let states = self.live.lock().states.clone();
        let mut shown = self.shown.lock();
        let is_now = |shown: &&Shown| Arc::ptr_eq(&shown.config, &config) && shown.states == states;
        if let Some(shown) = shown.as_ref().filter(is_now) {
            return Arc::clone(&shown.tools);
        }
        let tools = Arc::new(expose(&config, &states));
        *shown = Some(Shown { config, states, tools: Arc::clone(&tools) });
        tools
    }

    /// The result of `tools/list` from this cursor on; none for a cursor that was never handed out.
    pub(crate) fn page(&self, cursor: Option<&str>) -> Option<Value> {
        let config = self.config();
        let tools = self.exposed();
        let start = match cursor {
            None => 0,
            Some(cursor) => cursor.strip_prefix("after-")?.parse::<usize>().ok()?,
        };
        let size = config.page.unwrap_or(usize::MAX);
        let end = start.saturating_add(size).min(tools.len());
        let page: Vec<Value> = tools.get(start..end)?.iter().map(|t| t.definition.clone()).collect();
        let mut result = json!({"tools": page});
        let object = result.as_object_mut()?;
        if end < tools.len() {
            object.insert("nextCursor".to_owned(), json!(format!("after-{end}")));
        }
        if config.meta == Meta::List {
            let mut services: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
            for tool in &tools[start..end] {
                services.entry(&tool.service).or_default().push(&tool.definition["name"]);
            }
            object.insert("_meta".to_owned(), json!({"pflow.dev/services": services}));
        }
        if config.meta == Meta::Outcomes {
            object.insert("_meta".to_owned(), json!({"litellm.ai/server_outcomes": self.outcomes(&config)}));
        }
        Some(result)
    }

    fn outcomes(&self, config: &Config) -> Value {
        let outcome = |service: &Service| {
            let (status, count) = match self.state(&service.name) {
                State::Up => ("ok", service.tools.len()),
                State::Gone => ("unreachable", 0),
                State::Unauthorized => ("auth_required", service.tools.len()),
                State::Failing | State::FailingAsText => ("upstream_error", service.tools.len()),
            };
            (service.name.clone(), json!({"status": status, "tool_count": count}))
        };
        Value::Object(config.services.iter().map(outcome).collect())
    }

    /// The response to a `tools/call`.
    pub(crate) async fn call(&self, id: &Value, params: &Value, notify: &services::Notify) -> Value {
        let name = params.get("name").and_then(Value::as_str).unwrap_or_default();
        let named = |t: &Exposed| t.definition.get("name").and_then(Value::as_str) == Some(name);
        let tools = self.exposed();
        let Some(tool) = tools.iter().find(|tool| named(tool)) else {
            return rpc::error(id, -32602, format!("Unknown tool: {name}"));
        };
        let service = &tool.service;
        match self.state(service) {
            State::Up | State::Gone => rpc::result(id, &services::run(service, &tool.original, params, notify).await),
            State::Failing => rpc::error(id, -32603, format!("upstream {service} down")),
            State::FailingAsText => rpc::result(id, &rpc::failed(format!("{service}: connection refused"))),
            State::Unauthorized => rpc::result(id, &rpc::failed(format!("{service}: 401 Unauthorized"))),
        }
    }

    fn refusal(&self, seen: &Seen) -> Option<Answer> {
        let (name, wanted) = match self.config.lock().auth.clone() {
            Auth::None => return None,
            Auth::Bearer(token) => ("authorization".to_owned(), format!("Bearer {token}")),
            Auth::ApiKey(header, key) => (header, key),
            Auth::Basic(pair) => ("authorization".to_owned(), format!("Basic {pair}")),
        };
        let shown = seen.header(&name);
        if shown == Some(wanted.as_str()) {
            let token = wanted.trim_start_matches("Bearer ");
            if !crate::jwt::expired(token) {
                return None;
            }
        }
        let challenge = if shown.is_some() {
            r#"Bearer error="invalid_token", error_description="The access token is invalid or expired""#
        } else {
            "Bearer"
        };
        let body = json!({"error": "invalid_token", "error_description": "Authentication required"});
        Some(Answer::json(401, &body).with("WWW-Authenticate", challenge))
    }

    fn lost(&self, id: &Value) -> Answer {
        match self.config.lock().lost {
            Lost::NotFound => Answer::json(404, &rpc::error(id, -32001, "Session not found")),
            Lost::NotFoundText => Answer::go_error(404, "session not found"),
            Lost::NoValidSession => {
                Answer::json(400, &rpc::error(id, -32000, "Bad Request: No valid session ID provided"))
            }
            Lost::Ok => Answer::json(200, &rpc::error(id, -32001, "Session not found")),
            Lost::Unavailable => {
                Answer::json(503, &rpc::error(id, -32000, "session not found, please initialize again"))
            }
        }
    }

    /// Whether the session of a request is good, after counting a call.
    fn session(&self, seen: &Seen) -> Result<(), Answer> {
        let config = self.config();
        if config.sessions == Sessions::None {
            return Ok(());
        }
        let id = seen.rpc_id();
        let Some(name) = seen.header("mcp-session-id") else {
            return Err(Answer::json(400, &rpc::error(&id, -32000, "Bad Request: Mcp-Session-Id header is required")));
        };
        let mut live = self.live.lock();
        let alive = live.sessions.get_mut(name).is_some_and(|session| {
            let spent = config.calls_per_session.is_some_and(|most| session.calls >= most);
            let old = config.session_ttl.is_some_and(|ttl| session.since.elapsed() > ttl);
            if seen.rpc_method() == Some("tools/call") {
                session.calls += 1;
            }
            !spent && !old
        });
        if !alive {
            live.sessions.remove(name);
        }
        drop(live);
        if alive { Ok(()) } else { Err(self.lost(&id)) }
    }

    fn initialize(&self, seen: &Seen) -> Reply {
        let config = self.config();
        let offered = seen.param("protocolVersion").and_then(Value::as_str).unwrap_or_default();
        let version = if LEGACY.contains(&offered) { offered } else { "2025-11-25" };
        let (name, release) = &config.server;
        let result = json!({"protocolVersion": version, "capabilities": {"tools": {"listChanged": true}, "logging": {}},
            "serverInfo": {"name": name, "version": release}});
        let mut answer = frame(config.framing, &rpc::result(&seen.rpc_id(), &result));
        if config.sessions == Sessions::Required {
            let id = format!("session-{}", self.next.fetch_add(1, Ordering::Relaxed) + 1);
            let session = Session { since: Instant::now(), calls: 0, stream: None };
            self.live.lock().sessions.insert(id.clone(), session);
            answer = answer.with("Mcp-Session-Id", id);
        }
        answer.into()
    }

    /// The legacy era.
    async fn legacy(&self, seen: &Seen) -> Reply {
        let config = self.config();
        match seen.method.as_str() {
            "POST" => {}
            "GET" | "DELETE" if config.sessions == Sessions::None => {
                return Answer::empty(405).with("Allow", "POST").into();
            }
            "DELETE" => {
                let id = seen.header("mcp-session-id").unwrap_or_default();
                let found = self.live.lock().sessions.remove(id).is_some();
                return if found { Answer::empty(200).into() } else { self.lost(&Value::Null).into() };
            }
            "GET" => return self.listen(seen),
            _ => return Answer::empty(405).with("Allow", "GET, POST, DELETE").into(),
        }
        let message = match &seen.message {
            None => {
                return Answer::json(400, &rpc::error(&Value::Null, -32700, "Parse error")).into();
            }
            Some(Value::Object(message)) => message,
            Some(_) => {
                return Answer::json(
                    400,
                    &rpc::error(&Value::Null, -32600, "Invalid Request: batches are not supported"),
                )
                .into();
            }
        };
        let version = seen.header("mcp-protocol-version");
        if version.is_some_and(|v| !LEGACY.contains(&v)) {
            let text = format!("Bad Request: Unsupported protocol version (supported versions: {})", LEGACY.join(", "));
            return Answer::json(400, &rpc::error(&seen.rpc_id(), -32000, text)).into();
        }
        let Some(method) = seen.rpc_method() else {
            return Answer::empty(202).into();
        };
        if method == "initialize" {
            return self.initialize(seen);
        }
        if let Err(answer) = self.session(seen) {
            return answer.into();
        }
        let id = seen.rpc_id();
        if !message.contains_key("id") {
            if method == "notifications/cancelled" {
                self.live.lock().cancelled.extend(seen.param("requestId").cloned());
            }
            return Answer::empty(202).into();
        }
        let params = message.get("params").cloned().unwrap_or_else(|| json!({}));
        let response = match method {
            "ping" => rpc::result(&id, &json!({})),
            "tools/list" => match self.page(params.get("cursor").and_then(Value::as_str)) {
                Some(page) => rpc::result(&id, &page),
                None => rpc::error(&id, -32602, "Invalid params: unknown cursor"),
            },
            "tools/call" if config.framing != Framing::Json => {
                return self.stream_call(id, params, |response| response);
            }
            "tools/call" => self.call(&id, &params, &None).await,
            other => rpc::error(&id, -32601, format!("Method not found: {other}")),
        };
        frame(config.framing, &response).into()
    }

    /// A call whose answer is a stream: notifications first, then the response.
    pub(crate) fn stream_call(
        &self,
        id: Value,
        params: Value,
        finish: impl Fn(Value) -> Value + Send + 'static,
    ) -> Reply {
        let (sender, receiver) = mpsc::unbounded_channel();
        let server = self.clone();
        tokio::spawn(async move {
            let (notify, mut notified) = mpsc::unbounded_channel();
            let notify = Some(notify);
            let call = server.call(&id, &params, &notify);
            tokio::pin!(call);
            loop {
                let message = tokio::select! {
                    biased;
                    Some(message) = notified.recv() => message,
                    response = &mut call => {
                        while let Ok(message) = notified.try_recv() {
                            let _ = sender.send(event(&message));
                        }
                        let _ = sender.send(event(&finish(response)));
                        return;
                    }
                };
                if sender.send(event(&message)).is_err() {
                    return;
                }
            }
        });
        Answer::stream(receiver).into()
    }

    fn listen(&self, seen: &Seen) -> Reply {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut live = self.live.lock();
        let Some(session) = seen.header("mcp-session-id").and_then(|id| live.sessions.get_mut(id)) else {
            drop(live);
            return self.lost(&Value::Null).into();
        };
        // A stream whose client has gone does not count.
        if session.stream.as_ref().is_some_and(|s| !s.is_closed()) {
            return Answer::json(
                409,
                &rpc::error(&Value::Null, -32000, "Conflict: Only one SSE stream is allowed per session"),
            )
            .into();
        }
        session.stream = Some(sender);
        Answer::stream(receiver).into()
    }
}

/// One message in a whole answer.
pub(crate) fn frame(framing: Framing, message: &Value) -> Answer {
    match framing {
        Framing::Json => Answer::json(200, message),
        Framing::Sse => Answer::events(200, event(message)),
        Framing::SsePrimed => {
            Answer::events(200, format!("id: 1\ndata: \n\nid: 2\nevent: message\ndata: {message}\n\n"))
        }
    }
}

impl Gateway for Generic {
    fn answer<'a>(&'a self, seen: &'a Seen) -> Answering<'a> {
        Box::pin(async move {
            let (eras, latency) = {
                let config = self.config.lock();
                (config.eras, config.latency)
            };
            tokio::time::sleep(latency).await;
            if let Some(refusal) = self.refusal(seen) {
                return refusal.into();
            }
            if eras == Eras::OldSse {
                return old_sse::answer(self, seen);
            }
            if !matches!(seen.path(), "/mcp" | "/mcp/") {
                return Answer::body(404, "text/html", "<!doctype html><title>404 Not Found</title><h1>Not Found</h1>")
                    .into();
            }
            let modern = eras == Eras::Modern || (eras == Eras::Dual && modern::is_modern(seen));
            let mut reply = if modern { modern::answer(self, seen).await } else { self.legacy(seen).await };
            if let Reply::Answer(answer) = &mut reply
                && answer.status < 300
            {
                answer.headers.extend(self.config().headers.iter().cloned());
            }
            reply
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exposed_is_made_once_and_again_after_each_change() {
        let server = Generic::new(Config::default());
        let (first, second) = (server.exposed(), server.exposed());
        assert!(Arc::ptr_eq(&first, &second), "made twice");

        server.set("slack", State::Gone);
        let gone = server.exposed();
        assert!(gone.len() < first.len() && gone.iter().all(|tool| tool.service != "slack"));
        server.set("slack", State::Up);
        assert_eq!(server.exposed().len(), first.len());

        server.change(|config| config.services.push(services::numbered("crm", 3)));
        assert_eq!(server.exposed().len(), first.len() + 3);
        server.change(|config| config.separator = None);
        assert!(server.exposed().iter().all(|tool| tool.definition["name"] == *tool.original));
    }
}
