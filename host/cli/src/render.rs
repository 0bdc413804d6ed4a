//! Reports as people read them.
//! Takes the shapes of [`report`]; gives text in pflow's manner. Whatever a gateway wrote is scrubbed and bounded first.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::screen::{BOLD, DIM, GREEN, RED, Shown, YELLOW, careful, no, styled, yes};
use pflow_gateway::{
    history::{Moment, is_well, span},
    report::{
        Attribution, Check, Component, Confidence, GatewayHealth, Health, Review, ServiceHealth, Services, Severity,
        Status, Test, Tools,
    },
};
use pflow_gateway_base::scrub;

/// Names, details and warnings on the screen, in characters.
const NAME: usize = 100;
pub(super) const DETAIL: usize = 300;
/// Changed tools of a gateway that are told one by one.
const CHANGED: usize = 5;
/// Further lines of evidence for a service that is not well.
const EVIDENCE: usize = 3;

/// `1 tool`, `2 tools`.
pub(super) fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// Lines of columns, each as wide as its widest cell. The last one is not padded.
pub(super) struct Table {
    rows: Vec<Vec<(String, &'static str)>>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self { rows: Vec::new() }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [(String, &'static str); N]) {
        self.rows.push(cells.into());
    }

    pub(super) fn print(&self, indent: &str, text: &mut String) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |at: usize| self.rows.iter().filter_map(|row| row.get(at)).map(|(cell, _)| cell.width()).max();
        let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or_default()).collect();
        // A column that is empty in every row takes no room.
        let gap = |width: usize| if width == 0 { 0 } else { width.saturating_add(2) };
        for row in &self.rows {
            text.push_str(indent);
            let filled = row.iter().rposition(|(cell, _)| !cell.is_empty()).map_or(0, |last| last.saturating_add(1));
            for (at, ((cell, style), width)) in row.iter().zip(&widths).enumerate().take(filled) {
                let last = at.saturating_add(1) == filled;
                let padding = if last { 0 } else { gap(*width).saturating_sub(cell.width()) };
                text.push_str(&if style.is_empty() { cell.clone() } else { styled(style, cell) });
                text.extend(std::iter::repeat_n(' ', padding));
            }
            text.push('\n');
        }
    }
}

pub(super) fn plain(text: impl Into<String>) -> (String, &'static str) {
    (text.into(), "")
}

pub(super) fn dim(text: impl Into<String>) -> (String, &'static str) {
    (text.into(), DIM)
}

pub(super) fn colour(status: Status) -> &'static str {
    match status {
        Status::Ok => GREEN,
        Status::Unknown | Status::Disabled => DIM,
        Status::Degraded | Status::RateLimited => YELLOW,
        _ => RED,
    }
}

fn warnings(all: &[String], text: &mut String) {
    for warning in all {
        let _ = writeln!(text, "{} {}", careful(), scrub::line(warning, DETAIL));
    }
}

