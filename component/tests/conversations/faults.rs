//! What goes wrong between here and a gateway, and what it is called.

use pflow_gateway_component::{
    http::{Failure, FailureKind, Sent},
    model::{Delivery, Error, Status},
};
use serde_json::json;

use crate::fake::{Canned, Fake, Seen, call, open};

/// The error's class, as users see it.
fn class(error: &Error) -> &'static str {
    match error {
        Error::AuthRequired(_) => "auth_required",
        Error::TokenExpired(_) => "token_expired",
        Error::Forbidden(_) => "forbidden",
        Error::Blocked(_) => "blocked",
        Error::Unsupported(_) => "unsupported",
        Error::RateLimited(_) => "rate_limited",
        Error::Timeout(_) => "timeout",
        Error::Unreachable(_) => "unreachable",
        Error::Dns(_) => "dns",
        Error::Tls(_) => "tls",
        Error::EgressDenied(_) => "egress_denied",
        Error::Limit(_) => "limit",
        Error::NotMcp(_) => "not_mcp",
        Error::Protocol(_) => "protocol_error",
        Error::SessionLost(_) => "session_lost",
        Error::Rejected(_) => "rejected",
        Error::Upstream(_) => "upstream_error",
    }
}

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

/// Connecting to a peer that answers everything so.
fn opening(canned: Canned) -> Error {
    open(&Fake::scripted(move |_| Ok(canned.clone()))).err().unwrap()
}

/// Calling a tool of a peer that connects well and answers so.
fn calling(canned: impl Fn(&Seen) -> Canned + 'static) -> Error {
    let fake = Fake::scripted(move |seen| Ok(hello(seen).unwrap_or_else(|| canned(seen))));
    let error = open(&fake).unwrap().call_tool(&call("a")).unwrap_err();
    assert_eq!(fake.count("POST tools/call"), 1, "never repeated");
    error
}

