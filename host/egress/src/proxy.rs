//! The proxies between here and a gateway: which one, and how it is asked.
//! Takes the entry's `proxy` and the variables that curl knows; gives the proxy of an origin, and tunnels through it. Never shows a proxy's
//! password, and never lets a wrong setting mean "without".

use std::{fmt, future, io, task};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::BytesMut;
use http::HeaderValue;
use hyper_util::client::{
    legacy::connect::proxy::SocksV5,
    proxy::matcher::{Intercept, Matcher},
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower_service::Service;

use super::{
    EgressFailure, Origin, ProxyChoice, Scheme, connect::described, failure::ProxyProblem, tls::AUTHORITY_VARIABLES,
    wire::Wire,
};

/// Bytes of a proxy's answer to `CONNECT`, as curl allows for one line of it.
const ANSWER: usize = 16 * 1024;

/// What the way to an origin depends on, of the environment: the proxies, and for TLS the authorities. One spelling where the system knows no
/// other.
#[must_use]
pub fn variables_of_the_way(scheme: Scheme) -> Vec<&'static str> {
    let (own, other) = match scheme {
        Scheme::Http => ("http_proxy", "HTTP_PROXY"),
        Scheme::Https => ("https_proxy", "HTTPS_PROXY"),
    };
    let mut names = vec![own, other, "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];
    if cfg!(windows) {
        names.retain(|name| name.chars().all(|c| !c.is_ascii_lowercase()));
    }
    if scheme == Scheme::Https {
        names.extend(AUTHORITY_VARIABLES);
    }
    names
}

/// Which proxies there are.
#[derive(Default)]
pub(super) struct Proxies {
    http: Option<Named>,
    https: Option<Named>,
    no: String,
}

/// A proxy's URL, and who says so.
#[derive(Clone)]
struct Named {
    url: SecretString,
    from: String,
}

impl Proxies {
    /// As was chosen, or as the environment of this process says.
    pub(super) fn new(choice: &ProxyChoice) -> Self {
        match choice {
            ProxyChoice::None => Self::default(),
            ProxyChoice::Environment => Self::of_environment(|name| std::env::var(name).ok()),
            ProxyChoice::Url(url) => {
                let named = Named { url: url.clone(), from: "\"proxy\" in the entry".into() };
                Self { http: Some(named.clone()), https: Some(named), no: String::new() }
            }
        }
    }

    /// As these variables say, which are read as curl reads them: small letters count first, and an empty value is none. `HTTP_PROXY` is a
    /// request's header `Proxy` to a CGI program, so there it does not count (httpoxy).
    pub(super) fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| {
            let value = variable(name).filter(|value| !value.trim().is_empty())?;
            Some(Named { url: value.trim().to_owned().into(), from: name.to_owned() })
        };
        let cgi = variable("REQUEST_METHOD").is_some();
        let all = || set("all_proxy").or_else(|| set("ALL_PROXY"));
        let http = set("http_proxy").or_else(|| if cgi { None } else { set("HTTP_PROXY") });
        let https = set("https_proxy").or_else(|| set("HTTPS_PROXY"));
        let no = set("no_proxy").or_else(|| set("NO_PROXY"));
        Self {
            http: http.or_else(all),
            https: https.or_else(all),
            no: no.map(|no| no.url.expose_secret().to_owned()).unwrap_or_default(),
        }
    }

    /// User and password of each, as `Basic`.
    pub(super) fn given(&self) -> Vec<HeaderValue> {
        let anywhere = http::Uri::from_static("http://anywhere.invalid/");
        let of = |named: &Named| {
            let found = Matcher::builder().all(named.url.expose_secret()).build().intercept(&anywhere)?;
            let socks = found.raw_auth().and_then(|(user, password)| basic(user, password));
            found.basic_auth().cloned().or(socks)
        };
        [&self.http, &self.https].into_iter().flatten().filter_map(of).collect()
    }

    /// The proxy of an origin.
    pub(super) fn of(&self, origin: &Origin) -> Result<Option<Proxy>, EgressFailure> {
        let named = match origin.scheme() {
            Scheme::Http => &self.http,
            Scheme::Https => &self.https,
        };
        let Some(named) = named else { return Ok(None) };
        // For names and for addresses alike, as pflow's own client has it.
        if self.no.split(',').any(|item| item.trim() == "*") {
            return Ok(None);
        }
        let target = format!("{origin}/")
            .parse()
            .map_err(|error: http::uri::InvalidUri| EgressFailure::BadRequest { detail: error.to_string() })?;
        let matcher = Matcher::builder().no(self.no.as_str()).all(named.url.expose_secret()).build();
        if let Some(found) = matcher.intercept(&target) {
            return Proxy::new(&found, &named.from).map(Some).map_err(|why| wrong(named, origin, why));
        }
        // Either NO_PROXY says no, or the proxy's URL is none.
        let alone = Matcher::builder().all(named.url.expose_secret()).build();
        match alone.intercept(&target) {
            Some(_) => Ok(None),
            None => Err(wrong(named, origin, "is not the URL of a proxy")),
        }
    }
}

