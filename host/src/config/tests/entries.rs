//! Entries, good and wrong.

use std::time::Duration;

use super::*;

#[test]
fn a_full_entry_is_read() {
    let config = gateway(json!({
        "kind": "docker",
        "url": "https://gateway.example/mcp",
        "auth": {"type": "bearer", "token": "${GATEWAY_TOKEN}"},
        "headers": {"X-Team": "blue"},
        "services": {"include": ["git*"], "exclude": ["slack"], "declare": ["jira", {"name": "github", "prefix": "gh_"}]},
        "tools": {"include": ["a"], "exclude": ["mcp-*"], "read_only": true, "no_destructive": true, "control_tools": true},
        "timeout": 12.5,
        "ca_file": "certs/ca.pem",
        "allow_origins": ["https://Status.example:443/"],
        "component": "/abs/mine.wasm",
    }))
    .unwrap();
    assert_eq!((config.name.as_str(), config.url.as_str()), ("gw", "https://gateway.example/mcp"));
    assert_eq!(config.kind, Some(Kind::Docker));
    assert_eq!(config.auth.describe(), "bearer ${GATEWAY_TOKEN}, x-team: …");
    let declared: Vec<_> = config.services.iter().map(|s| (s.name.as_str(), s.prefix.as_deref())).collect();
    assert_eq!(declared, [("jira", None), ("github", Some("gh_"))]);
    let filter = &config.filter;
    assert_eq!((filter.include_services.len(), filter.exclude_services.len()), (1, 1));
    assert_eq!((filter.include_tools.len(), filter.exclude_tools.len()), (1, 1));
    assert!(filter.read_only && filter.no_destructive && filter.control_tools);
    assert_eq!(config.timeout, Duration::from_millis(12_500));
    assert!(config.ca_file.unwrap().ends_with("certs/ca.pem"));
    assert_eq!(config.allow_origins, ["https://status.example".parse().unwrap()]);
    assert_eq!(config.component, Some(PathBuf::from("/abs/mine.wasm")));
}

#[test]
fn a_url_is_enough() {
    let config = gateway(json!({})).unwrap();
    assert_eq!((config.kind, config.timeout), (None, Duration::from_secs(30)));
    assert_eq!(config.auth, Auth::none());
    assert_eq!(config.filter, Filter::default());
}

#[test]
fn a_plain_http_entry_is_a_gateway_in_pflows_own_shape() {
    let config = entry(&json!({
        "type": "http", "url": "https://api.example/mcp", "timeout": 60, "sse_timeout": 300,
        "auth": {"type": "api_key", "key": "${KEY}", "header": "X-Key"}, "headers": {"Accept-Language": "de"},
    }))
    .unwrap();
    assert_eq!(config.url.as_str(), "https://api.example/mcp");
    assert_eq!(config.auth.describe(), "API key ${KEY} in x-key, accept-language: …");
    assert_eq!(config.timeout, Duration::from_mins(1));
}

#[test]
fn a_gateway_member_wins_over_a_plain_entrys_own() {
    let config = entry(&json!({
        "type": "http", "url": "https://api.example/mcp", "auth": {"type": "bearer", "token": "${A}"},
        "gateway": {"kind": "generic", "auth": {"type": "bearer", "token": "${B}"}},
    }))
    .unwrap();
    assert_eq!((config.url.as_str(), config.auth.describe().as_str()), ("https://api.example/mcp", "bearer ${B}"));
}

#[test]
fn strings_are_expanded_as_in_pflow() {
    let config = gateway(json!({"url": "http://${HOST:-localhost}:8811/${SET}", "services": {"include": ["${SET}"]}}));
    let config = config.unwrap();
    assert_eq!(config.url.as_str(), "http://localhost:8811/value");
    assert_eq!(config.filter.include_services, ["value"]);
    let error = gateway(json!({"url": "http://${NOWHERE}/mcp"})).unwrap_err();
    assert_eq!(error.message, "mcp-servers.json: gw.gateway.url: the variable NOWHERE is not set");
    // Credentials are looked up only when they are needed.
    gateway(json!({"auth": {"type": "bearer", "token": "${NOWHERE}"}})).unwrap();
}

#[test]
fn every_type_of_authentication_is_read() {
    for (auth, shown) in [
        (json!({"type": "bearer", "token": "${T}"}), "bearer ${T}"),
        (json!({"type": "api_key", "key": "${T}"}), "API key ${T} in x-api-key"),
        (json!({"type": "basic", "username": "${U}", "password": "${P}"}), "basic ${U} ${P}"),
        (json!({"type": "command", "command": "vault read 'a b'"}), "bearer from the command vault"),
        (json!({"type": "command", "command": ["vault", "read"]}), "bearer from the command vault"),
        (json!({"type": "none"}), "none"),
        (json!({}), "none"),
        (json!(null), "none"),
    ] {
        assert_eq!(gateway(json!({"auth": auth})).unwrap().auth.describe(), shown, "{auth}");
    }
}

