//! Digests of files with machine code, taken once and remembered.
//! Takes an open file; gives SHA-256 of what it begins with. Remembers in the cache folder, under what the system itself changes whenever anybody
//! writes to a file: whoever could forge a note there could as well put machine code beside it. Never remembers what changed a moment ago.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    str::FromStr,
    time::Duration,
};

use pflow_gateway_base::{
    clock::Moment,
    digest::{hex, is_sha256},
    files,
    folder::Folder,
};
use sha2::{Digest as _, Sha256};

/// In the cache folder: a line for each file, the last one first.
const NOTES: &str = "digests";
/// Lines that are kept: a program, a wheel and a few components, over a few updates.
const MOST: usize = 32;
/// What so many lines take at most, in bytes.
const LARGEST: u64 = 16 << 10;
/// A file may change twice within one tick of its clock; one that has rested for so long has not.
const RESTED: Duration = Duration::from_secs(2);
/// Read at once.
const PIECE: usize = 64 << 10;

/// What was found, and where it is remembered.
pub(super) struct Digests<'a> {
    /// Without one nothing is.
    folder: Option<&'a Folder>,
    rested: Duration,
}

impl<'a> Digests<'a> {
    pub(super) fn new(folder: Option<&'a Folder>) -> Self {
        Self { folder, rested: RESTED }
    }

    /// SHA-256, lower-case hex, of the first `bytes` of a file that only this user and root can change.
    pub(super) fn of(&self, file: &File, bytes: u64) -> io::Result<String> {
        let Some(folder) = self.folder else { return taken(file, bytes) };
        let Some(identity) = Identity::of(file)? else { return taken(file, bytes) };
        let notes = notes(folder);
        if let Some(note) = notes.iter().find(|note| note.identity == identity && note.bytes == bytes) {
            return Ok(note.sha256.clone());
        }
        let sha256 = taken(file, bytes)?;
        if identity.has_rested(self.rested) && Identity::of(file)?.as_ref() == Some(&identity) {
            let note = Note { identity, bytes, sha256: sha256.clone() };
            let others: Vec<Note> = notes.into_iter().filter(|other| !other.identity.is_of(&note.identity)).collect();
            let text: String = std::iter::once(note).chain(others).take(MOST).map(|note| note.line()).collect();
            if let Err(error) = folder.write(NOTES, &[text.as_bytes()]) {
                tracing::debug!("a digest is not remembered: {error}");
            }
        }
        Ok(sha256)
    }
}

/// In pieces that stay in the processor's cache: a copy of all of it costs more than the digest.
fn taken(mut file: &File, bytes: u64) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let (mut rest, mut piece, mut digest) = (file.take(bytes), vec![0; PIECE], Sha256::new());
    loop {
        let read = rest.read(&mut piece)?;
        if read == 0 {
            break Ok(hex(&digest.finalize()));
        }
        digest.update(piece.get(..read).unwrap_or_default());
    }
}

/// What is remembered; nothing of what is damaged.
fn notes(folder: &Folder) -> Vec<Note> {
    let read = || -> io::Result<Vec<u8>> {
        match folder.open(NOTES).map_err(io::Error::other)? {
            Some((file, size)) => files::whole(&file, size, LARGEST),
            None => Ok(Vec::new()),
        }
    };
    let bytes = read().inspect_err(|error| tracing::debug!("no digest is remembered: {error}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().filter_map(|line| line.parse().ok()).collect()
}

#[derive(Clone)]
struct Note {
    identity: Identity,
    /// What the digest is of.
    bytes: u64,
    /// Lower-case hex.
    sha256: String,
}

impl Note {
    fn line(&self) -> String {
        let Identity { device, inode, size, changed: (seconds, nanoseconds) } = self.identity;
        format!("{device} {inode} {size} {seconds}.{nanoseconds:09} {} {}\n", self.bytes, self.sha256)
    }
}

impl FromStr for Note {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let mut words = line.split(' ');
        let mut word = || words.next().ok_or(());
        let (device, inode, size) = (number(word()?)?, number(word()?)?, number(word()?)?);
        let (seconds, nanoseconds) = word()?.split_once('.').ok_or(())?;
        let changed = (number(seconds)?, number(nanoseconds)?);
        let (bytes, sha256) = (number(word()?)?, word()?.to_owned());
        let is_whole = is_sha256(&sha256) && words.next().is_none();
        is_whole.then_some(Self { identity: Identity { device, inode, size, changed }, bytes, sha256 }).ok_or(())
    }
}

fn number<T: FromStr>(word: &str) -> Result<T, ()> {
    word.parse().map_err(|_| ())
}

/// What of a file changes with every change of what it holds; no program can set it back.
#[derive(Clone, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    /// The status change time: seconds since 1970, and nanoseconds.
    changed: (i64, i64),
}

impl Identity {
    /// None where the system keeps no time that only it can set.
    #[cfg_attr(not(unix), expect(clippy::unnecessary_wraps, reason = "elsewhere the system may refuse to tell"))]
    fn of(file: &File) -> io::Result<Option<Self>> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;

