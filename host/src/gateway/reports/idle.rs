//! Filters that leave nothing in or out: a slip of the pen, mostly.
//! Takes the patterns of a filter and a listing; gives one warning for each pattern that nothing matches. Never changes a verdict.

use crate::{
    Deadline, Result,
    config::{Claims, Filter},
    gateway::{catalogue::Listed, convert, parts::Parts, verdicts},
    runtime::{filter, types},
    scrub, spelling,
};

/// Warnings for patterns that match nothing that is listed.
pub(super) async fn idle(parts: &Parts, asked: &Filter, listed: &Listed, by: Deadline) -> Result<Vec<String>> {
    let services = [&asked.include_services, &asked.exclude_services];
    let tools = [&asked.include_tools, &asked.exclude_tools];
    if services.iter().chain(&tools).all(|patterns| patterns.is_empty()) || listed.catalog.tools.is_empty() {
        return Ok(Vec::new());
    }
    let bare = |tool: &types::Tool| filter::Candidate {
        attribution: types::Attribution::None,
        ..convert::candidate(tool, filter::Details::empty())
    };
    let mut candidates: Vec<_> = listed.catalog.tools.iter().map(bare).collect();
    // A service may have no tools now.
    let services_alone = listed.catalog.services.iter();
    candidates.extend(services_alone.map(|service| convert::bare("", Some(&service.name), types::Confidence::Certain)));
    let names: Vec<&str> = listed.catalog.tools.iter().map(|tool| tool.name.as_str()).collect();
    let known: Vec<&str> = listed.catalog.services.iter().map(|service| service.name.as_str()).collect();
    let mut warnings = Vec::new();
    let mut instance = parts.bare_instance(by).await?;
    for (patterns, what, there) in services
        .iter()
        .map(|patterns| (*patterns, "service", &known))
        .chain(tools.iter().map(|patterns| (*patterns, "tool", &names)))
    {
        for pattern in patterns {
            let alone = vec![pattern.clone()];
            let rules = if what == "service" {
                Filter { include_services: alone, ..Filter::default() }
            } else {
                Filter { include_tools: alone, ..Filter::default() }
            };
            let verdicts = verdicts::of_these(
                parts.peer(),
                &mut instance,
                &convert::rules(&rules, Claims::Believed),
                &candidates,
                by,
            )
            .await?;
            if verdicts.iter().any(Option::is_none) {
                continue;
            }
            let near = spelling::nearest(pattern, there).map_or_else(
                || {
                    if what == "service" && !known.is_empty() {
                        format!("; there are {}", known.join(", "))
                    } else {
                        String::new()
                    }
                },
                |near| format!("; did you mean {near}?"),
            );
            warnings.push(format!("no {what} matches \"{}\"{}", scrub::line(pattern, 100), scrub::line(&near, 300)));
        }
    }
    Ok(warnings)
}
