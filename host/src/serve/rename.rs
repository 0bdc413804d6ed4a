//! Arguments that pflow keeps for itself, under another name.
//! Takes a tool's input schema; gives one that pflow can fill, and the way back. Never touches any other argument.
//!
//! pflow adds `timeout` and `result_format` to every tool and does not pass them on; the same goes for names that start
//! with `__`. A tool that has such an argument could never be given it.

use serde_json::{Map, Value};

/// Whether pflow swallows an argument of this name.
fn swallowed(name: &str) -> bool {
    name == "timeout" || name == "result_format" || name.starts_with("__")
}

/// Whether a renamed argument could look like this. Most calls have none, and need no look at the catalogue.
pub(super) fn may_be_renamed(name: &str) -> bool {
    name.starts_with("timeout_arg") || name.starts_with("result_format_arg") || name.starts_with("arg__")
}

/// The renamed arguments of one tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Renames {
    /// (as the tool knows it, as pflow sees it)
    pairs: Vec<(String, String)>,
}

impl Renames {
    /// Finds the arguments to rename, and renames them in the schema.
    pub(super) fn apply(schema: &mut Value) -> Self {
        let mut names = Vec::new();
        properties(schema, &mut names);
        let mut pairs: Vec<(String, String)> = Vec::new();
        for name in names.iter().filter(|name| swallowed(name)) {
            if pairs.iter().any(|(known, _)| known == name) {
                continue;
            }
            let mut other = if name.starts_with("__") { format!("arg{name}") } else { format!("{name}_arg") };
            while names.contains(&other) || pairs.iter().any(|(_, taken)| *taken == other) {
                other.push_str("_arg");
            }
            pairs.push((name.clone(), other));
        }
        let renames = Self { pairs };
        if !renames.pairs.is_empty() {
            renames.rewrite(schema);
        }
        renames
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// A sentence for the tool's description.
    pub(super) fn explain(&self) -> String {
        let each: Vec<String> =
            self.pairs.iter().map(|(real, shown)| format!("\"{real}\" is called \"{shown}\"")).collect();
        format!("In pflow, the argument {}.", each.join(", the argument "))
    }

    /// Arguments as the tool knows them.
    pub(super) fn restore(&self, arguments: Map<String, Value>) -> Map<String, Value> {
        arguments
            .into_iter()
            .map(|(name, value)| match self.pairs.iter().find(|(_, shown)| *shown == name) {
                Some((real, _)) => (real.clone(), value),
                None => (name, value),
            })
            .collect()
    }

    fn shown(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(real, _)| real == name).map(|(_, shown)| shown.as_str())
    }

    fn rewrite(&self, schema: &mut Value) {
        let Some(object) = schema.as_object_mut() else { return };
        for (keyword, value) in object.iter_mut() {
            match keyword.as_str() {
                "properties" | "dependentRequired" | "dependentSchemas" => {
                    if let Value::Object(members) = value {
                        *members = std::mem::take(members)
                            .into_iter()
                            .map(|(name, value)| (self.shown(&name).map_or(name.clone(), str::to_owned), value))
                            .collect();
                        for (_, dependents) in members.iter_mut().filter(|_| keyword == "dependentRequired") {
                            self.rewrite_names(dependents);
                        }
                    }
                }
                "required" => self.rewrite_names(value),
                _ => each_alternative(keyword, value, &mut |part| self.rewrite(part)),
            }
        }
    }

    fn rewrite_names(&self, names: &mut Value) {
        for name in names.as_array_mut().into_iter().flatten() {
            if let Some(shown) = name.as_str().and_then(|name| self.shown(name)) {
                *name = shown.into();
            }
        }
    }
}

/// Visits the subschemas that speak of the same object.
fn each_alternative(keyword: &str, value: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    match keyword {
        "allOf" | "anyOf" | "oneOf" => value.as_array_mut().into_iter().flatten().for_each(visit),
        "if" | "then" | "else" | "not" => visit(value),
        _ => {}
    }
}

/// All names of arguments, those of alternatives too.
fn properties(schema: &mut Value, names: &mut Vec<String>) {
    let Some(object) = schema.as_object_mut() else { return };
    for (keyword, value) in object.iter_mut() {
        if keyword == "properties" {
            names.extend(value.as_object().into_iter().flat_map(|members| members.keys().cloned()));
        } else {
            each_alternative(keyword, value, &mut |part| properties(part, names));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_pflow_swallows_is_renamed_everywhere_in_the_schema_and_restored() {
        let mut schema = json!({
            "type": "object",
            "properties": {
                "timeout": {"type": "integer"}, "timeout_arg": {"type": "string"}, "__dirname": {"type": "string"},
                "text": {"type": "string", "description": "not the timeout"}
            },
            "required": ["timeout", "text"],
            "anyOf": [{"required": ["__dirname"]}, {"properties": {"result_format": {"const": "x"}}}]
        });
        let renames = Renames::apply(&mut schema);
        assert_eq!(
            schema,
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
            Value::Object(renames.restore(given.as_object().unwrap().clone())),
            json!({"timeout": 7, "timeout_arg": "seven", "__dirname": "/", "text": "t"})
        );
        assert_eq!(
            renames.explain(),
            "In pflow, the argument \"timeout\" is called \"timeout_arg_arg\", the argument \"__dirname\" is called \"arg__dirname\", \
             the argument \"result_format\" is called \"result_format_arg\"."
        );
    }

    #[test]
    fn an_ordinary_schema_stays_byte_for_byte() {
        let schema = json!({"type": "object", "properties": {"timeouts": {}, "_x": {}, "inner": {"properties": {"timeout": {}}}}});
        let mut same = schema.clone();
        assert!(Renames::apply(&mut same).is_empty());
        assert_eq!(same.to_string(), schema.to_string());
        for strange in [json!(true), json!(null), json!({"properties": 7, "required": "x", "allOf": {}})] {
            let mut same = strange.clone();
            assert!(Renames::apply(&mut same).is_empty());
            assert_eq!(same, strange);
        }
    }
}
