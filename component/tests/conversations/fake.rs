//! The outside world, scripted: a peer that answers requests, and a record of everything that happened.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use pflow_gateway_component::{
    conversation::Conversation,
    http::{Body, Chunk, Failure, FailureKind, Headers, Level, Method, Outside, Request, Response, Sent},
    model::{Call, Endpoint, Implementation, Result, Tokens},
};
use serde_json::{Value, json};

/// A request as the peer saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: Headers,
    /// The names as sent, for what must not be there.
    pub(crate) header_names: Vec<String>,
    /// Null when there is none.
    pub(crate) body: Value,
    /// The patience that it was sent with.
    pub(crate) within: Option<Duration>,
    /// The same, as it was sent.
    pub(crate) text: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The MCP method; empty for responses and requests without a body.
    pub(crate) fn rpc(&self) -> &str {
        self.body["method"].as_str().unwrap_or_default()
    }

    pub(crate) fn id(&self) -> Value {
        self.body["id"].clone()
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Canned {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Bytes per chunk; 0 for all at once.
    pub(crate) cut: usize,
    /// What breaks the body after its last byte.
    pub(crate) broken: Option<Failure>,
}

impl Canned {
    pub(crate) fn text(status: u16, media: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = if media.is_empty() { vec![] } else { vec![("content-type".to_owned(), media.to_owned())] };
        Self { status, headers, body: body.into(), cut: 0, broken: None }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self::text(status, "", "")
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    /// A JSON-RPC result.
    pub(crate) fn result(seen: &Seen, result: &Value) -> Self {
        Self::json(200, &json!({"jsonrpc": "2.0", "id": seen.id(), "result": result}))
    }

    /// A JSON-RPC error.
    pub(crate) fn error(status: u16, seen: &Seen, code: i64, message: &str) -> Self {
        Self::json(status, &json!({"jsonrpc": "2.0", "id": seen.id(), "error": {"code": code, "message": message}}))
    }

    pub(crate) fn stream(body: impl Into<Vec<u8>>) -> Self {
        Self::text(200, "text/event-stream", body)
    }

    /// The same message as an event stream.
    pub(crate) fn into_stream(self) -> Self {
        let body = format!("event: message\ndata: {}\n\n", String::from_utf8(self.body).unwrap());
        Self {
            headers: vec![("Content-Type".to_owned(), "text/event-stream".to_owned())],
            body: body.into_bytes(),
            ..self
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn cut(self, cut: usize) -> Self {
        Self { cut, ..self }
    }

    pub(crate) fn broken(self) -> Self {
        let failure =
            Failure { kind: FailureKind::Unreachable, detail: "connection reset".to_owned(), sent: Sent::Maybe };
        Self { broken: Some(failure), ..self }
    }
}

/// What a peer is.
pub(crate) trait Peer {
    fn answer(&mut self, seen: &Seen) -> Result<Canned, Failure>;
}

struct Script<F>(F);

impl<F: FnMut(&Seen) -> Result<Canned, Failure>> Peer for Script<F> {
    fn answer(&mut self, seen: &Seen) -> Result<Canned, Failure> {
        self.0(seen)
    }
}

/// The outside.
pub(crate) struct Fake {
    peer: RefCell<Box<dyn Peer>>,
    pub(crate) seen: RefCell<Vec<Seen>>,
    pub(crate) events: RefCell<Vec<String>>,
    pub(crate) slept: RefCell<Vec<Duration>>,
    pub(crate) logged: RefCell<Vec<String>>,
    pub(crate) now: Cell<u64>,
    beside: Rc<RefCell<Option<Vec<u8>>>>,
}

impl Fake {
    pub(crate) fn new(peer: impl Peer + 'static) -> Rc<Self> {
        Rc::new(Self {
            peer: RefCell::new(Box::new(peer)),
            seen: RefCell::default(),
            events: RefCell::default(),
            slept: RefCell::default(),
            logged: RefCell::default(),
            beside: Rc::default(),
            now: Cell::new(1_800_000_000),
        })
    }

    pub(crate) fn scripted(answer: impl FnMut(&Seen) -> Result<Canned, Failure> + 'static) -> Rc<Self> {
        Self::new(Script(answer))
    }

    /// `POST tools/list`, `DELETE /mcp`, … in order.
    pub(crate) fn wire(&self) -> Vec<String> {
        self.seen
            .borrow()
            .iter()
            .map(|seen| match seen.method {
                Method::Post if seen.rpc().is_empty() => "POST a response".to_owned(),
                Method::Post => format!("POST {}", seen.rpc()),
                Method::Get => format!("GET {}", seen.path),
                Method::Delete => format!("DELETE {}", seen.path),
            })
            .collect()
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.wire().iter().filter(|seen| *seen == line).count()
    }

    pub(crate) fn last(&self, rpc: &str) -> Seen {
        self.seen.borrow().iter().rev().find(|seen| seen.rpc() == rpc).cloned().unwrap()
    }
}

impl Outside for Fake {
    fn send(&self, request: Request) -> Result<Response, Failure> {
        let (_, rest) = request.url.split_once("://").unwrap();
        let path = rest.split_once('/').map_or_else(|| "/".to_owned(), |(_, path)| format!("/{path}"));
        let body = if request.body.is_empty() { Value::Null } else { serde_json::from_slice(&request.body).unwrap() };
        let header_names = request.headers.iter().map(|(name, _)| name.clone()).collect();
        let text = String::from_utf8_lossy(&request.body).into_owned();
        let headers = Headers::new(request.headers);
        let within = request.within;
        let seen = Seen { method: request.method, path, headers, header_names, body, text, within };
        self.seen.borrow_mut().push(seen.clone());
        let canned = self.peer.borrow_mut().answer(&seen)?;
        let cut = if canned.cut == 0 { canned.body.len().max(1) } else { canned.cut };
        let mut chunks: Vec<Result<Vec<u8>, Failure>> =
            canned.body.chunks(cut).map(|chunk| Ok(chunk.to_vec())).collect();
        chunks.extend(canned.broken.map(Err));
        chunks.reverse();
        Ok(Response {
            status: canned.status,
            headers: Headers::new(canned.headers),
            body: Box::new(Chunks { rest: chunks, beside: Rc::clone(&self.beside) }),
        })
    }

    fn listen(&self, request: Request) -> bool {
        match self.send(request) {
            Ok(mut response) if response.status == 200 => {
                *self.beside.borrow_mut() = Some(response.body.rest().unwrap());
                true
            }
            _ => false,
        }
    }

    fn stop_listening(&self) {
        self.events.borrow_mut().push("stopped listening".to_owned());
    }

    fn take_listening(&self) -> Option<Response> {
        let open = self.beside.borrow_mut().take()?;
        Some(Response {
            status: 200,
            headers: Headers::new(vec![("content-type".to_owned(), "text/event-stream".to_owned())]),
            body: Box::new(Chunks { rest: vec![Ok(open)], beside: Rc::clone(&self.beside) }),
        })
    }

    fn sleep(&self, duration: Duration) {
        self.slept.borrow_mut().push(duration);
    }

    fn now(&self) -> u64 {
        self.now.get()
    }

    fn progress(&self, token: u32, progress: f64, total: Option<f64>, message: Option<&str>) {
        self.events.borrow_mut().push(format!("progress {token} {progress} {total:?} {message:?}"));
    }

    fn message(&self, token: Option<u32>, level: &str, logger: Option<&str>, data: &str) {
        self.events.borrow_mut().push(format!("message {token:?} {level} {logger:?} {data}"));
    }

    fn tools_changed(&self) {
        self.events.borrow_mut().push("tools changed".to_owned());
    }

    fn log(&self, _: Level, target: &str, message: &str) {
        self.logged.borrow_mut().push(format!("{target}: {message}"));
    }
}

struct Chunks {
    rest: Vec<Result<Vec<u8>, Failure>>,
    beside: Rc<RefCell<Option<Vec<u8>>>>,
}

impl Body for Chunks {
    fn chunk(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        self.rest.pop().transpose()
    }

    fn next_chunk(&mut self) -> Result<Chunk, Failure> {
        match self.beside.take() {
            Some(bytes) => Ok(Chunk::SideStream(bytes)),
            None => self.chunk().map(Chunk::Response),
        }
    }
}

pub(crate) const URL: &str = "http://gateway.test:8811/mcp";

pub(crate) fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        url: url.to_owned(),
        kind: None,
        services: vec![],
        client: Implementation { name: "pflow-gateway".to_owned(), version: "0.1.0".to_owned() },
        era: None,
        era_is_fixed: false,
        max_pages: 100,
        tokens: Tokens { first: 1000, count: 1000 },
        timeout_ms: 30_000,
    }
}

pub(crate) fn open(fake: &Rc<Fake>) -> Result<Conversation> {
    Conversation::open(fake.clone(), endpoint(URL), None)
}

/// What befalls a request that was sent.
pub(crate) fn lost(kind: FailureKind, sent: Sent) -> Failure {
    Failure { kind, detail: "why".to_owned(), sent }
}

pub(crate) fn call(tool: &str) -> Call {
    Call {
        tool: tool.to_owned(),
        input_schema: None,
        service: Some("slack".to_owned()),
        arguments: json!({"text": "hi"}).to_string(),
        token: 7,
        progress: false,
        meta: None,
    }
}

pub(crate) fn tool(name: &str) -> Value {
    json!({"name": name, "description": format!("Does {name}."), "inputSchema": {"type": "object"}})
}
