//! Making machine code: in a process of its own, which may use so much memory and time and no more.
//! Takes a component's bytes; gives machine code. Never lets a component that somebody made to be hard to compile use up the machine, and
//! keeps a fault of the compiler out of the process that holds credentials.

use std::{
    ffi::OsString,
    io::{self, Read as _, Write as _},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use wasmtime::Engine;

use super::{
    bounds, engine,
    error::CompileError,
    limits::{CODE, COMPILING_MEMORY, COMPILING_TIME, COMPONENT, Limits},
};
use pflow_gateway_base::{scrub, sentence};

/// How the front end that this process is starts another of its kind that calls [`child`]: a program and its arguments.
static COMPILER: OnceLock<Vec<OsString>> = OnceLock::new();

/// Says how to start a process that calls [`child`]; the stack of the guest, in bytes, is added as its last argument. The first word
/// counts. Without one (a program that uses this crate as a library), components are compiled in the calling process.
pub fn set_compiler(command: Vec<OsString>) {
    let _ = COMPILER.set(command);
}

/// Bytes of a compiler's complaint that are of interest.
const COMPLAINT: u64 = 4_000;
/// How often a compiler that still runs is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Machine code for a component. The built-in one is ours, small, and needs no other process.
pub(super) fn compile(engine: &Engine, bytes: &[u8], stack: usize) -> Result<Vec<u8>, CompileError> {
    match COMPILER.get() {
        Some(command) if bytes != super::BUILT_IN => elsewhere(command, bytes, stack, COMPILING_TIME),
        _ => here(engine, bytes),
    }
}

/// In this process.
pub(super) fn here(engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>, CompileError> {
    engine.precompile_component(bytes).map_err(CompileError::Invalid)
}

fn elsewhere(command: &[OsString], bytes: &[u8], stack: usize, patience: Duration) -> Result<Vec<u8>, CompileError> {
    let (program, args) = command.split_first().ok_or_else(|| CompileError::Start(io::ErrorKind::NotFound.into()))?;
    let mut child = Ended(
        Command::new(program)
            .args(args)
            .arg(stack.to_string())
            // Nothing of the user's: no token, no setting of the allocator, no search path.
            .env_clear()
            .envs(bounds::NEEDED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(CompileError::Start)?,
    );
    let (input, output, complaints) = (child.0.stdin.take(), child.0.stdout.take(), child.0.stderr.take());
    let started = Instant::now();
    thread::scope(|scope| {
        // A compiler that ended early no longer reads: its status says more than the broken pipe.
        scope.spawn(move || input.map(|mut input| input.write_all(bytes)));
        let code = scope.spawn(move || read(output, CODE));
        let complaint = scope.spawn(move || read(complaints, COMPLAINT));
        let status = loop {
            match child.0.try_wait().map_err(CompileError::Start)? {
                Some(status) => break status,
                None if started.elapsed() >= patience => {
                    let _ = child.0.kill();
                    return Err(CompileError::TooLong(patience));
                }
                None => thread::sleep(LOOK),
            }
        };
        let code = code.join().map_err(|_| CompileError::Lost)?;
        let complaint = complaint.join().map_err(|_| CompileError::Lost)?;
        let complaint = scrub::line(&String::from_utf8_lossy(&complaint), 500);
        if status.success() && (code.len() as u64) < CODE {
            return Ok(code);
        }
        Err(match status.code() {
            Some(REFUSED) => CompileError::Refused { complaint },
            // Rust ends the process when an allocation fails.
            None if complaint.contains("memory allocation of") => CompileError::TooLarge(COMPILING_MEMORY),
            _ => CompileError::Ended { status, complaint },
        })
    })
}

fn read(from: Option<impl io::Read>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        let _ = from.take(most).read_to_end(&mut bytes);
    }
    bytes
}

/// Ended and waited for, whatever happens.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What [`child`] ends with when a component does not compile.
const REFUSED: i32 = 3;

/// The other side: takes a component on stdin, gives machine code on stdout. `stack` is what [`set_compiler`] promises. Gives the exit
/// code of the process.
#[must_use]
pub fn child(stack: &str) -> u8 {
    match child_of(stack) {
        Ok(()) => 0,
        Err(problem) => {
            let _ = writeln!(io::stderr(), "{problem}");
            u8::try_from(REFUSED).unwrap_or(1)
        }
    }
}

fn child_of(stack: &str) -> Result<(), String> {
    bounds::set().map_err(|e| format!("cannot limit the compiler: {e}"))?;
    let stack = stack.parse().map_err(|_| format!("{stack} is no number of bytes"))?;
    let mut bytes = Vec::new();
    io::stdin().take(COMPONENT).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    let engine = engine::engine(&Limits { stack, ..Limits::default() }).map_err(|e| sentence(&e))?;
    let code = engine.precompile_component(&bytes).map_err(|e| format!("{e:#}"))?;
    io::stdout().write_all(&code).map_err(|e| e.to_string())
}

#[cfg(all(test, unix))]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    fn shell(script: &str, patience: Duration) -> Result<Vec<u8>, CompileError> {
        let command = ["/bin/sh", "-c", script, "compiler"].map(OsString::from);
        elsewhere(&command, b"component", 7, patience)
    }

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn the_component_goes_in_and_the_code_comes_out() {
        assert_eq!(shell("echo \"stack $1\"; cat", LONG).unwrap(), b"stack 7\ncomponent");
    }

    #[test]
    fn a_compiler_that_takes_too_long_is_ended() {
        let started = Instant::now();
        let patience = Duration::from_millis(100);
        let error = shell("exec sleep 100", patience).unwrap_err();
        assert!(matches!(error, CompileError::TooLong(after) if after == patience), "{error:?}");
        assert_eq!(error.to_string(), "the component was not compiled: it takes more than 0.1 s");
        assert!(started.elapsed() < Duration::from_secs(50), "it was waited for");
    }

    #[test]
    fn what_the_compiler_complains_of_is_told() {
        let error = shell("cat >/dev/null; echo 'type mismatch at 7' >&2; exit 3", LONG).unwrap_err();
        assert!(
            matches!(&error, CompileError::Refused { complaint } if complaint == "type mismatch at 7"),
            "{error:?}"
        );
        let error = shell("echo 'memory allocation of 99 bytes failed' >&2; kill -ABRT $$", LONG).unwrap_err();
        assert!(matches!(error, CompileError::TooLarge(COMPILING_MEMORY)), "{error:?}");
        assert_eq!(error.to_string(), "the component was not compiled: it takes more than 2048 MiB");
        let error = shell("kill -KILL $$", LONG).unwrap_err();
        let CompileError::Ended { status, .. } = error else { panic!("{error:?}") };
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    }

    #[test]
    fn a_compiler_that_is_not_there_is_told_with_the_systems_reason() {
        let error = elsewhere(&["/nowhere/compiler".into()], b"", 7, LONG).unwrap_err();
        assert!(matches!(&error, CompileError::Start(why) if why.kind() == io::ErrorKind::NotFound), "{error:?}");
        assert_eq!(sentence(&error), "cannot start the compiler: No such file or directory (os error 2)");
    }

    #[test]
    fn the_compiler_sees_nothing_of_our_environment() {
        let seen = shell("env; pwd", LONG).unwrap();
        let seen = String::from_utf8_lossy(&seen);
        assert!(!seen.contains("HOME=") && seen.ends_with("/\n"), "{seen}");
    }
}
