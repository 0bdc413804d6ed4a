//! `${VAR}` and `${VAR:-default}`, as pflow resolves them.
//! Takes the environment and the `env` of pflow's `settings.json`; gives values, as secrets. Never logs one.
//!
//! | text | becomes |
//! | --- | --- |
//! | `${VAR}` | the environment's `VAR` (names are case-sensitive); else the first of `settings.json` whose name is `VAR` in any case |
//! | `${VAR:-text}` | the same; `text` when neither has it. An empty value is a value |
//! | anything else | itself: `$VAR`, `${1}` and `${a b}` are no variables |

use std::{collections::HashMap, fmt, path::Path};

use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};
use serde_json::Value;

use super::error::{ConfigError, Result};
use crate::files;

/// Handed on by pflow for a variable that is not set, where one default for it would be wrong in some place.
pub(super) const NOT_SET: &str = "pflow-gateway:not-set";

/// Text with variables, not yet resolved. May hold a secret if the user wrote one, so it prints only its variables.
#[derive(Clone, PartialEq, Eq)]
pub struct Template(Zeroizing<String>);

impl Template {
    /// From the text of an entry.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// `${VAR}`.
    #[must_use]
    pub fn variable(name: &str) -> Self {
        Self::new(format!("${{{name}}}"))
    }

    /// As it is written to the entry.
    #[must_use]
    pub fn as_written(&self) -> &str {
        &self.0
    }

    /// The names of its variables, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables().map(|(name, _)| name)
    }

    /// Its variables, in order, each with its default.
    pub fn variables(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        pieces(&self.0).filter_map(|piece| match piece {
            Piece::Variable { name, default, .. } => Some((name, default)),
            Piece::Text(_) => None,
        })
    }

    /// The text with every variable replaced.
    ///
    /// # Errors
    ///
    /// `config`: a variable has no value and no default; names it.
    pub fn resolve(&self, variables: &Variables) -> Result<SecretString> {
        let mut text = String::new();
        for piece in pieces(&self.0) {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Variable { name, default, .. } => match (variables.get(name), default) {
                    (Some(value), _) => text.push_str(value.expose_secret()),
                    (None, Some(default)) => text.push_str(default),
                    (None, None) => {
                        return Err(ConfigError::Unset { name: name.to_owned() });
                    }
                },
            }
        }
        Ok(text.into())
    }
}

/// Its variables and nothing else: `${GATEWAY_TOKEN}`, or `a literal value`; and what looks like another program's variable.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.names().map(|name| format!("${{{name}}}")).collect();
        match mistaken(&self.0) {
            Some((written, name)) => write!(f, "{written} (no variable for pflow: write ${{{name}}})"),
            None if names.is_empty() => f.write_str("a literal value"),
            None => f.write_str(&names.join(" ")),
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({self})")
    }
}

/// What other programs take for a variable: `${env:NAME}`, `${input:NAME}`, `$NAME`, `%NAME%`; as written, and its name.
fn mistaken(text: &str) -> Option<(&str, &str)> {
    let upper = |name: &str| {
        name.len() > 1
            && name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
            && name.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_')
    };
    let braced = |word: &'static str| {
        let (before, rest) = text.split_once("${").filter(|(_, rest)| rest.to_lowercase().starts_with(word))?;
        let (inside, after) = rest.split_once('}')?;
        let written = text.get(before.len()..text.len() - after.len())?;
        Some((written, inside.get(word.len()..)?))
    };
    let bare = || {
        text.split_whitespace().find_map(|word| {
            let name = word.strip_prefix('$').or_else(|| word.strip_prefix('%')?.strip_suffix('%'))?;
            upper(name).then_some((word, name))
        })
    };
    braced("env:").or_else(|| braced("input:")).or_else(bare)
}

/// A part of a template.
pub(super) enum Piece<'a> {
    Text(&'a str),
    /// `text` is all of it, braces included.
    Variable {
        text: &'a str,
        name: &'a str,
        default: Option<&'a str>,
    },
}

/// Splits at variables. What only looks like one is text, its `$` included.
pub(super) fn pieces(mut rest: &str) -> impl Iterator<Item = Piece<'_>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((variable, after)) = variable(rest) {
            rest = after;
            return Some(variable);
        }
        // The first character is text, whatever it is; go on to the next possible start.
        let start = rest
            .char_indices()
            .skip(1)
            .find(|&(at, _)| rest.get(at..).is_some_and(|r| r.starts_with("${")))
            .map_or(rest.len(), |(at, _)| at);
        let (text, after) = rest.split_at(start);
        rest = after;
        Some(Piece::Text(text))
    })
}

fn variable(text: &str) -> Option<(Piece<'_>, &str)> {
    let (inside, after) = text.strip_prefix("${")?.split_once('}')?;
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let mut letters = name.chars();
    let starts = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let whole = text.strip_suffix(after).unwrap_or(text);
    (starts && letters.all(|c| c.is_ascii_alphanumeric() || c == '_'))
        .then_some((Piece::Variable { text: whole, name, default }, after))
}

/// Where variables get their values.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    settings: Vec<(String, SecretString)>,
    /// Instead of the process's environment, for tests.
    environment: Option<HashMap<String, String>>,
    first: First,
}

/// Which of the two is asked first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum First {
    #[default]
    Environment,
    Settings,
}

