//! Docker MCP Gateway, as observed: source of 2026-07-23, go-sdk v1.4.1.
//! Takes backends and features; gives a [`Gateway`] whose backends can die, come back and lock out while it runs.
//! Never does anything that the fact sheet does not say; what it leaves open is kept plain.

pub mod control;
mod doors;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use pflow_gateway_base::sync::Mutex;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use self::{
    control::Controls,
    doors::{looks_secret, one_event, session_id, stream},
};
use crate::{
    reply::{Answer, Reply, event},
    rpc,
    server::{Answering, Gateway},
    services::{self, Service},
    wire::Seen,
};

/// The revisions that it echoes; anything else is answered with [`FALLBACK`].
pub const VERSIONS: &[&str] = &["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
/// What an unknown revision is answered with.
pub const FALLBACK: &str = "2025-06-18";
/// Tools per page of the gateway's own list.
const PAGE: usize = 1000;

/// How a backend is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Well.
    #[default]
    Up,
    /// Nothing listens.
    Down,
    /// Answers 401: nobody is signed in, or the sign-in was revoked. Signed in again, it works at once.
    Unauthorized,
    /// Docker Desktop's governance refuses its tools.
    Denied,
    /// The governance itself does not answer.
    Unjudged,
    /// It was taken out of the gateway's configuration.
    Unconfigured,
    /// It is a container, and the Docker daemon is gone.
    NoDaemon,
}

/// How a server runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Runs {
    /// Elsewhere; the gateway reaches it over HTTP.
    #[default]
    Remote,
    /// In a container, one for each call.
    Container,
    /// In one container for a gateway session: `longLived`.
    LongLived,
}

/// A server behind the gateway.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Its name and tools.
    pub service: Service,
    /// `prefix:` of its catalog entry.
    pub alias: Option<String>,
    /// Tools per page of the backend; the gateway reads only the first.
    pub page: Option<usize>,
    /// How it was when the gateway started. Its tools are absent for good unless it was up.
    pub at_start: Condition,
    /// Where it runs.
    pub runs: Runs,
    /// Tools that governance took away when they were loaded: no trace of them is left.
    pub withheld: Vec<String>,
}

impl Backend {
    /// A backend that is well and unprefixed.
    #[must_use]
    pub fn new(service: Service) -> Self {
        Self { service, alias: None, page: None, at_start: Condition::Up, runs: Runs::Remote, withheld: Vec::new() }
    }
}

/// Which transport the gateway was started with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// `--transport streaming`.
    #[default]
    Streaming,
    /// `--transport sse`.
    Sse,
}

/// How a feature is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// `enabled`.
    On,
    /// `disabled`.
    Off,
}

/// How the gateway was started.
#[derive(Clone, Debug)]
pub struct Config {
    /// `MCP_GATEWAY_AUTH_TOKEN`; none: `--allow-unauthenticated`.
    pub token: Option<String>,
    /// What is behind it.
    pub backends: Vec<Backend>,
    /// `tool-name-prefix`.
    pub prefix: Feature,
    /// `dynamic-tools`; off whenever `--servers` is used.
    pub dynamic_tools: Feature,
    /// `--block-secrets`, on by default.
    pub block_secrets: Feature,
    /// A backend hangs at start: the port accepts, nothing is served.
    pub hung: bool,
    /// The transport.
    pub transport: Transport,
}

impl Default for Config {
    fn default() -> Self {
        let backends = vec![services::github(), services::slack(), services::numbered("bulk", 120)];
        Self {
            token: None,
            backends: backends.into_iter().map(Backend::new).collect(),
            prefix: Feature::Off,
            dynamic_tools: Feature::Off,
            block_secrets: Feature::On,
            hung: false,
            transport: Transport::Streaming,
        }
    }
}

