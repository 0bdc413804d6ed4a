//! `health --history` and `snapshot`: what is remembered.
//! Takes names; gives a [`Reply`]. Contacts nothing.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    args,
    context::Context,
    look,
    render::{Table, colour, count, dim, plain},
    screen::{BOLD, DIM, Reply, careful, styled, yes},
};
use crate::{
    Error, Result,
    history::{Bar, GatewayHistory, History, Moment, SnapshotTool, span},
    scrub,
};

/// Bars on a line of a terminal.
const BARS: usize = 48;
const NAME: usize = 100;
const DETAIL: usize = 200;

/// `health --history`.
pub(super) fn health(context: &Context, health: &args::Health) -> Reply {
    let shape = json!({"since": null, "gateways": []});
    let names = match look::targets(context, &health.targets) {
        Ok(names) => names,
        Err(error) => return Reply::failed(shape, error),
    };
    let history = context.history();
    let now = Moment::now();
    let since = now.before(health.since);
    let mut all: Vec<GatewayHistory> = Vec::new();
    for name in &names {
        match history.since(name, since, now, BARS) {
            Some(past) => all.push(past),
            None => return Reply::failed(shape, off(&history)),
        }
    }
    let mut text = String::new();
    for past in &all {
        draw(past, now, &mut text);
    }
    Reply::good(text, &json!({"since": since, "until": now, "gateways": all, "error": null}))
}

fn off(history: &History) -> Error {
    let why = history.why_off().unwrap_or_else(|| "nothing is known".to_owned());
    Error::config(format!("history is off: {why}"))
        .with_hint("health works without it; set the folder right to have one")
}

fn draw(past: &GatewayHistory, now: Moment, text: &mut String) {
    let _ = writeln!(text, "{}", styled(BOLD, &scrub::line(&past.gateway, NAME)));
    if past.uptime.is_none() && past.transitions.is_empty() {
        let _ = writeln!(text, "  nothing known of this time");
        return;
    }
    let mut table = Table::new();
    table.row([plain("state"), plain(states(&past.bars)), dim(percent(past.uptime))]);
    if let Some((line, slowest)) = latency(&past.bars) {
        table.row([plain("latency"), plain(line), dim(format!("at most {slowest} ms"))]);
    }
    for service in &past.services {
        table.row([
            plain(scrub::line(&service.name, NAME)),
            plain(states(&service.bars)),
            dim(percent(service.uptime)),
        ]);
    }
    table.print("  ", text);
    // `unknown` that becomes `ok` for as long as a call is remembered is no news.
    let changes: Vec<_> = past.transitions.iter().filter(|change| change.from.is_some() && change.announced).collect();
    let mut table = Table::new();
    for change in changes.iter().rev().take(10) {
        let of = change.service.as_deref().map_or_else(String::new, |service| scrub::line(service, NAME));
        let from = change.from.map_or_else(String::new, |from| format!("{from} → "));
        table.row([
            dim(format!("{} ago", span(change.at.age(now)))),
            plain(of),
            (format!("{from}{}", change.to), colour(change.to)),
            dim(scrub::line(&change.reason, DETAIL)),
        ]);
    }
    table.print("  ", text);
    for error in past.errors.iter().take(3) {
        let ago = span(error.at.age(now));
        let _ = writeln!(text, "  {} {ago} ago: {}", careful(), scrub::line(&error.message, DETAIL));
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "?".to_owned(), |share| format!("{}% up", (share * 1_000.0).floor() / 10.0))
}

/// `█` well, `▄` in part, `▁` not, `·` nothing known.
fn states(bars: &[Bar]) -> String {
    bars.iter()
        .map(|bar| match bar {
            Bar { good: 0, part: 0, bad: 0, .. } => '·',
            Bar { part: 0, bad: 0, .. } => '█',
            Bar { good: 0, part: 0, .. } => '▁',
            _ => '▄',
        })
        .collect()
}

