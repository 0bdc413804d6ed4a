//! Words that are typed by habit of another program, or half of what is needed.
//! Takes what was typed and what clap makes of it; adds the words that were probably meant. Never changes what is accepted.

use std::ffi::OsString;

use clap::{
    Command,
    builder::StyledStr,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// Commands of other programs, and what does the same here.
const HABITS: [(&[&str], &str); 11] = [
    (&["ls", "show", "gateways", "servers", "ps"], "list"),
    (&["rm", "delete", "del"], "remove"),
    (&["configure", "config", "update", "filter"], "set"),
    (&["ping", "check", "inspect", "connect"], "test"),
    (&["status", "watch"], "health"),
    (&["logs", "history", "events"], "health --history"),
    (&["run", "exec", "invoke", "tool"], "call"),
    (&["search", "find", "grep"], "tools --search WORDS"),
    (&["start", "proxy", "bridge"], "serve"),
    (&["completion", "generate-shell-completion"], "completions SHELL"),
    (&["init", "wizard", "install", "new"], "setup"),
];

/// The same error, with what was probably meant.
pub(super) fn suggest(mut error: clap::Error, typed: &[OsString], command: &mut Command) -> clap::Error {
    if error.kind() == ErrorKind::UnknownArgument {
        // clap shows the usage with the flag that it guesses.
        error.insert(ContextKind::Usage, ContextValue::StyledStr(usage(command, typed)));
    }
    let word = |at: usize| words(typed).nth(at);
    let tip = match error.kind() {
        ErrorKind::InvalidSubcommand if word(0) == Some("snapshot") => {
            word(1).map(|name| format!("to look at the last good catalogue of {name}: snapshot show {name}"))
        }
        ErrorKind::InvalidSubcommand => word(0).and_then(meant).map(|command| format!("here that is: {command}")),
        ErrorKind::UnknownArgument if word(0) == Some("call") => unknown_flag(&error).and_then(argument),
        ErrorKind::UnknownArgument if error.get(ContextKind::SuggestedArg).is_none() => {
            // What clap says then, how to pass it as a value, nobody means: no name, URL or tool here begins with dashes.
            error.remove(ContextKind::Suggested);
            unknown_flag(&error).and_then(|flag| elsewhere(command, flag))
        }
        _ => None,
    };
    if let Some(tip) = tip {
        // The tip of clap is a guess by letters; this one knows.
        error.remove(ContextKind::SuggestedSubcommand);
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    }
    error
}

/// How the command is used that these words name.
fn usage(command: &mut Command, typed: &[OsString]) -> StyledStr {
    command.build();
    usage_of(command, &words(typed).collect::<Vec<_>>())
}

fn usage_of(command: &mut Command, words: &[&str]) -> StyledStr {
    let Some(at) = words.iter().position(|word| command.find_subcommand(word).is_some()) else {
        return command.render_usage();
    };
    let left = words.get(at.saturating_add(1)..).unwrap_or_default();
    match words.get(at).and_then(|word| command.find_subcommand_mut(word)) {
        Some(inner) => usage_of(inner, left),
        None => StyledStr::new(),
    }
}

/// What was typed, without flags.
fn words(typed: &[OsString]) -> impl Iterator<Item = &str> {
    typed.iter().filter_map(|word| word.to_str()).filter(|word| !word.starts_with('-'))
}

fn meant(word: &str) -> Option<&'static str> {
    HABITS.iter().find(|(habits, _)| habits.contains(&word)).map(|(_, command)| *command)
}

fn unknown_flag(error: &clap::Error) -> Option<&str> {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) => flag.strip_prefix("--"),
        _ => None,
    }
}

/// Which commands have this flag.
fn elsewhere(command: &Command, flag: &str) -> Option<String> {
    let has = |command: &&Command| command.get_arguments().any(|argument| argument.get_long() == Some(flag));
    let commands: Vec<&str> = command.get_subcommands().filter(has).map(Command::get_name).collect();
    (!commands.is_empty()).then(|| format!("--{flag} is a flag of {}", commands.join(", ")))
}

/// `--city Lisbon` is `city=Lisbon`.
fn argument(flag: &str) -> Option<String> {
    let flag = flag.split('=').next().unwrap_or(flag);
    match flag {
        "args-file" | "input" | "file" | "body" => {
            Some("arguments from a file: --args - < FILE, or name=@FILE for one of them".to_owned())
        }
        // A slip of one of our own flags is better told by its name.
        _ if OWN.iter().any(|own| pflow_gateway_base::spelling::slip(flag, own).is_some()) => None,
        _ => Some(format!("an argument of the tool is written without dashes: {flag}=VALUE")),
    }
}

/// Flags of `call`.
const OWN: [&str; 14] = [
    "args",
    "no-check",
    "bearer-env",
    "api-key-env",
    "api-key-header",
    "basic-env",
    "token-command",
    "header",
    "ca-file",
    "json",
    "config",
    "component",
    "timeout",
    "verbose",
];

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::super::parse;
    use super::*;

    fn told(line: &[&str]) -> String {
        let error = parse("pflow-gateway", line.iter().map(OsString::from)).err().unwrap();
        error.to_string()
    }

    #[test]
    fn habits_of_other_programs_and_halves_of_commands_are_understood() {
        for (line, says) in [
            (&["snapshot", "demo"][..], "snapshot show demo"),
            (&["ls"], "here that is: list"),
            (&["search"], "here that is: tools --search WORDS"),
            (&["configure", "demo"], "here that is: set"),
            (&["call", "demo", "t", "--city", "Lisbon"], "without dashes: city=VALUE"),
            (&["call", "demo", "t", "--args-file", "a.json"], "--args - < FILE"),
            (&["remove", "demo", "--per-service"], "--per-service is a flag of add, setup"),
            // What clap knows stays clap's.
            (&["helth"], "'health'"),
            (&["call", "demo", "t", "--arg", "{}"], "'--args'"),
            (&["monitor", "--listen", "9500"], "127.0.0.1:9464"),
        ] {
            let told = told(line);
            assert!(told.contains(says), "{line:?}: {told}");
        }
        for line in [&["tools", "--nonsense", "x"][..], &["remove", "demo", "--per-service"]] {
            let told = told(line);
            assert!(!told.contains("as a value"), "{line:?}: {told}");
        }
    }
}
