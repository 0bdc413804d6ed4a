//! Whether a peer keeps its connections.
//! Takes what befell them; says whether a request that must not be sent twice may go out on one that was used before. Some peers close each
//! connection after its answer, without saying so: whatever was written into it by then is lost, and nobody can say whether it was read.

use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use pflow_gateway_base::sync::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection that ends so soon after what came last was closed by a peer that keeps none. Who keeps them gives seconds at least.
const AT_ONCE: Duration = Duration::from_millis(250);
/// For how long one that had ended when it was used again is remembered: a gateway that restarts, or a balancer, ends them too.
const REMEMBERED: Duration = Duration::from_mins(1);
/// So long one may always have lain idle: between two calls in a row, before anything longer was seen.
const MOMENT: Duration = Duration::from_millis(1);

/// What is known of a peer's connections, and those to it of one pool.
#[derive(Debug, Default)]
pub(super) struct Habit {
    seen: Arc<Mutex<Seen>>,
    open: Mutex<Open>,
}

/// What any connection to the peer has told.
#[derive(Debug, Default)]
struct Seen {
    /// The longest that one lay idle and answered again.
    kept: Option<Duration>,
    /// When one was closed at once after an answer, or had ended when it was used again.
    lost: Option<Instant>,
}

/// The connections of one pool. Nobody knows which of them it will take.
#[derive(Debug, Default)]
struct Open {
    /// When something last came on each, by its number; `None` on one that waits for its answer, which no pool has.
    came: HashMap<u64, Option<Instant>>,
    /// Connections that were made.
    made: u64,
}

/// Whether a request that must not be sent twice may go out on a connection that was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// The peer is not known to keep any, or has lost one.
    None,
    /// The peer keeps them, but one of this pool lies idle for too long: for more than half of what any was seen to last.
    NotThese,
    /// Whichever it is.
    All,
}

impl Habit {
    /// The same peer's, for a pool of its own: what is known of the peer is known there too.
    pub(super) fn for_another_pool(&self) -> Self {
        Self { seen: Arc::clone(&self.seen), open: Mutex::default() }
    }

    /// A connection is made; gives its number.
    fn opened(&self) -> u64 {
        let mut open = self.open.lock();
        let number = open.made;
        open.made = number.saturating_add(1);
        open.came.insert(number, Some(Instant::now()));
        number
    }

    /// A request is written on it: until the answer comes, nobody else can have it.
    fn asked(&self, number: u64) {
        self.open.lock().came.insert(number, None);
    }

    /// Something came on it, which had lain idle so long before; `None`: it is new, or this is more of the same answer.
    fn came(&self, number: u64, idle: Option<Duration>) {
        self.open.lock().came.insert(number, Some(Instant::now()));
        let mut seen = self.seen.lock();
        seen.kept = seen.kept.max(idle);
    }

    /// It has ended, or nobody has it any more.
    fn ended(&self, number: u64) {
        self.open.lock().came.remove(&number);
    }

    /// A connection had ended when it was used again.
    pub(super) fn lost(&self) {
        self.seen.lock().lost = Some(Instant::now());
    }

    /// Whether those that were used before can be trusted.
    pub(super) fn trust(&self) -> Trust {
        let (kept, lost) = {
            let seen = self.seen.lock();
            (seen.kept, seen.lost)
        };
        let Some(kept) = kept.filter(|_| lost.is_none_or(|at| at.elapsed() > REMEMBERED)) else { return Trust::None };
        // Half of what was seen: the peer's clock began earlier than ours, with the answer that it sent, and ends later, with the request that
        // it reads.
        let lasts = |came: &Instant| came.elapsed() <= (kept / 2).max(MOMENT);
        if self.open.lock().came.values().flatten().all(lasts) { Trust::All } else { Trust::NotThese }
    }
}

/// A connection of which is told how long it lasts.
pub(super) struct Watched<S> {
    stream: S,
    end: End,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, habit: &Arc<Habit>) -> Self {
        Self { stream, end: End::of(habit) }
    }
}

/// When the last bytes came, and whom that and the end are told to.
struct End {
    habit: Arc<Habit>,
    number: u64,
    last: Option<Instant>,
    /// How long it had lain idle when the request that waits for its answer was written.
    idle: Option<Duration>,
}

impl End {
    fn of(habit: &Arc<Habit>) -> Self {
        Self { habit: Arc::clone(habit), number: habit.opened(), last: None, idle: None }
    }

    /// A request, or a part of one, is written.
    fn write(&mut self) {
        if self.idle.is_none() {
            self.idle = self.last.map(|last| last.elapsed());
        }
        self.habit.asked(self.number);
    }

