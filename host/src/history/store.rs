//! The database: opened, made, and moved aside when it is broken.
//! Takes pflow's folder; gives a connection. Never deletes a database, never opens one that a newer program wrote.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::clock::Moment;

/// In the file's header: "pflg". Tells our database from any other.
const APPLICATION: i64 = 0x7066_6c67;
/// Grows with every change of [`SCHEMA`].
const VERSION: i64 = 1;
/// Others write for milliseconds; somebody who holds the lock for longer is stuck.
const BUSY: Duration = Duration::from_secs(2);

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
    status TEXT NOT NULL,
    latency_ms REAL,
    tools INTEGER,
    error_class TEXT,
    error_message TEXT,
    report TEXT NOT NULL            -- as `health --json`
);
CREATE INDEX reports_by_gateway ON reports (gateway, id);
CREATE TABLE states (
    gateway TEXT NOT NULL,
    service TEXT NOT NULL,
    status TEXT NOT NULL,
    since INTEGER NOT NULL,
    at INTEGER NOT NULL,            -- seen last
    announced TEXT NOT NULL,        -- what was last told to the user
    looks INTEGER NOT NULL,         -- equal ones in a row
    reported TEXT NOT NULL,         -- by the component, before judgement
    reported_since INTEGER NOT NULL,
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
    announced INTEGER NOT NULL,
    settled INTEGER NOT NULL        -- no change: the end of going to and fro
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
";

/// Why there is no history.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{path} cannot be made: {source}")]
    Folder { path: PathBuf, source: io::Error },
    #[error("{path}: {source}")]
    Database { path: PathBuf, source: rusqlite::Error },
    #[error("{path} was written by a newer pflow-gateway (format {found}, this one knows {VERSION})")]
    Newer { path: PathBuf, found: i64 },
    #[error("{path} is a database of another program")]
    Foreign { path: PathBuf },
    #[error("{path} is broken and cannot be moved aside: {source}")]
    Stuck { path: PathBuf, source: io::Error },
}

/// A connection, and where a broken database went on the way.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) moved: Option<PathBuf>,
}

/// Opens `gateway/history.db` under pflow's folder; makes it when there is none; moves it aside when it is broken.
pub(super) fn open(path: &Path) -> Result<Opened, Trouble> {
    make_private(path)?;
    match connect(path) {
        Ok(connection) => Ok(Opened { connection, moved: None }),
        Err(Trouble::Database { source, .. }) if is_broken(&source) => {
            let moved = move_aside(path)?;
            make_private(path)?;
            Ok(Opened { connection: connect(path)?, moved })
        }
        Err(other) => Err(other),
    }
}

/// The file is no database, or not any more.
pub(super) fn is_broken(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn connect(path: &Path) -> Result<Connection, Trouble> {
    let failed = |source| Trouble::Database { path: path.to_owned(), source };
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    let read =
        |connection: &Connection, name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    // In this order: both are committed at once, so whoever sees our tables sees our mark after them.
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    let application = read(&connection, "application_id").map_err(failed)?;
    if application != APPLICATION && tables > 0 {
        return Err(Trouble::Foreign { path: path.to_owned() });
    }
    // Readers and the one writer do not wait for each other. NORMAL: a killed process loses nothing that was committed; only a
    // machine that loses power may lose the last seconds, and never the database.
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
    // Kilobytes: a history is small, and 200 gateways share the process.
    connection.pragma_update(None, "cache_size", -2_000).map_err(failed)?;
    if read(&connection, "user_version").map_err(failed)? == VERSION {
        return Ok(connection);
    }
    // Somebody else may be making it at this moment: look again under the lock.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    match read(&transaction, "user_version").map_err(failed)? {
        0 => {
            transaction.execute_batch(SCHEMA).map_err(failed)?;
            transaction.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
            transaction.pragma_update(None, "user_version", VERSION).map_err(failed)?;
            transaction.commit().map_err(failed)?;
        }
        VERSION => drop(transaction),
        found => return Err(Trouble::Newer { path: path.to_owned(), found }),
    }
    Ok(connection)
}

/// The folder and the file, for this user alone. SQLite gives its side files the mode of the file.
fn make_private(path: &Path) -> Result<(), Trouble> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let made = builder.create(folder).and_then(|()| options.open(path).map(drop));
    made.map_err(|source| Trouble::Folder { path: path.to_owned(), source })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Renames a broken database. One process does it: the others find the new one, and nothing is moved (none).
///
/// Must be called without an open connection: closing one could still write.
pub(super) fn move_aside(path: &Path) -> Result<Option<PathBuf>, Trouble> {
    let stuck = |source| Trouble::Stuck { path: path.to_owned(), source };
    let lock = File::create(beside(path, ".lock")).map_err(stuck)?;
    lock.lock().map_err(stuck)?;
    if !check(path) {
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
    tracing::warn!(aside = %aside.display(), "the history was broken and is moved aside");
    Ok(Some(aside))
}

/// Whether the database is broken; somebody else may have replaced it already.
fn check(path: &Path) -> bool {
    let checked = Connection::open(path).and_then(|connection| {
        connection.busy_timeout(BUSY)?;
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
    });
    match checked {
        Ok(verdict) => verdict != "ok",
        Err(error) => is_broken(&error),
    }
}
