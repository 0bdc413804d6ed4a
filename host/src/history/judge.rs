//! What is to be thought of a look at a gateway, given what is known from before.
//! Takes a report as the component gave it and the history; completes the report. Pure: no clock, no file, no traffic. Never drops
//! evidence, and shows signals that disagree as such.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::Duration,
};

use super::{
    clock::{Moment, span},
    write::tool_of,
};
use crate::{
    report::{GatewayHealth, ServiceHealth, Status},
    scrub,
};

/// A failed call makes a service suspect for so long, if nothing newer is heard of it.
pub(super) const FAILED_CALL: Duration = Duration::from_mins(1);
/// A good call is a sign of life for so long.
const GOOD_CALL: Duration = Duration::from_secs(120);
/// The slowest known gateway notices after three minutes. One that has seen a service so much longer ago than its others does not
/// know how it is. Compared with the others, since the gateway's clock may be wrong for all of them.
const STALE: Duration = Duration::from_secs(600);
/// A token that ends within a day is worth a word.
const EXPIRY: Duration = Duration::from_secs(86_400);
/// Catalogues are cut at multiples of this, or not noticeably.
const ROUND: usize = 50;
/// Failed calls of tools of no known service that are told.
const STRAYS: usize = 3;
/// Names in one sentence.
const NAMES: usize = 8;

/// A tool as a snapshot keeps it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct SnapshotTool {
    /// The exact name on the wire.
    pub name: String,
    /// The service it is from, when known.
    pub service: Option<String>,
}

/// A catalogue that was good, or that the user accepted.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Snapshot {
    /// When it was last seen so.
    pub seen_at: Moment,
    /// The user said that it is right.
    pub accepted: bool,
    /// Sorted by name.
    pub tools: Vec<SnapshotTool>,
}

/// What the calls of a service told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallsSeen {
    /// The last call that the service answered.
    pub last_good: Option<Moment>,
    /// The last one that it did not.
    pub last_bad: Option<Moment>,
    /// Failures since the last good one.
    pub failures: u32,
    /// What the last failure means.
    pub status: Option<Status>,
    /// In words.
    pub message: String,
}

/// What was last thought of a service, or of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSeen {
    /// After judgement.
    pub status: Status,
    /// As the component said, before judgement.
    pub reported: Status,
    /// Since when it says so.
    pub reported_since: Moment,
    /// When it was last well.
    pub last_good: Option<Moment>,
}

/// What the history knows of a gateway.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The last good catalogue, and what was listed since.
    pub snapshot: Option<Snapshot>,
    /// Tools in it that are in no good catalogue: listed since, by somebody who did not judge.
    pub listed: BTreeSet<String>,
    /// By service.
    pub calls: BTreeMap<String, CallsSeen>,
    /// By service.
    pub states: BTreeMap<String, StateSeen>,
}

/// How a harmless tool answered that the user named for this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Which.
    pub tool: String,
    /// `Ok`, or what its failure means; `Unknown` when it was not called.
    pub status: Status,
    /// In words.
    pub message: String,
}

/// What was seen besides the report.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The catalogue before filters; none when it could not be read.
    pub tools: Option<Vec<SnapshotTool>>,
    /// A page of it could not be read: nothing is gone because it is not in it.
    pub cut: bool,
    /// Services that the user declared.
    pub declared: Vec<String>,
    /// By service.
    pub probes: BTreeMap<String, Probe>,
}

/// What the history has to keep of a judgement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What the component said of each service.
    pub reported: BTreeMap<String, Status>,
    /// Services whose earlier failed calls no longer count.
    pub forgiven: Vec<String>,
    /// Services that only a failed call speaks against, and when it failed; '' where it was of no known service.
    pub suspected: BTreeMap<String, Moment>,
    /// The catalogue is complete, as far as can be known: it may become the last good snapshot.
    pub good_catalogue: bool,
}

/// Whether nobody has to act on it.
#[must_use]
pub fn is_well(status: Status) -> bool {
    matches!(status, Status::Ok | Status::Unknown | Status::Disabled)
}

/// Services of one gateway that are looked at. The largest that is known of has some dozens; each one is a row, a line and a metric.
const SERVICES: usize = 500;
/// Characters of a service's name. ContextForge allows 255, and nobody can read more.
const NAME: usize = 255;

