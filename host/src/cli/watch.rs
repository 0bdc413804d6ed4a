//! `health --watch` and `monitor`: looking until it is ended.
//! Takes targets; draws on a terminal, or prints a line of JSON per report. Announces changes on stderr, so that stdout stays one thing.

use std::{collections::BTreeMap, io::IsTerminal as _, time::Duration};

use serde_json::json;

use super::{
    args::{self, Watching},
    context::{Context, variable_name},
    look, render,
    run::end_requested,
    screen::{Format, careful, no, print, say, yes},
};
use crate::{
    Error, Gateway, Result,
    history::{Looker, Transition, is_well},
    monitor::{Alerts, Monitor, OnChange, Update, Watch},
    report::{GatewayHealth, Health, worst},
    scrub,
};

/// Goodbyes to all gateways together.
const FAREWELL: Duration = Duration::from_secs(2);

/// What is being watched.
struct Watched {
    gateways: Vec<Gateway>,
    looker: Looker,
    alerts: Option<Alerts>,
}

impl Watched {
    fn new(context: &Context, targets: &[String], auth: &args::Auth, watching: &Watching) -> Result<Self> {
        let gateways = look::targets(context, targets)?
            .iter()
            .map(|target| context.gateway(target, auth))
            .collect::<Result<Vec<_>>>()?;
        let looker = Looker { history: context.history(), probes: watching.probes.clone() };
        Ok(Self { gateways, looker, alerts: watching.on_change.clone().map(OnChange::start) })
    }

    /// Looks until the process is asked to end, or `see` says that nobody reads any more.
    async fn run(self, every: Duration, mut see: impl FnMut(&Update, &Looker) -> bool) {
        let mut watch = Watch::start(self.gateways.clone(), &self.looker, every);
        let mut end = std::pin::pin!(end_requested());
        let mut told_off = None;
        loop {
            let update = tokio::select! {
                update = watch.next() => update,
                () = &mut end => None,
            };
            let Some(update) = update else { break };
            look::tell_notes(&self.looker.history);
            let off = self.looker.history.why_off();
            if off != told_off {
                match &off {
                    Some(why) => say(&format!("{} history is off: {}\n", careful(), scrub::line(why, 300))),
                    None => say(&format!("{} history is on again\n", yes())),
                }
                told_off = off;
            }
            for transition in update.transitions.iter().filter(|transition| transition.announced) {
                say(&announcement(transition));
            }
            if let Some(alerts) = &self.alerts {
                alerts.tell(&update.transitions);
            }
            if !see(&update, &self.looker) {
                break;
            }
        }
        drop(watch);
        let mut farewells = tokio::task::JoinSet::new();
        for gateway in self.gateways {
            farewells.spawn(async move { gateway.close().await });
        }
        let _ = tokio::time::timeout(FAREWELL, farewells.join_all()).await;
        if let Some(alerts) = self.alerts {
            let _ = tokio::time::timeout(FAREWELL, alerts.finish()).await;
        }
    }
}

fn announcement(transition: &Transition) -> String {
    let mark = if is_well(transition.to) { yes() } else { no() };
    let of =
        transition.service.as_deref().map_or_else(String::new, |service| format!(" {}", scrub::line(service, 100)));
    let from = transition.from.map_or_else(String::new, |from| format!("{from} → "));
    let settled = if transition.settled { " (settled after going to and fro)" } else { "" };
    let reason = scrub::line(&transition.reason, 300);
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let gateway = scrub::line(&transition.gateway, 100);
    format!("{mark} {} {gateway}{of} {from}{}{settled}{reason}\n", transition.at.rfc3339(), transition.to)
}

/// `health --watch`.
pub(super) async fn health(context: &Context, health: &args::Health, format: Format) -> Result<()> {
    let every = health.watch.unwrap_or(Duration::from_secs(30));
    let watched = Watched::new(context, &health.targets, &health.auth, &health.watching)?;
    let order: Vec<String> = watched.gateways.iter().map(|gateway| gateway.config().name.clone()).collect();
    let draws = format == Format::Text && std::io::stdout().is_terminal();
    let mut reports: BTreeMap<String, GatewayHealth> = BTreeMap::new();
    watched
        .run(every, |update, looker| {
            let text = if draws {
                reports.insert(update.health.gateway.clone(), update.health.clone());
                let gateways: Vec<_> = order.iter().filter_map(|name| reports.get(name).cloned()).collect();
                let all = Health { status: worst(&gateways), gateways, history_off: looker.history.why_off() };
                // Home, then clear below: no flicker.
                format!("\x1b[H\x1b[J{}", render::health(&all))
            } else {
                format!("{}\n", serde_json::to_string(&update.health).unwrap_or_default())
            };
            print_on(&text)
        })
        .await;
    Ok(())
}

/// Whether somebody still reads.
fn print_on(text: &str) -> bool {
    use std::io::Write as _;

    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// `monitor`.
pub(super) async fn monitor(context: &Context, monitor: &args::Monitor, format: Format) -> Result<()> {
    let token = match &monitor.token_env {
        None => None,
        Some(variable) => {
            let variable = variable_name(variable)?;
            let token = std::env::var(variable).ok().filter(|token| !token.trim().is_empty());
            Some(token.ok_or_else(|| {
                Error::config(format!("the variable {variable} is not set")).with_hint(format!("export {variable}=…"))
            })?)
        }
    };
    let watched = Watched::new(context, &monitor.targets, &monitor.auth, &monitor.watching)?;
    let names: Vec<String> = watched.gateways.iter().map(|gateway| gateway.config().name.clone()).collect();
    let count = names.len();
    let serving = Monitor::listen(monitor.listen, token.map(Into::into), watched.looker.history.clone(), names).await?;
    let url = format!("http://{}/", serving.address());
    let told = match format {
        Format::Json => print(&format!("{}\n", json!({"url": url, "pid": std::process::id(), "gateways": count}))),
        Format::Text => print(&format!(
            "{} Watching {}: {url}\n  {url}metrics, {url}health.json, {url}events\n  Ctrl-C ends it.\n",
            yes(),
            render::count(count, "gateway")
        )),
    };
    if told.is_err() {
        say(&format!("{} the monitor is at {url}\n", careful()));
    }
    watched
        .run(monitor.every, |update, _| {
            serving.post(update);
            true
        })
        .await;
    Ok(())
}
