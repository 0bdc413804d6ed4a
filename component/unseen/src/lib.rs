//! Characters that nobody sees: which there are, and which of them honest text of any language has.
//! Takes a text; gives a verdict for each of its characters. Knows nothing of terminals, JSON or gateways: what is done about a
//! character is the caller's business. Must never call a plain letter, digit or sign anything but seen.

/// What a character is to somebody who reads the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is seen, or is a line's end or a tab.
    Seen,
    /// It is not seen, but shapes what is: joiners in Arabic, Persian and the Indic scripts, emoji of several parts.
    Shaping,
    /// Honest text has it, and looks the same without: soft hyphens, marks of direction in a text that needs them.
    Idle,
    /// Nobody sees it, and it has no business here.
    Hidden(Kind),
}

/// What a hidden character does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Steers a terminal.
    Control,
    /// Reorders what is seen.
    Direction,
    /// Takes no room, or looks like nothing.
    Invisible,
    /// A variation selector where nothing varies: 256 of them carry bytes.
    Selector,
    /// A tag: letters that only machines read.
    Tag,
}

/// The flags of England, Scotland and Wales: a black flag and tags. There are no others.
const FLAGS: [&str; 3] = [
    "\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
    "\u{1F3F4}\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}",
    "\u{1F3F4}\u{E0067}\u{E0062}\u{E0077}\u{E006C}\u{E0073}\u{E007F}",
];

/// What the character does, if it is one that is not seen, wherever it stands: C0, DEL and C1, `Bidi_Control`, separators of lines and
/// `Default_Ignorable_Code_Point` (Unicode 17).
#[must_use]
pub fn unseen(character: char) -> Option<Kind> {
    Some(match character {
        _ if character.is_control() => Kind::Control,
        '\u{2028}' | '\u{2029}' => Kind::Control,
        '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => Kind::Direction,
        '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' => Kind::Selector,
        '\u{E0000}'..='\u{E00FF}' | '\u{E01F0}'..='\u{E0FFF}' => Kind::Tag,
        '\u{00AD}'
        | '\u{034F}'
        | '\u{115F}'
        | '\u{1160}'
        | '\u{17B4}'
        | '\u{17B5}'
        | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200D}'
        | '\u{2060}'..='\u{2065}'
        | '\u{206A}'..='\u{206F}'
        | '\u{3164}'
        | '\u{FEFF}'
        | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFB}'
        | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' => Kind::Invisible,
        _ => return None,
    })
}

/// A verdict for each character of a text, in order.
pub fn verdicts(text: &str) -> impl Iterator<Item = (char, Verdict)> + '_ {
    let mut before: Option<char> = None;
    let mut flag = 0_usize;
    // Asked for only when it matters.
    let mut rightward: Option<bool> = None;
    let mut characters = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (at, character) = characters.next()?;
        let next = characters.peek().map(|(_, next)| *next);
        let verdict = if flag > 0 {
            flag -= 1;
            Verdict::Shaping
        } else {
            match unseen(character) {
                None => Verdict::Seen,
                Some(_) if matches!(character, '\n' | '\r' | '\t') => Verdict::Seen,
                Some(Kind::Direction) => {
                    let needed = *rightward.get_or_insert_with(|| text.chars().any(runs_right_to_left));
                    // What overrides the order of letters is never needed.
                    let overrides = matches!(character, '\u{202D}' | '\u{202E}');
                    if needed && !overrides { Verdict::Idle } else { Verdict::Hidden(Kind::Direction) }
                }
                Some(kind) => shaping(before, character, next).unwrap_or(Verdict::Hidden(kind)),
            }
        };
        if character == '\u{1F3F4}' && text.get(at..).is_some_and(|rest| FLAGS.iter().any(|f| rest.starts_with(f))) {
            flag = 6;
        }
        before = Some(character);
        Some((character, verdict))
    })
}

