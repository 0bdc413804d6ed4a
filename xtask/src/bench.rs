//! `cargo xtask bench`: whole commands and calls through `serve`, against other clients and against another revision, in turns in one run.
//! Takes the built programs; prints a table of budgets, or JSON, and keeps both with a chart. Fails only if a command fails or answers
//! wrongly: these machines are too noisy for bounds.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    build, conformance,
    python::{Venv, Version},
    service,
    shell::{Doing as _, Result, cargo, command, output, root, run, say, succeeds, target},
};

/// The server, the native client and the stopwatch: a workspace of its own, so that no feature of what is shipped changes.
pub(crate) const NATIVE: &str = "tests/bench/native/Cargo.toml";

#[derive(Args)]
pub(crate) struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Every row once or twice, without the long ones and other people's clients: whether it works, not how fast it is
    #[arg(long)]
    quick: bool,
    /// Most runs of each command
    #[arg(long, default_value_t = 15)]
    rounds: u32,
    /// Also measure what only a process itself can: start to first instance, a filter across the boundary
    #[arg(long, conflicts_with = "quick")]
    inner: bool,
    /// Write what was measured into docs/performance, as JSON, a page and a chart
    #[arg(long, conflicts_with = "quick")]
    keep: bool,
    /// Instead: the service beyond one machine against what a team would use instead (tests/bench/team.py)
    #[arg(long, conflicts_with_all = ["inner", "against"])]
    team: bool,
    /// Instead: what a request costs the service, and what follows for 1,000 to 100,000 users (tests/bench/scale.py)
    #[arg(long, conflicts_with_all = ["inner", "against", "team", "json"])]
    scale: bool,
    /// Instead: each part by itself, with Criterion (tests/benches/parts), in the release profile
    #[arg(long, conflicts_with_all = ["json", "quick", "inner", "keep", "team", "scale", "against"])]
    parts: bool,
    /// Also measure the program of this revision (a commit, tag or branch), which is built first
    #[arg(long, value_name = "REV")]
    against: Option<String>,
    /// With `--parts`: Criterion's own words, like a part's name, `--save-baseline before` or `--baseline before`
    #[arg(last = true, requires = "parts")]
    criterion: Vec<String>,
}

pub(crate) fn bench(options: &Options) -> Result {
    if options.team || options.scale {
        return service_with(options);
    }
    if options.parts {
        return parts(&options.criterion);
    }
    // Figures are of what is shipped.
    let dist = if options.quick { build::dist()? } else { build::shipped()? };
    let pace = pace()?;
    let pflow = Venv::with("pflow", &["pflow"], Version(10))?;
    pflow.install(&dist.wheel)?;
    let mut bench = pflow.python();
    bench.arg("tests/bench/bench.py").args(["--rounds", &options.rounds.to_string()]);
    if let Some(revision) = &options.against {
        let other = Other::named(revision)?;
        bench.env("AGAINST_BIN", other.program()?).env("AGAINST_NAME", &other.commit);
    }
    if options.json {
        bench.arg("--json");
    }
    if options.quick {
        bench.arg("--quick");
    } else {
        bench
            .env("FASTMCP_PYTHON", Venv::with("fastmcp", &["fastmcp"], Version(10))?.bin("python"))
            .env("NODE_CLIENTS", conformance::clients()?);
    }
    if options.inner {
        bench.arg("--inner").arg(inner(&pace)?);
    }
    if options.keep {
        bench.args(["--keep", "docs/performance"]);
    }
    run(bench
        .env(
            "PFLOW_GATEWAY_COMMIT",
            output(command("git").args(["describe", "--always", "--dirty", "--abbrev=12"]))?.trim(),
        )
        .env("PFLOW_GATEWAY_BIN", dist.folder.join("pflow-gateway"))
        .env("PACE_BIN", pace)
        .env("PFLOW_BIN", pflow.bin("pflow")))
}

