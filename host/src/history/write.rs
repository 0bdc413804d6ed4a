//! What goes into the history.
//! Takes judged reports and call results; gives the changes of state. One transaction each: there whole, or not at all.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use serde::Serialize;

use super::{
    History, baseline,
    clock::Moment,
    judge::{Seen, SnapshotTool, Verdict, is_well},
    masked::masked,
    news::Floor,
    read::status_at,
    watcher::observations,
};
use crate::{
    Class,
    digest::sha256,
    report::{Call, Change, GatewayHealth, Status},
    scrub,
};

/// Looks are counted by quarters of an hour: 96 bars a day.
pub(super) const SLOT: i64 = 900_000;

/// What is kept, and for how long. The newest rows stay whatever the clock says: it may be wrong.
const KEEP_REPORTS: Duration = Duration::from_hours(24);
const KEEP: Duration = Duration::from_hours(24 * 90);
const FEWEST_REPORTS: i64 = 500;
const MOST_REPORTS: i64 = 20_000;
const FEWEST_TRANSITIONS: i64 = 2_000;
const MOST_TRANSITIONS: i64 = 50_000;
/// Old good catalogues of one gateway.
const SNAPSHOTS: i64 = 10;
/// Reports between two clean-ups.
const CLEAN_UP_EVERY: i64 = 200;
/// Services of one gateway that are remembered, those among them that it does not report any more. Names can be made up anew each time.
const SERVICES: i64 = 1_000;
/// More than this at one look, and it is looked at once whether there are too many.
const MANY: usize = 100;
/// A state that nobody saw for so long is forgotten.
const FORGET: Duration = Duration::from_hours(24 * 90);
/// Bytes in use from which on only half of everything is kept.
const LARGE: i64 = 64 * 1_024 * 1_024;
/// Characters of a reason.
const REASON: usize = 500;
/// Bytes of a catalogue: a name and a service for each of some hundred thousand tools.
const CATALOGUE: usize = 8 * 1_024 * 1_024;

/// A change of state.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Transition {
    /// Grows with every change; the order of events.
    pub id: i64,
    /// When.
    pub at: Moment,
    /// The gateway.
    pub gateway: String,
    /// The service; null for the gateway itself.
    pub service: Option<String>,
    /// The state before; null at the first look.
    pub from: Option<Status>,
    /// The state now.
    pub to: Status,
    /// The strongest evidence.
    pub reason: String,
    /// Worth telling. What goes to and fro is told less and less often, and when it has settled.
    pub announced: bool,
    /// No new change: it went to and fro, and has settled.
    pub settled: bool,
    /// Changes before this one that were not told, since it went to and fro.
    #[serde(skip_serializing_if = "is_zero")]
    pub held_back: u32,
    /// The tool that is not as it was accepted, where this tells of one: then the state stays as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// What became of that tool, or of several, where no tool is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's interface")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// An old catalogue that was shown, since the gateway was away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// When it was shown.
    pub at: Moment,
    /// When it was read.
    pub taken: Moment,
    /// Its tools.
    pub tools: usize,
    /// How the gateway was.
    pub status: Status,
}

/// How a call went, as far as it says something about its service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// The service answered, with an error of its own or without.
    Answered,
    /// It did not.
    Failed {
        /// What that means for the service.
        status: Status,
        /// In words.
        message: String,
    },
}

impl CallResult {
    /// The service that a call says something about, and what; the tool itself where no service is known. None when it
    /// says nothing: the filter refused it, the gateway is away.
    #[must_use]
    pub fn of(call: &Call) -> Option<(String, Self)> {
        let about = |named: Option<&String>| {
            named.or(call.service.as_ref()).cloned().unwrap_or_else(|| format!("{TOOL}{}", call.tool))
        };
        let Some(error) = &call.error else {
            return call.result.as_ref().map(|_| (about(None), Self::Answered));
        };
        let blamed = error.service.is_some();
        let status = match error.class {
            Class::UpstreamError if blamed || call.service.is_none() => Status::UpstreamError,
            Class::AuthRequired if blamed => Status::AuthRequired,
            Class::Forbidden if blamed => Status::Forbidden,
            Class::RateLimited if blamed => Status::RateLimited,
            // The gateway answers other things; it is this tool that takes too long.
            Class::Timeout => Status::Timeout,
            _ => return None,
        };
        let message = masked(&scrub::line(&error.message, 500));
        Some((about(error.service.as_ref()), Self::Failed { status, message }))
    }
}

