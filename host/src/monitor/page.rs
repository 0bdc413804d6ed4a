//! The status page: gateways, services, a day as bars, latency, last errors.
//! Takes reports and their history; gives HTML in which every foreign text is escaped. Loads nothing from elsewhere, and holds no
//! credential.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use crate::{
    history::{Bar, GatewayHistory, Moment, span},
    report::{GatewayHealth, ServiceHealth, Status},
    scrub,
};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Bars of a day: half an hour each.
pub(super) const BARS: usize = 48;

/// What the page may do: its own style and script, by digest, and its own server. Nothing else.
pub(super) fn policy() -> String {
    let digest = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        digest(STYLE),
        digest(SCRIPT)
    )
}

/// The whole page.
pub(super) fn page(part: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>MCP gateways</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>MCP gateways</h1>\n<p class=\"faint\">pflow-gateway {}, <span id=\"live\">not live</span></p>\n\
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
    if waiting > 0 {
        let _ = write!(text, "<p class=\"faint\">{waiting} not looked at yet</p>");
    }
    for (report, history) in reports {
        gateway(&mut text, report, history.as_ref(), now);
    }
    text
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

fn state(status: Status, since: Option<&str>, now: Moment) -> String {
    let since = since.and_then(Moment::parse).map_or_else(String::new, |since| {
        format!(" <time datetime=\"{}\">for {}</time>", since.rfc3339(), span(since.age(now)))
    });
    format!("<span class=\"state {}\">{}</span>{since}", class(status), status.as_str().replace('_', " "))
}

fn gateway(text: &mut String, report: &GatewayHealth, history: Option<&GatewayHistory>, now: Moment) {
    let _ = write!(
        text,
        "<article data-gateway=\"{name}\"><h2>{name}</h2> {state}",
        name = escaped(&report.gateway),
        state = state(report.status, report.since.as_deref(), now)
    );
    let mut facts = Vec::new();
    facts.extend(report.tools.map(|tools| format!("{tools} tools")));
    facts.extend(report.latency_ms.map(|ms| format!("{ms} ms")));
    facts.extend(history.and_then(|history| history.uptime).map(|uptime| format!("{} of a day", percent(uptime))));
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
    if let Some(history) = history {
        bars(text, &history.bars, Size::Large);
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
        "<div class=\"service\" data-service=\"{name}\" data-status=\"{status}\"><div><strong>{name}</strong><br>{state}<p class=\"faint\">{tools} tools{up}</p></div><div>",
        name = escaped(&service.name),
        status = service.status,
        state = state(service.status, service.since.as_deref(), now),
        tools = service.tools,
        up = past.and_then(|(_, uptime)| uptime).map_or_else(String::new, |uptime| format!(" · {}", percent(uptime))),
    );
    if let Some((past, _)) = past {
        bars(text, past, Size::Small);
    }
    if !service.evidence.is_empty() && service.status != Status::Ok {
        text.push_str("<ul>");
        for words in service.evidence.iter().take(5) {
            let _ = write!(text, "<li>{}</li>", escaped(words));
        }
        text.push_str("</ul>");
    }
    text.push_str("</div></div>");
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
        bars.len() * 4
    );
    for (at, bar) in bars.iter().enumerate() {
        let looks = bar.good + bar.part + bar.bad;
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
    if slowest <= 0.0 {
        return;
    }
    let _ = write!(
        text,
        "<svg class=\"small\" viewBox=\"0 0 {} 10\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"latency, at most {slowest} ms\">",
        bars.len() * 4
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
    let _ = write!(text, "</svg><p class=\"faint\">latency, at most {slowest} ms</p>");
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
        let _ = write!(
            text,
            "<li><time>{} ago</time> {of}{from} → {} {}</li>",
            span(change.at.age(now)),
            change.to,
            escaped(&change.reason)
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
        assert_eq!(text.matches("&lt;script&gt;").count(), 8, "{text}");
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
