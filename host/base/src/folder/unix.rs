//! Where owners and modes say who may change a file: each folder on the way is opened and looked at by its descriptor.

use std::{
    fs,
    io::{self, Write as _},
    os::{fd::OwnedFd, unix::fs::DirBuilderExt as _},
    path::{Component, Path, PathBuf},
};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, open, openat, renameat, unlinkat};

use super::{FolderError, temporary};
#[cfg(test)]
use crate::files;

/// Write permission of the group and of everybody.
const OTHERS_WRITE: Mode = Mode::WGRP.union(Mode::WOTH);
/// In such a folder only the owner of an entry can rename or remove it.
const STICKY: Mode = Mode::SVTX;

/// An open folder that only this user (and root) can change.
#[derive(Debug)]
pub struct Folder {
    descriptor: OwnedFd,
}

impl Folder {
    /// Opens the folder, made with mode 0700 (and those above it) when it is not there.
    ///
    /// # Errors
    ///
    /// When another user could write to it, or rename it or a folder above it.
    pub fn private(path: &Path) -> Result<Self, FolderError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        // Links are resolved here, once; from now on none is followed.
        let path = fs::canonicalize(path)?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut walked = PathBuf::from("/");
        let mut here = open(&walked, flags, Mode::empty()).map_err(io::Error::from)?;
        let names: Vec<_> = path
            .components()
            .filter_map(|part| match part {
                Component::Normal(name) => Some(name.to_owned()),
                _ => None,
            })
            .collect();
        for (at, name) in names.iter().enumerate() {
            let last = at + 1 == names.len();
            let next = openat(&here, name.as_os_str(), flags, Mode::empty()).map_err(io::Error::from)?;
            walked.push(name);
            // Of a folder above, the entry that leads here matters: where the sticky bit is set, only its owner can exchange it.
            let found = fstat(&next).map_err(io::Error::from)?;
            believable(&walked, &found, if last { OTHERS_WRITE } else { Mode::empty() })?;
            here = next;
        }
        Ok(Self { descriptor: here })
    }

    /// A regular file of ours, and its size. None: there is no such file.
    pub fn open(&self, name: &str) -> Result<Option<(fs::File, u64)>, FolderError> {
        // Without NONBLOCK, a pipe in its place would be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match openat(&self.descriptor, name, flags, Mode::empty()) {
            Ok(file) => fs::File::from(file),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(io::Error::from(error).into()),
        };
        let found = fstat(&file).map_err(io::Error::from)?;
        if !FileType::from_raw_mode(found.st_mode).is_file() {
            return Err(FolderError::NotRegular { name: name.to_owned() });
        }
        believable(Path::new(name), &found, OTHERS_WRITE)?;
        Ok(Some((file, u64::try_from(found.st_size).unwrap_or_default())))
    }

    /// What a regular file of ours holds, at most this many bytes. None: there is no such file.
    #[cfg(test)]
    pub fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, FolderError> {
        let Some((file, size)) = self.open(name)? else { return Ok(None) };
        Ok(Some(files::whole(&file, size, most)?))
    }

    /// Writes a file, 0600, whole or not at all; of two who write at once one wins.
    pub fn write(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let temporary = temporary();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = fs::File::from(openat(&self.descriptor, &temporary, flags, Mode::RUSR | Mode::WUSR)?);
        let written = parts
            .iter()
            .try_for_each(|part| file.write_all(part))
            .and_then(|()| Ok(renameat(&self.descriptor, &temporary, &self.descriptor, name)?));
        if written.is_err() {
            let _ = unlinkat(&self.descriptor, &temporary, AtFlags::empty());
        }
        written
    }
}

/// Whether only this user (and root) can change what an open file holds.
#[must_use]
pub fn is_ours(file: &fs::File) -> bool {
    fstat(file).is_ok_and(|found| believable(Path::new("it"), &found, OTHERS_WRITE).is_ok())
}

/// Modes have 16 bits on some systems.
fn number(mode: impl Into<u32>) -> u32 {
    mode.into()
}

