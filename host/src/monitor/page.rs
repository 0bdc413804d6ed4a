//! The status page: gateways, services, a day as bars, latency, last errors.
//! Takes reports and their history; gives HTML in which every foreign text is escaped. Loads nothing from elsewhere, and holds no
//! credential.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use crate::{
    history::{Bar, GatewayHistory, Moment, is_well, span},
    report::{GatewayHealth, ServiceHealth, Status},
    scrub,
};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Bars of a day: half an hour each.
pub(super) const BARS: usize = 48;

/// Changed tools of a gateway that are shown one by one.
const CHANGED: usize = 10;

/// What the page may do: its own style and script, by digest, and its own server. Nothing else.
pub(super) fn policy() -> String {
    let digest = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        digest(STYLE),
        digest(SCRIPT)
    )
}

/// A dot, so that browsers do not ask for a file.
const ICON: &str = "data:image/svg+xml,<svg xmlns='http:%2F%2Fwww.w3.org/2000/svg' viewBox='0 0 8 8'><circle cx='4' cy='4' r='3' fill='%231a7f37'/></svg>";

/// The whole page.
pub(super) fn page(part: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>MCP gateways</title>\n\
         <link rel=\"icon\" href=\"{ICON}\">\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <div class=\"top\"><h1>MCP gateways</h1><p class=\"faint\">pflow-gateway {}, <span id=\"live\">not live</span></p></div>\n\
         <main>{part}</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// What changes: everything below the title.
pub(super) fn part(
    reports: &[(GatewayHealth, Option<GatewayHistory>)],
    waiting: usize,
    history_off: Option<&str>,
    now: Moment,
) -> String {
    let mut text = String::new();
    if let Some(why) = history_off {
        let _ = write!(text, "<p class=\"warning\">History is off: {}</p>", escaped(why));
    }
    summary(&mut text, reports.iter().map(|(report, _)| report), waiting);
    for (report, history) in reports {
        gateway(&mut text, report, history.as_ref(), now);
    }
    text
}

/// The answer to "is anything wrong", before everything else.
fn summary<'r>(text: &mut String, reports: impl Iterator<Item = &'r GatewayHealth>, waiting: usize) {
    let reports: Vec<_> = reports.collect();
    let unwell: Vec<_> = reports.iter().filter(|report| !is_well(report.status)).collect();
    let all = match reports.len() {
        1 => "1 gateway".to_owned(),
        many => format!("{many} gateways"),
    };
    let waits = if waiting > 0 { format!(", {waiting} not looked at yet") } else { String::new() };
    if unwell.is_empty() {
        let fine = if reports.is_empty() { String::new() } else { format!("{all}, nothing wrong") };
        let line = format!("{fine}{waits}");
        let _ = write!(text, "<p class=\"summary\" data-title=\"\">{}</p>", line.trim_start_matches(", "));
        return;
    }
    let unwell_of_all = format!("{} of {all}", unwell.len());
    let _ = write!(text, "<p class=\"summary\" data-title=\"({}) \">{unwell_of_all} not well{waits}:", unwell.len());
    for report in unwell {
        let _ = write!(text, " <span>{} {}</span>", escaped(&report.gateway), state(report.status));
    }
    text.push_str("</p>");
}

/// Foreign text: without what steers a screen, and without markup.
fn escaped(text: &str) -> String {
    let text = scrub::line(text, 600);
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

fn class(status: Status) -> &'static str {
    match status {
        Status::Ok => "good",
        Status::Degraded | Status::RateLimited => "part",
        Status::Unknown | Status::Disabled => "none",
        _ => "bad",
    }
}

fn state(status: Status) -> String {
    format!("<span class=\"state {}\">{}</span>", class(status), status.as_str().replace('_', " "))
}

fn for_so_long(since: Option<&str>, now: Moment) -> String {
    since.and_then(Moment::parse).map_or_else(String::new, |since| {
        format!(" <time datetime=\"{}\">for {}</time>", since.rfc3339(), span(since.age(now)))
    })
}

