//! `wasi:http` and the host's own interfaces, behind the [`Outside`] trait.
//! Takes requests and gives what the host answers, error codes told apart. Exists in the sandbox only.
//! Uses waki's bindings rather than its client: the client hides why a body broke, and reports a refused connection as a failed write.

use std::{cell::RefCell, rc::Rc, time::Duration};

use waki::bindings::wasi::{
    http::{
        outgoing_handler,
        types::{self as http, ErrorCode, Fields, FutureIncomingResponse, OutgoingBody, OutgoingRequest, Scheme},
    },
    io::{poll, streams::StreamError},
};

use super::{Body, Chunk, Failure, FailureKind, Headers, Level, Method, Outside, Request, Response, Sent};
use crate::bindings::{
    pflow::gateway::{events, log},
    // With waki's pollables, which wait beside it.
    wasi::clocks::monotonic_clock,
};

/// The host.
#[derive(Default)]
pub struct Host {
    beside: Beside,
}

/// The stream beside the others, if one is open.
type Beside = Rc<RefCell<Option<Incoming>>>;

/// How long a stream may take to open that is only there in case a server asks something.
const PATIENCE: Duration = Duration::from_secs(1);

/// Bytes asked for at a time.
const CHUNK: u64 = 256 * 1024;
/// What `blocking-write-and-flush` takes at most, by the contract of `wasi:io`.
const AT_ONCE: usize = 4096;

impl Outside for Host {
    fn send(&self, request: Request) -> Result<Response, Failure> {
        let within = request.within;
        let (future, written) = start(request)?;
        let until = within.map(Until::from_now);
        Until::wait(until, &future.subscribe())?;
        let (status, headers, body) = finish(&future, until)?;
        if let Err(problem) = written {
            let line = format!("the body was not written to the end: {problem}");
            self.log(Level::Debug, "http", &line);
        }
        let body = Here { body, beside: Rc::clone(&self.beside) };
        Ok(Response { status, headers, body: Box::new(body) })
    }

    fn listen(&self, request: Request) -> bool {
        let Ok((future, _)) = start(request) else {
            return false;
        };
        let head = future.subscribe();
        let patience = monotonic_clock::subscribe_duration(nanoseconds(PATIENCE));
        if !poll::poll(&[&head, &patience]).contains(&0) {
            return false;
        }
        drop(head);
        match finish(&future, None) {
            Ok((200, headers, body)) if headers.media_type().as_deref() == Some("text/event-stream") => {
                *self.beside.borrow_mut() = Some(body);
                true
            }
            _ => false,
        }
    }

    fn stop_listening(&self) {
        *self.beside.borrow_mut() = None;
    }

    fn take_listening(&self) -> Option<Response> {
        let body = self.beside.borrow_mut().take()?;
        let headers = Headers::new(vec![("content-type".to_owned(), "text/event-stream".to_owned())]);
        Some(Response { status: 200, headers, body: Box::new(Here { body, beside: Rc::clone(&self.beside) }) })
    }

    fn sleep(&self, duration: Duration) {
        wasi::clocks::monotonic_clock::subscribe_duration(nanoseconds(duration)).block();
    }

    fn now(&self) -> u64 {
        wasi::clocks::wall_clock::now().seconds
    }

    fn progress(&self, token: u32, progress: f64, total: Option<f64>, message: Option<&str>) {
        events::progress(token, progress, total, message);
    }

    fn message(&self, token: Option<u32>, level: &str, logger: Option<&str>, data: &str) {
        events::message(token, level, logger, data);
    }

    fn tools_changed(&self) {
        events::tools_changed();
    }

