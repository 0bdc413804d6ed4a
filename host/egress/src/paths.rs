//! Which paths of the gateway's own origin a component may ask, and how: the credential goes along to each of them.
//! Takes the MCP URL and further paths; gives yes or no. Never lets a spelling decide: what is not
//! written as it was allowed is not allowed.

use std::{fmt, str::FromStr};

use http::Method;
use url::Url;

/// One path of an entry's `paths`, or all below one.
///
/// | written | allows |
/// | --- | --- |
/// | `/status.json` | `GET` and `HEAD` of that path |
/// | `POST /api/refresh` | `POST` of that path |
/// | `/api/*` | `GET` and `HEAD` of every path below `/api/` |
/// | `status.json`, `/a?b`, `/a*b`, `TRACE /`, `https://gw.example/a` | refused |
///
/// ```
/// use pflow_gateway_host_egress::PathRule;
///
/// assert_eq!("GET /status.json".parse::<PathRule>()?.to_string(), "/status.json");
/// assert!("/status.json?full=1".parse::<PathRule>().is_err());
/// # Ok::<_, pflow_gateway_host_egress::PathError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRule {
    method: Method,
    path: String,
    extent: Extent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// This path.
    Exactly,
    /// What begins so.
    Below,
}

/// Why a text is no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// No method that is allowed anywhere.
    #[error("the method before the path must be GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS")]
    Method,
    /// No path, or one that can be written in many ways.
    #[error("a path begins with / and has no query, no blanks, and no . or .. between its slashes")]
    Path,
    /// A pattern that is none of ours.
    #[error("* may stand only at the end, behind a /")]
    Star,
}

impl PathRule {
    /// This method of this path, as it is written in a request. Nothing is checked: for paths that the program itself knows.
    pub fn exactly(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), extent: Extent::Exactly }
    }

    fn covers(&self, method: &Method, path: &str) -> bool {
        // Whoever may read something may ask whether it is there.
        let same = self.method == *method || self.method == Method::GET && *method == Method::HEAD;
        same && match self.extent {
            Extent::Exactly => path == self.path,
            Extent::Below => {
                path.strip_prefix(self.path.as_str()).is_some_and(|rest| !rest.is_empty() && is_plain(path))
            }
        }
    }
}

impl FromStr for PathRule {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const METHODS: [Method; 7] =
            [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
        let (method, path) = match text.split_once(' ') {
            Some((name, path)) => {
                let method = METHODS.into_iter().find(|method| method.as_str() == name).ok_or(PathError::Method)?;
                (method, path)
            }
            None => (Method::GET, text),
        };
        let (path, extent) = match path.strip_suffix('*') {
            Some(path) if path.ends_with('/') => (path, Extent::Below),
            Some(_) => return Err(PathError::Star),
            None => (path, Extent::Exactly),
        };
        if path.contains('*') {
            return Err(PathError::Star);
        }
        let is_of_a_path = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'\\');
        if !path.starts_with('/') || !path.bytes().all(is_of_a_path) || !is_plain(path) {
            return Err(PathError::Path);
        }
        Ok(Self { method, path: path.to_owned(), extent })
    }
}

impl fmt::Display for PathRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.method != Method::GET {
            write!(f, "{} ", self.method)?;
        }
        let star = if self.extent == Extent::Below { "*" } else { "" };
        write!(f, "{}{star}", self.path)
    }
}

/// Whether a path means what it says: servers, and proxies before them, resolve dots, in whatever spelling, each as it likes. A segment may
/// have parameters behind a `;`, which some cut off before they look.
fn is_plain(path: &str) -> bool {
    // Twice: a proxy may decode once, and the server behind it again.
    let decoded = decode(&decode(path.as_bytes()));
    let mut segments = decoded.split(|byte| matches!(byte, b'/' | b'\\')).map(|segment| {
        let end = segment.iter().position(|byte| *byte == b';').unwrap_or(segment.len());
        segment.get(..end).unwrap_or_default().trim_ascii()
    });
    let slashes = |bytes: &[u8]| bytes.iter().filter(|byte| matches!(byte, b'/' | b'\\')).count();
    slashes(&decoded) == path.bytes().filter(|byte| *byte == b'/').count()
        && !path.contains("//")
        && !decoded.iter().any(u8::is_ascii_control)
        && !segments.any(|segment| matches!(segment, b"." | b".."))
}

fn decode(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    bytes
}

/// What may be asked of one gateway.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    endpoint: String,
    rules: Vec<PathRule>,
}

impl Paths {
    /// The endpoint of this URL, and these.
    pub(super) fn new(url: &Url, further: &[PathRule]) -> Self {
        let endpoint = url.path().to_owned();
        let mut rules: Vec<PathRule> = [Method::POST, Method::GET, Method::DELETE]
            .into_iter()
            .map(|method| PathRule::exactly(method, endpoint.as_str()))
            .collect();
        rules.extend_from_slice(further);
        Self { endpoint, rules }
    }

    pub(super) fn allow(&self, method: &Method, path: &str) -> bool {
        self.rules.iter().any(|rule| rule.covers(method, path))
    }

