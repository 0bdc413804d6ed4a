//! Who is told of changes: each watcher for itself, so that a look of one never takes the news from another.
//! Takes judged reports; gives what this watcher was not told yet, and remembers what it was told beyond its own end. Without a
//! history it remembers as long as it runs. Never asks a gateway.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};

use super::{
    History, changes,
    clock::Moment,
    judge::is_well,
    masked::masked,
    news::{Floor, Notified, NotifiedChange},
    read::status_at,
    write::Transition,
};
use crate::{
    digest::sha256,
    files,
    report::{Change, GatewayHealth, Status},
    sync::Mutex,
};

/// Watchers alike that run at the same time, each with a memory of its own.
const SEATS: usize = 64;
/// A watcher that was not seen for so long is gone, and what it was told is forgotten.
const GONE: Duration = Duration::from_hours(24 * 7);
/// How often it is written down that a watcher is there.
const SIGN_OF_LIFE: Duration = Duration::from_hours(1);
/// Services of one gateway whose states are kept, those among them that it does not report any more.
const SERVICES: usize = 1_000;
/// Alerts that wait to be handed over. More than that is a storm, and the newest tell how it ended.
const WAITING: i64 = 1_000;

/// Somebody who is told of changes.
#[derive(Debug)]
pub struct Watcher {
    history: History,
    name: String,
    floor: Floor,
    state: Mutex<State>,
    /// Locked for as long as it runs.
    seat: Option<File>,
    /// Whether it needs that to speak for all of its kind.
    passing: bool,
}

#[derive(Debug, Default)]
struct State {
    /// By gateway and service, as far as asked for.
    told: BTreeMap<String, BTreeMap<String, Notified>>,
    /// By gateway and tool, as far as asked for.
    changed: BTreeMap<String, BTreeMap<String, NotifiedChange>>,
    /// When it was last written down that it is there.
    alive: Option<Moment>,
    /// The id of the last alert that could not be written down. No other has it, neither in the file nor in another process.
    unwritten: i64,
    /// Gateways whose states could not be written down when they were told.
    unsaved: BTreeSet<String>,
    /// Alerts that came through, which could not be written down yet.
    through: Vec<i64>,
}

impl Watcher {
    /// One that runs for long. `role` is what tells it from others, and is the same when it is started again; of several alike that
    /// run at the same time, each gets a memory of its own.
    #[must_use]
    pub fn lasting(history: History, role: &str, floor: Floor) -> Self {
        let digest = digest(role, floor);
        let seat = seats(&history).and_then(|folder| take_seat(&folder, &digest, SEATS).ok().flatten());
        let (name, seat) = seat.map_or((digest, None), |(name, seat)| (name, Some(seat)));
        Self { history, name, floor, state: Mutex::default(), seat, passing: false }
    }

    /// One that looks once and is started again and again, as by cron. Two at once take turns.
    #[must_use]
    pub fn passing(history: History, role: &str, floor: Floor) -> Self {
        let name = digest(role, floor);
        let folder = seats(&history);
        let seat = folder.and_then(|folder| take_seat(&folder, &name, 1).ok().flatten()).map(|(_, seat)| seat);
        Self { history, name, floor, state: Mutex::default(), seat, passing: true }
    }

