//! `cargo xtask build`: the program, the component and the wheel, in `target/dist`.
//! Takes the sources; gives [`Dist`]. Builds everything in one profile, so that wasmtime is compiled once.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{
    neutral,
    progress::{self, Step},
    python::{Venv, Version},
    sbom::Crates,
    shell::{Doing as _, Failure, Result, cargo, command, output, root, run, say, succeeds, target},
};

pub(crate) const COMPONENT: Step = ("The component (WebAssembly)", 32);
pub(crate) const HOST_BUILT: Step = ("The host; the first time, this compiles wasmtime", 268);
const HOST_SHIPPED: Step = ("The host, as it is shipped; the first time, this compiles wasmtime", 480);
pub(crate) const DIGEST: Step = ("The program, which knows the digest of that code", 20);
pub(crate) const WHEEL: Step = ("The wheel", 25);
pub(crate) const AGAIN: Step = ("The component once more, in another place", 32);
/// What `cargo xtask build` goes through.
const STEPS: [Step; 4] = [COMPONENT, HOST_BUILT, DIGEST, WHEEL];
const SHIPPED: [Step; 4] = [COMPONENT, HOST_SHIPPED, (DIGEST.0, 240), (WHEEL.0, 240)];

/// What names a component that is built already.
pub(crate) const READY: &str = "PFLOW_GATEWAY_COMPONENT";

/// What was built.
pub(crate) struct Dist {
    /// The folder.
    pub(crate) folder: PathBuf,
    /// The wheel in it.
    pub(crate) wheel: PathBuf,
    /// The component's machine code, which both know.
    pub(crate) code: Code,
}

/// How the host is compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// Our own crates without optimisation: an eighth of the time, and nothing else differs.
    Quick,
    /// As one works with it.
    Release,
    /// As small as it gets, and without paths of this machine: four minutes more, and its own copy of all dependencies.
    Shipped,
}

static QUICK: AtomicBool = AtomicBool::new(false);

/// From now on what is not to be shipped is built quickly. It goes to another folder, so that nobody takes it for more.
pub(crate) fn quick() {
    QUICK.store(true, Ordering::Relaxed);
}

pub(crate) fn is_quick() -> bool {
    QUICK.load(Ordering::Relaxed)
}

impl Build {
    /// The one to work with.
    pub(crate) fn usual() -> Self {
        if QUICK.load(Ordering::Relaxed) { Self::Quick } else { Self::Release }
    }

    /// Where everything is put.
    fn folder(self) -> &'static str {
        match self {
            Self::Quick => "dist-quick",
            Self::Release => "dist",
            Self::Shipped => "dist-shipped",
        }
    }

    /// Of Cargo.toml; also cargo's folder of it.
    pub(crate) fn profile(self) -> &'static str {
        match self {
            Self::Quick | Self::Release => "release",
            Self::Shipped => "shipped",
        }
    }

    pub(crate) fn built(self, file: &str) -> PathBuf {
        target().join(self.profile()).join(file)
    }

    /// Cargo, with the component ready, so that no build script builds it again.
    fn cargo(self, subcommand: &str, component: &Path) -> Command {
        let mut cargo = cargo();
        cargo.args([subcommand, "--locked", "--profile", self.profile()]);
        self.finish(&mut cargo, component);
        cargo
    }

    /// What cargo and maturin are told alike.
    pub(crate) fn finish(self, command: &mut Command, component: &Path) {
        command.args(self.own_crates()).env(READY, component);
        self.flags(command);
    }

    fn flags(self, command: &mut Command) {
        if self.is_neutral() {
            command.env(neutral::FLAGS, neutral::flags(&target()));
        }
    }

    /// Tells what calls cargo by itself how other people's crates were compiled, so that they are not again; gives the words that cargo is to have.
    pub(crate) fn like_it(self, command: &mut Command) -> Vec<String> {
        self.flags(command);
        ["--locked", "--profile", self.profile()].into_iter().map(str::to_owned).chain(self.own_crates()).collect()
    }

    /// Whether no path of this machine may be in it. CI compiles everything in one way alone, so that it can look for them each time; elsewhere other
    /// flags would compile wasmtime again for those who call cargo by hand.
    pub(crate) fn is_neutral(self) -> bool {
        self == Self::Shipped || env::var_os("CI").is_some_and(|set| !set.is_empty() && set != "false")
    }

    /// What cargo is told of our own crates. The others are the same either way: they are compiled once.
    fn own_crates(self) -> impl Iterator<Item = String> {
        HOST.into_iter()
            .filter(move |_| self == Self::Quick)
            .flat_map(|name| ["--config".to_owned(), format!("profile.release.package.{name}.opt-level=0")])
    }
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
    progress::step(AGAIN.0);
    let again = component_in(&target().join("component-again"))?;
    let read = |file: &Path| fs::read(file).doing(format!("cannot read {}", file.display()));
    if read(component)? == read(&again)? {
        return Ok(());
    }
    Err(Failure(format!("{} and {} differ: something of the place is in them", component.display(), again.display())))
}

