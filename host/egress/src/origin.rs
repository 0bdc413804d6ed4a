//! A scheme, host and port: the unit in which the policy thinks.
//! Takes text, URLs and request targets in any spelling; gives one canonical [`Origin`]. Never guesses: what is not exactly
//! an origin is refused.

use std::{fmt, net::IpAddr, str::FromStr};

use url::{Host, Url};

/// A scheme, host and port, in one canonical spelling.
///
/// The host is lower-cased, internationalised names are in their ASCII form, numeric hosts in any base become the address
/// that they mean, one trailing dot is dropped, and a missing port is the scheme's own. Two origins are the same exactly if
/// they print the same.
///
/// | written | is |
/// | --- | --- |
/// | `https://Example.COM.` | `https://example.com` |
/// | `https://example.com:443/` | `https://example.com` |
/// | `http://0x7f.1:8811` | `http://127.0.0.1:8811` |
/// | `https://bücher.example` | `https://xn--bcher-kva.example` |
/// | `http://[0:0:0:0:0:0:0:1]` | `http://[::1]` |
/// | `https://user@example.com`, `https://example.com/mcp`, `https://*.example.com`, `ftp://example.com`, `example.com` | refused |
///
/// ```
/// use pflow_gateway_host_egress::Origin;
///
/// let origin: Origin = "HTTPS://Example.com.:443/".parse()?;
/// assert_eq!(origin.to_string(), "https://example.com");
/// assert!("https://example.com/mcp".parse::<Origin>().is_err());
/// # Ok::<_, pflow_gateway_host_egress::OriginError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    scheme: Scheme,
    host: Host<String>,
    port: u16,
}

/// The schemes that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Why a text is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// No scheme, or another one than `http` and `https`.
    #[error("an origin starts with http:// or https://")]
    Scheme,
    /// `user@` or `user:password@`.
    #[error("an origin has no user name or password")]
    UserInfo,
    /// A path, query or fragment.
    #[error("an origin ends after the host and port: no path, query or fragment")]
    Path,
    /// A pattern.
    #[error("wildcards are not supported: name each origin")]
    Wildcard,
    /// Not a host, or not a port.
    #[error("not a host and port: {0}")]
    Host(String),
}

