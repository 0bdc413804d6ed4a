//! `test`, `services`, `tools`, `review` and `health` of one gateway.
//! Takes the [`Parts`] of it; gives the shapes of [`report`]. Judges by what was seen, never by what should be.

mod checks;
pub(super) mod claims;
mod health;
mod idle;
pub(super) mod own;
mod review;
mod services;
pub(super) mod steps;
mod test;
mod tools;

use std::time::Duration;

use self::own::{Own, own};
pub(super) use self::{
    health::health,
    review::reviewed,
    services::services,
    test::test,
    tools::{catalog, kept, tools},
};
use super::{
    catalogue::{Listed, tools_of},
    convert::{self, is_control},
    parts::Parts,
};
use crate::{Class, Deadline, Error, Result, runtime::types};

/// A gateway that has nothing behind it: no tool, or only those that control the gateway itself, which nobody asked for.
fn without_services(parts: &Parts, listed: &Listed) -> Option<Error> {
    let tools = &listed.catalog.tools;
    let wanted = |verdict: &Option<_>| verdict.is_none();
    if control_tools(listed) < tools.len() || (!tools.is_empty() && listed.verdicts.iter().any(wanted)) {
        return None;
    }
    let name = &parts.config().name;
    let told = listed.catalog.warnings.iter().find(|warning| warning.concern == types::Concern::NoTools);
    let (what, why) = told
        .and_then(|warning| warning.message.split_once("; "))
        .unwrap_or(("", "gateways also answer so when they fail inside, or when the credential may see nothing"));
    let message = match what.strip_prefix("the gateway ").filter(|_| !tools.is_empty()) {
        Some(what) => format!("{name} {}", convert::phrase(what)),
        None if tools.is_empty() => format!("{name} lists no tools at all"),
        None => format!("{name} has no services: all its tools are its own"),
    };
    Some(Error::new(Class::UpstreamError, message).with_hint(convert::phrase(why)))
}

/// What of a listing is the entry's.
async fn own_of(parts: &Parts, listed: &Listed, by: Deadline) -> Result<Own> {
    let services: Vec<_> = listed.catalog.services.iter().map(|service| service.name.clone()).collect();
    own(parts, &tools_of(&listed.catalog), &services, by).await
}

fn control_tools(listed: &Listed) -> usize {
    listed.catalog.tools.iter().filter(|tool| is_control(tool.provenance.attribution)).count()
}

/// The warnings that are the entry's, but for the one that is the error. Who pretends to be the entry's is its business too.
fn told_beside<'l>(listed: &'l Listed, error: Option<&Error>, own: &Own) -> Vec<&'l types::Warning> {
    let pretends =
        |concern| matches!(concern, types::Concern::Claim | types::Concern::LookAlike | types::Concern::HiddenText);
    let told = |warning: &&types::Warning| {
        (error.is_none() || warning.concern != types::Concern::NoTools)
            && (pretends(warning.concern)
                || warning.subject.as_deref().is_none_or(|subject| own.has_service(subject) && own.has_tool(subject)))
    };
    listed.catalog.warnings.iter().filter(told).collect()
}

/// Tools that the entry's filter leaves out. That control tools are left out needs no telling.
fn filtered_out(listed: &Listed) -> usize {
    let tools = listed.catalog.tools.iter().zip(&listed.verdicts);
    tools.filter(|(tool, verdict)| verdict.is_some() && !is_control(tool.provenance.attribution)).count()
}

fn unattributed(listed: &Listed) -> usize {
    listed.catalog.tools.iter().filter(|tool| tool.provenance.service.is_none()).count()
}

fn warnings(listed: &Listed) -> Vec<String> {
    listed.catalog.warnings.iter().map(convert::warning).collect()
}

pub(super) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}
