//! Failures in the words of a user: class, one plain sentence that names the value, one hint.
//! Takes what the component judged and what egress saw; gives an [`Error`]. Never shows a credential, nor a control character.

use std::time::SystemTime;

use url::Url;

use super::{
    convert::{self, phrase},
    remedy,
};
use crate::{
    Class, Deadline, Error,
    config::GatewayConfig,
    egress::EgressFailure,
    gateway::failure::Failure,
    history::span,
    report::{Kind, Status},
    runtime::{Stopped, seconds, types},
    scrub,
};

/// Whether another credential could help.
pub(super) fn is_credential(failure: &types::Failure) -> bool {
    failure.service.is_none()
        && matches!(failure.code, types::FailureCode::AuthRequired | types::FailureCode::TokenExpired)
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
        Failure::Gateway(failure, seen) => judged(&failure, seen.as_deref(), known),
    };
    // Whoever found out knows only its own place.
    let raisable =
        error.class == Class::Timeout && error.hint.as_deref().is_some_and(|hint| hint.contains("allow more"));
    if raisable { error.with_hint(MORE_TIME) } else { error }
}

/// A step that had only what others left of the time says how much that was; whoever waits knows how long all of it was to take.
fn together(error: Error, by: Option<Deadline>) -> Error {
    let (Some(Stopped::Late(had)), Some(by)) = (error.find(), by) else { return error };
    if seconds(*had) == seconds(by.limit()) {
        return error;
    }
    let message = format!("{}, several steps together", Stopped::Late(by.limit()));
    error.with_message(message)
}

fn judged(failure: &types::Failure, seen: Option<&EgressFailure>, known: &Known<'_>) -> Error {
    use types::FailureCode as Code;

    let Known { config, expiry, .. } = *known;
    let lost = |class, what| transport(class, what, failure, seen, config);
    let error = match &failure.code {
        Code::UpstreamError => return upstream(failure, config),
        // Whatever it is, it is the service's.
        _ if failure.service.is_some() => return upstream(failure, config),
        // A credential that has expired, or that there is none of, is no matter of the product's.
        Code::AuthRequired | Code::TokenExpired
            if config.auth.is_none() || expiry.is_some_and(|at| at <= SystemTime::now()) =>
        {
            return credential(failure, config, expiry);
        }
        Code::AuthRequired | Code::TokenExpired => credential(failure, config, expiry),
        Code::Forbidden => forbidden(failure, config),
        Code::Blocked => blocked(failure, config),
        Code::RateLimited => {
            let message = format!("{} asks to slow down{}{}", who(config), status(failure), said(&failure.message));
            Error::new(Class::RateLimited, message)
                .with_hint(remedy::wait(failure.retry_after))
                .with_retry_after(failure.retry_after)
        }
        Code::Timeout => return lost(Class::Timeout, "did not answer in time"),
        Code::Unreachable => return lost(Class::Unreachable, "cannot be reached"),
        Code::Dns => return lost(Class::Dns, "has no address"),
        Code::Tls => return lost(Class::Tls, "failed in TLS"),
        Code::EgressDenied => return lost(Class::EgressDenied, "may not be reached"),
        Code::Limit => return lost(Class::Limit, "sent more than is allowed"),
        Code::NotMcp => return foreign(failure, seen, config),
        Code::ProtocolError => {
            let asked = failure.method.as_deref().map_or_else(String::new, |method| format!(" to {}", phrase(method)));
            let message =
                format!("{} breaks the protocol in its answer{asked}: {}", who(config), phrase(&failure.message));
            Error::new(Class::ProtocolError, message)
                .with_hint("this is the gateway's fault; its version and log may tell more")
        }
        Code::SessionLost => {
            let (again, said) = (known.renewed.words(), said(&failure.message));
            Error::new(Class::SessionLost, format!("{} lost the session{again}{said}", who(config)))
                .with_hint("the gateway may be restarting, or several run behind one address without sharing sessions")
        }
        Code::Rejected => rejected(failure, config),
        Code::Unsupported => {
            let message = format!("the component cannot do this with {}{}", who(config), said(&failure.message));
            Error::new(Class::Component, message)
                .with_hint("`component show` says which component it is; look at \"kind\" in the entry, too")
        }
        Code::Other(what) => {
            let message = format!("{}: {}{}", who(config), phrase(what), said(&failure.message));
            Error::new(Class::UpstreamError, message).with_hint("look into the gateway's log")
        }
    };
    advised(error, failure, config)
}

