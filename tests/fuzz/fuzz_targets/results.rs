//! Results of calls, as pflow gets them: JSON that its client takes, that keeps what was said, and that never turns a failure into a success.

use pflow_gateway::fuzzing::call_result;
use serde_json::Value;

/// One input.
pub fn run(text: &str) {
    for ok in [true, false] {
        let Some(sent) = call_result(text, ok) else { return };
        // No more than what came, our own words and quotes: a text may become a block.
        assert!(sent.len() <= text.len() * 13 + 4_096, "{} of {}", sent.len(), text.len());
        let Ok(value) = serde_json::from_str::<Value>(&sent) else {
            // A number that is too large for a float is JSON all the same.
            assert!(serde_json::from_str::<Box<serde_json::value::RawValue>>(&sent).is_ok(), "{sent}");
            continue;
        };
        let content =
            value.get("content").and_then(Value::as_array).unwrap_or_else(|| panic!("no list of content: {sent}"));
        for block in content {
            let kind =
                block.get("type").and_then(Value::as_str).unwrap_or_else(|| panic!("a block of no type: {sent}"));
            assert!(kind != "text" || block.get("text").is_some_and(Value::is_string), "a text without one: {sent}");
        }
        let failed = value.get("isError").is_some_and(|flag| flag == &Value::Bool(true));
        assert!(ok || failed, "what failed is told as good: {sent}");
        // pflow looks at it before `isError`.
        assert!(
            !failed || value.get("structuredContent").is_none(),
            "a failure that pflow takes for a success: {sent}"
        );
        assert!(value.get("structuredContent").is_none_or(|it| it.is_object() || it.is_null()), "{sent}");
        assert!(value.get("_meta").is_none_or(|it| it.is_object() || it.is_null()), "{sent}");
        let ours = value.get("_meta").and_then(|meta| meta.get("pflow-gateway"));
        if !failed && ours.is_none() {
            // Fitting once is fitting; but what we say ourselves is taken from nobody else.
            assert_eq!(call_result(&sent, true).as_deref(), Some(sent.as_str()), "fitted twice");
        }
    }
}
