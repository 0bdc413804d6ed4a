//! Which tools a user wants: services and tools by glob, MCP's hints, control tools.
//! Takes rules and candidates; gives one verdict each. Pure. Must treat absent hints as MCP's defaults do.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    glob::{Broken, Glob},
    model::{Attribution, Candidate, Confidence, PatternError, Reason, Rules},
    names,
};

/// One verdict per candidate, in order: none to keep it.
///
/// # Errors
///
/// A pattern is no glob.
pub fn select(rules: &Rules, candidates: &[Candidate]) -> Result<Vec<Option<Reason>>, PatternError> {
    let include_services = globs(&rules.include_services)?;
    let exclude_services = globs(&rules.exclude_services)?;
    let include_tools = globs(&rules.include_tools)?;
    let exclude_tools = globs(&rules.exclude_tools)?;
    let including = include_services.is_some() || include_tools.is_some();
    let pretenders = if including { Pretenders::among(candidates) } else { Pretenders::default() };
    Ok(candidates
        .iter()
        .map(|candidate| {
            let named = rules.include_tools.contains(&candidate.name);
            let service = candidate.service.as_deref();
            let annotations = candidate.annotations.as_ref();
            let read_only = annotations.and_then(|hints| hints.read_only).unwrap_or(false);
            // MCP: destructiveHint defaults to true, and means something only when the tool is not read-only.
            let destructive = !read_only && annotations.and_then(|hints| hints.destructive).unwrap_or(true);
            let control = candidate.attribution == Attribution::Control;
            let excluded = |globs: &Option<Vec<Glob>>, name: &str| globs.as_ref().is_some_and(|globs| any(globs, name));
            // A glob means names that look as it does; what only looks so has to be spelled out.
            let missing = |globs: &Option<Vec<Glob>>, patterns: &[String], what: &BTreeSet<&str>, name: &str| {
                let spelled = || patterns.iter().any(|pattern| pattern == name);
                globs.as_ref().is_some_and(|globs| !any(globs, name) || (what.contains(name) && !spelled()))
            };
            let included =
                |service: &str| !missing(&include_services, &rules.include_services, &pretenders.services, service);
            let checks = [
                (control && !rules.control_tools && !named, Reason::ControlTool),
                (service.is_some_and(|service| excluded(&exclude_services, service)), Reason::ServiceExcluded),
                // Asking for control tools is asking for them, whatever services are included.
                (
                    !control && service.map_or(include_services.is_some(), |service| !included(service)),
                    Reason::ServiceNotIncluded,
                ),
                (
                    !control
                        && include_services.is_some()
                        && !rules.claims
                        && candidate.confidence != Confidence::Certain,
                    Reason::ServiceNotCertain,
                ),
                (excluded(&exclude_tools, &candidate.name), Reason::ToolExcluded),
                (
                    missing(&include_tools, &rules.include_tools, &pretenders.tools, &candidate.name),
                    Reason::ToolNotIncluded,
                ),
                (rules.read_only && !read_only, Reason::NotReadOnly),
                (rules.no_destructive && destructive, Reason::Destructive),
            ];
            checks.into_iter().find_map(|(applies, reason)| applies.then_some(reason))
        })
        .collect())
}

/// Names that pretend to be other ones.
#[derive(Default)]
struct Pretenders<'c> {
    services: BTreeSet<&'c str>,
    tools: BTreeSet<&'c str>,
}

impl<'c> Pretenders<'c> {
    fn among(candidates: &'c [Candidate]) -> Self {
        let service = |candidate: &'c Candidate| Some((candidate.service.as_deref()?, candidate.confidence));
        Self {
            services: pretenders(candidates.iter().filter_map(service)),
            tools: pretenders(candidates.iter().map(|candidate| (candidate.name.as_str(), candidate.confidence))),
        }
    }
}

/// Those that hide something or are written in letters of another script, and of several names that look alike those which are not plain, or
/// of which less is known.
fn pretenders<'c>(names: impl Iterator<Item = (&'c str, Confidence)>) -> BTreeSet<&'c str> {
    // In one go, which is several times quicker than name by name: of equal names the last stays, with the best of what is known.
    let mut names: Vec<(&str, Reverse<Confidence>)> = names.map(|(name, known)| (name, Reverse(known))).collect();
    names.sort_unstable();
    let known: BTreeMap<&str, Confidence> = names.into_iter().map(|(name, Reverse(known))| (name, known)).collect();
    let mut pretenders: BTreeSet<&str> = known.keys().copied().filter(|name| names::is_disguised(name)).collect();
    for alike in names::alike(known.keys().copied()) {
        let rank = |name: &&str| (!name.is_ascii(), known.get(name).copied());
        let best = alike.iter().map(rank).min();
        pretenders.extend(alike.iter().filter(|name| Some(rank(name)) != best).copied());
    }
    pretenders
}

