//! What a user is told when something fails: a class for programs, one plain sentence, one hint.
//! Takes errors of every layer and gives one shape. Never holds a credential.

use std::time::Duration;

use serde::Serialize;

/// The result of everything that can fail in front of a user.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something failed, for programs. The names are stable: they are `error.class` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The gateway wants a credential, or another one (401).
    AuthRequired,
    /// The credential was good once: its `exp` has passed.
    TokenExpired,
    /// The credential is good and not enough (403).
    Forbidden,
    /// The gateway asked to slow down (429).
    RateLimited,
    /// No answer within the time allowed.
    Timeout,
    /// No connection, or it broke.
    Unreachable,
    /// The host's name has no address.
    Dns,
    /// TLS failed: certificate, protocol.
    Tls,
    /// Something answered, and it is not MCP.
    NotMcp,
    /// MCP, but against its rules.
    ProtocolError,
    /// The session was lost and could not be renewed.
    SessionLost,
    /// A service behind the gateway failed, or the gateway itself (5xx).
    UpstreamError,
    /// The sandbox's policy refused a request.
    EgressDenied,
    /// The component failed: it does not fit, or it trapped.
    Component,
    /// A limit was reached: memory, CPU, size, count.
    Limit,
    /// Configuration or arguments are wrong.
    Config,
    /// A bug of ours.
    Internal,
}

impl Class {
    /// The name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthRequired => "auth_required",
            Self::TokenExpired => "token_expired",
            Self::Forbidden => "forbidden",
            Self::RateLimited => "rate_limited",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::NotMcp => "not_mcp",
            Self::ProtocolError => "protocol_error",
            Self::SessionLost => "session_lost",
            Self::UpstreamError => "upstream_error",
            Self::EgressDenied => "egress_denied",
            Self::Component => "component",
            Self::Limit => "limit",
            Self::Config => "config",
            Self::Internal => "internal",
        }
    }
}

/// A failure as a user meets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// For programs.
    pub class: Class,
    /// One plain sentence that names the offending value.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The service behind the gateway that is to blame, when known.
    pub service: Option<String>,
    /// Seconds to wait before asking again, when the gateway said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl Error {
    /// An error without a hint.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), hint: None, service: None, retry_after: None }
    }

    /// Wrong configuration or arguments.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Class::Config, message)
    }

    /// Says what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says when to come back.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: Option<u32>) -> Self {
        self.retry_after = seconds;
        self
    }

    /// What a gateway may ask for. One that means milliseconds, or years, is asked again in an hour.
    pub const LONGEST_WAIT: Duration = Duration::from_hours(1);

    /// How long the gateway asked to be left alone, as far as that is obeyed.
    #[must_use]
    pub fn asked_to_wait(&self) -> Option<Duration> {
        self.retry_after.map(|seconds| Duration::from_secs(seconds.into()).min(Self::LONGEST_WAIT))
    }

    /// Names the service to blame.
    #[must_use]
    pub fn with_service(mut self, service: Option<String>) -> Self {
        self.service = service;
        self
    }

    /// The process exit code: 2 for usage and configuration, 1 for everything else.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.class == Class::Config { 2 } else { 1 }
    }
}
