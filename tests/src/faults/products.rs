//! Faults of sessions, credentials, limits, calls, and of the services behind a gateway, in the products' own words.
//! Gives rows of the table. Never words that no product was seen to use.

use pflow_gateway::Class::{
    AuthRequired, Forbidden, Limit, NotMcp, ProtocolError, RateLimited, SessionLost, Timeout, TokenExpired,
    Unreachable, UpstreamError,
};
use serde_json::{Value, json};

use super::{
    Family, Fault, Outcome, Stage, Turn,
    acts::{answer, body, bytes, events, json as answer_json, ms, open_stream, pieces, script, with_result},
    docker_like, forge_like,
};
use crate::{
    jwt,
    reply::{Answer, Reply, Step, event, head},
    rpc,
};

const LIST: Stage = Stage::Method("tools/list");
const CALL: Stage = Stage::Method("tools/call");

fn session(name: &'static str, stage: Stage, does: &'static str, act: fn(&Turn<'_>) -> Option<Reply>) -> Fault {
    Fault::reply(name, Family::Session, stage, does, act).requests(14)
}

fn lost(turn: &Turn<'_>) -> Answer {
    Answer::json(404, &rpc::error(&turn.seen.rpc_id(), -32001, "Session not found"))
}

pub(super) fn sessions() -> Vec<Fault> {
    let closing = |name, does, act| Fault::reply(name, Family::Session, Stage::Delete, does, act);
    vec![
        session(
            "session-404-once",
            LIST,
            "Has lost the session once.",
            |t| if t.once() { answer(lost(t)) } else { None },
        ),
        session("session-404-text-once", LIST, "Has lost the session once, and says so in plain text (Docker).", |t| {
            if t.once() { answer(Answer::go_error(404, "session not found")) } else { None }
        }),
        session("session-400-once", LIST, "Has lost the session once, and answers 400.", |t| {
            let error = rpc::error(&t.seen.rpc_id(), -32000, "Bad Request: No valid session ID provided");
            if t.once() { answer(Answer::json(400, &error)) } else { None }
        }),
        session(
            "session-200-code-0-once",
            LIST,
            "Has lost the session once, and answers 200 with code 0 (Docker).",
            |t| {
                let text = "method \"tools/list\" is invalid during session initialization";
                if t.once() { answer_json(&rpc::error(&t.seen.rpc_id(), 0, text)) } else { None }
            },
        ),
        session("session-503-once", LIST, "Has lost the session once, and answers 503.", |t| {
            let error = rpc::error(&t.seen.rpc_id(), -32000, "session not found, please initialize again");
            if t.once() { answer(Answer::json(503, &error)) } else { None }
        }),
        session("session-404-always", LIST, "Loses every session at once.", |t| answer(lost(t)))
            .fails(SessionLost)
            .requests(10),
        session("session-lost-before-call", CALL, "Has lost the session when the tool is called: it never ran.", |t| {
            if t.once() { answer(lost(t)) } else { None }
        })
        .calls(2),
        session("session-400-before-call", CALL, "The same, with 400.", |t| {
            let error = rpc::error(&t.seen.rpc_id(), -32000, "Bad Request: No valid session ID provided");
            if t.once() { answer(Answer::json(400, &error)) } else { None }
        })
        .calls(2),
        session("session-200-before-call", CALL, "The same, with 200 and code 0 (Docker).", |t| {
            let text = "method \"tools/call\" is invalid during session initialization";
            if t.once() { answer_json(&rpc::error(&t.seen.rpc_id(), 0, text)) } else { None }
        })
        .calls(2),
        session("session-lost-at-every-call", CALL, "Loses the session at every call.", |t| answer(lost(t)))
            .call_fails(SessionLost)
            .calls(2)
            .did_not_run(),
        closing("session-delete-405", "Does not let a session be ended.", |_| {
            answer(Answer::empty(405).with("Allow", "POST"))
        }),
        closing("session-delete-404", "Does not know the session at its end.", |_| {
            answer(Answer::go_error(404, "session not found"))
        }),
        closing("session-delete-500", "Fails to end the session.", |_| answer(Answer::go_error(500, "boom"))),
        closing("session-delete-reset", "Resets the connection at the end of the session.", |_| {
            script(vec![Step::Reset])
        }),
        session(
            "session-initialized-200",
            Stage::Method("notifications/initialized"),
            "Answers a notification with 200.",
            |_| body(200, "application/json", "{}"),
        ),
        session(
            "session-initialized-404",
            Stage::Method("notifications/initialized"),
            "Does not know the notification, and says 404.",
            |t| answer(Answer::json(404, &rpc::error(&t.seen.rpc_id(), -32601, "Method not found"))),
        ),
        session(
            "session-initialized-never-answered",
            Stage::Method("notifications/initialized"),
            "Never answers the notification.",
            |_| script(vec![Step::Hang]),
        ),
        session(
            "session-initialized-204",
            Stage::Method("notifications/initialized"),
            "Answers a notification with 204.",
            |_| answer(Answer::bare(204)),
        ),
    ]
}

fn gate(name: &'static str, does: &'static str, act: fn(&Turn<'_>) -> Option<Reply>) -> Fault {
    Fault::reply(name, Family::Auth, Stage::Every, does, act).fails(AuthRequired).requests(3)
}

fn limited(name: &'static str, stage: Stage, does: &'static str, act: fn(&Turn<'_>) -> Option<Reply>) -> Fault {
    Fault::reply(name, Family::RateLimit, stage, does, act).requests(1)
}

fn token() -> String {
    "token-of-the-test".to_owned()
}

pub(super) fn credentials() -> Vec<Fault> {
    vec![
        gate("auth-401", "Wants a credential.", |_| answer(Answer::empty(401).with("WWW-Authenticate", "Bearer"))),
        gate("auth-401-docker", "Wants the gateway's token (Docker).", |_| {
            let refusal = Answer::body(401, "text/plain; charset=utf-8", "Unauthorized\n");
            answer(refusal.with("Www-Authenticate", "Bearer realm=\"MCP Gateway\""))
        })
        .with_token(token),
        gate("auth-401-wrong-token", "Refuses the token (ContextForge).", |_| {
            let refusal = Answer::json(401, &json!({"detail": "Invalid authentication credentials"}));
            answer(refusal.with("www-authenticate", "Bearer"))
        })
        .with_token(token),
        gate("auth-401-expired-jwt", "Refuses a token whose `exp` has passed; the answer does not say why.", |_| {
            let refusal = Answer::json(401, &json!({"detail": "Invalid authentication credentials"}));
            answer(refusal.with("www-authenticate", "Bearer"))
        })
        .with_token(|| jwt::expiring_in(-240))
        .fails(TokenExpired),
        gate("auth-401-good-jwt", "Refuses a token that has not expired.", |_| answer(Answer::empty(401)))
            .with_token(|| jwt::expiring_in(3600)),
        gate("auth-401-oauth", "Wants an OAuth dance.", |_| {
            let challenge = "Bearer resource_metadata=\"http://127.0.0.1:9/.well-known/oauth-protected-resource\"";
            answer(Answer::json(401, &json!({"error": "invalid_token"})).with("WWW-Authenticate", challenge))
        }),
        gate("auth-403-scope", "Wants a token that may do more.", |_| {
            let challenge = "Bearer error=\"insufficient_scope\", scope=\"tools.execute\"";
            answer(Answer::json(403, &json!({"error": "insufficient_scope"})).with("WWW-Authenticate", challenge))
        })
        .fails(Forbidden),
        Fault::reply("auth-401-at-call", Family::Auth, CALL, "Refuses the credential when a tool is called.", |_| {
            answer(Answer::empty(401).with("WWW-Authenticate", "Bearer"))
        })
        .call_fails(AuthRequired)
        .calls(2)
        .did_not_run(),
        Fault::reply("auth-403-at-call", Family::Auth, CALL, "Refuses the caller when a tool is called.", |_| {
            answer(Answer::json(403, &json!({"detail": "Access denied"})))
        })
        .call_fails(Forbidden)
        .did_not_run(),
        limited("rate-429-retry-after", Stage::Every, "Asks to wait for a minute.", |_| {
            answer(
                Answer::json(429, &json!({"error": "Rate limit exceeded", "reset_in_seconds": 60}))
                    .with("retry-after", "60"),
            )
        })
        .fails(RateLimited)
        .requests(2),
        limited("rate-429-bare", Stage::Every, "Asks to slow down and does not say how long.", |_| {
            answer(Answer::empty(429))
        })
        .fails(RateLimited)
        .requests(2),
        limited("rate-429-at-once", Stage::Every, "Asks to slow down for no time at all.", |_| {
            answer(Answer::empty(429).with("Retry-After", "0"))
        })
        .fails(RateLimited)
        .requests(2),
        limited("rate-429-date", Stage::Every, "Asks to wait until a date.", |_| {
            answer(Answer::empty(429).with("Retry-After", "Fri, 31 Dec 2027 23:59:59 GMT"))
        })
        .fails(RateLimited)
        .requests(2),
        limited("rate-lockout", Stage::Every, "Has locked out this address (ContextForge).", |_| {
            let refusal = Answer::json(429, &json!({"error": "Account locked", "message": "Too many violations."}));
            answer(refusal.with("retry-after", "900").with("x-lockout-remaining", "900"))
        })
        .fails(RateLimited),
        limited("rate-429-at-call", CALL, "Asks to slow down when a tool is called.", |_| {
            answer(Answer::empty(429).with("Retry-After", "7"))
        })
        .call_fails(RateLimited)
        .requests(10)
        .did_not_run(),
    ]
}

fn call(name: &'static str, does: &'static str, act: fn(&Turn<'_>) -> Option<Reply>) -> Fault {
    Fault::reply(name, Family::Call, CALL, does, act)
}

fn result(name: &'static str, does: &'static str, act: fn(&Turn<'_>, Value) -> Option<Reply>) -> Fault {
    Fault::message(name, Family::Call, CALL, does, act)
}

fn slow(answer_after: u64, turn: &Turn<'_>) -> Option<Reply> {
    let late = rpc::result(&turn.seen.rpc_id(), &rpc::text("late")).to_string();
    let mut start = head(200, "application/json", late.len());
    start.extend_from_slice(late.as_bytes());
    script(vec![Step::Pause(ms(answer_after)), bytes(start)])
}

pub(super) fn calls() -> Vec<Fault> {
    let mut faults = odd_calls();
    faults.extend(lost_answers());
    faults
}

/// The tool may have run, and nobody can tell.
fn lost_answers() -> Vec<Fault> {
    vec![
        call("call-502", "Has a proxy before it that lost the gateway, and says to try again.", |_| {
            body(502, "text/html", "<h1>502 Bad Gateway</h1><p>The server is busy. Please try again later.</p>")
        })
        .call_fails(UpstreamError),
        call("call-504", "Has a proxy before it that waited long enough, and says to retry.", |_| {
            body(504, "text/plain", "upstream request timeout, retry your request")
        })
        .call_fails(Timeout),
        call("call-524", "A proxy of Cloudflare's waited in vain; the tool goes on.", |_| {
            body(524, "text/html", "<!DOCTYPE html><title>524: A timeout occurred</title>")
        })
        .call_fails(Timeout),
        // It has a GET stream, on which the answer may still come.
        call("call-202", "Accepts the call without an answer.", |_| answer(Answer::empty(202)))
            .call_fails(Timeout)
            .at_deadline(),
        call("call-broken-json", "Answers with JSON that ends in the middle.", |_| {
            body(200, "application/json", "{\"jsonrpc\":\"2.0\",\"id\":")
        })
        .call_fails(ProtocolError),
        call("call-nan", "Answers with a number that JSON does not have.", |t| {
            let id = t.seen.rpc_id();
            let text = format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"content\":[],\"structuredContent\":{{\"mean\":NaN}}}}}}"
            );
            body(200, "application/json", text)
        }),
        call("call-unknown-error", "Answers with an error that only it knows.", |t| {
            answer_json(&rpc::error(&t.seen.rpc_id(), -7, "E1234: retry the operation"))
        })
        .call_fails(ProtocolError),
    ]
}

fn odd_calls() -> Vec<Fault> {
    vec![
        call("call-never-answered", "Never answers the call.", |_| script(vec![Step::Hang]))
            .call_fails(Timeout)
            .at_deadline(),
        call("call-answered-too-late", "Answers the call after the client gave up.", |t| slow(4000, t))
            .call_fails(Timeout)
            .at_deadline(),
        call("call-slow", "Takes half a second.", |t| slow(500, t)),
        call("call-closed", "Closes the connection instead of answering.", |_| script(vec![Step::Close]))
            .call_fails(Unreachable),
        call("call-reset", "Resets the connection instead of answering.", |_| script(vec![Step::Reset]))
            .call_fails(Unreachable),
        call("call-reset-read-only", "Resets the connection instead of answering, to a tool that only reads.", |_| {
            script(vec![Step::Reset])
        })
        .call_fails(Unreachable)
        .tool("github__list_issues")
        .calls(2),
        call("call-reset-mid-answer", "Resets the connection within the answer.", |_| {
            let mut start = head(200, "application/json", 500);
            start.extend_from_slice(b"{\"jsonrpc\":\"2.0\",");
            script(vec![bytes(start), Step::Pause(ms(20)), Step::Reset])
        })
        .call_fails(Unreachable),
        call("call-500", "Fails inside.", |_| answer(Answer::go_error(500, "boom"))).call_fails(UpstreamError),
        call("call-503", "Is unavailable.", |_| answer(Answer::go_error(503, "Service Unavailable")))
            .call_fails(UpstreamError),
        call("call-html", "Answers with a web page.", |_| body(200, "text/html", "<h1>Sign in</h1>"))
            .call_fails(NotMcp),
        call("call-stream-ends", "Ends the stream without a result.", |_| events(": sorry\n\n"))
            .call_fails(ProtocolError),
        call("call-unknown-tool", "Does not know the tool.", |t| {
            answer_json(&rpc::error(&t.seen.rpc_id(), -32602, "Unknown tool: github__create_issue"))
        })
        .call_fails(ProtocolError)
        // The catalogue is read once more: the tool may have another name by now.
        .requests(12)
        .did_not_run(),
        call("call-progress-flood", "Reports progress ten thousand times, then answers.", |t| {
            let token = t.seen.param("_meta").and_then(|m| m.get("progressToken")).cloned().unwrap_or(json!(1));
            let step = |n: u32| {
                event(&rpc::notification("notifications/progress", &json!({"progressToken": token, "progress": n})))
            };
            let done = event(&rpc::result(&t.seen.rpc_id(), &rpc::text("done")));
            let all: Vec<u8> = (0..10_000).flat_map(step).chain(done).collect();
            pieces([all.into()])
        }),
        call("call-asks-back", "Asks the user a question before it answers.", |t| {
            let ask = rpc::request(
                "ask-1",
                "elicitation/create",
                &json!({"message": "Sure?", "requestedSchema": {"type": "object"}}),
            );
            pieces([event(&ask), event(&rpc::result(&t.seen.rpc_id(), &rpc::text("done")))])
        }),
        call("call-endless-answer", "Sends a result that never ends.", |_| {
            let piece = crate::reply::chunk("x".repeat(60_000).as_bytes());
            open_stream(b"data: {\"jsonrpc\":\"2.0\",\"result\":\"", Step::Flood(piece, ms(0)))
        })
        .call_fails(Limit)
        .within(20),
        result("call-is-error", "The tool reports an error of its own.", |_, m| {
            with_result(m, |r| *r = rpc::failed("Error executing tool create_issue: title is taken"))
        })
        .call_is(Outcome::ToolFails)
        .words("title is taken"),
        result(
            "call-is-error-beside-null",
            "The tool reports an error of its own, with null as its content.",
            |_, m| with_result(m, |r| *r = json!({"isError": true, "content": null})),
        )
        .call_is(Outcome::ToolFails),
        result("call-is-error-as-text", "The tool reports an error of its own, in a text.", |_, m| {
            with_result(m, |r| *r = json!({"isError": "true", "content": [{"type": "text", "text": "no"}]}))
        })
        .call_is(Outcome::ToolFails),
        result("call-null-result", "Answers with a null result.", |_, m| with_result(m, |r| *r = Value::Null))
            .call_fails(ProtocolError),
        result("call-empty-content", "Answers with no content at all.", |_, m| {
            with_result(m, |r| *r = json!({"content": []}))
        }),
        result("call-escape-sequences", "Answers with control characters.", |_, m| {
            with_result(m, |r| *r = rpc::text("\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31mred\u{0}"))
        }),
        result("call-eight-megabytes", "Answers with eight megabytes.", |_, m| {
            with_result(m, |r| *r = rpc::text("x".repeat(8 << 20)))
        }),
    ]
}

fn as_text(name: &'static str, does: &'static str, act: fn(&Turn<'_>) -> Option<Reply>) -> Fault {
    Fault::reply(name, Family::Backend, CALL, does, act).call_fails(UpstreamError)
}

fn said(turn: &Turn<'_>, text: &str) -> Option<Reply> {
    answer_json(&rpc::result(&turn.seen.rpc_id(), &rpc::failed(text)))
}

fn coded(turn: &Turn<'_>, code: i64, text: &str) -> Option<Reply> {
    answer_json(&rpc::error(&turn.seen.rpc_id(), code, text))
}

pub(super) fn backends() -> Vec<Fault> {
    vec![
        as_text("backend-dead-text", "Says in the result that the service is dead (ContextForge).", |t| {
            said(t, "Tool invocation failed: All connection attempts failed")
        })
        .around(forge_like)
        .did_not_run(),
        as_text("backend-offline-text", "Says in the result that the service is offline (ContextForge).", |t| {
            said(t, "Tool 'github__create_issue' exists but is currently offline. Please verify if it is running.")
        })
        .around(forge_like)
        .did_not_run(),
        as_text("backend-inactive-text", "Says in the result that the service is switched off (ContextForge).", |t| {
            said(t, "Tool 'github__create_issue' exists but is inactive")
        })
        .around(forge_like)
        .did_not_run(),
        as_text(
            "backend-timeout-text",
            "Says nothing but that it failed: the service took too long (ContextForge).",
            |t| said(t, "Tool invocation failed: "),
        )
        .call_fails(Timeout)
        .around(forge_like),
        as_text("backend-401-text", "Says in the result that the service refused the gateway (ContextForge).", |t| {
            let more = "For more information check: https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/401";
            let error = "Client error '401 Unauthorized' for url 'http://localhost:9101/mcp'";
            said(t, &format!("Tool invocation failed: {error}\n{more}"))
        })
        .call_fails(AuthRequired)
        .around(forge_like)
        .did_not_run(),
        as_text("backend-ambiguous-text", "Says in the result that the name is ambiguous (ContextForge).", |t| {
            let name = "github__create_issue";
            said(t, &format!("Multiple tools found with name '{name}' at same priority level. Tool name is ambiguous."))
        })
        .around(forge_like)
        .did_not_run(),
        as_text("backend-access-denied-text", "Says in the result that the caller may not (ContextForge).", |t| {
            said(t, "Access denied")
        })
        .call_fails(Forbidden)
        .around(forge_like)
        .did_not_run(),
        as_text("backend-refused-code", "Says with code -32005 that the service refuses connections (Docker).", |t| {
            let post = "Post \"http://127.0.0.1:18102/mcp\": dial tcp 127.0.0.1:18102: connect: connection refused";
            coded(t, -32005, &format!("calling \"tools/call\": sending \"tools/call\": rejected by transport: {post}"))
        })
        .around(docker_like)
        .did_not_run(),
        as_text("backend-401-code-0", "Says with code 0 that the service refused the gateway (Docker).", |t| {
            coded(t, 0, "failed to connect: calling \"initialize\": sending \"initialize\": Unauthorized")
        })
        .around(docker_like)
        .call_fails(AuthRequired)
        .did_not_run(),
        as_text(
            "backend-poisoned-session",
            "A service has lost its session; only a new gateway session heals it (Docker).",
            |t| {
                let problem = "failed to connect (session ID: 5741e9d2): session not found";
                coded(t, 0, &format!("calling \"tools/call\": sending \"tools/call\": {problem}"))
            },
        )
        .calls(2)
        .requests(16)
        .around(docker_like)
        .call_fails(SessionLost)
        .did_not_run(),
        as_text("backend-secret-blocked", "Refuses to pass on what looks like a secret (Docker).", |t| {
            coded(t, 0, "a secret is being passed to tool create_issue")
        })
        .call_fails(Forbidden)
        .around(docker_like)
        .did_not_run(),
        as_text("backend-error-32603", "The service failed inside.", |t| coded(t, -32603, "upstream github down")),
    ]
}
