//! IBM `ContextForge`, imitated from what the real gateway was seen to send.

use std::rc::Rc;

use pflow_gateway_component::{
    conversation::Conversation,
    http::{Failure, Method},
    model::{Attribution, Concern, Confidence, Delivery, Error, Kind, Status},
};
use serde_json::{Value, json};

use crate::fake::{Canned, Fake, Peer, Seen, call, endpoint, tool};

const ID: &str = "0123456789abcdef0123456789abcdef";
const SERVER: &str = "http://forge.test:4444/servers/0123456789abcdef0123456789abcdef/mcp";

#[derive(Clone)]
struct Forge {
    stateful: bool,
    stream: bool,
    rows: Rows,
    gateways: Value,
    call: &'static str,
    rate_limited: bool,
}

/// What the REST API lets the token see.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    All,
    Old,
    Forbidden,
}

impl Default for Forge {
    fn default() -> Self {
        Self { stateful: false, stream: false, rows: Rows::All, gateways: Value::Null, call: "", rate_limited: false }
    }
}

const NAMES: &[(&str, &str, &str)] = &[
    ("github-work-list-issues", "list_issues", "github-work"),
    ("github-work-create-issue", "create_issue", "github-work"),
    ("slack-post-message", "post_message", "slack"),
    ("my-rest-tool", "my_rest_tool", ""),
];

impl Forge {
    fn rest(&self, path: &str) -> Canned {
        // A service that is switched off: its tools are in no list, its rows only come when asked for.
        let off = ("jira-x-list-issues", "list_issues", "jira-x");
        let rows: Vec<Value> = NAMES
            .iter()
            .chain([&off])
            .map(|(name, original, slug)| {
                let (enabled, reachable) = (*slug != "jira-x", *slug != "slack");
                json!({"name": name, "originalName": original, "gatewaySlug": slug, "gatewayId": format!("id-of-{slug}"), "enabled": enabled, "reachable": reachable})
            })
            .collect();
        let detail = |status, text: &str| Canned::json(status, &json!({"detail": text}));
        match path {
            "/v1/gateways?include_inactive=true" if !self.gateways.is_null() => Canned::json(200, &self.gateways),
            "/v1/gateways?include_inactive=true" => detail(403, "Access denied"),
            _ if self.rows == Rows::Forbidden => detail(403, "Access denied"),
            "/v1/tools?include_pagination=true&limit=0&include_inactive=true" => {
                Canned::json(200, &json!({"tools": rows, "nextCursor": null}))
            }
            _ if path == format!("/v1/servers/{ID}/tools?include_inactive=true") && self.rows == Rows::All => {
                Canned::json(200, &json!(rows))
            }
            _ if path == format!("/servers/{ID}/tools?include_inactive=true") && self.rows == Rows::Old => {
                Canned::json(200, &json!(rows))
            }
            _ => detail(404, "Not Found"),
        }
    }

    fn mcp(&self, seen: &Seen) -> Canned {
        let known = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
        if let Some(version) = seen.header("mcp-protocol-version").filter(|version| !known.contains(version)) {
            let message = format!("Unsupported protocol version: {version}. Supported versions: {}", known.join(", "));
            return Canned::json(400, &json!({"error": "Bad Request", "message": message}));
        }
        let mut session = None;
        if self.stateful && seen.rpc() != "initialize" {
            match seen.header("mcp-session-id") {
                None => {
                    return Canned::error(400, seen, -32_600, "Bad Request: Missing session ID");
                }
                Some("00000000000000000000000000000001") => {}
                Some(_) => return Canned::error(404, seen, -32_600, "Session not found"),
            }
        }
        let canned = match seen.rpc() {
            "initialize" => {
                session = self.stateful.then_some("00000000000000000000000000000001");
                let hello = json!({
                    "protocolVersion": "2025-11-25",
                    "capabilities": {"experimental": {}, "logging": {}, "tools": {"listChanged": false}},
                    "serverInfo": {"name": "mcp-streamable-http", "version": "1.30.0"},
                });
                Canned::result(seen, &hello)
            }
            "notifications/initialized" => return Canned::empty(202),
            "tools/list" => {
                Canned::result(seen, &json!({"tools": NAMES.iter().map(|(name, ..)| tool(name)).collect::<Vec<_>>()}))
            }
            "tools/call" => {
                let failed = !self.call.is_empty();
                let text = if failed { self.call } else { "fine" };
                Canned::result(seen, &json!({"content": [{"type": "text", "text": text}], "isError": failed}))
            }
            method => Canned::error(200, seen, -32_601, &format!("Method not found: {method}")),
        };
        let canned = if self.stream {
            let mut canned = canned.into_stream();
            if self.stateful {
                canned.body.splice(0..0, *b"id: 6d1f7f0e-7c1a-4a39-8d7c-0f6b3a4f9a01\r\ndata: \r\n\r\n");
            }
            canned
        } else {
            canned
        };
        let canned = match session {
            Some(session) => canned.header("mcp-session-id", session),
            None => canned,
        };
        canned
            .header("x-contextforge-mcp-runtime", "python")
            .header("deprecation", "true")
            .header("link", "</v1/servers/0123456789abcdef0123456789abcdef/mcp>; rel=\"successor-version\"")
    }
}

