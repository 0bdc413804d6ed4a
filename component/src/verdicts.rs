//! What statuses and words mean, whoever says them.
//! Takes a status, headers, a text; gives an error of the contract or a state, and whether a call can have run. Knows no product and no
//! request.

use crate::{
    accidents,
    http::{Failure, FailureKind, Headers, Sent},
    model::{
        Delivery, Error, ForeignAnswer, RateLimit, Refusal, SessionLoss, Status, TransportFailure, UpstreamFailure,
    },
    text::{self, contains},
    time,
};

/// Whether a request carried `Mcp-Session-Id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionSent {
    /// It did.
    Yes,
    /// There is none.
    No,
}

/// A failure below HTTP.
#[must_use]
pub fn transport(failure: &Failure) -> Error {
    let delivery = match failure.sent {
        Sent::No => Delivery::NotDelivered,
        Sent::Maybe => Delivery::MaybeDelivered,
    };
    let detail = text::clean(&failure.detail);
    match failure.kind {
        FailureKind::NotHttp => Error::NotMcp(ForeignAnswer {
            http_status: 0,
            content_type: None,
            problem: format!("what answers does not speak HTTP: {detail}"),
            body: String::new(),
            delivery,
        }),
        FailureKind::Denied => Error::EgressDenied(TransportFailure { detail, delivery }),
        FailureKind::Dns => Error::Dns(TransportFailure { detail, delivery }),
        FailureKind::Tls => Error::Tls(TransportFailure { detail, delivery }),
        FailureKind::Unreachable => Error::Unreachable(TransportFailure { detail, delivery }),
        FailureKind::Timeout => Error::Timeout(TransportFailure { detail, delivery }),
        FailureKind::Limit => Error::Limit(TransportFailure { detail, delivery }),
    }
}

/// What an HTTP answer without JSON-RPC means, for products' own APIs too. None: the status alone says nothing. `now` is in seconds since
/// 1970-01-01 UTC: what a date in the answer is compared with.
#[must_use]
pub fn by_status(status: u16, headers: &Headers, body: &str, session: SessionSent, now: u64) -> Option<Error> {
    let words = match accidents::name(status, headers, body) {
        Some(name) if body.is_empty() => name,
        Some(name) => text::clean(&format!("{name}: {body}")),
        None => body.to_owned(),
    };
    let refusal = || Refusal {
        http_status: status,
        method: None,
        challenge: headers.get("www-authenticate").map(text::clean),
        body: words.clone(),
        delivery: Delivery::NotDelivered,
    };
    let transport = |what: &str| TransportFailure {
        detail: format!("HTTP {status}{what}{}{words}", if words.is_empty() { "" } else { ": " }),
        delivery: Delivery::MaybeDelivered,
    };
    Some(match status {
        401 => {
            let refusal = refusal();
            let expired = |text: &str| {
                contains(text, "token expired")
                    || contains(text, "token has expired")
                    || contains(text, "token is expired")
            };
            if expired(body) || refusal.challenge.as_deref().is_some_and(expired) {
                Error::TokenExpired(refusal)
            } else {
                Error::AuthRequired(refusal)
            }
        }
        403 | 421 => Error::Forbidden(refusal()),
        429 => Error::RateLimited(RateLimit {
            http_status: status,
            retry_after: retry_after(headers, body, now),
            body: body.to_owned(),
            delivery: Delivery::NotDelivered,
        }),
        404 if session == SessionSent::Yes => session_lost(status, body, Delivery::NotDelivered),
        400 | 404 | 409 | 410 | 422 if is_session_text(body) => session_lost(status, body, Delivery::NotDelivered),
        // A service's session may be meant, or the gateway failed half-way.
        500 | 503 if is_session_text(body) => session_lost(status, body, Delivery::MaybeDelivered),
        408 | 504 | 524 => Error::Timeout(transport("")),
        413 | 431 => Error::Limit(TransportFailure {
            delivery: Delivery::NotDelivered,
            ..transport(", the request is too large for the gateway")
        }),
        500..=599 => Error::Upstream(UpstreamFailure {
            http_status: Some(status),
            service: None,
            status: if matches!(status, 502 | 503 | 520..=523 | 530) {
                Status::Unreachable
            } else {
                Status::UpstreamError
            },
            message: transport("").detail,
            delivery: Delivery::MaybeDelivered,
        }),
        _ => return None,
    })
}

/// A session that the peer does not know, or not any more.
#[must_use]
pub fn session_lost(status: u16, body: &str, delivery: Delivery) -> Error {
    Error::SessionLost(SessionLoss { http_status: status, body: body.to_owned(), delivery })
}

