//! The database: opened, made, and moved aside when it is broken.
//! Takes a path; gives a connection. Never deletes a database, never opens one that a newer program wrote, follows no link, and
//! believes no schema but its own.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, config::DbConfig};

use crate::clock::Moment;
use crate::files;

/// In the file's header: "pflg". Tells our database from any other.
const APPLICATION: i64 = 0x7066_6c67;
/// Grows with every change of [`SCHEMA`].
const VERSION: i64 = 3;
/// Others write for milliseconds; somebody who holds the lock for longer is stuck.
const BUSY: Duration = Duration::from_secs(2);
/// The longest question takes milliseconds; a file that was made to take longer gets no answer. The same for one piece of work.
const LONGEST: Duration = Duration::from_secs(5);
/// Steps of SQLite's machine between two looks at the clock: some microseconds.
const STEPS: i32 = 10_000;
/// Pages of 4 KiB: 256 MiB. What is kept is pruned long before.
const PAGES: i64 = 65_536;

/// A service is '' where the gateway itself is meant. Times are milliseconds since 1970.
const SCHEMA: &str = "
CREATE TABLE gateways (
    gateway TEXT PRIMARY KEY,
    made_for TEXT NOT NULL          -- digest of the URL: another URL is another gateway
) WITHOUT ROWID;
CREATE TABLE reports (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    gateway TEXT NOT NULL,
    error_class TEXT,
    error_message TEXT
);
CREATE INDEX reports_by_gateway ON reports (gateway, id);
CREATE TABLE states (
    gateway TEXT NOT NULL,
    service TEXT NOT NULL,
    status TEXT NOT NULL,
    since INTEGER NOT NULL,
    at INTEGER NOT NULL,            -- seen last
    reported TEXT NOT NULL,         -- by the component, before judgement
    reported_since INTEGER NOT NULL,
    suspected INTEGER,              -- the call that failed then is all that speaks against it
    last_good INTEGER,
    evidence TEXT NOT NULL,
    PRIMARY KEY (gateway, service)
) WITHOUT ROWID;
CREATE TABLE transitions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    gateway TEXT NOT NULL,
    service TEXT NOT NULL,
    came_from TEXT,
    went_to TEXT NOT NULL,
    reason TEXT NOT NULL,
    announced INTEGER NOT NULL      -- worth telling
);
CREATE INDEX transitions_by_service ON transitions (gateway, service, id);
CREATE TABLE slots (                -- looks, counted by quarters of an hour
    gateway TEXT NOT NULL,
    service TEXT NOT NULL,
    slot INTEGER NOT NULL,
    good INTEGER NOT NULL,
    part INTEGER NOT NULL,
    bad INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    latency_sum REAL NOT NULL,
    latency_count INTEGER NOT NULL,
    PRIMARY KEY (gateway, service, slot)
) WITHOUT ROWID;
CREATE TABLE calls (
    gateway TEXT NOT NULL,
    service TEXT NOT NULL,
    last_good INTEGER,
    last_bad INTEGER,
    failures INTEGER NOT NULL,
    status TEXT,
    message TEXT NOT NULL,
    PRIMARY KEY (gateway, service)
) WITHOUT ROWID;
CREATE TABLE snapshots (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    gateway TEXT NOT NULL,
    kind TEXT NOT NULL,             -- good, or latest
    taken_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    tools TEXT NOT NULL
);
CREATE INDEX snapshots_by_gateway ON snapshots (gateway, kind, id);
CREATE TABLE stale (                -- an old catalogue that pflow was shown, since the gateway was away
    gateway TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    taken INTEGER NOT NULL,         -- when it was read
    tools INTEGER NOT NULL,
    status TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE watchers (
    watcher TEXT PRIMARY KEY,
    at INTEGER NOT NULL             -- seen last, to the hour
) WITHOUT ROWID;
CREATE TABLE told (                 -- what each watcher was told, and what it saw since
    watcher TEXT NOT NULL,
    gateway TEXT NOT NULL,
    service TEXT NOT NULL,
    told TEXT NOT NULL,
    seen TEXT NOT NULL,
    since INTEGER NOT NULL,
    held INTEGER NOT NULL,
    lately TEXT NOT NULL,           -- when it was told something, with blanks between
    PRIMARY KEY (watcher, gateway, service)
) WITHOUT ROWID;
CREATE TABLE alerts (               -- told, and not handed over yet
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    watcher TEXT NOT NULL,
    at INTEGER NOT NULL,
    gateway TEXT NOT NULL,
    service TEXT NOT NULL,
    came_from TEXT,
    went_to TEXT NOT NULL,
    reason TEXT NOT NULL,
    settled INTEGER NOT NULL,
    held_back INTEGER NOT NULL
);
CREATE INDEX alerts_by_watcher ON alerts (watcher, id);
CREATE TABLE changed (              -- tools that are not as they were accepted, as each watcher knows them
    watcher TEXT NOT NULL,
    gateway TEXT NOT NULL,
    tool TEXT NOT NULL,
    digest TEXT NOT NULL,
    told INTEGER NOT NULL,
    since INTEGER NOT NULL,
    lately TEXT NOT NULL,           -- when it was told, with blanks between
    PRIMARY KEY (watcher, gateway, tool)
) WITHOUT ROWID;
CREATE TABLE alerts_of_tools (      -- which tools waiting alerts are about
    id INTEGER PRIMARY KEY,
    tool TEXT NOT NULL,
    change TEXT NOT NULL
);
";

/// What version 3 has and version 2 had not, as it stands in [`SCHEMA`].
const SINCE_2: &str = "CREATE TABLE changed";

/// Why there is no history.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{path} cannot be made")]
    Folder { path: PathBuf, source: io::Error },
    #[error("{path}")]
    Database { path: PathBuf, source: Sqlite },
    #[error("{path} was written by a newer pflow-gateway (format {found}, this one knows {VERSION})")]
    Newer { path: PathBuf, found: i64 },
    #[error("{path} is a database of another program")]
    Foreign { path: PathBuf },
    #[error("{path} {why}")]
    NotOurs { path: PathBuf, why: &'static str },
    #[error("{path} is broken and cannot be moved aside")]
    Stuck { path: PathBuf, source: io::Error },
}

/// What SQLite says. It says it once more as a number with a name, as the source of its own error: that is no cause.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Sqlite(pub(super) rusqlite::Error);

impl Trouble {
    /// Somebody else has the file now.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Database { source, .. } if is_busy(&source.0))
    }

    /// Why the file is moved aside; none when it stays.
    fn moves(&self) -> Option<String> {
        match self {
            Self::Database { source, .. } if is_broken(&source.0) => Some(format!("was broken ({source})")),
            Self::NotOurs { why, .. } => Some((*why).to_owned()),
            _ => None,
        }
    }
}

