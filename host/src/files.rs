//! Files of our own in pflow's folder: for this user alone, and whole or not at all.
//! Takes paths and bytes; writes them. Never leaves half of a file, and never makes a folder that others can read.

use std::{io, io::Write as _, path::Path};

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
