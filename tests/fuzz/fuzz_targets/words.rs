//! Words of others: what is shown steers no terminal and is as long as it may be; what is kept has no user info and no query of a URL.

use pflow_gateway::fuzzing::{kept_text, shown};
use serde_json::Value;

/// One input.
pub fn run(text: &str) {
    let obeyed = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    for limit in [1, 20, 200] {
        let (lines, line, json) = shown(text, limit);
        assert!(!lines.contains(|c: char| obeyed(c) && c != '\n' && c != '\t'), "{lines:?}");
        assert!(!line.contains(obeyed) && line.chars().count() <= limit + 1, "{line:?}");
        assert_eq!(shown(&lines, limit).0, lines, "cleaned once is clean");
        if let Ok(value) = serde_json::from_str::<Value>(text) {
            assert_eq!(serde_json::from_str::<Value>(&json).expect("still JSON"), value);
            // Blanks between values may be tabs.
            let blanks = |c: char| matches!(c, '\n' | '\r' | '\t');
            assert!(text.contains(blanks) || !json.contains(obeyed), "{json:?}");
        }
    }
    let kept = kept_text(text);
    assert_eq!(kept_text(&kept), kept, "kept once is kept");
    for (at, _) in kept.match_indices("://") {
        let end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ')' | '\\');
        let url = kept[at + 3..].split(end).next().unwrap_or_default();
        let authority = url.split(['/', '?', '#']).next().unwrap_or_default();
        assert!(authority.rsplit_once('@').is_none_or(|(user, _)| user == "…"), "{kept}");
        assert!(url.split_once('?').is_none_or(|(_, query)| query.starts_with('…')), "{kept}");
    }
}
