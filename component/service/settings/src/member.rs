//! A value in a setting's JSON, with its place.
//! Takes JSON; gives what was expected there, or a problem that names the place. Never prints the value: it may be a credential.

use serde_json::{Map, Value};

use crate::{Problem, Result};

/// A value and where it stands.
pub(crate) struct Member {
    path: String,
    value: Value,
}

impl Member {
    /// The whole of a variable.
    pub(crate) fn parse(variable: &str, text: &str) -> Result<Self> {
        let value = serde_json::from_str(text).map_err(|error| {
            Problem::new(variable, format!("is not valid JSON: line {}, column {}", error.line(), error.column()))
                .with_remedy("check quotes and commas; in a shell, put the whole of it in single quotes")
        })?;
        Ok(Self { path: variable.to_owned(), value })
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// A member that may be missing; null is missing.
    pub(crate) fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Self { path: format!("{}.{name}", self.path), value: value.clone() })
    }

    pub(crate) fn required(&self, name: &str) -> Result<Self> {
        self.get(name).ok_or_else(|| Problem::new(format!("{}.{name}", self.path), "is missing"))
    }

    /// It must be something else.
    pub(crate) fn wrong(&self, what: &str) -> Problem {
        Problem::new(&self.path, format!("must be {what}"))
    }

    pub(crate) fn string(&self) -> Result<&str> {
        self.value.as_str().ok_or_else(|| self.wrong("text"))
    }

    pub(crate) fn boolean(&self) -> Result<bool> {
        self.value.as_bool().ok_or_else(|| self.wrong("true or false"))
    }

    pub(crate) fn object(&self) -> Result<&Map<String, Value>> {
        self.value.as_object().ok_or_else(|| self.wrong("an object"))
    }

    pub(crate) fn members(&self) -> Result<Vec<(String, Self)>> {
        let members = self.object()?.iter();
        Ok(members
            .map(|(name, value)| (name.clone(), Self { path: format!("{}.{name}", self.path), value: value.clone() }))
            .collect())
    }

    pub(crate) fn items(&self) -> Result<Vec<Self>> {
        let items = self.value.as_array().ok_or_else(|| self.wrong("a list"))?;
        Ok(items
            .iter()
            .enumerate()
            .map(|(at, value)| Self { path: format!("{}[{at}]", self.path), value: value.clone() })
            .collect())
    }

    pub(crate) fn strings(&self) -> Result<Vec<String>> {
        self.items()?.iter().map(|item| item.string().map(str::to_owned)).collect()
    }

    /// Nobody watches a service: what it does not know, it does not pass over.
    pub(crate) fn only(&self, known: &[&str]) -> Result<()> {
        match self.object()?.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(other) => Err(Problem::new(format!("{}.{other}", self.path), "is not known")
                .with_remedy(format!("there are {}", known.join(", ")))),
        }
    }
}
