//! Arguments that pflow keeps for itself, or that nobody could read, under another name.
//! Takes a tool's input schema; gives one that pflow can fill, and the way back. Never touches any other argument.
//!
//! pflow adds `timeout` and `result_format` to every tool and does not pass them on; the same goes for names that start
//! with `__`. A tool that has such an argument could never be given it. A name with invisible characters is shown with their numbers:
//! a person or a model would take it for another one.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    fmt::Write as _,
};

use crate::{
    json::{Json, Node, members},
    scrub,
};

/// Renamed arguments that a description tells of at most.
const EXPLAINED: usize = 20;

/// Whether pflow swallows an argument of this name.
fn swallowed(name: &str) -> bool {
    name == "timeout" || name == "result_format" || name.starts_with("__") || scrub::is_hidden_name(name)
}

/// Whether a renamed argument could look like this. Most calls have none, and need no look at the catalogue.
pub(super) fn may_be_renamed(name: &str) -> bool {
    name.starts_with("timeout_arg")
        || name.starts_with("result_format_arg")
        || name.starts_with("arg__")
        || is_spelled(name)
}

/// Whether a name has a part like `_u200b_`.
fn is_spelled(name: &str) -> bool {
    name.match_indices("_u").any(|(at, _)| {
        let digits = name.get(at.saturating_add(2)..).unwrap_or_default().split('_').next().unwrap_or_default();
        digits.len() >= 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// The renamed arguments of one tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Renames {
    /// As the tool knows them, in the order of the schema.
    real: Vec<String>,
    /// As pflow sees them, by the tool's name.
    shown: HashMap<String, String>,
    /// The way back.
    back: HashMap<String, String>,
}

impl Renames {
    /// Finds the arguments to rename, and renames them in the schema.
    pub(super) fn apply(schema: &mut Node<'_>) -> Self {
        let mut names = HashSet::new();
        let mut wanted = Vec::new();
        properties(schema, &mut |name| {
            if names.insert(name.to_owned()) && swallowed(name) {
                wanted.push(name.to_owned());
            }
        });
        let mut renames = Self::default();
        for name in wanted {
            let seen = if scrub::is_hidden_name(&name) {
                Cow::Owned(scrub::spelled(&name))
            } else {
                Cow::Borrowed(name.as_str())
            };
            let mut other = match seen {
                Cow::Owned(seen) if !seen.starts_with("__") => seen,
                seen if seen.starts_with("__") => format!("arg{seen}"),
                seen => format!("{seen}_arg"),
            };
            while names.contains(&other) || renames.back.contains_key(&other) {
                other.push_str("_arg");
            }
            renames.shown.insert(name.clone(), other.clone());
            renames.back.insert(other, name.clone());
            renames.real.push(name);
        }
        if !renames.is_empty() {
            renames.rewrite(schema);
        }
        renames
    }

    pub(super) fn is_empty(&self) -> bool {
        self.real.is_empty()
    }

    /// A sentence for the tool's description; empty where there is nothing to say. The names are a gateway's words. What is only spelled out
    /// cannot be called otherwise, so nothing is said of it.
    pub(super) fn explain(&self) -> String {
        let told: Vec<_> = self.real.iter().filter(|real| !scrub::is_hidden_name(real)).collect();
        if told.is_empty() {
            return String::new();
        }
        let mut text = String::from("In pflow, ");
        for (at, real) in told.iter().take(EXPLAINED).enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            let shown = self.shown(real).unwrap_or(real);
            let (real, shown) = (scrub::line(real, 100), scrub::line(shown, 100));
            let _ = write!(text, "{comma}the argument \"{real}\" is called \"{shown}\"");
        }
        let more = told.len().saturating_sub(EXPLAINED);
        if more > 0 {
            let _ = write!(text, ", and {more} more alike");
        }
        text.push('.');
        text
    }

    /// Arguments as the tool knows them.
    pub(super) fn restore(&self, arguments: &Json) -> Json {
        let members = members(arguments.get()).unwrap_or_default();
        Json::from_members(members.iter().map(|(name, value)| {
            let name = self.back.get(name.as_ref()).map_or(name.as_ref(), String::as_str);
            (name, *value)
        }))
    }

    fn shown(&self, name: &str) -> Option<&str> {
        self.shown.get(name).map(String::as_str)
    }

    fn rewrite(&self, schema: &mut Node<'_>) {
        let Node::Object(members) = schema else { return };
        for (keyword, value) in members {
            match (keyword.as_ref(), value) {
                (keyword @ ("properties" | "dependentRequired" | "dependentSchemas"), Node::Object(named)) => {
                    for (name, value) in named {
                        if let Some(shown) = self.shown(name) {
                            *name = Cow::Owned(shown.to_owned());
                        }
                        if keyword == "dependentRequired" {
                            self.rewrite_names(value);
                        }
                    }
                }
                ("required", names) => self.rewrite_names(names),
                (keyword, value) => each_alternative_mut(keyword, value, &mut |part| self.rewrite(part)),
            }
        }
    }

    fn rewrite_names(&self, names: &mut Node<'_>) {
        let Node::Array(names) = names else { return };
        for name in names {
            let shown = name.as_str().and_then(|name| self.shown(&name).map(Node::string));
            if let Some(shown) = shown {
                *name = shown;
            }
        }
    }
}

/// Visits the subschemas that speak of the same object.
fn each_alternative_mut<'a>(keyword: &str, value: &mut Node<'a>, visit: &mut dyn FnMut(&mut Node<'a>)) {
    match (keyword, value) {
        ("allOf" | "anyOf" | "oneOf", Node::Array(parts)) => parts.iter_mut().for_each(visit),
        ("if" | "then" | "else" | "not", part) => visit(part),
        _ => {}
    }
}

/// All names of arguments, those of alternatives too.
fn properties(schema: &Node<'_>, visit: &mut dyn FnMut(&str)) {
    let Node::Object(members) = schema else { return };
    for (keyword, value) in members {
        match (keyword.as_ref(), value) {
            ("properties", Node::Object(named)) => named.iter().for_each(|(name, _)| visit(name)),
            ("allOf" | "anyOf" | "oneOf", Node::Array(parts)) => parts.iter().for_each(|part| properties(part, visit)),
            ("if" | "then" | "else" | "not", part) => properties(part, visit),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use serde_json::{Value, json};

    use super::*;

    fn applied(schema: &Value) -> (Renames, String) {
        let text = schema.to_string();
        let mut tree = Node::parse(&text).unwrap();
        let renames = Renames::apply(&mut tree);
        let mut out = String::new();
        tree.write(&mut out);
        (renames, out)
    }

    #[test]
    fn many_arguments_cost_in_proportion() {
        // 60,000 took 24 s when every name was looked for among all the others.
        let named: serde_json::Map<_, _> = (0..60_000).map(|n| (format!("__a{n}"), json!({}))).collect();
        let (renames, _) = applied(&json!({"properties": named}));
        assert_eq!(renames.real.len(), 60_000);
        assert!(renames.explain().ends_with("and 59980 more alike."));
    }

    #[test]
    fn what_a_gateway_calls_its_arguments_steers_no_terminal() {
        let (renames, _) = applied(&json!({"properties": {"__\u{1b}]0;pwned\u{7}\u{ad}": {}}}));
        assert!(!renames.explain().contains(|c: char| c.is_control() || c == '\u{ad}'), "{:?}", renames.explain());
    }

    #[test]
    fn what_pflow_swallows_is_renamed_everywhere_in_the_schema_and_restored() {
        let schema = json!({
            "type": "object",
            "properties": {
                "timeout": {"type": "integer"}, "timeout_arg": {"type": "string"}, "__dirname": {"type": "string"},
                "text": {"type": "string", "description": "not the timeout"}
            },
            "required": ["timeout", "text"],
            "anyOf": [{"required": ["__dirname"]}, {"properties": {"result_format": {"const": "x"}}}]
        });
        let (renames, out) = applied(&schema);
        assert_eq!(
            serde_json::from_str::<Value>(&out).unwrap(),
            json!({
                "type": "object",
                "properties": {
                    "timeout_arg_arg": {"type": "integer"}, "timeout_arg": {"type": "string"}, "arg__dirname": {"type": "string"},
                    "text": {"type": "string", "description": "not the timeout"}
                },
                "required": ["timeout_arg_arg", "text"],
                "anyOf": [{"required": ["arg__dirname"]}, {"properties": {"result_format_arg": {"const": "x"}}}]
            })
        );
        let given = json!({"timeout_arg_arg": 7, "timeout_arg": "seven", "arg__dirname": "/", "text": "t"});
        assert!(given.as_object().unwrap().keys().filter(|name| *name != "text").all(|name| may_be_renamed(name)));
        assert_eq!(
            renames.restore(&given.into()).to_value(),
            json!({"timeout": 7, "timeout_arg": "seven", "__dirname": "/", "text": "t"})
        );
        assert_eq!(
            renames.explain(),
            "In pflow, the argument \"timeout\" is called \"timeout_arg_arg\", the argument \"__dirname\" is called \"arg__dirname\", \
             the argument \"result_format\" is called \"result_format_arg\"."
        );
    }

    #[test]
    fn a_name_that_nobody_could_read_is_spelled_and_comes_back() {
        let schema = json!({"properties": {"pa\u{200b}th": {}, "path": {}, "__a\u{202e}": {}, "می\u{200c}خواهم": {}}, "required": ["pa\u{200b}th"]});
        let (renames, out) = applied(&schema);
        assert_eq!(
            serde_json::from_str::<Value>(&out).unwrap(),
            json!({"properties": {"pa_u200b_th": {}, "path": {}, "arg__a_u202e_": {}, "می\u{200c}خواهم": {}}, "required": ["pa_u200b_th"]})
        );
        assert!(may_be_renamed("pa_u200b_th") && !may_be_renamed("is_user") && !may_be_renamed("a_uploaded_b"));
        assert_eq!(renames.restore(&json!({"pa_u200b_th": 1}).into()).to_value(), json!({"pa\u{200b}th": 1}));
    }

    #[test]
    fn an_ordinary_schema_stays_byte_for_byte() {
        let schema = json!({"type": "object", "properties": {"timeouts": {}, "_x": {}, "inner": {"properties": {"timeout": {}}}}});
        let (renames, same) = applied(&schema);
        assert!(renames.is_empty());
        assert_eq!(same, schema.to_string());
        for strange in [json!(true), json!(null), json!({"properties": 7, "required": "x", "allOf": {}})] {
            let (renames, same) = applied(&strange);
            assert!(renames.is_empty());
            assert_eq!(same, strange.to_string());
        }
    }
}
