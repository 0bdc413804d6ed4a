//! Docker MCP Gateway: every row of its fact sheet.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pflow_gateway_tests::{
    client,
    docker::{Backend, Condition, Config, Docker, FALLBACK, Feature, Runs, Transport, VERSIONS, control::NAMES},
    server::Fake,
    services,
};
use serde_json::json;

use crate::Peer;

async fn started(config: Config) -> (Arc<Docker>, Fake) {
    let docker = Arc::new(Docker::new(config));
    let gateway: Arc<dyn pflow_gateway_tests::server::Gateway> = docker.clone();
    (docker, Fake::start(gateway).await.unwrap())
}

#[tokio::test]
async fn initialize_is_one_event_with_the_session_id_and_the_constant_server_info() {
    let (_, fake) = started(Config::default()).await;
    let answer = Peer::new(&fake).initialize("2025-06-18").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("cache-control"), Some("no-cache, no-transform"));
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    let id = answer.header("mcp-session-id").unwrap();
    assert!(id.len() == 26 && id.chars().all(|c| c.is_ascii_uppercase() || ('2'..='7').contains(&c)), "{id}");
    assert!(answer.body.starts_with("event: message\ndata: {") && answer.body.ends_with("}\n\n"), "{}", answer.body);
    assert!(!answer.body.contains("id: "));
    let result = &answer.json()["result"];
    assert_eq!(result["serverInfo"], json!({"name": "Docker AI MCP Gateway", "version": "2.0.1"}));
    assert_eq!(result["capabilities"]["tools"], json!({"listChanged": true}));
    assert!(result.get("instructions").is_none() && result.get("_meta").is_none());
    // The id is on the initialize response only.
    let peer = Peer::new(&fake).in_session().await;
    assert_eq!(peer.rpc("tools/list", json!({})).await.header("mcp-session-id"), None);
}

#[tokio::test]
async fn known_revisions_are_echoed_and_others_become_2025_06_18() {
    let (_, fake) = started(Config::default()).await;
    for version in VERSIONS {
        assert_eq!(Peer::new(&fake).initialize(version).await.json()["result"]["protocolVersion"], *version);
    }
    for version in ["1999-01-01", "2026-07-28"] {
        assert_eq!(Peer::new(&fake).initialize(version).await.json()["result"]["protocolVersion"], FALLBACK);
    }
}

#[tokio::test]
async fn initialized_is_202_and_not_enforced() {
    let (_, fake) = started(Config::default()).await;
    let peer = Peer::new(&fake).in_session().await;
    assert_eq!(peer.tools().await.len(), 129);
    let answer = peer.notify("notifications/initialized").await;
    assert_eq!((answer.status, answer.header("content-length")), (202, Some("0")));
}

#[tokio::test]
async fn a_request_without_a_session_is_200_with_code_0() {
    let (_, fake) = started(Config::default()).await;
    let answer = Peer::new(&fake).rpc("tools/list", json!({})).await;
    assert_eq!(answer.status, 200);
    let error = json!({"code": 0, "message": "method \"tools/list\" is invalid during session initialization"});
    assert_eq!(answer.json()["error"], error);
}

