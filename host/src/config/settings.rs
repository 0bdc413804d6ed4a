//! What a user sets for the component: texts by name, in the entry's `settings`.
//! Takes members of an entry, or `NAME=VALUE` of a flag; gives [`Settings`]. Never holds a credential: the component reads all of it.

use std::{collections::BTreeMap, str::FromStr};

use pflow_gateway_service_settings::{LONGEST_NAME, MOST_SETTINGS, setting_fault};
use serde::Serialize;

use super::error::{EntryError, Result};
use super::member::Member;
use crate::scrub;

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
        if let Some(fault) = setting_fault(&name, &value) {
            let name = scrub::line(&name, LONGEST_NAME);
            return Err(EntryError::Setting { path: place.to_owned(), name, fault }.into());
        }
        self.0.insert(name, value);
        if self.0.len() > MOST_SETTINGS {
            return Err(EntryError::Settings { path: place.to_owned() }.into());
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use pflow_gateway_service_settings::{LONGEST_TEXT, SettingFault};
    use serde_json::json;

    use super::{super::error::ConfigError, *};
    use crate::Advice as _;

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
            assert!(matches!(&error, ConfigError::Entry(EntryError::Setting { fault: SettingFault::Credential, .. })));
            assert!(error.hint().unwrap().contains("\"auth\""), "{error:?}");
            assert!(value == "x" || !format!("{error:?}").contains(value), "{error:?}");
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
            (json!({"a b": "x"}), "cannot be the name"),
            (json!({"a": "x".repeat(LONGEST_TEXT + 1)}), "is longer"),
            (json!(["a"]), "must be an object"),
        ] {
            let error = read(&value).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
        let many: serde_json::Map<_, _> = (0..=MOST_SETTINGS).map(|at| (format!("n{at}"), json!("x"))).collect();
        let many = read(&many.into()).unwrap_err();
        assert!(matches!(many, ConfigError::Entry(EntryError::Settings { .. })), "{many:?}");
        assert!(many.to_string().contains("more than 50"));
    }
}
