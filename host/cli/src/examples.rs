//! Examples at the end of a command's help.
//! Takes the description of the command line and the program's name; gives the description with examples. Every example is one that can be
//! typed as it stands.

use std::fmt::Write as _;

use clap::Command;

/// Commands, and words that follow the program's name.
const EXAMPLES: [(&str, &[&str]); 19] = [
    (
        "add",
        &[
            "add docker http://127.0.0.1:8811/mcp --bearer-env TOKEN",
            "add work https://h.example/mcp --read-only",
            "add team http://127.0.0.1:4444/mcp --per-service",
        ],
    ),
    (
        "setup",
        &["setup", "setup docker --bearer-env TOKEN", "setup generic --url http://127.0.0.1:8000/mcp --name work"],
    ),
    ("import", &["import --dry-run", "import ~/.cursor/mcp.json", "import --only github --yes"]),
    ("adopt", &["adopt docker", "adopt docker --exclude 'delete_*'", "adopt docker --undo"]),
    ("edit", &["edit docker", "edit docker --dry-run"]),
    ("remove", &["remove docker", "remove team --all"]),
    ("set", &["set docker --exclude 'delete_*'", "set docker --unset include"]),
    ("uninstall", &["uninstall --dry-run", "uninstall --yes", "uninstall --remove-data"]),
    ("list", &["list", "list --json"]),
    ("test", &["test docker", "test https://h.example/mcp --bearer-env TOKEN"]),
    ("services", &["services docker", "services docker -v", "services docker --json"]),
    (
        "tools",
        &["tools docker --service github --read-only", "tools docker get_issue", "tools --search 'forecast of a city'"],
    ),
    ("health", &["health", "health docker --watch 10", "health docker --history --since 7d"]),
    ("monitor", &["monitor", "monitor docker --on-change ./notify.sh"]),
    ("snapshot", &["snapshot show docker", "snapshot diff docker --exit-code", "snapshot accept docker"]),
    (
        "call",
        &[
            "call docker get_issue owner=octo repo=hello number:=7",
            "call docker post_message to=general text=@letter.txt",
            "call docker get_issue --args '{\"owner\": \"octo\"}'",
        ],
    ),
    ("serve", &["serve docker", "serve docker --config ./servers.json"]),
    ("component", &["component show", "component check ./mine.wasm", "component use ./mine.wasm"]),
    ("trust", &["trust ./servers.json", "trust --list", "trust ./servers.json --revoke"]),
];

/// The same commands, with examples as `program` is called.
pub(super) fn with(command: Command, program: &str) -> Command {
    EXAMPLES.iter().fold(command, |command, (name, lines)| {
        let mut text = "Examples:".to_owned();
        for line in *lines {
            let _ = write!(text, "\n  {program} {line}");
        }
        command.mut_subcommand(name, |inner| inner.after_help(text))
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use clap::CommandFactory as _;

    use super::super::{args::Cli, parse};
    use super::*;

    #[test]
    fn every_example_in_a_help_text_is_taken_by_the_parser() {
        for program in ["pflow-gateway", "pflow mcp gateway"] {
            let all = with(Cli::command(), program);
            for (name, _) in EXAMPLES {
                let help = all.find_subcommand(name).unwrap().get_after_help().unwrap().to_string();
                let lines: Vec<&str> = help.lines().filter_map(|line| line.trim().strip_prefix(program)).collect();
                assert!((2..=3).contains(&lines.len()), "{name}: {help}");
                for line in lines {
                    // Wrapped, the first half of it would run alone.
                    let columns = "  ".len() + program.len() + line.len();
                    assert!(columns < 80, "{line} has {columns} columns");
                    let words = shlex::split(line).unwrap();
                    assert_eq!(words.first().map(String::as_str), Some(name), "{line}");
                    let typed = parse(program, words.iter().map(Into::into));
                    assert!(typed.is_ok(), "{line}: {}", typed.err().unwrap());
                }
            }
        }
    }

    #[test]
    fn examples_are_shown_as_the_program_was_called() {
        let help = parse("pflow mcp gateway", ["help", "snapshot"].map(Into::into)).err().unwrap().to_string();
        assert!(help.contains("Examples:\n  pflow mcp gateway snapshot show docker\n"), "{help}");
    }
}
