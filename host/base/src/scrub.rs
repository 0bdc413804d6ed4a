//! Text that a gateway or a component wrote, made fit for a person's terminal.
//! Takes any text; gives one without control characters and of bounded length. Never changes what plain text says.

use std::borrow::Cow;

use pflow_gateway_unseen::{Kind, Verdict, unseen, verdicts};

/// Stands for every character that was taken out.
const MARK: char = '\u{FFFD}';

/// What becomes of a character that is not simply seen.
enum Fate {
    Kept,
    /// Taken out without a trace: nobody misses it, or it is one of many that carry bytes.
    Dropped,
    Marked,
}

fn fate(verdict: Verdict) -> Fate {
    match verdict {
        Verdict::Seen | Verdict::Shaping => Fate::Kept,
        // Marks of direction work on what stands around the text, too.
        Verdict::Idle | Verdict::Hidden(Kind::Selector) => Fate::Dropped,
        Verdict::Hidden(_) => Fate::Marked,
    }
}

/// Whether there is anything to do: most text has none of it.
fn is_plain(text: &str) -> bool {
    // Of most texts every byte is a character: that is seen eight at a time.
    text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t'))
        || !text.contains(|character: char| unseen(character).is_some() && !matches!(character, '\n' | '\t'))
}

/// Words with one blank between them: most names and phrases are.
fn is_one_plain_line(text: &str) -> bool {
    let mut blank = false;
    text.bytes().all(|byte| {
        let twice = blank && byte == b' ';
        blank = byte == b' ';
        matches!(byte, b' '..=b'~') && !twice
    })
}

/// Several lines stay several lines; tabs stay tabs.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let text = text.replace("\r\n", "\n");
    let mut clean = String::with_capacity(text.len());
    for (character, verdict) in verdicts(&text) {
        match fate(verdict) {
            // Alone it goes back to the start of the line.
            Fate::Kept if character == '\r' => clean.push(MARK),
            Fate::Kept => clean.push(character),
            Fate::Dropped => {}
            Fate::Marked => clean.push(MARK),
        }
    }
    Cow::Owned(clean)
}

/// Whether a name cannot be shown as it is: it has invisible characters. Who reads it takes it for another one.
#[must_use]
pub fn is_hidden_name(name: &str) -> bool {
    !is_plain(name) && verdicts(name).any(|(c, verdict)| !matches!(fate(verdict), Fate::Kept) || c.is_control())
        || name.contains(['\n', '\t'])
}

/// A name in which what nobody sees is spelled: `a_u200b_b`. Only for names that [`is_hidden_name`].
#[must_use]
pub fn spelled(name: &str) -> String {
    let mut spelled = String::with_capacity(name.len());
    for (character, verdict) in verdicts(name) {
        if matches!(fate(verdict), Fate::Kept) && !character.is_control() {
            spelled.push(character);
        } else {
            spelled.push_str(&format!("_u{:04x}_", u32::from(character)));
        }
    }
    spelled
}

/// JSON that means the same, with every character that is not seen written as `\\uXXXX`: serializers leave C1 and the
/// bidirectional controls as they are, and terminals obey them. Such characters are only in strings, but for the blanks between values.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let bad = |character: char| unseen(character).is_some() && !matches!(character, '\n' | '\t');
    let mut escaped = String::with_capacity(text.len());
    for (character, verdict) in verdicts(text) {
        if character == '\r' {
            escaped.push(' ');
        } else if bad(character) && (verdict != Verdict::Shaping || character.is_control()) {
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
pub fn line(text: &str, limit: usize) -> String {
    let text = text.trim();
    if text.len() <= limit && is_one_plain_line(text) {
        return text.to_owned();
    }
    let mut line = String::with_capacity(text.len().min(limit.saturating_mul(4)));
    let mut count = 0_usize;
    let mut gap = false;
    for (character, verdict) in verdicts(text) {
        let fate = fate(verdict);
        if matches!(fate, Fate::Dropped) {
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
        line.push(if matches!(fate, Fate::Marked) { MARK } else { character });
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
        assert!(!safe.contains(|c: char| unseen(c).is_some() && c != '\n'), "{safe}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).map_err(|e| e.to_string());
        assert_eq!(value(&safe), value(evil));
        assert!(matches!(json("{\"a\": \"ü 🙂\"}"), Cow::Borrowed(_)));
        assert_eq!(json("\t{\r\n \"a\":\t7}\u{9b}"), "\t{ \n \"a\":\t7}\\u009b");
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
            "a\u{e0100}\u{e01ef}b",
            "a\u{e0041}\u{e007f}b",
        ] {
            assert!(!text(nasty).chars().any(|c| unseen(c).is_some()), "{nasty:?} became {:?}", text(nasty));
            assert!(!line(nasty, 80).chars().any(|c| unseen(c).is_some()), "{nasty:?} became {:?}", line(nasty, 80));
        }
    }

    #[test]
    fn plain_text_of_any_script_stays_as_it_is() {
        for plain in ["plain", "größer", "日本語", "❤ ok", "two\nlines\tand a tab"] {
            assert_eq!(text(plain), plain);
        }
        for heart in [
            "❤\u{fe0f} ok",
            "⚠\u{fe0f}",
            "👩🏽\u{200d}💻 1\u{fe0f}\u{20e3}",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
        ] {
            assert_eq!((text(heart).as_ref(), line(heart, 80).as_str(), json(heart).as_ref()), (heart, heart, heart));
        }
        assert_eq!(text("❤\u{fe0f}\u{fe0f}\u{fe01}a\u{fe0f}"), "❤\u{fe0f}a", "hidden text is none of an emoji's form");
        assert_eq!(text("أنشئ \u{200f}issue\u{200e}"), "أنشئ issue", "marks of direction are not missed");
        assert_eq!(line("Donau\u{ad}dampf", 80), "Donaudampf");
        assert_eq!(text("a\r\nb"), "a\r\nb".replace('\r', ""));
        assert_eq!(line("  two\n\n  lines\there ", 80), "two lines here");
    }

    #[test]
    fn a_name_that_hides_something_is_spelled() {
        for (name, shown) in [
            ("git\u{200b}hub", "git_u200b_hub"),
            ("\u{202e}x", "_u202e_x"),
            ("a\u{1b}[m", "a_u001b_[m"),
            ("a\tb", "a_u0009_b"),
        ] {
            assert!(is_hidden_name(name));
            assert_eq!(spelled(name), shown);
            assert!(!is_hidden_name(shown));
        }
        for honest in ["github", "größe", "می\u{200c}خواهم", "日本語"] {
            assert!(!is_hidden_name(honest), "{honest}");
        }
    }

    #[test]
    fn a_line_is_bounded_in_characters() {
        assert_eq!(line("12345", 5), "12345");
        assert_eq!(line("123456", 5), "12345…");
        assert_eq!(line("日本語日本語", 3), "日本語…");
        assert_eq!(line("1234 6789", 5), "1234…");
    }
}
