//! What peers say of themselves, and how the real program takes it: poisoned and honest catalogues, and what an entry includes.
//! Each test serves lists of its own on loopback and runs commands as a user does.

mod catalogues;
mod include;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use pflow_gateway_tests::{
    program::{Home, Program},
    reply::Answer,
    rpc,
    server::{Answering, Fake, Gateway},
    wire::Seen,
};
use serde_json::{Value, json};

/// Long enough for a busy machine: nothing here is timed.
const WAIT: Duration = Duration::from_secs(120);

/// Lists of tools behind one listener, each at a path of its own.
struct Served(BTreeMap<String, Value>);

impl Gateway for Served {
    fn answer<'a>(&'a self, seen: &'a Seen) -> Answering<'a> {
        let id = seen.rpc_id();
        let answer = match (seen.rpc_method(), self.0.get(seen.path().trim_matches('/'))) {
            _ if seen.method != "POST" => Answer::empty(405),
            (Some("initialize"), _) => Answer::json(
                200,
                &rpc::result(
                    &id,
                    &json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}),
                ),
            ),
            (Some("tools/list"), Some(result)) => Answer::json(200, &rpc::result(&id, result)),
            _ if id.is_null() => Answer::empty(202),
            _ => Answer::json(400, &rpc::error(&id, -32_600, "Bad Request: Server not initialized")),
        };
        Box::pin(async move { answer.into() })
    }
}

impl Served {
    async fn start(self) -> Fake {
        Fake::start(Arc::new(self)).await.unwrap()
    }
}

/// A home with these entries.
fn home(entries: &Value) -> Home {
    Home::new(&Program::find().unwrap(), entries).unwrap()
}

async fn run(home: &Home, words: &[&str]) -> Value {
    let run = home.run(words, WAIT).await.unwrap();
    let json = run.json();
    assert!(!json.is_null(), "{words:?}: {}{}", run.stdout, run.stderr);
    json
}
