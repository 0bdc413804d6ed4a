//! What a user is told of a component that does not fit, does not load or was stopped: the class, and what to do about it.
//! Takes an error; gives class and hint. Never guesses: what is not known has no hint.

use super::{
    error::{CompileError, EngineError, LoadError, ProductsError, Stopped, Unfit},
    inspect::{CONTRACT, OWN_IMPORTS, PACKAGE},
    limits,
};
use pflow_gateway_base::{Advice, Class, sentence};

const ANEW: &str = "build it against the wit/gateway.wit of this host";

impl Advice for Unfit {
    fn class(&self) -> Class {
        Class::Component
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotWebAssembly => "give a component in the binary format (.wasm)".to_owned(),
            Self::CoreModule => {
                "build for the target wasm32-wasip2, or wrap it with `wasm-tools component new`".to_owned()
            }
            Self::Broken { .. } => return None,
            Self::TooMuch { .. } => {
                "no compiler makes such a component from ordinary code; build it in release mode".to_owned()
            }
            Self::NoExport { is_part: true, .. } => {
                "it is a part: it imports what another component has to do; put the built-in one behind it \
                 (docs/components/composition.md)"
                    .to_owned()
            }
            Self::NoExport { exports, .. } => {
                let exports = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
                format!("it exports {exports}; build it against wit/gateway.wit, world `gateway`")
            }
            Self::OtherVersion { .. } => ANEW.to_owned(),
            Self::ForeignImport { .. } => {
                format!("allowed are WASI 0.2 and {PACKAGE}/{{{}}}@{CONTRACT}", OWN_IMPORTS.join(","))
            }
        })
    }
}

impl Advice for EngineError {
    fn class(&self) -> Class {
        Class::Internal
    }

    fn hint(&self) -> Option<String> {
        None
    }
}

impl Advice for CompileError {
    fn class(&self) -> Class {
        match self {
            Self::Start(_) | Self::Lost => Class::Internal,
            Self::Invalid(_) | Self::Refused { .. } | Self::Ended { .. } | Self::TooLong(_) | Self::TooLarge(_) => {
                Class::Component
            }
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Start(_) | Self::Lost => None,
            Self::Invalid(_) | Self::Refused { .. } | Self::Ended { .. } => {
                Some("check it with `wasm-tools validate --features component-model`".to_owned())
            }
            Self::TooLong(_) | Self::TooLarge(_) => Some(
                "build it in release mode; very large functions and thousands of locals are what takes long".to_owned(),
            ),
        }
    }
}

impl Advice for LoadError {
    fn class(&self) -> Class {
        match self {
            Self::Unread { .. } | Self::Unwritten { .. } => Class::Config,
            Self::Engine(error) => error.class(),
            Self::Compile(error) => error.class(),
            Self::TooLarge { .. }
            | Self::Changed { .. }
            | Self::Unfit { .. }
            | Self::Unlinkable { .. }
            | Self::Code(_) => Class::Component,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Unread { .. } => "give the path of a .wasm file, or leave it out for the built-in component",
                Self::TooLarge { .. } => "strip it (`wasm-tools strip`), or build it in release mode",
                Self::Changed { .. } => "install it again with `component use FILE`, or go back with `component reset`",
                Self::Unlinkable { .. } => ANEW,
                Self::Unfit { source, .. } => return source.hint(),
                Self::Engine(error) => return error.hint(),
                Self::Compile(error) => return error.hint(),
                Self::Code(_) | Self::Unwritten { .. } => return None,
            }
            .to_owned(),
        )
    }
}

impl Advice for Stopped {
    fn class(&self) -> Class {
        match self {
            Self::NotOpen | Self::Finished => Class::Internal,
            Self::Late(_) => Class::Timeout,
            Self::Limit(_) => Class::Limit,
            Self::NotAGlob { .. } => Class::Config,
            Self::Trap { .. } | Self::LongState { .. } | Self::Verdicts { .. } => Class::Component,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Late(_) => "allow more with --timeout, or \"timeout\" in the entry".to_owned(),
            Self::Limit(reached) => format!("the component was stopped; {}", limits::advice(*reached)),
            Self::Trap { .. } => {
                "this call is lost, the next one starts afresh; `component show` says which component it is".to_owned()
            }
            Self::LongState { .. } => "the state is for what a session needs alone".to_owned(),
            Self::NotAGlob { .. } => "globs know *, ?, [abc] and {one,other}".to_owned(),
            Self::NotOpen | Self::Finished | Self::Verdicts { .. } => return None,
        })
    }

    /// Without the way through the guest's functions, which is many lines: the words of a trap say what it was.
    fn message(&self) -> String {
        match self {
            Self::Trap { .. } => self.to_string(),
            _ => sentence(self),
        }
    }
}

impl Advice for ProductsError {
    fn class(&self) -> Class {
        match self {
            Self::Egress(error) => error.class(),
            Self::Stopped(stopped) => stopped.class(),
            Self::Url(_) | Self::Unasked => Class::Internal,
            Self::NoGeneric { .. } => Class::Component,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Egress(error) => error.hint(),
            Self::Stopped(stopped) => stopped.hint(),
            Self::Url(_) | Self::Unasked => None,
            Self::NoGeneric { .. } => Some("it is for every gateway that is not one of the others".to_owned()),
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Stopped(stopped) => stopped.message(),
            _ => sentence(self),
        }
    }
}
