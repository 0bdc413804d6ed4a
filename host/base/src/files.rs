//! Files of our own in pflow's folder: for this user alone, whole or not at all, and changed by one process at a time.
//! Takes paths and bytes; writes them. Never leaves half of a file, never makes a folder that others can read, and never follows a
//! link to a lock.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::access;

pub use crate::access::{for_this_user, is_at, mode, number};

/// How long to wait for another process that changes the same file. It needs milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to look whether it is done.
const LOOK: Duration = Duration::from_millis(20);

/// Held while a file is read, changed and written. Ends with the value, or with the process.
#[derive(Debug)]
pub struct Lock(File);

/// Why a file cannot be locked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The lock cannot be made, or opened, or asked for.
    #[error("cannot lock {}: {}", file.display(), lock.display())]
    Unusable {
        /// What was to be changed.
        file: PathBuf,
        /// The lock, beside it.
        lock: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Somebody else has it, for longer than any change takes.
    #[error("another pflow-gateway has been changing {} for {} s", file.display(), waited.as_secs_f64())]
    Held {
        /// What was to be changed.
        file: PathBuf,
        /// The lock, beside it.
        lock: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
}

impl Lock {
    /// The lock of this file, which need not exist. It is a file beside it that stays.
    ///
    /// # Errors
    ///
    /// Somebody else has had it for ten seconds, or it cannot be made.
    pub fn of(file: &Path) -> Result<Self, LockError> {
        Self::within(file, PATIENCE)
    }

    fn within(file: &Path, patience: Duration) -> Result<Self, LockError> {
        let path = beside(file);
        let cannot = |source| LockError::Unusable { file: file.to_owned(), lock: path.clone(), source };
        if let Some(folder) = path.parent() {
            private_folder(folder).map_err(cannot)?;
        }
        let mut lock = lock_file(&path).map_err(cannot)?;
        let started = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) if is_at(&lock, &path) => return Ok(Self(lock)),
                // Who had it took the file away: it holds back nobody who comes now.
                Ok(()) => lock = lock_file(&path).map_err(cannot)?,
                Err(TryLockError::WouldBlock) if started.elapsed() < patience => std::thread::sleep(LOOK),
                Err(TryLockError::WouldBlock) => {
                    return Err(LockError::Held { file: file.to_owned(), lock: path, waited: patience });
                }
                // File systems without locks: the comparison before writing is what is left.
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => return Ok(Self(lock)),
                Err(TryLockError::Error(error)) => return Err(cannot(error)),
            }
        }
    }
}

impl Lock {
    /// Ends it, and takes its file away: for what is gone for good. Who waits for it makes a new one.
    pub fn remove(self, file: &Path) -> io::Result<()> {
        let path = beside(file);
        if is_at(&self.0, &path) { std::fs::remove_file(path) } else { Ok(()) }
    }
}

/// `.NAME.lock` beside the file.
fn beside(file: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(file.file_name().unwrap_or_default());
    name.push(".lock");
    match file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => folder.join(name),
        None => Path::new(".").join(name),
    }
}

/// What a person writes is smaller.
const LARGEST: u64 = 1024 * 1024;

/// Reads what a person wrote: an ordinary file of at most 1 MiB. A device never ends, and a pipe may never begin.
pub fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    read_regular_up_to(path, LARGEST)
}

/// The same, of what a program wrote and may be larger.
pub fn read_regular_up_to(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    options.read(true);
    // Opening a pipe that nobody writes to would wait for ever.
    access::without_waiting(&mut options);
    let file: File = options.open(path)?;
    let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why);
    if !file.metadata()?.is_file() {
        return Err(wrong("it is not an ordinary file"));
    }
    let mut bytes = Vec::new();
    file.take(largest.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        return Err(wrong(&format!("it is larger than {} MiB", largest / (1024 * 1024))));
    }
    Ok(bytes)
}

/// Makes a folder, 0700, with those above it. One that is there stays as it is.
pub fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    access::folders_for_this_user(&mut builder);
    builder.create(folder)
}

/// Writes a file, 0600, beside its place and then renames it: nobody ever sees half of it, and of two who write at once one wins.
pub fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    write(file, |out| out.write_all(bytes))
}

/// The same for what is written piece by piece.
///
/// # Errors
///
/// It cannot be written, or `fill` has no more to write; then the file is as before.
pub fn write<E: From<io::Error>>(file: &Path, fill: impl FnOnce(&mut dyn io::Write) -> Result<(), E>) -> Result<(), E> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    let mut out = io::BufWriter::with_capacity(64 * 1024, temporary.as_file_mut());
    fill(&mut out)?;
    out.flush()?;
    drop(out);
    temporary.as_file().sync_all()?;
    Ok(temporary.persist(file).map(drop).map_err(|error| error.error)?)
}

