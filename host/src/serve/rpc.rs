//! JSON-RPC 2.0 as a server meets it on stdio.
//! Takes lines; gives messages whose params are still text, or what to answer to an invalid line. Must never panic on what a
//! client wrote, and never drop a line without a word.

use serde_json::{Value, value::RawValue};

use crate::json::{Json, NotJson, elements, pick, unquote};

/// No JSON.
pub(super) const PARSE_ERROR: i32 = -32_700;
/// JSON, and no request.
pub(super) const INVALID_REQUEST: i32 = -32_600;
/// Nobody knows the method.
pub(super) const METHOD_NOT_FOUND: i32 = -32_601;
/// The method is known, its params are not what it takes.
pub(super) const INVALID_PARAMS: i32 = -32_602;
/// JSON-RPC leaves -32000 to -32099 to servers.
pub(super) const GATEWAY_ERROR: i32 = -32_000;

/// The id of a request, as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(Box<str>);

impl Id {
    /// Where nobody knows which request it was.
    pub(super) fn null() -> Self {
        Self("null".into())
    }

    /// A string or a number; None for anything else.
    pub(super) fn new(json: &str) -> Option<Self> {
        let is_one = json.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit());
        is_one.then(|| Self(json.into()))
    }

    pub(super) fn get(&self) -> &str {
        &self.0
    }
}

/// Why a request is not carried out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) code: i32,
    pub(super) message: String,
    pub(super) data: Option<Value>,
}

impl Fault {
    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }
}

/// What a client sends.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    /// Wants an answer.
    Request { id: Id, method: String, params: Option<Json> },
    /// Wants none.
    Notification { method: String, params: Option<Json> },
    /// An answer. This server asks nothing.
    Response,
}

/// A message, or what to answer instead.
pub(super) type Read = Result<Message, (Id, Fault)>;

/// One line.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// Nothing on it.
    Blank,
    /// One message.
    One(Read),
    /// Several (2025-03-26 only).
    Batch(Vec<Read>),
}

/// Reads a line.
pub(super) fn read(line: Vec<u8>) -> Line {
    let broken = |why: &str| Line::One(Err((Id::null(), Fault::new(PARSE_ERROR, format!("Parse error: {why}")))));
    let Ok(text) = String::from_utf8(line) else {
        return broken("the line is no UTF-8");
    };
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Line::Blank;
    }
    // A byte order mark before the first line is what some shells write.
    let text = if let Some(behind) = text.strip_prefix('\u{feff}') { behind.to_owned() } else { text };
    let json = match Json::parse(text) {
        Ok(json) => json,
        Err(NotJson::Syntax(error)) => return broken(&format!("the line is not valid JSON: {error}")),
        Err(error) => return broken(&error.to_string()),
    };
    let mut batch = Vec::new();
    if elements(json.get(), &mut |message| batch.push(one(message.get()))) {
        return Line::Batch(batch);
    }
    Line::One(one(json.get()))
}

fn one(json: &str) -> Read {
    let invalid = |id: Option<Id>, why: &str| {
        Err((id.unwrap_or_else(Id::null), Fault::new(INVALID_REQUEST, format!("Invalid request: {why}"))))
    };
    let names = ["jsonrpc", "id", "method", "params", "result", "error"];
    let Some([version, id, method, params, result, error]) = pick(json, names) else {
        return invalid(None, "the message is not an object");
    };
    let known = id.and_then(Id::new);
    if version.and_then(unquote).as_deref() != Some("2.0") {
        return invalid(known, "\"jsonrpc\" must be \"2.0\"");
    }
    let Some(method) = method else {
        let answer = result.is_some() || error.is_some();
        return if answer { Ok(Message::Response) } else { invalid(known, "there is no \"method\"") };
    };
    let Some(method) = unquote(method).map(std::borrow::Cow::into_owned) else {
        return invalid(known, "\"method\" must be a string");
    };
    let params = match params {
        None | Some("null") => Ok(None),
        Some(params) if params.starts_with('{') => Ok(RawValue::from_string(params.to_owned()).ok().map(Json::from)),
        Some(_) => Err(()),
    };
    match (id, known, params) {
        (None, _, params) => Ok(Message::Notification { method, params: params.unwrap_or_default() }),
        (Some(_), None, _) => invalid(None, "\"id\" must be a string or a number"),
        (Some(_), Some(id), Ok(params)) => Ok(Message::Request { id, method, params }),
        (Some(_), Some(id), Err(())) => {
            Err((id, Fault::new(INVALID_PARAMS, "Invalid params: \"params\" must be an object")))
        }
    }
}

/// What is sent: pieces, so that a large result is not copied to stand between its braces.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sent(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Json(Json),
}

impl Sent {
    /// The answer to a request.
    pub(super) fn result(id: &Id, result: Json) -> Self {
        let start = format!(r#"{{"jsonrpc":"2.0","id":{},"result":"#, id.get());
        Self(vec![Piece::Text(start), Piece::Json(result), Piece::Text("}".to_owned())])
    }

    /// The refusal of a request.
    pub(super) fn error(id: &Id, fault: &Fault) -> Self {
        let mut error = serde_json::json!({"code": fault.code, "message": fault.message});
        if let (Some(data), Some(error)) = (&fault.data, error.as_object_mut()) {
            error.insert("data".to_owned(), data.clone());
        }
        Self(vec![Piece::Text(format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, id.get()))])
    }

