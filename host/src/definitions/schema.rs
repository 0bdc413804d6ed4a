//! What two JSON Schemas of objects differ in, as far as a caller is concerned.
//! Takes schemas as they were listed; gives what was added, taken away, or is wanted otherwise, field by field. Looks into objects within
//! objects, and never deeper than a person reads.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Serialize;

use super::canonical::{canonical, sort};
use crate::json::Node;

/// Objects within objects.
const DEEP: usize = 4;
/// Fields of one schema that are looked at.
const FIELDS: usize = 5_000;
/// Bytes of a schema that is looked into: it is read as a tree.
const LARGEST: usize = 1024 * 1024;

/// What happened to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
    /// It has to be there now.
    Required,
    /// It need not be there any more.
    Optional,
    /// Another type of value.
    Type,
    /// Other words.
    Description,
    /// Other values are allowed.
    Values,
    /// Anything else of it, or of the schema where no field is named.
    Other,
}

/// A difference of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FieldChange {
    /// Its name, `outer.inner` in an object within the object; empty: the schema as a whole.
    pub name: String,
    /// What happened to it.
    pub what: What,
    /// Whether it has to be there now, or had to be, for one that is gone.
    pub required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Field {
    kind: String,
    required: bool,
    description: Option<String>,
    values: Option<String>,
    rest: String,
}

type Fields = BTreeMap<String, Field>;

/// What differs, field by field; the schema as a whole where no field tells it.
pub(super) fn changes(old: &str, new: &str) -> Vec<FieldChange> {
    if canonical(old) == canonical(new) {
        return Vec::new();
    }
    let mut all = Vec::new();
    if let (Some((before, _)), Some((now, _))) = (fields(old), fields(new)) {
        for (name, was) in &before {
            match now.get(name) {
                Some(is) => differences(name, was, is, &mut all),
                None => all.push(change(name, What::Removed, was.required, Some(was.kind.clone()), None)),
            }
        }
        for (name, is) in now.iter().filter(|(name, _)| !before.contains_key(*name)) {
            all.push(change(name, What::Added, is.required, None, Some(is.kind.clone())));
        }
    }
    let beside = |schema| fields(schema).map(|(_, beside)| beside);
    if all.is_empty() || beside(old) != beside(new) {
        let whole = |schema| beside(schema).unwrap_or_else(|| canonical(schema).into_owned());
        all.push(change("", What::Other, false, Some(whole(old)), Some(whole(new))));
    }
    all
}

/// Whether arguments that the schema does not name are refused.
pub(super) fn is_closed(schema: &str) -> bool {
    schema.len() <= LARGEST
        && Node::parse(schema)
            .is_some_and(|schema| schema.get("additionalProperties").is_some_and(|more| more.is("false")))
}

fn change(name: &str, what: What, required: bool, old: Option<String>, new: Option<String>) -> FieldChange {
    FieldChange { name: name.to_owned(), what, required, old, new }
}

fn differences(name: &str, was: &Field, is: &Field, all: &mut Vec<FieldChange>) {
    if was.kind != is.kind {
        all.push(change(name, What::Type, is.required, Some(was.kind.clone()), Some(is.kind.clone())));
    }
    match (was.required, is.required) {
        (false, true) => all.push(change(name, What::Required, true, None, None)),
        (true, false) => all.push(change(name, What::Optional, false, None, None)),
        _ => {}
    }
    if was.values != is.values {
        all.push(change(name, What::Values, is.required, was.values.clone(), is.values.clone()));
    }
    if was.description != is.description {
        all.push(change(name, What::Description, is.required, was.description.clone(), is.description.clone()));
    }
    if was.rest != is.rest {
        all.push(change(name, What::Other, is.required, Some(was.rest.clone()), Some(is.rest.clone())));
    }
}

/// The fields of an object, and all of its schema that is about none of them. None: it is no schema of an object that can be looked into.
fn fields(schema: &str) -> Option<(Fields, String)> {
    let node = Node::parse(schema).filter(|_| schema.len() <= LARGEST)?;
    let Node::Object(members) = &node else { return None };
    let mut all = Fields::new();
    collect(&node, "", 0, &mut all);
    let beside = members.iter().filter(|(name, _)| !matches!(name.as_ref(), "properties" | "required" | "type"));
    Some((all, text(&Node::Object(beside.cloned().collect()))))
}

fn collect(schema: &Node<'_>, within: &str, depth: usize, all: &mut Fields) {
    let Some(Node::Object(properties)) = schema.get("properties") else { return };
    let required: Vec<Cow<'_, str>> = match schema.get("required") {
        Some(Node::Array(names)) => names.iter().filter_map(Node::as_str).collect(),
        _ => Vec::new(),
    };
    for (name, of) in properties {
        if all.len() >= FIELDS {
            return;
        }
        let path = if within.is_empty() { name.to_string() } else { format!("{within}.{name}") };
        let looked_into = depth < DEEP && matches!(of.get("properties"), Some(Node::Object(_)));
        let rest = match of {
            Node::Object(members) => {
                let told = |name: &str| {
                    matches!(name, "type" | "description" | "enum" | "const")
                        || (looked_into && matches!(name, "properties" | "required"))
                };
                text(&Node::Object(members.iter().filter(|(name, _)| !told(name)).cloned().collect()))
            }
            other => text(other),
        };
        let field = Field {
            kind: kind(of),
            required: required.contains(name),
            description: of.get("description").and_then(Node::as_str).map(Cow::into_owned),
            values: of.get("enum").or_else(|| of.get("const")).map(text),
            rest,
        };
        all.insert(path.clone(), field);
        if looked_into {
            collect(of, &path, depth + 1, all);
        }
    }
}

