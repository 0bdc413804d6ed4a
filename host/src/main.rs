//! The binary: the command line and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(pflow_gateway::cli::run("pflow-gateway", std::env::args_os().skip(1)))
}
