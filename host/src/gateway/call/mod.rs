//! One tool call: which tool it is, whether it is refused, and what its caller is told.
//! Takes a name and arguments; gives a [`report::Call`]. Never sends a call that the entry's filter refuses, and leaves all sending to
//! [`sending`].
//!
//! A tool that is not in the list is refused, unless its caller has its name from a list, or the present one could not be read to the end:
//! then the gateway itself says, once, whether it has the tool.

mod denial;
mod known;
mod options;
mod sending;
mod unknown;
mod wish;

pub use self::options::{CallOptions, Unlisted};
use self::{
    denial::{is_told_unknown, name_is_gone, says_unknown},
    known::{known, renamed},
    sending::{Unanswered, answer},
    unknown::{denied, unknown},
    wish::Wish,
};
use super::{
    attempt::delivery::{self, Marked},
    convert,
    explain::upstream,
    parts::Parts,
};
use crate::{Class, Deadline, Error, Result, json::Json, report};

pub(super) async fn call(
    parts: &Parts,
    tool: &str,
    arguments: Json,
    options: CallOptions,
    by: Deadline,
) -> report::Call {
    let mut report = report::Call {
        gateway: parts.config().name.clone(),
        tool: tool.to_owned(),
        service: None,
        ok: false,
        result: None,
        error: None,
    };
    let wish = Wish::new(&arguments, options, by);
    let (mut listed, mut name) = match known(parts, tool, &wish).await {
        Ok(known) => known,
        Err(error) => {
            report.error = Some(error);
            return report;
        }
    };
    let mut answered = answer(parts, &listed, &name, &wish).await;
    if name_is_gone(&answered)
        && let Some((now, new)) = renamed(parts, &name, by).await
    {
        if let Some(held) = now.held(parts.config(), &new) {
            report.error = Some(held);
            return report;
        }
        wish.tell_rename(&parts.config().name, &name, &new);
        (listed, name) = (now, new);
        answered = answer(parts, &listed, &name, &wish).await;
    } else if listed.tool(&name).is_none() {
        if says_unknown(&answered, &name) || is_told_unknown(&answered, &name) {
            let error = denied(parts, &listed, &name).await;
            answered = Err(Unanswered { error, rejected: true, says_unknown: true });
        }
    } else if says_unknown(&answered, &name)
        && let Ok(now) = parts.catalogue().list_once(by).await
        && now.tool(&name).is_none()
    {
        // Gone while it was not looked at: in the words of who looks.
        let error = unknown(parts, &now, &name).await;
        answered = Err(Unanswered { error, rejected: true, says_unknown: true });
    }
    report.service = listed.tool(&name).and_then(|(tool, _)| tool.provenance.service.clone());
    report.tool = name;
    match answered {
        Ok(outcome) => {
            let marked = Marked::of(listed.tool(&report.tool).map(|(tool, _)| tool));
            report.error = outcome.failure.as_ref().map(|failure| {
                let error = upstream(failure, parts.config());
                delivery::told_of_call(error, &report.tool, delivery::of_upstream(failure), marked)
            });
            report.ok = !outcome.failed && report.error.is_none();
            report.result = Some(convert::large_json(outcome.result));
        }
        Err(Unanswered { error, .. }) => {
            let service = error.service.clone().or_else(|| blamed(&error).then(|| report.service.clone()).flatten());
            report.error = Some(error.with_service(service));
        }
    }
    report
}

/// One tool by its name, as [`call`] finds it; and why it would refuse to call it. Sends no call.
pub(super) async fn find(parts: &Parts, tool: &str, by: Deadline) -> Result<(report::Tool, Option<Error>)> {
    let wish = Wish::new(&Json::from(serde_json::Map::new()), CallOptions::default(), by);
    match known(parts, tool, &wish).await {
        Ok((listed, name)) => match listed.tool(&name) {
            Some((found, _)) => Ok((convert::tool(found), None)),
            None => Err(unknown(parts, &listed, tool).await),
        },
        Err(error) => match parts.catalogue().listed().as_ref().and_then(|listed| listed.tool(tool)) {
            // Left out by the filter: it is there all the same.
            Some((found, Some(_))) => Ok((convert::tool(found), Some(error))),
            _ => Err(error),
        },
    }
}

/// Errors that are the service's, not the gateway's.
fn blamed(error: &Error) -> bool {
    error.class == Class::UpstreamError
}
