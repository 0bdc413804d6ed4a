//! `${VAR}` and `${VAR:-default}`, as pflow resolves them.
//! Takes the environment and pflow's `settings.json`; gives values. Never prints one.

use std::{
    collections::HashMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};
use serde_json::Value;

/// Where the values of variables come from: the environment, then the `env` of pflow's `settings.json`.
///
/// As pflow 0.16.0 does it: a name in the environment is matched exactly, one in `settings.json` without regard to case, the first in
/// the file's order; a variable that is set and empty is set; a value is not expanded again; a `settings.json` that pflow
/// cannot load counts as empty.
#[derive(Clone, Default)]
pub struct Variables {
    environment: HashMap<String, SecretString>,
    settings: Vec<(String, SecretString)>,
    precedence: Precedence,
}

/// Which source wins when both know a variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precedence {
    /// The environment, as in pflow.
    #[default]
    Environment,
    /// `settings.json`. For a process that pflow started: its environment holds what `settings.json` said at that moment,
    /// so a token that was rotated since is only found there.
    Settings,
}

impl Variables {
    /// The variables of this process and of `settings.json` in pflow's folder (`~/.pflow`).
    #[must_use]
    pub fn load(pflow_dir: &Path) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, SecretString::from(value.into_string().ok()?))))
            .collect();
        let settings = match fs::read(pflow_dir.join("settings.json")) {
            Ok(bytes) => settings_env(&Zeroizing::new(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::warn!(%error, "pflow's settings.json cannot be read; its variables are not used");
                Vec::new()
            }
        };
        Self { environment, settings, precedence: Precedence::Environment }
    }

    /// These variables and no others.
    pub fn from_map<N: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let environment =
            variables.into_iter().map(|(name, value)| (name.into(), SecretString::from(value.into()))).collect();
        Self { environment, ..Self::default() }
    }

    /// The same, but with what a `settings.json` with this text would say.
    #[must_use]
    pub fn with_settings(mut self, text: &str) -> Self {
        self.settings = settings_env(text.as_bytes());
        self
    }

    /// The same, but with another source first.
    #[must_use]
    pub fn preferring(mut self, precedence: Precedence) -> Self {
        self.precedence = precedence;
        self
    }

    /// pflow's folder, `~/.pflow`.
    #[must_use]
    pub fn pflow_dir() -> Option<PathBuf> {
        std::env::home_dir().filter(|home| !home.as_os_str().is_empty()).map(|home| home.join(".pflow"))
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&SecretString> {
        let environment = || self.environment.get(name);
        let settings = || {
            let lower = name.to_lowercase();
            self.settings.iter().find(|(known, _)| known.to_lowercase() == lower).map(|(_, value)| value)
        };
        match self.precedence {
            Precedence::Environment => environment().or_else(settings),
            Precedence::Settings => settings().or_else(environment),
        }
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variables")
            .field("environment", &self.environment.len())
            .field("settings", &self.settings.len())
            .field("precedence", &self.precedence)
            .finish()
    }
}

/// The `env` of a `settings.json`. pflow validates the whole file and falls back to defaults, without any variable, when
/// one part of it is wrong; so do we.
fn settings_env(bytes: &[u8]) -> Vec<(String, SecretString)> {
    let loaded = serde_json::from_slice::<Value>(bytes).map_err(|error| error.to_string()).and_then(|settings| {
        let Value::Object(settings) = settings else { return Err("not an object".to_owned()) };
        if let Some(wrong) = wrong_member(&settings) {
            return Err(format!("{wrong} is not what pflow expects"));
        }
        let Some(env) = settings.get("env") else { return Ok(Vec::new()) };
        let Value::Object(env) = env else { return Err("env is not an object".to_owned()) };
        env.iter()
            .map(|(name, value)| match value {
                Value::String(text) => Ok((name.clone(), SecretString::from(text.as_str()))),
                _ => Err(format!("env.{name} is not a string")),
            })
            .collect()
    });
    loaded.unwrap_or_else(|problem| {
        tracing::warn!(problem, "pflow does not accept its settings.json; its variables are not used");
        Vec::new()
    })
}

/// The first member, besides `env`, that makes pflow 0.16.0 reject the file.
fn wrong_member(settings: &serde_json::Map<String, Value>) -> Option<&'static str> {
    fn string_in(value: Option<&Value>, allowed: &[&str]) -> bool {
        value.is_none_or(|value| value.as_str().is_some_and(|text| allowed.is_empty() || allowed.contains(&text)))
    }
    fn nullable_string(value: Option<&Value>) -> bool {
        value.is_none_or(|value| value.is_string() || value.is_null())
    }
    fn strings(value: Option<&Value>) -> bool {
        value.is_none_or(|value| value.as_array().is_some_and(|list| list.iter().all(Value::is_string)))
    }
    let object = |name: &str| match settings.get(name) {
        None => Some(None),
        Some(Value::Object(members)) => Some(Some(members)),
        Some(_) => None,
    };

    if !string_in(settings.get("version"), &[]) {
        return Some("version");
    }
    let Some(registry) = object("registry") else { return Some("registry") };
    if let Some(registry) = registry {
        if !string_in(registry.get("output_mode"), &["smart", "structure", "full"]) {
            return Some("registry.output_mode");
        }
        match registry.get("nodes") {
            None => {}
            Some(Value::Object(nodes)) if strings(nodes.get("allow")) && strings(nodes.get("deny")) => {}
            Some(_) => return Some("registry.nodes"),
        }
    }
    let Some(runtime) = object("runtime") else { return Some("runtime") };
    if runtime.is_some_and(|runtime| !string_in(runtime.get("template_resolution_mode"), &["strict", "permissive"])) {
        return Some("runtime.template_resolution_mode");
    }
    let Some(llm) = object("llm") else { return Some("llm") };
    if let Some(llm) = llm {
        let models =
            ["default_model", "discovery_model", "filtering_model"].iter().all(|name| nullable_string(llm.get(*name)));
        if !models || !string_in(llm.get("tts_model"), &[]) || !string_in(llm.get("tts_voice"), &[]) {
            return Some("llm");
        }
    }
    None
}