fn milliseconds(ms: Option<f64>) -> String {
    ms.map_or_else(String::new, |ms| if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") })
}

/// `test`.
pub(super) fn test(report: &Test) -> String {
    test_of(&report.gateway, &report.url) + &rest_of_test(report, &[])
}

/// Its first line.
pub(super) fn test_of(gateway: &str, url: &str) -> String {
    let name = styled(BOLD, &scrub::line(gateway, NAME));
    if gateway == url { format!("{name}\n") } else { format!("{name}  {}\n", scrub::line(url, DETAIL)) }
}

/// One step. They come one by one, so that the columns are as wide as they may have to be.
pub(super) fn step(check: &Check) -> String {
    let (mark, style) = match check.ok {
        Some(true) => ("✓", GREEN),
        Some(false) => ("✗", RED),
        None => ("-", DIM),
    };
    let detail = scrub::line(&check.detail, DETAIL);
    let detail = if check.ok.is_none() { dim(detail) } else { plain(detail) };
    let name = format!("{:8}", check.name);
    let took = format!("{:7}", milliseconds(check.ms));
    let mut table = Table::new();
    table.row([(mark.to_owned(), style), plain(name), dim(took), detail]);
    let mut text = String::new();
    table.print("  ", &mut text);
    text
}

/// The steps that were not told yet, and what came of all of them.
pub(super) fn rest_of_test(report: &Test, told: &[Check]) -> String {
    let is_told = |check: &&Check| told.iter().any(|told| (told.name, told.ok) == (check.name, check.ok));
    let mut text: String = report.checks.iter().filter(|check| !is_told(check)).map(step).collect();
    let name = scrub::line(&report.gateway, NAME);
    if report.ok {
        let kind = report.kind.as_ref().map_or_else(String::new, |kind| format!(" ({kind})"));
        let _ = writeln!(text, "{} {name}{kind} works: {}{}", yes(), behind(report), kept(report));
    } else {
        let _ = writeln!(text, "{} {name} does not work", no());
    }
    warnings(&report.warnings, &mut text);
    text
}

/// Whether one of the steps says what this error does.
pub(super) fn tells(report: &Test, error: &pflow_gateway_base::Error) -> Shown {
    let says = |check: &Check| {
        let detail = scrub::line(&check.detail, DETAIL);
        check.ok == Some(false) && !detail.is_empty() && error.message.ends_with(&detail)
    };
    if report.checks.iter().any(says) { Shown::Already } else { Shown::NotYet }
}

/// `9 tools of 2 services, 8 control tools`: what is behind a gateway that works.
fn behind(report: &Test) -> String {
    let Some(tools) = report.tools else { return "it answers".to_owned() };
    let control = report.control_tools.unwrap_or_default();
    let unknown = report.unattributed.unwrap_or_default();
    let known = tools.saturating_sub(control).saturating_sub(unknown);
    let mut parts = Vec::new();
    if known > 0 {
        parts.push(format!("{} of {}", count(known, "tool"), count(report.services.unwrap_or_default(), "service")));
    }
    if unknown > 0 {
        parts.push(format!("{} of no known service", count(unknown, "tool")));
    }
    if control > 0 {
        parts.push(count(control, "control tool"));
    }
    parts.join(", ")
}

/// What the entry's filter leaves of that.
fn kept(report: &Test) -> String {
    let Some(left_out) = report.filtered_out.filter(|left_out| *left_out > 0) else { return String::new() };
    let of = report.tools.unwrap_or_default().saturating_sub(report.control_tools.unwrap_or_default());
    format!("; its filter keeps {} of {}", of.saturating_sub(left_out), count(of, "tool"))
}

/// How sure an attribution is, in words; nothing when it is certain.
fn doubt(attribution: Attribution, confidence: Confidence) -> &'static str {
    match (attribution, confidence) {
        (Attribution::Inferred, _) | (_, Confidence::Low) => "a guess",
        (Attribution::Claimed, _) => "its own word",
        (_, Confidence::None) => "not known",
        _ => "",
    }
}

/// Whether to say what something rests on where all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grounds {
    Shown,
    LeftOut,
}

/// `services`.
pub(super) fn services(report: &Services, grounds: Grounds) -> String {
    let name = scrub::line(&report.gateway, NAME);
    let mut text = String::new();
    let _ = writeln!(text, "{}", styled(BOLD, &format!("{} behind {name}", count(report.services.len(), "service"))));
    let mut table = Table::new();
    for service in &report.services {
        let known = match doubt(service.attribution, service.confidence) {
            "" => format!("{} ({})", service.attribution, service.confidence),
            doubt => format!("{} ({doubt})", service.attribution),
        };
        let mut others = service.evidence.iter().filter(|_| grounds == Grounds::Shown);
        let evidence = others.next();
        table.row([
            plain(scrub::line(&service.name, NAME)),
            plain(count(service.tools, "tool")),
            (service.status.to_string(), colour(service.status)),
            dim(known),
            dim(evidence.map_or_else(String::new, |evidence| scrub::line(evidence, DETAIL))),
        ]);
        for more in others {
            table.row([plain(""), plain(""), plain(""), plain(""), dim(scrub::line(more, DETAIL))]);
        }
    }
    table.print("  ", &mut text);
    if report.unattributed > 0 {
        let _ = writeln!(text, "  {} of no known service", count(report.unattributed, "tool"));
    }
    if report.left_out > 0 {
        let _ = writeln!(text, "  {} left out by its filter", count(report.left_out, "service"));
    }
    warnings(&report.warnings, &mut text);
    text
}

