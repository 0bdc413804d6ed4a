//! A folder of this user, opened once: what was checked is what is read and written, whatever happens to its path in between.
//! Takes a path and names below it; gives bytes. Never follows a link, and never believes what another user could have put there.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use self::unix::{Folder, is_ours};
#[cfg(windows)]
pub use self::windows::{Folder, is_ours};

use std::{
    io,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

/// Why a folder, or a file in it, is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A folder, a link or a pipe in place of a file.
    #[error("{name} is not a regular file")]
    NotRegular {
        /// In the folder.
        name: String,
    },
    /// Another user can change it.
    #[error("{} belongs to somebody else (user {user})", path.display())]
    Foreign {
        /// The folder, one above it, or the file's name.
        path: PathBuf,
        /// Whose it is.
        user: u32,
    },
    /// It lies where the system keeps nobody out.
    #[error("{} is not below {}, the only place where Windows keeps other users out by itself", path.display(), profile.display())]
    Elsewhere {
        /// The folder.
        path: PathBuf,
        /// Where it would have to be.
        profile: PathBuf,
    },
    /// Everybody, or a group, can change it.
    #[error("others can write to {} (mode {mode:o}); chmod go-w it", path.display())]
    Writable {
        /// The folder, one above it, or the file's name.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
}

/// A name for a file on its way: another one each time, in each process.
fn temporary() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!(".new-{}-{}-{now:x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_nothing_else_is_left() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::private(&place.path().join("a/b")).unwrap();
        assert_eq!(folder.read("x", 10).unwrap(), None);
        folder.write("x", &[b"ab", b"c"]).unwrap();
        folder.write("x", &[b"abcd"]).unwrap();
        assert_eq!(folder.read("x", 4).unwrap().unwrap(), b"abcd");
        assert!(folder.read("x", 3).is_err(), "it is longer than allowed");
        assert_eq!(fs::read_dir(place.path().join("a/b")).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_in_the_place_of_a_file_is_not_read() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::private(&place.path().join("cache")).unwrap();
        fs::create_dir(place.path().join("cache/folder")).unwrap();
        assert!(folder.read("folder", 100).is_err());
    }
}
