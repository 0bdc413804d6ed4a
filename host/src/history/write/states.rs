//! States of a gateway and its services, their changes, and the bars of the day.
//! Takes what was found at one look; gives since when it is so. Never counts a look as news that changes nothing.

use rusqlite::{OptionalExtension as _, params};
use serde::Serialize;

use super::Write;
use crate::{
    clock::Moment,
    history::{news::Floor, read::status_at},
    report::{Change, Status},
    scrub,
};

/// Looks are counted by quarters of an hour: 96 bars a day.
pub(in crate::history) const SLOT: i64 = 900_000;
/// Characters of a reason.
const REASON: usize = 500;

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
    /// Worth telling. What flaps is told less and less often, and when it has settled.
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

impl Write<'_> {
    pub(super) fn since(&self, service: &str) -> rusqlite::Result<Option<Moment>> {
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
    pub(super) fn state(
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

    pub(super) fn slot(&self, service: &str, status: Status, latency: Option<f64>) -> rusqlite::Result<()> {
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
}
