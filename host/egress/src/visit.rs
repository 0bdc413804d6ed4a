//! What one conversation has used of its budget, and what happened to its requests.
//! Takes counts from the client; gives the failure and the traces to the host. Never keeps a query, a header or a body.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use pflow_gateway_base::sync::{Mutex, MutexGuard};

use super::{EgressFailure, EgressLimits, Origin};

/// Traces that are kept: the newest. A listing of 10,000 tools in pages of 100, with room to spare.
const TRACES: usize = 256;

/// Where the operation's own end comes at the same time, that comes first: it knows what all of it was.
const LATER: Duration = Duration::from_millis(20);

/// One conversation's use of the network. Shared between the host and the requests under way.
#[derive(Debug, Default)]
pub struct Visit {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the operation began, and how long it may take.
    timeout: Option<(Instant, Duration)>,
    requests: u32,
    open: u32,
    received: u64,
    failure: Option<EgressFailure>,
    traces: VecDeque<(u64, RequestTrace)>,
    next: u64,
}

/// One request, as far as it got.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestTrace {
    /// `POST`.
    pub method: String,
    /// Where it went.
    pub origin: Origin,
    /// The path, without the query.
    pub path: String,
    /// The status, once it came.
    pub status: Option<StatusCode>,
    /// How long the status took.
    pub first_byte: Option<Duration>,
    /// Bytes of the body that were read.
    pub received: u64,
    /// How long everything took, once the body was read to its end.
    pub complete: Option<Duration>,
}

impl Visit {
    /// An unused budget.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts an operation: the whole budget again, nothing seen yet. What is left of `timeout` bounds the wait for an answer and for
    /// each next part of it; the gateway's own timeout when absent. Answers that are still open keep counting as open.
    pub fn begin(&self, timeout: Option<Duration>) {
        let mut state = self.lock();
        let timeout = timeout.map(|timeout| (Instant::now(), timeout));
        *state = State { timeout, open: state.open, next: state.next, ..State::default() };
    }

    /// Why the newest request failed, once.
    pub fn take_failure(&self) -> Option<EgressFailure> {
        self.lock().failure.take()
    }

    /// The requests of this operation, oldest first; the newest 256.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestTrace> {
        self.lock().traces.iter().map(|(_, trace)| trace.clone()).collect()
    }

    /// Nothing was sent during this operation.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        self.lock().requests == 0
    }

    /// Bytes of bodies that were read during this operation.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.lock().received
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        let (began, timeout) = self.lock().timeout?;
        Some(timeout.saturating_sub(began.elapsed()) + LATER)
    }

    pub(super) fn fail(&self, failure: EgressFailure) {
        self.lock().failure = Some(failure);
    }

    /// Takes one request from the budget.
    pub(super) fn admit(
        self: &Arc<Self>,
        limits: &EgressLimits,
        trace: RequestTrace,
    ) -> Result<Exchange, EgressFailure> {
        let mut state = self.lock();
        if state.requests >= limits.requests {
            return Err(EgressFailure::TooManyRequests { limit: limits.requests });
        }
        if state.open >= limits.open {
            return Err(EgressFailure::TooManyOpen { limit: limits.open });
        }
        state.requests += 1;
        state.open += 1;
        let id = state.next;
        state.next += 1;
        if state.traces.len() == TRACES {
            state.traces.pop_front();
        }
        state.traces.push_back((id, trace));
        drop(state);
        Ok(Exchange { visit: Arc::clone(self), id, started: Instant::now() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing here can be left half done.
        self.state.lock()
    }
}

/// One request under way. Counts as open until it is dropped.
#[derive(Debug)]
pub(super) struct Exchange {
    visit: Arc<Visit>,
    id: u64,
    started: Instant,
}

impl Exchange {
    pub(super) fn answered(&self, status: StatusCode) {
        let after = self.started.elapsed();
        self.update(|trace| {
            trace.status = Some(status);
            trace.first_byte = Some(after);
        });
    }

    /// Counts bytes of the body. Gives how many this operation has received.
    pub(super) fn received(&self, bytes: u64) -> u64 {
        self.update(|trace| trace.received = trace.received.saturating_add(bytes));
        let mut state = self.visit.lock();
        state.received = state.received.saturating_add(bytes);
        state.received
    }

    pub(super) fn complete(&self) {
        let after = self.started.elapsed();
        self.update(|trace| trace.complete = Some(after));
    }

    pub(super) fn fail(&self, failure: EgressFailure) {
        self.visit.fail(failure);
    }

    fn update(&self, change: impl FnOnce(&mut RequestTrace)) {
        let mut state = self.visit.lock();
        if let Some((_, trace)) = state.traces.iter_mut().rev().find(|(id, _)| *id == self.id) {
            change(trace);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.visit.lock();
        state.open = state.open.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn trace(path: &str) -> RequestTrace {
        RequestTrace {
            method: "POST".into(),
            origin: "http://127.0.0.1:1".parse().unwrap(),
            path: path.into(),
            status: None,
            first_byte: None,
            received: 0,
            complete: None,
        }
    }

    #[test]
    fn the_budget_of_requests_ends_and_begins_again_with_the_next_operation() {
        let (visit, limits) = (Arc::new(Visit::new()), EgressLimits { requests: 2, ..EgressLimits::default() });
        for _ in 0..2 {
            drop(visit.admit(&limits, trace("/")).unwrap());
        }
        assert_eq!(visit.admit(&limits, trace("/")).unwrap_err(), EgressFailure::TooManyRequests { limit: 2 });
        visit.begin(None);
        assert!(visit.admit(&limits, trace("/")).is_ok());
    }

    #[test]
    fn an_answer_counts_as_open_until_it_is_dropped_even_across_operations() {
        let (visit, limits) = (Arc::new(Visit::new()), EgressLimits { open: 1, ..EgressLimits::default() });
        let first = visit.admit(&limits, trace("/")).unwrap();
        visit.begin(None);
        assert_eq!(visit.admit(&limits, trace("/")).unwrap_err(), EgressFailure::TooManyOpen { limit: 1 });
        drop(first);
        assert!(visit.admit(&limits, trace("/")).is_ok());
    }

    #[test]
    fn traces_follow_a_request_and_only_the_newest_are_kept() {
        let (visit, limits) = (Arc::new(Visit::new()), EgressLimits::default());
        let first = visit.admit(&limits, trace("/first")).unwrap();
        first.answered(StatusCode::OK);
        assert_eq!(first.received(10), 10);
        assert_eq!(first.received(5), 15);
        first.complete();
        let seen = visit.requests();
        let seen = seen.first().unwrap();
        assert_eq!((seen.path.as_str(), seen.status, seen.received), ("/first", Some(StatusCode::OK), 15));
        assert!(seen.first_byte.is_some() && seen.complete.is_some());
        for number in 0..TRACES {
            drop(visit.admit(&limits, trace(&number.to_string())).unwrap());
        }
        assert_eq!(visit.requests().len(), TRACES);
        assert_eq!(visit.requests().first().unwrap().path, "0");
        // The first one is no longer there; its late bytes still count.
        assert_eq!(first.received(1), 16);
    }

    #[test]
    fn a_failure_is_given_once() {
        let visit = Visit::new();
        visit.fail(EgressFailure::TooManyOpen { limit: 1 });
        assert_eq!(visit.take_failure(), Some(EgressFailure::TooManyOpen { limit: 1 }));
        assert_eq!(visit.take_failure(), None);
    }
}