/// A connection, and where another database went on the way, and why.
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) moved: Option<(PathBuf, String)>,
}

/// Opens the database; makes it when there is none; moves it aside when it is broken or not ours.
pub(super) fn open(path: &Path) -> Result<Opened, Trouble> {
    let path = &make_private(path)?;
    match connect(path) {
        Ok(database) => Ok(Opened { database, moved: None }),
        Err(trouble) => {
            let Some(why) = trouble.moves() else { return Err(trouble) };
            let moved = move_aside(path)?.map(|aside| (aside, why));
            make_private(path)?;
            Ok(Opened { database: connect(path)?, moved })
        }
    }
}

/// Somebody else has the file now.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// The file is no database, or not any more.
pub(super) fn is_broken(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// An open database, and when the present piece of work on it began.
pub(super) struct Database {
    pub(super) connection: Connection,
    began: Arc<AtomicU64>,
}

/// Milliseconds since the first that was asked for.
fn clock() -> u64 {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    u64::try_from(FIRST.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Database {
    /// A connection that follows no link, runs nothing that a schema brings along, and ends work that takes too long.
    fn new(path: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let mut connection = Connection::open_with_flags(path, flags)?;
        let began = Arc::new(AtomicU64::new(clock()));
        let (since, longest) = (Arc::clone(&began), u64::try_from(LONGEST.as_millis()).unwrap_or(u64::MAX));
        connection
            .progress_handler(STEPS, Some(move || clock().saturating_sub(since.load(Ordering::Relaxed)) > longest))?;
        connection.busy_timeout(BUSY)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
        Ok(Self { connection, began })
    }

    /// A new piece of work begins, with a time of its own.
    pub(super) fn begin(&self) {
        self.began.store(clock(), Ordering::Relaxed);
    }
}

fn connect(path: &Path) -> Result<Database, Trouble> {
    let failed = |error| Trouble::Database { path: path.to_owned(), source: Sqlite(error) };
    let mut database = Database::new(path).map_err(failed)?;
    let connection = &mut database.connection;
    let read =
        |connection: &Connection, name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    // In this order: both are committed at once, so whoever sees our tables sees our mark after them.
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    let application = read(connection, "application_id").map_err(failed)?;
    if application != APPLICATION && tables > 0 {
        return Err(Trouble::Foreign { path: path.to_owned() });
    }
    if read(connection, "user_version").map_err(failed)? == VERSION {
        is_ours(connection, path)?;
    }
    // Readers and the one writer do not wait for each other. NORMAL: a killed process loses nothing that was committed; only a
    // machine that loses power may lose the last seconds, and never the database.
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
    // Kilobytes: a history is small, and 200 gateways share the process.
    connection.pragma_update(None, "cache_size", -2_000).map_err(failed)?;
    connection.pragma_update(None, "max_page_count", PAGES).map_err(failed)?;
    if read(connection, "user_version").map_err(failed)? == VERSION {
        return Ok(database);
    }
    // Somebody else may be making it at this moment: look again under the lock.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    match read(&transaction, "user_version").map_err(failed)? {
        0 if read(&transaction, "application_id").map_err(failed)? != APPLICATION => {
            transaction.execute_batch(SCHEMA).map_err(failed)?;
            transaction.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
            transaction.pragma_update(None, "user_version", VERSION).map_err(failed)?;
            transaction.commit().map_err(failed)?;
        }
        VERSION => drop(transaction),
        2 => {
            let (before, since) = SCHEMA.split_at(SCHEMA.find(SINCE_2).unwrap_or(SCHEMA.len()));
            is_made_by(&transaction, before, path)?;
            transaction.execute_batch(since).map_err(failed)?;
            transaction.pragma_update(None, "user_version", VERSION).map_err(failed)?;
            transaction.commit().map_err(failed)?;
        }
        found if found > VERSION => return Err(Trouble::Newer { path: path.to_owned(), found }),
        _ => {
            let why = "was written by an earlier pflow-gateway";
            return Err(Trouble::NotOurs { path: path.to_owned(), why });
        }
    }
    Ok(database)
}

/// The schema is ours word for word: no view that never ends, no column that is another.
fn is_ours(connection: &Connection, path: &Path) -> Result<(), Trouble> {
    is_made_by(connection, SCHEMA, path)
}

fn is_made_by(connection: &Connection, text: &str, path: &Path) -> Result<(), Trouble> {
    let failed = |error| Trouble::Database { path: path.to_owned(), source: Sqlite(error) };
    if schema(connection).map_err(failed)? == made_by(text) {
        return Ok(());
    }
    Err(Trouble::NotOurs { path: path.to_owned(), why: "holds other tables than this program makes" })
}

/// What SQLite writes down of these statements: for each its kind, its name, and its words. Making the tables to see it takes longer than
/// all that is asked of a history afterwards.
fn made_by(text: &str) -> Vec<(String, String, String)> {
    // Its own table, for numbers that are never given twice.
    let counters = text.contains("AUTOINCREMENT").then_some("CREATE TABLE sqlite_sequence(name,seq)");
    let mut made: Vec<_> = text
        .split(';')
        .map(str::trim)
        .chain(counters)
        .filter_map(|statement| {
            let mut words = statement.split_whitespace().skip(1);
            let (kind, name) = (words.next()?.to_lowercase(), words.next()?);
            let name = name.split('(').next()?.to_owned();
            Some((kind, name, statement.to_owned()))
        })
        .collect();
    made.sort();
    made
}

/// Everything that a schema says. SQLite's own tables and indices have names that nobody else may use, and no text.
fn schema(connection: &Connection) -> rusqlite::Result<Vec<(String, String, String)>> {
    connection
        .prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name LIMIT 100")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect()
}

/// The folder and the file, for this user alone; the file's place without links in its folders. SQLite gives its side files the mode
/// of the file.
fn make_private(path: &Path) -> Result<PathBuf, Trouble> {
    let failed = |source| Trouble::Folder { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    files::private_folder(folder).map_err(failed)?;
    // Somebody's home may be a link; what is in pflow's folder may not.
    let place = folder.canonicalize().map_err(failed)?.join(path.file_name().unwrap_or_default());
    files::lock_file(&place).map_err(failed)?;
    Ok(place)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Renames a database that is broken or not ours. One process does it: the others find the new one, and nothing is moved (none).
///
/// Must be called without an open connection: closing one could still write.
pub(super) fn move_aside(path: &Path) -> Result<Option<PathBuf>, Trouble> {
    let path = &make_private(path)?;
    let stuck = |source| Trouble::Stuck { path: path.to_owned(), source };
    let lock = files::lock_file(&beside(path, ".lock")).map_err(stuck)?;
    lock.lock().map_err(stuck)?;
    if !is_to_move(path) {
        return Ok(None);
    }
    let stamp = Moment::now().rfc3339().replace([':', '-'], "");
    let aside = (0..100_u32)
        .map(|n| beside(path, &if n == 0 { format!(".broken-{stamp}") } else { format!(".broken-{stamp}-{n}") }))
        .find(|aside| !aside.exists())
        .unwrap_or_else(|| beside(path, ".broken"));
    // The journal first: beside a new database, an old journal would be played into it.
    for suffix in ["-wal", "-shm", ""] {
        match fs::rename(beside(path, suffix), beside(&aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(stuck(error)),
            _ => {}
        }
    }
    tracing::warn!(aside = %aside.display(), "the history was moved aside");
    Ok(Some(aside))
}

/// Whether it has to go; somebody else may have replaced it already.
fn is_to_move(path: &Path) -> bool {
    let checked = connect(path)
        .map(|database| database.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)));
    match checked {
        Ok(Ok(verdict)) => verdict != "ok",
        Ok(Err(error)) => is_broken(&error),
        Err(trouble) => trouble.moves().is_some(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn what_a_schema_will_say_is_known_without_making_it() {
        let before = SCHEMA.split_at(SCHEMA.find(SINCE_2).unwrap()).0;
        for text in [SCHEMA, before] {
            let made = Connection::open_in_memory().unwrap();
            made.execute_batch(text).unwrap();
            assert_eq!(schema(&made).unwrap(), made_by(text));
        }
        assert!(made_by(SCHEMA).len() > made_by(before).len());
    }

    #[test]
    fn a_history_of_the_version_before_is_kept_and_gets_its_new_tables() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway/history.db");
        drop(open(&path).unwrap());
        let old = Connection::open(&path).unwrap();
        old.execute_batch(
            "DROP TABLE changed; DROP TABLE alerts_of_tools; PRAGMA user_version = 2;
             INSERT INTO gateways (gateway, made_for) VALUES ('gw', 'x');",
        )
        .unwrap();
        drop(old);
        let opened = open(&path).unwrap();
        assert!(opened.moved.is_none());
        let count = |of: &str| -> i64 {
            opened.database.connection.query_row(&format!("SELECT count(*) FROM {of}"), [], |row| row.get(0)).unwrap()
        };
        assert_eq!((count("gateways"), count("changed"), count("alerts_of_tools")), (1, 0, 0));
        drop(opened);
        assert!(open(&path).unwrap().moved.is_none(), "now it is one of this version, word for word");
    }
}
