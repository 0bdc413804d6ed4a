//! `test`, `services`, `tools` and `health` of one gateway.
//! Takes a [`Pool`]; gives the shapes of [`report`]. Judges by what was seen, never by what should be.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use chrono::Datelike as _;

use super::{
    convert,
    explain::{kind_of, status_of},
    hang,
    idle::idle,
    memory::tools_of,
    own::{Own, own},
    pool::{Lent, Listed, Pool, is_control},
    recovery::Recovery,
};
use crate::{
    Class, Deadline, Error, Result,
    config::Filter,
    egress::{ConnectionTrace, Egress, Step, TlsInfo},
    fit,
    report::{self, Check, Status},
    runtime::{Failure, filter, health, types},
};

pub(super) async fn services(pool: &Pool, by: Deadline) -> Result<report::Services> {
    let listed = pool.list(by).await?;
    let own = own_of(pool, &listed, by).await?;
    let mine = |service: &&types::Service| own.has_service(&service.name);
    let services: Vec<_> = listed.catalog.services.iter().filter(mine).map(convert::service).collect();
    let strays = listed.catalog.tools.iter().filter(|tool| tool.provenance.service.is_none());
    let unattributed = strays.filter(|tool| own.has_tool(&tool.name)).count();
    let mut warnings = idle(pool, &pool.config().filter, &listed, by).await?;
    warnings.extend(warnings_beside(&listed, None, &own));
    // Docker's own case is the component's: there it can be helped.
    let told = pool.session().is_some_and(|session| session.kind == types::Kind::Docker);
    if listed.catalog.services.is_empty() && unattributed > 0 && !told {
        warnings.insert(
            0,
            format!(
                "{} does not tell which services are behind it; declare them, like --service NAME=PREFIX, or NAME= if it is one",
                pool.config().name
            ),
        );
    }
    Ok(report::Services {
        gateway: pool.config().name.clone(),
        left_out: listed.catalog.services.len().saturating_sub(services.len()),
        services,
        unattributed,
        warnings,
    })
}

/// The catalogue, and what of it pflow is not shown as it was listed.
pub(super) async fn tools(pool: &Pool, narrow: &Filter, by: Deadline) -> Result<report::Tools> {
    let mut report = catalog(pool, narrow, by).await?;
    // How much there is to look at is a gateway's choice: not on a thread that others wait for.
    let looked = tokio::task::spawn_blocking(move || {
        report.warnings.extend(fit::warnings(&report.tools));
        report
    });
    looked.await.map_err(|error| Error::new(Class::Internal, error.to_string()))
}

pub(super) async fn catalog(pool: &Pool, narrow: &Filter, by: Deadline) -> Result<report::Tools> {
    let listed = pool.list(by).await?;
    let mut verdicts = listed.verdicts.clone();
    if *narrow != Filter::default() {
        let mut rules = convert::rules(narrow);
        let mut instance = pool.instance(by).await.map_err(|f| pool.explain(f))?;
        if narrow.control_tools {
            // Shown when asked for; whether they may be called is another question.
            let own = Filter { control_tools: true, ..pool.config().filter.clone() };
            verdicts = pool.select(&mut instance, &convert::rules(&own), &listed.catalog, by).await?;
        }
        // Narrowing leaves the control tools to the gateway's own filter, unless services are named.
        rules.control_tools = narrow.control_tools
            || narrow.include_services.is_empty()
            || narrow.include_services.iter().any(|service| service == "gateway");
        let narrower = pool.select(&mut instance, &rules, &listed.catalog, by).await?;
        for (verdict, narrower) in verdicts.iter_mut().zip(narrower) {
            *verdict = verdict.or(narrower);
        }
    }
    let mut report = kept(pool, &listed, &verdicts);
    report.warnings.splice(..0, idle(pool, narrow, &listed, by).await?);
    Ok(report)
}