#[tokio::test]
async fn an_unknown_session_is_404_in_plain_text() {
    let (docker, fake) = started(Config::default()).await;
    let answer = Peer::new(&fake).with("Mcp-Session-Id", "NOPE").rpc("tools/list", json!({})).await;
    assert_eq!((answer.status, answer.body.as_str()), (404, "session not found\n"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    let peer = Peer::new(&fake).in_session().await;
    docker.restart(None);
    assert_eq!(peer.rpc("tools/list", json!({})).await.status, 404, "after a restart of the gateway");
}

#[tokio::test]
async fn delete_is_204_then_404_and_400_without_a_session() {
    let (docker, fake) = started(Config::default()).await;
    let peer = Peer::new(&fake).in_session().await;
    assert_eq!(docker.sessions(), 1);
    let answer = peer.send("DELETE", "").await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert_eq!(docker.sessions(), 0);
    assert_eq!(peer.send("DELETE", "").await.status, 404);
    assert_eq!(Peer::new(&fake).send("DELETE", "").await.status, 400);
}

#[tokio::test]
async fn the_version_header_may_be_any_supported_one() {
    let (_, fake) = started(Config::default()).await;
    let peer = Peer::new(&fake).in_session().await;
    assert_eq!(peer.rpc("ping", json!({})).await.status, 200, "absent");
    let peer = peer.with("MCP-Protocol-Version", "2024-11-05");
    assert_eq!(peer.rpc("ping", json!({})).await.status, 200, "another one");
    let answer = peer.with("MCP-Protocol-Version", "2026-07-28").rpc("ping", json!({})).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.body.starts_with("Bad Request: Unsupported protocol version (supported versions: "),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn accept_must_carry_both_types_or_any() {
    let (_, fake) = started(Config::default()).await;
    for accept in ["application/json", "text/event-stream", "text/html"] {
        let answer = Peer::new(&fake).with("Accept", accept).initialize("2025-06-18").await;
        assert_eq!(answer.status, 400, "{accept}");
        assert_eq!(answer.body, "Accept must contain both 'application/json' and 'text/event-stream'\n");
    }
    assert_eq!(Peer::new(&fake).with("Accept", "*/*").initialize("2025-06-18").await.status, 200);
}

#[tokio::test]
async fn content_type_must_equal_application_json_byte_for_byte() {
    let (_, fake) = started(Config::default()).await;
    for content_type in
        ["application/json; charset=utf-8", "application/json;charset=utf-8", "Application/JSON", "text/plain"]
    {
        let answer = Peer::new(&fake).with("Content-Type", content_type).initialize("2025-06-18").await;
        assert_eq!(answer.status, 415, "{content_type}");
    }
    assert_eq!(Peer::new(&fake).without("Content-Type").initialize("2025-06-18").await.status, 415);
}

#[tokio::test]
async fn an_unknown_method_is_a_400_text() {
    let (_, fake) = started(Config::default()).await;
    let answer = Peer::new(&fake).in_session().await.rpc("foo/bar", json!({})).await;
    assert_eq!((answer.status, answer.body.as_str()), (400, "JSON RPC not handled: \"foo/bar\" unsupported\n"));
    assert!(answer.header("content-type").unwrap().starts_with("text/plain"));
}

#[tokio::test]
async fn broken_json_and_batches_are_400_texts() {
    let (_, fake) = started(Config::default()).await;
    let peer = Peer::new(&fake).in_session().await;
    let answer = peer.send("POST", "{\"jsonrpc\":").await;
    assert!(answer.status == 400 && answer.body.starts_with("malformed payload: "), "{answer:?}");
    let answer = peer.send("POST", "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]").await;
    assert!(
        answer.status == 400 && answer.body.contains("JSON-RPC batching is not supported in 2025-06-18 and later"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn get_is_a_silent_stream_once_per_session() {
    let (_, fake) = started(Config::default()).await;
    let peer = Peer::new(&fake).in_session().await;
    let (first, second) = tokio::join!(peer.get(), async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        peer.get().await
    });
    assert_eq!((first.status, first.header("content-type"), first.body.as_str()), (200, Some("text/event-stream"), ""));
    assert!(first.open);
    assert_eq!(second.status, 409);
    assert_eq!(Peer::new(&fake).get().await.status, 400, "without a session");
    let fresh = Peer::new(&fake).in_session().await.with("Last-Event-ID", "5");
    let answer = fresh.get().await;
    assert_eq!((answer.status, answer.body.as_str()), (400, "malformed Last-Event-ID \"5\"\n"));
    for method in ["HEAD", "PUT"] {
        let answer = fresh.send(method, "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, POST, DELETE")), "{method}");
    }
}

#[tokio::test]
async fn list_changed_goes_to_every_session_when_one_client_adds_or_removes() {
    let (_, fake) = started(Config { dynamic_tools: Feature::On, ..Config::default() }).await;
    let (one, two) = (Peer::new(&fake).in_session().await, Peer::new(&fake).in_session().await);
    let (heard, _) = tokio::join!(two.get(), async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        one.call("mcp-remove", json!({"name": "slack"})).await
    });
    let wanted = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {}});
    assert_eq!(heard.json(), wanted);
    assert!(
        !two.tools().await.contains(&"post_message".to_owned()),
        "one client's remove took it away from the other too"
    );
}

