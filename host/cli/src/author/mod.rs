//! `component new`, `build`, `wit` and `compose`: what an author of a component needs, without a copy of this project.
//! Takes folders and files; writes new ones, and runs the language's own tools. Never writes over a file.

mod contract;
mod templates;

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::json;

use super::{
    args::{Language, NewComponent},
    context::Context,
    screen::{Format, Reply, yes},
};
use pflow_gateway_base::{Error, Result, scrub};
use pflow_gateway_runtime::BUILT_IN;

/// What a build leaves.
const PART: &str = "part.wasm";
/// What puts a part and a whole component together: a program of its own, since what it is made of would be in every host.
const COMPOSER: &str = "pflow-gateway-compose";
/// Letters of a name.
const LONGEST: usize = 60;

fn shown(path: &Path) -> String {
    scrub::line(&path.display().to_string(), 300)
}

/// `component new --language LANGUAGE NAME`.
pub(super) fn new(context: &Context, new: &NewComponent) -> Reply {
    match written(new) {
        Ok((folder, files)) => {
            let place = shown(&folder);
            let tools = match new.language {
                Language::Rust => "rustup target add wasm32-wasip2".to_owned(),
                Language::Python => format!("pip install -r {place}/requirements.txt"),
                Language::Javascript => format!("npm ci --ignore-scripts --prefix {place}"),
            };
            let next = vec![
                tools,
                format!("{} component build {place}", context.program),
                format!("{} component compose {place}/{PART} {place}/gateway.wasm", context.program),
                format!("{} component check {place}/gateway.wasm", context.program),
            ];
            let mut text = format!("{} Wrote {} files to {place}\n", yes(), files.len());
            for line in &next {
                text.push_str(&format!("  → {line}\n"));
            }
            Reply::good(
                text,
                &json!({"folder": folder, "language": new.language.as_str(), "files": files, "next": next, "error": null}),
            )
        }
        Err(error) => {
            Reply::failed(json!({"folder": null, "language": new.language.as_str(), "files": [], "next": []}), error)
        }
    }
}

fn written(new: &NewComponent) -> Result<(PathBuf, Vec<String>)> {
    let folder = PathBuf::from(&new.folder);
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase())
        || !name.chars().all(fits)
        || name.len() > LONGEST
        || name.ends_with('-')
    {
        return Err(Error::config(format!("{:?} cannot be a component's name", scrub::line(name, 80)))
            .with_hint("names are small letters, digits and hyphens, like my-filter; cargo and npm take no others"));
    }
    let mut all = templates::files(new.language, name);
    all.extend(
        contract::FILES.iter().map(|(place, text)| (format!("{}/{place}", templates::CONTRACT), (*text).to_owned())),
    );
    put(&folder, &all)?;
    Ok((folder, all.into_iter().map(|(place, _)| place).collect()))
}

/// `component wit FOLDER`.
pub(super) fn wit(folder: &Path) -> Reply {
    let all: Vec<_> = contract::FILES.iter().map(|(place, text)| ((*place).to_owned(), (*text).to_owned())).collect();
    let files: Vec<&str> = contract::FILES.iter().map(|(place, _)| *place).collect();
    match put(folder, &all) {
        Ok(()) => {
            let text = format!("{} Wrote the contract to {}: {} files\n", yes(), shown(folder), files.len());
            Reply::good(text, &json!({"folder": folder, "files": files, "error": null}))
        }
        Err(error) => Reply::failed(json!({"folder": folder, "files": []}), error),
    }
}

/// Writes files into a folder that is not there yet, or empty.
fn put(folder: &Path, files: &[(String, String)]) -> Result<()> {
    let cannot = |error: io::Error| {
        Error::config(format!("cannot write to {}", shown(folder)))
            .because(error)
            .with_hint("name a folder that is not there yet")
    };
    match fs::read_dir(folder).map(|mut inside| inside.next().is_some()) {
        Ok(true) => {
            return Err(Error::config(format!("{} is not empty; nothing was written", shown(folder)))
                .with_hint("name a folder that is not there yet"));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot(error)),
        _ => {}
    }
    for (place, text) in files {
        let path = folder.join(place);
        path.parent().map_or(Ok(()), fs::create_dir_all).map_err(cannot)?;
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(cannot)?;
        file.write_all(text.as_bytes()).map_err(cannot)?;
    }
    Ok(())
}

/// `component build [FOLDER]`.
pub(super) async fn build(context: &Context, folder: &Path) -> Reply {
    match built(context, folder).await {
        Ok((file, size)) => {
            let place = shown(&file);
            let whole = shown(&folder.join("gateway.wasm"));
            let next = format!("{} component compose {place} {whole}", context.program);
            let text = format!("{} Wrote {place} ({} KiB)\n  → {next}\n", yes(), size.div_ceil(1024));
            Reply::good(text, &json!({"file": file, "bytes": size, "next": [next], "error": null}))
        }
        Err(error) => Reply::failed(json!({"file": null, "bytes": null, "next": []}), error),
    }
}

