//! The service's logic against a gateway that is a script.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on shall stop")]

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use pflow_gateway_service_settings::{Filter, Gateway, Inbound};
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    delivery::Sent,
    failure::{Class, Delivery, Seen},
    ready::Prepared,
    request::Request,
    service::{Answered, answer},
    upstream::{Call, Catalog, Conversation, Kept, Outcome, Outside, Refused, Session, Tool, Wanted},
};

const TOKEN: &str = "team-token-0123456789";

/// What the script does, and what was asked of it.
#[derive(Default)]
struct Script {
    said: RefCell<Vec<String>>,
    /// What calls come to, the first first; then good results.
    calls: RefCell<Vec<Result<Outcome, Seen>>>,
    /// What the way out saw of each of these calls, the first first; then an answer.
    saw: RefCell<Vec<Sent>>,
    unreachable: bool,
    keeps_no_sessions: Cell<bool>,
    /// `inputSchema` of the tools.
    schema: RefCell<String>,
    /// The session that a listing opens, as where the gateway speaks otherwise by now.
    listing_opens: RefCell<Option<Session>>,
}

#[derive(Default)]
struct Fake {
    /// What is behind the head of the request, and how often it was read.
    body: RefCell<Vec<u8>>,
    read: Cell<usize>,
    /// What is wrong with the settings.
    without: Cell<Option<&'static str>>,
    script: Rc<Script>,
    now: u64,
    streams: RefCell<Vec<Wanted>>,
    /// The gateway that was opened last: its credential is the one that is masked.
    open: RefCell<String>,
    /// The catalogue, where instances are kept.
    keeps: bool,
    kept: RefCell<Option<Rc<Kept>>>,
    agreed: RefCell<Option<Session>>,
    /// How often the filter was asked.
    selected: Cell<usize>,
}

struct Talk {
    script: Rc<Script>,
    session: Session,
    sent: Sent,
}

impl Talk {
    fn say(&self, what: impl Into<String>) {
        self.script.said.borrow_mut().push(what.into());
    }
}

fn session(id: &str) -> Session {
    Session { state: id.as_bytes().to_vec() }
}

fn id_of(session: &Session) -> String {
    String::from_utf8(session.state.clone()).unwrap_or_default()
}

impl Conversation for Talk {
    fn session(&self) -> Session {
        self.session.clone()
    }

    fn is_nobodys(&self) -> bool {
        self.script.keeps_no_sessions.get()
    }

    fn renew(&mut self) -> Result<(), Seen> {
        self.session = session("renewed");
        self.say("renew");
        Ok(())
    }

    fn list(&mut self) -> Result<Catalog, Seen> {
        self.say("list");
        if let Some(session) = self.script.listing_opens.take() {
            self.session = session;
        }
        let tool = |index, name: &str, read_only| Tool {
            name: name.to_owned(),
            json: json!({"name": name}).to_string(),
            input_schema: self.script.schema.borrow().clone(),
            read_only,
            index,
            ..Tool::default()
        };
        Ok(Catalog { tools: vec![tool(0, "read", true), tool(1, "write", false)], ..Catalog::default() })
    }

