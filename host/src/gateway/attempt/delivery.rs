//! Whether a call that failed may have run, and what is said then.
//! Takes the failure and what went over the wire; gives a [`Delivery`], and the error in words that hold for it. Never says of a write
//! that may have run that it should be tried again, in whoever's words.

use http::StatusCode;
use pflow_gateway_advice::without_advice;

use crate::{
    Error,
    egress::{RequestTrace, Visit},
    gateway::failure::Failure,
    runtime::types,
    scrub,
};

/// Whether a service can have seen the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Delivery {
    /// It never reached one.
    No,
    /// It may have.
    Maybe,
}

/// Whether a tool can be called twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Marked {
    /// Its server says that it only reads.
    ReadOnly,
    /// Its server says that twice is as good as once.
    Idempotent,
    /// Its server says nothing of the kind.
    Neither,
}

impl Marked {
    pub(in crate::gateway) fn of(tool: Option<&types::Tool>) -> Self {
        match tool.and_then(|tool| tool.annotations.as_ref()) {
            Some(hints) if hints.read_only == Some(true) => Self::ReadOnly,
            Some(hints) if hints.idempotent == Some(true) => Self::Idempotent,
            _ => Self::Neither,
        }
    }

    pub(in crate::gateway) fn repeatable(self) -> bool {
        self != Self::Neither
    }
}

/// What one call has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Sent {
    Nothing,
    /// One message, and the status that came back, if any.
    Once(Option<StatusCode>),
    /// Something was answered in between.
    More,
}

impl Sent {
    pub(in crate::gateway) fn of(visit: &Visit) -> Self {
        let posts: Vec<_> = visit.requests().into_iter().filter(|request| request.method == "POST").collect();
        // A redirect that was followed came in the place of an answer.
        let moved = |post: &RequestTrace| post.status.is_some_and(|status| status.is_redirection());
        let hops = posts.iter().take(posts.len().saturating_sub(1)).take_while(|post| moved(post)).count();
        match posts.get(hops..).unwrap_or_default() {
            [] if visit.is_unused() => Self::Nothing,
            [post] => Self::Once(post.status),
            _ => Self::More,
        }
    }
}

/// Whether a call that failed so may have run.
pub(in crate::gateway) fn of_failure(failure: &Failure, sent: Sent) -> Delivery {
    use types::FailureCode as Code;

    if sent == Sent::Nothing {
        return Delivery::No;
    }
    let Failure::Gateway(error, _) = failure else {
        // A deadline, a limit or a trap of ours tells nothing of the request that was on its way.
        return Delivery::Maybe;
    };
    match error.code {
        Code::AuthRequired
        | Code::TokenExpired
        | Code::Forbidden
        | Code::Blocked
        | Code::SessionLost
        | Code::RateLimited
        | Code::Unsupported
        // Nobody here knows what it rests on.
        | Code::Other(_) => refused(error.delivery, sent),
        Code::Timeout | Code::Unreachable | Code::Dns | Code::Tls | Code::EgressDenied | Code::Limit => {
            // Once an answer has begun, a later request of the same call (a stream that is resumed) says nothing of the first.
            let begun = match sent {
                Sent::Once(status) => status.is_some_and(|status| !status.is_client_error()),
                Sent::Nothing => false,
                Sent::More => true,
            };
            if begun { Delivery::Maybe } else { told(error.delivery) }
        }
        Code::ProtocolError | Code::UpstreamError | Code::NotMcp | Code::Rejected => told(error.delivery),
    }
}

/// Whether a call may have run whose result is the gateway's own failure.
pub(in crate::gateway) fn of_upstream(failure: &types::Failure) -> Delivery {
    told(failure.delivery)
}

fn told(delivery: types::Delivery) -> Delivery {
    match delivery {
        types::Delivery::NotDelivered => Delivery::No,
        types::Delivery::MaybeDelivered => Delivery::Maybe,
    }
}

/// A refusal is about the message that it answers, not about those before it.
fn refused(delivery: types::Delivery, sent: Sent) -> Delivery {
    if sent == Sent::More { Delivery::Maybe } else { told(delivery) }
}

