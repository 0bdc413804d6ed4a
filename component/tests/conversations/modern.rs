//! The modern era: detection, headers, `_meta`, results that ask for more.

use std::rc::Rc;

use pflow_gateway_component::{
    conversation::Conversation,
    failure::record,
    model::{Concern, Delivery, Era, Error},
};
use serde_json::{Value, json};

use crate::fake::{Canned, Fake, Seen, call, open, tool};

fn discovery(seen: &Seen) -> Canned {
    let result = json!({
        "resultType": "complete",
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {"listChanged": true}},
        "serverInfo": {"name": "modern", "version": "4.1"},
    });
    Canned::result(seen, &result)
}

fn server(mut rest: impl FnMut(&Seen) -> Canned + 'static) -> Rc<Fake> {
    Fake::scripted(move |seen| {
        assert_eq!(seen.header("mcp-protocol-version"), Some("2026-07-28"));
        assert_eq!(seen.header("mcp-method"), Some(seen.rpc()));
        let meta = &seen.body["params"]["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
        assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], json!({}));
        assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "pflow-gateway");
        assert_eq!(seen.header("mcp-session-id"), None);
        Ok(if seen.rpc() == "server/discover" { discovery(seen) } else { rest(seen) })
    })
}

#[test]
fn discovery_is_all_there_is_to_connecting() {
    let fake =
        server(|seen| Canned::result(seen, &json!({"tools": [tool("a")], "ttlMs": 5000, "cacheScope": "private"})));
    let mut conversation = open(&fake).unwrap();
    assert_eq!(conversation.session().era, Era::Modern);
    assert_eq!(conversation.session().server.name, "modern");
    let catalog = conversation.list_tools().unwrap();
    assert_eq!(catalog.ttl_ms, Some(5000));
    conversation.cancel(1, "x").unwrap();
    conversation.close().unwrap();
    assert_eq!(fake.wire(), ["POST server/discover", "POST tools/list"]);
}

#[test]
fn a_negative_time_to_live_is_none_at_all() {
    let fake = server(|seen| Canned::result(seen, &json!({"tools": [tool("a")], "ttlMs": -1})));
    assert_eq!(open(&fake).unwrap().list_tools().unwrap().ttl_ms, Some(0));
}

