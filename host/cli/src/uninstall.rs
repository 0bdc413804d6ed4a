//! `uninstall`: what has to be done before the program goes, so that pflow goes on without it.
//! Takes nothing; turns entries back, takes the start-up hook away, and says what is left on this machine and which command removes the
//! program itself. Never deletes what it did not name before.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    adopt,
    answers::Answers,
    args,
    context::Context,
    edit,
    render::count,
    screen::{Reply, careful, no, say, yes},
};
use pflow_gateway::config::{ConfigFile, Filter, hook_of};
use pflow_gateway_base::{Error, Result, scrub};
use pflow_gateway_runtime::CodeStore;

/// An entry, and what becomes of it.
struct Entry {
    name: String,
    fate: Fate,
    /// What is lost by it.
    remark: Option<String>,
}

enum Fate {
    Plain,
    Removed,
    /// It stays as it is, and pflow cannot start it any more.
    Left(Error),
}

/// What the program wrote on this machine.
struct Data {
    path: PathBuf,
    what: &'static str,
    files: usize,
    bytes: u64,
}

struct Work {
    entries: Vec<Entry>,
    hook: Option<PathBuf>,
    data: Vec<Data>,
    next: Vec<String>,
}

/// `uninstall`.
pub(super) async fn uninstall(context: &Context, flags: &args::Uninstall, answers: &mut Answers) -> Reply {
    let shape = json!({"entries": [], "hook": null, "data": [], "done": false, "next": []});
    let work = match gather(context, flags) {
        Ok(work) => work,
        Err(error) => return Reply::failed(shape, error),
    };
    if flags.dry_run {
        return Reply::good(told(&work, flags, Tense::Would), &report(&work, flags, false, None));
    }
    if !flags.yes {
        if !answers.can_correct() {
            let error = Error::config("there is no terminal to confirm this; nothing was done")
                .with_hint("look with --dry-run, then do it with --yes");
            return Reply::judged(
                told(&work, flags, Tense::Would),
                &report(&work, flags, false, Some(&error)),
                Some(error),
            );
        }
        say(&told(&work, flags, Tense::Would));
        match answers.agree("Do this now", "n").await {
            Ok(true) => {}
            Ok(false) => return Reply::failed(shape, Error::config("nothing was done, as you said")),
            Err(error) => return Reply::failed(shape, error),
        }
    }
    match carry_out(context, &work, flags) {
        Ok(()) => {
            let left = work.entries.iter().find_map(|entry| match &entry.fate {
                Fate::Left(error) => Some(error.clone()),
                _ => None,
            });
            let mut reply = Reply::good(told(&work, flags, Tense::Did), &report(&work, flags, true, left.as_ref()));
            reply.code = u8::from(left.is_some());
            reply
        }
        Err(error) => Reply::failed(shape, error),
    }
}

fn gather(context: &Context, flags: &args::Uninstall) -> Result<Work> {
    let mut file = context.file()?;
    let ours: Vec<_> = file.gateways().into_iter().filter(|(name, _)| is_ours(&file, name)).collect();
    let entries = ours.into_iter().map(|(name, config)| {
        if flags.remove_entries {
            return Entry { name, fate: Fate::Removed, remark: None };
        }
        let filtered = config.as_ref().is_ok_and(|config| config.filter != Filter::default());
        let remark = filtered.then(|| "its filter goes: pflow gets all tools of the gateway".to_owned());
        match adopt::put_back(&mut file, &name) {
            Ok(_) => Entry { name, fate: Fate::Plain, remark },
            Err(error) => Entry { name, fate: Fate::Left(error), remark: None },
        }
    });
    let entries = entries.collect();
    let program = std::env::current_exe().ok();
    let hook = program.as_deref().and_then(hook_of);
    Ok(Work { entries, data: data(context)?, next: next(program.as_deref(), hook.is_some()), hook })
}

/// Whether pflow starts this program for it.
fn is_ours(file: &ConfigFile, name: &str) -> bool {
    file.entry(name).is_some_and(|entry| entry.get("gateway").is_some())
}

/// What is there of all that the program writes.
fn data(context: &Context) -> Result<Vec<Data>> {
    let memory = context.memory()?;
    let mut places = Vec::new();
    if context.chosen_file().is_some() {
        // Of another file only what is remembered of its gateways; the rest is everybody's.
        places.push((memory, "what is remembered of gateways"));
    } else {
        places.push((memory.join("gateway"), "history, catalogues, accepted tools, trusted files"));
        places.push((memory.join("gateway-components"), "components that you chose"));
        places.push((memory.join("gateway-components.json"), "which component runs"));
        places.push((memory.join(".gateway-components.json.lock"), "a lock"));
        places.push((memory.join(".mcp-servers.json.lock"), "a lock"));
        places.extend(CodeStore::of_this_process().cache.map(|cache| (cache, "machine code of components")));
    }
    Ok(places
        .into_iter()
        .filter(|(path, _)| fs::symlink_metadata(path).is_ok())
        .map(|(path, what)| {
            let (files, bytes) = size(&path);
            Data { path, what, files, bytes }
        })
        .collect())
}

/// Files and bytes; no link is followed.
fn size(path: &Path) -> (usize, u64) {
    let Ok(found) = fs::symlink_metadata(path) else { return (0, 0) };
    if !found.is_dir() {
        return (1, found.len());
    }
    let inside = fs::read_dir(path).into_iter().flatten().flatten();
    inside
        .map(|entry| size(&entry.path()))
        .fold((0, 0), |(files, bytes), (more, larger)| (files + more, bytes.saturating_add(larger)))
}