impl Origin {
    /// The origin of a URL. Its path, query and fragment do not matter.
    ///
    /// # Errors
    ///
    /// Another scheme than `http` and `https`, user info, or no proper host.
    pub fn of_url(url: &Url) -> Result<Self, OriginError> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(OriginError::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OriginError::UserInfo);
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => Host::Domain(name_of(name)?),
            Some(Host::Ipv4(address)) => Host::Ipv4(address),
            Some(Host::Ipv6(address)) => Host::Ipv6(address),
            None => return Err(OriginError::Host("there is none".into())),
        };
        let port = url.port().unwrap_or(scheme.default_port());
        if port == 0 {
            return Err(OriginError::Host("port 0".into()));
        }
        Ok(Self { scheme, host, port })
    }

    /// The origin of a request target, as a guest wrote it.
    ///
    /// # Errors
    ///
    /// As [`of_url`](Self::of_url).
    pub fn of_uri(uri: &http::Uri) -> Result<Self, OriginError> {
        let scheme = uri.scheme_str().ok_or(OriginError::Scheme)?;
        let authority = uri.authority().ok_or_else(|| OriginError::Host("there is none".into()))?;
        if authority.as_str().contains('@') {
            return Err(OriginError::UserInfo);
        }
        format!("{scheme}://{authority}").parse()
    }

    /// TLS or not.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host, as it is looked up: no brackets around an IPv6 address.
    #[must_use]
    pub fn host(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        }
    }

    /// The port; never absent.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, when the host is written as one.
    #[must_use]
    pub fn literal(&self) -> Option<IpAddr> {
        match &self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address)),
        }
    }

    /// The same host by TLS, where both have their scheme's own port: what a redirect to `https` means.
    #[must_use]
    pub fn secured(&self) -> Option<Self> {
        let port = Scheme::Https.default_port();
        let plain = self.scheme == Scheme::Http && self.port == Scheme::Http.default_port();
        plain.then(|| Self { scheme: Scheme::Https, host: self.host.clone(), port })
    }

    /// Whether it says of itself that it is this machine (RFC 6761 section 6.3).
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback() || address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback()),
        }
    }

    /// `host` or `host:port`, as in a `Host` header: the scheme's own port is left out (RFC 9110 section 4.2).
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// A domain name without its trailing dot.
fn name_of(name: &str) -> Result<String, OriginError> {
    let bare = name.strip_suffix('.').unwrap_or(name);
    if bare.contains('*') {
        return Err(OriginError::Wildcard);
    }
    if bare.is_empty() || bare.split('.').any(str::is_empty) {
        return Err(OriginError::Host(name.to_owned()));
    }
    Ok(bare.to_owned())
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The URL parser drops tabs and line breaks and takes `\` for `/`; an origin has none of them.
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(OriginError::Host(text.escape_debug().to_string()));
        }
        let Some((scheme, rest)) = text.split_once("://") else { return Err(OriginError::Scheme) };
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(OriginError::Scheme);
        }
        if rest.contains('@') {
            return Err(OriginError::UserInfo);
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(OriginError::Path);
        }
        // `http:///host` is `http://host` to a URL parser.
        if authority.is_empty() {
            return Err(OriginError::Host("there is none".into()));
        }
        let url =
            Url::parse(&format!("{scheme}://{authority}")).map_err(|error| OriginError::Host(error.to_string()))?;
        Self::of_url(&url)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn origin(text: &str) -> Result<String, OriginError> {
        text.parse::<Origin>().map(|origin| origin.to_string())
    }

    #[test]
    fn every_spelling_of_an_origin_is_one_origin() {
        for (written, means) in [
            ("https://example.com", "https://example.com"),
            ("HTTPS://EXAMPLE.com", "https://example.com"),
            ("https://example.com.", "https://example.com"),
            ("https://example.com:443", "https://example.com"),
            ("https://example.com./", "https://example.com"),
            ("https://example.com:80", "https://example.com:80"),
            ("http://example.com:80/", "http://example.com"),
            ("http://example.com:08811", "http://example.com:8811"),
            ("http://ex%61mple.com", "http://example.com"),
            ("http://2130706433", "http://127.0.0.1"),
            ("http://0x7f000001", "http://127.0.0.1"),
            ("http://0177.0.0.1:8811", "http://127.0.0.1:8811"),
            ("http://127.1", "http://127.0.0.1"),
            ("http://127.0.0.1.", "http://127.0.0.1"),
            ("http://[0:0::1]:80", "http://[::1]"),
            ("http://[::FFFF:127.0.0.1]", "http://[::ffff:7f00:1]"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://BÜCHER.example", "https://xn--bcher-kva.example"),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("https://ｅｘａｍｐｌｅ.com", "https://example.com"),
            ("https://example。com", "https://example.com"),
        ] {
            assert_eq!(origin(written).as_deref(), Ok(means), "{written}");
        }
    }

    #[test]
    fn what_is_not_exactly_an_origin_is_refused() {
        for written in [
            "",
            "example.com",
            "example.com:443",
            "//example.com",
            "ftp://example.com",
            "file:///etc/passwd",
            "https:example.com",
            "https:///example.com",
            "https://",
            "https:///",
            "https://.",
            "https://..",
            "https://example..com",
            "https://example.com..",
            "https://user@example.com",
            "https://user:password@example.com",
            "https://@example.com",
            "https://example.com/mcp",
            "https://example.com//",
            "https://example.com?",
            "https://example.com#a",
            "https://example.com\\@other.example",
            "https://exam\tple.com",
            "https://example.com\n",
            " https://example.com",
            "https://example.com:",
            "https://example.com:0",
            "https://example.com:65536",
            "https://example.com:-1",
            "https://*.example.com",
            "https://*",
            "https://[::1",
            "https://[fe80::1%25eth0]",
            "https://1.2.3.4.5",
            "https://256.0.0.1",
            "https://exa mple.com",
        ] {
            // A bare colon is what browsers accept; it means the default port and nothing else.
            if written == "https://example.com:" {
                assert_eq!(origin(written).unwrap(), "https://example.com");
            } else {
                assert!(origin(written).is_err(), "{written:?} gave {:?}", origin(written));
            }
        }
    }

    #[test]
    fn a_mapped_address_is_not_the_origin_of_the_address_in_it() {
        assert_ne!(origin("http://[::ffff:127.0.0.1]"), origin("http://127.0.0.1"));
    }

    #[test]
    fn a_guests_request_target_is_read_in_the_same_way() {
        for (target, means) in [
            ("http://EXAMPLE.com./a?b", Ok("http://example.com")),
            ("http://127.1:8811/mcp", Ok("http://127.0.0.1:8811")),
            ("http://user@example.com/", Err(OriginError::UserInfo)),
            ("ftp://example.com/", Err(OriginError::Scheme)),
            ("/mcp", Err(OriginError::Scheme)),
        ] {
            let got = Origin::of_uri(&target.parse().unwrap()).map(|origin| origin.to_string());
            assert_eq!(got.as_deref(), means.as_ref().copied(), "{target}");
        }
    }

    #[test]
    fn a_printed_origin_reads_back_as_itself() {
        for text in ["http://[::1]:8811", "https://example.com", "http://10.0.0.1:81"] {
            let parsed: Origin = text.parse().unwrap();
            assert_eq!(parsed.to_string(), text);
            assert_eq!(parsed.to_string().parse::<Origin>().unwrap(), parsed);
        }
    }
}
