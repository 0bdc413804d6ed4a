//! What a user is told when the monitor cannot listen, or a command for changes cannot be run: the class, and what to do about it.
//! Takes an error; gives class and hint. Never guesses: what is not known has no hint.

use super::MonitorError;
use crate::{Advice, Class};

impl Advice for MonitorError {
    fn class(&self) -> Class {
        match self {
            Self::NoRandomness(_) => Class::Internal,
            _ => Class::Config,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Open { .. } => {
                "listen on 127.0.0.1, or leave out --no-token; --token-env VAR sets a token of your own".to_owned()
            }
            Self::Unheard { .. } => "port 0 takes any free one".to_owned(),
            Self::NoFile { .. } => "write the path of a program, or the name of one in PATH".to_owned(),
            Self::NotExecutable { program } => {
                format!("chmod +x {program}, or name what runs it, like 'sh {program}'")
            }
            Self::NotOnPath { .. } => "write its whole path".to_owned(),
            Self::NoRandomness(_)
            | Self::NotStarted { .. }
            | Self::Failed { .. }
            | Self::Lost { .. }
            | Self::TooLong { .. } => return None,
        })
    }
}
