//! Text that a peer wrote, made fit for people: bounded and free of control characters.
//! Takes any string or bytes; gives a short clean string. Must never fail, whatever comes.

/// Characters of a peer's text that errors, evidence and warnings carry at most.
pub const BOUND: usize = 500;

/// The text in one line: at most [`BOUND`] characters, control characters replaced by a space, runs of white space joined.
#[must_use]
pub fn clean(text: &str) -> String {
    joined(text, is_invisible)
}

/// The same of a name: what is only not seen stays, since without it the name would be another one's.
#[must_use]
pub fn name(text: &str) -> String {
    joined(text, |c| matches!(c, '\u{2028}' | '\u{2029}'))
}

fn joined(text: &str, is_gap: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len().min(BOUND));
    let mut kept = 0_usize;
    let mut gap = false;
    for c in text.chars() {
        if c.is_control() || c.is_whitespace() || is_gap(c) {
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

/// What a body says to people: of a web page its title or heading, or else its words without the markup; anything else as it is.
#[must_use]
pub fn told(bytes: &[u8]) -> String {
    let start = bytes.get(..PAGE).unwrap_or(bytes);
    let text = String::from_utf8_lossy(start);
    let page = text.trim_start_matches('\u{feff}').trim_start();
    if !page.starts_with('<') {
        return clean_bytes(bytes);
    }
    let words =
        ["title", "h1", "message"].iter().find_map(|name| element(page, name).filter(|words| !words.is_empty()));
    words.unwrap_or_else(|| without_markup(page).chars().take(BOUND / 4).collect())
}

/// How far into a page its title is looked for.
const PAGE: usize = 16 * 1024;

/// The words in the first element of this name.
fn element(page: &str, name: &str) -> Option<String> {
    let from = find(page, &format!("<{name}"))?;
    let rest = page.get(from..)?;
    let inside = rest.get(rest.find('>')? + 1..)?;
    let end = find(inside, &format!("</{name}"))?;
    Some(without_markup(inside.get(..end)?))
}

/// Where `needle` (lower case ASCII) occurs, ignoring ASCII case.
fn find(haystack: &str, needle: &str) -> Option<usize> {
    let needle = needle.as_bytes();
    haystack.as_bytes().windows(needle.len()).position(|window| window.eq_ignore_ascii_case(needle))
}

fn without_markup(page: &str) -> String {
    let mut words = String::with_capacity(page.len().min(BOUND));
    let mut inside = false;
    for c in page.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                words.push(' ');
            }
            _ if !inside => words.push(c),
            _ => {}
        }
    }
    let plain = [("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " ")];
    clean(&plain.iter().fold(words, |words, (code, sign)| words.replace(code, sign)))
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
    fn a_page_is_told_by_its_title_or_heading() {
        let page =
            b"<!DOCTYPE html>\n<html><head><TITLE lang=en>Just a\n moment&#39;s wait</title></head><body>x</body>";
        assert_eq!(told(page), "Just a moment's wait");
        assert_eq!(
            told(b"<html><head><title></title></head><center><h1>502 Bad <i>Gateway</i></h1>"),
            "502 Bad Gateway"
        );
        assert_eq!(
            told(b"<?xml version='1.0'?><Error><Code>X</Code><Message>Access Denied</Message>"),
            "Access Denied"
        );
        assert_eq!(told(b"<html><body>down<br>for now"), "down for now");
        assert_eq!(told(b"{\"a\": \"<title>x</title>\"}"), "{\"a\": \"<title>x</title>\"}");
        assert_eq!(told(b"<title>cut off"), "cut off");
        assert_eq!(told(b"<"), "");
    }

    #[test]
    fn contains_ignores_case() {
        assert!(contains("Bad Request: No valid Session ID provided", "no valid session id"));
        assert!(!contains("session", "session id"));
    }

    proptest! {
        #[test]
        fn clean_text_is_bounded_and_has_no_control_characters(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let page = [b"<title>".as_slice(), &bytes].concat();
            for text in [clean_bytes(&bytes), told(&bytes), told(&page)] {
                prop_assert!(text.chars().count() <= BOUND);
                prop_assert!(!text.chars().any(char::is_control));
            }
        }
    }
}
