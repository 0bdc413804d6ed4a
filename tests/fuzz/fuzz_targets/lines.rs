//! Lines on stdin: every line gets its word, with the id as it was written; an id that is found in pieces is the id of the whole.

use pflow_gateway::fuzzing::{Line, id_of_fragments, line};
use serde_json::{Value, value::RawValue};

/// One input.
pub fn run(bytes: &[u8]) {
    let read = line(bytes);
    let Line::Messages(messages) = &read else {
        assert!(String::from_utf8_lossy(bytes).chars().all(|c| c.is_whitespace() || c == '\u{feff}'));
        return;
    };
    let text = String::from_utf8_lossy(bytes);
    let parsed = serde_json::from_str::<Value>(text.strip_prefix('\u{feff}').unwrap_or(&text)).ok();
    match parsed.as_ref() {
        Some(Value::Array(all)) if std::str::from_utf8(bytes).is_ok() => {
            assert!(messages.len() == all.len() || messages.len() == 1);
        }
        _ => assert_eq!(messages.len(), 1, "an invalid line is told"),
    }
    for (what, id) in messages {
        assert_eq!(id.is_some(), matches!(*what, "request" | "refused"), "{what}");
        let Some(id) = id else { continue };
        assert!(id == "null" || text.contains(id.as_str()), "an id that nobody wrote: {id}");
        assert!(serde_json::from_str::<&RawValue>(id).is_ok(), "an id that is no JSON: {id}");
    }
    // However it is cut: what is found was written, as the id of something.
    for at in [bytes.len() / 3, bytes.len() / 2, bytes.len().saturating_sub(9)] {
        let (start, end) = bytes.split_at(at);
        if let Some(found) = id_of_fragments(start, end) {
            assert!(
                text.contains(found.as_str())
                    || String::from_utf8_lossy(start).contains(found.as_str())
                    || String::from_utf8_lossy(end).contains(found.as_str()),
                "{found}"
            );
            assert!(
                serde_json::from_str::<&RawValue>(&found).is_ok() && !found.starts_with(['{', '[', 't', 'f', 'n']),
                "{found}"
            );
        }
    }
}
