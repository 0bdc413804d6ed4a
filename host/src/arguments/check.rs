//! Arguments against the schema of a tool.
//! Takes both; gives what is surely wrong. What a keyword means that is not known here, and what would take long to find out, is not
//! wrong: the tool itself will say.

use std::collections::HashMap;

use super::{
    Names, Problem, near,
    schema::{Schema, names, plain, text},
    shown,
};
use crate::{
    json::{Json, Node},
    scrub,
};

/// Schemas that are looked at for one call. A gateway may write one that takes for ever.
const BUDGET: usize = 100_000;
/// Schemas inside of each other.
const DEEPEST: usize = 200;
/// Where the arguments themselves are.
const TOP: &str = "";
/// Problems that are collected.
const MOST: usize = 20;

impl Schema<'_> {
    /// What is wrong with these arguments.
    pub(super) fn check(&self, arguments: &Json, names: Names) -> Vec<Problem> {
        let Some(value) = Node::parse(arguments.get()) else { return Vec::new() };
        let mut check = Check { schema: self, left: BUDGET, problems: Vec::new() };
        check.top(&value, names);
        check.problems
    }

    /// Whether arguments may have names that are not in `properties`, as far as this can be told.
    fn open(&self, names: Names) -> bool {
        const ELSEWHERE: [&str; 9] = [
            "patternProperties",
            "allOf",
            "anyOf",
            "oneOf",
            "if",
            "not",
            "dependentSchemas",
            "$ref",
            "unevaluatedProperties",
        ];
        let top = self.top();
        match top.get("additionalProperties") {
            _ if ELSEWHERE.iter().any(|keyword| top.get(keyword).is_some()) => true,
            Some(others) if others.is("false") => false,
            Some(_) => true,
            None => names == Names::Json || top.get("properties").is_none(),
        }
    }
}

struct Check<'s, 'a> {
    schema: &'s Schema<'a>,
    left: usize,
    problems: Vec<Problem>,
}

