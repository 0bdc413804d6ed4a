//! Results of every shape, and numbers that no parser keeps.

use serde_json::json;

use crate::{
    fake::{Canned, Fake, Seen, call, open},
    legacy::hello,
};

/// The outcome of a call whose result is this text.
fn outcome(result: &'static str) -> pflow_gateway_component::model::Outcome {
    let fake = Fake::scripted(move |seen: &Seen| {
        if let Some(canned) = hello(seen) {
            return Ok(canned);
        }
        let id = &seen.body["id"];
        Ok(Canned::text(200, "application/json", format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)))
    });
    open(&fake).unwrap().call_tool(&call("a")).unwrap()
}

#[test]
fn a_failure_is_one_whatever_stands_beside_it() {
    for result in [
        r#"{"isError":true,"content":null}"#,
        r#"{"isError":true,"content":"it failed"}"#,
        r#"{"isError":true,"content":{"type":"text","text":"it failed"}}"#,
        r#"{"isError":true,"content":[7]}"#,
        r#"{"isError":"true","content":[]}"#,
        r#"{"isError":1,"content":[]}"#,
    ] {
        let outcome = outcome(result);
        assert!(outcome.failed, "{result}");
        assert_eq!(outcome.result, result);
    }
    for result in [r#"{"isError":null,"content":[]}"#, r#"{"isError":"false","content":[]}"#, r#"{"content":null}"#] {
        assert!(!outcome(result).failed, "{result}");
    }
}

#[test]
fn numbers_pass_as_they_were_written() {
    let result = r#"{"content":[],"structuredContent":{"n":[1e400,123456789012345678901234567890,1.0,-0.0]}}"#;
    assert_eq!(outcome(result).result, result);
}

#[test]
fn numbers_of_a_caller_reach_the_wire_as_they_were_written() {
    let fake =
        Fake::scripted(|seen: &Seen| Ok(hello(seen).unwrap_or_else(|| Canned::result(seen, &json!({"content": []})))));
    let mut wanted = call("a");
    wanted.arguments = r#"{"n":[123456789012345678901234567890,1.0,-0.0]}"#.to_owned();
    wanted.meta = Some(r#"{"x":1.0}"#.to_owned());
    open(&fake).unwrap().call_tool(&wanted).unwrap();
    let sent = fake.seen.borrow().last().unwrap().text.clone();
    assert!(sent.contains(r#""arguments":{"n":[123456789012345678901234567890,1.0,-0.0]}"#), "{sent}");
    assert!(sent.contains(r#""x":1.0"#), "{sent}");
}

#[test]
fn numbers_that_json_does_not_have_are_taken_as_words() {
    let odd = r#"{"content":[{"type":"text","text":"NaN stays"}],"structuredContent":{"mean":NaN,"max":-Infinity}}"#;
    let fit =
        r#"{"content":[{"type":"text","text":"NaN stays"}],"structuredContent":{"mean":"NaN","max":"-Infinity"}}"#;
    assert_eq!(outcome(odd).result, fit);
    let fake = Fake::scripted(move |seen: &Seen| {
        Ok(hello(seen)
            .unwrap_or_else(|| Canned::stream(format!("data: {{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{odd}}}\n\n"))))
    });
    assert_eq!(open(&fake).unwrap().call_tool(&call("a")).unwrap().result, fit, "in a stream too");
}
