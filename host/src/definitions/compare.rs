//! A listing against what was accepted.
//! Takes the tools of both; gives how each listed one stands. A name that stayed is no proof that the tool did, and another name none that
//! it changed: the gateway's ids tell, where it has some.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{Accepted, Digest, Listing, Owner, store::Known};

/// How a listed tool stands to what was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// As it was accepted.
    Same,
    /// The same, under another name.
    Renamed,
    /// The same tool says other things of itself.
    Changed,
    /// Another tool has this name now.
    Replaced,
    /// Nothing of it was accepted.
    New,
}

impl Standing {
    /// In files and in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Renamed => "renamed",
            Self::Changed => "changed",
            Self::Replaced => "replaced",
            Self::New => "new",
        }
    }

    /// Whether it is what somebody accepted.
    #[must_use]
    pub fn is_accepted(self) -> bool {
        matches!(self, Self::Same | Self::Renamed)
    }
}

/// How one tool stands.
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    /// Whether it is as it was accepted.
    pub standing: Standing,
    /// Of its definition as listed.
    pub digest: Digest,
    /// What it is compared with: its place among the accepted ones.
    pub with: Option<usize>,
}

/// How each tool stands, in the order listed. `declared` is a digest of the services that the user declares.
pub(crate) fn compare(accepted: &Accepted, declared: &str, tools: &[(Listing<'_>, Digest)]) -> Vec<Comparison> {
    let listed: HashSet<&str> = tools.iter().map(|(tool, _)| tool.name).collect();
    let names_count = accepted.declared() == declared;
    tools
        .iter()
        .map(|(tool, digest)| {
            let (standing, with) = standing(accepted, names_count, &listed, tool, *digest);
            Comparison { standing, digest: *digest, with }
        })
        .collect()
}

fn standing(
    accepted: &Accepted,
    names_count: bool,
    listed: &HashSet<&str>,
    tool: &Listing<'_>,
    digest: Digest,
) -> (Standing, Option<usize>) {
    if let Some((at, known)) = accepted.named(tool.name) {
        let standing = if is_another(&known.owner, &tool.owner, names_count) {
            Standing::Replaced
        } else if known.digest == digest {
            Standing::Same
        } else {
            Standing::Changed
        };
        return (standing, Some(at));
    }
    let before = tool.owner.identity.as_ref().and_then(|identity| accepted.identified(identity));
    // Its old name is listed too: then this one is a second one.
    match before.filter(|(_, known)| !listed.contains(known.name.as_str())) {
        Some((at, known)) if known.digest == digest => (Standing::Renamed, Some(at)),
        Some((at, _)) => (Standing::Changed, Some(at)),
        None => (Standing::New, None),
    }
}

/// Whether a name belongs to another tool than before. Without ids on both sides the services' names decide, where both are certain
/// and were not told otherwise by the user in between.
fn is_another(before: &Owner, now: &Owner, names_count: bool) -> bool {
    match (&before.identity, &now.identity) {
        (Some(before), Some(now)) => before != now,
        _ => {
            names_count
                && before.certain
                && now.certain
                && before.service.is_some()
                && now.service.is_some()
                && before.service != now.service
        }
    }
}

/// Whether what is known of an unchanged tool has to be written anew.
pub(super) fn is_news_of(known: &Known, tool: &Listing<'_>) -> bool {
    known.name != tool.name || known.owner != tool.owner
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;
    use crate::definitions::{Identity, listing};

    fn of(mut tool: Listing<'static>, service: &str, id: Option<(&str, &str)>) -> Listing<'static> {
        tool.owner = Owner {
            service: Some(service.to_owned()),
            certain: true,
            identity: id
                .map(|(service, original)| Identity { service: service.to_owned(), original: original.to_owned() }),
        };
        tool
    }

    fn digested(tools: Vec<Listing<'static>>) -> Vec<(Listing<'static>, Digest)> {
        tools.into_iter().map(|tool| (tool.clone(), tool.parts.digest())).collect()
    }

    fn accepted(tools: Vec<Listing<'static>>) -> Accepted {
        Accepted::of_tests("d", &digested(tools))
    }

    fn standings(accepted: &Accepted, declared: &str, tools: Vec<Listing<'static>>) -> Vec<Standing> {
        compare(accepted, declared, &digested(tools)).into_iter().map(|one| one.standing).collect()
    }

    #[test]
    fn without_ids_a_tool_is_its_name_and_its_certain_service() {
        let before = accepted(vec![of(listing("a", "A"), "git", None), of(listing("b", "B"), "git", None)]);
        let now = vec![of(listing("a", "A"), "git", None), of(listing("b", "other"), "git", None), listing("c", "C")];
        assert_eq!(standings(&before, "d", now), [Standing::Same, Standing::Changed, Standing::New]);
        let foreign = || vec![of(listing("a", "A"), "evil", None)];
        assert_eq!(standings(&before, "d", foreign()), [Standing::Replaced], "word for word, and of somebody else");
        assert_eq!(
            standings(&before, "other", foreign()),
            [Standing::Same],
            "the user calls the service otherwise now"
        );
        let mut guess = of(listing("a", "A"), "evil", None);
        guess.owner.certain = false;
        assert_eq!(standings(&before, "d", vec![guess]), [Standing::Same], "a guess proves nothing");
    }

    #[test]
    fn an_id_tells_a_rename_from_another_tool_under_an_old_name() {
        let before = accepted(vec![
            of(listing("git-a", "A"), "git", Some(("1", "a"))),
            of(listing("git-b", "B"), "git", Some(("1", "b"))),
        ]);
        let renamed = vec![
            of(listing("forge-a", "A"), "forge", Some(("1", "a"))),
            of(listing("forge-b", "other"), "forge", Some(("1", "b"))),
        ];
        assert_eq!(standings(&before, "d", renamed), [Standing::Renamed, Standing::Changed]);
        // Two services exchange their names.
        let exchanged = vec![
            of(listing("git-a", "A"), "git", Some(("2", "a"))),
            of(listing("old-a", "A"), "old", Some(("1", "a"))),
        ];
        assert_eq!(standings(&before, "d", exchanged), [Standing::Replaced, Standing::New]);
        let service_renamed = vec![of(listing("git-a", "A"), "renamed", Some(("1", "a")))];
        assert_eq!(standings(&before, "d", service_renamed), [Standing::Same]);
    }

    #[test]
    fn an_id_that_two_tools_have_tells_nothing() {
        let before =
            accepted(vec![of(listing("x", "A"), "s", Some(("1", "a"))), of(listing("y", "A"), "s", Some(("1", "a")))]);
        assert_eq!(standings(&before, "d", vec![of(listing("z", "A"), "s", Some(("1", "a")))]), [Standing::New]);
        let (at, known) = before.named("x").unwrap();
        assert_eq!((at, known.name.as_str()), (0, "x"));
    }
}