#[tokio::test]
async fn tools_are_bare_sorted_and_on_one_page() {
    let (_, fake) = started(Config::default()).await;
    let list = Peer::new(&fake).in_session().await.rpc("tools/list", json!({})).await.json();
    let tools = list["result"]["tools"].as_array().unwrap();
    let names: Vec<&str> = tools.iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 129);
    assert!(names.is_sorted() && names.contains(&"create_issue") && list["result"].get("nextCursor").is_none());
    let bad = Peer::new(&fake).in_session().await.rpc("tools/list", json!({"cursor": "nope"})).await.json();
    assert_eq!(bad["error"], json!({"code": -32602, "message": "invalid params"}));
}

#[tokio::test]
async fn a_thousand_tools_are_one_page_and_more_are_two() {
    let backends = vec![Backend::new(services::numbered("many", 1200))];
    let (_, fake) = started(Config { backends, ..Config::default() }).await;
    let peer = Peer::new(&fake).in_session().await;
    let first = peer.rpc("tools/list", json!({})).await.json();
    assert_eq!(first["result"]["tools"].as_array().unwrap().len(), 1000);
    let second = peer.rpc("tools/list", json!({"cursor": first["result"]["nextCursor"]})).await.json();
    assert_eq!(second["result"]["tools"].as_array().unwrap().len(), 200);
}

#[tokio::test]
async fn only_the_first_page_of_a_backend_is_shown_and_nothing_says_so() {
    let backends = vec![Backend { page: Some(50), ..Backend::new(services::numbered("bulk", 120)) }];
    let (_, fake) = started(Config { backends, ..Config::default() }).await;
    let list = Peer::new(&fake).in_session().await.rpc("tools/list", json!({})).await.json();
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 50);
    assert!(list["result"].get("nextCursor").is_none());
}

#[tokio::test]
async fn definitions_pass_through_verbatim_and_results_keep_their_structure() {
    let (_, fake) = started(Config::default()).await;
    let peer = Peer::new(&fake).in_session().await;
    let list = peer.rpc("tools/list", json!({})).await.json();
    let tools = list["result"]["tools"].as_array().unwrap();
    let tool = tools.iter().find(|t| t["name"] == "list_issues").unwrap();
    assert_eq!(tool["annotations"], json!({"readOnlyHint": true}));
    assert!(tool.get("title").is_some() && tool.get("_meta").is_none());
    let result = &peer.call("list_issues", json!({"repo": "a/b"})).await["result"];
    assert_eq!(result["structuredContent"]["service"], "github");
    assert!(result.get("isError").is_none());
    // No validation in the gateway.
    assert!(peer.call("list_issues", json!({"nonsense": 1})).await.get("result").is_some());
}

#[tokio::test]
async fn an_unknown_tool_is_minus_32602() {
    let (_, fake) = started(Config::default()).await;
    let answer = Peer::new(&fake).in_session().await.call("nope", json!({})).await;
    assert_eq!(answer["error"], json!({"code": -32602, "message": "unknown tool \"nope\""}));
}

#[tokio::test]
async fn a_backends_error_keeps_its_code_gets_a_prefix_and_loses_its_data() {
    let (_, fake) = started(Config::default()).await;
    let error = Peer::new(&fake).in_session().await.call("list_issues", json!({"fail": true})).await["error"].clone();
    assert_eq!(error["code"], -32042);
    assert!(error["message"].as_str().unwrap().starts_with("calling \"tools/call\": ") && error.get("data").is_none());
}

#[tokio::test]
async fn what_looks_like_a_secret_is_not_passed_on_and_a_result_comes_too_late() {
    let (docker, fake) = started(Config::default()).await;
    let peer = Peer::new(&fake).in_session().await;
    let secret = format!("ghp_{}", "a1B2c3D4e5".repeat(4));
    let error = peer.call("post_message", json!({"channel": "x", "text": secret})).await["error"].clone();
    assert_eq!(error, json!({"code": 0, "message": "a secret is being passed to tool post_message"}));
    assert!(docker.ran().is_empty(), "the tool must not have run");
    let error = peer.call("list_channels", json!({"leak": "ghp_"})).await["error"].clone();
    assert_eq!(error, json!({"code": 0, "message": "a secret is being returned by the list_channels tool"}));
    assert_eq!(docker.ran(), ["slack/list_channels"], "the tool has run already");
}

