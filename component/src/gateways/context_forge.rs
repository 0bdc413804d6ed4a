//! IBM `ContextForge`: its fingerprint, its REST API for exact services and their health, and the texts of its errors.
//! Takes what the real gateway (1.0.7) was seen to send. Must ignore its `Link` headers (they lead to a 404), must not probe after
//! a 429 (five lock the address out for 15 minutes), and reads only.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Culprit, Peer, Product, Report, Reported, Seen, TextFailure};
use crate::{
    http::{Method, Request, Response},
    mcp::exchange,
    model::{Absence, Concern, Delivery, Error, Kind, ProductFacts, Result, Service, ServiceHealth, Status, Warning},
    text::{self, contains},
    time,
    verdicts::{self, SessionSent},
};

/// IBM `ContextForge`.
pub struct ContextForge;

const HEADER: &str = "x-contextforge-mcp-";

/// What a body that is no JSON-RPC says, when it is this product's: its endpoints do not exist for every id.
pub(super) fn explains(status: u16, body: &str) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct ErrorBody {
        detail: String,
    }
    let told: ErrorBody = serde_json::from_str(body).ok()?;
    (status == 404 && told.detail == "Server not found").then_some("ContextForge knows no virtual server of this id")
}

/// Why it is this product.
pub(super) fn recognise(seen: &Seen<'_>) -> Option<String> {
    if let Some(header) = seen.headers.any_starts_with(HEADER) {
        return Some(format!("the response has the header {}", text::clean(header)));
    }
    // The server's name is that of its SDK; together with this shape of URL it is enough.
    let shaped = Place::of(seen.url).is_some_and(|place| place.server.is_some_and(|id| id.len() == 32));
    (shaped && seen.server.name == "mcp-streamable-http")
        .then(|| "the URL ends in /servers/{id}/mcp and serverInfo.name is \"mcp-streamable-http\"".to_owned())
}