/// What a gateway makes up costs a bounded amount, here and in the history.
fn bound(health: &mut GatewayHealth, known: &Known) {
    let all = health.services.len();
    health.services.retain(|service| service.name.chars().take(NAME + 1).count() <= NAME);
    let long = all - health.services.len();
    if long > 0 {
        health.warnings.push(format!("{long} services have names of more than {NAME} characters and are left out"));
    }
    let many = health.services.len();
    if many > SERVICES {
        // Those that are known stay, then those that are not well.
        health.services.sort_by_key(|service| {
            (!known.states.contains_key(&service.name), is_well(service.status), service.name.clone())
        });
        health.services.truncate(SERVICES);
        health.warnings.push(format!("the gateway reports {many} services; {SERVICES} are looked at"));
    }
}

/// Completes the report.
pub fn judge(health: &mut GatewayHealth, seen: &Seen, known: &Known, now: Moment) -> Verdict {
    bound(health, known);
    let mut verdict = Verdict {
        reported: health.services.iter().map(|s| (s.name.clone(), s.status)).collect(),
        ..Verdict::default()
    };
    token(health, now);
    match &seen.tools {
        None => from_memory(health, known, now, "the gateway could not be asked"),
        Some(_) if seen.cut => from_memory(health, known, now, "the list of tools could not be read to its end"),
        // An entry with a filter may have nothing left where others have.
        Some(tools) if tools.is_empty() && health.tools.unwrap_or_default() == 0 => nothing_listed(health, known, now),
        Some(tools) => verdict.good_catalogue = compare(health, tools, seen, known, now),
    }
    let age = |service: &ServiceHealth| Some(service.last_seen.as_deref().and_then(Moment::parse)?.age(now));
    let freshest = health.services.iter().filter_map(age).min().unwrap_or_default();
    let gateway = health.status;
    for service in &mut health.services {
        last_seen(service, freshest, known, now);
        let said = service.status;
        if calls(service, gateway, known, now) == Forgive::Yes {
            verdict.forgiven.push(service.name.clone());
        }
        if service.status != said && is_well(said) && !is_well(service.status) {
            let failed = known.calls.get(&service.name).and_then(|calls| calls.last_bad);
            verdict.suspected.extend(failed.map(|at| (service.name.clone(), at)));
        }
        if let Some(probe) = seen.probes.get(&service.name) {
            probed(service, probe);
            if probe.status != Status::Unknown {
                verdict.suspected.remove(&service.name);
            }
        }
    }
    bound(health, known);
    health.services.sort_by(|one, other| one.name.cmp(&other.name));
    if health.status == Status::Ok && !health.services.iter().all(|service| is_well(service.status)) {
        health.status = Status::Degraded;
    }
    // The component's doubts may be settled by a probe.
    if health.status == Status::Degraded
        && health.error.is_none()
        && verdict.good_catalogue
        && health.services.iter().all(|service| is_well(service.status))
    {
        health.status = Status::Ok;
    }
    let strays = stray_calls(health, seen, known, now);
    // The gateway itself is suspect when it works in part, and failed calls are all that says so.
    let only_suspects = health.status == Status::Degraded
        && health.error.is_none()
        && verdict.good_catalogue
        && health
            .services
            .iter()
            .all(|service| is_well(service.status) || verdict.suspected.contains_key(&service.name));
    let last = verdict.suspected.values().copied().chain(strays).max().filter(|_| only_suspects);
    verdict.suspected.extend(last.map(|at| (String::new(), at)));
    if last.is_some() {
        verdict.reported.insert(String::new(), Status::Ok);
    }
    verdict
}

/// Failed calls of tools of no known service: something behind the gateway does not work, and nobody knows what. When the last was.
fn stray_calls(health: &mut GatewayHealth, seen: &Seen, known: &Known, now: Moment) -> Option<Moment> {
    let listed = |name: &str| seen.tools.iter().flatten().any(|tool| tool.name == name && tool.service.is_none());
    let failed = known.calls.iter().filter_map(|(about, calls)| {
        let at = calls.last_bad.filter(|_| calls.failures > 0)?;
        let age = at.age(now);
        let name = tool_of(about).filter(|name| age <= FAILED_CALL && listed(name))?;
        Some((age, at, name, &calls.message))
    });
    let mut failed: Vec<_> = failed.collect();
    failed.sort();
    let last = failed.first().map(|(_, at, ..)| *at);
    for (age, _, name, message) in failed.into_iter().take(STRAYS) {
        let (name, message) = (scrub::line(name, 100), scrub::line(message, 300));
        health.warnings.push(format!("a call to {name}, of no known service, failed {} ago: {message}", span(age)));
        health.status = worse(health.status);
    }
    last
}

