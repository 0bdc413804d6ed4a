//! Signals, limits and modes of terminals.

use std::io;

use rustix::{
    process::{Resource, Rlimit, Signal, getpid, getrlimit, kill_process, setrlimit},
    termios::{OptionalActions, Termios, tcgetattr, tcsetattr},
};

/// A dump of this process would hold credentials.
pub(crate) fn no_dumps() {
    let maximum = getrlimit(Resource::Core).maximum;
    // The limit above stays: what this process starts may raise it again.
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum }) {
        tracing::debug!(%error, "core dumps stay on");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::debug!(%error, "this process can be dumped");
    }
}

/// Asks this process to end, as Ctrl-C does; whether it was asked.
pub(crate) fn interrupt() -> bool {
    kill_process(getpid(), Signal::INT).is_ok()
}

/// Gives the terminal back as it was, also to whoever ends this command by a signal while the line is edited.
pub(crate) struct AsItWas {
    terminal: Option<Termios>,
}

impl AsItWas {
    pub(crate) fn now() -> Self {
        Self { terminal: tcgetattr(io::stdin()).ok() }
    }
}

impl Drop for AsItWas {
    fn drop(&mut self) {
        if let Some(terminal) = &self.terminal {
            // Nobody is left to tell of a failure: a terminal that went away needs no repair.
            let _ = tcsetattr(io::stdin(), OptionalActions::Drain, terminal);
        }
    }
}
