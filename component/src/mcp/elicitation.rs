//! Answers to `elicitation/create` (2025-11-25), for nobody is there to ask: the server's own defaults, or a refusal.
//! Takes the request's params; gives a result. Offered only where the user said that the peer is a plain MCP server: Docker's gateway
//! answers `mcp-add` with empty text to clients that offer it. Must not make up a value, nor agree to what has no default.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::object::Object;

/// Whether elicitation is offered to this peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Forms whose every field has a default are filled with it (SEP-1034); the others are declined.
    Defaults,
    /// It is not.
    Nothing,
}

impl Offer {
    /// `capabilities` of `initialize`.
    #[must_use]
    pub fn capabilities(self) -> Value {
        match self {
            Self::Defaults => json!({"elicitation": {"form": {"applyDefaults": true}}}),
            Self::Nothing => json!({}),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    #[serde(default)]
    mode: Option<String>,
    #[serde(default)]
    requested_schema: Option<Schema>,
}

#[derive(Deserialize)]
struct Schema {
    #[serde(default)]
    properties: Map<String, Value>,
}

/// The result that answers a request with these params.
#[must_use]
pub fn answer(params: &str) -> Object {
    match filled(params) {
        Some(content) => Object::default().with("action", "accept").with("content", &content),
        None => decline(),
    }
}

/// Nobody is there to ask.
#[must_use]
pub fn decline() -> Object {
    Object::default().with("action", "decline")
}

fn filled(params: &str) -> Option<Map<String, Value>> {
    let params: Params = serde_json::from_str(params).ok()?;
    if params.mode.is_some_and(|mode| mode != "form") {
        return None;
    }
    let properties = params.requested_schema?.properties;
    // A form without fields asks for consent, and that is nobody's default.
    if properties.is_empty() {
        return None;
    }
    properties.into_iter().map(|(name, field)| field.get("default").cloned().map(|default| (name, default))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(params: &str) -> String {
        serde_json::to_string(&answer(params)).unwrap_or_default()
    }

    fn asked(properties: &Value) -> String {
        answered(&json!({"message": "?", "requestedSchema": {"type": "object", "properties": properties}}).to_string())
    }

    #[test]
    fn a_form_is_filled_with_the_servers_defaults() {
        let form = json!({
            "name": {"type": "string", "default": "x"},
            "age": {"type": "integer", "default": 30},
            "ok": {"type": "boolean", "default": false},
        });
        assert_eq!(asked(&form), r#"{"action":"accept","content":{"name":"x","age":30,"ok":false}}"#);
    }

    #[test]
    fn what_has_no_default_is_declined_as_a_whole() {
        let declined = r#"{"action":"decline"}"#;
        assert_eq!(asked(&json!({"a": {"default": 1}, "b": {"type": "string"}})), declined);
        assert_eq!(asked(&json!({})), declined);
        assert_eq!(answered(r#"{"message":"Sure?"}"#), declined);
        assert_eq!(
            answered(r#"{"mode":"url","url":"https://x.test","requestedSchema":{"properties":{"a":{"default":1}}}}"#),
            declined
        );
        assert_eq!(answered("7"), declined);
    }
}
