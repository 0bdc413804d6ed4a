//! A gateway that puts terminal controls into everything it says: colours, titles (OSC), bidirectional overrides, C1.
//! Takes every command, in text, in JSON and with the whole log; none of it may reach a stream.

use std::sync::Arc;

use pflow_gateway_tests::{
    program::Home,
    reply::{Answer, event},
    rpc,
    server::{Answering, Fake, Gateway},
    wire::Seen,
};
use serde_json::{Value, json};

use crate::{entry, program};

/// ESC, an OSC that sets the title, C1's CSI, a right-to-left override, an isolate, a tag, a zero width space, BEL, CR.
const NASTY: &str = "x\u{1b}[31m\u{1b}]0;pwned\u{7}\u{9b}2J\u{202e}\u{2066}\u{e0041}\u{200b}\ry";

/// What it fails with, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Works,
    ToolFails,
    RpcError,
    HttpError,
    Refuses,
}

struct Nasty(Act);

impl Nasty {
    fn reply(&self, seen: &Seen) -> Answer {
        let id = seen.rpc_id();
        let method = seen.rpc_method().unwrap_or_default();
        match (self.0, method) {
            (Act::HttpError, _) => return Answer::body(400, "text/plain", NASTY),
            (Act::Refuses, _) => return Answer::json(401, &json!({"detail": NASTY})),
            (Act::RpcError, "tools/list" | "tools/call") => {
                return Answer::json(200, &rpc::error(&id, -32_000, NASTY));
            }
            _ => {}
        }
        let result = match method {
            "initialize" => json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}, "logging": {}},
                "serverInfo": {"name": NASTY, "version": NASTY}, "instructions": NASTY}),
            "tools/list" => {
                let tool = |name: &str| {
                    json!({"name": name, "title": NASTY, "description": NASTY, "inputSchema": {"type": "object", "title": NASTY},
                        "_meta": {"gateway": {"service": NASTY, "original_name": NASTY}}, "annotations": {"title": NASTY}})
                };
                let bidi = "tool\u{202e}\u{2066}\u{200b}";
                json!({"tools": [tool("plain"), tool(bidi), tool(NASTY), {"name": NASTY}, NASTY],
                    "_meta": {"litellm.ai/server_outcomes": {NASTY: {"status": NASTY}}}})
            }
            "tools/call" => {
                let failed = self.0 == Act::ToolFails;
                let said = rpc::notification(
                    "notifications/message",
                    &json!({"level": NASTY, "logger": NASTY, "data": NASTY}),
                );
                let result = json!({"isError": failed, "structuredContent": {NASTY: NASTY}, "content": [
                    {"type": "text", "text": NASTY}, {"type": NASTY, "uri": NASTY},
                    {"type": "resource_link", "uri": NASTY, "name": NASTY, "mimeType": NASTY}]});
                let mut events = event(&said).to_vec();
                events.extend_from_slice(&event(&rpc::result(&id, &result)));
                return Answer::events(200, events);
            }
            _ if seen.message.as_ref().is_some_and(|message| message.get("id").is_none()) => return Answer::empty(202),
            _ => return Answer::json(200, &rpc::error(&id, -32_601, NASTY)),
        };
        Answer::json(200, &rpc::result(&id, &result))
    }
}

impl Gateway for Nasty {
    fn answer<'a>(&'a self, seen: &'a Seen) -> Answering<'a> {
        Box::pin(async move { self.reply(seen).into() })
    }
}

/// What moves, colours, hides or reorders on a terminal.
fn steers(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[tokio::test]
async fn nothing_that_a_gateway_says_steers_a_terminal() {
    let mut found = Vec::new();
    for act in [Act::Works, Act::ToolFails, Act::RpcError, Act::HttpError, Act::Refuses] {
        let fake = Fake::start(Arc::new(Nasty(act))).await.unwrap();
        let home = Home::new(&program().await, &json!({"g": entry(&fake.url(), Value::Null)})).unwrap();
        let url = fake.url();
        for words in [
            &["test", "g"][..],
            &["services", "g"],
            &["tools", "g"],
            &["health", "g", "--probe", "x=plain"],
            &["health", "g", "--history"],
            &["list"],
            &["snapshot", "show", "g"],
            &["snapshot", "diff", "g"],
            &["call", "g", "plain"],
            &["call", "g", "pla"],
            &["add", "h", &url, "--no-test"],
            &["add", "i", &url, "--per-service"],
            &["setup", "generic", "--url", &url, "--name", "j"],
        ] {
            for more in [&[][..], &["--json"], &["-vvv"]] {
                let line: Vec<&str> = words.iter().chain(more).copied().collect();
                let run = home.run(&line, std::time::Duration::from_secs(30)).await.unwrap();
                for (name, text) in [("stdout", &run.stdout), ("stderr", &run.stderr)] {
                    if let Some(line_with) = text.lines().find(|line| line.contains(steers)) {
                        found.push(format!("{act:?} {line:?} {name}: {line_with:?}"));
                    }
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