/// Whether an origin is reached by way of another proxy, or of none, where only some of these variables are handed on.
#[must_use]
pub fn leads_elsewhere(
    origin: &Origin,
    variable: impl Fn(&str) -> Option<String>,
    handed_on: impl Fn(&str) -> bool,
) -> bool {
    let proxy = |proxies: Proxies| proxies.of(origin).map(|proxy| proxy.map(|proxy| proxy.at)).ok().flatten();
    let with_all = proxy(Proxies::of_environment(&variable));
    let with_these = proxy(Proxies::of_environment(|name| variable(name).filter(|_| handed_on(name))));
    with_all != with_these
}

fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))).ok()
}

fn wrong(named: &Named, origin: &Origin, why: &'static str) -> EgressFailure {
    EgressFailure::Proxy { proxy: named.from.clone(), origin: origin.clone(), problem: ProxyProblem::Setting(why) }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = |named: &Option<Named>| named.as_ref().map(|named| named.from.clone());
        f.debug_struct("Proxies")
            .field("http", &from(&self.http))
            .field("https", &from(&self.https))
            .field("no", &self.no)
            .finish()
    }
}

/// One proxy.
#[derive(Clone)]
pub(super) struct Proxy {
    kind: Kind,
    at: Origin,
    basic: Option<HeaderValue>,
    socks: Option<(String, SecretString)>,
    from: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    /// `socks5://` looks names up here, `socks5h://` there (as curl has it).
    Socks {
        resolve: bool,
    },
}

/// How a proxy is asked for an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Each request, with its whole URL.
    Forward,
    /// `CONNECT`, and TLS inside it from end to end.
    Tunnel,
    /// The same by SOCKS.
    Socks {
        /// Whether names are looked up here.
        resolve: bool,
    },
}

