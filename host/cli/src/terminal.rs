//! What a terminal can show: how wide a line may be, and which letters.
//! Takes text as it would be printed; gives it wrapped by words, and in ASCII where the locale names another character set than UTF-8.
//! Never touches what goes to a pipe or a file.

use std::{
    borrow::Cow,
    io::{self, IsTerminal},
    sync::OnceLock,
};

use terminal_size::{Height, Width, terminal_size_of};
use unicode_width::UnicodeWidthChar as _;

/// Columns that the last column of a table needs to be worth hanging under.
const LAST_COLUMN: usize = 24;
/// Narrower than that, nothing helps.
const NARROWEST: usize = 20;

/// What stands for a character in ASCII. Blocks keep their order of heights.
const ASCII: [(char, &str); 16] = [
    ('✓', "+"),
    ('✗', "x"),
    ('⚠', "!"),
    ('→', "->"),
    ('•', "*"),
    ('…', "..."),
    ('·', "."),
    ('▁', "_"),
    ('▂', ","),
    ('▃', "-"),
    ('▄', "="),
    ('▅', "+"),
    ('▆', "*"),
    ('▇', "%"),
    ('█', "#"),
    ('×', "x"),
];

/// The letters that whoever looks can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letters {
    Unicode,
    Ascii,
}

impl Letters {
    /// As the locale says, in the order of POSIX. No locale at all says nothing: most such terminals show UTF-8.
    fn of(locale: impl Fn(&str) -> Option<String>) -> Self {
        let named =
            ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| locale(name).filter(|it| !it.is_empty()));
        let known = named.is_none_or(|named| {
            let named = named.to_ascii_lowercase();
            named.contains("utf-8") || named.contains("utf8")
        });
        if known { Self::Unicode } else { Self::Ascii }
    }

    fn of_this_process() -> Self {
        static LETTERS: OnceLock<Letters> = OnceLock::new();
        *LETTERS.get_or_init(|| Self::of(|name| std::env::var(name).ok()))
    }

    fn show(self, text: &str) -> Cow<'_, str> {
        if self == Self::Unicode || !text.contains(|c| ASCII.iter().any(|(known, _)| *known == c)) {
            return Cow::Borrowed(text);
        }
        let mut shown = String::with_capacity(text.len());
        for c in text.chars() {
            match ASCII.iter().find(|(known, _)| *known == c) {
                Some((_, ascii)) => shown.push_str(ascii),
                None => shown.push(c),
            }
        }
        Cow::Owned(shown)
    }
}

/// Text for a terminal, in letters that it shows. For whoever draws lines by himself.
pub(super) fn in_letters(text: &str) -> Cow<'_, str> {
    Letters::of_this_process().show(text)
}

/// The same text, as this stream shows it best; as it is, where the stream is no terminal.
pub(super) fn fitted<'a>(text: &'a str, stream: &impl Stream) -> Cow<'a, str> {
    if !stream.is_terminal() {
        return Cow::Borrowed(text);
    }
    let text = in_letters(text);
    match stream.columns() {
        Some(columns) => Cow::Owned(wrapped(&text, columns)),
        None => text,
    }
}

/// Columns of the terminal on stdout; none where there is none, or where it does not tell.
pub(super) fn columns() -> Option<usize> {
    let out = io::stdout();
    out.is_terminal().then(|| out.columns()).flatten()
}

/// stdout or stderr.
pub(super) trait Stream: IsTerminal {
    /// How wide it is.
    fn columns(&self) -> Option<usize>;
}

impl Stream for io::Stdout {
    fn columns(&self) -> Option<usize> {
        wide_enough(terminal_size_of(self))
    }
}

impl Stream for io::Stderr {
    fn columns(&self) -> Option<usize> {
        wide_enough(terminal_size_of(self))
    }
}

fn wide_enough(size: Option<(Width, Height)>) -> Option<usize> {
    let (Width(columns), _) = size?;
    Some(usize::from(columns)).filter(|columns| *columns >= NARROWEST)
}

/// Every line within so many columns, broken between words.
fn wrapped(text: &str, columns: usize) -> String {
    text.split_inclusive('\n').map(|line| wrapped_line(line, columns)).collect()
}

/// A word with the blanks before it. Styles take no room.
#[derive(Default)]
struct Word {
    blanks: usize,
    text: String,
    width: usize,
}

fn wrapped_line(line: &str, columns: usize) -> Cow<'_, str> {
    let (inside, end) = line.strip_suffix('\n').map_or((line, ""), |inside| (inside, "\n"));
    let words = words(inside);
    let wide: usize = words.iter().map(|word| word.blanks.saturating_add(word.width)).sum();
    if wide <= columns || inside.contains('\r') || has_a_command(inside) {
        return Cow::Borrowed(line);
    }
    let hang = hang(&words, columns);
    let (mut text, mut at) = (String::with_capacity(line.len()), 0_usize);
    for word in &words {
        let next = at.saturating_add(word.blanks).saturating_add(word.width);
        if next <= columns || at == 0 {
            text.extend(std::iter::repeat_n(' ', word.blanks));
            at = next;
        } else {
            // What is too long for what is left beside the indent gets more room.
            let indent = hang.min(columns.saturating_sub(word.width).max(2));
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent));
            at = indent.saturating_add(word.width);
        }
        text.push_str(&word.text);
    }
    text.push_str(end);
    Cow::Owned(text)
}

