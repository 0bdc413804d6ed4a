//! ContextForge: what its fact sheet says of the wire.

use std::{sync::Arc, time::Duration};

use pflow_gateway_tests::{
    context_forge::{
        Config, ContextForge, Enabled, Framing, Grant, OTHER_SERVER, Process, Reachable, Refused, SERVER, Sessions,
        Tier, slugify,
    },
    jwt,
    server::Fake,
};
use serde_json::{Value, json};

use crate::Peer;

async fn started(change: impl FnOnce(&mut Config)) -> (Arc<ContextForge>, Fake, String) {
    let mut config = Config::usual();
    // The sheet's other rows are not about the limit.
    config.limits.medium = 10_000;
    change(&mut config);
    let bearer = format!("Bearer {}", config.token());
    let forge = Arc::new(ContextForge::new(config));
    let gateway: Arc<dyn pflow_gateway_tests::server::Gateway> = forge.clone();
    let fake = Fake::start(gateway).await.unwrap().at(&format!("/servers/{SERVER}/mcp"));
    (forge, fake, bearer)
}

fn text(answer: &Value) -> String {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn it_is_stateless_json_by_default_and_shows_itself_in_a_header() {
    let (_, fake, bearer) = started(|_| {}).await;
    let peer = Peer::new(&fake).with("Authorization", &bearer).with("Accept", "application/json");
    let answer = peer.initialize("2026-07-28").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.header("mcp-session-id"), None);
    assert_eq!(answer.header("x-contextforge-mcp-runtime"), Some("python"));
    assert!(answer.header("x-correlation-id").is_some());
    assert!(
        answer.header("link").unwrap().contains("successor-version") && answer.header("deprecation") == Some("true")
    );
    let result = &answer.json()["result"];
    assert_eq!(result["protocolVersion"], "2025-11-25");
    assert_eq!(result["serverInfo"], json!({"name": "mcp-streamable-http", "version": "1.30.0"}));
    assert_eq!(result["capabilities"]["tools"], json!({"listChanged": false}));
    assert_eq!(
        peer.with("Mcp-Session-Id", "made-up").rpc("tools/list", json!({})).await.status,
        200,
        "an id is ignored"
    );
}

#[tokio::test]
async fn the_promised_successor_is_not_there() {
    let (_, fake, bearer) = started(|_| {}).await;
    for path in [format!("/v1/servers/{SERVER}/mcp"), "/v1/mcp".to_owned()] {
        let answer = Peer::new(&fake).with("Authorization", &bearer).at(&path).initialize("2025-11-25").await;
        assert_eq!((answer.status, answer.json()), (404, json!({"detail": "Not Found"})), "{path}");
    }
}

#[tokio::test]
async fn get_and_delete_are_405_when_stateless() {
    let (_, fake, bearer) = started(|_| {}).await;
    for method in ["GET", "DELETE"] {
        let answer = Peer::new(&fake).with("Authorization", &bearer).send(method, "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST, DELETE")), "{method}");
    }
}

#[tokio::test]
async fn stateful_sessions_outlive_their_delete() {
    let (_, fake, bearer) = started(|c| c.sessions = Sessions::Stateful).await;
    let peer = Peer::new(&fake).with("Authorization", &bearer);
    let missing = peer.rpc("tools/list", json!({})).await;
    assert_eq!(missing.status, 400);
    assert_eq!(missing.json()["error"], json!({"code": -32600, "message": "Bad Request: Missing session ID"}));
    let unknown =
        Peer::new(&fake).with("Authorization", &bearer).with("Mcp-Session-Id", "nope").rpc("ping", json!({})).await;
    assert_eq!((unknown.status, unknown.json()["error"]["message"].as_str()), (404, Some("Session not found")));
    let peer = peer.in_session().await;
    let gone = peer.send("DELETE", "").await;
    assert_eq!((gone.status, gone.json()), (200, json!({"jsonrpc": "2.0", "result": {}})));
    assert_eq!(peer.rpc("tools/list", json!({})).await.status, 200, "it goes on working");
}

