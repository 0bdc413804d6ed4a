//! What a call came to, as a result that pflow's client can take.
//! Takes a [`Call`]; gives MCP's `CallToolResult`. A good one is what the gateway sent, byte for byte. Nothing that was said is lost, and
//! a failure never passes for a success.

use std::fmt::Write as _;

use serde_json::json;

use super::{
    blocks,
    catalog::{META, is_own},
    error::ServeError,
};
use crate::{
    Error,
    json::{Json, Node, each_member, elements, pick, quote, unquote},
    report::Call,
};

/// A text above this is not compared with structured content, in bytes.
const COMPARED: usize = 1024 * 1024;

/// Blocks that are mended one by one. Real results have a few; ten million of them would be ten times as large afterwards.
const MENDED: usize = 10_000;

/// The gateway's result. What is known of a failure stands before the gateway's own words: pflow shows the first text of
/// a result that is an error, and no more.
pub(super) fn call_result(report: Call) -> Json {
    let Call { result, error, ok, .. } = report;
    let error = error.or_else(|| result.is_none().then(|| ServeError::NoResult.into()));
    if let Some(error) = &error {
        tracing::warn!(class = error.class.as_str(), "{error}");
    }
    let given = result.as_ref().map_or("{}", Json::get);
    let mut fitted = Fitted::new(given);
    fitted.failed |= !ok || error.is_some();
    match (&error, &result) {
        (None, Some(result)) if fitted.is_as_given(given) => result.clone(),
        _ => fitted.written(given, error.as_ref()),
    }
}

/// Whether a result says that it is an error. What is no boolean counts as it does in the component: only what is empty, zero or says
/// "false" is no failure.
fn says_failed(flag: &str) -> bool {
    match unquote(flag) {
        Some(word) => !matches!(word.trim().to_ascii_lowercase().as_str(), "" | "false" | "0" | "no"),
        None => flag != "null" && flag != "false" && flag.parse::<f64>().ok() != Some(0.0),
    }
}

/// What of a result has to be written anew.
struct Fitted<'a> {
    content: Option<&'a str>,
    structured: Option<&'a str>,
    flag: Option<&'a str>,
    meta: Option<&'a str>,
    failed: bool,
}

impl<'a> Fitted<'a> {
    fn new(given: &'a str) -> Self {
        let picked = pick(given, ["content", "structuredContent", "isError", "_meta"]);
        // Against the protocol, and still what was said: all of it is the content.
        let [content, structured, flag, meta] = picked.unwrap_or([Some(given), None, None, None]);
        Self {
            content,
            structured: structured.filter(|json| *json != "null"),
            flag,
            meta,
            failed: flag.is_some_and(says_failed),
        }
    }

    fn is_as_given(&self, given: &str) -> bool {
        let flag = self.flag.map_or(!self.failed, |flag| flag == if self.failed { "true" } else { "false" });
        let structured = match self.structured {
            None => true,
            // pflow looks at it first, and at `isError` only without it.
            Some(json) => json.starts_with('{') && !self.failed,
        };
        let mut blocks_fit = true;
        let content = self.content.is_some_and(|content| {
            elements(content, &mut |block| blocks_fit = blocks_fit && blocks::fit(block.get()).is_none())
        });
        let meta = self.meta.is_none_or(|meta| meta == "null" || (meta.starts_with('{') && !has_own(meta)));
        given.starts_with('{') && flag && structured && content && blocks_fit && meta
    }

    fn written(&self, given: &str, error: Option<&Error>) -> Json {
        let mut notes = Vec::new();
        let mut content = Blocks::new();
        if let Some(error) = error {
            content.text(&told(error));
            notes.push(("error", serde_json::to_string(error).unwrap_or_default()));
        }
        match self.content {
            None | Some("null") => {}
            Some(list) if list.starts_with('[') => content.all_of(list),
            Some(one) => {
                content.push(one);
            }
        }
        let mut out = String::with_capacity(given.len().saturating_add(512));
        out.push('{');
        each_member(given, &mut |name, value| {
            if !matches!(name.as_ref(), "content" | "structuredContent" | "isError" | "_meta") {
                member(&name, value.get(), &mut out);
            }
        });
        if let Some(structured) = self.structured {
            if self.failed {
                if content.is_empty() {
                    content.text(structured);
                }
                notes.push(("structuredContent", structured.to_owned()));
            } else if structured.starts_with('{') {
                member("structuredContent", structured, &mut out);
            } else if !content.holds(structured) {
                content.text(&unquote(structured).unwrap_or(structured.into()));
            }
        }
        member("content", &content.end(), &mut out);
        member("isError", if self.failed { "true" } else { "false" }, &mut out);
        if let Some(meta) = self.meta.filter(|meta| *meta != "null" && !meta.starts_with('{')) {
            notes.push(("_meta", meta.to_owned()));
        }
        if let Some(meta) = noted(self.meta, &notes) {
            member("_meta", &meta, &mut out);
        }
        out.push('}');
        Json::parse(out).unwrap_or_else(|_| json!({"content": [], "isError": true}).into())
    }
}

