//! JSON-RPC: one message in, one message out.
//! Takes bytes; gives a message, or the error that answers it. What is a tool's (arguments, results) stays text: digits are not ours to
//! rewrite.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

/// Not JSON.
pub const PARSE_ERROR: i64 = -32_700;
/// JSON, and no request.
pub const INVALID_REQUEST: i64 = -32_600;
/// Nobody does that here.
pub const METHOD_NOT_FOUND: i64 = -32_601;
/// It cannot be done so.
pub const INVALID_PARAMS: i64 = -32_602;
/// The gateway failed; `data` says how.
pub const GATEWAY_ERROR: i64 = -32_000;
/// The session is over.
pub const SESSION_NOT_FOUND: i64 = -32_001;
/// A header says something else than the message.
pub const HEADER_MISMATCH: i64 = -32_020;
/// A revision that is not spoken.
pub const UNSUPPORTED_VERSION: i64 = -32_022;

/// A message of a client.
#[derive(Debug)]
pub struct Message {
    /// JSON of a text or a number. None: a notification.
    pub id: Option<String>,
    /// None: a response.
    pub method: Option<String>,
    /// An object, by member.
    pub params: BTreeMap<String, Box<RawValue>>,
}

/// What answers instead of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// JSON-RPC's.
    pub code: i64,
    /// For a person.
    pub message: String,
    /// For a program.
    pub data: Option<Value>,
}

impl Fault {
    /// Without data.
    #[must_use]
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The response.
    #[must_use]
    pub fn written(&self, id: Option<&str>) -> String {
        let mut error = json!({"code": self.code, "message": self.message});
        if let (Some(data), Some(error)) = (&self.data, error.as_object_mut()) {
            error.insert("data".to_owned(), data.clone());
        }
        format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, id.unwrap_or("null"))
    }
}

/// The response with a result, which is JSON.
#[must_use]
pub fn result(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

impl Message {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// What is wrong with it; a list of messages is none of those that are spoken today.
    pub fn read(body: &[u8]) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Read<'a> {
            jsonrpc: Option<String>,
            #[serde(borrow, default)]
            id: Option<&'a RawValue>,
            method: Option<String>,
            #[serde(borrow, default)]
            params: Option<&'a RawValue>,
        }
        let text =
            std::str::from_utf8(body).map_err(|_| Fault::new(PARSE_ERROR, "Parse error: the body is not UTF-8"))?;
        if text.trim_start().starts_with('[') {
            return Err(Fault::new(INVALID_REQUEST, "Invalid Request: one message at a time, no list of them"));
        }
        let read: Read<'_> = serde_json::from_str(text).map_err(|error| {
            if error.is_data() {
                Fault::new(INVALID_REQUEST, "Invalid Request: no JSON-RPC message")
            } else {
                Fault::new(PARSE_ERROR, format!("Parse error: line {}, column {}", error.line(), error.column()))
            }
        })?;
        if read.jsonrpc.as_deref() != Some("2.0") {
            return Err(Fault::new(INVALID_REQUEST, "Invalid Request: \"jsonrpc\" must be \"2.0\""));
        }
        let id = read.id.map(RawValue::get);
        let fits =
            |id: &str| id.starts_with('"') || id.starts_with('-') || id.starts_with(|c: char| c.is_ascii_digit());
        if id.is_some_and(|id| !fits(id)) {
            return Err(Fault::new(INVALID_REQUEST, "Invalid Request: \"id\" must be text or a number"));
        }
        let params = match read.params.map(RawValue::get) {
            None | Some("null") => BTreeMap::new(),
            Some(params) => serde_json::from_str(params)
                .map_err(|_| Fault::new(INVALID_PARAMS, "Invalid params: \"params\" must be an object"))?,
        };
        Ok(Self { id: id.map(str::to_owned), method: read.method, params })
    }

    /// A parameter, as JSON. Null is none.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(|value| value.get()).filter(|value| *value != "null")
    }

    /// A parameter that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.param(name)?).ok()
    }

    /// `_meta`, by member.
    #[must_use]
    pub fn meta(&self) -> BTreeMap<String, Box<RawValue>> {
        self.param("_meta").and_then(|meta| serde_json::from_str(meta).ok()).unwrap_or_default()
    }
}