/// Texts with which servers say that they do not know the session. Measured ones, and those of user reports (`facts/`).
const SESSION_TEXTS: &[&str] = &[
    "session not found",
    "no valid session id",
    "no valid session id provided",
    "missing session id",
    "invalid session id",
    "invalid or missing session",
    "invalid during session initialization",
    "unknown session",
    "session expired",
    "session has expired",
    "session terminated",
    "session has been terminated",
    "session does not exist",
    "session is closed",
    "session is required",
    "session id is required",
    "session id required",
    // A complaint that names the header is about it.
    "mcp-session-id",
    "client is closing",
    "server not initialized",
];

/// Whether a text says that the session is not known.
#[must_use]
pub fn is_session_text(text: &str) -> bool {
    SESSION_TEXTS.iter().any(|known| contains(text, known))
}

/// The gateway's own words mean that nothing was passed on. A longer text may be about a session of the service.
#[must_use]
pub fn delivery_of_session_text(status: u16, message: &str) -> Delivery {
    let text = message.trim_end_matches('.');
    let text = text.strip_prefix("Bad Request: ").unwrap_or(text);
    let own_words = SESSION_TEXTS.iter().any(|known| text.eq_ignore_ascii_case(known))
        || contains(text, "invalid during session initialization");
    if own_words || matches!(status, 400 | 404) { Delivery::NotDelivered } else { Delivery::MaybeDelivered }
}

const WORDS: &[(Status, &[&str])] = &[
    (
        Status::AuthRequired,
        &["unauthorized", "authentication required", "invalid token", "token expired", "invalid credentials"],
    ),
    (Status::Forbidden, &["forbidden", "access denied", "permission denied"]),
    (Status::RateLimited, &["rate limit", "too many requests"]),
    (
        Status::Unreachable,
        &[
            "connection refused",
            "connection attempts failed",
            "no such host",
            "connection reset",
            "dial tcp",
            "unreachable",
            "econnrefused",
            "enotfound",
            "name or service not known",
            "broken pipe",
            "connection closed",
            "failed to connect",
        ],
    ),
    (Status::Timeout, &["timed out", "timeout", "deadline exceeded"]),
    (Status::Offline, &["offline", "is down", "not running", " down"]),
    (Status::UpstreamError, &["upstream", "bad gateway", "service unavailable", "backend"]),
];

/// The state that the words of a gateway tell of.
#[must_use]
pub fn words(text: &str) -> Option<Status> {
    WORDS.iter().find(|(_, words)| words.iter().any(|word| contains(text, word))).map(|(status, _)| *status)
}

/// Whether a call with this outcome can have run.
#[must_use]
pub fn delivery_of(status: Status, message: &str) -> Delivery {
    let before_sending =
        ["connection refused", "no such host", "econnrefused", "enotfound", "failed to connect", "attempts failed"];
    match status {
        Status::AuthRequired | Status::Forbidden | Status::RateLimited | Status::Disabled | Status::Offline => {
            Delivery::NotDelivered
        }
        Status::Unreachable if before_sending.iter().any(|words| contains(message, words)) => Delivery::NotDelivered,
        _ => Delivery::MaybeDelivered,
    }
}

/// The longest wait that is believed, in seconds. Some write milliseconds, and nobody waits for days.
const LONGEST_WAIT: f64 = 3_600.0;

/// Seconds to wait: `Retry-After`, or what products say instead.
fn retry_after(headers: &Headers, body: &str, now: u64) -> Option<u32> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let seconds = headers
        .get("retry-after")
        .and_then(|value| number(value).or_else(|| until(value, headers.get("date"), now)))
        .or_else(|| headers.get("x-lockout-remaining").and_then(number))
        .or_else(|| field(body, "reset_in_seconds"))
        .or_else(|| field(body, "retry_after"))
        .filter(|seconds| *seconds >= 0.0)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and an hour")]
    Some(seconds.min(LONGEST_WAIT).ceil() as u32)
}

/// Seconds until a date, by the clock of the one who wrote it, or else by ours.
fn until(date: &str, theirs: Option<&str>, ours: u64) -> Option<f64> {
    let now = theirs.and_then(time::http_date).unwrap_or(ours);
    let seconds = time::http_date(date)?.saturating_sub(now);
    Some(u32::try_from(seconds).map_or(LONGEST_WAIT, f64::from))
}

fn field(body: &str, name: &str) -> Option<f64> {
    let value: serde_json::Value = serde_json::from_str(body).ok()?;
    value.get(name)?.as_f64()
}
