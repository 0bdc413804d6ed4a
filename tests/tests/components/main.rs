//! Strangers' components, as a user meets them: the `component` commands of the real binary, and the conformance kit.
//! Takes the binary that `PFLOW_GATEWAY_BIN` names, or the one beside this test; builds its own guests. Never leaves loopback.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failing test shall panic")]
// Dependencies of the other tests in this package.
#![allow(unused_crate_dependencies, clippy::allow_attributes, reason = "one package of tests, several programs")]

mod commands;
mod fourth;
mod frozen;
#[path = "../sandbox/guest.rs"]
mod guest;
mod kit;
mod part;
mod refusals;

use std::{fs, path::Path, time::Duration};

use pflow_gateway_tests::program::{Home, Program, Run};
use serde_json::{Value, json};

/// For one command, compiling included, on a machine that is busy with other tests.
const WAIT: Duration = Duration::from_secs(180);

fn program() -> Program {
    Program::find().unwrap_or_else(|problem| panic!("{problem}"))
}

/// A home with gateways at these URLs.
fn home(gateways: &[(&str, &str)]) -> Home {
    let entry = |url: &str| json!({"command": "pflow-gateway", "args": ["serve", "x"], "gateway": {"url": url}});
    let servers: serde_json::Map<String, Value> =
        gateways.iter().map(|(name, url)| ((*name).to_owned(), entry(url))).collect();
    Home::new(&program(), &Value::Object(servers)).unwrap()
}

/// Runs `pflow-gateway component …`.
async fn component(home: &Home, words: &[&str]) -> Run {
    run(home, &[&["component"], words].concat()).await
}

async fn run(home: &Home, words: &[&str]) -> Run {
    let run = home.run(words, WAIT).await.unwrap();
    assert!(run.code.is_some(), "{words:?} did not end: {}", run.stderr);
    run
}

/// Puts a file into the home, where commands find it by its name.
fn put(home: &Home, name: &str, bytes: &[u8]) {
    fs::write(home.path().join(name), bytes).unwrap();
}

/// The bytes of the guest in `tests/components/NAME`.
fn bytes(name: &str) -> Vec<u8> {
    fs::read(guest::component(name)).unwrap()
}

/// The same bytes with one text for another of the same length, everywhere.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "{from} and {to} differ in length");
    let mut bytes = bytes.to_vec();
    let mut count = 0;
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from.as_bytes()) {
        bytes[at + found..at + found + from.len()].copy_from_slice(to.as_bytes());
        at += found + from.len();
        count += 1;
    }
    assert!(count > 0, "{from} is not in the component");
    bytes
}

/// What differs from machine to machine, by a name: the home, and digests.
fn anonymous(text: &str, home: &Path) -> String {
    let real = fs::canonicalize(home).unwrap();
    let text = text.replace(&real.display().to_string(), "HOME").replace(&home.display().to_string(), "HOME");
    let is_digest = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digests: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| is_digest(word)).collect();
    digests.iter().fold(text.clone(), |text, digest| text.replace(digest, "DIGEST"))
}