    fn call(&mut self, call: &Call) -> Result<Outcome, Seen> {
        self.say(format!("call {} {} in {}", call.tool, call.arguments, id_of(&self.session)));
        let mut saw = self.script.saw.borrow_mut();
        self.sent = if saw.is_empty() { Sent::Answered } else { saw.remove(0) };
        let mut calls = self.script.calls.borrow_mut();
        if calls.is_empty() {
            return Ok(Outcome { result: r#"{"content":[],"n":1.10}"#.to_owned(), failure: None });
        }
        calls.remove(0)
    }

    fn sent(&self) -> Sent {
        self.sent
    }

    fn close(&mut self) -> Result<(), Seen> {
        self.say(format!("close {}", id_of(&self.session)));
        Ok(())
    }
}

impl Prepared for Fake {}

impl Outside for Fake {
    type Conversation = Talk;

    fn limits(&self, _: &Inbound) {}

    fn body(&self) -> Result<Vec<u8>, Answer> {
        self.read.set(self.read.get() + 1);
        Ok(self.body.borrow().clone())
    }

    fn connect(&self, gateway: &Gateway, attach: Option<&Session>) -> Result<Talk, Refused> {
        self.open.replace(gateway.name.clone());
        if self.script.unreachable {
            let words = format!("connection refused by credential-of-{}", gateway.name);
            let seen = Seen { class: Class::Unreachable, words, delivery: Delivery::No, ..Seen::default() };
            return Err(Refused::Gateway(seen));
        }
        let session = attach.cloned().unwrap_or_else(|| session("own"));
        let talk = Talk { script: Rc::clone(&self.script), session, sent: Sent::Nothing };
        if attach.is_none() {
            talk.say("open");
        }
        Ok(talk)
    }

    fn way_out(&self, gateway: &Gateway) -> Result<(), String> {
        if self.without.get() == Some("TOKEN") {
            return Err(format!("GATEWAYS.{}.auth.token points to TOKEN, which is not set", gateway.name));
        }
        Ok(())
    }

    fn select(&self, filter: &Filter, catalog: &Catalog) -> Result<Vec<bool>, String> {
        if self.without.get() == Some("globs") && !filter.exclude_tools.is_empty() {
            return Err("the pattern \"[\" is none".to_owned());
        }
        self.selected.set(self.selected.get() + 1);
        let kept = |tool: &Tool| !filter.exclude_tools.contains(&tool.name);
        Ok(catalog.tools.iter().map(kept).collect())
    }

    fn now(&self) -> u64 {
        self.now
    }

    fn random(&self) -> [u8; 24] {
        [7; 24]
    }

    fn variable(&self, name: &str) -> Option<String> {
        let value = match name {
            "GATEWAYS" => {
                r#"{"gw": {"url": "http://gw/mcp"}, "other": {"url": "http://gw/mcp", "tools": {"exclude": ["write"]}}}"#
            }
            "CLIENTS" => r#"{"team": {"token": "${TEAM}"}}"#,
            "TEAM" => TOKEN,
            "SESSION_KEYS" => "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn mask(&self, text: String) -> String {
        text.replace(&format!("credential-of-{}", self.open.borrow()), "***")
    }

    fn stream(&self, wanted: &Wanted) {
        self.streams.borrow_mut().push(wanted.clone());
    }

    fn agreed(&self, _: &str) -> Option<Session> {
        self.agreed.borrow().clone()
    }

    fn agree(&self, _: &str, session: Option<Session>) {
        self.agreed.replace(session);
    }

    fn kept(&self, _: &str) -> Option<Rc<Kept>> {
        self.kept.borrow().clone().filter(|_| self.keeps)
    }

    fn keep(&self, _: &str, kept: &Rc<Kept>) {
        self.kept.replace(Some(Rc::clone(kept)));
    }
}

fn asked(fake: &Fake, body: &Value, headers: &[(&str, &str)]) -> Request {
    fake.body.replace(body.to_string().into_bytes());
    let mut all = vec![
        ("authorization", format!("Bearer {TOKEN}")),
        ("content-type", "application/json".to_owned()),
        ("accept", "application/json, text/event-stream".to_owned()),
    ];
    all.retain(|(name, _)| !headers.iter().any(|(given, _)| given == name));
    all.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
    Request {
        method: "POST".to_owned(),
        path: "/gw/mcp".to_owned(),
        authority: Some("localhost:8080".to_owned()),
        headers: all.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())).collect(),
    }
}

fn whole(answered: Answered) -> Answer {
    match answered {
        Answered::Whole(answer) => answer,
        Answered::Streamed(event) => Answer::text(0, event),
    }
}

fn begun(fake: &Fake) -> String {
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-03-26"}});
    let answer = whole(answer(fake, &asked(fake, &hello, &[])));
    assert!(answer.body.contains("2025-03-26"), "{}", answer.body);
    answer.headers.iter().find(|(name, _)| name == "Mcp-Session-Id").map(|(_, id)| id.clone()).unwrap()
}

fn call(fake: &Fake, tool: &str, id: &str) -> Value {
    let message =
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": tool, "arguments": {"a": 1}}});
    serde_json::from_str(&whole(answer(fake, &asked(fake, &message, &[("mcp-session-id", id)]))).body).unwrap()
}

fn lost(delivery: Delivery) -> Result<Outcome, Seen> {
    Err(Seen { class: Class::SessionLost, delivery, ..Seen::default() })
}

#[test]
fn a_session_is_used_without_opening_another_and_ends_with_a_day() {
    let mut fake = Fake::default();
    let id = begun(&fake);
    assert_eq!(call(&fake, "write", &id)["result"]["n"].to_string(), "1.10".parse::<f64>().unwrap().to_string());
    assert_eq!(*fake.script.said.borrow(), ["open", "list", "call write {\"a\":1} in own"]);
    fake.now = crate::seal::LIFETIME + 1;
    assert_eq!(call(&fake, "write", &id)["error"]["code"], -32_001);
}

#[test]
fn a_lost_session_is_renewed_once_if_nothing_ran_and_the_new_one_is_ended() {
    let fake = Fake::default();
    let id = begun(&fake);
    fake.script.calls.borrow_mut().push(lost(Delivery::No));
    assert!(call(&fake, "write", &id)["result"].get("isError").is_none());
    let said = fake.script.said.borrow();
    assert_eq!(said[2..], ["call write {\"a\":1} in own", "renew", "call write {\"a\":1} in renewed", "close renewed"]);
}

#[test]
fn a_call_that_may_have_run_is_never_made_again() {
    let fake = Fake::default();
    let id = begun(&fake);
    for (tool, says) in [
        ("write", "write may have run; check before calling it again"),
        ("read", "read only reads: it can be called again"),
    ] {
        fake.script.said.borrow_mut().clear();
        fake.script.calls.borrow_mut().push(lost(Delivery::Maybe));
        let answer = call(&fake, tool, &id);
        assert_eq!(answer["result"]["isError"], true);
        assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains(says), "{answer}");
        let calls = fake.script.said.borrow().iter().filter(|said| said.starts_with("call")).count();
        assert_eq!(calls, 1);
    }
}

