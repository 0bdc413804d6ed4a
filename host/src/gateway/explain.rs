//! Failures in the words of a user: class, one plain sentence that names the value, one hint.
//! Takes what the component judged and what egress saw; gives an [`Error`]. Never shows a credential, nor a control character.

use std::time::SystemTime;

use super::{
    call::upstream,
    convert::{self, phrase},
};
use crate::{
    Class, Error,
    config::GatewayConfig,
    egress::EgressFailure,
    report::Kind,
    runtime::{Failure, types},
};

/// Whether another credential could help.
pub(super) fn is_credential(error: &types::Error) -> bool {
    matches!(error, types::Error::AuthRequired(_) | types::Error::TokenExpired(_))
}

pub(super) fn explain(failure: Failure, config: &GatewayConfig, expiry: Option<SystemTime>) -> Error {
    match failure {
        Failure::Host(error) => error,
        Failure::Gateway(error, seen) => judged(error, seen.as_deref(), config, expiry),
    }
}

fn judged(
    error: types::Error,
    seen: Option<&EgressFailure>,
    config: &GatewayConfig,
    expiry: Option<SystemTime>,
) -> Error {
    let url = &config.url;
    match error {
        types::Error::AuthRequired(refusal) | types::Error::TokenExpired(refusal) => {
            credential(&refusal, config, expiry)
        }
        types::Error::Forbidden(refusal) => Error::new(
            Class::Forbidden,
            format!("{} refuses this (HTTP {}){}", who(config), refusal.http_status, said(&refusal.body)),
        )
        .with_hint(if config.auth.is_none() {
            "no credential is configured; give one, for example with --bearer-env VAR".to_owned()
        } else {
            format!(
                "the credential ({}) is known and not allowed to do this; give it the permission, or use another",
                config.auth.describe()
            )
        }),
        types::Error::RateLimited(limit) => {
            let wait = limit.retry_after.map_or_else(|| "a minute".to_owned(), |seconds| format!("{seconds} s"));
            Error::new(
                Class::RateLimited,
                format!("{} asks to slow down (HTTP {}){}", who(config), limit.http_status, said(&limit.body)),
            )
            .with_hint(format!("wait {wait}; asking again before that can lock the address out"))
            .with_retry_after(limit.retry_after)
        }
        types::Error::Timeout(lost) => transport(Class::Timeout, "did not answer in time", &lost, seen, config),
        types::Error::Unreachable(lost) => transport(Class::Unreachable, "cannot be reached", &lost, seen, config),
        types::Error::Dns(lost) => transport(Class::Dns, "has no address", &lost, seen, config),
        types::Error::Tls(lost) => transport(Class::Tls, "failed in TLS", &lost, seen, config),
        types::Error::EgressDenied(lost) => transport(Class::EgressDenied, "may not be reached", &lost, seen, config),
        types::Error::Limit(lost) => transport(Class::Limit, "sent more than is allowed", &lost, seen, config),
        types::Error::NotMcp(answer) => {
            let kind = answer.content_type.as_deref().map_or_else(String::new, |kind| format!(", {}", phrase(kind)));
            let hint = if answer.http_status >= 500 {
                "the server itself fails, or a proxy before it; look at its log"
            } else {
                "check the URL: gateways usually answer at a path that ends with /mcp"
            };
            let class = if answer.http_status >= 500 { Class::UpstreamError } else { Class::NotMcp };
            Error::new(
                class,
                format!(
                    "{url} does not answer as MCP (HTTP {}{kind}): {}",
                    answer.http_status,
                    phrase(&answer.problem)
                ),
            )
            .with_hint(hint)
        }
        types::Error::ProtocolError(problem) => Error::new(
            Class::ProtocolError,
            format!(
                "{} breaks the protocol in its answer to {}: {}",
                who(config),
                phrase(&problem.method),
                phrase(&problem.problem)
            ),
        )
        .with_hint("this is the gateway's fault; its version and log may tell more"),
        types::Error::SessionLost(loss) => Error::new(
            Class::SessionLost,
            format!("{} lost the session, again after a new one was opened{}", who(config), said(&loss.body)),
        )
        .with_hint(
            "the gateway may be restarting, or several run behind one address without sharing sessions; try again",
        ),
        types::Error::Rejected(error) => Error::new(
            Class::ProtocolError,
            format!(
                "{} answers {} with the error {}: {}",
                who(config),
                phrase(&error.method),
                error.code,
                phrase(&error.message)
            ),
        )
        .with_hint(if error.method == "tools/call" {
            "check the tool's name and arguments; `tools --json` shows its input_schema"
        } else {
            "the gateway refuses a request that every gateway should know; its version and log may tell more"
        }),
        types::Error::UpstreamError(failure) => upstream(&failure, None),
    }
}

