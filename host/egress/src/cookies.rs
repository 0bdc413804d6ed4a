//! Cookies that gateways, and the balancers before them, set: kept for the session, sent back to where they came from.
//! Takes `Set-Cookie` of an answer; gives `Cookie` for a request (RFC 6265). Never shows a value to a guest, a log or another origin.

use std::{
    collections::HashMap,
    fmt,
    time::{Duration, SystemTime},
};

use cookie::Cookie;
use http::{HeaderMap, HeaderValue, header};
use pflow_gateway_base::sync::{Mutex, MutexGuard};
use secrecy::zeroize::Zeroizing;

use super::{AddressClass, Origin, Scheme};

/// Cookies of one origin (RFC 6265 section 6.1 asks for at least this many).
const MOST: usize = 50;
/// Bytes of one cookie's name and value (the same section).
const LARGEST: usize = 4096;
/// Bytes of all cookies of one origin: servers refuse heads of more than 8 to 32 KiB.
const TOGETHER: usize = 7 * 1024;

/// The cookies of all origins. An origin's cookies are its own, whatever their `Domain` says: a port is another gateway.
#[derive(Default)]
pub(super) struct Jar {
    origins: Mutex<HashMap<Origin, Vec<Kept>>>,
}

struct Kept {
    name: String,
    value: Zeroizing<String>,
    path: String,
    secure: bool,
    expires: Option<SystemTime>,
}

impl Kept {
    fn size(&self) -> usize {
        self.name.len() + self.value.len() + 3
    }

    fn lives(&self, now: SystemTime) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

impl Jar {
    /// Keeps what an answer to a request for this path sets. Whether it set anything.
    pub(super) fn keep(&self, origin: &Origin, path: &str, headers: &HeaderMap) -> bool {
        let mut set = false;
        for value in headers.get_all(header::SET_COOKIE) {
            let Some(text) = std::str::from_utf8(value.as_bytes()).ok() else { continue };
            // What is no cookie is none: an answer does not fail for it.
            let Ok(cookie) = Cookie::parse(text) else { continue };
            set |= self.keep_one(origin, path, &cookie);
        }
        set
    }

    fn keep_one(&self, origin: &Origin, path: &str, cookie: &Cookie<'_>) -> bool {
        let now = SystemTime::now();
        if cookie.domain().is_some_and(|domain| !covers(domain, origin))
            || cookie.name().len() + cookie.value().len() > LARGEST
            || HeaderValue::from_str(&format!("{}={}", cookie.name(), cookie.value())).is_err()
        {
            return false;
        }
        let kept = Kept {
            name: cookie.name().to_owned(),
            value: Zeroizing::new(cookie.value().to_owned()),
            path: cookie.path().filter(|path| path.starts_with('/')).unwrap_or(folder(path)).to_owned(),
            secure: cookie.secure().unwrap_or(false),
            expires: expiry(cookie, now),
        };
        let mut origins = self.lock();
        let cookies = origins.entry(origin.clone()).or_default();
        cookies.retain(|old| old.lives(now) && (old.name != kept.name || old.path != kept.path));
        if kept.lives(now) {
            cookies.push(kept);
        }
        while cookies.len() > MOST || cookies.iter().map(Kept::size).sum::<usize>() > TOGETHER {
            // The oldest.
            cookies.remove(0);
        }
        true
    }

