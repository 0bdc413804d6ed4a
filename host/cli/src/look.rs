//! `test`, `services`, `tools`, `health` and `call`: one question to a gateway.
//! Takes a target; gives a [`Reply`]. Ends the session that it opened.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{
    args::{self, FailOn},
    context::Context,
    given, render, result, save,
    screen::{Reply, Shown, careful, say},
    search,
    steps::{Steps, To},
    tool, watch,
};
use pflow_gateway::{
    CallOptions, Gateway,
    arguments::{Given, fitting},
    config::{Launch, Variables, shown_target},
    health::Looker,
    history::{CallResult, History, Moment, Watcher},
    monitor::Alerts,
    report::{self, Health, Severity, Status},
    serve::{FileSnapshots, Snapshots as _},
};
use pflow_gateway_base::{Class, Deadline, Error, Result, json::Json};

/// For goodbyes, however many steps they have.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// By how much the end of a step may come before the end of all of them.
const GRACE: Duration = Duration::from_millis(300);

/// Asks, then says goodbye; the farewell never changes the answer.
async fn ask<T>(context: &Context, gateway: &Gateway, question: impl Future<Output = T>) -> T {
    let _waiting = context.waiting.on(&gateway.config().name);
    let answer = question.await;
    farewell(gateway).await;
    answer
}

/// The session ends, as well as that goes: nobody waits long for it.
async fn farewell(gateway: &Gateway) {
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, gateway.close()).await;
}

/// The same, with `--timeout` for all of it: every step has it for itself, and several of them add up. None: it was not enough.
pub(super) async fn ask_within<T>(
    context: &Context,
    gateway: &Gateway,
    question: impl Future<Output = T>,
) -> Result<T> {
    let _waiting = context.waiting.on(&gateway.config().name);
    within(context.deadline, gateway, question).await
}

/// The same, for whoever shows by himself that he waits.
pub(super) async fn within<T>(
    deadline: Option<Deadline>,
    gateway: &Gateway,
    question: impl Future<Output = T>,
) -> Result<T> {
    let answer = match deadline {
        None => Ok(question.await),
        // A step that takes too long says so better than this does: it knows what it waited for.
        Some(by) => tokio::time::timeout(by.left().saturating_add(GRACE), question).await.map_err(|_| {
            let (name, limit) = (&gateway.config().name, by.limit().as_secs_f64());
            Error::new(
                Class::Timeout,
                format!("{name} took longer than the {limit} s of --timeout, several steps together"),
            )
            .with_hint("allow more with --timeout, or look into the gateway's log")
        }),
    };
    farewell(gateway).await;
    answer
}

/// `test`.
pub(super) async fn test(context: &Context, look: &args::Look) -> Reply {
    let gateway = match context.asked(&look.target, &look.auth).await {
        Ok(gateway) => gateway,
        Err(error) => {
            return Reply::failed(json!({"gateway": shown_target(&look.target), "ok": false, "checks": []}), error);
        }
    };
    for remark in file_remarks(context, &look.target).iter().chain(&gateway.config().remarks) {
        say(&format!("{} {remark}\n", careful()));
    }
    let steps = Steps::of(context, &gateway, To::Stdout);
    let launch = launch(context, &look.target);
    if let Some(launch) = &launch {
        steps.tell(&launch_step(launch));
    }
    let mut report = ask(context, &gateway, steps.test(context, &gateway)).await;
    context.saw(&gateway).await;
    if let Some(launch) = &launch {
        add_launch(context, launch, &mut report);
    }
    let error = failure(report.ok, report.error.as_ref(), "the test failed");
    let told = error.as_ref().map_or(Shown::NotYet, |error| render::tells(&report, error));
    Reply::judged(steps.rest(&report), &report, error).told(told)
}

/// What is odd about the file of an entry.
fn file_remarks(context: &Context, target: &str) -> Vec<String> {
    context.file().ok().filter(|file| file.contains(target)).map_or_else(Vec::new, |file| file.remarks())
}

/// How pflow starts what the entry says, if it is one that pflow starts.
fn launch(context: &Context, target: &str) -> Option<Launch> {
    let variables = Variables::of_this_user().ok()?;
    context.file().ok()?.launch(target, &variables)
}

/// The first step: whether pflow can start what the entry says. The gateway's own answers do not show that.
fn launch_step(launch: &Launch) -> report::Check {
    let (ok, detail) = match &launch.broken {
        Some(why) => (Some(false), why.clone()),
        None if launch.doubts.is_empty() => {
            let unhooked = launch.unhooked.as_ref().map_or_else(String::new, |why| format!("; {why}"));
            (Some(true), format!("starts {}{unhooked}", launch.command))
        }
        None => (None, launch.doubts.join("; ")),
    };
    report::Check { name: "pflow", ok, ms: None, detail }
}

