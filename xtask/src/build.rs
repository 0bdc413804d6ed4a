//! `cargo xtask build`: the program, the component and the wheel, in `target/dist`.
//! Takes the sources; gives [`Dist`]. Builds everything in one profile, so that wasmtime is compiled once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{
    neutral,
    python::{Venv, Version},
    sbom::Crates,
    shell::{Doing as _, Failure, Result, cargo, command, output, root, run, say, target},
};

/// What was built.
pub(crate) struct Dist {
    /// The folder.
    pub(crate) folder: PathBuf,
    /// The wheel in it.
    pub(crate) wheel: PathBuf,
}

static QUICK: AtomicBool = AtomicBool::new(false);

/// From now on our own crates are compiled without optimisation: an eighth of the time, and nothing else differs. What is built so goes to
/// another folder, so that nobody ships it.
pub(crate) fn quick() {
    QUICK.store(true, Ordering::Relaxed);
}

pub(crate) fn is_quick() -> bool {
    QUICK.load(Ordering::Relaxed)
}

/// What cargo is told of our own crates. The others are the same either way: they are compiled once.
fn own_crates() -> impl Iterator<Item = String> {
    ["pflow-gateway", "pflow-gateway-tests", "pflow-gateway-python", "pflow-gateway-fuzz"]
        .into_iter()
        .filter(|_| is_quick())
        .flat_map(|name| ["--config".to_owned(), format!("profile.release.package.{name}.opt-level=0")])
}

/// The target that nothing installs by itself.
pub(crate) fn rust_target() -> Result {
    run(command("rustup").args(["target", "add", "wasm32-wasip2"])).map_err(|failure| {
        Failure(format!("{failure}; rustup with Rust 1.95 is needed (see rust-toolchain.toml), and network to get the target wasm32-wasip2"))
    })
}

/// The component's file.
pub(crate) fn component() -> Result<PathBuf> {
    component_in(&target().join("component"))
}

fn component_in(folder: &Path) -> Result<PathBuf> {
    run(cargo()
        .args(["build", "--locked", "--package", "pflow-gateway-component", "--lib"])
        .args(["--profile", "component", "--target", "wasm32-wasip2", "--target-dir"])
        .arg(folder)
        .env(neutral::FLAGS, neutral::flags(folder)))?;
    Ok(folder.join("wasm32-wasip2/component/pflow_gateway_component.wasm"))
}

/// Builds the component once more, in another place, and fails unless the bytes are the same: whoever has the sources can see that what is
/// shipped was made of them.
pub(crate) fn reproducible(component: &Path) -> Result {
    say("The component once more, in another place");
    let again = component_in(&target().join("component-again"))?;
    let read = |file: &Path| fs::read(file).doing(format!("cannot read {}", file.display()));
    if read(component)? == read(&again)? {
        return Ok(());
    }
    Err(Failure(format!("{} and {} differ: something of the place is in them", component.display(), again.display())))
}

/// Cargo in the one profile, with the component ready, so that no build script builds it again.
pub(crate) fn release(subcommand: &str, component: &Path) -> Command {
    let mut cargo = cargo();
    cargo
        .args([subcommand, "--release", "--locked"])
        .args(own_crates())
        .env("PFLOW_GATEWAY_COMPONENT", component)
        .envs(neutral::of_this_build());
    cargo
}