/// The command that removes the program.
fn next(program: Option<&Path>, in_python: bool) -> Vec<String> {
    let Some(program) = program else { return vec!["pip uninstall pflow-gateway".to_owned()] };
    let place = program.display().to_string().replace('\\', "/");
    let command = if place.contains("/pipx/") {
        "pipx uninject pflow-cli pflow-gateway".to_owned()
    } else if place.contains("/uv/tools/") {
        "uv tool install pflow-cli --force".to_owned()
    } else if in_python {
        let python = program.with_file_name(format!("python{}", std::env::consts::EXE_SUFFIX));
        format!("{} -m pip uninstall pflow-gateway", scrub::line(&python.display().to_string(), 300))
    } else if place.contains("/.cargo/bin/") {
        "cargo uninstall pflow-gateway".to_owned()
    } else {
        format!("rm {}", scrub::line(&program.display().to_string(), 300))
    };
    vec!["pflow mcp sync --all".to_owned(), command]
}

fn carry_out(context: &Context, work: &Work, flags: &args::Uninstall) -> Result<()> {
    if !work.entries.is_empty() {
        let mut file = context.edit()?;
        let mut forgotten = Vec::new();
        for entry in &work.entries {
            match entry.fate {
                Fate::Plain => drop(adopt::put_back(&mut file, &entry.name)?),
                Fate::Removed => {
                    forgotten.extend(file.find(&entry.name).ok());
                    file.remove(&entry.name);
                }
                Fate::Left(_) => {}
            }
        }
        context.save(&file)?;
        for config in &forgotten {
            edit::forget(context, config);
        }
    }
    let cannot = |path: &Path, error: std::io::Error| {
        Error::config(format!("cannot remove {}", path.display()))
            .because(error)
            .with_hint("entries and what was named before it are done; remove it by hand")
    };
    if let Some(hook) = &work.hook {
        fs::remove_file(hook).map_err(|error| cannot(hook, error))?;
    }
    for data in work.data.iter().filter(|_| flags.remove_data) {
        // A link is taken away, and not what it leads to.
        let is_folder = fs::symlink_metadata(&data.path).is_ok_and(|found| found.is_dir());
        let removed = if is_folder { fs::remove_dir_all(&data.path) } else { fs::remove_file(&data.path) };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(cannot(&data.path, error)),
            _ => {}
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tense {
    Would,
    Did,
}

fn told(work: &Work, flags: &args::Uninstall, tense: Tense) -> String {
    let mut text = String::new();
    let would = if tense == Tense::Would { "would be" } else { "is" };
    let mark = yes();
    for entry in &work.entries {
        let name = scrub::line(&entry.name, 100);
        let _ = match &entry.fate {
            Fate::Plain => writeln!(
                text,
                "{mark} {name} {would} a plain HTTP entry{}",
                if tense == Tense::Did { " again" } else { "" }
            ),
            Fate::Removed => writeln!(text, "{mark} {name} {would} removed"),
            Fate::Left(error) => {
                let hint = error.hint.as_deref().unwrap_or("or remove it: remove NAME");
                writeln!(
                    text,
                    "{} {name} stays as it is, and pflow cannot start it without this program: {}\n  → {}",
                    no(),
                    scrub::line(&error.message, 300),
                    scrub::line(hint, 300)
                )
            }
        };
        if let Some(remark) = &entry.remark {
            let _ = writeln!(text, "  {} {remark}", careful());
        }
    }
    if work.entries.is_empty() {
        let _ = writeln!(text, "{mark} no entry needs this program");
    }
    if let Some(hook) = &work.hook {
        let _ = writeln!(text, "{mark} pflow's start-up hook {would} removed: {}", hook.display());
    }
    for data in &work.data {
        let fate =
            if flags.remove_data { format!("{would} deleted") } else { "stays; --remove-data deletes it".to_owned() };
        let kib = data.bytes.div_ceil(1024);
        let _ = writeln!(
            text,
            "  {}  {}, {kib} KiB, {}: {fate}",
            data.path.display(),
            count(data.files, "file"),
            data.what
        );
    }
    let _ = writeln!(text, "The program itself goes by:");
    for next in &work.next {
        let _ = writeln!(text, "  → {next}");
    }
    text
}

fn report(work: &Work, flags: &args::Uninstall, done: bool, error: Option<&Error>) -> Value {
    let entries: Vec<Value> = work
        .entries
        .iter()
        .map(|entry| {
            let (fate, error) = match &entry.fate {
                Fate::Plain => ("plain", None),
                Fate::Removed => ("removed", None),
                Fate::Left(error) => ("left", Some(error)),
            };
            json!({"gateway": entry.name, "becomes": fate, "remark": entry.remark, "error": error})
        })
        .collect();
    let data: Vec<Value> = work
        .data
        .iter()
        .map(|data| json!({"path": data.path.display().to_string(), "what": data.what, "files": data.files, "bytes": data.bytes, "removed": done && flags.remove_data}))
        .collect();
    json!({
        "entries": entries, "hook": work.hook.as_ref().map(|hook| hook.display().to_string()), "data": data, "done": done,
        "next": work.next, "error": error,
    })
}
