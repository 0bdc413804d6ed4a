//! One question, one answer: POST a request, read JSON or a stream until its response is there.
//! Takes a request that is ready; gives the response, or what came instead. On the way it answers pings and passes events on.
//! Must not judge what an answer means (that is `classify`), and must never repeat a request.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    elicitation::{self, Offer},
    json_rpc::{self, Answer, Incoming, Malformed},
    media::{self, Form},
    object::Object,
    stream,
};
use crate::{
    http::{Body, Failure, Headers, Method, Outside, Request, Sent},
    text,
};

/// A JSON-RPC request, and how to treat its answer.
pub struct Ask<'a> {
    /// The MCP URL.
    pub url: &'a str,
    /// The MCP method, for messages.
    pub method: &'a str,
    /// The JSON-RPC id.
    pub id: u64,
    /// The message.
    pub body: Vec<u8>,
    /// Everything but `Accept` and `Content-Type`.
    pub headers: Vec<(String, String)>,
    /// Whether the peer's requests may be answered and a broken stream may be resumed: not since 2026-07-28.
    pub dialogue: Dialogue,
    /// The call that it belongs to: what the server says beside the answer is told with it.
    pub token: Option<u32>,
    /// Whether `notifications/progress` for this id are wanted.
    pub progress: Progress,
    /// How long the answer may take, when that is less than the host allows.
    pub within: Option<Duration>,
}

/// What the era allows besides question and answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialogue {
    /// Legacy: both sides may ask, streams may be resumed.
    Both(Offer),
    /// Modern: only answers come.
    AnswersOnly,
}

/// Whether progress was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Pass it on.
    Wanted,
    /// Ignore it.
    Unwanted,
}

/// What came back over HTTP.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The start of the body, clean, when there was no result.
    pub body: String,
    /// The JSON-RPC answer, or why there is none.
    pub answer: Result<Answer, Problem>,
}

/// Why an HTTP answer held no JSON-RPC answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is something else: HTML, a product's own error body.
    Foreign(String),
    /// It is MCP, but against the rules.
    Protocol(String),
}

/// Bytes of a body that is no result: enough for a message, not enough to hurt.
const ERROR_BODY: usize = 64 * 1024;

/// Asks, and reads until the answer is there.
///
/// # Errors
///
/// The transport failed, or the host stopped it.
pub fn ask(outside: &dyn Outside, mut ask: Ask<'_>) -> Result<Reply, Failure> {
    let body = std::mem::take(&mut ask.body);
    let ask = &ask;
    let mut headers = vec![
        ("Content-Type".to_owned(), "application/json".to_owned()),
        ("Accept".to_owned(), "application/json, text/event-stream".to_owned()),
    ];
    headers.extend(ask.headers.iter().cloned());
    let request = Request { method: Method::Post, url: ask.url.to_owned(), headers, body, within: ask.within };
    let mut response = outside.send(request)?;
    let status = response.status;
    if (200..300).contains(&status) {
        let media_type = response.headers.media_type();
        // What it is counts, not what it is called.
        match media::recognise(media_type.as_deref(), &mut response.body).map_err(after_sending)? {
            Form::Stream => return stream::read(outside, ask, response),
            Form::Whole => {}
        }
        let bytes = response.body.rest().map_err(after_sending)?;
        if status == 202
            && bytes.trim_ascii().is_empty()
            && let Some(elsewhere) = stream::standing(outside, ask)
        {
            let reply = stream::read(outside, ask, elsewhere).map_err(after_sending)?;
            if reply.answer.is_ok() {
                return Ok(reply);
            }
        }
        return Ok(whole(outside, ask, status, response.headers, &bytes));
    }
    let headers = response.headers;
    let bytes = start_of(response.body.as_mut());
    let answer = match std::str::from_utf8(&bytes).ok().map(json_rpc::read) {
        Some(Ok(messages)) => messages
            .into_iter()
            .find_map(|message| match message {
                Incoming::Response { answer: answer @ Answer::Error(_), .. } => Some(Ok(answer)),
                _ => None,
            })
            .unwrap_or_else(|| Err(Problem::Foreign(format!("HTTP {status} without an error")))),
        _ => Err(Problem::Foreign(format!("HTTP {status}"))),
    };
    Ok(Reply { status, headers, body: text::told(&bytes), answer })
}

/// The reply that a whole body is.
pub(super) fn whole(outside: &dyn Outside, ask: &Ask<'_>, status: u16, headers: Headers, bytes: &[u8]) -> Reply {
    let media_type = headers.media_type();
    let answer = read_body(outside, ask, status, media_type.as_deref(), bytes);
    let body = if matches!(answer, Ok(Answer::Result(_))) { String::new() } else { text::told(bytes) };
    Reply { status, headers, body, answer }
}

/// Once the head of an answer is there, the request was received.
pub(super) fn after_sending(failure: Failure) -> Failure {
    Failure { sent: Sent::Maybe, ..failure }
}

