//! Which files are programs, and where they are found.
//! Takes paths and names; says whether there is such a program. Never starts one.

use std::path::Path;

/// Whether this is a file that may be run.
#[must_use]
pub fn runs(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.is_file() && is_executable(&about))
}

/// Whether a program of this name is in one of the folders of `PATH`.
#[must_use]
pub fn is_on_path(name: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let spellings = spellings(name);
    std::env::split_paths(&folders).any(|folder| spellings.iter().any(|name| runs(&folder.join(name))))
}

/// Whether it is a path, and is looked for nowhere else.
#[must_use]
pub fn is_path(program: &str) -> bool {
    program.contains(std::path::is_separator)
}

#[cfg(unix)]
fn is_executable(about: &std::fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o111 != 0
}

#[cfg(windows)]
fn is_executable(_: &std::fs::Metadata) -> bool {
    true
}

#[cfg(unix)]
fn spellings(name: &str) -> Vec<String> {
    vec![name.to_owned()]
}

/// As it is, and with each ending of a program.
#[cfg(windows)]
fn spellings(name: &str) -> Vec<String> {
    let endings = std::env::var("PATHEXT").unwrap_or_else(|_| ".COM;.EXE;.BAT;.CMD".to_owned());
    let ended = endings.split(';').filter(|ending| !ending.is_empty()).map(|ending| format!("{name}{ending}"));
    std::iter::once(name.to_owned()).chain(ended).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    #[test]
    fn this_program_runs_and_folders_and_what_is_not_there_do_not() {
        let this = std::env::current_exe().unwrap();
        assert!(runs(&this) && is_path(&this.display().to_string()));
        assert!(!runs(this.parent().unwrap()) && !runs(&this.with_file_name("no-such-program")));
    }

    #[test]
    fn a_shell_is_found_by_its_name_and_a_name_that_nothing_has_is_not() {
        let shell = if cfg!(windows) { "cmd" } else { "sh" };
        assert!(is_on_path(shell) && !is_path(shell));
        assert!(!is_on_path("no-such-program-of-pflow-gateway"));
    }
}
