//! What a watcher is told of tools that are not as they were accepted.
//! Takes a report and what the watcher was told before; gives what to tell now. Pure. Never tells one definition twice, and never more
//! than a screen at once.

use std::collections::BTreeMap;

use super::{clock::Moment, masked::masked, news::NotifiedChange, write::Transition};
use crate::{
    digest::sha256,
    report::{Change, ChangedTool, GatewayHealth},
    scrub,
};

/// Tools that are told one by one at one look; the others are counted.
const ONE_BY_ONE: usize = 20;
/// Under which those are known that a report only counts.
const OTHERS: &str = "";

/// What the watcher knows after this look, and what it is told.
pub(super) fn news(
    before: &BTreeMap<String, NotifiedChange>,
    health: &GatewayHealth,
    now: Moment,
) -> (BTreeMap<String, NotifiedChange>, Vec<Transition>) {
    // Nothing was listed: nothing is known of the tools.
    if health.tools.is_none() {
        return (before.clone(), Vec::new());
    }
    let mut after: BTreeMap<String, NotifiedChange> = before
        .iter()
        .filter(|(_, told)| told.is_recent(now))
        .map(|(tool, told)| (tool.clone(), told.clone()))
        .collect();
    let mut to_tell: Vec<&ChangedTool> = Vec::new();
    let mut others = 0;
    for changed in &health.changed_tools {
        let name = scrub::line(&changed.tool, 200);
        let (told, tell) = NotifiedChange::see(before.get(&name).cloned(), &changed.digest, now);
        after.insert(name, told);
        if tell {
            to_tell.push(changed);
        }
    }
    if health.more_changed_tools > 0 {
        let digest = sha256(health.more_changed_tools.to_string().as_bytes());
        let (told, tell) = NotifiedChange::see(before.get(OTHERS).cloned(), &digest, now);
        after.insert(OTHERS.to_owned(), told);
        if tell {
            others = health.more_changed_tools;
        }
    }
    let of = |service: Option<String>, tool: Option<String>, change: Change, reason: String| Transition {
        id: 0,
        at: now,
        gateway: health.gateway.clone(),
        service,
        from: Some(health.status),
        to: health.status,
        reason,
        announced: true,
        settled: false,
        held_back: 0,
        tool,
        change: Some(change),
    };
    let mut all: Vec<Transition> = to_tell
        .iter()
        .take(ONE_BY_ONE)
        .map(|changed| {
            let reason = masked(&scrub::line(&changed.words(), 500));
            of(changed.service.clone(), Some(changed.tool.clone()), changed.change, reason)
        })
        .collect();
    others += to_tell.len().saturating_sub(ONE_BY_ONE);
    if others > 0 {
        let name = scrub::line(&health.gateway, 100);
        let tools = if others == 1 { "1 more tool is".to_owned() } else { format!("{others} more tools are") };
        let reason = format!("{tools} not as accepted: `snapshot diff {name}` shows them");
        all.push(of(None, None, Change::Changed, reason));
    }
    (after, all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Status;

    fn health(digests: &[(usize, &str)], more: usize) -> GatewayHealth {
        let mut health = GatewayHealth::new("gw", Status::Ok, "now");
        health.tools = Some(1_000);
        health.more_changed_tools = more;
        health.changed_tools = digests
            .iter()
            .map(|(number, digest)| ChangedTool {
                tool: format!("t{number}"),
                service: Some("s".to_owned()),
                change: Change::Changed,
                was_of: None,
                parts: vec!["description".to_owned()],
                means: Vec::new(),
                digest: (*digest).to_owned(),
                held: false,
            })
            .collect();
        health
    }

    fn at(seconds: i64) -> Moment {
        Moment::from_millis(1_795_400_000_000 + seconds * 1_000)
    }

    #[test]
    fn each_change_is_told_once_and_the_state_stays_as_it_is() {
        let (known, told) = news(&BTreeMap::new(), &health(&[(1, "a"), (2, "a")], 0), at(0));
        let words: Vec<_> = told.iter().map(|one| (one.tool.as_deref(), one.from, one.to)).collect();
        assert_eq!(words, [(Some("t1"), Some(Status::Ok), Status::Ok), (Some("t2"), Some(Status::Ok), Status::Ok)]);
        let (known, told) = news(&known, &health(&[(1, "a"), (2, "b")], 0), at(30));
        assert_eq!(told.iter().map(|one| one.tool.as_deref()).collect::<Vec<_>>(), [Some("t2")]);
        // Away, accepted, and back within the day.
        let mut away = health(&[], 0);
        away.tools = None;
        let (known, told) = news(&known, &away, at(60));
        assert_eq!((known.len(), told.len()), (2, 0));
        let (known, _) = news(&known, &health(&[], 0), at(90));
        assert!(news(&known, &health(&[(1, "a")], 0), at(120)).1.is_empty());
        let (known, _) = news(&known, &health(&[], 0), at(200_000));
        assert!(known.is_empty(), "it is forgotten in time");
    }

    #[test]
    fn a_gateway_that_changes_everything_is_told_on_one_screen() {
        let all: Vec<(usize, &str)> = (0..100).map(|number| (number, "a")).collect();
        let (known, told) = news(&BTreeMap::new(), &health(&all, 900), at(0));
        assert_eq!(told.len(), ONE_BY_ONE + 1);
        let last = told.last().map(|one| (one.tool.clone(), one.reason.clone()));
        assert_eq!(last, Some((None, "980 more tools are not as accepted: `snapshot diff gw` shows them".to_owned())));
        assert!(news(&known, &health(&all, 900), at(30)).1.is_empty());
    }
}