/// The start of a body that is only for a message; what breaks it is not interesting.
pub fn start_of(body: &mut dyn Body) -> Vec<u8> {
    let mut start = Vec::new();
    while start.len() < ERROR_BODY {
        match body.chunk() {
            Ok(Some(chunk)) => start.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    start.truncate(ERROR_BODY);
    start
}

fn read_body(
    outside: &dyn Outside,
    ask: &Ask<'_>,
    status: u16,
    media_type: Option<&str>,
    bytes: &[u8],
) -> Result<Answer, Problem> {
    let declared_json = media_type
        .is_some_and(|media| media == "application/json" || media.ends_with("+json") || media == "text/event-stream");
    if bytes.trim_ascii().is_empty() {
        return Err(match status {
            _ if is_first(ask.method) => {
                Problem::Foreign("an empty answer where a JSON-RPC response was expected".to_owned())
            }
            202 => Problem::Protocol(
                "HTTP 202 without a response: it accepts the request as if it were a notification, or answers on another stream"
                    .to_owned(),
            ),
            _ => Problem::Protocol(format!("HTTP {status} without a response")),
        });
    }
    if !declared_json && media_type.is_some_and(|media| media == "text/html" || media.ends_with("xml")) {
        let media = media_type.unwrap_or_default();
        return Err(Problem::Foreign(format!("{} instead of JSON", text::clean(media))));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(unreadable(declared_json, "not UTF-8"));
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut mended = String::new();
    let read = json_rpc::read_leniently(text, &mut mended);
    let messages = match read {
        Ok(messages) => messages,
        Err(Malformed::Json(_)) if text.trim_start().starts_with('<') => {
            return Err(Problem::Foreign("a web page that calls itself JSON".to_owned()));
        }
        Err(Malformed::Json(problem)) => return Err(unreadable(declared_json, &problem)),
        Err(Malformed::Shape(problem)) => {
            let problem = format!("JSON, but not JSON-RPC: {problem}");
            return Err(if is_first(ask.method) { Problem::Foreign(problem) } else { Problem::Protocol(problem) });
        }
    };
    let alone = messages.len() == 1;
    let mut found = None;
    for message in messages {
        found = found.or(take(outside, ask, message, alone));
    }
    found.unwrap_or_else(|| Err(Problem::Protocol("the answer does not hold the response to this request".to_owned())))
}

/// What answers the first request may be anything; what has agreed on a revision is MCP that went wrong.
fn is_first(method: &str) -> bool {
    matches!(method, "initialize" | "server/discover")
}

fn unreadable(declared_json: bool, problem: &str) -> Problem {
    if declared_json {
        Problem::Protocol(format!("broken JSON: {}", text::clean(problem)))
    } else {
        Problem::Foreign(format!("not JSON: {}", text::clean(problem)))
    }
}

/// Handles one message; gives the answer if it is the one that is waited for.
pub(super) fn take(
    outside: &dyn Outside,
    ask: &Ask<'_>,
    message: Incoming<'_>,
    alone: bool,
) -> Option<Result<Answer, Problem>> {
    match message {
        Incoming::Response { id, answer } => {
            let ours = match (&id, &answer) {
                (Some(id), _) if id.is(ask.id) => true,
                // A peer that could not read the id answers with null or with its own.
                (None, Answer::Error(_)) => true,
                (Some(_), Answer::Error(_)) => alone,
                (_, Answer::Result(_)) => false,
            };
            ours.then_some(Ok(answer))
        }
        Incoming::Request { id, method, params } => {
            if let Dialogue::Both(offer) = ask.dialogue {
                let params = params.map_or("{}", RawValue::get);
                let reply = match (method.as_ref(), offer) {
                    ("ping", _) => json_rpc::reply(id, &Object::default()),
                    ("elicitation/create", Offer::Defaults) => json_rpc::reply(id, &elicitation::answer(params)),
                    _ => json_rpc::refuse(id),
                };
                let _ = tell(outside, ask.url, &ask.headers, reply, None);
            }
            None
        }
        Incoming::Notification { method, params } => {
            notified(outside, ask, &method, params);
            None
        }
    }
}

/// POSTs a notification or a response. The status is what came back.
///
/// # Errors
///
/// The transport failed, or the host stopped it.
pub fn tell(
    outside: &dyn Outside,
    url: &str,
    headers: &[(String, String)],
    body: Vec<u8>,
    within: Option<Duration>,
) -> Result<(u16, Headers, String), Failure> {
    let mut all = vec![
        ("Content-Type".to_owned(), "application/json".to_owned()),
        ("Accept".to_owned(), "application/json, text/event-stream".to_owned()),
    ];
    all.extend(headers.iter().cloned());
    let request = Request { method: Method::Post, url: url.to_owned(), headers: all, body, within };
    let mut response = outside.send(request)?;
    if response.status == 202 || response.status == 204 {
        return Ok((response.status, response.headers, String::new()));
    }
    let stream = response.headers.media_type().as_deref() == Some("text/event-stream");
    // A stream may stay open for ever, and says nothing about a notification.
    let body = if stream { String::new() } else { text::told(&start_of(response.body.as_mut())) };
    Ok((response.status, response.headers, body))
}

#[derive(Deserialize)]
struct ProgressParams<'a> {
    #[serde(borrow, rename = "progressToken")]
    token: &'a RawValue,
    progress: f64,
    #[serde(default)]
    total: Option<f64>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Deserialize)]
struct LogParams<'a> {
    level: String,
    #[serde(default)]
    logger: Option<String>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

fn notified(outside: &dyn Outside, ask: &Ask<'_>, method: &str, params: Option<&RawValue>) {
    let params = params.map_or("{}", RawValue::get);
    match method {
        "notifications/progress" if ask.progress == Progress::Wanted => {
            let Ok(params) = serde_json::from_str::<ProgressParams<'_>>(params) else {
                return;
            };
            if let Some(token) = ask.token
                && json_rpc::is_number(params.token, ask.id)
            {
                let message = params.message.as_deref().map(text::clean);
                outside.progress(token, params.progress, params.total, message.as_deref());
            }
        }
        "notifications/message" => {
            let Ok(params) = serde_json::from_str::<LogParams<'_>>(params) else {
                return;
            };
            let data = params.data.map_or("null", RawValue::get);
            if json_rpc::is_json(data) {
                let logger = params.logger.as_deref().map(text::clean);
                outside.message(ask.token, &text::clean(&params.level), logger.as_deref(), data);
            }
        }
        "notifications/tools/list_changed" => outside.tools_changed(),
        _ => {}
    }
}
