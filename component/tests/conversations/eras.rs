//! Which era a peer speaks: only what proves itself is modern, everything else gets the handshake.

use std::{cell::Cell, rc::Rc, time::Duration};

use pflow_gateway_component::{
    conversation::Conversation,
    http::{Failure, FailureKind, Sent},
    model::{Concern, Endpoint, Era, Error, Result},
};
use serde_json::{Value, json};

use crate::fake::{Canned, Fake, Seen, URL, call, endpoint, lost, open, tool};

type Answer = Result<Canned, Failure>;
type Answering = Box<dyn Fn(&Seen) -> Answer>;

fn hello(seen: &Seen) -> Canned {
    let result =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}});
    Canned::result(seen, &result)
}

fn discovery(seen: &Seen) -> Canned {
    let result = json!({"supportedVersions": ["2025-11-25", "2026-07-28"], "capabilities": {"tools": {}}});
    Canned::result(seen, &result)
}

fn coded(seen: &Seen, code: i64, data: &Value) -> Canned {
    let error = json!({"code": code, "message": "no", "data": data});
    Canned::json(400, &json!({"jsonrpc": "2.0", "id": seen.id(), "error": error}))
}

fn tools(seen: &Seen, names: &[&str]) -> Canned {
    let tools: Vec<_> = names.iter().map(|name| tool(name)).collect();
    Canned::result(seen, &json!({"tools": tools}))
}

/// A legacy peer with one tool that answers the probe so.
fn legacy(probe: impl Fn(&Seen) -> Answer + 'static) -> Rc<Fake> {
    Fake::scripted(move |seen| match seen.rpc() {
        "server/discover" => probe(seen),
        "initialize" => Ok(hello(seen)),
        "tools/list" => Ok(tools(seen, &["a"])),
        _ => Ok(Canned::empty(202)),
    })
}

fn with(change: impl FnOnce(&mut Endpoint)) -> Endpoint {
    let mut endpoint = endpoint(URL);
    change(&mut endpoint);
    endpoint
}

#[test]
fn a_probe_that_is_lost_or_refused_leads_to_the_handshake() {
    let probes: Vec<(&str, Answering)> = vec![
        ("silence", Box::new(|_| Err(lost(FailureKind::Timeout, Sent::Maybe)))),
        ("closed", Box::new(|_| Err(lost(FailureKind::Unreachable, Sent::Maybe)))),
        ("not HTTP", Box::new(|_| Err(lost(FailureKind::NotHttp, Sent::Maybe)))),
        ("too much", Box::new(|_| Err(lost(FailureKind::Limit, Sent::Maybe)))),
        (
            "an open stream",
            Box::new(|_| {
                Ok(Canned { broken: Some(lost(FailureKind::Timeout, Sent::Maybe)), ..Canned::stream(": ping\n\n") })
            }),
        ),
        ("401", Box::new(|_| Ok(Canned::text(401, "text/plain", "MCP Failure")))),
        ("403", Box::new(|_| Ok(Canned::text(403, "", "")))),
        ("429", Box::new(|_| Ok(Canned::text(429, "", "")))),
        ("other versions than ours", Box::new(|seen| Ok(coded(seen, -32_022, &json!({"supported": ["2030-01-01"]}))))),
        ("an unknown version without a list", Box::new(|seen| Ok(coded(seen, -32_022, &json!({}))))),
        ("a header mismatch", Box::new(|seen| Ok(coded(seen, -32_020, &Value::Null)))),
        ("404 -32601", Box::new(|seen| Ok(Canned::error(404, seen, -32_601, "Method not found")))),
        ("capabilities alone", Box::new(|seen| Ok(Canned::result(seen, &json!({"capabilities": {"tools": {}}}))))),
        ("no versions", Box::new(|seen| Ok(Canned::result(seen, &json!({"supportedVersions": []}))))),
        ("old versions", Box::new(|seen| Ok(Canned::result(seen, &json!({"supportedVersions": ["2025-06-18"]}))))),
        ("a hello", Box::new(|seen| Ok(hello(seen)))),
    ];
    for (name, probe) in probes {
        let fake = legacy(probe);
        let mut conversation = open(&fake).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(conversation.session().era, Era::Legacy, "{name}");
        assert_eq!(conversation.list_tools().unwrap().tools.len(), 1, "{name}");
        assert_eq!(fake.count("POST server/discover"), 1, "{name}");
    }
}

