//! What gateways were like: reports, changes of state, catalogues and call results, in one SQLite file under pflow's folder.
//! Takes reports and gives them back judged, with since when. Never fails a command: whatever is wrong with the file, the history
//! is off and says why. Holds no credential.

mod baseline;
mod changes;
mod judge;
mod masked;
mod news;
mod read;
mod store;
mod watcher;
mod write;

#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode};

pub use self::masked::{masked, masked as masked_text};
pub use self::{
    baseline::Gone,
    judge::{CallsSeen, Known, Probe, Seen, Snapshot, SnapshotTool, StateSeen, Verdict, is_well, judge},
    news::Floor,
    read::{Bar, Difference, ErrorSeen, GatewayHistory, Last, LastService, ServiceHistory, stretch},
    watcher::Watcher,
    write::{CallResult, Stale, Transition},
};
pub use crate::clock::{Moment, span};
use crate::{clock, scrub, sentence, sync::Mutex};

/// How long to leave a file alone that gave trouble.
const REST: Duration = Duration::from_secs(30);
/// What is told of a change must be written down: whoever watches waits this long for others that write. On a busy machine that can
/// take seconds, and a file that stays locked for longer is stuck.
const PATIENCE: Duration = Duration::from_secs(20);
/// Of a note, in characters: it names two paths.
const WORDS: usize = 10_000;
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// The history. Cheap to clone, safe to share; several processes may have one open.
#[derive(Clone)]
pub struct History {
    inner: Arc<Inner>,
}

struct Inner {
    path: Option<PathBuf>,
    /// How long to wait for others that have the file.
    patience: Duration,
    /// Held while the database works, which may take seconds: not for threads that serve calls.
    state: Mutex<State>,
    /// Held for a moment.
    said: Mutex<Said>,
}

#[derive(Default)]
struct State {
    database: Option<store::Database>,
    /// When to try again.
    again: Option<Instant>,
}

/// What there is to tell of it.
#[derive(Default)]
struct Said {
    /// Why it is off now.
    off: Option<String>,
    /// What happened and is not a reason to be off.
    notes: Vec<String>,
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

impl History {
    /// The one under pflow's folder: `gateway/history.db`. Opened at first use.
    #[must_use]
    pub fn new(pflow_folder: &Path) -> Self {
        let path = Some(pflow_folder.join("gateway").join("history.db"));
        Self::made(path, Said::default())
    }

    /// None, for this reason.
    #[must_use]
    pub fn off(reason: impl Into<String>) -> Self {
        let said = Said { off: Some(reason.into()), ..Said::default() };
        Self::made(None, said)
    }

    fn made(path: Option<PathBuf>, said: Said) -> Self {
        let (state, said) = (Mutex::default(), Mutex::new(said));
        Self { inner: Arc::new(Inner { path, patience: Duration::ZERO, state, said }) }
    }

    /// The same for whoever announces changes: it waits longer for others that write, since what could not be written down would be
    /// told again. For a new one, before it is shared.
    #[must_use]
    pub fn patient(mut self) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.patience = PATIENCE;
        }
        self
    }

    /// Why nothing is kept, if nothing is. Known after the first use.
    #[must_use]
    pub fn why_off(&self) -> Option<String> {
        self.inner.said.lock().off.clone()
    }

    /// What happened to the file, to be told once.
    #[must_use]
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.said.lock().notes)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.inner.path.as_deref()
    }

    /// Nobody gets at the file until somebody says so.
    #[cfg(test)]
    pub fn hold_until(&self, held: impl FnOnce(), go_on: &std::sync::mpsc::Receiver<()>) {
        let state = self.inner.state.lock();
        held();
        let _ = go_on.recv_timeout(Duration::from_secs(120));
        drop(state);
    }

    /// What SQLite says holds words of the file.
    fn note(&self, words: &str) {
        self.inner.said.lock().notes.push(scrub::line(words, WORDS));
    }

    fn turn_off(&self, state: &mut State, why: &str) {
        let why = scrub::line(why, WORDS);
        tracing::debug!("history is off: {why}");
        state.again = Some(Instant::now() + REST);
        self.inner.said.lock().off = Some(why);
    }

    /// As [`with`](Self::with), for questions: what does not exist is not made to answer them.
    fn ask<T>(&self, work: impl FnMut(&mut Connection) -> rusqlite::Result<T>) -> Option<T> {
        let missing = self.inner.path.as_deref().is_some_and(|path| !path.exists());
        if missing { None } else { self.with(work) }
    }

    /// Does something with the database, if that goes. A database that turns out to be broken is moved aside, and a new one is tried.
    fn with<T>(&self, mut work: impl FnMut(&mut Connection) -> rusqlite::Result<T>) -> Option<T> {
        let path = self.inner.path.as_deref()?;
        let mut state = self.inner.state.lock();
        if state.again.is_some_and(|again| Instant::now() < again) {
            return None;
        }
        let until = Instant::now() + self.inner.patience;
        let mut broken = 0;
        while broken < 2 {
            let mut database = match state.database.take() {
                Some(database) => database,
                None => match store::open(path) {
                    Ok(opened) => {
                        if let Some((moved, why)) = opened.moved {
                            self.note(&format!(
                                "the history {why}; it begins anew, and the old file is kept as {}",
                                moved.display()
                            ));
                        }
                        opened.database
                    }
                    Err(trouble) if trouble.is_busy() && Instant::now() < until => {
                        std::thread::sleep(PAUSE);
                        continue;
                    }
                    Err(trouble) => {
                        self.turn_off(&mut state, &sentence(&trouble));
                        return None;
                    }
                },
            };
            database.begin();
            match work(&mut database.connection) {
                Ok(value) => {
                    state.database = Some(database);
                    self.inner.said.lock().off = None;
                    state.again = None;
                    return Some(value);
                }
                // Its own close must come before it is moved.
                Err(error) if store::is_broken(&error) => {
                    broken += 1;
                    drop(database);
                    match store::move_aside(path) {
                        Ok(Some(moved)) => self.note(&format!(
                            "the history was broken ({error}); it begins anew, and the old file is kept as {}",
                            moved.display()
                        )),
                        Ok(None) => {}
                        Err(trouble) => {
                            self.turn_off(&mut state, &sentence(&trouble));
                            return None;
                        }
                    }
                }
                Err(error) if store::is_busy(&error) && Instant::now() < until => {
                    state.database = Some(database);
                    std::thread::sleep(PAUSE);
                }
                Err(error) => {
                    // A connection whose file lies in a full or vanished place is better made anew.
                    match error.sqlite_error_code() {
                        Some(ErrorCode::DatabaseBusy) => {
                            state.database = Some(database);
                            self.turn_off(&mut state, &format!("{} is locked by another program", path.display()));
                        }
                        Some(ErrorCode::OperationInterrupted) => {
                            self.turn_off(&mut state, &format!("{} takes too long to answer", path.display()));
                        }
                        _ => self.turn_off(&mut state, &format!("{}: {error}", path.display())),
                    }
                    return None;
                }
            }
        }
        self.turn_off(&mut state, &format!("{} breaks again and again", path.display()));
        None
    }
}