fn add_launch(context: &Context, launch: &Launch, report: &mut report::Test) {
    report.checks.insert(0, launch_step(launch));
    if let (Some(why), None) = (&launch.broken, &report.error) {
        report.ok = false;
        report.error = Some(
            Error::config(format!("pflow cannot start {}: {why}", report.gateway))
                .with_hint(format!("write how to start it anew: {} adopt {}", context.program, report.gateway)),
        );
    }
}

/// The report's error; one of its own if the report has none and is not good.
fn failure(ok: bool, error: Option<&Error>, otherwise: &str) -> Option<Error> {
    error.cloned().or_else(|| (!ok).then(|| Error::new(Class::UpstreamError, otherwise)))
}

/// `services`.
pub(super) async fn services(context: &Context, look: &args::Look) -> Reply {
    let shape = json!({"gateway": shown_target(&look.target), "services": [], "unattributed": 0, "warnings": []});
    let answer = match context.asked(&look.target, &look.auth).await {
        Ok(gateway) => {
            let answer = ask_within(context, &gateway, gateway.services()).await.and_then(|answer| answer);
            context.saw(&gateway).await;
            answer
        }
        Err(error) => Err(error),
    };
    match answer {
        Ok(report) => {
            let grounds = if context.verbose > 0 { render::Grounds::Shown } else { render::Grounds::LeftOut };
            Reply::in_format(context.format, |report| render::services(report, grounds), report)
        }
        Err(error) => Reply::failed(shape, error),
    }
}

/// `tools`.
pub(super) async fn tools(context: &Context, tools: &args::Tools) -> Reply {
    if let Some(question) = &tools.search {
        return search::search(context, tools, question).await;
    }
    let target = tools.target.as_deref().unwrap_or_default();
    if tools.review {
        return review(context, target, tools).await;
    }
    if let Some(name) = &tools.tool {
        return one_tool(context, target, name, &tools.auth).await;
    }
    let shape = json!({"gateway": shown_target(target), "total": 0, "pages": 0, "filtered_out": 0, "tools": [], "warnings": []});
    let narrow = tools.pick.filter(&tools.services);
    let answer = match context.asked(target, &tools.auth).await {
        Ok(gateway) => {
            let answer = ask_within(context, &gateway, gateway.tools(&narrow)).await.and_then(|answer| answer);
            context.saw(&gateway).await;
            answer
        }
        Err(error) => Err(error),
    };
    match answer {
        Ok(report) if tools.tokens => search::prices(&report),
        Ok(report) => Reply::in_format(context.format, render::tools, report),
        Err(error) => Reply::failed(shape, error),
    }
}

/// `tools TARGET --review`.
async fn review(context: &Context, target: &str, tools: &args::Tools) -> Reply {
    let narrow = tools.pick.filter(&tools.services);
    let answer = match context.asked(target, &tools.auth).await {
        Ok(gateway) => {
            let answer = ask_within(context, &gateway, gateway.review(&narrow)).await.and_then(|answer| answer);
            context.saw(&gateway).await;
            answer
        }
        Err(error) => Err(error),
    };
    match answer {
        Ok(report) => {
            let minded = report.findings.iter().any(|found| found.severity >= Severity::Warning);
            let mut reply = Reply::in_format(context.format, render::review, report);
            reply.code = u8::from(minded);
            reply
        }
        Err(error) => {
            let shape = json!({"gateway": shown_target(target), "tools": 0, "findings": [], "more": 0, "rules": [], "warnings": []});
            Reply::failed(shape, error)
        }
    }
}

/// `tools TARGET TOOL`.
async fn one_tool(context: &Context, target: &str, name: &str, auth: &args::Auth) -> Reply {
    let found = match context.asked(target, auth).await {
        Ok(gateway) => ask_within(context, &gateway, gateway.find(name)).await.and_then(|answer| answer),
        Err(error) => Err(error),
    };
    match found {
        Ok((found, refused)) => tool::describe(&context.program, target, &found, refused.as_ref()),
        Err(error) => Reply::failed(tool::shape(target), error),
    }
}

/// `health`.
pub(super) async fn health(context: &Context, health: &args::Health) -> Reply {
    match look_at_all(context, health).await {
        Ok(report) => {
            let code = verdict(&report, health.fail_on);
            let mut reply = Reply::in_format(context.format, render::health, report);
            reply.code = code;
            reply
        }
        Err(error) => Reply::failed(json!({"status": Status::Unknown, "gateways": []}), error),
    }
}