/// 401. Whether the token has expired the gateway cannot tell, but the host can: it reads `exp`.
fn credential(refusal: &types::Refusal, config: &GatewayConfig, expiry: Option<SystemTime>) -> Error {
    let status = format!("(HTTP {}){}", refusal.http_status, said(&refusal.body));
    if let Some(ago) = expiry.and_then(|at| SystemTime::now().duration_since(at).ok()) {
        return Error::new(
            Class::TokenExpired,
            format!("the token for {} expired {} ago {status}", who(config), span(ago.as_secs())),
        )
        .with_hint(format!("get a new one and put it where {} points", config.auth.describe()));
    }
    if config.auth.is_none() {
        return Error::new(Class::AuthRequired, format!("{} wants a credential {status}", who(config)))
            .with_hint("give one, for example with --bearer-env VAR where VAR holds the gateway's token");
    }
    let hint = match config.kind {
        Some(Kind::Docker) => format!(
            "{} must hold the gateway's token; Docker's gateway makes a new one at each start unless MCP_GATEWAY_AUTH_TOKEN is set for it",
            config.auth.describe()
        ),
        _ => format!("check the value of {}", config.auth.describe()),
    };
    Error::new(Class::AuthRequired, format!("{} refuses the credential {status}", who(config))).with_hint(hint)
}

/// What egress saw says more than what the component was told.
fn transport(
    class: Class,
    what: &str,
    lost: &types::TransportFailure,
    seen: Option<&EgressFailure>,
    config: &GatewayConfig,
) -> Error {
    if let Some(seen) = seen {
        return seen.into();
    }
    let hint = match class {
        Class::Timeout => "try again, or allow more with --timeout or \"timeout\" in the entry",
        Class::Limit => "narrow the request, or raise the limit",
        _ => "check the URL, and that the gateway runs",
    };
    Error::new(class, format!("{} {what}: {}", who(config), phrase(&lost.detail))).with_hint(hint)
}

fn who(config: &GatewayConfig) -> String {
    let url = config.url.as_str();
    if config.name == url || url.starts_with(&config.name) {
        url.to_owned()
    } else {
        format!("{} ({url})", config.name)
    }
}

fn said(body: &str) -> String {
    let body = phrase(body.trim());
    if body.is_empty() { String::new() } else { format!(": {body}") }
}

/// `4 minutes`, `2 days`.
fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// The state of a gateway that failed with this class.
pub(super) fn status_of(class: Class) -> crate::report::Status {
    use crate::report::Status;
    match class {
        Class::AuthRequired | Class::TokenExpired => Status::AuthRequired,
        Class::Forbidden => Status::Forbidden,
        Class::RateLimited => Status::RateLimited,
        Class::Timeout => Status::Timeout,
        Class::Unreachable | Class::Dns | Class::Tls => Status::Unreachable,
        Class::NotMcp | Class::ProtocolError | Class::SessionLost | Class::UpstreamError => Status::UpstreamError,
        Class::EgressDenied | Class::Component | Class::Limit | Class::Config | Class::Internal => Status::Unknown,
    }
}

/// The kind that the component found, or the user said.
pub(super) fn kind_of(session: &types::Session) -> Kind {
    convert::kind(session.kind)
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_are_said_in_the_largest_unit_that_is_not_coarse() {
        assert_eq!(span(1), "1 second");
        assert_eq!(span(119), "119 seconds");
        assert_eq!(span(240), "4 minutes");
        assert_eq!(span(7_200), "2 hours");
        assert_eq!(span(200_000), "2 days");
    }
}