/// The error of a call, with what it means for the next one.
pub(in crate::gateway) fn told_of_call(mut error: Error, tool: &str, delivery: Delivery, marked: Marked) -> Error {
    let tool = scrub::line(tool, 200);
    let more = error.hint.take();
    error.hint = match (delivery, marked) {
        (Delivery::No, _) => more,
        (Delivery::Maybe, Marked::Neither) => {
            error.message = without_advice(&error.message);
            let said = format!(
                "{tool} may have run; check before calling it again. It is not marked read-only or idempotent, so it was not repeated"
            );
            Some(more.map_or(said.clone(), |more| format!("{said}. {}", sentence(&without_advice(&more)))))
        }
        (Delivery::Maybe, Marked::ReadOnly) => Some(and(more, &format!("{tool} only reads: it can be called again"))),
        (Delivery::Maybe, Marked::Idempotent) => {
            Some(and(more, &format!("{tool} is marked idempotent: it can be called again")))
        }
    };
    error
}

fn and(more: Option<String>, said: &str) -> String {
    more.map_or_else(|| said.to_owned(), |more| format!("{more}; {said}"))
}

/// With a capital letter.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Class;

    const SENT: Sent = Sent::Once(Some(StatusCode::OK));

    fn gateway(code: types::FailureCode, http_status: Option<u16>, delivery: types::Delivery) -> Failure {
        let failure = types::Failure {
            code,
            delivery,
            http_status,
            retry_after: None,
            service: None,
            service_status: None,
            method: None,
            message: "it broke".into(),
            advice: None,
            details: Vec::new(),
        };
        Failure::Gateway(Box::new(failure), None)
    }

    fn unreachable() -> Failure {
        gateway(types::FailureCode::Unreachable, None, types::Delivery::NotDelivered)
    }

    fn foreign(delivery: types::Delivery) -> Failure {
        gateway(types::FailureCode::NotMcp, Some(200), delivery)
    }

    fn limited() -> Failure {
        gateway(types::FailureCode::RateLimited, Some(429), types::Delivery::NotDelivered)
    }

    #[test]
    fn what_was_never_sent_did_not_run() {
        let host = || Failure::Host(Error::new(Class::Timeout, "no answer within 2 s"));
        assert_eq!(of_failure(&host(), Sent::Nothing), Delivery::No);
        assert_eq!(of_failure(&host(), Sent::Once(None)), Delivery::Maybe);
        assert_eq!(of_failure(&unreachable(), Sent::Once(None)), Delivery::No);
    }

    #[test]
    fn a_stream_that_cannot_be_resumed_says_nothing_of_the_request_that_opened_it() {
        assert_eq!(of_failure(&unreachable(), SENT), Delivery::Maybe);
        assert_eq!(of_failure(&unreachable(), Sent::More), Delivery::Maybe);
    }

    #[test]
    fn an_answer_says_what_became_of_the_message_that_it_answers() {
        assert_eq!(of_failure(&foreign(types::Delivery::NotDelivered), SENT), Delivery::No);
        assert_eq!(of_failure(&foreign(types::Delivery::MaybeDelivered), SENT), Delivery::Maybe);
        // The second round of a call was refused; the first one was not.
        assert_eq!(of_failure(&limited(), SENT), Delivery::No);
        assert_eq!(of_failure(&limited(), Sent::More), Delivery::Maybe);
    }

    #[test]
    fn a_write_that_may_have_run_is_never_to_be_tried_again_in_whoevers_words() {
        let error = || {
            Error::new(
                Class::UpstreamError,
                "g (http://h:1/mcp) answers HTTP 502: Bad gateway, please try again later.",
            )
            .with_hint("look into its log, and retry")
        };
        let told = told_of_call(error(), "github__create_issue", Delivery::Maybe, Marked::Neither);
        assert_eq!(told.message, "g (http://h:1/mcp) answers HTTP 502: Bad gateway");
        let hint = told.hint.unwrap_or_default();
        assert!(hint.starts_with("github__create_issue may have run; check before calling it again"), "{hint}");
        assert!(hint.ends_with("so it was not repeated. Look into its log"), "{hint}");
        for (delivery, marked) in [(Delivery::No, Marked::Neither), (Delivery::Maybe, Marked::ReadOnly)] {
            let told = told_of_call(error(), "t", delivery, marked);
            assert_eq!(told.message, error().message);
            assert!(!told.hint.unwrap_or_default().contains("may have run"));
        }
    }
}
