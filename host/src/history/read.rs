//! What the history tells: the last known state, what happened since, catalogues and how they differ.
//! Reads only, and contacts nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;

use super::{
    History, baseline,
    clock::{Moment, span},
    judge::{CallsSeen, FAILED_CALL, Known, Snapshot, SnapshotTool, StateSeen, is_well},
    write::{SLOT, Stale, Transition, status_of},
};
use crate::{report::Status, scrub};

/// What is known of a gateway without asking it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Last {
    /// The gateway.
    pub gateway: String,
    /// Its last known state.
    pub status: Status,
    /// Since when it is so.
    pub since: Moment,
    /// When it was seen last.
    pub at: Moment,
    /// How long ago that was, in seconds.
    pub age_seconds: u64,
    /// Why it is not well; empty when it is.
    pub evidence: String,
    /// Sorted by name.
    pub services: Vec<LastService>,
}

impl Last {
    /// `degraded (slack offline) 3 minutes ago`: for a list.
    #[must_use]
    pub fn words(&self) -> String {
        let age = span(Duration::from_secs(self.age_seconds));
        let ill: Vec<String> = self
            .services
            .iter()
            .filter(|service| !is_well(service.status))
            .map(|service| format!("{} {}", scrub::line(&service.name, 100), service.status))
            .collect();
        let ill = if ill.is_empty() { String::new() } else { format!(" ({})", ill.join(", ")) };
        format!("{}{ill} {age} ago", self.status)
    }
}

/// What is known of a service without asking anybody.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LastService {
    /// Its name.
    pub name: String,
    /// Its last known state.
    pub status: Status,
    /// Since when it is so.
    pub since: Moment,
    /// The strongest evidence.
    pub evidence: String,
}

/// `health --history --json`: one gateway.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GatewayHistory {
    /// The gateway.
    pub gateway: String,
    /// Share of looks at which it worked, at least in part; null when nobody looked, or when most looks could not say.
    pub uptime: Option<f64>,
    /// From the oldest to the newest, equally long.
    pub bars: Vec<Bar>,
    /// Sorted by name.
    pub services: Vec<ServiceHistory>,
    /// From the oldest to the newest.
    pub transitions: Vec<Transition>,
    /// The newest first.
    pub errors: Vec<ErrorSeen>,
}

/// `health --history --json`: one service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServiceHistory {
    /// Its name.
    pub name: String,
    /// As of a gateway.
    pub uptime: Option<f64>,
    /// As of a gateway.
    pub bars: Vec<Bar>,
}

/// All looks within one stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bar {
    /// It worked.
    pub good: u32,
    /// It worked in part.
    pub part: u32,
    /// It did not.
    pub bad: u32,
    /// Nothing could be said, or it was switched off.
    pub unknown: u32,
    /// Mean milliseconds of the looks at which it worked; null when there was none.
    pub latency_ms: Option<f64>,
}

impl Bar {
    fn uptime(bars: &[Self]) -> Option<f64> {
        let up: u32 = bars.iter().map(|bar| bar.good + bar.part).sum();
        let all: u32 = up + bars.iter().map(|bar| bar.bad).sum::<u32>();
        let unknown: u32 = bars.iter().map(|bar| bar.unknown).sum();
        // A few calls say little of a day that nothing else is known of.
        (all > 0 && all >= unknown).then(|| f64::from(up) / f64::from(all))
    }
}

/// A look at which the gateway as a whole failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorSeen {
    /// When.
    pub at: Moment,
    /// `error.class`.
    pub class: String,
    /// In words.
    pub message: String,
}

/// `snapshot diff --json`: the last listing against the good catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// When the good catalogue was last seen whole.
    pub good_at: Option<Moment>,
    /// When the gateway was listed last.
    pub latest_at: Option<Moment>,
    /// In the good one alone.
    pub gone: Vec<SnapshotTool>,
    /// In the last listing alone.
    pub new: Vec<SnapshotTool>,
}

impl History {
    /// What judgement needs. Nothing, without a history.
    #[must_use]
    pub fn known(&self, gateway: &str) -> Known {
        self.ask(|connection| known(connection, gateway)).unwrap_or_default()
    }

    /// The last known state of a gateway.
    #[must_use]
    pub fn last(&self, gateway: &str, now: Moment) -> Option<Last> {
        self.ask(|connection| last(connection, gateway, now)).flatten()
    }