/// A text with `${VAR}` and `${VAR:-default}` in it, unresolved. Printing it shows the references and never a value.
///
/// | written | means |
/// | --- | --- |
/// | `${NAME}` | the variable's value; missing is an error |
/// | `${NAME:-text}` | the value, or `text` (up to the first `}`) when it is missing; set and empty is not missing |
/// | anything else, `$NAME`, `${}` and `${1A}` among it | itself |
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    place: String,
}

/// Variables that are not set, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The names.
    pub names: Vec<String>,
    /// Where they are used.
    pub place: String,
}

/// A part of a template.
enum Part<'a> {
    Text(&'a str),
    Variable { name: &'a str, default: Option<&'a str>, written: &'a str },
}

impl Template {
    /// A template that was not read from a file.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), place: String::new() }
    }

    /// A reference to one variable.
    #[must_use]
    pub fn variable(name: &str) -> Self {
        Self::new(format!("${{{name}}}"))
    }

    /// Says where it was written: `mcp-servers.json: docker.gateway.auth.token`.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = place.into();
        self
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where it was written; empty when it was not read from a file.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The references in it, as `(name, as written)`, in order.
    #[must_use]
    pub fn references(&self) -> Vec<(String, String)> {
        parts(&self.text)
            .into_iter()
            .filter_map(|part| match part {
                Part::Variable { name, written, .. } => Some((name.to_owned(), written.to_owned())),
                Part::Text(_) => None,
            })
            .collect()
    }

    /// The text with every reference replaced.
    ///
    /// # Errors
    ///
    /// Variables that are not set and have no default.
    pub fn resolve(&self, variables: &Variables) -> Result<SecretString, Missing> {
        let mut resolved = Zeroizing::new(String::with_capacity(self.text.len()));
        let mut missing = Vec::new();
        for part in parts(&self.text) {
            match part {
                Part::Text(text) => resolved.push_str(text),
                Part::Variable { name, default, .. } => match (variables.get(name), default) {
                    (Some(value), _) => resolved.push_str(value.expose_secret()),
                    (None, Some(default)) => resolved.push_str(default),
                    (None, None) => missing.push(name.to_owned()),
                },
            }
        }
        if missing.is_empty() {
            return Ok(SecretString::from(resolved.as_str()));
        }
        missing.sort();
        missing.dedup();
        Err(Missing { names: missing, place: self.place.clone() })
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Template {
    /// References as written, and whatever else there is as `…`: it may be a secret that somebody wrote down literally.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in parts(&self.text) {
            match part {
                Part::Text(_) => f.write_str("…")?,
                Part::Variable { name, default: None, .. } => write!(f, "${{{name}}}")?,
                Part::Variable { name, default: Some(_), .. } => write!(f, "${{{name}:-…}}")?,
            }
        }
        Ok(())
    }
}

impl From<Missing> for crate::Error {
    fn from(missing: Missing) -> Self {
        let (what, first) = match missing.names.as_slice() {
            [name] => (format!("the variable {name} is not set"), name.as_str()),
            names => {
                (format!("the variables {} are not set", names.join(", ")), names.first().map_or("VAR", String::as_str))
            }
        };
        let place = if missing.place.is_empty() { String::new() } else { format!("{}: ", missing.place) };
        Self::config(format!("{place}{what}"))
            .with_hint(format!("set it with `pflow settings set-env {first} VALUE` or `export {first}=VALUE`"))
    }
}

/// Splits a text at its references.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut plain, mut rest) = (text, text);
    while let Some(at) = rest.find("${") {
        let (_, from) = rest.split_at(at);
        if let Some((variable, after)) = reference(from) {
            let before = plain.len() - from.len();
            if let Some(before) = plain.get(..before).filter(|before| !before.is_empty()) {
                parts.push(Part::Text(before));
            }
            parts.push(variable);
            (plain, rest) = (after, after);
        } else {
            rest = from.get(2..).unwrap_or("");
        }
    }
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    parts
}

/// The reference that a text starts with, and what follows it.
fn reference(text: &str) -> Option<(Part<'_>, &str)> {
    let inner = text.strip_prefix("${")?;
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
    let (name, tail) = inner.split_at(end);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return None;
    }
    let (default, after) = if let Some(after) = tail.strip_prefix('}') {
        (None, after)
    } else {
        let (default, after) = tail.strip_prefix(":-")?.split_once('}')?;
        (Some(default), after)
    };
    let written = text.get(..text.len() - after.len())?;
    Some((Part::Variable { name, default, written }, after))
}
