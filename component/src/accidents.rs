//! The usual accidents before a gateway: a Host check, a bot check, the wrong scheme, an unknown path of an API gateway, a proxy that gave up.
//! Takes status, headers and the words of a body; gives a phrase that says what it is, and later what to do about it. Must not guess: without
//! known words there is none.

use crate::{http::Headers, model::Error, text::contains};

/// What a refusal is, when it comes from what stands before the gateway or from a check that has nothing to do with MCP.
#[must_use]
pub fn name(status: u16, headers: &Headers, body: &str) -> Option<String> {
    let says = |words: &[&str]| words.iter().any(|word| contains(body, word));
    let challenged = headers.get("cf-mitigated").is_some_and(|value| value.eq_ignore_ascii_case("challenge"));
    let refused = matches!(status, 400..=499 | 503);
    if challenged || (refused && says(BOT_CHECKS)) {
        return Some("a bot check stands before the gateway".to_owned());
    }
    if status == 421 || (matches!(status, 400 | 403) && says(HOST_CHECKS)) {
        return Some("the gateway does not take the host name in this URL".to_owned());
    }
    if refused && says(HTTPS_PORTS) {
        return Some("this port wants https://".to_owned());
    }
    // AWS says so of a path or a stage that does not exist; others mean the token.
    let aws = headers.get("x-amzn-errortype").is_some_and(|kind| contains(kind, "missingauthenticationtoken"));
    if status == 403 && (aws || body == r#"{"message":"Missing Authentication Token"}"#) {
        return Some("the API gateway before it knows no such path".to_owned());
    }
    let who = match status {
        504 => "a proxy, or the gateway itself,",
        522 | 524 => "a proxy before the gateway",
        _ => return None,
    };
    let after = seconds(body).map(|seconds| format!(" after {seconds} s")).unwrap_or_default();
    Some(format!("{who} gave up waiting{after}"))
}

/// What to do about an accident that a failure names.
#[must_use]
pub fn advice(error: &Error, url: &str) -> Option<String> {
    let words = match error {
        Error::Forbidden(refusal) => &refusal.body,
        Error::NotMcp(answer) => &answer.problem,
        Error::Timeout(lost) | Error::Unreachable(lost) | Error::Limit(lost) => &lost.detail,
        Error::Upstream(failure) if failure.service.is_none() => &failure.message,
        _ => return None,
    };
    let (host, path) = place(url);
    let names = |accident: &str| words.contains(accident);
    Some(if names("a bot check stands before the gateway") {
        "let this client through there, by its address or a token of that service, or use an address of the gateway that is not behind the check"
            .to_owned()
    } else if names("does not take the host name in this URL") {
        format!(
            "the Host header is \"{host}\", as in the URL: add it to the gateway's allowed hosts, or use a name that is allowed there"
        )
    } else if names("this port wants https://") {
        format!("write https:// in the URL: https://{host}{path}")
    } else if names("the API gateway before it knows no such path") {
        format!("check the path and the stage in the URL: AWS answers so to a path that does not exist, here {path}")
    } else if names("gave up waiting") {
        "a longer --timeout does not help: raise the time limit of the proxy or of the gateway, or ask the tool for less"
            .to_owned()
    } else {
        return None;
    })
}

/// Host, with its port where there is one, and path of a URL.
fn place(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    rest.find('/').map_or((rest, "/"), |at| rest.split_at(at))
}

/// Cloudflare's pages, and what those of others have in common.
const BOT_CHECKS: &[&str] = &[
    "just a moment",
    "attention required! | cloudflare",
    "checking your browser",
    "enable javascript and cookies to continue",
    "are you a robot",
    "captcha",
    "ddos protection by",
];

/// MCP's SDKs, Django, webpack and others against DNS rebinding.
const HOST_CHECKS: &[&str] = &[
    "invalid host header",
    "host header",
    "host not allowed",
    "invalid host",
    "host is not allowed",
    "disallowedhost",
    "misdirected request",
    "dns rebinding",
    "not in allowed hosts",
];