/// Under which calls of a tool of no known service are kept.
const TOOL: &str = "tool:";

/// The tool of no known service whose calls are kept so.
pub(super) fn tool_of(about: &str) -> Option<&str> {
    about.strip_prefix(TOOL)
}

impl History {
    /// Keeps a judged report and fills in since when. Without a history: no `since`.
    pub fn record(&self, health: &mut GatewayHealth, url: &str, seen: &Seen, verdict: &Verdict, now: Moment) {
        let recorded = self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut write = Write { transaction: &transaction, gateway: &health.gateway, now };
            let outcome = write.report(health, url, seen, verdict)?;
            transaction.commit()?;
            Ok(outcome)
        });
        let Some(since) = recorded else { return };
        let find = |name: &str| since.iter().find(|(service, _)| service == name).map(|(_, since)| since.rfc3339());
        health.since = find("");
        for service in &mut health.services {
            service.since = find(&service.name);
        }
    }

    /// Keeps how a call went: of a service, or of what [`CallResult::of`] gives instead.
    pub fn record_call(&self, gateway: &str, service: &str, result: &CallResult, now: Moment) {
        let service = scrub::line(service, 200);
        self.with(|connection| {
            // A good call after a good one is not worth a write of its own each time: to the nearest ten seconds is enough.
            let fresh = connection
                .query_row(
                    "SELECT last_good FROM calls WHERE gateway = ?1 AND service = ?2 AND failures = 0",
                    params![gateway, service],
                    |row| row.get::<_, Option<i64>>(0),
                )
                .optional()?
                .flatten()
                .is_some_and(|last| (0..10_000).contains(&now.millis().saturating_sub(last)));
            match result {
                CallResult::Answered if fresh => Ok(0),
                CallResult::Answered => connection.execute(
                    "INSERT INTO calls (gateway, service, last_good, failures, message) VALUES (?1, ?2, ?3, 0, '')
                     ON CONFLICT DO UPDATE SET last_good = ?3, failures = 0",
                    params![gateway, service, now.millis()],
                ),
                CallResult::Failed { status, message } => connection.execute(
                    "INSERT INTO calls (gateway, service, last_bad, failures, status, message) VALUES (?1, ?2, ?3, 1, ?4, ?5)
                     ON CONFLICT DO UPDATE SET last_bad = ?3, failures = failures + 1, status = ?4, message = ?5",
                    params![gateway, service, now.millis(), status.as_str(), scrub::line(message, 500)],
                ),
            }
        });
        match result {
            CallResult::Failed { status, message } => self.suspect(gateway, &service, *status, message, now),
            CallResult::Answered => self.absolve(gateway, &service, now),
        }
    }

    /// Keeps that an old catalogue was shown in place of one that could not be read.
    pub fn record_stale(&self, gateway: &str, stale: Stale) {
        let Stale { at, taken, tools, status } = stale;
        self.with(|connection| {
            connection.execute(
                "INSERT INTO stale (gateway, at, taken, tools, status) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET at = ?2, taken = ?3, tools = ?4, status = ?5",
                params![
                    gateway,
                    at.millis(),
                    taken.millis(),
                    i64::try_from(tools).unwrap_or(i64::MAX),
                    status.as_str()
                ],
            )
        });
    }

    /// A failed call makes a service degraded at once, before anybody looks.
    fn suspect(&self, gateway: &str, service: &str, means: Status, message: &str, now: Moment) {
        let status = if matches!(means, Status::AuthRequired | Status::Forbidden | Status::RateLimited) {
            means
        } else {
            Status::Degraded
        };
        // A tool is no service: it is the gateway that does not work in part.
        let service = if tool_of(service).is_some() { "" } else { service };
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let before = transaction
                .query_row(
                    "SELECT status, suspected IS NOT NULL FROM states WHERE gateway = ?1 AND service = ?2",
                    params![gateway, service],
                    |row| Ok((status_at(row, 0)?, row.get::<_, bool>(1)?)),
                )
                .optional()?;
            match before {
                Some((_, true)) => {
                    transaction.execute(
                        "UPDATE states SET suspected = ?3 WHERE gateway = ?1 AND service = ?2",
                        params![gateway, service, now.millis()],
                    )?;
                }
                // Already known not to be well: no news.
                Some((known, false)) if !is_well(known) => {}
                _ => {
                    let mut write = Write { transaction: &transaction, gateway, now };
                    let reason = format!("a call failed: {}", scrub::line(message, 300));
                    write.state(service, status, None, Some(now), &reason)?;
                }
            }
            transaction.commit()
        });
    }

    /// A good call is newer than the failed one: what only that spoke against is as the gateway says, at once.
    fn absolve(&self, gateway: &str, service: &str, now: Moment) {
        let of = if tool_of(service).is_some() { "" } else { service };
        let suspects = self.ask(|connection| {
            connection
                .prepare("SELECT service, reported FROM states WHERE gateway = ?1 AND suspected IS NOT NULL")?
                .query_map([gateway], |row| Ok((row.get::<_, String>(0)?, status_at(row, 1)?)))?
                .collect::<rusqlite::Result<Vec<_>>>()
        });
        let suspects = suspects.unwrap_or_default();
        // The gateway is suspect for as long as something behind it is.
        let alone = suspects.iter().all(|(name, _)| name == of || name.is_empty());
        for (name, reported) in suspects.iter().filter(|(name, _)| name == of || (name.is_empty() && alone)) {
            self.with(|connection| {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let mut write = Write { transaction: &transaction, gateway, now };
                write.state(name, *reported, None, None, "a call was answered")?;
                transaction.commit()
            });
        }
    }

    /// Takes the latest catalogue as the good one. None when there is no latest one, or no history.
    #[must_use]
    pub fn accept(&self, gateway: &str, now: Moment) -> Option<usize> {
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let latest: Option<String> = transaction
                .query_row(
                    "SELECT tools FROM snapshots WHERE gateway = ?1 AND kind = 'latest' ORDER BY id DESC LIMIT 1",
                    [gateway],
                    |row| row.get(0),
                )
                .optional()?;
            let Some(tools) = latest else { return Ok(None) };
            let mut write = Write { transaction: &transaction, gateway, now };
            write.snapshot("good", &tools, Accepted::Yes)?;
            // What is gone on purpose is no service any more.
            let listed: Vec<SnapshotTool> = serde_json::from_str(&tools).unwrap_or_default();
            let services: Vec<String> = {
                let mut rows =
                    transaction.prepare("SELECT service FROM states WHERE gateway = ?1 AND service <> ''")?;
                rows.query_map([gateway], |row| row.get(0))?.collect::<Result<_, _>>()?
            };
            for service in
                services.iter().filter(|name| !listed.iter().any(|tool| tool.service.as_ref() == Some(*name)))
            {
                transaction
                    .execute("DELETE FROM states WHERE gateway = ?1 AND service = ?2", params![gateway, service])?;
            }
            transaction.commit()?;
            Ok(Some(listed.len()))
        })
        .flatten()
    }
}

