//! The legacy era: handshake, sessions, streams, and what a server may send in between.

use std::time::Duration;

use pflow_gateway_component::{
    conversation::Conversation,
    http::Method,
    model::{Concern, Delivery, Era, Error, Kind},
};
use serde_json::json;

use crate::{
    fake::{Canned, Fake, Seen, URL, call, endpoint, open, tool},
    plain::{Loss, Plain, Sessions},
};

pub(crate) fn hello(seen: &Seen) -> Option<Canned> {
    let result =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}});
    match seen.rpc() {
        "server/discover" => Some(Canned::error(200, seen, -32_601, "Method not found")),
        "initialize" => Some(Canned::result(seen, &result)),
        "notifications/initialized" => Some(Canned::empty(202)),
        _ => None,
    }
}

#[test]
fn the_handshake_offers_the_newest_legacy_revision_and_no_capability() {
    let fake = Fake::new(Plain::default());
    let conversation = open(&fake).unwrap();
    let session = conversation.session();
    assert_eq!((session.era, session.kind), (Era::Legacy, Kind::Generic));
    assert_eq!(session.protocol_version, "2025-11-25");
    assert_eq!(session.session_id.as_deref(), Some("session-1"));
    assert_eq!(session.server.name, "plain");
    assert!(session.announces_tool_changes);
    assert_eq!(fake.wire(), ["POST server/discover", "POST initialize", "POST notifications/initialized"]);
    let initialize = fake.last("initialize");
    assert_eq!(initialize.body["params"]["protocolVersion"], "2025-11-25");
    assert_eq!(initialize.body["params"]["clientInfo"], json!({"name": "pflow-gateway", "version": "0.1.0"}));
    assert_eq!(initialize.header("accept"), Some("application/json, text/event-stream"));
    assert_eq!(initialize.header("mcp-protocol-version"), None);
    assert_eq!(initialize.body["id"], 1001);
}

#[test]
fn a_known_era_costs_no_extra_request() {
    let fake = Fake::new(Plain::default());
    let endpoint = pflow_gateway_component::model::Endpoint { era: Some(Era::Legacy), ..endpoint(URL) };
    Conversation::open(fake.clone(), endpoint, None).unwrap();
    assert_eq!(fake.wire(), ["POST initialize", "POST notifications/initialized"]);
}

#[test]
fn an_older_revision_is_accepted_and_repeated_in_the_header() {
    for version in ["2025-06-18", "2025-03-26", "2024-11-05"] {
        let fake = Fake::new(Plain { version, ..Plain::default() });
        let mut conversation = open(&fake).unwrap();
        assert_eq!(conversation.session().protocol_version, version);
        conversation.list_tools().unwrap();
        assert_eq!(fake.last("tools/list").header("mcp-protocol-version"), Some(version));
    }
}

#[test]
fn an_unknown_revision_is_a_protocol_error_that_names_it() {
    let fake = Fake::new(Plain { version: "1999-01-01", ..Plain::default() });
    let Err(Error::Protocol(problem)) = open(&fake) else { panic!() };
    assert!(problem.problem.contains("1999-01-01"), "{}", problem.problem);
}

#[test]
fn a_server_that_lists_its_revisions_instead_of_proposing_one_gets_an_older_offer() {
    let fake = Fake::scripted(|seen: &Seen| {
        if seen.rpc() == "initialize" && seen.body["params"]["protocolVersion"] != "2025-03-26" {
            let error = json!({"code": -32602, "message": "Unsupported protocol version", "data": {"supported": ["2025-03-26"]}});
            return Ok(Canned::json(400, &json!({"jsonrpc": "2.0", "id": seen.id(), "error": error})));
        }
        let result =
            json!({"protocolVersion": "2025-03-26", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}});
        Ok(if seen.rpc() == "initialize" { Canned::result(seen, &result) } else { Canned::empty(202) })
    });
    let mut wanted = endpoint(URL);
    wanted.era = Some(Era::Legacy);
    assert_eq!(Conversation::open(fake, wanted, None).unwrap().session().protocol_version, "2025-03-26");
}

#[test]
fn streams_and_json_say_the_same_wherever_the_chunks_are_cut() {
    let pages = vec![vec![tool("ä"), tool("b")], vec![tool("😀")]];
    let names = |stream| {
        let fake = Fake::new(Plain { stream, pages: pages.clone(), ..Plain::default() });
        let catalog = open(&fake).unwrap().list_tools().unwrap();
        catalog.tools.into_iter().map(|tool| tool.name).collect::<Vec<_>>()
    };
    let expected = names(None);
    assert_eq!(expected, ["b", "ä", "😀"]);
    for cut in 1..40 {
        assert_eq!(names(Some(cut)), expected, "cut every {cut} bytes");
    }
}