#[tokio::test]
async fn stateful_sse_starts_with_an_event_of_empty_data() {
    let change = |c: &mut Config| {
        c.sessions = Sessions::Stateful;
        c.framing = Framing::Sse;
    };
    let (_, fake, bearer) = started(change).await;
    let peer = Peer::new(&fake).with("Authorization", &bearer);
    let answer = peer.initialize("2025-11-25").await;
    assert!(
        answer.body.starts_with("id: ") && answer.body.contains("\r\ndata: \r\n\r\nevent: message\r\ndata: {"),
        "{}",
        answer.body
    );
    assert_eq!(peer.with("Accept", "application/json").initialize("2025-11-25").await.status, 406);
}

#[tokio::test]
async fn any_accept_is_not_acceptable() {
    let (_, fake, bearer) = started(|_| {}).await;
    let answer = Peer::new(&fake).with("Authorization", &bearer).with("Accept", "*/*").initialize("2025-11-25").await;
    assert_eq!(answer.status, 406);
}

#[tokio::test]
async fn an_unknown_version_header_is_not_even_json_rpc() {
    let (_, fake, bearer) = started(|_| {}).await;
    let peer = Peer::new(&fake).with("Authorization", &bearer).with("MCP-Protocol-Version", "2026-07-28");
    let answer = peer.rpc("tools/list", json!({})).await;
    assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("Bad Request")));
    assert!(
        answer.json()["message"]
            .as_str()
            .unwrap()
            .starts_with("Unsupported protocol version: 2026-07-28. Supported versions: ")
    );
}

#[tokio::test]
async fn messages_that_are_wrong_get_the_measured_codes() {
    let (_, fake, bearer) = started(|_| {}).await;
    let peer = Peer::new(&fake).with("Authorization", &bearer);
    let batch = peer.send("POST", "[]").await;
    assert_eq!((batch.status, batch.json()["error"]["code"].as_i64()), (400, Some(-32602)));
    let broken = peer.send("POST", "{").await;
    assert_eq!((broken.status, broken.json()["error"]["code"].as_i64()), (400, Some(-32700)));
    assert_eq!(broken.json()["id"], "server-error");
    for method in ["foo/bar", "server/discover"] {
        let unknown = peer.rpc(method, json!({})).await;
        assert_eq!((unknown.status, unknown.json()["error"]["code"].as_i64()), (200, Some(-32601)));
    }
    let note = peer.notify("notifications/initialized").await;
    assert_eq!((note.status, note.body.as_str()), (202, ""));
    let elsewhere = peer.at("/servers/ffffffffffffffffffffffffffffffff/mcp").rpc("tools/list", json!({})).await;
    assert_eq!((elsewhere.status, elsewhere.json()), (404, json!({"detail": "Server not found"})));
}

#[tokio::test]
async fn expired_cannot_be_told_from_wrong() {
    let (forge, fake, _) = started(|_| {}).await;
    let expired = jwt::expiring_in(-10);
    forge.grant(&expired, Grant::admin());
    for token in [expired.as_str(), "garbage"] {
        let answer = Peer::new(&fake).with("Authorization", &format!("Bearer {token}")).initialize("2025-11-25").await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")));
        assert_eq!(answer.json(), json!({"detail": "Invalid authentication credentials"}));
        assert_eq!(answer.header("x-contextforge-mcp-runtime"), None, "the fingerprint is not on a 401");
    }
}

