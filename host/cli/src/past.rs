//! `health --history` and `snapshot`: what is remembered.
//! Takes names; gives a [`Reply`]. Contacts nothing.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    args,
    context::Context,
    look,
    render::{Table, colour, count, dim, plain},
    screen::{BOLD, DIM, Format, GREEN, RED, Reply, YELLOW, careful, styled, yes},
    terminal,
};
use pflow_gateway::{
    config::Changes,
    definitions::{All, By, Difference as Between, Mark, Owner, Pending, Review, Standing, Store, StoreError, Taken},
    history::{Bar, Difference, GatewayHistory, History, Moment, SnapshotTool, span},
};
use pflow_gateway_base::{Error, Result, scrub};

/// Bars on a line: of a program that reads, and of a terminal that has no room for so many.
const BARS: usize = 48;
const FEW_BARS: usize = 24;
/// Columns that a line with all bars, a name and a share may take.
const WIDE: usize = 80;
const NAME: usize = 100;
const DETAIL: usize = 200;
/// Names in one list.
const NAMES: usize = 20;

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
    let narrow = context.format == Format::Text && terminal::columns().is_some_and(|columns| columns < WIDE);
    let bars = if narrow { FEW_BARS } else { BARS };
    let mut all: Vec<GatewayHistory> = Vec::new();
    for name in &names {
        match history.since(name, since, now, bars) {
            Some(mut past) => {
                for change in &mut past.transitions {
                    change.reason = dated(&change.reason);
                }
                all.push(past);
            }
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
            dim(when(change.at, now)),
            plain(of),
            (format!("{from}{}", change.to), colour(change.to)),
            dim(scrub::line(&change.reason, DETAIL)),
        ]);
    }
    table.print("  ", text);
    for error in past.errors.iter().take(3) {
        let _ = writeln!(text, "  {} {}: {}", careful(), when(error.at, now), scrub::line(&error.message, DETAIL));
    }
}

/// `2026-11-27T14:04:19Z (3 minutes ago)`.
fn when(at: Moment, now: Moment) -> String {
    format!("{} ({} ago)", at.rfc3339(), span(at.age(now)))
}

/// A sentence of then: what was so long ago then is so long before it, whenever it is read.
fn dated(reason: &str) -> String {
    let mut unit = "";
    let mut text = String::with_capacity(reason.len().saturating_add(8));
    for word in reason.split_inclusive(' ') {
        let bare = word.trim_end_matches([',', ';', ':', ')', '.', ' ']);
        let is_length = matches!(unit, "second" | "minute" | "hour" | "day");
        if bare == "ago" && is_length {
            text.push_str(&word.replacen("ago", "before", 1));
        } else {
            text.push_str(word);
        }
        unit = bare.trim_end_matches('s');
    }
    text
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
        args::SnapshotAction::Show { target } => {
            (target, show(context, target).map(|(text, json)| (text, json, false)))
        }
        args::SnapshotAction::Diff { target, tools, exit_code } => {
            let asked = Asked { target, tools };
            (target, diff(context, &asked).map(|(text, json, differs)| (text, json, *exit_code && differs)))
        }
        args::SnapshotAction::Accept { target, tools } => {
            (target, accept(context, &Asked { target, tools }).map(|(text, json)| (text, json, false)))
        }
    };
    match done {
        Ok((text, json, differs)) => {
            let mut reply = Reply::good(text, &json);
            if differs {
                reply.code = 1;
            }
            reply
        }
        Err(error) => Reply::failed(json!({"gateway": target}), error),
    }
}

/// A gateway, and the tools that are asked for; none: all.
struct Asked<'a> {
    target: &'a str,
    tools: &'a [String],
}

impl Asked<'_> {
    fn wants(&self, tool: &str) -> bool {
        self.tools.is_empty() || self.tools.iter().any(|wanted| wanted == tool)
    }

    fn name(&self) -> String {
        scrub::line(self.target, NAME)
    }

    /// A tool that was named and of which there is nothing.
    fn without(&self, known: &[&str]) -> Option<Error> {
        let missing = self.tools.iter().find(|wanted| !known.contains(&wanted.as_str()))?;
        let name = self.name();
        let mut all: Vec<String> = known.iter().take(NAMES).map(|name| scrub::line(name, NAME)).collect();
        all.sort();
        all.dedup();
        let hint = if all.is_empty() {
            format!("nothing of {name} differs from what was accepted, as far as it was listed last")
        } else {
            format!("these differ: {}", all.join(", "))
        };
        Some(Error::config(format!("no tool {} of {name} differs", scrub::line(missing, NAME))).with_hint(hint))
    }
}

