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
    limits::{CODE, COMPILING_MEMORY, COMPILING_TIME, COMPONENT, Limits},
};
use pflow_gateway_base::{Class, Error, Result, scrub};

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
pub(super) fn compile(engine: &Engine, bytes: &[u8], stack: usize) -> Result<Vec<u8>> {
    match COMPILER.get() {
        Some(command) if bytes != super::BUILT_IN => elsewhere(command, bytes, stack, COMPILING_TIME),
        _ => here(engine, bytes),
    }
}

/// In this process.
pub(super) fn here(engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>> {
    engine.precompile_component(bytes).map_err(|e| does_not_compile(&format!("{e:#}")))
}

fn does_not_compile(problem: &str) -> Error {
    Error::new(Class::Component, format!("the component does not compile: {problem}"))
        .with_hint("check it with `wasm-tools validate --features component-model`")
}

fn too_much(what: &str) -> Error {
    Error::new(Class::Component, format!("the component was not compiled: it takes more than {what}"))
        .with_hint("build it in release mode; very large functions and thousands of locals are what takes long")
}

fn elsewhere(command: &[OsString], bytes: &[u8], stack: usize, patience: Duration) -> Result<Vec<u8>> {
    let cannot = |e: io::Error| Error::new(Class::Internal, format!("cannot start the compiler: {e}"));
    let (program, args) = command.split_first().ok_or_else(|| cannot(io::ErrorKind::NotFound.into()))?;
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
            .map_err(cannot)?,
    );
    let (input, output, complaints) = (child.0.stdin.take(), child.0.stdout.take(), child.0.stderr.take());
    let started = Instant::now();
    thread::scope(|scope| {
        // A compiler that ended early no longer reads: its status says more than the broken pipe.
        scope.spawn(move || input.map(|mut input| input.write_all(bytes)));
        let code = scope.spawn(move || read(output, CODE));
        let complaint = scope.spawn(move || read(complaints, COMPLAINT));
        let status = loop {
            match child.0.try_wait().map_err(cannot)? {
                Some(status) => break status,
                None if started.elapsed() >= patience => {
                    let _ = child.0.kill();
                    return Err(too_much(&format!("{} s", patience.as_secs_f32())));
                }
                None => thread::sleep(LOOK),
            }
        };
        let lost = || Error::new(Class::Internal, "the compiler's answer was lost");
        let code = code.join().map_err(|_| lost())?;
        let complaint = complaint.join().map_err(|_| lost())?;
        let complaint = scrub::line(&String::from_utf8_lossy(&complaint), 500);
        if status.success() && (code.len() as u64) < CODE {
            return Ok(code);
        }
        Err(match status.code() {
            Some(REFUSED) => does_not_compile(&complaint),
            // Rust ends the process when an allocation fails.
            None if complaint.contains("memory allocation of") => too_much(&format!("{} MiB", COMPILING_MEMORY >> 20)),
            _ => does_not_compile(&format!("the compiler ended with {status} {complaint}")),
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
    let engine = engine::engine(&Limits { stack, ..Limits::default() }).map_err(|e| e.message)?;
    let code = engine.precompile_component(&bytes).map_err(|e| format!("{e:#}"))?;
    io::stdout().write_all(&code).map_err(|e| e.to_string())
}

#[cfg(all(test, unix))]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    fn shell(script: &str, patience: Duration) -> Result<Vec<u8>> {
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
        let error = shell("exec sleep 100", Duration::from_millis(100)).unwrap_err();
        assert_eq!(error.class, Class::Component);
        assert!(error.message.contains("takes more than 0.1 s"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(50), "it was waited for");
    }

    #[test]
    fn what_the_compiler_complains_of_is_told() {
        let error = shell("cat >/dev/null; echo 'type mismatch at 7' >&2; exit 3", LONG).unwrap_err();
        assert_eq!(error.message, "the component does not compile: type mismatch at 7");
        let error = shell("echo 'memory allocation of 99 bytes failed' >&2; kill -ABRT $$", LONG).unwrap_err();
        assert!(error.message.contains("takes more than 2048 MiB"), "{error}");
        let error = shell("kill -KILL $$", LONG).unwrap_err();
        assert!(error.message.contains("signal: 9"), "{error}");
    }

    #[test]
    fn the_compiler_sees_nothing_of_our_environment() {
        let seen = shell("env; pwd", LONG).unwrap();
        let seen = String::from_utf8_lossy(&seen);
        assert!(!seen.contains("HOME=") && seen.ends_with("/\n"), "{seen}");
    }
}