#[tokio::test]
async fn refusals_have_their_own_details_at_each_door() {
    let (forge, fake, _) = started(|_| {}).await;
    let none = Peer::new(&fake).initialize("2025-11-25").await;
    assert_eq!(none.json(), json!({"detail": "Authentication required for MCP endpoints"}));
    let rest = Peer::new(&fake).at("/v1/tools").get().await;
    assert_eq!((rest.status, rest.header("www-authenticate")), (401, None));
    assert_eq!(rest.json(), json!({"detail": "Authorization token required"}));
    forge.grant("revoked", Grant { refused: Some(Refused::Revoked), ..Grant::admin() });
    forge.grant("nobody", Grant { refused: Some(Refused::NoUser), ..Grant::admin() });
    let of = |token: &'static str| Peer::new(&fake).with("Authorization", &format!("Bearer {token}"));
    assert_eq!(of("revoked").initialize("2025-11-25").await.json(), json!({"detail": "Token has been revoked"}));
    assert_eq!(of("nobody").initialize("2025-11-25").await.json(), json!({"detail": "User not found in database"}));
    let basic = Peer::new(&fake).with("Authorization", "Basic dTpw").initialize("2025-11-25").await;
    assert_eq!((basic.status, basic.json()["code"].as_str()), (403, Some("CSRF_TOKEN_INVALID")));
    let cookie = Peer::new(&fake).with("Cookie", "jwt_token=x").initialize("2025-11-25").await;
    assert_eq!(cookie.status, 403);
}

#[tokio::test]
async fn the_scheme_may_be_lower_case() {
    let (_, fake, bearer) = started(|_| {}).await;
    let lower = bearer.replace("Bearer", "bearer");
    assert_eq!(Peer::new(&fake).with("Authorization", &lower).initialize("2025-11-25").await.status, 200);
}

#[tokio::test]
async fn a_scoped_token_is_refused_elsewhere_and_sees_everything_at_the_root() {
    let (forge, fake, _) = started(|_| {}).await;
    forge.grant("scoped", Grant::scoped(OTHER_SERVER));
    let peer = || Peer::new(&fake).with("Authorization", "Bearer scoped");
    let refused = peer().rpc("tools/list", json!({})).await;
    assert_eq!((refused.status, refused.json()), (403, json!({"detail": "Access denied"})));
    assert_eq!(peer().at("/mcp").tools().await.len(), 163);
}

#[tokio::test]
async fn everything_is_one_page_and_names_are_slugs() {
    let (_, fake, bearer) = started(|_| {}).await;
    let peer = Peer::new(&fake).with("Authorization", &bearer);
    let list = peer.rpc("tools/list", json!({"cursor": "ignored"})).await.json();
    assert!(list["result"].get("nextCursor").is_none());
    let tools = peer.tools().await;
    assert_eq!(tools.len(), 163);
    assert!(tools.contains(&"github-work-list-issues".to_owned()) && !tools.is_sorted());
    let twice = tools.iter().filter(|t| *t == "weird-server-1-do-thing-with-mixed").count();
    assert_eq!(twice, 2, "a collision is listed twice");
    let tool = list["result"]["tools"].as_array().unwrap().iter().find(|t| t["name"] == "slack-post-message").unwrap();
    assert_eq!(tool["annotations"], json!({}));
    assert!(tool.get("_meta").is_none());
}

#[test]
fn slugify_replaces_every_run_of_other_characters() {
    assert_eq!(slugify("GitHub Work", "-"), "github-work");
    assert_eq!(slugify("Do.Thing_With-Mixed", "--"), "do--thing--with--mixed");
    assert_eq!(slugify("Weird Server (1)", "-"), "weird-server-1");
}

