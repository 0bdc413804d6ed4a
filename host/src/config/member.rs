//! Reading JSON that a person wrote: every complaint says where the value stands and what it is.
//! Takes a value and its path; gives typed members. Never guesses.

use serde_json::{Map, Value};

use super::error::{ConfigError, EntryError, Result};
use crate::scrub;

/// A value and where it stands: `docker.gateway.services.include[1]`.
#[derive(Clone)]
pub(super) struct Member<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Member<'a> {
    pub(super) fn root(path: impl Into<String>, value: &'a Value) -> Self {
        Self { path: path.into(), value }
    }

    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    /// Absent and null are the same.
    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Self { path: format!("{}.{name}", self.path), value })
    }

    pub(super) fn required(&self, name: &str) -> Result<Self> {
        self.get(name).ok_or_else(|| EntryError::Missing { path: format!("{}.{name}", self.path) }.into())
    }

    pub(super) fn object(&self) -> Result<&'a Map<String, Value>> {
        self.value.as_object().ok_or_else(|| self.wrong("an object"))
    }

    pub(super) fn string(&self) -> Result<&'a str> {
        self.value.as_str().ok_or_else(|| self.wrong("a string"))
    }

    pub(super) fn boolean(&self) -> Result<bool> {
        self.value.as_bool().ok_or_else(|| self.wrong("true or false"))
    }

    /// Positive.
    pub(super) fn number(&self) -> Result<f64> {
        self.value.as_f64().filter(|number| *number > 0.0).ok_or_else(|| self.wrong("a positive number"))
    }

    pub(super) fn items(&self) -> Result<Vec<Self>> {
        let items = self.value.as_array().ok_or_else(|| self.wrong("an array"))?;
        Ok(items.iter().enumerate().map(|(at, value)| Self { path: format!("{}[{at}]", self.path), value }).collect())
    }

    pub(super) fn strings(&self) -> Result<Vec<String>> {
        self.items()?.iter().map(|item| item.string().map(str::to_owned)).collect()
    }

    /// The members of this object that nobody reads; a typing error hides there.
    pub(super) fn warn_of_others(&self, known: &[&str]) {
        for name in
            self.value.as_object().into_iter().flat_map(Map::keys).filter(|name| !known.contains(&name.as_str()))
        {
            tracing::warn!("{}.{name} is not known and not used", self.path);
        }
    }

    /// The value is not what it must be.
    pub(super) fn wrong(&self, expected: &str) -> ConfigError {
        self.wrong_unless_milliseconds(expected, None)
    }

    /// The same of seconds that are too many, and may have been meant as something else.
    pub(super) fn wrong_unless_milliseconds(&self, expected: &str, milliseconds: Option<f64>) -> ConfigError {
        let mut found = scrub::line(&self.value.to_string(), 60);
        // A secret that was written in the wrong place must not end up in a log.
        if self.path.contains(".auth") || self.path.contains(".headers") {
            found = "something else".into();
        }
        EntryError::Wrong { path: self.path.clone(), expected: expected.to_owned(), found, milliseconds }.into()
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }
}