impl<'s> Check<'s, '_> {
    fn wrong(&mut self, at: &str, must: &str, value: &Node<'_>) {
        let words = format!("{} must be {must}, and is {}", place(at), shown(&text(value)));
        self.tell(Problem::Wrong(words));
    }

    fn tell(&mut self, problem: Problem) {
        if self.problems.len() < MOST && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn top(&mut self, value: &Node<'_>, given_as: Names) {
        let Node::Object(given) = value else { return };
        let schema = self.schema;
        let arguments = schema.arguments();
        let known: Vec<&str> = arguments.iter().map(|argument| argument.name).collect();
        for name in names(schema.top()) {
            if value.get(&name).is_none() {
                self.tell(Problem::Missing(name.into_owned()));
            }
        }
        if !schema.open(given_as) {
            for (name, _) in given.iter().filter(|(name, _)| !known.contains(&name.as_ref())).take(MOST) {
                // One that is given already was not meant.
                let free: Vec<&str> = known.iter().copied().filter(|known| value.get(known).is_none()).collect();
                self.tell(Problem::Unknown(name.to_string(), near(name, &free)));
            }
        }
        for argument in &arguments {
            let Some(value) = value.get(argument.name) else { continue };
            // Many programs write null for what they leave out, and most tools take it so.
            if value.is("null") && !argument.required {
                continue;
            }
            self.value(argument.schema, value, argument.name, 0);
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            self.combined(keyword, schema.top(), value, TOP, 0);
        }
    }

    fn value(&mut self, schema: &'s Node<'s>, value: &Node<'_>, at: &str, depth: usize) {
        let Some(left) = self.left.checked_sub(1).filter(|_| depth < DEEPEST) else { return };
        self.left = left;
        let schema = self.schema.follow(schema);
        if schema.is("false") {
            return self.tell(Problem::Wrong(format!("{} must not be given", place(at))));
        }
        let types = self.schema.types(schema);
        if !types.is_empty() && !types.iter().any(|name| is_of(value, name)) {
            let kind = self.schema.kind(schema);
            return self.wrong(at, &article(&kind), value);
        }
        if let Some(Node::Array(values)) = schema.get("enum")
            && !values.iter().any(|one| same(one, value))
        {
            let all: Vec<String> = values.iter().take(20).map(|value| plain(&text(value)).into_owned()).collect();
            let near = value.as_str().and_then(|word| near(&word, &all.iter().map(String::as_str).collect::<Vec<_>>()));
            let near = near.map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
            return self.wrong(at, &format!("one of {}{near}", scrub::line(&all.join(", "), 200)), value);
        }
        if let Some(one) = schema.get("const")
            && !same(one, value)
        {
            return self.wrong(at, &shown(&text(one)), value);
        }
        self.bounds(schema, value, at);
        let deeper = depth.saturating_add(1);
        for keyword in ["allOf", "anyOf", "oneOf"] {
            self.combined(keyword, schema, value, at, deeper);
        }
        match value {
            Node::Array(elements) => {
                let Some(items) = schema.get("items").filter(|items| !matches!(items, Node::Array(_))) else { return };
                if schema.get("prefixItems").is_some() {
                    return;
                }
                for (index, element) in elements.iter().enumerate() {
                    self.value(items, element, &format!("{at}[{index}]"), deeper);
                }
            }
            Node::Object(_) => self.object(schema, value, at, deeper),
            Node::Leaf(_) => {}
        }
    }

    fn object(&mut self, schema: &'s Node<'s>, value: &Node<'_>, at: &str, depth: usize) {
        let Node::Object(given) = value else { return };
        for name in names(schema) {
            if value.get(&name).is_none() {
                self.tell(Problem::Missing(inside(at, &name)));
            }
        }
        let members: HashMap<&str, &'s Node<'s>> =
            self.schema.members(schema).into_iter().map(|member| (member.name, member.schema)).collect();
        let closed = schema.get("additionalProperties").is_some_and(|others| others.is("false"))
            && ["patternProperties", "$ref"].iter().all(|keyword| schema.get(keyword).is_none());
        for (name, value) in given {
            match members.get(name.as_ref()) {
                Some(schema) => self.value(schema, value, &inside(at, name), depth),
                None if closed => {
                    let known: Vec<&str> = members.keys().copied().collect();
                    let near = near(name, &known).map(|near| inside(at, &near));
                    self.tell(Problem::Unknown(inside(at, name), near));
                }
                None => {}
            }
        }
    }

    /// `allOf`: each has to fit. `anyOf` and `oneOf`: one has to; that no second one does is left to the tool.
    fn combined(&mut self, keyword: &str, schema: &'s Node<'s>, value: &Node<'_>, at: &str, depth: usize) {
        let Some(Node::Array(parts)) = schema.get(keyword) else { return };
        if keyword == "allOf" {
            for part in parts {
                self.value(part, value, at, depth);
            }
            return;
        }
        for part in parts {
            let mut check = Check { schema: self.schema, left: self.left, problems: Vec::new() };
            check.value(part, value, at, depth);
            self.left = check.left;
            // What could not be looked at fits.
            if check.problems.is_empty() || self.left == 0 {
                return;
            }
        }
        if !parts.is_empty() {
            if matches!(value, Node::Leaf(_)) {
                let kind = self.schema.kind(schema);
                return self.wrong(at, &article(&kind), value);
            }
            self.tell(Problem::Wrong(format!("{} fit none of the alternatives that the tool allows", place(at))));
        }
    }

    fn bounds(&mut self, schema: &Node<'_>, value: &Node<'_>, at: &str) {
        let bound = |name: &str| schema.get(name).and_then(number);
        if let Some(number) = number(value) {
            for (keyword, holds, must) in [
                ("minimum", bound("minimum").is_none_or(|least| number >= least), "at least"),
                ("maximum", bound("maximum").is_none_or(|most| number <= most), "at most"),
                ("exclusiveMinimum", bound("exclusiveMinimum").is_none_or(|least| number > least), "more than"),
                ("exclusiveMaximum", bound("exclusiveMaximum").is_none_or(|most| number < most), "less than"),
            ] {
                if !holds {
                    let limit = schema.get(keyword).map(text).unwrap_or_default();
                    self.wrong(at, &format!("{must} {limit}"), value);
                }
            }
            return;
        }
        let (size, least, most, thing) = match value {
            Node::Array(elements) => (elements.len(), "minItems", "maxItems", "items"),
            Node::Leaf(_) => match value.as_str() {
                Some(words) => (words.chars().count(), "minLength", "maxLength", "characters"),
                None => return,
            },
            Node::Object(_) => return,
        };
        // Sizes that matter fit into any number.
        #[expect(clippy::cast_precision_loss, reason = "a text of 2^53 characters is none that anybody has")]
        let size = size as f64;
        for (keyword, holds, must) in [
            (least, bound(least).is_none_or(|least| size >= least), "at least"),
            (most, bound(most).is_none_or(|most| size <= most), "at most"),
        ] {
            if !holds {
                let limit = schema.get(keyword).map(text).unwrap_or_default();
                let words = format!("{} must have {must} {limit} {thing}, and has {size}", place(at));
                self.tell(Problem::Wrong(words));
            }
        }
    }
}