impl Variables {
    /// The process's environment, and the settings in this pflow folder. Settings that cannot be read are none, as for pflow.
    #[must_use]
    pub fn load(folder: &Path) -> Self {
        let file = folder.join("settings.json");
        let settings = match files::read_regular(&file) {
            Ok(bytes) => match serde_json::from_slice::<Value>(&bytes) {
                Ok(settings) => env_of(&settings),
                Err(e) => {
                    tracing::warn!("{} is not used: {e}", file.display());
                    Vec::new()
                }
            },
            Err(_) => Vec::new(),
        };
        Self { settings, ..Self::default() }
    }

    /// The process's environment, and `~/.pflow/settings.json`.
    ///
    /// # Errors
    ///
    /// `config`: there is no home folder.
    pub fn of_this_user() -> Result<Self> {
        Ok(Self::load(&super::file::pflow_folder()?))
    }

    /// Only these, for tests.
    #[must_use]
    pub fn from_maps(environment: HashMap<String, String>, settings: Vec<(String, String)>) -> Self {
        Self {
            settings: settings.into_iter().map(|(name, value)| (name, value.into())).collect(),
            environment: Some(environment),
            first: First::default(),
        }
    }

    /// The settings before the environment. pflow fixes the environment of a server when it starts it, so a token that was
    /// rotated while the server ran is only found in the settings.
    #[must_use]
    pub fn settings_first(self) -> Self {
        Self { first: First::Settings, ..self }
    }

    /// Whether pflow's settings hold it; `serve` reads them by itself.
    pub(super) fn in_settings(&self, name: &str) -> bool {
        self.setting(name).is_some()
    }

    /// What the environment itself says, whatever pflow's settings hold.
    pub(super) fn in_environment(&self, name: &str) -> Option<String> {
        match &self.environment {
            Some(environment) => environment.get(name).cloned(),
            None => std::env::var(name).ok(),
        }
    }

    fn setting(&self, name: &str) -> Option<SecretString> {
        let same = |setting: &str| setting.to_lowercase() == name.to_lowercase();
        self.settings.iter().find(|(setting, _)| same(setting)).map(|(_, value)| value.clone())
    }

    fn get(&self, name: &str) -> Option<SecretString> {
        let environment = || {
            let value = match &self.environment {
                Some(environment) => environment.get(name).cloned(),
                None => std::env::var(name).ok(),
            };
            value.filter(|value| value != NOT_SET).map(SecretString::from)
        };
        let settings = || self.setting(name);
        match self.first {
            First::Environment => environment().or_else(settings),
            First::Settings => settings().or_else(environment),
        }
    }
}

/// As pflow: one value that is no text, and none of the settings count.
fn env_of(settings: &Value) -> Vec<(String, SecretString)> {
    let members = settings.get("env").and_then(Value::as_object).into_iter().flatten();
    let texts = members.map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned().into())));
    texts.collect::<Option<_>>().unwrap_or_else(|| {
        tracing::warn!("pflow's settings.json is not used: a value in its \"env\" is not a text");
        Vec::new()
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use crate::Advice as _;

    fn resolved(text: &str) -> Result<String> {
        let environment = [("TOKEN", "from-environment"), ("EMPTY", ""), ("_x1", "underscore")];
        let settings = [("token", "from-settings"), ("Api_Key", "key"), ("API_KEY", "second")];
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let variables = Variables::from_maps(environment.map(own).into(), settings.map(own).into());
        Template::new(text).resolve(&variables).map(|value| value.expose_secret().to_owned())
    }

    /// Each row was put through `expand_env_vars_nested` of pflow-cli 0.16.0 with the same variables.
    #[test]
    fn variables_resolve_as_in_pflow() {
        for (text, expected) in [
            ("${TOKEN}", "from-environment"),
            ("${token}", "from-settings"),
            ("${API_KEY}", "key"),
            ("Bearer ${TOKEN}!", "Bearer from-environment!"),
            ("${MISSING:-fallback}", "fallback"),
            ("${MISSING:-}", ""),
            ("${EMPTY:-fallback}", ""),
            ("${_x1}", "underscore"),
            ("$TOKEN", "$TOKEN"),
            ("${1A}", "${1A}"),
            ("${a b}", "${a b}"),
            ("${}", "${}"),
            ("${TOKEN", "${TOKEN"),
            ("$${TOKEN}", "$from-environment"),
            ("${MISSING:-a:-b}", "a:-b"),
            ("${TOKEN:default}", "${TOKEN:default}"),
            ("é${TOKEN}é", "éfrom-environmenté"),
        ] {
            assert_eq!(resolved(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_missing_variable_is_named_with_the_two_ways_to_set_it() {
        let error = resolved("${GW_TOKEN}").unwrap_err();
        assert_eq!(error.to_string(), "the variable GW_TOKEN is not set");
        assert_eq!(
            error.hint().unwrap(),
            "export GW_TOKEN=…, or let pflow keep it: pflow settings set-env GW_TOKEN VALUE"
        );
    }

    #[test]
    fn a_template_prints_its_variables_and_never_its_text() {
        assert_eq!(format!("{:?}", Template::new("s3cret${A}")), "Template(${A})");
        assert_eq!(Template::new("s3cret").to_string(), "a literal value");
    }
}