/// Whether the text has a character that has no business in it.
#[must_use]
pub fn hides(text: &str) -> bool {
    !text.is_ascii() && verdicts(text).any(|(_, verdict)| matches!(verdict, Verdict::Hidden(_)))
        || text.bytes().any(|byte| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\r' | b'\t'))
}

/// What an unseen character does between these two, where honest text has it.
fn shaping(before: Option<char>, character: char, next: Option<char>) -> Option<Verdict> {
    let is = |character: Option<char>, what: fn(char) -> bool| character.is_some_and(what);
    match character {
        // Between letters it is where a word may be broken.
        '\u{00AD}' if is(before, char::is_alphabetic) && is(next, char::is_alphabetic) => Some(Verdict::Idle),
        // At the start it is the mark of the encoding.
        '\u{FEFF}' if before.is_none() => Some(Verdict::Idle),
        '\u{200C}' | '\u{200D}' if is(before, joins) => Some(Verdict::Shaping),
        '\u{200D}' if is(before, ends_emoji) && is(next, is_emoji) => Some(Verdict::Shaping),
        // Where a line may be broken, in scripts without blanks.
        '\u{200B}' if is(before, has_no_blanks) && is(next, has_no_blanks) => Some(Verdict::Shaping),
        '\u{FE0E}' | '\u{FE0F}' if is(before, is_emoji) => Some(Verdict::Shaping),
        // Keycaps: 1, the selector, the frame.
        '\u{FE0F}' if is(before, |c| matches!(c, '0'..='9' | '#' | '*')) && next == Some('\u{20E3}') => {
            Some(Verdict::Shaping)
        }
        // Variants of one ideograph.
        '\u{FE00}'..='\u{FE02}' | '\u{E0100}'..='\u{E01EF}' if is(before, is_ideograph) => Some(Verdict::Shaping),
        '\u{180B}'..='\u{180F}' if is(before, |c| matches!(c, '\u{1800}'..='\u{18AF}')) => Some(Verdict::Shaping),
        // Syllables of old Hangul lack a part.
        '\u{115F}' | '\u{1160}' if is(before, is_jamo) || is(next, is_jamo) => Some(Verdict::Shaping),
        _ => None,
    }
}

/// Letters of scripts that are written from right to left.
fn runs_right_to_left(c: char) -> bool {
    matches!(c, '\u{0590}'..='\u{08FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}' | '\u{10800}'..='\u{10FFF}' | '\u{1E800}'..='\u{1EFFF}')
        && c.is_alphabetic()
}

/// Letters and marks whose shape a joiner or its opposite changes: Arabic and its kin, the Indic scripts, Khmer, Myanmar, Mongolian.
fn joins(c: char) -> bool {
    matches!(c, '\u{0620}'..='\u{07FF}' | '\u{0840}'..='\u{0DFF}' | '\u{0F00}'..='\u{109F}' | '\u{1780}'..='\u{18AF}' | '\u{1900}'..='\u{1CFF}' | '\u{A800}'..='\u{ABFF}' | '\u{FB50}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}' | '\u{11000}'..='\u{11FFF}')
        && unseen(c).is_none()
}

/// Thai, Lao, Tibetan, Myanmar, Khmer.
fn has_no_blanks(c: char) -> bool {
    matches!(c, '\u{0E00}'..='\u{0FFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{1950}'..='\u{1AAF}')
        && unseen(c).is_none()
}

/// Characters that have a form as an emoji.
fn is_emoji(c: char) -> bool {
    matches!(c, '\u{00A9}' | '\u{00AE}' | '\u{203C}'..='\u{2049}' | '\u{2100}'..='\u{27BF}' | '\u{2900}'..='\u{297F}' | '\u{2B00}'..='\u{2BFF}' | '\u{3030}' | '\u{303D}' | '\u{3297}' | '\u{3299}' | '\u{1F000}'..='\u{1FAFF}')
}

/// … or end one: a selector or a colour of skin stands last.
fn ends_emoji(c: char) -> bool {
    is_emoji(c) || c == '\u{FE0F}'
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3005}'..='\u{3007}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

fn is_jamo(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115E}' | '\u{1161}'..='\u{11FF}' | '\u{A960}'..='\u{A97F}' | '\u{D7B0}'..='\u{D7FF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_text_of_any_language_hides_nothing() {
        for honest in [
            "plain\r\n\ttext",
            "größer, Donau\u{ad}dampf\u{ad}schiff",
            "می\u{200c}خواهم یک پرونده بسازم",
            "क्\u{200d}ष और र\u{200d}्",
            "ශ්\u{200d}රී ලංකා",
            "أنشئ \u{2067}issue\u{2069} جديدة\u{200f}.",
            "עברית \u{202b}x\u{202c}",
            "❤\u{fe0f} ⚠\u{fe0f} 1\u{fe0f}\u{20e3} ☎\u{fe0e}",
            "👩\u{200d}👩\u{200d}👧 🏳\u{fe0f}\u{200d}🌈 👩🏽\u{200d}💻",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f} and 🏴",
            "葛\u{e0100}城市 日本語",
            "ภาษา\u{200b}ไทย",
            "\u{feff}starts with a mark",
            "ᠮᠣᠩ\u{180b}",
        ] {
            assert!(!hides(honest), "{honest:?}: {:?}", verdicts(honest).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_nobody_sees_and_nothing_needs_is_hidden() {
        for hidden in [
            "\u{1b}[31mred",
            "a\u{9b}b",
            "git\u{200b}hub",
            "git\u{200d}hub",
            "git\u{200c}hub",
            "a\u{202e}b",
            "اب\u{202e}جد",
            "a\u{200f}b",
            "a\u{2066}b",
            "github\u{ad}",
            "a\u{feff}b",
            "a\u{3164}",
            "a\u{115f}b",
            "a\u{ffa0}b",
            "a\u{fe0f}",
            "❤\u{fe0f}\u{fe0f}",
            "a\u{e0041}",
            "🏴\u{e0067}\u{e0062}\u{e0078}\u{e0078}\u{e0078}\u{e007f}",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}\u{e0041}",
            "a\u{e0100}",
            "葛\u{e0100}\u{e0101}",
            "a\u{2064}b",
            "😀\u{200d}x",
        ] {
            assert!(hides(hidden), "{hidden:?}: {:?}", verdicts(hidden).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_verdict_belongs_to_its_character() {
        let text = "a\u{200b}🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}ü";
        assert_eq!(verdicts(text).map(|(character, _)| character).collect::<String>(), text);
        assert_eq!(verdicts(text).filter(|(_, verdict)| *verdict == Verdict::Seen).count(), 3);
    }
}
