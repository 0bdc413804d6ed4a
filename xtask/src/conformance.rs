//! `cargo xtask conformance`: the MCP conformance suite, against the program as it is shipped.
//! Takes the program; makes the suite once, with npm, in `target/conformance`. Never counts a scenario whose client failed.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::{
    build,
    shell::{Doing as _, Failure, Result, command, root, run, say, succeeds, target},
};

/// The revisions of MCP that the suite scores.
const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];

/// Milliseconds for one scenario. All of them start at once, and on two busy cores we saw that take a minute; the suite's own
/// limit is 30 s.
const TIMEOUT: &str = "180000";

/// How the client begins the line that says why it failed.
const COMPLAINT: &str = "client failed: ";

/// Builds, then runs both revisions.
pub(crate) fn conformance() -> Result {
    let dist = build::dist()?;
    against(&dist.folder.join("pflow-gateway"))
}

/// Runs both revisions against a program that is there already.
pub(crate) fn against(program: &Path) -> Result {
    let suite = Suite::made()?;
    for revision in REVISIONS {
        say(format!("MCP conformance, {revision}"));
        suite.run(revision, program)?;
    }
    Ok(())
}

/// The suite, with the Node that it needs.
struct Suite {
    folder: PathBuf,
}

impl Suite {
    /// The suite that `tests/conformance/package.json` names; kept while that file is the same.
    fn made() -> Result<Self> {
        let suite = Self { folder: target().join("conformance") };
        let source = root().join("tests/conformance/package.json");
        let wanted = fs::read_to_string(&source).doing(format!("cannot read {}", source.display()))?;
        let stamp = suite.folder.join("package.done");
        if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted)
            && succeeds(command(suite.bin("node")).arg("--version"))
        {
            return Ok(suite);
        }
        fs::create_dir_all(&suite.folder).doing(format!("cannot make {}", suite.folder.display()))?;
        let package = suite.folder.join("package.json");
        fs::write(&package, &wanted).doing(format!("cannot write {}", package.display()))?;
        run(command("npm")
            .args(["install", "--no-audit", "--no-fund", "--no-package-lock"])
            .current_dir(&suite.folder))
        .map_err(|failure| Failure(format!("{failure}; npm is needed (Debian: apt-get install npm), and network")))?;
        fs::write(&stamp, wanted).doing(format!("cannot write {}", stamp.display()))?;
        Ok(suite)
    }

    fn bin(&self, program: &str) -> PathBuf {
        self.folder.join("node_modules/.bin").join(program)
    }

    fn run(&self, revision: &str, program: &Path) -> Result {
        let results = self.folder.join("results").join(revision);
        if results.exists() {
            fs::remove_dir_all(&results).doing(format!("cannot remove {}", results.display()))?;
        }
        // The suite starts with the first `node` of PATH, and Debian's is too old for it.
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([self.folder.join("node_modules/.bin")].into_iter().chain(env::split_paths(&path)))
            .map_err(|error| Failure(format!("cannot put {} on PATH: {error}", self.folder.display())))?;
        run(command(self.bin("conformance"))
            // The suite cuts the client's command at spaces: a name under the workspace, where this runs, has none.
            .args(["client", "--command", "tests/conformance/client", "--requirements", revision])
            .args(["--expected-failures", "tests/conformance/expected-failures.yml", "--timeout", TIMEOUT])
            .arg("--output-dir")
            .arg(&results)
            .env("PATH", path)
            .env("PFLOW_GATEWAY_BIN", program))?;
        no_client_failed(&results)
    }
}

/// The suite judges by what its server saw, whether or not the client made anything of the answer.
fn no_client_failed(results: &Path) -> Result {
    let unreadable = || format!("cannot read {}", results.display());
    let mut played = 0;
    let mut failed = Vec::new();
    for scenario in fs::read_dir(results).doing(unreadable())? {
        let scenario = scenario.doing(unreadable())?;
        // The OAuth scenarios, which are to fail, are one folder further down.
        let Ok(said) = fs::read(scenario.path().join("stderr.txt")) else { continue };
        played += 1;
        let said = String::from_utf8_lossy(&said);
        let complaint = said.lines().find(|line| line.starts_with(COMPLAINT));
        failed.extend(complaint.map(|line| format!("{}: {line}", scenario.file_name().display())));
    }
    match (played, failed.as_slice()) {
        (0, _) => Err(Failure(format!("no scenario left a result in {}", results.display()))),
        (_, []) => Ok(()),
        _ => Err(Failure(failed.join("\n"))),
    }
}