/// What has wasmtime in it. With the others beside them, crates that both have would get more features, and wasmtime would be compiled once more for
/// the program alone.
const HOST: [&str; 10] = [
    "pflow-gateway",
    "pflow-gateway-base",
    CLI,
    "pflow-gateway-conformance",
    "pflow-gateway-demo",
    "pflow-gateway-fuzz",
    "pflow-gateway-host-egress",
    "pflow-gateway-python",
    "pflow-gateway-runtime",
    "pflow-gateway-tests",
];

/// Whose program it is.
const CLI: &str = "pflow-gateway-cli";

/// `--package` and the name, for each of them.
pub(crate) fn of_the_host() -> impl Iterator<Item = &'static str> {
    HOST.into_iter().flat_map(|name| ["--package", name])
}

/// `--package` and the name, for each crate of what is shipped: without those that only test.
pub(crate) fn packaged() -> impl Iterator<Item = &'static str> {
    let tests = ["pflow-gateway-fuzz", "pflow-gateway-tests"];
    HOST.into_iter().filter(move |name| !tests.contains(name)).flat_map(|name| ["--package", name])
}

/// Everything else.
pub(crate) fn but_the_host() -> impl Iterator<Item = &'static str> {
    std::iter::once("--workspace").chain(HOST.into_iter().flat_map(|name| ["--exclude", name]))
}

/// Cargo in the one profile that is worked with.
pub(crate) fn release(subcommand: &str, component: &Path) -> Command {
    Build::usual().cargo(subcommand, component)
}

/// Cargo in the profile of what is shipped.
pub(crate) fn as_shipped(subcommand: &str, component: &Path) -> Command {
    Build::Shipped.cargo(subcommand, component)
}

/// Cargo, for the program and the wheel's module alone.
pub(crate) fn program(component: &Path) -> Command {
    let mut cargo = release("build", component);
    cargo.args(PROGRAMS);
    cargo
}

/// Builds what people use, and puts it into `target/dist`, or `target/dist-quick`.
pub(crate) fn dist() -> Result<Dist> {
    dist_with(&PROGRAMS)
}

/// The same, with all tests built.
pub(crate) fn dist_and_tests() -> Result<Dist> {
    dist_with(&of_the_host().chain(["--all-targets"]).collect::<Vec<_>>())
}

fn dist_with(targets: &[&str]) -> Result<Dist> {
    progress::begin(&STEPS);
    rust_target()?;
    progress::step(COMPONENT.0);
    let component = component()?;
    progress::step(HOST_BUILT.0);
    run(release("build", &component).args(targets))?;
    let build = Build::usual();
    let code = Code::made_by(&mut command(build.built(PROGRAM)), folder(build)?.join("gateway.cwasm"))?;
    put(build, &component, &code)
}

/// Builds what is shipped, into `target/dist-shipped`.
pub(crate) fn shipped() -> Result<Dist> {
    progress::begin(&SHIPPED);
    rust_target()?;
    progress::step(COMPONENT.0);
    let component = component()?;
    let build = Build::Shipped;
    progress::step(HOST_SHIPPED.0);
    run(build.cargo("build", &component).args(["--package", CLI, "--bin", PROGRAM]))?;
    let code = Code::made_by(&mut command(build.built(PROGRAM)), folder(build)?.join("gateway.cwasm"))?;
    put(build, &component, &code)
}

/// `cargo install` puts the program where one says, and compiles nothing for it that is compiled already.
pub(crate) fn installs(component: &Path, code: &Code) -> Result {
    say("The program, by cargo install");
    let place = target().join("packing/installed");
    let mut cargo = release("install", component);
    code.told(&mut cargo);
    run(cargo.args(["--path", "host/cli", "--quiet", "--force", "--root"]).arg(&place))?;
    let said = output(command(place.join("bin").join(PROGRAM)).arg("--version"))?;
    let wanted = concat!("pflow-gateway ", env!("CARGO_PKG_VERSION"));
    if said.starts_with(wanted) {
        Ok(())
    } else {
        Err(Failure(format!("the program that cargo installed says {said}")))
    }
}

const PROGRAM: &str = "pflow-gateway";
/// What people use, and no tests.
const PROGRAMS: [&str; 7] = ["--package", CLI, "--package", "pflow-gateway-python", "--lib", "--bin", PROGRAM];

