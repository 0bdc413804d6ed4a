//! The table, played: each fault to `test`, `tools` and `call`, one process each.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use pflow_gateway::Class;
use pflow_gateway_tests::{
    faults::{self, Ends, Family, Fault, Outcome, Ran},
    program::{Home, Program, Run},
    wire::WireLog,
};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{QUIET, entry, program};

/// What may come on top of the deadline.
const GRACE: Duration = Duration::from_secs(1);
/// Processes at a time.
const SIDE_BY_SIDE: usize = 3;
/// A token that no output may hold.
const TOKEN: &str = "s3cret-t0ken-of-the-matrix";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Test,
    Tools,
    Call,
}

impl Command {
    const ALL: [Self; 3] = [Self::Test, Self::Tools, Self::Call];

    fn word(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Tools => "tools",
            Self::Call => "call",
        }
    }

    fn outcome(self, fault: &Fault) -> Outcome {
        match self {
            Self::Test => fault.test,
            Self::Tools => fault.tools,
            Self::Call => fault.call,
        }
    }

    /// Members that the shape always has.
    fn members(self) -> &'static [&'static str] {
        match self {
            Self::Test => &["gateway", "url", "ok", "kind", "protocol", "era", "checks", "tools", "services", "error"],
            Self::Tools => &["gateway", "total", "pages", "filtered_out", "tools", "warnings"],
            Self::Call => &["gateway", "tool", "service", "ok", "result", "error"],
        }
    }
}