    /// What this watcher is to be told of this look. From now on it counts as told; [`undelivered`](Self::undelivered) has it until
    /// [`delivered`](Self::delivered) says that it came through.
    pub fn tell(&self, health: &GatewayHealth, now: Moment) -> Vec<Transition> {
        let mut state = self.state.lock();
        let gateway = health.gateway.as_str();
        let remembered = state.told.get(gateway).cloned();
        let changed = state.changed.get(gateway).cloned();
        let alive = state.alive.is_some_and(|at| at.age(now) < SIGN_OF_LIFE);
        let unsaved = state.unsaved.contains(gateway);
        let written = self.history.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let before = match &remembered {
                Some(told) => told.clone(),
                None => self.load(&transaction, gateway)?,
            };
            let (after, mut news) = self.news(&before, health, now);
            if unsaved {
                // What ended meanwhile is known to nobody any more.
                for table in ["told", "changed"] {
                    transaction.execute(
                        &format!("DELETE FROM {table} WHERE watcher = ?1 AND gateway = ?2"),
                        params![self.name, gateway],
                    )?;
                }
            }
            for service in before.keys().filter(|service| !after.contains_key(*service)) {
                transaction.execute(
                    "DELETE FROM told WHERE watcher = ?1 AND gateway = ?2 AND service = ?3",
                    params![self.name, gateway, service],
                )?;
            }
            for (service, told) in after.iter().filter(|(service, told)| unsaved || before.get(*service) != Some(*told))
            {
                self.keep(&transaction, gateway, service, told)?;
            }
            let before = match &changed {
                Some(changed) => changed.clone(),
                None => self.load_changed(&transaction, gateway)?,
            };
            let (changed, of_tools) = changes::news(&before, health, now);
            for tool in before.keys().filter(|tool| !changed.contains_key(*tool)) {
                transaction.execute(
                    "DELETE FROM changed WHERE watcher = ?1 AND gateway = ?2 AND tool = ?3",
                    params![self.name, gateway, tool],
                )?;
            }
            for (tool, told) in changed.iter().filter(|(tool, told)| unsaved || before.get(*tool) != Some(*told)) {
                self.keep_changed(&transaction, gateway, tool, told)?;
            }
            news.extend(of_tools);
            for change in &mut news {
                change.id = self.wait(&transaction, change)?;
            }
            if !alive {
                self.sign_of_life(&transaction, now)?;
            }
            transaction.commit()?;
            Ok((after, changed, news))
        });
        if written.is_some() {
            state.unsaved.remove(gateway);
        } else {
            state.unsaved.insert(gateway.to_owned());
        }
        let (after, changed, news) = written.unwrap_or_else(|| {
            let (after, mut news) = self.news(&remembered.unwrap_or_default(), health, now);
            let (changed, of_tools) = changes::news(&changed.unwrap_or_default(), health, now);
            news.extend(of_tools);
            for change in &mut news {
                state.unwritten = now.millis().saturating_mul(1_000).max(state.unwritten.saturating_add(1));
                change.id = state.unwritten;
            }
            (after, changed, news)
        });
        state.alive = Some(now);
        state.told.insert(gateway.to_owned(), after);
        state.changed.insert(gateway.to_owned(), changed);
        news
    }

    /// What was to be told and did not come through: the process ended before.
    #[must_use]
    pub fn undelivered(&self) -> Vec<Transition> {
        // Another one of its kind runs, and is handing them over.
        if self.passing && self.seat.is_none() {
            return Vec::new();
        }
        let found = self.history.ask(|connection| {
            connection
                .prepare(
                    "SELECT alerts.id, at, gateway, service, came_from, went_to, reason, settled, held_back, tool, change
                     FROM alerts LEFT JOIN alerts_of_tools ON alerts_of_tools.id = alerts.id
                     WHERE watcher = ?1 ORDER BY alerts.id",
                )?
                .query_map([&self.name], alert)?
                .collect()
        });
        found.unwrap_or_default()
    }

    /// It came through.
    pub fn delivered(&self, id: i64) {
        let mut state = self.state.lock();
        state.through.push(id);
        // A file that is busy now is asked again with the next one: an alert that is not crossed out is handed over twice.
        let written = self.history.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for id in &state.through {
                transaction.execute("DELETE FROM alerts WHERE id = ?1 AND watcher = ?2", params![id, self.name])?;
                transaction.execute(
                    "DELETE FROM alerts_of_tools WHERE id = ?1 AND id NOT IN (SELECT id FROM alerts)",
                    params![id],
                )?;
            }
            transaction.commit()
        });
        if written.is_some() {
            state.through.clear();
        }
        let spare = state.through.len().saturating_sub(usize::try_from(WAITING).unwrap_or(usize::MAX));
        state.through.drain(..spare);
    }

    fn news(
        &self,
        before: &BTreeMap<String, Notified>,
        health: &GatewayHealth,
        now: Moment,
    ) -> (BTreeMap<String, Notified>, Vec<Transition>) {
        let mut after = before.clone();
        let mut all = Vec::new();
        for (service, status, reason) in observations(health) {
            let (told, news) = Notified::see(before.get(service).cloned(), status, self.floor, now);
            after.insert(service.to_owned(), told);
            all.extend(news.map(|news| Transition {
                id: 0,
                at: now,
                gateway: health.gateway.clone(),
                service: (!service.is_empty()).then(|| service.to_owned()),
                from: news.from,
                to: status,
                reason,
                announced: true,
                settled: news.settled,
                held_back: news.held_back,
                tool: None,
                change: None,
            }));
        }
        // Names can be made up anew each time.
        if after.len() > SERVICES {
            after.retain(|service, _| observations(health).any(|(name, ..)| name == service));
        }
        (after, all)
    }

    fn load(&self, connection: &Connection, gateway: &str) -> rusqlite::Result<BTreeMap<String, Notified>> {
        connection
            .prepare("SELECT service, told, seen, since, held, lately FROM told WHERE watcher = ?1 AND gateway = ?2")?
            .query_map(params![self.name, gateway], |row| {
                let lately: String = row.get(5)?;
                let told = Notified {
                    last: status_at(row, 1)?,
                    seen: status_at(row, 2)?,
                    since: Moment::from_millis(row.get(3)?),
                    held: row.get(4)?,
                    lately: moments(&lately),
                };
                Ok((row.get(0)?, told))
            })?
            .collect()
    }

    fn keep(&self, connection: &Connection, gateway: &str, service: &str, told: &Notified) -> rusqlite::Result<()> {
        connection
            .execute(
                "INSERT INTO told (watcher, gateway, service, told, seen, since, held, lately) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT DO UPDATE SET told = ?4, seen = ?5, since = ?6, held = ?7, lately = ?8",
                params![
                    self.name,
                    gateway,
                    service,
                    told.last.as_str(),
                    told.seen.as_str(),
                    told.since.millis(),
                    told.held,
                    written(&told.lately)
                ],
            )
            .map(drop)
    }

    fn load_changed(
        &self,
        connection: &Connection,
        gateway: &str,
    ) -> rusqlite::Result<BTreeMap<String, NotifiedChange>> {
        connection
            .prepare("SELECT tool, digest, told, since, lately FROM changed WHERE watcher = ?1 AND gateway = ?2")?
            .query_map(params![self.name, gateway], |row| {
                let told = NotifiedChange {
                    digest: row.get(1)?,
                    told: row.get(2)?,
                    since: Moment::from_millis(row.get(3)?),
                    lately: moments(&row.get::<_, String>(4)?),
                };
                Ok((row.get(0)?, told))
            })?
            .collect()
    }

    fn keep_changed(
        &self,
        connection: &Connection,
        gateway: &str,
        tool: &str,
        told: &NotifiedChange,
    ) -> rusqlite::Result<()> {
        connection
            .execute(
                "INSERT INTO changed (watcher, gateway, tool, digest, told, since, lately) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT DO UPDATE SET digest = ?4, told = ?5, since = ?6, lately = ?7",
                params![self.name, gateway, tool, told.digest, told.told, told.since.millis(), written(&told.lately)],
            )
            .map(drop)
    }

    /// Writes an alert down until it came through; its id.
    fn wait(&self, connection: &Connection, alert: &Transition) -> rusqlite::Result<i64> {
        connection.execute(
            "INSERT INTO alerts (watcher, at, gateway, service, came_from, went_to, reason, settled, held_back)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                self.name,
                alert.at.millis(),
                alert.gateway,
                alert.service.as_deref().unwrap_or_default(),
                alert.from.map(Status::as_str),
                alert.to.as_str(),
                alert.reason,
                alert.settled,
                alert.held_back,
            ],
        )?;
        let id = connection.last_insert_rowid();
        if let Some(change) = alert.change {
            connection.execute(
                "INSERT OR REPLACE INTO alerts_of_tools (id, tool, change) VALUES (?1, ?2, ?3)",
                params![id, alert.tool.as_deref().unwrap_or_default(), change.as_str()],
            )?;
        }
        connection.execute(
            "DELETE FROM alerts WHERE watcher = ?1 AND id NOT IN
                 (SELECT id FROM alerts WHERE watcher = ?1 ORDER BY id DESC LIMIT ?2)",
            params![self.name, WAITING],
        )?;
        connection.execute("DELETE FROM alerts_of_tools WHERE id NOT IN (SELECT id FROM alerts)", [])?;
        Ok(id)
    }

    /// Says that it is there, and forgets those that are not any more.
    fn sign_of_life(&self, connection: &Connection, now: Moment) -> rusqlite::Result<()> {
        connection.execute(
            "INSERT INTO watchers (watcher, at) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET at = ?2",
            params![self.name, now.millis()],
        )?;
        let before = now.before(GONE).millis();
        let gone: Option<String> = connection
            .query_row("SELECT watcher FROM watchers WHERE at < ?1 LIMIT 1", [before], |row| row.get(0))
            .optional()?;
        if gone.is_some() {
            connection.execute("DELETE FROM watchers WHERE at < ?1", [before])?;
            for table in ["told", "alerts", "changed"] {
                connection
                    .execute(&format!("DELETE FROM {table} WHERE watcher NOT IN (SELECT watcher FROM watchers)"), [])?;
            }
        }
        Ok(())
    }
}

