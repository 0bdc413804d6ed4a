//! The way out. A small trait that the logic sees, and, in the sandbox only, `wasi:http` behind it.
//! Takes a request; gives status, headers and a body that is read chunk by chunk, or why there is none.
//! This is the one file that knows waki. Must never hold a credential: the host adds them.

#[cfg(target_arch = "wasm32")]
pub mod wasi;

use std::time::Duration;

/// HTTP methods that MCP uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Everything that is asked.
    Post,
    /// Resuming a stream, and gateways' own APIs.
    Get,
    /// Ending a session.
    Delete,
}

/// A request that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Where: absolute, as configured.
    pub url: String,
    /// Names in the spelling of the specification; values are visible ASCII.
    pub headers: Vec<(String, String)>,
    /// Empty for GET and DELETE.
    pub body: Vec<u8>,
    /// How long the answer may take, to the end of its body, from the moment that the request is out. None: as long as the host allows.
    pub within: Option<Duration>,
}

/// The headers of an answer. Names compare without case.
#[derive(Clone, Debug, Default)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// From pairs, in order.
    #[must_use]
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The first value of a header.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Whether any header's name starts with `prefix`.
    #[must_use]
    pub fn any_starts_with(&self, prefix: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)))
            .map(|(key, _)| key.as_str())
    }

    /// The media type without parameters, in lower case.
    #[must_use]
    pub fn media_type(&self) -> Option<String> {
        let value = self.get("content-type")?;
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }
}

/// An answer whose body is still to be read.
pub struct Response {
    /// 100 to 599.
    pub status: u16,
    /// As received.
    pub headers: Headers,
    /// The rest. Dropping it closes the stream.
    pub body: Box<dyn Body>,
}

/// A body, read as it arrives.
pub trait Body {
    /// The next bytes; none at the end.
    fn chunk(&mut self) -> Result<Option<Vec<u8>>, Failure>;

    /// The next bytes, or what came meanwhile on the stream that [`Outside::listen`] opened.
    fn next_chunk(&mut self) -> Result<Chunk, Failure> {
        self.chunk().map(Chunk::Response)
    }

    /// Everything that is left.
    fn rest(&mut self) -> Result<Vec<u8>, Failure> {
        let mut all = self.chunk()?.unwrap_or_default();
        while let Some(mut more) = self.chunk()? {
            all.append(&mut more);
        }
        Ok(all)
    }
}

/// Where bytes came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// From this body; none at its end.
    Response(Option<Vec<u8>>),
    /// From the stream beside it.
    SideStream(Vec<u8>),
}

/// What went wrong below HTTP, or was stopped by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The host's policy said no.
    Denied,
    /// The name has no address.
    Dns,
    /// No connection, or it broke.
    Unreachable,
    /// Certificate or handshake.
    Tls,
    /// Too slow.
    Timeout,
    /// A size or a count was exceeded.
    Limit,
    /// What came is not HTTP.
    NotHttp,
}

/// A request or its answer was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it was.
    pub kind: FailureKind,
    /// What the host said.
    pub detail: String,
    /// Whether the peer may have received the request.
    pub sent: Sent,
}

/// How far a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The connection never stood.
    No,
    /// Some or all of it may have arrived.
    Maybe,
}

/// Everything that a conversation needs from outside. In the sandbox it is WASI and the host; in tests it is a script.
pub trait Outside {
    /// Sends a request and waits for the head of the answer.
    fn send(&self, request: Request) -> Result<Response, Failure>;
    /// Opens an event stream beside the requests that follow, until [`Outside::stop_listening`]. Servers may ask on it
    /// what they need for an answer. False: there is none, or it did not open soon.
    fn listen(&self, request: Request) -> bool;
    /// Closes that stream.
    fn stop_listening(&self);
    /// The stream itself, which is not listened to beside others any more.
    fn take_listening(&self) -> Option<Response>;
    /// Waits.
    fn sleep(&self, duration: Duration);
    /// Seconds since 1970-01-01 UTC.
    fn now(&self) -> u64;
    /// `notifications/progress` of the call with this id.
    fn progress(&self, token: u32, progress: f64, total: Option<f64>, message: Option<&str>);
    /// `notifications/message`.
    fn message(&self, token: Option<u32>, level: &str, logger: Option<&str>, data: &str);
    /// `notifications/tools/list_changed`.
    fn tools_changed(&self);
    /// One line for the log.
    fn log(&self, level: Level, target: &str, message: &str);
}

/// How important a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Only of interest when looking for a fault.
    Debug,
    /// Something odd that was coped with.
    Warn,
}
