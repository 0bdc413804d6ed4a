//! How much is kept, and for how long.
//! Takes the present moment; deletes what is old or too much. Never the newest, whatever the clock says: it may be wrong.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::{SLOT, Write};
use crate::clock::Moment;

/// What is kept, and for how long. The newest rows stay whatever the clock says: it may be wrong.
const KEEP_REPORTS: Duration = Duration::from_hours(24);
const KEEP: Duration = Duration::from_hours(24 * 90);
const FEWEST_REPORTS: i64 = 500;
const MOST_REPORTS: i64 = 20_000;
const FEWEST_TRANSITIONS: i64 = 2_000;
const MOST_TRANSITIONS: i64 = 50_000;
/// Services of one gateway that are remembered, those among them that it does not report any more. Names can be made up anew each time.
const SERVICES: i64 = 1_000;
/// A state that nobody saw for so long is forgotten.
const FORGET: Duration = Duration::from_hours(24 * 90);
/// Bytes in use from which on only half of everything is kept.
const LARGE: i64 = 64 * 1_024 * 1_024;

impl Write<'_> {
    /// Keeps the newest of a gateway's services.
    pub(super) fn forget_services(&self) -> rusqlite::Result<()> {
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
}

/// Drops what is old, by age and by number; half of it all where that does not do.
pub(super) fn clean_up(connection: &Connection, now: Moment) -> rusqlite::Result<()> {
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
