//! `health --watch` and `monitor`: looking until it is ended.
//! Takes targets; draws on a terminal, or prints a line of JSON per report. Announces changes on stderr, so that stdout stays one thing.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::IsTerminal as _,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    args::{self, Watching},
    context::{Context, variable_name},
    look, render,
    run::end_requested,
    screen::{Format, careful, explain, no, print, say, yes},
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

/// How often the server file is looked at for other gateways.
const FOLLOW: Duration = Duration::from_secs(2);

/// What is being watched.
struct Watched<'a> {
    gateways: Vec<Gateway>,
    looker: Looker,
    alerts: Option<Alerts>,
    followed: Followed<'a>,
}

/// What whoever watches is shown.
enum Sight<'a> {
    /// A look at one gateway.
    Update(&'a Update, &'a Looker),
    /// These gateways are watched from now on.
    Gateways(&'a [String]),
}

impl<'a> Watched<'a> {
    fn new(context: &'a Context, named: &'a [String], auth: &'a args::Auth, watching: &Watching) -> Result<Self> {
        let targets = look::targets(context, named)?;
        let mut gateways = Vec::new();
        for target in &targets {
            match context.gateway(target, auth) {
                Ok(gateway) => gateways.push(gateway),
                // One broken entry of the file does not keep the others from being watched.
                Err(error) if named.is_empty() && targets.len() > 1 => say(&explain(&error)),
                Err(error) => return Err(error),
            }
        }
        let looker = Looker::new(context.history(), watching.probes.clone());
        let alerts = watching.on_change.clone().map(OnChange::start);
        Ok(Self { gateways, looker, alerts, followed: Followed::new(context, named, auth) })
    }

    fn names(&self) -> Vec<String> {
        self.gateways.iter().map(|gateway| gateway.config().name.clone()).collect()
    }

