//! Who may use a file, and how it is opened: what each system calls otherwise.
//! Takes options, files and paths; changes or compares them. Never opens anything by itself.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use self::unix::{folders_for_this_user, for_everybody, without_links, without_waiting};
#[cfg(unix)]
pub use self::unix::{for_this_user, is_at, mode, number};
#[cfg(windows)]
pub(crate) use self::windows::{folders_for_this_user, for_everybody, without_links, without_waiting};
#[cfg(windows)]
pub use self::windows::{for_this_user, is_at, mode, number};

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use std::fs::{self, OpenOptions};

    use super::*;

    #[test]
    fn a_file_is_where_it_was_opened_until_another_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::write(&one, "the same").unwrap();
        fs::write(&other, "the same").unwrap();
        let file = OpenOptions::new().read(true).open(&one).unwrap();
        assert!(is_at(&file, &one) && !is_at(&file, &other));
        fs::rename(&other, &one).unwrap();
        assert!(!is_at(&file, &one), "another file has the name");
        fs::remove_file(&one).unwrap();
        assert!(!is_at(&file, &one), "nothing has the name");
    }

    #[test]
    fn what_is_made_for_this_user_can_be_written_and_read_by_this_user() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        for_this_user(&mut options);
        drop(options.open(folder.path().join("file")).unwrap());
        fs::write(folder.path().join("file"), "x").unwrap();
        assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"x");
        assert!(matches!(mode(&folder.path().join("file")), None | Some(0o600)));
        assert_eq!(mode(&folder.path().join("none")), None);
    }
}
