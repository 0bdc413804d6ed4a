//! One tool call: the filter, the sandbox, and a second try where that is safe.
//! Takes a name and arguments; gives a [`report::Call`]. Never sends a call twice that may have had an effect: what is tried again never
//! reached a service, or says of itself that it may be repeated.
//!
//! A tool that is not in the list is refused, unless its caller has its name from a list, or the present one could not be read to the end:
//! then the gateway itself says, once, whether it has the tool.

use std::{sync::Arc, time::Duration};

use super::{
    convert,
    delivery::{self, Delivery, Marked, Sent},
    explain::{state_of, upstream},
    pool::{End, Lent, Listed, Pool, Waiting, is_control},
    recovery::Recovery,
    unknown::{denied, service_of, unknown},
};
use crate::{
    Class, Deadline, Error, Result,
    config::{Changes, Filter},
    egress::{EgressFailure, Phase},
    json::{Json, elements, pick, unquote},
    report::{self, Status},
    runtime::{Failure, calls, filter, types},
    scrub,
};

/// Takes progress, total and message.
pub type OnProgress = Box<dyn Fn(f64, Option<f64>, Option<String>) + Send + Sync>;
/// Takes level, logger and data.
pub type OnMessage = Box<dyn Fn(String, Option<String>, Json) + Send + Sync>;

/// How to make one call.
#[derive(Default)]
pub struct CallOptions {
    /// At most this long, for everything that it takes; the gateway's own timeout when absent.
    pub timeout: Option<Duration>,
    /// Called for `notifications/progress` (progress, total, message) while the call runs.
    pub on_progress: Option<OnProgress>,
    /// Called for `notifications/message` (level, logger, data) while the call runs.
    pub on_message: Option<OnMessage>,
    /// Further members of `_meta`.
    pub meta: Option<Json>,
    /// What becomes of a tool that the gateway does not list.
    pub unlisted: Unlisted,
}

/// What becomes of a call of a tool that the gateway does not list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unlisted {
    /// It is refused.
    #[default]
    Refused,
    /// The gateway is asked, unless the filter is against it: an earlier list had the tool, and lists shrink for many reasons.
    Asked,
}

impl std::fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallOptions").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Who waits for the events of a call.
pub(super) struct Listener {
    on_progress: Option<OnProgress>,
    on_message: Option<OnMessage>,
}

impl Listener {
    pub(super) fn progress(&self, progress: f64, total: Option<f64>, message: Option<String>) {
        if let Some(on_progress) = &self.on_progress {
            on_progress(progress, total, message.map(|text| scrub::line(&text, 2_000)));
        }
    }

    pub(super) fn message(&self, level: String, logger: Option<String>, data: &str) {
        if let Some(on_message) = &self.on_message {
            on_message(level, logger, convert::json(data.to_owned()));
        }
    }
}

/// Tells the gateway when a call is dropped before its answer came.
struct Pending {
    pool: Arc<Pool>,
    token: u32,
    end: End,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.pool.inbox().leave(self.token);
        self.pool.ends(self.token, self.end);
    }
}

