//! An answer, whole.
//! Takes a status and a body; gives both with their headers. Never cached by anybody on the way, unless it says so.

use serde_json::{Value, json};

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200 to 599.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: String,
}

impl Answer {
    /// Nothing but a status.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    /// JSON.
    #[must_use]
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        Self::empty(status).with("Content-Type", "application/json").with("Cache-Control", "no-store").of(body)
    }

    /// Text.
    #[must_use]
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self::empty(status)
            .with("Content-Type", "text/plain; charset=utf-8")
            .with("X-Content-Type-Options", "nosniff")
            .of(body)
    }

    /// Why a request is refused before MCP looks at it.
    #[must_use]
    pub fn refusal(status: u16, message: &str) -> Self {
        let error = json!({"jsonrpc": "2.0", "id": Value::Null, "error": {"code": -32_000, "message": message}});
        Self::json(status, error.to_string())
    }

    /// One message as an event stream that ends with it.
    #[must_use]
    pub fn event(message: &str) -> Self {
        Self::empty(200).with("Content-Type", "text/event-stream").with("Cache-Control", "no-store").of(event(message))
    }

    /// With a header more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn of(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }
}

/// A message as a server-sent event. A line break in JSON is a blank between its parts, never in a text.
#[must_use]
pub fn event(message: &str) -> String {
    format!("event: message\ndata: {}\n\n", message.replace(['\n', '\r'], " "))
}
