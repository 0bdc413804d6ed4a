//! `calls`: calling a tool, once, and what came of it; cancelling.
//! Looks at the request that arrives, at how often it does, and at the outcome.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::Barrier;

use super::{
    super::{
        gateway::{DONE, Gateway, session_id},
        imitation::{Answer, End, Received, response},
        stage::{CALL_ID, Guest, Progress, Scene, Stage, call},
        verdict::{Miss, Verdict, describe, fails, ok, same, same_json, shown, want, wrong},
    },
    checks,
    listing::the_two,
};
use pflow_gateway_runtime::{
    calls::{Call, Outcome},
    types::{Delivery, FailureCode as Code},
};

/// How often to look whether a call has reached the gateway.
const LOOK: Duration = Duration::from_millis(5);

checks! { Calls:
    calls_a_tool, "calls.call-tool",
        "calls a tool by its exact name",
        "one tools/call with the name, in the session, under the id that the host chose";
    passes_arguments, "calls.call.arguments",
        "passes arguments on exactly",
        "the same JSON on the wire: umlauts, escapes, nesting, integers beyond 2^53, null and empty values";
    passes_the_result, "calls.outcome.result",
        "passes the result on as it came",
        "the same JSON: content, structuredContent, _meta and unknown members; failed is false";
    reads_a_streamed_result, "calls.call-tool",
        "reads a result that comes as an event stream",
        "the result, from a gateway that streams";
    tells_a_failed_tool, "calls.outcome.failed",
        "tells a tool that failed from a call that failed",
        "failed true, the result kept, and no failure of the gateway";
    waits_for_its_answer, "calls.call-tool",
        "waits for the answer to its own call",
        "the result, not that of another id which comes before";
    carries_meta, "calls.call.meta",
        "sends the caller's _meta",
        "traceparent in params._meta";
    asks_for_progress, "calls.call.progress",
        "asks for progress and passes it on",
        "two events for this request, with total and message";
    asks_for_no_progress, "calls.call.progress",
        "asks for no progress unless it is wanted",
        "no progressToken in params._meta";
    passes_messages, "events.message",
        "passes log messages of the server on",
        "one event: warning, the logger db, the data";
    hears_of_changes, "events.tools-changed",
        "passes on that the tools changed",
        "one event tools-changed";
    cancels, "calls.cancel",
        "tells a legacy gateway that a call is not wanted any more",
        "notifications/cancelled with the requestId and the reason, in the session";
    cancels_from_elsewhere, "calls.cancel",
        "tells it from another instance of the session, while the call waits",
        "notifications/cancelled with the requestId of the call, in the session, from an instance that was attached by its state";
    goes_on, "calls.call-tool",
        "goes on through twenty lists and calls",
        "each list and each result, in one conversation, and every call under its own id";
    works_side_by_side, "calls.call-tool",
        "works in three instances of one session at once",
        "to each its own result, and each call under its own id";
    calls_a_modern_gateway, "calls.call.input-schema",
        "calls a tool of a modern gateway with the headers that it needs",
        "Mcp-Name, and Mcp-Param-Region from x-mcp-header in the inputSchema";
    repeats_nothing, "calls.call-tool",
        "never repeats a call",
        "one tools/call each for HTTP 500, 401, 404, 429, an answer that is cut and none at all";
    is_honest_about_delivery, "types.delivery.maybe-delivered",
        "admits that a lost call may have had an effect",
        "maybe-delivered when the gateway hangs up after it got the call";
    knows_a_refused_call, "types.delivery.not-delivered",
        "says that a refused call had no effect",
        "not-delivered for 401";
    rejects_an_unknown_tool, "types.failure-code.rejected",
        "passes on that the gateway rejects a call",
        "rejected with method tools/call, code -32602 and the message";
    names_the_culprit, "calls.call.service",
        "names the service when it is the service that failed",
        "upstream-error with service slack, for a JSON-RPC error that tells of a refused connection";
    loses_its_session, "types.failure-code.session-lost",
        "says so when the session is lost during a call",
        "session-lost, not delivered, for 404";
    carries_much, "calls.call-tool",
        "carries large arguments and results",
        "one MiB each way, whole";
}

async fn open(stage: &Stage) -> Result<Scene, Miss> {
    stage.open(Gateway::legacy()).await
}

