//! Failures in the words of a user: class, one plain sentence that names the value, one hint.
//! Takes what the component judged and what egress saw; gives an [`Error`]. Never shows a credential, nor a control character.

use std::time::SystemTime;

use url::Url;

use super::{
    call::upstream,
    convert::{self, phrase},
    remedy,
};
use crate::{
    Class, Deadline, Error,
    config::GatewayConfig,
    egress::EgressFailure,
    history::span,
    report::Kind,
    runtime::{Failure, seconds, types},
};

/// Whether another credential could help.
pub(super) fn is_credential(error: &types::Error) -> bool {
    matches!(error, types::Error::AuthRequired(_) | types::Error::TokenExpired(_))
}

/// Whether a new session was opened before the failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Renewed {
    /// It was.
    Yes,
    /// It was not.
    #[default]
    No,
}

impl Renewed {
    fn words(self) -> &'static str {
        match self {
            Self::Yes => ", again after a new one was opened",
            Self::No => "",
        }
    }
}

/// What is known beside the failure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub(super) config: &'a GatewayConfig,
    /// When the credential ends.
    pub(super) expiry: Option<SystemTime>,
    pub(super) renewed: Renewed,
    /// What the whole of it had.
    pub(super) by: Option<Deadline>,
}

/// Both places: pflow gives up by itself, whatever the entry allows.
pub(super) const MORE_TIME: &str = "allow more with --timeout, or \"timeout\" in the entry's \"gateway\", or look into the \
    gateway's log; a step of a pflow workflow needs its parameter timeout longer than that, too";

pub(super) fn explain(failure: Failure, known: &Known<'_>) -> Error {
    let error = match failure {
        Failure::Host(error) => together(error, known.by),
        Failure::Gateway(error, seen) => judged(error, seen.as_deref(), known),
    };
    // Whoever found out knows only its own place.
    let raisable =
        error.class == Class::Timeout && error.hint.as_deref().is_some_and(|hint| hint.contains("allow more"));
    if raisable { error.with_hint(MORE_TIME) } else { error }
}

/// A step that had only what others left of the time says how much that was; whoever waits knows how long all of it was to take.
fn together(error: Error, by: Option<Deadline>) -> Error {
    const SAID: &str = "no answer within ";
    let Some(by) = by.filter(|_| error.class == Class::Timeout && error.message.starts_with(SAID)) else {
        return error;
    };
    let message = format!("{SAID}{}", seconds(by.limit()));
    if message == error.message {
        return error;
    }
    Error { message: format!("{message}, several steps together"), ..error }
}

fn judged(error: types::Error, seen: Option<&EgressFailure>, known: &Known<'_>) -> Error {
    let Known { config, expiry, .. } = *known;
    match error {
        types::Error::AuthRequired(refusal) | types::Error::TokenExpired(refusal) => {
            credential(&refusal, config, expiry)
        }
        types::Error::Forbidden(refusal) => forbidden(&refusal, config),
        types::Error::RateLimited(limit) => Error::new(
            Class::RateLimited,
            format!("{} asks to slow down (HTTP {}){}", who(config), limit.http_status, said(&limit.body)),
        )
        .with_hint(remedy::wait(limit.retry_after))
        .with_retry_after(limit.retry_after),
        types::Error::Timeout(lost) => transport(Class::Timeout, "did not answer in time", &lost, seen, config),
        types::Error::Unreachable(lost) => transport(Class::Unreachable, "cannot be reached", &lost, seen, config),
        types::Error::Dns(lost) => transport(Class::Dns, "has no address", &lost, seen, config),
        types::Error::Tls(lost) => transport(Class::Tls, "failed in TLS", &lost, seen, config),
        types::Error::EgressDenied(lost) => transport(Class::EgressDenied, "may not be reached", &lost, seen, config),
        types::Error::Limit(lost) => transport(Class::Limit, "sent more than is allowed", &lost, seen, config),
        types::Error::NotMcp(answer) => foreign(&answer, seen, config),
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
            format!("{} lost the session{}{}", who(config), known.renewed.words(), said(&loss.body)),
        )
        .with_hint("the gateway may be restarting, or several run behind one address without sharing sessions"),
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
        // The gateway's own answer, or that of a proxy before it: no service said anything.
        types::Error::UpstreamError(failure) if failure.service.is_none() && failure.message.starts_with("HTTP ") => {
            Error::new(Class::UpstreamError, format!("{} answers {}", who(config), phrase(&failure.message)))
                .with_hint("the gateway, or a proxy before it, is in trouble: look into its log")
        }
        types::Error::UpstreamError(failure) => upstream(&failure, config),
    }
}

