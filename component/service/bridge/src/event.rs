//! Events for the client, while its call runs.
//! Takes progress and messages of the gateway; gives server-sent events with MCP's notifications. Never one that the client did not ask for.

use serde_json::{Map, Value, json, value::RawValue};

/// From MCP, the most urgent last.
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// What the client wants to hear of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `progressToken`, as JSON.
    pub progress_token: Option<String>,
    /// The least urgent level.
    pub level: Option<String>,
}

impl Wanted {
    /// `notifications/progress`, if it is wanted.
    #[must_use]
    pub fn progress(&self, progress: f64, total: Option<f64>, message: Option<&str>) -> Option<String> {
        let token: Value = serde_json::from_str(self.progress_token.as_deref()?).ok()?;
        let mut params = Map::new();
        params.insert("progressToken".to_owned(), token);
        params.insert("progress".to_owned(), number(progress));
        if let Some(total) = total {
            params.insert("total".to_owned(), number(total));
        }
        if let Some(message) = message {
            params.insert("message".to_owned(), message.into());
        }
        Some(event(&json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})))
    }

    /// `notifications/message`, if it is wanted and urgent enough. What is no JSON is said as text.
    #[must_use]
    pub fn message(&self, level: &str, logger: Option<&str>, data: &str) -> Option<String> {
        let urgency = |level: &str| LEVELS.iter().position(|known| *known == level);
        let least = urgency(self.level.as_deref()?)?;
        if urgency(level)? < least {
            return None;
        }
        let data = serde_json::from_str::<&RawValue>(data)
            .map_or_else(|_| Value::from(data), |raw| serde_json::from_str(raw.get()).unwrap_or(Value::Null));
        let mut params = Map::new();
        params.insert("level".to_owned(), level.into());
        if let Some(logger) = logger {
            params.insert("logger".to_owned(), logger.into());
        }
        params.insert("data".to_owned(), data);
        Some(event(&json!({"jsonrpc": "2.0", "method": "notifications/message", "params": params})))
    }
}

/// Whole numbers as such: progress counts.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
    if value.fract() == 0.0 && value.abs() < 1e15 { Value::from(value as i64) } else { json!(value) }
}

fn event(message: &Value) -> String {
    format!("event: message\ndata: {message}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted { progress_token: Some("\"t-1\"".to_owned()), level: Some("info".to_owned()) }
    }

    #[test]
    fn progress_carries_the_clients_own_token() {
        assert_eq!(
            wanted().progress(1.0, Some(2.5), Some("a\nb")).unwrap_or_default(),
            "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":\"t-1\",\"progress\":1,\"total\":2.5,\"message\":\"a\\nb\"}}\n\n"
        );
    }

    #[test]
    fn nothing_is_sent_that_was_not_asked_for() {
        assert_eq!(Wanted::default().progress(1.0, None, None), None);
        assert_eq!(Wanted::default().message("error", None, "1"), None);
        assert_eq!(wanted().message("debug", None, "1"), None);
        assert_eq!(wanted().message("shout", None, "1"), None);
        let told = wanted().message("warning", Some("db"), "{\"a\":1}").unwrap_or_default();
        assert!(told.contains(r#""params":{"level":"warning","logger":"db","data":{"a":1}}"#), "{told}");
        assert!(wanted().message("info", None, "no json").unwrap_or_default().contains(r#""data":"no json""#));
    }
}
