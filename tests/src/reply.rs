//! What a fake sends back: a whole answer, a stream of pieces, or bytes that obey no rule of HTTP.
//! Takes the parts of an answer; gives a [`Reply`] for [`server`](crate::server) to send.
//! Never knows MCP.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;

/// What to do with a request.
#[derive(Debug)]
pub enum Reply {
    /// Answer by the rules of HTTP.
    Answer(Answer),
    /// Do these steps on the socket.
    Script(Vec<Step>),
}

/// One step on a socket.
#[derive(Clone, Debug)]
pub enum Step {
    /// Send these bytes.
    Send(Bytes),
    /// Send nothing for so long.
    Pause(Duration),
    /// Send these bytes again and again, with a pause after each, until the client goes away.
    Flood(Bytes, Duration),
    /// Send nothing more, and wait until the client goes away.
    Hang,
    /// Close with a FIN.
    Close,
    /// Close with an RST.
    Reset,
}

/// An answer by the rules of HTTP.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// In the spelling that goes on the wire. Framing is added by the server.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub payload: Payload,
}

/// A body.
#[derive(Debug)]
pub enum Payload {
    /// With a `Content-Length`.
    Whole(Bytes),
    /// Chunked; ends when the sender is dropped.
    Stream(mpsc::UnboundedReceiver<Bytes>),
    /// Neither length nor body: 204 and 304.
    None,
}

impl Answer {
    /// A status and nothing else.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), payload: Payload::Whole(Bytes::new()) }
    }

    /// A status without even a length, as 204 has it.
    #[must_use]
    pub fn bare(status: u16) -> Self {
        Self { status, headers: Vec::new(), payload: Payload::None }
    }

    /// A body of this content type.
    #[must_use]
    pub fn body(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), payload: Payload::Whole(body.into()) }.with("Content-Type", content_type)
    }

    /// `application/json`.
    #[must_use]
    pub fn json(status: u16, value: &Value) -> Self {
        Self::body(status, "application/json", value.to_string())
    }

    /// `text/plain`, as Go's `http.Error` writes it: with a line break at the end.
    #[must_use]
    pub fn go_error(status: u16, text: &str) -> Self {
        Self::body(status, "text/plain; charset=utf-8", format!("{text}\n")).with("X-Content-Type-Options", "nosniff")
    }

    /// One whole event stream.
    #[must_use]
    pub fn events(status: u16, text: impl Into<Bytes>) -> Self {
        Self::body(status, "text/event-stream", text)
    }

    /// An open event stream.
    #[must_use]
    pub fn stream(receiver: mpsc::UnboundedReceiver<Bytes>) -> Self {
        Self { status: 200, headers: Vec::new(), payload: Payload::Stream(receiver) }
            .with("Content-Type", "text/event-stream")
            .with("Cache-Control", "no-cache")
    }

    /// One more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// One event of the kind that MCP servers send.
#[must_use]
pub fn event(message: &Value) -> Bytes {
    Bytes::from(format!("event: message\ndata: {message}\n\n"))
}

/// A reason phrase.
#[must_use]
pub fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Unknown")
}

/// The bytes of a complete answer, for scripts.
#[must_use]
pub fn bytes_of(status: u16, content_type: &str, body: &[u8]) -> Bytes {
    let mut bytes = head(status, content_type, body.len());
    bytes.extend_from_slice(body);
    bytes.into()
}

/// The bytes of a status line and headers that promise a body of this length.
#[must_use]
pub fn head(status: u16, content_type: &str, length: usize) -> Vec<u8> {
    let reason = reason(status);
    format!("HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n")
        .into_bytes()
}

/// The bytes of a status line and headers that promise chunks.
#[must_use]
pub fn chunked_head(status: u16, content_type: &str) -> Vec<u8> {
    let reason = reason(status);
    format!("HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n")
        .into_bytes()
}

/// One chunk.
#[must_use]
pub fn chunk(data: &[u8]) -> Bytes {
    let mut bytes = format!("{:x}\r\n", data.len()).into_bytes();
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(b"\r\n");
    bytes.into()
}
