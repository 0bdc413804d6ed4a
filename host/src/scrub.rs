//! Text that a gateway or a component wrote, made fit for a person's terminal.
//! Takes any text; gives one without control characters and of bounded length. Never changes what plain text says.

use std::borrow::Cow;

/// Stands for every character that was taken out.
const MARK: char = '\u{FFFD}';

/// Whether the character moves the cursor, colours, hides or reorders text instead of being seen.
fn unseen(character: char) -> bool {
    // C0, DEL and C1; then Unicode's "Bidi_Control", separators of lines, and what is "Default_Ignorable_Code_Point": zero-width
    // characters, fillers that look like nothing, variation selectors and tags, which carry text that only a machine reads.
    character.is_control()
        || matches!(character,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Characters that are unseen in honest text too, so that taking them out changes nothing that anybody sees.
fn says_nothing(character: char) -> bool {
    matches!(character, '\u{00AD}' | '\u{FE00}'..='\u{FE0F}')
}

/// `❤` and U+FE0F are a red heart: one selector behind a character that has a form as an emoji. It tells a machine no more than a person
/// sees. A second one does, and so does one behind a letter.
fn is_emoji_form(before: Option<char>, character: char) -> bool {
    character == '\u{FE0F}'
        && before.is_some_and(|before| {
            matches!(before, '\u{00A9}' | '\u{00AE}' | '\u{203C}'..='\u{3299}' | '\u{1F000}'..='\u{1FAFF}')
                && !unseen(before)
        })
}

/// Several lines stay several lines; tabs stay tabs.
#[must_use]
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    let bad = |character: char| unseen(character) && character != '\n' && character != '\t';
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut before = None;
    for character in text.replace("\r\n", "\n").chars() {
        if !bad(character) || is_emoji_form(before, character) {
            clean.push(character);
        } else if !says_nothing(character) {
            clean.push(MARK);
        }
        before = Some(character);
    }
    Cow::Owned(clean)
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
    let mut before = None;
    for character in text.chars() {
        if bad(character) && !is_emoji_form(before, character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(character);
        }
        before = Some(character);
    }
    Cow::Owned(escaped)
}

/// One line of at most `limit` characters; longer text ends with `…`.
#[must_use]
pub(crate) fn line(text: &str, limit: usize) -> String {
    let mut line = String::with_capacity(text.len().min(limit.saturating_mul(4)));
    let mut count = 0_usize;
    let mut gap = false;
    let mut before = None;
    for character in text.trim().chars() {
        let emoji = is_emoji_form(before.replace(character), character);
        if says_nothing(character) && !emoji {
            continue;
        }
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
        line.push(if unseen(character) && !emoji { MARK } else { character });
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
            "git\u{ad}hub",
            "a\u{115f}b",
            "a\u{1160}b",
            "a\u{3164}b",
            "a\u{ffa0}b",
            "a\u{fe00}\u{fe0f}b",
            "❤\u{fe0e}",
            "a\u{e0100}\u{e01ef}b",
            "a\u{e0041}\u{e007f}b",
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
        for heart in ["❤\u{fe0f} ok", "⚠\u{fe0f}"] {
            assert_eq!((text(heart).as_ref(), line(heart, 80).as_str(), json(heart).as_ref()), (heart, heart, heart));
        }
        assert_eq!(text("❤\u{fe0f}\u{fe0f}\u{fe01}a\u{fe0f}"), "❤\u{fe0f}a", "hidden text is none of an emoji's form");
        assert_eq!(line("Donau\u{ad}dampf", 80), "Donaudampf");
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
