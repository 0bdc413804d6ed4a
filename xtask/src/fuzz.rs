//! `cargo xtask fuzz`: random bytes against what reads a peer's bytes, each target for a few seconds.
//! Takes seconds and names; fails with the input that broke a target. Writes below the target folder alone: the seeds stay as they are.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use clap::Args;

use crate::{
    shell::{Doing as _, Failure, Result, cargo, command, line, root, run, say, target},
    tools,
};

/// A minute in all.
const SECONDS: u32 = 12;

/// The targets, by their names in `tests/fuzz/Cargo.toml`.
const TARGETS: [&str; 5] = ["sse", "json_rpc", "paging", "attribution", "filters"];

/// At once: as many as the smallest machine has cores.
const TOGETHER: usize = 2;

#[derive(Args)]
pub(crate) struct Options {
    /// Seconds for each target
    #[arg(long, default_value_t = SECONDS)]
    seconds: u32,
    /// Only these; none: all of them
    #[arg(value_parser = TARGETS)]
    targets: Vec<String>,
}

/// Builds all targets, and runs those that are asked for.
pub(crate) fn fuzz(options: &Options) -> Result {
    lint()?;
    let programs = build()?;
    let targets: Vec<&str> = if options.targets.is_empty() {
        TARGETS.to_vec()
    } else {
        options.targets.iter().map(String::as_str).collect()
    };
    for some in targets.chunks(TOGETHER) {
        let done = std::thread::scope(|scope| {
            let running: Vec<_> = some
                .iter()
                .map(|name| scope.spawn(|| Target { name, programs: &programs }.run(options.seconds)))
                .collect();
            running
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err(Failure("a fuzz target's thread panicked".into()))))
                .collect::<Vec<_>>()
        });
        done.into_iter().collect::<Result<Vec<()>>>()?;
    }
    Ok(())
}

/// As CI runs it, within `cargo xtask test`.
pub(crate) fn a_minute() -> Result {
    fuzz(&Options { seconds: SECONDS, targets: Vec::new() })
}

const MANIFEST: [&str; 2] = ["--manifest-path", "tests/fuzz/Cargo.toml"];

fn lint() -> Result {
    run(cargo().arg("fmt").args(MANIFEST).arg("--check"))?;
    run(cargo()
        .args(["clippy", "--release", "--locked"])
        .args(MANIFEST)
        .arg("--target-dir")
        .arg(folder().join("lint"))
        // Nothing is linked: libFuzzer need not be compiled for this.
        .env("CUSTOM_LIBFUZZER_PATH", "/none/libnone.a")
        .args(["--", "-D", "warnings"]))
}

fn folder() -> PathBuf {
    target().join("fuzz")
}

/// The folder of the programs.
fn build() -> Result<PathBuf> {
    say("Fuzz targets");
    let built = folder().join("build");
    // Sanitizers need a nightly compiler, and find little in code without `unsafe`; coverage, which guides the search, does not.
    run(command(tools::FUZZ.program()?)
        .args(["build", "--fuzz-dir", "tests/fuzz", "--sanitizer", "none", "--target-dir"])
        .arg(&built))?;
    let host = fs::read_dir(&built)
        .doing(format!("cannot read {}", built.display()))?
        .filter_map(std::result::Result::ok)
        .map(|entry| entry.path().join("release"))
        .find(|folder| folder.join(TARGETS[0]).exists());
    host.ok_or_else(|| Failure(format!("no fuzz target was built in {}", built.display())))
}

struct Target<'a> {
    name: &'a str,
    programs: &'a Path,
}

impl Target<'_> {
    fn run(&self, seconds: u32) -> Result {
        let name = self.name;
        let (grown, broken) = (folder().join("corpus").join(name), folder().join("artifacts").join(name));
        for folder in [&grown, &broken] {
            fs::create_dir_all(folder).doing(format!("cannot make {}", folder.display()))?;
        }
        let log = folder().join(format!("{name}.log"));
        let output = fs::File::create(&log).doing(format!("cannot write {}", log.display()))?;
        let mut fuzz = command(self.programs.join(name));
        fuzz.arg(format!("-max_total_time={seconds}"))
            // One input: seconds, and memory of all and of one allocation in MiB.
            .args(["-timeout=10", "-rss_limit_mb=1024", "-malloc_limit_mb=256"])
            .arg(format!("-artifact_prefix={}/", broken.display()))
            // What is found goes to the first folder; the second is only read.
            .arg(&grown)
            .arg(root().join("tests/fuzz/corpus").join(name));
        say(line(&fuzz));
        let status = fuzz
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .status()
            .doing(format!("cannot run the fuzz target {name}"))?;
        let said = fs::read_to_string(&log).doing(format!("cannot read {}", log.display()))?;
        if status.success() {
            let done = said.lines().rev().find(|line| line.starts_with("Done ")).unwrap_or_default();
            say(format!("{name}: {done}"));
            return Ok(());
        }
        // The search before it says nothing.
        let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        anstream::eprintln!("{}", lines.join("\n"));
        Err(Failure(format!(
            "the fuzz target {name} failed: {status}; the input is in {}, the log is {}; run the program again with the input's path",
            broken.display(),
            log.display()
        )))
    }
}