/// What one gateway session has of one backend.
#[derive(Clone, Copy, Debug)]
enum Link {
    /// A backend session, opened when the backend ran for the n-th time.
    Open(u64),
    /// Broken for good, by its loss of the session, or by the end of its process.
    Closed(&'static str),
}

#[derive(Debug, Default)]
struct Session {
    elicitation: bool,
    links: HashMap<String, Link>,
    stream: Option<mpsc::UnboundedSender<Bytes>>,
}

#[derive(Debug, Default)]
struct Live {
    sessions: HashMap<String, Session>,
    conditions: HashMap<String, Condition>,
    runs: HashMap<String, u64>,
    /// Backends whose tools are shown, with the number of tools that the first listing found.
    enabled: BTreeMap<String, usize>,
    ran: Vec<String>,
}

/// The imitation.
#[derive(Debug)]
pub struct Docker {
    config: Config,
    hung: AtomicBool,
    live: Mutex<Live>,
    token: Mutex<Option<String>>,
    next: AtomicU64,
    old_streams: Arc<Mutex<HashMap<String, mpsc::UnboundedSender<Bytes>>>>,
}

struct Exposed {
    backend: String,
    original: String,
    definition: Value,
}

impl Docker {
    /// A gateway that was started like this.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let docker = Self {
            hung: AtomicBool::new(config.hung),
            token: Mutex::new(config.token.clone()),
            config,
            live: Mutex::default(),
            next: AtomicU64::new(0),
            old_streams: Arc::default(),
        };
        for backend in &docker.config.backends {
            docker.live.lock().conditions.insert(backend.service.name.clone(), backend.at_start);
        }
        docker.list_backends();
        docker
    }

    /// What the gateway does at start: reads the first page of every backend that answers.
    fn list_backends(&self) {
        let mut live = self.live.lock();
        live.enabled.clear();
        for backend in &self.config.backends {
            let name = &backend.service.name;
            if live.conditions.get(name).copied().unwrap_or_default() == Condition::Up {
                let first_page = backend.page.unwrap_or(usize::MAX).min(backend.service.tools.len());
                live.enabled.insert(name.clone(), first_page);
            }
        }
    }

    /// Changes how a backend is. Coming back from [`Condition::Down`] poisons the sessions that had used it.
    pub fn set(&self, backend: &str, condition: Condition) {
        let mut live = self.live.lock();
        let before = live.conditions.insert(backend.to_owned(), condition).unwrap_or_default();
        if before == Condition::Down && condition == Condition::Up {
            *live.runs.entry(backend.to_owned()).or_default() += 1;
        }
    }

    /// A backend that stops and starts: the tools stay listed, sessions that had used it are poisoned.
    pub fn restart_backend(&self, backend: &str) {
        self.set(backend, Condition::Down);
        self.set(backend, Condition::Up);
    }

    /// The gateway stops and starts: sessions are gone, backends are listed anew, and the token is another one if given.
    pub fn restart(&self, token: Option<&str>) {
        self.live.lock().sessions.clear();
        if let Some(token) = token {
            *self.token.lock() = Some(token.to_owned());
        }
        self.list_backends();
    }

    /// The hung backend answers at last.
    pub fn wake(&self) {
        self.hung.store(false, Ordering::Relaxed);
    }

    /// Number of sessions that are open.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.live.lock().sessions.len()
    }

    /// The tools that ran at their backends, in order: `github/create_issue`.
    #[must_use]
    pub fn ran(&self) -> Vec<String> {
        self.live.lock().ran.clone()
    }

    fn exposed(&self) -> Vec<Exposed> {
        let enabled = self.live.lock().enabled.clone();
        let mut tools = Vec::new();
        for backend in &self.config.backends {
            let name = &backend.service.name;
            let Some(&first_page) = enabled.get(name) else {
                continue;
            };
            let prefix = match (&backend.alias, self.config.prefix) {
                (Some(alias), _) => Some(alias),
                (None, Feature::On) => Some(name),
                (None, Feature::Off) => None,
            };
            let shown = backend.service.tools.iter().take(first_page);
            for tool in shown.filter(|tool| !backend.withheld.contains(&tool.name)) {
                let name_shown = prefix.map_or_else(|| tool.name.clone(), |p| format!("{p}__{}", tool.name));
                tools.push(Exposed {
                    backend: name.clone(),
                    original: tool.name.clone(),
                    definition: tool.listed(&name_shown),
                });
            }
        }
        if self.config.dynamic_tools == Feature::On {
            let control =
                |definition: Value| Exposed { backend: String::new(), original: name_of(&definition), definition };
            tools.extend(control::definitions().into_iter().map(control));
        }
        tools.sort_by_key(|t| name_of(&t.definition));
        tools
    }

    fn list(&self, id: &Value, cursor: Option<&Value>) -> Value {
        let tools = self.exposed();
        let start = match cursor.map(|c| c.as_str().and_then(|c| c.strip_prefix("after ")).and_then(|c| c.parse().ok()))
        {
            None => 0,
            Some(Some(start)) => start,
            Some(None) => return rpc::error(id, -32602, "invalid params"),
        };
        let page: Vec<&Value> = tools.iter().skip(start).take(PAGE).map(|t| &t.definition).collect();
        let mut result = json!({"tools": page});
        if let (true, Some(object)) = (start + PAGE < tools.len(), result.as_object_mut()) {
            object.insert("nextCursor".to_owned(), json!(format!("after {}", start + PAGE)));
        }
        rpc::result(id, &result)
    }

    async fn call(&self, id: &Value, params: &Value, session: &str, notify: &services::Notify) -> Value {
        let name = params.get("name").and_then(Value::as_str).unwrap_or_default();
        let Some(tool) = self.exposed().into_iter().find(|t| name_of(&t.definition) == name) else {
            return rpc::error(id, -32602, format!("unknown tool {name:?}"));
        };
        let arguments = params.get("arguments").cloned().unwrap_or_else(|| json!({}));
        if tool.backend.is_empty() {
            return rpc::result(id, &self.control(name, &arguments, session));
        }
        let blocks = self.config.block_secrets == Feature::On;
        if blocks && looks_secret(&arguments.to_string()) {
            return rpc::error(id, 0, format!("a secret is being passed to tool {name}"));
        }
        if let Err((code, message)) = self.reach(&tool, session) {
            return rpc::error(id, code, message);
        }
        let runs = self.config.backends.iter().find(|b| b.service.name == tool.backend).map(|b| b.runs);
        // Progress is relayed on the call's own stream, from containers of one call only.
        let notify = notify.as_ref().filter(|_| runs == Some(Runs::Container)).cloned();
        let mut result = services::run(&tool.backend, &tool.original, params, &notify).await;
        self.live.lock().ran.push(format!("{}/{}", tool.backend, tool.original));
        if tool.original == "crash" && runs != Some(Runs::Remote) {
            if let (Some(Runs::LongLived), Some(session)) = (runs, self.live.lock().sessions.get_mut(session)) {
                session.links.insert(tool.backend.clone(), Link::Closed("EOF"));
            }
            return rpc::error(id, 0, "calling \"tools/call\": EOF");
        }
        if arguments.get("fail").is_some() {
            return rpc::error(id, -32042, "calling \"tools/call\": URL elicitation required");
        }
        if let Some(secret) = arguments.get("leak").and_then(Value::as_str) {
            // A backend that gives a secret back; asked for in pieces, so that the argument is none.
            result = rpc::text(format!("{secret}{}", "a1B2c3D4e5".repeat(4)));
        }
        if blocks && looks_secret(&result.to_string()) {
            return rpc::error(id, 0, format!("a secret is being returned by the {name} tool"));
        }
        rpc::result(id, &result)
    }

    /// Reaches a backend through a gateway session, or tells what the gateway says instead.
    fn reach(&self, tool: &Exposed, session: &str) -> Result<(), (i64, String)> {
        let (backend, tool) = (tool.backend.as_str(), &tool.original);
        let mut live = self.live.lock();
        let condition = live.conditions.get(backend).copied().unwrap_or_default();
        let run = live.runs.get(backend).copied().unwrap_or_default();
        let Some(session) = live.sessions.get_mut(session) else {
            return Ok(());
        };
        let link = session.links.get(backend).copied();
        match (condition, link) {
            (Condition::Denied, _) => {
                Err((0, format!("policy denied tool {tool} on server {backend}: blocked by your organization")))
            }
            (Condition::Unjudged, _) => {
                Err((0, format!("policy check failed for {backend}/{tool}: context deadline exceeded")))
            }
            (Condition::Unconfigured, _) => Err((0, format!("server {backend:?} not found in configuration"))),
            (Condition::NoDaemon, _) => {
                let text =
                    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?";
                Err((0, text.to_owned()))
            }
            (_, Some(Link::Closed(why))) => {
                Err((0, format!("connection closed: calling \"tools/call\": client is closing: {why}")))
            }
            (Condition::Down, _) => {
                let post = "Post \"http://127.0.0.1:18102/mcp\": dial tcp 127.0.0.1:18102: connect: connection refused";
                Err((-32005, format!("calling \"tools/call\": sending \"tools/call\": rejected by transport: {post}")))
            }
            (Condition::Up, Some(Link::Open(opened))) if opened != run => {
                session.links.insert(backend.to_owned(), Link::Closed("session not found"));
                let text = "calling \"tools/call\": sending \"tools/call\": failed to connect (session ID: 5741e9d2): session not found";
                Err((0, text.to_owned()))
            }
            (Condition::Unauthorized, _) => {
                Err((0, "failed to connect: calling \"initialize\": sending \"initialize\": Unauthorized".to_owned()))
            }
            (Condition::Up, _) => {
                session.links.insert(backend.to_owned(), Link::Open(run));
                Ok(())
            }
        }
    }

    fn control(&self, name: &str, arguments: &Value, session: &str) -> Value {
        let elicitation = self.live.lock().sessions.get(session).is_some_and(|s| s.elicitation);
        let tools_of = |server: &str| {
            let of = self.exposed().into_iter().filter(|t| t.backend == server);
            of.map(|t| t.definition).collect::<Vec<_>>()
        };
        let known: Vec<&Service> = self.config.backends.iter().map(|b| &b.service).collect();
        let controls = Controls { known: &known, elicitation, tools_of: &tools_of };
        let server = arguments.get("name").and_then(Value::as_str).unwrap_or_default();
        let changed = match name {
            "mcp-add" => self.enable(server),
            "mcp-remove" => self.live.lock().enabled.remove(server).is_some(),
            _ => false,
        };
        let result = controls.run(name, arguments);
        if changed {
            self.announce();
        }
        result
    }

    /// Enables a server, for everybody. Tells whether the list changed.
    fn enable(&self, server: &str) -> bool {
        let Some(backend) = self.config.backends.iter().find(|b| b.service.name == server) else {
            return false;
        };
        let mut live = self.live.lock();
        if live.conditions.get(server).copied().unwrap_or_default() != Condition::Up {
            return false;
        }
        let first_page = backend.page.unwrap_or(usize::MAX).min(backend.service.tools.len());
        live.enabled.insert(server.to_owned(), first_page).is_none()
    }

    /// Tells every session that the tools changed.
    fn announce(&self) {
        let message = rpc::notification("notifications/tools/list_changed", &json!({}));
        for session in self.live.lock().sessions.values() {
            if let Some(stream) = &session.stream {
                let _ = stream.send(event(&message));
            }
        }
    }

    fn listen(&self, seen: &Seen) -> Reply {
        let Some(id) = seen.header("mcp-session-id") else {
            return Answer::go_error(400, "Bad Request: GET requires an Mcp-Session-Id header").into();
        };
        if let Some(last) = seen.header("last-event-id") {
            return Answer::go_error(400, &format!("malformed Last-Event-ID {last:?}")).into();
        }
        let mut live = self.live.lock();
        let Some(session) = live.sessions.get_mut(id) else {
            return Answer::go_error(404, "session not found").into();
        };
        if session.stream.as_ref().is_some_and(|s| !s.is_closed()) {
            return Answer::go_error(409, "stream is already open").into();
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        session.stream = Some(sender);
        stream(receiver).into()
    }

    fn initialize(&self, seen: &Seen) -> Answer {
        let offered = seen.param("protocolVersion").and_then(Value::as_str).unwrap_or_default();
        let version = if VERSIONS.contains(&offered) { offered } else { FALLBACK };
        let result = json!({
            "capabilities": {"logging": {}, "prompts": {"listChanged": true},
                "resources": {"listChanged": true, "subscribe": true}, "tools": {"listChanged": true}},
            "protocolVersion": version,
            "serverInfo": {"name": "Docker AI MCP Gateway", "version": "2.0.1"},
        });
        let id = session_id(self.next.fetch_add(1, Ordering::Relaxed));
        let elicitation = seen.param("capabilities").is_some_and(|c| c.get("elicitation").is_some());
        self.live.lock().sessions.insert(id.clone(), Session { elicitation, ..Session::default() });
        one_event(&rpc::result(&seen.rpc_id(), &result)).with("Mcp-Session-Id", id)
    }

    async fn post(&self, seen: &Seen) -> Reply {
        if seen.header("content-type") != Some("application/json") {
            return Answer::go_error(415, "Content-Type must be 'application/json'").into();
        }
        if let Some(version) = seen.header("mcp-protocol-version")
            && !VERSIONS.contains(&version)
        {
            let text =
                format!("Bad Request: Unsupported protocol version (supported versions: {})", VERSIONS.join(","));
            return Answer::go_error(400, &text).into();
        }
        let message = match &seen.message {
            None => return Answer::go_error(400, "malformed payload: invalid character").into(),
            Some(Value::Array(_)) => {
                return Answer::go_error(400, "JSON-RPC batching is not supported in 2025-06-18 and later").into();
            }
            Some(message) => message,
        };
        let Some(method) = seen.rpc_method() else {
            return Answer::empty(202).into();
        };
        if method == "initialize" {
            return self.initialize(seen).into();
        }
        if message.get("id").is_none() {
            return Answer::empty(202).into();
        }
        let id = seen.rpc_id();
        if !["ping", "tools/list", "tools/call"].contains(&method) {
            return Answer::go_error(400, &format!("JSON RPC not handled: {method:?} unsupported")).into();
        }
        let Some(session) = seen.header("mcp-session-id") else {
            let error = rpc::error(&id, 0, format!("method {method:?} is invalid during session initialization"));
            return one_event(&error).into();
        };
        let (notify, mut notified) = mpsc::unbounded_channel();
        let response = self.respond(method, &id, message, session, &Some(notify)).await;
        let (sender, receiver) = mpsc::unbounded_channel();
        // Not when they happen, but where: before the answer, on its stream.
        while let Ok(message) = notified.try_recv() {
            let _ = sender.send(event(&message));
        }
        let _ = sender.send(event(&response));
        stream(receiver).into()
    }

    async fn respond(
        &self,
        method: &str,
        id: &Value,
        message: &Value,
        session: &str,
        notify: &services::Notify,
    ) -> Value {
        let params = message.get("params").cloned().unwrap_or_else(|| json!({}));
        match method {
            "ping" => rpc::result(id, &json!({})),
            "tools/list" => self.list(id, params.get("cursor")),
            _ => self.call(id, &params, session, notify).await,
        }
    }

    /// `--transport sse`.
    async fn old(&self, seen: &Seen) -> Reply {
        if seen.method == "GET" {
            let id = session_id(self.next.fetch_add(1, Ordering::Relaxed));
            let (sender, receiver) = mpsc::unbounded_channel();
            let _ = sender.send(Bytes::from(format!("event: endpoint\ndata: /sse?sessionid={id}\n\n")));
            self.old_streams.lock().insert(id.clone(), sender);
            self.live.lock().sessions.insert(id, Session::default());
            return stream(receiver).into();
        }
        let Some(id) = seen.query("sessionid") else {
            return Answer::go_error(400, "sessionid must be provided").into();
        };
        let Some(sender) = self.old_streams.lock().get(id).cloned() else {
            return Answer::go_error(404, "session not found").into();
        };
        let Some(message) = &seen.message else {
            return Answer::go_error(400, "malformed payload: invalid character").into();
        };
        let response = match seen.rpc_method() {
            Some("initialize") => self.initialize(seen).payload_message(),
            Some(method) if message.get("id").is_some() => {
                Some(self.respond(method, &seen.rpc_id(), message, id, &None).await)
            }
            _ => None,
        };
        if let Some(response) = response {
            let _ = sender.send(event(&response));
        }
        Answer::empty(202).into()
    }
}

impl Answer {
    /// The message in an answer of [`one_event`].
    fn payload_message(self) -> Option<Value> {
        let crate::reply::Payload::Stream(mut receiver) = self.payload else {
            return None;
        };
        let bytes = receiver.try_recv().ok()?;
        let text = std::str::from_utf8(&bytes).ok()?;
        serde_json::from_str(text.lines().find_map(|l| l.strip_prefix("data: "))?).ok()
    }
}

impl Gateway for Docker {
    fn answer<'a>(&'a self, seen: &'a Seen) -> Answering<'a> {
        Box::pin(async move {
            if self.hung.load(Ordering::Relaxed) {
                // The listener is open long before anything is served, `/health` included.
                return Reply::Script(vec![crate::reply::Step::Hang]);
            }
            if let Some(answer) = self.gate(seen) {
                return answer.into();
            }
            if self.config.transport == Transport::Sse {
                return self.old(seen).await;
            }
            if let Some(answer) = self.streaming_gate(seen) {
                return answer.into();
            }
            if seen.method == "GET" { self.listen(seen) } else { self.post(seen).await }
        })
    }
}

fn name_of(definition: &Value) -> String {
    definition.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
}
