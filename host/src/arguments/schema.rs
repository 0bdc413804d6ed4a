//! An input schema, read for the arguments that are in it.
//! Takes JSON Schema as it was listed, mended where pflow's client would need that too; gives arguments. Follows references inside of
//! the schema, and none that lead out of it.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use super::kind;
use crate::{
    fit,
    json::{Node, unquote},
    report::Tool,
};

/// Text of a schema at most, in bytes; a larger one is not looked into.
const LARGEST: usize = 2 * 1024 * 1024;
/// References in a row.
const HOPS: usize = 16;

/// What a tool takes. Anything that says so in a way that is not followed makes it [`open`](Self::open).
pub struct Schema<'a> {
    root: Node<'a>,
}

/// One argument.
pub struct Argument<'s> {
    /// Its name.
    pub name: &'s str,
    /// It has to be given.
    pub required: bool,
    /// Its own schema, references followed.
    pub schema: &'s Node<'s>,
}

impl Argument<'_> {
    /// What the schema says of it, in words.
    pub fn description(&self) -> Option<Cow<'_, str>> {
        self.schema.get("description").and_then(Node::as_str)
    }

    /// A keyword's value, as JSON.
    pub fn keyword(&self, name: &str) -> Option<String> {
        self.schema.get(name).map(text)
    }
}

/// A value as JSON.
pub(super) fn text(node: &Node<'_>) -> String {
    let mut out = String::new();
    node.write(&mut out);
    out
}

impl<'a> Schema<'a> {
    /// The schema of a tool's arguments. None: it cannot be read.
    #[must_use]
    pub fn of(tool: &'a Tool) -> Option<Self> {
        Self::read(tool.input_schema.get())
    }

    /// A schema of objects. None: it is none, or none that can be read.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        if text.len() > LARGEST {
            return None;
        }
        let mut root = Node::parse(text)?;
        if !matches!(root, Node::Object(_)) {
            return None;
        }
        let _ = fit::input(&mut root);
        let schema = Self { root };
        let types = schema.types(schema.top());
        (types.is_empty() || types.iter().any(|name| name == "object")).then_some(schema)
    }

    /// What describes the arguments.
    pub(super) fn top(&self) -> &Node<'_> {
        self.follow(&self.root)
    }

    /// What stands at the end of a reference; the node itself where there is none, or where it leads nowhere.
    pub(super) fn follow<'s>(&'s self, node: &'s Node<'s>) -> &'s Node<'s> {
        let mut at = node;
        for _ in 0..HOPS {
            let target = at.get("$ref").and_then(Node::as_str);
            match target.and_then(|target| self.stands(&target)) {
                Some(next) => at = next,
                None => return at,
            }
        }
        at
    }

    /// `#`, `#/$defs/City`.
    fn stands<'s>(&'s self, target: &str) -> Option<&'s Node<'s>> {
        let path = target.strip_prefix('#').filter(|path| path.is_empty() || path.starts_with('/'))?;
        path.split('/').skip(1).try_fold(&self.root as &Node<'s>, |node, step| {
            let step = step.replace("~1", "/").replace("~0", "~");
            match node {
                Node::Array(elements) => elements.get(step.parse::<usize>().ok()?),
                other => other.get(&step),
            }
        })
    }

    /// The names of the types that a value may have; none: any.
    pub(super) fn types<'s>(&'s self, node: &'s Node<'s>) -> Vec<String> {
        let name = |node: &Node<'_>| node.as_str().map(Cow::into_owned);
        match self.follow(node).get("type") {
            Some(Node::Array(types)) => types.iter().filter_map(name).collect(),
            Some(one) => name(one).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// The schemas of which one has to fit, where it says so.
    pub(super) fn choices<'s>(&'s self, node: &'s Node<'s>) -> &'s [Node<'s>] {
        let node = self.follow(node);
        match node.get("anyOf").or_else(|| node.get("oneOf")) {
            Some(Node::Array(choices)) => choices,
            _ => &[],
        }
    }

    /// The members that an object of this schema has: required ones first, each in the order of the schema.
    #[must_use]
    pub fn members<'s>(&'s self, node: &'s Node<'s>) -> Vec<Argument<'s>> {
        let node = self.follow(node);
        let Some(Node::Object(named)) = node.get("properties") else { return Vec::new() };
        let required: HashSet<Cow<'_, str>> = names(node).into_iter().collect();
        // Of two of one name the last counts, as everywhere.
        let last: HashMap<&str, usize> = named.iter().enumerate().map(|(at, (name, _))| (name.as_ref(), at)).collect();
        let counts = |(at, (name, _)): &(usize, &(Cow<'_, str>, Node<'_>))| last.get(name.as_ref()) == Some(at);
        let mut members: Vec<Argument<'s>> = named
            .iter()
            .enumerate()
            .filter(counts)
            .map(|(_, (name, schema))| Argument {
                name,
                required: required.contains(name),
                schema: self.follow(schema),
            })
            .collect();
        members.sort_by_key(|member| !member.required);
        members
    }

    /// The arguments.
    #[must_use]
    pub fn arguments(&self) -> Vec<Argument<'_>> {
        self.members(self.top())
    }

    /// One argument, by its name.
    pub(super) fn argument(&self, name: &str) -> Option<Argument<'_>> {
        self.arguments().into_iter().find(|argument| argument.name == name)
    }

    /// A type in words: `string`, `"a" | "b"`, `integer[]`.
    #[must_use]
    pub fn kind<'s>(&'s self, node: &'s Node<'s>) -> String {
        kind::words(self, node)
    }

    /// `name(city: string, days?: integer)`
    #[must_use]
    pub fn signature(&self, tool: &str) -> String {
        let arguments: Vec<String> = self
            .arguments()
            .iter()
            .map(|argument| {
                let open = if argument.required { "" } else { "?" };
                format!("{}{open}: {}", argument.name, self.kind(argument.schema))
            })
            .collect();
        format!("{tool}({})", arguments.join(", "))
    }
}

/// What an object of this schema has to have.
pub(super) fn names<'s>(node: &'s Node<'_>) -> Vec<Cow<'s, str>> {
    match node.get("required") {
        Some(Node::Array(names)) => names.iter().filter_map(Node::as_str).collect(),
        _ => Vec::new(),
    }
}

/// A JSON string's text; any other JSON as it is.
pub(crate) fn plain(json: &str) -> Cow<'_, str> {
    unquote(json).unwrap_or(Cow::Borrowed(json))
}
