//! Why the monitor cannot listen, and why a command for changes cannot be run.
//! Takes what the system says; gives it as data, with its cause. Never says what to do: that is `advice`.

use std::{io, net::SocketAddr, process::ExitStatus, time::Duration};

use crate::random::NoRandomness;

/// Why the monitor cannot listen, or a command for changes cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// Without a token, whoever can reach the machine would see it.
    #[error("{address} can be reached from other machines")]
    Open {
        /// Where it would listen.
        address: SocketAddr,
    },
    /// The address is taken, is not of this machine, or wants more rights.
    #[error("cannot listen on {address}")]
    Unheard {
        /// Where it would listen.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// None for a token that nobody can guess.
    #[error("the system has no random numbers for a token")]
    NoRandomness(#[from] NoRandomness),
    /// A path that leads to nothing.
    #[error("--on-change: there is no file {program}")]
    NoFile {
        /// As it was typed, fit for a terminal.
        program: String,
    },
    /// A file that nobody may run.
    #[error("--on-change: {program} is not executable")]
    NotExecutable {
        /// As it was typed, fit for a terminal.
        program: String,
    },
    /// A name that is in no folder of `PATH`.
    #[error("--on-change: there is no program {program} in PATH")]
    NotOnPath {
        /// As it was typed, fit for a terminal.
        program: String,
    },
    /// The system does not run it.
    #[error("--on-change {program} does not start")]
    NotStarted {
        /// As it was typed.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// It ended, and not well.
    #[error("--on-change {program} failed: {status}")]
    Failed {
        /// As it was typed.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// Nobody knows how it ended.
    #[error("--on-change {program} is lost")]
    Lost {
        /// As it was typed.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It ran until it was ended.
    #[error("--on-change {program} took longer than {} s and was ended", limit.as_secs_f64())]
    TooLong {
        /// As it was typed.
        program: String,
        /// What it may take.
        limit: Duration,
    },
}
