//! `cargo xtask service`: the gateway component behind front, bridge and egress, one file for engines that serve `wasi:http`.
//! Takes a gateway component; gives `service.wasm` and the engines on which the tests run it. Never changes the gateway component.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    build, neutral, npm,
    python::{Venv, Version},
    shell::{Doing as _, Failure, Result, cargo, command, executable, run, say, succeeds, target},
};

#[derive(Args)]
pub(crate) struct Options {
    /// Put this gateway component into it, not the built-in one
    #[arg(long)]
    gateway: Option<PathBuf>,
}

/// The crates that become parts.
const PARTS: [&str; 3] = ["front", "bridge", "egress"];

/// Builds it into `target/dist/service.wasm`.
pub(crate) fn service(options: &Options) -> Result {
    build::rust_target()?;
    let gateway = match &options.gateway {
        Some(file) => std::path::absolute(file).doing(format!("cannot find {}", file.display()))?,
        None => build::component()?,
    };
    composed(&gateway).map(drop)
}

/// The file, with this gateway component in it.
pub(crate) fn composed(gateway: &Path) -> Result<PathBuf> {
    say("The service (WebAssembly)");
    let built = target().join("component");
    let mut parts = cargo();
    parts.args(["build", "--locked", "--lib", "--profile", "component", "--target", "wasm32-wasip2", "--target-dir"]);
    parts.arg(&built).env(neutral::FLAGS, neutral::flags(&built));
    run(parts.args(packages()))?;
    run(cargo().args(["build", "--locked", "--release", "--package", "pflow-gateway-compose-service"]))?;
    let folder = target().join("dist");
    fs::create_dir_all(&folder).doing(format!("cannot make {}", folder.display()))?;
    let file = folder.join("service.wasm");
    let mut compose = command(target().join("release/pflow-gateway-compose-service"));
    for part in PARTS {
        compose.arg(built.join(format!("wasm32-wasip2/component/pflow_gateway_{part}.wasm")));
    }
    run(compose.arg(gateway).arg(&file))?;
    neutral::check(&[&file])?;
    Ok(file)
}

/// `--package` and the name, for each part.
pub(crate) fn packages() -> impl Iterator<Item = String> {
    PARTS.into_iter().flat_map(|part| ["--package".to_owned(), format!("pflow-gateway-{part}")])
}

/// Engines that serve it.
pub(crate) struct Engines {
    /// `wasmtime`, with `serve`.
    pub(crate) wasmtime: PathBuf,
    /// jco's program, for Node.
    pub(crate) jco: PathBuf,
    /// What stands before several replicas.
    pub(crate) nginx: Option<PathBuf>,
}

/// Installs them, each in one version, below the target folder.
pub(crate) fn engines() -> Result<Engines> {
    let venv = Venv::with("engine", &["engine"], Version(10))?;
    let wasmtime = venv.file_in_packages("wasmtime_cli/wasmtime")?;
    // The wheel's program comes without the execute bit, and its launcher then fails.
    executable(&wasmtime)?;
    Ok(Engines { wasmtime, jco: jco()?, nginx: nginx() })
}

/// What stands before replicas: the one of the machine, or Debian's package, unpacked below the target folder. None where there is neither: the
/// tests that want it say so.
fn nginx() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let installed = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).map(|folder| folder.join("nginx"));
    if let Some(program) = installed.into_iter().find(|program| program.is_file()) {
        return Some(program);
    }
    let place = target().join("nginx");
    let program = place.join("usr/sbin/nginx");
    let runs = |program: &Path| succeeds(command(program).arg("-v"));
    if !runs(&program)
        && let Err(failure) = unpacked_nginx(&place)
    {
        say(format!("{failure}; the tests of replicas behind nginx are left out: install it, and run this again"));
    }
    Some(program).filter(|program| runs(program))
}

/// With lists of packages of its own: the machine's may be empty, and are not ours to change.
fn unpacked_nginx(place: &Path) -> Result {
    if place.exists() {
        fs::remove_dir_all(place).doing(format!("cannot remove {}", place.display()))?;
    }
    let (lists, cache) = (place.join("lists"), place.join("cache"));
    for folder in [lists.join("partial"), cache.join("archives/partial")] {
        fs::create_dir_all(&folder).doing(format!("cannot make {}", folder.display()))?;
    }
    let apt = |words: &[&str]| {
        let mut apt = command("apt-get");
        apt.arg("--quiet=2").arg("-o").arg(format!("Dir::State::Lists={}", lists.display()));
        apt.arg("-o").arg(format!("Dir::Cache={}", cache.display())).args(words).current_dir(place);
        run(&mut apt)
    };
    apt(&["update"])?;
    apt(&["download", "nginx"])?;
    let packages = fs::read_dir(place).doing(format!("cannot read {}", place.display()))?;
    let mut packages = packages.filter_map(std::result::Result::ok).map(|entry| entry.path());
    let package = packages.find(|file| file.extension().is_some_and(|end| end == "deb"));
    let package = package.ok_or_else(|| Failure(format!("apt-get left no package in {}", place.display())))?;
    run(command("dpkg").arg("-x").args([&package, place]))
}

fn jco() -> Result<PathBuf> {
    Ok(npm::installed("engine", "tests/service", |_| Ok(()))?.join("node_modules/@bytecodealliance/jco/dist/jco.js"))
}