async fn calls_a_tool(stage: Stage) -> Verdict {
    let mut scene = open(&stage).await?;
    let outcome = scene.call(&call("Send.Message-größe")).await?;
    let request = scene.only("tools/call")?;
    same("params.name is", request.at("/params/name"), &json!("Send.Message-größe"))?;
    same("the id is", &request.id(), &json!(CALL_ID))?;
    let session = session_id(0);
    same("the session is", &request.header("mcp-session-id"), &Some(session.as_str()))?;
    want(!outcome.failed, || "failed is true".to_owned())?;
    Ok(format!("one call, id {CALL_ID}"))
}

fn awkward() -> Value {
    json!({
        "text": "Grüße, „Welt“ \u{1f600} \\ \" \u{8} \n </script> {\"not\": [\"json\"]}", "größe": 9_007_199_254_740_993_u64,
        "negative": -9_223_372_036_854_775_808_i64, "fraction": 0.1, "nothing": null, "empty": {"list": [], "object": {}, "text": ""},
        "nested": [[[{"a": [1, [2, [3, {"b": true}]]]}]]], "": "an empty name", "a/b~c.d": false,
    })
}

async fn passes_arguments(stage: Stage) -> Verdict {
    let mut scene = open(&stage).await?;
    let arguments = awkward();
    scene.call(&Call { arguments: arguments.to_string(), ..call("send_message") }).await?;
    let request = scene.only("tools/call")?;
    want(*request.at("/params/arguments") == arguments, || shown(&request.at("/params/arguments").to_string()))?;
    // Through a float, its last digit would be another one; a parser that reads into floats would not notice.
    want(request.text.contains("9007199254740993"), || "the large integer was rewritten".to_owned())?;
    Ok(format!("{} bytes, the same", arguments.to_string().len()))
}

async fn passes_the_result(stage: Stage) -> Verdict {
    let result = json!({
        "content": [{"type": "text", "text": "Grüße \u{1f600}"}, {"type": "image", "data": "aGk=", "mimeType": "image/png"}],
        "structuredContent": awkward(), "isError": false, "_meta": {"example.com/cost": 3}, "x-unknown": [1, {"a": null}],
    });
    let said = result.clone();
    let gateway = Gateway::legacy().on("tools/call", move |request, _| Some(Answer::result(request, &said)));
    let outcome = stage.open(gateway).await?.call(&call("send_message")).await?;
    same_json("the result is", &outcome.result, &result)?;
    want(outcome.result.contains("9007199254740993"), || "the large integer was rewritten".to_owned())?;
    want(!outcome.failed && outcome.failure.is_none(), || {
        format!("failed {}, {}", outcome.failed, shown(&outcome.failure))
    })?;
    Ok("the same".to_owned())
}

/// The text of the result. What else is in it, `passes_the_result` looks at.
fn has_text(outcome: &Outcome, expected: &str) -> Result<(), Miss> {
    let result: Value = serde_json::from_str(&outcome.result).unwrap_or_default();
    let text = result.pointer("/content/0/text").and_then(Value::as_str);
    want(text == Some(expected), || format!("the result is {}", shown(&outcome.result)))
}

async fn reads_a_streamed_result(stage: Stage) -> Verdict {
    let outcome = stage.open(Gateway::legacy().streaming()).await?.call(&call("send_message")).await?;
    has_text(&outcome, DONE)?;
    Ok(DONE.to_owned())
}

async fn tells_a_failed_tool(stage: Stage) -> Verdict {
    const WORDS: &str = "there is no channel of this name";
    let fail = |request: &Received, _: usize| {
        Some(Answer::result(request, &json!({"content": [{"type": "text", "text": WORDS}], "isError": true})))
    };
    let outcome = stage.open(Gateway::legacy().on("tools/call", fail)).await?.call(&call("send_message")).await?;
    want(outcome.failed, || "failed is false".to_owned())?;
    want(outcome.failure.is_none(), || format!("failure is {}", shown(&outcome.failure)))?;
    has_text(&outcome, WORDS)?;
    Ok("failed, with its result".to_owned())
}

async fn waits_for_its_answer(stage: Stage) -> Verdict {
    let others_first = |request: &Received, _: usize| {
        let foreign = json!({"jsonrpc": "2.0", "id": CALL_ID + 1, "result": {"content": [{"type": "text", "text": "another's"}]}});
        Some(Answer::events([&foreign, &response(request, &json!({"content": [{"type": "text", "text": "mine"}]}))]))
    };
    let outcome =
        stage.open(Gateway::legacy().on("tools/call", others_first)).await?.call(&call("send_message")).await?;
    has_text(&outcome, "mine")?;
    Ok("its own".to_owned())
}