#[test]
fn what_a_client_may_not_see_it_cannot_call() {
    let fake = Fake::default();
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize"});
    let mut request = asked(&fake, &hello, &[]);
    request.path = "/other/mcp".to_owned();
    let id =
        whole(answer(&fake, &request)).headers.iter().find(|(name, _)| name == "Mcp-Session-Id").unwrap().1.clone();
    let message = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "write"}});
    let mut request = asked(&fake, &message, &[("mcp-session-id", &id)]);
    request.path = "/other/mcp".to_owned();
    let told = whole(answer(&fake, &request)).body;
    assert!(told.contains("Unknown tool: write"), "{told}");
    assert!(!fake.script.said.borrow().iter().any(|said| said.starts_with("call")));
}

#[test]
fn a_stream_begins_only_for_who_asks_for_something_and_takes_it() {
    let fake = Fake::default();
    let id = begun(&fake);
    let message = json!({
        "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "read", "_meta": {"progressToken": 5}}
    });
    let streamed = answer(&fake, &asked(&fake, &message, &[("mcp-session-id", &id)]));
    assert!(matches!(streamed, Answered::Streamed(ref event) if event.starts_with("event: message\ndata: ")));
    let wanted = Wanted { progress_token: Some("5".to_owned()), level: None };
    assert_eq!(*fake.streams.borrow(), [wanted]);
    let plain = answer(&fake, &asked(&fake, &message, &[("mcp-session-id", &id), ("accept", "application/json")]));
    assert!(matches!(plain, Answered::Whole(_)));
    assert_eq!(fake.streams.borrow().len(), 1);
}

#[test]
fn a_gateway_that_is_away_is_told_and_nothing_is_said_to_have_run() {
    let fake = Fake::default();
    let id = begun(&fake);
    let fake = Fake { script: Rc::new(Script { unreachable: true, ..Script::default() }), ..Fake::default() };
    let answer = call(&fake, "write", &id).to_string();
    assert!(
        answer.contains("gw cannot be reached: connection refused") && !answer.contains("may have run"),
        "{answer}"
    );
}

#[test]
fn a_header_that_comes_twice_counts_for_neither() {
    let fake = Fake::default();
    let mut request = asked(&fake, &json!({"jsonrpc": "2.0", "id": 1, "method": "initialize"}), &[]);
    request.headers.push(("Authorization".to_owned(), b"Bearer something-else".to_vec()));
    assert_eq!(whole(answer(&fake, &request)).status, 401);
    assert!(fake.script.said.borrow().is_empty());
}

