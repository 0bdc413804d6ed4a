//! `test`, `services`, `tools` and `health` of one gateway.
//! Takes a [`Pool`]; gives the shapes of [`report`]. Judges by what was seen, never by what should be.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use chrono::Datelike as _;

use super::{
    checks::{agreed, checks, made},
    claims, convert,
    explain::{kind_of, status_of},
    hang,
    idle::idle,
    memory::tools_of,
    own::{Own, own},
    pool::{Lent, Listed, Pool, is_control},
    recovery::Recovery,
    review,
    steps::{Steps, Tell},
};
use crate::{
    Class, Deadline, Error, Result,
    config::{Changes, Claims, Filter},
    egress::Egress,
    fit,
    report::{self, Status},
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
    warnings.extend(claims::notes(pool, &listed));
    let told = told_beside(&listed, None, &own);
    let findings = told.iter().copied().map(convert::finding).collect();
    warnings.extend(told.into_iter().map(convert::warning));
    // Where it can be helped, the component says how.
    let told = listed.catalog.warnings.iter().any(|warning| warning.concern == types::Concern::Unattributed);
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
        findings,
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
        // Who looks wants to see what is only claimed, too.
        let mut rules = convert::rules(narrow, Claims::Believed);
        let mut instance = pool.instance(by).await.map_err(|f| pool.explain(f))?;
        if narrow.control_tools {
            // Shown when asked for; whether they may be called is another question.
            let own = Filter { control_tools: true, ..pool.config().filter.clone() };
            verdicts =
                pool.select(&mut instance, &convert::rules(&own, pool.config().claims), &listed.catalog, by).await?;
        }
        // Narrowing leaves the control tools to the gateway's own filter, unless services are named.
        rules.control_tools = narrow.control_tools
            || narrow.include_services.is_empty()
            || narrow.include_services.iter().any(|service| service == "gateway");
        let narrower = pool.select(&mut instance, &rules, &listed.catalog, by).await?;
        for (verdict, narrower) in verdicts.iter_mut().zip(narrower) {
            *verdict = verdict.take().or(narrower);
        }
    }
    let mut report = kept(pool, &listed, &verdicts);
    let mut notes = idle(pool, narrow, &listed, by).await?;
    notes.extend(claims::notes(pool, &listed));
    report.warnings.splice(..0, notes);
    Ok(report)
}

/// Reasons that are told apart.
const REASONS: usize = 40;

/// The tools that no verdict is against.
pub(super) fn kept(pool: &Pool, listed: &Listed, verdicts: &[Option<filter::Reason>]) -> report::Tools {
    let mut filtered_because = BTreeMap::new();
    for reason in verdicts.iter().flatten() {
        let key = convert::reason(reason).into_owned();
        // A component may have a reason of its own for each tool.
        let known = filtered_because.len() < REASONS || filtered_because.contains_key(&key);
        *filtered_because.entry(if known { key } else { "other".to_owned() }).or_insert(0) += 1;
    }
    let kept = listed.catalog.tools.iter().enumerate().zip(verdicts).filter(|(_, verdict)| verdict.is_none());
    let mut tools = Vec::with_capacity(listed.catalog.tools.len());
    for ((at, tool), _) in kept {
        // A call means the first of a name; where changes are held, nobody compared the others.
        let first = listed.by_name.get(&tool.name) == Some(&at);
        let why = if !first && pool.config().changes == Changes::Hold {
            "same_name"
        } else if let Some(tool) = listed.standings.shown(at, tool) {
            tools.push(tool);
            continue;
        } else {
            "not_accepted"
        };
        *filtered_because.entry(why.to_owned()).or_insert(0) += 1;
    }
    report::Tools {
        gateway: pool.config().name.clone(),
        total: listed.catalog.tools.len(),
        pages: listed.catalog.pages,
        filtered_out: listed.catalog.tools.len() - tools.len(),
        filtered_because,
        nothing: without_services(pool, listed),
        tools,
        warnings: warnings(listed).into_iter().chain(listed.warnings_of_changes(&pool.config().name)).collect(),
        cut: listed.cut,
        findings: listed.catalog.warnings.iter().map(convert::finding).collect(),
    }
}