impl History {
    /// Takes it as good that these tools are gone, and nothing else. The number of tools that are good now; none when there is no listing
    /// or no history.
    #[must_use]
    pub fn accept_gone(&self, gateway: &str, tools: &[String], now: Moment) -> Option<usize> {
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let (good, _) = baseline::of(&transaction, gateway)?;
            let (Some(good), Some(latest)) = (good, super::read::snapshot(&transaction, gateway, "latest")?) else {
                return Ok(None);
            };
            let listed = |name: &str| latest.tools.iter().any(|tool| tool.name == name);
            let keep = |tool: &&SnapshotTool| listed(&tool.name) || !tools.contains(&tool.name);
            let kept: Vec<&SnapshotTool> = good.tools.iter().filter(keep).collect();
            if kept.len() < good.tools.len() {
                let text = serde_json::to_string(&kept).unwrap_or_default();
                Write { transaction: &transaction, gateway, now }.snapshot("good", &text, Accepted::Yes)?;
                transaction.commit()?;
            }
            Ok(Some(kept.len()))
        })
        .flatten()
    }
}

impl History {
    /// These tools are left out of the entry from now on, by its user: they are in no catalogue that later ones are compared with.
    pub fn left_out(&self, gateway: &str, tools: &[String]) {
        if tools.is_empty() {
            return;
        }
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for kind in ["good", "latest", "listed"] {
                let Some(mut known) = super::read::snapshot(&transaction, gateway, kind)? else { continue };
                known.tools.retain(|tool| !tools.contains(&tool.name));
                transaction.execute(
                    "UPDATE snapshots SET tools = ?3 WHERE id =
                         (SELECT id FROM snapshots WHERE gateway = ?1 AND kind = ?2 ORDER BY id DESC LIMIT 1)",
                    params![gateway, kind, serde_json::to_string(&known.tools).unwrap_or_default()],
                )?;
            }
            transaction.commit()
        });
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Accepted {
    Yes,
    No,
}