impl Peer for Forge {
    fn answer(&mut self, seen: &Seen) -> Result<Canned, Failure> {
        if self.rate_limited && seen.rpc() == "tools/call" {
            let body = json!({"error": "Rate limit exceeded", "message": "Maximum 100 requests per minute for MEDIUM tier endpoints.", "limit": 100, "reset_in_seconds": 60});
            return Ok(Canned::json(429, &body).header("retry-after", "60"));
        }
        // Measured: a trailing slash is fine, without a redirect.
        Ok(match (seen.method, seen.path.trim_end_matches('/')) {
            (Method::Get, path) if !path.ends_with("/mcp") => self.rest(path),
            (Method::Post, path) if path.ends_with("/mcp") && !path.starts_with("/v1") => self.mcp(seen),
            (Method::Delete, _) if self.stateful => Canned::json(200, &json!({"jsonrpc": "2.0", "result": {}})),
            (Method::Delete | Method::Get, path) if path.ends_with("/mcp") => Canned::empty(405),
            _ => Canned::json(404, &json!({"detail": "Not Found"})),
        })
    }
}

fn connect(forge: Forge, url: &str) -> (Rc<Fake>, Conversation) {
    let fake = Fake::new(forge);
    let conversation = Conversation::open(fake.clone(), endpoint(url), None).unwrap();
    (fake, conversation)
}

#[test]
fn every_flavour_is_recognised_by_its_header_and_gives_exact_services() {
    for (stateful, stream) in [(false, false), (false, true), (true, false), (true, true)] {
        let (fake, mut conversation) = connect(Forge { stateful, stream, ..Forge::default() }, SERVER);
        assert_eq!(conversation.session().kind, Kind::ContextForge);
        assert_eq!(conversation.session().kind_evidence, "the response has the header x-contextforge-mcp-runtime");
        let catalog = conversation.list_tools().unwrap();
        let tool = catalog.tools.iter().find(|tool| tool.name == "github-work-list-issues").unwrap();
        assert_eq!(tool.provenance.service.as_deref(), Some("github-work"));
        assert_eq!(
            (tool.provenance.attribution, tool.provenance.confidence),
            (Attribution::Reported, Confidence::Certain)
        );
        assert_eq!(tool.provenance.original_name.as_deref(), Some("list_issues"));
        assert_eq!(tool.provenance.evidence, "GET /v1/servers/…/tools says gatewaySlug \"github-work\"");
        let rest = catalog.tools.iter().find(|tool| tool.name == "my-rest-tool").unwrap();
        assert_eq!(rest.provenance.service, None, "a REST tool has no gateway");
        let services: Vec<_> =
            catalog.services.iter().map(|service| (service.name.as_str(), service.tools, service.status)).collect();
        assert_eq!(
            services,
            [("github-work", 2, Status::Ok), ("jira-x", 0, Status::Disabled), ("slack", 1, Status::Offline)]
        );
        assert_eq!(catalog.warnings, []);
        conversation.close().unwrap();
        assert!(
            !fake.wire().iter().any(|line| line.contains("/v1/servers/0123456789abcdef0123456789abcdef/mcp")),
            "Link is a trap"
        );
    }
}

