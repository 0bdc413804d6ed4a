//! Names as a reader sees them: what looks alike is one name here, though it is two on the wire.
//! Takes names of services and tools; gives their look (UTS 39), and what is odd about one. Must never change a name: what is sent and
//! compared stays as it came.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use pflow_gateway_unseen::{Verdict, verdicts};
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::{MixedScript as _, confusable_detection::skeleton};

use crate::text;

/// Characters of a name that are looked at: nothing useful is longer, and looking costs more than reading.
const LOOKED_AT: usize = 256;

/// What two names share when a reader may take one for the other: letters of other scripts, of another width, in another case, and what
/// nobody sees count for nothing.
#[must_use]
pub fn look(name: &str) -> String {
    if name.is_ascii() {
        return ascii_look(name);
    }
    let seen = verdicts(name).filter(|(_, verdict)| *verdict == Verdict::Seen).map(|(c, _)| c);
    let seen: String = seen.take(LOOKED_AT).nfkc().collect();
    let once: String = skeleton(&seen).flat_map(char::to_lowercase).collect();
    // Again: the small letter may look like something else than the capital one.
    let twice: String = skeleton(&once).collect();
    if twice.is_ascii() { ascii_look(&twice) } else { twice }
}

/// The same, of what every keyboard has.
fn ascii_look(name: &str) -> String {
    let mut look = String::with_capacity(name.len());
    for c in name.chars() {
        look.push_str(ascii_letter(c).encode_utf8(&mut [0; 4]));
        look.push_str(behind(c));
    }
    look
}

/// What a letter looks like, or the first of what it looks like.
fn ascii_letter(c: char) -> char {
    match c {
        '1' | 'I' | '|' | 'l' => 'l',
        '0' => 'o',
        'm' | 'M' => 'r',
        c => c.to_ascii_lowercase(),
    }
}

/// `rn` looks like `m`.
fn behind(c: char) -> &'static str {
    if matches!(c, 'm' | 'M') { "n" } else { "" }
}

/// A number that names of one look share (FNV-1a of [`look`]); others rarely do. Without a copy of a plain name.
fn mark(name: &str) -> u64 {
    const START: u64 = 0xcbf2_9ce4_8422_2325;
    const STEP: u64 = 0x0100_0000_01b3;
    let add = |mark: u64, byte: u8| (mark ^ u64::from(byte)).wrapping_mul(STEP);
    if !name.is_ascii() {
        return look(name).bytes().fold(START, add);
    }
    name.chars().fold(START, |mark, c| {
        let mark = u8::try_from(ascii_letter(c)).map_or(mark, |byte| add(mark, byte));
        behind(c).bytes().fold(mark, add)
    })
}

/// The name for people: what nobody sees stands as its number, and so do letters that look like others, where it matters.
#[must_use]
pub fn shown(name: &str) -> String {
    let mut shown = String::with_capacity(name.len());
    for (c, verdict) in verdicts(name) {
        match verdict {
            Verdict::Seen if !c.is_control() => shown.push(c),
            Verdict::Shaping => shown.push(c),
            _ => {
                let _ = write!(shown, "<U+{:04X}>", u32::from(c));
            }
        }
    }
    text::clean(&shown)
}