/// Every state in a report with its strongest reason; a service that nobody could ask about has none.
pub(super) fn observations(health: &GatewayHealth) -> impl Iterator<Item = (&str, Status, String)> {
    let ill = health.services.iter().find(|service| !is_well(service.status));
    let own = health
        .error
        .as_ref()
        .map(|error| error.message.clone())
        .or_else(|| health.warnings.first().cloned())
        .or_else(|| ill.map(|service| format!("{} is {}", service.name, service.status)));
    let own = ("", health.status, own.map(|words| masked(&words)).unwrap_or_default());
    let unasked = health.tools.is_none();
    let services = health.services.iter().filter(move |service| !(unasked && service.status == Status::Unknown));
    std::iter::once(own).chain(services.map(|service| {
        let reason = service.evidence.first().map(|words| masked(words)).unwrap_or_default();
        (service.name.as_str(), service.status, reason)
    }))
}

/// Moments as they are kept.
fn written(moments: &[Moment]) -> String {
    moments.iter().map(|at| at.millis().to_string()).collect::<Vec<_>>().join(" ")
}

fn moments(text: &str) -> Vec<Moment> {
    text.split(' ').filter_map(|at| at.parse().ok()).map(Moment::from_millis).collect()
}

fn change_of(name: &str) -> Option<Change> {
    Change::ALL.iter().copied().find(|change| change.as_str() == name)
}