async fn built(context: &Context, folder: &Path) -> Result<(PathBuf, u64)> {
    let output = std::path::absolute(folder.join(PART)).map_err(|error| Error::config(shown(folder)).because(error))?;
    if folder.join("app.py").is_file() {
        let world = fs::read_to_string(folder.join(templates::WORLD).join("part.wit")).ok();
        let world = world.as_deref().and_then(templates::world).ok_or_else(|| {
            Error::config(format!("{} names no world", shown(&folder.join("world/part.wit"))))
                .with_hint("`component new --language python NAME` writes one")
        })?;
        let output = output.display().to_string();
        let args =
            ["-d", templates::CONTRACT, "-d", templates::WORLD, "-w", &world, "componentize", "app", "-o", &output];
        run(context, folder, "componentize-py", &args, "pip install -r requirements.txt").await?;
    } else if folder.join("package.json").is_file() {
        run(context, folder, "npm", &["run", "build"], "install Node, then: npm ci --ignore-scripts").await?;
    } else if folder.join("Cargo.toml").is_file() {
        let args = ["build", "--release", "--target", "wasm32-wasip2", "--target-dir", "target"];
        run(context, folder, "cargo", &args, "rustup target add wasm32-wasip2").await?;
        let built = only_wasm(&folder.join("target/wasm32-wasip2/release"))?;
        fs::copy(&built, &output)
            .map_err(|error| Error::config(format!("cannot write {}", shown(&output))).because(error))?;
    } else {
        return Err(Error::config(format!(
            "{} is not a component's folder: it has neither Cargo.toml nor app.py nor package.json",
            shown(folder)
        ))
        .with_hint(format!("to begin one: {} component new --language python my-filter", context.program)));
    }
    let size = fs::metadata(&output).map_err(|error| {
        Error::config(format!("the build wrote no {}", shown(&output))).because(error).with_hint("look at what it said")
    })?;
    Ok((output, size.len()))
}

/// The component that cargo wrote.
fn only_wasm(folder: &Path) -> Result<PathBuf> {
    let inside = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let found: Vec<PathBuf> = inside.filter(|path| path.extension().is_some_and(|end| end == "wasm")).collect();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(Error::config(format!("{} has {} components, and one was expected", shown(folder), found.len()))
            .with_hint("remove those of other builds")),
    }
}

/// A tool of the language, which says by itself what is wrong.
async fn run(context: &Context, folder: &Path, program: &str, args: &[&str], remedy: &str) -> Result<()> {
    let mut command = tokio::process::Command::new(program);
    command.args(args).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    if context.format == Format::Json {
        // stdout is the result's.
        command.stdout(Stdio::null());
    }
    let _waiting = context.waiting.on(program);
    match command.status().await {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Error::config(format!("{program} ended with {status}"))
            .with_hint(format!("what it said is above; if something is missing: {remedy}"))),
        Err(error) => Err(Error::config(format!("cannot start {program}")).because(error).with_hint(remedy.to_owned())),
    }
}

/// `component compose PART OUTPUT`.
pub(super) async fn compose(context: &Context, part: &Path, output: &Path, behind: Option<&Path>) -> Reply {
    match composed(context, part, output, behind).await {
        Ok(size) => {
            let place = shown(output);
            let next = format!("{} component check {place}", context.program);
            let text = format!("{} Wrote {place} ({} KiB)\n  → {next}\n", yes(), size.div_ceil(1024));
            Reply::good(text, &json!({"file": output, "bytes": size, "next": [next], "error": null}))
        }
        Err(error) => Reply::failed(json!({"file": null, "bytes": null, "next": []}), error),
    }
}

async fn composed(context: &Context, part: &Path, output: &Path, behind: Option<&Path>) -> Result<u64> {
    if output.exists() && same(part, output) {
        return Err(Error::config("the part and the output are one file").with_hint("name another output"));
    }
    let cannot = |error: io::Error| Error::config("cannot hand over the built-in component").because(error);
    let mut built_in = tempfile::Builder::new().prefix("gateway-").suffix(".wasm").tempfile().map_err(cannot)?;
    built_in.write_all(BUILT_IN).and_then(|()| built_in.flush()).map_err(cannot)?;
    let gateway = behind.unwrap_or_else(|| built_in.path());
    let program = composer();
    let words = [part.as_os_str(), gateway.as_os_str(), output.as_os_str()];
    let done =
        tokio::process::Command::new(&program).args(words).stdin(Stdio::null()).kill_on_drop(true).output().await;
    let done = done.map_err(|error| {
        Error::config(format!("cannot start {COMPOSER}")).because(error).with_hint(format!(
            "it is a program of its own: put it beside {} or on PATH (cargo install --path docs/components/compose)",
            context.program
        ))
    })?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let said = said
            .trim()
            .strip_prefix("Error: ")
            .unwrap_or(said.trim())
            .replace(&gateway.display().to_string(), "the built-in component");
        return Err(Error::config(scrub::line(&said, 600))
            .with_hint("what a part may export and import: docs/components/composition.md"));
    }
    let size = fs::metadata(output).map_err(|error| Error::config(shown(output)).because(error))?;
    Ok(size.len())
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The one beside this program, else whatever is on PATH.
fn composer() -> PathBuf {
    let name = format!("{COMPOSER}{}", std::env::consts::EXE_SUFFIX);
    let beside = std::env::current_exe().ok().map(|program| program.with_file_name(&name));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| name.into())
}
