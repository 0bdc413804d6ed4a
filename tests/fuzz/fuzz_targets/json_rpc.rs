//! JSON-RPC: what is read is what was written, what is written can be read, and one question gets one answer, its own.

use crate::{Peer, Scripted};
use pflow_gateway_component::{
    http::Method,
    mcp::{
        elicitation::Offer,
        exchange::{self, Ask, Dialogue, Progress},
        json_rpc::{self, Answer, Incoming},
        object::Object,
    },
};
use serde_json::{Value, value::RawValue};

/// The id of our question.
const OURS: u64 = 7;

/// One input.
pub fn run(text: &str) {
    // serde_json gives keys of this name a meaning of its own, in `Value` alone: the second judge would be wrong.
    if text.contains("$serde_json::private") {
        return;
    }
    let second = serde_json::from_str::<Value>(text);
    // A number that no double holds is JSON, and is carried as it was written; `Value` cannot have it.
    if !second.as_ref().is_err_and(|error| error.to_string().starts_with("number out of range")) {
        assert_eq!(json_rpc::is_json(text), second.is_ok(), "two judges, one judgement");
        assert_eq!(json_rpc::is_object(text), second.is_ok_and(|value| value.is_object()));
    }
    if let Ok(messages) = json_rpc::read(text) {
        assert!(messages.len() <= text.len(), "bounded by what came");
        if let Ok(value) = serde_json::from_str::<Value>(text) {
            let values = match &value {
                Value::Array(batch) => batch.iter().collect(),
                one => vec![one],
            };
            assert_eq!(messages.len(), values.len());
            for (message, value) in messages.iter().zip(values) {
                says_what_is_written(message, value);
            }
        }
        for message in &messages {
            can_be_written(message);
        }
    }
    one_answer(text);
}

/// The message against an independent reading of the same text.
fn says_what_is_written(message: &Incoming<'_>, value: &Value) {
    let id = value.get("id").filter(|id| !id.is_null());
    match message {
        Incoming::Response { id: read, answer } => {
            assert!(value.get("method").is_none_or(Value::is_null), "a response has no method");
            assert_eq!(read.is_some(), id.is_some());
            match answer {
                Answer::Result(result) => {
                    assert!(result.len() <= 1 << 20);
                    assert_eq!(serde_json::from_str::<Value>(result).ok().as_ref(), value.get("result"));
                    let fault = value.get("error").filter(|error| !error.is_null());
                    let says_something = fault.is_some_and(|fault| {
                        fault.get("message").is_some_and(|message| message != "")
                            || fault.get("code").and_then(Value::as_i64).is_some_and(|code| code != 0)
                    });
                    assert!(!says_something, "an error beside a result is the answer");
                }
                Answer::Error(fault) => {
                    let told = value.get("error").expect("an error");
                    assert_eq!(told.get("message").and_then(Value::as_str).unwrap_or_default(), fault.message);
                }
            }
            if let (Some(read), Some(written)) = (read, id.and_then(Value::as_u64)) {
                assert!(read.is(written) && !read.is(written.wrapping_add(1)));
            }
        }
        Incoming::Request { id: raw, method, .. } => {
            assert_eq!(value.get("method").and_then(Value::as_str), Some(method.as_ref()));
            assert_eq!(serde_json::from_str::<Value>(raw.get()).ok().as_ref(), id);
        }
        Incoming::Notification { method, .. } => {
            assert_eq!(value.get("method").and_then(Value::as_str), Some(method.as_ref()));
            assert!(id.is_none());
        }
    }
}

