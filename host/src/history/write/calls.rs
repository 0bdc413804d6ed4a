//! How calls went, and what they say of the services behind a gateway.
//! Takes the result of each call; makes a service suspect at once, or clears it. Never blames a service for what the filter or the gateway did.

use rusqlite::{OptionalExtension as _, TransactionBehavior, params};

use super::Write;
use crate::{
    Class,
    clock::Moment,
    history::{History, judge::is_well, masked::masked, read::status_at},
    report::{Call, Status},
    scrub,
};

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
pub(in crate::history) fn tool_of(about: &str) -> Option<&str> {
    about.strip_prefix(TOOL)
}

impl History {
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
}
