//! What the project does with itself: `cargo xtask build | demo | test | bench`.
//! Does all the set-up itself, under the target folder; prints every command before it runs. Never installs anything outside of it but
//! the Rust target.

mod bench;
mod build;
mod conformance;
mod demo;
mod python;
mod shell;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build, test and try pflow-gateway")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Put pflow-gateway, gateway.wasm and the wheel into target/dist
    Build,
    /// Build, then run a workflow of stock pflow through a gateway of three services
    Demo,
    /// Everything that CI runs: format, lints, Rust tests, Python tests, end to end
    Test(test::Options),
    /// The MCP conformance suite, client side, against the built program
    Conformance(conformance::Options),
    /// Measure, in one run, with ratios to other clients
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Build => build::dist().map(drop),
        Task::Demo => demo::demo(),
        Task::Test(options) => test::test(&options),
        Task::Conformance(options) => conformance::conformance(&options),
        Task::Bench(options) => bench::bench(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            shell::complain(&error);
            ExitCode::FAILURE
        }
    }
}