/// What nobody sees in a name, each once.
#[must_use]
pub fn unseen(name: &str) -> Vec<char> {
    let mut found: Vec<char> = verdicts(name)
        .filter(|(c, verdict)| matches!(verdict, Verdict::Idle | Verdict::Hidden(_)) || matches!(c, '\n' | '\r' | '\t'))
        .map(|(c, _)| c)
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// A letter of another script that stands among Latin letters and looks like one: the first of a word in which no letter of that script
/// looks like anything else. A word that is honestly written in both has letters that Latin lacks.
#[must_use]
pub fn intruder(name: &str) -> Option<(char, String)> {
    if name.is_ascii() {
        return None;
    }
    name.split(|c: char| !c.is_alphanumeric()).find_map(|word| {
        let latin = word.chars().any(|c| c.is_ascii_alphabetic());
        if !latin || word.is_single_script() {
            return None;
        }
        let first = word.chars().find(|c| !c.is_ascii())?;
        let foreign: BTreeSet<char> = word.chars().filter(|c| !c.is_ascii()).take(LOOKED_AT).collect();
        let twin = |c: char| Some(look(&c.to_string())).filter(|twin| twin.is_ascii() && !twin.is_empty());
        foreign.iter().all(|c| twin(*c).is_some()).then(|| Some((first, twin(first)?)))?
    })
}

/// `U+0456`.
#[must_use]
pub fn number(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

/// Whether only its exact spelling may mean this name: it hides something, or has letters of another script for Latin ones.
#[must_use]
pub fn is_disguised(name: &str) -> bool {
    !name.is_ascii() && (!unseen(name).is_empty() || intruder(name).is_some())
}

/// Names that look alike, those of one look together; only looks that several names have. Takes each name once.
#[must_use]
pub fn alike<'n>(names: impl Iterator<Item = &'n str>) -> Vec<Vec<&'n str>> {
    // Most looks are one name's: only those whose marks meet are spelled out.
    let mut marked: Vec<(u64, &'n str)> = names.map(|name| (mark(name), name)).collect();
    marked.sort_unstable();
    let mut looks: BTreeMap<String, Vec<&'n str>> = BTreeMap::new();
    for names in marked.chunk_by(|(one, _), (other, _)| one == other).filter(|names| names.len() > 1) {
        for (_, name) in names {
            looks.entry(look(name)).or_default().push(name);
        }
    }
    looks.into_values().filter(|names| names.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_a_reader_takes_for_one_have_one_look() {
        for (one, other) in [
            ("github", "g\u{456}thub"),
            ("github", "git\u{ad}hub"),
            ("github", "github\u{3164}"),
            ("github", "\u{ff47}\u{ff49}thub"),
            ("github", "GitHub"),
            ("gitlab", "gitIab"),
            ("gitlab", "git1ab"),
            ("modern", "rnodern"),
            ("slack", "s\u{200b}lack"),
            ("slack", "ѕlасk"),
            ("google", "g\u{3bf}ogle"),
            ("paypal", "раураl"),
        ] {
            assert_eq!(look(one), look(other), "{one} {}", shown(other));
        }
        for (one, other) in [("github", "gitlab"), ("list_a", "list_b"), ("größe", "grosse"), ("日本", "日木")] {
            assert_ne!(look(one), look(other), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn names_of_one_look_have_one_mark(one in "[a-zA-Z0-9|mrnlI1]{0,12}", other in "[a-zA-Z0-9|mrnlI1іѕ]{0,3}") {
            let changed = one.replace('m', "rn").replace('l', "I").replace('0', "O");
            prop_assert_eq!(look(&one), look(&changed));
            prop_assert_eq!(mark(&one), mark(&changed));
            prop_assert_eq!(mark(&one) == mark(&other), look(&one) == look(&other));
        }
    }

    #[test]
    fn a_word_of_two_scripts_is_odd_only_where_one_pretends_to_be_the_other() {
        for odd in ["g\u{456}thub", "list_ѕlack", "gοogle", "раyраl"] {
            assert!(intruder(odd).is_some(), "{odd}");
        }
        for honest in [
            "github",
            "создать_задачу",
            "github_создать",
            "createПользователь",
            "größe",
            "GitHubの課題",
            "日本語tool",
            "Ελλάδα",
            "अनुवाद_get",
            "naïve-café",
        ] {
            assert_eq!(intruder(honest), None, "{honest}");
            assert!(!is_disguised(honest), "{honest}");
        }
        assert!(is_disguised("git\u{200b}hub") && is_disguised("\u{202e}buhtig"));
    }

    #[test]
    fn what_nobody_sees_is_shown_as_its_number() {
        assert_eq!(shown("git\u{200b}hub\u{202e}"), "git<U+200B>hub<U+202E>");
        assert_eq!(shown("größe ❤\u{fe0f}"), "größe ❤\u{fe0f}");
    }

    proptest! {
        #[test]
        fn the_ascii_look_is_the_look(name in "[ -~]{0,12}") {
            let lower: String = skeleton(&name).flat_map(char::to_lowercase).collect();
            let theirs = ascii_look(&skeleton(&lower).collect::<String>());
            // Quotes and the percent sign are no part of names that are compared.
            prop_assume!(!name.contains(['"', '%', '`']));
            prop_assert_eq!(look(&name), theirs);
        }

        #[test]
        fn no_name_breaks_anything(name in any::<String>()) {
            let _ = (look(&name), intruder(&name), unseen(&name));
            prop_assert!(!shown(&name).chars().any(char::is_control));
        }
    }
}
