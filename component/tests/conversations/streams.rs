//! Answers in odd forms: what is no message in a stream, streams and JSON under the wrong name, ids and results as peers write them.

use std::{cell::RefCell, rc::Rc};

use pflow_gateway_component::{
    conversation::Conversation,
    http::Method,
    model::{Delivery, Endpoint, Error, Kind, Outcome, Result},
};
use serde_json::{Value, json};

use crate::fake::{Canned, Fake, Seen, URL, call, endpoint, open, tool};

fn hello(seen: &Seen) -> Option<Canned> {
    let result =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}});
    match seen.rpc() {
        "server/discover" => Some(Canned::error(200, seen, -32_601, "Method not found")),
        "initialize" => Some(Canned::result(seen, &result)),
        "notifications/initialized" => Some(Canned::empty(202)),
        _ => None,
    }
}

/// What becomes of a call that is answered so, whatever the cuts.
fn calling(canned: impl Fn(&Seen) -> Canned + 'static) -> Result<Outcome> {
    let fake = Fake::scripted(move |seen| Ok(hello(seen).unwrap_or_else(|| canned(seen).cut(5))));
    open(&fake).unwrap().call_tool(&call("a"))
}

const ANSWER: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#;

#[test]
fn events_that_are_no_messages_are_passed_over() {
    let before = [
        "data: ping\n\n",
        "data: {\"type\":\"ping\"}\n\n",
        "data: [DONE]\n\n",
        "data: 1\n\ndata: null\n\ndata: \"x\"\n\n",
        "event: heartbeat\ndata: {}\n\n",
        "event: ping\ndata: 2026-11-27 15:00:00\n\n",
        ": comment\n\nid: 4\n\n",
        "data:\n\n",
        "data: {\"jsonrpc\":\"2.0\",\"id\":99,\"result\":[]}\n\n",
        "data: <html>\n\n",
        // Glued to the message that follows.
        "data: ping\n",
        "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n",
    ];
    for heartbeat in before {
        for times in [1, 50] {
            let body = format!("{}data: {ANSWER}\n\n", heartbeat.repeat(times));
            let outcome = calling(move |_| Canned::stream(body.clone()));
            assert!(outcome.is_ok(), "{times} times {heartbeat:?}: {outcome:?}");
        }
    }
}