pub(super) async fn call(
    pool: &Arc<Pool>,
    tool: &str,
    arguments: Json,
    options: CallOptions,
    by: Deadline,
) -> report::Call {
    let mut report = report::Call {
        gateway: pool.config().name.clone(),
        tool: tool.to_owned(),
        service: None,
        ok: false,
        result: None,
        error: None,
    };
    let attempt = Attempt::new(&arguments, options, by);
    let (mut listed, mut name) = match known(pool, tool, &attempt).await {
        Ok(known) => known,
        Err(error) => {
            report.error = Some(error);
            return report;
        }
    };
    let mut answered = answer(pool, &listed, &name, &attempt).await;
    if name_is_gone(&answered)
        && let Some((now, new)) = renamed(pool, &name, by).await
    {
        if let Some(held) = now.held(pool.config(), &new) {
            report.error = Some(held);
            return report;
        }
        attempt.tell_rename(&pool.config().name, &name, &new);
        (listed, name) = (now, new);
        answered = answer(pool, &listed, &name, &attempt).await;
    } else if listed.tool(&name).is_none() {
        if says_unknown(&answered, &name) || is_told_unknown(&answered, &name) {
            let error = denied(pool, &listed, &name).await;
            answered = Err(Unanswered { error, rejected: true, says_unknown: true });
        }
    } else if says_unknown(&answered, &name)
        && let Ok(now) = pool.list_once(by).await
        && now.tool(&name).is_none()
    {
        // Gone while it was not looked at: in the words of who looks.
        let error = unknown(pool, &now, &name).await;
        answered = Err(Unanswered { error, rejected: true, says_unknown: true });
    }
    report.service = listed.tool(&name).and_then(|(tool, _)| tool.provenance.service.clone());
    report.tool = name;
    match answered {
        Ok(outcome) => {
            let marked = Marked::of(listed.tool(&report.tool).map(|(tool, _)| tool));
            report.error = outcome.failure.as_ref().map(|failure| {
                let error = upstream(failure, pool.config());
                delivery::told_of_call(error, &report.tool, delivery::of_upstream(failure), marked)
            });
            report.ok = !outcome.failed && report.error.is_none();
            report.result = Some(convert::json(outcome.result));
        }
        Err(Unanswered { error, .. }) => {
            let service = error.service.clone().or_else(|| blamed(&error).then(|| report.service.clone()).flatten());
            report.error = Some(error.with_service(service));
        }
    }
    report
}

/// One tool by its name, as [`call`] finds it; and why it would refuse to call it. Sends no call.
pub(super) async fn find(pool: &Pool, tool: &str, by: Deadline) -> Result<(report::Tool, Option<Error>)> {
    let attempt = Attempt::new(&Json::from(serde_json::Map::new()), CallOptions::default(), by);
    match known(pool, tool, &attempt).await {
        Ok((listed, name)) => match listed.tool(&name) {
            Some((found, _)) => Ok((convert::tool(found), None)),
            None => Err(unknown(pool, &listed, tool).await),
        },
        Err(error) => match pool.listed().as_ref().and_then(|listed| listed.tool(tool)) {
            // Left out by the filter: it is there all the same.
            Some((found, Some(_))) => Ok((convert::tool(found), Some(error))),
            _ => Err(error),
        },
    }
}

/// What every attempt of one call shares.
struct Attempt {
    arguments: String,
    meta: Option<String>,
    unlisted: Unlisted,
    listener: Arc<Listener>,
    by: Deadline,
}

impl Attempt {
    fn new(arguments: &Json, options: CallOptions, by: Deadline) -> Self {
        let CallOptions { on_progress, on_message, meta, unlisted, .. } = options;
        Self {
            arguments: arguments.to_string(),
            meta: meta.map(|meta| meta.to_string()),
            unlisted,
            listener: Arc::new(Listener { on_progress, on_message }),
            by,
        }
    }

    /// In our own log, and in that of the caller.
    fn tell_rename(&self, gateway: &str, old: &str, new: &str) {
        let (old, new) = (scrub::line(old, 200), scrub::line(new, 200));
        tracing::warn!(gateway, "the tool {old} is called {new} now; calling it by that name");
        self.tell(&format!("the tool {old} is called {new} now; it was called by that name"));
    }

    /// The same, of a tool that is called though it is not listed.
    fn tell_unlisted(&self, gateway: &str, tool: &str, listed: &Listed) {
        let tool = scrub::line(tool, 200);
        let why = if listed.cut {
            "the list of tools could not be read to its end, and lacks"
        } else {
            "the list of tools does not have"
        };
        tracing::warn!(gateway, "{why} {tool}; asking the gateway for it all the same");
        self.tell(&format!("{why} {tool}; the gateway was asked for it all the same"));
    }

    fn tell(&self, words: &str) {
        let words = Json::string(words).to_string();
        self.listener.message("warning".to_owned(), Some("pflow-gateway".to_owned()), &words);
    }
}

