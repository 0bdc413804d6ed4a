//! Input schemas that pflow can read.
//! Takes a schema as a tree; makes a schema of everything in it that should be one, and says what it changed. Never loses what a
//! description says, and never touches a schema that is one.

use std::borrow::Cow;

use pflow_gateway_unseen::hides;

use crate::{json::Node, scrub};

/// Mends a schema in place; gives what was changed, a phrase each.
pub(crate) fn input(schema: &mut Node<'_>) -> Vec<String> {
    let mut mender = Mender::default();
    mender.schema(schema, "inputSchema");
    mender.changes
}

#[derive(Default)]
struct Mender {
    changes: Vec<String>,
}

/// What stands where something else should.
fn kind(node: &Node<'_>) -> &'static str {
    match node {
        Node::Object(_) => "an object",
        Node::Array(elements) if elements.is_empty() => "[]",
        Node::Array(_) => "a list",
        Node::Leaf(json) => match json.as_ref() {
            "true" => "true",
            "false" => "false",
            "null" => "null",
            text if text.starts_with('"') => "a text",
            _ => "a number",
        },
    }
}

fn empty<'a>() -> Node<'a> {
    Node::Object(Vec::new())
}

impl Mender {
    fn tell(&mut self, what: &str, was: &Node<'_>, now: &str) {
        self.changes.push(format!("\"{}\" was {}, {now}", scrub::line(what, 60), kind(was)));
    }

    /// Makes a schema of whatever stands where one should; `name` is what it is the schema of.
    fn schema(&mut self, node: &mut Node<'_>, name: &str) {
        let (made, now) = match node {
            Node::Object(_) => return self.keywords(node),
            Node::Leaf(json) if json == "false" => (Node::Object(vec![("not".into(), empty())]), "now {\"not\": {}}"),
            Node::Leaf(json) if json.starts_with('"') => {
                let words = std::mem::replace(node, Node::Array(Vec::new()));
                let is_type = words.as_str().is_some_and(|word| super::output::TYPES.contains(&word.as_ref()));
                let (keyword, now) =
                    if is_type { ("type", "now its type") } else { ("description", "now its description") };
                self.tell(name, &words, now);
                *node = Node::Object(vec![(keyword.into(), words)]);
                return;
            }
            _ => (empty(), "now {}"),
        };
        self.tell(name, node, now);
        *node = made;
    }

    /// Takes out of a text what nobody sees.
    fn clean(&mut self, keyword: &str, text: &mut Node<'_>) {
        let words = text.as_str().map(|words| words.replace("\r\n", "\n"));
        // Marks of direction in a text that needs them stay.
        if let Some(words) = words
            && (hides(&words) || words.contains('\r'))
            && let Cow::Owned(clean) = scrub::text(&words)
            && clean != words
        {
            self.changes.push(format!("\"{keyword}\" had characters that nobody sees, now taken out"));
            *text = Node::string(&clean);
        }
    }

    fn keywords(&mut self, schema: &mut Node<'_>) {
        let Node::Object(members) = schema else { return };
        members.retain_mut(|(keyword, value)| self.keyword(keyword, value));
    }

    /// Mends the value of a keyword. False: it says nothing and is left out.
    fn keyword(&mut self, keyword: &str, value: &mut Node<'_>) -> bool {
        let says_something = match (keyword, &mut *value) {
            (
                "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas",
                Node::Object(named),
            ) => {
                for (name, schema) in named {
                    self.schema(schema, name);
                }
                true
            }
            // PHP writes an empty object so.
            ("properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas", other) => {
                self.tell(keyword, other, "now {}");
                *value = empty();
                true
            }
            ("allOf" | "anyOf" | "oneOf" | "prefixItems" | "items", Node::Array(schemas)) if !schemas.is_empty() => {
                for schema in schemas {
                    self.schema(schema, keyword);
                }
                true
            }
            ("items" | "contains" | "propertyNames" | "not" | "if" | "then" | "else", schema) => {
                self.schema(schema, keyword);
                true
            }
            // Booleans are what is usual there.
            ("additionalProperties" | "unevaluatedProperties" | "additionalItems" | "unevaluatedItems", schema) => {
                if !(schema.is("true") || schema.is("false")) {
                    self.schema(schema, keyword);
                }
                true
            }
            ("required", Node::Array(names)) => {
                let before = names.len();
                names.retain(|name| name.as_str().is_some());
                if names.len() < before {
                    self.changes.push("names in \"required\" that are no texts are left out".to_owned());
                }
                true
            }
            ("required", name) if name.as_str().is_some() => {
                self.tell(keyword, name, "now a list of it");
                let name = std::mem::replace(value, empty());
                *value = Node::Array(vec![name]);
                true
            }
            ("type", Node::Array(types)) => {
                let before = types.len();
                types.retain(|name| name.as_str().is_some());
                if types.len() < before {
                    self.changes.push("names in \"type\" that are no texts are left out".to_owned());
                }
                true
            }
            ("type", name) => name.as_str().is_some(),
            ("enum", values) => matches!(values, Node::Array(_)),
            // Words for people beside the values, as several generators write them.
            ("enumNames" | "enumDescriptions" | "markdownEnumDescriptions", Node::Array(words)) => {
                for word in words {
                    self.clean(keyword, word);
                }
                true
            }
            ("$comment" | "markdownDescription" | "errorMessage", text) => {
                self.clean(keyword, text);
                true
            }
            ("description" | "title", text) if text.as_str().is_none() && !text.is("null") => {
                let mut words = String::new();
                text.write(&mut words);
                self.tell(keyword, text, "now a text");
                *value = Node::string(&words);
                true
            }
            ("description" | "title", text) => {
                let is_text = text.as_str().is_some();
                self.clean(keyword, text);
                is_text
            }
            ("required" | "allOf" | "anyOf" | "oneOf" | "prefixItems", _) => false,
            _ => true,
        };
        if !says_something {
            self.tell(keyword, value, "left out");
        }
        says_something
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    fn mended(text: &str) -> (String, usize) {
        let mut schema = Node::parse(text).unwrap();
        let changes = input(&mut schema);
        let mut out = String::new();
        schema.write(&mut out);
        (out, changes.len())
    }

    #[test]
    fn everything_that_should_be_a_schema_becomes_one() {
        for (odd, fit) in [
            (
                r#"{"properties":{"a":true,"b":false,"c":null,"d":[]}}"#,
                r#"{"properties":{"a":{},"b":{"not":{}},"c":{},"d":{}}}"#,
            ),
            (
                r#"{"properties":{"a":"string","b":"the name"}}"#,
                r#"{"properties":{"a":{"type":"string"},"b":{"description":"the name"}}}"#,
            ),
            (r#"{"properties":[]}"#, r#"{"properties":{}}"#),
            (r#"{"properties":null,"required":null}"#, r#"{"properties":{}}"#),
            (r#"{"required":true}"#, "{}"),
            (r#"{"required":"a"}"#, r#"{"required":["a"]}"#),
            (r#"{"required":["a",null,7]}"#, r#"{"required":["a"]}"#),
            (r#"{"required":{}}"#, "{}"),
            (r#"{"type":null,"enum":null}"#, "{}"),
            (r#"{"type":{"type":"string"}}"#, "{}"),
            (r#"{"type":["string",{}]}"#, r#"{"type":["string"]}"#),
            (r#"{"properties":{"a":{"items":[],"description":null}}}"#, r#"{"properties":{"a":{"items":{}}}}"#),
            (
                r#"{"properties":{"a":{"properties":{"b":{"properties":[],"anyOf":[true,null]}}}}}"#,
                r#"{"properties":{"a":{"properties":{"b":{"properties":{},"anyOf":[{},{}]}}}}}"#,
            ),
            (r#"{"$defs":[],"anyOf":null,"additionalProperties":null}"#, r#"{"$defs":{},"additionalProperties":{}}"#),
            (
                r#"{"properties":{"a":{"description":"x\u001b[2J"}}}"#,
                "{\"properties\":{\"a\":{\"description\":\"x\u{fffd}[2J\"}}}",
            ),
            (r#"{"enum":["a"],"enumNames":["A\u200b"]}"#, "{\"enum\":[\"a\"],\"enumNames\":[\"A\u{fffd}\"]}"),
            (r#"{"description":7.0,"title":{"en":"x"}}"#, r#"{"description":"7.0","title":"{\"en\":\"x\"}"}"#),
        ] {
            let (out, changes) = mended(odd);
            assert_eq!(out, fit, "{odd}");
            assert!(changes > 0, "{odd}: nothing is said");
            assert_eq!(mended(&out), (out, 0), "twice is once");
        }
    }

    #[test]
    fn a_schema_that_is_one_stays_and_says_nothing() {
        for good in [
            "{}",
            r#"{"type":"object","properties":{},"additionalProperties":false}"#,
            r#"{"type":"object","properties":{"a":{},"b":{"type":[]},"c":{"enum":["x",1,null,true]},"d":{"default":25000000000000000001}}}"#,
            r#"{"properties":{"required":{"type":"string"},"properties":{"type":"object"},"type":{"type":"string"}},"required":[]}"#,
            r##"{"$defs":{"Q":{"properties":{}}},"properties":{"q":{"$ref":"#/$defs/Q"}},"const":null,"default":null,"examples":[true,null]}"##,
            r#"{"description":"\u0627\u0633\u0645\u200f","properties":{"a":{"title":"\u2764\ufe0f","enumNames":["\u0645\u06cc\u200c\u062e"]}}}"#,
            r#"{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"x":{"type":"string"}},"items":[{"type":"string"}]}"#,
        ] {
            assert_eq!(mended(good), (good.to_owned(), 0), "{good}");
        }
    }
}
