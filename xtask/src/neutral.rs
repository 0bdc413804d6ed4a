//! What is shipped says nothing of the machine that built it.
//! Gives the flags for a compilation; takes what came out, and fails where a path of this machine is in it. Never for what stays here: other
//! flags compile wasmtime again.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use crate::shell::{Doing as _, Failure, Result, root, target};

/// How cargo is given flags with blanks in them.
pub(crate) const FLAGS: &str = "CARGO_ENCODED_RUSTFLAGS";
const BETWEEN: char = '\u{1f}';

/// Where crates are unpacked.
fn cargo_home() -> Option<PathBuf> {
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| env::home_dir().map(|home| home.join(".cargo")))
}

/// Compilers put the place of a source into words for panics: other people's crates are below cargo's folder, what build scripts write
/// below ours. Our own sources are named from the workspace's folder on, whatever it is called; were it here too, a clone in another
/// place would be compiled as a whole.
fn places(target: &Path) -> Vec<(PathBuf, &'static str)> {
    let mut places = vec![(target.to_owned(), "/build")];
    places.extend(cargo_home().map(|home| (home, "/cargo")));
    places
}

/// Flags for whatever is compiled into this folder, behind those that are set already.
pub(crate) fn flags(target: &Path) -> OsString {
    let set = env::var(FLAGS)
        .or_else(|_| env::var("RUSTFLAGS").map(|flags| flags.split_whitespace().collect::<Vec<_>>().join("\u{1f}")));
    let mut flags: Vec<String> = set.unwrap_or_default().split(BETWEEN).map(str::to_owned).collect();
    flags.retain(|flag| !flag.is_empty());
    flags.extend(places(target).iter().map(|(place, name)| format!("--remap-path-prefix={}={name}", place.display())));
    flags.join("\u{1f}").into()
}

/// Fails for the first of these files that holds a path of this machine.
pub(crate) fn check(files: &[&Path]) -> Result {
    let mut names: Vec<PathBuf> = vec![root(), target()];
    names.extend(cargo_home());
    names.extend(env::home_dir().filter(|home| home.components().count() > 2));
    for file in files {
        let bytes = fs::read(file).doing(format!("cannot read {}", file.display()))?;
        for name in &names {
            if let Some(found) = found(&bytes, &name.display().to_string()) {
                return Err(Failure(format!(
                    "{} holds a path of this machine: {found}; xtask/src/neutral.rs takes them out",
                    file.display()
                )));
            }
        }
    }
    Ok(())
}

/// The path and what is behind it.
fn found(bytes: &[u8], name: &str) -> Option<String> {
    const SHOWN: usize = 80;
    let name = format!("{}/", name.trim_end_matches('/'));
    let at = bytes.windows(name.len()).position(|window| window == name.as_bytes())?;
    let rest = bytes.get(at..)?;
    Some(String::from_utf8_lossy(rest.get(..SHOWN).unwrap_or(rest)).into_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn every_place_has_another_name() {
        let flags = flags(Path::new("/a b/target")).into_string().unwrap();
        let flags: Vec<&str> = flags.split(BETWEEN).collect();
        assert!(flags.contains(&"--remap-path-prefix=/a b/target=/build"), "{flags:?}");
        assert!(flags.iter().any(|flag| flag.ends_with("=/cargo")), "{flags:?}");
    }

    #[test]
    fn a_path_of_this_machine_is_found_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
        fs::write(&good, b"\0/cargo/registry/src/x.rs\0").unwrap();
        fs::write(&bad, format!("\0{}/host/src/lib.rs\0", root().display())).unwrap();
        check(&[&good]).unwrap();
        let told = check(&[&good, &bad]).unwrap_err().to_string();
        assert!(told.contains("host/src/lib.rs"), "{told}");
    }
}
