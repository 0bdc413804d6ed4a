//! The components in `docs/components`, built as their pages say, in `target/components`.
//! Takes the built-in component, which stands behind each of them; gives [`Guests`]. Builds again only what changed; never writes
//! into the sources.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    python::{Venv, Version},
    shell::{Doing as _, Failure, Result, cargo, command, root, run, say, target},
};

/// Whole components, in each language: a part, and the built-in component behind it.
pub(crate) struct Guests {
    /// Holds `rust.wasm`, `python.wasm`, `python-directory.wasm`, `javascript.wasm`, and the parts alone, `rust-part.wasm` and so on;
    /// `gateway.wasm` is what stands behind them. In `cache`: their machine code, since compiling Python's interpreter takes seconds.
    pub(crate) folder: PathBuf,
    /// The program that composes.
    pub(crate) compose: PathBuf,
}

/// Builds all of them.
pub(crate) fn guests(gateway: &Path) -> Result<Guests> {
    say("Components in Rust, Python and JavaScript, with the built-in one behind them");
    let folder = target().join("components");
    fs::create_dir_all(&folder).doing(format!("cannot make {}", folder.display()))?;
    copy(gateway, &folder.join("gateway.wasm"))?;
    let compose = composer()?;
    rust(&folder, gateway)?;
    let parts = [
        ("python", python(&folder, "python", "example:data-class/part")?),
        ("python-directory", python(&folder, "python-directory", "example:directory/part")?),
        ("javascript", javascript(&folder)?),
    ];
    for (name, part) in parts {
        let new = folder.join(name).with_extension("new");
        run(command(&compose).arg(&part).arg(gateway).arg(&new))?;
        replace(&folder, name, &new)?;
    }
    Ok(Guests { folder, compose })
}

/// Puts a whole component into its place. Machine code of what was there before is of no use any more.
fn replace(folder: &Path, language: &str, new: &Path) -> Result {
    let whole = folder.join(language).with_extension("wasm");
    if fs::read(new).ok() != fs::read(&whole).ok() {
        let _ = fs::remove_dir_all(folder.join("cache"));
    }
    fs::rename(new, &whole).doing(format!("cannot write {}", whole.display()))
}

/// Cargo in a folder of `docs/components`, with the target folder of the other guests.
fn cargo_in(name: &str, subcommand: &str) -> Command {
    let mut cargo = cargo();
    cargo.args([subcommand, "--locked", "--release", "--quiet"]).current_dir(sources(name));
    cargo.env("CARGO_TARGET_DIR", built());
    cargo
}

fn built() -> PathBuf {
    target().join("guests")
}

fn composer() -> Result<PathBuf> {
    run(&mut cargo_in("compose", "build"))?;
    Ok(built().join("release/pflow-gateway-compose"))
}

/// By its one command, which composes too.
fn rust(folder: &Path, gateway: &Path) -> Result {
    let new = folder.join("rust.new");
    run(cargo_in("rust", "run").arg("--").arg(gateway).arg(&new))?;
    copy(&built().join("component/wasm32-wasip2/component/rule.wasm"), &folder.join("rust-part.wasm"))?;
    replace(folder, "rust", &new)
}