impl Proxy {
    fn new(found: &Intercept, from: &str) -> Result<Self, &'static str> {
        let uri = found.uri();
        let (kind, scheme, port) = match uri.scheme_str() {
            Some("http") => (Kind::Http, "http", 80),
            Some("https") => (Kind::Http, "https", 443),
            Some("socks5") => (Kind::Socks { resolve: true }, "http", 1080),
            Some("socks5h") => (Kind::Socks { resolve: false }, "http", 1080),
            _ => return Err("names a kind of proxy that is not supported (http, https, socks5 and socks5h are)"),
        };
        let authority = uri.authority().ok_or("is not the URL of a proxy")?;
        let authority = if authority.port().is_some() { authority.to_string() } else { format!("{authority}:{port}") };
        let at = format!("{scheme}://{authority}").parse().map_err(|_| "is not the URL of a proxy")?;
        let socks = found.raw_auth().map(|(user, password)| (user.to_owned(), password.to_owned().into()));
        Ok(Self { kind, at, basic: found.basic_auth().cloned(), socks, from: from.to_owned() })
    }

    /// Where it is.
    pub(super) fn at(&self) -> &Origin {
        &self.at
    }

    /// Whether TLS protects the way to it.
    pub(super) fn is_secure(&self) -> bool {
        self.at.scheme() == Scheme::Https
    }

    pub(super) fn way(&self, origin: &Origin) -> Way {
        match (self.kind, origin.scheme()) {
            (Kind::Socks { resolve }, _) => Way::Socks { resolve },
            (Kind::Http, Scheme::Http) => Way::Forward,
            (Kind::Http, Scheme::Https) => Way::Tunnel,
        }
    }

    /// What goes along with a forwarded request.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.basic.as_ref()
    }

    /// Where it is and who says so; its user and password are nobody's business.
    pub(super) fn shown(&self) -> String {
        let socks = matches!(self.kind, Kind::Socks { .. });
        let place = if socks { format!("socks5://{}:{}", self.at.host(), self.at.port()) } else { self.at.to_string() };
        format!("{place} ({})", self.from)
    }

    /// For `test`: which it is, and what it does.
    pub(super) fn describe(&self, origin: &Origin) -> String {
        let how = match self.way(origin) {
            Way::Forward => "passes the requests on",
            Way::Tunnel | Way::Socks { .. } => "tunnel open",
        };
        format!("{}, {how}", self.shown())
    }

    pub(super) fn failed(&self, origin: &Origin, problem: ProxyProblem) -> EgressFailure {
        EgressFailure::Proxy { proxy: self.shown(), origin: origin.clone(), problem }
    }

    /// `CONNECT` (RFC 9110 section 9.3.6). hyper-util has this too, and does not tell what the proxy answered.
    pub(super) async fn tunnel(&self, wire: Wire, origin: &Origin) -> Result<Wire, ProxyProblem> {
        let broken = |error: io::Error| ProxyProblem::Broken(described(&error));
        let mut stream = wire.into_inner();
        let host = if origin.host().contains(':') { format!("[{}]", origin.host()) } else { origin.host() };
        let place = format!("{host}:{}", origin.port());
        let mut head = BytesMut::from(format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n").as_bytes());
        if let Some(basic) = &self.basic {
            head.extend_from_slice(b"Proxy-Authorization: ");
            head.extend_from_slice(basic.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        stream.write_all(&head).await.map_err(broken)?;
        stream.flush().await.map_err(broken)?;

        let mut answer = Vec::new();
        // One byte at a time, since behind the head everything is the gateway's. It is short, and comes once per connection.
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= ANSWER {
                return Err(ProxyProblem::NotAProxy);
            }
            match stream.read_u8().await {
                Ok(byte) => answer.push(byte),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && answer.is_empty() => {
                    return Err(ProxyProblem::Closed);
                }
                Err(error) => return Err(broken(error)),
            }
            if answer.len() >= 5 && !answer.starts_with(b"HTTP/") {
                return Err(ProxyProblem::NotAProxy);
            }
        }
        let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        match status {
            Some(200..=299) => Ok(Wire::from_box(stream)),
            Some(status) => Err(ProxyProblem::Status(status)),
            None => Err(ProxyProblem::NotAProxy),
        }
    }

    /// A tunnel by SOCKS 5 to this host, a name or an address.
    pub(super) async fn socks(&self, wire: Wire, origin: &Origin, host: &str) -> Result<Wire, ProxyProblem> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let uri = |text: String| text.parse::<http::Uri>().map_err(|_| ProxyProblem::NotAProxy);
        let mut connector = SocksV5::new(uri(format!("http://{}", self.at.authority()))?, Given(Some(wire)));
        if let Some((user, password)) = &self.socks {
            connector = connector.with_auth(user.clone(), password.expose_secret().to_owned());
        }
        let target = uri(format!("http://{host}:{}", origin.port()))?;
        connector.call(target).await.map_err(|error| ProxyProblem::Socks(error.to_string()))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxy").field(&self.shown()).finish()
    }
}

/// A connector that gives what it was given.
struct Given(Option<Wire>);

