//! What a call came to, as MCP's `CallToolResult`.
//! Takes what the gateway component gave; a good result stays as it came, and a failure is said as `serve` says it: an error result whose
//! first text is the sentence, what to do, and whether the tool may have run.

use std::collections::BTreeMap;

use serde_json::{Value, json, value::RawValue};

use crate::failure::Failure;

/// A call that failed without a result.
#[must_use]
pub fn failed(failure: &Failure) -> String {
    json!({"content": [text(failure)], "isError": true, "_meta": {"pflow-gateway": {"error": failure.json()}}})
        .to_string()
}

/// A result in which the gateway itself says that it failed: what is known of it stands before its own words.
#[must_use]
pub fn told(result: &str, failure: &Failure) -> String {
    let Ok(mut members) = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(result) else {
        return failed(failure);
    };
    let theirs = members.get("content").and_then(|content| serde_json::from_str::<Vec<Value>>(content.get()).ok());
    let mut content = vec![text(failure)];
    content.extend(theirs.unwrap_or_default());
    let mut set = |name: &str, value: Value| {
        if let Ok(raw) = serde_json::value::to_raw_value(&value) {
            members.insert(name.to_owned(), raw);
        }
    };
    set("content", Value::Array(content));
    set("isError", Value::Bool(true));
    serde_json::to_string(&members).unwrap_or_else(|_| failed(failure))
}

fn text(failure: &Failure) -> Value {
    let mut words = failure.message.clone();
    if let Some(hint) = &failure.hint {
        words.push_str("\n  → ");
        words.push_str(hint);
    }
    words.push_str("\n  (error class: ");
    words.push_str(failure.class);
    words.push(')');
    json!({"type": "text", "text": words})
}

/// A result of the modern era: complete, and from this server. What stands in it already stays.
#[must_use]
pub fn modern(result: &str, server: &Value) -> String {
    let Ok(mut members) = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(result) else {
        return result.to_owned();
    };
    let raw = |value: &Value| serde_json::value::to_raw_value(value).ok();
    if !members.contains_key("resultType")
        && let Some(complete) = raw(&Value::from("complete"))
    {
        members.insert("resultType".to_owned(), complete);
    }
    let meta = members.get("_meta").and_then(|meta| serde_json::from_str(meta.get()).ok());
    let mut meta: BTreeMap<String, Box<RawValue>> = meta.unwrap_or_default();
    if let Some(server) = raw(server) {
        meta.insert("io.modelcontextprotocol/serverInfo".to_owned(), server);
    }
    if let Ok(meta) = serde_json::value::to_raw_value(&meta) {
        members.insert("_meta".to_owned(), meta);
    }
    serde_json::to_string(&members).unwrap_or_else(|_| result.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_a_result_stay_as_they_came() {
        let came = r#"{"content":[],"structuredContent":{"n":1.10,"big":1e400}}"#;
        let told = modern(came, &json!({"name": "x", "version": "1"}));
        assert!(told.contains(r#""structuredContent":{"n":1.10,"big":1e400}"#), "{told}");
        assert!(told.contains(r#""resultType":"complete""#) && told.contains("serverInfo"), "{told}");
    }

    #[test]
    fn what_is_known_stands_before_the_gateways_own_words() {
        let failure = Failure::settings("x");
        let told = told(r#"{"content":[{"type":"text","text":"boom"}],"isError":true}"#, &failure);
        let told: Value = serde_json::from_str(&told).unwrap_or_default();
        assert_eq!(told.pointer("/content/1/text"), Some(&json!("boom")));
        assert_eq!(
            told.pointer("/content/0/text"),
            Some(&json!("the settings of this service are wrong: x\n  (error class: config)"))
        );
    }
}
