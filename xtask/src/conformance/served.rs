//! The service on an engine, before a gateway that has the tools that the suite's server scenarios call.
//! Takes the service and the engine; gives a URL while both run. Ends what it started, whatever comes of the suite.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::shell::{Doing as _, Failure, Result, command, root};

/// What the front does not offer, each with its reason.
pub(super) const EXPECTED_FAILURES: &str = "tests/conformance/expected-failures-server.yml";

/// The gateway, for any Python.
const UPSTREAM: &str = "tests/conformance/upstream.py";

/// For the engine to compile the service.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Both of them.
pub(super) struct Service {
    url: String,
    _engine: Running,
    _gateway: Running,
}

impl Service {
    /// Starts them; the engine's log goes into the folder.
    pub(super) fn started(service: &Path, engine: &Path, folder: &Path) -> Result<Self> {
        let mut gateway = command("python3");
        gateway.arg(root().join(UPSTREAM)).stdout(Stdio::piped()).stdin(Stdio::null());
        let mut gateway = Running(gateway.spawn().doing("cannot start python3")?);
        let out = gateway.0.stdout.take().ok_or_else(|| Failure(format!("{UPSTREAM} has no stdout")))?;
        let mut at = String::new();
        BufReader::new(out).read_line(&mut at).doing(format!("cannot read from {UPSTREAM}"))?;

        let log = folder.join("conformance-service.log");
        let to = File::create(&log).doing(format!("cannot write {}", log.display()))?;
        let mut serve = command(engine);
        serve.args(["serve", "-Scli", "--addr", "127.0.0.1:0"]);
        let gateways = format!("GATEWAYS={{\"gw\": {{\"url\": \"{}\"}}}}", at.trim());
        for variable in [&gateways, "CLIENTS=anyone", &format!("SESSION_KEYS={}", "00".repeat(32))] {
            serve.args(["--env", variable]);
        }
        serve.arg(service).stdin(Stdio::null()).stdout(Stdio::null()).stderr(to);
        let mut engine = Running(serve.spawn().doing("cannot start the engine")?);
        let until = Instant::now() + PATIENCE;
        loop {
            let said = fs::read_to_string(&log).doing(format!("cannot read {}", log.display()))?;
            if let Some(url) = said.split_whitespace().find(|word| word.starts_with("http://127.0.0.1:")) {
                return Ok(Self { url: format!("{url}gw/mcp"), _engine: engine, _gateway: gateway });
            }
            let ended = engine.0.try_wait().doing("cannot ask for the engine")?.is_some();
            if ended || Instant::now() > until {
                return Err(Failure(format!("the engine does not serve {}: {said}", service.display())));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Where it speaks MCP.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}
