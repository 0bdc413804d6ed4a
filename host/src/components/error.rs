//! Why a component cannot be chosen, or what was chosen not be told.
//! Takes what the system, the parser and the runtime say; gives it as data, with its cause. Never says what to do: that is `advice`.

use std::{io, path::PathBuf};

use crate::{files::LockError, runtime::LoadError};

/// Why a component cannot be chosen, or what was chosen not be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentsError {
    /// The component cannot be read, or does not fit.
    #[error(transparent)]
    Component(#[from] LoadError),
    /// Somebody else is choosing.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// What was chosen cannot be read.
    #[error("cannot read {}", file.display())]
    Unread {
        /// `gateway-components.json`.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What was chosen is not written as this program does.
    #[error("cannot read {}", file.display())]
    NotJson {
        /// `gateway-components.json`.
        file: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
    /// A choice is not named by a digest.
    #[error("{} has an invalid sha256", file.display())]
    NoDigest {
        /// `gateway-components.json`.
        file: PathBuf,
    },
    /// The choice, or the component's copy, cannot be written.
    #[error("cannot write {}", file.display())]
    Unwritten {
        /// Which of them.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What was chosen has no form as JSON.
    #[error("{0}")]
    NoText(#[source] serde_json::Error),
}
