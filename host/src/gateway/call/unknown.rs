//! A tool that a gateway does not list: whose it was, since when it is gone, and what may have been meant.
//! Takes a name, the listing and what is remembered; gives one error in one wording, whoever asked. Suggests nothing of another
//! service unless the name is a slip of the pen away.

use crate::{
    Error,
    config::DeclaredService,
    gateway::{catalogue::Listed, parts::Parts},
    history::{Moment, span},
    scrub, spelling,
};

/// Suggestions at most.
const SUGGESTIONS: usize = 3;
/// Between a service's name and a tool's.
const SEPARATORS: [char; 5] = ['_', '-', '.', ':', '/'];

/// Why this tool cannot be called.
pub(super) async fn unknown(parts: &Parts, listed: &Listed, tool: &str) -> Error {
    let gateway = scrub::line(&parts.config().name, 100);
    let shown = scrub::line(tool, 200);
    if listed.cut {
        // Whatever is missing may stand on a page that could not be read.
        return Error::config(format!(
            "{shown} is not in what could be read of the list of {gateway}, which is not whole; whether it is gone is not known"
        ))
        .with_hint(format!("`tools {gateway}` says which page could not be read, and why"));
    }
    let gone = parts.catalogue().gone(tool).await;
    let seen = gone.as_ref().map(|gone| {
        let ago = span(gone.seen_at.age(Moment::now()));
        format!("last seen {ago} ago, at {}", gone.seen_at.rfc3339())
    });
    let service = gone
        .and_then(|gone| gone.service)
        .or_else(|| declared(&parts.config().services, tool))
        // A service of which nothing is known is no reason for anything.
        .filter(|service| seen.is_some() || !is_listed(listed, service));
    let Some(service) = service else {
        let Some(seen) = seen else {
            return Error::config(format!("{gateway} has no tool {shown}"))
                .with_hint(nearby(listed, tool, None, &gateway));
        };
        return Error::config(format!("{gateway} lists {shown} no more, {seen}"))
            .with_hint(in_that_case(parts, None).await.unwrap_or_else(|| nearby(listed, tool, None, &gateway)));
    };
    let name = scrub::line(&service, 100);
    if is_listed(listed, &service) {
        let seen = seen.unwrap_or_default();
        return Error::config(format!("{gateway} lists {shown} of {name} no more, {seen}; {name} has other tools now"))
            .with_hint(nearby(listed, tool, Some(&service), &gateway));
    }
    let message = match seen {
        Some(seen) => format!("{shown} is of {name}, which {gateway} lists no more, {seen}"),
        None => format!("{shown} is of {name}, of which {gateway} lists no tool"),
    };
    let otherwise = || format!("look whether {gateway} still has {name}, and at {name} itself");
    Error::config(message).with_hint(in_that_case(parts, Some(&name)).await.unwrap_or_else(otherwise))
}

/// What the product does with a service that it lists no more.
async fn in_that_case(parts: &Parts, service: Option<&str>) -> Option<String> {
    let absence = parts.product().await?.absence?;
    let remedy = absence.remedy.replace("{service}", service.unwrap_or("the service"));
    Some(format!("{}: {remedy}", absence.why))
}

/// The same, where the gateway was asked and says so itself.
pub(super) async fn denied(parts: &Parts, listed: &Listed, tool: &str) -> Error {
    if !listed.cut {
        return unknown(parts, listed, tool).await;
    }
    let (gateway, shown) = (scrub::line(&parts.config().name, 100), scrub::line(tool, 200));
    Error::config(format!("{gateway} answers that it has no tool {shown}"))
        .with_hint(nearby(listed, tool, None, &gateway))
}

/// Whose a tool is that is not listed, as far as that is remembered or declared.
pub(super) async fn service_of(parts: &Parts, tool: &str) -> Option<String> {
    let gone = parts.catalogue().gone(tool).await.and_then(|gone| gone.service);
    gone.or_else(|| declared(&parts.config().services, tool))
}

fn is_listed(listed: &Listed, service: &str) -> bool {
    listed.catalog.tools.iter().any(|tool| tool.provenance.service.as_deref() == Some(service))
}

/// The service that the user declared a tool of this name to be of.
fn declared(services: &[DeclaredService], tool: &str) -> Option<String> {
    let claims = |service: &&DeclaredService| {
        let starts = |prefix: &str| !prefix.is_empty() && tool.starts_with(prefix);
        match &service.prefix {
            Some(prefix) => starts(prefix),
            None if service.tools.is_empty() => {
                SEPARATORS.iter().any(|separator| starts(&format!("{}{separator}", service.name)))
            }
            None => false,
        }
    };
    let named = services.iter().find(|service| service.tools.iter().any(|name| name == tool));
    named.or_else(|| services.iter().find(claims)).map(|service| service.name.clone())
}

/// What may have been meant.
fn nearby(listed: &Listed, tool: &str, service: Option<&str>, gateway: &str) -> String {
    let candidates = listed
        .catalog
        .tools
        .iter()
        .zip(&listed.verdicts)
        .filter(|(_, verdict)| verdict.is_none())
        .map(|(tool, _)| tool);
    let mut near: Vec<(usize, &str)> = candidates
        .filter_map(|candidate| {
            let name = candidate.name.as_str();
            let own = service.is_some() && candidate.provenance.service.as_deref() == service;
            // Typed without its service's name, or with more than there is.
            let part =
                service.is_none() && tool.len() > 2 && (ends_with_word(name, tool) || ends_with_word(tool, name));
            let far = spelling::slip(tool, name)
                .or_else(|| part.then_some(4))
                .or_else(|| (own && (last_word(name) == last_word(tool))).then_some(5))?;
            Some((far, name))
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    if near.is_empty() {
        return format!("`tools {gateway}` lists what there is");
    }
    let names: Vec<String> = near.into_iter().take(SUGGESTIONS).map(|(_, name)| scrub::line(name, 100)).collect();
    format!("did you mean {}?", names.join(", "))
}

/// Whether a name ends with another one, after a separator.
fn ends_with_word(name: &str, end: &str) -> bool {
    name.strip_suffix(end).is_some_and(|before| before.ends_with(SEPARATORS))
}

fn last_word(name: &str) -> &str {
    name.rsplit(SEPARATORS).next().unwrap_or(name)
}