/// The service, on the engine on which the tests run it, alone or against what a team would use instead.
fn service_with(options: &Options) -> Result {
    let component = build::component()?;
    let service = service::composed(&component)?;
    let engines = service::engines()?;
    let python = |name: &str, oldest| Ok(Venv::with(name, &[name], Version(oldest))?.bin("python"));
    // Nothing of ours is in this environment; a driver needs one.
    let mut bench = Venv::with("fastmcp", &["fastmcp"], Version(10))?.python();
    bench.arg(if options.team { "tests/bench/team.py" } else { "tests/bench/scale.py" });
    for (flag, is_set) in [("--json", options.json), ("--quick", options.quick)] {
        if is_set {
            bench.arg(flag);
        }
    }
    if options.keep {
        bench.args(["--keep", "docs/performance"]);
    }
    bench.env("PACE_BIN", pace()?).env("SERVICE_WASM", root().join(service)).env("WASMTIME_BIN", &engines.wasmtime);
    if options.scale {
        return run(&mut bench);
    }
    // Each round takes minutes: the others answer ten calls in a second.
    bench.args(["--rounds", &options.rounds.min(5).to_string()]);
    if !options.quick {
        // 750 MB: not for a look at whether it works.
        bench.env("LITELLM_PYTHON", python("litellm", 10)?);
    }
    run(bench.env("FASTMCP_PYTHON", python("fastmcp", 10)?).env("CONTEXTFORGE_PYTHON", python("contextforge", 11)?))
}

/// Each part by itself. Not as it is shipped: whoever changes a part measures before and after, and no linker's minutes lie between.
fn parts(criterion: &[String]) -> Result {
    let component = build::component()?;
    run(build::release("bench", &component).args(build::of_the_host()).args(["--bench", "parts", "--"]).args(criterion))
}

/// Measures inside of a process; gives the file with the figures.
fn inner(pace: &Path) -> Result<PathBuf> {
    let component = build::component()?;
    let figures = output(
        build::as_shipped("bench", &component)
            .args(["--package", "pflow-gateway-tests", "--bench", "inner"])
            .env("PACE_BIN", pace),
    )?;
    let folder = target().join("bench");
    fs::create_dir_all(&folder).doing(format!("cannot make {}", folder.display()))?;
    let file = root().join(folder).join("inner.json");
    fs::write(&file, figures).doing(format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// Builds what is measured with. Where our own crates are not optimised, neither is this: nothing is compared there.
pub(crate) fn pace() -> Result<PathBuf> {
    let folder = target().join("bench-native");
    let (flags, profile): (&[&str], _) = if build::is_quick() { (&[], "debug") } else { (&["--release"], "release") };
    say("The server, the native client and the stopwatch that measure");
    run(cargo().args(["build", "--locked", "--manifest-path", NATIVE, "--target-dir"]).arg(&folder).args(flags))?;
    Ok(root().join(folder).join(profile).join("pace"))
}

/// Another revision of this repository.
struct Other {
    /// Its commit, shortened.
    commit: String,
}

impl Other {
    fn named(revision: &str) -> Result<Self> {
        let commit =
            output(command("git").args(["rev-parse", "--verify", "--short=12"]).arg(format!("{revision}^{{commit}}")))?;
        Ok(Self { commit: commit.trim().to_owned() })
    }

    /// Its program with what belongs beside it, as its own `cargo xtask build` makes it: in the same profile, and kept for the next time.
    fn program(&self) -> Result<PathBuf> {
        let folder = target().join("bench");
        let kept = folder.join(&self.commit);
        let program = kept.join("pflow-gateway");
        if program.exists() {
            return Ok(program);
        }
        let sources = folder.join(format!("{}-sources", self.commit));
        fs::create_dir_all(&folder).doing(format!("cannot make {}", folder.display()))?;
        say(format!("The program of {}, built in {}", self.commit, folder.display()));
        // Of a run that was interrupted.
        succeeds(command("git").args(["worktree", "remove", "--force"]).arg(&sources));
        run(command("git").args(["worktree", "add", "--force", "--detach"]).arg(&sources).arg(&self.commit))?;
        let built = run(cargo()
            .args(["xtask", "build"])
            .current_dir(&sources)
            .env_remove("RUSTUP_TOOLCHAIN")
            .env("CARGO_TARGET_DIR", root().join(folder.join("build"))));
        // Whatever came of it, the sources are not ours to leave in the repository's list.
        let removed = run(command("git").args(["worktree", "remove", "--force"]).arg(&sources));
        built.and(removed)?;
        fs::rename(folder.join("build/dist"), &kept).doing(format!("cannot make {}", kept.display()))?;
        Ok(program)
    }
}