#[test]
fn answers_to_the_first_request_have_their_class() {
    let cases: Vec<(&str, Canned)> = vec![
        ("auth_required", Canned::text(401, "text/plain", "Unauthorized")),
        ("auth_required", Canned::json(401, &json!({"detail": "Invalid authentication credentials"}))),
        ("auth_required", Canned::json(401, &json!({"detail": "Token has been revoked"}))),
        ("token_expired", Canned::json(401, &json!({"error": "token has expired"}))),
        (
            "token_expired",
            Canned::text(401, "", "")
                .header("www-authenticate", "Bearer error=\"invalid_token\", error_description=\"The token expired\""),
        ),
        ("forbidden", Canned::json(403, &json!({"detail": "Access denied"}))),
        ("forbidden", Canned::json(403, &json!({"detail": "CSRF validation failed", "code": "CSRF_TOKEN_INVALID"}))),
        ("rate_limited", Canned::json(429, &json!({"error": "Account locked"})).header("retry-after", "900")),
        ("not_mcp", Canned::text(404, "text/html", "<html><body>Not Found</body></html>")),
        ("not_mcp", Canned::text(200, "text/html", "<!doctype html><title>Welcome</title>")),
        ("not_mcp", Canned::json(200, &json!({"status": "ok"}))),
        ("not_mcp", Canned::empty(200)),
        ("not_mcp", Canned::empty(204)),
        ("not_mcp", Canned::text(307, "", "").header("location", "https://elsewhere.test/mcp")),
        ("not_mcp", Canned::text(405, "", "")),
        ("not_mcp", Canned::text(406, "application/json", r#"{"message":"Not Acceptable"}"#)),
        ("not_mcp", Canned::text(415, "text/plain", "Content-Type must be 'application/json'")),
        ("protocol_error", Canned::text(200, "application/json", r#"{"jsonrpc":"2.0","id":10"#)),
        ("protocol_error", Canned::stream("data: {broken\n\n")),
        ("limit", Canned::text(431, "text/plain", "headers too large")),
        ("timeout", Canned::text(504, "text/html", "<html>Gateway Time-out</html>")),
        ("upstream_error", Canned::text(500, "text/plain", "Internal Server Error")),
        ("upstream_error", Canned::text(502, "text/html", "<html>Bad Gateway</html>")),
        ("upstream_error", Canned::text(503, "text/plain", "overloaded").header("retry-after", "5")),
    ];
    for (expected, canned) in cases {
        let shown = format!("{} {}", canned.status, String::from_utf8_lossy(&canned.body));
        assert_eq!(class(&opening(canned)), expected, "{shown}");
    }
}

#[test]
fn answers_to_a_call_have_their_class() {
    type Case = (&'static str, fn(&Seen) -> Canned);
    let cases: &[Case] = &[
        ("auth_required", |_| Canned::text(401, "", "")),
        ("forbidden", |_| Canned::json(403, &json!({"detail": "Access denied"}))),
        ("rate_limited", |_| Canned::text(429, "", "")),
        ("upstream_error", |_| Canned::text(500, "", "")),
        ("timeout", |_| Canned::text(504, "", "")),
        ("limit", |_| Canned::text(413, "", "")),
        ("not_mcp", |_| Canned::text(200, "text/html", "<html>")),
        ("protocol_error", |_| Canned::json(200, &json!({"jsonrpc": "2.0", "id": 99, "result": {}}))),
        ("protocol_error", |_| Canned::text(200, "application/json", "{")),
        ("protocol_error", |_| Canned::text(200, "application/json", b"{\"a\":\"\xff\"}".to_vec())),
        ("rejected", |seen| Canned::error(200, seen, -32_602, "unknown tool \"a\"")),
        ("rejected", |seen| Canned::error(400, seen, -32_602, "Invalid arguments for tool a")),
        ("rejected", |seen| Canned::error(200, seen, -32_601, "Method not found: tools/call")),
        ("rejected", |seen| Canned::error(200, seen, -32_000, "the moon is full")),
        ("upstream_error", |seen| Canned::error(200, seen, -32_000, "upstream jira down")),
        ("upstream_error", |seen| Canned::error(200, seen, -32_603, "connect ECONNREFUSED 127.0.0.1:9101")),
        ("upstream_error", |seen| Canned::error(200, seen, -32_001, "Request timed out")),
        ("session_lost", |seen| Canned::error(200, seen, -32_600, "Session not found")),
        ("session_lost", |seen| Canned::error(400, seen, -32_000, "Bad Request: No valid session ID provided")),
    ];
    for (number, (expected, canned)) in cases.iter().enumerate() {
        assert_eq!(class(&calling(canned)), *expected, "case {number}");
    }
}

#[test]
fn delivery_is_honest() {
    let Error::Upstream(refused) =
        calling(|seen| Canned::error(200, seen, -32_603, "connect ECONNREFUSED 127.0.0.1:9101"))
    else {
        panic!()
    };
    // A tool that could not connect to what it needs may have done something before.
    assert_eq!((refused.status, refused.delivery), (Status::Unreachable, Delivery::MaybeDelivered));
    let Error::Upstream(reset) = calling(|seen| Canned::error(200, seen, -32_603, "connection reset by peer")) else {
        panic!()
    };
    assert_eq!((reset.status, reset.delivery), (Status::Unreachable, Delivery::MaybeDelivered));
    let Error::Upstream(timeout) = calling(|seen| Canned::error(200, seen, -32_001, "Request timed out")) else {
        panic!()
    };
    assert_eq!((timeout.status, timeout.delivery), (Status::Timeout, Delivery::MaybeDelivered));
}

/// What every failure says of whether the tool can have run.
fn delivery(error: &Error) -> Delivery {
    match error {
        Error::AuthRequired(refusal)
        | Error::TokenExpired(refusal)
        | Error::Forbidden(refusal)
        | Error::Blocked(refusal) => refusal.delivery,
        Error::Unsupported(_) => Delivery::NotDelivered,
        Error::RateLimited(limit) => limit.delivery,
        Error::Timeout(lost)
        | Error::Unreachable(lost)
        | Error::Dns(lost)
        | Error::Tls(lost)
        | Error::EgressDenied(lost)
        | Error::Limit(lost) => lost.delivery,
        Error::NotMcp(answer) => answer.delivery,
        Error::Protocol(problem) => problem.delivery,
        Error::SessionLost(loss) => loss.delivery,
        Error::Rejected(error) => error.delivery,
        Error::Upstream(failure) => failure.delivery,
    }
}

#[test]
fn every_failure_of_a_call_says_whether_the_tool_can_have_run() {
    type Case = (&'static str, fn(&Seen) -> Canned);
    let never: &[Case] = &[
        ("401", |_| Canned::text(401, "", "")),
        ("403", |_| Canned::text(403, "", "")),
        ("404 of a session", |seen| Canned::error(404, seen, -32_600, "Session not found")),
        ("429", |_| Canned::text(429, "", "")),
        ("413", |_| Canned::text(413, "", "")),
        ("421", |_| Canned::text(421, "text/plain", "Invalid Host header")),
        ("307", |_| Canned::text(307, "", "").header("location", "/mcp/")),
        ("302", |_| Canned::text(302, "text/html", "<html>").header("location", "https://login.test/")),
        ("400", |_| Canned::text(400, "text/plain", "bad")),
        ("405", |_| Canned::text(405, "", "")),
        ("-32602", |seen| Canned::error(200, seen, -32_602, "Invalid arguments for tool a")),
        ("-32601", |seen| Canned::error(200, seen, -32_601, "Method not found")),
    ];
    for (name, canned) in never {
        assert_eq!(delivery(&calling(canned)), Delivery::NotDelivered, "{name}");
    }
    let maybe: &[Case] = &[
        ("500", |_| Canned::text(500, "", "")),
        ("502", |_| Canned::text(502, "text/html", "<h1>502 Bad Gateway</h1>")),
        ("503", |_| Canned::text(503, "", "")),
        ("504", |_| Canned::text(504, "", "")),
        ("520", |_| Canned::text(520, "", "")),
        ("522", |_| Canned::text(522, "", "")),
        ("524", |_| Canned::text(524, "text/html", "<title>524: A timeout occurred</title>")),
        ("408", |_| Canned::text(408, "", "")),
        ("a page", |_| Canned::text(200, "text/html", "<html>")),
        ("202", |_| Canned::empty(202)),
        ("nothing", |_| Canned::empty(200)),
        ("broken JSON", |_| {
            Canned::text(200, "application/json", "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"a\":nan}}")
        }),
        ("half a body", |seen| Canned::result(seen, &json!({"content": []})).broken()),
        ("another coding", |_| Canned::text(200, "application/json", b"\x1f\x8b\x08\x00".to_vec())),
        ("an ended stream", |_| Canned::stream(": nothing\n\n")),
        ("a broken stream", |_| Canned::stream("data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":nan}\n\n")),
        ("another id", |_| Canned::json(200, &json!({"jsonrpc": "2.0", "id": 99, "result": {}}))),
        ("a code of its own", |seen| Canned::error(200, seen, -32_000, "the moon is full")),
        ("output schema", |seen| {
            Canned::error(200, seen, -32_602, "Output validation error: Tool a has an output schema")
        }),
    ];
    for (name, canned) in maybe {
        assert_eq!(delivery(&calling(canned)), Delivery::MaybeDelivered, "{name}");
    }
    for kind in [FailureKind::Unreachable, FailureKind::Timeout, FailureKind::NotHttp, FailureKind::Limit] {
        for (sent, expected) in [(Sent::No, Delivery::NotDelivered), (Sent::Maybe, Delivery::MaybeDelivered)] {
            let fake = Fake::scripted(move |seen| hello(seen).ok_or_else(|| crate::fake::lost(kind, sent)));
            let error = open(&fake).unwrap().call_tool(&call("a")).unwrap_err();
            assert_eq!(delivery(&error), expected, "{kind:?} {sent:?}");
        }
    }
}

#[test]
fn what_stands_before_a_gateway_is_named_and_pages_are_told_by_their_title() {
    let said = |canned: Canned| format!("{:?}", opening(canned));
    let page = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Enable JavaScript</body></html>";
    let challenge = said(Canned::text(403, "text/html", page).header("cf-mitigated", "challenge"));
    assert!(challenge.contains("a bot check stands before the gateway: Just a moment...\""), "{challenge}");
    let nginx = "<html><title>400 The plain HTTP request was sent to HTTPS port</title><h1>400 Bad Request</h1></html>";
    assert!(said(Canned::text(400, "text/html", nginx)).contains("this port wants https://"));
    let host = said(Canned::text(421, "text/plain", "Invalid Host header"));
    assert!(host.starts_with("Forbidden(") && host.contains("does not take the host name in this URL"), "{host}");
    let slow = said(Canned::text(524, "text/html", "<!DOCTYPE html><title>524: A timeout occurred</title>"));
    assert!(slow.starts_with("Timeout(") && slow.contains("a proxy before the gateway gave up waiting"), "{slow}");
    let aws = Canned::json(403, &json!({"message": "Missing Authentication Token"}));
    assert!(said(aws).contains("the API gateway before it knows no such path"));
    let bad = said(Canned::text(502, "text/html", "<html><h1>502 Bad Gateway</h1><hr>nginx"));
    assert!(bad.contains("HTTP 502: 502 Bad Gateway\""), "{bad}");
}

#[test]
fn an_accepted_request_without_a_response_is_no_wrong_url() {
    let fake = Fake::scripted(|seen| Ok(hello(seen).unwrap_or_else(|| Canned::empty(202))));
    let Err(Error::Protocol(problem)) = open(&fake).unwrap().list_tools() else { panic!() };
    assert!(problem.method == "tools/list" && problem.problem.contains("HTTP 202"), "{problem:?}");
}

#[test]
fn a_session_of_the_service_is_not_taken_for_ours_when_it_could_run_a_call_twice() {
    let lost = |message: &'static str| match calling(move |seen| Canned::error(200, seen, -32_000, message)) {
        Error::SessionLost(lost) => lost.delivery,
        other => panic!("{other:?}"),
    };
    assert_eq!(lost("Session not found"), Delivery::NotDelivered);
    assert_eq!(lost("Bad Request: No valid session ID provided"), Delivery::NotDelivered);
    assert_eq!(lost("browser: session not found: tab 5 was closed while typing"), Delivery::MaybeDelivered);
}

#[test]
fn a_404_about_the_request_is_no_lost_session() {
    let fake = Fake::scripted(|seen| {
        Ok(hello(seen).map_or_else(
            || Canned::error(404, seen, -32_602, "unknown tool"),
            |canned| canned.header("mcp-session-id", "s"),
        ))
    });
    assert!(matches!(open(&fake).unwrap().call_tool(&call("a")), Err(Error::Rejected(_))));
}

#[test]
fn results_that_other_parsers_refuse_do_not_pass() {
    for bad in [r#"{"a":"\ud800"}"#.to_owned(), format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200))] {
        let error = calling(move |_| {
            Canned::text(200, "application/json", format!(r#"{{"jsonrpc":"2.0","id":7,"result":{bad}}}"#))
        });
        assert_eq!(class(&error), "protocol_error");
    }
}

#[test]
fn failures_below_http_keep_their_kind_their_words_and_their_delivery() {
    let cases = [
        (FailureKind::Denied, Sent::No, "egress_denied"),
        (FailureKind::Dns, Sent::No, "dns"),
        (FailureKind::Unreachable, Sent::No, "unreachable"),
        (FailureKind::Unreachable, Sent::Maybe, "unreachable"),
        (FailureKind::Tls, Sent::No, "tls"),
        (FailureKind::Timeout, Sent::Maybe, "timeout"),
        (FailureKind::Limit, Sent::Maybe, "limit"),
        (FailureKind::NotHttp, Sent::Maybe, "not_mcp"),
    ];
    for (kind, sent, expected) in cases {
        let failing = Failure { kind, detail: "why\u{7}".to_owned(), sent };
        let fake = Fake::scripted(move |_| Err(failing.clone()));
        let error = open(&fake).err().unwrap();
        assert_eq!(class(&error), expected);
        let heard = sent == Sent::Maybe;
        assert_eq!(fake.wire().len(), if heard { 2 } else { 1 }, "only what was heard may be the question's fault");
        if let Error::Unreachable(failure) | Error::Timeout(failure) | Error::Limit(failure) = error {
            assert_eq!(failure.detail, "why");
            let delivery = if sent == Sent::No { Delivery::NotDelivered } else { Delivery::MaybeDelivered };
            assert_eq!(failure.delivery, delivery);
        }
    }
}

#[test]
fn a_body_that_breaks_may_have_been_delivered() {
    let Error::Unreachable(failure) = calling(|seen| Canned::result(seen, &json!({"content": []})).broken()) else {
        panic!()
    };
    assert_eq!(failure.delivery, Delivery::MaybeDelivered);
}

#[test]
fn waiting_times_are_read_where_they_are() {
    let wait = |canned: Canned| match opening(canned) {
        Error::RateLimited(limit) => limit.retry_after,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(Canned::text(429, "", "").header("Retry-After", "17")), Some(17));
    assert_eq!(wait(Canned::json(429, &json!({"reset_in_seconds": 12.2}))), Some(13));
    assert_eq!(wait(Canned::text(429, "", "").header("x-lockout-remaining", "900")), Some(900));
    let dated = Canned::text(429, "", "").header("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(wait(dated.header("retry-after", "Sun, 06 Nov 1994 08:51:37 GMT")), Some(120));
    // Without a Date, by our own clock: 1,800,000,000 is 2027-01-15, 08:00.
    assert_eq!(wait(Canned::text(429, "", "").header("retry-after", "Fri, 15 Jan 2027 08:01:00 GMT")), Some(60));
    assert_eq!(wait(Canned::text(429, "", "").header("retry-after", "Fri, 15 Jan 2027 07:00:00 GMT")), Some(0));
    // Milliseconds, days, nonsense: nobody waits longer than an hour.
    assert_eq!(wait(Canned::text(429, "", "").header("retry-after", "60000")), Some(3_600));
    assert_eq!(wait(Canned::text(429, "", "").header("retry-after", "Sat, 15 Jan 2028 08:00:00 GMT")), Some(3_600));
    assert_eq!(wait(Canned::json(429, &json!({"retry_after": 1e300}))), Some(3_600));
    assert_eq!(wait(Canned::text(429, "", "").header("retry-after", "0")), Some(0));
    assert_eq!(wait(Canned::text(429, "", "").header("retry-after", "NaN")), None);
    assert_eq!(wait(Canned::text(429, "", "").header("retry-after", "-5")), None);
    assert_eq!(wait(Canned::text(429, "", "soon")), None);
}

#[test]
fn the_old_transport_gets_a_clear_message() {
    let fake = Fake::scripted(|seen| {
        Ok(match seen.method {
            pflow_gateway_component::http::Method::Get => {
                Canned::stream("event: endpoint\ndata: /messages?session_id=1\n\n")
            }
            _ => Canned::text(405, "text/plain", "Method Not Allowed"),
        })
    });
    let Err(Error::NotMcp(answer)) = open(&fake) else { panic!() };
    assert!(answer.problem.contains("HTTP+SSE"), "{}", answer.problem);
}

#[test]
fn what_a_peer_writes_is_bounded_and_clean_in_every_error() {
    let nasty = format!("\u{1b}]0;owned\u{7}{}", "A".repeat(5000));
    for status in [400, 401, 403, 404, 429, 500, 200] {
        let shown = format!(
            "{:?}",
            opening(Canned::text(status, "text/plain", nasty.clone()).header("www-authenticate", "x\u{7}y"))
        );
        assert!(shown.len() < 3000, "HTTP {status}: {} bytes", shown.len());
        assert!(!shown.contains("\\u{1b}") && !shown.contains("\\u{7}"), "HTTP {status}: {shown}");
    }
}