fn alert(row: &Row<'_>) -> rusqlite::Result<Transition> {
    let service: String = row.get(3)?;
    let from: Option<Status> = match row.get_ref(4)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(status_at(row, 4)?),
    };
    Ok(Transition {
        id: row.get(0)?,
        at: Moment::from_millis(row.get(1)?),
        gateway: row.get(2)?,
        service: (!service.is_empty()).then_some(service),
        from,
        to: status_at(row, 5)?,
        reason: row.get(6)?,
        announced: true,
        settled: row.get(7)?,
        held_back: row.get(8)?,
        tool: row.get::<_, Option<String>>(9)?.filter(|tool| !tool.is_empty()),
        change: row.get::<_, Option<String>>(10)?.as_deref().and_then(change_of),
    })
}

/// With another floor it is told other things: it is another watcher.
fn digest(role: &str, floor: Floor) -> String {
    sha256(format!("{}\n{role}", floor.as_str()).as_bytes()).chars().take(16).collect()
}

/// Where the locks of watchers are.
fn seats(history: &History) -> Option<PathBuf> {
    history.path().and_then(Path::parent).map(|folder| folder.join("watchers"))
}

/// The first name of this role that nobody has who runs now. None: all are taken.
fn take_seat(folder: &Path, role: &str, seats: usize) -> io::Result<Option<(String, File)>> {
    files::private_folder(folder)?;
    sweep(folder);
    for seat in 0..seats {
        let name = if seat == 0 { role.to_owned() } else { format!("{role}-{seat}") };
        let path = folder.join(&name);
        loop {
            let file = files::lock_file(&path)?;
            match file.try_lock() {
                Ok(()) if files::is_at(&file, &path) => return Ok(Some((name, file))),
                // Somebody swept it away just now: what is locked is a file that nobody finds again.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
    Ok(None)
}

/// Removes the locks of watchers that are gone.
fn sweep(folder: &Path) {
    let Ok(seats) = std::fs::read_dir(folder) else { return };
    for seat in seats.flatten() {
        let old = seat.metadata().and_then(|about| about.modified()).ok().and_then(|at| at.elapsed().ok());
        if old.is_some_and(|age| age > GONE)
            && let Ok(file) = files::lock_file(&seat.path())
            && file.try_lock().is_ok()
        {
            let _ = std::fs::remove_file(seat.path());
        }
    }
}
