//! Whether a call that failed may have run.
//! Takes what the gateway component says and what the way out saw; gives a [`Delivery`]. Never believes a component of undelivered where the
//! way out saw the call go out and no answer begin.

use crate::failure::{Class, Delivery, Seen};

/// What became of the messages of a call, as the way out saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sent {
    /// None was sent, or none reached the gateway.
    Nothing,
    /// One, answered with 4xx.
    Refused,
    /// One, answered.
    Answered,
    /// One, and no answer began.
    #[default]
    Unanswered,
    /// Several.
    Several,
}

/// Whether a call that failed so may have run: the rules of `serve`.
#[must_use]
pub fn of_failure(seen: &Seen, sent: Sent) -> Delivery {
    use Class as C;
    // About the message that it answers, not about those before it.
    let refusal = matches!(
        seen.class,
        C::AuthRequired | C::Forbidden | C::Blocked | C::SessionLost | C::RateLimited | C::Unsupported | C::Other
    );
    // Once an answer has begun, what breaks afterwards says nothing of the call.
    let broke = matches!(seen.class, C::Timeout | C::Unreachable | C::Dns | C::Tls | C::EgressDenied | C::Limit);
    match sent {
        Sent::Nothing => Delivery::No,
        Sent::Unanswered => Delivery::Maybe,
        Sent::Answered if broke => Delivery::Maybe,
        Sent::Several if broke || refusal => Delivery::Maybe,
        Sent::Refused | Sent::Answered | Sent::Several => seen.delivery,
    }
}

/// Whether a call may have run whose result is the gateway's own failure.
#[must_use]
pub fn of_upstream(seen: &Seen, sent: Sent) -> Delivery {
    if sent == Sent::Unanswered { Delivery::Maybe } else { seen.delivery }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_not_believed_against_what_the_way_out_saw() {
        let said = |class, delivery| Seen { class, delivery, ..Seen::default() };
        let not = |class| said(class, Delivery::No);
        for (seen, sent, delivery) in [
            (not(Class::Timeout), Sent::Unanswered, Delivery::Maybe),
            (not(Class::Rejected), Sent::Unanswered, Delivery::Maybe),
            (not(Class::Unreachable), Sent::Answered, Delivery::Maybe),
            (not(Class::Unreachable), Sent::Refused, Delivery::No),
            (not(Class::Limit), Sent::Several, Delivery::Maybe),
            (not(Class::RateLimited), Sent::Several, Delivery::Maybe),
            (not(Class::RateLimited), Sent::Answered, Delivery::No),
            (not(Class::Rejected), Sent::Answered, Delivery::No),
            (said(Class::Timeout, Delivery::Maybe), Sent::Nothing, Delivery::No),
            (said(Class::Upstream, Delivery::Maybe), Sent::Answered, Delivery::Maybe),
        ] {
            assert_eq!(of_failure(&seen, sent), delivery, "{seen:?} {sent:?}");
        }
        assert_eq!(of_upstream(&not(Class::Upstream), Sent::Unanswered), Delivery::Maybe);
        assert_eq!(of_upstream(&not(Class::Upstream), Sent::Answered), Delivery::No);
    }
}