/// The tools that no verdict is against.
pub(super) fn kept(pool: &Pool, listed: &Listed, verdicts: &[Option<filter::Reason>]) -> report::Tools {
    let mut filtered_because = BTreeMap::new();
    for reason in verdicts.iter().flatten() {
        *filtered_because.entry(convert::reason(*reason).to_owned()).or_insert(0) += 1;
    }
    let kept = listed.catalog.tools.iter().zip(verdicts).filter(|(_, verdict)| verdict.is_none());
    let tools: Vec<_> = kept.map(|(tool, _)| convert::tool(tool)).collect();
    report::Tools {
        gateway: pool.config().name.clone(),
        total: listed.catalog.tools.len(),
        pages: listed.catalog.pages,
        filtered_out: listed.catalog.tools.len() - tools.len(),
        filtered_because,
        nothing: without_services(pool, listed),
        tools,
        warnings: warnings(listed),
    }
}

pub(super) async fn health(pool: &Pool, by: Deadline) -> report::GatewayHealth {
    let started = Instant::now();
    let mut health = report::GatewayHealth::new(pool.config().name.clone(), Status::Ok, now());
    health.warnings.clone_from(&pool.config().remarks);
    let listed = match pool.list_to_judge(by).await {
        Ok(listed) => listed,
        Err(error) => {
            let error = if error.class == Class::Timeout { hang::told(pool, error).await } else { error };
            health.status = status_of(error.class);
            health.latency_ms = Some(millis(started.elapsed()));
            health.error = Some(error);
            health.expires_at = expiry(pool);
            return health;
        }
    };
    health.latency_ms = Some(millis(listed.took));
    health.tools = Some(listed.catalog.tools.len());
    let nothing = without_services(pool, &listed);
    let own = own_of(pool, &listed, by).await;
    health.warnings.extend(idle(pool, &pool.config().filter, &listed, by).await.unwrap_or_default());
    health.warnings.extend(warnings_beside(&listed, nothing.as_ref(), own.as_ref().unwrap_or(&Own::default())));
    health.expires_at = expiry(pool);
    if let Some(session) = pool.session() {
        health.kind = Some(kind_of(&session));
        health.protocol = Some(convert::phrase(&session.protocol_version));
    }
    match checked(pool, &listed, by).await {
        Ok(services) => health.services = services,
        Err(error) => {
            health.services = listed.catalog.services.iter().map(from_catalog).collect();
            health.error = Some(error);
        }
    }
    // What the entry is not about says nothing about it.
    match own {
        Ok(own) => health.services.retain(|service| own.has_service(&service.name)),
        Err(error) => health.error = health.error.or(Some(error)),
    }
    let well = |status: Status| matches!(status, Status::Ok | Status::Unknown | Status::Disabled);
    health.error = health.error.or(nothing);
    if health.error.is_some() || !health.services.iter().all(|s| well(s.status)) {
        health.status = Status::Degraded;
    }
    health
}

