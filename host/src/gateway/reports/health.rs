//! How a gateway and the services behind it are.
//! Takes the catalogue, read anew, and what the component finds out of each service; gives [`report::GatewayHealth`]. Never fails: why
//! nothing is known is in the report.

use std::time::{Instant, SystemTime};

use chrono::Datelike as _;

use super::{claims, filtered_out, idle::idle, millis, own::Own, own_of, review, told_beside, without_services};
use crate::{
    Deadline, Result,
    gateway::failure::Failure,
    gateway::{
        attempt::{Operation, Tells},
        catalogue::Listed,
        convert,
        explain::{kind_of, status_of},
        instances::Instance,
        parts::Parts,
        peer::Peer,
    },
    report::{self, Status},
    runtime::{health, types},
};

pub(in crate::gateway) async fn health(parts: &Parts, by: Deadline) -> report::GatewayHealth {
    let started = Instant::now();
    let mut health = report::GatewayHealth::new(parts.config().name.clone(), Status::Ok, now());
    health.warnings.clone_from(&parts.config().remarks);
    let listed = match parts.catalogue().list_to_judge(by).await {
        Ok(listed) => listed,
        Err(error) => {
            let error = parts.attempts().told_of_hanging(error).await;
            health.status = status_of(error.class);
            health.latency_ms = Some(millis(started.elapsed()));
            health.error = Some(error);
            health.expires_at = expiry(parts);
            return health;
        }
    };
    health.latency_ms = Some(millis(listed.took));
    health.tools = Some(listed.catalog.tools.len());
    health.filtered_out = Some(filtered_out(&listed));
    let nothing = without_services(parts, &listed);
    let own = own_of(parts, &listed, by).await;
    health.warnings.extend(idle(parts, &parts.config().filter, &listed, by).await.unwrap_or_default());
    health.warnings.extend(claims::notes(parts, &listed));
    for told in told_beside(&listed, nothing.as_ref(), own.as_ref().unwrap_or(&Own::default())) {
        health.warnings.push(convert::warning(told));
        health.findings.push(convert::finding(told));
    }
    for found in review::untold(parts, &listed, by).await {
        let own = own.as_ref().ok();
        if found.subject.as_deref().is_none_or(|tool| own.is_none_or(|own| own.has_tool(tool))) {
            health.warnings.push(found.message.clone());
            health.findings.push(found);
        }
    }
    health.changed_tools = listed.standings.changed().to_vec();
    health.more_changed_tools = listed.standings.more_changed();
    health.warnings.extend(listed.notes_of_changes(&parts.config().name));
    health.expires_at = expiry(parts);
    if let Some(session) = parts.session().agreed() {
        health.kind = Some(kind_of(&session));
        health.absence = parts.product().await.and_then(|product| product.absence).map(|absence| absence.remedy);
        health.protocol = Some(convert::phrase(&session.protocol_version));
    }
    match checked(parts, &listed, by).await {
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

/// How the services are, as the component finds out.
struct Checking<'a> {
    peer: &'a Peer,
    known: &'a [types::Service],
}

impl Operation for Checking<'_> {
    type Answer = Vec<health::ServiceHealth>;

    const TELLS: Tells = Tells::Nothing;

    async fn once(&mut self, lent: &mut Instance, by: Deadline) -> Result<Self::Answer, Failure> {
        Ok(lent.conversation().check_health(self.known, self.peer.left_of(by)?).await?)
    }
}

/// Tries again when the session or the credential was lost.
async fn checked(parts: &Parts, listed: &Listed, by: Deadline) -> Result<Vec<report::ServiceHealth>> {
    let mut checking = Checking { peer: parts.peer(), known: &listed.catalog.services };
    let services = parts.attempts().run(&mut checking, by).await?;
    Ok(services.into_iter().map(convert::service_health).collect())
}

/// When the credential ends, if it says so, and it is a date. A JWT may say anything.
fn expiry(parts: &Parts) -> Option<String> {
    date(parts.peer().credential_expiry()?)
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

/// RFC 3339, UTC, to the second.
fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
