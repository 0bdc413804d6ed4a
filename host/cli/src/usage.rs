//! Wrong words, told as every other error is told.
//! Takes the parser's error; gives one of ours, and how the command is used. Never changes what is accepted.

use std::{ffi::OsString, fmt::Write as _};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use serde_json::json;

use super::{
    USAGE,
    screen::{Format, Reply, explain, finish, print_help, say},
};
use pflow_gateway_base::Error;

/// Prints what the parser has to say, and gives the exit code.
pub(super) fn end(error: &clap::Error, typed: &[OsString]) -> u8 {
    let wants_json = typed.iter().take_while(|word| *word != "--").any(|word| word == "--json");
    if !error.use_stderr() {
        // The version, or help that was asked for; that nobody reads it is fine.
        let _ = print_help(&error.render().ansi().to_string());
        return 0;
    }
    let (wrong, usage) = told(error);
    if wants_json {
        return finish(&Reply::failed(json!({}), wrong), Format::Json);
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        say(&error.render().ansi().to_string());
    } else {
        say(&format!("{}{usage}", explain(&wrong)));
    }
    USAGE
}

/// The error in our shape; and what is left to say of how the command is used.
fn told(error: &clap::Error) -> (Error, String) {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return (Error::config("no command was given").with_hint("--help lists the commands"), String::new());
    }
    let text = without_a_credential(error);
    let (mut message, mut hints, mut usage) = (String::new(), Vec::new(), String::new());
    for paragraph in text.trim().split("\n\n") {
        if let Some(wrong) = paragraph.strip_prefix("error: ") {
            message = one_line(wrong);
        } else if ["Usage: ", "For more information"].iter().any(|start| paragraph.starts_with(start)) {
            let _ = write!(usage, "\n{paragraph}\n");
        } else {
            // Several tips stand on a line each.
            let tips = paragraph.lines().map(|line| line.trim().strip_prefix("tip: ").unwrap_or(line.trim()));
            hints.extend(tips.filter(|tip| !tip.is_empty()).map(str::to_owned));
        }
    }
    let error = Error::config(message);
    (if hints.is_empty() { error } else { error.with_hint(hints.join("; ")) }, usage)
}

/// What the parser says. The value of a header may be a token that was typed in another program's way: it is repeated nowhere.
fn without_a_credential(error: &clap::Error) -> String {
    let text = error.to_string();
    match (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue)) {
        (Some(ContextValue::String(flag)), Some(ContextValue::String(value)))
            if flag.starts_with("--header") && !value.is_empty() =>
        {
            text.replace(value.as_str(), "…")
        }
        _ => text,
    }
}

/// `the following arguments were not provided:` and the list below it, in one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::super::{parse, parse_with};
    use super::*;
    use pflow_gateway_runtime::{Product, Runtime, Source};

    /// What the built-in component knows.
    fn products() -> Vec<Product> {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let runtime = Runtime::shared(&Source::BuiltIn, &pflow_gateway_runtime::Limits::default()).unwrap();
        tokio.block_on(runtime.products()).unwrap().to_vec()
    }

    fn of(line: &[&str]) -> (Error, String) {
        told(&parse_with("pflow-gateway", line.iter().map(OsString::from), &products()).err().unwrap())
    }

    #[test]
    fn the_value_of_a_header_is_not_repeated() {
        let typed = ["add", "x", "http://h/mcp", "--header", "Authorization: Bearer s3cret"];
        let error = parse("pflow-gateway", typed.map(Into::into)).err().unwrap();
        let (told, usage) = told(&error);
        let all = format!("{} {:?} {usage}", told.message, told.hint);
        assert!(!all.contains("s3cret") && all.contains("NAME=VALUE"), "{all}");
    }

    #[test]
    fn wrong_words_are_told_in_one_sentence_with_what_to_do() {
        for (line, message, hint) in [
            (&["nope"][..], "unrecognized subcommand 'nope'", None),
            (&["monitr"], "unrecognized subcommand 'monitr'", Some("a similar subcommand exists: 'monitor'")),
            (&["ls"], "unrecognized subcommand 'ls'", Some("here that is: list")),
            (&["test"], "the following required arguments were not provided: <TARGET>", None),
            (&["doctor", "x"], "unexpected argument 'x' found", None),
            (
                &["add", "x", "http://h/", "--kind", "dockr"],
                "invalid value 'dockr' for '--kind <KIND>' [possible values: docker, context-forge, generic]",
                Some("a similar value exists: 'docker'"),
            ),
            (&[], "no command was given", Some("--help lists the commands")),
        ] {
            let (error, usage) = of(line);
            assert_eq!((error.message.as_str(), error.hint.as_deref()), (message, hint), "{line:?}");
            assert_eq!(error.exit_code(), USAGE);
            assert!(!format!("{usage}{error}").contains("error:"), "{usage}");
        }
    }

    #[test]
    fn the_usage_is_the_commands_own_whatever_flag_was_meant() {
        let (_, usage) = of(&["call", "demo", "t", "--args-file", "a.json"]);
        assert!(usage.contains("Usage: pflow-gateway call [OPTIONS] <TARGET> <TOOL> [ARGUMENT]...\n"), "{usage}");
        let (_, usage) = of(&["--json", "component", "use", "x", "--gatewy", "g"]);
        assert!(usage.contains("Usage: pflow-gateway component use [OPTIONS] <FILE>\n"), "{usage}");
    }
}
