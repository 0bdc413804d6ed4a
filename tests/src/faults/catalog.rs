//! Faults in what MCP says: handshakes, tools, pages.
//! Gives rows of the table. A bad tool costs itself, never its neighbours.

use pflow_gateway::Class::{Config as Usage, NotMcp, ProtocolError, UpstreamError};
use serde_json::{Value, json};

use super::{
    Family, Fault, Outcome, Stage, Turn,
    acts::{answer, json as answer_json, script, with_result, with_tools},
    one_service,
};
use crate::{
    generic::{Config, Eras},
    reply::{Answer, Reply, Step},
    rpc,
};

fn initialize(name: &'static str, does: &'static str, act: fn(&Turn<'_>, Value) -> Option<Reply>) -> Fault {
    Fault::message(name, Family::Mcp, Stage::Method("initialize"), does, act)
}

fn list(name: &'static str, does: &'static str, act: fn(&Turn<'_>, Value) -> Option<Reply>) -> Fault {
    Fault::message(name, Family::Mcp, Stage::Method("tools/list"), does, act)
}

fn set(message: Value, key: &str, value: Value) -> Option<Reply> {
    with_result(message, |result| {
        if let Some(object) = result.as_object_mut() {
            object.insert(key.to_owned(), value);
        }
    })
}

fn remove(message: Value, key: &str) -> Option<Reply> {
    with_result(message, |result| {
        if let Some(object) = result.as_object_mut() {
            object.remove(key);
        }
    })
}

/// Changes the first tool of a page.
fn first(message: Value, key: &'static str, value: Option<Value>) -> Option<Reply> {
    with_tools(message, |tools| {
        if let Some(Value::Object(tool)) = tools.first_mut() {
            match value {
                Some(value) => tool.insert(key.to_owned(), value),
                None => tool.remove(key),
            };
        }
    })
}

/// Adds a tool to the first page.
fn and(turn: &Turn<'_>, message: Value, tool: Value) -> Option<Reply> {
    if turn.cursor().is_some() {
        return None;
    }
    with_tools(message, |tools| tools.push(tool))
}

fn tool(name: &str, description: &str) -> Value {
    json!({"name": name, "description": description, "inputSchema": {"type": "object"}})
}

pub(super) fn faults() -> Vec<Fault> {
    let mut faults = vec![
        initialize("mcp-unsupported-version", "Agrees on a revision that nobody knows.", |_, m| {
            set(m, "protocolVersion", json!("1999-01-01"))
        })
        .fails(ProtocolError)
        .requests(4),
        initialize("mcp-no-version", "Agrees on no revision.", |_, m| remove(m, "protocolVersion"))
            .fails(NotMcp)
            .requests(4),
        initialize("mcp-no-capabilities", "Leaves out its capabilities.", |_, m| remove(m, "capabilities")),
        initialize("mcp-no-server-info", "Leaves out its name.", |_, m| remove(m, "serverInfo")),
        list("mcp-tools-missing", "Lists without `tools`.", |_, m| remove(m, "tools")).fails(ProtocolError),
        list("mcp-tools-null", "Lists null.", |_, m| set(m, "tools", Value::Null))
            .test_is(Outcome::Fails(UpstreamError))
            .warns("null")
            .call_is(Outcome::Fails(Usage))
            .around(|| one_service(3)),
        list("mcp-tools-not-array", "Lists an object of tools.", |_, m| set(m, "tools", json!({"a": {}})))
            .fails(ProtocolError),
        list("mcp-tool-without-input-schema", "One tool has no inputSchema.", |_, m| first(m, "inputSchema", None))
            .warns("inputSchema"),
        list("mcp-tool-schema-not-object", "One tool's inputSchema is a text.", |_, m| {
            first(m, "inputSchema", Some(json!("none")))
        })
        .warns("inputSchema"),
        list("mcp-tool-without-name", "One tool has no name.", |_, m| first(m, "name", None)).warns("name"),
        list("mcp-tool-name-is-number", "One tool's name is a number.", |_, m| first(m, "name", Some(json!(7))))
            .warns("name"),
        list("mcp-tool-empty-name", "One tool's name is empty.", |_, m| first(m, "name", Some(json!(""))))
            .warns("name"),
        list("mcp-tool-is-null", "One tool is null.", |t, m| and(t, m, Value::Null)).warns("tool"),
        list("mcp-duplicate-names", "Two tools have one name.", |t, m| {
            and(t, m, tool("github__create_issue", "The same name again"))
        })
        .warns("github__create_issue")
        .tool("slack__post_message"),
        list("mcp-description-is-number", "One tool's description is a number.", |_, m| {
            first(m, "description", Some(json!(5)))
        }),
        list("mcp-annotations-are-text", "One tool's annotations are a text.", |_, m| {
            first(m, "annotations", Some(json!("safe")))
        }),
        list("mcp-escape-sequences", "Names and descriptions hold control characters.", |t, m| {
            let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}gnp.exe\u{0}\r\n  ✓ all good";
            and(t, m, tool(&format!("evil{evil}"), evil))
        }),
        list("mcp-huge-description", "One tool's description has five megabytes.", |t, m| {
            and(t, m, tool("svc__big", &"long ".repeat(1_000_000)))
        }),
        list("mcp-long-name", "One tool's name has ten thousand letters.", |t, m| {
            and(t, m, tool(&"n".repeat(10_000), "Long"))
        }),
        list("mcp-network-ref", "A schema refers to the network.", |_, m| {
            first(
                m,
                "inputSchema",
                Some(json!({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}})),
            )
        }),
    ];
    let whole = |name, does, act: fn() -> Config| {
        Fault::message(name, Family::Mcp, Stage::Method("tools/list"), does, |_, _| None)
            .around(act)
            .tool("svc__item_001_lookup")
    };
    faults.extend([
        whole("mcp-ten-thousand-tools", "Lists 10,000 tools at once.", || one_service(10_000)).within(10),
        whole("mcp-round-number", "Lists exactly 50 tools, as a gateway does that reads only first pages.", || {
            one_service(50)
        })
        .warns("50"),
        list("mcp-zero-tools", "Lists nothing.", |_, m| with_tools(m, Vec::clear))
            .test_is(Outcome::Fails(UpstreamError))
            .warns("no tools")
            .call_is(Outcome::Fails(Usage))
            .around(|| one_service(3)),
        list("mcp-bad-x-mcp-header", "A tool asks for a header that must not be (2026-07-28).", |t, m| {
            let schema =
                json!({"type": "object", "properties": {"a": {"type": "string", "x-mcp-header": "Bad Header\r\n"}}});
            and(t, m, json!({"name": "svc__bad", "inputSchema": schema}))
        })
        .warns("x-mcp-header")
        .around(|| Config { eras: Eras::Modern, ..one_service(3) })
        .tool("svc__item_001_lookup"),
    ]);
    faults
}

