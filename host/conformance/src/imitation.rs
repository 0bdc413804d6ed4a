//! An imitation gateway on loopback: plays what a check wants, and remembers every request.
//! Takes a [`Gateway`]; gives a URL, and what was [`Received`] there. Never listens outside of loopback, and ends when it is dropped.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::Ipv4Addr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use pflow_gateway_base::{
    Listener,
    sync::{Mutex, MutexGuard},
};
use serde_json::{Value, json};
use tokio::{
    task::AbortHandle,
    time::{Instant, Interval, interval_at},
};

use super::gateway::Gateway;

/// Between two pieces of an answer that is sent slowly; long enough for a piece to be read before the next one comes.
const PACE: Duration = Duration::from_millis(2);
/// Before an answer is cut, so that what was sent before is not lost with the connection; and between the pieces of one that never ends.
const PAUSE: Duration = Duration::from_millis(30);

/// One request, as it came.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) method: Method,
    pub(super) path: String,
    headers: HeaderMap,
    /// The body.
    pub(super) text: String,
    /// The body as JSON; null when it is none.
    pub(super) message: Value,
}

impl Received {
    /// A header, when it is there and text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The JSON-RPC method; empty when there is none.
    pub(super) fn rpc(&self) -> &str {
        self.message.get("method").and_then(Value::as_str).unwrap_or_default()
    }

    /// The JSON-RPC id; null when there is none.
    pub(super) fn id(&self) -> Value {
        self.message.get("id").cloned().unwrap_or_default()
    }

    /// What a JSON pointer leads to; null when there is nothing.
    pub(super) fn at(&self, pointer: &str) -> &Value {
        self.message.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// What the request is about, for a person: `tools/list`, `GET /mcp`.
    pub(super) fn what(&self) -> String {
        if self.rpc().is_empty() { format!("{} {}", self.method, self.path) } else { self.rpc().to_owned() }
    }
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As it should.
    Whole,
    /// The connection is cut before the end.
    Cut,
    /// Not at all: white space goes on coming.
    Never,
    /// There is no answer: the connection is closed instead.
    Silence,
}

/// One answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    pieces: VecDeque<Bytes>,
    pace: Option<Duration>,
    end: End,
}

impl Answer {
    pub(super) fn new(status: u16, media_type: &str, body: impl Into<Bytes>) -> Self {
        let headers = if media_type.is_empty() { Vec::new() } else { vec![("content-type", media_type.to_owned())] };
        Self { status, headers, pieces: VecDeque::from([body.into()]), pace: None, end: End::Whole }
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// A JSON-RPC response with this result.
    pub(super) fn result(request: &Received, result: &Value) -> Self {
        Self::json(200, &response(request, result))
    }

    /// A JSON-RPC error.
    pub(super) fn error(status: u16, request: &Received, code: i64, message: &str, data: Value) -> Self {
        let mut error = json!({"code": code, "message": message});
        if let (Some(members), false) = (error.as_object_mut(), data.is_null()) {
            members.insert("data".to_owned(), data);
        }
        Self::json(status, &json!({"jsonrpc": "2.0", "id": request.id(), "error": error}))
    }

    /// An event stream of this text.
    pub(super) fn stream(text: impl Into<Bytes>) -> Self {
        Self::new(200, "text/event-stream", text)
    }

    /// An event stream of these messages.
    pub(super) fn events<'a>(messages: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut text = String::new();
        for message in messages {
            text.push_str(&format!("event: message\ndata: {message}\n\n"));
        }
        Self::stream(text)
    }

    pub(super) fn empty(status: u16) -> Self {
        Self::new(status, "", Bytes::new())
    }

    /// No answer: the connection is closed.
    pub(super) fn silence() -> Self {
        Self { end: End::Silence, ..Self::empty(200) }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn ending(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    /// The same bytes, a few at a time.
    pub(super) fn in_pieces_of(mut self, size: usize) -> Self {
        let whole: Vec<u8> = self.pieces.iter().flatten().copied().collect();
        self.pieces = whole.chunks(size.max(1)).map(Bytes::copy_from_slice).collect();
        self.pace = Some(PACE);
        self
    }

    fn send(self) -> io::Result<Response<Script>> {
        if self.end == End::Silence {
            return Err(io::Error::other("closed without an answer"));
        }
        let mut response = Response::new(Script {
            pieces: self.pieces,
            end: self.end,
            clock: self
                .pace
                .or((self.end != End::Whole).then_some(PAUSE))
                .map(|pace| interval_at(Instant::now(), pace)),
        });
        *response.status_mut() = StatusCode::from_u16(self.status).map_err(io::Error::other)?;
        for (name, value) in self.headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(io::Error::other)?;
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
        Ok(response)
    }
}

/// A JSON-RPC response to this request.
pub(super) fn response(request: &Received, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": request.id(), "result": result})
}

/// A body that comes as the answer says.
struct Script {
    pieces: VecDeque<Bytes>,
    end: End,
    clock: Option<Interval>,
}

impl http_body::Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(clock) = &mut self.clock
            && clock.poll_tick(context).is_pending()
        {
            return Poll::Pending;
        }
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        Poll::Ready(match self.end {
            End::Whole => None,
            End::Cut | End::Silence => Some(Err(io::Error::other("cut"))),
            End::Never => Some(Ok(Frame::data(Bytes::from_static(b" ")))),
        })
    }
}

/// What happened so far.
#[derive(Default)]
struct Past {
    received: Vec<Received>,
    counts: HashMap<String, usize>,
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Past>>);

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Past> {
        self.0.lock()
    }

    /// Keeps a request; gives how many like it there were before.
    fn keep(&self, request: &Received) -> usize {
        let mut past = self.lock();
        past.received.push(request.clone());
        let count = past.counts.entry(request.what()).or_default();
        *count += 1;
        *count - 1
    }
}

/// A gateway that listens. Dropping it ends it, with all its connections.
pub(super) struct Imitation {
    url: String,
    memory: Memory,
    task: AbortHandle,
}

impl Drop for Imitation {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Imitation {
    pub(super) async fn start(gateway: Gateway) -> io::Result<Self> {
        let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}{}", listener.address(), gateway.path());
        let (gateway, memory) = (Arc::new(gateway), Memory::default());
        let kept = memory.clone();
        let task = tokio::spawn(listener.serve_each(move |stream| {
            let (gateway, memory) = (Arc::clone(&gateway), kept.clone());
            let answer = service_fn(move |request| {
                let (gateway, memory) = (Arc::clone(&gateway), memory.clone());
                async move { serve(&gateway, &memory, request).await }
            });
            async move {
                let connection =
                    http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer);
                // Hanging up, on either side, is part of the play.
                let _ = connection.await;
            }
        }));
        Ok(Self { url, memory, task: task.abort_handle() })
    }

    /// Its MCP URL.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Everything that came, in order.
    pub(super) fn received(&self) -> Vec<Received> {
        self.memory.lock().received.clone()
    }

    /// The requests with this JSON-RPC method.
    pub(super) fn asked(&self, rpc: &str) -> Vec<Received> {
        self.received().into_iter().filter(|request| request.rpc() == rpc).collect()
    }

    /// The requests with this HTTP method.
    pub(super) fn with_method(&self, method: &Method) -> Vec<Received> {
        self.received().into_iter().filter(|request| request.method == *method).collect()
    }
}

async fn serve(gateway: &Gateway, memory: &Memory, request: Request<Incoming>) -> io::Result<Response<Script>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    let received = Received {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        message: serde_json::from_str(&text).unwrap_or_default(),
        text,
    };
    let before = memory.keep(&received);
    gateway.answer(&received, before).send()
}
