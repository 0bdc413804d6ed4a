//! `cargo xtask deny`: what we take from others, judged by `deny.toml`.
//! Takes every lock file of the project; fails on a licence, crate or source that is not allowed. Says whether advisories were looked at.

use std::{fs, path::Path};

use crate::{
    shell::{Doing as _, Result, command, root, run, say, succeeds},
    tools,
};

/// The manifests of all workspaces: each has a lock file of its own, at most so many folders down.
fn manifests() -> Result<Vec<String>> {
    const DEPTH: usize = 4;
    let mut found = Vec::new();
    let mut open = vec![(root(), DEPTH)];
    while let Some((folder, left)) = open.pop() {
        let unreadable = || format!("cannot read {}", folder.display());
        for entry in fs::read_dir(&folder).doing(unreadable())? {
            let path = entry.doing(unreadable())?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name == "Cargo.lock" {
                let manifest = folder.join("Cargo.toml");
                found.push(manifest.strip_prefix(root()).unwrap_or(&manifest).display().to_string());
            } else if path.is_dir() && left > 0 && !name.starts_with('.') && name != "target" && name != "node_modules"
            {
                open.push((path, left - 1));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Checks all of them.
pub(crate) fn deny() -> Result {
    let program = tools::DENY.program()?;
    let manifests = manifests()?;
    for manifest in &manifests {
        run(check(&program, manifest).args(["bans", "licenses", "sources"]))?;
    }
    // The database is a git repository, not a package: where only the registries are reached, it cannot be had.
    if !succeeds(command(&program).args(["--config", "deny.toml", "fetch", "db"])) {
        say("Advisories were NOT looked at: their database (RustSec's advisory-db) cannot be fetched from here");
        return Ok(());
    }
    for manifest in &manifests {
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::{fs, path::PathBuf};

    use crate::shell::root;

    /// The compiler denies `unsafe`; what lifts that is counted here.
    #[test]
    fn unsafe_code_is_in_the_one_loader_and_in_what_wit_bindgen_writes() {
        let mut open: Vec<PathBuf> =
            ["component/src", "host/src", "host/python/src", "tests/src", "tests/tests", "unseen/src", "xtask/src"]
                .map(|folder| root().join(folder))
                .into();
        let mut lifted = Vec::new();
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let words = ["expect(", "allow("].map(|lift| format!("{lift}unsafe_code"));
                if words.iter().any(|words| text.contains(words.as_str())) {
                    lifted.push(path.strip_prefix(root()).unwrap().display().to_string());
                }
            }
        }
        lifted.sort();
        assert_eq!(lifted, ["component/src/guest.rs", "host/src/runtime/load.rs"]);
    }
}
