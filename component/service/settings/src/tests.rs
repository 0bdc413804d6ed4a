#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on shall stop")]

use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Settings> {
    let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    Settings::read(&find)
}

fn of(gateways: &str) -> Result<Settings> {
    read(&[(GATEWAYS, gateways), (CLIENTS, "anyone"), ("TOKEN", "t"), ("HOST", "gw.example")])
}

#[test]
fn an_entrys_members_are_read_as_they_are_elsewhere() {
    let settings =
        of(r#"{"docker": {"url": "HTTP://${HOST}:8811/mcp?a=1#b", "kind": "docker", "era": "legacy", "timeout": 1.5,
            "auth": {"type": "bearer", "token": "${TOKEN}"}, "headers": {"X-Team": "a"}, "trust": "claims", "settings": {"page": "/status.json", "classes": "hr=secret"},
            "services": {"include": ["git*"], "declare": ["github=gh_", {"name": "slack", "tools": ["post_*"]}]},
            "tools": {"exclude": ["*_delete*"], "read_only": true}}}"#)
        .unwrap();
    let docker = settings.gateway("docker").unwrap();
    assert_eq!(docker.url, "http://gw.example:8811/mcp?a=1");
    assert_eq!((docker.kind.as_deref(), docker.era, docker.timeout_ms), (Some("docker"), Some(Era::Legacy), 1_500));
    assert_eq!(docker.auth, Auth::Bearer(Template::new("${TOKEN}")));
    assert_eq!(docker.services[0].prefix.as_deref(), Some("gh_"));
    assert_eq!(docker.services[1].tools, ["post_*"]);
    let set = docker.settings.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>();
    assert_eq!(set, [("classes", "hr=secret"), ("page", "/status.json")]);
    assert!(docker.filter.read_only && docker.filter.claims);
    assert_eq!(docker.filter.include_services, ["git*"]);
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_what_to_do() {
    for (gateways, says) in [
        ("", "GATEWAYS is not set → "),
        ("{", "GATEWAYS is not valid JSON: line 1, column 1 → "),
        ("{}", "GATEWAYS names no gateway → "),
        (r#"{"a": {}}"#, "GATEWAYS.a.url is missing"),
        (r#"{"a": {"url": "ftp://x"}}"#, "GATEWAYS.a.url must be an absolute URL"),
        (r#"{"a": {"url": "http://u:p@x/mcp"}}"#, "GATEWAYS.a.url holds a user or a password → "),
        (
            r#"{"a": {"url": "http://${NOBODY}/mcp"}}"#,
            "GATEWAYS.a.url points to NOBODY, which is not set → give the service",
        ),
        (r#"{"a": {"url": "http://x/mcp", "settings": {"p": "${TOKEN}"}}}"#, "GATEWAYS.a.settings.p names a variable"),
        (
            r#"{"a": {"url": "http://x/mcp", "settings": {"api_key": "x"}}}"#,
            "GATEWAYS.a.settings.api_key looks like a credential → the",
        ),
        (
            r#"{"a": {"url": "http://x/mcp", "settings": {"p": "ghp_1"}}}"#,
            "GATEWAYS.a.settings.p looks like a credential → the",
        ),
        (r#"{"a": {"url": "http://x/mcp", "settings": {"p": 1}}}"#, "GATEWAYS.a.settings.p must be text"),
        (r#"{"a": {"url": "http://x/mcp", "auht": {}}}"#, "GATEWAYS.a.auht is not known → there are url, "),
        (
            r#"{"a": {"url": "http://x/mcp", "kind": "Dok cer"}}"#,
            "GATEWAYS.a.kind must be a product's identifier, like docker, context-forge or generic",
        ),
        (
            r#"{"a": {"url": "http://x/mcp", "auth": {"type": "bearer", "token": "hunter2"}}}"#,
            "GATEWAYS.a.auth.token must point to a variable",
        ),
        (
            r#"{"a": {"url": "http://x/mcp", "auth": {"type": "command", "command": ["x"]}}}"#,
            "GATEWAYS.a.auth.type cannot be command",
        ),
        (
            r#"{"a": {"url": "http://x/mcp", "ca_file": "x.pem"}}"#,
            "GATEWAYS.a.ca_file is nothing that the service decides → ",
        ),
        (r#"{"a": {"url": "http://x/mcp", "addresses": "public"}}"#, "GATEWAYS.a.addresses must be any"),
        (
            r#"{"a": {"url": "http://x/mcp", "headers": {"Host": "y"}}}"#,
            "GATEWAYS.a.headers.Host names a header that belongs to HTTP itself",
        ),
        (
            r#"{"a": {"url": "http://x/mcp", "timeout": 601}}"#,
            "GATEWAYS.a.timeout must be a number of seconds, at most 600",
        ),
        (
            r#"{"a": {"url": "http://x/${TOKEN}", "auth": {"type": "bearer", "token": "${TOKEN}"}}}"#,
            "GATEWAYS.a.url holds TOKEN, which is a credential",
        ),
        (
            r#"{"a": {"url": "http://x/mcp", "limits": {"memory_bytes": 1}}}"#,
            "GATEWAYS.a.limits.memory_bytes is nothing that the service decides → the service knows response_body_bytes",
        ),
        (
            r#"{"a": {"url": "http://x/mcp", "limits": {"response_body_bytes": 0}}}"#,
            "GATEWAYS.a.limits.response_body_bytes must be a whole number from 1 to 1073741824",
        ),
        (r#"{"health": {"url": "http://x/mcp"}}"#, "GATEWAYS.health is a page of the service itself"),
        (r#"{"a/b": {"url": "http://x/mcp"}}"#, "GATEWAYS.a/b cannot be a part of a URL's path"),
        (r#"{"a": {"url": "http://x/mcp", "tools": {"read-only": true}}}"#, "GATEWAYS.a.tools.read-only is not known"),
    ] {
        let told = of(gateways).unwrap_err().to_string();
        assert!(told.starts_with(says), "{gateways}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_service_that_names_nobody_lets_nobody_in_by_accident() {
    let gateways = (GATEWAYS, r#"{"a": {"url": "http://x/mcp"}}"#);
    for (clients, says) in [
        ("", "CLIENTS is not set → "),
        ("{}", "CLIENTS names no client → "),
        (r#"{"team": {}}"#, "CLIENTS.team.token is missing"),
        (r#"{"team": {"token": "abc"}}"#, "CLIENTS.team.token must point to a variable"),
        (r#"{"team": {"token": "${T}", "gateways": ["b"]}}"#, "CLIENTS.team.gateways names \"b\""),
        (r#"{"team": {"token": "${T}", "tool": []}}"#, "CLIENTS.team.tool is not known"),
    ] {
        let told = read(&[gateways, (CLIENTS, clients)]).unwrap_err().to_string();
        assert!(told.starts_with(says), "{clients}: {told}");
    }
    assert_eq!(read(&[gateways, (CLIENTS, "anyone")]).unwrap().clients, Clients::Anyone);
}

#[test]
fn no_credential_of_a_gateway_is_among_what_the_front_is_shown() {
    let settings = read(&[
        (
            GATEWAYS,
            r#"{"a": {"url": "http://${HOST}/mcp", "auth": {"type": "bearer", "token": "${TOKEN}"}, "headers": {"X-Key": "k ${KEY}"}},
                "b": {"url": "http://y/mcp", "auth": {"type": "basic", "username": "${USER}", "password": "${PASSWORD:-x}"}}}"#,
        ),
        // Whoever takes one token for both loses the client, not the secret.
        (CLIENTS, r#"{"team": {"token": "${TEAM}"}, "odd": {"token": "${TOKEN}"}}"#),
        ("HOST", "x"),
    ])
    .unwrap();
    let shown: Vec<String> = settings.shown_to_front().into_iter().collect();
    assert_eq!(shown, ["CLIENTS", "GATEWAYS", "HOST", "HOSTS", "LIMITS", "ORIGINS", "SESSION_KEYS", "TEAM"]);
}

#[test]
fn variables_are_those_of_pflows_own_file() {
    let find = |name: &str| (name == "A").then(|| "1".to_owned());
    let resolve = |text: &str| Template::new(text).resolve("x", &find).map_err(|problem| problem.to_string());
    assert_eq!(resolve("${A}-${B:-two}-$A-${env:A}-${"), Ok("1-two-$A-${env:A}-${".to_owned()));
    assert_eq!(resolve("${B}"), Err("x points to B, which is not set → give the service the variable B".to_owned()));
}

#[test]
fn limits_have_defaults_and_ceilings() {
    let gateways = (GATEWAYS, r#"{"a": {"url": "http://x/mcp", "limits": {"response_body_bytes": 1000}}}"#);
    let with = |limits: &str| read(&[gateways, (CLIENTS, "anyone"), (LIMITS, limits)]);
    let settings = with(r#"{"request_seconds": 5}"#).unwrap();
    assert_eq!((settings.limits.request_ms, settings.limits.answer_ms), (5_000, 30_000));
    assert_eq!(settings.limits.request_body_bytes, 8 * 1024 * 1024);
    let upstream = settings.gateways[0].limits;
    assert_eq!((upstream.response_body_bytes, upstream.operation_body_bytes), (1_000, 128 * 1024 * 1024));
    for (limits, says) in [
        (r#"{"request_seconds": 601}"#, "LIMITS.request_seconds must be a whole number from 1 to 600"),
        (r#"{"body": 1}"#, "LIMITS.body is not known → there are request_body_bytes, "),
        ("x", "LIMITS is not valid JSON"),
    ] {
        assert!(with(limits).unwrap_err().to_string().starts_with(says), "{limits}");
    }
}
