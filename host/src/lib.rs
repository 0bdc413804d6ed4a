//! MCP gateways as first-class citizens of pflow.
//!
//! The logic that knows gateways is a WASI component behind the WIT package `pflow:gateway`, which [`runtime`] runs in a sandbox whose only
//! way out, [`egress`], is HTTP to the gateway that the user configured. This crate is what stands on them: entries of pflow's server file,
//! sessions, listing and calls ([`Gateway`]), what was accepted and what is remembered of tools, and MCP towards pflow
//! ([`serve`](mod@serve)). The command line and the Python module are front ends of it. See `docs/` for guides and `wit/gateway.wit` for the
//! contract.

pub mod arguments;
pub mod catalogue;
pub mod components;
pub mod config;
pub mod definitions;
pub mod fit;
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
pub mod health;
pub mod history;
pub mod imports;
pub mod monitor;
pub mod report;
pub mod seen;
pub mod serve;

pub use pflow_gateway_base::{Advice, Class, Deadline, Error, Result, json, sentence};
use pflow_gateway_base::{
    Listener, clock, digest, ending, files, jitter, programs, random, scrub, setting, spelling, sync,
};
pub use pflow_gateway_host_egress as egress;
pub use pflow_gateway_runtime as runtime;

pub use gateway::{
    CallOptions, Gateway, LeftRunning, OnMessage, OnProgress, Operation, Own, SeenTool, Uncertain, Unlisted, status_of,
    told_of_stdio,
};
