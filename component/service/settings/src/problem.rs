//! What is wrong with a setting.
//! Takes the place, what is wrong and what to do; gives one line. Never holds a value that a template points to.

use std::fmt;

/// The result of everything that reads settings.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The member, like `GATEWAYS.docker.auth.type`.
    pub place: String,
    /// What is wrong, without a subject.
    pub what: String,
    /// What to do.
    pub remedy: Option<String>,
}

impl Problem {
    /// Without a remedy.
    #[must_use]
    pub fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into(), remedy: None }
    }

    /// Says what to do.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.place, self.what)?;
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, " → {remedy}"))
    }
}

impl std::error::Error for Problem {}
