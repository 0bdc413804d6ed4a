//! Who waits for the events of one call.
//! Takes what was told of it; hands it to the caller's own functions, fit to be shown.

use crate::{gateway::convert, json::Json, scrub};

/// Takes progress, total and message.
pub type OnProgress = Box<dyn Fn(f64, Option<f64>, Option<String>) + Send + Sync>;
/// Takes level, logger and data.
pub type OnMessage = Box<dyn Fn(String, Option<String>, Json) + Send + Sync>;

/// Who waits for the events of a call.
pub(in crate::gateway) struct Listener {
    on_progress: Option<OnProgress>,
    on_message: Option<OnMessage>,
}

impl Listener {
    pub(in crate::gateway) fn new(on_progress: Option<OnProgress>, on_message: Option<OnMessage>) -> Self {
        Self { on_progress, on_message }
    }

    /// Whether the gateway is to be asked for progress.
    pub(in crate::gateway) fn wants_progress(&self) -> bool {
        self.on_progress.is_some()
    }

    pub(super) fn progress(&self, progress: f64, total: Option<f64>, message: Option<String>) {
        if let Some(on_progress) = &self.on_progress {
            on_progress(progress, total, message.map(|text| scrub::line(&text, 2_000)));
        }
    }

    /// `data` is JSON.
    pub(in crate::gateway) fn message(&self, level: String, logger: Option<String>, data: &str) {
        if let Some(on_message) = &self.on_message {
            on_message(level, logger, convert::json(data));
        }
    }
}
