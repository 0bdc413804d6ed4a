//! The real binary against every fault of the table, and against the configurations that a user gets wrong.
//! Takes the binary that `PFLOW_GATEWAY_BIN` names, or the one beside this test; never the network beyond loopback.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test shall panic")]

mod calls;
mod configuration;
mod eras;
mod interrupts;
mod matrix;
mod nasty;
mod page;
mod products;
mod proxy;
mod rotation;
mod shapes;
mod unlisted;
mod words;

use std::time::Duration;

use pflow_gateway_tests::program::{Home, Program};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// Held by what needs the machine, or takes it.
static QUIET: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The binary, after one run that compiles the component: that is not what is timed here.
async fn program() -> Program {
    static WARM: OnceCell<Program> = OnceCell::const_new();
    let warm = async {
        let program = Program::find().unwrap_or_else(|problem| panic!("{problem}"));
        let home = Home::new(&program, &json!({})).unwrap();
        let shown = home.run(&["test", "http://127.0.0.1:9/mcp", "--json"], Duration::from_secs(180)).await.unwrap();
        assert!(shown.code.is_some(), "the first run did not end: {}", shown.stderr);
        program
    };
    WARM.get_or_init(|| warm).await.clone()
}

/// An entry of `mcp-servers.json` for a URL.
fn entry(url: &str, auth: Value) -> Value {
    let mut gateway = json!({"url": url});
    if !auth.is_null() {
        gateway.as_object_mut().unwrap().insert("auth".to_owned(), auth);
    }
    json!({"command": "pflow-gateway", "args": ["serve", "faulty"], "gateway": gateway})
}
