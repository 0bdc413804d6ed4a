//! What a tool costs a model that is shown it.
//! Takes a tool; gives an estimate in tokens. Never claims to be what one model counts.

use crate::{
    json::{Node, quote},
    report::Tool,
};

/// Bytes of JSON in English that make one token, about, with the tokenizers that are in use.
const BYTES: usize = 4;

/// How it is estimated, for people.
pub const HOW: &str = "an estimate: one token for 4 bytes of name, description and input schema as JSON without blanks; models count differently";

/// The estimate for one tool.
#[must_use]
pub fn tokens(tool: &Tool) -> usize {
    let mut text = String::from("{\"name\":");
    quote(&tool.name, &mut text);
    text.push_str(",\"description\":");
    quote(tool.description.as_deref().unwrap_or_default(), &mut text);
    text.push_str(",\"input_schema\":");
    match Node::parse(tool.input_schema.get()) {
        Some(schema) => schema.write(&mut text),
        None => text.push_str(tool.input_schema.get()),
    }
    text.push('}');
    text.len().div_ceil(BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{json::Json, serve::tests_tool as listed};

    #[test]
    fn blanks_of_a_schema_cost_nothing_and_words_do() {
        let with = |schema: &str| {
            let mut tool = listed("t", None);
            tool.description = None;
            tool.input_schema = Json::trusted(schema.to_owned());
            tokens(&tool)
        };
        // {"name":"t","description":"","input_schema":{"a":1}} has 52 bytes.
        assert_eq!((with("{\"a\":1}"), with("{  \"a\" :\n 1 }")), (13, 13));
        assert!(with("{\"a\":\"a long description of something\"}") > 20);
    }
}