/// An error as pflow and its models read it.
fn told(error: &Error) -> String {
    let mut text = error.message.clone();
    if let Some(hint) = &error.hint {
        text.push_str("\n  → ");
        text.push_str(hint);
    }
    let _ = write!(text, "\n  (error class: {})", error.class.as_str());
    text
}

/// Appends a member to an object that is being written.
fn member(name: &str, value: &str, out: &mut String) {
    if !out.ends_with('{') {
        out.push(',');
    }
    quote(name, out);
    out.push(':');
    out.push_str(value);
}

/// Whether a peer's `_meta` has a member that only this program writes.
fn has_own(meta: &str) -> bool {
    let mut own = false;
    each_member(meta, &mut |name, _| own |= is_own(&name));
    own
}

/// `_meta` with our own part added to it; None where there is neither.
fn noted(meta: Option<&str>, notes: &[(&str, String)]) -> Option<String> {
    let theirs = meta.filter(|meta| meta.starts_with('{'));
    if notes.is_empty() && !theirs.is_some_and(has_own) {
        return theirs.map(str::to_owned);
    }
    let mut out = String::from("{");
    let mut ours = String::from("{");
    if let Some(theirs) = theirs {
        each_member(theirs, &mut |name, value| {
            if !is_own(&name) {
                member(&name, value.get(), &mut out);
            }
        });
    }
    for (name, value) in notes {
        member(name, value, &mut ours);
    }
    ours.push('}');
    if !notes.is_empty() {
        member(META, &ours, &mut out);
    }
    out.push('}');
    Some(out)
}

/// The content that is being written.
struct Blocks {
    out: String,
}

impl Blocks {
    fn new() -> Self {
        Self { out: String::from("[") }
    }

    fn is_empty(&self) -> bool {
        self.out.len() == 1
    }

    /// Whether it had to be mended.
    fn push(&mut self, block: &str) -> bool {
        if !self.is_empty() {
            self.out.push(',');
        }
        let fitted = blocks::fit(block);
        self.out.push_str(fitted.as_deref().unwrap_or(block));
        fitted.is_some()
    }

    /// Every block of a list; as one text, when too many of them are none.
    fn all_of(&mut self, list: &str) {
        let (before, mut mended) = (self.out.len(), 0_usize);
        elements(list, &mut |block| {
            if mended <= MENDED {
                mended = mended.saturating_add(usize::from(self.push(block.get())));
            }
        });
        if mended > MENDED {
            self.out.truncate(before);
            self.text(list);
        }
    }

    fn text(&mut self, words: &str) {
        self.push(&blocks::text(words));
    }

    /// Whether a text says the same already, as MCP recommends. What is empty says nothing beside others.
    fn holds(&self, structured: &str) -> bool {
        if !self.is_empty() && matches!(structured, "[]" | "\"\"") {
            return true;
        }
        let (words, tree) = (unquote(structured), Node::parse(structured).filter(|_| structured.len() <= COMPARED));
        let mut held = false;
        elements(&format!("{}]", self.out), &mut |block| {
            let [text] = pick(block.get(), ["text"]).unwrap_or_default();
            let Some(text) = text.filter(|text| !held && text.len() <= COMPARED).and_then(unquote) else { return };
            held = words.as_ref().is_some_and(|words| *words == text)
                || tree.is_some()
                    && Json::parse(text.clone().into_owned()).is_ok_and(|json| Node::parse(json.get()) == tree);
        });
        held
    }