/// With the component's own advice, where it has one: it knows the product.
fn advised(error: Error, failure: &types::Failure, config: &GatewayConfig) -> Error {
    match advice(failure, config) {
        Some(advice) => error.with_hint(advice),
        None => error,
    }
}

/// What the component says to do. Not about a credential that there is none of.
pub(super) fn advice(failure: &types::Failure, config: &GatewayConfig) -> Option<String> {
    let advice = failure.advice.as_deref()?;
    if advice.contains("{credential}") && config.auth.is_none() {
        return None;
    }
    let advice = scrub::line(advice, 500);
    let advice = advice.replace("{gateway}", &config.name).replace("{credential}", &config.auth.describe());
    Some(scrub::line(&advice, 500)).filter(|advice| !advice.is_empty())
}

/// ` (HTTP 401)`, when there was an answer. A failure that came as text in a good one has no status that says anything.
fn status(failure: &types::Failure) -> String {
    failure.http_status.filter(|status| *status != 200).map_or_else(String::new, |status| format!(" (HTTP {status})"))
}

fn rejected(failure: &types::Failure, config: &GatewayConfig) -> Error {
    let method = failure.method.as_deref().unwrap_or("a request");
    let code = failure.rpc_code().map_or_else(|| "an error".to_owned(), |code| format!("the error {code}"));
    let message = format!("{} answers {} with {code}: {}", who(config), phrase(method), phrase(&failure.message));
    Error::new(Class::ProtocolError, message).with_hint(if method == "tools/call" {
        "check the tool's name and arguments; `tools --json` shows its input_schema"
    } else {
        "the gateway refuses a request that every gateway should know; its version and log may tell more"
    })
}

/// A rule of the gateway stopped the call, or kept its result.
fn blocked(failure: &types::Failure, config: &GatewayConfig) -> Error {
    let (who, words) = (who(config), said(&failure.message));
    let (message, hint) = match failure.delivery {
        types::Delivery::NotDelivered => {
            (format!("{who} blocked the call, which did not run{words}"), "a rule of the gateway stops these arguments")
        }
        types::Delivery::MaybeDelivered => {
            (format!("{who} holds the result back{words}"), "a rule of the gateway stops this result")
        }
    };
    Error::new(Class::Forbidden, message).with_hint(hint)
}

/// 403, or a refusal as text in a good answer (HTTP 200).
fn forbidden(failure: &types::Failure, config: &GatewayConfig) -> Error {
    let (who, words) = (who(config), said(&failure.message));
    let of_a_call = failure.http_status == Some(200) && failure.method.as_deref() == Some("tools/call");
    let message = if of_a_call {
        format!("{who} does not let this credential call tools{words}")
    } else {
        format!("{who} refuses this{}{words}", status(failure))
    };
    Error::new(Class::Forbidden, message).with_hint(if config.auth.is_none() {
        "no credential is configured; give one, for example with --bearer-env VAR".to_owned()
    } else {
        format!(
            "the credential ({}) is known and not allowed to do this; give it the permission, or use another",
            config.auth.describe()
        )
    })
}

