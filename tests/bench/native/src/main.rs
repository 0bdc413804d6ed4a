//! `pace`: what `cargo xtask bench` measures with.
//! Takes a subcommand; prints one line of JSON. Never part of what is shipped, and never speaks to anything but loopback and its child.

mod calls;
mod client;
mod list;
mod load;
mod pages;
mod serve;
mod stopwatch;
mod wire;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "pace", about = "A server that is never the slow one, a native client, and a stopwatch")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// An MCP server that made its pages before the first request. Prints its URLs; serves until stdin closes
    Serve(serve::Options),
    /// The native client: list all tools, and print them
    List(list::Options),
    /// The native client: call one tool again and again, one after the other or many at once
    Calls(calls::Options),
    /// Clients that speak HTTP by hand, each with a connection and a session: calls or lists, as fast as they are answered
    Load(load::Options),
    /// Run a command once: wall time, CPU time and memory of it and of all that it started
    Run(stopwatch::Options),
}

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let done = match Arguments::parse().what {
        What::Serve(options) => serve::serve(&options),
        What::List(options) => list::list(&options),
        What::Calls(options) => calls::calls(&options),
        What::Load(options) => load::load(options),
        What::Run(options) => stopwatch::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pace: {error}");
            ExitCode::FAILURE
        }
    }
}
