//! Paging through a whole conversation: whatever pages a peer serves, reading ends, asks for nothing twice without a reason, neither loses
//! nor doubles a tool, and says when there may be more.

use std::{collections::BTreeMap, rc::Rc};

use crate::arbitrary;
use crate::{Peer, Scripted};
use derive_arbitrary::Arbitrary;
use pflow_gateway_component::{
    conversation::Conversation,
    http::Request,
    model::{Concern, Endpoint, Era, Implementation, Kind, Session, Tokens},
};
use serde_json::{Value, json};

/// What is tried.
#[derive(Arbitrary, Debug)]
pub struct Input {
    pages: Vec<Page>,
    max_pages: u8,
    modern: bool,
    sse: bool,
    cut: u8,
}

#[derive(Arbitrary, Clone, Debug)]
struct Page {
    tools: Vec<Tool>,
    next: Next,
    fate: Fate,
}

#[derive(Arbitrary, Clone, Debug)]
enum Tool {
    Good(u8),
    Nameless,
    WithoutSchema(u8),
    NoObject,
}

#[derive(Arbitrary, Clone, Debug)]
enum Next {
    None,
    Null,
    Empty,
    Short(u8),
    Text(String),
    Number(u16),
}

#[derive(Arbitrary, Clone, Debug, PartialEq, Eq)]
enum Fate {
    Served,
    ServedToo,
    ServedAsWell,
    StaleCursor,
    OtherError,
    Status(u16),
    Reset,
    NoList,
}

impl Page {
    /// The names that are on the wire and good.
    fn names(&self) -> Vec<String> {
        let good = self.tools.iter().filter_map(|tool| if let Tool::Good(name) = tool { Some(name) } else { None });
        good.map(|name| format!("tool-{name}")).collect()
    }

    fn result(&self) -> Value {
        let tools: Vec<Value> = self
            .tools
            .iter()
            .map(|tool| match tool {
                Tool::Good(name) => json!({"name": format!("tool-{name}"), "inputSchema": {"type": "object"}}),
                Tool::Nameless => json!({"inputSchema": {}}),
                Tool::WithoutSchema(name) => json!({"name": format!("tool-{name}")}),
                Tool::NoObject => json!(["tool"]),
            })
            .collect();
        let mut result = json!({"tools": tools});
        match &self.next {
            Next::None => {}
            Next::Null => result["nextCursor"] = Value::Null,
            Next::Empty => result["nextCursor"] = json!(""),
            Next::Short(cursor) => result["nextCursor"] = json!((cursor % 8).to_string()),
            Next::Text(cursor) => result["nextCursor"] = json!(cursor),
            Next::Number(cursor) => result["nextCursor"] = json!(cursor),
        }
        result
    }

    fn served(&self) -> bool {
        matches!(self.fate, Fate::Served | Fate::ServedToo | Fate::ServedAsWell)
    }

    fn readable(&self) -> bool {
        self.served() && !matches!(self.next, Next::Number(_))
    }
}

fn message(request: &Request) -> Value {
    serde_json::from_slice(&request.body).expect("we send JSON")
}

