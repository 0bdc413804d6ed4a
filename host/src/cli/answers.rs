//! Questions of the wizard, and who answers them.
//! Takes a question and the usual answer; gives what was answered. Asks on stderr, so that stdout stays the result's.

use std::io::{BufRead as _, IsTerminal as _};

use super::screen::{BOLD, say, styled};
use crate::{Class, Error, Result};

/// Who answers.
#[derive(Debug)]
pub(super) enum Answers {
    /// Somebody at a terminal.
    Terminal,
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
        if there { Self::Terminal } else { Self::Usual }
    }

    /// Whether it makes sense to ask again.
    pub(super) fn can_correct(&self) -> bool {
        !matches!(self, Self::Usual)
    }

    /// One answer; an empty line is the usual one.
    pub(super) async fn ask(&mut self, question: &str, usual: &str) -> Result<String> {
        let answer = match self {
            Self::Usual => return Ok(usual.to_owned()),
            Self::Terminal => {
                let default = if usual.is_empty() { String::new() } else { format!(" [{usual}]") };
                say(&format!("{}{default}: ", styled(BOLD, question)));
                // Ctrl-D ends the answer and not the line.
                read_line().await.inspect_err(|_| say("\n"))?
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

/// On a thread of its own: a read from a terminal cannot be cancelled, and Ctrl-C must still work.
async fn read_line() -> Result<String> {
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|bytes| (bytes > 0).then_some(line))
    });
    match read.await {
        Ok(Ok(Some(line))) => Ok(line),
        Ok(Ok(None)) => Err(nobody()),
        Ok(Err(error)) => Err(Error::config(format!("cannot read the answer: {error}"))),
        Err(error) => Err(Error::new(Class::Internal, error.to_string())),
    }
}

fn nobody() -> Error {
    Error::config("nobody answered; nothing was written")
        .with_hint("give the answers as flags, or --yes for the usual ones")
}
