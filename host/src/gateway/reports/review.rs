//! What the component's rules think of tools.
//! Takes a listing; gives findings with their rules, fit for a terminal. Never changes or leaves out a tool for one.

use std::collections::{BTreeMap, BTreeSet};

use super::tools;
use crate::{
    Deadline, Result,
    config::Filter,
    gateway::failure::Failure,
    gateway::{catalogue::Listed, convert::phrase, parts::Parts},
    report::{self, Severity},
    runtime::{review, types},
    scrub,
};

/// Findings that are kept. A component may have one for each letter.
const MOST: usize = 2_000;
/// Rules that are kept.
const RULES: usize = 200;

/// All findings in the tools that the gateway's filter and `narrow` keep.
pub(in crate::gateway) async fn reviewed(parts: &Parts, narrow: &Filter, by: Deadline) -> Result<report::Review> {
    let kept = tools::catalog(parts, narrow, by).await?;
    let names: BTreeSet<&str> = kept.tools.iter().map(|tool| tool.name.as_str()).collect();
    let listed = parts.catalogue().listed();
    let tools = listed.iter().flat_map(|listed| &listed.catalog.tools);
    let tools: Vec<types::Tool> = tools.filter(|tool| names.contains(tool.name.as_str())).cloned().collect();
    let (rules, found) = ask(parts, &tools, |_| true, by).await.map_err(|failure| parts.peer().explain(failure))?;
    let more = found.len().saturating_sub(MOST);
    let mut found = found;
    // What is about several stands first, and then each tool as it is listed.
    let places: BTreeMap<&str, usize> = tools.iter().enumerate().map(|(at, tool)| (tool.name.as_str(), at)).collect();
    let place = |found: &review::Finding| found.tool.as_deref().and_then(|name| places.get(name).copied());
    found.sort_by_key(place);
    let tool_of = |found: &review::Finding| place(found).and_then(|at| tools.get(at));
    Ok(report::Review {
        gateway: parts.config().name.clone(),
        tools: tools.len(),
        findings: found.iter().take(MOST).map(|found| finding(found, tool_of(found))).collect(),
        more,
        rules: rules.iter().take(RULES).map(rule).collect(),
        warnings: kept.warnings,
    })
}

/// What the list itself does not tell of already, and somebody should mind. A look that fails says nothing.
pub(super) async fn untold(parts: &Parts, listed: &Listed, by: Deadline) -> Vec<report::Finding> {
    let own = |rule: &review::Rule| rule.told_as.is_none();
    let found = match ask(parts, &listed.catalog.tools, own, by).await {
        Ok((_, found)) => found,
        Err(failure) => {
            let error = parts.peer().explain(failure);
            tracing::warn!(gateway = %parts.config().name, "the tools were not reviewed: {}", error.message);
            return Vec::new();
        }
    };
    let minded = found.into_iter().filter(|found| severity(found.severity) >= Severity::Warning);
    let told = |found: review::Finding| report::Finding {
        kind: phrase(&found.rule).replace('-', "_"),
        subject: found.tool.as_deref().map(phrase),
        message: phrase(&found.message),
    };
    let mut all: Vec<report::Finding> = minded.map(told).collect();
    let more = all.len().saturating_sub(TOLD);
    all.truncate(TOLD);
    if more > 0 {
        let words = if more == 1 { "1 more finding".to_owned() } else { format!("{more} more findings") };
        let message =
            format!("{words} of the component's own rules: `tools {} --review` shows them", parts.config().name);
        all.push(report::Finding { kind: "other".to_owned(), subject: None, message });
    }
    all
}

/// Findings that `health` tells one by one.
const TOLD: usize = 20;

/// Rules, and the findings of those that are asked for. Nothing crosses when none is.
async fn ask(
    parts: &Parts,
    tools: &[types::Tool],
    wanted: impl Fn(&review::Rule) -> bool,
    by: Deadline,
) -> Result<(Vec<review::Rule>, Vec<review::Finding>), Failure> {
    let mut instance = parts.instances().bare(by).await?;
    let rules = instance.rules(parts.peer().left_of(by)?).await?;
    let asked: BTreeMap<&str, bool> = rules.iter().map(|rule| (rule.id.as_str(), wanted(rule))).collect();
    if !asked.values().any(|asked| *asked) {
        return Ok((rules, Vec::new()));
    }
    let found = instance.review(tools, parts.peer().left_of(by)?).await?;
    // What has no rule cannot be looked up: it is shown, as of a rule that somebody has to mind.
    let found = found.into_iter().filter(|found| asked.get(found.rule.as_str()).copied().unwrap_or(true)).collect();
    Ok((rules, found))
}

fn severity(severity: review::Severity) -> Severity {
    match severity {
        review::Severity::Note => Severity::Note,
        review::Severity::Warning => Severity::Warning,
        review::Severity::Danger => Severity::Danger,
    }
}

fn rule(rule: &review::Rule) -> report::ReviewRule {
    report::ReviewRule {
        id: scrub::line(&rule.id, 40),
        title: scrub::line(&rule.title, 200),
        severity: severity(rule.severity),
        explanation: scrub::line(&rule.explanation, 2_000),
    }
}

fn finding(found: &review::Finding, about: Option<&types::Tool>) -> report::ReviewFinding {
    report::ReviewFinding {
        severity: severity(found.severity),
        rule: scrub::line(&found.rule, 40),
        tool: found.tool.as_deref().map(phrase),
        service: about.and_then(|tool| tool.provenance.service.as_deref()).map(phrase),
        at: scrub::line(&found.at, 500),
        excerpt: scrub::line(&found.excerpt, 200),
        message: phrase(&found.message),
    }
}
