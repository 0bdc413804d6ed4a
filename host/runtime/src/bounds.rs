//! What a process that compiles may take, as each system can bound it, and what of the environment it cannot start without.
//! Takes nothing; bounds the process that calls it, for good. Whoever waits for it bounds its time besides, everywhere.

use std::io;

/// Without it, a Python with its library in an unusual place does not start.
#[cfg(not(windows))]
pub(super) const NEEDED: [&str; 1] = ["LD_LIBRARY_PATH"];
/// Without it, Windows finds no library for random numbers.
#[cfg(windows)]
pub(super) const NEEDED: [&str; 1] = ["SystemRoot"];

/// Memory, processor time, no core dump; and ends when the process that started it does.
#[cfg(target_os = "linux")]
pub(super) fn set() -> io::Result<()> {
    use rustix::process::{Resource, Signal, set_parent_process_death_signal, setrlimit};

    // Whoever started this and is gone wants nothing of it any more.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // What is really used; address space that is only reserved does not count, and there is more of it the more processors there are.
    setrlimit(Resource::Data, most(super::limits::COMPILING_MEMORY))?;
    time_and_dumps()
}

/// Processor time, no core dump: no limit of memory holds here.
#[cfg(all(unix, not(target_os = "linux")))]
pub(super) fn set() -> io::Result<()> {
    time_and_dumps()
}

/// Nothing: a limit would need a job object.
#[cfg(windows)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(super) fn set() -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn time_and_dumps() -> io::Result<()> {
    use rustix::process::{Resource, setrlimit};

    // A second line: the one who waits looks at the wall clock.
    setrlimit(Resource::Cpu, most(super::limits::COMPILING_TIME.as_secs() * 4))?;
    setrlimit(Resource::Core, most(0))?;
    Ok(())
}

#[cfg(unix)]
fn most(limit: u64) -> rustix::process::Rlimit {
    rustix::process::Rlimit { current: Some(limit), maximum: Some(limit) }
}
