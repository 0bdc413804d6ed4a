//! Text that a peer wrote, made fit for people: bounded and free of control characters.
//! Takes any string or bytes; gives a short clean string. Must never fail, whatever comes.

/// Characters of a peer's text that errors, evidence and warnings carry at most.
pub const BOUND: usize = 500;

/// The text in one line: at most [`BOUND`] characters, control characters replaced by a space, runs of white space joined.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(BOUND));
    let mut kept = 0_usize;
    let mut gap = false;
    for c in text.chars() {
        if c.is_control() || c.is_whitespace() || is_invisible(c) {
            gap = !out.is_empty();
            continue;
        }
        if kept + usize::from(gap) >= BOUND {
            // In place of the last one: the contract says at most.
            if kept >= BOUND {
                out.pop();
            }
            out.push('…');
            return out;
        }
        if gap {
            out.push(' ');
            kept += 1;
            gap = false;
        }
        out.push(c);
        kept += 1;
    }
    out
}

/// The start of a body as [`clean`] text; bytes that are not UTF-8 become U+FFFD.
#[must_use]
pub fn clean_bytes(bytes: &[u8]) -> String {
    // Four bytes a character at most, and room for the white space that is joined.
    let start = bytes.get(..BOUND * 8).unwrap_or(bytes);
    clean(&String::from_utf8_lossy(start))
}

/// Characters that turn or hide text on a terminal: bidirectional controls, zero-width ones, the byte order mark.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `1 tool`, `2 tools`.
#[must_use]
pub fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// Whether `needle` (lower case ASCII) occurs in `haystack`, ignoring ASCII case.
#[must_use]
pub fn contains(haystack: &str, needle: &str) -> bool {
    let (haystack, needle) = (haystack.as_bytes(), needle.as_bytes());
    needle.is_empty() || haystack.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_and_line_ends_become_single_spaces() {
        assert_eq!(clean("  a\u{1b}[31m\r\n\tb\u{202e}c "), "a [31m b c");
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        let cut = clean(&"x".repeat(10_000));
        assert_eq!(cut.chars().count(), BOUND);
        assert!(cut.ends_with('…'));
    }

    #[test]
    fn contains_ignores_case() {
        assert!(contains("Bad Request: No valid Session ID provided", "no valid session id"));
        assert!(!contains("session", "session id"));
    }

    proptest! {
        #[test]
        fn clean_text_is_bounded_and_has_no_control_characters(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let text = clean_bytes(&bytes);
            prop_assert!(text.chars().count() <= BOUND);
            prop_assert!(!text.chars().any(char::is_control));
        }
    }
}
