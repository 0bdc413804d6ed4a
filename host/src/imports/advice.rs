//! What a user is told when a server of another client cannot be taken over: the class, and what to do about it.
//! Takes an error; gives class and hint. Never says to change a file that is fine.

use super::ImportError;
use crate::{Advice, Class};

impl Advice for ImportError {
    fn class(&self) -> Class {
        match self {
            Self::Misfit(misfit) => misfit.class(),
            _ => Class::Config,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unread { .. } => "name a client's own server file, like ~/.cursor/mcp.json",
            Self::NotText { .. } => "save it as UTF-8",
            Self::NotJson { .. } | Self::NotToml { .. } => "nothing was changed; correct it, or name another file",
            Self::NoServers { .. } => {
                "name a file as Claude, Cursor, VS Code, Codex, Windsurf or the Gemini CLI writes it"
            }
            Self::NotAnObject { .. } | Self::Nothing { .. } | Self::NotAHeader { .. } | Self::EmptyUrl { .. } => {
                "correct it there"
            }
            Self::SwitchedOff { .. } => "switch it on there, or `add` it",
            Self::Ours { .. } => "it is served to that client; nothing is to be done",
            Self::Misfit(misfit) => return misfit.hint(),
            Self::OldTransport { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