    /// The last known state of one service and since when.
    #[must_use]
    pub fn last_service(&self, gateway: &str, service: &str, now: Moment) -> Option<LastService> {
        self.ask(|connection| {
            connection
                .query_row(
                    &format!("SELECT service, {STATE} FROM states WHERE gateway = ?1 AND service = ?2"),
                    params![gateway, service],
                    |row| last_service(row, now),
                )
                .optional()
        })
        .flatten()
    }

    /// The last time that an old catalogue of this gateway was shown.
    #[must_use]
    pub fn stale(&self, gateway: &str) -> Option<Stale> {
        self.ask(|connection| {
            connection
                .query_row("SELECT at, taken, tools, status FROM stale WHERE gateway = ?1", [gateway], |row| {
                    Ok(Stale {
                        at: moment(row, 0)?,
                        taken: moment(row, 1)?,
                        tools: usize::try_from(row.get::<_, i64>(2)?).unwrap_or_default(),
                        status: status_at(row, 3)?,
                    })
                })
                .optional()
        })
        .flatten()
    }

    /// Gateways that the history has heard of, by name.
    #[must_use]
    pub fn gateways(&self) -> Vec<String> {
        self.ask(|connection| {
            connection
                .prepare("SELECT gateway FROM gateways ORDER BY gateway")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
        .unwrap_or_default()
    }

    /// What happened to a gateway since then, in so many bars at most. None without a history.
    #[must_use]
    pub fn since(&self, gateway: &str, since: Moment, now: Moment, bars: usize) -> Option<GatewayHistory> {
        self.with(|connection| history(connection, gateway, since, now, bars.max(1)))
    }

    /// Announced changes with an id greater than this, at most a thousand, the oldest first.
    #[must_use]
    pub fn transitions_after(&self, id: i64) -> Vec<Transition> {
        self.with(|connection| {
            connection
                .prepare(&format!("SELECT {TRANSITION} FROM transitions WHERE id > ?1 ORDER BY id LIMIT 1000"))?
                .query_map([id], transition)?
                .collect()
        })
        .unwrap_or_default()
    }

    /// The last good catalogue.
    #[must_use]
    pub fn snapshot(&self, gateway: &str) -> Option<Snapshot> {
        self.ask(|connection| snapshot(connection, gateway, "good")).flatten()
    }

    /// The last listing against the good catalogue. None when one of them is missing.
    #[must_use]
    pub fn difference(&self, gateway: &str) -> Option<Difference> {
        let (good, latest) = self
            .ask(|connection| Ok((snapshot(connection, gateway, "good")?, snapshot(connection, gateway, "latest")?)))?;
        let latest = latest?;
        let before: BTreeSet<_> = good.iter().flat_map(|good| good.tools.iter().cloned()).collect();
        let after: BTreeSet<_> = latest.tools.iter().cloned().collect();
        Some(Difference {
            good_at: good.map(|good| good.seen_at),
            latest_at: Some(latest.seen_at),
            gone: before.difference(&after).cloned().collect(),
            new: after.difference(&before).cloned().collect(),
        })
    }
}

/// One that is not known, as a newer program may have written it, is `unknown`.
pub(super) fn status_at(row: &Row<'_>, at: usize) -> rusqlite::Result<Status> {
    Ok(status_of(&row.get::<_, String>(at)?).unwrap_or(Status::Unknown))
}

fn moment(row: &Row<'_>, at: usize) -> rusqlite::Result<Moment> {
    row.get(at).map(Moment::from_millis)
}

fn known(connection: &Connection, gateway: &str) -> rusqlite::Result<Known> {
    let states = connection
        .prepare("SELECT service, status, reported, reported_since, last_good FROM states WHERE gateway = ?1")?
        .query_map([gateway], |row| {
            let state = StateSeen {
                status: status_at(row, 1)?,
                reported: status_at(row, 2)?,
                reported_since: moment(row, 3)?,
                last_good: row.get::<_, Option<i64>>(4)?.map(Moment::from_millis),
            };
            Ok((row.get(0)?, state))
        })?
        .collect::<rusqlite::Result<BTreeMap<String, StateSeen>>>()?;
    let calls = connection
        .prepare("SELECT service, last_good, last_bad, failures, status, message FROM calls WHERE gateway = ?1")?
        .query_map([gateway], |row| {
            let calls = CallsSeen {
                last_good: row.get::<_, Option<i64>>(1)?.map(Moment::from_millis),
                last_bad: row.get::<_, Option<i64>>(2)?.map(Moment::from_millis),
                failures: row.get(3)?,
                status: row.get::<_, Option<String>>(4)?.as_deref().and_then(status_of),
                message: row.get(5)?,
            };
            Ok((row.get(0)?, calls))
        })?
        .collect::<rusqlite::Result<BTreeMap<String, CallsSeen>>>()?;
    let (snapshot, listed) = baseline::of(connection, gateway)?;
    Ok(Known { snapshot, listed, calls, states })
}

pub(super) fn snapshot(connection: &Connection, gateway: &str, kind: &str) -> rusqlite::Result<Option<Snapshot>> {
    connection
        .query_row(
            "SELECT seen_at, accepted, tools FROM snapshots WHERE gateway = ?1 AND kind = ?2 ORDER BY id DESC LIMIT 1",
            params![gateway, kind],
            |row| {
                let tools: String = row.get(2)?;
                Ok(Snapshot {
                    seen_at: moment(row, 0)?,
                    accepted: row.get(1)?,
                    tools: serde_json::from_str(&tools).unwrap_or_default(),
                })
            },
        )
        .optional()
}

const STATE: &str = "status, since, evidence, reported, suspected, at";

/// A state as it counts now, since when, and why: a failed call fades when nothing newer is heard.
fn state(row: &Row<'_>, now: Moment) -> rusqlite::Result<(Status, Moment, String, Moment)> {
    let (status, since, evidence) = (status_at(row, 1)?, moment(row, 2)?, row.get(3)?);
    let (reported, at) = (status_at(row, 4)?, moment(row, 6)?);
    let suspected = row.get::<_, Option<i64>>(5)?.map(Moment::from_millis);
    match suspected.filter(|failed| failed.age(now) > FAILED_CALL) {
        None => Ok((status, since, evidence, at)),
        Some(failed) => {
            let words = format!("a call failed {} ago, and nothing newer is known", span(failed.age(now)));
            Ok((reported, failed, words, at))
        }
    }
}

fn last_service(row: &Row<'_>, now: Moment) -> rusqlite::Result<LastService> {
    let (status, since, evidence, _) = state(row, now)?;
    Ok(LastService { name: row.get(0)?, status, since, evidence })
}

fn last(connection: &Connection, gateway: &str, now: Moment) -> rusqlite::Result<Option<Last>> {
    let found = connection
        .query_row(
            &format!("SELECT service, {STATE} FROM states WHERE gateway = ?1 AND service = ''"),
            [gateway],
            |row| state(row, now),
        )
        .optional()?;
    let services: Vec<LastService> = connection
        .prepare(&format!("SELECT service, {STATE} FROM states WHERE gateway = ?1 AND service <> '' ORDER BY service"))?
        .query_map([gateway], |row| last_service(row, now))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found.map(|(status, since, evidence, at)| Last {
        gateway: gateway.to_owned(),
        status,
        since,
        at,
        age_seconds: at.age(now).as_secs(),
        evidence,
        services,
    }))
}

const TRANSITION: &str = "id, at, gateway, service, came_from, went_to, reason, announced";

fn transition(row: &Row<'_>) -> rusqlite::Result<Transition> {
    let service: String = row.get(3)?;
    Ok(Transition {
        id: row.get(0)?,
        at: moment(row, 1)?,
        gateway: row.get(2)?,
        service: (!service.is_empty()).then_some(service),
        from: row.get::<_, Option<String>>(4)?.as_deref().and_then(status_of),
        to: status_at(row, 5)?,
        reason: row.get(6)?,
        announced: row.get(7)?,
        settled: false,
        held_back: 0,
        tool: None,
        change: None,
    })
}

/// Changes and errors shown of one gateway.
const SHOWN: i64 = 100;

fn history(
    connection: &Connection,
    gateway: &str,
    since: Moment,
    now: Moment,
    bars: usize,
) -> rusqlite::Result<GatewayHistory> {
    // A quarter of an hour is the finest that is kept.
    let slots = now.millis().div_euclid(SLOT).saturating_sub(since.millis().div_euclid(SLOT)).saturating_add(1);
    let bars = bars.min(usize::try_from(slots).unwrap_or(1)).max(1);
    let mut all = bars_of(connection, gateway, since, now, bars)?;
    let own = all.remove("").unwrap_or_else(|| vec![Bar::default(); bars]);
    let services =
        all.into_iter().map(|(name, bars)| ServiceHistory { name, uptime: Bar::uptime(&bars), bars }).collect();
    let mut transitions: Vec<Transition> = connection
        .prepare(&format!(
            "SELECT {TRANSITION} FROM transitions WHERE gateway = ?1 AND at >= ?2 ORDER BY id DESC LIMIT {SHOWN}"
        ))?
        .query_map(params![gateway, since.millis()], transition)?
        .collect::<rusqlite::Result<_>>()?;
    transitions.reverse();
    let errors = connection
        .prepare(
            "SELECT at, error_class, error_message FROM reports
             WHERE gateway = ?1 AND at >= ?2 AND error_class IS NOT NULL ORDER BY id DESC LIMIT 10",
        )?
        .query_map(params![gateway, since.millis()], |row| {
            Ok(ErrorSeen { at: moment(row, 0)?, class: row.get(1)?, message: row.get(2)? })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(GatewayHistory {
        gateway: gateway.to_owned(),
        uptime: Bar::uptime(&own),
        bars: own,
        services,
        transitions,
        errors,
    })
}

fn bars_of(
    connection: &Connection,
    gateway: &str,
    since: Moment,
    now: Moment,
    bars: usize,
) -> rusqlite::Result<BTreeMap<String, Vec<Bar>>> {
    let first = since.millis().div_euclid(SLOT);
    let last = now.millis().div_euclid(SLOT).max(first);
    let slots = usize::try_from(last - first + 1).unwrap_or(1);
    let mut all: BTreeMap<String, Vec<Bar>> = BTreeMap::new();
    let mut latencies: BTreeMap<(String, usize), (f64, f64)> = BTreeMap::new();
    let mut rows = connection.prepare(
        "SELECT service, slot, good, part, bad, unknown, latency_sum, latency_count FROM slots WHERE gateway = ?1 AND slot BETWEEN ?2 AND ?3",
    )?;
    let mut rows = rows.query(params![gateway, first, last])?;
    while let Some(row) = rows.next()? {
        let service: String = row.get(0)?;
        let offset = usize::try_from(row.get::<_, i64>(1)? - first).unwrap_or_default();
        let at = (offset * bars / slots).min(bars - 1);
        let bar = all.entry(service.clone()).or_insert_with(|| vec![Bar::default(); bars]);
        let Some(bar) = bar.get_mut(at) else { continue };
        bar.good = bar.good.saturating_add(row.get(2)?);
        bar.part = bar.part.saturating_add(row.get(3)?);
        bar.bad = bar.bad.saturating_add(row.get(4)?);
        bar.unknown = bar.unknown.saturating_add(row.get(5)?);
        let (sum, count) = latencies.entry((service, at)).or_default();
        *sum += row.get::<_, f64>(6)?;
        *count += f64::from(row.get::<_, u32>(7)?);
        bar.latency_ms = (*count > 0.0).then(|| (*sum / *count * 10.0).round() / 10.0);
    }
    Ok(all)
}

/// A day, as people say it: `30m`, `24h`, `7d`.
///
/// # Errors
///
/// What would be right.
pub fn stretch(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no stretch of time; write 30m, 24h or 7d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text
        .strip_suffix(unit)
        .and_then(|number| number.parse().ok())
        .filter(|number| *number > 0)
        .ok_or_else(wrong)?;
    number
        .checked_mul(seconds)
        .filter(|seconds| *seconds <= 90 * 86_400)
        .map(Duration::from_secs)
        .ok_or_else(|| format!("{text} is more than 90 days, and nothing is kept longer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_told_only_when_most_looks_knew_something() {
        let bar = |good, bad, unknown| Bar { good, bad, unknown, ..Bar::default() };
        assert_eq!(Bar::uptime(&[bar(3, 1, 0), bar(0, 0, 4)]), Some(0.75));
        assert_eq!(Bar::uptime(&[bar(1, 0, 0), bar(0, 0, 90)]), None, "100 % of one look in a day");
        assert_eq!(Bar::uptime(&[bar(0, 0, 5)]), None);
        assert_eq!(Bar::uptime(&[]), None);
    }
}