/// One input.
#[allow(clippy::too_many_lines)] // one gateway, told from top to bottom
pub fn run(input: &Input) {
    if input.pages.is_empty() {
        return;
    }
    let max_pages = u32::from(input.max_pages % 12);
    let (pages, media) = (input.pages.clone(), if input.sse { "text/event-stream" } else { "application/json" });
    let (sse, cut) = (input.sse, usize::from(input.cut));
    let peer = Rc::new(Peer::new(move |request: &Request, position| {
        let id = message(request)["id"].clone();
        let page = &pages[position % pages.len()];
        let answer = match page.fate {
            Fate::Served | Fate::ServedToo | Fate::ServedAsWell => {
                json!({"jsonrpc": "2.0", "id": id, "result": page.result()})
            }
            Fate::NoList => json!({"jsonrpc": "2.0", "id": id, "result": {"tools": 1}}),
            Fate::StaleCursor => {
                json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32602, "message": "bad cursor"}})
            }
            Fate::OtherError => json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32603, "message": "no"}}),
            Fate::Status(status) => {
                let status = 400 + status % 200;
                return Some(Scripted { status, media: "text/plain", body: b"no".to_vec(), cut });
            }
            Fate::Reset => return None,
        };
        let body = if sse { format!("data: {answer}\n\n") } else { answer.to_string() };
        Some(Scripted { status: 200, media, body: body.into_bytes(), cut })
    }));
    let endpoint = Endpoint {
        url: "http://peer.test/mcp".to_owned(),
        kind: Some(Kind::Generic),
        services: Vec::new(),
        client: Implementation::default(),
        era: None,
        // The other era is another conversation's affair.
        era_is_fixed: true,
        max_pages,
        tokens: Tokens { first: 1, count: 1 << 20 },
        timeout_ms: 10_000,
    };
    let era = if input.modern { Era::Modern } else { Era::Legacy };
    let session = Session {
        era,
        protocol_version: if input.modern { "2026-07-28" } else { "2025-11-25" }.to_owned(),
        session_id: (!input.modern).then(|| "s".to_owned()),
        kind: Kind::Generic,
        kind_evidence: String::new(),
        server: Implementation::default(),
        announces_tool_changes: false,
    };
    let mut conversation = Conversation::open(peer.clone(), endpoint, Some(session)).expect("attached");
    let listed = conversation.list_tools();

    let asked: Vec<Value> = peer.asked.borrow().iter().map(message).collect();
    assert!(asked.iter().all(|request| request["method"] == "tools/list"), "nothing else is asked: {asked:?}");
    let mut ids: Vec<String> = asked.iter().map(|request| request["id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), asked.len(), "every request has an id of its own");

    // A reading starts without a cursor. There is a second one only after a cursor went stale, and never a third. A first page that is
    // asked for once more at the very end tells whether the session, or the credential, is what failed.
    let mut starts: Vec<usize> = (0..asked.len()).filter(|at| asked[*at]["params"].get("cursor").is_none()).collect();
    let fate = |at: usize| &input.pages[at % input.pages.len()];
    let mut end = asked.len();
    if starts.len() > 1 && starts.last() == Some(&(end - 1)) && matches!(fate(end - 2).fate, Fate::Status(_)) {
        starts.pop();
        end -= 1;
    }
    assert!(matches!(starts.as_slice(), [0] | [0, _]), "{asked:?}");
    if let [_, again] = starts.as_slice() {
        assert_eq!(fate(again - 1).fate, Fate::StaleCursor, "read again without a reason");
        assert!(*again > 1, "the first request of a reading has no cursor to be stale");
    }
    let mut bounds = starts.clone();
    bounds.push(end);
    for reading in bounds.windows(2) {
        let requests = &asked[reading[0]..reading[1]];
        assert!(requests.len() <= usize::try_from(max_pages.max(1)).expect("small"), "at most max_pages");
        let mut cursors: Vec<String> = requests.iter().map(|request| request["params"]["cursor"].to_string()).collect();
        cursors.sort();
        cursors.dedup();
        assert_eq!(cursors.len(), requests.len(), "no cursor is asked for twice");
    }
    let last = *starts.last().expect("asked at least once");
    let unread = !fate(end - 1).readable();
    match listed {
        Ok(catalog) => {
            let read = if unread { end - 1 } else { end };
            assert!(read > last, "without a page there is no list");
            let mut expected: BTreeMap<String, usize> = BTreeMap::new();
            for at in last..read {
                assert!(fate(at).readable(), "a page that was not served is no page");
                for name in fate(at).names() {
                    *expected.entry(name).or_default() += 1;
                }
            }
            let mut found: BTreeMap<String, usize> = BTreeMap::new();
            for tool in &catalog.tools {
                *found.entry(tool.name.clone()).or_default() += 1;
            }
            // A page that was there before adds nothing, and ends it.
            let repeats = !unread && (last..read - 1).any(|at| fate(at).names() == fate(read - 1).names());
            if repeats {
                assert!(found.iter().all(|(name, times)| expected.get(name).is_some_and(|most| times <= most)));
            } else {
                assert_eq!(found, expected, "a tool as often as the gateway sent it");
            }
            assert!(catalog.tools.is_sorted_by(|a, b| a.name <= b.name));
            assert_eq!(usize::try_from(catalog.pages).expect("small"), read - last);
            // Reading that stopped before the end says so. An empty cursor that is refused was none.
            let ended = if unread {
                fate(end - 1).fate == Fate::StaleCursor && asked[end - 1]["params"]["cursor"] == ""
            } else {
                matches!(fate(end - 1).next, Next::None | Next::Null)
            };
            let told =
                catalog.warnings.iter().any(|w| matches!(w.concern, Concern::PageLimit | Concern::RepeatedCursor));
            assert!(repeats || told != ended, "{:?}", catalog.warnings);
        }
        Err(error) => assert!(unread, "failed without a reason: {error}"),
    }
}
