//! `completions` and `man`: what a shell and a manual know of the commands.
//! Takes the description that the command line itself is read by; gives scripts and pages. Contacts nothing.

use std::{fs, io, path::Path};

use clap::CommandFactory as _;
use serde_json::json;

use super::{
    args::{Cli, ShellName},
    examples, products,
    screen::{Reply, yes},
};
use pflow_gateway_base::{Error, Result};
use pflow_gateway_runtime::Product;

/// The program that scripts and pages are for: `pflow mcp gateway` is completed by pflow.
const PROGRAM: &str = "pflow-gateway";

fn command() -> clap::Command {
    let command = Cli::command().name(PROGRAM).bin_name(PROGRAM).display_name(PROGRAM).no_binary_name(false);
    examples::with(command, PROGRAM)
}

/// `completions SHELL`.
pub(super) fn completions(shell: ShellName) -> Reply {
    let mut script = Vec::new();
    let shell = match shell {
        ShellName::Bash => clap_complete::Shell::Bash,
        ShellName::Zsh => clap_complete::Shell::Zsh,
        ShellName::Fish => clap_complete::Shell::Fish,
        ShellName::Powershell => clap_complete::Shell::PowerShell,
    };
    // A shell may ask for this each time that it starts: no component is started for it, and none has a word in a script.
    clap_complete::generate(shell, &mut command(), PROGRAM, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let json = json!({"shell": shell.to_string(), "script": script, "error": null});
    Reply::good(script, &json).theirs()
}

/// `man FOLDER`.
pub(super) fn man(folder: &Path, products: &[Product]) -> Reply {
    match pages(folder, products) {
        Ok(names) => {
            let text = format!("{} Wrote {} pages to {}\n", yes(), names.len(), folder.display());
            Reply::good(text, &json!({"folder": folder, "pages": names, "error": null}))
        }
        Err(error) => Reply::failed(json!({"folder": folder, "pages": []}), error),
    }
}

/// One page for the program, and one for each command.
fn pages(folder: &Path, products: &[Product]) -> Result<Vec<String>> {
    let cannot = |error: io::Error| {
        Error::config(format!("cannot write to {}", folder.display()))
            .because(error)
            .with_hint("name a folder that you may write to")
    };
    fs::create_dir_all(folder).map_err(cannot)?;
    let mut root = products::offering(command(), products);
    // Flags of every command are on every page.
    root.build();
    let mut names = Vec::new();
    let mut left = vec![(PROGRAM.to_owned(), root)];
    while let Some((name, command)) = left.pop() {
        let inner = command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help");
        left.extend(inner.map(|inner| (format!("{name}-{}", inner.get_name()), inner.clone())));
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).map_err(cannot)?;
        fs::write(folder.join(format!("{name}.1")), page).map_err(cannot)?;
        names.push(format!("{name}.1"));
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn every_shell_is_told_of_the_commands_and_their_flags() {
        for (shell, flag) in [
            (ShellName::Bash, "--no-check"),
            (ShellName::Zsh, "--no-check"),
            (ShellName::Fish, "-l no-check"),
            (ShellName::Powershell, "--no-check"),
        ] {
            let script = completions(shell).text;
            for word in ["pflow-gateway", "services", "snapshot", flag] {
                assert!(script.contains(word), "{shell:?} lacks {word}");
            }
        }
    }

    #[test]
    fn every_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let names = pages(folder.path(), &[]).unwrap();
        for page in ["pflow-gateway.1", "pflow-gateway-call.1", "pflow-gateway-component-use.1"] {
            assert!(names.iter().any(|name| name == page), "{page}: {names:?}");
        }
        let call = fs::read_to_string(folder.path().join("pflow-gateway-call.1")).unwrap();
        assert!(call.contains("no\\-check") && call.contains("Call one tool"), "{call}");
    }
}
