//! `cargo xtask demo`: from nothing to a workflow of stock pflow that calls two services through a gateway.
//! Takes nothing; succeeds only if the workflow's output is right. Never touches the user's own pflow folder.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    build,
    progress::{self, Step},
    python::{Venv, Version},
    shell::{Doing as _, Failure, Result, command, say},
};

const WORKFLOW: &str = "\
# Weather report

Looks up the weather and tells the team about it: two tools of two services, behind one gateway.

## Steps

### weather

Ask the weather service.

- type: mcp-demo-weather_get_current
- city: Reykjavik

### tell

Post what it said.

- type: mcp-demo-slack_post_message
- channel: general
- text: \"Reykjavik today: ${weather.result.sky}\"

## Outputs

### posted

What was posted.

- source: ${tell.result}
";

const PFLOW: Step = ("Stock pflow, and the wheel beside it", 20);
const WORKFLOW_RUN: Step = ("A workflow of two services through one gateway", 12);

/// What the workflow's output must hold: the answer of the second service, with the answer of the first inside.
const EXPECTED: &str = "Reykjavik today: ";
/// The variable that holds the gateway's token.
const TOKEN: &str = "DEMO_TOKEN";

pub(crate) fn demo() -> Result {
    progress::begin(&[build::COMPONENT, build::HOST_BUILT, build::DIGEST, build::WHEEL, PFLOW, WORKFLOW_RUN]);
    let dist = build::dist()?;
    progress::step(PFLOW.0);
    let pflow = Venv::with("pflow", &["pflow"], Version(10))?;
    pflow.install(&dist.wheel)?;

    progress::step(WORKFLOW_RUN.0);
    let home = tempfile::tempdir().doing("cannot make a folder for the demo")?;
    let gateway = Gateway::start(&dist.folder.join("pflow-gateway"))?;
    say(format!("A gateway of three services listens at {}; its token is in ${TOKEN}", gateway.url));
    let steps = Steps { pflow: pflow.bin("pflow"), home: home.path().to_owned() };
    let workflow = home.path().join("weather-report.pflow.md");
    fs::write(&workflow, WORKFLOW).doing("cannot write the workflow")?;

    steps.run(&["mcp", "gateway", "add", "demo", &gateway.url, "--bearer-env", TOKEN])?;
    steps.run(&["mcp", "gateway", "test", "demo"])?;
    steps.run(&["mcp", "gateway", "services", "demo"])?;
    steps.run(&["mcp", "sync", "demo"])?;
    let listed = steps.run(&["mcp", "list", "github"])?;
    if !listed.contains("github_") {
        return Err(Failure("`pflow mcp list github` does not show the tools of the service github".into()));
    }
    anstream::eprintln!("\n{WORKFLOW}");
    let said = steps.run(&["weather-report.pflow.md"])?;
    if !said.contains(EXPECTED) {
        return Err(Failure(format!("the workflow did not say {EXPECTED:?}")));
    }
    say("Stock pflow called two services behind one gateway. That is all there is to it.");
    Ok(())
}

/// The demo gateway, ended with this value.
struct Gateway {
    child: Child,
    url: String,
}

impl Gateway {
    fn start(program: &Path) -> Result<Self> {
        let mut child = command(program)
            .args(["demo", "--json", "--token-env", TOKEN])
            .env(TOKEN, token())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .doing("cannot start the demo gateway")?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.as_mut() {
            BufReader::new(stdout).read_line(&mut line).doing("cannot read from the demo gateway")?;
        }
        let url = serde_json::from_str::<serde_json::Value>(&line)
            .ok()
            .and_then(|ready| ready.get("url")?.as_str().map(str::to_owned))
            .ok_or_else(|| Failure(format!("the demo gateway did not say where it listens: {line:?}")))?;
        Ok(Self { child, url })
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// For this process's gateway alone.
fn token() -> String {
    format!("demo-{}", std::process::id())
}

/// Commands of stock pflow in a home of their own.
struct Steps {
    pflow: PathBuf,
    home: PathBuf,
}

impl Steps {
    /// Prints the command, runs it, shows its output and gives it back.
    fn run(&self, arguments: &[&str]) -> Result<String> {
        anstream::eprintln!("\n\x1b[1m$ pflow {}\x1b[0m", arguments.join(" "));
        let started = Instant::now();
        let output = Command::new(&self.pflow)
            .args(arguments)
            .current_dir(&self.home)
            .env("HOME", &self.home)
            .env_remove("XDG_CACHE_HOME")
            .env_remove("PYTHONPATH")
            .env(TOKEN, token())
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .doing("cannot run pflow")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        anstream::print!("{text}");
        if started.elapsed() > Duration::from_secs(10) {
            anstream::eprintln!("    {} s", started.elapsed().as_secs());
        }
        if output.status.success() {
            Ok(text)
        } else {
            Err(Failure(format!("`pflow {}` ended with {}", arguments.join(" "), output.status)))
        }
    }
}
