//! What a user is told when something fails: a class for programs, one plain sentence, one hint.
//! Takes errors of every layer, and what each layer advises; gives one shape, with the layer's own error as its source. Never holds a
//! credential.

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

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

/// What a user is told of a layer's error. Each layer says it in one file, `advice.rs`, beside the type of its errors: what went wrong is
/// data, and says neither how a program should take it nor what to do.
pub trait Advice: StdError + Send + Sync + Sized + 'static {
    /// The class for programs.
    fn class(&self) -> Class;

    /// What to do about it. None: there is nothing to say that is not a guess.
    fn hint(&self) -> Option<String>;

    /// The sentence of it: with its causes, where those are for a user.
    fn message(&self) -> String {
        sentence(self)
    }
}

/// What an error says, and what each of its causes says after it: `cannot read f.json: Permission denied`. The one place where they
/// are put together: the type of an error does not repeat its source.
#[must_use]
pub fn sentence(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error) {
        let said = cause.to_string();
        // Some repeat theirs: a library's, or one that has no words of its own and passes it on.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
    }
    text
}

/// The nearest first.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(error.source(), |error| {
        let error: &'a (dyn StdError + 'static) = *error;
        error.source()
    })
}

/// A failure as a user meets it. Two are equal when nobody who meets them could tell: what they come from does not count.
#[derive(Clone, Debug, Serialize)]
pub struct Error {
    /// For programs.
    pub class: Class,
    /// One plain sentence that names the offending value, causes included.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The service behind the gateway that is to blame, when known.
    pub service: Option<String>,
    /// Seconds to wait before asking again, when the gateway said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// The error of the layer below, for logs and for programs; the message has said it.
    #[serde(skip)]
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.message)
    }
}

/// By hand: derived, the source would be the `Arc`, in which nobody finds the type of the error.
impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| -> &(dyn StdError + 'static) { source.as_ref() })
    }
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        let met = |error: &Self| (error.class, error.retry_after);
        met(self) == met(other)
            && self.message == other.message
            && self.hint == other.hint
            && self.service == other.service
    }
}

impl Eq for Error {}

impl<E: Advice> From<E> for Error {
    fn from(error: E) -> Self {
        Self { hint: error.hint(), ..Self::new(error.class(), error.message()) }.caused_by(error)
    }
}

impl Error {
    /// An error without a hint.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), hint: None, service: None, retry_after: None, source: None }
    }

    /// Wrong configuration or arguments.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Class::Config, message)
    }

    /// Says why: the sentence of the cause goes behind the message, and the cause is kept.
    #[must_use]
    pub fn because(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.message = format!("{}: {}", self.message, sentence(&cause));
        self.caused_by(cause)
    }

    /// Keeps what it comes from, which the message has said already.
    #[must_use]
    pub fn caused_by(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(cause));
        self
    }

    /// The error of this type among those that it comes from.
    #[must_use]
    pub fn find<E: StdError + 'static>(&self) -> Option<&E> {
        self.causes().find_map(|cause| cause.downcast_ref())
    }

    /// What it comes from, the nearest first.
    pub fn causes(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        causes(self)
    }

    /// Says it in other words.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read {file}")]
    struct Unread {
        file: &'static str,
        source: io::Error,
    }

    impl Advice for Unread {
        fn class(&self) -> Class {
            Class::Config
        }

        fn hint(&self) -> Option<String> {
            Some("check it".to_owned())
        }
    }

    fn unread() -> Unread {
        Unread { file: "f.json", source: io::Error::other("the disk is gone") }
    }

    #[test]
    fn an_error_of_a_layer_is_told_with_its_causes_once_and_stays_to_be_found() {
        let error = Error::from(unread());
        assert_eq!(error, Error::config("cannot read f.json: the disk is gone").with_hint("check it"));
        assert_eq!(error.clone().find::<Unread>().map(|unread| unread.file), Some("f.json"));
        assert_eq!(error.find::<io::Error>().map(io::Error::kind), Some(io::ErrorKind::Other));
        assert!(error.find::<fmt::Error>().is_none());
    }

    #[test]
    fn a_cause_that_is_named_later_goes_behind_the_message() {
        let error = Error::config("nothing was changed").because(unread());
        assert_eq!(error.message, "nothing was changed: cannot read f.json: the disk is gone");
        assert_eq!(error.causes().count(), 2);
        // Without its causes it is the same to whoever meets it.
        assert_eq!(error, Error::config(error.message.clone()));
    }

    #[test]
    fn a_cause_that_a_library_repeats_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("no table: {0}")]
        struct Repeats(#[source] io::Error);

        assert_eq!(sentence(&Repeats(io::Error::other("locked"))), "no table: locked");
    }

    #[test]
    fn what_it_comes_from_is_not_in_json() {
        let json = |error: &Error| serde_json::to_string(error).unwrap_or_default();
        let error = Error::from(unread());
        assert_eq!(
            json(&error),
            r#"{"class":"config","message":"cannot read f.json: the disk is gone","hint":"check it","service":null}"#
        );
    }
}
