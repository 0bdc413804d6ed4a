//! A call that would pass the check, to show how one is made.
//! Takes a schema; gives words to type, or none where no such call is found. Never shows one that would be refused.

use super::{
    Names, Words,
    schema::{Argument, Schema, plain, text},
};
use crate::json::{Json, Node, quote};

/// Objects inside of objects.
const DEEPEST: usize = 4;
/// Values of one example: a schema may name itself a hundred times.
const VALUES: usize = 1_000;

impl Schema<'_> {
    /// Words for the arguments that are needed, not quoted for a shell yet.
    #[must_use]
    pub fn example(&self) -> Option<Vec<String>> {
        let mut typed = Vec::new();
        let mut words = Words::default();
        let left = &mut { VALUES };
        for argument in self.arguments().iter().filter(|argument| argument.required) {
            let json = value(self, argument.schema, argument.name, 0, left);
            let shown = plain(&json).into_owned();
            let is_text = json.starts_with('"') && !shown.contains(['\n', '\r']) && !shown.starts_with('@');
            let bare = !json.starts_with(['[', '{', '"']);
            // A text or a number is typed as such where that comes to the same.
            let mut alone = Words::default();
            alone.text(argument.name.to_owned(), shown.clone());
            let same = (is_text || bare)
                && alone.arguments(Some(self)).is_ok_and(|object| object.get() == single(argument, &json));
            if same {
                typed.push(format!("{}={shown}", argument.name));
                words.text(argument.name.to_owned(), shown);
            } else {
                typed.push(format!("{}:={json}", argument.name));
                words.json(argument.name.to_owned(), json).ok()?;
            }
        }
        let arguments = words.arguments(Some(self)).ok()?;
        self.check(&arguments, Names::Typed).is_empty().then_some(typed)
    }
}

fn single(argument: &Argument<'_>, json: &str) -> String {
    let mut object = String::from("{");
    quote(argument.name, &mut object);
    object.push(':');
    object.push_str(json);
    object.push('}');
    object
}

/// A value that fits, as well as that is easily found.
fn value<'s>(schema: &'s Schema<'_>, node: &'s Node<'s>, name: &str, depth: usize, left: &mut usize) -> String {
    let Some(less) = left.checked_sub(1) else { return "null".to_owned() };
    *left = less;
    let node = schema.follow(node);
    if let Some(one) = node.get("const") {
        return text(one);
    }
    for keyword in ["default", "examples", "enum"] {
        match node.get(keyword) {
            Some(Node::Array(values)) if keyword != "default" => {
                if let Some(first) = values.first() {
                    return text(first);
                }
            }
            Some(one) if keyword == "default" && !one.is("null") => return text(one),
            _ => {}
        }
    }
    let number = |keyword: &str| node.get(keyword).map(text).filter(|json| Json::parse(json.clone()).is_ok());
    let types = schema.types(node);
    match types.iter().map(String::as_str).find(|kind| *kind != "null") {
        Some("integer" | "number") => number("minimum").unwrap_or_else(|| "1".to_owned()),
        Some("boolean") => "true".to_owned(),
        Some("array") => {
            let least = number("minItems").and_then(|least| least.parse::<usize>().ok()).unwrap_or_default().min(10);
            let inner = node.get("items").filter(|_| depth < DEEPEST);
            let item = inner.map_or_else(
                || "\"…\"".to_owned(),
                |items| value(schema, items, name.strip_suffix('s').unwrap_or(name), depth.saturating_add(1), left),
            );
            format!("[{}]", vec![item; least.max(1)].join(","))
        }
        Some("object") => object(schema, node, depth, left),
        Some("string") => word(node, name),
        _ => match schema.choices(node).first() {
            Some(choice) if depth < DEEPEST => value(schema, choice, name, depth.saturating_add(1), left),
            _ if node.get("properties").is_some() => object(schema, node, depth, left),
            _ => word(node, name),
        },
    }
}

fn object<'s>(schema: &'s Schema<'_>, node: &'s Node<'s>, depth: usize, left: &mut usize) -> String {
    let mut object = String::from("{");
    for member in schema.members(node).iter().filter(|member| member.required) {
        if depth >= DEEPEST || *left == 0 {
            break;
        }
        if object.len() > 1 {
            object.push(',');
        }
        quote(member.name, &mut object);
        object.push(':');
        object.push_str(&value(schema, member.schema, member.name, depth.saturating_add(1), left));
    }
    object.push('}');
    object
}

/// A text that stands for one: the argument's name in capitals.
fn word(node: &Node<'_>, name: &str) -> String {
    let format = node.get("format").and_then(Node::as_str);
    let mut word = match format.as_deref() {
        Some("date") => "2026-01-31".to_owned(),
        Some("date-time") => "2026-01-31T12:00:00Z".to_owned(),
        Some("time") => "12:00:00Z".to_owned(),
        Some("email") => "name@example.com".to_owned(),
        Some("uri" | "url") => "https://example.com".to_owned(),
        Some("uuid") => "00000000-0000-4000-8000-000000000000".to_owned(),
        _ => name.to_uppercase(),
    };
    let bound = |keyword: &str| node.get(keyword).map(text).and_then(|json| json.parse::<usize>().ok());
    let most = bound("maxLength").unwrap_or(usize::MAX);
    if word.chars().count() > most {
        word = word.chars().take(most).collect();
    }
    let least = bound("minLength").unwrap_or_default().min(200);
    let missing = least.saturating_sub(word.chars().count());
    word.extend(std::iter::repeat_n('X', missing));
    let mut json = String::new();
    quote(&word, &mut json);
    json
}
