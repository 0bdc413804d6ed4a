//! Which tools a user wants: services and tools by glob, MCP's hints, control tools.
//! Takes rules and candidates; gives one verdict each. Pure. Must treat absent hints as MCP's defaults do.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::model::{Attribution, Candidate, PatternError, Reason, Rules};

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
            let excluded = |set: &Option<GlobSet>, name: &str| set.as_ref().is_some_and(|set| set.is_match(name));
            let missing = |set: &Option<GlobSet>, name: &str| set.as_ref().is_some_and(|set| !set.is_match(name));
            let checks = [
                (control && !rules.control_tools && !named, Reason::ControlTool),
                (service.is_some_and(|service| excluded(&exclude_services, service)), Reason::ServiceExcluded),
                // Asking for control tools is asking for them, whatever services are included.
                (
                    !control
                        && service.map_or(include_services.is_some(), |service| missing(&include_services, service)),
                    Reason::ServiceNotIncluded,
                ),
                (excluded(&exclude_tools, &candidate.name), Reason::ToolExcluded),
                (missing(&include_tools, &candidate.name), Reason::ToolNotIncluded),
                (rules.read_only && !read_only, Reason::NotReadOnly),
                (rules.no_destructive && destructive, Reason::Destructive),
            ];
            checks.into_iter().find_map(|(applies, reason)| applies.then_some(reason))
        })
        .collect())
}

/// None for an empty list.
fn globs(patterns: &[String]) -> Result<Option<GlobSet>, PatternError> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    let problem = |pattern: &str, error: &globset::Error| PatternError {
        pattern: pattern.to_owned(),
        problem: error.kind().to_string(),
    };
    for pattern in patterns {
        // Names are no paths: `*` matches `/` too, and `\` escapes on every platform.
        let glob = GlobBuilder::new(pattern)
            .literal_separator(false)
            .backslash_escape(true)
            .build()
            .map_err(|error| problem(pattern, &error))?;
        set.add(glob);
    }
    set.build().map(Some).map_err(|error| problem(error.glob().unwrap_or_default(), &error))
}