#[test]
fn the_probe_has_a_short_patience_of_its_own() {
    for (allowed, patience) in [(30_000, 2_500), (10_000, 2_500), (4_000, 1_000), (600, 150)] {
        let fake = legacy(|_| Err(lost(FailureKind::Timeout, Sent::Maybe)));
        let endpoint = with(|endpoint| endpoint.timeout_ms = allowed);
        Conversation::open(fake.clone(), endpoint, None).unwrap();
        assert_eq!(fake.last("server/discover").within, Some(Duration::from_millis(patience)));
        assert_eq!(fake.last("initialize").within, None, "the handshake has what is left");
    }
}

#[test]
fn what_never_reached_the_peer_is_not_asked_again() {
    for kind in
        [FailureKind::Dns, FailureKind::Tls, FailureKind::Denied, FailureKind::Unreachable, FailureKind::Timeout]
    {
        let fake = Fake::scripted(move |_| Err(lost(kind, Sent::No)));
        assert!(open(&fake).is_err());
        assert_eq!(fake.wire(), ["POST server/discover"], "{kind:?}");
    }
}

#[test]
fn a_peer_that_limits_the_question_for_the_era_gets_the_handshake_after_a_short_wait_if_it_asks_for_one() {
    for (asked, slept) in [("1", vec![Duration::from_secs(1)]), ("0", vec![Duration::ZERO]), ("60", vec![])] {
        let fake = legacy(move |_| Ok(Canned::text(429, "", "slow down").header("retry-after", asked)));
        assert_eq!(open(&fake).unwrap().list_tools().unwrap().tools.len(), 1, "{asked}");
        assert_eq!((*fake.slept.borrow()).clone(), slept, "{asked}");
    }
    // One that limits everything is told as what it is.
    let fake = Fake::scripted(|_| Ok(Canned::text(429, "", "").header("retry-after", "60")));
    assert!(matches!(open(&fake), Err(Error::RateLimited(limit)) if limit.retry_after == Some(60)));
    assert_eq!(fake.wire(), ["POST server/discover", "POST initialize"]);
    let fake = Fake::scripted(|_| Ok(Canned::text(429, "", "").header("x-lockout-remaining", "900")));
    assert!(matches!(open(&fake), Err(Error::RateLimited(limit)) if limit.retry_after == Some(900)));
    assert_eq!(fake.wire(), ["POST server/discover"], "who is locked out is left alone");
}

#[test]
fn a_credential_that_nothing_accepts_is_refused_by_the_handshake() {
    let fake = Fake::scripted(|_| Ok(Canned::text(401, "", "")));
    assert!(matches!(open(&fake), Err(Error::AuthRequired(_))));
    assert_eq!(fake.wire(), ["POST server/discover", "POST initialize"]);
}

#[test]
fn a_modern_peer_that_was_slow_is_found_by_how_it_refuses_the_handshake() {
    for code in [-32_020, -32_021, -32_022, -32_601] {
        let first = Cell::new(true);
        let fake = Fake::scripted(move |seen| match seen.rpc() {
            "server/discover" if first.replace(false) => Err(lost(FailureKind::Timeout, Sent::Maybe)),
            "server/discover" => Ok(discovery(seen)),
            _ if code == -32_601 => Ok(Canned::error(404, seen, code, "Method not found")),
            _ => Ok(coded(seen, code, &json!({"supported": ["2026-07-28"]}))),
        });
        assert_eq!(open(&fake).unwrap().session().era, Era::Modern, "{code}");
        assert_eq!(fake.last("server/discover").within, None, "it has all the time now");
    }
}

#[test]
fn what_a_modern_peer_says_of_our_request_is_told_when_the_handshake_fails_too() {
    let fake = Fake::scripted(|seen| Ok(coded(seen, -32_021, &json!({"missing": ["elicitation"]}))));
    let error = open(&fake).err().unwrap();
    assert!(matches!(&error, Error::Rejected(fault) if fault.code == -32_021), "{error:?}");
}