/// nginx, Go, Apache, Tomcat, `HAProxy`.
const HTTPS_PORTS: &[&str] = &[
    "plain http request was sent to https port",
    "client sent an http request to an https server",
    "speaking plain http to an ssl-enabled server port",
    "combination of host and port requires tls",
    "this is an https port",
];

/// The first number of seconds that a text names: `timed out after 60 seconds`, `within 30s`.
fn seconds(text: &str) -> Option<u32> {
    let mut rest = text;
    loop {
        let from = rest.find(|c: char| c.is_ascii_digit())?;
        let number = rest.get(from..)?;
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        let (digits, after) = number.split_at(end);
        let unit = after.trim_start();
        let unit = unit.get(..unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len())).unwrap_or_default();
        if matches!(unit.to_ascii_lowercase().as_str(), "s" | "sec" | "secs" | "second" | "seconds") {
            return digits.parse().ok();
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(status: u16, body: &str) -> String {
        name(status, &Headers::default(), body).unwrap_or_default()
    }

    #[test]
    fn every_accident_has_a_remedy_that_names_the_value() {
        let url = "http://gw.example:8080/prod/mcp?key=1";
        let hint = |words: &str| {
            let (detail, delivery) = (words.to_owned(), crate::model::Delivery::MaybeDelivered);
            let lost = crate::model::TransportFailure { detail, delivery };
            advice(&Error::Timeout(lost), url).unwrap_or_default()
        };
        assert!(hint("HTTP 421: the gateway does not take the host name in this URL").contains("\"gw.example:8080\""));
        assert!(hint("this port wants https://: 400").ends_with("https://gw.example:8080/prod/mcp"));
        assert!(hint("the API gateway before it knows no such path").ends_with("here /prod/mcp"));
        assert!(hint("a bot check stands before the gateway: Just a moment").contains("let this client through"));
        assert!(hint("HTTP 524: a proxy before the gateway gave up waiting").contains("proxy"));
        assert_eq!(hint("HTTP 403: no"), "");
    }

    #[test]
    fn what_stands_before_a_gateway_is_named() {
        assert_eq!(named(421, ""), "the gateway does not take the host name in this URL");
        assert_eq!(named(403, "Invalid Host header"), "the gateway does not take the host name in this URL");
        assert_eq!(named(403, "Just a moment..."), "a bot check stands before the gateway");
        let challenge = Headers::new(vec![("CF-Mitigated".to_owned(), "challenge".to_owned())]);
        assert_eq!(name(403, &challenge, "x").as_deref(), Some("a bot check stands before the gateway"));
        assert_eq!(named(400, "400 The plain HTTP request was sent to HTTPS port"), "this port wants https://");
        assert_eq!(named(400, "Client sent an HTTP request to an HTTPS server."), "this port wants https://");
        assert_eq!(
            named(403, "{\"message\":\"Missing Authentication Token\"}"),
            "the API gateway before it knows no such path"
        );
    }

    #[test]
    fn a_proxy_that_gave_up_says_after_how_long_when_it_does() {
        assert_eq!(named(504, "504 Gateway Time-out"), "a proxy, or the gateway itself, gave up waiting");
        let timed = named(504, "HTTP 504: upstream timed out after 60 seconds");
        assert_eq!(timed, "a proxy, or the gateway itself, gave up waiting after 60 s");
        assert_eq!(named(524, "no answer within 100s"), "a proxy before the gateway gave up waiting after 100 s");
    }

    #[test]
    fn what_has_no_known_words_has_no_name() {
        assert_eq!(named(403, "Access denied"), "");
        assert_eq!(named(400, "bad request"), "");
        assert_eq!(named(500, "captcha service failed"), "");
        assert_eq!(named(200, "Just a moment"), "");
    }
}
