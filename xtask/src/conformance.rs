//! `cargo xtask conformance`: the MCP conformance suite, against the program as it is shipped.
//! Takes the program; makes the suite once, with npm, in `target/conformance`. Never counts a scenario whose client failed, nor one that was not played.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{self, Path, PathBuf},
};

use clap::Args;

use crate::{
    build,
    shell::{Doing as _, Failure, Result, command, root, run, say, succeeds, target},
};

/// The revisions of MCP that the suite scores, and their protocol scenarios, which all pass. The suite itself does not miss one.
const REVISIONS: [(&str, &[&str]); 2] = [
    ("2025-11-25", &["elicitation-sep1034-client-defaults", "initialize", "sse-retry", "tools_call"]),
    (
        "2026-07-28",
        &[
            "http-custom-headers",
            "http-invalid-tool-headers",
            "http-standard-headers",
            "json-schema-ref-no-deref",
            "request-metadata",
            "sep-2322-client-request-state",
            "tools_call",
        ],
    ),
];

/// The scenarios that are to fail. The suite complains of one that passes, and of others that fail; not of one that it has not played.
const EXPECTED_FAILURES: &str = "tests/conformance/expected-failures.yml";

/// Milliseconds for one scenario. All of them start at once, and on two busy cores we saw that take a minute; the suite's own
/// limit is 30 s.
const TIMEOUT: &str = "180000";

/// How the client begins the line that says why it failed.
const COMPLAINT: &str = "client failed: ";

#[derive(Args)]
pub(crate) struct Options {
    /// Try this program, and build nothing
    #[arg(long)]
    program: Option<PathBuf>,
}

/// Runs both revisions, against what is built before.
pub(crate) fn conformance(options: &Options) -> Result {
    match &options.program {
        // The suite runs in the workspace's folder.
        Some(program) => against(&path::absolute(program).doing(format!("cannot find {}", program.display()))?),
        None => against(&build::dist()?.folder.join("pflow-gateway")),
    }
}

/// Runs both revisions against a program that is there already.
pub(crate) fn against(program: &Path) -> Result {
    let suite = Suite::made()?;
    let mut to_fail = expected_failures()?;
    for (revision, to_pass) in REVISIONS {
        say(format!("MCP conformance, {revision}"));
        let played = suite.run(revision, program)?;
        let missed: Vec<_> = to_pass.iter().filter(|name| !played.contains(**name)).copied().collect();
        if !missed.is_empty() {
            return Err(Failure(format!("{revision}: the suite did not play {}", missed.join(", "))));
        }
        to_fail.retain(|name| !played.contains(name));
    }
    if to_fail.is_empty() {
        Ok(())
    } else {
        Err(Failure(format!("{EXPECTED_FAILURES}: the suite did not play {}", to_fail.join(", "))))
    }
}

/// The folder of other people's clients and of the Node that they need, made once with the suite.
pub(crate) fn clients() -> Result<PathBuf> {
    Ok(Suite::made()?.folder.join("node_modules/.bin"))
}

/// The names in the file.
fn expected_failures() -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join(EXPECTED_FAILURES)).doing(format!("cannot read {EXPECTED_FAILURES}"))?;
    Ok(text.lines().filter_map(|line| line.trim().strip_prefix("- ")).map(str::to_owned).collect())
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
        // Of all packages, Node alone runs a script: it fetches the program for this machine. Old versions of npm run everybody's.
        let quietly = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--fetch-retries=5"];
        for words in [["install"].iter().chain(&quietly).copied().collect(), vec!["rebuild", "node"]] {
            run(command("npm").args(words).current_dir(&suite.folder)).map_err(|failure| {
                Failure(format!("{failure}; npm is needed (Debian: apt-get install npm), and network"))
            })?;
        }
        fs::write(&stamp, wanted).doing(format!("cannot write {}", stamp.display()))?;
        Ok(suite)
    }

    fn bin(&self, program: &str) -> PathBuf {
        self.folder.join("node_modules/.bin").join(program)
    }

    /// Gives the scenarios that were played.
    fn run(&self, revision: &str, program: &Path) -> Result<BTreeSet<String>> {
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
            .args(["--expected-failures", EXPECTED_FAILURES, "--timeout", TIMEOUT])
            .arg("--output-dir")
            .arg(&results)
            .env("PATH", path)
            .env("PFLOW_GATEWAY_BIN", program))?;
        no_client_failed(&results)?;
        played(&results)
    }
}

/// The scenarios that left a folder, NAME-TIME, or `auth/NAME-TIME`.
fn played(results: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for (folder, prefix) in [(results.to_owned(), ""), (results.join("auth"), "auth/")] {
        for scenario in fs::read_dir(&folder).doing(format!("cannot read {}", folder.display()))? {
            let scenario = scenario.doing(format!("cannot read {}", folder.display()))?;
            let name = scenario.file_name().to_string_lossy().into_owned();
            let time = "-2026-11-23T05-01-53-448Z".len();
            if let Some((name, _)) = name.len().checked_sub(time).and_then(|end| name.split_at_checked(end)) {
                names.insert(format!("{prefix}{name}"));
            }
        }
    }
    Ok(names)
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