#[tokio::test]
async fn every_failing_call_is_a_text_in_http_200() {
    let (forge, fake, bearer) = started(|c| c.tool_timeout = Duration::from_millis(200)).await;
    let peer = Peer::new(&fake).with("Authorization", &bearer);
    let good = peer.call("slack-post-message", json!({"text": "x"})).await;
    assert_eq!(good["result"]["isError"], false);
    let check = async |tool: &str, arguments: Value, wanted: &str| {
        let answer = peer.call(tool, arguments).await;
        assert_eq!(answer["result"]["isError"], true, "{tool}");
        assert!(text(&answer).starts_with(wanted), "{tool}: {answer}");
    };
    check("nope", json!({}), "Tool not found: nope").await;
    check(
        "weird-server-1-do-thing-with-mixed",
        json!({}),
        "Multiple tools found with name 'weird-server-1-do-thing-with-mixed' at same",
    )
    .await;
    check("weird-server-1-wait", json!({"seconds": 5}), "Tool invocation failed: ").await;
    check("weird-server-1-boom", json!({"reason": "x"}), "Error executing tool boom: boom: x").await;
    forge.backend("slack", |b| b.process = Process::Dead);
    check("slack-post-message", json!({}), "Tool invocation failed: All connection attempts failed").await;
    forge.backend("slack", |b| b.process = Process::RefusesCredential);
    check(
        "slack-post-message",
        json!({}),
        "Tool invocation failed: Client error '401 Unauthorized' for url 'http://localhost:9101/mcp'\n",
    )
    .await;
    forge.backend("slack", |b| b.reachable = Reachable::No);
    check(
        "slack-post-message",
        json!({}),
        "Tool 'slack-post-message' exists but is currently offline. Please verify if it is running.",
    )
    .await;
    assert_eq!(peer.tools().await.len(), 163, "an outage never shows in the list");
    forge.backend("slack", |b| b.enabled = Enabled::No);
    check("slack-post-message", json!({}), "Tool 'slack-post-message' exists but is inactive").await;
    assert_eq!(peer.tools().await.len(), 160, "a disabled backend's tools vanish");
    forge.grant("reader", Grant::new(None, &["tools.read"]));
    let denied =
        Peer::new(&fake).with("Authorization", "Bearer reader").call("github-work-list-issues", json!({})).await;
    assert_eq!((denied["result"]["isError"].as_bool(), text(&denied).as_str()), (Some(true), "Access denied"));
}

#[tokio::test]
async fn a_call_takes_the_bare_original_name_if_it_is_unique() {
    let (_, fake, bearer) = started(|_| {}).await;
    let answer = Peer::new(&fake).with("Authorization", &bearer).call("list_issues", json!({})).await;
    assert_eq!(answer["result"]["structuredContent"]["service"], "github");
}

#[tokio::test]
async fn renaming_a_backend_renames_its_tools_and_keeps_its_id() {
    let (forge, fake, bearer) = started(|_| {}).await;
    let peer = Peer::new(&fake).with("Authorization", &bearer);
    let path = format!("/v1/servers/{SERVER}/tools");
    let row = async || {
        let rows = Peer::new(&fake).with("Authorization", &bearer).at(&path).get().await.json();
        rows.as_array().unwrap().iter().find(|r| r["originalName"] == "post_message").unwrap().clone()
    };
    let before = row().await;
    forge.backend("slack", |b| b.name = "Chat".to_owned());
    let after = row().await;
    assert_eq!(
        (before["name"].as_str(), after["name"].as_str()),
        (Some("slack-post-message"), Some("chat-post-message"))
    );
    assert_eq!(before["gatewayId"], after["gatewayId"]);
    assert_eq!(text(&peer.call("slack-post-message", json!({})).await), "Tool not found: slack-post-message");
}

