//! What a call came to, as a result for pflow.
//! Takes a [`Call`]; gives MCP's `CallToolResult`. A good one is what the gateway sent, byte for byte; nothing of a failed one is lost.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::catalog::META;
use crate::{Class, Error, report::Call};

/// The gateway's result as it came. What is known of a failure stands before the gateway's own words: pflow shows the first text of
/// a result that is an error, and no more.
pub(super) fn call_result(report: Call) -> Value {
    let Call { result, error, .. } = report;
    let (mut result, error) = match (result, error) {
        (Some(result), None) => return plain_error(result),
        (Some(result), Some(error)) => (plain_error(result), error),
        (None, error) => {
            let ended = || Error::new(Class::Internal, "the call ended without a result");
            (json!({"content": []}), error.unwrap_or_else(ended))
        }
    };
    tracing::warn!(class = error.class.as_str(), "{error}");
    let mut text = error.message.clone();
    if let Some(hint) = &error.hint {
        text.push_str("\n  → ");
        text.push_str(hint);
    }
    let _ = write!(text, "\n  (error class: {})", error.class.as_str());
    if let Some(members) = result.as_object_mut() {
        members.insert("isError".to_owned(), true.into());
        let content = members.entry("content").or_insert_with(|| json!([]));
        if let Some(blocks) = content.as_array_mut() {
            blocks.insert(0, json!({"type": "text", "text": text}));
        }
        note(members, "error", serde_json::to_value(&error).unwrap_or_default());
    }
    result
}

/// pflow looks at `structuredContent` first and at `isError` only without it: an error with both would pass for a success. Such
/// content goes to `_meta`, and into the text when there is none.
fn plain_error(mut result: Value) -> Value {
    if result.get("isError") != Some(&Value::Bool(true)) {
        return result;
    }
    let Some(members) = result.as_object_mut() else { return result };
    let Some(structured) = members.remove("structuredContent").filter(|content| !content.is_null()) else {
        return result;
    };
    let content = members.entry("content").or_insert_with(|| json!([]));
    if let Some(blocks) = content.as_array_mut().filter(|blocks| blocks.is_empty()) {
        blocks.push(json!({"type": "text", "text": structured.to_string()}));
    }
    note(members, "structuredContent", structured);
    result
}

/// Adds to our own part of `_meta`.
fn note(result: &mut Map<String, Value>, name: &str, value: Value) {
    let meta = result.entry("_meta").or_insert_with(|| json!({}));
    let Some(meta) = meta.as_object_mut() else { return };
    let ours = meta.entry(META).or_insert_with(|| json!({}));
    if let Some(ours) = ours.as_object_mut() {
        ours.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on shall stop")]

    use super::*;

    fn call(result: Option<Value>, error: Option<Error>) -> Call {
        Call { gateway: "gw".into(), tool: "t".into(), service: None, ok: error.is_none(), result, error }
    }

    #[test]
    fn what_is_known_of_a_failure_stands_before_the_gateways_own_words() {
        let theirs = json!({"content": [{"type": "text", "text": "Error: boom"}], "isError": true, "_meta": {"a": 1}});
        let error = Error::new(Class::Timeout, "the service github did not answer in time").with_hint("try again");
        let result = call_result(call(Some(theirs), Some(error)));
        assert_eq!(
            result["content"],
            json!([
                {"type": "text", "text": "the service github did not answer in time\n  → try again\n  (error class: timeout)"},
                {"type": "text", "text": "Error: boom"},
            ])
        );
        assert_eq!((&result["isError"], &result["_meta"]["a"]), (&json!(true), &json!(1)));
        assert_eq!(result["_meta"]["pflow-gateway"]["error"]["class"], "timeout");
    }

    #[test]
    fn a_tools_own_error_with_structured_content_cannot_pass_for_a_success() {
        let theirs = json!({"content": [], "structuredContent": {"code": 7}, "isError": true});
        let result = call_result(call(Some(theirs), None));
        assert_eq!(
            result,
            json!({"content": [{"type": "text", "text": "{\"code\":7}"}], "isError": true,
                "_meta": {"pflow-gateway": {"structuredContent": {"code": 7}}}})
        );
        let worded =
            json!({"content": [{"type": "text", "text": "no"}], "structuredContent": {"code": 7}, "isError": true});
        assert_eq!(call_result(call(Some(worded), None))["content"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn a_good_result_is_not_touched() {
        let theirs = json!({"structuredContent": {"code": 7}, "isError": false, "content": []});
        assert_eq!(call_result(call(Some(theirs.clone()), None)).to_string(), theirs.to_string());
    }
}
