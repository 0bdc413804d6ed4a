//! Masks credentials in what comes back.
//! Takes a text and the secrets; gives the text without them, in the spellings in which an echo comes: as it is, escaped in JSON, in
//! percent, and in base64. Never masks what is too short to be one.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// What stands there instead.
pub const MASK: &str = "***";

/// Shorter ones are in every text; whoever uses one is not helped by a mask.
const SHORTEST: usize = 6;

/// Every spelling of the secrets, the longest first.
#[must_use]
pub fn spellings(secrets: &[String]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST) {
        all.push(secret.clone());
        all.push(secret.replace('\\', "\\\\").replace('"', "\\\"").replace('/', "\\/"));
        all.push(secret.replace('\\', "\\\\").replace('"', "\\\""));
        let percent = |byte: u8| {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        };
        all.push(secret.bytes().map(percent).collect());
        // Without what depends on the bytes behind it.
        let base64 = STANDARD.encode(secret);
        let whole = base64.trim_end_matches('=');
        all.extend(whole.get(..whole.len().saturating_sub(1)).filter(|text| text.len() >= 8).map(str::to_owned));
    }
    all.sort_by_key(|text| std::cmp::Reverse(text.len()));
    all.dedup();
    all
}

/// The text without them.
#[must_use]
pub fn mask(text: &str, spellings: &[String]) -> String {
    let mut masked = text.to_owned();
    for spelling in spellings {
        if masked.contains(spelling.as_str()) {
            masked = masked.replace(spelling.as_str(), MASK);
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_masked_however_it_is_spelled() {
        let spellings = spellings(&["se/cr\"et+token".to_owned(), "abc".to_owned()]);
        for echo in [
            "se/cr\"et+token",
            r#"{"a":"se/cr\"et+token"}"#,
            r#"{"a":"se\/cr\"et+token"}"#,
            "se%2Fcr%22et%2Btoken",
            &STANDARD.encode("se/cr\"et+token"),
        ] {
            let masked = mask(&format!("before {echo} after"), &spellings);
            assert!(masked.contains(MASK) && masked.starts_with("before ") && masked.ends_with(" after"), "{masked}");
        }
        assert_eq!(mask("abc is no secret", &spellings), "abc is no secret");
    }
}