#[test]
fn a_wrong_value_is_named_with_its_place() {
    for (members, message) in [
        (json!({"url": "ftp://x/mcp"}), r#"url: "ftp://x/mcp": the URL must start with http:// or https://"#),
        (json!({"url": "localhost:8811"}), r#"url: "localhost:8811": the URL must start with http:// or https://"#),
        (json!({"url": "nonsense"}), r#"url: "nonsense" is not a URL: relative URL without a base"#),
        (
            json!({"url": "http://u:secret@x/mcp?secret"}),
            r#"url: "http://x/mcp": no user name or password in the URL; use basic authentication"#,
        ),
        (json!({"url": 5}), "url: expected a string, found 5"),
        (json!({"kind": "dokcer"}), r#"kind: "dokcer" is not a kind"#),
        (json!({"timeout": 0}), "timeout: 0 is not a timeout"),
        (json!({"timeout": -1.5}), "timeout: -1.5 is not a timeout"),
        (json!({"timeout": 601}), "timeout: 601 is not a timeout"),
        (json!({"timeout": "30"}), "timeout: expected a number of seconds, found a string"),
        (json!({"timeout": true}), "timeout: expected a number of seconds, found true"),
        (json!({"services": ["github"]}), "services: expected an object, found a list"),
        (json!({"services": {"include": "github"}}), "services.include: expected a list, found a string"),
        (json!({"services": {"include": ["a", 5]}}), "services.include[1]: expected a string, found 5"),
        (json!({"services": {"exclude": [" "]}}), "services.exclude[0]: an empty string"),
        (json!({"services": {"declare": [{"prefix": "x"}]}}), "services.declare[0].name is missing"),
        (
            json!({"services": {"declare": [7]}}),
            r#"services.declare[0]: expected a service's name, or {"name": …, "prefix": …}, found 7"#,
        ),
        (json!({"tools": {"read_only": "yes"}}), "tools.read_only: expected true or false, found a string"),
        (
            json!({"allow_origins": ["https://a.example/path"]}),
            r#"allow_origins[0]: "https://a.example/path": an origin ends after the host and port: no path, query or fragment"#,
        ),
        (json!({"allow_origins": "https://a.example"}), "allow_origins: expected a list, found a string"),
        (json!({"auth": "secret"}), "auth: expected an object, found a string"),
        (json!({"auth": {"token": "secret"}}), "auth.type is missing"),
        (json!({"auth": {"type": "oauth"}}), r#"auth.type: "oauth" is not a type of authentication"#),
        (json!({"auth": {"type": "bearer"}}), "auth.token is missing"),
        (json!({"auth": {"type": "basic", "username": "u"}}), "auth.password is missing"),
        (
            json!({"auth": {"type": "bearer", "token": {"a": "secret"}}}),
            "auth.token: expected a string, found an object",
        ),
        (
            json!({"auth": {"type": "api_key", "key": "k", "header": "a b"}}),
            r#"auth.header: "a b" is not a header name"#,
        ),
        (
            json!({"auth": {"type": "api_key", "key": "k", "header": "Host"}}),
            "auth.header: the header host is set by the connection itself and cannot be configured",
        ),
        (
            json!({"headers": {"Transfer-Encoding": "x"}}),
            "headers.Transfer-Encoding: the header transfer-encoding is set by the connection itself and cannot be configured",
        ),
        (
            json!({"auth": {"type": "command", "command": "'a"}}),
            "auth.command: the token command has an unfinished quotation",
        ),
        (json!({"auth": {"type": "command", "command": []}}), "auth.command: the token command is empty"),
    ] {
        let error = gateway(members.clone()).unwrap_err();
        assert_eq!(error.message, format!("mcp-servers.json: gw.gateway.{message}"), "{members}");
        assert_eq!(error.class, Class::Config);
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}

#[test]
fn an_entry_without_a_url_says_so() {
    let error = entry(&json!({"command": "x", "gateway": {}})).unwrap_err();
    assert_eq!(error.message, "mcp-servers.json: gw.gateway.url is missing");
    let error = entry(&json!({"type": "http"})).unwrap_err();
    assert_eq!(error.message, "mcp-servers.json: gw.url is missing");
    let error = entry(&json!({"command": "x", "gateway": "yes"})).unwrap_err();
    assert_eq!(error.message, "mcp-servers.json: gw.gateway: expected an object, found a string");
}

#[test]
fn members_that_are_not_known_have_no_effect() {
    assert!(gateway(json!({"from_the_future": {"x": 1}, "tools": {"also": 2}})).is_ok());
}

#[test]
fn a_fragment_is_not_part_of_the_url() {
    assert_eq!(gateway(json!({"url": "http://x/mcp#a"})).unwrap().url.as_str(), "http://x/mcp");
}
