//! The real `pflow-gateway`, run as a user runs it, in a home of its own.
//! Takes words, variables and server entries; gives exit code, streams, time, and what changed on disk.
//! Never inherits the environment, and never outlives its time.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Names the binary to test.
pub const VARIABLE: &str = "PFLOW_GATEWAY_BIN";

/// The binary under test.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    cache: PathBuf,
}

impl Program {
    /// The one that `PFLOW_GATEWAY_BIN` names, else the one in the target folder of the running test.
    ///
    /// # Errors
    ///
    /// One sentence that says what is missing and how to get it.
    pub fn find() -> Result<Self, String> {
        let here = env::current_exe().map_err(|e| format!("cannot tell where this test runs: {e}"))?;
        let target = here.ancestors().nth(2).unwrap_or(&here);
        let path = env::var_os(VARIABLE).map_or_else(|| target.join("pflow-gateway"), PathBuf::from);
        if !path.is_file() {
            let path = path.display();
            return Err(format!(
                "there is no {path}: build it with `cargo build --release -p pflow-gateway-cli`, or name one in {VARIABLE}"
            ));
        }
        // Kept from run to run: compiling the component is not what is timed here.
        Ok(Self { path, cache: target.join("tmp/pflow-gateway-cache") })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A home folder with a `mcp-servers.json`.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
    program: Program,
    variables: Vec<(String, String)>,
}

/// What a run left behind.
#[derive(Clone, Debug)]
pub struct Run {
    /// The exit code; none when it had to be killed.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// From start to end.
    pub took: Duration,
}

impl Run {
    /// Standard output as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or(Value::Null)
    }
}

impl Home {
    /// A home with these entries under `mcpServers`, and one of a stranger that nobody may touch.
    pub fn new(program: &Program, servers: &Value) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let pflow = folder.path().join(".pflow");
        fs::create_dir(&pflow)?;
        let mut all = json!({"mcpServers": {"stranger": {"command": "true", "x-unknown": [1, 2]}}, "x-kept": true});
        if let (Some(all), Some(servers)) =
            (all.get_mut("mcpServers").and_then(Value::as_object_mut), servers.as_object())
        {
            all.extend(servers.clone());
        }
        fs::write(pflow.join("mcp-servers.json"), format!("{all:#}\n"))?;
        Ok(Self { folder, program: program.clone(), variables: Vec::new() })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// One more variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs one command line, for at most `wait`.
    pub async fn run(&self, words: &[&str], wait: Duration) -> io::Result<Run> {
        let mut command = Command::new(&self.program.path);
        command.args(words).env_clear().env("HOME", self.path()).env("XDG_CACHE_HOME", &self.program.cache);
        command.envs(self.variables.iter().map(|(n, v)| (n, v))).current_dir(self.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let start = Instant::now();
        let ended = tokio::time::timeout(wait, command.spawn()?.wait_with_output()).await;
        let took = start.elapsed();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(match ended {
            Ok(output) => {
                let output = output?;
                Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr), took }
            }
            Err(_) => Run { code: None, stdout: String::new(), stderr: format!("killed after {wait:?}"), took },
        })
    }

    /// Starts one command line, with pipes; it ends with the value.
    pub fn start(&self, words: &[&str]) -> io::Result<Child> {
        let mut command = Command::new(&self.program.path);
        command.args(words).env_clear().env("HOME", self.path()).env("XDG_CACHE_HOME", &self.program.cache);
        command.envs(self.variables.iter().map(|(n, v)| (n, v))).current_dir(self.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn()
    }

    /// Every file under the home, with the digest of its content.
    pub fn files(&self) -> io::Result<BTreeMap<PathBuf, String>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let digest = Sha256::digest(fs::read(&path)?);
                    let name = path.strip_prefix(self.path()).unwrap_or(&path).to_owned();
                    files.insert(name, format!("{digest:x}"));
                }
            }
        }
        Ok(files)
    }
}