/// A call without a result.
struct Unanswered {
    error: Error,
    /// The gateway says that the request was wrong, and no service saw it.
    rejected: bool,
    /// It says so of the tool. Nothing ran, so that it need not name it.
    says_unknown: bool,
}

/// Whether the gateway may not know the name any more. The catalogue says for certain; this is only whether to read it.
fn name_is_gone(answered: &Result<calls::Outcome, Unanswered>) -> bool {
    match answered {
        Ok(outcome) => outcome.failure.as_ref().is_some_and(|failure| {
            failure.service.is_none()
                && failure.delivery == types::Delivery::NotDelivered
                && state_of(failure) == Status::Unknown
        }),
        Err(unanswered) => unanswered.rejected,
    }
}

/// Whether the gateway says in words that it has no such tool.
fn says_unknown(answered: &Result<calls::Outcome, Unanswered>, tool: &str) -> bool {
    match answered {
        Ok(outcome) => {
            let failure = outcome.failure.as_ref().filter(|failure| failure.service.is_none());
            failure.is_some_and(|failure| names(&failure.message, tool) && tells_of_no_tool(&failure.message))
        }
        Err(unanswered) => unanswered.says_unknown,
    }
}

/// The same in the text of a result. Of a tool that is listed, a result is the tool's own; of one that is not, the gateway's.
fn is_told_unknown(answered: &Result<calls::Outcome, Unanswered>, tool: &str) -> bool {
    let Ok(outcome) = answered else { return false };
    let mut told = false;
    if let Some([Some(content)]) = outcome.failed.then(|| pick(&outcome.result, ["content"])).flatten() {
        elements(content, &mut |block| {
            let text = pick(block.get(), ["text"]).and_then(|[text]| text).and_then(unquote);
            told |= text.is_some_and(|text| names(&text, tool) && says_no_such_tool(&text));
        });
    }
    told
}

/// Whether a text is about this tool: it has the name as a word. A tool that ran may say of something else that it was not found.
fn names(text: &str, tool: &str) -> bool {
    let (text, tool) = (text.to_ascii_lowercase(), tool.to_ascii_lowercase());
    let of_a_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let parts: Vec<&str> = text.split(tool.as_str()).collect();
    parts
        .windows(2)
        .any(|two| matches!(two, [before, after] if !before.ends_with(of_a_name) && !after.starts_with(of_a_name)))
}

fn says_no_such_tool(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["unknown tool", "tool not found", "no such tool", "no tool named"].iter().any(|words| text.contains(words))
}

fn tells_of_no_tool(text: &str) -> bool {
    // Go's SDK begins every failure with the method's name.
    let text = text.to_ascii_lowercase().replace("tools/call", "");
    says_no_such_tool(&text) || (text.contains("tool") && text.contains("not found"))
}

/// The tool that this name meant, in a catalogue that was just read and does not have the name any more.
async fn renamed(pool: &Pool, name: &str, by: Deadline) -> Option<(Arc<Listed>, String)> {
    // Most gateways have no such ids; there a wrong argument costs no further request.
    if !pool.identities().knows(name) {
        return None;
    }
    let listed = pool.list(by).await.ok()?;
    if listed.tool(name).is_some() {
        return None;
    }
    let new = pool.identities().renamed(name, &listed.catalog)?.name.clone();
    // What the filter leaves out under its new name stays out.
    matches!(listed.tool(&new), Some((_, None))).then_some((listed, new))
}

/// Errors that are the service's, not the gateway's.
fn blamed(error: &Error) -> bool {
    error.class == Class::UpstreamError
}

