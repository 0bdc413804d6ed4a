//! What goes over the wire, for `-vv`: a request and an answer in a line each.
//! Takes heads; gives words. Never a value that may be a secret: of all headers but some that MCP itself defines only the name is said, and
//! of a body only its size and what it asks for.

use std::fmt::Write as _;

use http::{HeaderMap, Method, StatusCode};

use super::Origin;
use pflow_gateway_base::scrub;

/// Headers whose values are the protocol's own words.
const PLAIN: [&str; 8] = [
    "accept",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-type",
    "mcp-method",
    "mcp-protocol-version",
    "retry-after",
];
/// Of a value.
const VALUE: usize = 100;

/// A request before anything of the host's own is in it.
pub(super) fn request(method: &Method, origin: &Origin, headers: &HeaderMap, asks: Option<&str>, bytes: u64) -> String {
    let asks = asks.map_or_else(String::new, |asks| format!(" {}", scrub::line(asks, VALUE)));
    format!("→ {method} {origin}{asks}, {bytes} bytes;{}", words(headers))
}

/// An answer.
pub(super) fn response(status: StatusCode, headers: &HeaderMap) -> String {
    format!("← {};{}", status.as_u16(), words(headers))
}

fn words(headers: &HeaderMap) -> String {
    let mut text = String::new();
    for (name, value) in headers {
        let value = value.to_str().ok().filter(|_| PLAIN.contains(&name.as_str()));
        let _ = write!(text, " {name}: {};", value.map_or_else(|| "…".to_owned(), |value| scrub::line(value, VALUE)));
    }
    text
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn values_of_headers_are_told_only_where_the_protocol_defines_them() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("mcp-session-id", HeaderValue::from_static("s3cret"));
        headers.insert("x-custom", HeaderValue::from_static("s3cret"));
        assert_eq!(
            response(StatusCode::OK, &headers),
            "← 200; content-type: application/json; mcp-session-id: …; x-custom: …;"
        );
    }
}
