//! `x-mcp-header` of 2026-07-28: arguments that travel as `Mcp-Param-…` headers too.
//! Takes a tool's input schema and its arguments; gives the headers, or why the schema is invalid.
//! Must not follow any `$ref`, and must not change an argument.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Value, value::RawValue};

/// One argument that is mirrored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// What follows `Mcp-Param-`.
    pub header: String,
    /// The properties that lead to it.
    pub path: Vec<String>,
}

const KEYWORD: &str = "x-mcp-header";
/// Deeper schemas than this are not walked; the JSON reader allows about as much.
const DEPTH: usize = 120;

/// Reads the bindings of a schema.
///
/// # Errors
///
/// A phrase that says which declaration is invalid; such a tool must be dropped.
pub fn scan(schema: &str) -> Result<Vec<Binding>, String> {
    // A search for one byte is several times quicker than for a word, and most schemas have neither.
    let has = |byte: u8, word: &str| schema.as_bytes().contains(&byte) && schema.contains(word);
    if !has(b'-', KEYWORD) && !has(b'\\', "\\u") {
        return Ok(Vec::new());
    }
    let schema: Value = serde_json::from_str(schema).map_err(|_| "its inputSchema cannot be read".to_owned())?;
    let mut found = Vec::new();
    walk(&schema, &mut Vec::new(), Reach::Root, &mut found)?;
    Ok(found)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Root,
    Property,
    /// Below a composition, a condition, an array or a definition.
    Elsewhere,
}

fn walk(schema: &Value, path: &mut Vec<String>, reach: Reach, found: &mut Vec<Binding>) -> Result<(), String> {
    let Value::Object(members) = schema else {
        return Ok(());
    };
    if path.len() > DEPTH {
        return Ok(());
    }
    if let Some(header) = members.get(KEYWORD) {
        let at = path.join(".");
        if reach != Reach::Property {
            return Err(format!("{KEYWORD} at \"{at}\" is not on a property that can be reached directly"));
        }
        let header = header.as_str().ok_or_else(|| format!("{KEYWORD} of \"{at}\" is not a string"))?;
        if !is_token(header) {
            return Err(format!("{KEYWORD} of \"{at}\" is not a header name: {header:?}"));
        }
        if !matches!(members.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean")) {
            return Err(format!("{KEYWORD} of \"{at}\" is on something else than a string, an integer or a boolean"));
        }
        if found.iter().any(|other| other.header.eq_ignore_ascii_case(header)) {
            return Err(format!("{KEYWORD} {header:?} is used twice"));
        }
        found.push(Binding { header: header.to_owned(), path: path.clone() });
    }
    for (keyword, value) in members {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                let inner = if reach == Reach::Elsewhere { reach } else { Reach::Property };
                for (name, property) in properties {
                    path.push(name.clone());
                    walk(property, path, inner, found)?;
                    path.pop();
                }
            }
            ("$defs" | "definitions" | "patternProperties" | "dependentSchemas", Value::Object(schemas)) => {
                for (name, inner) in schemas {
                    path.push(name.clone());
                    walk(inner, path, Reach::Elsewhere, found)?;
                    path.pop();
                }
            }
            // These hold values, not schemas.
            ("default" | "enum" | "const" | "examples" | KEYWORD, _) => {}
            (_, Value::Array(schemas)) => {
                path.push(keyword.clone());
                for inner in schemas {
                    walk(inner, path, Reach::Elsewhere, found)?;
                }
                path.pop();
            }
            (_, inner) => {
                path.push(keyword.clone());
                walk(inner, path, Reach::Elsewhere, found)?;
                path.pop();
            }
        }
    }
    Ok(())
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The headers for a call, of its arguments as they are sent: a number is mirrored digit by digit. Absent and null arguments have none.
#[must_use]
pub fn headers(bindings: &[Binding], arguments: &str) -> Vec<(String, String)> {
    bindings
        .iter()
        .filter_map(|binding| {
            let value = binding.path.iter().try_fold(arguments, |object, name| {
                let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(object).ok()?;
                members.get(name.as_str()).map(|value| value.get())
            })?;
            Some((format!("Mcp-Param-{}", binding.header), encode(&plain(value)?)))
        })
        .collect()
}

fn plain(value: &str) -> Option<String> {
    match value.bytes().next()? {
        b'"' => serde_json::from_str(value).ok(),
        b'n' | b'[' | b'{' => None,
        _ => Some(value.strip_suffix(".0").unwrap_or(value).to_owned()),
    }
}

