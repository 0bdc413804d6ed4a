//! Modes, owners and inodes.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use rustix::fs::OFlags;

/// A file that these options make is for this user alone: 0600.
pub fn for_this_user(options: &mut OpenOptions) {
    options.mode(0o600);
}

/// Folders that it makes are for this user alone: 0700.
pub(crate) fn folders_for_this_user(builder: &mut DirBuilder) {
    builder.mode(0o700);
}

/// Everybody may read it: 0644.
pub(crate) fn for_everybody(file: &File) -> io::Result<()> {
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

/// Opening follows no link, and does not wait for the other end of a pipe.
pub(crate) fn without_links(options: &mut OpenOptions) {
    options.custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK));
}

/// Opening does not wait for the other end of a pipe, and no terminal becomes that of this process.
pub(crate) fn without_waiting(options: &mut OpenOptions) {
    options.custom_flags(flags(OFlags::NONBLOCK | OFlags::NOCTTY));
}

/// Whether this is the file that is found there now.
#[must_use]
pub fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(here), Ok(there)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    (here.dev(), here.ino()) == (there.dev(), there.ino())
}

/// What else tells a file from the one that took its place: the inode.
#[must_use]
pub fn number(about: &Metadata) -> u64 {
    about.ino()
}

/// Who may do what with it, as three octal digits. None: it is not there.
#[must_use]
pub fn mode(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|found| found.permissions().mode() & 0o777)
}

/// As the standard library wants them.
fn flags(flags: OFlags) -> i32 {
    i32::from_ne_bytes(flags.bits().to_ne_bytes())
}
