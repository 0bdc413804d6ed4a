//! What only a process itself can measure: start to first instance, one more instance, a filter across the boundary, a list in the sandbox and
//! without it.
//! Takes the program `pace` from the environment; prints JSON by rows of `tests/bench/budgets.py`, in milliseconds. Never judges: whether a budget holds is the table's
//! to say.

#![expect(clippy::unwrap_used, reason = "a measurement that fails stops")]
#![expect(clippy::print_stdout, reason = "what was measured")]
// Dependencies of the tests in this package.
#![allow(unused_crate_dependencies, clippy::allow_attributes, reason = "one package of tests, several programs")]

mod native;
mod sandbox;

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use pflow_gateway::runtime::{CodeStore, PackagedCode, Runtime};
use serde_json::{Value, json};

use self::sandbox::{WITHIN, candidates, current_thread, opened, rules, runtime};

/// Runs of each; the first counts for nothing.
const ROUNDS: usize = 15;
const TOOLS: usize = 100_000;
/// Nobody is there, and nothing is sent.
const NOWHERE: &str = "http://127.0.0.1:9/mcp";
/// How this program is told to be a fresh process with one instance.
const FIRST: &str = "--first-instance";

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [first, file, sha256] = arguments.as_slice()
        && first == FIRST
    {
        let packaged = PackagedCode { file: file.into(), sha256: sha256.clone() };
        // As it is with a user: what was looked at once is remembered.
        let code =
            CodeStore { packaged: Some(packaged), cache: Path::new(file).parent().map(|place| place.join("cache")) };
        let _first = current_thread().block_on(sandbox::instance(&runtime(&code), NOWHERE));
        println!("ready");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.cwasm");
    let sha256 = Runtime::precompile(&file).unwrap();
    let code = CodeStore { packaged: Some(PackagedCode { file: file.clone(), sha256: sha256.clone() }), cache: None };
    // A file that has just been written is not remembered.
    std::thread::sleep(Duration::from_secs(3));
    let runtime = runtime(&code);
    let threads = current_thread();
    println!(
        "{:#}",
        json!({
            "first-instance": spread(|| first_instance(&file, &sha256)),
            "instance": spread(|| timed(|| drop(threads.block_on(sandbox::instance(&runtime, NOWHERE))))),
            "sandbox-filter": spread(|| filtered(&threads, &runtime)),
            "sandbox-list": in_turns(&threads, &runtime),
        })
    );
}

/// From before the process is there until its first instance is.
fn first_instance(file: &PathBuf, sha256: &str) -> Duration {
    let mut command = Command::new(env::current_exe().unwrap());
    command.arg(FIRST).arg(file).arg(sha256).stdout(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let took = started.elapsed();
    assert!(child.wait().unwrap().success() && line == "ready\n", "it said {line:?}");
    took
}

/// How long lists of 10,000 tools in 100 pages take in the sandbox, of what they take natively: of the same round each, both over HTTP from the same
/// server, in a conversation that stands.
fn in_turns(threads: &tokio::runtime::Runtime, runtime: &Runtime) -> Value {
    const TOOLS: usize = 10_000;
    let mut server = Command::new(env::var_os("PACE_BIN").unwrap());
    server.args(["serve", "--tools", &TOOLS.to_string(), "--page", "100"]);
    let mut server = server.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    let url = said["urls"][0].as_str().unwrap();
    let mut ratios: Vec<f64> = (0..=ROUNDS)
        .map(|_| {
            let native = native::listed(url, TOOLS);
            threads.block_on(listed(runtime, url, TOOLS)).as_secs_f64() / native.as_secs_f64()
        })
        .skip(1)
        .collect();
    // It serves until its input ends.
    drop(server.stdin.take());
    server.wait().unwrap();
    of_these(&mut ratios)
}

async fn listed(runtime: &Runtime, url: &str, tools: usize) -> Duration {
    let mut conversation = opened(runtime, url).await;
    let started = Instant::now();
    let catalog = conversation.list_tools(WITHIN).await.unwrap();
    let took = started.elapsed();
    assert_eq!(catalog.tools.len(), tools);
    took
}

/// Two globs over all candidates, in an instance of its own, whose start is not counted.
fn filtered(threads: &tokio::runtime::Runtime, runtime: &Runtime) -> Duration {
    let (rules, candidates) = (rules(), candidates(TOOLS));
    threads.block_on(async {
        let mut conversation = sandbox::instance(runtime, NOWHERE).await;
        let started = Instant::now();
        let verdicts = conversation.select(&rules, &candidates, WITHIN).await.unwrap();
        let took = started.elapsed();
        assert_eq!(verdicts.iter().filter(|verdict| verdict.is_none()).count(), TOOLS / 4, "kept");
        took
    })
}

fn timed(run: impl FnOnce()) -> Duration {
    let started = Instant::now();
    run();
    started.elapsed()
}

/// Median, minimum and maximum, in milliseconds.
fn spread(mut run: impl FnMut() -> Duration) -> Value {
    run();
    of_these(&mut (0..ROUNDS).map(|_| run().as_secs_f64() * 1000.0).collect::<Vec<_>>())
}

fn of_these(measured: &mut [f64]) -> Value {
    measured.sort_by(f64::total_cmp);
    json!({"median": measured.get(ROUNDS / 2), "min": measured.first(), "max": measured.last()})
}
