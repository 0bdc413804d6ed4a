//! Catalogues: the good ones that later ones are compared with, and the latest.
//! Takes what was listed, and what its user says of it; keeps some of each kind. Never decides itself whether one is good: the verdict or
//! the user does.

use rusqlite::{OptionalExtension as _, TransactionBehavior, params};

use super::Write;
use crate::{
    clock::Moment,
    history::{
        History, baseline,
        judge::{SnapshotTool, Verdict},
        read::snapshot,
    },
};

/// Old good catalogues of one gateway.
const SNAPSHOTS: i64 = 10;
/// Bytes of a catalogue: a name and a service for each of some hundred thousand tools.
const CATALOGUE: usize = 8 * 1_024 * 1_024;

impl History {
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
            let (Some(good), Some(latest)) = (good, snapshot(&transaction, gateway, "latest")?) else {
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
                let Some(mut known) = snapshot(&transaction, gateway, kind)? else { continue };
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

/// Whether its user said that a catalogue is good.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Accepted {
    Yes,
    No,
}

impl Write<'_> {
    pub(super) fn catalogue(&mut self, tools: &[SnapshotTool], verdict: &Verdict) -> rusqlite::Result<()> {
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
}