#[test]
fn attaching_causes_no_traffic_and_uses_the_session() {
    let fake = Fake::new(Plain::default());
    let session = open(&fake).unwrap().session().clone();
    let before = fake.wire().len();
    let mut second = Conversation::open(fake.clone(), endpoint(URL), Some(session)).unwrap();
    assert_eq!(fake.wire().len(), before);
    second.call_tool(&call("a")).unwrap();
    assert_eq!(fake.last("tools/call").header("mcp-session-id"), Some("session-1"));
}

#[test]
fn a_call_carries_its_id_arguments_and_meta() {
    let fake = Fake::new(Plain::default());
    let mut conversation = open(&fake).unwrap();
    let mut call = call("a");
    call.progress = true;
    call.meta = Some(r#" {"x/y": 1, "progressToken": "theirs"} "#.to_owned());
    let outcome = conversation.call_tool(&call).unwrap();
    assert!(!outcome.failed);
    let sent = fake.last("tools/call").body;
    assert_eq!(sent["id"], 7);
    assert_eq!(
        sent["params"],
        json!({"name": "a", "arguments": {"text": "hi"}, "_meta": {"progressToken": 7, "x/y": 1}})
    );
}

#[test]
fn arguments_that_are_no_object_never_leave() {
    let fake = Fake::new(Plain::default());
    let mut conversation = open(&fake).unwrap();
    for arguments in ["[]", "", "{", "{} {}", "null", "{}}"] {
        let mut call = call("a");
        call.arguments = arguments.to_owned();
        assert!(matches!(conversation.call_tool(&call), Err(Error::Rejected(_))), "{arguments}");
    }
    assert_eq!(fake.count("POST tools/call"), 0);
}

#[test]
fn a_lost_session_is_reported_and_the_call_is_never_repeated() {
    for loss in [Loss::NotFound, Loss::BadRequest, Loss::MissingId, Loss::GoodWithError, Loss::Unavailable] {
        let fake = Fake::new(Plain { loss, dies_after: Some(0), ..Plain::default() });
        let mut conversation = open(&fake).unwrap();
        let Err(Error::SessionLost(lost)) = conversation.call_tool(&call("a")) else { panic!("{loss:?}") };
        let failed_half_way = matches!(loss, Loss::Unavailable);
        let expected = if failed_half_way { Delivery::MaybeDelivered } else { Delivery::NotDelivered };
        assert_eq!(lost.delivery, expected, "{loss:?}");
        assert_eq!(fake.count("POST tools/call"), 1, "{loss:?}");
        let renewed = conversation.renew().unwrap().session_id.clone();
        assert_eq!(renewed.as_deref(), Some("session-2"));
        conversation.call_tool(&call("a")).unwrap();
    }
}

#[test]
fn a_session_that_is_lost_while_the_catalogue_is_read_is_reported_and_after_renewal_it_is_read_from_the_start() {
    let pages = vec![vec![tool("a")], vec![tool("b")], vec![tool("c")]];
    let fake = Fake::new(Plain { pages, dies_after: Some(2), ..Plain::default() });
    let mut conversation = open(&fake).unwrap();
    assert!(matches!(conversation.list_tools(), Err(Error::SessionLost(_))));
    assert_eq!(fake.count("POST initialize"), 1, "when to renew is the host's decision");
    conversation.renew().unwrap();
    let catalog = conversation.list_tools().unwrap();
    assert_eq!(catalog.tools.len(), 3);
    assert_eq!(catalog.pages, 3);
    assert_eq!(fake.count("POST initialize"), 2);
    // The first page was asked once more, to see whether it was the session or the page.
    assert_eq!(fake.count("POST tools/list"), 7);
}

#[test]
fn a_session_that_is_lost_at_once_is_an_error_and_asked_for_once() {
    let fake = Fake::scripted(|seen: &Seen| {
        Ok(hello(seen).map_or_else(|| Canned::text(404, "", ""), |canned| canned.header("mcp-session-id", "x")))
    });
    assert!(matches!(open(&fake).unwrap().list_tools(), Err(Error::SessionLost(_))));
    assert_eq!(fake.count("POST tools/list"), 1);
}

#[test]
fn a_404_without_a_session_is_not_a_lost_session() {
    let fake =
        Fake::scripted(|seen: &Seen| Ok(hello(seen).unwrap_or_else(|| Canned::text(404, "text/plain", "not found"))));
    assert!(matches!(open(&fake).unwrap().call_tool(&call("a")), Err(Error::NotMcp(_))));
}

#[test]
fn closing_deletes_the_session_and_405_is_no_error() {
    let fake = Fake::new(Plain::default());
    let mut conversation = open(&fake).unwrap();
    conversation.close().unwrap();
    conversation.close().unwrap();
    assert_eq!(fake.count("DELETE /mcp"), 1);
    let seen = fake.seen.borrow().last().cloned().unwrap();
    assert_eq!((seen.method, seen.header("mcp-session-id")), (Method::Delete, Some("session-1")));
}

#[test]
fn without_a_session_there_is_nothing_to_delete() {
    let fake = Fake::new(Plain { sessions: Sessions::Unused, ..Plain::default() });
    open(&fake).unwrap().close().unwrap();
    assert_eq!(fake.count("DELETE /mcp"), 0);
}

#[test]
fn what_a_server_sends_before_the_answer_is_handled() {
    let fake = Fake::scripted(|seen: &Seen| {
        if let Some(canned) = hello(seen) {
            return Ok(canned);
        }
        if seen.rpc().is_empty() {
            return Ok(Canned::empty(202));
        }
        Ok(Canned::stream(concat!(
            ": hello\r\n\r\n",
            "id: 1\r\ndata:\r\n\r\n",
            "data: {\"jsonrpc\":\"2.0\",\"id\":\"p1\",\"method\":\"ping\"}\r\n\r\n",
            "data: {\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"elicitation/create\",\"params\":{}}\n\n",
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":7,\"progress\":0.5,\"total\":1,\"message\":\"half\"}}\n\n",
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":8,\"progress\":0.9}}\n\n",
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"logger\":\"l\",\"data\":{\"a\":1}}}\n\n",
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n",
            "event: other\ndata: not json\n\n",
            "data: {\"jsonrpc\":\"2.0\",\"id\":99,\"result\":{\"not\":\"ours\"}}\n\n",
            "data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":7,\"result\":{\"content\":[]}}\n\n",
        )))
    });
    let mut call = call("a");
    call.progress = true;
    let outcome = open(&fake).unwrap().call_tool(&call).unwrap();
    assert_eq!(outcome.result, r#"{"content":[]}"#);
    assert_eq!(
        *fake.events.borrow(),
        ["progress 7 0.5 Some(1.0) Some(\"half\")", "message Some(7) info Some(\"l\") {\"a\":1}", "tools changed"]
    );
    let replies: Vec<_> =
        fake.seen.borrow().iter().filter(|seen| seen.rpc().is_empty()).map(|seen| seen.body.clone()).collect();
    assert_eq!(replies[0], json!({"jsonrpc": "2.0", "id": "p1", "result": {}}));
    assert_eq!((&replies[1]["id"], &replies[1]["error"]["code"]), (&json!(0), &json!(-32601)));
}

#[test]
fn a_peer_that_the_user_calls_generic_may_ask_for_defaults_on_its_own_stream() {
    let fake = Fake::scripted(|seen: &Seen| {
        if seen.rpc() == "initialize" {
            let offered = json!({"elicitation": {"form": {"applyDefaults": true}}});
            assert_eq!(seen.body["params"]["capabilities"], offered);
        }
        if let Some(canned) = hello(seen) {
            return Ok(canned.header("mcp-session-id", "s1"));
        }
        let form = json!({"type": "object", "properties": {"age": {"type": "integer", "default": 30}}});
        let ask = json!({"jsonrpc": "2.0", "id": 0, "method": "elicitation/create", "params": {"message": "?", "requestedSchema": form}});
        Ok(match seen.method {
            Method::Get => Canned::stream(format!("data: {ask}\n\ndata: {{\"id\":null,\"error\":{{}}}}\n\n")),
            _ if seen.rpc().is_empty() => Canned::empty(202),
            _ => Canned::result(seen, &json!({"content": []})).into_stream(),
        })
    });
    let mut wanted = endpoint(URL);
    wanted.kind = Some(Kind::Generic);
    let mut conversation = Conversation::open(fake.clone(), wanted, None).unwrap();
    conversation.call_tool(&call("a")).unwrap();
    let wire = fake.wire();
    assert_eq!(wire[3..], ["GET /mcp", "POST tools/call", "POST a response"]);
    let answer = fake.seen.borrow().last().unwrap().body.clone();
    assert_eq!(answer["result"], json!({"action": "accept", "content": {"age": 30}}));
    assert_eq!(*fake.events.borrow(), ["stopped listening"]);
}

#[test]
fn a_stream_that_ends_after_an_event_id_is_resumed_after_the_time_asked_for() {
    let fake = Fake::scripted(|seen: &Seen| {
        if let Some(canned) = hello(seen) {
            return Ok(canned.header("mcp-session-id", "s1"));
        }
        if seen.method == Method::Get {
            assert_eq!(seen.header("last-event-id"), Some("e1"));
            assert_eq!(seen.header("accept"), Some("text/event-stream"));
            assert_eq!(seen.header("mcp-session-id"), Some("s1"));
            return Ok(Canned::stream("id: e2\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[]}}\n\n"));
        }
        Ok(Canned::stream("id: e1\nretry: 500\ndata: \n\n"))
    });
    open(&fake).unwrap().call_tool(&call("a")).unwrap();
    assert_eq!(*fake.slept.borrow(), [Duration::from_millis(500)]);
    assert_eq!(fake.count("POST tools/call"), 1);
}

#[test]
fn a_broken_stream_is_resumed_too_and_half_an_event_is_forgotten() {
    let fake = Fake::scripted(|seen: &Seen| {
        if let Some(canned) = hello(seen) {
            return Ok(canned);
        }
        Ok(if seen.method == Method::Get {
            Canned::stream("data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[]}}\n\n")
        } else {
            Canned::stream("id: 1\ndata:\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"resu").broken()
        })
    });
    open(&fake).unwrap().call_tool(&call("a")).unwrap();
    assert_eq!(*fake.slept.borrow(), [Duration::from_secs(1)]);
}

#[test]
fn resuming_ends_when_nothing_comes() {
    let fake = Fake::scripted(|seen: &Seen| Ok(hello(seen).unwrap_or_else(|| Canned::stream("id: 1\ndata:\n\n"))));
    let Err(Error::Protocol(problem)) = open(&fake).unwrap().call_tool(&call("a")) else { panic!() };
    assert_eq!(problem.delivery, Delivery::MaybeDelivered);
    assert_eq!(fake.count("GET /mcp"), 3);
}

#[test]
fn a_stream_without_ids_that_ends_early_may_have_been_delivered() {
    let fake = Fake::scripted(|seen: &Seen| Ok(hello(seen).unwrap_or_else(|| Canned::stream(": nothing\n\n"))));
    let Err(Error::Protocol(problem)) = open(&fake).unwrap().call_tool(&call("a")) else { panic!() };
    assert_eq!(problem.delivery, Delivery::MaybeDelivered);
    let fake =
        Fake::scripted(|seen: &Seen| Ok(hello(seen).unwrap_or_else(|| Canned::stream(": nothing\n\n").broken())));
    let Err(Error::Unreachable(failure)) = open(&fake).unwrap().call_tool(&call("a")) else { panic!() };
    assert_eq!(failure.delivery, Delivery::MaybeDelivered);
}

#[test]
fn pages_are_read_to_the_end_and_an_empty_cursor_is_not_the_end() {
    let pages: Vec<_> = (0..10).map(|page| (0..100).map(|i| tool(&format!("t{page:02}{i:02}"))).collect()).collect();
    let fake = Fake::new(Plain { pages, ..Plain::default() });
    let catalog = open(&fake).unwrap().list_tools().unwrap();
    assert_eq!((catalog.tools.len(), catalog.pages), (1000, 10));
    assert_eq!(catalog.warnings, []);
    assert_eq!(catalog.ttl_ms, None);
}

#[test]
fn too_many_pages_and_repeated_cursors_end_the_reading_with_a_warning() {
    let looping = |next: fn(u64) -> String| {
        let fake = Fake::scripted(move |seen: &Seen| {
            Ok(hello(seen).unwrap_or_else(|| {
                let id = seen.id().as_u64().unwrap();
                Canned::result(seen, &json!({"tools": [tool(&format!("t{id}"))], "nextCursor": next(id)}))
            }))
        });
        open(&fake).unwrap().list_tools().unwrap()
    };
    let endless = looping(|id| id.to_string());
    assert_eq!(endless.pages, 100);
    assert_eq!(endless.warnings[0].concern, Concern::PageLimit);
    let repeated = looping(|_| "again".to_owned());
    assert_eq!(repeated.pages, 2);
    assert_eq!(repeated.warnings[0].concern, Concern::RepeatedCursor);
}

#[test]
fn a_cursor_that_went_stale_restarts_the_reading_once() {
    let mut bad = 1;
    let fake = Fake::scripted(move |seen: &Seen| {
        Ok(hello(seen).unwrap_or_else(|| match seen.body["params"]["cursor"].as_str() {
            None => Canned::result(seen, &json!({"tools": [tool("a")], "nextCursor": "c"})),
            Some(_) if bad > 0 => {
                bad -= 1;
                Canned::error(200, seen, -32_602, "Invalid cursor")
            }
            Some(_) => Canned::result(seen, &json!({"tools": [tool("b")]})),
        }))
    });
    assert_eq!(open(&fake).unwrap().list_tools().unwrap().tools.len(), 2);
    assert_eq!(fake.count("POST tools/list"), 4);
}

#[test]
fn malformed_tools_are_dropped_one_by_one_and_duplicates_are_kept() {
    let tools = vec![
        tool("good"),
        json!({"description": "no name", "inputSchema": {}}),
        json!({"name": "", "inputSchema": {}}),
        json!({"name": 7, "inputSchema": {}}),
        json!({"name": "no-schema"}),
        json!({"name": "null-schema", "inputSchema": null}),
        json!({"name": "array-schema", "inputSchema": []}),
        json!({"name": "bell\u{7}", "inputSchema": {}}),
        json!("not even an object"),
        json!({"name": "odd", "inputSchema": {}, "title": 5, "annotations": {"readOnlyHint": "yes"}, "icons": {}, "_meta": []}),
        tool("twice"),
        tool("twice"),
    ];
    let fake = Fake::new(Plain { pages: vec![tools], ..Plain::default() });
    let catalog = open(&fake).unwrap().list_tools().unwrap();
    let names: Vec<&str> = catalog.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["good", "odd", "twice", "twice"]);
    let count = |concern| catalog.warnings.iter().filter(|warning| warning.concern == concern).count();
    assert_eq!(count(Concern::MalformedTool), 8);
    assert_eq!(count(Concern::DuplicateName), 1);
    let odd = &catalog.tools[1];
    assert_eq!((&odd.title, &odd.icons, &odd.meta), (&None, &None, &None));
    assert_eq!(odd.annotations.as_ref().unwrap().read_only, None);
    assert!(catalog.warnings.iter().all(|warning| !warning.message.chars().any(char::is_control)));
}

#[test]
fn schemas_arrive_letter_by_letter() {
    let schema = r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","$defs":{"x":{"$anchor":"a","type":"number","multipleOf":1.50}},"additionalProperties":false,"$ref":"https://evil.test/s.json"}"#;
    let list = format!(r#"{{"jsonrpc":"2.0","id":1002,"result":{{"tools":[{{"name":"a","inputSchema":{schema}}}]}}}}"#);
    let fake = Fake::scripted(move |seen: &Seen| {
        Ok(hello(seen).unwrap_or_else(|| Canned::text(200, "application/json", list.clone())))
    });
    let catalog = open(&fake).unwrap().list_tools().unwrap();
    assert_eq!(catalog.tools[0].input_schema, schema);
    assert_eq!(fake.wire().len(), 4, "no $ref is fetched");
}

#[test]
fn cancelling_tells_the_peer_and_nothing_else() {
    let fake = Fake::new(Plain::default());
    open(&fake).unwrap().cancel(7, "the user pressed \"stop\"").unwrap();
    let sent = fake.last("notifications/cancelled");
    assert_eq!(sent.body["params"], json!({"requestId": 7, "reason": "the user pressed \"stop\""}));
    assert_eq!(sent.header("mcp-session-id"), Some("session-1"));
    assert!(sent.id().is_null());
}

#[test]
fn no_header_is_sent_that_a_gateway_refuses() {
    let fake = Fake::new(Plain::default());
    let mut conversation = open(&fake).unwrap();
    conversation.list_tools().unwrap();
    conversation.close().unwrap();
    for seen in fake.seen.borrow().iter() {
        for name in &seen.header_names {
            assert!(
                !["origin", "host", "authorization", "cookie"].contains(&name.to_ascii_lowercase().as_str()),
                "{name}"
            );
        }
    }
}
