//! JSON-RPC 2.0 messages, as far as a client meets them.
//! Takes and gives text; what is open in MCP (params, results) stays text. Must never panic on what a peer wrote.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, de};
use serde_json::value::RawValue;

use super::object::Object;
use crate::model::Json;

/// A message from the peer.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// The answer to a request of ours.
    Response {
        /// The id it answers. None: the peer could not read ours.
        id: Option<Id<'a>>,
        /// What it says.
        answer: Answer,
    },
    /// The peer asks something.
    Request {
        /// To be repeated in the answer, as it came.
        id: &'a RawValue,
        /// What it asks.
        method: Cow<'a, str>,
        /// The details.
        params: Option<&'a RawValue>,
    },
    /// The peer tells something.
    Notification {
        /// What it tells.
        method: Cow<'a, str>,
        /// The details.
        params: Option<&'a RawValue>,
    },
}

/// A result, or an error.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The result, an object, as text. Not checked in depth: whoever passes it on does, with [`is_json`].
    Result(Json),
    /// The error.
    Error(RpcFault),
}

/// The `error` member.
#[derive(Clone, Debug, Deserialize)]
pub struct RpcFault {
    /// By the specification an integer. Anything else counts as 0.
    #[serde(default, deserialize_with = "lenient_code")]
    pub code: i64,
    /// What the peer says. Some leave it out.
    #[serde(default)]
    pub message: String,
    /// More, open.
    #[serde(default)]
    pub data: Option<Box<RawValue>>,
}

/// An id, as text of JSON.
#[derive(Clone, Debug)]
pub struct Id<'a>(&'a RawValue);

impl Id<'_> {
    /// Whether it is the id of our request.
    #[must_use]
    pub fn is(&self, ours: u64) -> bool {
        is_number(self.0, ours)
    }
}

/// Whether a value is this number of ours. Peers write it back as a string, as a float (`3.0`), or with an exponent (`1.5e+3`).
#[must_use]
pub fn is_number(value: &RawValue, ours: u64) -> bool {
    let text = value.get().trim_matches('"').trim();
    if let Ok(theirs) = text.parse::<u64>() {
        return theirs == ours;
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::float_cmp,
        reason = "ids are below 2^31, and nothing but equal counts"
    )]
    text.parse::<f64>().is_ok_and(|theirs| theirs == ours as f64)
}

/// Whether a text is JSON with this id and is no request, whatever else it is.
#[must_use]
pub fn answers(text: &str, ours: u64) -> bool {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
        #[serde(borrow, default)]
        method: Option<&'a RawValue>,
    }
    serde_json::from_str::<Named<'_>>(text).is_ok_and(|named| named.method.is_none() && is_number(named.id, ours))
}

/// The JSON values of a text that is not one value as a whole: line by line, and several in a line.
pub fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| {
        serde_json::Deserializer::from_str(line).into_iter::<&RawValue>().map_while(Result::ok).map(RawValue::get)
    })
}

#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<RpcFault>,
}

fn present<'de, D: de::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

fn lenient_code<'de, D: de::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let code = serde_json::Value::deserialize(deserializer)?;
    Ok(code.as_i64().or_else(|| code.as_str().and_then(|text| text.parse().ok())).unwrap_or(0))
}

/// Why a text is no JSON-RPC message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not JSON at all.
    #[error("invalid JSON: {0}")]
    Json(String),
    /// JSON, and something else.
    #[error("JSON, but not JSON-RPC: {0}")]
    Shape(&'static str),
}

/// Reads a body or the data of an event: one message, or a batch (2025-03-26 only).
///
/// # Errors
///
/// The text is not JSON, or a message is neither response, request nor notification.
pub fn read(text: &str) -> Result<Vec<Incoming<'_>>, Malformed> {
    if text.trim_start().starts_with('[') {
        let batch: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| Malformed::Json(error.to_string()))?;
        return batch.into_iter().map(|message| one(message.get())).collect();
    }
    one(text).map(|message| vec![message])
}

/// The same, where numbers that JSON does not have are taken for strings; `mended` then holds the text as it was read.
///
/// # Errors
///
/// As [`read`].
pub fn read_leniently<'a>(text: &'a str, mended: &'a mut String) -> Result<Vec<Incoming<'a>>, Malformed> {
    match read(text) {
        Err(Malformed::Json(problem)) => match without_odd_numbers(text) {
            Some(fit) => {
                *mended = fit;
                read(mended)
            }
            None => Err(Malformed::Json(problem)),
        },
        other => other,
    }
}

