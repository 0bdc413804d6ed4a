//! The event stream that an answer can be: read until the response is there, resumed when it breaks before.
//! Takes an answer whose body is a stream; gives the reply. What is no JSON-RPC message (heartbeats, events of other protocols) is
//! passed over and counted. Must never take half a message for an answer, and must end when the stream does.

use std::time::Duration;

use super::{
    exchange::{Ask, Dialogue, Problem, Reply, after_sending, take, whole},
    json_rpc::{self, Answer, Incoming, Malformed},
    media, sse,
};
use crate::{
    http::{Body, Chunk, Failure, FailureKind, Level, Method, Outside, Request, Response},
    text,
};

/// How often a stream is resumed without a new event.
const FRUITLESS_RESUMES: u32 = 3;
/// How often a stream is resumed at all.
const RESUMES: u32 = 100;
/// How long to wait before resuming, when the server does not say.
const DEFAULT_RETRY: Duration = Duration::from_secs(1);
/// The longest wait that a server can ask for; the host's deadline usually ends it before.
const LONGEST_RETRY: Duration = Duration::from_mins(1);
/// Events that are no messages before the stream is given up: a heartbeat each second for a day.
const MOST_ODD: u32 = 86_400;
/// Odd events that are written to the log one by one.
const LOGGED: u32 = 3;

/// What came on a stream and is no message.
#[derive(Default)]
struct Odd {
    count: u32,
    first: String,
}

impl Odd {
    fn note(&mut self, outside: &dyn Outside, data: &str) {
        if self.count == 0 {
            self.first = text::clean(data).chars().take(100).collect();
        }
        self.count = self.count.saturating_add(1);
        if self.count <= LOGGED {
            outside.log(
                Level::Debug,
                "sse",
                &format!("an event that is not a JSON-RPC message: {}", text::clean(data)),
            );
        }
    }

    /// How many there were, at the end: one line, however many.
    fn sum_up(&self, outside: &dyn Outside) {
        if self.count > LOGGED {
            outside.log(Level::Debug, "sse", &format!("{} events were no JSON-RPC messages", self.count));
        }
    }

    /// The stream is over, and the response did not come.
    fn no_answer(&self) -> Problem {
        let first = &self.first;
        Problem::Protocol(match self.count {
            0 => "the stream ended before the response".to_owned(),
            1 => format!("the stream ended before the response; one event was no JSON-RPC message: {first}"),
            count => format!(
                "the stream ended before the response; {count} events were no JSON-RPC messages, the first: {first}"
            ),
        })
    }
}

/// How one connection of a stream ended.
enum End {
    Answered(Result<Answer, Problem>),
    /// It is no stream at all, but one message, whole.
    Message(Vec<u8>),
    Closed {
        events: bool,
    },
    Broken(Failure, bool),
}

/// Reads until the answer is there.
pub(super) fn read(outside: &dyn Outside, ask: &Ask<'_>, response: Response) -> Result<Reply, Failure> {
    let Response { status, headers, mut body } = response;
    let mut reading = Reading { parser: sse::Parser::new(), beside: sse::Parser::new(), odd: Odd::default() };
    let mut fruitless = 0_u32;
    let mut resumed = 0_u32;
    loop {
        let (failure, events) = match reading.connection(outside, ask, body.as_mut(), resumed == 0) {
            End::Answered(answer) => {
                reading.odd.sum_up(outside);
                // What was said is in the answer itself.
                let body = match &answer {
                    Ok(Answer::Error(fault)) => text::clean(&fault.message),
                    _ => String::new(),
                };
                return Ok(Reply { status, headers, body, answer });
            }
            End::Message(bytes) => return Ok(whole(outside, ask, status, headers, &bytes)),
            End::Closed { events } => (None, events),
            End::Broken(failure, events) => (Some(after_sending(failure)), events),
        };
        drop(body);
        let stopped = failure.as_ref().is_some_and(|failure| failure.kind != FailureKind::Unreachable);
        fruitless = if events { 0 } else { fruitless + 1 };
        resumed += 1;
        let give_up =
            ask.dialogue == Dialogue::AnswersOnly || stopped || fruitless > FRUITLESS_RESUMES || resumed > RESUMES;
        let Some(last_id) = reading.parser.last_id().filter(|_| !give_up).map(str::to_owned) else {
            let answer = Err(reading.odd.no_answer());
            return failure.map_or_else(|| Ok(Reply { status, headers, body: String::new(), answer }), Err);
        };
        outside.sleep(reading.parser.retry().unwrap_or(DEFAULT_RETRY).min(LONGEST_RETRY));
        outside.log(Level::Debug, "sse", "resuming a stream");
        match resume(outside, ask, &last_id)? {
            Ok(next) => {
                reading.parser = reading.parser.reconnected();
                body = next;
            }
            Err(problem) => {
                return Ok(Reply { status, headers, body: String::new(), answer: Err(problem) });
            }
        }
    }
}

/// What is kept from one connection of a stream to the next.
struct Reading {
    parser: sse::Parser,
    beside: sse::Parser,
    odd: Odd,
}

impl Reading {
    fn connection(&mut self, outside: &dyn Outside, ask: &Ask<'_>, body: &mut dyn Body, first: bool) -> End {
        let mut events = false;
        let mut start = first;
        loop {
            let (batch, last) = match body.next_chunk() {
                Ok(Chunk::Response(Some(bytes))) => {
                    if start && media::starts_as_json(&bytes) {
                        return rest_of_message(bytes, body);
                    }
                    start = start && bytes.trim_ascii().is_empty();
                    (self.parser.push(&bytes), false)
                }
                Ok(Chunk::Response(None)) => (self.parser.finish().into_iter().collect(), true),
                Ok(Chunk::SideStream(bytes)) => {
                    report_side_events(outside, ask, &self.beside.push(&bytes));
                    continue;
                }
                Err(failure) => return End::Broken(failure, events),
            };
            for event in batch {
                if let Some(answer) = self.event(outside, ask, &event) {
                    return End::Answered(answer);
                }
                events = events || !event.data.is_empty();
            }
            if last {
                return End::Closed { events };
            }
        }
    }

