//! `cargo xtask timings`: where the time of a build goes.
//! Takes the sources; compiles what `demo` compiles in a folder of its own, from nothing, and prints what took longest, by crate. Reads what
//! `cargo build --timings` writes. Never fails because something was slow.

use std::{collections::BTreeMap, fs};

use clap::Args;
use serde_json::Value;

use crate::{
    build,
    shell::{Doing as _, Failure, Result, run, say, target},
};

/// Crates that are printed.
const SHOWN: usize = 25;

#[derive(Args)]
pub(crate) struct Options {
    /// Keep what was compiled before: what takes long after a change
    #[arg(long)]
    warm: bool,
}

/// One call of the compiler, or one run of a build script.
struct Unit {
    name: String,
    version: String,
    /// In seconds from the start.
    start: f64,
    /// In seconds.
    duration: f64,
}

pub(crate) fn timings(options: &Options) -> Result {
    build::rust_target()?;
    let component = build::component()?;
    let folder = target().join("timings");
    let old = folder.join("release");
    if !options.warm && old.exists() {
        fs::remove_dir_all(&old).doing(format!("cannot remove {}", old.display()))?;
    }
    run(build::program(&component).arg("--timings").arg("--target-dir").arg(&folder))?;
    let page = folder.join("cargo-timings/cargo-timing.html");
    let html = fs::read_to_string(&page).doing(format!("cannot read {}", page.display()))?;
    print(&units(&html)?);
    say(format!("As a chart: {}", page.display()));
    Ok(())
}

/// The page holds what it draws.
fn units(html: &str) -> Result<Vec<Unit>> {
    let (_, data) = html.split_once("UNIT_DATA = ").ok_or_else(|| other("there is no UNIT_DATA in it"))?;
    let read = serde_json::Deserializer::from_str(data).into_iter::<Vec<Value>>().next();
    let units = read.ok_or_else(|| other("UNIT_DATA is empty"))?.map_err(|error| other(&error.to_string()))?;
    units.iter().map(|unit| Unit::of(unit).ok_or_else(|| other(&unit.to_string()))).collect()
}

fn other(problem: &str) -> Failure {
    Failure(format!("cargo's page of timings has another form: {problem}"))
}

impl Unit {
    fn of(unit: &Value) -> Option<Self> {
        let (text, seconds) = (|name| unit.get(name)?.as_str(), |name| unit.get(name)?.as_f64());
        Some(Self {
            name: text("name")?.to_owned(),
            version: text("version")?.to_owned(),
            start: seconds("start")?,
            duration: seconds("duration")?,
        })
    }
}

fn print(units: &[Unit]) {
    let all: f64 = units.iter().map(|unit| unit.duration).sum();
    let wall = units.iter().map(|unit| unit.start + unit.duration).fold(0.0, f64::max);
    anstream::println!("{:<44} {:>9} {:>9}", "", "seconds", "finished");
    for (name, seconds, end) in by_crate(units).iter().take(SHOWN) {
        anstream::println!("{name:<44} {seconds:>9.1} {end:>9.1}");
    }
    anstream::println!("{:<44} {all:>9.1} {wall:>9.1}", format!("all {} units", units.len()));
}

/// The longest first: all of a crate, with its build script, and when the last of it was done.
fn by_crate(units: &[Unit]) -> Vec<(String, f64, f64)> {
    let mut crates: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for unit in units {
        let (seconds, end) = crates.entry(format!("{} {}", unit.name, unit.version)).or_default();
        *seconds += unit.duration;
        *end = end.max(unit.start + unit.duration);
    }
    let mut crates: Vec<_> = crates.into_iter().map(|(name, (seconds, end))| (name, seconds, end)).collect();
    crates.sort_by(|(_, one, _), (_, other, _)| other.total_cmp(one));
    crates
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn a_crate_counts_with_its_build_script_and_the_longest_comes_first() {
        let page = r#"<script>
            const UNIT_DATA = [
                {"i": 0, "name": "a", "version": "1.0.0", "mode": "todo", "target": "", "start": 0.0, "duration": 2.0},
                {"i": 1, "name": "b", "version": "2.0.0", "mode": "todo", "target": "", "start": 1.0, "duration": 2.5},
                {"i": 2, "name": "a", "version": "1.0.0", "mode": "run-custom-build", "target": "", "start": 3.0, "duration": 1.0}
            ];
            const CONCURRENCY_DATA = [];"#;
        let crates = by_crate(&units(page).unwrap());
        assert_eq!(crates, [("a 1.0.0".to_owned(), 3.0, 4.0), ("b 2.0.0".to_owned(), 2.5, 3.5)]);
        assert!(units("<html>").is_err());
    }
}