/// One gateway's part of a transaction.
pub(super) struct Write<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) gateway: &'a str,
    pub(super) now: Moment,
}

type Since = Vec<(String, Moment)>;

impl Write<'_> {
    fn report(&mut self, health: &GatewayHealth, url: &str, seen: &Seen, verdict: &Verdict) -> rusqlite::Result<Since> {
        self.same_gateway(url)?;
        let mut since = Vec::new();
        for (name, status, reason) in observations(health) {
            let reported = verdict.reported.get(name).copied().unwrap_or(status);
            let suspected = verdict.suspected.get(name).copied();
            since.push((name.to_owned(), self.state(name, status, Some(reported), suspected, &reason)?));
        }
        self.slot("", health.status, health.latency_ms)?;
        for service in &health.services {
            self.slot(&service.name, service.status, None)?;
            // Nobody asked the services: what they were, they are until somebody does.
            if !since.iter().any(|(name, _)| *name == service.name) {
                since.extend(self.since(&service.name)?.map(|at| (service.name.clone(), at)));
            }
        }
        for service in &verdict.forgiven {
            self.transaction.execute(
                "UPDATE calls SET failures = 0 WHERE gateway = ?1 AND service = ?2",
                params![self.gateway, service],
            )?;
        }
        if let Some(tools) = seen.tools.as_ref().filter(|_| !seen.cut) {
            self.catalogue(tools, verdict)?;
        }
        let id = self.keep(health)?;
        if id % CLEAN_UP_EVERY == 0 {
            clean_up(self.transaction, self.now)?;
        }
        if id % CLEAN_UP_EVERY == 0 || health.services.len() > MANY {
            self.forget_services()?;
        }
        Ok(since)
    }

    /// Keeps the newest of a gateway's services.
    fn forget_services(&self) -> rusqlite::Result<()> {
        for (table, newest) in [("states", "at"), ("calls", "max(coalesce(last_good, 0), coalesce(last_bad, 0))")] {
            self.transaction.execute(
                &format!(
                    "DELETE FROM {table} WHERE gateway = ?1 AND service <> '' AND service NOT IN
                         (SELECT service FROM {table} WHERE gateway = ?1 ORDER BY {newest} DESC LIMIT ?2)"
                ),
                params![self.gateway, SERVICES],
            )?;
        }
        self.transaction.execute(
            "DELETE FROM slots WHERE gateway = ?1 AND service NOT IN (SELECT service FROM states WHERE gateway = ?1)",
            [self.gateway],
        )?;
        Ok(())
    }

    /// Another URL under the same name is another gateway: what was known does not hold for it.
    pub(super) fn same_gateway(&self, url: &str) -> rusqlite::Result<()> {
        let made_for = digest(url);
        let before: Option<String> = self
            .transaction
            .query_row("SELECT made_for FROM gateways WHERE gateway = ?1", [self.gateway], |row| row.get(0))
            .optional()?;
        if before.as_ref() == Some(&made_for) {
            return Ok(());
        }
        if before.is_some() {
            for table in ["states", "calls", "slots", "snapshots"] {
                self.transaction.execute(&format!("DELETE FROM {table} WHERE gateway = ?1"), [self.gateway])?;
            }
        }
        self.transaction.execute(
            "INSERT INTO gateways (gateway, made_for) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET made_for = ?2",
            params![self.gateway, made_for],
        )?;
        Ok(())
    }

    fn since(&self, service: &str) -> rusqlite::Result<Option<Moment>> {
        self.transaction
            .query_row(
                "SELECT since FROM states WHERE gateway = ?1 AND service = ?2",
                params![self.gateway, service],
                |row| row.get(0),
            )
            .optional()
            .map(|since| since.map(Moment::from_millis))
    }

    /// One look at one state: kept, with a change where it is another than before; since when it is so. Without `reported` the
    /// component said nothing new. `suspected`: it rests on a call that failed then.
    fn state(
        &mut self,
        service: &str,
        status: Status,
        reported: Option<Status>,
        suspected: Option<Moment>,
        reason: &str,
    ) -> rusqlite::Result<Moment> {
        let (now, reason) = (self.now.millis(), &scrub::line(reason, REASON));
        let before = self
            .transaction
            .query_row(
                "SELECT status, since, reported, reported_since FROM states WHERE gateway = ?1 AND service = ?2",
                params![self.gateway, service],
                |row| Ok((status_at(row, 0)?, row.get::<_, i64>(1)?, status_at(row, 2)?, row.get::<_, i64>(3)?)),
            )
            .optional()?;
        let from = before.map(|(status, ..)| status);
        let same = from == Some(status);
        // The clock was set back: nothing began in the future.
        let since = before.filter(|_| same).map_or(now, |(_, since, ..)| since.min(now));
        let was_reported = before.map(|(.., reported, _)| reported);
        let reported = reported.or(was_reported).unwrap_or(Status::Unknown);
        let reported_since =
            before.filter(|_| was_reported == Some(reported)).map_or(now, |(.., reported_since)| reported_since);
        if !same {
            self.transition(service, from, status, reason)?;
        }
        let last_good = (status == Status::Ok).then_some(now);
        self.transaction.execute(
            "INSERT INTO states (gateway, service, status, since, at, reported, reported_since, suspected, last_good, evidence)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT DO UPDATE SET status = ?3, since = ?4, at = ?5, reported = ?6, reported_since = ?7, suspected = ?8,
                 last_good = coalesce(?9, last_good), evidence = ?10",
            params![
                self.gateway,
                service,
                status.as_str(),
                since,
                now,
                reported.as_str(),
                reported_since,
                suspected.map(Moment::millis),
                last_good,
                reason,
            ],
        )?;
        Ok(Moment::from_millis(since))
    }

    fn transition(&self, service: &str, from: Option<Status>, to: Status, reason: &str) -> rusqlite::Result<()> {
        self.transaction.execute(
            "INSERT INTO transitions (at, gateway, service, came_from, went_to, reason, announced) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                self.now.millis(),
                self.gateway,
                service,
                from.map(Status::as_str),
                to.as_str(),
                reason,
                Floor::default().is_news(from, to)
            ],
        )?;
        Ok(())
    }

    fn slot(&self, service: &str, status: Status, latency: Option<f64>) -> rusqlite::Result<()> {
        let of = |wanted: bool| i64::from(wanted);
        let (good, part) = (status == Status::Ok, status == Status::Degraded);
        let unknown = matches!(status, Status::Unknown | Status::Disabled);
        let latency = latency.filter(|_| good || part);
        self.transaction.execute(
            "INSERT INTO slots (gateway, service, slot, good, part, bad, unknown, latency_sum, latency_count)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT DO UPDATE SET good = good + ?4, part = part + ?5, bad = bad + ?6, unknown = unknown + ?7,
                     latency_sum = latency_sum + ?8, latency_count = latency_count + ?9",
            params![
                self.gateway,
                service,
                self.now.millis().div_euclid(SLOT),
                of(good),
                of(part),
                of(!good && !part && !unknown),
                of(unknown),
                latency.unwrap_or_default(),
                of(latency.is_some()),
            ],
        )?;
        Ok(())
    }

    fn catalogue(&mut self, tools: &[SnapshotTool], verdict: &Verdict) -> rusqlite::Result<()> {
        if tools.is_empty() {
            return Ok(());
        }
        // Serializing strings cannot fail.
        let text = serde_json::to_string(tools).unwrap_or_default();
        if text.len() > CATALOGUE {
            return Ok(());
        }
        self.snapshot("latest", &text, Accepted::No)?;
        if verdict.good_catalogue {
            self.snapshot("good", &text, Accepted::No)?;
        }
        Ok(())
    }

    fn snapshot(&mut self, kind: &str, tools: &str, accepted: Accepted) -> rusqlite::Result<()> {
        let now = self.now.millis();
        let last: Option<(i64, String)> = self
            .transaction
            .query_row(
                "SELECT id, tools FROM snapshots WHERE gateway = ?1 AND kind = ?2 ORDER BY id DESC LIMIT 1",
                params![self.gateway, kind],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let accepted = accepted == Accepted::Yes;
        if kind == "good" {
            baseline::forget(self.transaction, self.gateway)?;
        }
        match last {
            Some((id, before)) if before == tools || kind == "latest" => {
                self.transaction.execute(
                    "UPDATE snapshots SET seen_at = ?2, tools = ?3, accepted = max(accepted, ?4) WHERE id = ?1",
                    params![id, now, tools, accepted],
                )?;
            }
            _ => {
                self.transaction.execute(
                    "INSERT INTO snapshots (gateway, kind, taken_at, seen_at, accepted, tools) VALUES (?1, ?2, ?3, ?3, ?4, ?5)",
                    params![self.gateway, kind, now, accepted, tools],
                )?;
                self.transaction.execute(
                    "DELETE FROM snapshots WHERE gateway = ?1 AND kind = ?2 AND id NOT IN
                         (SELECT id FROM snapshots WHERE gateway = ?1 AND kind = ?2 ORDER BY id DESC LIMIT ?3)",
                    params![self.gateway, kind, SNAPSHOTS],
                )?;
            }
        }
        Ok(())
    }

    /// The look itself; its number.
    fn keep(&self, health: &GatewayHealth) -> rusqlite::Result<i64> {
        let (class, message) =
            health.error.as_ref().map(|error| (error.class.as_str(), masked(&error.message))).unzip();
        self.transaction.execute(
            "INSERT INTO reports (at, gateway, error_class, error_message) VALUES (?1, ?2, ?3, ?4)",
            params![self.now.millis(), self.gateway, class, message],
        )?;
        Ok(self.transaction.last_insert_rowid())
    }
}