#[test]
fn two_messages_in_one_line_are_two_messages() {
    let line = format!(r#"{{"jsonrpc":"2.0","method":"notifications/x"}}{ANSWER}"#);
    assert!(calling(move |_| Canned::stream(format!("data: {line}\n\n"))).is_ok());
}

#[test]
fn a_stream_that_ends_without_the_answer_names_the_first_odd_event() {
    let Err(Error::Protocol(problem)) = calling(|_| Canned::stream("data: tick 1\n\ndata: tick 2\n\n")) else {
        panic!()
    };
    assert_eq!(
        problem.problem,
        "the stream ended before the response; 2 events were no JSON-RPC messages, the first: tick 1"
    );
}

#[test]
fn a_broken_response_is_not_waited_for() {
    for bad in [r#""result":{"a":nan}"#, r#""result":[]"#, r#""result":null"#] {
        let body = format!("data: {{\"jsonrpc\":\"2.0\",\"id\":7,{bad}}}\n\ndata: {ANSWER}\n\n");
        let Err(Error::Protocol(problem)) = calling(move |_| Canned::stream(body.clone())) else { panic!("{bad}") };
        assert!(problem.problem.contains("the response in the stream is broken"), "{problem:?}");
    }
}

#[test]
fn odd_events_are_counted_in_the_log_and_do_not_fill_it() {
    let body = format!("{}data: {ANSWER}\n\n", "data: ping\n\n".repeat(1_000));
    let fake = Fake::scripted(move |seen| Ok(hello(seen).unwrap_or_else(|| Canned::stream(body.clone()))));
    open(&fake).unwrap().call_tool(&call("a")).unwrap();
    let logged = fake.logged.borrow();
    assert!((1..10).contains(&logged.len()), "{logged:?}");
    assert!(logged.iter().any(|line| line.contains("1000 events")), "{logged:?}");
}

#[test]
fn an_answer_is_read_for_what_it_is_and_not_for_what_it_is_called() {
    for media in ["application/json", "", "text/plain", "application/octet-stream"] {
        let stream = format!("\u{feff}\n: hello\n\nevent: message\ndata: {ANSWER}\n\n");
        let outcome = calling(move |_| Canned::text(200, media, stream.clone()));
        assert!(outcome.is_ok(), "a stream called {media:?}: {outcome:?}");
    }
    for body in [ANSWER.to_owned(), format!("\n {ANSWER}\n"), format!("\u{feff}{ANSWER}"), format!("[{ANSWER}]")] {
        let outcome = calling(move |_| Canned::stream(body.clone()));
        assert!(outcome.is_ok(), "JSON called a stream: {outcome:?}");
    }
    let Err(Error::Protocol(problem)) = calling(|_| Canned::stream("{\"jsonrpc\":\"2.0\",\"id\":7,\"res")) else {
        panic!()
    };
    assert!(problem.problem.contains("broken JSON"), "{problem:?}");
}

#[test]
fn ids_are_known_again_as_floats_with_exponents_and_as_texts() {
    for id in ["7", "7.0", "7e0", "0.7E+1", "\"7\"", "\"7.0\"", "70e-1"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[]}}}}"#);
        let streamed = format!("data: {body}\n\n");
        assert!(calling(move |_| Canned::text(200, "application/json", body.clone())).is_ok(), "{id}");
        assert!(calling(move |_| Canned::stream(streamed.clone())).is_ok(), "{id}");
    }
}

#[test]
fn a_failure_is_never_shown_as_a_success() {
    let failed = |result: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{result}}}"#);
        calling(move |_| Canned::text(200, "application/json", body.clone())).unwrap().failed
    };
    for result in [
        r#"{"isError":true,"content":null}"#,
        r#"{"isError":true,"content":"it failed"}"#,
        r#"{"isError":true,"content":{"type":"text","text":"x"}}"#,
        r#"{"isError":true}"#,
        r#"{"isError":"true","content":[]}"#,
        r#"{"isError":"True","content":[]}"#,
        r#"{"isError":1,"content":[]}"#,
        r#"{"isError":{"code":1},"content":[]}"#,
        r#"{"content":[{"type":"text"}],"isError":true}"#,
        r#"{"isError":false,"isError":true,"content":[]}"#,
        r#"{"\u0069sError":true,"content":[]}"#,
    ] {
        assert!(failed(result), "{result}");
    }
    for result in [
        r#"{"isError":false,"content":null}"#,
        r#"{"isError":null,"content":[]}"#,
        r#"{"isError":0,"content":[]}"#,
        r#"{"isError":"false","content":[]}"#,
        r#"{"isError":"","content":[]}"#,
        r#"{"content":"fine"}"#,
        "{}",
    ] {
        assert!(!failed(result), "{result}");
    }
}

fn listing(page: impl Fn(&Seen) -> Value + 'static) -> (usize, u32, Vec<String>) {
    let fake = Fake::scripted(move |seen| Ok(hello(seen).unwrap_or_else(|| Canned::result(seen, &page(seen)))));
    let catalog = open(&fake).unwrap().list_tools().unwrap();
    (catalog.tools.len(), catalog.pages, catalog.warnings.into_iter().map(|warning| warning.message).collect())
}

