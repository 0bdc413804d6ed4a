//! The binary: the command line, and what only a program of its own can know.

use std::{ffi::OsString, process::ExitCode};

use pflow_gateway_cli as cli;
use pflow_gateway_runtime as runtime;

/// What this program is started with to compile a component for another one of its kind.
const COMPILE: &str = "--compile-component";

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|first| first == COMPILE).is_some() {
        let stack = args.next().unwrap_or_default();
        return ExitCode::from(runtime::compile_for_parent(&stack.to_string_lossy()));
    }
    if let Ok(program) = std::env::current_exe() {
        // Packaging compiles this file once more, when the machine code is made and its digest known.
        if let Some(sha256) = option_env!("PFLOW_GATEWAY_CODE_SHA256") {
            let file = program.with_file_name("gateway.cwasm");
            runtime::set_packaged_code(runtime::PackagedCode { file, sha256: sha256.to_owned() });
        }
        runtime::set_compiler(vec![program.into_os_string(), OsString::from(COMPILE)]);
    }
    ExitCode::from(cli::run("pflow-gateway", args))
}