#[test]
fn a_peer_taken_for_modern_that_asks_for_a_session_is_legacy() {
    let refusals: [fn(&Seen) -> Canned; 9] = [
        |seen| Canned::error(400, seen, -32_000, "Bad Request: Mcp-Session-Id header is required"),
        |seen| Canned::error(200, seen, -32_000, "who are you?"),
        |_| Canned::text(500, "text/plain", "no session in scope"),
        |_| Canned::text(401, "", ""),
        |_| Canned::text(200, "text/html", "<html>"),
        |_| Canned::empty(400),
        |seen| Canned::error(400, seen, -32_000, "Bad Request: No valid session ID provided"),
        |seen| Canned::error(200, seen, -32_601, "Method not found: tools/list"),
        |seen| Canned::error(404, seen, -32_601, "Method not found"),
    ];
    for refusal in refusals {
        let fake = Fake::scripted(move |seen| {
            Ok(match (seen.rpc(), seen.header("mcp-session-id")) {
                ("server/discover", _) => discovery(seen),
                ("initialize", _) => hello(seen).header("mcp-session-id", "s"),
                ("tools/list", Some("s")) => tools(seen, &["a"]),
                ("tools/list", _) => refusal(seen),
                _ => Canned::empty(202),
            })
        });
        let mut conversation = open(&fake).unwrap();
        assert_eq!(conversation.list_tools().unwrap().tools.len(), 1);
        assert_eq!(conversation.session().session_id.as_deref(), Some("s"));
    }
}

#[test]
fn a_modern_peer_that_fails_keeps_its_own_words_when_the_handshake_does_not_help() {
    for limited in [true, false] {
        let fake = Fake::scripted(move |seen| {
            Ok(match seen.rpc() {
                "server/discover" => discovery(seen),
                "tools/list" if limited => Canned::text(429, "text/plain", "later"),
                "tools/list" => Canned::text(503, "text/plain", "maintenance"),
                _ => Canned::error(404, seen, -32_601, "Method not found"),
            })
        });
        let mut conversation = open(&fake).unwrap();
        let error = conversation.list_tools().unwrap_err();
        assert!(matches!((&error, limited), (Error::RateLimited(_), true) | (Error::Upstream(_), false)), "{error:?}");
        assert_eq!(conversation.session().era, Era::Modern);
        assert_eq!(fake.count("POST initialize"), usize::from(!limited), "who asks to slow down is left alone");
    }
}

#[test]
fn a_session_that_a_modern_peer_misses_is_opened_by_the_handshake() {
    let fake = Fake::scripted(|seen| {
        Ok(match (seen.rpc(), seen.header("mcp-session-id")) {
            ("server/discover", _) => discovery(seen),
            ("initialize", _) => hello(seen).header("mcp-session-id", "s"),
            ("tools/call", Some("s")) => Canned::result(seen, &json!({"content": []})),
            ("tools/call", _) => Canned::error(400, seen, -32_000, "Bad Request: Mcp-Session-Id header is required"),
            _ => Canned::empty(202),
        })
    });
    let mut conversation = open(&fake).unwrap();
    assert!(matches!(conversation.call_tool(&call("a")), Err(Error::SessionLost(_))));
    assert_eq!(conversation.renew().unwrap().era, Era::Legacy);
    conversation.call_tool(&call("a")).unwrap();
}

/// Lists these tools in the two eras.
fn both(modern: &'static [&'static str], legacy: &'static [&'static str]) -> Rc<Fake> {
    Fake::scripted(move |seen| {
        Ok(match (seen.rpc(), seen.header("mcp-method")) {
            ("server/discover", _) => discovery(seen),
            ("initialize", _) => hello(seen).header("mcp-session-id", "s"),
            ("tools/list", Some(_)) => tools(seen, modern),
            ("tools/list", None) => tools(seen, legacy),
            _ => Canned::empty(202),
        })
    })
}

#[test]
fn an_era_in_which_a_peer_lists_nothing_is_not_believed_until_the_other_was_asked() {
    let fake = both(&[], &["a", "b"]);
    let mut conversation = open(&fake).unwrap();
    assert_eq!(conversation.session().era, Era::Modern);
    assert_eq!(conversation.list_tools().unwrap().tools.len(), 2);
    assert_eq!(conversation.session().era, Era::Legacy);
    // The same the other way round, for a peer that is remembered as legacy, or attached to.
    let fake = both(&["a", "b"], &[]);
    let remembered = with(|endpoint| endpoint.era = Some(Era::Legacy));
    let mut conversation = Conversation::open(fake.clone(), remembered, None).unwrap();
    let session = conversation.session().clone();
    let mut attached = Conversation::open(fake, endpoint(URL), Some(session)).unwrap();
    for conversation in [&mut conversation, &mut attached] {
        assert_eq!(conversation.session().era, Era::Legacy);
        let catalog = conversation.list_tools().unwrap();
        assert_eq!((catalog.tools.len(), conversation.session().era), (2, Era::Modern));
        assert!(!catalog.warnings.iter().any(|warning| warning.concern == Concern::NoTools));
    }
}