/// An example in Python by its folder's name, and its world's.
fn python(folder: &Path, name: &str, world: &str) -> Result<PathBuf> {
    let tools = Venv::with("componentize", &["componentize"], Version(10))?;
    let part = folder.join(format!("{name}-part.wasm"));
    let app = sources(name);
    let mut inputs = modules(&app)?;
    inputs.extend([app.join("wit"), contract(), requirements()]);
    let wanted = Inputs::of(&inputs.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    wanted.unless_built(&part, |new| {
        let mut componentize = command(tools.bin("componentize-py"));
        componentize.arg("--quiet").arg("-d").arg(contract()).arg("-d").arg(app.join("wit"));
        componentize.args(["-w", world, "componentize", "-p"]).arg(&app);
        run(componentize.arg("app").arg("-o").arg(new).env_remove("VIRTUAL_ENV").env_remove("PYTHONPATH"))
    })?;
    Ok(part)
}

/// Its modules, in the order of their names.
fn modules(app: &Path) -> Result<Vec<PathBuf>> {
    let inside = fs::read_dir(app).doing(format!("cannot read {}", app.display()))?;
    let mut modules: Vec<PathBuf> = inside.filter_map(|entry| Some(entry.ok()?.path())).collect();
    modules.retain(|path| path.extension().is_some_and(|end| end == "py"));
    modules.sort();
    Ok(modules)
}

fn javascript(folder: &Path) -> Result<PathBuf> {
    let part = folder.join("javascript-part.wasm");
    let app = sources("javascript");
    let files = ["app.js", "build.mjs", "wit/part.wit"];
    let mut inputs: Vec<PathBuf> = files.iter().map(|file| app.join(file)).collect();
    inputs.extend([app.join("package-lock.json"), contract()]);
    let wanted = Inputs::of(&inputs.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    wanted.unless_built(&part, |new| {
        let place = target().join("npm/javascript");
        install(&app, &place)?;
        for file in files {
            copy(&app.join(file), &place.join(file))?;
        }
        run(command("node").arg(place.join("build.mjs")).arg(new).env("PFLOW_GATEWAY_WIT", contract())).map_err(
            |failure| Failure(format!("{failure}; Node 20.11 or newer is needed (Debian: apt-get install nodejs npm)")),
        )
    })?;
    Ok(part)
}

/// What the lock file names, and no script of any of it.
fn install(app: &Path, place: &Path) -> Result {
    let lock = app.join("package-lock.json");
    let stamp = place.join("lock.done");
    let wanted = fs::read(&lock).doing(format!("cannot read {}", lock.display()))?;
    if fs::read(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(());
    }
    for file in ["package.json", "package-lock.json"] {
        copy(&app.join(file), &place.join(file))?;
    }
    let mut npm: Command = command("npm");
    run(npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(place))
        .map_err(|failure| Failure(format!("{failure}; npm is needed (Debian: apt-get install npm), and network")))?;
    fs::write(&stamp, wanted).doing(format!("cannot write {}", stamp.display()))
}

fn copy(from: &Path, to: &Path) -> Result {
    let folder = to.parent().unwrap_or(to);
    fs::create_dir_all(folder).doing(format!("cannot make {}", folder.display()))?;
    fs::copy(from, to).map(drop).doing(format!("cannot copy {} to {}", from.display(), to.display()))
}

fn sources(name: &str) -> PathBuf {
    root().join("docs/components").join(name)
}

fn contract() -> PathBuf {
    root().join("wit")
}

fn requirements() -> PathBuf {
    root().join("xtask/requirements/componentize.txt")
}

/// Everything that goes into a file, whole: what the file was built from is kept beside it and compared.
struct Inputs(Vec<u8>);

impl Inputs {
    /// Files, and folders with what is in them.
    fn of(paths: &[&Path]) -> Result<Self> {
        let mut all = Self(Vec::new());
        for path in paths {
            all.add(path)?;
        }
        Ok(all)
    }

    fn add(&mut self, path: &Path) -> Result {
        let cannot = || format!("cannot read {}", path.display());
        if path.is_dir() {
            let entries = fs::read_dir(path).doing(cannot())?;
            let mut entries: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
            entries.sort();
            return entries.iter().try_for_each(|entry| self.add(entry));
        }
        self.0.extend_from_slice(format!("\n{}\n", path.strip_prefix(root()).unwrap_or(path).display()).as_bytes());
        self.0.extend(fs::read(path).doing(cannot())?);
        Ok(())
    }

    /// Builds the file, unless it was built from the very same.
    fn unless_built(&self, file: &Path, build: impl FnOnce(&Path) -> Result) -> Result {
        let stamp = file.with_extension("inputs");
        if file.exists() && fs::read(&stamp).is_ok_and(|built| built == self.0) {
            return Ok(());
        }
        let new = file.with_extension("new");
        build(&new)?;
        fs::rename(&new, file).doing(format!("cannot write {}", file.display()))?;
        fs::write(&stamp, &self.0).doing(format!("cannot write {}", stamp.display()))
    }
}