/// The text with the numbers that JSON does not have (`NaN`, `Infinity`, `-Infinity`) as strings, as Protocol Buffers write them: Python's
/// encoder writes them, and its decoder, like others, takes them. None: there are none.
#[must_use]
pub fn without_odd_numbers(text: &str) -> Option<String> {
    if !ODD_NUMBERS.iter().any(|odd| text.contains(odd)) {
        return None;
    }
    let mut out = String::with_capacity(text.len() + 64);
    let (mut rest, mut changed) = (text, false);
    while let Some(at) = rest.find(['"', 'N', 'I', '-']) {
        let (plain, from) = rest.split_at(at);
        out.push_str(plain);
        let token = if from.starts_with('"') {
            string_at(from)
        } else if let Some(odd) = ODD_NUMBERS.iter().find(|odd| from.starts_with(**odd)) {
            changed = true;
            out.push('"');
            out.push_str(odd);
            out.push('"');
            rest = from.get(odd.len()..).unwrap_or_default();
            continue;
        } else {
            from.get(..1).unwrap_or_default()
        };
        out.push_str(token);
        rest = from.get(token.len()..).unwrap_or_default();
    }
    out.push_str(rest);
    changed.then_some(out)
}

const ODD_NUMBERS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// The string that a text begins with, quotes included.
fn string_at(text: &str) -> &str {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    // Quotes are ASCII: behind one is no half letter.
    end.and_then(|end| text.get(..end + 2)).unwrap_or(text)
}

fn one(text: &str) -> Result<Incoming<'_>, Malformed> {
    let shape: Shape<'_> = serde_json::from_str(text).map_err(|error| {
        if error.is_data() && is_json(text) {
            Malformed::Shape("its members have other types")
        } else {
            Malformed::Json(error.to_string())
        }
    })?;
    let id = shape.id.filter(|id| id.get() != "null");
    if let Some(method) = shape.method {
        return Ok(match id {
            Some(id) => Incoming::Request { id, method, params: shape.params },
            None => Incoming::Notification { method, params: shape.params },
        });
    }
    // An empty `error` beside a result is what some servers send.
    let answer = match (shape.result, shape.error) {
        (Some(result), None) => object(result)?,
        (Some(result), Some(fault)) if fault.code == 0 && fault.message.is_empty() => object(result)?,
        (_, Some(fault)) => Answer::Error(fault),
        (None, None) => return Err(Malformed::Shape("it has no method, no result and no error")),
    };
    Ok(Incoming::Response { id: id.map(Id), answer })
}

fn object(result: &RawValue) -> Result<Answer, Malformed> {
    if !result.get().starts_with('{') {
        return Err(Malformed::Shape("its result is not an object"));
    }
    Ok(Answer::Result(result.get().to_owned()))
}

/// Levels of arrays and objects that every parser takes.
const DEEPEST: usize = 127;

/// Whether the text is one JSON value that every parser accepts: `RawValue` lets lone surrogates and any depth pass. Numbers are nobody's
/// business here: `1e400` is one.
#[must_use]
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok_and(is_sound)
}

/// The same of what is JSON by its grammar.
#[must_use]
pub fn is_sound(value: &RawValue) -> bool {
    let text = value.get();
    // Most values escape nothing, and have too few brackets to be deep: what counts both needs no look at what they mean.
    let (brackets, escapes) = text.bytes().fold((0_usize, 0_usize), |(brackets, escapes): (usize, usize), byte| {
        // `[` and `{` differ in this bit alone.
        (brackets.wrapping_add(usize::from(byte | 0x20 == b'{')), escapes.wrapping_add(usize::from(byte == b'\\')))
    });
    if brackets <= DEEPEST && escapes == 0 {
        return true;
    }
    let mut depth = 0_usize;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' if !whole_characters(&mut bytes) => return false,
            _ => {}
        }
        if depth > DEEPEST {
            return false;
        }
    }
    true
}