    /// Looks until the process is asked to end, or `see` says that nobody reads any more.
    async fn run(mut self, every: Duration, mut see: impl FnMut(Sight<'_>) -> bool) {
        let mut watch = Watch::start(self.gateways.clone(), &self.looker, every);
        let mut end = std::pin::pin!(end_requested());
        let mut follow = tokio::time::interval(FOLLOW);
        follow.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut told_off, mut told_missing) = (None, false);
        let mut seen = BTreeSet::new();
        loop {
            let update = tokio::select! {
                Some(update) = watch.next() => update,
                _ = follow.tick() => {
                    if self.follow(&mut watch) && !see(Sight::Gateways(&self.names())) {
                        break;
                    }
                    continue;
                }
                () = &mut end => break,
            };
            look::tell_notes(self.looker.history());
            let off = self.looker.history().why_off();
            if off != told_off {
                match &off {
                    Some(why) => say(&format!("{} history is off: {}\n", careful(), scrub::line(why, 300))),
                    None => say(&format!("{} history is on again\n", yes())),
                }
                told_off = off;
            }
            seen.insert(update.health.gateway.clone());
            if !told_missing && self.names().iter().all(|name| seen.contains(name)) {
                told_missing = true;
                look::tell_missing(&self.looker);
            }
            for transition in update.transitions.iter().filter(|transition| transition.announced) {
                say(&announcement(transition));
            }
            if let Some(alerts) = &self.alerts {
                alerts.tell(&update.transitions);
            }
            if !see(Sight::Update(&update, &self.looker)) {
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

    /// Watches what the server file says now. Whether that is something else than before.
    fn follow(&mut self, watch: &mut Watch) -> bool {
        let Some(changes) = self.followed.changes() else { return false };
        for name in &changes.gone {
            watch.remove(name);
            let (gone, stay) =
                std::mem::take(&mut self.gateways).into_iter().partition(|gateway| gateway.config().name == *name);
            self.gateways = stay;
            for gateway in gone {
                tokio::spawn(async move { tokio::time::timeout(FAREWELL, gateway.close()).await });
            }
            if !changes.new.contains(name) {
                say(&format!("{} {} is not watched any more: its entry is gone\n", careful(), scrub::line(name, 100)));
            }
        }
        for name in &changes.new {
            match self.followed.context.gateway(name, self.followed.auth) {
                Ok(gateway) => {
                    say(&format!("{} {} is watched as its entry says now\n", yes(), scrub::line(name, 100)));
                    watch.add(gateway.clone());
                    self.gateways.push(gateway);
                }
                Err(error) => say(&explain(&error)),
            }
        }
        true
    }
}

/// The entries of the server file that are watched, to notice when they change.
struct Followed<'a> {
    context: &'a Context,
    /// All gateways when empty.
    named: &'a [String],
    auth: &'a args::Auth,
    entries: BTreeMap<String, Value>,
    /// The file cannot be read, and that was told.
    broken: bool,
}

/// Gateways to watch no more, and to watch; one that changed is in both.
#[derive(Debug, PartialEq, Eq)]
struct Changes {
    gone: Vec<String>,
    new: Vec<String>,
}

impl<'a> Followed<'a> {
    fn new(context: &'a Context, named: &'a [String], auth: &'a args::Auth) -> Self {
        let mut followed = Self { context, named, auth, entries: BTreeMap::new(), broken: false };
        followed.entries = followed.read().unwrap_or_default();
        followed
    }

    fn read(&self) -> Result<BTreeMap<String, Value>> {
        let file = self.context.file()?;
        let names = file.gateways().into_iter().map(|(name, _)| name);
        let wanted = names.filter(|name| self.named.is_empty() || self.named.contains(name));
        Ok(wanted.filter_map(|name| Some((name.clone(), file.entry(&name)?.clone()))).collect())
    }

    fn changes(&mut self) -> Option<Changes> {
        let now = match self.read() {
            Ok(now) => now,
            Err(error) => {
                // Somebody is editing it; what is known stays.
                if !std::mem::replace(&mut self.broken, true) {
                    say(&explain(&error));
                }
                return None;
            }
        };
        self.broken = false;
        let changes = differences(&self.entries, &now);
        self.entries = now;
        changes
    }
}

fn differences(before: &BTreeMap<String, Value>, now: &BTreeMap<String, Value>) -> Option<Changes> {
    let other = |one: &BTreeMap<String, Value>, two: &BTreeMap<String, Value>| -> Vec<String> {
        one.iter().filter(|(name, entry)| two.get(*name) != Some(*entry)).map(|(name, _)| name.clone()).collect()
    };
    let changes = Changes { gone: other(before, now), new: other(now, before) };
    (!changes.gone.is_empty() || !changes.new.is_empty()).then_some(changes)
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
    let mut order = watched.names();
    let draws = format == Format::Text && std::io::stdout().is_terminal();
    let mut reports: BTreeMap<String, GatewayHealth> = BTreeMap::new();
    watched
        .run(every, |sight| {
            let (update, looker) = match sight {
                Sight::Update(update, looker) => (update, looker),
                Sight::Gateways(names) => {
                    order = names.to_vec();
                    return true;
                }
            };
            let text = if draws {
                reports.insert(update.health.gateway.clone(), update.health.clone());
                let gateways: Vec<_> = order.iter().filter_map(|name| reports.get(name).cloned()).collect();
                let all = Health { status: worst(&gateways), gateways, history_off: looker.history().why_off() };
                // Home, then clear below: no flicker.
                format!("\x1b[H\x1b[J{}", render::health(&all))
            } else {
                let line = serde_json::to_string(&update.health).unwrap_or_default();
                format!("{}\n", scrub::json(&line))
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
    let names = watched.names();
    let count = names.len();
    let history = watched.looker.history().clone();
    let serving = Monitor::listen(monitor.listen, token.map(Into::into), history, names).await?;
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
        .run(monitor.every, |sight| {
            match sight {
                Sight::Update(update, _) => serving.post(update),
                Sight::Gateways(names) => serving.show(names.to_vec()),
            }
            true
        })
        .await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_entries_that_are_others_than_before_are_changes() {
        let entries = |of: &[(&str, i32)]| -> BTreeMap<String, Value> {
            of.iter().map(|(name, url)| ((*name).to_owned(), json!({"url": url}))).collect()
        };
        let before = entries(&[("a", 1), ("b", 1), ("c", 1)]);
        assert_eq!(differences(&before, &before), None);
        let now = entries(&[("a", 1), ("b", 2), ("d", 1)]);
        let (gone, new) = (vec!["b".to_owned(), "c".to_owned()], vec!["b".to_owned(), "d".to_owned()]);
        assert_eq!(differences(&before, &now), Some(Changes { gone, new }));
    }
}
