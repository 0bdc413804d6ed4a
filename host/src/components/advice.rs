//! What a user is told when a component cannot be chosen: the class, and what to do about it.
//! Takes an error; gives class and hint. Never guesses: what is not known has no hint.

use super::ComponentsError;
use crate::{Advice, Class};

impl Advice for ComponentsError {
    fn class(&self) -> Class {
        match self {
            Self::Component(error) => error.class(),
            Self::Lock(error) => error.class(),
            Self::Unread { .. } | Self::NotJson { .. } | Self::NoDigest { .. } | Self::Unwritten { .. } => {
                Class::Config
            }
            Self::NoText(_) => Class::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Component(error) => error.hint(),
            Self::Lock(error) => error.hint(),
            Self::Unread { .. } | Self::NotJson { .. } => {
                Some("correct it, or remove it for the built-in component".to_owned())
            }
            Self::NoDigest { .. } => Some("`component reset` and `component use FILE` write it anew".to_owned()),
            Self::Unwritten { .. } | Self::NoText(_) => None,
        }
    }
}
