//! The rows of `test`: resolve, connect, TLS, credential, handshake, tools; and the proxy's, where there is one.
//! Takes what was seen of a connection and what came of the questions; gives one row for each step. Never claims a step that
//! nothing was seen of.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::millis;
use crate::{
    Class, Result,
    egress::{ConnectionTrace, Step, TlsInfo},
    gateway::{catalogue::Listed, convert, parts::Parts},
    report::Check,
};

/// Which step a failure belongs to. Steps before it passed, steps after it were not reached.
fn failed_step(class: Class) -> usize {
    match class {
        Class::Config | Class::Dns | Class::EgressDenied => 0,
        Class::Unreachable => 1,
        Class::Tls => 2,
        Class::AuthRequired | Class::TokenExpired | Class::Forbidden => 3,
        Class::RateLimited
        | Class::Timeout
        | Class::NotMcp
        | Class::ProtocolError
        | Class::SessionLost
        | Class::UpstreamError
        | Class::Component
        | Class::Limit
        | Class::Internal => 4,
    }
}

/// Where everything goes well, all of these are there.
const NAMES: [&str; 6] = ["resolve", "connect", "tls", "auth", "protocol", "tools"];

/// All steps, once all is over.
pub(super) fn checks(
    parts: &Parts,
    trace: Option<&ConnectionTrace>,
    connected: Option<Duration>,
    started: Instant,
    outcome: &Result<Arc<Listed>>,
) -> Vec<Check> {
    let https = is_https(parts);
    let seen = Seen::of(trace);
    let failure = outcome.as_ref().err();
    let not_reached = |name| Check { name, ok: None, ms: None, detail: "not reached".to_owned() };
    if let Some(wrong) = failure.filter(|error| error.class == Class::Config && connected.is_none()) {
        let config = Check { name: "config", ok: Some(false), ms: None, detail: wrong.message.clone() };
        return std::iter::once(config).chain(NAMES.map(not_reached)).collect();
    }
    let mut failed = failure.map(|error| failed_step(error.class));
    let late = failure.is_some_and(|error| error.class == Class::Timeout);
    if failure.is_some() && connected.is_none() {
        // What was seen outranks what the class suggests: a time-out while connecting is a failed connect, and a connection that
        // breaks after it was made is not.
        let made = seen.made(https) && failed.is_some_and(|failed| failed < 3);
        failed = seen.failed.or(seen.open(https).filter(|_| late)).or(if made { Some(4) } else { failed });
    } else if failed.is_some() {
        failed = Some(5);
    }
    // Only an answer in MCP tells that the credential was good.
    let judged = connected.is_some()
        || failure.is_some_and(|error| matches!(error.class, Class::ProtocolError | Class::SessionLost));
    let proxy = trace.and_then(|trace| trace.proxy.as_ref());
    let refused = proxy.is_some_and(|step| step.outcome.is_err());
    let steps = NAMES.iter().enumerate().map(|(at, &name)| {
        if refused {
            return not_reached(name);
        }
        if let Some(by_proxy) = proxy.and(left_to_proxy(at)) {
            return by_proxy;
        }
        let (took, text) = seen.steps.get(at).cloned().flatten().unzip();
        let took = took.or(match at {
            4 => connected,
            5 => outcome.as_ref().ok().map(|listed| listed.took),
            _ => None,
        });
        let ms = took.map(millis);
        match failed {
            Some(failed) if at > failed => not_reached(name),
            Some(4) if at == 3 && !judged => {
                Check { name, ok: None, ms: None, detail: "not known: there was no answer in MCP".to_owned() }
            }
            Some(failed) if at == failed => Check {
                name,
                ok: Some(false),
                ms: ms.or_else(|| Some(millis(started.elapsed()))),
                detail: failure.map(|error| error.message.clone()).unwrap_or_default(),
            },
            _ => {
                let listed = outcome.as_ref().ok().filter(|_| at == 5).map(|listed| in_pages(listed));
                let detail = text.or(listed).unwrap_or_else(|| passed(parts, at));
                Check { name, ok: Some(true), ms, detail }
            }
        }
    });
    // Only where there is one: most know of none.
    proxy.map(through).into_iter().chain(steps).collect()
}

/// The steps of connecting that are done, up to the first that is not.
pub(super) fn made(parts: &Parts, trace: &ConnectionTrace) -> Vec<Check> {
    let seen = Seen::of(Some(trace));
    let proxy = trace.proxy.as_ref();
    if proxy.is_some_and(|step| step.outcome.is_err()) {
        return Vec::new();
    }
    let done = (0..3).map_while(|at| {
        if let Some(by_proxy) = proxy.and(left_to_proxy(at)) {
            return Some(by_proxy);
        }
        match seen.steps.get(at).cloned().flatten() {
            _ if seen.failed.is_some_and(|failed| failed <= at) => None,
            Some((took, detail)) => Some(row(at, Some(took), detail)),
            None if at == 2 && seen.made(is_https(parts)) => Some(row(at, None, passed(parts, at))),
            None => None,
        }
    });
    proxy.map(through).into_iter().chain(done).collect()
}