#[test]
fn a_page_about_several_gateways_shows_the_credential_of_none() {
    let fake = Fake { script: Rc::new(Script { unreachable: true, ..Script::default() }), ..Fake::default() };
    let mut request = asked(&fake, &Value::Null, &[]);
    request.method = "GET".to_owned();
    request.path = "/ready".to_owned();
    let answer = whole(answer(&fake, &request));
    let body = answer.body;
    assert_eq!(body.matches("refused by ***").count(), 2, "{body}");
    assert!(!body.contains("credential-of-"), "{body}");
}

#[test]
fn who_is_not_let_in_makes_nobody_read_a_body() {
    let fake = Fake::default();
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize"});
    let told = |change: &dyn Fn(&mut Request), headers: &[(&str, &str)]| {
        let mut request = asked(&fake, &hello, headers);
        change(&mut request);
        whole(answer(&fake, &request)).status
    };
    assert_eq!(told(&|_| {}, &[("authorization", "Bearer somebody-elses")]), 401);
    assert_eq!(told(&|request| request.authority = Some("evil.example".to_owned()), &[]), 421);
    assert_eq!(told(&|_| {}, &[("origin", "https://evil.example")]), 403);
    assert_eq!(told(&|request| request.path = "/nothing/mcp".to_owned(), &[]), 404);
    assert_eq!(told(&|request| request.method = "PUT".to_owned(), &[]), 405);
    assert_eq!(told(&|_| {}, &[("content-type", "text/plain")]), 415);
    assert_eq!(told(&|_| {}, &[("accept", "image/png")]), 406);
    assert_eq!(told(&|request| request.path = "/health".to_owned(), &[]), 405);
    assert_eq!(fake.read.get(), 0);
    assert_eq!(told(&|_| {}, &[]), 200);
    assert_eq!(fake.read.get(), 1);
}

#[test]
fn a_component_that_says_undelivered_is_not_believed_when_the_call_went_out() {
    let fake = Fake::default();
    let id = begun(&fake);
    let not = || Err(Seen { class: Class::Timeout, delivery: Delivery::No, ..Seen::default() });
    fake.script.calls.borrow_mut().extend([not(), not()]);
    fake.script.saw.borrow_mut().extend([Sent::Unanswered, Sent::Nothing]);
    assert!(call(&fake, "write", &id).to_string().contains("write may have run; check before calling it again"));
    assert!(!call(&fake, "write", &id).to_string().contains("may have run"));
    // A lost session is no reason to call again what may have run.
    fake.script.calls.borrow_mut().push(lost(Delivery::No));
    fake.script.saw.borrow_mut().push(Sent::Unanswered);
    fake.script.said.borrow_mut().clear();
    assert!(call(&fake, "write", &id).to_string().contains("may have run"));
    assert!(!fake.script.said.borrow().iter().any(|said| said == "renew"));
}

#[test]
fn a_session_that_a_listing_opened_in_the_other_era_is_ended() {
    let fake = Fake::default();
    let id = begun(&fake);
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    let said = || fake.script.said.borrow().last().cloned().unwrap_or_default();
    answer(&fake, &asked(&fake, &list, &[("mcp-session-id", &id)]));
    assert_eq!(said(), "list", "the client's own session stays");
    fake.script.listing_opens.replace(Some(session("of-the-other-era")));
    answer(&fake, &asked(&fake, &list, &[("mcp-session-id", &id)]));
    assert_eq!(said(), "close of-the-other-era");
    fake.script.listing_opens.replace(Some(session("of-the-other-era")));
    assert!(call(&fake, "read", &id)["result"].is_object());
    assert_eq!(said(), "close of-the-other-era");
}

#[test]
fn ready_tells_of_a_credential_that_is_missing_and_of_a_glob_that_is_none_and_asks_no_gateway() {
    let fake = Fake::default();
    let mut request = asked(&fake, &Value::Null, &[("authorization", "none")]);
    request.method = "GET".to_owned();
    request.path = "/ready".to_owned();
    assert_eq!(whole(answer(&fake, &request)).status, 200);
    for (without, says) in [
        ("TOKEN", "GATEWAYS.gw.auth.token points to TOKEN, which is not set"),
        ("globs", "GATEWAYS.other: the pattern \\\"[\\\" is none"),
    ] {
        fake.without.set(Some(without));
        let told = whole(answer(&fake, &request));
        assert_eq!(told.status, 503);
        assert!(told.body.contains(says), "{}", told.body);
    }
    assert!(fake.script.said.borrow().is_empty());
}