/// A header value: as it is when that is safe, else as `=?base64?…?=`.
#[must_use]
pub fn encode(text: &str) -> String {
    let visible = text.bytes().all(|byte| byte == b'\t' || (0x20..=0x7e).contains(&byte));
    let trimmed = text.trim() == text;
    let looks_encoded = text.starts_with("=?base64?") && text.ends_with("?=");
    if visible && trimmed && !looks_encoded {
        return text.to_owned();
    }
    format!("=?base64?{}?=", base64(text.as_bytes()))
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0_u32, |group, i| (group << 8) | u32::from(chunk.get(i).copied().unwrap_or(0)));
        for i in 0..4_usize {
            let six = usize::try_from((group >> (18 - 6 * i)) & 63).unwrap_or(0);
            let letter = ALPHABET.get(six).copied().unwrap_or(b'=');
            out.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    fn schema(properties: &Value) -> String {
        json!({"type": "object", "properties": properties}).to_string()
    }

    #[test]
    fn a_schema_without_the_keyword_has_no_headers() {
        assert_eq!(scan(&schema(&json!({"a": {"type": "string"}}))), Ok(vec![]));
    }

    #[test]
    fn the_keyword_is_found_however_it_is_written() {
        let written = schema(&json!({"a": {"type": "string", "x-mcp-header": "A"}}));
        for escaped in ["x-mcp-header", r"x-mcp-h\u0065ader", r"x\u002dmcp\u002dheader"] {
            let found = scan(&written.replace("x-mcp-header", escaped)).unwrap();
            assert_eq!(found.len(), 1, "{escaped}");
        }
    }

    #[test]
    fn arguments_are_mirrored_and_null_or_absent_ones_are_not() {
        let schema = schema(&json!({
            "region": {"type": "string", "x-mcp-header": "Region"},
            "limit": {"type": "integer", "x-mcp-header": "Limit"},
            "dry": {"type": "boolean", "x-mcp-header": "Dry"},
            "gone": {"type": "string", "x-mcp-header": "Gone"},
            "none": {"type": "string", "x-mcp-header": "None"},
            "deep": {"type": "object", "properties": {"x": {"type": "string", "x-mcp-header": "Deep-X"}}},
        }));
        let arguments = json!({"region": "Zürich", "limit": 42, "dry": false, "none": null, "deep": {"x": " y"}});
        let headers = headers(&scan(&schema).unwrap(), &arguments.to_string());
        let pairs: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("Mcp-Param-Region", "=?base64?WsO8cmljaA==?="),
                ("Mcp-Param-Limit", "42"),
                ("Mcp-Param-Dry", "false"),
                ("Mcp-Param-Deep-X", "=?base64?IHk=?="),
            ]
        );
    }

    #[test]
    fn a_number_is_mirrored_digit_by_digit() {
        let bindings = scan(&schema(&json!({"n": {"type": "integer", "x-mcp-header": "N"}}))).unwrap();
        let header = |arguments: &str| headers(&bindings, arguments).pop().map(|(_, value)| value);
        assert_eq!(
            header(r#"{"n":123456789012345678901234567890,"x":1e400}"#).as_deref(),
            Some("123456789012345678901234567890")
        );
        assert_eq!(header(r#"{"n":7.0}"#).as_deref(), Some("7"));
    }

    #[test]
    fn invalid_declarations_are_refused() {
        for (why, bad) in [
            ("empty", schema(&json!({"a": {"type": "string", "x-mcp-header": ""}}))),
            ("space", schema(&json!({"a": {"type": "string", "x-mcp-header": "a b"}}))),
            ("line end", schema(&json!({"a": {"type": "string", "x-mcp-header": "a\r\nb"}}))),
            ("not ASCII", schema(&json!({"a": {"type": "string", "x-mcp-header": "ä"}}))),
            ("not a string", schema(&json!({"a": {"type": "string", "x-mcp-header": 1}}))),
            ("number", schema(&json!({"a": {"type": "number", "x-mcp-header": "A"}}))),
            ("object", schema(&json!({"a": {"type": "object", "x-mcp-header": "A"}}))),
            ("untyped", schema(&json!({"a": {"x-mcp-header": "A"}}))),
            (
                "twice",
                schema(
                    &json!({"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}}),
                ),
            ),
            ("items", schema(&json!({"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}}))),
            (
                "anyOf",
                json!({"type": "object", "anyOf": [{"properties": {"a": {"type": "string", "x-mcp-header": "A"}}}]})
                    .to_string(),
            ),
            ("$defs", json!({"$defs": {"d": {"type": "string", "x-mcp-header": "A"}}}).to_string()),
            ("root", json!({"type": "object", "x-mcp-header": "A"}).to_string()),
        ] {
            assert!(scan(&bad).is_err(), "{why}: {bad}");
        }
    }

    #[test]
    fn a_property_may_have_the_keywords_name() {
        assert_eq!(scan(&schema(&json!({"x-mcp-header": {"type": "string"}}))), Ok(vec![]));
        assert_eq!(scan(&schema(&json!({"a": {"type": "string", "default": {"x-mcp-header": "no"}}}))), Ok(vec![]));
    }

    #[test]
    fn values_that_look_encoded_are_encoded_again() {
        assert_eq!(encode("=?base64?eA==?="), "=?base64?PT9iYXNlNjQ/ZUE9PT89?=");
        assert_eq!(encode("plain value"), "plain value");
        assert_eq!(encode("a\nb"), "=?base64?YQpi?=");
    }
}
