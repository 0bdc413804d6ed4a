//! `pace run`: one command, and what it and everything that it started took.
//! Takes a command; prints wall time, CPU time and memory. Never leaves anything of it running: what outlives the command is
//! adopted, given a second, ended, and counted.
//!
//! CPU time is the kernel's sum over all descendants: this process declares itself their subreaper, so that orphans are waited for
//! here too. Memory has two figures. `peak` is the kernel's, exact, of the largest single process. `tree` is a sample of the sum
//! over all living descendants (proportional sets, so that shared pages count once), every two milliseconds, and is taken in a run
//! of its own (`--sample`): looking costs the time of one of the machine's cores.

use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use nix::{
    errno::Errno,
    sys::{
        prctl,
        resource::{UsageWho, getrusage},
        signal::{Signal, kill},
        time::TimeVal,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use serde_json::json;

use crate::Result;

/// Between two looks at the tree.
const EVERY: Duration = Duration::from_millis(2);
/// What a command leaves behind has so long to end by itself.
const GRACE: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(crate) struct Options {
    /// The command's stdout goes here
    #[arg(long)]
    stdout: PathBuf,
    /// Its stderr
    #[arg(long)]
    stderr: PathBuf,
    /// Look at the memory of the whole tree; the times of such a run count for nothing
    #[arg(long)]
    sample: bool,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result {
    prctl::set_child_subreaper(true)?;
    let (program, arguments) = options.command.split_first().ok_or("no command")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(File::create(&options.stdout)?)
        .stderr(File::create(&options.stderr)?);
    let sampler = options.sample.then(Sampler::start);
    let started = Instant::now();
    let mut child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
    let status = child.wait()?;
    let wall = started.elapsed();
    let left = reap()?;
    let tree = sampler.map(Sampler::end);
    let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    println!(
        "{}",
        json!({
            "code": status.code(), "signal": status.signal(), "wall_us": micros(wall),
            "cpu_us": of(used.user_time()) + of(used.system_time()),
            "peak_kib": used.max_rss(), "tree_kib": tree, "left": left,
        })
    );
    Ok(())
}

/// Waits for what was orphaned, and ends what does not end; how many had to be.
fn reap() -> Result<usize> {
    let since = Instant::now();
    let mut ended = 0;
    loop {
        match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return Ok(ended),
            Ok(WaitStatus::StillAlive) => {
                if since.elapsed() > GRACE {
                    for pid in children(process::id()) {
                        ended += 1;
                        let pid = Pid::from_raw(i32::try_from(pid)?);
                        // It may just have ended by itself.
                        let _gone = kill(pid, Signal::SIGKILL);
                        waitpid(pid, None)?;
                    }
                }
                thread::sleep(EVERY);
            }
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn of(time: TimeVal) -> i64 {
    time.tv_sec() * 1_000_000 + time.tv_usec()
}

/// Looks at the memory of all descendants until it is told to end.
struct Sampler {
    ended: Arc<AtomicBool>,
    highest: Arc<AtomicU64>,
    thread: thread::JoinHandle<()>,
}

impl Sampler {
    fn start() -> Self {
        let (ended, highest) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = {
            let (ended, highest) = (Arc::clone(&ended), Arc::clone(&highest));
            thread::spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    let sum = descendants(process::id()).into_iter().map(proportional).sum();
                    highest.fetch_max(sum, Ordering::Relaxed);
                    thread::sleep(EVERY);
                }
            })
        };
        Self { ended, highest, thread }
    }

    fn end(self) -> u64 {
        self.ended.store(true, Ordering::Relaxed);
        // A sampler that failed has seen what it has seen.
        let _joined = self.thread.join();
        self.highest.load(Ordering::Relaxed)
    }
}

fn descendants(of: u32) -> Vec<u32> {
    let mut all = children(of);
    let mut next = 0;
    while let Some(&pid) = all.get(next) {
        all.extend(children(pid));
        next += 1;
    }
    all
}

/// Children of every thread of a process: each knows its own.
fn children(of: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(Path::new("/proc").join(of.to_string()).join("task")) else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

/// KiB of a process, where a page that n processes share counts as an nth.
fn proportional(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}
