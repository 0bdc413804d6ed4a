//! What a client is told of this server's own errors: the class, and what to do about it.
//! Takes an error; gives class and hint. Never guesses: what is not known has no hint.

use super::error::ServeError;
use crate::{Advice, Class};

impl Advice for ServeError {
    fn class(&self) -> Class {
        match self {
            Self::Unprepared(_) | Self::NoResult => Class::Internal,
            Self::TooLong { .. } => Class::Timeout,
        }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::TooLong { .. }).then(|| {
            "leave tools out with \"services\" or \"tools\" in mcp-servers.json, or raise \"timeout\"".to_owned()
        })
    }
}
