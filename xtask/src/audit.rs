//! `cargo xtask deny`: what we take from others, judged by `deny.toml`.
//! Takes every lock file of the project; fails on a licence, crate or source that is not allowed. Says whether advisories were looked at.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

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

/// A copy of the database that is older says too little.
const KEPT: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Whether advisories were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advisories {
    /// In the database of today.
    Today,
    /// In a copy of so many days ago.
    Copy(u64),
    /// Not at all: it cannot be had, and there is no copy that is young enough.
    Not,
}

impl fmt::Display for Advisories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Today => f.write_str("Advisories were looked at"),
            Self::Copy(days) => write!(
                f,
                "Advisories were looked at in a copy of the database that is {days} days old: today's cannot be fetched from here"
            ),
            Self::Not => f.write_str(
                "Advisories were NOT looked at: their database (RustSec's advisory-db) cannot be fetched from here, and there is no copy \
                 of the last 14 days; run `cargo xtask deny` where github.com is reached",
            ),
        }
    }
}

/// Checks all of them. The word on advisories is for the end, where it is read.
pub(crate) fn deny() -> Result<Advisories> {
    let program = tools::DENY.program()?;
    let manifests = manifests()?;
    for manifest in &manifests {
        run(check(&program, manifest).args(["bans", "licenses", "sources"]))?;
    }
    // The database is a git repository, not a package: where only the registries are reached, it cannot be had.
    let fetched = succeeds(command(&program).args(["--config", "deny.toml", "fetch", "db"]));
    let advisories = if fetched { Advisories::Today } else { kept(&databases().unwrap_or_default()) };
    if advisories != Advisories::Not {
        for manifest in &manifests {
            let mut check = check(&program, manifest);
            check.arg("advisories");
            if !fetched {
                check.arg("--disable-fetch");
            }
            run(&mut check)?;
        }
    }
    say(advisories);
    Ok(advisories)
}

/// Where cargo-deny keeps its databases; it fetches into them, and leaves them when it cannot.
fn databases() -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    Some(home?.join("advisory-dbs"))
}

/// The copy that is there, by when it was fetched.
fn kept(databases: &Path) -> Advisories {
    let fetched = |entry: fs::DirEntry| {
        let mark = entry.path().join(".git/FETCH_HEAD");
        fs::metadata(mark).ok()?.modified().ok()?.elapsed().ok()
    };
    let ages = fs::read_dir(databases).into_iter().flatten().filter_map(std::result::Result::ok).filter_map(fetched);
    match ages.min() {
        Some(age) if age <= KEPT => Advisories::Copy(age.as_secs() / (24 * 60 * 60)),
        _ => Advisories::Not,
    }
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

    use std::{
        fs,
        path::PathBuf,
        time::{Duration, SystemTime},
    };

    use super::{Advisories, kept};
    use crate::shell::root;

    #[test]
    fn a_copy_of_the_database_counts_for_a_fortnight() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(kept(folder.path()), Advisories::Not);
        assert_eq!(kept(&folder.path().join("nowhere")), Advisories::Not);
        let mark = folder.path().join("advisory-db-0123/.git/FETCH_HEAD");
        fs::create_dir_all(mark.parent().unwrap()).unwrap();
        assert_eq!(kept(folder.path()), Advisories::Not, "a clone that was never fetched");
        let file = fs::File::create(&mark).unwrap();
        for (days, expected) in
            [(0, Advisories::Copy(0)), (3, Advisories::Copy(3)), (13, Advisories::Copy(13)), (15, Advisories::Not)]
        {
            file.set_modified(SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60 + 60)).unwrap();
            assert_eq!(kept(folder.path()), expected, "{days} days");
        }
    }

    /// The compiler denies `unsafe`; what lifts that is counted here.
    #[test]
    fn unsafe_code_is_in_the_one_loader_and_in_what_wit_bindgen_writes() {
        let mut open: Vec<PathBuf> =
            ["component/src", "host", "tests/src", "tests/tests", "component/unseen/src", "xtask/src"]
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
        assert_eq!(lifted, ["component/src/guest.rs", "host/runtime/src/load.rs"]);
    }
}