#[test]
fn a_call_mirrors_its_name_and_its_marked_arguments() {
    let fake = server(|seen| Canned::result(seen, &json!({"content": []})));
    let mut call = call("wetter für heute");
    call.input_schema =
        Some(json!({"type": "object", "properties": {"text": {"type": "string", "x-mcp-header": "Text"}}}).to_string());
    call.meta = Some(r#"{"traceparent":"00-x"}"#.to_owned());
    call.progress = true;
    open(&fake).unwrap().call_tool(&call).unwrap();
    let sent = fake.last("tools/call");
    assert_eq!(sent.header("mcp-name"), Some("=?base64?d2V0dGVyIGbDvHIgaGV1dGU=?="));
    assert_eq!(sent.header("mcp-param-text"), Some("hi"));
    assert_eq!(sent.body["params"]["_meta"]["traceparent"], "00-x");
    assert_eq!(sent.body["params"]["_meta"]["progressToken"], 7);
}

#[test]
fn a_server_without_discovery_is_still_modern() {
    let fake = Fake::scripted(|seen| {
        Ok(match seen.rpc() {
            "tools/list" => Canned::result(seen, &json!({"tools": [tool("a")]})),
            _ => Canned::error(404, seen, -32_601, "Method not found"),
        })
    });
    let mut conversation = open(&fake).unwrap();
    assert_eq!(conversation.session().era, Era::Modern);
    assert_eq!(conversation.list_tools().unwrap().tools.len(), 1);
}

fn unsupported(seen: &Seen, versions: &Value) -> Canned {
    let error = json!({"code": -32022, "message": "Unsupported protocol version", "data": {"supported": versions}});
    Canned::json(400, &json!({"jsonrpc": "2.0", "id": seen.id(), "error": error}))
}

#[test]
fn a_refused_version_is_offered_again_when_it_is_supported_after_all() {
    let mut first = true;
    let fake = Fake::scripted(move |seen| {
        Ok(if std::mem::take(&mut first) { unsupported(seen, &json!(["2026-07-28"])) } else { discovery(seen) })
    });
    assert_eq!(open(&fake).unwrap().session().era, Era::Modern);
    assert_eq!(fake.count("POST server/discover"), 2);
    assert_ne!(fake.seen.borrow()[0].id(), fake.seen.borrow()[1].id());
}

#[test]
fn a_peer_that_supports_only_legacy_revisions_gets_the_handshake() {
    let fake = Fake::scripted(|seen| {
        let hello =
            json!({"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}});
        Ok(match seen.rpc() {
            "server/discover" => unsupported(seen, &json!(["2025-06-18"])),
            "initialize" => Canned::result(seen, &hello),
            _ => Canned::empty(202),
        })
    });
    assert_eq!(open(&fake).unwrap().session().era, Era::Legacy);
}

#[test]
fn a_peer_of_the_future_is_named_and_not_guessed_at() {
    let fake = Fake::scripted(|seen| Ok(unsupported(seen, &json!(["2030-01-01"]))));
    let Err(Error::Protocol(problem)) = open(&fake) else { panic!() };
    assert!(problem.problem.contains("2030-01-01"));
    assert_eq!(fake.wire(), ["POST server/discover", "POST initialize"]);
}

#[test]
fn every_answer_that_is_not_recognised_leads_to_the_handshake() {
    let answers: &[fn(&Seen) -> Canned] = &[
        |_| {
            Canned::text(
                400,
                "text/plain",
                "Bad Request: Unsupported protocol version (supported versions: 2025-11-25)\n",
            )
        },
        |_| Canned::text(400, "text/plain", "JSON RPC not handled: \"server/discover\" unsupported"),
        |_| Canned::text(404, "text/html", "<html>not found</html>"),
        |_| Canned::text(405, "", ""),
        |_| Canned::text(500, "text/plain", "boom"),
        |_| Canned::text(200, "text/html", "<html>"),
        |_| Canned::empty(202),
        |_| Canned::json(400, &json!({"error": "Bad Request", "message": "Unsupported protocol version: 2026-07-28"})),
        |_| Canned::json(403, &json!({"detail": "method not allowed"})),
        |seen| Canned::error(200, seen, -32_601, "Method not found: server/discover"),
        |seen| Canned::error(400, seen, -32_600, "Bad Request: Server not initialized"),
        |seen| Canned::error(400, seen, -32_000, "Bad Request: No valid session ID provided"),
        |seen| Canned::error(404, seen, -32_600, "Session not found"),
        |seen| {
            Canned::error(200, seen, 0, "method \"server/discover\" is invalid during session initialization")
                .into_stream()
        },
        |seen| Canned::result(seen, &json!({})),
        |_| Canned::stream(": nothing\n\n"),
    ];
    for (number, answer) in answers.iter().enumerate() {
        let fake = Fake::scripted(move |seen| {
            let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}});
            Ok(match seen.rpc() {
                "server/discover" => answer(seen),
                "initialize" => Canned::result(seen, &hello),
                _ => Canned::empty(202),
            })
        });
        assert_eq!(open(&fake).unwrap().session().era, Era::Legacy, "answer {number}");
        assert_eq!(fake.wire().len(), 3, "answer {number}");
    }
}

#[test]
fn a_remembered_legacy_era_is_given_up_when_the_peer_became_modern() {
    let fake = Fake::scripted(|seen| {
        Ok(if seen.rpc() == "initialize" { unsupported(seen, &json!(["2026-07-28"])) } else { discovery(seen) })
    });
    let mut endpoint = crate::fake::endpoint(crate::fake::URL);
    endpoint.era = Some(Era::Legacy);
    assert_eq!(Conversation::open(fake, endpoint, None).unwrap().session().era, Era::Modern);
}