    /// What goes to this origin with a request for this path.
    pub(super) fn header(&self, origin: &Origin, path: &str) -> Option<HeaderValue> {
        let now = SystemTime::now();
        let safe = origin.scheme() == Scheme::Https || is_this_machine(origin);
        let origins = self.lock();
        let mut sent: Vec<&Kept> = origins
            .get(origin)?
            .iter()
            .filter(|cookie| cookie.lives(now) && (safe || !cookie.secure) && is_below(path, &cookie.path))
            .collect();
        // Longer paths first; of the same length the earlier first (RFC 6265 section 5.4).
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<_> = sent.iter().map(|cookie| format!("{}={}", cookie.name, *cookie.value)).collect();
        let text = Zeroizing::new(pairs.join("; "));
        let mut value = HeaderValue::from_str(&text).ok().filter(|value| !value.is_empty())?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Drops all of an origin: a new session begins as with a client that was just started.
    pub(super) fn forget(&self, origin: &Origin) {
        self.lock().remove(origin);
    }

    /// Hands out every value.
    pub(super) fn values<T>(&self, take: impl FnOnce(&mut dyn Iterator<Item = &str>) -> T) -> T {
        let origins = self.lock();
        take(&mut origins.values().flatten().map(|cookie| cookie.value.as_str()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Origin, Vec<Kept>>> {
        self.origins.lock()
    }
}

impl fmt::Debug for Jar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins = self.lock();
        f.debug_map().entries(origins.iter().map(|(origin, cookies)| (origin, cookies.len()))).finish()
    }
}

/// When it ends; none: with the session.
fn expiry(cookie: &Cookie<'_>, now: SystemTime) -> Option<SystemTime> {
    // `Max-Age` counts before `Expires` (RFC 6265 section 5.3).
    if let Some(age) = cookie.max_age() {
        let seconds = u64::try_from(age.whole_seconds()).unwrap_or(0);
        return Some(now.checked_add(Duration::from_secs(seconds)).unwrap_or(now + Duration::from_secs(1 << 32)));
    }
    let at = cookie.expires_datetime()?.unix_timestamp();
    let since = Duration::from_secs(u64::try_from(at).unwrap_or(0));
    Some(SystemTime::UNIX_EPOCH + since)
}

/// Whether a `Domain` is the origin's own (RFC 6265 section 5.1.3).
fn covers(domain: &str, origin: &Origin) -> bool {
    let (domain, host) = (domain.trim_start_matches('.').to_ascii_lowercase(), origin.host());
    domain.is_empty()
        || domain == host
        || (origin.literal().is_none() && host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.')))
}

/// Nobody listens between here and there, so that `Secure` asks for nothing.
fn is_this_machine(origin: &Origin) -> bool {
    origin.literal().map_or_else(
        || origin.host() == "localhost" || origin.host().ends_with(".localhost"),
        |address| AddressClass::of(address) == AddressClass::Loopback,
    )
}

/// The path that a cookie without one has (RFC 6265 section 5.1.4).
fn folder(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(at) => path.get(..at).unwrap_or("/"),
    }
}

/// Whether a request's path is that of the cookie, or below it (the same section).
fn is_below(path: &str, cookie: &str) -> bool {
    path.strip_prefix(cookie).is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn origin(text: &str) -> Origin {
        text.parse().unwrap()
    }

    fn set(jar: &Jar, origin_: &str, lines: &[&str]) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::SET_COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        jar.keep(&origin(origin_), "/mcp", &headers);
    }

    fn sent(jar: &Jar, origin_: &str, path: &str) -> String {
        jar.header(&origin(origin_), path).map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    }

    const HTTPS: &str = "https://gw.example";

    #[test]
    fn a_cookie_goes_back_to_its_origin_and_to_no_other() {
        let jar = Jar::default();
        set(&jar, HTTPS, &["lb=one; Path=/; HttpOnly", "sid=\"a b\"; Domain=.example; Path=/"]);
        assert_eq!(sent(&jar, HTTPS, "/mcp"), "lb=one; sid=\"a b\"");
        for other in ["https://gw.example:8443", "http://gw.example", "https://other.gw.example", "https://example"] {
            assert_eq!(sent(&jar, other, "/mcp"), "", "{other}");
        }
    }

    #[test]
    fn the_newest_value_wins_and_an_old_one_ends() {
        let jar = Jar::default();
        set(&jar, HTTPS, &["lb=one; Path=/", "a=1; Path=/", "lb=two; Path=/; Max-Age=60"]);
        assert_eq!(sent(&jar, HTTPS, "/mcp"), "a=1; lb=two");
        set(&jar, HTTPS, &["a=; Path=/; Max-Age=0", "lb=gone; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]);
        assert_eq!(sent(&jar, HTTPS, "/mcp"), "");
        set(&jar, HTTPS, &["b=1; Path=/; Expires=Wed, 21-Oct-2099 07:28:00 GMT; Max-Age=99999999999999999999"]);
        assert_eq!(sent(&jar, HTTPS, "/mcp"), "b=1");
        jar.forget(&origin(HTTPS));
        assert_eq!(sent(&jar, HTTPS, "/mcp"), "");
    }

    #[test]
    fn paths_are_obeyed() {
        let jar = Jar::default();
        set(&jar, HTTPS, &["all=1", "mcp=1; Path=/mcp", "deep=1; Path=/mcp/deep", "odd=1; Path=nonsense"]);
        assert_eq!(sent(&jar, HTTPS, "/mcp"), "mcp=1; all=1; odd=1");
        assert_eq!(sent(&jar, HTTPS, "/mcp/deep/er"), "deep=1; mcp=1; all=1; odd=1");
        assert_eq!(sent(&jar, HTTPS, "/mcpx"), "all=1; odd=1");
        assert_eq!(folder("/servers/1/mcp"), "/servers/1");
    }

    #[test]
    fn a_secure_cookie_never_crosses_the_network_in_plain_text() {
        let jar = Jar::default();
        for (from, back) in [
            (HTTPS, "s=1"),
            ("http://gw.example", ""),
            ("http://127.0.0.1:8811", "s=1"),
            ("http://localhost:8811", "s=1"),
        ] {
            set(&jar, from, &["s=1; Secure; Path=/"]);
            assert_eq!(sent(&jar, from, "/mcp"), back, "{from}");
        }
    }

    #[test]
    fn what_is_for_another_host_or_is_no_cookie_is_not_kept() {
        let jar = Jar::default();
        for line in
            ["a=1; Domain=evil.example", "a=1; Domain=w.example", "a=1; Domain=deeper.gw.example", "", "=1", "no pair"]
        {
            set(&jar, HTTPS, &[line]);
            assert_eq!(sent(&jar, HTTPS, "/mcp"), "", "{line:?}");
        }
        set(&jar, "http://127.0.0.1:1", &["a=1; Domain=0.0.1"]);
        assert_eq!(sent(&jar, "http://127.0.0.1:1", "/mcp"), "");
    }

    #[test]
    fn number_and_size_are_bounded_and_the_newest_stay() {
        let jar = Jar::default();
        for number in 0..500 {
            set(&jar, HTTPS, &[&format!("c{number}=v")]);
        }
        let all = sent(&jar, HTTPS, "/mcp");
        assert_eq!((all.split("; ").count(), all.contains("c499=v")), (MOST, true));
        for number in 0..10 {
            set(&jar, HTTPS, &[&format!("big{number}={}", "x".repeat(3000))]);
        }
        let all = sent(&jar, HTTPS, "/mcp");
        assert!(all.len() <= TOGETHER && all.contains("big9="), "{}", all.len());
        set(&jar, HTTPS, &[&format!("huge={}", "x".repeat(LARGEST))]);
        assert!(!sent(&jar, HTTPS, "/mcp").contains("huge"));
    }

    #[test]
    fn nothing_that_can_be_printed_holds_a_value() {
        let jar = Jar::default();
        set(&jar, HTTPS, &["sid=hunter2-hunter2; Path=/"]);
        let shown = format!("{jar:?} {:?}", jar.header(&origin(HTTPS), "/mcp"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