/// The exit code.
fn verdict(report: &Health, fail_on: FailOn) -> u8 {
    let failed = match fail_on {
        FailOn::Degraded => report.status != Status::Ok,
        FailOn::Offline => report.gateways.iter().any(|gateway| {
            is_down(gateway.status)
                || gateway.services.iter().any(|service| is_down(service.status))
                || gateway.checked_at.is_empty()
        }),
    };
    match (failed, report.gateways.as_slice()) {
        (false, _) => 0,
        // The only one, and it is the configuration that is wrong.
        (true, [only]) => only.error.as_ref().map_or(1, Error::exit_code),
        (true, _) => 1,
    }
}

fn is_down(status: Status) -> bool {
    !matches!(status, Status::Degraded | Status::RateLimited) && !pflow_gateway::history::is_well(status)
}

/// The targets that were named, or all gateways.
pub(super) fn targets(context: &Context, named: &[String]) -> Result<Vec<String>> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let file = context.file()?;
    let all: Vec<String> = file.gateways().into_iter().map(|(name, _)| name).collect();
    if all.is_empty() {
        return Err(Error::config(format!("there is no gateway in {}", file.path().display()))
            .with_hint(format!("add one: {} add NAME URL", context.program)));
    }
    Ok(all)
}

async fn look_at_all(context: &Context, health: &args::Health) -> Result<Health> {
    let (watching, named) = (&health.watching, &health.targets);
    watch::check(watching)?;
    let targets = targets(context, named)?;
    let history = context.history();
    let history = if watching.on_change.is_some() { history.patient() } else { history };
    let mut looker = Looker::new(history, watching.probes.clone());
    // Nobody is told by a look alone, so nothing counts as told.
    let alerts = watching.on_change.clone().map(|command| {
        let role = watch::role("health", named, watching);
        let watcher = Arc::new(Watcher::passing(looker.history().clone(), &role, watching.alert_on.into()));
        looker = looker.clone().telling(Arc::clone(&watcher));
        (Alerts::start(Some(command), Arc::clone(&watcher)), watcher)
    });
    let alerts = match alerts {
        Some((alerts, watcher)) => {
            // What the run before this one was to hand over, and did not before it was ended.
            alerts.tell(&tokio::task::spawn_blocking(move || watcher.undelivered()).await.unwrap_or_default());
            Some(alerts)
        }
        None => None,
    };
    // Side by side: one that hangs costs the others nothing. The order stays as asked.
    let mut looks = tokio::task::JoinSet::new();
    let mut reports: Vec<Option<report::GatewayHealth>> = vec![None; targets.len()];
    let mut opened = Vec::new();
    for (at, target) in targets.iter().enumerate() {
        match context.asked(target, &health.auth).await {
            Ok(gateway) => {
                let (looker, waiting) = (looker.clone(), context.waiting.on(&gateway.config().name));
                opened.push(gateway.clone());
                looks.spawn(async move {
                    let seen = looker.look_whatever_happens(&gateway).await;
                    farewell(&gateway).await;
                    drop(waiting);
                    (at, seen)
                });
            }
            // One broken entry among several is a finding; the only one is a usage error.
            Err(error) if targets.len() == 1 => return Err(error),
            Err(error) => {
                if let Some(report) = reports.get_mut(at) {
                    *report = Some(unreadable(target, error));
                }
            }
        }
    }
    while let Some(look) = looks.join_next().await {
        let (at, (health, transitions)) = look.map_err(|error| Error::new(Class::Internal, error.to_string()))?;
        if let Some(alerts) = &alerts {
            alerts.tell(&transitions);
        }
        if let Some(report) = reports.get_mut(at) {
            *report = Some(health);
        }
    }
    if let Some(alerts) = alerts {
        let _waiting = context.waiting.on("--on-change");
        alerts.finish().await;
    }
    for gateway in &opened {
        context.saw(gateway).await;
    }
    tell_missing(&looker);
    tell_notes(looker.history());
    let gateways: Vec<report::GatewayHealth> = reports.into_iter().flatten().collect();
    Ok(Health { status: report::worst(&gateways), gateways, history_off: looker.history().why_off() })
}

/// Probes that no gateway could make, on stderr.
pub(super) fn tell_missing(looker: &Looker) {
    for probe in looker.missing() {
        say(&format!("{} {}\n", careful(), probe.not_made(None)));
    }
}

/// What happened to the history, on stderr.
pub(super) fn tell_notes(history: &History) {
    for note in history.take_notes() {
        say(&format!("{} {note}\n", careful()));
    }
}

fn unreadable(target: &str, error: Error) -> report::GatewayHealth {
    report::GatewayHealth {
        error: Some(error),
        ..report::GatewayHealth::new(shown_target(target), Status::Unknown, String::new())
    }
}