    fn log(&self, level: Level, target: &str, message: &str) {
        let level = match level {
            Level::Debug => log::Level::Debug,
            Level::Warn => log::Level::Warn,
        };
        log::log(level, target, message);
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The end of a patience.
#[derive(Clone, Copy)]
struct Until {
    /// On the monotonic clock.
    at: u64,
    within: Duration,
}

impl Until {
    fn from_now(within: Duration) -> Self {
        Self { at: monotonic_clock::now().saturating_add(nanoseconds(within)), within }
    }

    /// Waits for what is ready or for the end of the patience, whichever is first.
    fn wait(until: Option<Self>, ready: &poll::Pollable) -> Result<(), Failure> {
        let Some(Self { at, within }) = until else {
            ready.block();
            return Ok(());
        };
        if poll::poll(&[ready, &monotonic_clock::subscribe_instant(at)]).contains(&0) {
            return Ok(());
        }
        let detail = format!("no answer within {} ms", within.as_millis());
        Err(Failure { kind: FailureKind::Timeout, detail, sent: Sent::Maybe })
    }
}

/// Sends a request. A write fails when the connection does; why, only the answer knows.
fn start(request: Request) -> Result<(FutureIncomingResponse, Result<(), String>), Failure> {
    let (scheme, authority, path) =
        split(&request.url).ok_or_else(|| invalid("the URL is not absolute http or https"))?;
    let mut fields: Vec<(String, Vec<u8>)> =
        request.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
    // Without it the request goes out in chunks, which small servers and some proxies refuse (411).
    if !request.body.is_empty() {
        fields.push(("Content-Length".to_owned(), request.body.len().to_string().into_bytes()));
    }
    let fields = Fields::from_list(&fields).map_err(|error| invalid(&format!("a header is invalid: {error:?}")))?;
    let outgoing = OutgoingRequest::new(fields);
    let method = match request.method {
        Method::Post => http::Method::Post,
        Method::Get => http::Method::Get,
        Method::Delete => http::Method::Delete,
    };
    outgoing
        .set_method(&method)
        .and_then(|()| outgoing.set_scheme(Some(&scheme)))
        .and_then(|()| outgoing.set_authority(Some(authority)))
        .and_then(|()| outgoing.set_path_with_query(Some(path)))
        .map_err(|()| invalid("the URL is invalid"))?;
    let body = outgoing.body().map_err(|()| invalid("the request has no body"))?;
    let future = outgoing_handler::handle(outgoing, None).map_err(|code| failure(&code, Sent::No))?;
    let written = write(body, &request.body);
    Ok((future, written))
}

/// Takes the head of an answer that has arrived.
fn finish(future: &FutureIncomingResponse, until: Option<Until>) -> Result<(u16, Headers, Incoming), Failure> {
    let answer = future.get().and_then(Result::ok).unwrap_or(Err(ErrorCode::InternalError(None)));
    let incoming = answer.map_err(|code| failure(&code, Sent::Maybe))?;
    let pairs = incoming
        .headers()
        .entries()
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
        .collect();
    let body = incoming.consume().map_err(|()| invalid("the answer has no body"))?;
    let stream = body.stream().map_err(|()| invalid("the answer's body has no stream"))?;
    Ok((incoming.status(), Headers::new(pairs), Incoming { stream, _body: body, until }))
}

struct Incoming {
    /// A child of the body: dropped first.
    stream: waki::bindings::wasi::io::streams::InputStream,
    _body: http::IncomingBody,
    until: Option<Until>,
}

impl Incoming {
    fn read(&self) -> Result<Option<Vec<u8>>, Failure> {
        let read = match self.until {
            None => self.stream.blocking_read(CHUNK),
            // What is there already needs neither a wait nor a clock: each is a call of the host.
            Some(_) => match self.stream.read(CHUNK) {
                Ok(bytes) if bytes.is_empty() => {
                    Until::wait(self.until, &self.stream.subscribe())?;
                    self.stream.blocking_read(CHUNK)
                }
                there => there,
            },
        };
        match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StreamError::Closed) => Ok(None),
            Err(StreamError::LastOperationFailed(error)) => Err(match http::http_error_code(&error) {
                Some(code) => failure(&code, Sent::Maybe),
                None => Failure { kind: FailureKind::Unreachable, detail: error.to_debug_string(), sent: Sent::Maybe },
            }),
        }
    }
}

/// A body, and the stream beside it.
struct Here {
    body: Incoming,
    beside: Beside,
}

impl Body for Here {
    fn chunk(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        self.body.read()
    }

    fn next_chunk(&mut self) -> Result<Chunk, Failure> {
        let mut beside = self.beside.borrow_mut();
        while let Some(other) = beside.as_ref() {
            let (ours, theirs) = (self.body.stream.subscribe(), other.stream.subscribe());
            let ready = poll::poll(&[&ours, &theirs]);
            drop((ours, theirs));
            if ready.contains(&0) {
                break;
            }
            match other.stream.read(CHUNK) {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Ok(Chunk::SideStream(bytes)),
                // It is only there in case; its end is nobody's failure.
                Err(_) => *beside = None,
            }
        }
        drop(beside);
        self.body.read().map(Chunk::Response)
    }
}

