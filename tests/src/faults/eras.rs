//! Peers whose era is hard to tell: what they make of the first modern question, and which list they give in which era.
//! Gives rows of the table. All of them are good gateways for a client that only knows `initialize`.

use serde_json::{Value, json};

use super::{
    Family, Fault, Stage, Turn,
    acts::{answer, body, json as answer_json, open_stream, script, with_tools},
};
use crate::{
    generic::{Config, Eras},
    modern,
    reply::{Answer, Reply, Step},
    rpc,
};

fn probe(name: &'static str, does: &'static str, act: fn(&Turn<'_>) -> Option<Reply>) -> Fault {
    Fault::reply(name, Family::Era, Stage::Method("server/discover"), does, act)
}

/// With this result.
fn discovered(turn: &Turn<'_>, result: &Value) -> Option<Reply> {
    answer_json(&rpc::result(&turn.seen.rpc_id(), result))
}

fn dual() -> Config {
    Config { eras: Eras::Dual, ..Config::default() }
}

fn listing(name: &'static str, does: &'static str, act: fn(&Turn<'_>, Value) -> Option<Reply>) -> Fault {
    Fault::message(name, Family::Era, Stage::Method("tools/list"), does, act).around(dual)
}

pub(super) fn faults() -> Vec<Fault> {
    vec![
        probe("era-probe-never-answered", "Never answers a method that it does not know.", |_| {
            script(vec![Step::Hang])
        }),
        probe("era-probe-closed", "Closes the connection at a method that it does not know.", |_| {
            script(vec![Step::Close])
        }),
        probe("era-probe-reset", "Resets the connection at a method that it does not know.", |_| {
            script(vec![Step::Reset])
        }),
        probe("era-probe-open-stream", "Answers a method that it does not know with a stream that stays open.", |_| {
            open_stream(b": nothing\n\n", Step::Hang)
        }),
        probe("era-probe-401", "Refuses the credential for a method that it does not know.", |_| {
            answer(Answer::body(401, "text/plain", "MCP Failure"))
        }),
        probe("era-probe-403", "Forbids a method that it does not know.", |_| {
            answer(Answer::json(403, &json!({"detail": "no rule for this method"})))
        }),
        probe("era-probe-429", "Counts a method that it does not know as abuse.", |_| answer(Answer::empty(429))),
        probe("era-probe-404-32601", "Says 404 and -32601 to a method that it does not know.", |t| {
            answer(Answer::json(404, &rpc::error(&t.seen.rpc_id(), -32601, "Method not found")))
        }),
        probe("era-probe-page", "Answers a method that it does not know with a web page.", |_| {
            body(200, "text/html", "<title>Welcome</title>")
        }),
        probe("era-probe-other-result", "Answers every method with the result of initialize.", |t| {
            discovered(
                t,
                &json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"}}),
            )
        }),
        probe("era-probe-header-mismatch", "Knows the modern era; a proxy takes its headers away.", |t| {
            answer(Answer::json(400, &rpc::error(&t.seen.rpc_id(), -32020, "Header mismatch: Mcp-Method")))
        }),
        listing(
            "era-nothing-in-the-modern-one",
            "Lists nothing in the modern era, and everything in the other.",
            |t, m| {
                if modern::is_modern(t.seen) { with_tools(m, Vec::clear) } else { None }
            },
        ),
        Fault::reply(
            "era-wants-a-session",
            Family::Era,
            Stage::Method("tools/list"),
            "Answers discovery, and then wants a session.",
            |t| {
                let error = rpc::error(&t.seen.rpc_id(), -32000, "Bad Request: No valid session ID provided");
                if modern::is_modern(t.seen) { answer(Answer::json(400, &error)) } else { None }
            },
        )
        .around(dual),
        Fault::reply(
            "era-modern-without-tools-list",
            Family::Era,
            Stage::Method("tools/list"),
            "Answers discovery, and does not know tools/list in the modern era.",
            |t| {
                let error = rpc::error(&t.seen.rpc_id(), -32601, "Method not found");
                if modern::is_modern(t.seen) { answer(Answer::json(404, &error)) } else { None }
            },
        )
        .around(dual),
    ]
}

fn large(turn: &Turn<'_>) -> bool {
    turn.seen.rpc_id().as_u64().is_none_or(|id| id >= 1 << 31)
}

/// What peers make of ids.
pub(super) fn ids() -> Vec<Fault> {
    vec![
        Fault::reply(
            "rpc-ids-of-32-bits",
            Family::JsonRpc,
            Stage::Answers,
            "Keeps ids in 32 bits, and refuses others.",
            |t| {
                if large(t) { answer(Answer::go_error(422, "data did not match any variant")) } else { None }
            },
        ),
        Fault::message(
            "rpc-ids-as-floats",
            Family::JsonRpc,
            Stage::Answers,
            "Writes ids back as floats with exponents.",
            |t, m| {
                let id = t.seen.rpc_id().as_u64()?;
                #[expect(clippy::cast_precision_loss, reason = "as such peers do")]
                let float = format!("{:e}", id as f64);
                let text = m.to_string().replacen(&format!("\"id\":{id}"), &format!("\"id\":{float}"), 1);
                body(200, "application/json", text)
            },
        ),
        Fault::message("rpc-ids-as-text", Family::JsonRpc, Stage::Answers, "Writes ids back as texts.", |_, mut m| {
            let id = m.get("id")?.to_string();
            *m.get_mut("id")? = Value::String(id);
            answer_json(&m)
        }),
    ]
}
