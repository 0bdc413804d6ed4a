//! What a user is told of the errors of this crate: their class, and what to do about them.
//! Takes an error; gives class and hint. Never repeats what the error itself says.

use crate::{Advice, Class, files::LockError, setting::OutOfRange};

impl Advice for LockError {
    fn class(&self) -> Class {
        Class::Config
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unusable { .. } => {
                "nothing was changed; check the folder's permissions, and that the lock is an ordinary file".to_owned()
            }
            Self::Held { lock, .. } => {
                format!("nothing was changed; end it, then run the command again ({} is locked)", lock.display())
            }
        })
    }
}

impl Advice for OutOfRange {
    fn class(&self) -> Class {
        Class::Config
    }

    fn hint(&self) -> Option<String> {
        Some("correct it in mcp-servers.json, or leave it out for the default".to_owned())
    }
}