/// Programs whose commands are there to be copied.
const PROGRAMS: [&str; 4] = ["pflow-gateway ", "pflow mcp ", "pflow settings ", "export "];
/// What stands before the command of a product.
const BEFORE_A_COMMAND: [&str; 2] = ["start it with: ", "to start one: "];

/// A line with a command in it: broken, that would be two, or another one. Of several words in backticks: one can be broken nowhere.
fn has_a_command(line: &str) -> bool {
    PROGRAMS.iter().chain(&BEFORE_A_COMMAND).any(|words| line.contains(words))
        || line.split('`').skip(1).step_by(2).any(|quoted| quoted.contains(' '))
}

/// How far what goes on is indented: under the last column, where there is room for it; else a little more than the line.
fn hang(words: &[Word], columns: usize) -> usize {
    let indent = words.first().map_or(0, |word| word.blanks);
    let mut hang = indent.saturating_add(2);
    let mut at = 0_usize;
    for (number, word) in words.iter().enumerate() {
        at = at.saturating_add(word.blanks);
        if number > 0 && word.blanks > 1 && at.saturating_add(LAST_COLUMN) <= columns {
            hang = at;
        }
        at = at.saturating_add(word.width);
    }
    hang
}

fn words(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word = Word::default();
    let mut in_style = false;
    for c in line.chars() {
        match c {
            '\x1b' => in_style = true,
            _ if in_style => in_style = !c.is_ascii_alphabetic(),
            ' ' => {
                if word.width > 0 {
                    words.push(std::mem::take(&mut word));
                }
                word.blanks = word.blanks.saturating_add(1);
                continue;
            }
            c => word.width = word.width.saturating_add(c.width().unwrap_or_default()),
        }
        word.text.push(c);
    }
    words.push(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_take_two_columns_count_twice_and_marks_on_letters_not_at_all() {
        let widths = |text| words(text).iter().map(|word| word.width).collect::<Vec<_>>();
        assert_eq!(widths("日本 cafe\u{301}"), [4, 4]);
        assert_eq!(wrapped("日本 日本 日本 日本 日本\n", 20), "日本 日本 日本 日本\n  日本\n");
    }

    #[test]
    fn lines_are_broken_between_words_and_hang_under_their_last_column() {
        let text =
            "  ✓  protocol  7.1 ms   pflow-gateway-demo 0.1.0 (2026-07-28), generic: no known product\n✓ all is well\n";
        assert_eq!(
            wrapped(text, 60),
            "  ✓  protocol  7.1 ms   pflow-gateway-demo 0.1.0\n                        (2026-07-28), generic: no known\n                        product\n✓ all is well\n"
        );
        assert_eq!(wrapped("✗ one two three four five six\n", 20), "✗ one two three four\n  five six\n");
        assert_eq!(wrapped(text, 200), text);
    }

    #[test]
    fn styles_take_no_room_and_commands_and_bars_stay_whole() {
        let styled = "  \x1b[2mone\x1b[0m  \x1b[32mtwo\x1b[0m\n";
        assert_eq!(wrapped(styled, 20), styled);
        let command = "  → pflow-gateway call demo weather_get_current city=Lisbon\n";
        assert_eq!(wrapped(command, 30), command);
        let bar = "█".repeat(48);
        let line = format!("  a-service-with-a-name  {bar}  95.3% up\n");
        assert_eq!(
            wrapped(&line, 60),
            format!("  a-service-with-a-name\n{}{bar}\n{}95.3% up\n", " ".repeat(12), " ".repeat(25))
        );
        assert_eq!(wrapped("Name of the entry [gateway]: ", 60), "Name of the entry [gateway]: ");
    }

    #[test]
    fn a_locale_without_utf_8_gets_ascii() {
        let of = |name: &'static str, value: &'static str| {
            Letters::of(move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert_eq!(of("LC_ALL", "C"), Letters::Ascii);
        assert_eq!(of("LANG", "de_DE.ISO-8859-1"), Letters::Ascii);
        for named in ["C.UTF-8", "en_US.utf8", ""] {
            assert_eq!(of("LANG", named), Letters::Unicode, "{named}");
        }
        assert_eq!(Letters::of(|_| None), Letters::Unicode, "nothing said");
        let both = Letters::of(|name| Some(if name == "LC_ALL" { "C" } else { "C.UTF-8" }.to_owned()));
        assert_eq!(both, Letters::Ascii, "LC_ALL comes first");
        assert_eq!(Letters::Ascii.show("✓ ok → █▁ • ⚠ …, ü"), "+ ok -> #_ * ! ..., ü");
        assert_eq!(Letters::Unicode.show("✓"), "✓");
    }
}