    /// So many bytes came; none: it has ended.
    fn read(&mut self, bytes: usize) {
        if bytes > 0 {
            self.last = Some(Instant::now());
            self.habit.came(self.number, self.idle.take());
            return;
        }
        self.habit.ended(self.number);
        if self.last.take().is_some_and(|last| last.elapsed() < AT_ONCE) {
            self.habit.lost();
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.habit.ended(self.number);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, into);
        match &read {
            Poll::Ready(Ok(())) => this.end.read(into.filled().len().saturating_sub(before)),
            // So TLS sees a peer that closes without a word.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => this.end.read(0),
            // One that breaks was not closed.
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.end.write();
        Pin::new(&mut this.stream).poll_write(cx, bytes)
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
        let this = self.get_mut();
        this.end.write();
        Pin::new(&mut this.stream).poll_write_vectored(cx, pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: Option<Duration> = Some(Duration::from_secs(5));

    fn ago(duration: Duration) -> Option<Instant> {
        Instant::now().checked_sub(duration)
    }

    /// A peer one of whose connections was seen to last so long; and another, on which something came so long ago.
    fn habit(idle: Duration) -> (Arc<Habit>, End) {
        let habit = Arc::<Habit>::default();
        let end = End::of(&habit);
        habit.came(end.number, KEPT);
        habit.open.lock().came.insert(end.number, ago(idle));
        (habit, end)
    }

    #[test]
    fn trust_comes_with_an_answer_on_a_used_connection_and_goes_with_one_that_had_ended() {
        let habit = Arc::<Habit>::default();
        assert_eq!(habit.trust(), Trust::None, "nothing is known of it");
        let mut end = End::of(&habit);
        end.write();
        end.read(17);
        assert_eq!(habit.trust(), Trust::None, "it answered on a new one only");
        end.write();
        end.read(17);
        assert_eq!(habit.trust(), Trust::All);
        habit.lost();
        end.write();
        end.read(17);
        assert_eq!(habit.trust(), Trust::None, "a minute has not passed");
        habit.seen.lock().lost = ago(REMEMBERED * 2);
        assert_eq!(habit.trust(), Trust::All);
    }

    #[test]
    fn a_connection_is_trusted_for_half_as_long_as_one_was_seen_to_last() {
        let (near, _end) = habit(Duration::from_secs(4));
        assert_eq!(near.trust(), Trust::NotThese, "it is not far from the longest that is known");
        let (fresh, _end) = habit(Duration::from_secs(2));
        assert_eq!(fresh.trust(), Trust::All);
        let (habit, mut end) = habit(Duration::from_secs(6));
        assert_eq!(habit.trust(), Trust::NotThese, "the peer may close it just now");
        end.read(17);
        assert_eq!(habit.trust(), Trust::All);
        habit.came(end.number, Some(Duration::from_secs(1)));
        habit.open.lock().came.insert(end.number, ago(Duration::from_secs(2)));
        assert_eq!(habit.trust(), Trust::All, "the longest counts");
    }

    #[test]
    fn what_comes_on_one_connection_says_nothing_of_another_that_lies_idle() {
        let (habit, idle) = habit(Duration::from_secs(6));
        let mut stream = End::of(&habit);
        stream.write();
        stream.read(17);
        assert_eq!(habit.trust(), Trust::NotThese, "the pool may take the other one");
        drop(idle);
        assert_eq!(habit.trust(), Trust::All, "it is gone");
    }

    #[test]
    fn one_that_waits_for_its_answer_is_in_nobodys_way_and_its_answer_makes_it_fresh() {
        let (habit, mut waiting) = habit(Duration::from_secs(6));
        assert_eq!(habit.trust(), Trust::NotThese);
        waiting.write();
        assert_eq!(habit.trust(), Trust::All, "no pool has it");
        waiting.read(17);
        assert_eq!(habit.trust(), Trust::All, "it was used just now");
        habit.open.lock().came.insert(waiting.number, ago(Duration::from_secs(6)));
        assert_eq!(habit.trust(), Trust::NotThese, "and lies idle since");
    }

    #[test]
    fn another_pool_knows_the_peer_and_none_of_the_connections() {
        let (habit, _idle) = habit(Duration::from_secs(6));
        let other = habit.for_another_pool();
        assert_eq!((habit.trust(), other.trust()), (Trust::NotThese, Trust::All));
        other.lost();
        assert_eq!((habit.trust(), other.trust()), (Trust::None, Trust::None));
        assert_eq!(Habit::default().for_another_pool().trust(), Trust::None, "nothing is known");
    }

    #[test]
    fn what_counts_is_how_long_a_connection_lay_idle_before_the_request_that_it_answered() {
        let habit = Arc::<Habit>::default();
        let mut end = End::of(&habit);
        end.write();
        end.read(17);
        assert_eq!(habit.seen.lock().kept, None, "a new one");
        end.last = ago(Duration::from_secs(3));
        end.write();
        end.last = ago(Duration::from_secs(9));
        end.write();
        assert_eq!(habit.seen.lock().kept, None, "not yet answered");
        end.read(17);
        end.read(17);
        let kept = habit.seen.lock().kept.unwrap_or_default();
        assert!((Duration::from_secs(3)..Duration::from_secs(9)).contains(&kept), "{kept:?}");
    }

    #[test]
    fn who_closes_at_once_is_not_trusted_any_more_and_who_closes_later_is() {
        let (habit, _other) = habit(Duration::ZERO);
        for last in [None, ago(AT_ONCE)] {
            let mut end = End::of(&habit);
            end.last = last;
            end.read(0);
        }
        assert_eq!(habit.trust(), Trust::All);
        let mut end = End::of(&habit);
        end.read(17);
        end.read(0);
        assert_eq!(habit.trust(), Trust::None);
        habit.came(0, KEPT);
        assert_eq!(habit.trust(), Trust::None, "that it does once is enough for a minute");
    }
}
