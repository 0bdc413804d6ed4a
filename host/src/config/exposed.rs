//! Credentials that go over a network as everybody on the way can read them.
//! Takes a gateway's entry; gives the sentence to say of it, once. Never speaks of this machine, where nobody is on the way.

use url::{Host, Url};

use super::{GatewayConfig, Method};

impl GatewayConfig {
    /// What to say when a credential goes to another machine over plain `http`.
    #[must_use]
    pub fn exposed(&self) -> Option<String> {
        if self.url.scheme() != "http" || is_this_machine(&self.url) || !self.has_credential() {
            return None;
        }
        let host = self.url.host_str().unwrap_or_default();
        Some(format!(
            "the credential goes to {host} over plain http: whoever is on the way can read it; use https, or a tunnel to 127.0.0.1, \
             like ssh -L"
        ))
    }

    fn has_credential(&self) -> bool {
        let in_headers = || {
            let secret =
                |name: &str| ["auth", "token", "key", "secret", "cookie"].iter().any(|word| name.contains(word));
            self.auth.headers.iter().any(|(name, value)| secret(name.as_str()) || value.names().next().is_some())
        };
        self.auth.method != Method::None || in_headers() || self.address.holds_a_secret()
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::config::Template;

    fn at(url: &str, auth: &str) -> Option<String> {
        let mut config = GatewayConfig::for_url(url).unwrap();
        match auth {
            "bearer" => config.auth.method = Method::Bearer { token: Template::variable("TOKEN") },
            "" => {}
            header => {
                let (name, value) = header.split_once(": ").unwrap();
                config.auth.headers.push((HeaderName::try_from(name).unwrap(), Template::new(value)));
            }
        }
        config.exposed()
    }

    #[test]
    fn a_credential_for_another_machine_over_plain_http_is_told() {
        for (url, auth) in [
            ("http://gw.example/mcp", "bearer"),
            ("http://10.0.0.9:8811/mcp", "bearer"),
            ("http://[fd00::1]/mcp", "x-tenant: ${TENANT}"),
            ("http://gw.example/mcp", "x-api-key: literal"),
            ("http://gw.example/mcp?key=abc", ""),
            ("http://gw.example/s/0123456789abcdefghijklmn/mcp", ""),
            ("http://localhost.evil.example/mcp", "bearer"),
        ] {
            let told = at(url, auth).unwrap();
            assert!(told.contains("plain http") && !told.contains("abc"), "{url} {auth}: {told}");
        }
    }

    #[test]
    fn where_nobody_is_on_the_way_and_where_nothing_is_secret_nothing_is_told() {
        for (url, auth) in [
            ("https://gw.example/mcp?key=abc", "bearer"),
            ("http://127.0.0.1:8811/mcp", "bearer"),
            ("http://127.9.9.9/mcp", "bearer"),
            ("http://[::1]/mcp", "bearer"),
            ("http://[::ffff:127.0.0.1]/mcp", "bearer"),
            ("http://localhost./mcp", "bearer"),
            ("http://gw.localhost/mcp", "bearer"),
            ("http://gw.example/mcp", ""),
            ("http://gw.example/mcp?profile=work", ""),
            ("http://gw.example/mcp", "x-team: a"),
        ] {
            assert_eq!(at(url, auth), None, "{url} {auth}");
        }
    }
}
