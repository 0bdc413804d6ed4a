//! What goes into the history.
//! Takes judged reports and call results; gives the changes of state. One transaction each: there whole, or not at all.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use serde::Serialize;

use super::{
    History,
    clock::Moment,
    flap,
    judge::{Seen, SnapshotTool, Verdict, is_well},
};
use crate::{
    Class,
    report::{Call, GatewayHealth, Status},
    runtime::sha256,
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
    /// Worth telling. What goes to and fro is told once, and again when it has settled.
    pub announced: bool,
    /// No new change: it went to and fro, and has settled.
    pub settled: bool,
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
        let message = without_queries(&scrub::line(&error.message, 500));
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
    /// Keeps a judged report and fills in since when. Gives what changed. Without a history: nothing, and no `since`.
    pub fn record(
        &self,
        health: &mut GatewayHealth,
        url: &str,
        seen: &Seen,
        verdict: &Verdict,
        now: Moment,
    ) -> Vec<Transition> {
        let recorded = self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut write = Write { transaction: &transaction, gateway: &health.gateway, now };
            let outcome = write.report(health, url, seen, verdict)?;
            transaction.commit()?;
            Ok(outcome)
        });
        let Some((transitions, since)) = recorded else { return Vec::new() };
        let find = |name: &str| since.iter().find(|(service, _)| service == name).map(|(_, since)| since.rfc3339());
        health.since = find("");
        for service in &mut health.services {
            service.since = find(&service.name);
        }
        transitions
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
        if let CallResult::Failed { status, message } = result {
            self.suspect(gateway, &service, *status, message, now);
        }
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
            let before: Option<String> = transaction
                .query_row(
                    "SELECT status FROM states WHERE gateway = ?1 AND service = ?2",
                    params![gateway, service],
                    |row| row.get(0),
                )
                .optional()?;
            // Already known not to be well: no news.
            if before.as_deref().and_then(status_of).is_none_or(is_well) {
                let mut write = Write { transaction: &transaction, gateway, now };
                let evidence = vec![format!("a call failed: {}", scrub::line(message, 300))];
                write.state(service, status, None, &evidence)?;
            }
            transaction.commit()
        });
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Accepted {
    Yes,
    No,
}

/// One gateway's part of a transaction.
struct Write<'a> {
    transaction: &'a Transaction<'a>,
    gateway: &'a str,
    now: Moment,
}

type Since = Vec<(String, Moment)>;

