//! What a user sets for the component: texts by name, in the entry's `settings`.
//! Takes members of an entry, or `NAME=VALUE` of a flag; gives [`Settings`]. Never holds a credential: the component reads all of it.

use std::{collections::BTreeMap, str::FromStr};

use serde::Serialize;

use super::{address::looks_like_a_key, member::Member};
use crate::{Error, Result, scrub};

/// Settings of one entry.
const MOST: usize = 50;
/// Letters of a name.
const LONGEST_NAME: usize = 64;
/// Bytes of a value.
const LONGEST: usize = 4_096;

/// Texts by name, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Reads the member of an entry.
    pub(super) fn read(member: &Member) -> Result<Self> {
        let mut settings = Self::default();
        for name in member.object()?.keys() {
            let value =
                Member::root(format!("{}.{}", member.path(), scrub::line(name, LONGEST_NAME)), &member.value()[name]);
            let text = value.value().as_str().ok_or_else(|| value.wrong("a text"))?;
            settings.set(Setting { name: name.clone(), value: text.to_owned() }, member.path())?;
        }
        Ok(settings)
    }

    /// From flags. Of two with one name the last counts.
    ///
    /// # Errors
    ///
    /// `config`: too many.
    pub fn of(given: &[Setting]) -> Result<Self> {
        let mut settings = Self::default();
        given.iter().try_for_each(|setting| settings.set(setting.clone(), "--setting"))?;
        Ok(settings)
    }

    fn set(&mut self, setting: Setting, place: &str) -> Result<()> {
        let Setting { name, value } = setting;
        check(&name, &value)
            .map_err(|(problem, remedy)| Error::config(format!("{place}: {problem}")).with_hint(remedy))?;
        self.0.insert(name, value);
        if self.0.len() > MOST {
            return Err(Error::config(format!("{place}: more than {MOST} settings"))
                .with_hint("let one of them name a page that the component reads"));
        }
        Ok(())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    name: String,
    value: String,
}

impl FromStr for Setting {
    type Err = String;

    /// `NAME=VALUE`. Whether it may be one [`Settings::of`] says: what fails here is printed, and it may be a credential.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, like page=/status.json")?;
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

const CREDENTIALS: &str = "a component is given no credentials; \"auth\" and \"headers\" are where they belong, and are added after the \
                           request has left the component";

/// What is wrong with it, and what to do. A value is not repeated: it may be a secret.
fn check(name: &str, value: &str) -> std::result::Result<(), (String, &'static str)> {
    let letter = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let shown = scrub::line(name, LONGEST_NAME);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(letter) {
        return Err((
            format!("\"{shown}\" is no name of a setting"),
            "take letters, digits, hyphens, underscores and dots, 64 at most",
        ));
    }
    if value.len() > LONGEST || value.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err((
            format!("the setting {shown} is longer than {LONGEST} bytes, or has control characters"),
            "put it where the component can read it, and name the place",
        ));
    }
    if value.contains("${") {
        return Err((
            format!("the setting {shown} names a variable, and variables are not put in here"),
            "write the text itself; where it is a credential, it belongs into \"auth\"",
        ));
    }
    let word = |word: &str| looks_like_a_key(word) || KEYS.iter().any(|start| word.starts_with(start));
    let named = name.split(['-', '_', '.']).any(|word| SECRET_WORDS.contains(&word.to_ascii_lowercase().as_str()));
    let secret = named || value.split(|c: char| !(c.is_ascii_alphanumeric() || "_-+".contains(c))).any(word);
    if secret {
        return Err((format!("the setting {shown} looks like a credential"), CREDENTIALS));
    }
    Ok(())
}

/// Words of a name that say what the value is.
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &serde_json::Value) -> Result<Settings> {
        Settings::read(&Member::root("g.gateway.settings", value))
    }

    #[test]
    fn texts_are_read_alike_from_an_entry_and_from_flags() {
        let entry =
            read(&json!({"page": "/status.json", "classes": "hr.*=confidential\n*=internal", "empty": ""})).unwrap();
        let flags =
            ["page=/status.json", "classes=hr.*=confidential\n*=internal", "empty="].map(|text| text.parse().unwrap());
        assert_eq!(entry, Settings::of(&flags).unwrap());
        let names: Vec<_> = entry.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["classes", "empty", "page"]);
    }

    #[test]
    fn a_credential_is_refused_with_the_place_where_it_belongs_and_is_not_repeated() {
        for (name, value) in [
            ("api_key", "x"),
            ("Token", "x"),
            ("page", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
            ("page", "https://h/?q=key-of-mine-SECRET-4242"),
            ("url", "xoxb-1"),
        ] {
            let error = read(&json!({name: value})).unwrap_err();
            assert!(error.message.contains("looks like a credential"), "{error}");
            assert!(error.hint.as_deref().unwrap().contains("\"auth\""), "{error:?}");
            assert!(value == "x" || !error.to_string().contains(value), "{error}");
            let flag: Setting = format!("{name}={value}").parse().unwrap();
            let error = Settings::of(&[flag]).unwrap_err();
            assert!(value == "x" || !error.to_string().contains(value), "{error}");
        }
    }

    #[test]
    fn what_is_no_text_or_names_a_variable_is_refused() {
        for (value, said) in [
            (json!({"a": 1}), "must be a text"),
            (json!({"a": "${HOME}"}), "names a variable"),
            (json!({"a b": "x"}), "is no name"),
            (json!({"a": "x".repeat(LONGEST + 1)}), "is longer"),
            (json!(["a"]), "must be an object"),
        ] {
            let error = read(&value).unwrap_err();
            assert!(error.message.contains(said), "{error}");
        }
        let many: serde_json::Map<_, _> = (0..=MOST).map(|at| (format!("n{at}"), json!("x"))).collect();
        assert!(read(&many.into()).unwrap_err().message.contains("more than 50"));
    }
}
