//! How to make one call, as its caller says.

use std::time::Duration;

use crate::{
    gateway::events::{OnMessage, OnProgress},
    json::Json,
};

/// How to make one call.
#[derive(Default)]
pub struct CallOptions {
    /// At most this long, for everything that it takes; the gateway's own timeout when absent.
    pub timeout: Option<Duration>,
    /// Called for `notifications/progress` (progress, total, message) while the call runs.
    pub on_progress: Option<OnProgress>,
    /// Called for `notifications/message` (level, logger, data) while the call runs.
    pub on_message: Option<OnMessage>,
    /// Further members of `_meta`.
    pub meta: Option<Json>,
    /// What becomes of a tool that the gateway does not list.
    pub unlisted: Unlisted,
}

/// What becomes of a call of a tool that the gateway does not list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unlisted {
    /// It is refused.
    #[default]
    Refused,
    /// The gateway is asked, unless the filter is against it: an earlier list had the tool, and lists shrink for many reasons.
    Asked,
}

impl std::fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallOptions").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