/// `forbidden`: modes that are refused whatever else holds. Elsewhere others may write where the sticky bit is set.
fn believable(path: &Path, found: &Stat, forbidden: Mode) -> Result<(), FolderError> {
    let user = found.st_uid;
    if user != 0 && user != rustix::process::geteuid().as_raw() {
        return Err(FolderError::Foreign { path: path.to_owned(), user });
    }
    let mode = Mode::from_raw_mode(found.st_mode);
    let others = mode.intersects(OTHERS_WRITE) && !mode.contains(STICKY);
    if mode.intersects(forbidden) || others {
        return Err(FolderError::Writable { path: path.to_owned(), mode: number(mode.bits()) });
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_made_is_for_this_user_alone() {
        let place = tempfile::tempdir().unwrap();
        Folder::private(&place.path().join("a/b")).unwrap().write("x", &[b"x"]).unwrap();
        for (entry, expected) in [("a", 0o700), ("a/b", 0o700), ("a/b/x", 0o600)] {
            assert_eq!(
                fs::metadata(place.path().join(entry)).unwrap().permissions().mode() & 0o777,
                expected,
                "{entry}"
            );
        }
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused_and_so_is_one_below_it() {
        let place = tempfile::tempdir().unwrap();
        let (above, folder) = (place.path().join("above"), place.path().join("above/cache"));
        Folder::private(&folder).unwrap();
        for open in [0o777, 0o770, 0o702] {
            mode(&folder, open);
            let refused = |by: &Path| match Folder::private(&folder).unwrap_err() {
                FolderError::Writable { path, mode } => path.ends_with(by) && mode == open,
                _ => false,
            };
            assert!(refused(folder.file_name().unwrap().as_ref()), "{open:o}");
            mode(&folder, 0o700);
            mode(&above, open);
            assert!(refused("above".as_ref()), "{open:o}");
            mode(&above, 0o700);
        }
        // As /tmp is: others may add, and not exchange what is ours. In the folder itself that does not do.
        mode(&above, 0o1777);
        Folder::private(&folder).unwrap();
        mode(&folder, 0o1777);
        assert!(Folder::private(&folder).is_err());
    }

    #[test]
    fn a_folder_that_was_exchanged_after_the_look_changes_nothing() {
        let place = tempfile::tempdir().unwrap();
        let (ours, theirs) = (place.path().join("cache"), place.path().join("theirs"));
        let folder = Folder::private(&ours).unwrap();
        folder.write("code", &[b"good"]).unwrap();
        fs::create_dir(&theirs).unwrap();
        fs::write(theirs.join("code"), "forged").unwrap();
        fs::rename(&ours, place.path().join("aside")).unwrap();
        fs::rename(&theirs, &ours).unwrap();
        assert_eq!(folder.read("code", 100).unwrap().unwrap(), b"good");
    }

    #[test]
    fn links_pipes_and_files_that_others_can_write_are_not_read() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::private(&place.path().join("cache")).unwrap();
        let entry = |name: &str| place.path().join("cache").join(name);
        fs::write(place.path().join("elsewhere"), "forged").unwrap();
        symlink(place.path().join("elsewhere"), entry("link")).unwrap();
        assert!(folder.read("link", 100).is_err());
        folder.write("open", &[b"x"]).unwrap();
        mode(&entry("open"), 0o622);
        assert!(folder.read("open", 100).is_err());
        rustix::fs::mkfifoat(rustix::fs::CWD, entry("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        assert!(matches!(folder.read("pipe", 100), Err(FolderError::NotRegular { .. })));
        fs::create_dir(entry("folder")).unwrap();
        assert!(folder.read("folder", 100).is_err());
    }

    #[test]
    fn files_and_folders_of_another_user_are_refused() {
        use std::os::unix::fs::chown;
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("cache");
        let folder = Folder::private(&path).unwrap();
        folder.write("x", &[b"forged"]).unwrap();
        // Only root can give a file away; for others the case cannot be made.
        if chown(path.join("x"), Some(12_345), None).is_ok() {
            assert!(matches!(folder.read("x", 10), Err(FolderError::Foreign { user: 12_345, .. })));
            chown(&path, Some(12_345), None).unwrap();
            assert!(matches!(Folder::private(&path), Err(FolderError::Foreign { user: 12_345, .. })));
        }
    }
}
