//! Why there is no answer of a gateway.
//! Takes the runtime's failures, and the errors of what else it takes to ask; gives one type for both. Never puts them in words: that is
//! [`explain`](super::explain).

use crate::{
    Error,
    egress::EgressFailure,
    runtime::{self, types},
};

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The component's judgement, and what egress saw last.
    Gateway(Box<types::Failure>, Option<Box<EgressFailure>>),
    /// The host's: it stopped the component, or never came to ask it.
    Host(Error),
}

impl From<runtime::Failure> for Failure {
    fn from(failure: runtime::Failure) -> Self {
        match failure {
            runtime::Failure::Gateway(judged, seen) => Self::Gateway(judged, seen),
            runtime::Failure::Host(stopped) => Self::Host(stopped.into()),
        }
    }
}
