//! What was seen last of every gateway, for all who ask.
//! Takes updates; gives the page's content, metrics, JSON and events. Keeps one report per gateway.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast;

use super::{
    metrics::{self, Counts},
    page,
    watch::Update,
};
use crate::{
    history::{History, Moment, masked},
    report::{GatewayHealth, Health, worst},
    scrub,
    sync::Mutex,
};

/// Events that a slow listener may be behind.
const BEHIND: usize = 256;
/// One look into the history serves all who ask within this time.
const DAY: Duration = Duration::from_hours(24);

/// The board.
pub(super) struct Board {
    history: History,
    state: Mutex<State>,
    events: broadcast::Sender<Arc<str>>,
}

#[derive(Default)]
struct State {
    /// In the order asked.
    names: Vec<String>,
    reports: BTreeMap<String, GatewayHealth>,
    counts: BTreeMap<String, Counts>,
}

impl Board {
    pub(super) fn new(history: History, names: Vec<String>) -> Self {
        let state = Mutex::new(State { names, ..State::default() });
        Self { history, state, events: broadcast::Sender::new(BEHIND) }
    }

    /// Shows these gateways from now on, and no others.
    pub(super) fn show(&self, names: Vec<String>) {
        let mut state = self.state.lock();
        state.reports.retain(|name, _| names.contains(name));
        state.counts.retain(|name, _| names.contains(name));
        let _ = self.events.send(event("gateways", None, &json!({"gateways": names})));
        state.names = names;
    }

    /// Takes what was seen, and tells those who listen.
    pub(super) fn post(&self, update: &Update) {
        let name = update.health.gateway.clone();
        let mut state = self.state.lock();
        // A look that ended after the gateway was taken out.
        if !state.names.contains(&name) {
            return;
        }
        let counts = state.counts.entry(name.clone()).or_default();
        counts.checks = counts.checks.saturating_add(1);
        counts.failed = counts.failed.saturating_add(u64::from(update.health.tools.is_none()));
        for transition in &update.transitions {
            counts.changes = counts.changes.saturating_add(1);
            // Nobody listens: fine.
            let _ = self.events.send(event("transition", Some(transition.id), transition));
        }
        let _ = self.events.send(event("report", None, &clean(&update.health)));
        state.reports.insert(name, clean(&update.health));
    }

    /// What is known now, and all that comes.
    pub(super) fn subscribe(&self) -> (Vec<Arc<str>>, broadcast::Receiver<Arc<str>>) {
        let state = self.state.lock();
        let known = state.reports.values().map(|report| event("report", None, report)).collect();
        (known, self.events.subscribe())
    }

    /// In the order asked, and how many are not there yet.
    fn reports(&self) -> (Vec<GatewayHealth>, usize) {
        let state = self.state.lock();
        let reports: Vec<_> = state.names.iter().filter_map(|name| state.reports.get(name).cloned()).collect();
        let waiting = state.names.len().saturating_sub(reports.len());
        (reports, waiting)
    }

    pub(super) fn health_json(&self) -> String {
        let (gateways, waiting) = self.reports();
        let health = Health { status: worst(&gateways), gateways, history_off: self.history.why_off() };
        let mut json = serde_json::to_value(health).unwrap_or_default();
        if let Some(members) = json.as_object_mut() {
            members.insert("waiting".to_owned(), json!(waiting));
        }
        scrub::json(&json.to_string()).into_owned()
    }

    pub(super) fn metrics(&self) -> String {
        let counts = self.state.lock().counts.clone();
        metrics::metrics(&self.reports().0, &counts, self.history.why_off().is_none())
    }

    /// The page below its title.
    pub(super) async fn part(self: &Arc<Self>) -> String {
        let board = Arc::clone(self);
        let drawn = tokio::task::spawn_blocking(move || {
            let now = Moment::now();
            let (reports, waiting) = board.reports();
            let with_history = reports
                .into_iter()
                .map(|report| {
                    let history = board.history.since(&report.gateway, now.before(DAY), now, page::BARS);
                    (report, history)
                })
                .collect::<Vec<_>>();
            page::part(&with_history, waiting, board.history.why_off().as_deref(), now)
        });
        drawn.await.unwrap_or_else(|error| format!("<p class=\"warning\">the page could not be drawn: {error}</p>"))
    }
}

/// Without what looks like a secret: services write into errors what they connect to.
fn clean(health: &GatewayHealth) -> GatewayHealth {
    let mut health = health.clone();
    if let Some(error) = &mut health.error {
        error.message = masked(&error.message);
        error.hint = error.hint.as_deref().map(masked);
    }
    let words = health.services.iter_mut().flat_map(|service| &mut service.evidence);
    let means = health.changed_tools.iter_mut().flat_map(|changed| &mut changed.means);
    for words in words.chain(&mut health.warnings).chain(means) {
        *words = masked(words);
    }
    health
}

/// JSON has no line breaks of its own: one event is one `data` line.
fn event(name: &str, id: Option<i64>, data: &impl Serialize) -> Arc<str> {
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\n{id}data: {}\n\n", scrub::json(&data)).into()
}
