//! What a command waits for, told at a terminal once that takes a while.
//! Takes names for as long as they are waited for; shows one line on stderr and takes it away before anything else is printed.
//! Says nothing where nobody sees it, nor beside JSON.

use std::{
    convert::Infallible,
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    sync::Arc,
    time::{Duration, Instant},
};

use pflow_gateway_base::sync::{Mutex, MutexGuard};

use super::{
    screen::{DIM, Format, PLAIN},
    terminal,
};
use pflow_gateway_base::scrub;

/// Nothing that is shown for a shorter time helps anybody.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often to look whether there is something to show.
const LOOK: Duration = Duration::from_millis(100);
/// Names in the line; the others are counted.
const NAMES: usize = 3;
const NAME: usize = 60;

/// Whether the line is on the screen. Locked while anything is printed.
static SHOWN: Mutex<bool> = Mutex::new(false);

/// Back to the start of the line, which is made empty.
const AWAY: &[u8] = b"\r\x1b[2K";

/// The screen for oneself, without the line. Keep it while printing.
pub(super) fn screen() -> MutexGuard<'static, bool> {
    let mut shown = SHOWN.lock();
    if std::mem::take(&mut *shown) {
        let _ = io::stderr().write_all(AWAY);
    }
    shown
}

/// stderr for the log: what it writes takes the line away, too.
pub(super) struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _screen = screen();
        io::stderr().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// All that is waited for. Cheap to clone; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    now: Arc<Mutex<Now>>,
}

#[derive(Debug, Default)]
struct Now {
    waits: Vec<Wait>,
    begun: u64,
}

#[derive(Debug)]
struct Wait {
    number: u64,
    what: String,
    since: Instant,
}

/// Something is waited for until this is dropped.
#[derive(Debug)]
pub(super) struct WaitingFor {
    all: Waiting,
    number: u64,
}

impl Waiting {
    /// From now on this is waited for.
    pub(super) fn on(&self, what: &str) -> WaitingFor {
        let mut now = self.now.lock();
        let number = now.begun;
        now.begun = number.wrapping_add(1);
        now.waits.push(Wait { number, what: scrub::line(what, NAME), since: Instant::now() });
        WaitingFor { all: self.clone(), number }
    }

    /// The line, if something takes long enough for somebody to wonder.
    fn line(&self, now: Instant) -> Option<String> {
        let all = self.now.lock();
        let longest = all.waits.iter().map(|wait| now.saturating_duration_since(wait.since)).max()?;
        if longest < PATIENCE {
            return None;
        }
        let mut names: Vec<&str> = Vec::new();
        for wait in &all.waits {
            if !names.contains(&wait.what.as_str()) {
                names.push(&wait.what);
            }
        }
        let mut line = format!("waiting for {}", names.iter().take(NAMES).copied().collect::<Vec<_>>().join(", "));
        if let Some(others) = names.len().checked_sub(NAMES).filter(|others| *others > 0) {
            let _ = write!(line, " and {others} more");
        }
        let _ = write!(line, " … {} s", longest.as_secs());
        Some(line)
    }

    /// Shows the line while there is one. Never ends.
    pub(super) async fn show(&self, format: Format) -> Infallible {
        let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        if format == Format::Json || dumb || !io::stderr().is_terminal() {
            return std::future::pending().await;
        }
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let (on, off) = if plain { ("", "") } else { (DIM, PLAIN) };
        let mut drawn = None;
        loop {
            tokio::time::sleep(LOOK).await;
            let line = self.line(Instant::now()).map(|line| terminal::in_letters(&line).into_owned());
            // Whoever prints may be held up by a terminal that was stopped; the end of the process is heard all the same.
            let Some(mut shown) = SHOWN.try_lock() else { continue };
            if line == drawn && line.is_some() == *shown {
                continue;
            }
            let text = match &line {
                // Cut off at the edge: what went on to another line could not be taken away.
                Some(line) => format!("\r\x1b[2K\x1b[?7l{on}{line}{off}\x1b[?7h"),
                None if *shown => String::from_utf8_lossy(AWAY).into_owned(),
                None => String::new(),
            };
            let _ = io::stderr().write_all(text.as_bytes());
            *shown = line.is_some();
            drawn = line;
        }
    }
}

impl Drop for WaitingFor {
    fn drop(&mut self) {
        self.all.now.lock().waits.retain(|wait| wait.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_told_after_a_second_and_once_each() {
        let waiting = Waiting::default();
        let start = Instant::now();
        assert_eq!(waiting.line(start + Duration::from_hours(1)), None);
        let demo = waiting.on("demo");
        let again = waiting.on("demo");
        assert_eq!(waiting.line(start + Duration::from_millis(900)), None);
        let later = Instant::now() + Duration::from_millis(3_200);
        assert_eq!(waiting.line(later).as_deref(), Some("waiting for demo … 3 s"));
        let others: Vec<_> = ["a", "b\u{1b}[2J", "c"].into_iter().map(|name| waiting.on(name)).collect();
        let line = waiting.line(later).unwrap_or_default();
        assert!(line.starts_with("waiting for demo, a, b") && line.ends_with(" and 1 more … 3 s"), "{line}");
        assert!(!line.contains('\u{1b}'));
        drop((demo, again));
        assert!(waiting.line(later).is_some_and(|line| !line.contains("demo")));
        drop(others);
        assert_eq!(waiting.line(later), None);
    }
}