fn token(health: &mut GatewayHealth, now: Moment) {
    let Some(ends) = health.expires_at.as_deref().and_then(Moment::parse) else { return };
    match ends.ahead(now) {
        Some(left) if left < EXPIRY => health.warnings.push(format!("the gateway's token expires in {}", span(left))),
        None if health.error.is_none() => {
            let ago = span(ends.age(now));
            health.warnings.push(format!(
                "signals disagree: the token expired {ago} ago by its own date, and the gateway still takes it"
            ));
        }
        // Far away, or the error says it.
        Some(_) | None => {}
    }
}

/// The gateway could not be asked, or not for all: services as they were known last, and why.
fn from_memory(health: &mut GatewayHealth, known: &Known, now: Moment, why: &str) {
    let listed: BTreeMap<&str, usize> =
        known.snapshot.iter().flat_map(by_service).map(|(name, tools)| (name, tools.len())).collect();
    let names: BTreeSet<&str> = listed.keys().copied().chain(known.states.keys().map(String::as_str)).collect();
    for name in names {
        if name.is_empty() || health.services.iter().any(|service| service.name == name) {
            continue;
        }
        let mut service = ServiceHealth::new(name, Status::Unknown, listed.get(name).copied().unwrap_or_default());
        service.evidence.push(why.into());
        if let Some(state) = known.states.get(name) {
            let when = state.last_good.map_or_else(String::new, |at| format!(", last well {} ago", span(at.age(now))));
            service.evidence.push(format!("last known: {}{when}", state.status));
        }
        health.services.push(service);
    }
}

/// No tool at all, and no error: gateways also answer so when they fail inside.
fn nothing_listed(health: &mut GatewayHealth, known: &Known, now: Moment) {
    let Some(snapshot) = known.snapshot.as_ref().filter(|snapshot| !snapshot.tools.is_empty()) else { return };
    let ago = span(snapshot.seen_at.age(now));
    health.status = Status::Degraded;
    health.warnings.push(format!("the gateway lists no tools at all; {ago} ago there were {}", snapshot.tools.len()));
    for (name, tools) in by_service(snapshot) {
        let words = format!("the gateway lists no tools at all; {ago} ago this service had {}", tools.len());
        if let Some(service) = health.services.iter_mut().find(|service| service.name == name) {
            service.evidence.push(words);
        } else {
            let mut service = ServiceHealth::new(name, Status::Unknown, 0);
            service.evidence.push(words);
            health.services.push(service);
        }
    }
}

fn by_service(snapshot: &Snapshot) -> BTreeMap<&str, Vec<&str>> {
    let mut services: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for tool in &snapshot.tools {
        if let Some(service) = &tool.service {
            services.entry(service).or_default().push(&tool.name);
        }
    }
    services
}

/// The catalogue against the snapshot and the declarations. Whether it seems to be complete.
fn compare(health: &mut GatewayHealth, tools: &[SnapshotTool], seen: &Seen, known: &Known, now: Moment) -> bool {
    let current: BTreeSet<&str> = tools.iter().filter_map(|tool| tool.service.as_deref()).collect();
    let names: BTreeSet<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let missing: Vec<&str> = seen.declared.iter().map(String::as_str).filter(|name| !current.contains(name)).collect();
    let snapshot = known.snapshot.as_ref();
    let shrunk = snapshot.is_some_and(|snapshot| snapshot.tools.len() > tools.len());
    let total = health.tools.unwrap_or(tools.len());
    let cut = total > 0 && total.is_multiple_of(ROUND) && (shrunk || !missing.is_empty());
    if cut {
        let more = match snapshot {
            Some(snapshot) if shrunk => {
                format!("{} ago there were {}", span(snapshot.seen_at.age(now)), snapshot.tools.len())
            }
            _ => format!("nothing of {} is in it", list(&missing)),
        };
        health.warnings.push(format!("the catalogue ends at exactly {total} tools and may have been cut: {more}"));
        health.status = worse(health.status);
    }
    let gone = if cut { Status::Degraded } else { Status::Offline };
    if let Some(snapshot) = snapshot {
        vanished(health, snapshot, &current, &names, gone, now);
        appeared(health, snapshot, tools, &known.listed);
    }
    for name in &missing {
        // One fact is one line: the component says the same as a warning, and as evidence.
        let said = format!("the declared service \"{}\" has no tools", scrub::line(name, 500));
        health.warnings.retain(|warning| !warning.starts_with(&said));
        let vanished = health.vanished.iter().any(|gone| gone == name);
        let what = what_to_do(health.absence.as_deref(), name);
        let service = entry(health, name);
        if is_well(service.status) && service.status != Status::Disabled {
            service.status = gone;
        }
        if !vanished {
            silence(service);
            service.evidence.insert(0, format!("declared, and the gateway lists no tool of it: {what}"));
        }
    }
    health.vanished_tools.is_empty() && missing.is_empty() && !cut && health.error.is_none()
}

