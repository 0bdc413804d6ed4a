//! The command line.

use std::{ffi::OsString, process::ExitCode};

/// Runs one command line: `args` without the program's name, `program` as it shall appear in help texts
/// (`pflow-gateway`, `pflow mcp gateway`).
pub fn run(program: &str, args: impl IntoIterator<Item = OsString>) -> u8 {
    todo!()
}
