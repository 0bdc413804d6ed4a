//! What complete listings showed, whoever made them: what the first look at a gateway is compared with.
//! Takes the tools of a listing; keeps them until a look has found the catalogue good. Never forgets a tool because a later listing
//! lacks it: whether that is a loss is for the look to say.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use rusqlite::{Connection, TransactionBehavior, params};

use super::{
    History,
    clock::Moment,
    judge::{Snapshot, SnapshotTool},
    write::Write,
};

/// Tools that are kept of one gateway at most: more than any listing that is read.
const MOST: usize = 20_000;

impl History {
    /// A complete listing, after which nobody judged. One that shows nothing new costs one read.
    pub fn listed(&self, gateway: &str, url: &str, tools: &[SnapshotTool], now: Moment) {
        if tools.is_empty() || tools.len() > MOST {
            return;
        }
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            Write { transaction: &transaction, gateway, now }.same_gateway(url)?;
            let good = read(&transaction, gateway, "good")?;
            let before = read(&transaction, gateway, "listed")?;
            if let Some(kept) = together(good.as_ref(), before.as_ref(), tools, now) {
                transaction
                    .execute("DELETE FROM snapshots WHERE gateway = ?1 AND kind = 'listed'", params![gateway])?;
                transaction.execute(
                    "INSERT INTO snapshots (gateway, kind, taken_at, seen_at, accepted, tools) VALUES (?1, 'listed', ?2, ?3, 0, ?4)",
                    params![
                        gateway,
                        now.millis(),
                        kept.seen_at.millis(),
                        serde_json::to_string(&kept.tools).unwrap_or_default()
                    ],
                )?;
            }
            transaction.commit()
        });
    }
}

fn read(connection: &Connection, gateway: &str, kind: &str) -> rusqlite::Result<Option<Snapshot>> {
    super::read::snapshot(connection, gateway, kind)
}

/// What is to be kept now. None: all of it is known.
fn together(
    good: Option<&Snapshot>,
    before: Option<&Snapshot>,
    tools: &[SnapshotTool],
    now: Moment,
) -> Option<Snapshot> {
    let names = |snapshot: Option<&Snapshot>| -> BTreeSet<String> {
        snapshot.iter().flat_map(|snapshot| &snapshot.tools).map(|tool| tool.name.clone()).collect()
    };
    let (good, known) = (names(good), names(before));
    let listed: HashSet<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let whole = known.iter().all(|name| listed.contains(name.as_str()));
    let nothing_new = tools.iter().all(|tool| good.contains(&tool.name) || known.contains(&tool.name));
    // When all of it was seen last is worth keeping, to the minute.
    let fresh = before.is_none_or(|before| before.seen_at.age(now).as_secs() < 60);
    if nothing_new && (fresh || !whole) {
        return None;
    }
    let mut all: BTreeMap<&str, &SnapshotTool> =
        before.iter().flat_map(|before| &before.tools).map(|tool| (tool.name.as_str(), tool)).collect();
    all.extend(tools.iter().map(|tool| (tool.name.as_str(), tool)));
    let seen_at = before.filter(|_| !whole).map_or(now, |before| before.seen_at);
    Some(Snapshot { seen_at, accepted: false, tools: all.into_values().take(MOST).cloned().collect() })
}

/// What a look is compared with: the good catalogue and what was listed since. And the names that only listings showed, if there is a
/// good catalogue: for the look they are new.
pub(super) fn of(connection: &Connection, gateway: &str) -> rusqlite::Result<(Option<Snapshot>, BTreeSet<String>)> {
    let good = read(connection, gateway, "good")?;
    let listed = read(connection, gateway, "listed")?;
    let (Some(mut good), Some(listed)) = (good.clone(), listed.clone()) else {
        return Ok((good.or(listed), BTreeSet::new()));
    };
    let known: BTreeSet<String> = good.tools.iter().map(|tool| tool.name.clone()).collect();
    let new: Vec<SnapshotTool> = listed.tools.into_iter().filter(|tool| !known.contains(&tool.name)).collect();
    let names = new.iter().map(|tool| tool.name.clone()).collect();
    good.tools.extend(new);
    good.tools.sort();
    Ok((Some(good), names))
}

/// A look has found a catalogue good: from now on that one counts.
pub(super) fn forget(connection: &Connection, gateway: &str) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM snapshots WHERE gateway = ?1 AND kind = 'listed'", [gateway]).map(|_| ())
}

