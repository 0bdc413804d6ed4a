//! What a tool answered, for people.
//! Takes a `CallToolResult` of any shape; gives its texts, and the names of what is not text. Never says less than the result does.

use std::fmt::Write as _;

use super::render::DETAIL;
use pflow_gateway_base::{
    json::{Json, elements, pick, pretty, unquote},
    scrub,
};

/// JSON above this is left on its line, in bytes: nobody reads it.
const READABLE: usize = 1024 * 1024;

/// `call`: the texts of a result; what is not text is named.
pub(super) fn result(result: &Json) -> String {
    let mut text = String::new();
    let [content, structured] = pick(result.get(), ["content", "structuredContent"]).unwrap_or_default();
    match content {
        Some(content) if content.starts_with('[') => {
            elements(content, &mut |block| shown(block.get(), &mut text));
        }
        Some("null") | None => {}
        // Against the protocol, and still what was said.
        Some(content) => shown(content, &mut text),
    }
    if text.is_empty() {
        let structured = structured.filter(|content| *content != "null");
        say(&indented(structured.unwrap_or(result.get())), &mut text);
    }
    text
}

fn shown(block: &str, text: &mut String) {
    let names = ["type", "text", "resource", "uri", "name", "mimeType"];
    let Some([kind, words, resource, uri, name, mime]) = pick(block, names) else {
        return shown_text(block, text);
    };
    let word = |json: Option<&'_ str>| json.and_then(unquote).map(|word| scrub::line(&word, DETAIL));
    let kind = word(kind).unwrap_or_else(|| "unknown".to_owned());
    match (kind.as_str(), words, resource.and_then(|inside| pick(inside, ["uri", "mimeType", "text"]))) {
        ("text", Some(words), _) => shown_text(words, text),
        ("resource", _, Some([uri, mime, words])) => {
            named(&kind, [word(uri), word(mime)], text);
            if let Some(words) = words {
                shown_text(words, text);
            }
        }
        ("resource_link", ..) => named(&kind, [word(uri), word(name)], text),
        _ => named(&kind, [word(mime).or_else(|| word(uri)).or_else(|| word(name)), None], text),
    }
}

/// `[resource_link: file:///a/b.pdf, b.pdf]`
fn named(kind: &str, what: [Option<String>; 2], text: &mut String) {
    let _ = write!(text, "[{kind}");
    for (at, what) in what.into_iter().flatten().enumerate() {
        let _ = write!(text, "{} {what}", if at == 0 { ":" } else { "," });
    }
    text.push_str("]\n");
}

/// A string says what it says; anything else is shown as it stands.
fn shown_text(json: &str, text: &mut String) {
    match unquote(json) {
        Some(words) => say(&indented(&words), text),
        None => say(&indented(json), text),
    }
}

fn say(words: &str, text: &mut String) {
    text.push_str(scrub::text(words).trim_end());
    text.push('\n');
}

/// Tools often answer in JSON on one line; a person reads it better on several.
fn indented(words: &str) -> String {
    let looks = words.trim_start().starts_with(['{', '[']) && words.len() <= READABLE;
    if looks && Json::parse(words.to_owned()).is_ok() {
        let mut lines = Vec::new();
        // Writing to memory cannot fail.
        if pretty(words, &mut lines).is_ok()
            && let Ok(lines) = String::from_utf8(lines)
        {
            return lines;
        }
    }
    words.to_owned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    fn said(json: &str) -> String {
        result(&Json::parse(json.to_owned()).unwrap())
    }

    #[test]
    fn an_embedded_text_and_the_uri_of_a_link_are_shown() {
        assert_eq!(
            said(
                r#"{"content":[{"type":"resource","resource":{"uri":"notes://1","mimeType":"text/plain","text":"inside"}},
                {"type":"resource_link","uri":"file:///a/b.pdf","name":"b.pdf","mimeType":"application/pdf"},
                {"type":"image","data":"x","mimeType":"image/png"},{"type":"video","url":"x://y"}]}"#
            ),
            "[resource: notes://1, text/plain]\ninside\n[resource_link: file:///a/b.pdf, b.pdf]\n[image: image/png]\n[video]\n"
        );
    }

    #[test]
    fn digits_of_a_text_in_json_stay() {
        assert_eq!(
            said(r#"{"content":[{"type":"text","text":"{\"a\":123456789012345678901234567890,\"b\":[1.0]}"}]}"#),
            "{\n  \"a\": 123456789012345678901234567890,\n  \"b\": [\n    1.0\n  ]\n}\n"
        );
    }

    #[test]
    fn what_is_against_the_protocol_is_still_shown() {
        assert_eq!(said(r#"{"content":"plain"}"#), "plain\n");
        assert_eq!(said(r#"{"content":{"type":"text","text":"one"}}"#), "one\n");
        assert_eq!(said(r#"{"content":[{"type":"text","text":42},"bare"]}"#), "42\nbare\n");
        assert_eq!(said(r#"{"content":null,"structuredContent":[1]}"#), "[\n  1\n]\n");
        assert_eq!(said(r#"{"isError":false}"#), "{\n  \"isError\": false\n}\n");
    }
}