/// Opens a file of ours, to lock it or to know that it is one; makes it, 0600, when it is not there. Leaves its content alone, and
/// follows no link.
pub fn lock_file(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    // Nor does it wait for the other end of a pipe.
    access::without_links(&mut options);
    for_this_user(&mut options);
    let opened = options.open(file)?;
    if opened.metadata()?.is_file() { Ok(opened) } else { Err(io::Error::other("it is no regular file")) }
}

/// Opens a file of ours to be read piece by piece. Follows no link, and waits for no pipe.
pub fn open_regular(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    access::without_links(&mut options);
    let opened = options.open(file)?;
    if opened.metadata()?.is_file() { Ok(opened) } else { Err(io::Error::other("it is no regular file")) }
}

/// Writes a file that everybody may read, 0644: what is packaged is installed for others too. Whole or not at all.
pub fn shared(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    access::for_everybody(temporary.as_file())?;
    temporary.persist(file).map(drop).map_err(|error| error.error)
}

/// What a regular file holds, at most this many bytes. A pipe or a device in its place is not waited for.
pub fn regular(file: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (open, size) = regular_file(file)?;
    whole(&open, size, most)
}

/// A regular file, or what a link leads to, and its size. A pipe or a device in its place is not waited for.
pub fn regular_file(file: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.read(true);
    access::without_waiting(&mut options);
    let open = options.open(file)?;
    let about = open.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok((open, about.len()))
}

/// What an open file of this size holds, at most so many bytes: it may be another size by now.
pub fn whole(file: &File, size: u64, most: u64) -> io::Result<Vec<u8>> {
    // In one piece from the start: machine code has megabytes, which would be copied each time that the room for them grows.
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(most)).unwrap_or_default().saturating_add(1));
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it is larger than {most} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on shall stop")]

    use super::*;
    use crate::Error;

    #[test]
    fn a_lock_is_opened_without_a_change_to_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let (victim, file) = (folder.path().join("victim"), folder.path().join("lock"));
        std::fs::write(&victim, "precious").unwrap();
        assert!(lock_file(&victim).is_ok());
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        assert!(lock_file(folder.path()).is_err());
        let opened = lock_file(&file).unwrap();
        assert!(is_at(&opened, &file));
        std::fs::remove_file(&file).unwrap();
        assert!(!is_at(&opened, &file));
        drop(lock_file(&file).unwrap());
        assert!(!is_at(&opened, &file));
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_is_opened_without_following_a_link() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("victim"), "precious").unwrap();
        symlink(at("victim"), at("link")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        assert!(lock_file(&at("link")).is_err());
        assert!(lock_file(&at("dangling")).is_err() && !at("nowhere").exists());
        assert_eq!(std::fs::read_to_string(at("victim")).unwrap(), "precious");
    }

    #[test]
    fn a_lock_that_is_taken_away_holds_back_whoever_waited_for_it_and_whoever_comes_now() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.json");
        let inside = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for round in 0..24 {
                let (inside, file) = (&inside, &file);
                scope.spawn(move || {
                    let lock = Lock::of(file).unwrap();
                    assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0, "one at a time");
                    std::thread::sleep(Duration::from_millis(2));
                    inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    if round % 2 == 0 {
                        lock.remove(file).unwrap();
                    }
                });
            }
        });
        let left = Lock::of(&file).unwrap();
        left.remove(&file).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn one_at_a_time_has_it_and_who_waits_too_long_is_told_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new").join("f.json");
        let held = Lock::of(&file).unwrap();
        let patience = Duration::from_millis(60);
        let error = Lock::within(&file, patience).unwrap_err();
        let LockError::Held { file: wanted, lock, waited } = &error else { panic!("{error}") };
        assert_eq!((wanted, lock, *waited), (&file, &folder.path().join("new").join(".f.json.lock"), patience));
        let error = Error::from(error);
        assert!(error.message.ends_with("f.json for 0.06 s"), "{error}");
        assert!(error.hint.unwrap().contains(".f.json.lock is locked"));
        drop(held);
        Lock::of(&file).unwrap();
    }

    #[test]
    fn a_lock_that_cannot_be_made_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.json");
        std::fs::create_dir(folder.path().join(".f.json.lock")).unwrap();
        let error = Lock::of(&file).unwrap_err();
        assert!(matches!(&error, LockError::Unusable { source, .. } if source.raw_os_error().is_some()), "{error:?}");
        let lock = folder.path().join(".f.json.lock");
        let error = Error::from(error);
        let said =
            format!("cannot lock {}: {}: {}", file.display(), lock.display(), error.find::<io::Error>().unwrap());
        assert_eq!(error.message, said);
    }
}
