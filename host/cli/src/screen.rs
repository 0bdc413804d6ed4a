//! The two streams of a command: results on stdout, everything else on stderr.
//! Takes text with ANSI styles; they are dropped where nobody sees colours. A closed pipe is not an error.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use same_file::Handle;
use serde::Serialize;

use super::{terminal, waiting::screen};
use pflow_gateway_base::{Error, json::Pretty, scrub};

pub(super) const GREEN: &str = "\x1b[32m";
pub(super) const RED: &str = "\x1b[31m";
pub(super) const YELLOW: &str = "\x1b[33m";
pub(super) const DIM: &str = "\x1b[2m";
pub(super) const BOLD: &str = "\x1b[1m";
pub(super) const PLAIN: &str = "\x1b[0m";

/// `✓`, `✗`, `⚠`, `→`, as in pflow.
pub(super) fn yes() -> String {
    format!("{GREEN}✓{PLAIN}")
}

pub(super) fn no() -> String {
    format!("{RED}✗{PLAIN}")
}

pub(super) fn careful() -> String {
    format!("{YELLOW}⚠{PLAIN}")
}

/// Text in a style.
pub(super) fn styled(style: &str, text: &str) -> String {
    format!("{style}{text}{PLAIN}")
}

/// An error as a person reads it.
pub(super) fn explain(error: &Error) -> String {
    format!("{RED}Error:{PLAIN} {}\n{}", scrub::line(&error.message, 1_000), advise(error))
}

/// What to do about it, alone.
pub(super) fn advise(error: &Error) -> String {
    error.hint.as_ref().map_or_else(String::new, |hint| format!("  → {}\n", scrub::line(hint, 1_000)))
}

/// What a command has to say at its end.
pub(super) struct Reply {
    /// For people.
    pub(super) text: String,
    /// For programs.
    pub(super) json: Report,
    /// Shown on stderr.
    pub(super) error: Option<Error>,
    /// The exit code.
    pub(super) code: u8,
    /// Whose words the text is.
    pub(super) words: Words,
    /// Whether the text has the error's sentence, too.
    pub(super) told: Shown,
}

/// What a command says to programs, written when it is printed and not before: a list of thousands of tools is large.
pub(super) struct Report(Box<dyn Written + Send>);

/// What serde writes.
trait Written {
    fn write(&self, out: &mut dyn Write) -> io::Result<()>;
}

impl<T: Serialize> Written for T {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        Ok(serde_json::to_writer(out, self)?)
    }
}

impl Report {
    /// Of something whose shape always serializes.
    fn of(report: impl Serialize + Send + 'static) -> Self {
        Self(Box::new(report))
    }

    #[cfg(test)]
    pub(super) fn to_value(&self) -> serde_json::Value {
        let mut written = Vec::new();
        self.0.write(&mut written).ok().and_then(|()| serde_json::from_slice(&written).ok()).unwrap_or_default()
    }
}

/// Whose words a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// Ours: fitted to a terminal.
    Ours,
    /// Somebody else's, or a program's: every letter stays.
    Theirs,
}

/// Where an error's sentence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Nowhere yet.
    NotYet,
    /// In what was printed before the end.
    Already,
}

impl Reply {
    /// All is well.
    pub(super) fn good(text: String, json: &impl Serialize) -> Self {
        Self { text, json: value(json), error: None, code: 0, words: Words::Ours, told: Shown::NotYet }
    }

    /// All is well; made only in the form that is wanted: a list of thousands of tools is large in either.
    pub(super) fn in_format<T: Serialize + Send + 'static>(
        format: Format,
        text: impl FnOnce(&T) -> String,
        report: T,
    ) -> Self {
        let (text, json) = match format {
            Format::Text => (text(&report), Report::of(())),
            Format::Json => (String::new(), Report::of(report)),
        };
        Self { text, json, error: None, code: 0, words: Words::Ours, told: Shown::NotYet }
    }

    /// As the report says: good without an error, else with the error's exit code.
    pub(super) fn judged(text: String, json: &impl Serialize, error: Option<Error>) -> Self {
        let code = error.as_ref().map_or(0, Error::exit_code);
        Self { text, json: value(json), error, code, words: Words::Ours, told: Shown::NotYet }
    }

    /// No report at all: the error, in the shape that the command has.
    pub(super) fn failed(mut shape: serde_json::Value, error: Error) -> Self {
        if let Some(members) = shape.as_object_mut() {
            members.insert("error".to_owned(), serde_json::to_value(&error).unwrap_or_default());
        }
        let code = error.exit_code();
        let text = String::new();
        let json = Report::of(shape);
        Self { text, json, error: Some(error), code, words: Words::Ours, told: Shown::NotYet }
    }

    /// The same; the text is not ours.
    pub(super) fn theirs(self) -> Self {
        Self { words: Words::Theirs, ..self }
    }

    /// The same; whether the error's sentence was printed already.
    pub(super) fn told(self, told: Shown) -> Self {
        Self { told, ..self }
    }
}

