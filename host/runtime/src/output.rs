//! What a component says: its log, stdout and stderr, bounded and made harmless, into the host's log.
//! Takes bytes and lines; gives `tracing` events, and the guest's last words for the report of a trap. Never lets control characters through.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use pflow_gateway_base::sync::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

use super::bindings::log::Level;
use pflow_gateway_base::scrub;

/// One line at most, in the log and in an error.
const LINE: usize = 2_000;
/// How much of stderr's end is kept for the report of a trap.
const STDERR_TAIL: usize = 4_000;
/// What one line costs besides its text: time and level around it. An empty line is not free.
const EACH: usize = 32;

/// Which stream a guest wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sink {
    Stdout,
    Stderr,
}

/// The log budget of one instance, shared by all that writes.
#[derive(Clone)]
pub(super) struct Output {
    left: Arc<AtomicUsize>,
    last_words: Arc<Mutex<String>>,
}

impl Output {
    pub(super) fn new(budget: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(budget)), last_words: Arc::default() }
    }

    pub(super) fn stream(&self, sink: Sink) -> Stream {
        Stream { output: self.clone(), sink }
    }

    /// Whether so much may still be written. Says once when not.
    fn take(&self, bytes: usize) -> bool {
        let before =
            self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(bytes)));
        let before = before.unwrap_or_default();
        if before > 0 && before <= bytes {
            tracing::warn!(target: "component", "the component logs too much (limit `log`); the rest is dropped");
        }
        before > bytes
    }

    pub(super) fn log(&self, level: Level, target: &str, message: &str) {
        if !self.take(message.len().saturating_add(target.len()).saturating_add(EACH)) {
            return;
        }
        let (part, message) = (scrub::line(target, 100), scrub::line(message, LINE));
        match level {
            Level::Trace => tracing::trace!(target: "component", part, "{message}"),
            Level::Debug => tracing::debug!(target: "component", part, "{message}"),
            Level::Info => tracing::info!(target: "component", part, "{message}"),
            Level::Warn => tracing::warn!(target: "component", part, "{message}"),
            Level::Error => tracing::error!(target: "component", part, "{message}"),
        }
    }

    fn written(&self, sink: Sink, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        // Last words are kept whatever was said before them.
        if sink == Sink::Stderr {
            let mut words = self.last_words.lock();
            words.push_str(&text);
            let mut over = words.len().saturating_sub(STDERR_TAIL);
            while !words.is_char_boundary(over) {
                over += 1;
            }
            words.drain(..over);
        }
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        for line in lines {
            if !self.take(line.len().saturating_add(EACH)) {
                return;
            }
            tracing::debug!(target: "component", "{}", scrub::line(line, LINE));
        }
    }

    /// A call into the guest begins: what was said before is not about it.
    pub(super) fn begin(&self) {
        self.last_words.lock().clear();
    }

    /// The end of what the guest wrote to stderr, in one line.
    pub(super) fn last_words(&self) -> Option<String> {
        const SHOWN: usize = 500;
        let words = self.last_words.lock();
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        let skipped = words.chars().count().saturating_sub(SHOWN);
        let shown: String = words.chars().skip(skipped).collect();
        (!shown.is_empty()).then(|| scrub::line(&shown, SHOWN))
    }
}

/// A guest's stdout or stderr.
pub(super) struct Stream {
    output: Output,
    sink: Sink,
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.output.stream(self.sink))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.output.written(self.sink, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    #[test]
    fn the_budget_ends_and_stays_ended() {
        let output = Output::new(10);
        assert!(output.take(4));
        assert!(!output.take(6));
        assert!(!output.take(1));
    }

    #[test]
    fn last_words_are_one_bounded_line_from_the_end() {
        let output = Output::new(1_000_000);
        output.written(Sink::Stderr, b"thread panicked:\n  index out of bounds\n");
        assert_eq!(output.last_words().unwrap(), "thread panicked: index out of bounds");
        output.written(Sink::Stderr, "\u{e4}".repeat(100_000).as_bytes());
        output.written(Sink::Stderr, b" the end");
        let words = output.last_words().unwrap();
        assert!(words.chars().count() <= 501 && words.ends_with(" the end"), "{words}");
        output.begin();
        assert_eq!(output.last_words(), None);
    }

    #[test]
    fn last_words_are_heard_when_the_log_is_full() {
        let output = Output::new(1);
        output.written(Sink::Stderr, b"so much\n");
        output.written(Sink::Stderr, b"why it failed\n");
        assert_eq!(output.last_words().unwrap(), "so much why it failed");
    }

    #[test]
    fn empty_lines_are_not_free() {
        let output = Output::new(10 * EACH);
        for _ in 0..20 {
            output.log(Level::Info, "", "");
        }
        assert!(!output.take(1));
    }
}
