//! Arguments as a person types them: `city=Lisbon`, `days:=3`, `body=@letter.txt`.
//! Takes words, and a schema that says what a text stands for; gives JSON. `=` is a text, unless the schema wants something else; `:=` is
//! JSON. Never changes a digit, and never guesses where the schema says nothing.

use super::{
    Problem,
    check::{article, is_integer},
    schema::{Argument, Schema, plain},
    shown,
};
use crate::{
    json::{Json, Node, NotJson, quote},
    scrub,
};

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// `name=text`
    Text(String, String),
    /// `name:=json`
    Json(String, String),
    /// `name=@file`
    TextFile(String, String),
    /// `name:=@file`
    JsonFile(String, String),
}

impl Word {
    /// One word as it was typed. None: it is no argument.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        let (name, value) = word.split_once('=')?;
        let (name, json) = name.strip_suffix(':').map_or((name, false), |name| (name, true));
        if name.is_empty() {
            return None;
        }
        let name = name.to_owned();
        Some(match (value.strip_prefix('@'), json) {
            (Some(rest), false) if rest.starts_with('@') => Self::Text(name, rest.to_owned()),
            (Some(file), false) => Self::TextFile(name, file.to_owned()),
            (Some(file), true) => Self::JsonFile(name, file.to_owned()),
            (None, false) => Self::Text(name, value.to_owned()),
            (None, true) => Self::Json(name, value.to_owned()),
        })
    }
}

/// Arguments by name: a text, or JSON. Files are read.
#[derive(Clone, Debug, Default)]
pub struct Words {
    given: Vec<(String, Value)>,
}

#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Json(Json),
}

impl Words {
    /// An argument that is a text.
    pub fn text(&mut self, name: String, text: String) {
        self.given.push((name, Value::Text(text)));
    }

    /// An argument that is JSON.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn json(&mut self, name: String, text: String) -> Result<(), NotJson> {
        self.given.push((name, Value::Json(Json::parse(text)?)));
        Ok(())
    }

    /// A name that was given twice.
    #[must_use]
    pub fn twice(&self) -> Option<&str> {
        let names = || self.given.iter().map(|(name, _)| name.as_str());
        names().enumerate().find(|(at, name)| names().take(*at).any(|known| known == *name)).map(|(_, name)| name)
    }

    /// The arguments as an object.
    pub(super) fn arguments(&self, schema: Option<&Schema<'_>>) -> Result<Json, Vec<Problem>> {
        let (mut text, mut problems) = (String::from("{"), Vec::new());
        for (name, value) in &self.given {
            let json = match value {
                Value::Json(json) => json.get().to_owned(),
                Value::Text(value) => match meant(schema, name, value) {
                    Ok(json) => json,
                    Err(problem) => {
                        problems.push(problem);
                        continue;
                    }
                },
            };
            if text.len() > 1 {
                text.push(',');
            }
            quote(name, &mut text);
            text.push(':');
            text.push_str(&json);
        }
        text.push('}');
        if problems.is_empty() { Ok(Json::trusted(text)) } else { Err(problems) }
    }
}

fn string(text: &str) -> String {
    let mut json = String::new();
    quote(text, &mut json);
    json
}

/// What a text stands for, by the schema of its argument.
fn meant(schema: Option<&Schema<'_>>, name: &str, value: &str) -> Result<String, Problem> {
    let Some((schema, argument)) = schema.and_then(|schema| Some((schema, schema.argument(name)?))) else {
        return Ok(string(value));
    };
    let mut allowed = Allowed::default();
    allowed.collect(schema, argument.schema, 0);
    if allowed.anything {
        return Ok(string(value));
    }
    // Of a list of values the one that reads so.
    if let Some(one) = allowed.values.iter().find(|one| plain(one) == value) {
        return Ok(one.clone());
    }
    let has = |kind: &str| allowed.types.iter().any(|known| known == kind);
    let json = Json::parse(value.to_owned()).ok();
    let json = json.as_ref().map(Json::get);
    let fits = |json: &str| {
        (has("integer") && is_integer(json))
            || (has("number") && json.starts_with(|first: char| first == '-' || first.is_ascii_digit()))
            || (has("boolean") && matches!(json, "true" | "false"))
            || (has("array") && json.starts_with('['))
            || (has("object") && json.starts_with('{'))
            // Where a text is one of the choices, the word null is one.
            || (has("null") && !has("string") && json == "null")
    };
    if let Some(json) = json.map(str::trim)
        && fits(json)
    {
        return Ok(json.to_owned());
    }
    if has("string") || !allowed.values.is_empty() || allowed.types.is_empty() {
        // What is no value of the list is told by the check, which knows all of them.
        return Ok(string(value));
    }
    Err(Problem::Wrong(refusal(schema, &argument, name, value)))
}

/// `days must be an integer, like days=3, and is "three"`
fn refusal(schema: &Schema<'_>, argument: &Argument<'_>, name: &str, value: &str) -> String {
    let kind = schema.kind(argument.schema);
    let name = scrub::line(name, 100);
    let like = match kind.trim_end_matches(" | null") {
        "integer" => format!("{name}=3"),
        "number" => format!("{name}=2.5"),
        "boolean" => format!("{name}=true or {name}=false"),
        "string[]" => format!("{name}:='[\"a\", \"b\"]'"),
        list if list.ends_with("[]") => format!("{name}:='[…]'"),
        _ => format!("{name}:=JSON"),
    };
    format!("{name} must be {}, like {like}, and is {}", article(&kind), shown(&string(value)))
}

/// Schemas that are looked at for one text. A gateway may write one that takes for ever.
const BUDGET: usize = 1_000;
/// Choices inside of choices.
const DEEPEST: usize = 4;

/// The types and values that a schema allows.
#[derive(Default)]
struct Allowed {
    seen: usize,
    types: Vec<String>,
    values: Vec<String>,
    anything: bool,
}

impl Allowed {
    fn collect<'s>(&mut self, schema: &'s Schema<'_>, node: &'s Node<'s>, depth: usize) {
        self.seen = self.seen.saturating_add(1);
        if depth > DEEPEST || self.seen > BUDGET {
            return;
        }
        let node = schema.follow(node);
        let values = match (node.get("enum"), node.get("const")) {
            (Some(Node::Array(values)), _) => values.as_slice(),
            (_, Some(one)) => std::slice::from_ref(one),
            _ => &[],
        };
        self.values.extend(values.iter().map(super::schema::text));
        let mut types = schema.types(node);
        let choices = schema.choices(node);
        if values.is_empty() && types.is_empty() && choices.is_empty() {
            if node.get("properties").is_some() {
                types.push("object".to_owned());
            } else {
                self.anything = true;
            }
        }
        for name in types {
            if !self.types.contains(&name) {
                self.types.push(name);
            }
        }
        for choice in choices {
            self.collect(schema, choice, depth.saturating_add(1));
        }
    }
}
