//! Entries that `add` and `setup` write.

use std::time::Duration;

use super::*;

fn launcher() -> Launcher {
    Launcher { command: "/opt/bin/pflow-gateway".into(), args: Vec::new() }
}

fn new(name: &str) -> NewGateway {
    NewGateway::new(name, "http://127.0.0.1:8811/mcp".parse().unwrap(), launcher())
}

fn full() -> NewGateway {
    NewGateway {
        kind: Some(Kind::Docker),
        auth: Auth::bearer(Template::variable("GATEWAY_TOKEN")),
        services: vec![
            DeclaredService { name: "jira".into(), prefix: None },
            DeclaredService { name: "github".into(), prefix: Some("gh_".into()) },
        ],
        filter: Filter {
            include_services: vec!["git*".into()],
            exclude_tools: vec!["mcp-*".into()],
            read_only: true,
            ..Filter::default()
        },
        timeout: Some(Duration::from_secs(90)),
        ca_file: Some("/etc/ca.pem".into()),
        allow_origins: vec!["https://status.example".parse().unwrap()],
        headers: vec![("x-team".parse().unwrap(), Template::new("${TEAM:-blue}"))],
        ..new("docker")
    }
}

#[test]
fn an_entry_is_what_pflow_and_we_read() {
    let (name, entry) = full().entry().unwrap();
    assert_eq!(name, "docker");
    assert_eq!(
        entry,
        json!({
            "command": "/opt/bin/pflow-gateway",
            "args": ["serve", "docker"],
            "env": {"GATEWAY_TOKEN": "${GATEWAY_TOKEN}", "TEAM": "${TEAM:-blue}"},
            "timeout": 100,
            "gateway": {
                "kind": "docker",
                "url": "http://127.0.0.1:8811/mcp",
                "auth": {"type": "bearer", "token": "${GATEWAY_TOKEN}"},
                "headers": {"x-team": "${TEAM:-blue}"},
                "services": {"include": ["git*"], "declare": ["jira", {"name": "github", "prefix": "gh_"}]},
                "tools": {"exclude": ["mcp-*"], "read_only": true},
                "timeout": 90,
                "ca_file": "/etc/ca.pem",
                "allow_origins": ["https://status.example"],
            },
        })
    );
}

#[test]
fn an_entry_reads_back_as_what_was_collected() {
    for auth in [
        Auth::none(),
        Auth::bearer(Template::variable("T")),
        Auth::api_key(Some("x-y".parse().unwrap()), Template::variable("T")),
        Auth::api_key(None, Template::variable("T")),
        Auth::basic(Template::variable("U"), Template::variable("P")),
        Auth::command("vault read 'a b'").unwrap(),
    ] {
        let new = NewGateway { auth, ..full() };
        let (_, written) = new.entry().unwrap();
        let (read, meant) = (entry(&written).unwrap(), new.to_config());
        assert_eq!(read.auth.describe(), meant.auth.describe());
        assert_eq!((read.url, read.kind, read.timeout), (meant.url, meant.kind, meant.timeout));
        assert_eq!((read.services, read.filter), (meant.services, meant.filter));
        assert_eq!((read.ca_file, read.allow_origins), (meant.ca_file, meant.allow_origins));
    }
}

#[test]
fn a_plain_gateway_has_a_short_entry() {
    let (_, entry) = new("gw").entry().unwrap();
    assert_eq!(
        entry,
        json!({"command": "/opt/bin/pflow-gateway", "args": ["serve", "gw"], "gateway": {"url": "http://127.0.0.1:8811/mcp"}})
    );
}

#[test]
fn names_are_valid_exactly_as_in_pflow() {
    for (name, pflow) in [
        ("docker", true),
        ("my-gw", true),
        ("my_gw", true),
        ("ünï", true),
        ("1", true),
        ("日本", true),
        ("²", true),
        ("Ⅷ", true),
        ("docker_github", true),
        ("a/b", false),
        ("a b", false),
        ("", false),
        ("-", false),
        ("_-_", false),
        ("a.b", false),
        ("a:b", false),
        ("a\u{301}", false),
    ] {
        assert_eq!(new(name).entry().is_ok(), pflow, "{name:?}");
    }
    let error = new("my gw").entry().unwrap_err();
    assert_eq!(error.message, r#""my gw" cannot be the name of an entry"#);
}

#[test]
fn entries_per_service_have_no_hyphen_of_their_own_and_include_one_service_each() {
    let services = ["github".to_owned(), "google-drive".into(), "a[b]".into()];
    let entries = full().entries_per_service(&services).unwrap();
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["docker_github", "docker_google_drive", "docker_a_b_"]);
    for ((name, entry), include) in entries.iter().zip(["github", "google-drive", "a[[]b[]]"]) {
        assert_eq!(entry["args"], json!(["serve", name]));
        assert_eq!(entry["gateway"]["services"]["include"], json!([include]));
        assert_eq!(entry["gateway"]["tools"], json!({"exclude": ["mcp-*"], "read_only": true}));
    }
}

#[test]
fn services_that_would_share_an_entry_are_refused() {
    let error = new("gw").entries_per_service(&["a-b".into(), "a_b".into()]).unwrap_err();
    assert_eq!(error.message, r#"the services "a-b" and "a_b" would both have the entry gw_a_b"#);
    assert!(new("gw").entries_per_service(&[]).is_err());
    assert!(new("g w").entries_per_service(&["a".into()]).is_err());
}

#[test]
fn a_variable_without_a_default_wins_over_the_same_with_one() {
    let new = NewGateway {
        auth: Auth::bearer(Template::new("${T:-x}")),
        headers: vec![("x-a".parse().unwrap(), Template::new("${T}"))],
        ..new("gw")
    };
    assert_eq!(new.entry().unwrap().1["env"], json!({"T": "${T}"}));
}

#[test]
fn variables_of_a_token_command_reach_serve() {
    let new = NewGateway { auth: Auth::command("vault read ${VAULT_PATH}").unwrap(), ..new("gw") };
    assert_eq!(new.entry().unwrap().1["env"], json!({"VAULT_PATH": "${VAULT_PATH}"}));
}

#[test]
fn what_pflow_shall_spawn_exists() {
    let current = Launcher::current().unwrap();
    assert!(Path::new(&current.command).is_absolute() && Path::new(&current.command).exists());
    let python = Launcher { command: "/venv/bin/python".into(), args: vec!["-m".into(), "pflow_gateway".into()] };
    Launcher::set_current(python.clone());
    assert_eq!(Launcher::current().unwrap(), python);
    let (_, entry) = NewGateway { launcher: python, ..new("gw") }.entry().unwrap();
    assert_eq!(entry["args"], json!(["-m", "pflow_gateway", "serve", "gw"]));
}
