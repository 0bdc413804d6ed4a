//! What the project does with itself: `cargo xtask build | demo | test | deny | fuzz | bench`.
//! Does all the set-up itself, under the target folder; prints every command before it runs. Never installs anything outside of it but
//! Rust targets.

mod api;
mod archive;
mod audit;
mod bench;
mod browser;
mod build;
mod conformance;
mod contract;
mod cross;
mod cxx;
mod demo;
mod fuzz;
mod guests;
#[cfg(test)]
mod layers;
mod neutral;
mod npm;
mod package;
mod pflows;
#[cfg(test)]
mod products;
mod progress;
mod python;
mod sbom;
mod service;
mod shell;
mod sizes;
mod sources;
mod targets;
mod test;
mod timings;
mod tools;
mod workflows;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build, test and try pflow-gateway")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Put pflow-gateway, gateway.wasm, the list of their crates and the wheel into target/dist
    Build {
        /// As small as it gets, and without paths of this machine, into target/dist-shipped; compiles everything once more
        #[arg(long)]
        shipped: bool,
    },
    /// Build, then run a workflow of stock pflow through a gateway of three services
    Demo,
    /// Everything that CI runs: format, lints, Rust tests, Python tests, end to end
    Test(test::Options),
    /// Licences, crates and sources of what we take from others, by deny.toml
    Deny,
    /// Random input for what reads the bytes of others, some seconds each
    Fuzz(fuzz::Options),
    /// Put the components of docs/components, each with the built-in one behind it, into target/components
    Components,
    /// Put the service, for engines that serve wasi:http, into target/dist/service.wasm
    Service(service::Options),
    /// Write the part of docs/reference/contract.md that comes from the comments of wit/gateway.wit
    Contract {
        /// Only say whether it is up to date
        #[arg(long)]
        check: bool,
    },
    /// The MCP conformance suite, client side, against the built program
    Conformance(conformance::Options),
    /// What each library shows to those who use it, compared with docs/api
    Api(api::Options),
    /// How large what is shipped is, and what makes it up
    Sizes(sizes::Options),
    /// Where the time of a build goes
    Timings(timings::Options),
    /// Whether the host compiles for the systems that nobody here has
    CheckTargets(targets::Options),
    /// What a release is: programs, wheels, the source archive and the service, in target/packages
    Package(package::Options),
    /// Measure, in one run, with ratios to other clients
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Build { shipped: true } => build::shipped().map(drop),
        Task::Build { shipped: false } => build::dist().map(drop),
        Task::Demo => {
            build::quick();
            demo::demo()
        }
        Task::Test(options) => {
            build::quick();
            test::test(&options)
        }
        Task::Deny => audit::deny().map(drop),
        Task::Fuzz(options) => build::rust_target()
            .and_then(|()| build::component())
            .and_then(|component| fuzz::fuzz(&options, &component)),
        Task::Contract { check } => contract::contract(check),
        Task::Service(options) => service::service(&options),
        Task::Conformance(options) => conformance::conformance(&options),
        Task::Components => build::rust_target().and_then(|()| guests::guests(&build::component()?)).map(drop),
        Task::Api(options) => {
            build::quick();
            api::api(&options)
        }
        Task::Sizes(options) => sizes::sizes(&options),
        Task::Timings(options) => {
            build::quick();
            timings::timings(&options)
        }
        Task::CheckTargets(options) => targets::targets(&options),
        Task::Package(options) => package::package(&options),
        Task::Bench(options) => bench::bench(&options),
    };
    match done {
        Ok(()) => {
            progress::end();
            ExitCode::SUCCESS
        }
        Err(error) => {
            shell::complain(&error);
            ExitCode::FAILURE
        }
    }
}
