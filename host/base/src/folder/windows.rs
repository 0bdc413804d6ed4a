//! Where access lists say who may change a file. What lies below a user's profile folder inherits a list that lets in that user, the
//! administrators and the system, and nobody else; so a folder is believed there, and nowhere else. An open folder cannot be renamed, nor
//! any above it: its path stays that of what was looked at.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::windows::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::{FolderError, temporary};
use crate::access;
#[cfg(test)]
use crate::files;

/// `FILE_FLAG_BACKUP_SEMANTICS`: without it, folders are not opened.
const FOLDERS_TOO: u32 = 0x0200_0000;
/// `FILE_SHARE_READ` and `FILE_SHARE_WRITE`, without `FILE_SHARE_DELETE`: it stays where it is while it is open.
const STAYS: u32 = 0x1 | 0x2;

/// An open folder that only this user (and administrators) can change.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Keeps it where it is.
    _held: File,
}

impl Folder {
    /// Opens the folder, made (with those above it) when it is not there.
    ///
    /// # Errors
    ///
    /// When it is not below this user's profile folder; the text says so.
    pub fn private(path: &Path) -> Result<Self, FolderError> {
        let profile = std::env::home_dir().ok_or_else(|| io::Error::other("this user has no profile folder"))?;
        Self::below(&profile, path)
    }

    fn below(profile: &Path, path: &Path) -> Result<Self, FolderError> {
        fs::create_dir_all(path)?;
        // Links are resolved here, once; from now on none is followed.
        let (profile, found) = (fs::canonicalize(profile)?, fs::canonicalize(path)?);
        let mut options = OpenOptions::new();
        options.read(true).share_mode(STAYS).custom_flags(FOLDERS_TOO);
        let held = options.open(&found)?;
        // Once more, now that it stays: in between, another could have been put there.
        if fs::canonicalize(path)? != found || !held.metadata()?.is_dir() {
            return Err(io::Error::other(format!("{} was exchanged just now", path.display())).into());
        }
        if found == profile || !found.starts_with(&profile) {
            return Err(FolderError::Elsewhere { path: path.to_owned(), profile });
        }
        Ok(Self { path: found, _held: held })
    }

    /// A regular file of ours, and its size. None: there is no such file.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or is no regular file.
    pub fn open(&self, name: &str) -> Result<Option<(File, u64)>, FolderError> {
        let mut options = OpenOptions::new();
        options.read(true);
        access::without_links(&mut options);
        let file = match options.open(self.path.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(FolderError::NotRegular { name: name.to_owned() });
        }
        Ok(Some((file, found.len())))
    }

    /// What a regular file of ours holds, at most this many bytes. None: there is no such file.
    #[cfg(test)]
    pub fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, FolderError> {
        let Some((file, size)) = self.open(name)? else { return Ok(None) };
        Ok(Some(files::whole(&file, size, most)?))
    }

    /// Writes a file whole or not at all; of two who write at once one wins.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let beside = self.path.join(temporary());
        let mut file = OpenOptions::new().write(true).create_new(true).open(&beside)?;
        let written = parts.iter().try_for_each(|part| file.write_all(part));
        drop(file);
        let written = written.and_then(|()| fs::rename(&beside, self.path.join(name)));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written
    }
}

/// Whether only this user (and administrators) can change what an open file holds. Nothing tells it of a file alone: whoever asks takes a copy.
#[must_use]
pub fn is_ours(_: &File) -> bool {
    false
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    #[test]
    fn a_folder_outside_of_the_profile_is_refused_and_so_is_the_profile_itself() {
        let place = tempfile::tempdir().unwrap();
        let (profile, elsewhere) = (place.path().join("profile"), place.path().join("elsewhere"));
        Folder::below(&profile.join("a"), &profile.join("a")).unwrap_err();
        Folder::below(&profile, &profile.join("a/b")).unwrap();
        assert!(matches!(Folder::below(&profile, &elsewhere), Err(FolderError::Elsewhere { .. })));
        assert!(Folder::below(&profile, &place.path().join("profile-of-another")).is_err());
    }

    #[test]
    fn a_folder_that_is_open_stays_where_it_is_and_so_do_those_above_it() {
        let place = tempfile::tempdir().unwrap();
        let above = place.path().join("above");
        let folder = Folder::below(place.path(), &above.join("cache")).unwrap();
        assert!(fs::rename(above.join("cache"), above.join("aside")).is_err());
        assert!(fs::rename(&above, place.path().join("aside")).is_err());
        drop(folder);
        fs::rename(&above, place.path().join("aside")).unwrap();
    }
}