impl Service<http::Uri> for Given {
    type Response = Wire;
    type Error = io::Error;
    type Future = future::Ready<io::Result<Wire>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        future::ready(self.0.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn of(variables: &[(&str, &str)], origin: &str) -> Result<Option<String>, String> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let proxy = Proxies::of_environment(find).of(&origin.parse().unwrap());
        proxy.map(|proxy| proxy.map(|proxy| proxy.shown())).map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_variables_count_as_curl_reads_them() {
        let (http, https) = ("http://gw.corp", "https://gw.corp:8443");
        for (variables, origin, proxy) in [
            (&[] as &[(&str, &str)], http, None),
            (&[("HTTP_PROXY", "http://p:1")], http, Some("http://p:1 (HTTP_PROXY)")),
            (&[("HTTP_PROXY", "http://p:1")], https, None),
            (&[("HTTPS_PROXY", "http://p:1")], https, Some("http://p:1 (HTTPS_PROXY)")),
            (&[("HTTPS_PROXY", "http://p:1"), ("https_proxy", "q:2")], https, Some("http://q:2 (https_proxy)")),
            (&[("https_proxy", ""), ("HTTPS_PROXY", "http://p:1")], https, Some("http://p:1 (HTTPS_PROXY)")),
            (&[("ALL_PROXY", "http://p:1"), ("https_proxy", "http://q:2")], http, Some("http://p:1 (ALL_PROXY)")),
            (&[("HTTP_PROXY", "http://p:1"), ("REQUEST_METHOD", "GET")], http, None),
            (&[("http_proxy", "http://p:1"), ("REQUEST_METHOD", "GET")], http, Some("http://p:1 (http_proxy)")),
            (&[("https_proxy", "https://p")], https, Some("https://p (https_proxy)")),
            (&[("https_proxy", "http://ann:s3cret@p:1/")], https, Some("http://p:1 (https_proxy)")),
            (&[("https_proxy", "socks5h://ann:s3cret@p")], https, Some("socks5://p:1080 (https_proxy)")),
            // Loopback is no exception: with curl it is none, nor with pflow's own client.
            (&[("http_proxy", "http://p:1")], "http://127.0.0.1:8811", Some("http://p:1 (http_proxy)")),
        ] {
            assert_eq!(of(variables, origin).unwrap().as_deref(), proxy, "{variables:?}, {origin}");
        }
    }

    #[test]
    fn no_proxy_counts_for_hosts_domains_addresses_and_networks() {
        for (no, origin, without) in [
            ("gw.corp", "https://gw.corp", true),
            (".corp", "https://gw.corp", true),
            ("corp", "https://gw.corp:8443", true),
            ("orp", "https://gw.corp", false),
            ("*", "https://gw.corp", true),
            ("*", "https://127.0.0.1:1", true),
            ("example.com, * ", "https://[::1]:1", true),
            ("*.com", "https://127.0.0.1:1", false),
            ("a, localhost ,127.0.0.1", "https://localhost:1", true),
            ("127.0.0.1", "https://127.0.0.1:1", true),
            ("127.0.0.0/8", "https://127.8.0.1:1", true),
            ("::1", "https://[::1]:1", true),
            ("127.0.0.1", "https://127.0.0.2:1", false),
        ] {
            let proxy = of(&[("https_proxy", "http://p:1"), ("no_proxy", no)], origin).unwrap();
            assert_eq!(proxy.is_none(), without, "{no}, {origin}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_an_error_and_never_none() {
        for (value, why) in [
            ("socks4://p:1", "names a kind of proxy that is not supported"),
            ("ftp://p:1", "is not the URL of a proxy"),
            ("http://", "is not the URL of a proxy"),
            ("not a url", "is not the URL of a proxy"),
        ] {
            let said = of(&[("https_proxy", value)], "https://gw.corp").unwrap_err();
            assert!(said.contains("https_proxy") && said.contains(why), "{value}: {said}");
        }
        // Where no proxy is used nobody asks what it is.
        assert_eq!(of(&[("https_proxy", "ftp://p")], "http://gw.corp"), Ok(None));
    }

    #[test]
    fn nothing_that_can_be_printed_holds_a_proxys_password() {
        let find = |name: &str| (name == "https_proxy").then(|| "http://ann:s3cret@p:1".to_owned());
        let proxies = Proxies::of_environment(find);
        let origin: Origin = "https://gw.corp".parse().unwrap();
        let proxy = proxies.of(&origin).unwrap().unwrap();
        let failure = proxy.failed(&origin, ProxyProblem::Status(407));
        let shown = format!("{proxies:?} {proxy:?} {failure:?} {failure} {}", proxy.describe(&origin));
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