/// Reads a string to its end. False: it holds half of a surrogate pair.
fn whole_characters(bytes: &mut std::str::Bytes<'_>) -> bool {
    let mut half = false;
    while let Some(byte) = bytes.next() {
        let unit = match byte {
            b'\\' => match bytes.next() {
                Some(b'u') => bytes
                    .by_ref()
                    .take(4)
                    .fold(0_u32, |unit, digit| (unit << 4) | char::from(digit).to_digit(16).unwrap_or_default()),
                _ => 0,
            },
            b'"' => return !half,
            _ => 0,
        };
        half = match (half, unit) {
            (false, 0xD800..=0xDBFF) => true,
            (true, 0xDC00..=0xDFFF) => false,
            (true, _) | (false, 0xDC00..=0xDFFF) => return false,
            (false, _) => false,
        };
    }
    true
}

/// Whether the text is a JSON object that every parser accepts.
#[must_use]
pub fn is_object(text: &str) -> bool {
    as_object(text).is_some()
}

/// The text as a JSON object that every parser accepts.
#[must_use]
pub fn as_object(text: &str) -> Option<&RawValue> {
    (text.trim_start().starts_with('{') && is_json(text)).then(|| serde_json::from_str(text).ok()).flatten()
}

/// What is sent: a request, a notification or an answer, by the members that it has.
#[derive(Serialize)]
struct Message<'a> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Refusal>,
}

#[derive(Serialize)]
struct Refusal {
    code: i64,
    message: &'static str,
}

impl Message<'_> {
    const EMPTY: Self = Self { jsonrpc: "2.0", id: None, method: None, params: None, result: None, error: None };

    /// Members of strings, numbers and JSON always serialize.
    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// A request.
#[must_use]
pub fn request(id: u64, method: &str, params: &Object) -> Vec<u8> {
    let id = serde_json::value::to_raw_value(&id).ok();
    Message { id: id.as_deref(), method: Some(method), params: Some(params), ..Message::EMPTY }.bytes()
}

/// A notification.
#[must_use]
pub fn notification(method: &str, params: Option<&Object>) -> Vec<u8> {
    Message { method: Some(method), params, ..Message::EMPTY }.bytes()
}

/// The answer to a request of the peer.
#[must_use]
pub fn reply(id: &RawValue, result: &Object) -> Vec<u8> {
    Message { id: Some(id), result: Some(result), ..Message::EMPTY }.bytes()
}

