//! JSON as it was written: a tree that is written again says the same, digit by digit, and what is laid out for people is the same JSON.

use pflow_gateway::fuzzing::{json, shown};
use serde_json::{Value, value::RawValue};

/// One input.
pub fn run(text: &str) {
    let Some((tree, pretty, whole)) = json(text) else { return };
    assert_eq!(whole, text.trim_matches([' ', '\t', '\n', '\r']), "as it came");
    let compact = |text: &str| {
        // Without what is between the values: strings hold no raw line break.
        serde_json::from_str::<Box<RawValue>>(text).map(|_| without_blanks(text))
    };
    let expected = compact(text).expect("it was taken");
    // For people's terminals, too: what one of those would obey is spelled.
    assert_eq!(compact(&pretty).expect("JSON"), shown(&expected, 1).2);
    // The tree writes names of members anew, so that an escape may be gone: what is said is the same.
    assert!(tree.len() <= text.len() * 6);
    if let (Ok(one), Ok(other)) = (serde_json::from_str::<Value>(text), serde_json::from_str::<Value>(&tree)) {
        assert_eq!(one, other);
    }
    if !text.contains('\\') {
        assert_eq!(without_blanks(&tree), expected);
    }
}

fn without_blanks(text: &str) -> String {
    let (mut inside, mut escaped) = (false, false);
    text.chars()
        .filter(|&letter| {
            let keep = inside || !matches!(letter, ' ' | '\t' | '\n' | '\r');
            match letter {
                _ if escaped => escaped = false,
                '\\' if inside => escaped = true,
                '"' => inside = !inside,
                _ => {}
            }
            keep
        })
        .collect()
}