/// `tools`: one block per service, those of no known service last.
pub(super) fn tools(report: &Tools) -> String {
    let mut text = String::new();
    let mut blocks: std::collections::BTreeMap<(bool, &str), Vec<&pflow_gateway::report::Tool>> =
        std::collections::BTreeMap::new();
    for tool in &report.tools {
        let service = tool.service.as_deref();
        blocks.entry((service.is_none(), service.unwrap_or_default())).or_default().push(tool);
    }
    for ((unknown, service), tools) in &blocks {
        let title = if *unknown { "of no known service".to_owned() } else { scrub::line(service, NAME) };
        let sure = tools.iter().map(|tool| doubt(tool.attribution, tool.confidence)).find(|doubt| !doubt.is_empty());
        let sure = sure.filter(|_| !unknown).map_or_else(String::new, |doubt| format!(", {doubt}"));
        let _ = writeln!(
            text,
            "{} {}",
            styled(BOLD, &title),
            styled(DIM, &format!("({}{sure})", count(tools.len(), "tool")))
        );
        let mut table = Table::new();
        for tool in tools {
            let about = tool.description.as_deref().or(tool.title.as_deref()).unwrap_or_default();
            table.row([plain(scrub::line(&tool.name, NAME)), dim(scrub::line(about, 100))]);
        }
        table.print("  ", &mut text);
    }
    let shown = count(report.tools.len(), "tool");
    let pages = usize::try_from(report.pages).unwrap_or(usize::MAX);
    if report.filtered_out == 0 {
        let _ = writeln!(text, "{shown}, read in {}", count(pages, "page"));
    } else {
        let _ = writeln!(text, "{shown} of {}, read in {}", report.total, count(pages, "page"));
        let mut why: Vec<String> =
            report.filtered_because.iter().map(|(reason, tools)| left_out(reason, *tools)).collect();
        // One reason is that of all of them: their number is said already.
        if let [only] = why.as_mut_slice()
            && let Some(reason) = only.strip_prefix(&format!("{} ", report.filtered_out))
        {
            *only = reason.to_owned();
        }
        let why = if why.is_empty() { String::new() } else { format!(": {}", why.join(", ")) };
        let _ = writeln!(text, "  {} left out{why}", report.filtered_out);
    }
    warnings(&report.warnings, &mut text);
    text
}

/// Why so many tools are not shown.
fn left_out(reason: &str, tools: usize) -> String {
    match reason {
        "service_not_included" => format!("{tools} of services that are not included"),
        "service_not_certain" => format!("{tools} of included services, by their own word or their names alone"),
        "service_excluded" => format!("{tools} of excluded services"),
        "tool_not_included" => format!("{tools} not included by name"),
        "tool_excluded" => format!("{tools} excluded by name"),
        "not_read_only" => format!("{tools} not read-only"),
        "destructive" => format!("{tools} that may destroy something"),
        "control_tool" => count(tools, "control tool"),
        "same_name" => format!("{tools} of a name that another tool has"),
        "not_accepted" => format!("{tools} not accepted yet"),
        "other" => format!("{tools} for other reasons"),
        other => match other.strip_prefix("other: ") {
            Some(words) => format!("{tools} by the component: {words}"),
            None => format!("{tools} {}", other.replace('_', " ")),
        },
    }
}

