//! `cargo xtask bench`: whole commands, against other clients, alternating in one run.
//! Takes the built programs; prints a table with ratios. Fails only if a command fails: these machines are too noisy for bounds.

use clap::Args;

use crate::{
    build,
    python::{Venv, Version},
    shell::{Result, run, target},
};

#[derive(Args)]
pub(crate) struct Options {
    /// Runs of each command
    #[arg(long, default_value_t = 15)]
    rounds: u32,
}

pub(crate) fn bench(options: &Options) -> Result {
    let dist = build::dist()?;
    let pflow = Venv::with("pflow", &["pflow"], Version(10))?;
    pflow.install(&dist.wheel)?;
    let fastmcp = Venv::with("fastmcp", &["fastmcp"], Version(10))?;
    run(pflow
        .python()
        .arg("tests/bench/bench.py")
        .env("BENCH_ROUNDS", options.rounds.to_string())
        .env("PFLOW_GATEWAY_BIN", dist.folder.join("pflow-gateway"))
        .env("FAKE_GATEWAY_BIN", target().join("release/fake-gateway"))
        .env("FASTMCP_PYTHON", fastmcp.bin("python"))
        .env("PFLOW_BIN", pflow.bin("pflow")))
}