/// Whose a tool was that is listed no more, and when it was seen last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// The service it was of, when that was known.
    pub service: Option<String>,
    /// When all was still there.
    pub seen_at: Moment,
}

impl History {
    /// What is known of a tool that is listed no more. None: it was never seen.
    #[must_use]
    pub fn gone(&self, gateway: &str, tool: &str) -> Option<Gone> {
        let snapshot = self.ask(|connection| of(connection, gateway))?.0?;
        let found = snapshot.tools.iter().find(|known| known.name == tool)?;
        Some(Gone { service: found.service.clone(), seen_at: snapshot.seen_at })
    }

    /// Services that an entry has no part in any more: its filter leaves them out.
    pub fn forget_services(&self, gateway: &str, services: &[String]) {
        if services.is_empty() {
            return;
        }
        self.with(|connection| {
            for service in services {
                connection
                    .execute("DELETE FROM states WHERE gateway = ?1 AND service = ?2", params![gateway, service])?;
            }
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;
    use crate::{
        history::{Seen, judge},
        report::{GatewayHealth, Status},
    };

    const URL: &str = "http://127.0.0.1:8811/mcp";

    fn tools(all: &[(&str, &str)]) -> Vec<SnapshotTool> {
        let tool = |(service, name): &(&str, &str)| SnapshotTool {
            name: (*name).to_owned(),
            service: Some((*service).to_owned()),
        };
        all.iter().map(tool).collect()
    }

    fn look(history: &History, listed: &[SnapshotTool], at: i64) -> GatewayHealth {
        let mut health = GatewayHealth::new("docker", Status::Ok, "now");
        health.tools = Some(listed.len());
        let seen = Seen { tools: Some(listed.to_vec()), ..Seen::default() };
        let now = Moment::from_millis(at);
        let verdict = judge(&mut health, &seen, &history.known("docker"), now);
        history.record(&mut health, URL, &seen, &verdict, now);
        health
    }

    #[test]
    fn a_loss_is_seen_by_the_first_look_whoever_listed_before_and_however_often() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::new(folder.path());
        let (both, one) = (tools(&[("github", "gh_a"), ("slack", "sl_a")]), tools(&[("github", "gh_a")]));
        history.listed("docker", URL, &both, Moment::from_millis(1_000));
        // Listings after the loss do not make it forgotten.
        for at in [200_000, 400_000] {
            history.listed("docker", URL, &one, Moment::from_millis(at));
        }
        let gone = history.gone("docker", "sl_a").unwrap();
        assert_eq!((gone.service.as_deref(), gone.seen_at), (Some("slack"), Moment::from_millis(1_000)));
        let health = look(&history, &one, 500_000);
        assert_eq!((health.status, health.vanished.as_slice()), (Status::Degraded, &["slack".to_owned()][..]));
        // Accepted, it is over.
        assert_eq!(history.accept("docker", Moment::from_millis(600_000)), Some(1));
        assert_eq!(look(&history, &one, 700_000).status, Status::Ok);
        assert_eq!(history.gone("docker", "sl_a"), None);
    }

    #[test]
    fn what_only_a_listing_showed_is_new_to_the_look_and_missed_when_it_goes() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::new(folder.path());
        let (one, two) = (tools(&[("github", "gh_a")]), tools(&[("github", "gh_a"), ("slack", "sl_a")]));
        look(&history, &one, 1_000);
        history.listed("docker", URL, &two, Moment::from_millis(2_000));
        let health = look(&history, &two, 3_000);
        assert_eq!(health.appeared, ["slack"], "a listing takes no news away");
        history.listed(
            "docker",
            URL,
            &tools(&[("github", "gh_a"), ("slack", "sl_a"), ("wiki", "w")]),
            Moment::from_millis(4_000),
        );
        let health = look(&history, &two, 5_000);
        assert_eq!((health.status, health.vanished.as_slice()), (Status::Degraded, &["wiki".to_owned()][..]));
    }

    #[test]
    fn another_url_is_another_gateway() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::new(folder.path());
        history.listed("docker", URL, &tools(&[("slack", "sl_a")]), Moment::from_millis(1_000));
        history.listed("docker", "http://127.0.0.1:9/mcp", &tools(&[("github", "gh_a")]), Moment::from_millis(2_000));
        assert_eq!(history.gone("docker", "sl_a"), None);
    }
}
