//! What one setting for the gateway component may be: a name and a text, wherever somebody wrote them.
//! Takes both; gives what is wrong with them. Never lets a credential through, as far as one can be told: the component reads all of it.

/// Settings of one gateway.
pub const MOST_SETTINGS: usize = 50;
/// Letters of a name.
pub const LONGEST_NAME: usize = 64;
/// Bytes of a text.
pub const LONGEST_TEXT: usize = 4_096;
/// From so many letters and digits in a row on a text looks like a key.
const KEY: usize = 20;

/// Words of a name that say what the text is.
const SECRET_WORDS: [&str; 13] = [
    "key",
    "apikey",
    "token",
    "accesstoken",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "auth",
    "authorization",
    "credential",
    "credentials",
    "jwt",
];
/// How keys begin that everybody knows.
const KEYS: [&str; 9] = ["ghp_", "gho_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "sk-", "AKIA", "eyJhbGciO"];

/// What is wrong with a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingFault {
    /// The name has other characters, too many, or none.
    Name,
    /// The text is too long, or has control characters.
    Text,
    /// The text names a variable, and none is put in here.
    Variable,
    /// Name or text looks like a credential's.
    Credential,
}

/// What is wrong with this one, if anything is.
#[must_use]
pub fn setting_fault(name: &str, text: &str) -> Option<SettingFault> {
    let letter = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(letter) {
        Some(SettingFault::Name)
    } else if text.len() > LONGEST_TEXT || text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        Some(SettingFault::Text)
    } else if text.contains("${") {
        Some(SettingFault::Variable)
    } else {
        looks_secret(name, text).then_some(SettingFault::Credential)
    }
}

fn looks_secret(name: &str, text: &str) -> bool {
    let named = name.split(['-', '_', '.']).any(|word| SECRET_WORDS.contains(&word.to_ascii_lowercase().as_str()));
    let is_key = |word: &str| {
        let has = |what: fn(&char) -> bool| word.chars().any(|c| what(&c));
        word.len() >= KEY && has(char::is_ascii_digit) && has(char::is_ascii_alphabetic)
            || KEYS.iter().any(|start| word.starts_with(start))
    };
    named || text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-+".contains(c))).any(is_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_told_by_its_name_or_by_its_shape_and_a_page_is_none() {
        for (name, text) in [
            ("api_key", "x"),
            ("Token", "x"),
            ("page", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
            ("page", "https://h/?q=key-of-mine-SECRET-4242"),
            ("url", "xoxb-1"),
        ] {
            assert_eq!(setting_fault(name, text), Some(SettingFault::Credential), "{name}={text}");
        }
        for (name, text) in [("page", "/status.json"), ("monkey.business", "hr.*=confidential\n*=internal"), ("a", "")]
        {
            assert_eq!(setting_fault(name, text), None, "{name}={text}");
        }
    }

    #[test]
    fn the_first_thing_that_is_wrong_is_told() {
        let long = "x".repeat(LONGEST_TEXT + 1);
        for (name, text, fault) in [
            ("", "x", SettingFault::Name),
            ("a b", "${HOME}", SettingFault::Name),
            ("a", long.as_str(), SettingFault::Text),
            ("a", "bell\u{7}", SettingFault::Text),
            ("token", "${HOME}", SettingFault::Variable),
        ] {
            assert_eq!(setting_fault(name, text), Some(fault), "{name}");
        }
    }
}
