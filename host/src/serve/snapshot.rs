//! The last good catalogue of a gateway, kept for the time when it is away.
//! Takes and gives [`Tools`]. Never holds a credential, never answers for another URL or another filter than it was made with.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use crate::{
    config::{Changes, Claims, GatewayConfig},
    files,
    report::Tools,
};

/// A catalogue and when it was read.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What the gateway listed, after filters.
    pub tools: Tools,
    /// When.
    pub taken: SystemTime,
}

/// Where catalogues are kept.
pub trait Snapshots: Send + Sync + 'static {
    /// The last one, if there is one that fits.
    fn load(&self) -> Option<Snapshot>;

    /// Keeps this one.
    ///
    /// # Errors
    ///
    /// It could not be written; the one before is still there.
    fn store(&self, tools: &Tools) -> io::Result<()>;
}

/// Keeps nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoSnapshots;

impl Snapshots for NoSnapshots {
    fn load(&self) -> Option<Snapshot> {
        None
    }

    fn store(&self, _tools: &Tools) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps one file per gateway, `gateway/snapshots/NAME.json` under pflow's folder, readable by the user alone.
#[derive(Clone, Debug)]
pub struct FileSnapshots {
    file: PathBuf,
    /// Whatever decides which tools are in the catalogue.
    made_for: String,
}

#[derive(Deserialize)]
struct Stored {
    format: u32,
    /// Seconds since 1970-01-01 UTC.
    taken_at: u64,
    made_for: String,
    tools: Tools,
}

/// The same, on its way to the file.
#[derive(Serialize)]
struct Storing<'a> {
    format: u32,
    taken_at: u64,
    made_for: &'a str,
    tools: &'a Tools,
}

/// Changes when [`Stored`] does.
const FORMAT: u32 = 1;

impl FileSnapshots {
    /// Those of this gateway.
    #[must_use]
    pub fn new(pflow_folder: &Path, config: &GatewayConfig) -> Self {
        let file = pflow_folder.join("gateway").join("snapshots").join(format!("{}.json", config.file_name()));
        let mut made_for = format!("{} {:?} {:?}", config.identity(), config.services, config.filter);
        if config.claims != Claims::default() {
            made_for.push_str(&format!(" {:?}", config.claims));
        }
        // What was shown while changes passed is not shown once they are held.
        if config.changes == Changes::Hold {
            made_for.push_str(" held");
        }
        Self { file, made_for }
    }

    /// Deletes the snapshot, if there is one.
    pub fn forget(&self) {
        if let Err(error) = std::fs::remove_file(&self.file)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(file = %self.file.display(), %error, "the snapshot could not be deleted");
        }
    }
}

impl Snapshots for FileSnapshots {
    fn load(&self) -> Option<Snapshot> {
        let bytes = match std::fs::read(&self.file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(file = %self.file.display(), %error, "the snapshot cannot be read");
                return None;
            }
        };
        let stored: Stored = serde_json::from_slice(&bytes)
            .map_err(|error| tracing::warn!(file = %self.file.display(), %error, "the snapshot is broken"))
            .ok()?;
        (stored.format == FORMAT && stored.made_for == self.made_for).then_some(Snapshot {
            tools: stored.tools,
            taken: SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(stored.taken_at))?,
        })
    }

    fn store(&self, tools: &Tools) -> io::Result<()> {
        let folder = self.file.parent().ok_or(io::ErrorKind::InvalidInput)?;
        files::private_folder(folder)?;
        let taken_at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let stored = Storing { format: FORMAT, taken_at, made_for: &self.made_for, tools };
        files::write(&self.file, |out| Ok(serde_json::to_writer(out, &stored)?))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;
    use crate::serve::catalog::{catalogue, tool};

    fn snapshots(folder: &Path, made_for: &str) -> FileSnapshots {
        FileSnapshots { file: folder.join("gateway/snapshots/docker.json"), made_for: made_for.to_owned() }
    }

    #[test]
    fn what_was_stored_is_loaded_for_the_same_filter_only() {
        let folder = tempfile::tempdir().unwrap();
        let here = snapshots(folder.path(), "all");
        assert!(here.load().is_none());
        here.store(&catalogue(vec![tool("a", Some("s")), tool("b", None)])).unwrap();
        let loaded = here.load().unwrap();
        assert_eq!(loaded.tools.tools.len(), 2);
        assert_eq!(loaded.tools.tools.first().unwrap().service.as_deref(), Some("s"));
        assert!(loaded.taken.elapsed().unwrap() < Duration::from_secs(60));
        assert!(snapshots(folder.path(), "only github").load().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        snapshots(folder.path(), "all").store(&catalogue(vec![])).unwrap();
        let mode = |path: &str| std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("gateway/snapshots/docker.json"), 0o600);
        assert_eq!(mode("gateway/snapshots"), 0o700);
    }

    #[test]
    fn a_broken_file_is_no_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let here = snapshots(folder.path(), "all");
        here.store(&catalogue(vec![])).unwrap();
        for broken in ["", "{", "[]", "{\"format\": 99}"] {
            std::fs::write(&here.file, broken).unwrap();
            assert!(here.load().is_none(), "{broken}");
        }
    }
}
