//! The texts in a schema: names of properties, descriptions, values.
//! Takes well-formed JSON; visits each string with the place that it stands in. One pass, and nothing is kept: a schema may be as large as
//! an answer.

/// Visits the strings that may hide something: those with an escape or with more than ASCII, and long ones.
pub(super) fn each(json: &str, visit: &mut impl FnMut(&'static str, &str)) {
    let mut place = "schema";
    let mut rest = json;
    while let Some(start) = rest.find('"') {
        let Some(token) = rest.get(start..).and_then(token) else { return };
        rest = rest.get(start + token.len()..).unwrap_or_default();
        let is_name = rest.trim_start().starts_with(':');
        let inside = token.get(1..token.len().saturating_sub(1)).unwrap_or_default();
        if is_name {
            place = match inside {
                "description" | "title" | "$comment" => "text of the schema",
                "enum" | "const" | "enumNames" | "enumDescriptions" => "list of values in the schema",
                "default" | "examples" => "default or example in the schema",
                _ => "schema",
            };
        }
        if inside.len() > 200 || !inside.is_ascii() || inside.contains('\\') {
            let text: Option<String> = serde_json::from_str(token).ok();
            visit(if is_name { "name of an argument" } else { place }, text.as_deref().unwrap_or(inside));
        }
    }
}

/// The string that this begins with, quotes included.
fn token(text: &str) -> Option<&str> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return text.get(..=at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_string_is_visited_with_its_place() {
        let mut seen = Vec::new();
        let json = r#"{"properties": {"aü" : {"description": "d\u200b", "enum": ["é", "plain", "q\"\\"], "default": "\u0001"}}}"#;
        each(json, &mut |place, text| seen.push((place, text.to_owned())));
        let expected = [
            ("name of an argument", "aü"),
            ("text of the schema", "d\u{200b}"),
            ("list of values in the schema", "é"),
            ("list of values in the schema", "q\"\\"),
            ("default or example in the schema", "\u{1}"),
        ];
        assert_eq!(seen, expected.map(|(place, text)| (place, text.to_owned())));
        each("\"cut", &mut |_, _| unreachable!());
    }
}