/// 403, or a refusal as text in a good answer (HTTP 200).
fn forbidden(refusal: &types::Refusal, config: &GatewayConfig) -> Error {
    let who = who(config);
    let words = said(&refusal.body);
    let error = |message: String| Error::new(Class::Forbidden, message);
    let is = |text: &str| refusal.body.to_ascii_lowercase().contains(text);
    if refusal.http_status == 200 && is("a secret is being passed") {
        return error(format!("{who} blocked the call, which did not run{words}")).with_hint(
            "Docker's gateway takes an argument for a secret; leave it out, or, if it is none, start the gateway with --block-secrets=false",
        );
    }
    if refusal.http_status == 200 && is("a secret is being returned") {
        return error(format!("{who} holds the result back; the tool has run{words}")).with_hint(
            "Docker's gateway takes a part of the result for a secret; ask the tool for less, or, if it is none, start the gateway with --block-secrets=false",
        );
    }
    if refusal.http_status == 200 && is("access denied") {
        return error(format!("{who} does not let this credential call tools{words}")).with_hint(format!(
            "in ContextForge the token needs the permission tools.execute; {} points to it",
            config.auth.describe()
        ));
    }
    let status = if refusal.http_status == 200 { String::new() } else { format!(" (HTTP {})", refusal.http_status) };
    let error = error(format!("{who} refuses this{status}{words}"));
    if let Some(remedy) = remedy::usual(&refusal.body, config) {
        return error.with_hint(remedy);
    }
    error.with_hint(if config.auth.is_none() {
        "no credential is configured; give one, for example with --bearer-env VAR".to_owned()
    } else if is("access denied") && is_virtual_server(config) {
        format!(
            "in ContextForge: the token ({}) is for another virtual server, or lacks a permission; make one for the server in the URL",
            config.auth.describe()
        )
    } else {
        format!(
            "the credential ({}) is known and not allowed to do this; give it the permission, or use another",
            config.auth.describe()
        )
    })
}

/// Whether the URL has the shape of a `ContextForge` virtual server.
fn is_virtual_server(config: &GatewayConfig) -> bool {
    config.url.path().contains("/servers/")
}

/// An answer that is not MCP.
fn foreign(answer: &types::ForeignAnswer, seen: Option<&EgressFailure>, config: &GatewayConfig) -> Error {
    let url = config.shown();
    if answer.http_status == 0 {
        return seen.map_or_else(
            || {
                Error::new(Class::NotMcp, format!("{url} does not speak HTTP"))
                    .with_hint("check the port, and whether it should be https:// instead")
            },
            Into::into,
        );
    }
    let status = format!("HTTP {}", answer.http_status);
    let kind = answer.content_type.as_deref().map_or_else(String::new, |kind| format!(", {}", phrase(kind)));
    let problem = phrase(&answer.problem);
    // A page is no sentence; everything else that was said, a page's title too, is worth reading.
    let page = answer.body.trim_start().starts_with('<');
    let own = said(&answer.body);
    let words = match (problem.as_str(), own.as_str()) {
        (problem, own) if problem == status && (page || own.is_empty()) => String::new(),
        (problem, own) if problem == status => own.to_owned(),
        (problem, _) => format!(": {problem}"),
    };
    let hint = match answer.http_status {
        500.. => "the server itself fails, or a proxy before it; look at its log",
        300..=399 if problem.ends_with("/sse, which is not followed") => {
            "Docker's gateway was started with --transport sse, which is not spoken here: start it with --transport streaming"
        }
        300..=399 => &redirect(&problem, &config.url),
        404 if is_virtual_server(config) => {
            "check the id in the URL: ContextForge's admin page, or GET /v1/servers with an administrator's token, lists the virtual servers"
        }
        _ if problem.contains("HTTP+SSE") => {
            "Docker's gateway speaks Streamable HTTP with --transport streaming, FastMCP with transport=\"http\""
        }
        _ => "check the URL: gateways usually answer at a path that ends with /mcp",
    };
    let hint = remedy::usual(&problem, config).unwrap_or_else(|| hint.to_owned());
    let class = if answer.http_status >= 500 { Class::UpstreamError } else { Class::NotMcp };
    Error::new(class, format!("{url} does not answer as MCP ({status}{kind}){words}")).with_hint(hint)
}