/// One thing that is not as the table says.
#[derive(Debug)]
struct Problem {
    fault: &'static str,
    command: Command,
    what: String,
    late: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_is_told_as_the_table_says() {
    let program = program().await;
    let room = Arc::new(Semaphore::new(SIDE_BY_SIDE));
    let mut playing = JoinSet::new();
    let only = std::env::var("FAULT").ok();
    for fault in faults::all() {
        if only.as_deref().is_some_and(|only| !fault.name.contains(only)) {
            continue;
        }
        for command in Command::ALL {
            let (fault, program, room) = (fault.clone(), program.clone(), Arc::clone(&room));
            playing.spawn(async move {
                let _turn = room.acquire().await.unwrap();
                play(&program, &fault, command).await
            });
        }
    }
    let mut problems: Vec<Problem> = Vec::new();
    let mut late = Vec::new();
    while let Some(found) = playing.join_next().await {
        let found = found.unwrap();
        // A machine that is busy with the other cases is no reason: late ones get a quiet turn.
        match found.iter().find(|p| p.late) {
            Some(first) => late.push((first.fault, first.command)),
            None => problems.extend(found),
        }
    }
    let _quiet = QUIET.lock().await;
    for (name, command) in late {
        problems.extend(play(&program, &Fault::named(name).unwrap(), command).await);
    }
    let mut text = String::new();
    problems.sort_by_key(|p| (p.fault, p.command.word()));
    for problem in &problems {
        let _ = writeln!(text, "{} {}: {}", problem.fault, problem.command.word(), problem.what);
    }
    assert!(problems.is_empty(), "{} things are not as the table says:\n{text}", problems.len());
}

async fn play(program: &Program, fault: &Fault, command: Command) -> Vec<Problem> {
    let faulty = fault.start().await.unwrap();
    let token = fault.token.map_or_else(|| TOKEN.to_owned(), |token| token());
    let mut server = entry(&faulty.url, json!({"type": "bearer", "token": "${FAULT_TOKEN}"}));
    let home = Home::new(program, &json!({})).unwrap().with("FAULT_TOKEN", &token);
    if let Some(pem) = &faulty.ca {
        std::fs::write(home.path().join("ca.pem"), pem).unwrap();
        server["gateway"]["ca_file"] = json!(home.path().join("ca.pem"));
    }
    let servers = home.path().join(".pflow/mcp-servers.json");
    let mut all: Value = serde_json::from_slice(&std::fs::read(&servers).unwrap()).unwrap();
    all["mcpServers"]["faulty"] = server;
    std::fs::write(&servers, format!("{all:#}\n")).unwrap();
    let before = home.files().unwrap();
    let deadline = fault.deadline.to_string();
    let mut words = vec![command.word(), "faulty"];
    if command == Command::Call {
        words.extend([fault.tool, "--no-check", "--args", "{\"repo\": \"a/b\", \"title\": \"t\"}"]);
    }
    words.extend(["--json", "--timeout", &deadline]);
    let run = home.run(&words, Duration::from_secs(fault.deadline * 5)).await.unwrap();
    let mut problems = Vec::new();
    let mut say = |what: String, late: bool| problems.push(Problem { fault: fault.name, command, what, late });
    for what in judge(fault, command, &run, &faulty.log, &token) {
        say(what, false);
    }
    let after = home.files().unwrap();
    for (path, digest) in &before {
        if after.get(path) != Some(digest) {
            say(format!("{} was changed", path.display()), false);
        }
    }
    let most = match fault.ends {
        Ends::AtDeadline => Duration::from_secs(fault.deadline) + GRACE,
        Ends::AtOnce => Duration::from_secs(fault.deadline),
    };
    if run.took > most {
        say(format!("took {:?}, at most {most:?} is allowed", run.took), true);
    }
    problems
}

fn judge(fault: &Fault, command: Command, run: &Run, log: &WireLog, token: &str) -> Vec<String> {
    let mut found = Vec::new();
    let report = run.json();
    let wanted = command.outcome(fault);
    let error = report.get("error").filter(|e| !e.is_null());
    let class = error.and_then(|e| e["class"].as_str());
    let got = match (run.code, class) {
        (None, _) => "it never ended".to_owned(),
        (Some(code), class) => {
            format!("exit {code}, class {}, stderr {:?}", class.unwrap_or("none"), run.stderr.trim())
        }
    };
    if !command.members().iter().all(|member| report.get(member).is_some()) {
        found.push(format!("not the shape of {}: {got}, stdout {:?}", command.word(), cut(&run.stdout)));
        return found;
    }
    let as_wanted = match wanted {
        Outcome::Good => run.code == Some(0) && class.is_none(),
        Outcome::Warns(word) => run.code == Some(0) && class.is_none() && warned(command, &report, word),
        Outcome::Fails(wanted) => {
            run.code == Some(if wanted == Class::Config { 2 } else { 1 }) && class == Some(wanted.as_str())
        }
        Outcome::ToolFails => {
            run.code == Some(1)
                && class == Some("upstream_error")
                && report["ok"] == false
                && !report["result"].is_null()
        }
    };
    if !as_wanted {
        let warnings = report.get("warnings").map(|w| cut(&w.to_string())).unwrap_or_default();
        found.push(format!("wanted {wanted:?}, got {got} {warnings}"));
    }
    found.extend(streams(run, error, token));
    found.extend(counted(fault, command, wanted, &report, log));
    if command == Command::Call
        && wanted != Outcome::ToolFails
        && let Some(error) = error
    {
        found.extend(advised(fault, error, log.count("tools/call") > 0));
    }
    found
}

/// What a caller is told to do: never to repeat what may have run, and never that it may have run when it did not.
fn advised(fault: &Fault, error: &Value, sent: bool) -> Option<String> {
    const OURS: [&str; 3] =
        ["check before calling it again", ", again after a new one was opened", "it can be called again"];
    let text = format!("{} {}", error["message"], error["hint"]).to_lowercase();
    let may_have_run = text.contains("may have run; check before calling it again");
    let wrong = |what: &str| Some(format!("{what}: {} -> {}", error["message"], error["hint"]));
    if !sent || fault.ran == Ran::No {
        return if may_have_run { wrong("it did not run") } else { None };
    }
    if fault.tool == "github__list_issues" {
        return if text.contains("it can be called again") { None } else { wrong("it only reads") };
    }
    if !may_have_run {
        return wrong("it may have run");
    }
    let others = OURS.iter().fold(text, |text, ours| text.replace(ours, ""));
    let words = ["again", "retry", "repeat", "resubmit", "once more"];
    let others = others.replace("so it was not repeated", "");
    if words.iter().any(|word| others.contains(word)) { wrong("it may have run, and is to be repeated") } else { None }
}

fn warned(command: Command, report: &Value, word: &str) -> bool {
    let warnings = report["warnings"].as_array().cloned().unwrap_or_default();
    command != Command::Tools || warnings.iter().any(|w| w.as_str().unwrap_or_default().contains(word))
}

/// One sentence and one hint on stderr, no control characters anywhere, and never the token.
fn streams(run: &Run, error: Option<&Value>, token: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in [("stdout", &run.stdout), ("stderr", &run.stderr)] {
        if let Some(c) = text.chars().find(|c| c.is_control() && *c != '\n') {
            found.push(format!("{name} holds the control character {c:?}"));
        }
        if text.contains(token) || text.contains(TOKEN) {
            found.push(format!("{name} holds the token"));
        }
    }
    let Some(error) = error else { return found };
    let lines: Vec<&str> = run.stderr.lines().collect();
    match lines.as_slice() {
        [sentence, hint] if sentence.starts_with("Error: ") && hint.starts_with("  → ") => {}
        _ => found.push(format!("stderr is not one sentence and one hint: {:?}", run.stderr)),
    }
    if error["message"].as_str().is_none_or(|m| m.trim().is_empty() || m.len() > 1000) {
        found.push(format!("no good sentence: {}", error["message"]));
    }
    found
}

/// What was seen on the wire, and that nothing was lost.
fn counted(fault: &Fault, command: Command, wanted: Outcome, report: &Value, log: &WireLog) -> Vec<String> {
    let mut found = Vec::new();
    if log.len() > fault.requests {
        let shown = if log.len() < 40 { log.summary() } else { String::new() };
        found.push(format!("{} requests on the wire, at most {} are allowed\n{shown}", log.len(), fault.requests));
    }
    let calls = log.count("tools/call");
    let most = if command == Command::Call { fault.calls } else { 0 };
    if calls > most {
        found.push(format!("{calls} tools/call on the wire, at most {most} are allowed"));
    }
    for record in log.records() {
        if record.header("origin").is_some() {
            found.push("an Origin header was sent".to_owned());
        }
        if record.method == "POST" && record.header("content-type") != Some("application/json") {
            found.push(format!("Content-Type was {:?}", record.header("content-type")));
        }
        if record.rpc.as_deref() == Some("initialize")
            && record.message.as_ref().is_some_and(|m| m["params"]["capabilities"].get("elicitation").is_some())
        {
            found.push("elicitation was declared".to_owned());
        }
    }
    // 15 tools are there, whatever the stream or the session does.
    let whole = matches!(fault.family, Family::Connection | Family::Sse | Family::Session | Family::Tls);
    if whole && wanted == Outcome::Good && command == Command::Tools && report["total"] != 15 {
        found.push(format!("{} tools, 15 are there", report["total"]));
    }
    found.sort();
    found.dedup();
    found
}

fn cut(text: &str) -> String {
    text.chars().take(300).collect()
}
