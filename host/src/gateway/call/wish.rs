//! What somebody wants who calls a tool, and what it is told meanwhile.
//! Takes arguments and options; gives what every try of the call shares. Tells its listener when another tool is called than it said.

use std::sync::Arc;

use super::{CallOptions, Unlisted};
use crate::{
    Deadline,
    gateway::{catalogue::Listed, events::Listener},
    json::Json,
    scrub,
};

/// What somebody wants who calls a tool, whichever it turns out to be.
pub(super) struct Wish {
    pub(super) arguments: String,
    pub(super) meta: Option<String>,
    pub(super) unlisted: Unlisted,
    pub(super) listener: Arc<Listener>,
    pub(super) by: Deadline,
}

impl Wish {
    pub(super) fn new(arguments: &Json, options: CallOptions, by: Deadline) -> Self {
        let CallOptions { on_progress, on_message, meta, unlisted, .. } = options;
        Self {
            arguments: arguments.to_string(),
            meta: meta.map(|meta| meta.to_string()),
            unlisted,
            listener: Arc::new(Listener::new(on_progress, on_message)),
            by,
        }
    }

    /// In our own log, and in that of the caller.
    pub(super) fn tell_rename(&self, gateway: &str, old: &str, new: &str) {
        let (old, new) = (scrub::line(old, 200), scrub::line(new, 200));
        tracing::warn!(gateway, "the tool {old} is called {new} now; calling it by that name");
        self.tell(&format!("the tool {old} is called {new} now; it was called by that name"));
    }

    /// The same, of a tool that is called though it is not listed.
    pub(super) fn tell_unlisted(&self, gateway: &str, tool: &str, listed: &Listed) {
        let tool = scrub::line(tool, 200);
        let why = if listed.cut {
            "the list of tools could not be read to its end, and lacks"
        } else {
            "the list of tools does not have"
        };
        tracing::warn!(gateway, "{why} {tool}; asking the gateway for it all the same");
        self.tell(&format!("{why} {tool}; the gateway was asked for it all the same"));
    }

    fn tell(&self, words: &str) {
        let words = Json::string(words).to_string();
        self.listener.message("warning".to_owned(), Some("pflow-gateway".to_owned()), &words);
    }
}
