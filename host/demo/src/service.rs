//! What a demo service is: tools as data, and an answer to a call.
//! Takes arguments that were checked against the tool's parameters; gives JSON. No network, no clock, no randomness.

use std::sync::Arc;

use rmcp::model::{Tool, ToolAnnotations};
use serde_json::{Map, Value, json};

/// Arguments of a call.
pub(super) type Arguments = Map<String, Value>;

/// A backend of the demo gateway.
pub(super) trait Service: Send + Sync + 'static {
    /// Its name, and the prefix of its tools at the gateway.
    fn name(&self) -> &'static str;

    /// All of its tools.
    fn tools(&self) -> &'static [Spec];

    /// Does what the tool says.
    ///
    /// # Errors
    ///
    /// A sentence for the caller: what it asked for does not exist or cannot be done.
    fn call(&self, tool: &str, arguments: &Arguments) -> Result<Value, String>;
}

/// A tool.
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) effect: Effect,
    pub(super) parameters: &'static [Parameter],
}

/// What a tool does to the world; becomes MCP's annotations.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    Reads,
    Adds,
    Changes,
    Destroys,
}

/// One argument of a tool.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) of: Type,
    pub(super) need: Need,
    pub(super) about: &'static str,
}

/// JSON types that the demo uses.
#[derive(Clone, Copy)]
pub(super) enum Type {
    Text,
    Whole,
    Number,
    Texts,
    Choice(&'static [&'static str]),
}

/// Whether an argument may be left out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
}

impl Spec {
    /// As MCP lists it.
    pub(super) fn listed(&self) -> Tool {
        Tool::new(self.name, self.about, Arc::new(self.schema()))
            .with_title(self.title)
            .with_annotations(self.effect.annotations())
    }

    fn schema(&self) -> Map<String, Value> {
        let properties: Map<String, Value> = self
            .parameters
            .iter()
            .map(|parameter| {
                let mut schema = parameter.of.schema();
                schema.insert("description".to_owned(), parameter.about.into());
                (parameter.name.to_owned(), Value::Object(schema))
            })
            .collect();
        let required: Vec<&str> = self
            .parameters
            .iter()
            .filter(|parameter| parameter.need == Need::Required)
            .map(|parameter| parameter.name)
            .collect();
        let mut schema = Map::new();
        schema.insert("type".to_owned(), "object".into());
        schema.insert("properties".to_owned(), Value::Object(properties));
        schema.insert("required".to_owned(), required.into());
        schema
    }

    /// Says what is wrong with these arguments, if anything.
    pub(super) fn check(&self, arguments: &Arguments) -> Result<(), String> {
        for parameter in self.parameters {
            match arguments.get(parameter.name) {
                None | Some(Value::Null) if parameter.need == Need::Required => {
                    return Err(format!(
                        "{} needs the argument \"{}\": {}",
                        self.name, parameter.name, parameter.about
                    ));
                }
                None | Some(Value::Null) => {}
                Some(value) if parameter.of.fits(value) => {}
                Some(value) => {
                    return Err(format!(
                        "{}: the argument \"{}\" must be {}, not {value}",
                        self.name,
                        parameter.name,
                        parameter.of.describe()
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Effect {
    fn annotations(self) -> ToolAnnotations {
        let none = ToolAnnotations::new().open_world(true);
        match self {
            Self::Reads => none.read_only(true),
            Self::Adds => none.read_only(false).destructive(false).idempotent(false),
            Self::Changes => none.read_only(false).destructive(false).idempotent(true),
            Self::Destroys => none.read_only(false).destructive(true).idempotent(true),
        }
    }
}

impl Type {
    fn schema(self) -> Map<String, Value> {
        let schema = match self {
            Self::Text => json!({"type": "string"}),
            Self::Whole => json!({"type": "integer"}),
            Self::Number => json!({"type": "number"}),
            Self::Texts => json!({"type": "array", "items": {"type": "string"}}),
            Self::Choice(of) => json!({"type": "string", "enum": of}),
        };
        match schema {
            Value::Object(schema) => schema,
            _ => Map::new(),
        }
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Whole => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Texts => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
            Self::Choice(of) => value.as_str().is_some_and(|text| of.contains(&text)),
        }
    }

    fn describe(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Whole => "a whole number".to_owned(),
            Self::Number => "a number".to_owned(),
            Self::Texts => "a list of texts".to_owned(),
            Self::Choice(of) => format!("one of {}", of.join(", ")),
        }
    }
}

/// A required argument, for the tables of the services.
pub(super) const fn need(name: &'static str, of: Type, about: &'static str) -> Parameter {
    Parameter { name, of, need: Need::Required, about }
}

/// An optional argument, for the tables of the services.
pub(super) const fn may(name: &'static str, of: Type, about: &'static str) -> Parameter {
    Parameter { name, of, need: Need::Optional, about }
}

/// A text argument; empty when it was left out.
pub(super) fn text<'a>(arguments: &'a Arguments, name: &str) -> &'a str {
    arguments.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A text argument that may be left out.
pub(super) fn maybe_text<'a>(arguments: &'a Arguments, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(Value::as_str)
}

/// A whole number; zero when it was left out.
pub(super) fn whole(arguments: &Arguments, name: &str) -> u64 {
    arguments.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// A list of texts; empty when it was left out.
pub(super) fn texts(arguments: &Arguments, name: &str) -> Vec<String> {
    arguments
        .get(name)
        .and_then(Value::as_array)
        .map(|items| items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    const SPEC: Spec = Spec {
        name: "paint",
        title: "Paint",
        about: "Paints.",
        effect: Effect::Destroys,
        parameters: &[need("colour", Type::Choice(&["red", "blue"]), "Which."), may("coats", Type::Whole, "How many.")],
    };

    fn check(arguments: &Value) -> Result<(), String> {
        SPEC.check(arguments.as_object().unwrap())
    }

    #[test]
    fn arguments_are_checked_by_the_tools_own_table() {
        assert_eq!(check(&json!({"colour": "red", "coats": 2})), Ok(()));
        assert_eq!(check(&json!({"colour": "red", "coats": null})), Ok(()));
        assert_eq!(check(&json!({})).unwrap_err(), "paint needs the argument \"colour\": Which.");
        assert_eq!(
            check(&json!({"colour": "pink"})).unwrap_err(),
            "paint: the argument \"colour\" must be one of red, blue, not \"pink\""
        );
        assert_eq!(
            check(&json!({"colour": "red", "coats": "two"})).unwrap_err(),
            "paint: the argument \"coats\" must be a whole number, not \"two\""
        );
    }

    #[test]
    fn a_tool_is_listed_with_schema_and_annotations() {
        assert_eq!(
            serde_json::to_value(SPEC.listed()).unwrap(),
            json!({
                "name": "paint", "title": "Paint", "description": "Paints.",
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "colour": {"type": "string", "enum": ["red", "blue"], "description": "Which."},
                        "coats": {"type": "integer", "description": "How many."}
                    },
                    "required": ["colour"]
                },
                "annotations": {"readOnlyHint": false, "destructiveHint": true, "idempotentHint": true, "openWorldHint": true}
            })
        );
    }
}