#[test]
fn an_old_release_without_v1_is_asked_the_old_way() {
    let (_, mut conversation) = connect(Forge { rows: Rows::Old, ..Forge::default() }, &format!("{SERVER}/"));
    let catalog = conversation.list_tools().unwrap();
    assert_eq!(catalog.tools[0].provenance.evidence, "GET /servers/…/tools says gatewaySlug \"github-work\"");
}

#[test]
fn without_the_permission_it_says_so_and_goes_down_the_ladder() {
    let (_, mut conversation) = connect(Forge { rows: Rows::Forbidden, ..Forge::default() }, SERVER);
    let catalog = conversation.list_tools().unwrap();
    assert_eq!(catalog.warnings[0].concern, Concern::AttributionUnavailable);
    assert!(catalog.warnings[0].message.contains("servers.read"), "{}", catalog.warnings[0].message);
    assert!(catalog.tools.iter().all(|tool| tool.provenance.confidence >= Confidence::Low), "guesses are labelled");
}

#[test]
fn the_root_endpoint_works_and_is_warned_about() {
    let (_, mut conversation) = connect(Forge::default(), "http://forge.test:4444/mcp");
    let catalog = conversation.list_tools().unwrap();
    assert_eq!(catalog.warnings[0].concern, Concern::Endpoint);
    assert_eq!(catalog.services.len(), 3);
}

#[test]
fn the_unknown_virtual_server_is_not_mcp() {
    let fake = Fake::scripted(|_| Ok(Canned::json(404, &json!({"detail": "Server not found"}))));
    let Err(Error::NotMcp(answer)) = Conversation::open(fake, endpoint(SERVER), None) else { panic!() };
    assert_eq!(answer.http_status, 404);
    assert!(answer.body.contains("Server not found"));
}

#[test]
fn the_texts_of_failed_calls_are_told_from_the_tools_own() {
    let cases: &[(&str, Option<(Status, Delivery)>)] = &[
        ("Tool not found: slack-post-message", Some((Status::Unknown, Delivery::NotDelivered))),
        ("Tool 'slack-post-message' exists but is inactive", Some((Status::Disabled, Delivery::NotDelivered))),
        (
            "Tool 'slack-post-message' exists but is currently offline. Please verify if it is running.",
            Some((Status::Offline, Delivery::NotDelivered)),
        ),
        ("Tool invocation failed: All connection attempts failed", Some((Status::Unreachable, Delivery::NotDelivered))),
        (
            "Tool invocation failed: Client error '401 Unauthorized' for url 'http://localhost:9101/mcp'\nFor more information check: https://x",
            Some((Status::AuthRequired, Delivery::NotDelivered)),
        ),
        ("Tool invocation failed: ", Some((Status::Timeout, Delivery::MaybeDelivered))),
        (
            "Tool invocation failed: Server error '500 Internal Server Error'",
            Some((Status::UpstreamError, Delivery::MaybeDelivered)),
        ),
        (
            "Multiple tools found with name 'slack-post-message' at same priority level. Tool name is ambiguous.",
            Some((Status::Unknown, Delivery::NotDelivered)),
        ),
        ("Access denied", Some((Status::Forbidden, Delivery::NotDelivered))),
        ("Error executing tool boom: boom: x", None),
        ("Access denied by the channel's owner", None),
        ("Tool not found: a hammer", None),
    ];
    for (text, expected) in cases {
        let (_, mut conversation) = connect(Forge { call: text, ..Forge::default() }, SERVER);
        let answer = conversation.call_tool(&call("slack-post-message"));
        let outcome = match answer {
            // The credential's fault, not the service's.
            Err(Error::Forbidden(refusal)) => {
                assert_eq!(*text, "Access denied");
                assert_eq!((refusal.http_status, refusal.delivery), (200, Delivery::NotDelivered));
                continue;
            }
            other => other.unwrap(),
        };
        assert!(outcome.failed);
        assert_ne!(*text, "Access denied");
        assert_eq!(outcome.failure.as_ref().map(|failure| (failure.status, failure.delivery)), *expected, "{text}");
        if let Some(failure) = outcome.failure {
            let to_blame = failure.status != Status::Unknown;
            assert_eq!(failure.service.is_some(), to_blame, "{text}");
        }
    }
}

