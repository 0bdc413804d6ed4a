//! What was accepted of a gateway's tools, and what of the last listing differs: two files under pflow's folder.
//! Takes listings; keeps whole definitions, one line of JSON each, so that they are written and read one at a time. Never holds two
//! copies of a catalogue, never leaves half a file, never forgets what was accepted because a tool is gone.

mod accepted;
mod accepting;
mod error;
mod format;
mod keeping;
mod lines;
mod pending;
mod shown;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use self::{
    error::Result,
    format::{FORMAT, Header, Line},
    lines::{Lines, parsed},
};
use super::{Comparison, Definition, Digest, Listing, compare::compare};
use crate::{
    config::GatewayConfig,
    digest::sha256,
    files::{self, LockError},
};

pub use self::{
    accepted::{Accepted, Known},
    accepting::Taken,
    error::StoreError,
    format::By,
    keeping::{Complete, Kept},
    pending::{Pending, Review},
    shown::All,
};

/// Tools of a gateway: more than any listing has.
const TOOLS: usize = 100_000;
/// Names that a tool had before.
const FORMER: usize = 8;

/// The accepted definitions of one gateway, and what differs from them.
#[derive(Clone, Debug)]
pub struct Store {
    file: PathBuf,
    pending: PathBuf,
    made_for: String,
    declared: String,
}

/// A file as it was: another one, or one that was written since, has another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(u64, Option<SystemTime>, u64);

impl Store {
    /// Of an entry; none for what is no entry.
    pub fn of(config: &GatewayConfig) -> Option<Self> {
        config.memory.as_deref().map(|memory| Self::at(memory, config))
    }

    /// Of an entry, in the folder of what is remembered.
    pub fn at(memory: &Path, config: &GatewayConfig) -> Self {
        let folder = memory.join("gateway").join("definitions");
        let name = config.file_name();
        // Whoever renames a service in the file has not exchanged it.
        let declared = sha256(format!("{:?}", config.services).as_bytes());
        Self {
            file: folder.join(format!("{name}.jsonl")),
            pending: folder.join(format!("{name}.pending.jsonl")),
            made_for: sha256(config.identity().as_bytes()),
            declared,
        }
    }

    /// What the file is now, if there is one.
    ///
    /// # Errors
    ///
    /// Nobody can say whether there is one.
    pub fn stamp(&self) -> io::Result<Option<Stamp>> {
        let about = match std::fs::symlink_metadata(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            about => about?,
        };
        Ok(Some(Stamp(about.len(), about.modified().ok(), files::number(&about))))
    }

    /// Whether something can be written down.
    ///
    /// # Errors
    ///
    /// It cannot be locked.
    pub fn can_keep(&self) -> Result<(), LockError> {
        files::Lock::of(&self.file).map(drop)
    }

    /// How each of these stands.
    #[must_use]
    pub fn compare(&self, accepted: &Accepted, tools: &[(Listing<'_>, Digest)]) -> Vec<Comparison> {
        compare(accepted, &self.declared, tools)
    }

    /// What was accepted. None: nothing yet, or of another URL.
    ///
    /// # Errors
    ///
    /// The file is there, and cannot be read or is broken.
    pub fn accepted(&self) -> Result<Option<Accepted>> {
        let Some(mut lines) = Lines::open(&self.file)? else { return Ok(None) };
        let header: Header = lines.header()?;
        if header.format != FORMAT {
            return Err(StoreError::OtherVersion);
        }
        if header.made_for != self.made_for {
            return Ok(None);
        }
        let mut accepted = Accepted::new(header);
        loop {
            let place = lines.place;
            let Some(text) = lines.next()? else { break };
            let Line { name, former, owner, digest, .. } = parsed(text)?;
            accepted.add(Known { name, former, owner, digest, place });
        }
        Ok(Some(accepted.finish()))
    }

    /// The accepted definitions in these places; those that are too large to be kept are missing.
    pub fn definitions(
        &self,
        accepted: &Accepted,
        places: impl Iterator<Item = usize>,
    ) -> Result<HashMap<usize, Definition>> {
        let mut found = HashMap::new();
        let Some(mut lines) = Lines::open(&self.file)? else { return Ok(found) };
        let mut places: Vec<usize> = places.collect();
        places.sort_unstable();
        for at in places {
            let Some(known) = accepted.get(at) else { continue };
            lines.go_to(known.place)?;
            let Some(text) = lines.next()? else { continue };
            let line: Line<'_> = parsed(text)?;
            // Somebody wrote the file since: then the next look tells.
            if line.digest != known.digest {
                return Err(StoreError::Changed);
            }
            if let Some(definition) = line.definition {
                found.insert(at, parsed(definition.get())?);
            }
        }
        Ok(found)
    }

    /// Deletes what differs: the next listing tells it again.
    ///
    /// # Errors
    ///
    /// It cannot be deleted.
    pub fn forget_pending(&self) -> io::Result<()> {
        remove(&self.pending)
    }

    /// Deletes what is known of the tools.
    pub fn forget(&self) {
        // Without a folder there is nothing, and a lock would make one.
        let folder = self.file.parent().filter(|folder| folder.is_dir());
        let lock = folder.and_then(|_| files::Lock::of(&self.file).ok());
        for file in [&self.file, &self.pending, &self.shown_file()] {
            if let Err(error) = remove(file) {
                tracing::warn!(file = %file.display(), %error, "what was accepted of the tools could not be deleted");
            }
        }
        if let Some(Err(error)) = lock.map(|lock| lock.remove(&self.file)) {
            tracing::debug!(file = %self.file.display(), %error, "its lock stays");
        }
    }
}

fn remove(file: &Path) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