/// What kind of value it is, in a word or two.
fn kind(schema: &Node<'_>) -> String {
    let named = match schema.get("type") {
        Some(Node::Array(kinds)) => kinds.iter().filter_map(Node::as_str).collect::<Vec<_>>().join(" or "),
        Some(kind) => kind.as_str().map(Cow::into_owned).unwrap_or_default(),
        None => String::new(),
    };
    if !named.is_empty() {
        return match schema.get("items").filter(|_| named == "array").map(kind) {
            Some(of) if of != ANYTHING => format!("array of {of}"),
            _ => named,
        };
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(Node::Array(kinds)) = schema.get(choice) {
            return kinds.iter().take(8).map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    match schema.get("$ref").and_then(Node::as_str) {
        Some(reference) => reference.into_owned(),
        None => ANYTHING.to_owned(),
    }
}

const ANYTHING: &str = "any value";

fn text(node: &Node<'_>) -> String {
    let mut node = node.clone();
    sort(&mut node);
    let mut out = String::new();
    node.write(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: &str, new: &str) -> Vec<(String, What, bool)> {
        changes(old, new).into_iter().map(|change| (change.name, change.what, change.required)).collect()
    }

    fn one(name: &str, what: What, required: bool) -> (String, What, bool) {
        (name.to_owned(), what, required)
    }

    #[test]
    fn every_argument_tells_what_became_of_it() {
        let old = r#"{"type":"object","required":["b","c"],"properties":{
            "a":{"type":"string"},"b":{"type":"integer"},"c":{},"d":{"enum":["x","y"]},"e":{"type":"string","description":"one"}}}"#;
        let new = r#"{"type":"object","required":["a","to"],"properties":{
            "a":{"type":"string"},"b":{"type":["integer","null"]},"d":{"enum":["x"]},"e":{"type":"string","description":"two"},
            "to":{"type":"string"},"cc":{"type":"array","items":{"type":"string"}}}}"#;
        assert_eq!(
            told(old, new),
            [
                one("a", What::Required, true),
                one("b", What::Type, false),
                one("b", What::Optional, false),
                one("c", What::Removed, true),
                one("d", What::Values, false),
                one("e", What::Description, false),
                one("cc", What::Added, false),
                one("to", What::Added, true),
            ]
        );
        let kinds: Vec<_> = changes(old, new).into_iter().filter_map(|change| change.new).collect();
        assert_eq!(kinds, ["integer or null", r#"["x"]"#, "two", "array of string", "string"]);
    }

    #[test]
    fn objects_within_objects_are_looked_into() {
        let old = r#"{"properties":{"issue":{"type":"object","properties":{"title":{"type":"string"}}}}}"#;
        let new = r#"{"properties":{"issue":{"type":"object","required":["title"],"properties":{"title":{"type":"string"},"x":{}}}}}"#;
        assert_eq!(told(old, new), [one("issue.title", What::Required, true), one("issue.x", What::Added, false)]);
    }

    #[test]
    fn what_no_field_tells_is_told_of_the_whole() {
        for (old, new) in [
            (r#"{"type":"object"}"#, r#"{"type":"object","additionalProperties":false}"#),
            (r#"{"$defs":{"a":{}}}"#, r#"{"$defs":{"a":{"type":"string"}}}"#),
            ("true", "{}"),
            (r#"{"type":"object"}"#, r#"{"type":"array"}"#),
            (r#"{"type":"object"}"#, "no JSON"),
        ] {
            assert_eq!(told(old, new), [one("", What::Other, false)], "{old} {new}");
        }
        assert!(changes(r#"{"a":1,"b":2}"#, r#"{ "b":2, "a":1 }"#).is_empty());
        let (old, new) = (r#"{"properties":{"a":{"minimum":1}}}"#, r#"{"properties":{"a":{"minimum":1.0}}}"#);
        assert_eq!(told(old, new), [one("a", What::Other, false)]);
    }

    #[test]
    fn what_is_deep_or_has_many_fields_is_bounded() {
        let mut deep = String::from("{}");
        for _ in 0..60 {
            deep = format!(r#"{{"type":"object","properties":{{"a":{deep}}}}}"#);
        }
        let other = deep.replacen("{}", r#"{"type":"string"}"#, 1);
        assert_eq!(told(&deep, &other), [one("a.a.a.a.a", What::Other, false)]);
        let many: Vec<String> = (0..20_000).map(|n| format!(r#""p{n}":{{}}"#)).collect();
        let many = format!(r#"{{"properties":{{{}}}}}"#, many.join(","));
        assert!(changes("{}", &many).len() <= FIELDS + 1);
    }
}
