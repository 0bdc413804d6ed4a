//! What is read of each product besides its endpoint: the credential goes along, so the host decides, and not a component.
//! Takes the MCP URL, and the product where it is known; gives paths that egress lets a component ask. Never more than was seen to be needed.

use http::Method;
use url::Url;

use crate::{egress::PathRule, report::Kind};

/// As the built-in component knows them. Where nobody said which product it is, it may be any.
pub(super) fn of(url: &Url, kind: Option<&Kind>) -> Vec<PathRule> {
    let is = |id: &str| kind.is_none_or(|kind| kind.as_str() == id);
    let mut rules = Vec::new();
    // Its answer to this one is looked at where others are late.
    if is("docker") {
        rules.push(PathRule::exactly(Method::GET, "/health"));
    }
    if is("context-forge") {
        rules.extend(of_context_forge(url.path()));
    }
    rules
}

/// What is read of `ContextForge` for exact services and their health.
fn of_context_forge(endpoint: &str) -> Vec<PathRule> {
    let Some(base) = endpoint.trim_end_matches('/').strip_suffix("/mcp") else { return Vec::new() };
    let is_id = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let server = base.rsplit_once("/servers/").filter(|(_, id)| is_id(id));
    let paths = match server {
        Some((base, id)) => vec![
            format!("{base}/v1/gateways"),
            format!("{base}/v1/servers/{id}/tools"),
            format!("{base}/servers/{id}/tools"),
        ],
        None => vec![format!("{base}/v1/gateways"), format!("{base}/v1/tools")],
    };
    paths.into_iter().map(|path| PathRule::exactly(Method::GET, path)).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn of_kind(url: &str, kind: Option<&str>) -> Vec<String> {
        of(&url.parse().unwrap(), kind.and_then(Kind::parse).as_ref()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_component_may_read_what_is_known_of_the_product_and_of_any_where_none_is_named() {
        let id = "0123456789abcdef0123456789abcdef";
        let server = format!("https://gw.example/forge/servers/{id}/mcp");
        let of_server = [format!("/forge/v1/servers/{id}/tools"), format!("/forge/servers/{id}/tools")];
        for (url, kind, paths) in [
            ("https://gw.example/mcp", "docker", vec!["/health"]),
            ("https://gw.example/mcp/", "context-forge", vec!["/v1/gateways", "/v1/tools"]),
            (server.as_str(), "context-forge", vec!["/forge/v1/gateways", &of_server[0], &of_server[1]]),
            ("https://gw.example/other", "context-forge", vec![]),
            ("https://gw.example/mcp", "generic", vec![]),
        ] {
            assert_eq!(of_kind(url, Some(kind)), paths, "{url}, {kind}");
            assert!(paths.iter().all(|path| of_kind(url, None).iter().any(|known| known == path)), "{url}");
        }
    }

    #[test]
    fn what_is_no_id_of_a_server_makes_no_path_of_it() {
        for url in ["https://gw.example/servers/../mcp", "https://gw.example/servers/a%2fb/mcp"] {
            let paths = of_kind(url, Some("context-forge"));
            assert!(
                paths.iter().all(|path| !path.contains("/servers/a%2fb/tools") && !path.contains("/v1/servers/")),
                "{paths:?}"
            );
        }
    }
}