fn folder(build: Build) -> Result<PathBuf> {
    let folder = target().join(build.folder());
    fs::create_dir_all(&folder).doing(format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// The program and the wheel that know this code, and what belongs to them.
fn put(build: Build, component: &Path, code: &Code) -> Result<Dist> {
    let folder = folder(build)?;
    copy(component, &folder.join("gateway.wasm"))?;
    let beside = folder.join("gateway.cwasm");
    if code.file != beside {
        copy(&code.file, &beside)?;
    }
    progress::step(DIGEST.0);
    run(build.cargo("build", component).args(["--package", CLI, "--bin", PROGRAM]).env(Code::VARIABLE, &code.sha256))?;
    let program = folder.join(PROGRAM);
    copy(&build.built(PROGRAM), &program)?;
    if build == Build::Shipped {
        strip(&program)?;
    }
    let crates = Crates::read()?;
    crates.put_into(&program)?;
    let bom = folder.join("sbom.cdx.json");
    crates.write(&bom)?;
    words(&mut || command(&program), &folder)?;

    progress::step(WHEEL.0);
    let wheel = wheel(build, component, code, &folder)?;
    neutral::check(&[component, &bom])?;
    if build.is_neutral() {
        // The wheel is packed: its module is looked at where it was linked.
        let module = if cfg!(target_os = "macos") { "lib_native.dylib" } else { "lib_native.so" };
        neutral::check(&[&program, &beside, &build.built(module), &wheel])?;
    }
    say(format!(
        "target/{}: pflow-gateway, gateway.wasm, gateway.cwasm, sbom.cdx.json, man, completions, {}",
        build.folder(),
        wheel.file_name().unwrap_or_default().display()
    ));
    Ok(Dist { folder, wheel, code: Code { file: beside, sha256: code.sha256.clone() } })
}

/// Takes the names of functions out: a quarter of the file, and `cargo xtask sizes` wants them once more before.
fn strip(program: &Path) -> Result {
    if !succeeds(command("strip").arg("--version")) {
        say("The program keeps its symbols: strip (binutils) is not here");
        return Ok(());
    }
    run(command("strip").arg(program))
}

/// Manual pages, and what shells complete: the program knows both.
pub(crate) fn words(program: &mut dyn FnMut() -> Command, folder: &Path) -> Result {
    run(program().arg("man").arg(folder.join("man")))?;
    let completions = folder.join("completions");
    fs::create_dir_all(&completions).doing(format!("cannot make {}", completions.display()))?;
    for (shell, name) in [
        ("bash", "pflow-gateway.bash"),
        ("zsh", "_pflow-gateway"),
        ("fish", "pflow-gateway.fish"),
        ("powershell", "pflow-gateway.ps1"),
    ] {
        let script = output(program().args(["completions", shell]))?;
        let file = completions.join(name);
        fs::write(&file, script).doing(format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// The component's machine code, made by the program itself: a build script that did would compile wasmtime twice.
pub(crate) struct Code {
    pub(crate) file: PathBuf,
    sha256: String,
}

impl Code {
    /// What tells a program, when it is compiled, which code is its own.
    const VARIABLE: &str = "PFLOW_GATEWAY_CODE_SHA256";

    pub(crate) fn made_by(program: &mut Command, file: PathBuf) -> Result<Self> {
        let said = output(program.args(["component", "precompile", "--json", "--output"]).arg(&file))?;
        let said: serde_json::Value = serde_json::from_str(&said)
            .map_err(|error| Failure(format!("precompile --json printed no JSON: {error}")))?;
        let sha256 = said
            .get("sha256")
            .and_then(serde_json::Value::as_str)
            .ok_or_else(|| Failure("precompile gave no sha256".into()))?
            .to_owned();
        Ok(Self { file, sha256 })
    }

    /// Tells whoever compiles the program or the wheel which code is its own.
    pub(crate) fn told(&self, command: &mut Command) {
        command.env(Self::VARIABLE, &self.sha256);
    }
}

fn wheel(build: Build, component: &Path, code: &Code, folder: &Path) -> Result<PathBuf> {
    let tools = Venv::with("build", &["build"], Version(10))?;
    copy(&code.file, &root().join("host/python/python/pflow_gateway/gateway.cwasm"))?;
    let out = target().join("wheels");
    if out.exists() {
        fs::remove_dir_all(&out).doing(format!("cannot remove {}", out.display()))?;
    }
    let mut maturin = command(tools.bin("maturin"));
    maturin
        .args(["build", "--profile", build.profile(), "--locked", "--quiet"])
        .args(["--manifest-path", "host/python/Cargo.toml", "--out"])
        .arg(&out)
        .arg("--interpreter")
        .arg(tools.bin("python"))
        .env(Code::VARIABLE, &code.sha256);
    build.finish(&mut maturin, component);
    run(&mut maturin)?;
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