/// An answer that is not MCP.
fn foreign(failure: &types::Failure, seen: Option<&EgressFailure>, config: &GatewayConfig) -> Error {
    let url = config.shown();
    let Some(number) = failure.http_status else {
        return seen.map_or_else(
            || {
                Error::new(Class::NotMcp, format!("{url} does not speak HTTP"))
                    .with_hint("check the port, and whether it should be https:// instead")
            },
            |seen| seen.clone().into(),
        );
    };
    let status = format!("HTTP {number}");
    let kind = failure.detail("content-type").map_or_else(String::new, |kind| format!(", {}", phrase(kind)));
    let problem = phrase(&failure.message);
    let body = failure.detail("body").unwrap_or_default();
    // A page is no sentence; everything else that was said, a page's title too, is worth reading.
    let page = body.trim_start().starts_with('<');
    let own = said(body);
    let words = match (problem.as_str(), own.as_str()) {
        (problem, own) if problem == status && (page || own.is_empty()) => String::new(),
        (problem, own) if problem == status => own.to_owned(),
        (problem, _) => format!(": {problem}"),
    };
    let hint = match number {
        500.. => "the server itself fails, or a proxy before it; look at its log",
        300..=399 => &redirect(&problem, &config.url),
        _ => "check the URL: gateways usually answer at a path that ends with /mcp",
    };
    let class = if number >= 500 { Class::UpstreamError } else { Class::NotMcp };
    let error = Error::new(class, format!("{url} does not answer as MCP ({status}{kind}){words}")).with_hint(hint);
    advised(error, failure, config)
}

/// A service's failure, in the words of a user; or the gateway's, when it refuses to ask a service, or fails itself.
pub(super) fn upstream(failure: &types::Failure, config: &GatewayConfig) -> Error {
    let service = failure.service.as_deref();
    let words = scrub::line(failure.message.trim(), 500);
    let state = state_of(failure);
    if service.is_none() && failure.http_status.is_some_and(|status| status >= 500) {
        // The gateway's own answer, or that of a proxy before it: no service said anything.
        let error = Error::new(Class::UpstreamError, format!("{} answers {words}", who(config)))
            .with_hint("the gateway, or a proxy before it, is in trouble: look into its log");
        return advised(error, failure, config);
    }
    if service.is_none() && state == Status::Unknown {
        let error = Error::new(Class::UpstreamError, format!("{} does not call this tool: {words}", who(config)))
            .with_hint(format!("`tools {}` lists what there is now", config.name));
        return advised(error, failure, config);
    }
    let who = service.map_or_else(
        || "a service behind the gateway".to_owned(),
        |name| format!("the service {}", scrub::line(name, 100)),
    );
    let (class, what) = match state {
        Status::AuthRequired => (Class::AuthRequired, "refuses the gateway's credential"),
        Status::Forbidden => (Class::Forbidden, "does not allow this"),
        Status::RateLimited => (Class::RateLimited, "asks to slow down"),
        Status::Timeout => (Class::Timeout, "did not answer in time"),
        Status::Offline | Status::Unreachable => (Class::UpstreamError, "cannot be reached by the gateway"),
        Status::Disabled => (Class::UpstreamError, "is switched off at the gateway"),
        Status::Ok | Status::Degraded | Status::UpstreamError | Status::Unknown => (Class::UpstreamError, "failed"),
    };
    let mut message = format!("{who} {what}");
    if !words.is_empty() {
        message.push_str(": ");
        message.push_str(&words);
    }
    let error = Error::new(class, message)
        .with_hint("the gateway itself answers; look at this service there, or ask who runs it")
        .with_retry_after(failure.retry_after)
        .with_service(service.map(str::to_owned));
    advised(error, failure, config)
}

