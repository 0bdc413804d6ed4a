//! `types.failure`: why something failed, judged by status, body and text together.
//! Looks at the code of the failure and at what it carries. Where the contract allows two cases, both pass.

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    super::{
        gateway::Gateway,
        imitation::{Answer, End},
        stage::{Stage, endpoint},
        verdict::{Miss, Verdict, fails, same, want, wrong},
    },
    checks,
};
use pflow_gateway_runtime::{
    Failure,
    types::{self, Delivery, FailureCode as Code},
};

checks! { Discovery:
    a_missing_credential, "types.failure-code.auth-required",
        "calls a refused credential by its name",
        "auth-required with http-status 401 and the challenge";
    a_forbidden_caller, "types.failure-code.forbidden",
        "tells a forbidden caller from a missing credential",
        "forbidden with http-status 403";
    a_request_to_slow_down, "types.failure.retry-after",
        "passes on when to come back",
        "rate-limited with http-status 429 and retry-after 7";
    a_failed_gateway, "types.failure",
        "does not blame the caller for a failure of the gateway",
        "upstream-error or not-mcp for HTTP 500";
    a_web_page, "types.failure-code.not-mcp",
        "tells a web page from MCP",
        "not-mcp with http-status 200 and content-type text/html";
    a_wrong_path, "types.failure-code.not-mcp",
        "tells a path where nothing is from a lost session",
        "not-mcp with http-status 404, for a web page";
    a_long_body, "types.failure.details",
        "keeps of a foreign answer only the start",
        "at most 500 characters of a body of 60,000";
    a_refused_method, "types.failure-code.rejected",
        "passes a JSON-RPC error on",
        "rejected with method tools/list, code -32601, the message and the data";
    a_lost_session, "types.failure-code.session-lost",
        "knows a lost session by its status",
        "session-lost for 404 on a request with a session id";
    a_lost_session_in_words, "types.failure-code.session-lost",
        "knows a lost session by its words",
        "session-lost for 400 \"No valid session ID provided\"";
    nobody_there, "types.failure-code.unreachable",
        "says so when nothing listens",
        "unreachable, not delivered";
    a_hang_up, "types.failure",
        "says so when the gateway hangs up without an answer",
        "unreachable, protocol-error or not-mcp";
    half_a_stream, "types.failure",
        "takes half an event for no answer",
        "an error, for a stream that ends in the middle of its event";
    a_cut_connection, "types.failure",
        "takes a cut connection for no answer",
        "an error, for a stream whose connection is cut in the middle of its event";
    half_a_json, "types.failure",
        "takes half a JSON text for no answer",
        "protocol-error or not-mcp";
    goes_on, "discovery.conversation",
        "goes on after a failure",
        "an error for the first list-tools, the tools for the second";
}

/// What becomes of connecting to a gateway that answers everything so.
async fn connecting(stage: Stage, answer: Answer, fits: impl FnOnce(&types::Failure) -> bool) -> Verdict {
    let (_scene, opened) = stage.opening(Gateway::legacy().always("*", answer)).await?;
    fails(opened, fits)
}

/// What becomes of listing the tools of a gateway that answers that so.
async fn listing(stage: Stage, answer: Answer, fits: impl FnOnce(&types::Failure) -> bool) -> Verdict {
    let mut scene = stage.open(Gateway::legacy().always("tools/list", answer)).await?;
    fails(scene.guest.list_tools().await, fits)
}

async fn a_missing_credential(stage: Stage) -> Verdict {
    let answer = Answer::json(401, &json!({"error": "unauthorized"})).with("www-authenticate", "Bearer realm=\"kit\"");
    connecting(stage, answer, |failure| {
        let challenged = failure.detail("challenge").is_some_and(|text| text.contains("realm=\"kit\""));
        matches!(failure.code, Code::AuthRequired) && failure.http_status == Some(401) && challenged
    })
    .await
}

async fn a_forbidden_caller(stage: Stage) -> Verdict {
    let answer = Answer::json(403, &json!({"error": "forbidden"}));
    connecting(stage, answer, |failure| matches!(failure.code, Code::Forbidden) && failure.http_status == Some(403))
        .await
}

async fn a_request_to_slow_down(stage: Stage) -> Verdict {
    let answer = Answer::json(429, &json!({"error": "too many requests"})).with("retry-after", "7");
    connecting(stage, answer, |failure| {
        matches!(failure.code, Code::RateLimited) && failure.http_status == Some(429) && failure.retry_after == Some(7)
    })
    .await
}

async fn a_failed_gateway(stage: Stage) -> Verdict {
    let answer = Answer::json(500, &json!({"error": "boom"}));
    connecting(stage, answer, |failure| matches!(failure.code, Code::UpstreamError | Code::NotMcp)).await
}

