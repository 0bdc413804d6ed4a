//! What goes wrong with a component, before it runs and while it does.
//! Takes what wasmtime, the system and a component's bytes say; gives it as data, each with its cause. Never says what to do: that is
//! [`advice`](super::advice).

use std::{fmt, io, path::PathBuf, process::ExitStatus, sync::Arc, time::Duration};

use super::{
    bindings::types,
    inspect::{CONTRACT, PACKAGE},
    meter::{LimitReached, seconds},
};
use pflow_gateway_host_egress::{EgressFailure, SetupError};

const MIB: u64 = 1024 * 1024;

/// Why a component does not fit this host, as its bytes show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// Something else: text, a program of another kind.
    #[error("not WebAssembly: the file does not start with \\0asm")]
    NotWebAssembly,
    /// WebAssembly, and no component.
    #[error("a core WebAssembly module, not a component")]
    CoreModule,
    /// Cut short, or not valid.
    #[error("broken WebAssembly: {problem}")]
    Broken {
        /// What the parser says.
        problem: String,
    },
    /// The compiler would need too much time or memory.
    #[error("the component is not compiled: it has more than {most} {what}")]
    TooMuch {
        /// Of what.
        what: Structure,
        /// What is allowed of it.
        most: u64,
    },
    /// An interface of the contract is missing.
    #[error("the component does not export {interface}")]
    NoExport {
        /// The one that is missing, with its version.
        interface: String,
        /// What it does export.
        exports: Vec<String>,
        /// It imports interfaces of the contract itself: made to be composed with another component.
        is_part: bool,
    },
    /// An interface of the contract in a version that this host does not speak.
    #[error("the component exports {interface}@{found}, this host needs version {CONTRACT}")]
    OtherVersion {
        /// Without a version.
        interface: String,
        /// The version.
        found: String,
    },
    /// It needs what this host does not have.
    #[error("the component imports {import}, which this host does not offer")]
    ForeignImport {
        /// As in the binary.
        import: String,
    },
}

/// What there can be too much of in a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Structure {
    /// Modules and components inside of each other.
    Depth,
    /// Modules and components.
    Parts,
    /// Functions.
    Functions,
    /// Bytes of one function.
    Body,
    /// Local variables of one function.
    Locals,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Depth => "nested modules and components",
            Self::Parts => "modules and components",
            Self::Functions => "functions",
            Self::Body => "bytes in one function",
            Self::Locals => "local variables in one function",
        })
    }
}

/// Why the engine does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Settings that wasmtime refuses on this machine.
    #[error("the WebAssembly engine did not start")]
    Refused(#[source] wasmtime::Error),
    /// No thread for the clock that interrupts guests.
    #[error("cannot start the engine's clock")]
    Clock(#[source] io::Error),
}

/// Why there is no machine code of a component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// It is not valid, as the compiler in this process says.
    #[error("the component does not compile")]
    Invalid(#[source] wasmtime::Error),
    /// It is not valid, as the compiler in a process of its own says.
    #[error("the component does not compile: {complaint}")]
    Refused {
        /// Its words, fit for a terminal.
        complaint: String,
    },
    /// The compiler's process ended in a way of its own.
    #[error("the component does not compile: the compiler ended with {status} {complaint}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// Its last words, fit for a terminal.
        complaint: String,
    },
    /// It was stopped.
    #[error("the component was not compiled: it takes more than {} s", .0.as_secs_f32())]
    TooLong(Duration),
    /// It had no more memory. In bytes.
    #[error("the component was not compiled: it takes more than {} MiB", .0 / MIB)]
    TooLarge(u64),
    /// There is no process to compile in.
    #[error("cannot start the compiler")]
    Start(#[source] io::Error),
    /// A thread that read from it failed.
    #[error("the compiler's answer was lost")]
    Lost,
}

/// Why a component is not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Its file cannot be read.
    #[error("cannot read the component {}", file.display())]
    Unread {
        /// Which.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Its file is larger than any component.
    #[error("{} is larger than {} MiB", file.display(), most / MIB)]
    TooLarge {
        /// Which.
        file: PathBuf,
        /// Bytes allowed.
        most: u64,
    },
    /// Its file holds something else than what was installed.
    #[error("{} changed since it was installed: its SHA-256 is {found}", file.display())]
    Changed {
        /// Which.
        file: PathBuf,
        /// SHA-256 of what it holds, lower-case hex.
        found: String,
    },
    /// Its bytes show that it does not fit.
    #[error("{component}")]
    Unfit {
        /// `built-in`, or the file.
        component: String,
        /// What is wrong with it.
        source: Unfit,
    },
    /// wasmtime finds that it does not fit.
    #[error("{component} does not fit the contract {PACKAGE}@{CONTRACT}")]
    Unlinkable {
        /// `built-in`, or the file.
        component: String,
        /// What wasmtime says.
        source: wasmtime::Error,
    },
    /// There is no engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There is no machine code.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// wasmtime does not take the machine code that was just made.
    #[error("the component does not load")]
    Code(#[source] wasmtime::Error),
    /// Its machine code cannot be written.
    #[error("cannot write {}", file.display())]
    Unwritten {
        /// Where to.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Why the host stopped a component, or does not take what it answered.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Stopped {
    /// The conversation was never opened.
    #[error("the conversation is not open")]
    NotOpen,
    /// The instance failed before.
    #[error("the component's instance is finished")]
    Finished,
    /// No answer within the time of this call.
    #[error("no answer within {}", seconds(*.0))]
    Late(Duration),
    /// A limit of the sandbox.
    #[error(transparent)]
    Limit(#[from] LimitReached),
    /// It trapped.
    #[error("the component failed: {words}")]
    Trap {
        /// Its last words, or the trap's; fit for a terminal.
        words: String,
        /// What wasmtime says, with the way through the guest's functions: for whoever writes components.
        source: Arc<wasmtime::Error>,
    },
    /// Its state of a session is larger than the contract allows.
    #[error("the component's state of a session has {found} bytes, and {most} are allowed")]
    LongState {
        /// Bytes.
        found: usize,
        /// Bytes allowed.
        most: usize,
    },
    /// A rule of the filter is no glob, it says.
    #[error("{pattern:?} is not a glob: {problem}")]
    NotAGlob {
        /// The rule.
        pattern: String,
        /// What is wrong with it, fit for a terminal.
        problem: String,
    },
    /// Its filter did not judge each tool once.
    #[error("the component's filter gave {given} verdicts for {tools} tools")]
    Verdicts {
        /// Verdicts.
        given: usize,
        /// Tools.
        tools: usize,
    },
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// The component's judgement, and what egress saw last.
    Gateway(Box<types::Failure>, Option<Box<EgressFailure>>),
    /// The host stopped it: a deadline, a limit, a trap.
    Host(Stopped),
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        Self::Host(stopped)
    }
}

/// Why it is not known which products a component knows.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProductsError {
    /// There is not even a URL that leads nowhere.
    #[error(transparent)]
    Url(#[from] url::ParseError),
    /// There is not even a way out that leads nowhere.
    #[error(transparent)]
    Egress(#[from] Arc<SetupError>),
    /// The host stopped it.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// It spoke of a gateway, and there is none.
    #[error("a component failed without being asked")]
    Unasked,
    /// The one for every other gateway is missing.
    #[error("{component}: its products lack \"generic\"")]
    NoGeneric {
        /// `built-in`, or the file.
        component: String,
    },
}