#[tokio::test]
async fn calls_of_one_session_run_in_parallel() {
    let config = Config { backends: vec![Backend::new(services::lab())], ..Config::default() };
    let (_, fake) = started(config).await;
    let peer = Peer::new(&fake).in_session().await;
    let start = Instant::now();
    let wait = || peer.call("wait", json!({"seconds": 0.3}));
    let _ = tokio::join!(wait(), wait(), wait(), wait());
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
}

#[tokio::test]
async fn every_other_path_is_a_307_to_mcp() {
    let (_, fake) = started(Config::default()).await;
    for path in ["/", "/mcp/", "/sse", "/.well-known/oauth-protected-resource", "/x/y"] {
        let answer = Peer::new(&fake).at(path).get().await;
        assert_eq!((answer.status, answer.header("location")), (307, Some("/mcp")), "{path}");
    }
}

#[tokio::test]
async fn the_sse_transport_names_its_endpoint_first() {
    let (_, fake) = started(Config { transport: Transport::Sse, ..Config::default() }).await;
    let answer = Peer::new(&fake).at("/sse").get().await;
    assert!(answer.body.starts_with("event: endpoint\ndata: /sse?sessionid="), "{}", answer.body);
    let answer = Peer::new(&fake).at("/sse").initialize("2025-06-18").await;
    assert_eq!((answer.status, answer.body.as_str()), (400, "sessionid must be provided\n"));
    assert_eq!(Peer::new(&fake).at("/mcp").get().await.header("location"), Some("/sse"));
}

#[tokio::test]
async fn without_the_token_everything_but_health_is_401() {
    let (_, fake) = started(Config { token: Some("secret".to_owned()), ..Config::default() }).await;
    for path in ["/mcp", "/", "/.well-known/oauth-protected-resource"] {
        let answer = Peer::new(&fake).at(path).initialize("2025-06-18").await;
        assert_eq!((answer.status, answer.body.as_str()), (401, "Unauthorized\n"), "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"MCP Gateway\""));
    }
    for authorization in ["bearer secret", "Basic c2VjcmV0", "Bearer wrong", "Bearer  secret"] {
        let answer = Peer::new(&fake).with("Authorization", authorization).initialize("2025-06-18").await;
        assert_eq!(answer.status, 401, "{authorization}");
    }
    let query = Peer::new(&fake).at("/mcp?MCP_GATEWAY_AUTH_TOKEN=secret").initialize("2025-06-18").await;
    assert_eq!(query.status, 401);
    assert_eq!(Peer::new(&fake).with("Authorization", "Bearer secret").initialize("2025-06-18").await.status, 200);
    let health = Peer::new(&fake).at("/health").get().await;
    assert_eq!((health.status, health.body.as_str()), (200, ""));
}

#[tokio::test]
async fn a_restart_without_a_fixed_token_makes_another_one() {
    let (docker, fake) = started(Config { token: Some("first".to_owned()), ..Config::default() }).await;
    let peer = Peer::new(&fake).with("Authorization", "Bearer first");
    assert_eq!(peer.initialize("2025-06-18").await.status, 200);
    docker.restart(Some("second"));
    assert_eq!(peer.initialize("2025-06-18").await.status, 401);
}

#[tokio::test]
async fn host_and_origin_must_be_the_gateways_own() {
    let (_, fake) = started(Config { token: Some("secret".to_owned()), ..Config::default() }).await;
    let peer = || Peer::new(&fake).with("Authorization", "Bearer secret");
    let answer = peer().with("Host", "mcp-gateway:8811").initialize("2025-06-18").await;
    assert_eq!((answer.status, answer.body.as_str()), (403, "Forbidden: invalid Host header \"mcp-gateway:8811\"\n"));
    let answer = peer().with("Origin", "http://evil.example").initialize("2025-06-18").await;
    assert!(
        answer.status == 403 && answer.body.starts_with("Forbidden: Origin, if set, must be localhost, "),
        "{answer:?}"
    );
    let answer = peer().with("Origin", "http://localhost:3000").initialize("2025-06-18").await;
    assert!(answer.status == 403 && answer.body.contains("Origin does not match Host"), "{answer:?}");
    let own = format!("http://{}", fake.address());
    assert_eq!(peer().with("Origin", &own).initialize("2025-06-18").await.status, 200);
    let unauthorized = Peer::new(&fake).with("Host", "mcp-gateway:8811").initialize("2025-06-18").await;
    assert_eq!(unauthorized.status, 401, "the token is checked first");
}