fn web_page(status: u16) -> Answer {
    Answer::new(
        status,
        "text/html; charset=utf-8",
        "<!doctype html><html><head><title>Welcome</title></head><body>nginx</body></html>",
    )
}

async fn a_web_page(stage: Stage) -> Verdict {
    connecting(stage, web_page(200), |failure| {
        let html = failure.detail("content-type").is_some_and(|media| media.starts_with("text/html"));
        matches!(failure.code, Code::NotMcp) && failure.http_status == Some(200) && html
    })
    .await
}

async fn a_wrong_path(stage: Stage) -> Verdict {
    connecting(stage, web_page(404), |failure| matches!(failure.code, Code::NotMcp) && failure.http_status == Some(404))
        .await
}

async fn a_long_body(stage: Stage) -> Verdict {
    let body = format!("<html>{}</html>", "long ".repeat(12_000));
    let (_scene, opened) = stage.opening(Gateway::legacy().always("*", Answer::new(200, "text/html", body))).await?;
    match opened {
        Err(Failure::Gateway(foreign, _)) if matches!(foreign.code, Code::NotMcp) => {
            let length = foreign.detail("body").unwrap_or_default().chars().count();
            want(length <= 500, || format!("{length} characters"))?;
            Ok(format!("{length} characters"))
        }
        other => fails(other, |_| false),
    }
}

async fn a_refused_method(stage: Stage) -> Verdict {
    let refuse = |request: &super::super::imitation::Received, _: usize| {
        Some(Answer::error(200, request, -32_601, "Method not found: tools/list", json!({"hint": "ä"})))
    };
    let mut scene = stage.open(Gateway::legacy().on("tools/list", refuse)).await?;
    let failed = scene.guest.list_tools().await;
    let data = match &failed {
        Err(Failure::Gateway(error, _)) => {
            error.detail("rpc-data").and_then(|data| serde_json::from_str(data).ok()).unwrap_or(Value::Null)
        }
        _ => Value::Null,
    };
    let found = fails(failed, |error| {
        matches!(error.code, Code::Rejected)
            && error.method.as_deref() == Some("tools/list")
            && error.rpc_code() == Some(-32_601)
            && error.message.contains("Method not found")
    })?;
    same("the data is", &data, &json!({"hint": "ä"}))?;
    Ok(found)
}

async fn a_lost_session(stage: Stage) -> Verdict {
    listing(stage, Answer::new(404, "text/plain", "Not Found"), |error| matches!(error.code, Code::SessionLost)).await
}

async fn a_lost_session_in_words(stage: Stage) -> Verdict {
    let body = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32_000, "message": "Bad Request: No valid session ID provided"}});
    listing(stage, Answer::json(400, &body), |error| matches!(error.code, Code::SessionLost)).await
}

async fn nobody_there(stage: Stage) -> Verdict {
    let kit = |error: std::io::Error| Miss::Wrong(format!("the kit cannot listen on loopback: {error}"));
    // A port that was free a moment ago, and on which nobody listens any more.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(kit)?;
    let url = format!("http://{}/mcp", listener.local_addr().map_err(kit)?);
    drop(listener);
    let mut guest = stage.guest(&url).await?;
    fails(guest.open(&endpoint(&url), None).await, |failure| {
        matches!(failure.code, Code::Unreachable) && failure.delivery == Delivery::NotDelivered
    })
}

async fn a_hang_up(stage: Stage) -> Verdict {
    connecting(stage, Answer::silence(), |error| {
        matches!(error.code, Code::Unreachable | Code::ProtocolError | Code::NotMcp)
    })
    .await
}

const HALF: &str =
    "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":7001,\"result\":{\"tools\":[{\"name\":\"a\",\"inpu";

async fn half_a_stream(stage: Stage) -> Verdict {
    listing(stage, Answer::stream(HALF), |_| true).await
}

async fn a_cut_connection(stage: Stage) -> Verdict {
    listing(stage, Answer::stream(HALF).ending(End::Cut), |_| true).await
}

async fn half_a_json(stage: Stage) -> Verdict {
    let half = Answer::new(200, "application/json", "{\"jsonrpc\":\"2.0\",\"id\":7001,\"result\":{\"tools\":[");
    listing(stage, half, |error| matches!(error.code, Code::ProtocolError | Code::NotMcp)).await
}

async fn goes_on(stage: Stage) -> Verdict {
    let fail_once = |_: &super::super::imitation::Received, before: usize| {
        (before == 0).then(|| Answer::json(500, &json!({"error": "boom"})))
    };
    let mut scene = stage.open(Gateway::legacy().on("tools/list", fail_once)).await?;
    let first = fails(scene.guest.list_tools().await, |_| true)?;
    let tools = scene.list().await?.tools.len();
    if tools != 2 {
        return wrong(format!("{tools} tools after {first}"));
    }
    Ok(format!("{first}, then 2 tools"))
}