async fn carries_meta(stage: Stage) -> Verdict {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut scene = open(&stage).await?;
    let meta = Some(json!({"traceparent": TRACE, "example.com/n": [1]}).to_string());
    scene.call(&Call { meta, ..call("send_message") }).await?;
    let request = scene.only("tools/call")?;
    same("traceparent is", request.at("/params/_meta/traceparent"), &json!(TRACE))?;
    same("example.com/n is", request.at("/params/_meta/example.com~1n"), &json!([1]))?;
    Ok("traceparent".to_owned())
}

async fn asks_for_progress(stage: Stage) -> Verdict {
    stage.wants_events()?;
    let progress = |request: &Received, _: usize| {
        let told = |done: f64, words: &str| {
            json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {
                "progressToken": request.at("/params/_meta/progressToken"), "progress": done, "total": 4.0, "message": words,
            }})
        };
        let done = response(request, &json!({"content": []}));
        Some(Answer::events([&told(1.0, "a quarter"), &told(2.0, "half"), &done]))
    };
    let mut scene = stage.open(Gateway::legacy().on("tools/call", progress)).await?;
    scene.call(&Call { progress: true, ..call("send_message") }).await?;
    let token = scene.only("tools/call")?.at("/params/_meta/progressToken").clone();
    want(!token.is_null(), || "no progressToken was sent".to_owned())?;
    let event = |done: f64, words: &str| -> Progress { (CALL_ID, done, Some(4.0), Some(words.to_owned())) };
    same("the events are", &scene.guest.heard.progress(), &vec![event(1.0, "a quarter"), event(2.0, "half")])?;
    Ok("1 of 4, 2 of 4".to_owned())
}

async fn asks_for_no_progress(stage: Stage) -> Verdict {
    let mut scene = open(&stage).await?;
    scene.call(&call("send_message")).await?;
    let token = scene.only("tools/call")?.at("/params/_meta/progressToken").clone();
    want(token.is_null(), || format!("progressToken {token}"))?;
    Ok("no progressToken".to_owned())
}

/// A call during which the server says something.
async fn overhearing(stage: Stage, said: Value) -> Result<Scene, Miss> {
    stage.wants_events()?;
    let says =
        move |request: &Received, _: usize| Some(Answer::events([&said, &response(request, &json!({"content": []}))]));
    let mut scene = stage.open(Gateway::legacy().announcing_changes().on("tools/call", says)).await?;
    scene.call(&call("send_message")).await?;
    Ok(scene)
}

async fn passes_messages(stage: Stage) -> Verdict {
    let params = json!({"level": "warning", "logger": "db", "data": {"slow": ["größe", 1.5]}});
    let scene =
        overhearing(stage, json!({"jsonrpc": "2.0", "method": "notifications/message", "params": params})).await?;
    let messages = scene.guest.heard.messages();
    let [(token, level, logger, data)] = messages.as_slice() else {
        return wrong(format!("{} events", messages.len()));
    };
    same("level and logger are", &(level.as_str(), logger.as_deref()), &("warning", Some("db")))?;
    // Of a call, where it came with its answer; a component that cannot tell says none.
    want(token.is_none_or(|token| token == CALL_ID), || format!("the token is {token:?}, of no call"))?;
    same_json("the data is", data, &json!({"slow": ["größe", 1.5]}))?;
    Ok("warning, db".to_owned())
}

async fn hears_of_changes(stage: Stage) -> Verdict {
    let scene = overhearing(stage, json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})).await?;
    same("events:", &scene.guest.heard.changes(), &1)?;
    Ok("one".to_owned())
}

async fn cancels(stage: Stage) -> Verdict {
    let mut scene = open(&stage).await?;
    ok("cancel", scene.guest.cancel(CALL_ID, "the caller gave up").await)?;
    let told = scene.only("notifications/cancelled")?;
    same("requestId is", told.at("/params/requestId"), &json!(CALL_ID))?;
    same("the reason is", told.at("/params/reason"), &json!("the caller gave up"))?;
    want(told.id().is_null(), || format!("a notification has no id, this one has {}", told.id()))?;
    let session = session_id(0);
    same("the session is", &told.header("mcp-session-id"), &Some(session.as_str()))?;
    Ok(format!("requestId {CALL_ID}"))
}

/// A body that never comes to its end.
fn hanging() -> Answer {
    Answer::new(200, "application/json", "{").ending(End::Never)
}

