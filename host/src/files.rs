//! Files of our own in pflow's folder: for this user alone, and whole or not at all.
//! Takes paths and bytes; writes them. Never leaves half of a file, and never makes a folder that others can read.

use std::{
    fs::{File, OpenOptions},
    io,
    io::Write as _,
    path::Path,
};

/// Makes a folder, 0700, with those above it. One that is there stays as it is.
pub(crate) fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Writes a file, 0600, beside its place and then renames it: nobody ever sees half of it, and of two who write at once one wins.
pub(crate) fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(file).map(drop).map_err(|error| error.error)
}

/// Opens a file of ours, to lock it or to know that it is one; makes it, 0600, when it is not there. Leaves its content alone, and
/// follows no link.
pub(crate) fn lock_file(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;

        // Nor does it wait for the other end of a pipe.
        options.mode(0o600).custom_flags(flags(rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK));
    }
    let opened = options.open(file)?;
    if opened.metadata()?.is_file() { Ok(opened) } else { Err(io::Error::other("it is no regular file")) }
}

/// Whether this is the file that is found there now.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;

        let (Ok(here), Ok(there)) = (file.metadata(), std::fs::symlink_metadata(path)) else { return false };
        (here.dev(), here.ino()) == (there.dev(), there.ino())
    }
    #[cfg(not(unix))]
    {
        file.metadata().is_ok() && path.exists()
    }
}

/// Writes a file that everybody may read, 0644: what is packaged is installed for others too. Whole or not at all.
pub(crate) fn shared(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    #[cfg(unix)]
    temporary.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    temporary.persist(file).map(drop).map_err(|error| error.error)
}

/// What a regular file holds, at most this many bytes. A pipe or a device in its place is not waited for.
pub(crate) fn regular(file: &Path, most: u64) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags(rustix::fs::OFlags::NONBLOCK));
    let open = options.open(file)?;
    if !open.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    open.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it is larger than {most} bytes")));
    }
    Ok(bytes)
}

/// As the standard library wants them.
#[cfg(unix)]
fn flags(flags: rustix::fs::OFlags) -> i32 {
    i32::from_ne_bytes(flags.bits().to_ne_bytes())
}

#[cfg(all(test, unix))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn a_lock_is_opened_without_a_change_to_what_is_there_and_without_following_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (victim, link, file) =
            (folder.path().join("victim"), folder.path().join("link"), folder.path().join("lock"));
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        assert!(lock_file(&link).is_err());
        assert!(lock_file(&victim).is_ok());
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        std::os::unix::fs::symlink(folder.path().join("nowhere"), folder.path().join("dangling")).unwrap();
        assert!(lock_file(&folder.path().join("dangling")).is_err() && !folder.path().join("nowhere").exists());
        assert!(lock_file(folder.path()).is_err());
        let opened = lock_file(&file).unwrap();
        assert!(is_at(&opened, &file));
        std::fs::remove_file(&file).unwrap();
        assert!(!is_at(&opened, &file));
        drop(lock_file(&file).unwrap());
        assert!(!is_at(&opened, &file));
    }
}
