//! Text that a gateway or a component wrote, made fit for a person's terminal.
//! Takes any text; gives one without control characters and of bounded length. Never changes what plain text says.

use std::borrow::Cow;

/// Stands for every character that was taken out.
const MARK: char = '\u{FFFD}';

/// Whether the character moves the cursor, colours, hides or reorders text instead of being seen.
fn unseen(character: char) -> bool {
    // C0, DEL and C1; then Unicode's "Bidi_Control", separators of lines, zero-width characters and tags.
    character.is_control()
        || matches!(character,
            '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// Several lines stay several lines; tabs stay tabs.
#[must_use]
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    let bad = |character: char| unseen(character) && character != '\n' && character != '\t';
    if text.contains(bad) {
        Cow::Owned(text.replace("\r\n", "\n").replace(bad, "\u{FFFD}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// JSON that means the same, with every character that is not seen written as `\\uXXXX`: serializers leave C1 and the
/// bidirectional controls as they are, and terminals obey them. Such characters are only in strings.
#[must_use]
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    let bad = |character: char| unseen(character) && character != '\n';
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if bad(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// One line of at most `limit` characters; longer text ends with `…`.
#[must_use]
pub(crate) fn line(text: &str, limit: usize) -> String {
    let mut line = String::with_capacity(text.len().min(limit.saturating_mul(4)));
    let mut count = 0_usize;
    let mut gap = false;
    for character in text.trim().chars() {
        if matches!(character, '\n' | '\r' | '\t' | ' ') {
            gap = true;
            continue;
        }
        if gap {
            gap = false;
            count = count.saturating_add(1);
            line.push(' ');
        }
        if count >= limit {
            line.truncate(line.trim_end().len());
            line.push('…');
            return line;
        }
        count = count.saturating_add(1);
        line.push(if unseen(character) { MARK } else { character });
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_meaning_and_loses_what_a_terminal_obeys() {
        let evil = "{\n  \"a\": \"x\u{9b}31m\u{202e}\u{7f}\u{e0001}y\"\n}";
        let safe = json(evil);
        assert!(!safe.contains(|c: char| unseen(c) && c != '\n'), "{safe}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).map_err(|e| e.to_string());
        assert_eq!(value(&safe), value(evil));
        assert!(matches!(json("{\"a\": \"ü 🙂\"}"), Cow::Borrowed(_)));
    }

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        for nasty in [
            "\u{1b}[31mred",
            "a\u{7}b",
            "a\u{9b}2Jb",
            "a\u{202e}b",
            "a\u{2066}b",
            "\u{200b}",
            "\u{e0041}",
            "a\rb",
            "\u{0}",
        ] {
            assert!(!text(nasty).chars().any(unseen), "{nasty:?} became {:?}", text(nasty));
            assert!(!line(nasty, 80).chars().any(unseen), "{nasty:?} became {:?}", line(nasty, 80));
        }
    }

    #[test]
    fn plain_text_of_any_script_stays_as_it_is() {
        for plain in ["plain", "größer", "日本語", "❤ ok", "two\nlines\tand a tab"] {
            assert_eq!(text(plain), plain);
        }
        assert_eq!(text("a\r\nb"), "a\r\nb".replace('\r', ""));
        assert_eq!(line("  two\n\n  lines\there ", 80), "two lines here");
    }

    #[test]
    fn a_line_is_bounded_in_characters() {
        assert_eq!(line("12345", 5), "12345");
        assert_eq!(line("123456", 5), "12345…");
        assert_eq!(line("日本語日本語", 3), "日本語…");
        assert_eq!(line("1234 6789", 5), "1234…");
    }
}
