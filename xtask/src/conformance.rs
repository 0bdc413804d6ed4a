//! `cargo xtask conformance`: the MCP conformance suite, against the program and the service as they are shipped.
//! Takes both; makes the suite once, with npm, in `target/conformance`. Never counts a scenario whose client failed, nor one that was not played.

mod served;

use std::{
    collections::BTreeSet,
    env, fs,
    path::{self, Path, PathBuf},
    process::Command,
};

use clap::Args;

use crate::{
    build, service,
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
    /// Try this service, and build nothing
    #[arg(long)]
    service: Option<PathBuf>,
}

/// Runs both revisions, against what is built before.
pub(crate) fn conformance(options: &Options) -> Result {
    // The suite runs in the workspace's folder.
    let absolute = |file: &Path| path::absolute(file).doing(format!("cannot find {}", file.display()));
    let engine = || Ok(service::engines()?.wasmtime);
    match (&options.program, &options.service) {
        (None, None) => {
            against(&build::dist()?.folder.join("pflow-gateway"))?;
            against_service(&service::composed(&build::component()?)?, &engine()?)
        }
        (program, file) => {
            program.as_deref().map_or(Ok(()), |program| against(&absolute(program)?))?;
            file.as_deref().map_or(Ok(()), |file| against_service(&absolute(file)?, &engine()?))
        }
    }
}

/// Runs both revisions against a program that is there already.
pub(crate) fn against(program: &Path) -> Result {
    let suite = Suite::made()?;
    let mut to_fail = expected_failures(EXPECTED_FAILURES)?;
    for (revision, to_pass) in REVISIONS {
        say(format!("MCP conformance, {revision}"));
        let played = suite.run(revision, program)?;
        let missed: Vec<_> = to_pass.iter().filter(|name| !played.contains(**name)).copied().collect();
        if !missed.is_empty() {
            return Err(Failure(format!("{revision}: the suite did not play {}", missed.join(", "))));
        }
        to_fail.retain(|name| !played.contains(name));
    }
    all_played(EXPECTED_FAILURES, &to_fail)
}

/// Plays the server scenarios of both revisions to the service, on this engine.
pub(crate) fn against_service(file: &Path, engine: &Path) -> Result {
    let suite = Suite::made()?;
    let mut to_fail = expected_failures(served::EXPECTED_FAILURES)?;
    let service = served::Service::started(file, engine, &target())?;
    for (revision, _) in REVISIONS {
        say(format!("MCP conformance, {revision}, the service"));
        let played = suite.serve(revision, service.url())?;
        to_fail.retain(|name| !played.contains(&format!("server-{name}")));
    }
    all_played(served::EXPECTED_FAILURES, &to_fail)
}

fn all_played(file: &str, left: &[String]) -> Result {
    if left.is_empty() { Ok(()) } else { Err(Failure(format!("{file}: the suite did not play {}", left.join(", ")))) }
}

/// The folder of other people's clients and of the Node that they need, made once with the suite.
pub(crate) fn clients() -> Result<PathBuf> {
    Ok(Suite::made()?.folder.join("node_modules/.bin"))
}

/// The names in the file.
fn expected_failures(file: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join(file)).doing(format!("cannot read {file}"))?;
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

    /// An empty folder for results.
    fn results(&self, name: &str) -> Result<PathBuf> {
        let results = self.folder.join("results").join(name);
        if results.exists() {
            fs::remove_dir_all(&results).doing(format!("cannot remove {}", results.display()))?;
        }
        Ok(results)
    }

    /// The suite's own program.
    fn command(&self) -> Result<Command> {
        // The suite starts with the first `node` of PATH, and Debian's is too old for it.
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([self.folder.join("node_modules/.bin")].into_iter().chain(env::split_paths(&path)))
            .map_err(|error| Failure(format!("cannot put {} on PATH: {error}", self.folder.display())))?;
        let mut suite = command(self.bin("conformance"));
        suite.env("PATH", path);
        Ok(suite)
    }

    /// Gives the server scenarios that were played.
    fn serve(&self, revision: &str, url: &str) -> Result<BTreeSet<String>> {
        let results = self.results(&format!("server-{revision}"))?;
        run(self
            .command()?
            .args(["server", "--url", url, "--requirements", revision])
            .args(["--expected-failures", served::EXPECTED_FAILURES])
            .arg("--output-dir")
            .arg(&results))?;
        played(&results)
    }

    /// Gives the scenarios that were played.
    fn run(&self, revision: &str, program: &Path) -> Result<BTreeSet<String>> {
        let results = self.results(revision)?;
        run(self
            .command()?
            // The suite cuts the client's command at spaces: a name under the workspace, where this runs, has none.
            .args(["client", "--command", "tests/conformance/client", "--requirements", revision])
            .args(["--expected-failures", EXPECTED_FAILURES, "--timeout", TIMEOUT])
            .arg("--output-dir")
            .arg(&results)
            .env("PFLOW_GATEWAY_BIN", program))?;
        no_client_failed(&results)?;
        played(&results)
    }
}

/// The scenarios that left a folder, NAME-TIME, or `auth/NAME-TIME`.
fn played(results: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for (folder, prefix) in [(results.to_owned(), ""), (results.join("auth"), "auth/")] {
        // Servers have no such scenarios.
        if !prefix.is_empty() && !folder.exists() {
            continue;
        }
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