async fn cancels_from_elsewhere(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::legacy().always("tools/call", hanging())).await?;
    let state = ok("state", scene.guest.state().await)?;
    let mut other = stage.guest(scene.peer.url()).await?;
    ok("open with a state", other.open(&scene.endpoint, Some(&state)).await)?;
    let waiting = call("send_message");
    // Dropped in the middle of the call, as the host does it.
    tokio::select! {
        ended = scene.guest.call_tool(&waiting) => {
            let how = ended.map_or_else(|failure| describe(&failure), |outcome| shown(&outcome.result));
            return wrong(format!("the call ended by itself: {how}"));
        }
        told = async {
            while scene.peer.asked("tools/call").is_empty() {
                tokio::time::sleep(LOOK).await;
            }
            other.cancel(CALL_ID, "the caller gave up").await
        } => ok("cancel", told)?,
    }
    let told = scene.only("notifications/cancelled")?;
    same("requestId is", told.at("/params/requestId"), &json!(CALL_ID))?;
    let session = session_id(0);
    same("the session is", &told.header("mcp-session-id"), &Some(session.as_str()))?;
    Ok(format!("requestId {CALL_ID}"))
}

async fn goes_on(stage: Stage) -> Verdict {
    const TURNS: u32 = 20;
    let mut scene = open(&stage).await?;
    for turn in 0..TURNS {
        the_two(&scene.list().await?)?;
        let outcome = scene.call(&Call { token: CALL_ID + turn, ..call("send_message") }).await?;
        want(outcome.result.contains(DONE), || format!("call {} gave {}", turn + 1, shown(&outcome.result)))?;
    }
    let ids: Vec<Value> = scene.peer.asked("tools/call").iter().map(Received::id).collect();
    let expected: Vec<Value> = (0..TURNS).map(|turn| json!(CALL_ID + turn)).collect();
    same("the ids are", &ids, &expected)?;
    Ok(format!("{TURNS} lists and calls"))
}

async fn works_side_by_side(stage: Stage) -> Verdict {
    let calls = Arc::new(Barrier::new(3));
    let gateway = Gateway::legacy().on("tools/call", |request, _| {
        let said = request.at("/params/arguments/n").to_string();
        Some(Answer::result(request, &json!({"content": [{"type": "text", "text": said}]})))
    });
    let mut scene = stage.open(gateway).await?;
    let state = ok("state", scene.guest.state().await)?;
    let (mut second, mut third) = (stage.guest(scene.peer.url()).await?, stage.guest(scene.peer.url()).await?);
    for other in [&mut second, &mut third] {
        ok("open with a state", other.open(&scene.endpoint, Some(&state)).await)?;
    }
    let once = |guest, n: u32| one_of_several(guest, Arc::clone(&calls), n);
    let (first, second, third) = tokio::join!(once(&mut scene.guest, 1), once(&mut second, 2), once(&mut third, 3));
    first.and(second).and(third)?;
    let mut ids: Vec<String> = scene.peer.asked("tools/call").iter().map(|request| request.id().to_string()).collect();
    ids.sort();
    let expected: Vec<String> = (1..=3).map(|n| (CALL_ID + n).to_string()).collect();
    same("the ids are", &ids, &expected)?;
    Ok("three calls, three results".to_owned())
}

/// A call that begins when all of them do.
async fn one_of_several(guest: &mut Guest, all: Arc<Barrier>, n: u32) -> Result<(), Miss> {
    let call = Call { token: CALL_ID + n, arguments: json!({"n": n}).to_string(), ..call("send_message") };
    all.wait().await;
    let outcome = ok("call-tool", guest.call_tool(&call).await)?;
    let result: Value = serde_json::from_str(&outcome.result).unwrap_or_default();
    same("the text is", &result.pointer("/content/0/text"), &Some(&json!(n.to_string())))
}

async fn calls_a_modern_gateway(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::modern()).await?;
    let schema = json!({
        "type": "object",
        "properties": {"region": {"type": "string", "x-mcp-header": "Region"}, "text": {"type": "string"}},
    });
    let call = Call {
        input_schema: Some(schema.to_string()),
        arguments: json!({"region": "eu-west-1", "text": "hi"}).to_string(),
        ..call("send_message")
    };
    scene.call(&call).await?;
    let request = scene.only("tools/call")?;
    same("Mcp-Name is", &request.header("mcp-name"), &Some("send_message"))?;
    same("Mcp-Param-Region is", &request.header("mcp-param-region"), &Some("eu-west-1"))?;
    let others = request.header("mcp-param-text");
    want(others.is_none(), || "Mcp-Param-Text, which the schema does not ask for".to_owned())?;
    Ok("Mcp-Name and Mcp-Param-Region".to_owned())
}