#[test]
fn a_rate_limit_is_reported_with_its_time_and_never_hammered() {
    let (fake, mut conversation) = connect(Forge { rate_limited: true, ..Forge::default() }, SERVER);
    let Err(Error::RateLimited(limit)) = conversation.call_tool(&call("slack-post-message")) else { panic!() };
    assert_eq!(limit.retry_after, Some(60));
    assert_eq!(fake.count("POST tools/call"), 1);
}

#[test]
fn health_comes_from_the_servers_tools_when_gateways_may_not_be_asked() {
    let (fake, mut conversation) = connect(Forge::default(), SERVER);
    let known = conversation.list_tools().unwrap().services;
    let health = conversation.health(&known).unwrap();
    let states: Vec<_> = health.iter().map(|service| (service.name.as_str(), service.status, service.tools)).collect();
    assert_eq!(
        states,
        [("github-work", Status::Ok, 2), ("jira-x", Status::Disabled, 0), ("slack", Status::Offline, 1)]
    );
    assert!(!fake.wire().iter().any(|line| line.starts_with("GET") && line.ends_with("/mcp")), "never a bare GET");
}

#[test]
fn health_counts_disabled_unreachable_and_long_unseen_services() {
    let row = |slug: &str, enabled, reachable, seen: &str| json!({"slug": slug, "name": slug, "enabled": enabled, "reachable": reachable, "lastSeen": seen, "toolCount": 3});
    let gateways = json!([
        row("fresh", true, true, "2027-01-15T07:59:50.123456"),
        row("stale", true, true, "2027-01-15T07:56:00"),
        row("down", true, false, "2027-01-15T07:50:00"),
        row("off", false, true, "2027-01-14T00:00:00"),
    ]);
    let (fake, conversation) = connect(Forge { gateways, ..Forge::default() }, "http://forge.test:4444/mcp");
    fake.now.set(1_800_000_000);
    let health = conversation.health(&[]).unwrap();
    let states: Vec<_> = health.iter().map(|service| (service.name.as_str(), service.status)).collect();
    assert_eq!(
        states,
        [("down", Status::Offline), ("fresh", Status::Ok), ("off", Status::Disabled), ("stale", Status::Degraded)]
    );
    assert_eq!(health[1].last_seen, Some(1_799_999_990));
    assert!(health[3].evidence[0].contains("240 s ago"), "{:?}", health[3].evidence);
}

#[test]
fn a_tool_carries_the_id_of_its_service_which_survives_a_rename() {
    let (_, mut conversation) = connect(Forge::default(), SERVER);
    let tools = conversation.list_tools().unwrap().tools;
    let found = tools.iter().find(|tool| tool.name == "slack-post-message").unwrap();
    assert_eq!((found.meta.as_deref(), found.provenance.service_id.as_deref()), (None, Some("id-of-slack")));
    assert_eq!(found.provenance.original_name.as_deref(), Some("post_message"));
    let rest = tools.iter().find(|tool| tool.name == "my-rest-tool").unwrap();
    assert_eq!(rest.provenance.service_id, None, "a REST tool has no gateway");
}

#[test]
fn an_unknown_virtual_server_is_said_so() {
    let fake = Fake::new(Nowhere);
    let Err(Error::NotMcp(foreign)) = Conversation::open(fake, endpoint(SERVER), None) else { panic!() };
    assert_eq!(foreign.http_status, 404);
    assert_eq!(foreign.problem, "ContextForge knows no virtual server of this id");
}

/// A gateway on which this virtual server does not exist.
struct Nowhere;

impl Peer for Nowhere {
    fn answer(&mut self, _: &Seen) -> Result<Canned, Failure> {
        Ok(Canned::json(404, &json!({"detail": "Server not found"})))
    }
}