/// Of a report that is not handed over.
fn value(report: &impl Serialize) -> Report {
    Report::of(serde_json::value::to_raw_value(report).unwrap_or_default())
}

/// Where a command's words go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Prints the end of a command and gives its exit code.
pub(super) fn finish(reply: &Reply, format: Format) -> u8 {
    let written = match format {
        Format::Text if reply.words == Words::Theirs => print_as_it_is(&reply.text),
        Format::Text => print(&reply.text),
        Format::Json => print_json(&reply.json),
    };
    if let Some(error) = &reply.error {
        let once = reply.told == Shown::Already && format == Format::Text && !is_quiet() && is_one_place();
        say(&if once { advise(error) } else { explain(error) });
    }
    match written {
        Err(error) => {
            say(&explain(&Error::config("cannot write the result").because(error)));
            1
        }
        Ok(()) => reply.code,
    }
}

/// Whether stdout and stderr go to the same terminal, file or pipe: whoever reads one reads the other.
fn is_one_place() -> bool {
    matches!((Handle::stdout(), Handle::stderr()), (Ok(out), Ok(err)) if out == err)
}

/// Whether nothing but errors is to be said, in this process.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Says no result and no warning from now on, or says them again.
pub(super) fn quiet(on: bool) {
    QUIET.store(on, Ordering::Relaxed);
}

fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// To stdout, at once. A reader that has gone is fine.
pub(super) fn print(text: &str) -> io::Result<()> {
    print_as_it_is(&terminal::fitted(text, &io::stdout()))
}

/// Help: broken into lines already.
pub(super) fn print_help(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    let text = if io::stdout().is_terminal() { terminal::in_letters(text) } else { text.into() };
    forgive(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// To stdout, at once, letter by letter.
pub(super) fn print_as_it_is(text: &str) -> io::Result<()> {
    if is_quiet() {
        return Ok(());
    }
    let _screen = io::stdout().is_terminal().then(screen);
    let mut out = anstream::stdout().lock();
    forgive(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// To stdout, piece by piece: an answer of 40 MiB is several times that when it is indented.
fn print_json(report: &Report) -> io::Result<()> {
    let _screen = io::stdout().is_terminal().then(screen);
    let mut out = Pretty::new(io::BufWriter::with_capacity(64 * 1024, io::stdout().lock()));
    let written = report.0.write(&mut out);
    let mut out = out.into_inner();
    forgive(written.and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()))
}

/// To stderr, at once; there is nobody to tell when that fails.
pub(super) fn say(text: &str) {
    if !(is_quiet() && text.starts_with(&careful())) {
        insist(text);
    }
}

/// The same, even to somebody who wants to hear of nothing but errors: what may have run is one.
pub(super) fn insist(text: &str) {
    let text = terminal::fitted(text, &io::stderr());
    let _screen = screen();
    let mut err = anstream::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// The terminal shows `^C` itself, and leaves the cursor behind it.
pub(super) fn after_ctrl_c() {
    if io::stderr().is_terminal() {
        say("\n");
    }
}

/// Above this, compiling takes long enough for somebody to wonder, in bytes.
const LARGE: usize = 2 * 1024 * 1024;

/// Says on a terminal why nothing happens for a while.
pub(super) fn compiling(size: usize) {
    if size > LARGE && io::stderr().is_terminal() {
        let mib = size / (1024 * 1024);
        say(&format!("Compiling {mib} MiB of component; this happens once, then it is kept …\n"));
    }
}

fn forgive(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