pub(super) async fn health(pool: &Pool, by: Deadline) -> report::GatewayHealth {
    let started = Instant::now();
    let mut health = report::GatewayHealth::new(pool.config().name.clone(), Status::Ok, now());
    health.warnings.clone_from(&pool.config().remarks);
    let listed = match pool.list_to_judge(by).await {
        Ok(listed) => listed,
        Err(error) => {
            let error = hang::told(pool, error).await;
            health.status = status_of(error.class);
            health.latency_ms = Some(millis(started.elapsed()));
            health.error = Some(error);
            health.expires_at = expiry(pool);
            return health;
        }
    };
    health.latency_ms = Some(millis(listed.took));
    health.tools = Some(listed.catalog.tools.len());
    health.filtered_out = Some(filtered_out(&listed));
    let nothing = without_services(pool, &listed);
    let own = own_of(pool, &listed, by).await;
    health.warnings.extend(idle(pool, &pool.config().filter, &listed, by).await.unwrap_or_default());
    health.warnings.extend(claims::notes(pool, &listed));
    for told in told_beside(&listed, nothing.as_ref(), own.as_ref().unwrap_or(&Own::default())) {
        health.warnings.push(convert::warning(told));
        health.findings.push(convert::finding(told));
    }
    for found in review::untold(pool, &listed, by).await {
        let own = own.as_ref().ok();
        if found.subject.as_deref().is_none_or(|tool| own.is_none_or(|own| own.has_tool(tool))) {
            health.warnings.push(found.message.clone());
            health.findings.push(found);
        }
    }
    health.changed_tools = listed.standings.changed().to_vec();
    health.more_changed_tools = listed.standings.more_changed();
    health.warnings.extend(listed.notes_of_changes(&pool.config().name));
    health.expires_at = expiry(pool);
    if let Some(session) = pool.session() {
        health.kind = Some(kind_of(&session));
        health.absence = pool.product().await.and_then(|product| product.absence).map(|absence| absence.remedy);
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
    if listed.cut || health.error.is_some() || !health.services.iter().all(|s| well(s.status)) {
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

pub(super) async fn test(pool: &Pool, tell: Tell<'_>, by: Deadline) -> report::Test {
    let mut test = report::Test {
        gateway: pool.config().name.clone(),
        url: pool.config().shown().to_owned(),
        ok: false,
        kind: pool.config().kind.clone(),
        protocol: None,
        era: None,
        checks: Vec::new(),
        tools: None,
        services: None,
        control_tools: None,
        unattributed: None,
        filtered_out: None,
        warnings: pool.config().exposed().into_iter().collect(),
        findings: Vec::new(),
        error: None,
    };
    let started = Instant::now();
    let mut connected = None;
    let outcome = tested(pool, &mut connected, Steps::new(tell), by).await;
    let trace = pool.egress.get().and_then(Egress::last_connection);
    if let Some(session) = pool.session() {
        test.kind = Some(kind_of(&session));
        test.protocol = Some(session.protocol_version.clone());
        test.era = Some(convert::era(session.era));
    }
    let class = outcome.as_ref().err().map(|error| error.class);
    test.checks = checks(pool, trace.as_ref(), connected, started, &outcome);
    match outcome {
        Ok(listed) => {
            test.tools = Some(listed.catalog.tools.len());
            test.services =
                Some(listed.catalog.services.iter().filter(|s| !is_control(s.attribution) && s.tools > 0).count());
            test.control_tools = Some(control_tools(&listed));
            test.unattributed = Some(unattributed(&listed));
            test.filtered_out = Some(filtered_out(&listed));
            test.error = without_services(pool, &listed);
            test.ok = test.error.is_none();
            let own = own_of(pool, &listed, by).await.unwrap_or_default();
            test.warnings.extend(idle(pool, &pool.config().filter, &listed, by).await.unwrap_or_default());
            test.warnings.extend(claims::notes(pool, &listed));
            for told in told_beside(&listed, test.error.as_ref(), &own) {
                test.warnings.push(convert::warning(told));
                test.findings.push(convert::finding(told));
            }
        }
        Err(error) => test.error = Some(error),
    }
    tracing::debug!(?class, "tested");
    test
}

/// Connects, then lists; says in between when the handshake was done.
async fn tested(
    pool: &Pool,
    connected: &mut Option<Duration>,
    mut steps: Steps<'_>,
    by: Deadline,
) -> Result<Arc<Listed>> {
    let started = Instant::now();
    let lent = match pool.way_out(by).await {
        Ok(egress) => steps.during(egress.connections(), |trace| made(pool, trace), pool.lend(by)).await,
        Err(failure) => Err(failure),
    };
    match lent {
        Ok(lent) => {
            let took = started.elapsed();
            *connected = Some(took);
            pool.give_back(lent);
            let trace = pool.egress.get().and_then(Egress::last_connection);
            steps.done(&agreed(pool, trace.as_ref(), took));
        }
        // `list` tries again where that makes sense, and says why not.
        Err(failure) if Recovery::new(by).recover(pool, &failure, None).await => {}
        Err(failure) => {
            return Err(hang::told(pool, pool.explain(failure)).await);
        }
    }
    pool.list(by).await
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
