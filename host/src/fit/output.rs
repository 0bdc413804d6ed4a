//! Output schemas that pflow's client can check a result against.
//! Takes a schema; says why it cannot be used. The client checks after the tool ran: an invalid schema turns a result that came into a
//! failure.

use std::collections::HashSet;

use crate::{json::Node, scrub};

/// The types of JSON Schema.
pub(super) const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "array", "object", "null"];

/// Text of a schema at most, in bytes.
const LARGEST: usize = 1024 * 1024;

/// Whether results can be checked against it.
///
/// # Errors
///
/// Why not, in a phrase.
pub fn output(text: &str) -> Result<(), String> {
    if text.len() > LARGEST {
        return Err(format!("it has {} bytes, and at most {LARGEST} are taken", text.len()));
    }
    let root = Node::parse(text).ok_or("it cannot be read")?;
    if !matches!(root, Node::Object(_)) {
        // `true` and `false` are schemas, and pflow's client refuses a whole list for one.
        return Err("it is not an object".to_owned());
    }
    if !describes_objects(&root) {
        // `structuredContent` is an object for every client before 2026-07-28.
        return Err("it describes no object".to_owned());
    }
    let mut names = Names::default();
    names.collect(&root);
    Check { root: &root, names }.schema(&root)
}

fn describes_objects(root: &Node<'_>) -> bool {
    match root.get("type") {
        None => true,
        Some(Node::Array(types)) => types.iter().any(|name| name.as_str().as_deref() == Some("object")),
        // A type that is none is told as that.
        Some(name) => name.as_str().is_none_or(|name| name == "object" || !TYPES.contains(&name.as_ref())),
    }
}

/// What a `$ref` can name besides a path.
#[derive(Default)]
struct Names {
    anchors: HashSet<String>,
    ids: HashSet<String>,
}

impl Names {
    fn collect(&mut self, node: &Node<'_>) {
        match node {
            Node::Object(members) => {
                for (name, value) in members {
                    match (name.as_ref(), value.as_str()) {
                        ("$anchor" | "$dynamicAnchor", Some(anchor)) => {
                            self.anchors.insert(anchor.into_owned());
                        }
                        ("$id" | "id", Some(id)) => {
                            self.ids.insert(id.trim_end_matches('#').to_owned());
                        }
                        _ => self.collect(value),
                    }
                }
            }
            Node::Array(elements) => elements.iter().for_each(|element| self.collect(element)),
            Node::Leaf(_) => {}
        }
    }
}

struct Check<'a> {
    root: &'a Node<'a>,
    names: Names,
}

impl Check<'_> {
    fn schema(&self, node: &Node<'_>) -> Result<(), String> {
        let Node::Object(members) = node else {
            return if node.is("true") || node.is("false") {
                Ok(())
            } else {
                Err("a schema in it is not an object".to_owned())
            };
        };
        members.iter().try_for_each(|(keyword, value)| self.keyword(keyword, value))
    }

    fn keyword(&self, keyword: &str, value: &Node<'_>) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("\"{keyword}\" in it is {what}"));
        let is_number = |node: &Node<'_>| matches!(node, Node::Leaf(json) if json.starts_with(|c: char| c == '-' || c.is_ascii_digit()));
        match (keyword, value) {
            ("type", Node::Array(types)) => types.iter().try_for_each(is_type),
            ("type", name) => is_type(name),
            (
                "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas",
                Node::Object(named),
            ) => named.iter().try_for_each(|(_, schema)| self.schema(schema)),
            ("properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas", _) => {
                wrong("not an object")
            }
            ("allOf" | "anyOf" | "oneOf" | "prefixItems", Node::Array(schemas)) if !schemas.is_empty() => {
                schemas.iter().try_for_each(|schema| self.schema(schema))
            }
            ("allOf" | "anyOf" | "oneOf" | "prefixItems", _) => wrong("not a list of schemas"),
            ("items", Node::Array(schemas)) => schemas.iter().try_for_each(|schema| self.schema(schema)),
            (
                "items"
                | "contains"
                | "propertyNames"
                | "not"
                | "if"
                | "then"
                | "else"
                | "additionalProperties"
                | "unevaluatedProperties"
                | "additionalItems"
                | "unevaluatedItems",
                schema,
            ) => self.schema(schema),
            ("required", Node::Array(names)) if names.iter().all(|name| name.as_str().is_some()) => Ok(()),
            ("required", _) => wrong("not a list of names"),
            ("enum", value) if !matches!(value, Node::Array(_)) => wrong("not a list"),
            (
                "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" | "minLength"
                | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties",
                value,
            ) if !is_number(value) => wrong("not a number"),
            ("pattern" | "format" | "title" | "description" | "$schema", value) if value.as_str().is_none() => {
                wrong("not a text")
            }
            ("$ref" | "$dynamicRef" | "$recursiveRef", value) => match value.as_str() {
                Some(target) => self.reference(&target),
                None => wrong("not a text"),
            },
            _ => Ok(()),
        }
    }

    fn reference(&self, target: &str) -> Result<(), String> {
        let known = match target.strip_prefix('#') {
            Some("") => true,
            Some(path) if path.starts_with('/') => self.stands(path),
            Some(anchor) => self.names.anchors.contains(anchor) || self.names.ids.contains(target),
            None => {
                let document = target.split('#').next().unwrap_or_default();
                // Of the schema language itself, or of a part that has a name of its own.
                let host = document.strip_prefix("https://").or_else(|| document.strip_prefix("http://"));
                host.is_some_and(|rest| rest.starts_with("json-schema.org/"))
                    || self.names.ids.iter().any(|id| id == document || id.ends_with(&format!("/{document}")))
            }
        };
        if known { Ok(()) } else { Err(format!("its $ref \"{}\" does not resolve", scrub::line(target, 100))) }
    }

    /// Whether something stands at the end of a path (RFC 6901).
    fn stands(&self, path: &str) -> bool {
        let mut node = Some(self.root);
        for step in path.split('/').skip(1) {
            let step = percent_decoded(step).replace("~1", "/").replace("~0", "~");
            node = match node {
                Some(Node::Array(elements)) => step.parse::<usize>().ok().and_then(|at| elements.get(at)),
                Some(object) => object.get(&step),
                None => return false,
            };
        }
        node.is_some()
    }
}

