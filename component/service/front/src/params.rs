//! Arguments that a client mirrors into `Mcp-Param-…` headers (2026-07-28), because the tool's schema marks them with `x-mcp-header`.
//! Takes the schema, the arguments and the request; gives the header that does not say what the body says. Whoever routed by the header must
//! not have been fooled: <https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http>. What the gateway is
//! sent, the gateway component derives from the body alone.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Value, value::RawValue};

use crate::request::{Request, plain};

const KEYWORD: &str = "x-mcp-header";
/// Deeper schemas are not walked; the JSON reader allows about as much.
const DEPTH: usize = 120;
/// From here on a float stands for several integers.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The name of a header that is missing though the argument is there, that is there though the argument is not, or that says another value.
#[must_use]
pub fn contradiction(schema: &str, arguments: &str, request: &Request) -> Option<String> {
    if !schema.contains(KEYWORD) && !schema.contains("\\u") {
        return None;
    }
    let schema: Value = serde_json::from_str(schema).ok()?;
    let mut marked = Vec::new();
    walk(&schema, &mut Vec::new(), &mut marked);
    marked.into_iter().find_map(|(header, kind, path)| {
        let name = format!("Mcp-Param-{header}");
        let said = request.header(&name).map(plain);
        let agree = match value(arguments, &path) {
            // A header that comes twice, or is no text, says nothing that could be the same.
            None => !request.has(&name),
            Some(value) => said.flatten().is_some_and(|said| same(kind, &said, &value)),
        };
        (!agree).then_some(name)
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Boolean,
}

/// Marks that count: on properties that are reached by properties alone. Others make the tool invalid, and whoever reads it drops it.
fn walk(schema: &Value, path: &mut Vec<String>, marked: &mut Vec<(String, Kind, Vec<String>)>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    if path.len() > DEPTH {
        return;
    }
    for (name, property) in properties {
        path.push(name.clone());
        let kind = match property.get("type").and_then(Value::as_str) {
            Some("string") => Some(Kind::Text),
            Some("integer") => Some(Kind::Integer),
            Some("boolean") => Some(Kind::Boolean),
            _ => None,
        };
        if let (Some(header), Some(kind)) = (property.get(KEYWORD).and_then(Value::as_str), kind) {
            marked.push((header.to_owned(), kind, path.clone()));
        }
        walk(property, path, marked);
        path.pop();
    }
}

/// The argument as text, digit by digit; none where it is absent or null, and then there is no header.
fn value(arguments: &str, path: &[String]) -> Option<String> {
    let found = path.iter().try_fold(arguments, |object, name| {
        let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(object).ok()?;
        members.get(name.as_str()).map(|value| value.get())
    })?;
    match found.bytes().next()? {
        b'"' => serde_json::from_str(found).ok(),
        b'n' => None,
        _ => Some(found.to_owned()),
    }
}

fn same(kind: Kind, said: &str, value: &str) -> bool {
    if said == value {
        return true;
    }
    // 42.0 is 42; but digits that a float cannot hold must be the same digits.
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.abs() < EXACT);
    kind == Kind::Integer
        && matches!((number(said), number(value)), (Some(one), Some(other)) if one.total_cmp(&other).is_eq())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> String {
        json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "limit": {"type": "integer", "x-mcp-header": "Limit"},
            "deep": {"type": "object", "properties": {"dry": {"type": "boolean", "x-mcp-header": "Dry"}}},
            "list": {"type": "array", "items": {"type": "string", "x-mcp-header": "Not-Reached"}},
            "other": {"type": "string"},
        }})
        .to_string()
    }

    fn wrong(arguments: &Value, headers: &[(&str, &str)]) -> Option<String> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        contradiction(&schema(), &arguments.to_string(), &Request { headers, ..Request::default() })
    }

    #[test]
    fn headers_that_say_what_the_body_says_pass_however_they_are_written() {
        assert_eq!(wrong(&json!({}), &[]), None);
        assert_eq!(wrong(&json!({"region": null, "other": "x"}), &[]), None);
        assert_eq!(
            wrong(
                &json!({"region": "eu", "limit": 42, "deep": {"dry": true}}),
                &[("mcp-param-region", "eu"), ("MCP-PARAM-LIMIT", "42.0"), ("Mcp-Param-Dry", "true")]
            ),
            None
        );
        assert_eq!(wrong(&json!({"region": "Zürich"}), &[("Mcp-Param-Region", "=?base64?WsO8cmljaA==?=")]), None);
        assert_eq!(wrong(&json!({}), &[("Mcp-Param-Of-Nobody", "x")]), None, "who does not know it passes it over");
        assert_eq!(wrong(&json!({"list": ["x"]}), &[]), None, "a mark that cannot be reached is none");
    }

    #[test]
    fn headers_that_are_missing_made_up_or_other_are_told() {
        let region = Some("Mcp-Param-Region".to_owned());
        for (arguments, headers) in [
            (json!({"region": "eu"}), vec![]),
            (json!({"region": "eu"}), vec![("Mcp-Param-Region", "us")]),
            (json!({"region": "eu"}), vec![("Mcp-Param-Region", "EU")]),
            (json!({"region": "eu"}), vec![("Mcp-Param-Region", "eu"), ("mcp-param-region", "eu")]),
            (json!({"region": "eu"}), vec![("Mcp-Param-Region", "=?base64?!!?=")]),
            (json!({"region": 5}), vec![("Mcp-Param-Region", "5.0")]),
            (json!({}), vec![("Mcp-Param-Region", "eu")]),
            (json!({"region": null}), vec![("Mcp-Param-Region", "null")]),
        ] {
            assert_eq!(wrong(&arguments, &headers), region, "{arguments} {headers:?}");
        }
        assert_eq!(wrong(&json!({"limit": 1}), &[("Mcp-Param-Limit", "2")]), Some("Mcp-Param-Limit".to_owned()));
        assert_eq!(
            wrong(&json!({"limit": 9_007_199_254_740_993_i64}), &[("Mcp-Param-Limit", "9007199254740992")]),
            Some("Mcp-Param-Limit".to_owned()),
            "two numbers that a float takes for one"
        );
    }
}