impl Write<'_> {
    fn report(
        &mut self,
        health: &GatewayHealth,
        url: &str,
        seen: &Seen,
        verdict: &Verdict,
    ) -> rusqlite::Result<(Vec<Transition>, Since)> {
        self.same_gateway(url)?;
        let mut transitions = Vec::new();
        let mut since = Vec::new();
        let ill = health.services.iter().filter(|service| !is_well(service.status));
        let words: Vec<String> = health
            .error
            .iter()
            .map(|error| error.message.clone())
            .chain(health.warnings.iter().cloned())
            .chain(ill.map(|service| format!("{} is {}", service.name, service.status)))
            .collect();
        let (changed, at) = self.state("", health.status, Some(health.status), &words)?;
        transitions.extend(changed);
        since.push((String::new(), at));
        self.slot("", health.status, health.latency_ms)?;
        for service in &health.services {
            self.slot(&service.name, service.status, None)?;
            // Nobody asked the services: what they were, they are until somebody does.
            if seen.tools.is_none() && service.status == Status::Unknown {
                since.extend(self.since(&service.name)?.map(|at| (service.name.clone(), at)));
                continue;
            }
            let reported = verdict.reported.get(&service.name).copied().unwrap_or(service.status);
            let (changed, at) = self.state(&service.name, service.status, Some(reported), &service.evidence)?;
            transitions.extend(changed);
            since.push((service.name.clone(), at));
        }
        for service in &verdict.forgiven {
            self.transaction.execute(
                "UPDATE calls SET failures = 0 WHERE gateway = ?1 AND service = ?2",
                params![self.gateway, service],
            )?;
        }
        if let Some(tools) = &seen.tools {
            self.catalogue(tools, verdict)?;
        }
        let id = self.keep(health, &since)?;
        if id % CLEAN_UP_EVERY == 0 {
            clean_up(self.transaction, self.now)?;
        }
        Ok((transitions, since))
    }

    /// Another URL under the same name is another gateway: what was known does not hold for it.
    fn same_gateway(&self, url: &str) -> rusqlite::Result<()> {
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

    /// One look at one state: kept, and compared with the one before. Without `reported` the component said nothing new.
    fn state(
        &mut self,
        service: &str,
        status: Status,
        reported: Option<Status>,
        evidence: &[String],
    ) -> rusqlite::Result<(Option<Transition>, Moment)> {
        let now = self.now.millis();
        let before = self
            .transaction
            .query_row(
                "SELECT status, since, announced, looks, reported, reported_since FROM states WHERE gateway = ?1 AND service = ?2",
                params![self.gateway, service],
                |row| {
                    Ok((
                        row.get::<_, String>(0)?,
                        row.get::<_, i64>(1)?,
                        row.get::<_, String>(2)?,
                        row.get::<_, i64>(3)?,
                        row.get::<_, String>(4)?,
                        row.get::<_, i64>(5)?,
                    ))
                },
            )
            .optional()?;
        let reason = evidence.first().map(|words| without_queries(words)).unwrap_or_default();
        let (from, mut since, mut announced, looks, was_reported, mut reported_since) = match before {
            Some((status, since, announced, looks, reported, reported_since)) => {
                (status_of(&status), since, status_of(&announced), looks, status_of(&reported), reported_since)
            }
            None => (None, now, None, 0, None, now),
        };
        // The clock was set back: nothing began in the future.
        since = since.min(now);
        let reported = reported.or(was_reported).unwrap_or(Status::Unknown);
        if was_reported != Some(reported) {
            reported_since = now;
        }
        let mut transition = None;
        let looks = if from == Some(status) {
            if announced != Some(status) && flap::announce_settled(looks + 1) {
                transition = Some(self.transition(service, announced, status, &reason, Told::Settled)?);
                announced = Some(status);
            }
            looks + 1
        } else {
            since = now;
            let told = match from {
                // The first look is no news, unless it is bad.
                None if is_well(status) => Told::No,
                _ if flap::announce_change(self.recent_changes(service)?) => Told::Yes,
                _ => Told::No,
            };
            if told == Told::Yes || from.is_none() {
                announced = Some(status);
            }
            transition = Some(self.transition(service, from, status, &reason, told)?);
            1
        };
        let last_good = (status == Status::Ok).then_some(now);
        self.transaction.execute(
            "INSERT INTO states (gateway, service, status, since, at, announced, looks, reported, reported_since, last_good, evidence)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT DO UPDATE SET status = ?3, since = ?4, at = ?5, announced = ?6, looks = ?7, reported = ?8, reported_since = ?9,
                 last_good = coalesce(?10, last_good), evidence = ?11",
            params![
                self.gateway,
                service,
                status.as_str(),
                since,
                now,
                announced.unwrap_or(status).as_str(),
                looks,
                reported.as_str(),
                reported_since,
                last_good,
                reason,
            ],
        )?;
        Ok((transition, Moment::from_millis(since)))
    }

    fn recent_changes(&self, service: &str) -> rusqlite::Result<i64> {
        let after = self.now.before(flap::WINDOW).millis();
        // By rows first: after the clock was set back, old rows seem to be young, and the newest few still decide.
        self.transaction.query_row(
            "SELECT count(*) FROM (SELECT at, settled, came_from FROM transitions WHERE gateway = ?1 AND service = ?2 ORDER BY id DESC LIMIT 20)
             WHERE at BETWEEN ?3 AND ?4 AND settled = 0 AND came_from IS NOT NULL",
            params![self.gateway, service, after, self.now.millis()],
            |row| row.get(0),
        )
    }

    fn transition(
        &self,
        service: &str,
        from: Option<Status>,
        to: Status,
        reason: &str,
        told: Told,
    ) -> rusqlite::Result<Transition> {
        let (announced, settled) = (told != Told::No, told == Told::Settled);
        self.transaction.execute(
            "INSERT INTO transitions (at, gateway, service, came_from, went_to, reason, announced, settled) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![self.now.millis(), self.gateway, service, from.map(Status::as_str), to.as_str(), reason, announced, settled],
        )?;
        Ok(Transition {
            id: self.transaction.last_insert_rowid(),
            at: self.now,
            gateway: self.gateway.to_owned(),
            service: (!service.is_empty()).then(|| service.to_owned()),
            from,
            to,
            reason: reason.to_owned(),
            announced,
            settled,
        })
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

    /// The report itself, with since when.
    fn keep(&self, health: &GatewayHealth, since: &Since) -> rusqlite::Result<i64> {
        let mut shown = health.clone();
        let find = |name: &str| since.iter().find(|(service, _)| service == name).map(|(_, since)| since.rfc3339());
        shown.since = find("");
        for service in &mut shown.services {
            service.since = find(&service.name);
        }
        let report = serde_json::to_string(&shown).unwrap_or_default();
        let tools = health.tools.and_then(|tools| i64::try_from(tools).ok());
        let (class, message) =
            health.error.as_ref().map(|error| (error.class.as_str(), without_queries(&error.message))).unzip();
        self.transaction.execute(
            "INSERT INTO reports (at, gateway, status, latency_ms, tools, error_class, error_message, report) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![self.now.millis(), self.gateway, health.status.as_str(), health.latency_ms, tools, class, message, without_queries(&report)],
        )?;
        Ok(self.transaction.last_insert_rowid())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Yes,
    No,
    Settled,
}

/// Drops what is old, by age and by number.
fn clean_up(connection: &Connection, now: Moment) -> rusqlite::Result<()> {
    for (table, keep, fewest, most) in [
        ("reports", KEEP_REPORTS, FEWEST_REPORTS, MOST_REPORTS),
        ("transitions", KEEP, FEWEST_TRANSITIONS, MOST_TRANSITIONS),
    ] {
        let newest: i64 =
            connection.query_row(&format!("SELECT coalesce(max(id), 0) FROM {table}"), [], |row| row.get(0))?;
        connection.execute(
            &format!("DELETE FROM {table} WHERE (at < ?1 AND id <= ?2) OR id <= ?3"),
            params![now.before(keep).millis(), newest - fewest, newest - most],
        )?;
    }
    let slot = now.millis().div_euclid(SLOT);
    let oldest = now.before(KEEP).millis().div_euclid(SLOT);
    // Slots ahead of now are of a clock that was wrong.
    connection.execute("DELETE FROM slots WHERE slot < ?1 OR slot > ?2", params![oldest, slot + 1])?;
    Ok(())
}

pub(super) fn status_of(name: &str) -> Option<Status> {
    Status::ALL.iter().copied().find(|status| status.as_str() == name)
}

/// What a gateway is recognised by; its URL may hold a key in its query, so only a digest is kept.
fn digest(url: &str) -> String {
    sha256(url.as_bytes()).chars().take(32).collect()
}

/// URLs in a text without their queries, which may hold keys.
pub(crate) fn without_queries(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at);
        clean.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ')' | '\\'))
            .unwrap_or(after.len());
        let (url, others) = after.split_at(end);
        match url.split_once('?') {
            Some((plain, _)) => {
                clean.push_str(plain);
                clean.push_str("?…");
            }
            None => clean.push_str(url),
        }
        rest = others;
    }
    clean.push_str(rest);
    clean
}
