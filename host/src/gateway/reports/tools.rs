//! The tools that an entry keeps, and why the others are left out.
//! Takes the catalogue, read anew, and a filter to narrow it by; gives [`report::Tools`]. Never shows a tool otherwise than it was accepted
//! where changes are held.

use std::collections::BTreeMap;

use super::{claims, idle::idle, warnings, without_services};
use crate::{
    Class, Deadline, Error, Result,
    config::{Changes, Claims, Filter},
    fit,
    gateway::{catalogue::Listed, convert, parts::Parts, verdicts},
    report,
    runtime::{Conversation, filter},
};

/// The catalogue, and what of it pflow is not shown as it was listed.
pub(in crate::gateway) async fn tools(parts: &Parts, narrow: &Filter, by: Deadline) -> Result<report::Tools> {
    let mut report = catalog(parts, narrow, by).await?;
    // How much there is to look at is a gateway's choice: not on a thread that others wait for.
    let looked = tokio::task::spawn_blocking(move || {
        report.warnings.extend(fit::warnings(&report.tools));
        report
    });
    looked.await.map_err(|error| Error::new(Class::Internal, error.to_string()))
}

pub(in crate::gateway) async fn catalog(parts: &Parts, narrow: &Filter, by: Deadline) -> Result<report::Tools> {
    let listed = parts.catalogue().list(by).await?;
    let mut verdicts = listed.verdicts.clone();
    if *narrow != Filter::default() {
        // Who looks wants to see what is only claimed, too.
        let mut rules = convert::rules(narrow, Claims::Believed);
        let mut instance = parts.bare_instance(by).await?;
        if narrow.control_tools {
            // Shown when asked for; whether they may be called is another question.
            let own = Filter { control_tools: true, ..parts.config().filter.clone() };
            verdicts = select(parts, &mut instance, &convert::rules(&own, parts.config().claims), &listed, by).await?;
        }
        // Narrowing leaves the control tools to the gateway's own filter, unless services are named.
        rules.control_tools = narrow.control_tools
            || narrow.include_services.is_empty()
            || narrow.include_services.iter().any(|service| service == "gateway");
        let narrower = select(parts, &mut instance, &rules, &listed, by).await?;
        for (verdict, narrower) in verdicts.iter_mut().zip(narrower) {
            *verdict = verdict.take().or(narrower);
        }
    }
    let mut report = kept(parts, &listed, &verdicts);
    let mut notes = idle(parts, narrow, &listed, by).await?;
    notes.extend(claims::notes(parts, &listed));
    report.warnings.splice(..0, notes);
    Ok(report)
}

/// Reasons that are told apart.
const REASONS: usize = 40;

/// The tools that no verdict is against.
pub(in crate::gateway) fn kept(parts: &Parts, listed: &Listed, verdicts: &[Option<filter::Reason>]) -> report::Tools {
    let mut filtered_because = BTreeMap::new();
    for reason in verdicts.iter().flatten() {
        let key = convert::reason(reason).into_owned();
        // A component may have a reason of its own for each tool.
        let known = filtered_because.len() < REASONS || filtered_because.contains_key(&key);
        *filtered_because.entry(if known { key } else { "other".to_owned() }).or_insert(0) += 1;
    }
    let kept = listed.catalog.tools.iter().enumerate().zip(verdicts).filter(|(_, verdict)| verdict.is_none());
    let mut tools = Vec::with_capacity(listed.catalog.tools.len());
    for ((at, tool), _) in kept {
        // A call means the first of a name; where changes are held, nobody compared the others.
        let first = listed.by_name.get(&tool.name) == Some(&at);
        let why = if !first && parts.config().changes == Changes::Hold {
            "same_name"
        } else if let Some(tool) = listed.standings.shown(at, tool) {
            tools.push(tool);
            continue;
        } else {
            "not_accepted"
        };
        *filtered_because.entry(why.to_owned()).or_insert(0) += 1;
    }
    report::Tools {
        gateway: parts.config().name.clone(),
        total: listed.catalog.tools.len(),
        pages: listed.catalog.pages,
        filtered_out: listed.catalog.tools.len() - tools.len(),
        filtered_because,
        nothing: without_services(parts, listed),
        tools,
        warnings: warnings(listed).into_iter().chain(listed.warnings_of_changes(&parts.config().name)).collect(),
        cut: listed.cut,
        findings: listed.catalog.warnings.iter().map(convert::finding).collect(),
    }
}

async fn select(
    parts: &Parts,
    instance: &mut Conversation,
    rules: &filter::Rules,
    listed: &Listed,
    by: Deadline,
) -> Result<Vec<Option<filter::Reason>>> {
    let verdicts = verdicts::of_catalog(parts.peer(), instance, rules, &listed.catalog, by).await;
    verdicts.map_err(|failure| parts.peer().explain(failure))
}
