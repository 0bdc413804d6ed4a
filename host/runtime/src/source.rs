//! Where a component is from.
//! Takes a place; gives the bytes there, when they are those that were installed. Never runs them.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{error::LoadError, limits::COMPONENT};
use pflow_gateway_base::digest::sha256;

/// Where a component is from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// It is part of this program.
    #[default]
    BuiltIn,
    /// What this file holds when it is read.
    File(PathBuf),
    /// A file that was installed, and is refused when it holds anything else by now.
    Pinned {
        /// The copy.
        file: PathBuf,
        /// SHA-256 of what was installed, lower-case hex.
        sha256: String,
    },
}

impl Source {
    /// The file. None: there is none.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::BuiltIn => None,
            Self::File(file) | Self::Pinned { file, .. } => Some(file),
        }
    }

    /// As in messages.
    #[must_use]
    pub fn shown(&self) -> String {
        self.file().map_or_else(|| super::BUILT_IN_NAME.to_owned(), |file| file.display().to_string())
    }

    /// What the file holds. None: there is none.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>, LoadError> {
        match self {
            Self::BuiltIn => Ok(None),
            Self::File(file) => read(file).map(Some),
            Self::Pinned { file, sha256: pinned } => {
                let bytes = read(file)?;
                let found = sha256(&bytes);
                if found == *pinned {
                    return Ok(Some(bytes));
                }
                Err(LoadError::Changed { file: file.clone(), found })
            }
        }
    }
}

/// The file, or the built-in component where none is named.
impl From<Option<PathBuf>> for Source {
    fn from(file: Option<PathBuf>) -> Self {
        file.map_or(Self::BuiltIn, Self::File)
    }
}

/// A component's file, if it is of a size that is worth a look.
pub fn read(file: &Path) -> Result<Vec<u8>, LoadError> {
    let cannot = |source| LoadError::Unread { file: file.to_owned(), source };
    let mut bytes = Vec::new();
    let open = fs::File::open(file).map_err(cannot)?;
    open.take(COMPONENT + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > COMPONENT {
        return Err(LoadError::TooLarge { file: file.to_owned(), most: COMPONENT });
    }
    Ok(bytes)
}