fn vanished(
    health: &mut GatewayHealth,
    snapshot: &Snapshot,
    current: &BTreeSet<&str>,
    names: &BTreeSet<&str>,
    gone: Status,
    now: Moment,
) {
    let ago = span(snapshot.seen_at.age(now));
    for (name, tools) in by_service(snapshot) {
        let lost: Vec<&str> = tools.iter().copied().filter(|tool| !names.contains(tool)).collect();
        if lost.is_empty() {
            continue;
        }
        let what = what_to_do(health.absence.as_deref(), name);
        let service = entry(health, name);
        if current.contains(name) {
            let words = format!(
                "{} of its {} tools {} gone: {} (seen {ago} ago)",
                lost.len(),
                tools.len(),
                if lost.len() == 1 { "is" } else { "are" },
                list(&lost)
            );
            service.evidence.insert(0, words);
            continue;
        }
        silence(service);
        let words = format!("all its tools are gone: {} (seen {ago} ago): {what}", list(&lost));
        // Known to be off, or known to be down: the catalogue only confirms it.
        if is_well(service.status) && service.status != Status::Disabled {
            service.status = gone;
            service.evidence.insert(0, words);
        } else {
            service.evidence.push(words);
        }
        if service.status != Status::Disabled {
            health.vanished.push(name.to_owned());
        }
    }
    health.vanished_tools = snapshot
        .tools
        .iter()
        .filter(|tool| !names.contains(tool.name.as_str()))
        .map(|tool| tool.name.clone())
        .collect();
    let orphans: Vec<&str> = snapshot
        .tools
        .iter()
        .filter(|tool| tool.service.is_none() && !names.contains(tool.name.as_str()))
        .map(|tool| tool.name.as_str())
        .collect();
    if !orphans.is_empty() {
        let what = what_to_do(health.absence.as_deref(), "their service");
        health
            .warnings
            .push(format!("tools of no known service are gone: {} (seen {ago} ago): {what}", list(&orphans)));
        health.status = worse(health.status);
    }
}

/// What to do about a service that is listed no more, by the product.
fn what_to_do(remedy: Option<&str>, name: &str) -> String {
    let name = scrub::line(name, 100);
    remedy.unwrap_or("look at {service}, and whether the gateway still has it").replace("{service}", &name)
}

/// Takes away what is said of a service only because nothing of it is listed.
fn silence(service: &mut ServiceHealth) {
    if service.status == Status::Unknown && service.tools == 0 {
        service.evidence.clear();
    }
}

fn appeared(health: &mut GatewayHealth, snapshot: &Snapshot, tools: &[SnapshotTool], listed: &BTreeSet<String>) {
    let judged = || snapshot.tools.iter().filter(|tool| !listed.contains(&tool.name));
    let before: BTreeSet<&str> = judged().filter_map(|tool| tool.service.as_deref()).collect();
    let names: BTreeSet<&str> = judged().map(|tool| tool.name.as_str()).collect();
    let services: BTreeSet<&str> = tools.iter().filter_map(|tool| tool.service.as_deref()).collect();
    health.appeared = services.into_iter().filter(|name| !before.contains(name)).map(str::to_owned).collect();
    health.appeared_tools =
        tools.iter().filter(|tool| !names.contains(tool.name.as_str())).map(|tool| tool.name.clone()).collect();
}

/// The service's place in the report; a new one when the report does not mention it.
fn entry<'a>(health: &'a mut GatewayHealth, name: &str) -> &'a mut ServiceHealth {
    let at = health.services.iter().position(|service| service.name == name).unwrap_or_else(|| {
        health.services.push(ServiceHealth::new(name, Status::Unknown, 0));
        health.services.len() - 1
    });
    #[expect(clippy::indexing_slicing, reason = "found or pushed just now")]
    &mut health.services[at]
}

fn last_seen(service: &mut ServiceHealth, freshest: Duration, known: &Known, now: Moment) {
    if let Some(at) = service.last_seen.as_deref().and_then(Moment::parse) {
        let age = at.age(now);
        if service.status == Status::Ok && age.saturating_sub(freshest) > STALE {
            service.status = Status::Degraded;
            service.evidence.insert(0, format!("signals disagree: called well, and last seen well {} ago", span(age)));
        }
        return;
    }
    let calls = known.calls.get(&service.name).and_then(|calls| calls.last_good);
    let state = known.states.get(&service.name).and_then(|state| state.last_good);
    service.last_seen = calls.max(state).map(Moment::rfc3339);
}