            let about = file.metadata()?;
            let changed = (about.ctime(), about.ctime_nsec());
            Ok(Some(Self { device: about.dev(), inode: about.ino(), size: about.size(), changed }))
        }
        #[cfg(not(unix))]
        {
            let _ = file;
            Ok(None)
        }
    }

    /// Of the same file, whenever that was.
    fn is_of(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    fn has_rested(&self, at_least: Duration) -> bool {
        Moment::from_millis(self.changed.0.saturating_mul(1_000)).age(Moment::now()) >= at_least
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::{fs, path::PathBuf};

    use pflow_gateway_base::digest::sha256;

    use super::*;

    struct Place {
        place: tempfile::TempDir,
        cache: Folder,
    }

    impl Place {
        fn new() -> Self {
            let place = tempfile::tempdir().unwrap();
            fs::write(place.path().join("code"), "machine code").unwrap();
            let cache = Folder::private(&place.path().join("cache")).unwrap();
            Self { place, cache }
        }

        fn code(&self) -> PathBuf {
            self.place.path().join("code")
        }

        fn notes(&self) -> PathBuf {
            self.place.path().join("cache").join(NOTES)
        }

        fn digest(&self, rested: Duration) -> String {
            let file = File::open(self.code()).unwrap();
            Digests { folder: Some(&self.cache), rested }.of(&file, 12).unwrap()
        }

        /// Whether it was looked up instead of taken: the note says something else.
        fn is_remembered(&self) -> bool {
            let true_one = sha256(&fs::read(self.code()).unwrap());
            let notes = fs::read_to_string(self.notes()).unwrap_or_default();
            let other = "0".repeat(64);
            fs::write(self.notes(), notes.replace(&true_one, &other)).unwrap();
            self.digest(Duration::MAX) == other
        }
    }

    #[test]
    fn a_digest_is_taken_once_for_as_long_as_nobody_writes_to_the_file() {
        let place = Place::new();
        assert_eq!(place.digest(Duration::ZERO), sha256(b"machine code"));
        assert!(place.is_remembered());
        // As long, and as old as before.
        let before = fs::metadata(place.code()).unwrap().modified().unwrap();
        fs::write(place.code(), "machine CODE").unwrap();
        File::options().write(true).open(place.code()).unwrap().set_modified(before).unwrap();
        assert_eq!(place.digest(Duration::ZERO), sha256(b"machine CODE"));
        assert_eq!(fs::read_to_string(place.notes()).unwrap().lines().count(), 1, "one line for one file");
        // Another one in its place.
        fs::write(place.place.path().join("new"), "machine CODE").unwrap();
        fs::rename(place.place.path().join("new"), place.code()).unwrap();
        assert!(!place.is_remembered());
    }

    #[test]
    fn a_file_that_may_still_change_within_one_tick_of_its_clock_is_not_remembered() {
        let place = Place::new();
        assert_eq!(place.digest(RESTED), sha256(b"machine code"));
        assert!(!place.notes().exists());
        let ahead = Identity::of(&File::open(place.code()).unwrap()).unwrap().unwrap();
        let year = 365 * 24 * 60 * 60;
        let ahead = Identity { changed: (ahead.changed.0 + year, 0), ..ahead };
        assert!(!ahead.has_rested(RESTED), "a clock that was set back");
    }

    #[test]
    fn of_damaged_notes_the_good_ones_count_and_there_are_never_many() {
        let place = Place::new();
        place.digest(Duration::ZERO);
        let good = fs::read_to_string(place.notes()).unwrap();
        let sha256 = "1".repeat(64);
        let bad = ["", "1 2 3", "a b c d e f", "1 2 3 4.5 6 7", &format!("1 2 3 4 5 {sha256}"), "\u{0}"].join("\n");
        fs::write(place.notes(), format!("{bad}\n{good}")).unwrap();
        assert!(place.is_remembered());
        let many: Vec<String> = (0..MOST).map(|n| format!("1 {n} 3 4.000000005 6 {sha256}")).collect();
        fs::write(place.notes(), many.join("\n")).unwrap();
        place.digest(Duration::ZERO);
        let kept = fs::read_to_string(place.notes()).unwrap();
        assert_eq!((kept.lines().count(), kept.lines().next()), (MOST, good.lines().next()));
        assert!(kept.len() as u64 <= LARGEST);
        // Longer than we ever write, or nothing to read at all: as if there were none.
        fs::write(place.notes(), "x".repeat(1 << 20)).unwrap();
        assert_eq!(place.digest(Duration::MAX), pflow_gateway_base::digest::sha256(b"machine code"));
        fs::remove_file(place.notes()).unwrap();
        fs::create_dir(place.notes()).unwrap();
        assert_eq!(place.digest(Duration::ZERO), pflow_gateway_base::digest::sha256(b"machine code"));
    }

    #[test]
    fn a_digest_of_a_part_is_none_of_the_whole() {
        let place = Place::new();
        place.digest(Duration::ZERO);
        let file = File::open(place.code()).unwrap();
        assert_eq!(Digests::new(Some(&place.cache)).of(&file, 7).unwrap(), sha256(b"machine"));
        assert_eq!(Digests::new(None).of(&file, 12).unwrap(), sha256(b"machine code"));
    }
}
