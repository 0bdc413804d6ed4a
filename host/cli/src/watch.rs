//! `health --watch` and `monitor`: looking until it is ended.
//! Takes targets; draws on a terminal, or prints a line of JSON per report. Announces changes on stderr, so that stdout stays one thing.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io::IsTerminal as _,
    sync::Arc,
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{
    args::{self, Watching},
    context::{Context, apart, variable_name},
    look, render,
    run::end_requested,
    screen::{DIM, Format, Reply, careful, explain, no, print, print_as_it_is, say, styled, yes},
    terminal,
};
use pflow_gateway::{
    Gateway,
    config::ConfigFile,
    health::Looker,
    history::{Transition, Watcher, is_well},
    monitor::{Alerts, Monitor, OnChange, Update, Watch, random_token},
    report::{GatewayHealth, Health, worst},
};
use pflow_gateway_base::{Error, Result, scrub};

/// Goodbyes to all gateways together.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the server file is looked at for other gateways.
const FOLLOW: Duration = Duration::from_secs(2);

/// Changes that stay on the screen of `health --watch`.
const LATELY: usize = 5;

/// What is being watched.
struct Watched<'a> {
    gateways: Vec<Gateway>,
    looker: Looker,
    watcher: Arc<Watcher>,
    alerts: Alerts,
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
    /// `what` tells this watcher from others that watch the same.
    async fn new(
        context: &'a Context,
        what: &str,
        named: &'a [String],
        auth: &'a args::Auth,
        watching: &Watching,
    ) -> Result<Self> {
        check(watching)?;
        let targets = look::targets(context, named)?;
        let mut gateways = Vec::new();
        for target in &targets {
            match context.gateway(target, auth).await {
                Ok(gateway) => gateways.push(gateway),
                // One broken entry of the file does not keep the others from being watched.
                Err(error) if named.is_empty() && targets.len() > 1 => say(&explain(&error)),
                Err(error) => return Err(error),
            }
        }
        let history = context.history().patient();
        let watcher =
            Arc::new(Watcher::lasting(history.clone(), &role(what, named, watching), watching.alert_on.into()));
        let looker = Looker::new(history, watching.probes.clone()).telling(Arc::clone(&watcher));
        let alerts = Alerts::start(watching.on_change.clone(), Arc::clone(&watcher));
        let followed = Followed::new(context, named, auth).await;
        Ok(Self { gateways, looker, watcher, alerts, followed })
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
        // What was told last time, and did not come through before the end.
        let watcher = Arc::clone(&self.watcher);
        let before = tokio::task::spawn_blocking(move || watcher.undelivered()).await.unwrap_or_default();
        self.tell(&before);
        loop {
            let update = tokio::select! {
                Some(update) = watch.next() => update,
                _ = follow.tick() => {
                    if self.follow(&mut watch).await && !see(Sight::Gateways(&self.names())) {
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
            self.tell(&update.transitions);
            if !see(Sight::Update(&update, &self.looker)) {
                break;
            }
        }
        drop(watch);
        let mut farewells = tokio::task::JoinSet::new();
        for gateway in self.gateways {
            farewells.spawn(async move { gateway.close().await });
        }
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, farewells.join_all()).await;
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.alerts.finish()).await;
    }

    fn tell(&self, transitions: &[Transition]) {
        for transition in transitions {
            say(&announcement(transition));
        }
        self.alerts.tell(transitions);
    }

    /// Watches what the server file says now. Whether that is something else than before.
    async fn follow(&mut self, watch: &mut Watch) -> bool {
        let Some(changes) = self.followed.changes().await else { return false };
        for name in &changes.gone {
            watch.remove(name);
            let (gone, stay) =
                std::mem::take(&mut self.gateways).into_iter().partition(|gateway| gateway.config().name == *name);
            self.gateways = stay;
            for gateway in gone {
                tokio::spawn(async move { tokio::time::timeout(CLOSE_TIMEOUT, gateway.close()).await });
            }
            if !changes.new.contains(name) {
                say(&format!("{} {} is not watched any more: its entry is gone\n", careful(), scrub::line(name, 100)));
            }
        }
        for name in &changes.new {
            match self.followed.context.gateway(name, self.followed.auth).await {
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

/// Looks the command for alerts up, before anything is watched.
pub(super) fn check(watching: &Watching) -> Result<()> {
    if let Some(warning) = watching.on_change.as_ref().map(OnChange::check).transpose()?.flatten() {
        say(&format!("{} {warning}\n", careful()));
    }
    Ok(())
}

/// What a watcher is recognised by when it is started again.
pub(super) fn role(what: &str, named: &[String], watching: &Watching) -> String {
    let command = watching.on_change.as_ref().map_or("", OnChange::text);
    format!("{what}\n{}\n{command}", named.join("\n"))
}

/// `--test-alert`.
pub(super) async fn test_alert(named: &[String], watching: &Watching) -> Reply {
    let shape = json!({"ok": false, "change": null});
    let tried = async {
        check(watching)?;
        let command = watching.on_change.as_ref().ok_or_else(|| Error::config("--test-alert needs --on-change CMD"))?;
        let change = command.try_out(named.first().map_or("test", String::as_str)).await?;
        Ok((command.text(), change))
    };
    match tried.await {
        Ok((command, change)) => Reply::good(
            format!(
                "{} {} ran, with this on stdin:\n  {}\n",
                yes(),
                scrub::line(command, 300),
                scrub::line(&change.to_string(), 1_000)
            ),
            &json!({"ok": true, "change": change, "error": null}),
        ),
        Err(error) => Reply::failed(shape, error),
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
    async fn new(context: &'a Context, named: &'a [String], auth: &'a args::Auth) -> Self {
        let mut followed = Self { context, named, auth, entries: BTreeMap::new(), broken: false };
        followed.entries = followed.read().await.unwrap_or_default();
        followed
    }

    /// A file may be slow to read, and others are served meanwhile.
    async fn read(&self) -> Result<BTreeMap<String, Value>> {
        let path = self.context.path()?;
        let file = apart(move || Ok(ConfigFile::load(&path)?)).await?;
        let names = file.gateways().into_iter().map(|(name, _)| name);
        let wanted = names.filter(|name| self.named.is_empty() || self.named.contains(name));
        Ok(wanted.filter_map(|name| Some((name.clone(), file.entry(&name)?.clone()))).collect())
    }

    async fn changes(&mut self) -> Option<Changes> {
        let now = match self.read().await {
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
    if transition.change.is_some() {
        let (at, gateway) = (transition.at.rfc3339(), scrub::line(&transition.gateway, 100));
        return format!("{} {at} {gateway} {}\n", careful(), scrub::line(&transition.reason, 500));
    }
    let mark = if is_well(transition.to) { yes() } else { no() };
    let of =
        transition.service.as_deref().map_or_else(String::new, |service| format!(" {}", scrub::line(service, 100)));
    let from = transition.from.map_or_else(String::new, |from| format!("{from} → "));
    let settled = match (transition.settled, transition.held_back) {
        (false, 0) => String::new(),
        (true, 0) => " (stable again)".to_owned(),
        (settled, held_back) => {
            let changes = render::count(usize::try_from(held_back).unwrap_or(usize::MAX), "change");
            format!(" ({}after {changes} that were not announced)", if settled { "stable again " } else { "" })
        }
    };
    let reason = scrub::line(&transition.reason, 300);
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let gateway = scrub::line(&transition.gateway, 100);
    format!("{mark} {} {gateway}{of} {from}{}{settled}{reason}\n", transition.at.rfc3339(), transition.to)
}

/// `health --watch`.
pub(super) async fn health(context: &Context, health: &args::Health, format: Format) -> Result<()> {
    let every = health.watch.unwrap_or(Duration::from_secs(30));
    let watched = Watched::new(context, "watch", &health.targets, &health.auth, &health.watching).await?;
    let mut order = watched.names();
    let draws = format == Format::Text && std::io::stdout().is_terminal();
    let mut reports: BTreeMap<String, GatewayHealth> = BTreeMap::new();
    let mut lately: VecDeque<String> = VecDeque::new();
    let rhythm = format!("every {} s; Ctrl-C ends it", every.as_secs_f64());
    if format == Format::Text {
        say(&format!("{} Watching {} {rhythm}\n", yes(), render::count(order.len(), "gateway")));
    }
    watched
        .run(every, |sight| {
            let (update, looker) = match sight {
                Sight::Update(update, looker) => (update, looker),
                Sight::Gateways(names) => {
                    order = names.to_vec();
                    return true;
                }
            };
            if draws {
                reports.insert(update.health.gateway.clone(), update.health.clone());
                let gateways: Vec<_> = order.iter().filter_map(|name| reports.get(name).cloned()).collect();
                let all = Health { status: worst(&gateways), gateways, history_off: looker.history().why_off() };
                // What is told in between is drawn over.
                lately.extend(update.transitions.iter().map(announcement));
                lately.drain(..lately.len().saturating_sub(LATELY));
                let changes: String = lately.iter().map(String::as_str).collect();
                let looked = format!("looked at {}, {rhythm}", update.health.checked_at);
                // Home, then clear below: no flicker.
                let screen = format!(
                    "\x1b[H\x1b[J{}{changes}{}\n",
                    render::health(&all),
                    styled(DIM, &scrub::line(&looked, 100))
                );
                print_on(&terminal::fitted(&screen, &std::io::stdout()))
            } else {
                let line = serde_json::to_string(&update.health).unwrap_or_default();
                print_on(&format!("{}\n", scrub::json(&line)))
            }
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
    let token: Option<SecretString> = match &monitor.token_env {
        None if monitor.no_token => None,
        None => Some(random_token()?),
        Some(variable) => {
            let variable = variable_name(variable)?;
            let token = std::env::var(variable).ok().filter(|token| !token.trim().is_empty());
            let token = token.ok_or_else(|| {
                Error::config(format!("the variable {variable} is not set")).with_hint(format!("export {variable}=…"))
            })?;
            Some(token.into())
        }
    };
    // One that was made up is told, and nowhere else to be had.
    let shown = token.clone().filter(|_| monitor.token_env.is_none());
    let shown = shown.as_ref().map(ExposeSecret::expose_secret);
    let what = format!("monitor {}", monitor.listen);
    let watched = Watched::new(context, &what, &monitor.targets, &monitor.auth, &monitor.watching).await?;
    let names = watched.names();
    let count = names.len();
    let history = watched.looker.history().clone();
    let open = token.is_none();
    let serving = Monitor::listen(monitor.listen, token, history, names).await?;
    let url = format!("http://{}/", serving.address());
    let told = match format {
        Format::Json => {
            let pid = std::process::id();
            print_as_it_is(&format!("{}\n", json!({"url": url, "token": shown, "pid": pid, "gateways": count})))
        }
        Format::Text => {
            let page = shown.map_or_else(|| url.clone(), |token| format!("{url}?token={token}"));
            print(&format!(
                "{} Watching {}: {page}\n  {url}metrics, {url}health.json, {url}events\n  Ctrl-C ends it.\n",
                yes(),
                render::count(count, "gateway")
            ))
        }
    };
    if told.is_err() {
        say(&format!("{} the monitor is at {url}\n", careful()));
    }
    if open {
        say(&format!("{} without a token, every user of this machine can read what the monitor shows\n", careful()));
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
