//! `deploy`: the files with which an engine runs the service for these gateways.
//! Takes entries and an engine; writes files, and says what to run next. Never writes a secret, nor over a file that somebody else wrote.

mod nginx;
mod spin;
mod text;
mod wanted;
mod wasmcloud;
mod wasmtime;

use std::{fmt::Write as _, fs, path::Path};

use serde_json::json;

use self::wanted::Wanted;
use super::{
    args,
    context::Context,
    screen::{Reply, careful, yes},
};
use pflow_gateway_base::{Error, Result, files, scrub};

/// Stands in the first lines of every file, and says who wrote it.
const MARK: &str = "Written by pflow-gateway deploy";

/// A file for an engine.
struct Piece {
    name: String,
    text: String,
}

/// What an engine takes.
struct Pieces {
    files: Vec<Piece>,
    /// What to do, in order.
    next: Vec<String>,
    /// What does not work there.
    warnings: Vec<String>,
}

/// Writes them.
pub(super) fn deploy(context: &Context, asked: &args::Deploy) -> Reply {
    match written(context, asked) {
        Ok((wanted, pieces)) => {
            let folder = asked.out.display().to_string();
            let mut text = String::new();
            for piece in &pieces.files {
                let _ = writeln!(
                    text,
                    "{} {}",
                    yes(),
                    scrub::line(&asked.out.join(&piece.name).display().to_string(), 300)
                );
            }
            for warning in &pieces.warnings {
                let _ = writeln!(text, "{} {warning}", careful());
            }
            let _ = writeln!(text, "\nNext:");
            for step in &pieces.next {
                let _ = writeln!(text, "  → {step}");
            }
            let files: Vec<&str> = pieces.files.iter().map(|piece| piece.name.as_str()).collect();
            Reply::good(
                text,
                &json!({
                    "engine": asked.engine.word(), "folder": folder, "files": files, "secrets": wanted.secrets,
                    "gateways": wanted.names, "next": pieces.next, "warnings": pieces.warnings, "error": null,
                }),
            )
        }
        Err(error) => Reply::failed(json!({"engine": asked.engine.word(), "files": []}), error),
    }
}

fn written(context: &Context, asked: &args::Deploy) -> Result<(Wanted, Pieces)> {
    let wanted = Wanted::of(&context.file()?, asked)?;
    let pieces = match asked.engine {
        args::EngineName::Wasmtime => wasmtime::pieces(&wanted),
        args::EngineName::Wasmcloud => wasmcloud::pieces(&wanted),
        args::EngineName::Spin => spin::pieces(&wanted),
    };
    // All of them are looked at before one is written.
    if !asked.force {
        for piece in &pieces.files {
            refuse_others(&asked.out.join(&piece.name))?;
        }
    }
    let failed = |file: &Path, error: std::io::Error| {
        Error::config(format!("cannot write {}", scrub::line(&file.display().to_string(), 300)))
            .because(error)
            .with_hint("name a folder that you may write with --out")
    };
    fs::create_dir_all(&asked.out).map_err(|error| failed(&asked.out, error))?;
    for piece in &pieces.files {
        let file = asked.out.join(&piece.name);
        files::shared(&file, piece.text.as_bytes()).map_err(|error| failed(&file, error))?;
    }
    Ok((wanted, pieces))
}

/// A file that is there already must be one of ours.
fn refuse_others(file: &Path) -> Result<()> {
    let shown = || scrub::line(&file.display().to_string(), 300);
    let bytes = match files::read_regular(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::config(format!("cannot read {}", shown())).because(error)),
    };
    let head = String::from_utf8_lossy(bytes.get(..bytes.len().min(400)).unwrap_or_default()).into_owned();
    if head.contains(MARK) {
        return Ok(());
    }
    Err(Error::config(format!("{} was not written by deploy", shown()))
        .with_hint("choose another folder with --out, or overwrite it with --force"))
}