fn write(body: OutgoingBody, mut bytes: &[u8]) -> Result<(), String> {
    if !bytes.is_empty() {
        let out = body.write().map_err(|()| "no stream".to_owned())?;
        // Most are small, and this is one call of the host instead of six.
        if bytes.len() <= AT_ONCE {
            out.blocking_write_and_flush(bytes).map_err(|error| error.to_string())?;
            drop(out);
            return OutgoingBody::finish(body, None).map_err(|error| error.to_string());
        }
        while !bytes.is_empty() {
            out.subscribe().block();
            let permit = usize::try_from(out.check_write().map_err(|error| error.to_string())?).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(bytes.len().min(permit));
            out.write(now).map_err(|error| error.to_string())?;
            bytes = later;
        }
        out.blocking_flush().map_err(|error| error.to_string())?;
    }
    OutgoingBody::finish(body, None).map_err(|error| error.to_string())
}

/// Scheme, authority, and path with query.
fn split(url: &str) -> Option<(Scheme, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path = if path.is_empty() { "/" } else { path };
    (!authority.is_empty() && path.starts_with('/')).then_some((scheme, authority, path))
}

fn invalid(problem: &str) -> Failure {
    Failure { kind: FailureKind::Denied, detail: problem.to_owned(), sent: Sent::No }
}

fn failure(code: &ErrorCode, sent: Sent) -> Failure {
    let detail = describe(code);
    let (kind, sent) = match code {
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) => (FailureKind::Dns, Sent::No),
        ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused => (FailureKind::Unreachable, Sent::No),
        ErrorCode::ConnectionTimeout => (FailureKind::Timeout, Sent::No),
        ErrorCode::ConnectionReadTimeout | ErrorCode::ConnectionWriteTimeout | ErrorCode::HttpResponseTimeout => {
            (FailureKind::Timeout, sent)
        }
        ErrorCode::TlsProtocolError | ErrorCode::TlsCertificateError | ErrorCode::TlsAlertReceived(_) => {
            (FailureKind::Tls, Sent::No)
        }
        ErrorCode::ConnectionLimitReached => (FailureKind::Limit, Sent::No),
        ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::HttpRequestTrailerSectionSize(_)
        | ErrorCode::HttpRequestTrailerSize(_)
        | ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseTrailerSectionSize(_)
        | ErrorCode::HttpResponseTrailerSize(_) => (FailureKind::Limit, sent),
        ErrorCode::HttpProtocolError | ErrorCode::HttpUpgradeFailed => (FailureKind::NotHttp, sent),
        ErrorCode::DestinationIpProhibited
        | ErrorCode::HttpRequestDenied
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestLengthRequired
        | ErrorCode::LoopDetected
        | ErrorCode::ConfigurationError => (FailureKind::Denied, Sent::No),
        ErrorCode::ConnectionTerminated
        | ErrorCode::HttpResponseIncomplete
        | ErrorCode::HttpResponseTransferCoding(_)
        | ErrorCode::HttpResponseContentCoding(_)
        | ErrorCode::InternalError(_) => (FailureKind::Unreachable, sent),
    };
    Failure { kind, detail, sent }
}

/// What the host says, in words: its own text where it gives one.
fn describe(code: &ErrorCode) -> String {
    match code {
        ErrorCode::InternalError(Some(detail)) => detail.clone(),
        ErrorCode::DnsError(payload) => payload.rcode.clone().unwrap_or_else(|| "the name has no address".to_owned()),
        ErrorCode::TlsAlertReceived(payload) => {
            format!("TLS alert: {}", payload.alert_message.clone().unwrap_or_else(|| "no reason given".to_owned()))
        }
        other => words(&other.to_string()),
    }
}

/// `ErrorCode::HttpResponseTimeout` as `http response timeout`.
fn words(name: &str) -> String {
    let name = name.strip_prefix("ErrorCode::").unwrap_or(name);
    let mut words = String::with_capacity(name.len() + 8);
    for letter in name.chars().take_while(char::is_ascii_alphanumeric) {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}