#[test]
fn a_cursor_that_leads_nowhere_doubles_no_tools() {
    let page = || json!({"tools": [tool("a"), tool("b"), tool("c")]});
    let endless = listing(move |_| {
        let mut page = page();
        page["nextCursor"] = json!("");
        page
    });
    assert_eq!(endless, (3, 2, vec![]));
    let ignoring = listing(move |seen| {
        let mut page = page();
        page["nextCursor"] = json!(format!("after {}", seen.id()));
        page
    });
    assert_eq!((ignoring.0, ignoring.1, ignoring.2.len()), (3, 2, 1), "{:?}", ignoring.2);
    assert!(ignoring.2[0].contains("the same page"), "{:?}", ignoring.2);
}

#[test]
fn a_list_that_is_null_is_an_empty_one_with_a_word_on_it() {
    let (tools, _, warnings) = listing(|_| json!({"tools": null}));
    assert_eq!(tools, 0);
    assert!(warnings.iter().any(|warning| warning.contains("null")), "{warnings:?}");
    let fake = Fake::scripted(|seen| Ok(hello(seen).unwrap_or_else(|| Canned::result(seen, &json!({})))));
    assert!(matches!(open(&fake).unwrap().list_tools(), Err(Error::Protocol(_))), "without the member it is no list");
}

/// A peer that accepts requests with 202, and answers to GET so.
fn accepting(session: bool, get: impl Fn() -> Canned + 'static) -> Rc<Fake> {
    Fake::scripted(move |seen| {
        let hello = hello(seen).map(|hello| if session { hello.header("mcp-session-id", "s") } else { hello });
        Ok(hello.unwrap_or_else(|| match seen.method {
            Method::Get => get(),
            _ => Canned::empty(202),
        }))
    })
}

#[test]
fn an_answer_that_comes_on_the_standing_stream_is_heard_there() {
    let other = r#"{"jsonrpc":"2.0","id":6,"result":{"content":["of another call"]}}"#;
    let fake = accepting(true, move || Canned::stream(format!(": hello\n\ndata: {other}\n\ndata: {ANSWER}\n\n")));
    let outcome = open(&fake).unwrap().call_tool(&call("a")).unwrap();
    assert_eq!(outcome.result, r#"{"content":[]}"#);
    let get = fake.seen.borrow().last().unwrap().clone();
    assert_eq!((get.method, get.header("mcp-session-id")), (Method::Get, Some("s")));
    assert_eq!(get.header("accept"), Some("text/event-stream"));
    assert_eq!(fake.count("POST tools/call"), 1);
}

#[test]
fn an_answer_that_came_on_the_stream_that_was_open_already_is_heard_there() {
    // What it says once, it says no second time.
    let mut said = Some(format!("data: {ANSWER}\n\n"));
    let said = RefCell::new(move || said.take().map_or_else(|| Canned::empty(409), Canned::stream));
    let fake = accepting(true, move || (said.borrow_mut())());
    let asking = Endpoint { kind: Some(Kind::Generic), ..endpoint(URL) };
    let outcome = Conversation::open(fake.clone(), asking, None).unwrap().call_tool(&call("a")).unwrap();
    assert_eq!(outcome.result, r#"{"content":[]}"#);
    assert_eq!(fake.count("GET /mcp"), 1, "a session has one stream");
}

#[test]
fn a_request_that_is_accepted_and_never_answered_may_have_run() {
    type Get = fn() -> Canned;
    let gets: [Get; 3] = [|| Canned::empty(405), || Canned::stream(": nothing\n\n"), || Canned::json(200, &json!({}))];
    for (session, get, asked) in [(true, gets[0], 1), (true, gets[1], 1), (true, gets[2], 1), (false, gets[1], 0)] {
        let fake = accepting(session, get);
        let Err(Error::Protocol(problem)) = open(&fake).unwrap().call_tool(&call("a")) else { panic!("{session}") };
        assert!(problem.problem.starts_with("HTTP 202 without a response"), "{problem:?}");
        assert_eq!(problem.delivery, Delivery::MaybeDelivered);
        assert_eq!(fake.count("GET /mcp"), asked, "only a session has such a stream");
        assert_eq!(fake.count("POST tools/call"), 1);
    }
}
