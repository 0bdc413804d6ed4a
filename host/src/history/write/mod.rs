//! What goes into the history.
//! Takes judged reports and call results; gives the changes of state. One transaction each: there whole, or not at all.

mod calls;
mod catalogues;
mod room;
mod states;

use rusqlite::{OptionalExtension as _, Transaction, TransactionBehavior, params};

use self::room::clean_up;
pub use self::{calls::CallResult, states::Transition};
pub(super) use self::{calls::tool_of, states::SLOT};
use super::{
    History,
    clock::Moment,
    judge::{Seen, Verdict},
    masked::masked,
    watcher::observations,
};
use crate::{
    digest::sha256,
    report::{GatewayHealth, Status},
};

/// Reports between two clean-ups.
const CLEAN_UP_EVERY: i64 = 200;
/// More than this at one look, and it is looked at once whether there are too many.
const MANY: usize = 100;

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

pub(super) fn status_of(name: &str) -> Option<Status> {
    Status::ALL.iter().copied().find(|status| status.as_str() == name)
}

/// What a gateway is recognised by; its URL may hold a key in its query, so only a digest is kept.
fn digest(url: &str) -> String {
    sha256(url.as_bytes()).chars().take(32).collect()
}