/// `tools --review`.
pub(super) fn review(report: &Review) -> String {
    let mut text = String::new();
    for found in &report.findings {
        let sign = match found.severity {
            Severity::Danger => no(),
            Severity::Warning => careful(),
            Severity::Note => styled(DIM, "·"),
        };
        let rule = styled(DIM, &format!("({})", found.rule));
        let _ = writeln!(text, "{sign} {} {rule}", scrub::line(&found.message, 500));
        if !found.excerpt.is_empty() {
            let place = styled(DIM, &format!("{}:", scrub::line(&found.at, 200)));
            let _ = writeln!(text, "    {place} {}", scrub::line(&found.excerpt, 200));
        }
    }
    if report.more > 0 {
        let _ = writeln!(text, "{} not shown", count(report.more, "more finding"));
    }
    let looked = format!("{} looked at by {}", count(report.tools, "tool"), count(report.rules.len(), "rule"));
    let found = report.findings.len() + report.more;
    if found == 0 {
        let _ = writeln!(text, "{} {looked}, nothing found", yes());
    } else {
        let _ = writeln!(text, "{looked}, {}; --json explains the rules", count(found, "finding"));
    }
    text
}

/// `health`.
pub(super) fn health(report: &Health) -> String {
    let mut text = String::new();
    for gateway in &report.gateways {
        one_health(gateway, &mut text);
    }
    if let Some(why) = &report.history_off {
        let _ = writeln!(text, "{} history is off: {}", careful(), scrub::line(why, DETAIL));
    }
    text
}

/// `4 minutes, `: how long it has been so, when that is known and matters.
fn lasting(service: &ServiceHealth, now: Moment) -> String {
    let since = service.since.as_deref().filter(|_| !is_well(service.status)).and_then(Moment::parse);
    since.map_or_else(String::new, |since| format!("for {}: ", span(since.age(now))))
}

fn one_health(gateway: &GatewayHealth, text: &mut String) {
    let now = Moment::now();
    let mark = match gateway.status {
        Status::Ok => yes(),
        Status::Degraded | Status::Unknown | Status::RateLimited | Status::Disabled => careful(),
        _ => no(),
    };
    let mut facts = vec![styled(colour(gateway.status), gateway.status.as_str())];
    facts.extend(gateway.tools.map(|tools| match gateway.filtered_out.filter(|left_out| *left_out > 0) {
        Some(left_out) => format!("{} of {}", tools.saturating_sub(left_out), count(tools, "tool")),
        None => count(tools, "tool"),
    }));
    facts.extend(gateway.latency_ms.map(|ms| milliseconds(Some(ms))));
    facts.extend(gateway.since.as_deref().map(|since| styled(DIM, &format!("since {}", scrub::line(since, 40)))));
    facts.extend(
        gateway.expires_at.as_deref().map(|at| styled(DIM, &format!("the token ends {}", scrub::line(at, 40)))),
    );
    let _ = writeln!(text, "{mark} {}  {}", styled(BOLD, &scrub::line(&gateway.gateway, NAME)), facts.join("  "));
    if let Some(error) = &gateway.error {
        let _ = writeln!(text, "  {}", scrub::line(&error.message, DETAIL));
        if let Some(hint) = &error.hint {
            let _ = writeln!(text, "  → {}", scrub::line(hint, DETAIL));
        }
    }
    let mut table = Table::new();
    for service in &gateway.services {
        table.row([
            plain(scrub::line(&service.name, NAME)),
            (service.status.to_string(), colour(service.status)),
            plain(count(service.tools, "tool")),
            dim(lasting(service, now)
                + &service.evidence.first().map_or_else(String::new, |words| scrub::line(words, DETAIL))),
        ]);
        // Well, nobody asks why.
        let more = if is_well(service.status) { 0 } else { EVIDENCE };
        for words in service.evidence.iter().skip(1).take(more) {
            table.row([plain(""), plain(""), plain(""), dim(scrub::line(words, DETAIL))]);
        }
    }
    table.print("  ", text);
    // What is gone stands with its service, where that has a line.
    let rowless = |name: &&String| !gateway.services.iter().any(|service| service.name == **name);
    let gone: Vec<String> = gateway.vanished.iter().filter(rowless).map(|name| scrub::line(name, NAME)).collect();
    if !gone.is_empty() {
        let _ = writeln!(text, "  {} gone since the last good snapshot: {}", careful(), gone.join(", "));
    }
    for changed in gateway.changed_tools.iter().take(CHANGED) {
        let _ = writeln!(text, "  {} {}", careful(), scrub::line(&changed.words(), DETAIL));
    }
    let changed = gateway.changed_tools.len().saturating_add(gateway.more_changed_tools);
    if changed > 0 {
        let more = if changed > CHANGED { format!("{} more; ", changed - CHANGED) } else { String::new() };
        let name = scrub::line(&gateway.gateway, NAME);
        let _ = writeln!(text, "  → {more}`snapshot diff {name}` shows how, `snapshot accept {name}` accepts it");
    }
    let what = "new since the last good snapshot";
    let tools = count(gateway.appeared_tools.len(), "tool");
    if !gateway.appeared.is_empty() {
        let names: Vec<String> = gateway.appeared.iter().map(|name| scrub::line(name, NAME)).collect();
        let _ = writeln!(text, "  {} {what}: {} ({tools})", careful(), names.join(", "));
    } else if !gateway.appeared_tools.is_empty() {
        let _ = writeln!(text, "  {} {tools} {what}", careful());
    }
    for warning in &gateway.warnings {
        let _ = writeln!(text, "  {} {}", careful(), scrub::line(warning, DETAIL));
    }
}

