//! Input schemas that pflow can read.
//! Takes a schema as a tree; mends what pflow's client stumbles over, and says what it changed. That client looks at the arguments at the
//! top alone, of a schema whose type is `object`: everything else goes through as it was listed, however odd, but for characters in
//! descriptions that nobody sees.

use std::borrow::Cow;

use pflow_gateway_unseen::hides;

use crate::{json::Node, scrub};

/// Changes of one schema that have words.
const WORDED: usize = 50;

/// Mends a schema in place; gives what was changed, a phrase each for the first of them.
pub fn input(schema: &mut Node<'_>) -> Vec<String> {
    let mut mender = Mender::default();
    if !matches!(schema, Node::Object(_)) {
        // A whole list is refused for one schema that is none.
        mender.changes.push(format!("it was {}, now {{\"type\": \"object\"}}", kind(schema)));
        *schema = Node::Object(vec![("type".into(), Node::Leaf("\"object\"".into()))]);
    }
    if schema.get("type").and_then(Node::as_str).as_deref() == Some("object") {
        mender.top(schema);
    }
    mender.words(schema);
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

/// Whether it can be looked up.
fn is_name(node: &Node<'_>) -> bool {
    matches!(node, Node::Leaf(_))
}

fn empty<'a>() -> Node<'a> {
    Node::Object(Vec::new())
}

impl Mender {
    fn tell(&mut self, what: &str, was: &Node<'_>, now: &str) {
        // A schema may need hundreds of thousands; the first are told, the others counted.
        let words = if self.changes.len() < WORDED {
            format!("\"{}\" was {}, {now}", scrub::line(what, 60), kind(was))
        } else {
            String::new()
        };
        self.changes.push(words);
    }

    /// What pflow makes parameters of.
    fn top(&mut self, schema: &mut Node<'_>) {
        let Node::Object(members) = schema else { return };
        members.retain_mut(|(keyword, value)| match (keyword.as_ref(), &mut *value) {
            ("properties", Node::Object(arguments)) => {
                for (name, schema) in arguments {
                    self.argument(schema, name);
                }
                true
            }
            // PHP writes an empty object so.
            ("properties", other) => {
                self.tell(keyword, other, "now {}");
                *value = empty();
                true
            }
            // It asks whether an argument's name is in it: of a list, a text or an object one can ask that.
            ("required", other) => {
                let can_be_asked = matches!(other, Node::Array(_) | Node::Object(_)) || other.as_str().is_some();
                if !can_be_asked {
                    self.tell(keyword, other, "left out");
                }
                can_be_asked
            }
            _ => true,
        });
    }

    /// Makes a schema of whatever stands where an argument's should.
    fn argument(&mut self, node: &mut Node<'_>, name: &str) {
        let (made, now) = match node {
            Node::Object(_) => return self.type_of(node),
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

    /// An argument's type, which is looked up by its name; of a list, by the first name that is not `null`.
    fn type_of(&mut self, argument: &mut Node<'_>) {
        let Node::Object(members) = argument else { return };
        members.retain_mut(|(keyword, value)| match (keyword.as_ref(), &mut *value) {
            ("type", Node::Array(names)) => {
                let before = names.len();
                names.retain(is_name);
                if names.len() < before {
                    self.changes.push("names in \"type\" that are no texts are left out".to_owned());
                }
                true
            }
            ("type", name) if !is_name(name) => {
                self.tell(keyword, name, "left out");
                false
            }
            _ => true,
        });
    }

    /// Takes out of every description what nobody sees and terminals obey.
    fn words(&mut self, schema: &mut Node<'_>) {
        match schema {
            Node::Object(members) => {
                for (keyword, value) in members {
                    match keyword.as_ref() {
                        // Some are words for people beside the values, as several generators write them.
                        "description"
                        | "title"
                        | "$comment"
                        | "markdownDescription"
                        | "errorMessage"
                        | "enumNames"
                        | "enumDescriptions"
                        | "markdownEnumDescriptions" => self.clean(keyword, value),
                        // Values that are no schemas.
                        "enum" | "const" | "default" | "example" | "examples" => {}
                        // What stands in these is named by people: a name is no keyword.
                        "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
                            if let Node::Object(named) = value {
                                for (_, schema) in named {
                                    self.words(schema);
                                }
                            }
                        }
                        _ => self.words(value),
                    }
                }
            }
            Node::Array(elements) => elements.iter_mut().for_each(|element| self.words(element)),
            Node::Leaf(_) => {}
        }
    }

    /// Cleans the text, or those in whatever stands in its place.
    fn clean(&mut self, keyword: &str, value: &mut Node<'_>) {
        match value {
            Node::Object(members) => members.iter_mut().for_each(|(_, value)| self.clean(keyword, value)),
            Node::Array(elements) => elements.iter_mut().for_each(|element| self.clean(keyword, element)),
            Node::Leaf(_) => {
                let Some(words) = value.as_str().map(|words| words.replace("\r\n", "\n")) else { return };
                // Marks of direction in a text that needs them stay.
                if (hides(&words) || words.contains('\r'))
                    && let Cow::Owned(clean) = scrub::text(&words)
                    && clean != words
                {
                    self.changes.push(format!("\"{keyword}\" had invisible characters, which were removed"));
                    *value = Node::string(&clean);
                }
            }
        }
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
    fn what_pflow_stumbles_over_becomes_what_it_can_read() {
        for (odd, fit) in [
            (
                r#"{"type":"object","properties":{"a":true,"b":false,"c":null,"d":[],"e":7}}"#,
                r#"{"type":"object","properties":{"a":{},"b":{"not":{}},"c":{},"d":{},"e":{}}}"#,
            ),
            (
                r#"{"type":"object","properties":{"a":"string","b":"the name"}}"#,
                r#"{"type":"object","properties":{"a":{"type":"string"},"b":{"description":"the name"}}}"#,
            ),
            ("null", r#"{"type":"object"}"#),
            ("[]", r#"{"type":"object"}"#),
            (r#""object""#, r#"{"type":"object"}"#),
            (r#"{"properties":[],"type":"object"}"#, r#"{"properties":{},"type":"object"}"#),
            (r#"{"type":"object","properties":null,"required":null}"#, r#"{"type":"object","properties":{}}"#),
            (r#"{"type":"object","required":true}"#, r#"{"type":"object"}"#),
            (r#"{"type":"object","required":0}"#, r#"{"type":"object"}"#),
            (
                r#"{"type":"object","properties":{"a":{"type":{"type":"string"}},"b":{"type":["string",{},null]}}}"#,
                r#"{"type":"object","properties":{"a":{},"b":{"type":["string",null]}}}"#,
            ),
            (
                r#"{"properties":{"a":{"description":"x\u001b[2J","items":{"title":["y\u0007"]}}}}"#,
                "{\"properties\":{\"a\":{\"description\":\"x\u{fffd}[2J\",\"items\":{\"title\":[\"y\u{fffd}\"]}}}}",
            ),
        ] {
            let (out, changes) = mended(odd);
            assert_eq!(out, fit, "{odd}");
            assert!(changes > 0, "{odd}: nothing is said");
            assert_eq!(mended(&out), (out, 0), "twice is once");
        }
    }

    #[test]
    fn what_pflow_can_read_stays_and_nothing_is_said() {
        for good in [
            "{}",
            r#"{"type":"object","properties":{},"additionalProperties":false}"#,
            r#"{"type":"object","properties":{"a":{},"b":{"type":[]},"c":{"enum":["x",1,null,true]},"d":{"default":25000000000000000001}}}"#,
            r#"{"properties":{"required":{"type":"string"},"properties":{"type":"object"},"type":{"type":"string"}},"required":[]}"#,
            r##"{"$defs":{"Q":{"properties":{}}},"properties":{"q":{"$ref":"#/$defs/Q"}},"const":null,"default":null,"examples":[true,null]}"##,
            r#"{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"x":{"type":"string"}},"items":[{"type":"string"}]}"#,
            r#"{"description":"\u0627\u0633\u0645\u200f","properties":{"a":{"title":"\u2764\ufe0f","enumNames":["\u0645\u06cc\u200c\u062e"]}}}"#,
            // Odd, and where nobody looks.
            r#"{"type":"object","properties":{"a":{"type":"string","required":true,"enum":null}},"required":"a"}"#,
            r#"{"type":"object","properties":{"a":{"type":null,"description":null},"b":{"description":["x"],"title":7.0}},"required":{}}"#,
            r#"{"type":"object","properties":{"a":{"anyOf":[true,null],"items":null,"properties":[]}},"required":["a",null,7]}"#,
            r#"{"type":"object","properties":{"a":{"type":"object","properties":{"b":true,"c":null}}},"additionalProperties":null,"$defs":[]}"#,
            r#"{"type":["object"],"properties":null,"required":false}"#,
            r#"{"properties":{"a":true}}"#,
            r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/Gone"}}}"##,
            r#"{"properties":{"description":{"type":"string"},"title":{"default":"\u0007"}}}"#,
        ] {
            assert_eq!(mended(good), (good.to_owned(), 0), "{good}");
        }
    }
}