/// What we would answer, or send ourselves, is read as just that.
fn can_be_written(message: &Incoming<'_>) {
    let read_one = |bytes: Vec<u8>, check: &dyn Fn(&Incoming<'_>) -> bool| {
        let text = String::from_utf8(bytes).expect("we write UTF-8");
        let read = json_rpc::read(&text).unwrap_or_else(|problem| panic!("{problem}: {text}"));
        assert!(matches!(read.as_slice(), [one] if check(one)), "{text}");
    };
    match message {
        Incoming::Request { id, method, params } => {
            let raw = id.get().to_owned();
            read_one(
                json_rpc::reply(id, &Object::default()),
                &|read| matches!(read, Incoming::Response { id: Some(_), answer: Answer::Result(result) } if result == "{}"),
            );
            read_one(
                json_rpc::refuse(id),
                &|read| matches!(read, Incoming::Response { id: Some(_), answer: Answer::Error(fault) } if fault.code == -32_601),
            );
            assert!(
                String::from_utf8_lossy(&json_rpc::reply(id, &Object::default())).contains(&raw),
                "the id as it came"
            );
            let params = holding(*params);
            let written = serde_json::to_string(&params).expect("an object of JSON");
            read_one(json_rpc::request(OURS, method, &params), &|read| {
                matches!(read, Incoming::Request { id, method: again, params: Some(told) }
                    if id.get() == "7" && again == method && told.get() == written)
            });
        }
        Incoming::Notification { method, params } => {
            let told = params.map(|params| holding(Some(params)));
            let written = told.as_ref().map(|told| serde_json::to_string(told).expect("an object of JSON"));
            read_one(json_rpc::notification(method, told.as_ref()), &|read| {
                matches!(read, Incoming::Notification { method: again, params: read }
                    if again == method && read.map(|params| params.get()) == written.as_deref())
            });
        }
        Incoming::Response { .. } => {}
    }
}

/// Somebody else's JSON as a member.
fn holding(theirs: Option<&RawValue>) -> Object {
    theirs.map_or_else(Object::default, |theirs| Object::default().with("theirs", theirs))
}

/// The text as a body and as an event: an answer is accepted only if it is ours, and the first one.
fn one_answer(text: &str) {
    let event = text.lines().map(|line| format!("data: {line}\n")).collect::<String>() + "\n";
    // A lone CR ends a line of an event, but not one of `lines`.
    let as_event = !text.contains('\r');
    for (media, body) in [("application/json", text.to_owned()), ("text/event-stream", event)] {
        if media != "application/json" && !as_event {
            continue;
        }
        let peer = Peer::new(|request, _| {
            // A peer that asked may be told; nothing else is asked again.
            let first = request.method == Method::Post && request.body.starts_with(br#"{"ours""#);
            Some(Scripted { status: if first { 200 } else { 202 }, media, body: body.clone().into_bytes(), cut: 5 })
        });
        let reply = exchange::ask(
            &peer,
            Ask {
                url: "http://peer.test/mcp",
                method: "tools/list",
                id: OURS,
                body: br#"{"ours":true}"#.to_vec(),
                headers: Vec::new(),
                dialogue: Dialogue::Both(Offer::Nothing),
                within: None,
                token: Some(u32::try_from(OURS).expect("small")),
                progress: Progress::Wanted,
            },
        )
        .expect("nothing breaks here");
        let asked = peer.asked.borrow();
        let questions = asked.iter().filter(|request| request.body == br#"{"ours":true}"#).count();
        assert_eq!(questions, 1, "a question is asked once");
        // A byte order mark before a body is forgiven.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut mended = String::new();
        let messages = json_rpc::read_leniently(text, &mut mended).unwrap_or_else(|_| {
            // Of an event with several messages each is heard, up to what is none.
            let parts = json_rpc::parts(text).filter(|_| media == "text/event-stream");
            parts.filter_map(|part| json_rpc::read(part).ok()).flatten().collect()
        });
        let theirs = messages.iter().filter(|message| matches!(message, Incoming::Request { .. })).count();
        assert!(asked.len() <= 1 + theirs, "one reply for each of their questions");
        if let Ok(Answer::Result(result)) = &reply.answer {
            let first = messages.iter().find_map(|message| match message {
                Incoming::Response { id: Some(id), answer } if id.is(OURS) => Some(answer),
                Incoming::Response { id: None, answer: answer @ Answer::Error(_) } => Some(answer),
                _ => None,
            });
            assert!(matches!(first, Some(Answer::Result(ours)) if ours == result), "the first answer that is ours");
        }
    }
}
