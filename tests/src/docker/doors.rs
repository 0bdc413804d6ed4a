//! The Docker gateway's doors: what is refused before MCP is looked at, and how answers are framed.
//! Takes requests and messages; gives refusals, streams, session ids.
//! Never lets a request pass that the real one refuses: clients are tested for that.

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;

use super::{Docker, Transport};
use crate::{
    reply::{Answer, Payload, event},
    wire::Seen,
};

impl Docker {
    /// What stands before MCP: health, the token, Host and Origin, the path.
    pub(super) fn gate(&self, seen: &Seen) -> Option<Answer> {
        let endpoint = if self.config.transport == Transport::Sse { "/sse" } else { "/mcp" };
        if seen.path() == "/health" {
            return Some(Answer::empty(200));
        }
        if let Some(token) = self.token.lock().as_ref()
            && seen.header("authorization") != Some(format!("Bearer {token}").as_str())
        {
            let refusal = Answer::body(401, "text/plain; charset=utf-8", "Unauthorized\n");
            return Some(refusal.with("Www-Authenticate", "Bearer realm=\"MCP Gateway\""));
        }
        let host = seen.header("host").unwrap_or_default();
        if !loopback(host) {
            return Some(Answer::go_error(403, &format!("Forbidden: invalid Host header {host:?}")));
        }
        if let Some(origin) = seen.header("origin") {
            let peer = origin.split_once("://").map_or(origin, |(_, rest)| rest);
            if !loopback(peer) {
                return Some(Answer::go_error(403, "Forbidden: Origin, if set, must be localhost, 127.0.0.1 or [::1]"));
            }
            if peer != host {
                return Some(Answer::go_error(403, "Forbidden: Origin does not match Host"));
            }
        }
        (seen.path() != endpoint).then(|| Answer::empty(307).with("Location", endpoint))
    }

    pub(super) fn streaming_gate(&self, seen: &Seen) -> Option<Answer> {
        let accept =
            seen.headers.iter().filter(|(n, _)| n == "accept").map(|(_, v)| v.as_str()).collect::<Vec<_>>().join(",");
        let accepts = |kind: &str| {
            accept.split(',').any(|a| matches!(a.split(';').next().map(str::trim), Some(a) if a == kind || a == "*/*"))
        };
        if seen.method == "GET" && !accepts("text/event-stream") {
            return Some(Answer::go_error(400, "Accept must contain 'text/event-stream' for GET requests"));
        }
        if seen.method == "POST" && !(accepts("application/json") && accepts("text/event-stream")) {
            return Some(Answer::go_error(400, "Accept must contain both 'application/json' and 'text/event-stream'"));
        }
        let session = seen.header("mcp-session-id");
        if let Some(id) = session
            && !self.live.lock().sessions.contains_key(id)
        {
            return Some(Answer::go_error(404, "session not found"));
        }
        match seen.method.as_str() {
            "DELETE" => Some(match session {
                None => Answer::go_error(400, "Bad Request: DELETE requires an Mcp-Session-Id header"),
                Some(id) => {
                    self.live.lock().sessions.remove(id);
                    Answer::bare(204)
                }
            }),
            "GET" | "POST" => None,
            _ => Some(Answer::go_error(405, "Method Not Allowed").with("Allow", "GET, POST, DELETE")),
        }
    }
}

pub(super) fn stream(receiver: mpsc::UnboundedReceiver<Bytes>) -> Answer {
    Answer { status: 200, headers: Vec::new(), payload: Payload::Stream(receiver) }
        .with("Cache-Control", "no-cache, no-transform")
        .with("Connection", "keep-alive")
        .with("Content-Type", "text/event-stream")
}

/// Chunked, one event, as the go-sdk frames every response.
pub(super) fn one_event(message: &Value) -> Answer {
    let (sender, receiver) = mpsc::unbounded_channel();
    let _ = sender.send(event(message));
    stream(receiver)
}

fn loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

/// 26 characters of base32, as the go-sdk makes them, but counted and not random.
pub(super) fn session_id(number: u64) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut rest = number;
    let mut id = String::from("RCFIGOSMCDSWMQBDIRFK");
    for _ in 0..6 {
        let digit = usize::try_from(rest % 32).unwrap_or(0);
        id.push(digits.get(digit).copied().map_or('A', char::from));
        rest /= 32;
    }
    id
}

/// What the imitation takes for a secret: a GitHub token, the one that was used in the measurements.
pub(super) fn looks_secret(text: &str) -> bool {
    text.match_indices("ghp_").any(|(at, _)| {
        let rest = text.get(at + 4..).unwrap_or_default();
        rest.chars().take_while(char::is_ascii_alphanumeric).count() >= 36
    })
}
