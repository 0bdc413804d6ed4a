//! `cargo xtask api`: what each library of the host shows to whoever uses it, a line for each item, in `docs/api`.
//! Takes rustdoc's JSON of our own crates; compares its items with what is kept, and fails on a difference, so that a change of a public surface
//! is seen and meant. Knows nothing of whether a change is compatible.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use clap::Args;
use public_api::Builder;

use crate::{
    build,
    progress::{self, Step},
    shell::{Doing as _, Failure, Result, root, run, say, target},
};

/// Packages with a library that others may use.
const LIBRARIES: [&str; 7] = [
    "pflow-gateway",
    "pflow-gateway-base",
    "pflow-gateway-cli",
    "pflow-gateway-conformance",
    "pflow-gateway-demo",
    "pflow-gateway-host-egress",
    "pflow-gateway-runtime",
];
const KEPT: &str = "docs/api";
pub(crate) const STEP: Step = ("What the libraries show", 45);
/// Lines of a difference that are printed.
const SHOWN: usize = 20;

#[derive(Args)]
pub(crate) struct Options {
    /// Write what there is now into docs/api, instead of comparing
    #[arg(long)]
    keep: bool,
}

pub(crate) fn api(options: &Options) -> Result {
    build::rust_target()?;
    let component = build::component()?;
    if !options.keep {
        return hold(&component);
    }
    describe(&component)?;
    fs::create_dir_all(root().join(KEPT)).doing(format!("cannot make {KEPT}"))?;
    for library in LIBRARIES {
        let file = root().join(KEPT).join(format!("{library}.txt"));
        fs::write(&file, surface(library)?).doing(format!("cannot write {}", file.display()))?;
    }
    say(format!("Written to {KEPT}"));
    Ok(())
}

/// Fails unless every library shows what is kept of it.
pub(crate) fn hold(component: &Path) -> Result {
    progress::step(STEP.0);
    describe(component)?;
    let mut differs = String::new();
    for library in LIBRARIES {
        let kept = fs::read_to_string(root().join(KEPT).join(format!("{library}.txt"))).unwrap_or_default();
        differs += &difference(library, &kept, &surface(library)?);
    }
    if differs.is_empty() {
        return Ok(());
    }
    Err(Failure(format!("{differs}what the libraries show has changed; if that is meant: cargo xtask api --keep")))
}

/// Lets rustdoc describe them. It gives JSON only to those who ask for what is not stable yet; the compiler is not asked for it, so that nothing is
/// compiled again.
fn describe(component: &Path) -> Result {
    let rustdoc = root().join("xtask/rustdoc-json");
    run(build::release("doc", component)
        .arg("--no-deps")
        .args(LIBRARIES.iter().flat_map(|library| ["--package", library]))
        .env("RUSTDOC", rustdoc)
        .env("RUSTDOCFLAGS", "-Zunstable-options --output-format json"))
}

/// A line for each item; without what every type has, and what is derived.
fn surface(library: &str) -> Result<String> {
    let json = target().join("doc").join(format!("{}.json", library.replace('-', "_")));
    let api = Builder::from_rustdoc_json(&json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .map_err(|error| Failure(format!("cannot read {}: {error}", json.display())))?;
    Ok(api.items().fold(String::new(), |mut text, item| {
        let _ = writeln!(text, "{item}");
        text
    }))
}

/// What only one of two texts has, by lines; nothing where they have the same.
fn difference(library: &str, kept: &str, now: &str) -> String {
    let (before, after): (BTreeSet<&str>, BTreeSet<&str>) = (kept.lines().collect(), now.lines().collect());
    let gone = before.difference(&after).map(|line| format!("  - {line}"));
    let new = after.difference(&before).map(|line| format!("  + {line}"));
    let all: Vec<String> = gone.chain(new).collect();
    let mut text = String::new();
    if !all.is_empty() {
        let _ = writeln!(text, "{library}:");
        for line in all.iter().take(SHOWN) {
            let _ = writeln!(text, "{line}");
        }
        if all.len() > SHOWN {
            let _ = writeln!(text, "  … and {} more", all.len() - SHOWN);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_and_what_is_new_is_named_and_an_order_is_no_difference() {
        assert_eq!(difference("a", "pub fn a::x()\npub fn a::y()\n", "pub fn a::y()\npub fn a::x()\n"), "");
        assert_eq!(
            difference("a", "pub fn a::x()\n", "pub fn a::x(u8)\n"),
            "a:\n  - pub fn a::x()\n  + pub fn a::x(u8)\n"
        );
        let many = (0..30).map(|at| format!("pub const a::C{at:02}: u8")).collect::<Vec<_>>().join("\n");
        assert!(difference("a", "", &many).ends_with("  … and 10 more\n"));
    }
}