fn is_type(name: &Node<'_>) -> Result<(), String> {
    match name.as_str() {
        Some(name) if TYPES.contains(&name.as_ref()) => Ok(()),
        Some(name) => Err(format!("\"{}\" is no type", scrub::line(&name, 60))),
        None => Err("\"type\" in it is not the name of a type".to_owned()),
    }
}

/// `%24defs` is `$defs` in the fragment of a URL.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let code = behind.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match code {
            Some(code) if *first == b'%' => {
                bytes.push(code);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_that_a_result_can_be_checked_against_pass() {
        for good in [
            "{}",
            r#"{"type":"object","properties":{"a":{"type":["number","null"]}},"required":["a"],"x-odd":1}"#,
            r##"{"type":"object","properties":{"root":{"$ref":"#/$defs/Node"}},"$defs":{"Node":{"properties":{"c":{"items":{"$ref":"#/$defs/Node"}}}}}}"##,
            r##"{"$ref":"#","anyOf":[{"type":"object"},true]}"##,
            r##"{"properties":{"a":{"$ref":"#/%24defs/a~1b"}},"$defs":{"a/b":{}}}"##,
            r##"{"properties":{"a":{"$ref":"#here"},"b":{"$ref":"part.json"}},"$defs":{"h":{"$anchor":"here"},"p":{"$id":"part.json"}}}"##,
            r#"{"properties":{"a":{"$ref":"http://json-schema.org/draft-07/schema"}}}"#,
        ] {
            assert_eq!(output(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn schemas_that_are_none_are_named() {
        for (odd, why) in [
            (r#"{"properties":{"a":{"type":"Number|null"}}}"#, "\"Number|null\" is no type"),
            (r##"{"properties":{"a":{"$ref":"#/$defs/Screen"}}}"##, "its $ref \"#/$defs/Screen\" does not resolve"),
            (r#"{"properties":{"a":{"$ref":"other.json#/x"}}}"#, "does not resolve"),
            (r#"{"type":["null","array"],"items":{"type":"integer"}}"#, "it describes no object"),
            (r#"{"type":"array"}"#, "it describes no object"),
            ("true", "it is not an object"),
            ("[]", "it is not an object"),
            (r#"{"properties":[]}"#, "\"properties\" in it is not an object"),
            (r#"{"properties":{"a":null}}"#, "a schema in it is not an object"),
            (r#"{"required":null}"#, "\"required\" in it is not a list of names"),
            (r#"{"properties":{"a":{"required":true}}}"#, "\"required\" in it is not a list of names"),
            (r#"{"anyOf":[]}"#, "\"anyOf\" in it is not a list of schemas"),
            (r#"{"properties":{"a":{"minimum":"0"}}}"#, "\"minimum\" in it is not a number"),
        ] {
            let told = output(odd);
            assert!(told.as_ref().is_err_and(|told| told.contains(why)), "{odd}: {told:?}");
        }
    }
}
