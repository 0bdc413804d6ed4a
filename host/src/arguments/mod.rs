//! What a tool takes, and whether it is given that.
//! Takes a tool's input schema and what a person typed; gives a signature, arguments as JSON, or what is wrong with them. Refuses only what
//! the schema surely forbids, and never rewrites a number.

mod check;
mod example;
mod kind;
mod schema;
mod typed;

pub use self::{
    schema::{Argument, Schema},
    typed::{Word, Words},
};
use crate::{Advice, Class, json::Json, report::Tool, scrub, spelling};

/// A name in a message, in characters.
const NAME: usize = 100;
/// A value in a message, in characters.
const VALUE: usize = 60;
/// What is wrong, at most so many of them in one sentence.
const PROBLEMS: usize = 3;
/// A signature in a hint, in characters.
const SIGNATURE: usize = 500;

/// What is wrong with arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// An argument that the tool needs.
    Missing(String),
    /// One that it does not have; and the one that may have been meant.
    Unknown(String, Option<String>),
    /// Anything else, in a phrase.
    Wrong(String),
}

/// Arguments that do not fit a tool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", sentence(problems))]
pub struct UnfitArguments {
    /// What is wrong; never empty.
    pub problems: Vec<Problem>,
    /// The tool's signature, fit for a terminal.
    pub takes: String,
}

impl Advice for UnfitArguments {
    fn class(&self) -> Class {
        Class::Config
    }

    fn hint(&self) -> Option<String> {
        Some(self.takes.clone())
    }
}

/// Whether a name that the schema does not mention is taken for a mistake where it says nothing about others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Typed word by word: a name that the tool does not have is a slip.
    Typed,
    /// As JSON: what JSON Schema allows is allowed.
    Json,
}

/// The arguments of a call, as JSON, once they fit the tool. A tool whose schema cannot be read gets what was given.
///
/// # Errors
///
/// They do not fit: says what is wrong, and what the tool takes.
pub fn fitting(tool: &Tool, given: Given) -> Result<Json, UnfitArguments> {
    let schema = Schema::of(tool);
    let refuse = |problems| {
        let takes = schema.as_ref().map_or_else(|| name(tool), |schema| schema.signature(&name(tool)));
        Err(UnfitArguments { problems, takes: scrub::line(&takes, SIGNATURE) })
    };
    let (arguments, names) = match given {
        Given::Json(arguments) => (arguments, Names::Json),
        Given::Words(words) => match words.arguments(schema.as_ref()) {
            Ok(arguments) => (arguments, Names::Typed),
            Err(problems) => return refuse(problems),
        },
    };
    let problems = schema.as_ref().map(|schema| schema.check(&arguments, names)).unwrap_or_default();
    if problems.is_empty() { Ok(arguments) } else { refuse(problems) }
}

/// What was given for a call.
#[derive(Clone, Debug)]
pub enum Given {
    /// The whole of it.
    Json(Json),
    /// Argument by argument.
    Words(Words),
}

impl Given {
    /// The same as it was typed: a text is a text.
    #[must_use]
    pub fn unchecked(self) -> Json {
        match self {
            Self::Json(json) => json,
            Self::Words(words) => words.arguments(None).unwrap_or_else(|_| Json::trusted("{}".to_owned())),
        }
    }
}

/// A tool's name on a screen.
fn name(tool: &Tool) -> String {
    scrub::line(&tool.name, NAME)
}

/// `missing argument: city; unknown argument: citty (did you mean city?)`
fn sentence(problems: &[Problem]) -> String {
    let list = |of: &dyn Fn(&Problem) -> Option<String>| problems.iter().filter_map(of).collect::<Vec<_>>();
    let mut parts = Vec::new();
    for (what, names) in [
        (
            "missing",
            list(&|problem| match problem {
                Problem::Missing(name) => Some(scrub::line(name, NAME)),
                _ => None,
            }),
        ),
        (
            "unknown",
            list(&|problem| match problem {
                Problem::Unknown(name, None) => Some(scrub::line(name, NAME)),
                Problem::Unknown(name, Some(near)) => {
                    Some(format!("{} (did you mean {}?)", scrub::line(name, NAME), scrub::line(near, NAME)))
                }
                _ => None,
            }),
        ),
    ] {
        if !names.is_empty() {
            let many = if names.len() == 1 { "" } else { "s" };
            parts.push(format!("{what} argument{many}: {}", few(&names, ", ")));
        }
    }
    let wrong = list(&|problem| match problem {
        Problem::Wrong(words) => Some(words.clone()),
        _ => None,
    });
    if !wrong.is_empty() {
        parts.push(few(&wrong, "; "));
    }
    parts.join("; ")
}

fn few(all: &[String], between: &str) -> String {
    let mut text = all.iter().take(PROBLEMS).cloned().collect::<Vec<_>>().join(between);
    let more = all.len().saturating_sub(PROBLEMS);
    if more > 0 {
        text.push_str(&format!("{between}and {more} more"));
    }
    text
}

/// A value in a message.
fn shown(json: &str) -> String {
    scrub::line(json, VALUE)
}

/// The name that may have been meant.
fn near(wanted: &str, known: &[&str]) -> Option<String> {
    spelling::nearest(wanted, known).map(str::to_owned)
}

#[cfg(test)]
mod tests;
