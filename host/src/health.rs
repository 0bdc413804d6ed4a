//! One look at a gateway: asked, probed where the user said so, judged by what is known, and remembered.
//! Takes a [`Gateway`] and a [`History`]; gives a judged report and what changed. Never calls a tool that the user did not name, nor
//! one that is marked as changing something.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Map;
use tokio::task::{JoinError, JoinSet};

use crate::{
    CallOptions, Class, Error, Gateway,
    history::{CallResult, History, Moment, Probe, Seen, SnapshotTool, Transition, Watcher, judge},
    report::{GatewayHealth, ServiceHealth, Status},
    scrub,
};

/// A harmless tool to call for certainty: `SERVICE=TOOL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeOf {
    /// Whose state it tells.
    pub service: String,
    /// Its exact name on the wire.
    pub tool: String,
}

impl ProbeOf {
    /// Why it was not made, in words. Without a gateway: none has the tool.
    #[must_use]
    pub fn not_made(&self, gateway: Option<&str>) -> String {
        let tool = scrub::line(&self.tool, 100);
        let why = gateway.map_or_else(
            || format!("no gateway lists a tool {tool}"),
            |gateway| format!("{} lists no tool {tool}", scrub::line(gateway, 100)),
        );
        format!("the probe {}={tool} was not made: {why}", scrub::line(&self.service, 100))
    }

    /// That it was not made, and on purpose.
    fn refused(&self) -> String {
        let [service, tool] = [&self.service, &self.tool].map(|text| scrub::line(text, 100));
        format!(
            "the probe {service}={tool} was not made: {tool} is marked as changing something; probe with a tool that only reads"
        )
    }

    /// That it was made and nobody knows whose state it tells.
    fn of_no_service(&self, outcome: &str) -> String {
        let [service, tool] = [&self.service, &self.tool].map(|text| scrub::line(text, 100));
        format!(
            "the probe {service}={tool} tells of no known service ({}); declare it with --service",
            scrub::line(outcome, 300)
        )
    }
}

impl FromStr for ProbeOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((service, tool)) if !service.trim().is_empty() && !tool.trim().is_empty() => {
                Ok(Self { service: service.trim().into(), tool: tool.trim().into() })
            }
            _ => Err(
                "SERVICE=TOOL, like github=github_get_me; the tool must be harmless, it is called without arguments"
                    .into(),
            ),
        }
    }
}

/// How to look. Cheap to clone; clones share what they found.
#[derive(Clone, Debug)]
pub struct Looker {
    history: History,
    watcher: Option<Arc<Watcher>>,
    probes: Arc<[ProbeOf]>,
    /// Whether each probe was made, or a report says why not.
    settled: Arc<[AtomicBool]>,
}

impl Looker {
    /// One that remembers here, and calls these tools.
    #[must_use]
    pub fn new(history: History, probes: Vec<ProbeOf>) -> Self {
        let settled = probes.iter().map(|_| AtomicBool::new(false)).collect();
        Self { history, watcher: None, probes: probes.into(), settled }
    }

    /// One that tells this watcher what is news to it.
    #[must_use]
    pub fn telling(self, watcher: Arc<Watcher>) -> Self {
        Self { watcher: Some(watcher), ..self }
    }

    /// Where it remembers.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Probes that no report so far speaks of: no gateway that was looked at lists their tool, or has their service.
    pub fn missing(&self) -> impl Iterator<Item = &ProbeOf> {
        self.probes
            .iter()
            .zip(self.settled.iter())
            .filter(|(_, settled)| !settled.load(Ordering::Relaxed))
            .map(|(of, _)| of)
    }

    /// As [`look`](Self::look). One that panics is a finding like any other: the next look is made all the same.
    pub async fn look_whatever_happens(&self, gateway: &Gateway) -> (GatewayHealth, Vec<Transition>) {
        let (looker, of) = (self.clone(), gateway.clone());
        match caught(async move { looker.look(&of).await }).await {
            Ok(seen) => seen,
            Err(words) => self.failed(gateway, words).await,
        }
    }

    /// Nothing was seen, and that is this program's own fault.
    async fn failed(&self, gateway: &Gateway, words: String) -> (GatewayHealth, Vec<Transition>) {
        tracing::error!(gateway = gateway.config().name, "{words}");
        let now = Moment::now();
        let mut health = GatewayHealth::new(gateway.config().name.clone(), Status::Degraded, now.rfc3339());
        health.error = Some(
            Error::new(Class::Internal, words).with_hint("this is a bug of pflow-gateway: please report it, with -vv"),
        );
        let (watcher, seen) = (self.watcher.clone(), health.clone());
        let news = tokio::task::spawn_blocking(move || watcher.map(|watcher| watcher.tell(&seen, now)));
        (health, news.await.ok().flatten().unwrap_or_default())
    }

