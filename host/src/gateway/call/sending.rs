//! One call on its way: sent, listened to, and taken back when nobody waits for it.
//! Takes a tool as it is listed and what its caller wants; gives what came of it. Never sends a call twice that may have had an effect:
//! what is tried again never reached a service, or says of itself that it may be repeated.

use std::sync::Arc;

use super::{Wish, denial::tells_of_no_tool};
use crate::{
    Class, Deadline, Error,
    egress::{EgressFailure, Phase},
    gateway::failure::Failure,
    gateway::{
        attempt::{
            Again, Operation, Tells,
            delivery::{self, Delivery, Marked, Sent},
        },
        catalogue::Listed,
        events::{Call, End, Events, LeftRunning},
        instances::Instance,
        parts::Parts,
        session::SharedSession,
    },
    runtime::{calls, types},
    scrub,
};

/// With which JSON-RPC code MCP says that it knows no tool of this name.
const INVALID_PARAMS: i64 = -32_602;

/// A call without a result.
pub(super) struct Unanswered {
    pub(super) error: Error,
    /// The gateway says that the request was wrong, and no service saw it.
    pub(super) rejected: bool,
    /// It says so of the tool. Nothing ran, so that it need not name it.
    pub(super) says_unknown: bool,
}

/// Sends it, again where that is safe.
pub(super) async fn answer(
    parts: &Parts,
    listed: &Listed,
    tool: &str,
    wish: &Wish,
) -> Result<calls::Outcome, Unanswered> {
    let found = listed.tool(tool).map(|(tool, _)| tool);
    let call = calls::Call {
        tool: tool.to_owned(),
        input_schema: found.map(|tool| tool.input_schema.clone()),
        service: found.and_then(|tool| tool.provenance.service.clone()),
        arguments: wish.arguments.clone(),
        token: 0,
        progress: wish.listener.wants_progress(),
        meta: wish.meta.clone(),
    };
    let (marked, delivery) = (Marked::of(found), Delivery::No);
    let mut sending = Sending { parts, wish, call, marked, delivery, rejected: false, says_unknown: false };
    parts.attempts().run(&mut sending, wish.by).await.map_err(|error| {
        let Sending { delivery, rejected, says_unknown, .. } = sending;
        Unanswered { error: delivery::told_of_call(error, tool, delivery, marked), rejected, says_unknown }
    })
}

/// A call, and what its tries have done so far.
struct Sending<'a> {
    parts: &'a Parts,
    wish: &'a Wish,
    call: calls::Call,
    marked: Marked,
    /// What any of the tries may have done.
    delivery: Delivery,
    rejected: bool,
    says_unknown: bool,
}

impl Operation for Sending<'_> {
    type Answer = calls::Outcome;

    const TELLS: Tells = Tells::OfTheComponent;

    async fn once(&mut self, lent: &mut Instance, by: Deadline) -> Result<calls::Outcome, Failure> {
        let events = self.parts.events();
        let token = events.token();
        self.call.token = token.first();
        let within = self.parts.peer().left_of(by)?;
        let left = LeftRunning { tool: scrub::line(&self.call.tool, 200), repeatable: self.marked.repeatable() };
        let call = Call {
            left,
            state: Arc::clone(lent.member().state()),
            runtime: Arc::clone(lent.runtime()),
            visit: Arc::clone(lent.visit()),
        };
        events.begin(token.first(), Arc::clone(&self.wish.listener), call);
        let (events, session) = (Arc::clone(events), Arc::clone(self.parts.session()));
        let mut pending = Pending { events, session, token: token.first(), end: End::Dropped };
        let outcome = lent.conversation().call_tool(&self.call, within).await.map_err(Failure::from);
        pending.end = if gave_up(&outcome) { End::Late } else { End::Answered };
        outcome
    }

    fn judge(&mut self, failure: &Failure, sent: Sent) -> Again {
        let now = delivery::of_failure(failure, sent);
        if now == Delivery::Maybe {
            self.delivery = now;
        }
        // One about the result comes after the tool ran.
        let refusal = match failure {
            Failure::Gateway(error, _)
                if matches!(error.code, types::FailureCode::Rejected)
                    && self.delivery == Delivery::No
                    && error.rpc_code() == Some(INVALID_PARAMS) =>
            {
                Some(error)
            }
            _ => None,
        };
        self.rejected = refusal.is_some();
        self.says_unknown = refusal.is_some_and(|error| tells_of_no_tool(&error.message));
        if now == Delivery::No || self.marked.repeatable() { Again::Allowed } else { Again::Forbidden }
    }
}

/// Tells the gateway when a call is dropped before its answer came.
struct Pending {
    events: Arc<Events>,
    session: Arc<SharedSession>,
    token: u32,
    end: End,
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(call) = self.events.end(self.token, self.end) {
            self.session.take_back(self.token, call);
        }
    }
}

/// A deadline is the caller giving up; everything else is an answer of some kind.
fn gave_up(outcome: &Result<calls::Outcome, Failure>) -> bool {
    match outcome {
        Err(Failure::Host(error)) => error.class == Class::Timeout,
        Err(Failure::Gateway(_, Some(seen))) => {
            matches!(**seen, EgressFailure::Timeout { phase: Phase::FirstByte | Phase::Body, .. })
        }
        _ => false,
    }
}