/// `call`.
pub(super) async fn call(context: &Context, call: &args::Call) -> Reply {
    let shape =
        json!({"gateway": shown_target(&call.target), "tool": call.tool, "service": null, "ok": false, "result": null});
    let ready = async {
        let given = given::given(call)?;
        call.save.as_deref().map(save::prepare).transpose()?;
        Ok((given, context.asked(&call.target, &call.auth).await?))
    };
    let (given, gateway) = match ready.await {
        Ok(ready) => ready,
        Err(error) => return Reply::failed(shape, error),
    };
    let question = async {
        let arguments = match ready_arguments(context, &gateway, call, given).await {
            Ok(arguments) => arguments,
            Err(error) => return Err(error),
        };
        Ok(gateway.call(&call.tool, arguments, CallOptions::default()).await)
    };
    let answered = ask_within(context, &gateway, question).await;
    if let Ok(Ok(report)) = &answered
        && let Some(change) = gateway.change_of(&report.tool).filter(|_| report.result.is_some())
    {
        say(&format!("{} {change}\n", careful()));
    }
    let mut report = match answered {
        Ok(Ok(report)) => report,
        // Nothing was sent.
        Ok(Err(error)) => return Reply::failed(shape, error),
        // It was dropped in the middle: whatever was sent by then may have run.
        Err(error) => {
            let error = match gateway.left_running().pop() {
                Some(left) => error.with_hint(left.words(&gateway.config().name)),
                None => error,
            };
            return Reply::failed(shape, error);
        }
    };
    if let Some((service, result)) = CallResult::of(&report) {
        let (history, name) = (context.history(), report.gateway.clone());
        let record = move || history.record_call(&name, &service, &result, Moment::now());
        let _ = tokio::task::spawn_blocking(record).await;
    }
    let mut text = report.result.as_ref().map_or_else(String::new, result::result);
    report.explain_failure();
    let error = failure(report.ok, report.error.as_ref(), "the call failed");
    let Some(folder) = &call.save else { return Reply::judged(text, &report, error).theirs() };
    let saved = report.result.as_ref().map(|result| save::save(result, &report.tool, folder)).unwrap_or_default();
    text.push_str(&saved.words());
    let unsaved = saved.error();
    let error = error.or(unsaved);
    let mut reply = Reply::judged(text, &save::WithFiles::of(&report, &saved, error.as_ref()), error.clone()).theirs();
    // The tool ran: a file that is missing is no reason to call it wrong.
    reply.code = reply.code.min(1);
    reply
}

/// What to send, once it fits the tool. Looks for the tool as the call will.
async fn ready_arguments(context: &Context, gateway: &Gateway, call: &args::Call, given: Given) -> Result<Json> {
    let mut found = gateway.find(&call.tool).await;
    if found.as_ref().is_err_and(|error| error.class == Class::Config) && remembers(context, gateway, call) {
        // Nothing was sent: the name is not in the list. It may be known by the name that it has now.
        found = gateway.find(&call.tool).await;
    }
    let (tool, refused) = found?;
    match refused {
        Some(refused) => Err(refused),
        None if call.no_check => Ok(given.unchecked()),
        None => Ok(fitting(&tool, given)?),
    }
}

/// Whether the tool is not listed now, and was when pflow last read the catalogue; then the gateway knows what it was.
fn remembers(context: &Context, gateway: &Gateway, call: &args::Call) -> bool {
    let listed = gateway.seen_tools();
    if listed.is_empty() || listed.iter().any(|tool| tool.name == call.tool) {
        return false;
    }
    let last = context.memory().ok().and_then(|folder| FileSnapshots::new(&folder, gateway.config()).load());
    let Some(last) = last.filter(|last| last.tools.tools.iter().any(|tool| tool.name == call.tool)) else {
        return false;
    };
    gateway.recall(&last.tools.tools);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_in_part_fails_only_when_that_is_asked() {
        let report = |status, service: Option<Status>| {
            let mut gateway = report::GatewayHealth::new("gw", status, "now");
            gateway.services.extend(service.map(|status| report::ServiceHealth::new("s", status, 1)));
            Health { status, gateways: vec![gateway], history_off: None }
        };
        let codes = |report: &Health| (verdict(report, FailOn::Degraded), verdict(report, FailOn::Offline));
        assert_eq!(codes(&report(Status::Ok, Some(Status::Ok))), (0, 0));
        assert_eq!(codes(&report(Status::Degraded, Some(Status::Degraded))), (1, 0));
        assert_eq!(codes(&report(Status::Degraded, Some(Status::Offline))), (1, 1));
        assert_eq!(codes(&report(Status::Unreachable, None)), (1, 1));
    }
}