/// The steps up to the handshake, which was done after that time.
pub(super) fn agreed(parts: &Parts, trace: Option<&ConnectionTrace>, took: Duration) -> Vec<Check> {
    let mut done = trace.map(|trace| made(parts, trace)).unwrap_or_default();
    let connected = done.iter().filter(|check| NAMES.contains(&check.name)).count();
    if connected < 3 {
        // It was there before: nothing was seen of how it was made.
        done = (0..3).map(|at| row(at, None, passed(parts, at))).collect();
    }
    done.extend([row(3, None, passed(parts, 3)), row(4, Some(took), passed(parts, 4))]);
    done
}

fn row(at: usize, took: Option<Duration>, detail: String) -> Check {
    let name = NAMES.get(at).copied().unwrap_or_default();
    Check { name, ok: Some(true), ms: took.map(millis), detail }
}

/// With a proxy, nothing was looked at here: nothing is claimed.
fn left_to_proxy(at: usize) -> Option<Check> {
    let detail = ["left to the proxy: its addresses are not checked", "made by the proxy"].get(at)?;
    Some(Check { name: NAMES.get(at)?, ok: None, ms: None, detail: (*detail).to_owned() })
}

fn is_https(parts: &Parts) -> bool {
    parts.config().url.scheme() == "https"
}

/// The proxy's own step.
fn through(step: &Step<String>) -> Check {
    let (ok, detail) = match &step.outcome {
        Ok(seen) => (true, seen.clone()),
        Err(failure) => (false, failure.to_string()),
    };
    Check { name: "proxy", ok: Some(ok), ms: Some(millis(step.took)), detail }
}

/// A connection attempt, for people: what each of its three steps took and saw.
#[derive(Default)]
struct Seen {
    steps: [Option<(Duration, String)>; 3],
    failed: Option<usize>,
    /// A proxy made the connection.
    proxied: bool,
}

impl Seen {
    fn of(trace: Option<&ConnectionTrace>) -> Self {
        let mut seen = Self::default();
        let Some(trace) = trace else { return seen };
        seen.proxied = trace.proxy.as_ref().is_some_and(|step| step.outcome.is_ok());
        let texts = [
            trace.resolve.as_ref().map(|step| (step.took, step.outcome.as_ref().ok().map(|addresses| list(addresses)))),
            trace.connect.as_ref().map(|step| (step.took, step.outcome.as_ref().ok().map(ToString::to_string))),
            trace.tls.as_ref().map(|step| (step.took, step.outcome.as_ref().ok().map(tls))),
        ];
        for (at, (slot, text)) in seen.steps.iter_mut().zip(texts).enumerate() {
            let Some((took, text)) = text else { continue };
            if text.is_none() {
                seen.failed = Some(at);
            }
            *slot = Some((took, text.unwrap_or_default()));
        }
        seen
    }

    /// Whether there was a connection on which something could be asked.
    fn made(&self, https: bool) -> bool {
        let [_, connect, tls] = &self.steps;
        self.failed.is_none() && (connect.is_some() || self.proxied) && (tls.is_some() || !https)
    }

    /// The step at which an attempt was broken off: it has begun and neither failed nor ended.
    fn open(&self, https: bool) -> Option<usize> {
        let [resolve, connect, _] = &self.steps;
        let begun = resolve.is_some() || self.proxied;
        let next = if connect.is_some() || self.proxied { 2 } else { 1 };
        (begun && self.failed.is_none() && !self.made(https)).then_some(next)
    }
}

fn list(addresses: &[std::net::IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn tls(info: &TlsInfo) -> String {
    match &info.issuer {
        Some(issuer) => format!("{}, certificate by {}", info.version, convert::phrase(issuer)),
        None => info.version.clone(),
    }
}

/// What is to say of a step that went well, when nothing was seen of it.
fn passed(parts: &Parts, at: usize) -> String {
    match at {
        2 if !is_https(parts) => "not used (http)".into(),
        3 if parts.config().auth.is_none() => "no credential needed".into(),
        3 => format!("accepted: {}", parts.config().auth.describe()),
        4 => parts.session().agreed().map_or_else(String::new, |s| {
            let server = format!("{} {}", convert::phrase(&s.server.name), convert::phrase(&s.server.version));
            let kind = format!("{}: {}", convert::kind(&s.kind), convert::phrase(&s.kind_evidence));
            format!("{server} ({}), {kind}", s.protocol_version)
        }),
        _ => "as before".into(),
    }
}

fn in_pages(listed: &Listed) -> String {
    let many = |count: usize, thing: &str| format!("{count} {thing}{}", if count == 1 { "" } else { "s" });
    let pages = usize::try_from(listed.catalog.pages).unwrap_or(usize::MAX);
    format!("{} in {}", many(listed.catalog.tools.len(), "tool"), many(pages, "page"))
}