fn paged(name: &'static str, does: &'static str, act: fn(&Turn<'_>, Value) -> Option<Reply>) -> Fault {
    Fault::message(name, Family::Paging, Stage::Method("tools/list"), does, act)
}

fn later(name: &'static str, does: &'static str, act: fn(&Turn<'_>) -> Option<Reply>) -> Fault {
    Fault::reply(name, Family::Paging, Stage::LaterPage, does, act).requests(7)
}

/// The one page there is, whatever is asked for.
fn same_page(turn: &Turn<'_>, cursor: &str) -> Option<Reply> {
    let tools = [tool("github__create_issue", "First"), tool("github__list_issues", "Second")];
    answer_json(&rpc::result(&turn.seen.rpc_id(), &json!({"tools": tools, "nextCursor": cursor})))
}

pub(super) fn paging() -> Vec<Fault> {
    vec![
        Fault::reply(
            "paging-repeated-cursor",
            Family::Paging,
            Stage::Method("tools/list"),
            "Hands out the same cursor again and again.",
            |turn| {
                let page = json!({"tools": [tool("github__create_issue", "The same page")], "nextCursor": "again"});
                answer_json(&rpc::result(&turn.seen.rpc_id(), &page))
            },
        )
        .warns("cursor"),
        Fault::reply(
            "paging-endless-cursors",
            Family::Paging,
            Stage::Method("tools/list"),
            "Hands out a new cursor for ever, and a new tool with each.",
            |turn| {
                let n = turn.times;
                let one = if n == 0 { "github__create_issue".to_owned() } else { format!("svc__t{n}") };
                let page = json!({"tools": [tool(&one, "One more")], "nextCursor": format!("c{n}")});
                answer_json(&rpc::result(&turn.seen.rpc_id(), &page))
            },
        )
        .warns("page")
        .requests(1100)
        .within(20),
        Fault::reply(
            "paging-empty-string-cursor",
            Family::Paging,
            Stage::Method("tools/list"),
            "The second page is asked for with an empty cursor, which is a cursor.",
            |turn| {
                let page = match turn.cursor() {
                    None => json!({"tools": [tool("svc__one", "First page")], "nextCursor": ""}),
                    Some(_) => json!({"tools": [tool("github__create_issue", "Second page")]}),
                };
                answer_json(&rpc::result(&turn.seen.rpc_id(), &page))
            },
        ),
        Fault::reply(
            "paging-endless-empty-cursor",
            Family::Paging,
            Stage::Method("tools/list"),
            "Hands out an empty cursor for ever, with the same page.",
            |turn| same_page(turn, ""),
        ),
        Fault::reply(
            "paging-ignores-cursors",
            Family::Paging,
            Stage::Method("tools/list"),
            "Hands out new cursors for ever, and always gives its first page.",
            |turn| same_page(turn, &turn.times.to_string()),
        )
        .warns("the same page"),
        paged("paging-null-cursor", "Ends with a null cursor.", |_, m| {
            let last = m.get("result")?.get("nextCursor").is_none();
            if last { set(m, "nextCursor", Value::Null) } else { None }
        }),
        paged("paging-number-cursor", "Hands out a number as cursor.", |_, m| set(m, "nextCursor", json!(5)))
            .fails(ProtocolError),
        later("paging-error-on-page-2", "The second page fails.", |turn| {
            answer_json(&rpc::error(&turn.seen.rpc_id(), -32603, "upstream github down"))
        })
        .warns("is not whole: page 2"),
        later("paging-cursor-refused", "The second page's cursor is not known any more.", |turn| {
            answer_json(&rpc::error(&turn.seen.rpc_id(), -32602, "Invalid params: unknown cursor"))
        })
        .warns("is not whole: page 2")
        .requests(9),
        later("paging-429-on-page-3", "Asks to slow down on the third page.", |turn| {
            if turn.cursor() != Some("after-10") {
                return None;
            }
            answer(Answer::json(429, &json!({"error": "Rate limit exceeded"})).with("Retry-After", "60"))
        })
        .warns("is not whole: page 3")
        .requests(8),
        later("paging-401-on-page-2", "Refuses the credential on the second page.", |_| {
            answer(Answer::body(401, "text/plain", "Unauthorized").with("WWW-Authenticate", "Bearer"))
        })
        .warns("is not whole: page 2")
        .requests(8),
        later("paging-500-on-page-2", "Fails inside on the second page.", |_| answer(Answer::go_error(500, "boom")))
            .warns("is not whole: page 2"),
        later("paging-never-answers-page-2", "Says nothing to the second page.", |_| script(vec![Step::Hang]))
            .warns("is not whole: page 2")
            .within(6),
        paged("paging-same-page-twice", "Gives the same tools on two pages.", |turn, m| {
            if turn.cursor() == Some("after-5") {
                with_tools(m, |tools| tools.extend([tool("github__list_issues", "Again")]))
            } else {
                None
            }
        })
        .warns("github__list_issues")
        .tool("slack__post_message"),
    ]
}
