//! What was shown of what differs, to whoever decides about it.
//! Takes what was shown; tells what is another one since. Never takes for shown what nobody saw.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use super::{Pending, Store, remove};
use crate::files;

/// What was shown of what differs.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Shown {
    tools: BTreeMap<String, String>,
    gone: BTreeSet<String>,
}

/// Whether everything that differs was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum All {
    /// Nothing was left out.
    Yes,
    /// Some of it was not shown.
    No,
}

impl Store {
    /// Where that is.
    pub(super) fn shown_file(&self) -> PathBuf {
        self.pending.with_extension("shown")
    }

    /// Keeps what was shown: the digest of each of these tools, and names of tools that are gone. `all`: and nothing else differed.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn keep_shown(&self, pending: &[&Pending], gone: &[String], all: All) -> io::Result<()> {
        let mut shown = if all == All::Yes { Shown::default() } else { self.shown().unwrap_or_default() };
        shown.tools.extend(pending.iter().map(|pending| (pending.name.clone(), pending.digest.to_string())));
        shown.gone.extend(gone.iter().cloned());
        files::replace(&self.shown_file(), &serde_json::to_vec(&shown)?)
    }

    fn shown(&self) -> Option<Shown> {
        serde_json::from_slice(&files::regular(&self.shown_file(), 64 * 1024 * 1024).ok()?).ok()
    }

    /// Tools that are not as they were shown, or were not shown. Nothing, where nothing was ever shown.
    #[must_use]
    pub fn changed_since_shown(&self, pending: &[&Pending], gone: &[String]) -> Vec<String> {
        let Some(shown) = self.shown() else { return Vec::new() };
        let pending = pending.iter().filter(|now| shown.tools.get(&now.name) != Some(&now.digest.to_string()));
        let gone = gone.iter().filter(|name| !shown.gone.contains(*name));
        pending.map(|now| now.name.clone()).chain(gone.cloned()).collect()
    }

    /// It was decided.
    pub fn forget_shown(&self) -> io::Result<()> {
        remove(&self.shown_file())
    }
}