#[tokio::test]
async fn a_backend_that_is_down_at_start_is_absent_for_good() {
    let mut config = Config::default();
    config.backends.get_mut(1).unwrap().at_start = Condition::Down;
    let (docker, fake) = started(config).await;
    assert_eq!(Peer::new(&fake).in_session().await.tools().await.len(), 126);
    docker.set("slack", Condition::Up);
    assert_eq!(Peer::new(&fake).in_session().await.tools().await.len(), 126, "never retried");
    assert_eq!(Peer::new(&fake).at("/health").get().await.status, 200);
}

#[tokio::test]
async fn a_backend_that_dies_later_stays_listed_and_its_url_leaks() {
    let (docker, fake) = started(Config::default()).await;
    let peer = Peer::new(&fake).in_session().await;
    docker.set("slack", Condition::Down);
    assert_eq!(peer.tools().await.len(), 129);
    let error = peer.call("post_message", json!({})).await["error"].clone();
    assert_eq!(error["code"], -32005);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("rejected by transport: Post \"http://127.0.0.1:18102/mcp\": dial tcp")
    );
    assert!(peer.call("list_issues", json!({})).await.get("result").is_some(), "others go on");
}

#[tokio::test]
async fn a_restarted_backend_poisons_the_sessions_that_had_used_it() {
    let (docker, fake) = started(Config::default()).await;
    let (used, unused) = (Peer::new(&fake).in_session().await, Peer::new(&fake).in_session().await);
    assert!(used.call("post_message", json!({})).await.get("result").is_some());
    docker.restart_backend("slack");
    let first = used.call("post_message", json!({})).await["error"].clone();
    assert!(
        first["code"] == 0 && first["message"].as_str().unwrap().contains("failed to connect (session ID: 5741"),
        "{first}"
    );
    for _ in 0..3 {
        let next = used.call("post_message", json!({})).await["error"].clone();
        assert!(next["code"] == 0 && next["message"].as_str().unwrap().starts_with("connection closed: "), "{next}");
    }
    assert!(unused.call("post_message", json!({})).await.get("result").is_some(), "a session that had not used it");
    assert!(
        Peer::new(&fake).in_session().await.call("post_message", json!({})).await.get("result").is_some(),
        "a new session"
    );
}

#[tokio::test]
async fn a_backend_that_wants_a_credential_later_is_code_0_without_a_status() {
    let (docker, fake) = started(Config::default()).await;
    docker.set("slack", Condition::Unauthorized);
    let error = Peer::new(&fake).in_session().await.call("post_message", json!({})).await["error"].clone();
    let message = "failed to connect: calling \"initialize\": sending \"initialize\": Unauthorized";
    assert_eq!(error, json!({"code": 0, "message": message}));
}

