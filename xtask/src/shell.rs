//! Running commands where everybody can see them.
//! Takes a command; prints it, runs it, and gives its failure in one line. Never hides what it runs.

use std::{
    ffi::OsStr,
    fmt, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

/// One line for a person: what is wrong, and what to do.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

/// Names what was being done when an I/O error came.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl fmt::Display) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|e| Failure(format!("{what}: {e}")))
    }
}

pub(crate) fn say(line: impl fmt::Display) {
    anstream::eprintln!("\x1b[1;36m==>\x1b[0m {line}");
}

pub(crate) fn complain(error: &Failure) {
    anstream::eprintln!("\x1b[1;31mError:\x1b[0m {error}");
}

/// The workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where everything made goes: `CARGO_TARGET_DIR`, or `target`.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// A command in the workspace's folder.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    // What `cargo run` tells this program of itself. Build scripts look at some of it, so that whatever is built from
    // here would be built again when cargo is called by hand.
    for (name, _) in std::env::vars_os() {
        let shown = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"]
            .iter()
            .any(|p| shown.starts_with(p))
        {
            command.env_remove(&name);
        }
    }
    command
}

/// Cargo, the one that runs this.
pub(crate) fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs it with its output shown; a failure names the command.
pub(crate) fn run(command: &mut Command) -> Result {
    let line = line(command);
    say(&line);
    let started = Instant::now();
    let status = command.stdin(Stdio::null()).status().doing(format!("cannot run {line}"))?;
    let took = started.elapsed().as_secs();
    if took >= 10 {
        anstream::eprintln!("    {took} s");
    }
    if status.success() { Ok(()) } else { Err(Failure(format!("{line}: {status}"))) }
}

/// Runs it; gives what it printed on stdout.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = line(command);
    say(&line);
    let done = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().doing(format!("cannot run {line}"))?;
    if !done.status.success() {
        return Err(Failure(format!("{line}: {}", done.status)));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Runs it silently; whether it succeeded.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Allows everybody to run it.
#[cfg(unix)]
pub(crate) fn executable(program: &Path) -> Result {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))
        .doing(format!("cannot make {} executable", program.display()))
}

#[cfg(not(unix))]
pub(crate) fn executable(_: &Path) -> Result {
    Ok(())
}

/// The command as one would type it, paths shortened to the workspace's.
pub(crate) fn line(command: &Command) -> String {
    let root = format!("{}/", root().display());
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| {
            let word = word.to_string_lossy().replace(&root, "");
            if word.is_empty() || word.contains([' ', '"', '$', '*', '{']) { format!("'{word}'") } else { word }
        })
        .collect::<Vec<_>>()
        .join(" ")
}
