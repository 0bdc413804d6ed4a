//! `cargo xtask bench`: whole commands, against other clients and against another revision, alternating in one run.
//! Takes the built programs; prints a table with ratios. Fails only if a command fails: these machines are too noisy for bounds.

use std::{fs, path::PathBuf};

use clap::Args;

use crate::{
    build,
    python::{Venv, Version},
    shell::{Doing as _, Result, cargo, command, output, root, run, say, succeeds, target},
};

#[derive(Args)]
pub(crate) struct Options {
    /// Runs of each command
    #[arg(long, default_value_t = 15)]
    rounds: u32,
    /// Also measure the program of this revision (a commit, tag or branch), which is built first
    #[arg(long, value_name = "REV")]
    against: Option<String>,
}

pub(crate) fn bench(options: &Options) -> Result {
    let dist = build::dist()?;
    let pflow = Venv::with("pflow", &["pflow"], Version(10))?;
    pflow.install(&dist.wheel)?;
    let fastmcp = Venv::with("fastmcp", &["fastmcp"], Version(10))?;
    let mut bench = pflow.python();
    if let Some(revision) = &options.against {
        let other = Other::named(revision)?;
        bench.env("AGAINST_BIN", other.program()?).env("AGAINST_NAME", &other.commit);
    }
    run(bench
        .arg("tests/bench/bench.py")
        .env("BENCH_ROUNDS", options.rounds.to_string())
        .env("PFLOW_GATEWAY_BIN", dist.folder.join("pflow-gateway"))
        .env("FAKE_GATEWAY_BIN", target().join("release/fake-gateway"))
        .env("FASTMCP_PYTHON", fastmcp.bin("python"))
        .env("PFLOW_BIN", pflow.bin("pflow")))
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