fn gateway(text: &mut String, report: &GatewayHealth, history: Option<&GatewayHistory>, now: Moment) {
    let _ = write!(
        text,
        "<article data-gateway=\"{name}\"><header><h2>{name}</h2> {state}{long}</header>",
        name = escaped(&report.gateway),
        state = state(report.status),
        long = for_so_long(report.since.as_deref(), now)
    );
    let mut facts = Vec::new();
    facts.extend(report.tools.map(|tools| format!("{tools} tools")));
    facts.extend(report.latency_ms.map(|ms| format!("{ms} ms")));
    facts.extend(history.and_then(|history| history.uptime).map(|uptime| format!("{} up in 24 h", percent(uptime))));
    if let Some(at) = Moment::parse(&report.checked_at) {
        facts.push(format!("looked at {} ago", span(at.age(now))));
    }
    let _ = write!(text, "<p class=\"faint\">{}</p>", facts.join(" · "));
    if let Some(error) = &report.error {
        let _ = write!(text, "<p class=\"bad\">{}</p>", escaped(&error.message));
    }
    for warning in &report.warnings {
        let _ = write!(text, "<p class=\"warning\">{}</p>", escaped(warning));
    }
    for changed in report.changed_tools.iter().take(CHANGED) {
        let _ = write!(text, "<p class=\"warning\">{}</p>", escaped(&changed.words()));
    }
    let more = report.changed_tools.len().saturating_sub(CHANGED).saturating_add(report.more_changed_tools);
    if more > 0 {
        let _ = write!(text, "<p class=\"warning\">{more} more tools are not as they were accepted</p>");
    }
    if let Some(history) = history {
        bars(text, &history.bars, Size::Large);
        text.push_str("<p class=\"axis\"><span>24 h ago</span><span>now</span></p>");
        latency(text, &history.bars);
    }
    for service in &report.services {
        let past = history.and_then(|history| history.services.iter().find(|past| past.name == service.name));
        one_service(text, service, past.map(|past| (past.bars.as_slice(), past.uptime)), now);
    }
    if let Some(history) = history {
        errors(text, history, now);
    }
    text.push_str("</article>");
}

fn one_service(text: &mut String, service: &ServiceHealth, past: Option<(&[Bar], Option<f64>)>, now: Moment) {
    let _ = write!(
        text,
        "<section class=\"service\" data-service=\"{name}\" data-status=\"{status}\"><div><header><h3>{name}</h3> {state}{long}</header>\
         <p class=\"faint\">{tools} tools{up}</p></div><div>",
        name = escaped(&service.name),
        status = service.status,
        state = state(service.status),
        long = for_so_long(service.since.as_deref(), now),
        tools = service.tools,
        up = past
            .and_then(|(_, uptime)| uptime)
            .map_or_else(String::new, |uptime| format!(" · {} up in 24 h", percent(uptime))),
    );
    // Bars of which none says anything only take room.
    if let Some((past, _)) = past
        && past.iter().any(|bar| looks(bar) > 0)
    {
        bars(text, past, Size::Small);
    }
    // Why nothing is known is one phrase; why it is not well is all that there is.
    let (class, phrases) = match service.status {
        Status::Ok => ("", 0),
        Status::Unknown | Status::Disabled => (" class=\"faint\"", 1),
        _ => ("", 5),
    };
    let mut words = service.evidence.iter().take(phrases).peekable();
    if words.peek().is_some() {
        let _ = write!(text, "<ul{class}>");
        for words in words {
            let _ = write!(text, "<li>{}</li>", escaped(words));
        }
        text.push_str("</ul>");
    }
    text.push_str("</div></section>");
}

/// Those that say something.
fn looks(bar: &Bar) -> u32 {
    bar.good + bar.part + bar.bad
}

fn percent(share: f64) -> String {
    format!("{}%", (share * 1_000.0).floor() / 10.0)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    Large,
    Small,
}

fn bars(text: &mut String, bars: &[Bar], size: Size) {
    let class = if size == Size::Small { "small" } else { "large" };
    let _ = write!(
        text,
        "<svg class=\"{class}\" viewBox=\"0 0 {} 10\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"the last 24 hours\">",
        (bars.len() * 4).saturating_sub(1)
    );
    for (at, bar) in bars.iter().enumerate() {
        let looks = looks(bar);
        let (class, title) = match bar {
            _ if looks == 0 => ("none", "nothing known".to_owned()),
            Bar { bad: 0, part: 0, .. } => ("good", format!("{looks} looks, all well")),
            Bar { good, part, bad, .. } => (
                if *bad > 0 { "bad" } else { "part" },
                format!("{looks} looks: {good} well, {part} in part, {bad} not"),
            ),
        };
        let _ = write!(
            text,
            "<rect class=\"{class}\" x=\"{}\" y=\"0\" width=\"3\" height=\"10\"><title>{title}</title></rect>",
            at * 4
        );
    }
    text.push_str("</svg>");
}

