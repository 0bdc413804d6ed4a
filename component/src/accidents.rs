//! The usual accidents before a gateway: a Host check, a bot check, the wrong scheme, an unknown path of an API gateway, a proxy that gave up.
//! Takes status, headers and the words of a body; gives a phrase that says what it is. Must not guess: without known words there is none.

use crate::{http::Headers, text::contains};

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
