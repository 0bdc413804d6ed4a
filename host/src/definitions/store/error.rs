//! Why what was accepted cannot be read or written.
//! Takes what the system and the parser say, and what is wrong with a file of ours; gives it as data. Never says which file: whoever asked
//! knows.

use std::io;

use crate::{Advice, Class, files::LockError};

/// The result of everything in here that can fail.
pub(super) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why what was accepted cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Somebody else is writing it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// There is a file, and nothing in it.
    #[error("it is empty")]
    Empty,
    /// It was cut, or is none of ours.
    #[error("a line of it does not end")]
    Endless,
    /// A line of it says nothing.
    #[error("{0}")]
    Line(#[from] serde_json::Error),
    /// In a form that this version does not know.
    #[error("it was written by another version of pflow-gateway")]
    OtherVersion,
    /// Somebody wrote it meanwhile.
    #[error("it was changed while it was read")]
    Changed,
}

impl StoreError {
    /// Whether the file itself is to blame: no other look at it would say more.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() == io::ErrorKind::InvalidData,
            Self::Lock(_) => false,
            Self::Empty | Self::Endless | Self::Line(_) | Self::OtherVersion | Self::Changed => true,
        }
    }
}

impl Advice for StoreError {
    fn class(&self) -> Class {
        Class::Config
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Lock(error) => error.hint(),
            _ => None,
        }
    }
}
