//! What a gateway sends while a call runs, passed on to the client.
//! Takes the callbacks of a call; gives notifications in the order they came. Never waits for a client that does not read: what does
//! not fit is dropped.

use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::client::Client;
use crate::{CallOptions, json::Json};

/// Notifications that may wait for the client. Progress is worth nothing when it is late.
const WAITING: usize = 256;

/// One notification on its way.
pub(super) enum Event {
    Progress { progress: f64, total: Option<f64>, message: Option<String> },
    Message { level: String, logger: Option<String>, data: Json },
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

/// Whether MCP knows the level.
pub(super) fn is_level(level: &str) -> bool {
    LEVELS.contains(&level)
}

/// Sends one event to the client.
pub(super) async fn forward(event: Event, client: &Client, token: Option<&RawValue>, least: usize) {
    match event {
        Event::Progress { progress, total, message } => {
            let Some(token) = token else { return };
            let number = |number: f64| Json::from(serde_json::Value::from(number));
            let mut params = vec![("progressToken", Json::from(token.to_owned())), ("progress", number(progress))];
            params.extend(total.map(|total| ("total", number(total))));
            params.extend(message.map(|message| ("message", Json::string(&message))));
            let params = Json::from_members(params.iter().map(|(name, value)| (*name, value.raw())));
            client.notify("notifications/progress", Some(params)).await;
        }
        Event::Message { level, logger, data } => {
            if urgency(&level) < least {
                return;
            }
            let mut params = vec![("level", Json::string(&level)), ("data", data)];
            params.extend(logger.map(|logger| ("logger", Json::string(&logger))));
            let params = Json::from_members(params.iter().map(|(name, value)| (*name, value.raw())));
            client.notify("notifications/message", Some(params)).await;
        }
    }
}
