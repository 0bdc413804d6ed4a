//! What the kit says at its end.
//! Takes verdicts; gives [`Report`], whose JSON is stable: members may be added, never changed or removed.

use std::time::Duration;

use serde::Serialize;

use super::{
    Interface,
    battery::Check,
    verdict::{Miss, Verdict},
};
use pflow_gateway_base::scrub;

/// Words of a component, on the screen and in JSON, in characters.
const SHOWN: usize = 700;

/// What became of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As the contract wants it.
    Passed,
    /// Not as the contract wants it.
    Failed,
    /// The contract leaves it to the component, and this one does not do it. Not counted.
    NotOffered,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// A sentence about the component.
    pub name: String,
    /// The part of the contract.
    pub interface: Interface,
    /// Whether it passed; none when it is not offered.
    pub ok: Option<bool>,
    /// The same in a word.
    pub outcome: Outcome,
    /// Where `wit/gateway.wit` says so: `discovery.conversation.open`.
    pub cites: String,
    /// What must be found.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// How many checks passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Score {
    /// Those that passed.
    pub passed: usize,
    /// Those that did not.
    pub failed: usize,
    /// Both together.
    pub total: usize,
    /// Those that the contract leaves open and this component does not do.
    pub not_offered: usize,
    /// Passed of total, in percent, rounded down: 100 means all.
    pub percent: usize,
}

/// The score of one part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct InterfaceScore {
    /// The part.
    pub name: Interface,
    /// Its score.
    #[serde(flatten)]
    pub score: Score,
}

/// What became of all checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Of all checks.
    pub score: Score,
    /// Of each part that was checked, in the order of [`Interface::ALL`].
    pub interfaces: Vec<InterfaceScore>,
    /// One by one, in the same order.
    pub checks: Vec<Checked>,
}

/// What a check asks for.
pub(super) struct Asked {
    pub(super) interface: Interface,
    pub(super) name: &'static str,
    pub(super) cites: &'static str,
    pub(super) expected: &'static str,
}

impl From<&Check> for Asked {
    fn from(check: &Check) -> Self {
        Self { interface: check.interface, name: check.name, cites: check.cites, expected: check.expected }
    }
}

/// A check that was played.
pub(super) struct Played {
    pub(super) check: Asked,
    pub(super) verdict: Verdict,
    pub(super) took: Duration,
}

impl From<Played> for Checked {
    fn from(played: Played) -> Self {
        let (outcome, found) = match played.verdict {
            Ok(found) => (Outcome::Passed, found),
            Err(Miss::Wrong(found)) => (Outcome::Failed, found),
            Err(Miss::NotOffered(why)) => (Outcome::NotOffered, why),
        };
        Self {
            name: played.check.name.to_owned(),
            interface: played.check.interface,
            ok: (outcome != Outcome::NotOffered).then_some(outcome == Outcome::Passed),
            outcome,
            cites: played.check.cites.to_owned(),
            expected: played.check.expected.to_owned(),
            found: scrub::line(&found, SHOWN),
            ms: u64::try_from(played.took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl Score {
    fn of<'a>(checks: impl Iterator<Item = &'a Checked>) -> Self {
        let mut score = Self::default();
        for check in checks {
            match check.outcome {
                Outcome::Passed => score.passed += 1,
                Outcome::Failed => score.failed += 1,
                Outcome::NotOffered => score.not_offered += 1,
            }
        }
        score.total = score.passed + score.failed;
        score.percent = (score.passed * 100).checked_div(score.total).unwrap_or(0);
        score
    }
}

impl Report {
    pub(super) fn new(played: Vec<Played>) -> Self {
        let mut checks: Vec<Checked> = played.into_iter().map(Checked::from).collect();
        checks.sort_by_key(|check| check.interface);
        let interfaces = Interface::ALL
            .into_iter()
            .filter(|interface| checks.iter().any(|check| check.interface == *interface))
            .map(|name| InterfaceScore {
                name,
                score: Score::of(checks.iter().filter(|check| check.interface == name)),
            })
            .collect();
        Self { score: Score::of(checks.iter()), interfaces, checks }
    }

    /// Whether the component does everything that it is subject to.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.score.failed == 0
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    fn played(interface: Interface, verdict: Verdict) -> Played {
        let check = Asked { interface, name: "does it", cites: "calls", expected: "it" };
        Played { check, verdict, took: Duration::from_millis(3) }
    }

    #[test]
    fn what_is_not_offered_counts_for_nobody() {
        let report = Report::new(vec![
            played(Interface::Calls, Ok("it".into())),
            played(Interface::Calls, Err(Miss::NotOffered("no events".into()))),
            played(Interface::Discovery, Err(Miss::Wrong("nothing".into()))),
            played(Interface::Calls, Ok("it".into())),
        ]);
        assert_eq!(report.score, Score { passed: 2, failed: 1, total: 3, not_offered: 1, percent: 66 });
        let names: Vec<_> = report.interfaces.iter().map(|of| (of.name, of.score.percent)).collect();
        assert_eq!(names, [(Interface::Discovery, 0), (Interface::Calls, 100)]);
        assert!(!report.is_good());
        assert!(Report::new(vec![played(Interface::Calls, Err(Miss::NotOffered(String::new())))]).is_good());
    }

    #[test]
    fn what_a_component_wrote_is_made_harmless() {
        let report =
            Report::new(vec![played(Interface::Calls, Err(Miss::Wrong(format!("\x1b[2J{}", "x".repeat(9_000)))))]);
        let found = &report.checks[0].found;
        assert!(!found.contains('\x1b') && found.chars().count() <= SHOWN + 1, "{found}");
    }

    #[test]
    fn the_members_of_the_json_stay() {
        let report = Report::new(vec![played(Interface::Health, Ok("it".into()))]);
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "score": {"passed": 1, "failed": 0, "total": 1, "not_offered": 0, "percent": 100},
                "interfaces": [{"name": "health", "passed": 1, "failed": 0, "total": 1, "not_offered": 0, "percent": 100}],
                "checks": [{
                    "name": "does it", "interface": "health", "ok": true, "outcome": "passed", "cites": "calls",
                    "expected": "it", "found": "it", "ms": 3,
                }],
            })
        );
    }
}