/// What is known of the definitions of an entry's tools.
struct Known {
    review: Option<Review>,
    store: Option<Store>,
    changes: Changes,
}

impl Known {
    /// Only entries have something that was accepted.
    fn of(context: &Context, target: &str) -> Result<Self> {
        let config = context.file().ok().and_then(|file| file.find(target).ok());
        let (Some(config), Ok(folder)) = (config, context.memory()) else {
            return Ok(Self { review: None, store: None, changes: Changes::default() });
        };
        let store = Store::at(&folder, &config);
        let changes = config.changes;
        let review = match store.review() {
            Ok(review) => review,
            Err(error) => {
                let name = scrub::line(target, NAME);
                return Err(Error::config(format!("what was accepted of the tools of {name} cannot be read"))
                    .because(error)
                    .with_hint(format!(
                        "look at its tools, then accept what is listed: {} snapshot accept {name}",
                        context.program
                    )));
            }
        };
        Ok(Self { review, store: Some(store), changes })
    }

    /// Why there is nothing to compare.
    fn lacking(&self, context: &Context, name: &str) -> Option<String> {
        match (&self.review, self.changes) {
            (Some(_), _) => None,
            (None, Changes::Pass) => {
                Some(format!("descriptions and schemas are not compared: \"changes\" of {name} is \"pass\""))
            }
            (None, Changes::Warn | Changes::Hold) => Some(format!(
                "descriptions and schemas are not known yet: they are taken at the next look, like {} tools {name}",
                context.program
            )),
        }
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
    let known = Known::of(context, target)?;
    let accepted = if snapshot.accepted { ", accepted" } else { "" };
    let name = scrub::line(target, NAME);
    let mut text = format!(
        "{} {}{}\n",
        styled(BOLD, &name),
        count(snapshot.tools.len(), "tool"),
        styled(DIM, &format!(", seen {} ago{accepted}", span(snapshot.seen_at.age(Moment::now()))))
    );
    list(&snapshot.tools, "•", &mut text);
    let definitions = known.review.as_ref().map(|review| {
        let who = if review.by == By::First { "the first that were seen" } else { "accepted by you" };
        let at = Moment::from_millis(i64::try_from(review.at).unwrap_or_default().saturating_mul(1_000));
        let waiting = if review.pending.is_empty() { String::new() } else { format!("; {} not as accepted", review.pending.len()) };
        let _ = writeln!(
            text,
            "  {}",
            styled(DIM, &format!("definitions of {}: {who}, {} ago{waiting}", count(review.tools, "tool"), span(at.age(Moment::now()))))
        );
        json!({"tools": review.tools, "accepted_at": at, "accepted_by": review.by, "not_accepted": review.pending.len()})
    });
    if let Some(why) = known.lacking(context, &name) {
        let _ = writeln!(text, "  {}", styled(DIM, &why));
    }
    Ok((
        text,
        json!({
            "gateway": target, "seen_at": snapshot.seen_at, "accepted": snapshot.accepted, "tools": snapshot.tools,
            "definitions": definitions, "error": null,
        }),
    ))
}

fn diff(context: &Context, asked: &Asked<'_>) -> Result<(String, Value, bool)> {
    let history = context.history();
    let known = Known::of(context, asked.target)?;
    let difference = match history.difference(asked.target) {
        Some(difference) => difference,
        None if known.review.is_some() => Difference::default(),
        None => return Err(nothing(context, &history, asked.target)),
    };
    let (mut gone, mut new) = (difference.gone.clone(), difference.new.clone());
    let review = known.review.as_ref();
    let pending: Vec<&Pending> = review.iter().flat_map(|review| &review.pending).collect();
    // A renamed service renames its tools: they are neither gone nor new.
    new.retain(|tool| !pending.iter().any(|pending| pending.name == tool.name));
    gone.retain(|tool| {
        !pending.iter().any(|pending| pending.before.as_ref().is_some_and(|before| before.name == tool.name))
    });
    let all: Vec<&str> = pending
        .iter()
        .map(|pending| pending.name.as_str())
        .chain(gone.iter().chain(&new).map(|tool| tool.name.as_str()))
        .collect();
    if let Some(error) = asked.without(&all) {
        return Err(error);
    }
    gone.retain(|tool| asked.wants(&tool.name));
    new.retain(|tool| asked.wants(&tool.name));
    let pending: Vec<&Pending> = pending.into_iter().filter(|pending| asked.wants(&pending.name)).collect();
    let name = asked.name();
    let mut text = String::new();
    let differs = !(gone.is_empty() && new.is_empty() && pending.is_empty());
    if !differs {
        let _ = writeln!(text, "{} {name} is as in its snapshot", yes());
    }
    list(&gone, "-", &mut text);
    list(&new, "+", &mut text);
    let mut told = Vec::new();
    for pending in &pending {
        let between = between(pending);
        draw_change(pending, between.as_ref(), &mut text);
        told.push(as_json(pending, between.as_ref()));
    }
    if let Some(why) = known.lacking(context, &name) {
        let _ = writeln!(text, "  {}", styled(DIM, &why));
    }
    if !gone.is_empty() || !pending.is_empty() {
        let _ = writeln!(text, "  → if that is meant: {} snapshot accept {name}", context.program);
        if pending.len() + gone.len() > 1 {
            let _ = writeln!(text, "    one of them: {} snapshot accept {name} TOOL", context.program);
        }
    }
    if let Some(store) = known.store.as_ref().filter(|_| known.review.is_some()) {
        let gone: Vec<String> = gone.iter().map(|tool| tool.name.clone()).collect();
        let all = if asked.tools.is_empty() { All::Yes } else { All::No };
        // Without it `accept` takes what differs then, and cannot know what was shown; that is said by nobody knowing better.
        if let Err(error) = store.keep_shown(&pending, &gone, all) {
            tracing::warn!(%error, "what was shown could not be kept, so `snapshot accept` cannot compare with it");
        }
    }
    let mut json = serde_json::to_value(Difference { gone, new, ..difference }).unwrap_or_default();
    if let Some(members) = json.as_object_mut() {
        members.insert("gateway".to_owned(), asked.target.into());
        members.insert("changes".to_owned(), known.changes.as_str().into());
        members.insert("changed".to_owned(), told.into());
        members.insert("definitions_known".to_owned(), known.review.is_some().into());
        members.insert("error".to_owned(), Value::Null);
    }
    Ok((text, json, differs))
}

fn between(pending: &Pending) -> Option<Between> {
    let before = pending.before.as_ref()?.definition.as_ref()?;
    Some(Between::between(before, pending.now.as_ref()?))
}

/// A tool that is not as it was accepted, for people.
fn draw_change(pending: &Pending, between: Option<&Between>, text: &mut String) {
    let name = scrub::line(&pending.name, NAME);
    let service =
        |owner: &Owner| owner.service.as_deref().map_or_else(|| "?".to_owned(), |name| scrub::line(name, NAME));
    let what = match (pending.standing, &pending.before) {
        (Standing::New, _) => "new, not accepted yet".to_owned(),
        (Standing::Replaced, Some(before)) => {
            format!("another tool: it was of {}, it is of {}", service(&before.owner), service(&pending.owner))
        }
        (_, Some(before)) if before.name != pending.name => {
            format!("it was called {}", scrub::line(&before.name, NAME))
        }
        _ => String::new(),
    };
    let mark = if pending.standing == Standing::New { "+" } else { "~" };
    let _ = writeln!(
        text,
        "  {mark} {}  {}{}",
        styled(BOLD, &name),
        styled(DIM, &service(&pending.owner)),
        if what.is_empty() { String::new() } else { format!("  {}", styled(YELLOW, &what)) }
    );
    match between {
        Some(between) => {
            for (mark, line) in between.lines() {
                let line = match mark {
                    Mark::Title => format!("      {}", styled(DIM, &line)),
                    Mark::Old => format!("        {}", styled(RED, &format!("- {line}"))),
                    Mark::New => format!("        {}", styled(GREEN, &format!("+ {line}"))),
                    Mark::Other => format!("        ~ {line}"),
                    Mark::Means => format!("      → {line}"),
                };
                let _ = writeln!(text, "{line}");
            }
            if between.parts.is_empty() {
                let _ = writeln!(text, "      it says the same of itself, word for word");
            }
        }
        None if pending.standing == Standing::New => {
            if let Some(description) = pending.now.as_ref().and_then(|now| now.description.as_deref()) {
                let _ = writeln!(text, "      {}", styled(DIM, &scrub::line(description, DETAIL)));
            }
        }
        None => {
            let _ = writeln!(text, "      its definition is too large to be kept: look at it with `tools --json`");
        }
    }
}

/// The same, as data.
fn as_json(pending: &Pending, between: Option<&Between>) -> Value {
    let before = pending.before.as_ref();
    let mut json = json!({
        "name": pending.name, "service": pending.owner.service, "change": pending.standing, "digest": pending.digest,
        "was_called": before.map(|before| &before.name).filter(|name| **name != pending.name),
        "was_of": before.and_then(|before| before.owner.service.as_ref()).filter(|service| Some(*service) != pending.owner.service.as_ref()),
        "old": before.and_then(|before| before.definition.as_ref()), "new": pending.now,
        "parts": [], "arguments": [], "result": [], "annotations": [], "means": [],
    });
    if let (Some(members), Some(Value::Object(told))) =
        (json.as_object_mut(), between.map(|between| serde_json::to_value(between).unwrap_or_default()))
    {
        members.extend(told.into_iter().filter(|(name, _)| !matches!(name.as_str(), "title" | "description")));
    }
    json
}

/// Whether a tool is what this one was before.
fn replaces(now: &Pending, tool: &str) -> bool {
    now.before.as_ref().is_some_and(|before| before.name == tool)
}

fn accept(context: &Context, asked: &Asked<'_>) -> Result<(String, Value)> {
    let history = context.history();
    let known = match Known::of(context, asked.target) {
        Err(error) if asked.tools.is_empty() => return accept_anew(context, &history, asked, error),
        known => known?,
    };
    let pending: Vec<&str> =
        known.review.iter().flat_map(|review| &review.pending).map(|pending| pending.name.as_str()).collect();
    let difference = history.difference(asked.target);
    let gone: Vec<&str> = difference
        .iter()
        .flat_map(|difference| &difference.gone)
        .map(|tool| tool.name.as_str())
        .chain(known.review.iter().flat_map(|review| &review.gone).map(String::as_str))
        .collect();
    let all: Vec<&str> = pending.iter().chain(&gone).copied().collect();
    if let Some(error) = asked.without(&all) {
        return Err(error);
    }
    if let Some(store) = &known.store {
        let wanted: Vec<&Pending> =
            known.review.iter().flat_map(|review| &review.pending).filter(|now| asked.wants(&now.name)).collect();
        let gone: Vec<String> = difference
            .iter()
            .flat_map(|difference| &difference.gone)
            .map(|tool| tool.name.clone())
            .filter(|tool| asked.wants(tool) && !wanted.iter().any(|now| replaces(now, tool)))
            .collect();
        let other = store.changed_since_shown(&wanted, &gone);
        if !other.is_empty() {
            let names: Vec<String> = other.iter().take(NAMES).map(|name| scrub::line(name, NAME)).collect();
            return Err(Error::config(format!(
                "since `snapshot diff` showed what differs, this changed: {}",
                names.join(", ")
            ))
            .with_hint(format!(
                "nothing was accepted; look again: {} snapshot diff {}",
                context.program,
                asked.name()
            )));
        }
    }
    let mut taken = match &known.store {
        Some(store) if known.review.is_some() => store.accept(asked.tools).map_err(|error| match error {
            StoreError::Lock(error) => error.into(),
            error => Error::config(format!("what was accepted of {} cannot be written", asked.name()))
                .because(error)
                .with_hint("nothing was changed; look at the folder ~/.pflow/gateway/definitions"),
        })?,
        _ => Taken::default(),
    };
    if let Some(difference) = &difference {
        // What the entry's own filter leaves out is not listed either, and nothing of the gateway's.
        taken.gone.retain(|tool| difference.gone.iter().any(|gone| gone.name == *tool));
    }
    if let Some(Err(error)) = known.store.as_ref().filter(|_| asked.tools.is_empty()).map(Store::forget_shown) {
        tracing::warn!(%error, "what was shown before could not be forgotten");
    }
    let tools = if asked.tools.is_empty() {
        history.accept(asked.target, Moment::now())
    } else {
        history.accept_gone(asked.target, asked.tools, Moment::now())
    };
    if tools.is_none() && known.review.is_none() {
        return Err(nothing(context, &history, asked.target));
    }
    let name = asked.name();
    let mut text = String::new();
    if asked.tools.is_empty() {
        let tools = tools.or(known.review.as_ref().map(|review| review.tools)).unwrap_or_default();
        let _ = writeln!(text, "{} {name} with {} is the good catalogue now", yes(), count(tools, "tool"));
    }
    for (what, tools) in [("accepted as it is now", &taken.tools), ("gone on purpose", &taken.gone)] {
        for tool in tools.iter().take(NAMES) {
            let _ = writeln!(text, "{} {}: {what}", yes(), scrub::line(tool, NAME));
        }
        if tools.len() > NAMES {
            let _ = writeln!(text, "  and {} more", tools.len() - NAMES);
        }
    }
    if text.is_empty() {
        asked.tools.iter().for_each(|tool| {
            let _ = writeln!(text, "{} {}: gone on purpose", yes(), scrub::line(tool, NAME));
        });
    }
    Ok((
        text,
        json!({"gateway": asked.target, "tools": tools, "accepted": taken.tools, "gone": taken.gone, "error": null}),
    ))
}

/// What was accepted is broken: what is listed next is accepted in its place. Anything else that cannot be read is left as it is.
fn accept_anew(context: &Context, history: &History, asked: &Asked<'_>, error: Error) -> Result<(String, Value)> {
    let config = context.file()?.find(asked.target)?;
    let store = Store::at(&context.memory()?, &config);
    match store.accepted() {
        Err(error) if error.is_broken() => {}
        // Only the list of what differs cannot be read; it is deleted when it never will be.
        Ok(_) if store.review().is_err_and(|why| why.is_broken()) => {
            let hint = match store.forget_pending() {
                Ok(()) => format!(
                    "nothing was accepted; `{} tools {}` finds out anew what differs",
                    context.program,
                    asked.name()
                ),
                Err(why) => format!("nothing was accepted, and what differs cannot be deleted: {why}"),
            };
            return Err(error.with_hint(hint));
        }
        _ => return Err(error),
    }
    store.forget();
    let tools = history.accept(asked.target, Moment::now());
    let name = asked.name();
    let text = format!(
        "{} what was accepted of {name} could not be read and is deleted; the tools that it lists next are accepted\n  → {} tools {name}\n",
        yes(),
        context.program
    );
    Ok((text, json!({"gateway": asked.target, "tools": tools, "accepted": [], "gone": [], "error": null})))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn a_record_says_when_and_not_how_long_before_it_was_read() {
        let at = Moment::parse("2026-11-27T14:04:19Z").unwrap();
        for (reason, says) in [
            ("a call was answered 15 seconds ago", "a call was answered 15 seconds before"),
            ("2 calls failed 1 minute ago: no such thing", "2 calls failed 1 minute before: no such thing"),
            (
                "all its tools are gone: a (seen 2 hours ago): look",
                "all its tools are gone: a (seen 2 hours before): look",
            ),
            ("the gateway reports no health", "the gateway reports no health"),
            ("long ago", "long ago"),
        ] {
            assert_eq!(dated(reason), says);
        }
        let later = Moment::parse("2026-11-27T14:07:19Z").unwrap();
        assert_eq!(when(at, later), "2026-11-27T14:04:19Z (3 minutes ago)");
    }
}