/// Where a value stands, in a sentence.
fn place(at: &str) -> String {
    if at == TOP { "the arguments".to_owned() } else { scrub::line(at, 100) }
}

/// `where.x`
fn inside(at: &str, name: &str) -> String {
    if at == TOP { name.to_owned() } else { format!("{at}.{name}") }
}

/// `an integer`, `one of "a" | "b"`, `a string or null`.
pub(super) fn article(kind: &str) -> String {
    match kind {
        "any" => "anything".to_owned(),
        "null" => "null".to_owned(),
        list if list.ends_with("[]") && (list.starts_with('(') || !list.contains(" | ")) => format!("a list ({list})"),
        kind if kind.starts_with('"') => format!("one of {}", kind.replace(" | ", ", ")),
        kind => {
            let an = kind.starts_with(['a', 'e', 'i', 'o']);
            format!("{} {}", if an { "an" } else { "a" }, kind.replace(" | ", " or "))
        }
    }
}

fn number(node: &Node<'_>) -> Option<f64> {
    match node {
        Node::Leaf(json) if is_number(json) => json.parse().ok(),
        _ => None,
    }
}

fn is_number(json: &str) -> bool {
    json.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// Whether a number has no fraction, whatever its size: JSON Schema takes `1.0` and `1e3` for integers.
pub(super) fn is_integer(json: &str) -> bool {
    is_number(json)
        && (!json.contains(['.', 'e', 'E']) || json.parse::<f64>().is_ok_and(|number| number.fract() == 0.0))
}

fn is_of(value: &Node<'_>, kind: &str) -> bool {
    match (kind, value) {
        ("object", Node::Object(_)) | ("array", Node::Array(_)) => true,
        ("string", Node::Leaf(json)) => json.starts_with('"'),
        ("number", Node::Leaf(json)) => is_number(json),
        ("integer", Node::Leaf(json)) => is_integer(json),
        ("boolean", Node::Leaf(json)) => json == "true" || json == "false",
        ("null", Node::Leaf(json)) => json == "null",
        ("object" | "array" | "string" | "number" | "integer" | "boolean" | "null", _) => false,
        // A type that JSON Schema does not have forbids nothing.
        _ => true,
    }
}

/// Whether two values are one, digits aside.
fn same(one: &Node<'_>, other: &Node<'_>) -> bool {
    match (one, other) {
        (Node::Array(one), Node::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Node::Object(members), Node::Object(others)) => {
            members.len() == others.len()
                && members.iter().all(|(name, value)| other.get(name).is_some_and(|other| same(value, other)))
        }
        (Node::Leaf(a), Node::Leaf(b)) => {
            a == b
                || one.as_str().is_some_and(|one| other.as_str() == Some(one))
                || number(one).is_some_and(|one| number(other) == Some(one))
        }
        _ => false,
    }
}