/// The state of the service that failed so.
pub(super) fn state_of(failure: &types::Failure) -> Status {
    use types::FailureCode as Code;

    failure.service_status.map_or(
        match failure.code {
            Code::AuthRequired | Code::TokenExpired => Status::AuthRequired,
            Code::Forbidden | Code::Blocked => Status::Forbidden,
            Code::RateLimited => Status::RateLimited,
            Code::Timeout => Status::Timeout,
            Code::Unreachable | Code::Dns | Code::Tls => Status::Unreachable,
            Code::UpstreamError => Status::UpstreamError,
            _ => Status::Unknown,
        },
        convert::status,
    )
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
fn credential(failure: &types::Failure, config: &GatewayConfig, expiry: Option<SystemTime>) -> Error {
    let number = failure.http_status.map_or_else(String::new, |status| format!(" (HTTP {status})"));
    let status = format!("{number}{}", said(&failure.message));
    if let Some(ago) = expiry.and_then(|at| SystemTime::now().duration_since(at).ok()) {
        return Error::new(
            Class::TokenExpired,
            format!("the token for {} expired {} ago{status}", who(config), span(ago)),
        )
        .with_hint(format!("get a new one and put it where {} points", config.auth.describe()));
    }
    if config.auth.is_none() {
        return Error::new(Class::AuthRequired, format!("{} wants a credential{status}", who(config)))
            .with_hint("give one, for example with --bearer-env VAR where VAR holds the gateway's token");
    }
    let hint = format!("check the value of {}", config.auth.describe());
    Error::new(Class::AuthRequired, format!("{} refuses the credential{status}", who(config))).with_hint(hint)
}

/// What egress saw says more than what the component was told.
fn transport(
    class: Class,
    what: &str,
    failure: &types::Failure,
    seen: Option<&EgressFailure>,
    config: &GatewayConfig,
) -> Error {
    if let Some(seen) = seen {
        return seen.clone().into();
    }
    let hint = match class {
        Class::Timeout => MORE_TIME,
        Class::Limit => "narrow the request, or raise the limit",
        _ => "check the URL, and that the gateway runs",
    };
    let message = format!("{} {what}: {}", who(config), phrase(&failure.message));
    advised(Error::new(class, message).with_hint(hint), failure, config)
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
#[must_use]
pub fn status_of(class: Class) -> Status {
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
    convert::kind(&session.kind)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::time::Duration;

    use super::*;
    use crate::runtime;

    fn config(url: &str) -> GatewayConfig {
        GatewayConfig::for_url(url).unwrap()
    }

    fn failure(code: types::FailureCode, http_status: u16, message: &str) -> types::Failure {
        types::Failure {
            code,
            delivery: types::Delivery::NotDelivered,
            http_status: (http_status != 0).then_some(http_status),
            retry_after: None,
            service: None,
            service_status: None,
            method: Some("tools/call".to_owned()),
            message: message.to_owned(),
            advice: None,
            details: Vec::new(),
        }
    }

    fn with(failure: types::Failure, config: &GatewayConfig) -> (Class, String, String) {
        let known = Known { config, expiry: None, renewed: Renewed::No, by: None };
        let error = explain(Failure::Gateway(Box::new(failure), None), &known);
        (error.class, error.message, error.hint.unwrap_or_default())
    }

    fn told(failure: types::Failure, url: &str) -> (Class, String, String) {
        with(failure, &config(url))
    }

    #[test]
    fn a_step_that_had_less_than_the_whole_says_how_long_the_whole_was() {
        let config = config("http://127.0.0.1:9/mcp");
        let late = |had, whole| {
            let by = Some(Deadline::within(Duration::from_secs(whole)));
            let known = Known { config: &config, expiry: None, renewed: Renewed::No, by };
            let stopped = runtime::Failure::Host(Stopped::Late(Duration::from_secs(had)));
            explain(stopped.into(), &known)
        };
        let error = late(2, 30);
        assert_eq!(error.message, "no answer within 30 s, several steps together");
        assert_eq!((error.class, error.hint.as_deref()), (Class::Timeout, Some(MORE_TIME)));
        assert_eq!(late(30, 30).message, "no answer within 30 s");
    }

    #[test]
    fn a_refusal_names_what_was_refused_and_what_would_allow_it() {
        use types::FailureCode::{Blocked, Forbidden};

        let (class, message, hint) = told(failure(Forbidden, 200, "Access denied"), "http://f/mcp");
        assert_eq!(class, Class::Forbidden);
        assert_eq!(message, "http://f/mcp does not let this credential call tools: Access denied");
        assert!(hint.starts_with("no credential is configured"), "{hint}");
        let (class, message, hint) = told(failure(Blocked, 200, "a secret"), "http://d/mcp");
        assert_eq!(
            (class, message.as_str()),
            (Class::Forbidden, "http://d/mcp blocked the call, which did not run: a secret")
        );
        assert!(!hint.contains("credential"), "{hint}");
        let delivery = types::Delivery::MaybeDelivered;
        let (_, message, _) = told(types::Failure { delivery, ..failure(Blocked, 200, "a secret") }, "http://d/mcp");
        assert!(message.contains("holds the result back"), "{message}");
        let (_, message, _) = told(failure(Forbidden, 403, r#"{"detail":"Access denied"}"#), "http://f/servers/1/mcp");
        assert_eq!(message, "http://f/servers/1/mcp refuses this (HTTP 403): Access denied");
    }

    #[test]
    fn advice_names_the_credential_and_the_gateway_and_is_not_given_for_a_credential_that_there_is_none_of() {
        use crate::config::{Auth, Method, Template};

        let advised = |text: &str| types::Failure {
            advice: Some(text.to_owned()),
            ..failure(types::FailureCode::AuthRequired, 401, "")
        };
        let mut config = config("http://g/mcp");
        config.name = "acme".to_owned();
        assert!(with(advised("{credential} has to be new"), &config).2.starts_with("give one"));
        assert!(with(advised("restart {gateway}"), &config).2.starts_with("give one"), "there is nothing to refuse");
        config.auth = Auth { method: Method::Bearer { token: Template::variable("ACME_TOKEN") }, headers: Vec::new() };
        assert_eq!(with(advised("restart \u{1b}[31m{gateway}"), &config).2, "restart \u{fffd}[31macme");
        let (_, message, hint) = with(advised("{credential} has to be new"), &config);
        assert_eq!(message, "acme (http://g/mcp) refuses the credential (HTTP 401)");
        assert!(hint.ends_with("has to be new") && hint.contains("ACME_TOKEN"), "{hint}");
    }

    #[test]
    fn a_code_that_no_version_of_this_host_knows_is_told_in_its_own_words() {
        let (class, message, _) =
            told(failure(types::FailureCode::Other("quota exhausted".to_owned()), 0, "ask in May"), "http://g/mcp");
        assert_eq!((class, message.as_str()), (Class::UpstreamError, "http://g/mcp: quota exhausted: ask in May"));
        let (class, message, _) = told(failure(types::FailureCode::Unsupported, 0, "no such thing"), "http://g/mcp");
        assert_eq!(class, Class::Component);
        assert_eq!(message, "the component cannot do this with http://g/mcp: no such thing");
    }

    #[test]
    fn what_a_service_refuses_is_the_services_whatever_the_code() {
        let refused = failure(types::FailureCode::AuthRequired, 200, "sign in");
        let (class, message, _) = told(types::Failure { service: Some("crm".to_owned()), ..refused }, "http://g/mcp");
        assert_eq!(class, Class::AuthRequired);
        assert_eq!(message, "the service crm refuses the gateway's credential: sign in");
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
            let details = [("content-type", kind), ("body", body)];
            let details = details.into_iter().filter(|(_, text)| !text.is_empty());
            types::Failure {
                details: details.map(|(name, text)| (name.to_owned(), text.to_owned())).collect(),
                ..failure(types::FailureCode::NotMcp, http_status, problem)
            }
        };
        let (_, message, hint) = told(
            answer(404, "application/json", "no such server", r#"{"detail":"Server not found"}"#),
            "http://f/servers/abc/mcp",
        );
        assert_eq!(
            message,
            "http://f/servers/abc/mcp does not answer as MCP (HTTP 404, application/json): no such server"
        );
        assert!(hint.contains("check the URL"), "{hint}");
        let (_, message, _) =
            told(answer(400, "application/json", "HTTP 400", r#"{"error":{"message":"no tenant"}}"#), "http://g/mcp");
        assert_eq!(message, "http://g/mcp does not answer as MCP (HTTP 400, application/json): no tenant");
        let (_, message, _) = told(answer(404, "text/html", "HTTP 404", "<html>lost"), "http://g/mcp");
        assert_eq!(message, "http://g/mcp does not answer as MCP (HTTP 404, text/html)");
        let (class, message, _) = told(answer(0, "", "what answers does not speak HTTP: x", ""), "http://g/mcp");
        assert_eq!((class, message.as_str()), (Class::NotMcp, "http://g/mcp does not speak HTTP"));
    }
}
