//! What goes wrong in this server itself, beside what gateways and clients do.
//! Takes what the runtime says; gives it as data, with its cause. Never says what to do: that is `advice`.

use std::time::Duration;

use tokio::task::JoinError;

/// What goes wrong in this server itself.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServeError {
    /// A bug, while a catalogue was prepared.
    #[error("the tools could not be prepared")]
    Unprepared(#[from] JoinError),
    /// A catalogue that takes longer than the gateway may.
    #[error("the tools of {gateway} could not be prepared within {} s", limit.as_secs_f64())]
    TooLong {
        /// Whose.
        gateway: String,
        /// The entry's `timeout`.
        limit: Duration,
    },
    /// A call that came back with neither result nor error.
    #[error("the call ended without a result")]
    NoResult,
}