/// None for an empty list.
fn globs(patterns: &[String]) -> Result<Option<Vec<Glob>>, PatternError> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let read = |pattern: &String| {
        pattern
            .parse()
            .map_err(|problem: Broken| PatternError { pattern: pattern.clone(), problem: problem.to_string() })
    };
    patterns.iter().map(read).collect::<Result<_, _>>().map(Some)
}

fn any(globs: &[Glob], name: &str) -> bool {
    globs.iter().any(|glob| glob.is_match(name))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::model::Annotations;

    fn candidate(name: &str, service: Option<&str>) -> Candidate {
        Candidate {
            name: name.to_owned(),
            service: service.map(str::to_owned),
            attribution: Attribution::Reported,
            confidence: Confidence::Certain,
            annotations: None,
            title: None,
            description: None,
            input_schema: None,
            meta: None,
            original_name: None,
        }
    }

    fn list(patterns: &[&str]) -> Vec<String> {
        patterns.iter().map(|pattern| (*pattern).to_owned()).collect()
    }

    fn verdict(rules: &Rules, candidate: Candidate) -> Option<Reason> {
        select(rules, &[candidate]).unwrap().remove(0)
    }

    #[test]
    fn without_rules_everything_but_control_tools_is_kept() {
        let control = Candidate { attribution: Attribution::Control, ..candidate("mcp-add", Some("gateway")) };
        let verdicts = select(&Rules::default(), &[candidate("a", None), control.clone()]).unwrap();
        assert_eq!(verdicts, [None, Some(Reason::ControlTool)]);
        let asked = Rules { control_tools: true, ..Rules::default() };
        assert_eq!(verdict(&asked, control.clone()), None);
        let named = Rules { include_tools: list(&["mcp-add"]), ..Rules::default() };
        assert_eq!(verdict(&named, control.clone()), None);
        let globbed = Rules { include_tools: list(&["mcp-*"]), ..Rules::default() };
        assert_eq!(verdict(&globbed, control), Some(Reason::ControlTool), "a glob is not an exact name");
    }

    #[test]
    fn services_are_included_and_excluded_and_excluding_wins() {
        let rules =
            Rules { include_services: list(&["git*"]), exclude_services: list(&["gitlab"]), ..Rules::default() };
        assert_eq!(verdict(&rules, candidate("a", Some("github"))), None);
        assert_eq!(verdict(&rules, candidate("a", Some("gitlab"))), Some(Reason::ServiceExcluded));
        assert_eq!(verdict(&rules, candidate("a", Some("slack"))), Some(Reason::ServiceNotIncluded));
        assert_eq!(
            verdict(&rules, candidate("a", None)),
            Some(Reason::ServiceNotIncluded),
            "unattributed is not included"
        );
        let excluding = Rules { exclude_services: list(&["*"]), ..Rules::default() };
        assert_eq!(verdict(&excluding, candidate("a", None)), None, "no service, nothing to exclude");
    }

    #[test]
    fn an_included_service_takes_in_only_what_is_certain_unless_claims_are_believed() {
        let github = Rules { include_services: list(&["github"]), ..Rules::default() };
        let claimed = |confidence| Candidate { confidence, ..candidate("a", Some("github")) };
        assert_eq!(verdict(&github, claimed(Confidence::Certain)), None);
        for confidence in [Confidence::High, Confidence::Low] {
            assert_eq!(verdict(&github, claimed(confidence)), Some(Reason::ServiceNotCertain));
            let believing = Rules { claims: true, ..github.clone() };
            assert_eq!(verdict(&believing, claimed(confidence)), None);
            let excluding = Rules { exclude_services: list(&["slack"]), ..Rules::default() };
            assert_eq!(verdict(&excluding, claimed(confidence)), None, "what is not asked for needs no proof");
        }
    }

    #[test]
    fn a_glob_never_means_a_name_that_only_looks_as_if() {
        let evil = ["g\u{456}thub", "git\u{200b}hub", "github\u{3164}", "\u{ff47}ithub"];
        for pattern in ["*", "g*", "g?thub", "git*hub", "github*"] {
            let services = Rules { include_services: list(&[pattern]), ..Rules::default() };
            let tools = Rules { include_tools: list(&[pattern]), ..Rules::default() };
            for name in evil {
                let candidates = [candidate("github", Some("github")), candidate(name, Some(name))];
                for rules in [&services, &tools] {
                    let verdicts = select(rules, &candidates).unwrap();
                    assert!(matches!(verdicts.as_slice(), [None, Some(_)]), "{pattern} {name:?}");
                }
            }
        }
        let spelled = Rules { include_services: list(&["g\u{456}thub"]), ..Rules::default() };
        assert_eq!(verdict(&spelled, candidate("a", Some("g\u{456}thub"))), None, "who spells it out means it");
        // Of two that any keyboard can write, the one that is certain is meant.
        let rules = Rules { include_services: list(&["git*"]), claims: true, ..Rules::default() };
        let claimed = Candidate { confidence: Confidence::High, ..candidate("b", Some("gitIab")) };
        let verdicts = select(&rules, &[candidate("a", Some("gitlab")), claimed]).unwrap();
        assert_eq!(verdicts, [None, Some(Reason::ServiceNotIncluded)]);
    }

    #[test]
    fn globs_match_whole_names_with_case_and_slashes() {
        let rules = |pattern: &str| Rules { include_tools: list(&[pattern]), ..Rules::default() };
        for (pattern, name, kept) in [
            ("list_*", "list_issues", true),
            ("list_*", "relist_issues", false),
            ("List_*", "list_issues", false),
            ("*", "a/b/c", true),
            ("a?c", "a/c", true),
            ("{get,list}_[a-m]*", "get_issue", true),
            ("{get,list}_[a-m]*", "get_users", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("ä*", "ärger", true),
            ("?rger", "ärger", true),
        ] {
            assert_eq!(verdict(&rules(pattern), candidate(name, None)).is_none(), kept, "{pattern} {name}");
        }
    }

    #[test]
    fn a_broken_glob_is_named() {
        let rules = Rules { exclude_tools: list(&["fine", "a[b"]), ..Rules::default() };
        let error = select(&rules, &[]).unwrap_err();
        assert_eq!(error.pattern, "a[b");
        assert!(!error.problem.is_empty());
    }

    #[test]
    fn missing_hints_count_as_mcp_says() {
        let hinted = |read_only, destructive| Candidate {
            annotations: Some(Annotations { read_only, destructive, ..Annotations::default() }),
            ..candidate("a", None)
        };
        let read_only = Rules { read_only: true, ..Rules::default() };
        assert_eq!(verdict(&read_only, hinted(Some(true), None)), None);
        assert_eq!(verdict(&read_only, hinted(None, Some(false))), Some(Reason::NotReadOnly));
        let gentle = Rules { no_destructive: true, ..Rules::default() };
        assert_eq!(verdict(&gentle, hinted(None, None)), Some(Reason::Destructive));
        assert_eq!(verdict(&gentle, hinted(Some(true), Some(true))), None, "read-only destroys nothing");
        assert_eq!(verdict(&gentle, hinted(Some(false), Some(false))), None);
        assert_eq!(verdict(&gentle, candidate("a", None)), Some(Reason::Destructive));
    }

    proptest! {
        #[test]
        fn any_pattern_is_a_glob_or_an_error_and_there_is_one_verdict_each(
            pattern in r"[a-c*?\[\]{},!\\-]{0,12}",
            names in proptest::collection::vec("[a-c/_-]{0,6}", 0..6),
        ) {
            let candidates: Vec<Candidate> = names.iter().map(|name| candidate(name, Some(name))).collect();
            let rules = Rules { include_tools: vec![pattern.clone()], exclude_services: vec![pattern], ..Rules::default() };
            if let Ok(verdicts) = select(&rules, &candidates) {
                prop_assert_eq!(verdicts.len(), names.len());
                prop_assert!(verdicts.iter().all(Option::is_some), "what is included is excluded too");
            }
        }

        #[test]
        fn a_literal_name_includes_itself_alone(name in "[a-z_/.-]{1,10}", other in "[a-z_/.-]{1,10}") {
            let rules = Rules { include_tools: vec![name.clone()], ..Rules::default() };
            let verdicts = select(&rules, &[candidate(&name, None), candidate(&other, None)]).unwrap();
            prop_assert_eq!(&verdicts, &[None, (name != other).then_some(Reason::ToolNotIncluded)]);
        }
    }
}