#[tokio::test]
async fn the_servers_tools_tell_the_backend_of_each() {
    let (forge, fake, _) = started(|_| {}).await;
    forge.grant("scoped", Grant::scoped(SERVER));
    forge.grant("blind", Grant::new(Some(SERVER), &["tools.read", "tools.execute"]));
    let path = format!("/v1/servers/{SERVER}/tools");
    let of = |token: &'static str| Peer::new(&fake).with("Authorization", &format!("Bearer {token}"));
    let rows = of("scoped").at(&path).get().await.json();
    assert_eq!(rows.as_array().unwrap().len(), 163, "not paginated");
    let row = rows.as_array().unwrap().iter().find(|r| r["name"] == "github-work-list-issues").unwrap();
    assert_eq!((row["gatewaySlug"].as_str(), row["originalName"].as_str()), (Some("github-work"), Some("list_issues")));
    assert_eq!((row["enabled"].as_bool(), row["reachable"].as_bool()), (Some(true), Some(true)));
    let denied = of("blind").at(&path).get().await;
    assert_eq!((denied.status, denied.json()), (403, json!({"detail": "Access denied"})));
    for path in ["/v1/gateways", "/v1/tools", "/v1/version"] {
        assert_eq!(of("scoped").at(path).get().await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn the_list_of_all_tools_stops_at_50_without_a_sign() {
    let (_, fake, bearer) = started(|_| {}).await;
    let peer = |path: &str| Peer::new(&fake).with("Authorization", &bearer).at(path);
    assert_eq!(peer("/v1/tools").get().await.json().as_array().unwrap().len(), 50);
    let all = peer("/v1/tools?include_pagination=true&limit=0").get().await.json();
    assert_eq!((all["tools"].as_array().unwrap().len(), all["nextCursor"].clone()), (163, Value::Null));
    let first = peer("/v1/tools?include_pagination=true&limit=100").get().await.json();
    assert!(first["nextCursor"].is_string());
}

#[tokio::test]
async fn gateways_hide_disabled_ones_and_mask_credentials() {
    let (forge, fake, bearer) = started(|_| {}).await;
    forge.backend("slack", |b| b.enabled = Enabled::No);
    let peer = |path: &str| Peer::new(&fake).with("Authorization", &bearer).at(path);
    assert_eq!(peer("/v1/gateways").get().await.json().as_array().unwrap().len(), 3);
    let all = peer("/v1/gateways?include_inactive=true").get().await.json();
    let slack = all.as_array().unwrap().iter().find(|b| b["name"] == "slack").unwrap().clone();
    assert_eq!((slack["enabled"].as_bool(), slack["reachable"].as_bool()), (Some(false), Some(true)));
    assert!(!slack["lastSeen"].as_str().unwrap().ends_with('Z') && slack["authToken"] == "*****");
}

#[tokio::test]
async fn the_health_endpoint_says_nothing_of_backends_and_wants_no_token() {
    let (forge, fake, _) = started(|_| {}).await;
    forge.backend("slack", |b| b.process = Process::Dead);
    let answer = Peer::new(&fake).at("/health").get().await;
    assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("healthy")));
}

#[tokio::test]
async fn the_hundred_and_first_request_is_429_and_the_fifth_violation_locks_everything() {
    let (forge, fake, bearer) = started(|c| c.limits.medium = 100).await;
    let peer = Peer::new(&fake).with("Authorization", &bearer);
    for left in (0..100).rev() {
        let answer = peer.rpc("ping", json!({})).await;
        assert_eq!(answer.header("x-ratelimit-limit"), Some("100"));
        assert_eq!(answer.header("x-ratelimit-remaining"), Some(left.to_string().as_str()));
    }
    for _ in 0..4 {
        let limited = peer.rpc("ping", json!({})).await;
        assert_eq!((limited.status, limited.header("retry-after")), (429, Some("60")));
        assert_eq!(limited.json()["message"], "Maximum 100 requests per minute for MEDIUM tier endpoints.");
    }
    assert_eq!(
        Peer::new(&fake).with("Authorization", &bearer).at("/v1/metrics").get().await.status,
        200,
        "another tier"
    );
    let locked = peer.rpc("ping", json!({})).await;
    assert_eq!(
        (locked.status, locked.header("retry-after"), locked.header("x-lockout-remaining")),
        (429, Some("900"), Some("900"))
    );
    assert_eq!(Peer::new(&fake).at("/health").get().await.status, 429, "health included");
    assert_eq!(forge.violations(), 5);
}

#[test]
fn all_of_v1_is_in_the_generous_tier() {
    assert_eq!(Tier::of("/servers/x/mcp"), Tier::Medium);
    assert_eq!(Tier::of("/mcp"), Tier::Medium);
    assert_eq!(Tier::of("/tokens"), Tier::High);
    assert_eq!(Tier::of("/v1/servers/x/tools"), Tier::Low);
}
