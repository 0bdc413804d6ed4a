//! `cargo xtask test`: what CI runs, in the order in which it fails soonest.
//! Takes nothing but the sources; fails with the first command that failed. Nothing is optional.

use clap::Args;

use crate::{
    api, audit, bench, browser,
    build::{self, component, release},
    conformance, fuzz,
    guests::guests,
    neutral, pflows,
    progress::{self, Step},
    python::{Venv, Version},
    service,
    shell::{Result, cargo, root, run, say, target},
    sizes, sources, targets, workflows,
};

const FORMAT: Step = ("Format", 4);
const WORKFLOWS: Step = ("Workflows", 6);
const DEPENDENCIES: Step = ("Dependencies", 60);
const LINTS: Step = ("Lints", 210);
const TARGETS: Step = ("The host, for other systems", 360);
const RUST: Step = ("Rust tests", 240);
const SOURCES: Step = ("The program by cargo, and the wheel by pip, from their sources", 90);
const PEERS: Step = ("Stock pflow, real gateways and other people's clients, from their registries", 420);
const PYTHON: Step = ("Python tests, with all of them", 780);
const ALONE: Step = ("Python tests that measure", 170);
const CONFORMANCE: Step = ("MCP conformance", 60);
/// What `cargo xtask test` goes through.
const STEPS: [Step; 18] = [
    FORMAT,
    WORKFLOWS,
    DEPENDENCIES,
    LINTS,
    TARGETS,
    build::COMPONENT,
    build::HOST_BUILT,
    build::DIGEST,
    build::WHEEL,
    build::AGAIN,
    api::STEP,
    RUST,
    fuzz::STEP,
    SOURCES,
    PEERS,
    PYTHON,
    ALONE,
    CONFORMANCE,
];

#[derive(Args)]
pub(crate) struct Options {
    /// Only the Rust part, for a quick look
    #[arg(long)]
    rust_only: bool,
}

pub(crate) fn test(options: &Options) -> Result {
    progress::begin(&STEPS);
    build::rust_target()?;
    progress::step(FORMAT.0);
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo().args(["fmt", "--check", "--manifest-path", bench::NATIVE]))?;

    progress::step(WORKFLOWS.0);
    workflows::lint()?;

    progress::step(DEPENDENCIES.0);
    let advisories = audit::deny()?;

    progress::step(LINTS.0);
    let component = component()?;
    let denied = ["--all-targets", "--", "-D", "warnings"];
    run(release("clippy", &component).args(build::of_the_host()).args(denied))?;
    run(release("clippy", &component).args(build::but_the_host()).args(denied))?;
    run(cargo()
        .args(["clippy", "--locked", "--package", "pflow-gateway-component", "--lib"])
        .args(["--profile", "component", "--target", "wasm32-wasip2", "--target-dir"])
        .arg(target().join("component"))
        .args(service::packages())
        .env(neutral::FLAGS, neutral::flags(&target().join("component")))
        .args(["--", "-D", "warnings"]))?;

    progress::step(TARGETS.0);
    targets::targets(&targets::Options::default())?;

    let dist = build::dist_and_tests()?;
    build::reproducible(&component)?;
    api::hold(&component)?;
    progress::step(RUST.0);
    run(release("test", &component).args(build::but_the_host()).arg("--no-fail-fast"))?;
    run(release("test", &component)
        .args(build::of_the_host())
        .arg("--no-fail-fast")
        .env("PFLOW_GATEWAY_BIN", dist.folder.join("pflow-gateway")))?;
    // Each once, to see that it works.
    run(release("test", &component).args(build::of_the_host()).args(["--bench", "parts"]))?;
    let searched = fuzz::some_seconds(&component)?;
    if options.rust_only {
        say(searched);
        say(advisories);
        return Ok(());
    }

    progress::step(SOURCES.0);
    build::installs(&component, &dist.code)?;
    // Behind everything else that compiles our crates: cargo puts those of the archive into the same place.
    sources::hold(&dist, &component)?;

    progress::step(PEERS.0);
    let pflow = Venv::with("test", &["pflow", "test"], Version(10))?;
    pflow.install(&dist.wheel)?;
    let context_forge = Venv::with("contextforge", &["contextforge"], Version(11))?;
    let fastmcp = Venv::with("fastmcp", &["fastmcp"], Version(10))?;
    let componentize = Venv::with("componentize", &["componentize"], Version(10))?;
    let guests = guests(&component)?;
    let clients = conformance::clients()?;
    let chromium = browser::chromium()?;
    let versions = pflows::others(&pflow, &dist.wheel)?;
    let pace = bench::pace()?;
    let service = service::composed(&component)?;
    let engines = service::engines()?;
    // A file is one worker's: what it starts once, it starts once. What measures time and memory comes after the others, alone.
    let workers: &[&str] = &["-m", "not alone", "--numprocesses", "auto", "--maxprocesses", "4", "--dist", "loadfile"];
    for (step, some) in [(PYTHON, workers), (ALONE, &["-m", "alone"])] {
        progress::step(step.0);
        run(pflow
            .python()
            .args(["-m", "pytest", "tests/python", "-ra", "--durations=25"])
            .args(some)
            .env("PFLOW_GATEWAY_BIN", dist.folder.join("pflow-gateway"))
            .env("PFLOW_GATEWAY_WHEEL", &dist.wheel)
            .env("PFLOW_BIN", pflow.bin("pflow"))
            .env("PFLOW_VERSIONS", &versions)
            .env("FAKE_GATEWAY_BIN", target().join("release/fake-gateway"))
            .env("EXAMPLE_COMPONENTS", &guests.folder)
            .env("COMPOSE_BIN", &guests.compose)
            .env("COMPONENTIZE_PY", componentize.bin("componentize-py"))
            .env("CONTEXTFORGE_PYTHON", context_forge.bin("python"))
            .env("FASTMCP_PYTHON", fastmcp.bin("python"))
            .env("NODE_CLIENTS", &clients)
            .env("CHROMIUM", &chromium)
            .env("PACE_BIN", &pace)
            .env("SERVICE_WASM", &service)
            .env("WASMTIME_BIN", &engines.wasmtime)
            .env("JCO", &engines.jco)
            .envs(engines.nginx.as_ref().map(|program| ("NGINX_BIN", program)))
            // Pictures for people: here, wherever the build's own folder is.
            .env("TEST_OUTPUT", root().join("target/ci-output"))
            .env_remove("PYTHONPATH"))?;
    }

    progress::step(CONFORMANCE.0);
    sizes::hold(&dist, &service)?;
    conformance::against(&dist.folder.join("pflow-gateway"))?;
    conformance::against_service(&service, &engines.wasmtime)?;
    // Once more, in the last line: what was not looked at is not seen among thousands of others.
    say(searched);
    say(advisories);
    Ok(())
}