/// `component show`.
pub(super) fn component(report: &Component) -> String {
    let mut text = String::new();
    let mut table = Table::new();
    for (name, value) in [
        ("source", report.source.clone()),
        ("contract", format!("{}@{}", report.package, report.version)),
        ("sha256", report.sha256.clone()),
        ("size", format!("{} bytes", report.size)),
    ] {
        table.row([dim(name), plain(scrub::line(&value, DETAIL))]);
    }
    table.print("", &mut text);
    for (title, names) in [("offers", &report.exports), ("asks for", &report.imports)] {
        let _ = writeln!(text, "{}", styled(DIM, title));
        for name in names {
            let _ = writeln!(text, "  {}", scrub::line(name, DETAIL));
        }
    }
    let _ = writeln!(text, "{}", styled(DIM, "is held to"));
    let mut table = Table::new();
    for (name, limit) in &report.limits {
        table.row([plain(name.clone()), plain(limit.to_string())]);
    }
    table.print("  ", &mut text);
    text
}

/// One row of `list`.
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) url: String,
    pub(super) credential: String,
    pub(super) facts: String,
    pub(super) problem: Option<pflow_gateway_base::Error>,
}

impl Listed {
    /// One that cannot be used as it is written.
    pub(super) fn unusable(name: String, problem: pflow_gateway_base::Error) -> Self {
        let empty = String::new;
        Self { name, kind: empty(), url: empty(), credential: empty(), facts: empty(), problem: Some(problem) }
    }
}

/// `list`.
pub(super) fn list(rows: &[Listed]) -> String {
    let mut text = String::new();
    let mut table = Table::new();
    if !rows.is_empty() {
        table.row(["", "NAME", "KIND", "URL", "CREDENTIAL", "LAST SEEN"].map(dim));
    }
    for row in rows {
        let (mark, style) = if row.problem.is_some() { ("✗", RED) } else { ("", DIM) };
        let last =
            row.problem.as_ref().map_or_else(|| dim(&row.facts), |error| (scrub::line(&error.message, DETAIL), RED));
        table.row([
            (mark.to_owned(), style),
            plain(scrub::line(&row.name, NAME)),
            plain(&row.kind),
            plain(scrub::line(&row.url, DETAIL)),
            plain(scrub::line(&row.credential, DETAIL)),
            last,
        ]);
    }
    table.print("", &mut text);
    for (row, hint) in rows.iter().filter_map(|row| Some((row, row.problem.as_ref()?.hint.as_ref()?))) {
        let _ = writeln!(text, "  → {}: {}", scrub::line(&row.name, NAME), scrub::line(hint, 1_000));
    }
    text
}
