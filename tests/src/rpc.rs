//! JSON-RPC messages.
//! Takes ids, results, codes; gives values. Never knows HTTP.

use serde_json::{Value, json};

/// A good response.
#[must_use]
pub fn result(id: &Value, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

/// An error response.
#[must_use]
pub fn error(id: &Value, code: i64, message: impl AsRef<str>) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message.as_ref()}})
}

/// An error response with data.
#[must_use]
pub fn error_with(id: &Value, code: i64, message: impl AsRef<str>, data: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message.as_ref(), "data": data}})
}

/// A request.
#[must_use]
pub fn request(id: impl Into<Value>, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

/// A notification.
#[must_use]
pub fn notification(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

/// The result of a tool: one text.
#[must_use]
pub fn text(text: impl AsRef<str>) -> Value {
    json!({"content": [{"type": "text", "text": text.as_ref()}]})
}

/// The result of a tool that failed: one text.
#[must_use]
pub fn failed(text: impl AsRef<str>) -> Value {
    json!({"content": [{"type": "text", "text": text.as_ref()}], "isError": true})
}
