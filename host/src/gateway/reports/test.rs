//! Connecting and listing, step by step.
//! Takes whom to tell of each step; gives [`report::Test`]. Never fails: the step that did is in the report.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    checks::{agreed, checks, made},
    claims, control_tools, filtered_out,
    idle::idle,
    own_of,
    steps::{Steps, Tell},
    told_beside, unattributed, without_services,
};
use crate::{
    Deadline, Result,
    egress::Egress,
    gateway::{
        catalogue::Listed,
        convert::{self, is_control},
        explain::kind_of,
        parts::Parts,
    },
    report,
};

pub(in crate::gateway) async fn test(parts: &Parts, tell: Tell<'_>, by: Deadline) -> report::Test {
    let mut test = report::Test {
        gateway: parts.config().name.clone(),
        url: parts.config().shown().to_owned(),
        ok: false,
        kind: parts.config().kind.clone(),
        protocol: None,
        era: None,
        checks: Vec::new(),
        tools: None,
        services: None,
        control_tools: None,
        unattributed: None,
        filtered_out: None,
        warnings: parts.config().exposed().into_iter().collect(),
        findings: Vec::new(),
        error: None,
    };
    let started = Instant::now();
    let mut connected = None;
    let outcome = tested(parts, &mut connected, Steps::new(tell), by).await;
    let trace = parts.peer().egress().and_then(Egress::last_connection);
    if let Some(session) = parts.session().agreed() {
        test.kind = Some(kind_of(&session));
        test.protocol = Some(session.protocol_version.clone());
        test.era = Some(convert::era(session.era));
    }
    let class = outcome.as_ref().err().map(|error| error.class);
    test.checks = checks(parts, trace.as_ref(), connected, started, &outcome);
    match outcome {
        Ok(listed) => {
            test.tools = Some(listed.catalog.tools.len());
            test.services =
                Some(listed.catalog.services.iter().filter(|s| !is_control(s.attribution) && s.tools > 0).count());
            test.control_tools = Some(control_tools(&listed));
            test.unattributed = Some(unattributed(&listed));
            test.filtered_out = Some(filtered_out(&listed));
            test.error = without_services(parts, &listed);
            test.ok = test.error.is_none();
            let own = own_of(parts, &listed, by).await.unwrap_or_default();
            test.warnings.extend(idle(parts, &parts.config().filter, &listed, by).await.unwrap_or_default());
            test.warnings.extend(claims::notes(parts, &listed));
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
    parts: &Parts,
    connected: &mut Option<Duration>,
    mut steps: Steps<'_>,
    by: Deadline,
) -> Result<Arc<Listed>> {
    let started = Instant::now();
    let lent = match parts.peer().way_out(by).await {
        Ok(egress) => steps.during(egress.connections(), |trace| made(parts, trace), parts.instances().lend(by)).await,
        Err(failure) => Err(failure),
    };
    match lent {
        Ok(lent) => {
            let took = started.elapsed();
            *connected = Some(took);
            parts.instances().give_back(lent);
            let trace = parts.peer().egress().and_then(Egress::last_connection);
            steps.done(&agreed(parts, trace.as_ref(), took));
        }
        // `list` tries again where that makes sense, and says why not.
        Err(failure) if parts.attempts().is_worth_another(&failure, by).await => {}
        Err(failure) => {
            return Err(parts.attempts().told_of_hanging(parts.peer().explain(failure)).await);
        }
    }
    parts.catalogue().list(by).await
}
