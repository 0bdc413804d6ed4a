//! Whether a peer keeps its connections.
//! Takes what befell them; says whether a request that must not be sent twice may go out on one that was used before. Some peers close each
//! connection after its answer, without saying so: whatever was written into it by then is lost, and nobody can say whether it was read.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection that ends so soon after what came last was closed by a peer that keeps none. Who keeps them gives seconds at least.
const AT_ONCE: Duration = Duration::from_millis(250);
/// For how long one that had ended when it was used again is remembered: a gateway that restarts, or a balancer, ends them too.
const REMEMBERED: Duration = Duration::from_mins(1);

/// What is known of a peer's connections.
#[derive(Debug, Default)]
pub(super) struct Habit {
    kept: AtomicBool,
    closes_at_once: AtomicBool,
    lost: Mutex<Option<Instant>>,
}

impl Habit {
    /// It answered on a connection that had been used before.
    pub(super) fn kept(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// A connection had ended when it was used again.
    pub(super) fn lost(&self) {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether its connections can be trusted.
    pub(super) fn keeps(&self) -> bool {
        let lost = *self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        self.kept.load(Ordering::Relaxed)
            && !self.closes_at_once.load(Ordering::Relaxed)
            && lost.is_none_or(|at| at.elapsed() > REMEMBERED)
    }
}

/// A connection whose end is told.
pub(super) struct Watched<S> {
    stream: S,
    end: End,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, habit: &Arc<Habit>) -> Self {
        Self { stream, end: End { habit: Arc::clone(habit), last: None } }
    }
}

/// When the last bytes came, and whom the end is told to.
struct End {
    habit: Arc<Habit>,
    last: Option<Instant>,
}

impl End {
    /// So many bytes came; none: it has ended.
    fn read(&mut self, bytes: usize) {
        if bytes > 0 {
            self.last = Some(Instant::now());
        } else if self.last.take().is_some_and(|last| last.elapsed() < AT_ONCE) {
            self.habit.closes_at_once.store(true, Ordering::Relaxed);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, into);
        if read.is_ready() {
            this.end.read(into.filled().len().saturating_sub(before));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_comes_with_an_answer_on_a_used_connection_and_goes_with_one_that_had_ended() {
        let habit = Habit::default();
        assert!(!habit.keeps(), "nothing is known of it");
        habit.kept();
        assert!(habit.keeps());
        habit.lost();
        habit.kept();
        assert!(!habit.keeps(), "a minute has not passed");
        *habit.lost.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now().checked_sub(REMEMBERED * 2);
        assert!(habit.keeps());
    }

    #[test]
    fn who_closes_at_once_is_not_trusted_any_more_and_who_closes_later_is() {
        let habit = Arc::new(Habit::default());
        habit.kept();
        let end = |last: Option<Instant>| End { habit: Arc::clone(&habit), last }.read(0);
        end(None);
        end(Instant::now().checked_sub(AT_ONCE));
        assert!(habit.keeps());
        let mut end = End { habit: Arc::clone(&habit), last: None };
        end.read(17);
        end.read(0);
        assert!(!habit.keeps());
        habit.kept();
        assert!(!habit.keeps(), "that it does once is enough");
    }
}
