//! Tools from crates.io, each in one version, built once below the target folder.
//! Takes a tool's name; gives its program. Never looks for one on PATH, where it may be of any version.

use std::{fs, path::PathBuf};

use crate::shell::{Doing as _, Failure, Result, cargo, run, say, target};

/// A program of a package on crates.io.
pub(crate) struct Tool {
    package: &'static str,
    version: &'static str,
}

/// Looks at dependencies: licences, bans, sources, advisories.
pub(crate) const DENY: Tool = Tool { package: "cargo-deny", version: "0.20.2" };

impl Tool {
    /// The program, built if it is not there yet.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        let Self { package, version } = self;
        let tools = target().join("tools");
        let folder = tools.join(format!("{package}-{version}"));
        let program = folder.join("bin").join(package);
        if program.exists() {
            return Ok(program);
        }
        say(format!("Building {package} {version} into target/tools, once; this takes a minute or two"));
        let build = tools.join("build");
        run(cargo()
            .args(["install", package, "--version", version, "--locked", "--quiet", "--root"])
            .arg(&folder)
            .arg("--target-dir")
            .arg(&build)
            // They run for a second: what their authors' profiles take longer to make is not worth it.
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"))
        .map_err(|failure| Failure(format!("{failure}; {package} comes from crates.io, so network is needed once")))?;
        fs::remove_dir_all(&build).doing(format!("cannot remove {}", build.display()))?;
        Ok(program)
    }
}