#[test]
fn an_instance_that_is_kept_lists_once_and_asks_the_filter_once_for_each_client() {
    let fake = Fake { keeps: true, ..Fake::default() };
    let id = begun(&fake);
    for tool in ["write", "read", "write"] {
        assert!(call(&fake, tool, &id)["result"].get("isError").is_none());
    }
    let said = fake.script.said.borrow();
    assert_eq!(said.iter().filter(|said| *said == "list").count(), 1);
    // The gateway's filter and the client's.
    assert_eq!(fake.selected.get(), 2);
}

/// A call of the modern era, with these headers beside the usual ones.
fn modern(fake: &Fake, arguments: &Value, headers: &[(&str, &str)]) -> Answer {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}
    });
    let params = json!({"name": "write", "arguments": arguments, "_meta": meta});
    let message = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params});
    let usual = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "write")];
    whole(answer(fake, &asked(fake, &message, &[&usual, headers].concat())))
}

fn marked() -> String {
    json!({"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}).to_string()
}

#[test]
fn a_header_of_an_argument_that_says_something_else_is_refused_and_nothing_runs() {
    let fake = Fake::default();
    fake.script.schema.replace(marked());
    for headers in [&[][..], &[("mcp-param-region", "us")]] {
        let refused = modern(&fake, &json!({"region": "eu"}), headers);
        assert_eq!(refused.status, 400);
        let told: Value = serde_json::from_str(&refused.body).unwrap();
        assert_eq!(told["error"]["code"], -32_020);
        assert_eq!(told["error"]["message"], "Header mismatch: Mcp-Param-Region is not what the arguments say");
    }
    assert!(!fake.script.said.borrow().iter().any(|said| said.starts_with("call")));
    assert_eq!(modern(&fake, &json!({"region": "eu"}), &[("mcp-param-region", "eu")]).status, 200);
    assert_eq!(modern(&fake, &json!({}), &[]).status, 200);
    // The eras before know no such headers.
    let id = begun(&fake);
    assert!(call(&fake, "write", &id)["result"].get("isError").is_none());
}

#[test]
fn a_client_that_read_a_newer_list_than_this_instance_keeps_is_believed_once_that_is_read() {
    let fake = Fake { keeps: true, ..Fake::default() };
    assert_eq!(modern(&fake, &json!({"region": "eu"}), &[]).status, 200);
    fake.script.schema.replace(marked());
    // Kept from before: who mirrors nothing is right by it.
    assert_eq!(modern(&fake, &json!({"region": "eu"}), &[]).status, 200);
    fake.kept.replace(None);
    assert_eq!(modern(&fake, &json!({"region": "eu"}), &[("mcp-param-region", "eu")]).status, 200);
    fake.script.schema.replace("{}".to_owned());
    assert_eq!(modern(&fake, &json!({"region": "eu"}), &[]).status, 200, "by the newer list there is no such header");
}

#[test]
fn a_gateway_that_keeps_no_sessions_is_asked_once_how_it_speaks_until_something_fails() {
    let fake = Fake { keeps: true, ..Fake::default() };
    fake.script.keeps_no_sessions.set(true);
    for _ in 0..2 {
        assert_eq!(modern(&fake, &json!({}), &[]).status, 200);
    }
    assert_eq!(fake.script.said.take(), ["open", "list", "call write {} in own", "call write {} in own"]);
    fake.script.calls.borrow_mut().push(Err(Seen {
        class: Class::NotMcp,
        delivery: Delivery::Maybe,
        ..Seen::default()
    }));
    assert!(modern(&fake, &json!({}), &[]).body.contains("may have run"));
    assert_eq!(modern(&fake, &json!({}), &[]).status, 200);
    assert_eq!(fake.script.said.take()[1..], ["open", "call write {} in own"]);
}

#[test]
fn a_session_of_one_request_is_ended_and_nobody_else_goes_on_in_it() {
    let fake = Fake { keeps: true, ..Fake::default() };
    for _ in 0..2 {
        assert_eq!(modern(&fake, &json!({}), &[]).status, 200);
    }
    let said = fake.script.said.take();
    assert_eq!(
        said,
        ["open", "list", "call write {} in own", "close own", "open", "call write {} in own", "close own"]
    );
}