/// The refusal of a request of the peer (-32601).
#[must_use]
pub fn refuse(id: &RawValue) -> Vec<u8> {
    let error = Some(Refusal { code: -32_601, message: "this client does not support it" });
    Message { id: Some(id), error, ..Message::EMPTY }.bytes()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn answer(text: &str) -> Answer {
        match read(text).unwrap().remove(0) {
            Incoming::Response { answer, .. } => answer,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_result_keeps_its_text() {
        let Answer::Result(text) = answer(r#"{"jsonrpc":"2.0","id":1,"result":{"b":1.50,"a":"\u00e4"}}"#) else {
            unreachable!()
        };
        assert_eq!(text, r#"{"b":1.50,"a":"\u00e4"}"#);
    }

    #[test]
    fn ids_are_recognised_as_number_string_whole_float_or_with_an_exponent() {
        for text in ["1500", "\"1500\"", "1500.0", "1.5e+3", "1.5E3", "\"1.5e3\""] {
            let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
            assert!(Id(&raw).is(1500), "{text}");
            assert!(!Id(&raw).is(1501), "{text}");
        }
        for text in ["1500.5", "\"x\"", "null", "[1500]", "\"\"", "-1500", "1e999"] {
            let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
            assert!(!Id(&raw).is(1500), "{text}");
        }
    }

    #[test]
    fn an_error_without_code_or_message_is_still_an_error() {
        let Answer::Error(fault) = answer(r#"{"jsonrpc":"2.0","id":null,"error":{"code":"x"}}"#) else {
            unreachable!()
        };
        assert_eq!((fault.code, fault.message.as_str()), (0, ""));
    }

    #[test]
    fn a_null_error_beside_a_result_is_no_error() {
        assert!(matches!(answer(r#"{"id":1,"result":{},"error":null}"#), Answer::Result(_)));
    }

    #[test]
    fn a_batch_is_read_message_by_message() {
        let text = r#"[{"method":"notifications/x"},{"id":"p","method":"ping"},{"id":1,"result":{}}]"#;
        let batch = read(text).unwrap();
        assert!(matches!(
            batch.as_slice(),
            [Incoming::Notification { .. }, Incoming::Request { .. }, Incoming::Response { .. }]
        ));
    }

    #[test]
    fn what_is_not_json_rpc_is_told_from_what_is_not_json() {
        assert!(matches!(read(r#"{"status":"ok"}"#), Err(Malformed::Shape(_))));
        assert!(matches!(read(r#""hello""#), Err(Malformed::Shape(_))));
        assert!(matches!(read(r#"{"id":1,"result":[]}"#), Err(Malformed::Shape(_))));
        assert!(matches!(read("<html>"), Err(Malformed::Json(_))));
        assert!(matches!(read(r#"{"id":1,"result":{"#), Err(Malformed::Json(_))));
    }

    #[test]
    fn what_other_parsers_refuse_is_not_json_here() {
        assert!(is_json(r#"{"a":["\u00e4",1.5,null,true,1e400,123456789012345678901234567890,"[{\\\"\ud83d\ude00"]}"#));
        assert!(!is_json(r#"{"a":"\ud800"}"#));
        assert!(!is_json(&format!("{}{}", "[".repeat(200), "]".repeat(200))));
        assert!(!is_object("[]") && !is_object("{} {}"));
    }

    #[test]
    fn numbers_that_json_does_not_have_become_strings_outside_of_strings_alone() {
        for (odd, fit) in [
            (r#"{"a":NaN,"b":[-Infinity,Infinity,-1,"x"]}"#, r#"{"a":"NaN","b":["-Infinity","Infinity",-1,"x"]}"#),
            (r#"{"NaN \" NaN":"\\","N":NaN}"#, r#"{"NaN \" NaN":"\\","N":"NaN"}"#),
        ] {
            let mended = without_odd_numbers(odd).unwrap();
            assert_eq!(mended, fit);
            assert!(is_json(&mended) && !is_json(odd));
            assert_eq!(without_odd_numbers(&mended), None, "there is nothing left");
        }
        for good in [r#"{"a":"NaN"}"#, "{}", r#"{"Infinity":-1}"#, "\"NaN"] {
            assert_eq!(without_odd_numbers(good), None, "{good}");
        }
    }

    #[test]
    fn replies_repeat_the_id_as_it_came() {
        let id: Box<RawValue> = serde_json::from_str("\"a-1\"").unwrap();
        assert_eq!(reply(&id, &Object::default()), br#"{"jsonrpc":"2.0","id":"a-1","result":{}}"#);
        assert!(String::from_utf8(refuse(&id)).unwrap().contains("-32601"));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,200}", odd in r#"(NaN|-?Infinity|"|\\\\|ä|[-NI]|,){0,20}"#) {
            let _ = (read(&text), without_odd_numbers(&text), without_odd_numbers(&odd));
        }

        #[test]
        fn almost_messages_are_survived(text in r#"[\[{"]?(\{|\}|"id"|"result"|"error"|"method"|:|,|1|null|"x"|\[|\]| ){0,30}"#) {
            let _ = read(&text);
        }

        #[test]
        fn what_we_write_is_read_as_what_it_is(id in "(-?[1-9][0-9]{0,12}|\"[a-z0-9 -]{0,12}\")", method in "[a-z/]{1,20}") {
            let id: Box<RawValue> = serde_json::from_str(&id).unwrap();
            for (written, good) in [(reply(&id, &Object::default()), true), (refuse(&id), false)] {
                let text = String::from_utf8(written).unwrap();
                let read = read(&text).unwrap();
                let same = matches!(
                    read.as_slice(),
                    [Incoming::Response { id: Some(again), answer }]
                        if again.0.get() == id.get() && matches!(answer, Answer::Result(_)) == good
                );
                prop_assert!(same, "{}", text);
            }
            let text = String::from_utf8(notification(&method, None)).unwrap();
            let read = read(&text).unwrap();
            let same = matches!(read.as_slice(), [Incoming::Notification { method: again, params: None }] if *again == method);
            prop_assert!(same, "{}", text);
        }

        #[test]
        fn requests_are_json(id: u64, method in ".{0,20}") {
            let text = request(id, &method, &Object::default());
            let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
            prop_assert_eq!(value.get("method").and_then(|m| m.as_str()), Some(method.as_str()));
        }
    }
}
