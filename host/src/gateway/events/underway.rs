//! Calls on their way, and those that were left running.
//! Takes each call when it goes out and how it came to its end; gives the ones that the gateway has to be told of. Never forgets a call
//! that may still run, unless nobody ever asks.

use std::{collections::HashMap, sync::Arc};

use crate::{egress::Visit, runtime::Runtime, scrub, sync::Mutex};

/// Calls that are remembered as left running.
const MOST: usize = 1_000;

/// A call that was given up before its answer came, and may still run at the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftRunning {
    /// The tool, as it can be shown.
    pub tool: String,
    /// It is marked read-only or idempotent.
    pub repeatable: bool,
}

impl LeftRunning {
    /// One sentence for whoever gave it up.
    #[must_use]
    pub fn words(&self, gateway: &str) -> String {
        let next = if self.repeatable { "it can be called again" } else { "check before calling it again" };
        format!("{} may still run at {}; {next}", self.tool, scrub::line(gateway, 200))
    }
}

/// A call on its way.
pub(in crate::gateway) struct Call {
    /// What there is to say of it when it is given up.
    pub(in crate::gateway) left: LeftRunning,
    /// Of the session that it was made in.
    pub(in crate::gateway) state: Arc<[u8]>,
    /// The component that made it: it alone knows for sure how to take it back.
    pub(in crate::gateway) runtime: Arc<Runtime>,
    /// What it sent.
    pub(in crate::gateway) visit: Arc<Visit>,
}

impl Outgoing for Call {
    fn was_sent(&self) -> bool {
        !self.visit.is_unused()
    }

    fn left(&self) -> LeftRunning {
        self.left.clone()
    }
}

/// What has to be known of a call on its way.
pub(super) trait Outgoing {
    /// Whether any of it left this machine.
    fn was_sent(&self) -> bool;
    /// What there is to say of it when it is given up.
    fn left(&self) -> LeftRunning;
}

/// How a call came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum End {
    /// With an answer of some kind.
    Answered,
    /// Its time was up; its caller is told so.
    Late,
    /// Its caller is gone.
    Dropped,
}

/// All calls on their way.
pub(super) struct Underway<C = Call> {
    /// By their tokens.
    calls: Mutex<HashMap<u32, C>>,
    left: Mutex<Vec<LeftRunning>>,
}

impl<C> Default for Underway<C> {
    fn default() -> Self {
        Self { calls: Mutex::default(), left: Mutex::default() }
    }
}

impl<C: Outgoing> Underway<C> {
    pub(super) fn begin(&self, token: u32, call: C) {
        self.calls.lock().insert(token, call);
    }

    /// Gives the call back when the gateway has to be told that nobody waits for it.
    pub(super) fn end(&self, token: u32, end: End) -> Option<C> {
        let call = self.calls.lock().remove(&token)?;
        if end == End::Answered || !call.was_sent() {
            return None;
        }
        if end == End::Dropped {
            self.leave(&call);
        }
        Some(call)
    }

    /// Nobody will hear what became of it.
    fn leave(&self, call: &C) {
        let mut left = self.left.lock();
        // For whoever never asks.
        if left.len() < MOST {
            left.push(call.left());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.lock().is_empty()
    }

    /// All that were sent are left running. Gives them back.
    pub(super) fn give_up(&self) -> Vec<(u32, C)> {
        let mut calls: Vec<_> = std::mem::take(&mut *self.calls.lock()).into_iter().collect();
        calls.retain(|(_, call)| call.was_sent());
        for (_, call) in &calls {
            self.leave(call);
        }
        calls
    }

    pub(super) fn left_running(&self) -> Vec<LeftRunning> {
        std::mem::take(&mut *self.left.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sent(&'static str);
    impl Outgoing for Sent {
        fn was_sent(&self) -> bool {
            !self.0.starts_with("unsent")
        }

        fn left(&self) -> LeftRunning {
            LeftRunning { tool: self.0.to_owned(), repeatable: false }
        }
    }

    fn names(left: &[LeftRunning]) -> Vec<&str> {
        left.iter().map(|left| left.tool.as_str()).collect()
    }

    #[test]
    fn the_gateway_is_told_of_what_was_sent_and_got_no_answer_and_who_waited_is_not_told_twice() {
        let underway = Underway::default();
        for (token, name) in [(1, "answered"), (2, "late"), (3, "dropped"), (4, "unsent")] {
            underway.begin(token, Sent(name));
        }
        assert!(underway.end(1, End::Answered).is_none());
        assert!(underway.end(2, End::Late).is_some());
        assert!(underway.end(3, End::Dropped).is_some());
        assert!(underway.end(4, End::Dropped).is_none(), "nothing of it can run");
        assert!(underway.end(3, End::Dropped).is_none(), "it has ended");
        assert!(underway.is_empty());
        // Whose time was up was told so.
        assert_eq!(names(&underway.left_running()), ["dropped"]);
        assert!(underway.left_running().is_empty(), "once");
    }

    #[test]
    fn what_is_given_up_at_the_end_may_still_run() {
        let underway = Underway::default();
        underway.begin(1, Sent("a write"));
        underway.begin(2, Sent("unsent"));
        assert!(!underway.is_empty());
        let given: Vec<u32> = underway.give_up().into_iter().map(|(token, _)| token).collect();
        assert_eq!(given, [1]);
        assert_eq!(names(&underway.left_running()), ["a write"]);
        assert!(underway.is_empty() && underway.end(1, End::Dropped).is_none());
    }
}