/// What to do about a redirect that is not followed: the URL that a person should use.
fn redirect(problem: &str, url: &Url) -> String {
    let target =
        problem.split_once("a redirect to ").and_then(|(_, rest)| rest.strip_suffix(", which is not followed"));
    let next = target.and_then(|target| url.join(target).ok()).map(|mut next| {
        next.set_query(None);
        next.set_fragment(None);
        next
    });
    let Some(next) = next else { return "use the URL of the gateway itself".to_owned() };
    let bare = |url: &Url| url.path().trim_end_matches('/').to_owned();
    let same_host = next.host() == url.host();
    if next.origin() == url.origin() || (same_host && next.scheme() == "https") {
        format!("use the URL that it redirects to: {next}")
    } else if bare(&next) == bare(url) && next.path() != url.path() {
        // A proxy's redirect to the address inside, for a slash. The address is not for us.
        let mut own = url.clone();
        own.set_path(next.path());
        own.set_query(None);
        let what = if next.path().ends_with('/') { "add the slash to" } else { "take the slash off" };
        format!("{what} your URL: {own}")
    } else {
        format!("if {next} is the gateway's own address, use it as the URL: credentials are never sent to another one")
    }
}

/// 401. Whether the token has expired the gateway cannot tell, but the host can: it reads `exp`.
fn credential(refusal: &types::Refusal, config: &GatewayConfig, expiry: Option<SystemTime>) -> Error {
    let status = format!("(HTTP {}){}", refusal.http_status, said(&refusal.body));
    if let Some(ago) = expiry.and_then(|at| SystemTime::now().duration_since(at).ok()) {
        return Error::new(
            Class::TokenExpired,
            format!("the token for {} expired {} ago {status}", who(config), span(ago)),
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
    if let Some(remedy) = remedy::usual(&lost.detail, config) {
        return Error::new(class, format!("{} {what}: {}", who(config), phrase(&lost.detail))).with_hint(remedy);
    }
    let hint = match class {
        Class::Timeout => MORE_TIME,
        Class::Limit => "narrow the request, or raise the limit",
        _ => "check the URL, and that the gateway runs",
    };
    Error::new(class, format!("{} {what}: {}", who(config), phrase(&lost.detail))).with_hint(hint)
}

pub(super) fn who(config: &GatewayConfig) -> String {
    let url = config.shown();
    if config.name == url || url.starts_with(&config.name) {
        url.to_owned()
    } else {
        format!("{} ({url})", config.name)
    }
}

/// `: ` and what a body says; of JSON the member that is meant for people.
fn said(body: &str) -> String {
    let words = phrase(&sentence(body.trim()));
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

fn sentence(body: &str) -> std::borrow::Cow<'_, str> {
    use serde_json::Value;

    let parsed = if body.starts_with('{') { serde_json::from_str::<Value>(body).ok() } else { None };
    let found = parsed.as_ref().and_then(|value| {
        ["detail", "message", "error_description", "error"].iter().find_map(|name| match value.get(name) {
            Some(Value::String(words)) => Some(words.clone()),
            Some(Value::Object(inner)) => inner.get("message").and_then(Value::as_str).map(str::to_owned),
            _ => None,
        })
    });
    found.map_or(std::borrow::Cow::Borrowed(body), std::borrow::Cow::Owned)
}

/// The state of a gateway that failed with this class.
pub(crate) fn status_of(class: Class) -> crate::report::Status {
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
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    fn config(url: &str) -> GatewayConfig {
        GatewayConfig::for_url(url).unwrap()
    }

    fn refusal(http_status: u16, body: &str) -> types::Error {
        let delivery = types::Delivery::NotDelivered;
        types::Error::Forbidden(types::Refusal { http_status, challenge: None, body: body.to_owned(), delivery })
    }

    fn told(error: types::Error, url: &str) -> (Class, String, String) {
        let config = config(url);
        let known = Known { config: &config, expiry: None, renewed: Renewed::No, by: None };
        let error = explain(Failure::Gateway(error, None), &known);
        (error.class, error.message, error.hint.unwrap_or_default())
    }

    #[test]
    fn a_refusal_names_what_was_refused_and_what_would_allow_it() {
        let (class, message, hint) = told(refusal(200, "Access denied"), "http://f/servers/1/mcp");
        assert_eq!(class, Class::Forbidden);
        assert_eq!(message, "http://f/servers/1/mcp does not let this credential call tools: Access denied");
        assert!(hint.contains("tools.execute"), "{hint}");
        let (_, message, hint) = told(refusal(200, "a secret is being passed to tool x"), "http://d/mcp");
        assert!(message.contains("blocked the call, which did not run"), "{message}");
        assert!(hint.contains("--block-secrets=false") && !hint.contains("credential"), "{hint}");
        let (_, message, hint) = told(refusal(200, "a secret is being returned by the x tool"), "http://d/mcp");
        assert!(message.contains("the tool has run"), "{message}");
        assert!(hint.contains("--block-secrets=false"), "{hint}");
        let (_, message, _) = told(refusal(403, r#"{"detail":"Access denied"}"#), "http://f/servers/1/mcp");
        assert_eq!(message, "http://f/servers/1/mcp refuses this (HTTP 403): Access denied");
    }

    #[test]
    fn a_redirect_that_is_not_followed_names_the_url_that_a_person_should_use() {
        let url = Url::parse("https://gw.example/mcp").unwrap();
        let hint = |target: &str| redirect(&format!("HTTP 301, a redirect to {target}, which is not followed"), &url);
        for (target, says) in [
            ("http://127.0.0.1:8080/mcp/", "add the slash to your URL: https://gw.example/mcp/"),
            ("/v2/mcp?key=hidden", "use the URL that it redirects to: https://gw.example/v2/mcp"),
            ("https://gw.example:8443/mcp", "use the URL that it redirects to: https://gw.example:8443/mcp"),
            ("https://login.example/?next=mcp", "if https://login.example/ is the gateway's own address"),
        ] {
            assert!(hint(target).starts_with(says), "{target}: {}", hint(target));
        }
        assert_eq!(redirect("HTTP 304", &url), "use the URL of the gateway itself");
    }

    #[test]
    fn an_answer_that_is_no_mcp_is_quoted_unless_it_is_a_page() {
        let answer = |http_status, kind: &str, problem: &str, body: &str| {
            types::Error::NotMcp(types::ForeignAnswer {
                http_status,
                content_type: (!kind.is_empty()).then(|| kind.to_owned()),
                problem: problem.to_owned(),
                body: body.to_owned(),
                delivery: types::Delivery::NotDelivered,
            })
        };
        let (_, message, hint) = told(
            answer(
                404,
                "application/json",
                "ContextForge knows no virtual server of this id",
                r#"{"detail":"Server not found"}"#,
            ),
            "http://f/servers/abc/mcp",
        );
        assert_eq!(
            message,
            "http://f/servers/abc/mcp does not answer as MCP (HTTP 404, application/json): ContextForge knows no virtual server of this id"
        );
        assert!(hint.contains("check the id in the URL"), "{hint}");
        let (_, message, _) =
            told(answer(400, "application/json", "HTTP 400", r#"{"error":{"message":"no tenant"}}"#), "http://g/mcp");
        assert_eq!(message, "http://g/mcp does not answer as MCP (HTTP 400, application/json): no tenant");
        let (_, message, _) = told(answer(404, "text/html", "HTTP 404", "<html>lost"), "http://g/mcp");
        assert_eq!(message, "http://g/mcp does not answer as MCP (HTTP 404, text/html)");
        let (class, message, _) = told(answer(0, "", "what answers does not speak HTTP: x", ""), "http://g/mcp");
        assert_eq!((class, message.as_str()), (Class::NotMcp, "http://g/mcp does not speak HTTP"));
    }
}
