//! `cargo xtask build`: the program, the component and the wheel, in `target/dist`.
//! Takes the sources; gives [`Dist`]. Builds everything in one profile, so that wasmtime is compiled once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    python::{Venv, Version},
    shell::{Doing as _, Failure, Result, cargo, command, root, run, say, target},
};

/// What was built.
pub(crate) struct Dist {
    /// The folder.
    pub(crate) folder: PathBuf,
    /// The wheel in it.
    pub(crate) wheel: PathBuf,
}

/// The target that nothing installs by itself.
pub(crate) fn rust_target() -> Result {
    run(command("rustup").args(["target", "add", "wasm32-wasip2"])).map_err(|failure| {
        Failure(format!("{failure}; rustup with Rust 1.95 is needed (see rust-toolchain.toml), and network to get the target wasm32-wasip2"))
    })
}

/// The component's file.
pub(crate) fn component() -> Result<PathBuf> {
    let folder = target().join("component");
    run(cargo()
        .args(["build", "--locked", "--package", "pflow-gateway-component", "--lib"])
        .args(["--profile", "component", "--target", "wasm32-wasip2", "--target-dir"])
        .arg(&folder))?;
    Ok(folder.join("wasm32-wasip2/component/pflow_gateway_component.wasm"))
}

/// Cargo in the one profile, with the component ready, so that no build script builds it again.
pub(crate) fn release(subcommand: &str, component: &Path) -> Command {
    let mut cargo = cargo();
    cargo.args([subcommand, "--release", "--locked"]).env("PFLOW_GATEWAY_COMPONENT", component);
    cargo
}

/// Builds everything and puts it into `target/dist`.
pub(crate) fn dist() -> Result<Dist> {
    rust_target()?;
    say("The component (WebAssembly)");
    let component = component()?;
    say("The host; the first time this compiles wasmtime, which takes five to ten minutes on two cores");
    run(release("build", &component).args(["--workspace", "--all-targets"]))?;

    let folder = target().join("dist");
    fs::create_dir_all(&folder).doing(format!("cannot make {}", folder.display()))?;
    let program = folder.join("pflow-gateway");
    copy(&target().join("release/pflow-gateway"), &program)?;
    copy(&component, &folder.join("gateway.wasm"))?;
    let code = folder.join("gateway.cwasm");
    run(command(&program).args(["component", "precompile", "--output"]).arg(&code))?;

    say("The wheel");
    let wheel = wheel(&component, &code, &folder)?;
    say(format!(
        "target/dist: pflow-gateway, gateway.wasm, gateway.cwasm, {}",
        wheel.file_name().unwrap_or_default().display()
    ));
    Ok(Dist { folder, wheel })
}

fn wheel(component: &Path, code: &Path, folder: &Path) -> Result<PathBuf> {
    let tools = Venv::with("build", &["build"], Version(10))?;
    copy(code, &root().join("host/python/python/pflow_gateway/gateway.cwasm"))?;
    let out = target().join("wheels");
    if out.exists() {
        fs::remove_dir_all(&out).doing(format!("cannot remove {}", out.display()))?;
    }
    run(command(tools.bin("maturin"))
        .args(["build", "--release", "--locked", "--quiet", "--manifest-path", "host/python/Cargo.toml", "--out"])
        .arg(&out)
        .arg("--interpreter")
        .arg(tools.bin("python"))
        .env("PFLOW_GATEWAY_COMPONENT", component))?;
    let built = fs::read_dir(&out)
        .doing(format!("cannot read {}", out.display()))?
        .filter_map(std::result::Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "whl"))
        .ok_or_else(|| Failure("maturin made no wheel".into()))?;
    for old in fs::read_dir(folder).doing("cannot read target/dist")?.filter_map(std::result::Result::ok) {
        if old.path().extension().is_some_and(|e| e == "whl") {
            fs::remove_file(old.path()).doing("cannot remove the old wheel")?;
        }
    }
    let wheel = folder.join(built.file_name().unwrap_or_default());
    copy(&built, &wheel)?;
    Ok(wheel)
}

/// Replaces, never writes into: the old file may be running.
fn copy(from: &Path, to: &Path) -> Result {
    let temporary = to.with_extension("new");
    fs::copy(from, &temporary).and_then(|_| fs::rename(&temporary, to)).doing(format!(
        "cannot copy {} to {}",
        from.display(),
        to.display()
    ))
}
