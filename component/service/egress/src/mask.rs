//! How a credential comes back.
//! Takes secrets; gives the spellings in which an echo of one comes: as it is, escaped in JSON, in percent, and in base64. Where they stand is
//! found by [`passing`](crate::passing), whole or cut off. Never one that is too short to be a secret.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// What stands there instead.
pub const MASK: &str = "***";

/// Shorter ones are in every text; whoever uses one is not helped by a mask.
const SHORTEST: usize = 6;

/// Of one that was cut off, this many letters are still masked: logs shorten, and so do error pages.
pub(crate) const BEGINNING: usize = 12;

/// Every spelling of the secrets, the longest first.
#[must_use]
pub fn spellings(secrets: &[String]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST) {
        all.push(secret.clone());
        all.extend(in_json(secret));
        all.extend(in_percent(secret));
        all.extend(in_base64(secret));
    }
    // Stars alone are what masking makes.
    all.retain(|text| text.len() >= SHORTEST && text.bytes().any(|byte| byte != b'*'));
    all.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    all.dedup();
    all
}

/// With a slash as it is, escaped, and in hexadecimal digits as some write what HTML would take for its own.
fn in_json(secret: &str) -> [String; 4] {
    let quoted = serde_json::Value::from(secret).to_string();
    let inner = quoted.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"')).unwrap_or_default().to_owned();
    let hexadecimal = |upper: bool| {
        let mut text = String::new();
        for letter in inner.chars() {
            let code = u32::from(letter);
            match (letter, upper) {
                ('/' | '<' | '>' | '&' | '\'' | '+' | '=', true) => text.push_str(&format!("\\u{code:04X}")),
                ('/' | '<' | '>' | '&' | '\'' | '+' | '=', false) => text.push_str(&format!("\\u{code:04x}")),
                _ => text.push(letter),
            }
        }
        text
    };
    [inner.replace('/', "\\/"), hexadecimal(true), hexadecimal(false), inner]
}

fn in_percent(secret: &str) -> [String; 3] {
    let coded = |upper: bool| -> String {
        let one = |byte: u8| match (byte, upper) {
            (byte, _) if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => char::from(byte).to_string(),
            (byte, true) => format!("%{byte:02X}"),
            (byte, false) => format!("%{byte:02x}"),
        };
        secret.bytes().map(one).collect()
    };
    [coded(true), coded(false), coded(true).replace("%20", "+")]
}

/// Wherever it stands in what was coded, without the letters that depend on what is beside it.
fn in_base64(secret: &str) -> Vec<String> {
    let mut all = Vec::new();
    for before in 0..3_usize {
        let bytes = [&vec![0; before], secret.as_bytes()].concat();
        for coded in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            let first = [0, 2, 3].get(before).copied().unwrap_or_default();
            let last = if bytes.len() % 3 == 0 { coded.len() } else { coded.len().saturating_sub(1) };
            all.extend(coded.get(first..last).filter(|text| text.len() >= 8).map(str::to_owned));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::passing::Finder;

    fn mask(text: &str, spellings: &[String]) -> String {
        Rc::new(Finder::new(spellings.to_vec())).mask(text)
    }

    const SECRET: &str = "se/cr\"et+token of 2026";

    fn masked(echo: &str) -> String {
        mask(&format!("before {echo} after"), &spellings(&[SECRET.to_owned(), "abc".to_owned()]))
    }

    #[test]
    fn an_echo_is_masked_however_it_is_spelled() {
        use base64::engine::general_purpose::{STANDARD, URL_SAFE};
        for echo in [
            SECRET,
            r#"{"a":"se/cr\"et+token of 2026"}"#,
            r#"{"a":"se\/cr\"et+token of 2026"}"#,
            r#"{"a":"se\u002fcr\"et\u002btoken of 2026"}"#,
            "se%2Fcr%22et%2Btoken%20of%202026",
            "se%2fcr%22et%2btoken%20of%202026",
            "se%2Fcr%22et%2Btoken+of+2026",
            &STANDARD.encode(SECRET),
            &URL_SAFE.encode(SECRET),
            &STANDARD.encode(format!("Bearer {SECRET}")),
            &STANDARD.encode(format!("user:{SECRET}")),
            &STANDARD.encode(format!("a {SECRET} b")),
        ] {
            let masked = masked(echo);
            assert!(masked.contains(MASK) && masked.starts_with("before ") && masked.ends_with(" after"), "{masked}");
            for part in ["token of", "token%20", "token+of"] {
                assert!(!masked.contains(part), "{masked}");
            }
            let left = masked.split_whitespace().filter(|word| word.len() > 20).count();
            assert_eq!(left, 0, "{masked}");
        }
        assert_eq!(masked("abc"), "before abc after", "too short to be one");
    }

    #[test]
    fn one_that_was_cut_off_is_masked_from_twelve_letters_on() {
        assert_eq!(masked("se/cr\"et+tok"), "before *** after");
        assert_eq!(masked("se/cr\"et+token of…"), "before ***… after");
        assert_eq!(masked("se%2Fcr%22et…"), "before ***… after");
        assert_eq!(masked("se/cr\"et+to"), "before se/cr\"et+to after", "eleven letters");
        let short = spellings(&["secret-1".to_owned()]);
        assert_eq!(mask("secret-1 secret- x", &short), "*** secret- x", "a short one is masked whole only");
    }

    #[test]
    fn two_that_overlap_leave_nothing_of_either() {
        let both =
            spellings(&["abcdefgh12345678".to_owned(), "12345678ijklmnop".to_owned(), "é-token-é-token".to_owned()]);
        assert_eq!(mask("x abcdefgh12345678ijklmnop y", &both), "x *** y");
        assert_eq!(mask("é-token-é-to é", &both), "*** é");
    }
}
