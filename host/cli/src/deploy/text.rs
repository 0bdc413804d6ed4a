//! Values in the files of engines, quoted as each of them reads it.
//! Takes a text; gives it quoted. Must never let a value end its own quotes.

use serde_json::Value;

/// JSON in one line that no quote of a shell, of systemd or of YAML can end: an apostrophe is written as JSON's own escape.
pub(super) fn json(value: &Value) -> String {
    value.to_string().replace('\'', "\\u0027")
}

/// A YAML text, which JSON's is.
pub(super) fn yaml(text: &str) -> String {
    Value::from(text).to_string()
}

/// A TOML text: as JSON's, but for what TOML has no letter for.
pub(super) fn toml(text: &str) -> String {
    Value::from(text).to_string().replace("\\/", "/").replace('\u{7f}', "\\u007F")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn no_value_ends_its_quotes() {
        let odd = json!({"a": "it's \"\\ \n ${X} # é"});
        let text = super::json(&odd);
        assert!(!text.contains(['\'', '\n']), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default(), odd);
        assert_eq!(super::yaml("a: \"b\" # c"), r#""a: \"b\" # c""#);
        assert_eq!(super::toml("a\u{7f}b"), r#""a\u007Fb""#);
    }
}