/// Drops what is old, by age and by number; half of it all where that does not do.
fn clean_up(connection: &Connection, now: Moment) -> rusqlite::Result<()> {
    let read = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let used = (read("page_count")? - read("freelist_count")?).saturating_mul(read("page_size")?);
    let (part, stretch) = if used > LARGE { (2, KEEP / 2) } else { (1, KEEP) };
    for (table, keep, fewest, most) in [
        ("reports", KEEP_REPORTS, FEWEST_REPORTS, MOST_REPORTS),
        ("transitions", KEEP, FEWEST_TRANSITIONS, MOST_TRANSITIONS),
    ] {
        let newest: i64 =
            connection.query_row(&format!("SELECT coalesce(max(id), 0) FROM {table}"), [], |row| row.get(0))?;
        let count: i64 = connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        let most = if part == 1 { most } else { most.min(count / part) };
        connection.execute(
            &format!("DELETE FROM {table} WHERE (at < ?1 AND id <= ?2) OR id <= ?3"),
            params![now.before(keep).millis(), newest - fewest, newest - most],
        )?;
    }
    let slot = now.millis().div_euclid(SLOT);
    let oldest = now.before(stretch).millis().div_euclid(SLOT);
    // Slots ahead of now are of a clock that was wrong.
    connection.execute("DELETE FROM slots WHERE slot < ?1 OR slot > ?2", params![oldest, slot + 1])?;
    connection.execute("DELETE FROM states WHERE at < ?1", [now.before(FORGET).millis()])?;
    connection.execute(
        "DELETE FROM calls WHERE max(coalesce(last_good, 0), coalesce(last_bad, 0)) < ?1",
        [now.before(FORGET).millis()],
    )?;
    if part > 1 {
        connection.execute(
            "DELETE FROM snapshots WHERE accepted = 0 AND id NOT IN (SELECT max(id) FROM snapshots GROUP BY gateway, kind)",
            [],
        )?;
    }
    Ok(())
}

pub(super) fn status_of(name: &str) -> Option<Status> {
    Status::ALL.iter().copied().find(|status| status.as_str() == name)
}

/// What a gateway is recognised by; its URL may hold a key in its query, so only a digest is kept.
fn digest(url: &str) -> String {
    sha256(url.as_bytes()).chars().take(32).collect()
}
