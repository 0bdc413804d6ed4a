//! The generic server: pages, sessions, credentials, both eras.

use std::{sync::Arc, time::Duration};

use pflow_gateway_tests::{
    generic::{Auth, Config, Eras, Framing, Generic, Lost, Meta, State},
    jwt,
    server::Fake,
    services,
};
use serde_json::{Value, json};

use crate::Peer;

async fn started(config: Config) -> (Generic, Fake) {
    let generic = Generic::new(config);
    let fake = Fake::start(Arc::new(generic.clone())).await.unwrap();
    (generic, fake)
}

#[tokio::test]
async fn a_thousand_tools_come_in_ten_pages() {
    let config = Config { services: vec![services::numbered("svc", 1000)], page: Some(100), ..Config::default() };
    let (_, fake) = started(config).await;
    let peer = Peer::new(&fake).in_session().await;
    let (mut cursor, mut pages, mut names) = (Value::Null, 0, Vec::new());
    loop {
        let params = if cursor.is_null() { json!({}) } else { json!({"cursor": cursor}) };
        let page = peer.rpc("tools/list", params).await.json()["result"].clone();
        names.extend(page["tools"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap().to_owned()));
        pages += 1;
        cursor = page["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    names.sort();
    names.dedup();
    assert_eq!((pages, names.len()), (10, 1000));
    assert_eq!(peer.rpc("tools/list", json!({"cursor": "made-up"})).await.json()["error"]["code"], -32602);
}

#[tokio::test]
async fn a_session_is_wanted_lost_and_ended() {
    let (generic, fake) = started(Config { calls_per_session: Some(2), ..Config::default() }).await;
    assert_eq!(Peer::new(&fake).rpc("tools/list", json!({})).await.status, 400);
    let peer = Peer::new(&fake).in_session().await;
    for _ in 0..2 {
        assert!(peer.call("lab__echo", json!({"text": "x"})).await.get("result").is_some());
    }
    assert_eq!(peer.rpc("tools/call", json!({"name": "lab__echo"})).await.status, 404, "after two calls");
    let peer = Peer::new(&fake).in_session().await;
    generic.lose_sessions();
    for (lost, status) in [
        (Lost::NotFound, 404),
        (Lost::NotFoundText, 404),
        (Lost::NoValidSession, 400),
        (Lost::Ok, 200),
        (Lost::Unavailable, 503),
    ] {
        generic.change(|c| c.lost = lost);
        let answer = peer.rpc("tools/list", json!({})).await;
        assert!(answer.status == status && answer.body.to_lowercase().contains("session"), "{lost:?}: {answer:?}");
    }
    let peer = Peer::new(&fake).in_session().await;
    assert_eq!(peer.send("DELETE", "").await.status, 200);
    assert_eq!(generic.sessions(), 0);
}

#[tokio::test]
async fn a_session_can_grow_old() {
    let (_, fake) = started(Config { session_ttl: Some(Duration::from_millis(50)), ..Config::default() }).await;
    let peer = Peer::new(&fake).in_session().await;
    assert_eq!(peer.rpc("ping", json!({})).await.status, 200);
    tokio::time::sleep(Duration::from_millis(80)).await;
    assert_eq!(peer.rpc("ping", json!({})).await.status, 404);
}

#[tokio::test]
async fn credentials_rotate_and_expire() {
    let (generic, fake) = started(Config { auth: Auth::Bearer("one".to_owned()), ..Config::default() }).await;
    let of = |value: &str| Peer::new(&fake).with("Authorization", value);
    assert_eq!(Peer::new(&fake).initialize("2025-11-25").await.header("www-authenticate"), Some("Bearer"));
    assert_eq!(of("Bearer one").initialize("2025-11-25").await.status, 200);
    generic.change(|c| c.auth = Auth::Bearer("two".to_owned()));
    assert_eq!(of("Bearer one").initialize("2025-11-25").await.status, 401);
    assert_eq!(of("Bearer two").initialize("2025-11-25").await.status, 200);
    let token = jwt::expiring_in(-1);
    generic.change(|c| c.auth = Auth::Bearer(token.clone()));
    assert_eq!(of(&format!("Bearer {token}")).initialize("2025-11-25").await.status, 401, "right, and expired");
    generic.change(|c| c.auth = Auth::ApiKey("x-api-key".to_owned(), "k".to_owned()));
    assert_eq!(Peer::new(&fake).with("X-API-Key", "k").initialize("2025-11-25").await.status, 200);
    assert!(
        fake.log().records().iter().all(|r| r.header("x-api-key").is_none() && r.header("authorization").is_none())
    );
    assert!(fake.log().records().last().unwrap().auth);
}

#[tokio::test]
async fn progress_comes_on_the_stream_before_the_answer() {
    let (_, fake) = started(Config { framing: Framing::Sse, ..Config::default() }).await;
    let peer = Peer::new(&fake).in_session().await;
    let params = json!({"name": "lab__steps", "arguments": {"steps": 3}, "_meta": {"progressToken": "t"}});
    let answer = peer.rpc("tools/call", params).await;
    assert_eq!(answer.body.matches("notifications/progress").count(), 3);
    assert!(answer.json()["result"]["structuredContent"]["tool"] == "steps", "the answer comes last: {}", answer.body);
}

#[tokio::test]
async fn services_fail_in_every_way() {
    let (generic, fake) = started(Config { meta: Meta::Outcomes, ..Config::default() }).await;
    let peer = Peer::new(&fake).in_session().await;
    generic.set("slack", State::Failing);
    assert_eq!(peer.call("slack__list_channels", json!({})).await["error"]["code"], -32603);
    generic.set("slack", State::FailingAsText);
    assert_eq!(peer.call("slack__list_channels", json!({})).await["result"]["isError"], true);
    generic.set("slack", State::Gone);
    assert_eq!(peer.tools().await.len(), 12);
    let outcomes =
        peer.rpc("tools/list", json!({})).await.json()["result"]["_meta"]["litellm.ai/server_outcomes"].clone();
    assert_eq!(outcomes["slack"], json!({"status": "unreachable", "tool_count": 0}));
    assert_eq!(outcomes["github"], json!({"status": "ok", "tool_count": 6}));
}

fn modern<'a>(fake: &'a Fake, method: &str) -> Peer<'a> {
    Peer::new(fake).with("MCP-Protocol-Version", "2026-07-28").with("Mcp-Method", method)
}

