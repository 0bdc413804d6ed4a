//! Access lists, which a file inherits of its folder: below a user's profile that user, the administrators and the system may use it.

use std::{
    fs::{DirBuilder, File, Metadata, OpenOptions},
    io,
    os::windows::fs::OpenOptionsExt as _,
    path::Path,
};

use same_file::Handle;

/// `FILE_FLAG_OPEN_REPARSE_POINT`: a link is opened itself, and then is no regular file.
const LINKS_THEMSELVES: u32 = 0x0020_0000;

/// A file that these options make inherits who may use it of its folder.
pub fn for_this_user(_: &mut OpenOptions) {}

/// Folders that it makes inherit who may use them.
pub(crate) fn folders_for_this_user(_: &mut DirBuilder) {}

/// What is packaged inherits of the folder into which it is installed who may read it.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(crate) fn for_everybody(_: &File) -> io::Result<()> {
    Ok(())
}

/// Opening follows no link.
pub(crate) fn without_links(options: &mut OpenOptions) {
    options.custom_flags(LINKS_THEMSELVES);
}

/// Pipes have names of their own here, and no file's.
pub(crate) fn without_waiting(_: &mut OpenOptions) {}

/// Whether this is the file that is found there now.
#[must_use]
pub fn is_at(file: &File, path: &Path) -> bool {
    let here = file.try_clone().and_then(Handle::from_file);
    matches!((here, Handle::from_path(path)), (Ok(here), Ok(there)) if here == there)
}

/// Nothing else tells a file from the one that took its place without opening it; its time is exact to 100 ns.
#[must_use]
pub fn number(_: &Metadata) -> u64 {
    0
}

/// There are no modes.
#[must_use]
pub fn mode(_: &Path) -> Option<u32> {
    None
}
