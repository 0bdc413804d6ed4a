//! Questions of the wizard, and who answers them.
//! Takes a question and the usual answer; gives what was answered, edited as in a shell, with earlier answers behind the arrow up.
//! Asks at the terminal itself, so that stdout stays the result's; answers go into no file.

use std::io::IsTerminal as _;

use anstream::{AutoStream, ColorChoice};
use rustyline::{Behavior, Config, DefaultEditor, error::ReadlineError};

use super::{
    process,
    screen::{BOLD, say, styled},
};
use pflow_gateway_base::{Class, Error, Result};

/// Who answers.
#[derive(Debug)]
pub(super) enum Answers {
    /// Somebody at a terminal, and what was typed so far.
    Terminal(Vec<String>),
    /// Nobody: every question gets its usual answer.
    Usual,
    /// A test.
    #[cfg(test)]
    Scripted(std::collections::VecDeque<&'static str>),
}

impl Answers {
    /// Somebody, if somebody is there.
    pub(super) fn of_this_process() -> Self {
        let there = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if there { Self::Terminal(Vec::new()) } else { Self::Usual }
    }

    /// Whether it makes sense to ask again.
    pub(super) fn can_correct(&self) -> bool {
        !matches!(self, Self::Usual)
    }

    /// One answer; an empty line is the usual one.
    pub(super) async fn ask(&mut self, question: &str, usual: &str) -> Result<String> {
        let answer = match self {
            Self::Usual => return Ok(usual.to_owned()),
            Self::Terminal(earlier) => {
                let default = if usual.is_empty() { String::new() } else { format!(" [{usual}]") };
                let answer = read_line(question.to_owned(), default, earlier.clone()).await?;
                if !answer.trim().is_empty() {
                    earlier.push(answer.clone());
                }
                answer
            }
            #[cfg(test)]
            Self::Scripted(answers) => answers.pop_front().ok_or_else(nobody)?.to_owned(),
        };
        let answer = answer.trim();
        Ok(if answer.is_empty() { usual.to_owned() } else { answer.to_owned() })
    }

    /// Yes or no.
    pub(super) async fn agree(&mut self, question: &str, usual: &str) -> Result<bool> {
        loop {
            match self.ask(&format!("{question} (y/n)"), usual).await?.to_lowercase().as_str() {
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => say("  y or n, please\n"),
            }
        }
    }
}

/// On a thread of its own: a read from a terminal cannot be cancelled, and a signal must still end the command.
async fn read_line(question: String, default: String, earlier: Vec<String>) -> Result<String> {
    let _as_it_was = process::AsItWas::now();
    let read = tokio::task::spawn_blocking(move || edit(&question, &default, &earlier));
    match read.await {
        Ok(Ok(line)) => Ok(line),
        Ok(Err(ReadlineError::Eof)) => Err(nobody()),
        Ok(Err(ReadlineError::Interrupted)) => interrupted().await,
        Ok(Err(error)) => Err(Error::config("cannot read the answer").because(error)),
        Err(error) => Err(Error::new(Class::Internal, error.to_string())),
    }
}

fn edit(question: &str, default: &str, earlier: &[String]) -> rustyline::Result<String> {
    // What is typed may be a key by mistake: no command of the editor starts a program, and nothing is written anywhere.
    let config = Config::builder().behavior(Behavior::PreferTerm).max_history_size(100)?.build();
    let mut editor = DefaultEditor::with_config(config)?;
    for answer in earlier {
        editor.add_history_entry(answer)?;
    }
    let plain = format!("{question}{default}: ");
    if AutoStream::choice(&std::io::stderr()) == ColorChoice::Never {
        return editor.readline(&plain);
    }
    let bold = format!("{}{default}: ", styled(BOLD, question));
    editor.readline(&(plain, bold))
}

/// While a line is edited, the terminal gives Ctrl-C as a letter. It means what it always means, whatever this command is about.
async fn interrupted<T>() -> Result<T> {
    if process::interrupt() {
        std::future::pending::<()>().await;
    }
    Err(nobody())
}

fn nobody() -> Error {
    Error::config("there was no answer; nothing was written")
        .with_hint("give the answers as flags, or --yes for the usual ones")
}