#[test]
fn a_peer_that_lists_nothing_in_either_era_has_no_tools_and_is_asked_once() {
    let fake = both(&[], &[]);
    let mut conversation = open(&fake).unwrap();
    for _ in 0..2 {
        let catalog = conversation.list_tools().unwrap();
        assert!(catalog.warnings.iter().any(|warning| warning.concern == Concern::NoTools));
        assert_eq!(conversation.session().era, Era::Modern);
    }
    assert_eq!((fake.count("POST initialize"), fake.count("POST tools/list"), fake.count("DELETE /mcp")), (1, 3, 1));
    // One that was found to be legacy was asked for the other era before.
    let fake = Fake::scripted(|seen| {
        Ok(match seen.rpc() {
            "initialize" => hello(seen),
            "tools/list" => tools(seen, &[]),
            "notifications/initialized" => Canned::empty(202),
            _ => Canned::error(200, seen, -32_601, "Method not found"),
        })
    });
    open(&fake).unwrap().list_tools().unwrap();
    assert_eq!(fake.wire().len(), 4);
}

#[test]
fn the_era_that_the_user_says_is_the_only_one() {
    let fixed = |fake: &Rc<Fake>, era| {
        let endpoint = with(|endpoint| (endpoint.era, endpoint.era_is_fixed) = (Some(era), true));
        Conversation::open(fake.clone(), endpoint, None)
    };
    let fake = both(&["a"], &[]);
    assert!(fixed(&fake, Era::Legacy).unwrap().list_tools().unwrap().tools.is_empty());
    assert_eq!(fake.count("POST server/discover"), 0);
    let fake = both(&[], &["a"]);
    assert!(fixed(&fake, Era::Modern).unwrap().list_tools().unwrap().tools.is_empty());
    assert_eq!(fake.count("POST initialize"), 0);
    // Modern without discovery, which nothing proves.
    let fake = Fake::scripted(|seen| {
        Ok(if seen.rpc() == "tools/list" { tools(seen, &["a"]) } else { Canned::error(404, seen, -32_601, "no") })
    });
    assert_eq!(fixed(&fake, Era::Modern).unwrap().list_tools().unwrap().tools.len(), 1);
    let modern_only = Fake::scripted(|seen| Ok(coded(seen, -32_022, &json!({"supported": ["2026-07-28"]}))));
    assert!(fixed(&modern_only, Era::Legacy).is_err());
    assert_eq!(modern_only.wire(), ["POST initialize"]);
}

#[test]
fn a_peer_that_asks_to_slow_down_after_the_handshake_is_left_alone() {
    let fake = Fake::scripted(|seen| {
        Ok(match seen.rpc() {
            "server/discover" => Canned::error(200, seen, -32_601, "Method not found"),
            "initialize" => hello(seen),
            _ => Canned::text(429, "", ""),
        })
    });
    assert!(matches!(open(&fake), Err(Error::RateLimited(_))));
    assert_eq!(fake.wire().len(), 3);
}

#[test]
fn whatever_answers_the_notification_after_the_handshake_is_no_reason_to_stop() {
    let answers: Vec<(&str, Answering)> = vec![
        ("404 -32601", Box::new(|seen| Ok(Canned::error(404, seen, -32_601, "Method not found")))),
        ("404", Box::new(|_| Ok(Canned::text(404, "text/plain", "Session not found")))),
        ("401", Box::new(|_| Ok(Canned::text(401, "", "")))),
        ("500", Box::new(|_| Ok(Canned::text(500, "text/html", "<html>")))),
        ("a text", Box::new(|_| Ok(Canned::text(200, "text/plain", "ok")))),
        ("a page", Box::new(|_| Ok(Canned::text(200, "text/html", "<html>")))),
        ("silence", Box::new(|_| Err(lost(FailureKind::Timeout, Sent::Maybe)))),
        ("closed", Box::new(|_| Err(lost(FailureKind::Unreachable, Sent::Maybe)))),
    ];
    for (name, answer) in answers {
        let fake = Fake::scripted(move |seen| match seen.rpc() {
            "server/discover" => Ok(Canned::error(200, seen, -32_601, "Method not found")),
            "initialize" => Ok(hello(seen).header("mcp-session-id", "s")),
            "tools/list" => Ok(tools(seen, &["a"])),
            _ => answer(seen),
        });
        let listed = open(&fake).and_then(|mut conversation| conversation.list_tools());
        assert_eq!(listed.unwrap_or_else(|error| panic!("{name}: {error}")).tools.len(), 1, "{name}");
        assert_eq!(fake.wire().len(), 4, "{name}");
        assert!(fake.last("notifications/initialized").within.is_some(), "nobody waits for it for ever");
    }
}