/// The catalogue, with this tool in it and allowed, and the name that it has there; read anew when the tool is not in the one at hand.
async fn known(pool: &Pool, tool: &str, attempt: &Attempt) -> Result<(Arc<Listed>, String)> {
    let listed = match pool.listed() {
        Some(listed) if listed.tool(tool).is_some() || pool.is_missing(tool) => listed,
        _ => pool.list_once(attempt.by).await?,
    };
    let new = match listed.tool(tool) {
        Some((_, None)) => return unless_held(pool, listed, tool.to_owned(), attempt.by).await,
        Some((found, Some(reason))) => {
            return Err(refused(pool, &found.name, found.provenance.attribution, reason));
        }
        None => {
            let renamed = pool.identities().renamed(tool, &listed.catalog).map(|new| new.name.clone());
            let Some(new) = renamed else {
                pool.misses(tool);
                // What cannot be compared with what was accepted is not let through where changes are held.
                let held = pool.config().changes == Changes::Hold;
                if held || attempt.unlisted == Unlisted::Refused && !listed.cut {
                    return Err(unknown(pool, &listed, tool).await);
                }
                admitted(pool, &listed, tool, attempt.by).await?;
                attempt.tell_unlisted(&pool.config().name, tool, &listed);
                return Ok((listed, tool.to_owned()));
            };
            new
        }
    };
    if let Some((found, Some(reason))) = listed.tool(&new) {
        return Err(refused(pool, &found.name, found.provenance.attribution, reason));
    }
    let (listed, new) = unless_held(pool, listed, new, attempt.by).await?;
    attempt.tell_rename(&pool.config().name, tool, &new);
    Ok((listed, new))
}

/// Whether the entry's own filter lets a tool pass of which only the name is known, and what is remembered of it.
async fn admitted(pool: &Pool, listed: &Listed, tool: &str, by: Deadline) -> Result<()> {
    if pool.config().filter == Filter::default() {
        return Ok(());
    }
    let service = service_of(pool, tool).await;
    if service.is_none() && !pool.config().filter.exclude_services.is_empty() {
        // It may be of one that is left out.
        return Err(unknown(pool, listed, tool).await);
    }
    let attribution = types::Attribution::None;
    let candidate = convert::bare(tool, service.as_deref(), types::Confidence::None);
    let mut instance = pool.instance(by).await.map_err(|failure| pool.explain(failure))?;
    let rules = convert::rules(&pool.config().filter, pool.config().claims);
    match pool.judge(&mut instance, &rules, &[candidate], by).await?.into_iter().next().flatten() {
        None => Ok(()),
        Some(reason @ (filter::Reason::ToolNotIncluded | filter::Reason::ToolExcluded)) => {
            Err(refused(pool, tool, attribution, &reason))
        }
        // A rule of the component's own that needs no more than the name.
        Some(reason @ filter::Reason::Other(_)) => Err(refused(pool, tool, attribution, &reason)),
        Some(
            reason @ (filter::Reason::ServiceNotIncluded
            | filter::Reason::ServiceNotCertain
            | filter::Reason::ServiceExcluded),
        ) if service.is_some() => Err(refused(pool, tool, attribution, &reason)),
        // What the filter wants to know is not known of what is not listed.
        Some(_) => Err(unknown(pool, listed, tool).await),
    }
}

/// The same tool, unless it has to be accepted first. It may have been since it was listed.
async fn unless_held(pool: &Pool, listed: Arc<Listed>, name: String, by: Deadline) -> Result<(Arc<Listed>, String)> {
    let Some(held) = listed.held(pool.config(), &name) else { return Ok((listed, name)) };
    if !pool.accepted.is_newer_than(&listed.standings).await {
        return Err(held);
    }
    let listed = pool.list_once(by).await?;
    if !matches!(listed.tool(&name), Some((_, None))) {
        return Err(unknown(pool, &listed, &name).await);
    }
    match listed.held(pool.config(), &name) {
        Some(held) => Err(held),
        None => Ok((listed, name)),
    }
}

