//! `cargo xtask fuzz`: random bytes against what reads the bytes of others, each target for some seconds.
//! Takes seconds and names; fails with the input that broke a target. Writes below the target folder alone: the seeds stay as they are.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Mutex,
    thread,
    time::SystemTime,
};

use clap::Args;

use crate::{
    build::release,
    cxx::Cxx,
    progress::{self, Step},
    shell::{Doing as _, Failure, Result, cargo, command, line, root, run, say, target},
};

/// For each target. Before a release it is an hour (docs/decisions/0010-fuzzing.md).
const SECONDS: u32 = 60;
/// … within `cargo xtask test`: what CI has time for.
const IN_CI: u32 = 20;

pub(crate) const STEP: Step = ("Fuzz targets", 300);

/// At once: as many as the smallest machine has cores.
const TOGETHER: usize = 2;

#[derive(Args)]
pub(crate) struct Options {
    /// Seconds for each target
    // To libFuzzer 0 is no limit at all.
    #[arg(long, env = "FUZZ_SECONDS", default_value_t = SECONDS, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Only these; none: all of them
    targets: Vec<String>,
}

/// The targets: each has a folder of seeds.
fn targets() -> Result<Vec<String>> {
    let corpus = root().join("tests/fuzz/corpus");
    let unreadable = || format!("cannot read {}", corpus.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&corpus).doing(unreadable())? {
        names.push(entry.doing(unreadable())?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Builds the program, and searches with those targets that are asked for; fails when something was found.
pub(crate) fn fuzz(options: &Options, component: &Path) -> Result {
    let known = targets()?;
    if let Some(unknown) = options.targets.iter().find(|name| !known.contains(name)) {
        return Err(Failure(format!("{unknown} is no target; there are {}", known.join(", "))));
    }
    let names = if options.targets.is_empty() { known } else { options.targets.clone() };
    let found = search(&build(component)?, names, options.seconds)?;
    if found.is_empty() { Ok(()) } else { Err(Failure(found.join("\n"))) }
}

/// As CI runs it, within `cargo xtask test`. Gives what there is to say of it in the last lines: a search may find what was there for years,
/// so that it is no reason to refuse the change at hand. What was found once is played by `cargo test`, and that fails.
pub(crate) fn some_seconds(component: &Path) -> Result<String> {
    let seconds = std::env::var("FUZZ_SECONDS")
        .ok()
        .and_then(|seconds| seconds.parse().ok())
        .filter(|seconds| *seconds > 0)
        .unwrap_or(IN_CI);
    let names = targets()?;
    let number = names.len();
    let found = search(&build(component)?, names, seconds)?;
    Ok(if found.is_empty() {
        format!("Fuzzing: {number} targets, {seconds} s each: nothing was found")
    } else {
        format!("Fuzzing FOUND something:\n{}", found.join("\n"))
    })
}

/// Every one of these targets, some of them at once, whatever the others find. Gives what was found, in words; fails when one cannot be run.
fn search(program: &Path, names: Vec<String>, seconds: u32) -> Result<Vec<String>> {
    let waiting = Mutex::new(names);
    let next = || waiting.lock().map_or(None, |mut waiting| waiting.pop());
    let work = || -> Result<Vec<String>> {
        let mut found = Vec::new();
        while let Some(name) = next() {
            found.extend(Target { name: &name, program }.run(seconds)?);
        }
        Ok(found)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..TOGETHER).map(|_| scope.spawn(work)).collect();
        let mut found = Vec::new();
        for worker in workers {
            found.extend(worker.join().unwrap_or_else(|_| Err(Failure("a fuzz target's thread panicked".into())))?);
        }
        Ok(found)
    })
}

fn folder() -> PathBuf {
    target().join("fuzz")
}

/// The program. Only our own crates are compiled with what guides the search: the others are those of the ordinary build.
fn build(component: &Path) -> Result<PathBuf> {
    progress::step(STEP.0);
    let cxx = Cxx::found()?;
    let engine = engine(&cxx)?;
    let mut cargo = release("build", component);
    cxx.links(&mut cargo);
    run(cargo
        .args(["--package", "pflow-gateway-fuzz", "--features", "libfuzzer", "--bin", "fuzz"])
        // Optimised it takes minutes to compile, and a search is not that much quicker: most of its time is in our dependencies.
        .args(["--config", "profile.release.package.pflow-gateway.opt-level=0"])
        .env("FUZZ_ENGINE", engine)
        .env("RUSTC_WORKSPACE_WRAPPER", root().join("tests/fuzz/instrument")))?;
    Ok(target().join("release/fuzz"))
}

/// libFuzzer's archive, where its crate's build script left it.
fn engine(cxx: &Cxx) -> Result<PathBuf> {
    let built = folder().join("engine");
    let mut cargo = cargo();
    cxx.compiles(&mut cargo);
    run(cargo
        .args(["build", "--release", "--locked", "--manifest-path", "tests/fuzz/engine/Cargo.toml", "--target-dir"])
        .arg(&built))?;
    fs::read_dir(built.join("release/build"))
        .doing(format!("cannot read {}", built.display()))?
        .filter_map(std::result::Result::ok)
        .map(|entry| entry.path().join("out/libfuzzer.a"))
        .find(|archive| archive.exists())
        .ok_or_else(|| Failure(format!("libfuzzer-sys left no archive in {}", built.display())))
}

struct Target<'a> {
    name: &'a str,
    program: &'a Path,
}

impl Target<'_> {
    /// What it found, in words.
    fn run(&self, seconds: u32) -> Result<Option<String>> {
        let name = self.name;
        let (grown, broken) = (folder().join("corpus").join(name), folder().join("artifacts").join(name));
        for folder in [&grown, &broken] {
            fs::create_dir_all(folder).doing(format!("cannot make {}", folder.display()))?;
        }
        let began = SystemTime::now();
        let log = folder().join(format!("{name}.log"));
        let output = fs::File::create(&log).doing(format!("cannot write {}", log.display()))?;
        let mut fuzz = command(self.program);
        fuzz.env("FUZZ_TARGET", name)
            .arg(format!("-max_total_time={seconds}"))
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
            return Ok(None);
        }
        // The search before it says nothing.
        let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        anstream::eprintln!("{}", lines.join("\n"));
        let log = log.display();
        // Whatever broke it is written down as a file; without one it did not come to a search.
        let written =
            |entry: fs::DirEntry| entry.metadata().and_then(|about| about.modified()).is_ok_and(|at| at >= began);
        let inputs = fs::read_dir(&broken).doing(format!("cannot read {}", broken.display()))?;
        if !inputs.filter_map(std::result::Result::ok).any(written) {
            return Err(Failure(format!("the fuzz target {name} does not run: {status}; the log is {log}")));
        }
        Ok(Some(format!(
            "the fuzz target {name} failed: {status}; the input is in {}, the log is {log}; run the program again with the input's path",
            broken.display(),
        )))
    }
}
