//! What a gateway sends while a call runs, passed on to the client.
//! Takes the callbacks of a call; gives notifications in the order they came. Never waits for a client that does not read: what does
//! not fit is dropped.

use rmcp::{
    Peer, RoleServer,
    model::{CustomNotification, ProgressNotification, ProgressNotificationParam, ProgressToken, ServerNotification},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::CallOptions;

/// Notifications that may wait for the client. Progress is worth nothing when it is late.
const WAITING: usize = 256;

/// One notification on its way.
pub(super) enum Event {
    Progress { progress: f64, total: Option<f64>, message: Option<String> },
    Message { level: String, logger: Option<String>, data: Value },
}

/// The callbacks of a call, and what comes out of them.
pub(super) fn channel(progress_wanted: bool) -> (CallOptions, mpsc::Receiver<Event>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let mut options = CallOptions::default();
    if progress_wanted {
        let sender = sender.clone();
        options.on_progress = Some(Box::new(move |progress, total, message| {
            let _ = sender.try_send(Event::Progress { progress, total, message });
        }));
    }
    options.on_message = Some(Box::new(move |level, logger, data| {
        let _ = sender.try_send(Event::Message { level, logger, data });
    }));
    (options, receiver)
}

/// MCP's log levels, the least urgent first.
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// How urgent a level is; an unknown one always passes.
pub(super) fn urgency(level: &str) -> usize {
    LEVELS.iter().position(|known| *known == level).unwrap_or(LEVELS.len())
}

/// Sends one event to the client.
pub(super) async fn forward(event: Event, peer: &Peer<RoleServer>, token: Option<&ProgressToken>, least: usize) {
    let notification = match event {
        Event::Progress { progress, total, message } => {
            let Some(token) = token else { return };
            let mut param = ProgressNotificationParam::new(token.clone(), progress);
            param.total = total;
            param.message = message;
            ServerNotification::ProgressNotification(ProgressNotification::new(param))
        }
        Event::Message { level, logger, data } => {
            if urgency(&level) < least {
                return;
            }
            let mut params = json!({"level": level, "data": data});
            if let (Some(logger), Some(params)) = (logger, params.as_object_mut()) {
                params.insert("logger".to_owned(), logger.into());
            }
            // As it came: rmcp's own type knows fewer levels than there may be.
            let notification = CustomNotification::new("notifications/message", Some(params));
            ServerNotification::CustomNotification(notification)
        }
    };
    if let Err(error) = peer.send_notification(notification).await {
        tracing::debug!(%error, "the client took no notification");
    }
}
