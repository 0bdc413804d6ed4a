//! `cargo xtask deny`: what we take from others, judged by `deny.toml`.
//! Takes every lock file of the project; fails on a licence, crate or source that is not allowed. Says whether advisories were looked at.

use std::path::Path;

use crate::{
    shell::{Result, command, run, say, succeeds},
    tools,
};

/// The workspaces: each has a lock file of its own.
const MANIFESTS: [&str; 4] =
    ["Cargo.toml", "tests/fuzz/Cargo.toml", "tests/components/hostile/Cargo.toml", "docs/components/rust/Cargo.toml"];

/// Checks all of them.
pub(crate) fn deny() -> Result {
    let program = tools::DENY.program()?;
    for manifest in MANIFESTS {
        run(check(&program, manifest).args(["bans", "licenses", "sources"]))?;
    }
    // The database is a git repository, not a package: where only the registries are reached, it cannot be had.
    if !succeeds(command(&program).args(["--config", "deny.toml", "fetch", "db"])) {
        say("Advisories were NOT looked at: their database (RustSec's advisory-db) cannot be fetched from here");
        return Ok(());
    }
    for manifest in MANIFESTS {
        run(check(&program, manifest).arg("advisories"))?;
    }
    say("Advisories were looked at");
    Ok(())
}

fn check(program: &Path, manifest: &str) -> std::process::Command {
    let mut check = command(program);
    check.args(["--locked", "--config", "deny.toml", "--manifest-path", manifest, "check"]);
    // The list of what is allowed is one for all of them, and none takes all of it.
    check.args(["--allow", "license-not-encountered", "--allow", "license-exception-not-encountered"]);
    check
}