/// The parts of a `ContextForge` URL.
struct Place<'a> {
    base: &'a str,
    /// The virtual server; none for the root `/mcp`.
    server: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(url: &'a str) -> Option<Self> {
        let url = url.split(['?', '#']).next().unwrap_or(url).trim_end_matches('/');
        let base = url.strip_suffix("/mcp")?;
        Some(match base.rsplit_once("/servers/") {
            Some((base, id)) if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') => {
                Self { base, server: Some(id) }
            }
            _ => Self { base, server: None },
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolRow {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    original_name: Option<String>,
    #[serde(default)]
    gateway_slug: Option<String>,
    #[serde(default)]
    gateway_id: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    reachable: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GatewayRow {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    slug: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    reachable: Option<bool>,
    #[serde(default)]
    last_seen: Option<String>,
    #[serde(default)]
    last_error: Option<String>,
    #[serde(default)]
    tool_count: Option<u32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Rows<T> {
    Flat(Vec<T>),
    Tools { tools: Vec<T> },
    Gateways { gateways: Vec<T> },
}

impl<T> Rows<T> {
    fn into_inner(self) -> Vec<T> {
        match self {
            Self::Flat(rows) | Self::Tools { tools: rows } | Self::Gateways { gateways: rows } => rows,
        }
    }
}

/// Why a REST call gave nothing.
enum Rest {
    /// The status, and what it means when the status alone says it.
    Status(u16, Option<Error>),
    Unreadable(String),
    Lost(Error),
}

impl Rest {
    fn why(&self) -> String {
        match self {
            Self::Status(403, _) => "HTTP 403: the token needs the permissions tools.read and servers.read".to_owned(),
            Self::Status(status, _) => format!("HTTP {status}"),
            Self::Unreadable(problem) => format!("an unexpected answer: {problem}"),
            Self::Lost(_) => "no answer".to_owned(),
        }
    }
}

fn get<T: for<'de> Deserialize<'de>>(peer: &Peer<'_>, url: String) -> Result<Vec<T>, Rest> {
    let headers = vec![("Accept".to_owned(), "application/json".to_owned())];
    let request = Request { method: Method::Get, url, headers, body: Vec::new(), within: None };
    let Response { status, headers, mut body } =
        peer.outside.send(request).map_err(|failure| Rest::Lost(verdicts::transport(&failure)))?;
    if status != 200 {
        let body = text::clean_bytes(&exchange::start_of(body.as_mut()));
        return Err(Rest::Status(
            status,
            verdicts::by_status(status, &headers, &body, SessionSent::No, peer.outside.now()),
        ));
    }
    let bytes = body.rest().map_err(|failure| Rest::Lost(verdicts::transport(&failure)))?;
    serde_json::from_slice::<Rows<T>>(&bytes)
        .map(Rows::into_inner)
        .map_err(|error| Rest::Unreadable(text::clean(&error.to_string())))
}

/// The rows of this endpoint's tools, those of services that are switched off too, and the path that gave them.
fn tool_rows(peer: &Peer<'_>, place: &Place<'_>) -> Result<(Vec<ToolRow>, &'static str), (Rest, &'static str)> {
    const ALL: &str = "/v1/tools";
    const SERVER: &str = "/v1/servers/…/tools";
    const OLD: &str = "/servers/…/tools";
    let base = place.base;
    let rows = |path: &'static str, url: String| get(peer, url).map(|rows| (rows, path)).map_err(|rest| (rest, path));
    let Some(id) = place.server else {
        // Without the parameters the answer is cut at 50 rows, silently.
        return rows(ALL, format!("{base}/v1/tools?include_pagination=true&limit=0&include_inactive=true"));
    };
    match rows(SERVER, format!("{base}/v1/servers/{id}/tools?include_inactive=true")) {
        Err((Rest::Status(404, _), _)) => rows(OLD, format!("{base}/servers/{id}/tools?include_inactive=true")),
        other => other,
    }
}

/// `enabled` and `reachable`, as a state.
fn state(enabled: Option<bool>, reachable: Option<bool>) -> (Status, &'static str) {
    match (enabled, reachable) {
        (Some(false), _) => (Status::Disabled, "enabled is false"),
        (_, Some(false)) => (Status::Offline, "reachable is false"),
        (_, Some(true)) => (Status::Ok, "reachable is true"),
        (_, None) => (Status::Unknown, "reachable is not told"),
    }
}

impl Product for ContextForge {
    fn facts(&self) -> ProductFacts {
        ProductFacts {
            kind: Kind::ContextForge,
            title: "ContextForge",
            recognised_by: "its answers have headers that begin with x-contextforge-mcp-, or the URL ends in /servers/{id}/mcp",
            entry_name: "contextforge",
            ports: &[4444],
            path: "/mcp",
            token_variable: "MCPGATEWAY_BEARER_TOKEN",
            start: Some("mcpgateway --host 127.0.0.1 --port 4444"),
            url_hint: Some(
                "The URL of one virtual server, http://HOST/servers/ID/mcp, shows less than /mcp and is the safer choice",
            ),
            liveness: None,
            absence: Some(Absence {
                why: "ContextForge takes the tools of a server along that is switched off, deleted or taken out of the virtual server",
                remedy: "look whether {service} is switched off on ContextForge's admin page",
            }),
            stdio: None,
        }
    }

    fn advice(&self, error: &Error, url: &str) -> Option<String> {
        let of_a_server = url.split(['?', '#']).next().unwrap_or(url).contains("/servers/");
        let text = match error {
            Error::Forbidden(refusal) if refusal.http_status == 200 => {
                "in ContextForge the token needs the permission tools.execute; {credential} points to it"
            }
            Error::Forbidden(refusal) if of_a_server && contains(&refusal.body, "access denied") => {
                "in ContextForge: the token ({credential}) is for another virtual server, or lacks a permission; make one for the server in the URL"
            }
            Error::NotMcp(answer) if of_a_server && answer.http_status == 404 => {
                "check the id in the URL: ContextForge's admin page, or GET /v1/servers with an administrator's token, lists the virtual servers"
            }
            Error::Upstream(failure) if failure.service.is_none() && failure.message.contains("ambiguous") => {
                "two tools have this name, and the gateway calls neither; rename one of them there"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }

    fn failure_in_text(&self, text: &str, tool: &str) -> Option<TextFailure> {
        let failure = |status, delivery, culprit| Some(TextFailure { status, delivery, culprit });
        let text = text.trim_end_matches('\n');
        if text == "Access denied" {
            return failure(Status::Forbidden, Delivery::NotDelivered, Culprit::Gateway);
        }
        if text.strip_prefix("Tool not found: ") == Some(tool)
            || text.starts_with(&format!("Multiple tools found with name '{tool}'"))
        {
            return failure(Status::Unknown, Delivery::NotDelivered, Culprit::Gateway);
        }
        if let Some(state) = text.strip_prefix(&format!("Tool '{tool}' exists but is ")) {
            let status = if contains(state, "inactive") { Status::Disabled } else { Status::Offline };
            return failure(status, Delivery::NotDelivered, Culprit::Service);
        }
        let reason = text.strip_prefix("Tool invocation failed:")?.trim();
        if reason.is_empty() {
            // A timeout comes without a reason.
            return failure(Status::Timeout, Delivery::MaybeDelivered, Culprit::Service);
        }
        let status = if contains(reason, "client error '401") {
            Status::AuthRequired
        } else if contains(reason, "client error '403") {
            Status::Forbidden
        } else if contains(reason, "client error '429") {
            Status::RateLimited
        } else {
            verdicts::words(reason).unwrap_or(Status::UpstreamError)
        };
        failure(status, verdicts::delivery_of(status, reason), Culprit::Service)
    }

    fn report(&self, peer: &Peer<'_>) -> Report {
        let mut report = Report::default();
        let Some(place) = Place::of(peer.url) else {
            return report;
        };
        if place.server.is_none() {
            report.warnings.push(Warning {
                concern: Concern::Endpoint,
                subject: None,
                message: "this is ContextForge's root endpoint: it shows every tool that the token may see; /servers/{id}/mcp is the one to use"
                    .to_owned(),
            });
        }
        let (rows, path) = match tool_rows(peer, &place) {
            Ok(found) => found,
            Err((rest, path)) => {
                report.warnings.push(Warning {
                    concern: Concern::AttributionUnavailable,
                    subject: None,
                    message: format!("GET {path} could not be used ({}); services are read from names", rest.why()),
                });
                return report;
            }
        };
        for row in rows {
            let (Some(name), Some(slug)) = (row.name, row.gateway_slug.filter(|slug| !slug.is_empty())) else {
                continue;
            };
            let service = text::name(&slug);
            let (status, words) = state(row.enabled, row.reachable);
            let told =
                report.services.entry(service.clone()).or_insert_with(|| (status, format!("GET {path}: {words}")));
            // One tool that is switched off says nothing of its service; a working one does.
            if told.0 != Status::Ok && status != Status::Disabled {
                *told = (status, format!("GET {path}: {words}"));
            }
            let evidence = format!("GET {path} says gatewaySlug \"{service}\"");
            // Two rows of one name cannot be told apart, and the gateway calls neither.
            let (original_name, service_id) = if report.tools.contains_key(&name) {
                (None, None)
            } else {
                (row.original_name, row.gateway_id.map(|id| text::clean(&id)))
            };
            report.tools.insert(name, Reported { service, original_name, service_id, evidence });
        }
        report
    }

    fn health(&self, peer: &Peer<'_>, known: &[Service]) -> Result<Option<Vec<ServiceHealth>>> {
        let Some(place) = Place::of(peer.url) else {
            return Ok(None);
        };
        match get::<GatewayRow>(peer, format!("{}/v1/gateways?include_inactive=true", place.base)) {
            Ok(rows) => {
                return Ok(Some(from_gateways(&rows, &place, known, peer.outside.now())));
            }
            // A token for one server is not allowed to; the tools of that server tell less, but enough.
            Err(Rest::Status(403 | 404, _) | Rest::Status(_, None) | Rest::Unreadable(_)) => {}
            Err(Rest::Status(_, Some(error)) | Rest::Lost(error)) => return Err(error),
        }
        match tool_rows(peer, &place) {
            Ok((rows, path)) => Ok(Some(from_tools(rows, path, known))),
            Err((Rest::Status(403 | 404, _) | Rest::Status(_, None) | Rest::Unreadable(_), _)) => Ok(None),
            Err((Rest::Status(_, Some(error)) | Rest::Lost(error), _)) => Err(error),
        }
    }

    fn no_health(&self) -> &'static str {
        "the token may not ask ContextForge for the state of its services (permissions tools.read and servers.read)"
    }
}

/// How much longer than the freshest one a service may not have been seen, in seconds. The gateway checks each minute.
const STALE_BESIDE_OTHERS: u64 = 120;
/// The same without others to compare with.
const STALE_ALONE: u64 = 300;

fn from_gateways(rows: &[GatewayRow], place: &Place<'_>, known: &[Service], now: u64) -> Vec<ServiceHealth> {
    const PATH: &str = "GET /v1/gateways";
    let wanted =
        |name: &str| place.server.is_none() || known.is_empty() || known.iter().any(|service| service.name == name);
    let age = |row: &GatewayRow| row.last_seen.as_deref().and_then(time::iso_8601).map(|seen| now.saturating_sub(seen));
    let others = rows.iter().filter(|row| row.last_seen.is_some()).count() > 1;
    let freshest = rows.iter().filter(|row| row.enabled != Some(false)).filter_map(age).min();
    let mut health: BTreeMap<String, ServiceHealth> = BTreeMap::new();
    for row in rows {
        let Some(name) = row.slug.as_deref().or(row.name.as_deref()).map(text::name).filter(|name| !name.is_empty())
        else {
            continue;
        };
        if !wanted(&name) {
            continue;
        }
        let (mut status, words) = state(row.enabled, row.reachable);
        let mut evidence = vec![format!("{PATH}: {words}")];
        if let Some(age) = age(row) {
            let stale = match freshest {
                Some(freshest) if others => age.saturating_sub(freshest) > STALE_BESIDE_OTHERS,
                _ => age > STALE_ALONE,
            };
            if status == Status::Ok && stale {
                status = Status::Degraded;
                evidence.insert(0, format!("{PATH}: lastSeen is {age} s ago, though reachable is still true"));
            } else {
                evidence.push(format!("{PATH}: lastSeen is {age} s ago"));
            }
        }
        if let Some(error) = row.last_error.as_deref().filter(|error| !error.is_empty()) {
            evidence.push(format!("{PATH}: lastError is \"{}\"", text::clean(error)));
        }
        let listed = known.iter().find(|service| service.name == name).map(|service| service.tools);
        let tools = listed.or(row.tool_count).unwrap_or(0);
        let last_seen = row.last_seen.as_deref().and_then(time::iso_8601);
        health.insert(name.clone(), ServiceHealth { name, status, tools, evidence, last_seen });
    }
    health.into_values().collect()
}

fn from_tools(rows: Vec<ToolRow>, path: &str, known: &[Service]) -> Vec<ServiceHealth> {
    let mut health: BTreeMap<String, ServiceHealth> = BTreeMap::new();
    for row in rows {
        let Some(name) = row.gateway_slug.as_deref().map(text::name).filter(|slug| !slug.is_empty()) else {
            continue;
        };
        let (status, words) = state(row.enabled, row.reachable);
        let entry = health.entry(name.clone()).or_insert_with(|| ServiceHealth {
            name,
            status,
            tools: 0,
            evidence: vec![format!("GET {path}: {words}")],
            last_seen: None,
        });
        entry.tools = entry.tools.saturating_add(1);
        if entry.status != Status::Ok && status != Status::Disabled && status != entry.status {
            entry.status = status;
            entry.evidence = vec![format!("GET {path}: {words}")];
        }
    }
    for entry in health.values_mut() {
        if let Some(service) = known.iter().find(|service| service.name == entry.name) {
            entry.tools = service.tools;
        }
    }
    health.into_values().collect()
}
