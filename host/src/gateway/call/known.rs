//! Which tool a name means, and whether it may be called.
//! Takes a name and the catalogue; gives the tool under the name that it has now, or the refusal. Never lets a tool pass that the entry's
//! filter leaves out, whatever its name is now.

use std::sync::Arc;

use super::{
    Unlisted, Wish,
    unknown::{service_of, unknown},
};
use crate::{
    Deadline, Error, Result,
    config::{Changes, Filter},
    gateway::{
        catalogue::Listed,
        convert::{self, is_control},
        parts::Parts,
        verdicts,
    },
    runtime::{filter, types},
    scrub,
};

/// The catalogue, with this tool in it and allowed, and the name that it has there; read anew when the tool is not in the one at hand.
pub(super) async fn known(parts: &Parts, tool: &str, wish: &Wish) -> Result<(Arc<Listed>, String)> {
    let listed = match parts.catalogue().listed() {
        Some(listed) if listed.tool(tool).is_some() || parts.catalogue().is_missing(tool) => listed,
        _ => parts.catalogue().list_once(wish.by).await?,
    };
    let new = match listed.tool(tool) {
        Some((_, None)) => return unless_held(parts, listed, tool.to_owned(), wish.by).await,
        Some((found, Some(reason))) => {
            return Err(refused(parts, &found.name, found.provenance.attribution, reason));
        }
        None => {
            let renamed = parts.catalogue().renamed(tool, &listed);
            let Some(new) = renamed else {
                parts.catalogue().misses(tool);
                // What cannot be compared with what was accepted is not let through where changes are held.
                let held = parts.config().changes == Changes::Hold;
                if held || wish.unlisted == Unlisted::Refused && !listed.cut {
                    return Err(unknown(parts, &listed, tool).await);
                }
                admitted(parts, &listed, tool, wish.by).await?;
                wish.tell_unlisted(&parts.config().name, tool, &listed);
                return Ok((listed, tool.to_owned()));
            };
            new
        }
    };
    if let Some((found, Some(reason))) = listed.tool(&new) {
        return Err(refused(parts, &found.name, found.provenance.attribution, reason));
    }
    let (listed, new) = unless_held(parts, listed, new, wish.by).await?;
    wish.tell_rename(&parts.config().name, tool, &new);
    Ok((listed, new))
}

/// Whether the entry's own filter lets a tool pass of which only the name is known, and what is remembered of it.
async fn admitted(parts: &Parts, listed: &Listed, tool: &str, by: Deadline) -> Result<()> {
    if parts.config().filter == Filter::default() {
        return Ok(());
    }
    let service = service_of(parts, tool).await;
    if service.is_none() && !parts.config().filter.exclude_services.is_empty() {
        // It may be of one that is left out.
        return Err(unknown(parts, listed, tool).await);
    }
    let attribution = types::Attribution::None;
    let candidate = convert::bare(tool, service.as_deref(), types::Confidence::None);
    let mut instance = parts.bare_instance(by).await?;
    let rules = convert::rules(&parts.config().filter, parts.config().claims);
    let verdicts = verdicts::of_these(parts.peer(), &mut instance, &rules, &[candidate], by).await?;
    match verdicts.into_iter().next().flatten() {
        None => Ok(()),
        Some(reason @ (filter::Reason::ToolNotIncluded | filter::Reason::ToolExcluded)) => {
            Err(refused(parts, tool, attribution, &reason))
        }
        // A rule of the component's own that needs no more than the name.
        Some(reason @ filter::Reason::Other(_)) => Err(refused(parts, tool, attribution, &reason)),
        Some(
            reason @ (filter::Reason::ServiceNotIncluded
            | filter::Reason::ServiceNotCertain
            | filter::Reason::ServiceExcluded),
        ) if service.is_some() => Err(refused(parts, tool, attribution, &reason)),
        // What the filter wants to know is not known of what is not listed.
        Some(_) => Err(unknown(parts, listed, tool).await),
    }
}

/// The same tool, unless it has to be accepted first. It may have been since it was listed.
async fn unless_held(parts: &Parts, listed: Arc<Listed>, name: String, by: Deadline) -> Result<(Arc<Listed>, String)> {
    let Some(held) = listed.held(parts.config(), &name) else { return Ok((listed, name)) };
    if !parts.catalogue().was_accepted_since(&listed).await {
        return Err(held);
    }
    let listed = parts.catalogue().list_once(by).await?;
    if !matches!(listed.tool(&name), Some((_, None))) {
        return Err(unknown(parts, &listed, &name).await);
    }
    match listed.held(parts.config(), &name) {
        Some(held) => Err(held),
        None => Ok((listed, name)),
    }
}

fn refused(parts: &Parts, tool: &str, attribution: types::Attribution, reason: &filter::Reason) -> Error {
    let gateway = &parts.config().name;
    let (why, setting) = match reason {
        filter::Reason::ServiceNotIncluded | filter::Reason::ServiceExcluded => ("its service is left out", "services"),
        filter::Reason::ServiceNotCertain => ("that it is from its service is only claimed", "trust"),
        filter::Reason::ToolNotIncluded | filter::Reason::ToolExcluded => ("its name is left out", "tools"),
        filter::Reason::NotReadOnly => ("it is not marked read-only", "tools.read_only"),
        filter::Reason::Destructive => ("it may be destructive", "tools.no_destructive"),
        filter::Reason::ControlTool => ("it controls the gateway itself", "tools.control"),
        filter::Reason::Other(words) => {
            let tool = scrub::line(tool, 200);
            let message = format!("the component of {gateway} refuses the tool {tool}: {}", convert::own_reason(words));
            return Error::config(message)
                .with_hint("it is a rule of the component that was chosen for this gateway: `component show` says which one that is");
        }
    };
    let hint = if is_control(attribution) {
        format!("name it exactly under \"tools\": {{\"include\": […]}} of {gateway} if you mean it")
    } else {
        format!("change \"{setting}\" of {gateway} in mcp-servers.json")
    };
    Error::config(format!("the filter of {gateway} refuses the tool {}: {why}", scrub::line(tool, 200))).with_hint(hint)
}

/// The tool that this name meant, in a catalogue that was just read and does not have the name any more.
pub(super) async fn renamed(parts: &Parts, name: &str, by: Deadline) -> Option<(Arc<Listed>, String)> {
    // Most gateways have no such ids; there a wrong argument costs no further request.
    if !parts.catalogue().knows(name) {
        return None;
    }
    let listed = parts.catalogue().list(by).await.ok()?;
    if listed.tool(name).is_some() {
        return None;
    }
    let new = parts.catalogue().renamed(name, &listed)?;
    // What the filter leaves out under its new name stays out.
    matches!(listed.tool(&new), Some((_, None))).then_some((listed, new))
}