/// A sparkline, and its highest value.
fn latency(bars: &[Bar]) -> Option<(String, f64)> {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let slowest = bars.iter().filter_map(|bar| bar.latency_ms).fold(0.0_f64, f64::max);
    let step = |ms: f64| {
        STEPS.iter().zip(1_u8..).find(|(_, n)| ms <= slowest * f64::from(*n) / 8.0).map_or('█', |(step, _)| *step)
    };
    (slowest > 0.0).then(|| (bars.iter().map(|bar| bar.latency_ms.map_or('·', step)).collect(), slowest))
}

/// `snapshot`.
pub(super) fn snapshot(context: &Context, action: &args::SnapshotAction) -> Reply {
    let (target, done) = match action {
        args::SnapshotAction::Show { target } => (target, show(context, target)),
        args::SnapshotAction::Diff { target } => (target, diff(context, target)),
        args::SnapshotAction::Accept { target } => (target, accept(context, target)),
    };
    match done {
        Ok((text, json)) => Reply::good(text, &json),
        Err(error) => Reply::failed(json!({"gateway": target}), error),
    }
}

fn nothing(context: &Context, history: &History, target: &str) -> Error {
    if history.why_off().is_some() {
        return off(history);
    }
    Error::config(format!("nothing is remembered of {}", scrub::line(target, NAME))).with_hint(format!(
        "look at it first: {} health {}",
        context.program,
        scrub::line(target, NAME)
    ))
}

fn list(tools: &[SnapshotTool], mark: &str, text: &mut String) {
    let mut table = Table::new();
    for tool in tools {
        let service = tool.service.as_deref().unwrap_or("?");
        table.row([plain(mark), plain(scrub::line(&tool.name, NAME)), dim(scrub::line(service, NAME))]);
    }
    table.print("  ", text);
}

fn show(context: &Context, target: &str) -> Result<(String, Value)> {
    let history = context.history();
    let snapshot = history.snapshot(target).ok_or_else(|| nothing(context, &history, target))?;
    let accepted = if snapshot.accepted { ", accepted" } else { "" };
    let mut text = format!(
        "{} {}{}\n",
        styled(BOLD, &scrub::line(target, NAME)),
        count(snapshot.tools.len(), "tool"),
        styled(DIM, &format!(", seen {} ago{accepted}", span(snapshot.seen_at.age(Moment::now()))))
    );
    list(&snapshot.tools, "•", &mut text);
    Ok((
        text,
        json!({"gateway": target, "seen_at": snapshot.seen_at, "accepted": snapshot.accepted, "tools": snapshot.tools, "error": null}),
    ))
}

fn diff(context: &Context, target: &str) -> Result<(String, Value)> {
    let history = context.history();
    let difference = history.difference(target).ok_or_else(|| nothing(context, &history, target))?;
    let mut text = String::new();
    if difference.gone.is_empty() && difference.new.is_empty() {
        let _ = writeln!(text, "{} {} is as in its snapshot", yes(), scrub::line(target, NAME));
    }
    list(&difference.gone, "-", &mut text);
    list(&difference.new, "+", &mut text);
    if !difference.gone.is_empty() {
        let _ =
            writeln!(text, "  → if that is meant: {} snapshot accept {}", context.program, scrub::line(target, NAME));
    }
    let mut json = serde_json::to_value(&difference).unwrap_or_default();
    if let Some(members) = json.as_object_mut() {
        members.insert("gateway".to_owned(), target.into());
        members.insert("error".to_owned(), Value::Null);
    }
    Ok((text, json))
}

fn accept(context: &Context, target: &str) -> Result<(String, Value)> {
    let history = context.history();
    let tools = history.accept(target, Moment::now()).ok_or_else(|| nothing(context, &history, target))?;
    Ok((
        format!("{} {} with {} is the good catalogue now\n", yes(), scrub::line(target, NAME), count(tools, "tool")),
        json!({"gateway": target, "tools": tools, "error": null}),
    ))
}