    fn event(&mut self, outside: &dyn Outside, ask: &Ask<'_>, event: &sse::Event) -> Option<Result<Answer, Problem>> {
        if !is_message(event) {
            return None;
        }
        let mut mended = String::new();
        let problem = match json_rpc::read_leniently(&event.data, &mut mended) {
            Ok(messages) => return first_answer(outside, ask, messages),
            Err(problem) => problem,
        };
        if matches!(problem, Malformed::Json(_)) {
            // Several in one event: a server that forgets the blank line, or puts a heartbeat before its message.
            let mut found = None;
            for part in json_rpc::parts(&event.data) {
                if let Ok(messages) = json_rpc::read(part) {
                    found = found.or(first_answer(outside, ask, messages));
                }
            }
            if found.is_some() {
                return found;
            }
        }
        if is_answer(&event.data, ask.id, &problem) {
            let problem = text::clean(&problem.to_string());
            return Some(Err(Problem::Protocol(format!("the response in the stream is broken: {problem}"))));
        }
        self.odd.note(outside, &event.data);
        (self.odd.count >= MOST_ODD).then(|| {
            Err(Problem::Protocol(format!(
                "no response after {MOST_ODD} events that are not JSON-RPC messages, the first: {}",
                self.odd.first
            )))
        })
    }
}

fn first_answer(outside: &dyn Outside, ask: &Ask<'_>, messages: Vec<Incoming<'_>>) -> Option<Result<Answer, Problem>> {
    let mut found = None;
    for message in messages {
        found = found.or(take(outside, ask, message, false));
    }
    found
}

/// Whether a text that is no message was meant as the response: waiting for another one would be in vain.
fn is_answer(data: &str, id: u64, problem: &Malformed) -> bool {
    match problem {
        Malformed::Shape(_) => json_rpc::answers(data, id),
        Malformed::Json(_) => data.contains("\"jsonrpc\"") && data.contains("\"result\""),
    }
}

/// A body that calls itself a stream, and is one JSON text.
fn rest_of_message(mut start: Vec<u8>, body: &mut dyn Body) -> End {
    match body.rest() {
        Ok(mut rest) => {
            start.append(&mut rest);
            End::Message(start)
        }
        Err(failure) => End::Broken(failure, false),
    }
}

/// What came on the stream beside this one: requests and notifications, but never our answer.
fn report_side_events(outside: &dyn Outside, ask: &Ask<'_>, events: &[sse::Event]) {
    for event in events.iter().filter(|event| is_message(event)) {
        for message in json_rpc::read(&event.data).unwrap_or_default() {
            if !matches!(message, Incoming::Response { .. }) {
                take(outside, ask, message, false);
            }
        }
    }
}

/// Priming events are empty; kinds other than `message` are not MCP's.
fn is_message(event: &sse::Event) -> bool {
    !event.data.trim().is_empty() && matches!(event.kind.as_str(), "" | "message")
}

/// The GET that opens a stream on which a server may ask.
#[must_use]
pub fn listening(url: &str, session: &[(String, String)]) -> Request {
    let mut headers = vec![("Accept".to_owned(), "text/event-stream".to_owned())];
    headers.extend(session.iter().cloned());
    Request { method: Method::Get, url: url.to_owned(), headers, body: Vec::new(), within: None }
}

/// The stream on which servers answer that accept a request with 202 and an empty body. Nobody should since 2025-03-26, and pflow's own
/// client hears of it only because it holds this stream open all the time; here it is opened when it is needed. None: there is none.
pub(super) fn standing(outside: &dyn Outside, ask: &Ask<'_>) -> Option<Response> {
    let has_session = ask.headers.iter().any(|(name, _)| name == "Mcp-Session-Id");
    if ask.dialogue == Dialogue::AnswersOnly || !has_session {
        return None;
    }
    // A session has one such stream at most, and what is open may have the answer already.
    if let Some(open) = outside.take_listening() {
        return Some(open);
    }
    outside.log(Level::Debug, "sse", "accepted without an answer; asking for the stream on which it may come");
    let response = outside.send(Request { within: ask.within, ..listening(ask.url, &ask.headers) }).ok()?;
    let is_stream = response.headers.media_type().as_deref() == Some("text/event-stream");
    (response.status == 200 && is_stream).then_some(response)
}

/// GET with `Last-Event-ID`: the stream goes on, or it does not.
fn resume(outside: &dyn Outside, ask: &Ask<'_>, last_id: &str) -> Result<Result<Box<dyn Body>, Problem>, Failure> {
    let mut headers =
        vec![("Accept".to_owned(), "text/event-stream".to_owned()), ("Last-Event-ID".to_owned(), last_id.to_owned())];
    headers.extend(ask.headers.iter().cloned());
    let request = Request { method: Method::Get, url: ask.url.to_owned(), headers, body: Vec::new(), within: None };
    let response = outside.send(request).map_err(after_sending)?;
    if response.status == 200 && response.headers.media_type().as_deref() == Some("text/event-stream") {
        return Ok(Ok(response.body));
    }
    Ok(Err(Problem::Protocol(format!(
        "the stream ended before the response, and resuming it gave HTTP {}",
        response.status
    ))))
}