fn refused(pool: &Pool, tool: &str, attribution: types::Attribution, reason: &filter::Reason) -> Error {
    let gateway = &pool.config().name;
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

async fn answer(
    pool: &Arc<Pool>,
    listed: &Listed,
    tool: &str,
    attempt: &Attempt,
) -> Result<calls::Outcome, Unanswered> {
    let found = listed.tool(tool).map(|(tool, _)| tool);
    let marked = Marked::of(found);
    let mut call = calls::Call {
        tool: tool.to_owned(),
        input_schema: found.map(|tool| tool.input_schema.clone()),
        service: found.and_then(|tool| tool.provenance.service.clone()),
        arguments: attempt.arguments.clone(),
        token: 0,
        progress: attempt.listener.on_progress.is_some(),
        meta: attempt.meta.clone(),
    };
    let mut recovery = Recovery::new(attempt.by);
    // What any of the tries may have done.
    let mut delivery = Delivery::No;
    loop {
        recovery.begin(pool);
        let (failure, lent) = match pool.lend(attempt.by).await {
            Ok(mut lent) => {
                let id = pool.call_id();
                call.token = id.first();
                match once(pool, &mut lent, &call, marked, attempt).await {
                    Ok(outcome) => {
                        pool.answered(lent.component);
                        pool.give_back(lent);
                        return Ok(outcome);
                    }
                    Err(failure) => (failure, Some(lent)),
                }
            }
            Err(failure) => (failure, None),
        };
        let sent = lent.as_ref().map_or(Sent::Nothing, |lent| Sent::of(lent.conversation.visit()));
        let now = delivery::of_failure(&failure, sent);
        if now == Delivery::Maybe {
            delivery = now;
        }
        let safe = now == Delivery::No || marked.repeatable();
        // One about the result comes after the tool ran.
        let refusal = match &failure {
            Failure::Gateway(error, _)
                if matches!(error.code, types::FailureCode::Rejected)
                    && delivery == Delivery::No
                    && error.rpc_code() == Some(INVALID_PARAMS) =>
            {
                Some(error)
            }
            _ => None,
        };
        let (rejected, says_unknown) =
            (refusal.is_some(), refusal.is_some_and(|error| tells_of_no_tool(&error.message)));
        // A new session is good for the next call even when this one must not be repeated.
        let replaced = lent.as_ref().is_some_and(|lent| pool.put_out(lent.component, &failure));
        let recovered =
            if replaced { recovery.other_component() } else { recovery.recover(pool, &failure, lent).await };
        if !(recovered && safe) {
            let error = delivery::told_of_call(recovery.explain(pool, failure), tool, delivery, marked);
            return Err(Unanswered { error, rejected, says_unknown });
        }
    }
}

/// A deadline is the caller giving up; everything else is an answer of some kind.
fn gave_up(outcome: &Result<calls::Outcome, Failure>) -> bool {
    match outcome {
        Err(Failure::Host(error)) => error.class == Class::Timeout,
        Err(Failure::Gateway(_, Some(seen))) => {
            matches!(**seen, EgressFailure::Timeout { phase: Phase::FirstByte | Phase::Body, .. })
        }
        _ => false,
    }
}

/// With which JSON-RPC code MCP says that it knows no tool of this name.
const INVALID_PARAMS: i64 = -32_602;

async fn once(
    pool: &Arc<Pool>,
    lent: &mut Lent,
    call: &calls::Call,
    marked: Marked,
    attempt: &Attempt,
) -> Result<calls::Outcome, Failure> {
    let within = pool.left_of(attempt.by)?;
    pool.inbox().listen(call.token, Arc::clone(&attempt.listener));
    let waiting = Waiting {
        tool: call.tool.clone(),
        marked,
        state: Arc::clone(&lent.agreed.state),
        runtime: Arc::clone(&lent.runtime),
        visit: Arc::clone(lent.conversation.visit()),
    };
    pool.sends(call.token, waiting);
    let mut pending = Pending { pool: Arc::clone(pool), token: call.token, end: End::Dropped };
    let outcome = lent.conversation.call_tool(call, within).await;
    pending.end = if gave_up(&outcome) { End::Late } else { End::Answered };
    outcome
}
