//! Where the gateway component may go: to one gateway, on the paths that MCP and its product need.
//! Takes a request's method and URL; gives yes, or the reason why not. Never lets a spelling decide: what is not written as it was
//! configured is not allowed.

use pflow_gateway_service_settings::Gateway;

/// What of a request decides.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// In capitals.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// As in the URL.
    pub authority: &'a str,
    /// With the query.
    pub path: &'a str,
}

/// Whether this may be asked of the gateway, with its credential.
///
/// # Errors
///
/// Why not.
pub fn allow(gateway: &Gateway, asked: Asked<'_>) -> Result<(), String> {
    let (scheme, authority, configured) = gateway.parts();
    if !asked.scheme.eq_ignore_ascii_case(scheme) || !asked.authority.eq_ignore_ascii_case(authority) {
        return Err(format!("only {scheme}://{authority} may be reached, which is the gateway {}", gateway.name));
    }
    if ["POST", "GET", "DELETE"].contains(&asked.method) && asked.path == configured {
        return Ok(());
    }
    let path = asked.path.split('?').next().unwrap_or_default();
    if asked.method == "GET" && of_the_product(gateway.kind.as_deref(), configured, path) {
        return Ok(());
    }
    Err(format!("{} {} is not a path that the gateway {} needs", asked.method, short(path), gateway.name))
}

/// The products' own pages about their services.
fn of_the_product(kind: Option<&str>, configured: &str, path: &str) -> bool {
    let docker = matches!(kind, None | Some("docker")) && path == "/health";
    docker || matches!(kind, None | Some("context-forge")) && of_context_forge(configured, path)
}

/// Beside the endpoint: `PREFIX/servers/ID/mcp`, or `PREFIX/mcp`.
fn of_context_forge(configured: &str, path: &str) -> bool {
    let configured = configured.split('?').next().unwrap_or_default().trim_end_matches('/');
    let (prefix, id) = match configured.rsplit_once("/servers/") {
        Some((prefix, rest)) => (prefix, rest.split('/').next()),
        None => (configured.strip_suffix("/mcp").unwrap_or(configured), None),
    };
    let Some(rest) = path.strip_prefix(prefix) else { return false };
    let of_server = |id: &str| rest == format!("/v1/servers/{id}/tools") || rest == format!("/servers/{id}/tools");
    rest == "/v1/gateways" || rest == "/v1/tools" || id.is_some_and(of_server)
}

fn short(path: &str) -> String {
    path.chars().filter(char::is_ascii_graphic).take(100).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use pflow_gateway_service_settings::{CLIENTS, GATEWAYS, Settings};

    use super::*;

    fn gateway(url: &str, kind: &str) -> Gateway {
        let text = format!(r#"{{"a": {{"url": "{url}", "kind": {kind}}}}}"#);
        let find = |name: &str| match name {
            GATEWAYS => Some(text.clone()),
            CLIENTS => Some("anyone".to_owned()),
            _ => None,
        };
        Settings::read(&find).unwrap().gateways.remove(0)
    }

    fn ask(gateway: &Gateway, method: &str, url: &str) -> bool {
        let (scheme, rest) = url.split_once("://").unwrap();
        let end = rest.find('/').unwrap();
        let (authority, path) = rest.split_at(end);
        allow(gateway, Asked { method, scheme, authority, path }).is_ok()
    }

    #[test]
    fn the_endpoint_may_be_asked_and_no_other_place() {
        let gw = gateway("https://gw.example/mcp?tenant=1", "null");
        for method in ["POST", "GET", "DELETE"] {
            assert!(ask(&gw, method, "https://gw.example/mcp?tenant=1"));
        }
        for (method, url) in [
            ("PUT", "https://gw.example/mcp?tenant=1"),
            ("POST", "https://gw.example/mcp"),
            ("POST", "https://gw.example/mcp?tenant=2"),
            ("POST", "http://gw.example/mcp?tenant=1"),
            ("POST", "https://gw.example:8443/mcp?tenant=1"),
            ("POST", "https://gw.example.evil.test/mcp?tenant=1"),
            ("POST", "https://gw.example@evil.test/mcp?tenant=1"),
            ("GET", "https://gw.example/admin"),
            ("GET", "https://gw.example/mcp/../admin"),
            ("POST", "https://gw.example/health"),
        ] {
            assert!(!ask(&gw, method, url), "{method} {url}");
        }
    }

    #[test]
    fn a_products_own_pages_may_be_asked_where_it_is_that_product_or_may_be() {
        let docker = gateway("http://127.0.0.1:8811/mcp", "\"docker\"");
        assert!(ask(&docker, "GET", "http://127.0.0.1:8811/health"));
        assert!(!ask(&docker, "GET", "http://127.0.0.1:8811/v1/gateways"));
        let forge = gateway("http://f/base/servers/abc/mcp", "\"context-forge\"");
        for path in
            ["/base/v1/gateways?limit=0", "/base/v1/tools", "/base/v1/servers/abc/tools", "/base/servers/abc/tools"]
        {
            assert!(ask(&forge, "GET", &format!("http://f{path}")), "{path}");
        }
        for path in ["/v1/gateways", "/base/v1/servers/other/tools", "/base/v1/gateways/1", "/health", "/base/admin"] {
            assert!(!ask(&forge, "GET", &format!("http://f{path}")), "{path}");
        }
        let generic = gateway("http://g/mcp", "\"generic\"");
        assert!(!ask(&generic, "GET", "http://g/health") && !ask(&generic, "GET", "http://g/v1/tools"));
    }
}
