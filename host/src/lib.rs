//! MCP gateways as first-class citizens of pflow.
//!
//! The logic that knows gateways is a WASI component behind the WIT package `pflow:gateway`; this crate is the host that
//! runs it in a sandbox whose only way out is HTTP to the gateway that the user configured. See `docs/` for guides
//! and `wit/gateway.wit` for the contract.
//!
//! One direction, no back and forth: [`cli`], [`serve`](mod@serve) and the Python module know [`Gateway`]; it knows the contract;
//! the component knows MCP; and only [`egress`] touches the network.

mod arguments;
mod catalogue;
pub mod cli;
mod clock;
pub mod components;
pub mod config;
pub mod conformance;
mod deadline;
mod definitions;
pub mod demo;
mod digest;
pub mod egress;
mod error;
mod files;
mod fit;
mod folder;
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
pub mod health;
pub mod history;
mod imports;
mod jitter;
pub mod json;
pub mod monitor;
pub mod report;
pub mod runtime;
mod scrub;
pub mod seen;
pub mod serve;
mod setting;
mod spelling;

pub use deadline::Deadline;
pub use error::{Class, Error, Result};
pub use gateway::{CallOptions, Gateway, LeftRunning, OnMessage, OnProgress, Operation, Unlisted, told_of_stdio};