/// Builds everything and puts it into `target/dist`, or `target/dist-quick`.
pub(crate) fn dist() -> Result<Dist> {
    rust_target()?;
    say("The component (WebAssembly)");
    let component = component()?;
    say("The host; the first time this compiles wasmtime, which takes five to ten minutes on two cores");
    run(release("build", &component).args(["--workspace", "--all-targets"]))?;

    let name = if is_quick() { "dist-quick" } else { "dist" };
    let folder = target().join(name);
    fs::create_dir_all(&folder).doing(format!("cannot make {}", folder.display()))?;
    let program = folder.join("pflow-gateway");
    copy(&component, &folder.join("gateway.wasm"))?;
    let code = Code::made_by(&target().join("release/pflow-gateway"), folder.join("gateway.cwasm"))?;
    say("The program once more, which now knows the digest of that code");
    run(release("build", &component)
        .args(["--package", "pflow-gateway", "--bin", "pflow-gateway"])
        .env(Code::VARIABLE, &code.sha256))?;
    copy(&target().join("release/pflow-gateway"), &program)?;
    let crates = Crates::read()?;
    crates.put_into(&program)?;
    let bom = folder.join("sbom.cdx.json");
    fs::write(&bom, format!("{:#}\n", crates.cyclonedx())).doing(format!("cannot write {}", bom.display()))?;
    words(&program, &folder)?;

    say("The wheel");
    let wheel = wheel(&component, &code, &folder)?;
    neutral::check(&[&component, &bom])?;
    if neutral::is_shipped() {
        // The wheel is packed: its module is looked at where it was linked.
        let module = if cfg!(target_os = "macos") { "lib_native.dylib" } else { "lib_native.so" };
        neutral::check(&[&program, &code.file, &target().join("release").join(module), &wheel])?;
    }
    say(format!(
        "target/{name}: pflow-gateway, gateway.wasm, gateway.cwasm, sbom.cdx.json, man, completions, {}",
        wheel.file_name().unwrap_or_default().display()
    ));
    Ok(Dist { folder, wheel })
}

/// Manual pages, and what shells complete: the program knows both.
fn words(program: &Path, folder: &Path) -> Result {
    run(command(program).arg("man").arg(folder.join("man")))?;
    let completions = folder.join("completions");
    fs::create_dir_all(&completions).doing(format!("cannot make {}", completions.display()))?;
    for (shell, name) in [
        ("bash", "pflow-gateway.bash"),
        ("zsh", "_pflow-gateway"),
        ("fish", "pflow-gateway.fish"),
        ("powershell", "pflow-gateway.ps1"),
    ] {
        let script = output(command(program).args(["completions", shell]))?;
        let file = completions.join(name);
        fs::write(&file, script).doing(format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// The component's machine code, made by the program itself: a build script that did would compile wasmtime twice.
struct Code {
    file: PathBuf,
    sha256: String,
}

impl Code {
    /// What tells a program, when it is compiled, which code is its own.
    const VARIABLE: &str = "PFLOW_GATEWAY_CODE_SHA256";

    fn made_by(program: &Path, file: PathBuf) -> Result<Self> {
        let said = output(command(program).args(["component", "precompile", "--json", "--output"]).arg(&file))?;
        let said: serde_json::Value = serde_json::from_str(&said)
            .map_err(|error| Failure(format!("precompile --json printed no JSON: {error}")))?;
        let sha256 = said
            .get("sha256")
            .and_then(serde_json::Value::as_str)
            .ok_or_else(|| Failure("precompile gave no sha256".into()))?
            .to_owned();
        Ok(Self { file, sha256 })
    }
}

fn wheel(component: &Path, code: &Code, folder: &Path) -> Result<PathBuf> {
    let tools = Venv::with("build", &["build"], Version(10))?;
    copy(&code.file, &root().join("host/python/python/pflow_gateway/gateway.cwasm"))?;
    let out = target().join("wheels");
    if out.exists() {
        fs::remove_dir_all(&out).doing(format!("cannot remove {}", out.display()))?;
    }
    run(command(tools.bin("maturin"))
        .args(["build", "--release", "--locked", "--quiet", "--manifest-path", "host/python/Cargo.toml", "--out"])
        .arg(&out)
        .arg("--interpreter")
        .arg(tools.bin("python"))
        .args(own_crates())
        .env("PFLOW_GATEWAY_COMPONENT", component)
        .envs(neutral::of_this_build())
        .env(Code::VARIABLE, &code.sha256))?;
    let built = fs::read_dir(&out)
        .doing(format!("cannot read {}", out.display()))?
        .filter_map(std::result::Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "whl"))
        .ok_or_else(|| Failure("maturin made no wheel".into()))?;
    for old in
        fs::read_dir(folder).doing(format!("cannot read {}", folder.display()))?.filter_map(std::result::Result::ok)
    {
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