    /// Whether a redirect from one path may be followed to the other. Where the gateway's endpoint is, the gateway says; the rest stays within
    /// what is allowed, but for a slash that frameworks add or take away.
    pub(super) fn allow_redirect(&self, method: &Method, from: &str, to: &str) -> bool {
        from == self.endpoint
            || self.allow(method, to)
            || from.trim_end_matches('/') == to.trim_end_matches('/') && is_plain(to)
    }

    /// The line that would allow it. None: nothing does.
    pub(super) fn setting(method: &Method, path: &str) -> Option<String> {
        let rule: PathRule = format!("{method} {path}").parse().ok()?;
        Some(format!("\"paths\": [\"{rule}\"]"))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn paths(url: &str, further: &[&str]) -> Paths {
        let further: Vec<PathRule> = further.iter().map(|rule| rule.parse().unwrap()).collect();
        Paths::new(&url.parse().unwrap(), &further)
    }

    fn allowed(paths: &Paths, asked: &str) -> bool {
        let (method, path) = asked.split_once(' ').unwrap();
        paths.allow(&method.parse().unwrap(), path)
    }

    #[test]
    fn a_component_may_ask_the_endpoint() {
        for (url, asked) in [
            ("https://gw.example/mcp", vec!["POST /mcp", "GET /mcp", "HEAD /mcp", "DELETE /mcp"]),
            ("https://gw.example", vec!["POST /"]),
            ("https://gw.example/mcp/", vec!["POST /mcp/"]),
        ] {
            for asked in asked {
                assert!(allowed(&paths(url, &[]), asked), "{url}, {asked}");
            }
        }
    }

    #[test]
    fn everything_else_of_the_origin_is_refused_in_every_spelling() {
        let paths = paths("https://gw.example/mcp", &["/health", "/v1/tools", "/api/*", "POST /api/refresh"]);
        for asked in [
            "PUT /mcp",
            "PATCH /mcp",
            "OPTIONS /mcp",
            "MKCOL /mcp",
            "POST /mcp/",
            "POST /MCP",
            "POST //mcp",
            "POST /mcp/../admin",
            "POST /%6dcp",
            "POST /mcp;x",
            "POST /",
            "POST /health",
            "DELETE /health",
            "DELETE /v1/tools",
            "POST /v1/gateways",
            "GET /v1/tools/1",
            "GET /v1/tokens",
            "DELETE /servers/1",
            "GET /admin/",
            "GET /",
            "GET /other/mcp",
            "GET /api",
            "GET /api/",
            "GET /apix",
            "POST /api/other",
            "DELETE /api/refresh",
            "GET /api/..",
            "GET /api/../admin",
            "GET /api/./a",
            "GET /api/%2e%2e/admin",
            "GET /api/%2E./admin",
            "GET /api/%252e%252e/admin",
            "GET /api/..%2fadmin",
            "GET /api/..%5cadmin",
            "GET /api/..;/admin",
            "GET /api/%2e%2e;a=b/admin",
            "GET /api/a//../admin",
            "GET /api//admin",
            "GET /api/a%00",
            "GET /api/%2e%2e%20/admin",
        ] {
            assert!(!allowed(&paths, asked), "{asked}");
        }
        for asked in ["GET /api/status", "HEAD /api/a/b", "GET /api/a%20b", "GET /api/a.b/..c", "POST /api/refresh"] {
            assert!(allowed(&paths, asked), "{asked}");
        }
    }

    #[test]
    fn a_rule_is_written_in_one_way() {
        for (written, means) in [
            ("/status.json", "/status.json"),
            ("GET /status.json", "/status.json"),
            ("HEAD /a", "HEAD /a"),
            ("DELETE /a/*", "DELETE /a/*"),
            ("/*", "/*"),
        ] {
            assert_eq!(written.parse::<PathRule>().unwrap().to_string(), means);
        }
        for (written, why) in [
            ("", PathError::Path),
            ("status.json", PathError::Path),
            ("https://gw.example/a", PathError::Path),
            ("//gw.example/a", PathError::Path),
            ("/a?b", PathError::Path),
            ("/a#b", PathError::Path),
            ("/a b", PathError::Method),
            ("GET  /a", PathError::Path),
            ("/a/../b", PathError::Path),
            ("/a/%2e%2e/b", PathError::Path),
            ("/a\\b", PathError::Path),
            ("/bücher", PathError::Path),
            ("*", PathError::Star),
            ("/a*", PathError::Star),
            ("/*/b", PathError::Star),
            ("get /a", PathError::Method),
            ("TRACE /a", PathError::Method),
            ("CONNECT /a", PathError::Method),
        ] {
            assert_eq!(written.parse::<PathRule>(), Err(why), "{written}");
        }
    }

    #[test]
    fn a_redirect_of_the_endpoint_leads_anywhere_and_of_the_rest_only_to_what_is_allowed() {
        let paths = paths("https://gw.example/mcp", &["/v1/tools", "/v1/gateways"]);
        for (method, from, to, follows) in [
            (Method::POST, "/mcp", "/v2/mcp", true),
            (Method::GET, "/v1/tools", "/v1/tools/", true),
            (Method::GET, "/v1/tools", "/v1/gateways", true),
            (Method::GET, "/v1/tools", "/admin", false),
            (Method::GET, "/health", "/mcp/../admin", false),
        ] {
            assert_eq!(paths.allow_redirect(&method, from, to), follows, "{from} to {to}");
        }
    }
}
