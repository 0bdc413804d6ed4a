//! Faults, and mere oddities, of event streams and of JSON-RPC messages.
//! Gives rows of the table. Most of SSE's oddities are legal: a client that stumbles over them is at fault.

use bytes::Bytes;
use pflow_gateway::Class::{Limit, NotMcp, ProtocolError, Timeout, UpstreamError};
use serde_json::{Value, json};

use super::{
    Family, Fault, Stage, Turn,
    acts::{body, bytes, events, json as answer_json, kept_open, ms, open_stream, pieces, script, with_result},
};
use crate::{
    reply::{Reply, Step, chunk, chunked_head, event},
    rpc,
};

fn sse(name: &'static str, does: &'static str, act: fn(&Turn<'_>, Value) -> Option<Reply>) -> Fault {
    Fault::message(name, Family::Sse, Stage::Answers, does, act)
}

fn note(text: &str) -> Bytes {
    event(&rpc::notification("notifications/message", &json!({"level": "info", "data": text})))
}

pub(super) fn faults() -> Vec<Fault> {
    let mut faults = odd_streams();
    faults.extend(bad_streams());
    faults
}

fn odd_streams() -> Vec<Fault> {
    vec![
        sse("sse-one-event", "Answers with an event stream.", |_, m| events(event(&m))),
        sse("sse-crlf", "Ends lines with CR LF.", |_, m| events(format!("event: message\r\ndata: {m}\r\n\r\n"))),
        sse("sse-cr", "Ends lines with CR alone.", |_, m| events(format!("event: message\rdata: {m}\r\r"))),
        sse("sse-no-space", "Leaves out the space after the colon.", |_, m| {
            events(format!("event:message\ndata:{m}\n\n"))
        }),
        sse("sse-byte-order-mark", "Starts with a byte order mark.", |_, m| events(format!("\u{feff}data: {m}\n\n"))),
        sse("sse-many-data-lines", "Spreads the message over many data lines.", |_, m| {
            let pretty = serde_json::to_string_pretty(&m).ok()?;
            events(format!(
                "event: message\n{}\n\n",
                pretty.lines().map(|l| format!("data: {l}")).collect::<Vec<_>>().join("\n")
            ))
        }),
        sse("sse-comments", "Sends comments before and between.", |_, m| {
            events(format!(": hello\n\n:\n: ping\nevent: message\n: in between\ndata: {m}\n: bye\n\n"))
        }),
        sse("sse-priming-event", "Starts with an event of empty data.", |_, m| {
            events(format!("id: 1\nretry: 500\ndata: \n\nid: 2\nevent: message\ndata: {m}\n\n"))
        }),
        sse("sse-other-events", "Sends events of other names first.", |_, m| {
            events(format!(
                "event: ping\ndata: 2026-11-23\n\nevent: heartbeat\ndata: {{\"x\":1}}\n\nevent: message\ndata: {m}\n\n"
            ))
        }),
        sse("sse-heartbeats-as-data", "Sends heartbeats as data that is not JSON.", |_, m| {
            events(format!("data: ping\n\ndata: {{\"type\":\"ping\"}}\n\n{}data: {m}\n\n", "data: tick\n\n".repeat(30)))
        }),
        sse("sse-glued-events", "Forgets the blank line between two events.", |_, m| {
            events(format!("data: ping\ndata: {m}\n\n"))
        }),
        sse("sse-as-json", "Calls its event stream application/json.", |_, m| body(200, "application/json", event(&m))),
        sse("sse-without-type", "Does not say that it is an event stream.", |_, m| body(200, "", event(&m))),
        sse("sse-that-is-json", "Calls one JSON text an event stream.", |_, m| events(m.to_string())),
        sse("sse-cut-in-utf8", "Cuts the stream within characters.", |_, mut m| {
            if let Some(result) = m.get_mut("result").and_then(Value::as_object_mut) {
                result.insert("_meta".to_owned(), json!({"example.com/note": "čas – ☃ 𝄞"}));
            }
            let whole = event(&m);
            let cuts = (0..whole.len()).filter(|&i| whole.get(i).is_some_and(|b| b & 0xc0 == 0x80)).collect::<Vec<_>>();
            let ends = cuts.iter().copied().chain([whole.len()]);
            let starts = [0].into_iter().chain(cuts.iter().copied());
            pieces(starts.zip(ends).map(|(a, b)| whole.slice(a..b)).collect::<Vec<_>>())
        }),
        sse("sse-one-byte-pieces", "Sends the stream byte by byte.", |_, m| {
            let whole = event(&m);
            pieces((0..whole.len()).map(|i| whole.slice(i..=i)).collect::<Vec<_>>())
        }),
        sse("sse-no-blank-line-at-end", "Ends the stream without the blank line that ends an event.", |_, m| {
            events(format!("event: message\ndata: {m}\n"))
        }),
        sse("sse-notifications-first", "Sends log messages before the answer.", |_, m| {
            pieces([note("one"), note("two"), event(&m)])
        }),
        sse("sse-ping-first", "Asks for a ping before the answer.", |_, m| {
            pieces([event(&rpc::request("ping-1", "ping", &json!({}))), event(&m)])
        })
        .requests(20),
        sse("sse-asks-for-sampling", "Asks the client for what it does not offer.", |_, m| {
            let ask = rpc::request("ask-1", "sampling/createMessage", &json!({"messages": [], "maxTokens": 1}));
            pieces([event(&ask), event(&m)])
        })
        .requests(20),
        sse("sse-answers-twice", "Sends the answer twice.", |_, m| pieces([event(&m), event(&m)])),
        sse("sse-stays-open", "Keeps the stream open after the answer.", |_, m| kept_open(event(&m))),
        sse("sse-other-id-first", "Sends an answer to something else first.", |_, m| {
            pieces([event(&rpc::result(&json!("other"), &json!({}))), event(&m)])
        }),
    ]
}

fn bad_streams() -> Vec<Fault> {
    vec![
        sse("sse-ends-without-answer", "Ends the stream without the answer.", |_, _| pieces([note("almost")]))
            .fails(ProtocolError),
        sse("sse-empty", "Sends an empty stream.", |_, _| events("")).fails(ProtocolError),
        sse("sse-other-id-only", "Answers something else, and ends.", |_, _| {
            events(event(&rpc::result(&json!("other"), &json!({}))))
        })
        .fails(ProtocolError),
        sse("sse-broken-json", "Sends data that is not JSON.", |_, _| {
            events("event: message\ndata: {\"jsonrpc\": \n\n")
        })
        .fails(ProtocolError),
        sse("sse-never-answers", "Opens the stream and says nothing.", |_, _| open_stream(b"", Step::Hang))
            .fails(Timeout)
            .at_deadline(),
        sse("sse-comments-for-ever", "Sends a comment every 50 ms, and no answer.", |_, _| {
            open_stream(b"", Step::Flood(chunk(b": ping\n\n"), ms(50)))
        })
        .fails(Timeout)
        .at_deadline(),
        sse("sse-notifications-for-ever", "Sends log messages every 20 ms, and no answer.", |_, _| {
            open_stream(b"", Step::Flood(chunk(&note("still here")), ms(20)))
        })
        .fails(Timeout)
        .at_deadline(),
        sse("sse-comment-flood", "Sends comments as fast as it can.", |_, _| {
            let comment = format!(":{}\n", "x".repeat(60_000));
            open_stream(b"", Step::Flood(chunk(comment.as_bytes()), ms(0)))
        })
        .fails(Limit)
        .within(20),
        sse("sse-endless-line", "Sends one line that never ends.", |_, _| {
            let mut start = chunked_head(200, "text/event-stream");
            start.extend_from_slice(&chunk(b"data: \""));
            script(vec![bytes(start), Step::Flood(chunk("x".repeat(60_000).as_bytes()), ms(0))])
        })
        .fails(Limit)
        .within(20),
        sse("sse-reset-mid-event", "Resets the connection within an event.", |_, _| {
            open_stream(b"event: message\ndata: {\"json", Step::Reset)
        })
        .fails(pflow_gateway::Class::Unreachable),
    ]
}

fn rpc_fault(name: &'static str, does: &'static str, act: fn(&Turn<'_>, Value) -> Option<Reply>) -> Fault {
    Fault::message(name, Family::JsonRpc, Stage::Answers, does, act).requests(8)
}

fn listing(name: &'static str, does: &'static str, act: fn(&Turn<'_>, Value) -> Option<Reply>) -> Fault {
    Fault::message(name, Family::JsonRpc, Stage::Method("tools/list"), does, act).requests(8)
}

pub(super) fn json_rpc() -> Vec<Fault> {
    vec![
        rpc_fault("rpc-broken-json", "Answers with broken JSON.", |_, _| {
            body(200, "application/json", "{\"jsonrpc\":\"2.0\",\"id\":")
        })
        .fails(ProtocolError),
        rpc_fault("rpc-invalid-utf8", "Answers with bytes that are not UTF-8.", |_, m| {
            let mut text = m.to_string().replace("2.0", "2.0\u{1}").into_bytes();
            text.iter_mut().filter(|b| **b == 1).for_each(|b| *b = 0xff);
            body(200, "application/json", text)
        })
        .fails(ProtocolError),
        rpc_fault("rpc-wrong-id", "Answers with another id.", |_, mut m| {
            *m.get_mut("id")? = json!(999_999_999);
            answer_json(&m)
        })
        .fails(ProtocolError),
        rpc_fault("rpc-null-id", "Answers a good result with a null id.", |_, mut m| {
            *m.get_mut("id")? = Value::Null;
            answer_json(&m)
        })
        .fails(ProtocolError),
        rpc_fault("rpc-missing-result", "Answers with neither result nor error.", |_, m| {
            answer_json(&json!({"jsonrpc": "2.0", "id": m.get("id")}))
        })
        .fails(NotMcp),
        listing("rpc-missing-result-at-list", "Answers tools/list with neither result nor error.", |_, m| {
            answer_json(&json!({"jsonrpc": "2.0", "id": m.get("id")}))
        })
        .fails(ProtocolError),
        rpc_fault("rpc-result-is-text", "Answers with a result that is not an object.", |_, m| {
            with_result(m, |result| *result = json!("done"))
        })
        .fails(NotMcp),
        rpc_fault("rpc-scalar", "Answers with a number.", |_, _| body(200, "application/json", "42")).fails(NotMcp),
        rpc_fault("rpc-array", "Answers with a batch of one.", |_, m| answer_json(&json!([m]))),
        rpc_fault("rpc-deep", "Answers with a hundred thousand brackets.", |_, m| {
            let deep = "[".repeat(100_000);
            body(200, "application/json", format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{deep}", m.get("id")?))
        })
        .fails(ProtocolError),
        listing("rpc-error-at-list", "Fails to list: a JSON-RPC error in HTTP 200.", |_, m| {
            answer_json(&rpc::error(m.get("id")?, -32603, "upstream jira down"))
        })
        .fails(UpstreamError),
        listing("rpc-error-at-list-http-400", "Fails to list: a JSON-RPC error in HTTP 400.", |_, m| {
            let error = rpc::error(m.get("id")?, -32603, "Internal error");
            Some(Reply::Answer(crate::reply::Answer::json(400, &error).with("X-Fault", "1")))
        })
        .fails(UpstreamError),
        listing("rpc-method-not-found-at-list", "Knows no tools/list.", |_, m| {
            answer_json(&rpc::error(m.get("id")?, -32601, "Method not found"))
        })
        .fails(ProtocolError),
        listing("rpc-error-is-text", "Answers with an error that is not an object.", |_, m| {
            answer_json(&json!({"jsonrpc": "2.0", "id": m.get("id"), "error": "no"}))
        })
        .fails(ProtocolError),
    ]
}