    /// Something that wants no answer.
    pub(super) fn notification(method: &str, params: Option<Json>) -> Self {
        let start = format!(r#"{{"jsonrpc":"2.0","method":"{method}""#);
        Self(match params {
            Some(params) => {
                vec![Piece::Text(start + r#","params":"#), Piece::Json(params), Piece::Text("}".to_owned())]
            }
            None => vec![Piece::Text(start + "}")],
        })
    }

    /// The answers to a batch.
    pub(super) fn batch(answers: Vec<Self>) -> Self {
        let mut pieces = Vec::new();
        for answer in answers {
            let before = if pieces.is_empty() { "[" } else { "," };
            pieces.push(Piece::Text(before.to_owned()));
            pieces.extend(answer.0);
        }
        pieces.push(Piece::Text("]".to_owned()));
        Self(pieces)
    }

    /// The bytes of one line, without its end. A line break can only stand between two values there, where a blank does as well.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().flat_map(|piece| {
            let text = match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Json(json) => json.get(),
            };
            text.split(['\n', '\r']).enumerate().flat_map(|(at, part)| {
                let blank: &[u8] = if at > 0 { b" " } else { b"" };
                [blank, part.as_bytes()]
            })
        })
    }
}

/// The id of a message of which only the beginning and the end are known: it was too long to keep. None: it stands in neither.
pub(super) fn id_of_fragments(start: &[u8], end: &[u8]) -> Option<Id> {
    in_start(start).or_else(|| in_end(end))
}

/// Among the members before the one that was cut.
fn in_start(start: &[u8]) -> Option<Id> {
    let text = String::from_utf8_lossy(start);
    let mut rest = text.trim_start().strip_prefix('{')?;
    loop {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let name = values.next()?.ok()?.get();
        rest = rest.get(values.byte_offset()..)?.trim_start().strip_prefix(':')?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let value = values.next()?.ok()?.get();
        // A number that ends where the text ends may go on.
        rest = rest.get(values.byte_offset()..)?.trim_start().strip_prefix(',')?;
        if name == r#""id""# {
            return Id::new(value);
        }
    }
}

/// The last member: MCP's Python SDK writes the id at the end.
fn in_end(end: &[u8]) -> Option<Id> {
    let text = String::from_utf8_lossy(end);
    let (_, value) = text.trim_end().strip_suffix('}')?.rsplit_once(r#""id":"#)?;
    let value: &RawValue = serde_json::from_str(value).ok()?;
    Id::new(value.get())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on shall stop")]

    use super::*;

    fn read(line: &str) -> Line {
        super::read(line.as_bytes().to_vec())
    }

    fn refused(line: &str) -> (String, i32) {
        match read(line) {
            Line::One(Err((id, fault))) => (id.get().to_owned(), fault.code),
            other => panic!("{line} is {other:?}"),
        }
    }

    #[test]
    fn every_line_is_a_message_blank_or_refused_with_the_id_that_it_has() {
        for (line, id, code) in [
            ("not json", "null", PARSE_ERROR),
            (r#"{"jsonrpc":"2.0","id":1,"method":"#, "null", PARSE_ERROR),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\ud83d"}}"#, "null", PARSE_ERROR),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"} {}"#, "null", PARSE_ERROR),
            ("7", "null", INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0"}"#, "null", INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1}"#, "1", INVALID_REQUEST),
            (r#"{"id":"a","method":"ping"}"#, "\"a\"", INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, "1", INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, "null", INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, "null", INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#, "1", INVALID_PARAMS),
        ] {
            assert_eq!(refused(line), (id.to_owned(), code), "{line}");
        }
        assert_eq!(super::read(vec![b'"', 0xff, b'"']), super::read(vec![0xc3]));
        for blank in ["", "  ", "\r"] {
            assert_eq!(read(blank), Line::Blank);
        }
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), Line::One(Ok(Message::Response)));
    }

    #[test]
    fn params_and_ids_stay_as_they_were_written() {
        let line = r#"{"jsonrpc":"2.0","id":9007199254740993,"method":"a\u0062","params":{"n":1e400,"m":1.0}}"#;
        let Line::One(Ok(Message::Request { id, method, params })) = read(line) else { panic!() };
        assert_eq!((id.get(), method.as_str()), ("9007199254740993", "ab"));
        assert_eq!(params.unwrap().get(), r#"{"n":1e400,"m":1.0}"#);
    }

    #[test]
    fn the_id_of_a_line_that_is_too_long_is_found_at_either_end() {
        let id =
            |start: &str, end: &str| id_of_fragments(start.as_bytes(), end.as_bytes()).map(|id| id.0.into_string());
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":120,"method":"x","params":{"a":"xx"#, "xx").as_deref(), Some("120"));
        assert_eq!(
            id(r#"{"method":"x","params":{"id":7,"a":"xx"#, r#"xx"}},"jsonrpc":"2.0","id":"n-1"}"#).as_deref(),
            Some("\"n-1\"")
        );
        assert_eq!(id(r#"{"method":"x","params":{"a":"xx"#, r#"xx","id":5}}}"#), None, "an argument of that name");
        assert_eq!(id(r#"{"method":"x","params":{"a":"xx"#, r#"\"id\":5}"#), None, "in a text");
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":12"#, "xx"), None, "it may go on");
    }

    #[test]
    fn a_line_that_is_sent_has_no_line_break_in_it() {
        let sent = Sent::result(&Id::new("1").unwrap(), Json::parse("{\n  \"a\": \"x\\ny\"\r\n}".to_owned()).unwrap());
        let bytes: Vec<u8> = sent.chunks().flatten().copied().collect();
        assert_eq!(String::from_utf8(bytes).unwrap(), r#"{"jsonrpc":"2.0","id":1,"result":{   "a": "x\ny"  }}"#);
    }
}
