//! Types in words, as programmers write them.
//! Takes a schema; gives a short text. Never follows a schema into itself for long.

use super::schema::{Schema, text};
use crate::{json::Node, scrub};

/// Lists of lists of choices, at most.
const DEEPEST: usize = 4;
/// Values of an enum, and choices, that are shown.
const VALUES: usize = 8;
/// Schemas that are looked at for one argument.
const LOOKS: usize = 200;
/// One value, in characters.
const VALUE: usize = 40;

/// `string`, `"a" | "b"`, `(integer | null)[]`, `any`.
pub(super) fn words<'s>(schema: &'s Schema<'_>, node: &'s Node<'s>) -> String {
    let mut choices = Vec::new();
    collect(schema, node, 0, &mut choices, &mut { LOOKS });
    joined(&choices)
}

fn joined(choices: &[String]) -> String {
    if choices.is_empty() {
        return "any".to_owned();
    }
    let mut words = choices.iter().take(VALUES).cloned().collect::<Vec<_>>().join(" | ");
    if choices.len() > VALUES {
        words.push_str(" | …");
    }
    words
}

fn collect<'s>(schema: &'s Schema<'_>, node: &'s Node<'s>, depth: usize, choices: &mut Vec<String>, left: &mut usize) {
    let mut add = |words: String| {
        if !choices.contains(&words) && choices.len() <= VALUES {
            choices.push(words);
        }
    };
    *left = left.saturating_sub(1);
    if depth > DEEPEST || *left == 0 {
        return add("any".to_owned());
    }
    let node = schema.follow(node);
    let values = match (node.get("enum"), node.get("const")) {
        (Some(Node::Array(values)), _) => values.as_slice(),
        (_, Some(one)) => std::slice::from_ref(one),
        _ => &[],
    };
    if !values.is_empty() {
        return values.iter().for_each(|value| add(scrub::line(&text(value), VALUE)));
    }
    let types = schema.types(node);
    for name in &types {
        if name == "array" {
            let inner = node.get("items").map_or_else(
                || "any".to_owned(),
                |items| {
                    let mut inner = Vec::new();
                    collect(schema, items, depth.saturating_add(1), &mut inner, left);
                    if inner.len() > 1 { format!("({})", joined(&inner)) } else { joined(&inner) }
                },
            );
            add(format!("{inner}[]"));
        } else {
            add(scrub::line(name, VALUE));
        }
    }
    if types.is_empty() {
        let alternatives = schema.choices(node);
        if alternatives.is_empty() {
            add(if node.get("properties").is_some() { "object" } else { "any" }.to_owned());
        }
        for one in alternatives.iter().take(VALUES.saturating_add(1)) {
            collect(schema, one, depth.saturating_add(1), choices, left);
        }
    }
}