fn meta() -> Value {
    json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}})
}

#[tokio::test]
async fn the_modern_era_checks_headers_against_the_body() {
    let (_, fake) = started(Config { eras: Eras::Modern, ttl_ms: 5000, ..Config::default() }).await;
    let found = modern(&fake, "server/discover").rpc("server/discover", json!({"_meta": meta()})).await.json();
    assert_eq!(found["result"]["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(
        (found["result"]["ttlMs"].as_u64(), found["result"]["resultType"].as_str()),
        (Some(5000), Some("complete"))
    );
    let list = modern(&fake, "tools/list").rpc("tools/list", json!({"_meta": meta()})).await;
    assert_eq!((list.status, list.header("mcp-session-id")), (200, None));
    let code = |answer: &pflow_gateway_tests::client::Response| answer.json()["error"]["code"].as_i64();
    let bare = modern(&fake, "tools/list").rpc("tools/list", json!({})).await;
    assert_eq!((bare.status, code(&bare)), (400, Some(-32602)));
    let lying = modern(&fake, "tools/call").rpc("tools/list", json!({"_meta": meta()})).await;
    assert_eq!((lying.status, code(&lying)), (400, Some(-32020)));
    let call = json!({"name": "lab__echo", "arguments": {}, "_meta": meta()});
    let unnamed = modern(&fake, "tools/call").rpc("tools/call", call.clone()).await;
    assert_eq!((unnamed.status, code(&unnamed)), (400, Some(-32020)));
    for name in ["lab__echo", "=?base64?bGFiX19lY2hv?="] {
        let named = modern(&fake, "tools/call").with("Mcp-Name", name).rpc("tools/call", call.clone()).await;
        assert_eq!((named.status, named.json()["result"]["resultType"].as_str()), (200, Some("complete")), "{name}");
    }
    let mut old = meta();
    old["io.modelcontextprotocol/protocolVersion"] = json!("2027-01-01");
    let peer = modern(&fake, "tools/list").with("MCP-Protocol-Version", "2027-01-01");
    let unsupported = peer.rpc("tools/list", json!({"_meta": old})).await;
    assert_eq!((unsupported.status, code(&unsupported)), (400, Some(-32022)));
    assert_eq!(unsupported.json()["error"]["data"]["supported"], json!(["2026-07-28"]));
    let unknown = modern(&fake, "foo/bar").rpc("foo/bar", json!({"_meta": meta()})).await;
    assert_eq!((unknown.status, code(&unknown)), (404, Some(-32601)));
    assert_eq!(modern(&fake, "").get().await.status, 405);
}

#[tokio::test]
async fn a_dual_era_server_speaks_both() {
    let (_, fake) = started(Config { eras: Eras::Dual, ..Config::default() }).await;
    assert_eq!(Peer::new(&fake).in_session().await.tools().await.len(), 15);
    assert_eq!(modern(&fake, "tools/list").rpc("tools/list", json!({"_meta": meta()})).await.status, 200);
}

#[tokio::test]
async fn a_legacy_server_refuses_modern_requests_with_some_400() {
    let (_, fake) = started(Config::default()).await;
    let answer = modern(&fake, "server/discover").rpc("server/discover", json!({"_meta": meta()})).await;
    assert_eq!((answer.status, answer.json()["error"]["code"].as_i64()), (400, Some(-32000)));
}

#[tokio::test]
async fn old_servers_name_an_endpoint_and_answer_on_the_stream() {
    let (_, fake) = started(Config { eras: Eras::OldSse, ..Config::default() }).await;
    assert_eq!(Peer::new(&fake).initialize("2025-11-25").await.status, 405);
    let listener = Peer::new(&fake);
    let (stream, posted) = tokio::join!(listener.get(), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Peer::new(&fake).at("/messages?session_id=stream-1").initialize("2024-11-05").await
    });
    assert_eq!(posted.status, 202);
    assert!(stream.body.starts_with("event: endpoint\ndata: /messages?session_id=stream-1\n\n"), "{}", stream.body);
    assert_eq!(stream.json()["result"]["protocolVersion"], "2024-11-05");
}
