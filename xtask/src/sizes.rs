//! `cargo xtask sizes`: how large what is shipped is, and what makes it up.
//! Takes the files of `target/dist-shipped` and binutils' `size` and `nm`; prints a table, and compares it with `docs/performance/sizes.json`. Fails
//! where a file has grown or shrunk by more than 5 %, so that the table is true. Never compares a program or a wheel that was built otherwise.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::{Map, Value, json};

use crate::{
    build::{self, Build, Dist},
    service,
    shell::{Doing as _, Failure, Result, command, output, root, say},
};

/// What was measured last.
const KEPT: &str = "docs/performance/sizes.json";
/// In percent.
const LEEWAY: u64 = 5;
/// Crates and sections that are printed.
const SHOWN: usize = 15;

#[derive(Args)]
pub(crate) struct Options {
    /// Write the sizes of this build into docs/performance/sizes.json, instead of comparing
    #[arg(long)]
    keep: bool,
}

/// Builds what is shipped, and measures all of it.
pub(crate) fn sizes(options: &Options) -> Result {
    let dist = build::shipped()?;
    let service = service::composed(&dist.folder.join("gateway.wasm"))?;
    let program = dist.folder.join("pflow-gateway");
    let mut sizes = vec![("program", size(&program)?), ("wheel", size(&dist.wheel)?)];
    sizes.extend(components(&dist, &service)?);
    for (what, bytes) in &sizes {
        anstream::println!("{what:<32} {}", megabytes(*bytes));
    }
    parts("Sections of the program", &sections(&program)?);
    parts("Code of the program, by crate", &crates(&Build::Shipped.built("pflow-gateway"))?);
    if options.keep { keep(&sizes) } else { compare(&sizes) }
}

/// Fails unless the components are as large as the table says. They are the same in every build; program and wheel are so only when they are shipped.
pub(crate) fn hold(dist: &Dist, service: &Path) -> Result {
    compare(&components(dist, service)?)
}

fn components(dist: &Dist, service: &Path) -> Result<[(&'static str, u64); 3]> {
    Ok([
        ("component", size(&dist.folder.join("gateway.wasm"))?),
        ("machine code of the component", size(&dist.code.file)?),
        ("service", size(service)?),
    ])
}

fn size(file: &Path) -> Result<u64> {
    Ok(fs::metadata(file).doing(format!("cannot read {}", file.display()))?.len())
}

fn megabytes(bytes: u64) -> String {
    format!("{:>3}.{:02} MB", bytes / 1_000_000, bytes / 10_000 % 100)
}

fn kept() -> PathBuf {
    root().join(KEPT)
}

fn keep(sizes: &[(&str, u64)]) -> Result {
    let table: Map<String, Value> = sizes.iter().map(|(what, bytes)| ((*what).to_owned(), json!(bytes))).collect();
    fs::create_dir_all(kept().parent().unwrap_or(&root())).doing(format!("cannot make the folder of {KEPT}"))?;
    fs::write(kept(), format!("{:#}\n", Value::Object(table))).doing(format!("cannot write {KEPT}"))?;
    say(format!("Written to {KEPT}"));
    Ok(())
}

fn compare(sizes: &[(&str, u64)]) -> Result {
    let text = fs::read_to_string(kept()).doing(format!("cannot read {KEPT}"))?;
    let table: BTreeMap<String, u64> =
        serde_json::from_str(&text).map_err(|error| Failure(format!("{KEPT}: {error}")))?;
    let wrong: Vec<String> = sizes
        .iter()
        .filter_map(|(what, bytes)| match table.get(*what) {
            Some(was) if bytes.abs_diff(*was) * 100 <= was * LEEWAY => None,
            Some(was) => Some(format!("{what}: {} instead of {}", megabytes(*bytes).trim(), megabytes(*was).trim())),
            None => Some(format!("{what} is not in the table")),
        })
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure(format!("{KEPT} is out of date: {}; look why, then `cargo xtask sizes --keep`", wrong.join("; "))))
}

/// The largest ones, and the sum of all.
fn parts(title: &str, parts: &[(String, u64)]) {
    anstream::println!("\n{title}");
    for (name, bytes) in parts.iter().take(SHOWN) {
        anstream::println!("  {name:<30} {}", megabytes(*bytes));
    }
    anstream::println!("  {:<30} {}", "all", megabytes(parts.iter().map(|(_, bytes)| bytes).sum()));
}

/// The largest first. `size -A` prints a line for each: name, bytes, address.
fn sections(program: &Path) -> Result<Vec<(String, u64)>> {
    let said = output(command("size").args(["-A", "-d"]).arg(program)).map_err(|failure| without_binutils(&failure))?;
    let sections = said.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next().filter(|name| name.starts_with('.'))?;
        Some((name.to_owned(), words.next()?.parse().ok()?))
    });
    Ok(largest_first(sections))
}

/// The largest first. `nm -S` prints address, bytes, kind and name; a generic function counts for the crate that wrote it.
fn crates(program: &Path) -> Result<Vec<(String, u64)>> {
    let said = output(command("nm").args(["--print-size", "--demangle", "--defined-only"]).arg(program))
        .map_err(|failure| without_binutils(&failure))?;
    Ok(largest_first(said.lines().filter_map(symbol)))
}

fn symbol(line: &str) -> Option<(String, u64)> {
    let mut words = line.splitn(4, ' ');
    let (_, bytes, kind, name) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if !matches!(kind, "t" | "T" | "w" | "W") {
        return None;
    }
    let name = name.trim_start_matches(['<', '&', '*', '(', '[']);
    let name = name.strip_prefix("dyn ").unwrap_or(name);
    let krate = match name.split_once("::") {
        Some((krate, _)) if krate.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => krate,
        // C: SQLite, ring.
        None => "functions of C and of the linker",
        Some(_) => "others",
    };
    Some((krate.to_owned(), u64::from_str_radix(bytes, 16).ok()?))
}

fn largest_first(parts: impl Iterator<Item = (String, u64)>) -> Vec<(String, u64)> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for (name, bytes) in parts {
        *sums.entry(name).or_default() += bytes;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    sums
}

fn without_binutils(failure: &Failure) -> Failure {
    Failure(format!("{failure}; binutils are needed (Debian: apt-get install binutils)"))
}