/// A gateway that has nothing behind it: no tool, or only those that control the gateway itself, which nobody asked for.
fn without_services(pool: &Pool, listed: &Listed) -> Option<Error> {
    let tools = &listed.catalog.tools;
    let wanted = |verdict: &Option<_>| verdict.is_none();
    if control_tools(listed) < tools.len() || (!tools.is_empty() && listed.verdicts.iter().any(wanted)) {
        return None;
    }
    let name = &pool.config().name;
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
async fn own_of(pool: &Pool, listed: &Listed, by: Deadline) -> Result<Own> {
    let services: Vec<_> = listed.catalog.services.iter().map(|service| service.name.clone()).collect();
    own(pool, &tools_of(&listed.catalog), &services, by).await
}

fn control_tools(listed: &Listed) -> usize {
    listed.catalog.tools.iter().filter(|tool| is_control(tool.provenance.attribution)).count()
}

/// The warnings that are the entry's, but for the one that is the error.
fn warnings_beside(listed: &Listed, error: Option<&Error>, own: &Own) -> Vec<String> {
    let told = |warning: &&types::Warning| {
        (error.is_none() || warning.concern != types::Concern::NoTools)
            && warning.subject.as_deref().is_none_or(|subject| own.has_service(subject) && own.has_tool(subject))
    };
    listed.catalog.warnings.iter().filter(told).map(convert::warning).collect()
}

/// How the services are. Tries again when the session or the credential was lost.
async fn checked(pool: &Pool, listed: &Listed, by: Deadline) -> Result<Vec<report::ServiceHealth>> {
    let mut recovery = Recovery::new(by);
    loop {
        recovery.begin(pool);
        let (failure, lent) = match pool.lend(by).await {
            Ok(mut lent) => match asked(pool, &mut lent, listed, by).await {
                Ok(services) => {
                    pool.give_back(lent);
                    return Ok(services.into_iter().map(convert::service_health).collect());
                }
                Err(failure) => (failure, Some(lent)),
            },
            Err(failure) => (failure, None),
        };
        if !recovery.recover(pool, &failure, lent).await {
            return Err(recovery.explain(pool, failure));
        }
    }
}

async fn asked(
    pool: &Pool,
    lent: &mut Lent,
    listed: &Listed,
    by: Deadline,
) -> Result<Vec<health::ServiceHealth>, Failure> {
    lent.conversation.check_health(&listed.catalog.services, pool.left_of(by)?).await
}

/// When the credential ends, if it says so, and it is a date. A JWT may say anything.
fn expiry(pool: &Pool) -> Option<String> {
    date(pool.credential_expiry()?)
}

fn date(at: SystemTime) -> Option<String> {
    let seconds = i64::try_from(at.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()).ok()?;
    let at = chrono::DateTime::from_timestamp(seconds, 0)?;
    // RFC 3339 has years of four digits.
    (at.year() <= 9_999).then(|| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

fn from_catalog(service: &types::Service) -> report::ServiceHealth {
    let service = convert::service(service);
    report::ServiceHealth {
        evidence: service.evidence,
        ..report::ServiceHealth::new(service.name, service.status, service.tools)
    }
}

pub(super) async fn test(pool: &Pool, by: Deadline) -> report::Test {
    let mut test = report::Test {
        gateway: pool.config().name.clone(),
        url: pool.config().shown().to_owned(),
        ok: false,
        kind: pool.config().kind,
        protocol: None,
        era: None,
        checks: Vec::new(),
        tools: None,
        services: None,
        control_tools: None,
        unattributed: None,
        warnings: pool.config().exposed().into_iter().collect(),
        error: None,
    };
    let started = Instant::now();
    let mut connected = None;
    let outcome = tested(pool, &mut connected, by).await;
    let trace = pool.egress.get().and_then(Egress::last_connection);
    if let Some(session) = pool.session() {
        test.kind = Some(kind_of(&session));
        test.protocol = Some(session.protocol_version.clone());
        test.era = Some(convert::era(session.era));
    }
    let https = pool.config().url.scheme() == "https";
    let class = outcome.as_ref().err().map(|error| error.class);
    test.checks = checks(pool, https, trace.as_ref(), connected, started, &outcome);
    match outcome {
        Ok(listed) => {
            test.tools = Some(listed.catalog.tools.len());
            test.services =
                Some(listed.catalog.services.iter().filter(|s| !is_control(s.attribution) && s.tools > 0).count());
            test.control_tools = Some(control_tools(&listed));
            test.unattributed = Some(unattributed(&listed));
            test.error = without_services(pool, &listed);
            test.ok = test.error.is_none();
            let own = own_of(pool, &listed, by).await.unwrap_or_default();
            test.warnings.extend(idle(pool, &pool.config().filter, &listed, by).await.unwrap_or_default());
            test.warnings.extend(warnings_beside(&listed, test.error.as_ref(), &own));
        }
        Err(error) => test.error = Some(error),
    }
    tracing::debug!(?class, "tested");
    test
}

/// Connects, then lists; says in between when the handshake was done.
async fn tested(pool: &Pool, connected: &mut Option<Duration>, by: Deadline) -> Result<Arc<Listed>> {
    let started = Instant::now();
    match pool.lend(by).await {
        Ok(lent) => {
            *connected = Some(started.elapsed());
            pool.give_back(lent);
        }
        // `list` tries again where that makes sense, and says why not.
        Err(failure) if Recovery::new(by).recover(pool, &failure, None).await => {}
        Err(failure) => {
            let silent = hang::is_silence(&failure);
            let error = pool.explain(failure);
            return Err(if silent { hang::told(pool, error).await } else { error });
        }
    }
    pool.list(by).await
}

/// Which step a failure belongs to. Steps before it passed, steps after it were not reached.
fn failed_step(class: Class) -> usize {
    match class {
        Class::Config | Class::Dns | Class::EgressDenied => 0,
        Class::Unreachable => 1,
        Class::Tls => 2,
        Class::AuthRequired | Class::TokenExpired | Class::Forbidden => 3,
        Class::RateLimited
        | Class::Timeout
        | Class::NotMcp
        | Class::ProtocolError
        | Class::SessionLost
        | Class::UpstreamError
        | Class::Component
        | Class::Limit
        | Class::Internal => 4,
    }
}

fn checks(
    pool: &Pool,
    https: bool,
    trace: Option<&ConnectionTrace>,
    connected: Option<Duration>,
    started: Instant,
    outcome: &Result<Arc<Listed>>,
) -> Vec<Check> {
    const NAMES: [&str; 6] = ["resolve", "connect", "tls", "auth", "protocol", "tools"];
    let seen = Seen::of(trace);
    let failure = outcome.as_ref().err();
    let not_reached = |name| Check { name, ok: None, ms: None, detail: "not reached".to_owned() };
    if let Some(wrong) = failure.filter(|error| error.class == Class::Config && connected.is_none()) {
        let config = Check { name: "config", ok: Some(false), ms: None, detail: wrong.message.clone() };
        return std::iter::once(config).chain(NAMES.map(not_reached)).collect();
    }
    let mut failed = failure.map(|error| failed_step(error.class));
    if failure.is_some() && connected.is_none() {
        // What was seen outranks what the class suggests: a time-out while connecting is a failed connect, and a connection that
        // breaks after it was made is not.
        let made = seen.made(https) && failed.is_some_and(|failed| failed < 3);
        failed = seen.failed.or(if made { Some(4) } else { failed });
    } else if failed.is_some() {
        failed = Some(5);
    }
    // Only an answer in MCP tells that the credential was good.
    let judged = connected.is_some()
        || failure.is_some_and(|error| matches!(error.class, Class::ProtocolError | Class::SessionLost));
    let proxy = trace.and_then(|trace| trace.proxy.as_ref());
    let refused = proxy.is_some_and(|step| step.outcome.is_err());
    let steps = NAMES.iter().enumerate().map(|(at, &name)| {
        if refused {
            return not_reached(name);
        }
        if proxy.is_some() && at < 2 {
            // Nothing was looked at: nothing is claimed.
            let detail = if at == 0 { "left to the proxy: its addresses are not checked" } else { "made by the proxy" };
            return Check { name, ok: None, ms: None, detail: detail.to_owned() };
        }
        let (took, text) = seen.steps.get(at).cloned().flatten().unzip();
        let took = took.or(match at {
            4 => connected,
            5 => outcome.as_ref().ok().map(|listed| listed.took),
            _ => None,
        });
        let ms = took.map(millis);
        match failed {
            Some(failed) if at > failed => not_reached(name),
            Some(4) if at == 3 && !judged => {
                Check { name, ok: None, ms: None, detail: "not known: there was no answer in MCP".to_owned() }
            }
            Some(failed) if at == failed => Check {
                name,
                ok: Some(false),
                ms: ms.or_else(|| Some(millis(started.elapsed()))),
                detail: failure.map(|error| error.message.clone()).unwrap_or_default(),
            },
            _ => Check { name, ok: Some(true), ms, detail: text.unwrap_or_else(|| passed(pool, at, https, outcome)) },
        }
    });
    // Only where there is one: most know of none.
    proxy.map(through).into_iter().chain(steps).collect()
}

/// The proxy's own step.
fn through(step: &Step<String>) -> Check {
    let (ok, detail) = match &step.outcome {
        Ok(seen) => (true, seen.clone()),
        Err(failure) => (false, failure.to_string()),
    };
    Check { name: "proxy", ok: Some(ok), ms: Some(millis(step.took)), detail }
}

/// A connection attempt, for people: what each of its three steps took and saw.
#[derive(Default)]
struct Seen {
    steps: [Option<(Duration, String)>; 3],
    failed: Option<usize>,
    /// A proxy made the connection.
    proxied: bool,
}

impl Seen {
    fn of(trace: Option<&ConnectionTrace>) -> Self {
        let mut seen = Self::default();
        let Some(trace) = trace else { return seen };
        seen.proxied = trace.proxy.as_ref().is_some_and(|step| step.outcome.is_ok());
        let texts = [
            trace.resolve.as_ref().map(|step| (step.took, step.outcome.as_ref().ok().map(|addresses| list(addresses)))),
            trace.connect.as_ref().map(|step| (step.took, step.outcome.as_ref().ok().map(ToString::to_string))),
            trace.tls.as_ref().map(|step| (step.took, step.outcome.as_ref().ok().map(tls))),
        ];
        for (at, (slot, text)) in seen.steps.iter_mut().zip(texts).enumerate() {
            let Some((took, text)) = text else { continue };
            if text.is_none() {
                seen.failed = Some(at);
            }
            *slot = Some((took, text.unwrap_or_default()));
        }
        seen
    }

    /// Whether there was a connection on which something could be asked.
    fn made(&self, https: bool) -> bool {
        let [_, connect, tls] = &self.steps;
        self.failed.is_none() && (connect.is_some() || self.proxied) && (tls.is_some() || !https)
    }
}

fn list(addresses: &[std::net::IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn tls(info: &TlsInfo) -> String {
    match &info.issuer {
        Some(issuer) => format!("{}, certificate by {}", info.version, convert::phrase(issuer)),
        None => info.version.clone(),
    }
}

fn passed(pool: &Pool, at: usize, https: bool, outcome: &Result<Arc<Listed>>) -> String {
    match at {
        2 if !https => "not used (http)".into(),
        3 if pool.config().auth.is_none() => "no credential needed".into(),
        3 => format!("accepted: {}", pool.config().auth.describe()),
        4 => pool.session().map_or_else(String::new, |s| {
            let server = format!("{} {}", convert::phrase(&s.server.name), convert::phrase(&s.server.version));
            let kind = format!("{}: {}", convert::kind(s.kind), convert::phrase(&s.kind_evidence));
            format!("{server} ({}), {kind}", s.protocol_version)
        }),
        5 => outcome.as_ref().map_or_else(
            |_| String::new(),
            |listed| {
                let many = |count: usize, thing: &str| format!("{count} {thing}{}", if count == 1 { "" } else { "s" });
                let pages = usize::try_from(listed.catalog.pages).unwrap_or(usize::MAX);
                format!("{} in {}", many(listed.catalog.tools.len(), "tool"), many(pages, "page"))
            },
        ),
        _ => "as before".into(),
    }
}

fn unattributed(listed: &Listed) -> usize {
    listed.catalog.tools.iter().filter(|tool| tool.provenance.service.is_none()).count()
}

fn warnings(listed: &Listed) -> Vec<String> {
    listed.catalog.warnings.iter().map(convert::warning).collect()
}

fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

/// RFC 3339, UTC, to the second.
fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_may_say_any_number_and_only_a_date_is_one() {
        let at = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).and_then(date);
        assert_eq!(at(1_700_000_000).as_deref(), Some("2023-11-14T22:13:20Z"));
        assert_eq!(at(253_402_300_799).as_deref(), Some("9999-12-31T23:59:59Z"));
        for seconds in [253_402_300_800, 10_000_000_000_000, 8_000_000_000_000_000, i64::MAX.unsigned_abs()] {
            assert_eq!(at(seconds), None, "{seconds}");
        }
    }
}