#[expect(clippy::cast_precision_loss, reason = "48 bars")]
fn latency(text: &mut String, bars: &[Bar]) {
    let slowest = bars.iter().filter_map(|bar| bar.latency_ms).fold(0.0_f64, f64::max);
    // One point is no line.
    if slowest <= 0.0 || bars.iter().filter(|bar| bar.latency_ms.is_some()).count() < 2 {
        return;
    }
    let _ = write!(
        text,
        "<p class=\"faint\">latency by half hour, up to {slowest} ms</p>\
         <svg class=\"small\" viewBox=\"0 0 {} 10\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"latency, up to {slowest} ms\">",
        (bars.len() * 4).saturating_sub(1)
    );
    // A gap where nothing was seen.
    for run in bars.iter().enumerate().collect::<Vec<_>>().split(|(_, bar)| bar.latency_ms.is_none()) {
        let points: Vec<String> = run
            .iter()
            .filter_map(|(at, bar)| bar.latency_ms.map(|ms| (*at as f64 * 4.0, ms)))
            .flat_map(|(x, ms)| {
                let y = 9.5 - ms / slowest * 9.0;
                [format!("{x},{y:.2}"), format!("{},{y:.2}", x + 3.0)]
            })
            .collect();
        if !points.is_empty() {
            let _ = write!(text, "<polyline points=\"{}\"/>", points.join(" "));
        }
    }
    text.push_str("</svg>");
}

fn errors(text: &mut String, history: &GatewayHistory, now: Moment) {
    let changes: Vec<_> = history.transitions.iter().rev().filter(|change| change.from.is_some()).take(5).collect();
    if changes.is_empty() && history.errors.is_empty() {
        return;
    }
    text.push_str("<details><summary class=\"faint\">Last changes and errors</summary><ul>");
    for change in changes {
        let of = change.service.as_deref().map_or_else(String::new, |service| format!("{}: ", escaped(service)));
        let from = change.from.map_or("", Status::as_str);
        let reason = if change.reason.is_empty() { String::new() } else { format!(": {}", escaped(&change.reason)) };
        let _ = write!(
            text,
            "<li><time>{} ago</time> {of}{from} → <span class=\"{}\">{}</span>{reason}</li>",
            span(change.at.age(now)),
            class(change.to),
            change.to,
        );
    }
    for error in history.errors.iter().take(5) {
        let _ = write!(
            text,
            "<li><time>{} ago</time> {}: {}</li>",
            span(error.at.age(now)),
            escaped(&error.class),
            escaped(&error.message)
        );
    }
    text.push_str("</ul></details>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Class, Error};

    #[test]
    fn no_text_of_a_gateway_becomes_markup() {
        let nasty = "<script>alert(1)</script>\"'&\u{202e}";
        let mut report = GatewayHealth::new(nasty, Status::Unreachable, "2026-11-23T02:00:00Z");
        report.error = Some(Error::new(Class::Unreachable, nasty));
        report.warnings.push(nasty.into());
        let mut service = ServiceHealth::new(nasty, Status::Offline, 2);
        service.evidence.push(nasty.into());
        report.services.push(service);
        let text = part(&[(report, None)], 1, Some(nasty), Moment::now());
        assert!(!text.contains("<script") && !text.contains('\u{202e}') && !text.contains("\"'&"), "{text}");
        assert_eq!(text.matches("&lt;script&gt;").count(), 9, "{text}");
    }

    #[test]
    fn the_first_line_says_whether_anything_is_wrong() {
        let report = |name: &str, status| (GatewayHealth::new(name, status, "2026-11-23T02:00:00Z"), None);
        let summary = |reports: &[_], waiting| {
            let text = part(reports, waiting, None, Moment::now());
            let line = text.split("</p>").next().unwrap_or_default();
            line.split_once('>').map(|(_, line)| line.to_owned()).unwrap_or_default()
        };
        assert_eq!(summary(&[], 2), "2 not looked at yet");
        assert_eq!(summary(&[report("a", Status::Ok)], 0), "1 gateway, nothing wrong");
        let two = [report("a", Status::Ok), report("b", Status::AuthRequired)];
        assert_eq!(
            summary(&two, 1),
            "1 of 2 gateways not well, 1 not looked at yet: <span>b <span class=\"state bad\">auth required</span></span>"
        );
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        let whole = page("");
        assert!(!whole.contains("http://") && !whole.contains("https://") && !whole.contains("//cdn"));
        assert!(!whole.contains("style=\"") && !whole.contains("onclick"), "the policy forbids inline attributes");
        assert!(policy().starts_with("default-src 'none'"));
    }

    #[test]
    fn a_day_is_drawn_with_gaps_where_nothing_was_seen() {
        let mut day = vec![Bar::default(); BARS];
        for (at, bar) in day.iter_mut().enumerate().filter(|(at, _)| *at != 10) {
            bar.good = 1;
            bar.bad = u32::from(at == 20);
            bar.latency_ms = Some(12.0);
        }
        let mut text = String::new();
        bars(&mut text, &day, Size::Large);
        latency(&mut text, &day);
        assert_eq!(text.matches("<rect class=\"good\"").count(), BARS - 2);
        assert_eq!((text.matches("<rect class=\"bad\"").count(), text.matches("<rect class=\"none\"").count()), (1, 1));
        assert_eq!(text.matches("<polyline").count(), 2);
    }
}