async fn repeats_nothing(stage: Stage) -> Verdict {
    let failing = [
        ("HTTP 500", Answer::json(500, &json!({"error": "boom"}))),
        ("HTTP 401", Answer::json(401, &json!({"error": "unauthorized"}))),
        ("HTTP 404", Answer::new(404, "text/plain", "Not Found")),
        ("HTTP 429", Answer::json(429, &json!({"error": "slow down"})).with("retry-after", "0")),
        ("half an answer", Answer::stream("data: {\"jsonrpc\":\"2.0\",\"id\":9000")),
        ("no answer", Answer::silence()),
    ];
    for (name, answer) in failing {
        let mut scene = stage.open(Gateway::legacy().always("tools/call", answer)).await?;
        let failed = fails(scene.guest.call_tool(&call("send_message")).await, |_| true);
        let times = scene.peer.asked("tools/call").len();
        want(times == 1, || format!("{times} calls for {name}"))?;
        failed.map_err(|miss| match miss {
            Miss::Wrong(found) => Miss::Wrong(format!("{name}: {found}")),
            other @ Miss::NotOffered(_) => other,
        })?;
    }
    Ok("one call each, six times an error".to_owned())
}

async fn is_honest_about_delivery(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::legacy().always("tools/call", Answer::silence())).await?;
    let failed = scene.guest.call_tool(&call("send_message")).await;
    want(!scene.peer.asked("tools/call").is_empty(), || "no call arrived".to_owned())?;
    fails(failed, |error| error.delivery != Delivery::NotDelivered)
}

async fn knows_a_refused_call(stage: Stage) -> Verdict {
    let refuse = Answer::json(401, &json!({"error": "unauthorized"}));
    let mut scene = stage.open(Gateway::legacy().always("tools/call", refuse)).await?;
    fails(scene.guest.call_tool(&call("send_message")).await, |error| {
        matches!(error.code, Code::AuthRequired) && error.delivery == Delivery::NotDelivered
    })
}

async fn rejects_an_unknown_tool(stage: Stage) -> Verdict {
    let refuse = |request: &Received, _: usize| {
        Some(Answer::error(200, request, -32_602, "Unknown tool: send_message", Value::Null))
    };
    let mut scene = stage.open(Gateway::legacy().on("tools/call", refuse)).await?;
    fails(scene.guest.call_tool(&call("send_message")).await, |error| {
        matches!(error.code, Code::Rejected)
            && error.method.as_deref() == Some("tools/call")
            && error.rpc_code() == Some(-32_602)
            && error.message.contains("Unknown tool")
    })
}

async fn names_the_culprit(stage: Stage) -> Verdict {
    let down = |request: &Received, _: usize| {
        Some(Answer::error(200, request, -32_603, "upstream failed to connect: connection refused", Value::Null))
    };
    let mut scene = stage.open(Gateway::legacy().on("tools/call", down)).await?;
    let call = Call { service: Some("slack".to_owned()), ..call("send_message") };
    fails(scene.guest.call_tool(&call).await, |error| {
        matches!(error.code, Code::UpstreamError) && error.service.as_deref() == Some("slack")
    })
}

async fn loses_its_session(stage: Stage) -> Verdict {
    let lost = Answer::json(
        404,
        &json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32_600, "message": "Session not found"}}),
    );
    let mut scene = stage.open(Gateway::legacy().always("tools/call", lost)).await?;
    fails(scene.guest.call_tool(&call("send_message")).await, |error| {
        matches!(error.code, Code::SessionLost) && error.delivery == Delivery::NotDelivered
    })
}

async fn carries_much(stage: Stage) -> Verdict {
    let echo = |request: &Received, _: usize| {
        Some(Answer::result(
            request,
            &json!({"content": [{"type": "text", "text": request.at("/params/arguments/text")}]}),
        ))
    };
    let mut scene = stage.open(Gateway::legacy().on("tools/call", echo)).await?;
    let text = "Größe 1234567890".repeat(60_000);
    let arguments = json!({"text": text}).to_string();
    let outcome = scene.call(&Call { arguments, ..call("send_message") }).await?;
    let result: Value = serde_json::from_str(&outcome.result).unwrap_or_default();
    let back = result.pointer("/content/0/text").and_then(Value::as_str).unwrap_or_default();
    want(back == text, || format!("{} bytes of {}", back.len(), text.len()))?;
    Ok(format!("{} bytes each way", text.len()))
}