    /// Looks at a gateway once; and what is news to the watcher, if there is one. Failures are in the report.
    pub async fn look(&self, gateway: &Gateway) -> (GatewayHealth, Vec<Transition>) {
        let mut health = gateway.health().await;
        let tools = gateway.seen_tools();
        let mut seen = Seen {
            tools: None,
            cut: gateway.saw_a_part(),
            declared: gateway.config().services.iter().map(|service| service.name.clone()).collect(),
            probes: BTreeMap::new(),
        };
        if health.tools.is_some() {
            let known = |health: &GatewayHealth, name: &str| health.services.iter().any(|service| service.name == name);
            for (probe, settled) in self.probes.iter().zip(self.settled.iter()) {
                let Some(tool) = tools.iter().find(|tool| tool.name == probe.tool) else {
                    // Another gateway may have it; the one that has the service should.
                    if known(&health, &probe.service) {
                        health.warnings.push(probe.not_made(Some(&health.gateway)));
                        settled.store(true, Ordering::Relaxed);
                    }
                    continue;
                };
                settled.store(true, Ordering::Relaxed);
                // What the gateway says of itself outranks the user's word: a probe has no side effects.
                let outcome = if tool.destructive == Some(true) || tool.read_only == Some(false) {
                    health.warnings.push(probe.refused());
                    (Status::Unknown, "not called: it is marked as changing something".to_owned())
                } else if gateway.is_late() {
                    (Status::Unknown, "not called: the time was up".to_owned())
                } else {
                    probed(gateway, &probe.tool).await
                };
                if !known(&health, &probe.service) {
                    // Nobody says whose tool it is but the user, here.
                    if tool.service.is_none() {
                        health.services.push(ServiceHealth::new(probe.service.clone(), Status::Unknown, 1));
                    } else {
                        health.warnings.push(probe.of_no_service(&outcome.1));
                    }
                }
                seen.probes.insert(
                    probe.service.clone(),
                    Probe { tool: probe.tool.clone(), status: outcome.0, message: outcome.1 },
                );
            }
            let mut listed: Vec<_> =
                tools.into_iter().map(|tool| SnapshotTool { name: tool.name, service: tool.service }).collect();
            listed.sort();
            seen.tools = Some(listed);
        }
        let url = gateway.config().url.to_string();
        let others = self.others(gateway, &health, &mut seen).await;
        let (history, watcher) = (self.history.clone(), self.watcher.clone());
        let judged = move || {
            let health = judged(&history, health, &url, &seen, &others);
            let news = watcher.map(|watcher| watcher.tell(&health, Moment::now())).unwrap_or_default();
            (health, news)
        };
        // The file may be slow or locked; the other gateways do not wait for it.
        match tokio::task::spawn_blocking(judged).await {
            Ok(judged) => judged,
            Err(error) => self.failed(gateway, format!("the judgement failed: {}", reason(error))).await,
        }
    }
}

/// What became of it; why it panicked.
async fn caught<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, String> {
    // Ended with this future, as the work itself would be.
    let mut one = JoinSet::new();
    one.spawn(work);
    match one.join_next().await {
        Some(Ok(done)) => Ok(done),
        Some(Err(error)) => Err(format!("the look failed: {}", reason(error))),
        None => Err("the look was lost".to_owned()),
    }
}

fn reason(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "it was cancelled".to_owned() };
    let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
    words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned())
}

/// What an entry's own filter leaves out, by name: others judge it.
#[derive(Debug, Default)]
struct Others {
    tools: BTreeSet<String>,
    services: Vec<String>,
}

impl Looker {
    /// Takes out of what was seen what is not the entry's, and says what to leave out of what is known.
    async fn others(&self, gateway: &Gateway, health: &GatewayHealth, seen: &mut Seen) -> Others {
        let (history, name) = (self.history.clone(), health.gateway.clone());
        let Ok(known) = tokio::task::spawn_blocking(move || history.known(&name)).await else {
            return Others::default();
        };
        let mut tools: Vec<SnapshotTool> = known.snapshot.into_iter().flat_map(|snapshot| snapshot.tools).collect();
        tools.extend(seen.tools.iter().flatten().cloned());
        let mut services: Vec<String> = known.states.into_keys().filter(|name| !name.is_empty()).collect();
        services.extend(seen.declared.iter().cloned());
        services.extend(tools.iter().filter_map(|tool| tool.service.clone()));
        services.sort();
        services.dedup();
        // Without an answer all is judged: too much is better than too little.
        let Ok(own) = gateway.own(&tools, &services).await else { return Others::default() };
        if let Some(listed) = &mut seen.tools {
            listed.retain(|tool| own.has_tool(&tool.name));
        }
        seen.declared.retain(|service| own.has_service(service));
        services.retain(|service| !own.has_service(service));
        let tools = tools.into_iter().map(|tool| tool.name).filter(|name| !own.has_tool(name)).collect();
        Others { tools, services }
    }
}

fn judged(history: &History, mut health: GatewayHealth, url: &str, seen: &Seen, others: &Others) -> GatewayHealth {
    let now = Moment::now();
    history.forget_services(&health.gateway, &others.services);
    let mut known = history.known(&health.gateway);
    if let Some(snapshot) = &mut known.snapshot {
        snapshot.tools.retain(|tool| !others.tools.contains(&tool.name));
    }
    let verdict = judge(&mut health, seen, &known, now);
    history.record(&mut health, url, seen, &verdict, now);
    health
}

async fn probed(gateway: &Gateway, tool: &str) -> (Status, String) {
    let started = std::time::Instant::now();
    let call = gateway.call(tool, Map::new(), CallOptions::default()).await;
    let took = format!("{} ms", started.elapsed().as_millis());
    match (CallResult::of(&call), &call.error) {
        (Some((_, CallResult::Failed { status, message })), _) => (status, message),
        (_, Some(error)) => (Status::Unknown, error.message.clone()),
        (_, None) if call.ok => (Status::Ok, format!("answered in {took}")),
        // Arguments that it misses, for example: the service runs.
        (_, None) => (Status::Ok, format!("answered with an error of its own in {took}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_look_that_panics_is_told_with_its_words() {
        assert_eq!(caught(async { 7 }).await, Ok(7));
        #[expect(clippy::panic, reason = "that is what is tested")]
        let work = async { panic!("no such {}", "date") };
        assert_eq!(caught::<()>(work).await, Err("the look failed: no such date".to_owned()));
    }
}