#[derive(PartialEq, Eq)]
enum Forgive {
    Yes,
    No,
}

/// What calls told, against what is said.
fn calls(service: &mut ServiceHealth, gateway: Status, known: &Known, now: Moment) -> Forgive {
    let Some(calls) = known.calls.get(&service.name) else { return Forgive::No };
    let state = known.states.get(&service.name);
    if calls.failures > 0 {
        let Some(at) = calls.last_bad else { return Forgive::No };
        let recovered = state.is_some_and(|state| !is_well(state.reported));
        let seen_since = service.last_seen.as_deref().and_then(Moment::parse).is_some_and(|seen| seen > at);
        if service.status == Status::Ok && (recovered || seen_since) {
            service
                .evidence
                .push(format!("a call failed {} ago, before the gateway saw it well again", span(at.age(now))));
            return Forgive::Yes;
        }
        let age = at.age(now);
        if age > FAILED_CALL {
            return Forgive::No;
        }
        let times = if calls.failures > 1 {
            format!("{} calls in a row failed, the last", calls.failures)
        } else {
            "a call failed".into()
        };
        let words = format!("{times} {} ago: {}", span(age), scrub::line(&calls.message, 300));
        let means = calls.status.unwrap_or(Status::Degraded);
        match service.status {
            Status::Ok => {
                let said = service.evidence.first().cloned().unwrap_or_default();
                service.status = suspicion(means);
                service.evidence.insert(0, words);
                if !said.is_empty() {
                    service.evidence.insert(1, format!("signals disagree: {said}"));
                }
            }
            Status::Unknown => {
                service.status = suspicion(means);
                service.evidence.insert(0, words);
            }
            // Down, and a credential was refused before: that is why, as far as can be known.
            Status::Offline | Status::Degraded if matches!(means, Status::AuthRequired | Status::Forbidden) => {
                service.status = means;
                service.evidence.insert(0, words);
            }
            _ => service.evidence.push(words),
        }
        return Forgive::No;
    }
    let Some(at) = calls.last_good.filter(|at| at.age(now) <= GOOD_CALL) else { return Forgive::No };
    if matches!(gateway, Status::AuthRequired | Status::Forbidden) {
        // Whoever calls now is refused, however good the calls were.
        service
            .evidence
            .push(format!("a call was answered {} ago; now the gateway refuses the credential", span(at.age(now))));
        return Forgive::No;
    }
    let words = format!("a call was answered {} ago", span(at.age(now)));
    match service.status {
        Status::Unknown => {
            service.status = Status::Ok;
            service.evidence.insert(0, words);
        }
        Status::Offline | Status::Unreachable | Status::Timeout | Status::UpstreamError
            if state.is_some_and(|state| !is_well(state.reported) && at > state.reported_since) =>
        {
            service.status = Status::Degraded;
            service.evidence.insert(0, format!("signals disagree: {words}, though the gateway calls it down"));
        }
        _ => {}
    }
    Forgive::No
}

/// One failed call is a suspicion; a refused credential is plain.
fn suspicion(means: Status) -> Status {
    match means {
        Status::AuthRequired | Status::Forbidden | Status::RateLimited => means,
        _ => Status::Degraded,
    }
}

/// The user's own check outranks everything but the administrator.
fn probed(service: &mut ServiceHealth, probe: &Probe) {
    let words = format!("probe {}: {}", scrub::line(&probe.tool, 100), scrub::line(&probe.message, 300));
    if probe.status == Status::Unknown {
        service.evidence.push(words);
        return;
    }
    let agrees = is_well(service.status) == is_well(probe.status) || service.status == Status::Unknown;
    if !agrees {
        let said = service.evidence.first().cloned().unwrap_or_else(|| service.status.to_string());
        service.evidence.insert(0, format!("signals disagree: {said}"));
    }
    service.evidence.insert(0, words);
    if service.status != Status::Disabled {
        service.status = probe.status;
    }
}

fn worse(status: Status) -> Status {
    if status == Status::Ok { Status::Degraded } else { status }
}

fn list(names: &[&str]) -> String {
    let mut text = names.iter().take(NAMES).map(|name| scrub::line(name, 100)).collect::<Vec<_>>().join(", ");
    if names.len() > NAMES {
        let _ = write!(text, " and {} more", names.len() - NAMES);
    }
    text
}

#[cfg(test)]
mod tests;