#[tokio::test]
async fn a_backend_that_hangs_at_start_silences_everything_even_health() {
    let (docker, fake) = started(Config { hung: true, ..Config::default() }).await;
    let health = client::send(fake.address(), "GET", "/health", &[], "", Duration::from_millis(300)).await;
    assert_eq!(health.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    docker.wake();
    assert_eq!(Peer::new(&fake).at("/health").get().await.status, 200);
}

#[tokio::test]
async fn prefixes_are_server_double_underscore_tool_or_the_catalogs_alias() {
    let mut config = Config { prefix: Feature::On, ..Config::default() };
    config.backends.get_mut(1).unwrap().alias = Some("sl".to_owned());
    config.backends.get_mut(0).unwrap().service.name = "com.example/my.gh__srv".to_owned();
    let (_, fake) = started(config).await;
    let tools = Peer::new(&fake).in_session().await.tools().await;
    for name in ["com.example/my.gh__srv__create_issue", "sl__post_message", "bulk__item_000_lookup"] {
        assert!(tools.contains(&name.to_owned()), "{name}: {tools:?}");
    }
}

#[tokio::test]
async fn an_alias_holds_without_the_feature_too() {
    let mut config = Config::default();
    config.backends.get_mut(1).unwrap().alias = Some("sl".to_owned());
    let (_, fake) = started(config).await;
    let tools = Peer::new(&fake).in_session().await.tools().await;
    assert!(tools.contains(&"sl__post_message".to_owned()) && tools.contains(&"create_issue".to_owned()));
}

#[tokio::test]
async fn control_tools_are_there_with_dynamic_tools_and_carry_nothing() {
    let (_, fake) = started(Config { dynamic_tools: Feature::On, prefix: Feature::On, ..Config::default() }).await;
    let list = Peer::new(&fake).in_session().await.rpc("tools/list", json!({})).await.json();
    let tools = list["result"]["tools"].as_array().unwrap();
    for name in NAMES {
        let tool = tools.iter().find(|t| t["name"] == *name).expect("no prefix");
        assert!(tool.get("annotations").is_none() && tool.get("_meta").is_none());
    }
    assert_eq!(tools.len(), 129 + NAMES.len());
}

#[tokio::test]
async fn mcp_add_shows_the_tools_of_a_server_unless_the_client_elicits() {
    let (_, fake) = started(Config { dynamic_tools: Feature::On, ..Config::default() }).await;
    let peer = Peer::new(&fake).in_session().await;
    let text = |answer: serde_json::Value| answer["result"]["content"][0]["text"].as_str().unwrap().to_owned();
    let said = text(peer.call("mcp-add", json!({"name": "slack", "activate": false})).await);
    let block = said.split("```json\n").nth(1).unwrap().trim_end_matches("\n```");
    let block: serde_json::Value = serde_json::from_str(block).unwrap();
    assert_eq!(block["tools"].as_array().unwrap().len(), 3);
    let unknown = peer.call("mcp-add", json!({"name": "nope"})).await;
    assert!(text(unknown.clone()).starts_with("Error: Server 'nope' not found in catalog"));
    assert!(unknown["result"].get("isError").is_none(), "its errors are successes");
    let params = json!({"protocolVersion": "2025-06-18", "capabilities": {"elicitation": {}}, "clientInfo": {"name": "p", "version": "0"}});
    let session = Peer::new(&fake).rpc("initialize", params).await.header("mcp-session-id").unwrap().to_owned();
    let elicits = Peer::new(&fake).with("Mcp-Session-Id", &session);
    assert_eq!(text(elicits.call("mcp-add", json!({"name": "slack", "activate": false})).await), "");
}

#[tokio::test]
async fn mcp_find_lists_the_catalog_and_wants_a_word() {
    let (docker, fake) = started(Config { dynamic_tools: Feature::On, ..Config::default() }).await;
    docker.set("slack", Condition::Down);
    let peer = Peer::new(&fake).in_session().await;
    let found = |answer: serde_json::Value| -> serde_json::Value {
        serde_json::from_str(answer["result"]["content"][0]["text"].as_str().unwrap()).unwrap()
    };
    let one = found(peer.call("mcp-find", json!({"query": "slack"})).await);
    assert_eq!((one["total_matches"].as_u64(), one["servers"][0]["name"].as_str()), (Some(1), Some("slack")));
    assert_eq!(found(peer.call("mcp-find", json!({"query": ""})).await)["total_matches"], 0);
}

#[tokio::test]
async fn mcp_add_of_a_dead_backend_says_that_zero_tools_were_added() {
    let mut config = Config { dynamic_tools: Feature::On, ..Config::default() };
    config.backends.get_mut(1).unwrap().at_start = Condition::Down;
    let (_, fake) = started(config).await;
    let answer = Peer::new(&fake).in_session().await.call("mcp-add", json!({"name": "slack"})).await;
    let text = "Successfully added 0 tools in server 'slack'. Assume that it is fully configured and ready to use.";
    assert_eq!(answer["result"]["content"][0]["text"], text);
}

fn containers(runs: Runs) -> Config {
    let boxed = Backend { runs, ..Backend::new(services::container()) };
    Config { backends: vec![boxed, Backend::new(services::slack())], ..Config::default() }
}

#[tokio::test]
async fn a_container_that_ends_during_a_call_is_code_0_eof_and_the_next_call_has_a_container_of_its_own() {
    let (docker, fake) = started(containers(Runs::Container)).await;
    let peer = Peer::new(&fake).in_session().await;
    let eof = json!({"code": 0, "message": "calling \"tools/call\": EOF"});
    assert_eq!(peer.call("crash", json!({})).await["error"], eof);
    assert!(peer.call("echo", json!({})).await.get("result").is_some());
    assert_eq!(docker.ran(), ["box/crash", "box/echo"], "it ran, as far as it came");
}

#[tokio::test]
async fn a_long_lived_container_that_ends_poisons_the_session_for_good() {
    let (_, fake) = started(containers(Runs::LongLived)).await;
    let peer = Peer::new(&fake).in_session().await;
    assert_eq!(peer.call("crash", json!({})).await["error"]["message"], "calling \"tools/call\": EOF");
    let closed = json!({"code": 0, "message": "connection closed: calling \"tools/call\": client is closing: EOF"});
    for _ in 0..3 {
        assert_eq!(peer.call("echo", json!({})).await["error"], closed);
    }
    assert!(Peer::new(&fake).in_session().await.call("echo", json!({})).await.get("result").is_some(), "a new session");
}

#[tokio::test]
async fn progress_comes_on_the_calls_own_stream_from_containers_of_one_call_alone() {
    for (runs, relayed) in [(Runs::Container, true), (Runs::LongLived, false), (Runs::Remote, false)] {
        let (_, fake) = started(containers(runs)).await;
        let peer = Peer::new(&fake).in_session().await;
        let params = json!({"name": "steps", "arguments": {"steps": 2}, "_meta": {"progressToken": 7}});
        let answer = peer.rpc("tools/call", params).await;
        assert_eq!(answer.body.matches("notifications/progress").count(), if relayed { 2 } else { 0 }, "{runs:?}");
    }
}

#[tokio::test]
async fn what_the_gateway_refuses_itself_is_code_0_in_its_own_words() {
    let (docker, fake) = started(Config::default()).await;
    let peer = Peer::new(&fake).in_session().await;
    for (condition, words) in [
        (Condition::Denied, "policy denied tool create_issue on server github: blocked by your organization"),
        (Condition::Unjudged, "policy check failed for github/create_issue: context deadline exceeded"),
        (Condition::Unconfigured, "server \"github\" not found in configuration"),
        (
            Condition::NoDaemon,
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        ),
    ] {
        docker.set("github", condition);
        assert_eq!(peer.call("create_issue", json!({})).await["error"], json!({"code": 0, "message": words}));
    }
}

#[tokio::test]
async fn an_empty_profile_leaves_the_control_tools_and_policies_leave_no_trace() {
    let (_, fake) = started(Config { backends: Vec::new(), dynamic_tools: Feature::On, ..Config::default() }).await;
    assert_eq!(Peer::new(&fake).in_session().await.tools().await.len(), NAMES.len());
    let withheld = vec!["create_issue".to_owned()];
    let github = Backend { withheld, ..Backend::new(services::github()) };
    let (_, fake) = started(Config { backends: vec![github], ..Config::default() }).await;
    let peer = Peer::new(&fake).in_session().await;
    assert_eq!(peer.tools().await.len(), 5);
    assert_eq!(peer.call("create_issue", json!({})).await["error"]["message"], "unknown tool \"create_issue\"");
}

#[tokio::test]
async fn who_signs_in_again_needs_no_restart_and_no_new_session() {
    let (docker, fake) = started(Config::default()).await;
    let peer = Peer::new(&fake).in_session().await;
    assert!(peer.call("post_message", json!({})).await.get("result").is_some());
    docker.set("slack", Condition::Unauthorized);
    assert_eq!(peer.call("post_message", json!({})).await["error"]["code"], 0);
    docker.set("slack", Condition::Up);
    assert!(peer.call("post_message", json!({})).await.get("result").is_some());
    let signed_out = Backend { at_start: Condition::Unauthorized, ..Backend::new(services::slack()) };
    let (docker, fake) = started(Config { backends: vec![signed_out], ..Config::default() }).await;
    docker.set("slack", Condition::Up);
    let peer = Peer::new(&fake).in_session().await;
    assert_eq!(peer.tools().await.len(), 0, "who was not signed in at the start has no tools");
    docker.restart(None);
    assert_eq!(Peer::new(&fake).in_session().await.tools().await.len(), 3);
}