    fn end(mut self) -> String {
        self.out.push(']');
        self.out
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test that cannot go on shall stop")]

    use serde_json::Value;

    use super::*;

    fn call(result: Option<Value>, error: Option<Error>) -> Call {
        let ok = error.is_none();
        Call { gateway: "gw".into(), tool: "t".into(), service: None, ok, result: result.map(Json::from), error }
    }

    fn given(result: &str) -> String {
        let result = Json::parse(result.to_owned()).ok();
        call_result(Call { result, ..call(None, None) }).to_string()
    }

    #[test]
    fn what_is_known_of_a_failure_stands_before_the_gateways_own_words() {
        let theirs = json!({"content": [{"type": "text", "text": "Error: boom"}], "isError": true, "_meta": {"a": 1}});
        let error =
            Error::new(crate::Class::Timeout, "the service github did not answer in time").with_hint("try again");
        let result = call_result(call(Some(theirs), Some(error))).to_value();
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
        assert_eq!(
            given(r#"{"content":[],"structuredContent":{"code":7.0},"isError":true}"#),
            r#"{"content":[{"type":"text","text":"{\"code\":7.0}"}],"isError":true,"_meta":{"pflow-gateway":{"structuredContent":{"code":7.0}}}}"#
        );
        let worded =
            json!({"content": [{"type": "text", "text": "no"}], "structuredContent": {"code": 7}, "isError": true});
        let result = call_result(call(Some(worded), None)).to_value();
        assert_eq!(result["content"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn a_good_result_is_not_touched() {
        for good in [
            r#"{"structuredContent": {"code": 7}, "isError": false, "content": []}"#,
            r#"{"content":[],"structuredContent":null,"x-unknown":{"kept":1e400}}"#,
            r#"{"_meta":null,"content":[{"type":"text","text":"ok","annotations":null,"_meta":null}]}"#,
            r#"{"content":[{"type":"text","text":"no"}],"isError":true}"#,
        ] {
            assert_eq!(given(good), good);
        }
    }

    #[test]
    fn content_of_any_shape_becomes_a_list_of_blocks() {
        for (odd, content) in [
            (r#"{"content":null}"#, json!([])),
            ("{}", json!([])),
            (r#"{"content":"it worked"}"#, json!([{"type": "text", "text": "it worked"}])),
            (r#"{"content":{"type":"text","text":"one"}}"#, json!([{"type": "text", "text": "one"}])),
            (r#"{"content":42.0}"#, json!([{"type": "text", "text": "42.0"}])),
            (
                r#"{"content":["a",{"type":"text","text":42}]}"#,
                json!([{"type": "text", "text": "a"}, {"type": "text", "text": "42"}]),
            ),
            ("[1.0]", json!([{"type": "text", "text": "1.0"}])),
        ] {
            let result: Value = serde_json::from_str(&given(odd)).unwrap_or_default();
            assert_eq!((&result["content"], &result["isError"]), (&content, &json!(false)), "{odd}");
        }
    }

    #[test]
    fn a_flood_of_blocks_that_are_none_becomes_one_text() {
        for (count, expected) in [(MENDED, MENDED), (MENDED + 1, 1)] {
            let list = format!("[{}]", vec!["{}"; count].join(","));
            let result: Value = serde_json::from_str(&given(&format!(r#"{{"content":{list}}}"#))).unwrap_or_default();
            assert_eq!(result["content"].as_array().map(Vec::len), Some(expected));
            assert!(expected > 1 || result["content"][0]["text"] == list.as_str());
        }
        // Those that fit are as many as there are.
        let block = r#"{"type":"text","text":"x"}"#;
        let list = format!(r#"{{"content":[{}],"isError":"no"}}"#, vec![block; 2 * MENDED].join(","));
        let result: Value = serde_json::from_str(&given(&list)).unwrap_or_default();
        assert_eq!(result["content"].as_array().map(Vec::len), Some(2 * MENDED));
    }

    #[test]
    fn a_failure_is_one_however_it_is_said() {
        for flag in ["true", "\"true\"", "1", "\"yes\"", "\"boom\"", "{\"code\":1}"] {
            for content in ["null", "\"it failed\"", "[]", "{\"type\":\"text\",\"text\":\"it failed\"}"] {
                let result =
                    given(&format!(r#"{{"isError":{flag},"content":{content},"structuredContent":{{"a":1}}}}"#));
                let result: Value = serde_json::from_str(&result).unwrap_or_default();
                assert_eq!(result["isError"], true, "{flag} {content}");
                assert!(result.get("structuredContent").is_none() && result["content"][0]["type"] == "text");
            }
        }
        for flag in ["null", "\"false\"", "0", "-0.0", "\"\""] {
            let result: Value =
                serde_json::from_str(&given(&format!(r#"{{"isError":{flag},"content":[]}}"#))).unwrap_or_default();
            assert_eq!(result["isError"], false, "{flag}");
        }
        // The component said that it failed; the result does not.
        let report = Call { ok: false, ..call(Some(json!({"content": []})), None) };
        assert_eq!(call_result(report).to_value()["isError"], true);
    }

    #[test]
    fn structured_content_that_is_no_object_is_in_the_text() {
        let held =
            given(r#"{"content":[{"type":"text","text":"[ 1.0,  2 ]"}],"structuredContent":[1.0,2],"isError":false}"#);
        assert_eq!(held, r#"{"content":[{"type":"text","text":"[ 1.0,  2 ]"}],"isError":false}"#);
        assert_eq!(
            given(r#"{"content":[],"structuredContent":42.0}"#),
            r#"{"content":[{"type":"text","text":"42.0"}],"isError":false}"#
        );
        assert_eq!(
            given(r#"{"content":[{"type":"text","text":"three rows"}],"structuredContent":[1,2,3]}"#),
            r#"{"content":[{"type":"text","text":"three rows"},{"type":"text","text":"[1,2,3]"}],"isError":false}"#
        );
        assert_eq!(
            given(r#"{"content":[{"type":"text","text":"hi"}],"structuredContent":"hi"}"#),
            r#"{"content":[{"type":"text","text":"hi"}],"isError":false}"#
        );
        assert_eq!(
            given(r#"{"content":[{"type":"text","text":"none"}],"structuredContent":[]}"#),
            r#"{"content":[{"type":"text","text":"none"}],"isError":false}"#
        );
    }

    #[test]
    fn meta_that_is_no_object_is_kept_in_ours() {
        assert_eq!(
            given(r#"{"content":[],"_meta":[1]}"#),
            r#"{"content":[],"isError":false,"_meta":{"pflow-gateway":{"_meta":[1]}}}"#
        );
    }
}