fn asks(state: Option<&'static str>) -> Rc<Fake> {
    server(move |seen| {
        if seen.body["params"]["inputResponses"].is_null() {
            let mut result = json!({
                "resultType": "input_required",
                "inputRequests": {"confirm": {"method": "elicitation/create", "params": {"message": "Sure?"}}},
            });
            if let Some(state) = state {
                result["requestState"] = json!(state);
            }
            return Canned::result(seen, &result);
        }
        Canned::result(seen, &json!({"resultType": "complete", "content": []}))
    })
}

#[test]
fn a_request_for_input_is_declined_and_its_state_returned_exactly() {
    let fake = asks(Some("{\"nonce\":\"ä\\n\"}"));
    let mut conversation = open(&fake).unwrap();
    conversation.call_tool(&call("a")).unwrap();
    let sent = fake.last("tools/call");
    assert_eq!(sent.body["params"]["requestState"], "{\"nonce\":\"ä\\n\"}");
    assert_eq!(sent.body["params"]["inputResponses"], json!({"confirm": {"action": "decline"}}));
    assert_ne!(sent.id(), json!(7), "a retry is a new request");
    assert_eq!(fake.count("POST tools/call"), 2);
}

#[test]
fn a_refusal_after_a_request_for_input_does_not_say_that_nothing_ran() {
    for status in [401, 403, 404, 429] {
        let fake = server(move |seen| {
            if seen.body["params"]["requestState"].is_null() {
                return Canned::result(seen, &json!({"resultType": "input_required", "requestState": "x"}));
            }
            Canned::empty(status)
        });
        let failure = open(&fake).unwrap().call_tool(&call("a")).unwrap_err();
        let failure = record(failure, crate::fake::URL, None);
        assert_eq!(failure.delivery, Delivery::MaybeDelivered, "{status}: {failure:?}");
    }
}

#[test]
fn a_state_that_was_not_given_is_not_returned() {
    let fake = asks(None);
    open(&fake).unwrap().call_tool(&call("a")).unwrap();
    assert!(fake.last("tools/call").body["params"].get("requestState").is_none());
}

#[test]
fn endless_questions_and_unoffered_ones_end_the_call() {
    let fake = server(|seen| Canned::result(seen, &json!({"resultType": "input_required", "requestState": "x"})));
    assert!(matches!(open(&fake).unwrap().call_tool(&call("a")), Err(Error::Protocol(_))));
    assert_eq!(fake.count("POST tools/call"), 8);
    let wanted = json!({"resultType": "input_required", "inputRequests": {"s": {"method": "sampling/createMessage"}}});
    let fake = server(move |seen| Canned::result(seen, &wanted));
    assert!(matches!(open(&fake).unwrap().call_tool(&call("a")), Err(Error::Protocol(_))));
}

#[test]
fn tools_with_an_invalid_header_declaration_are_dropped_with_a_warning() {
    let bad = json!({"name": "bad", "inputSchema": {"type": "object", "properties": {"a": {"type": "string", "x-mcp-header": "a b"}}}});
    let fake = server(move |seen| Canned::result(seen, &json!({"tools": [bad, tool("good")]})));
    let catalog = open(&fake).unwrap().list_tools().unwrap();
    assert_eq!(catalog.tools.len(), 1);
    assert_eq!(
        (catalog.warnings[0].concern, catalog.warnings[0].subject.as_deref()),
        (Concern::MalformedTool, Some("bad"))
    );
}

#[test]
fn a_stream_that_breaks_is_a_lost_request_and_is_not_resumed() {
    let fake = server(|_| Canned::stream("id: 1\ndata:\n\n").broken());
    assert!(matches!(open(&fake).unwrap().call_tool(&call("a")), Err(Error::Unreachable(_))));
    assert_eq!(fake.wire().len(), 2);
}
