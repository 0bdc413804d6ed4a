//! The example configurations of `docs/examples`: each one reads, and has what its name says.
//! Takes the files as they are in the repository. Never connects to anything.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use pflow_gateway::{
    config::{ConfigFile, Filter, GatewayConfig},
    report::Kind,
};
use serde_json::Value;

/// One gateway of one example.
struct Expected {
    file: &'static str,
    name: &'static str,
    kind: Option<Kind>,
    auth: &'static str,
    /// Declared services with their prefixes.
    services: &'static [(&'static str, &'static str)],
    filter: Filter,
    plain: bool,
}

fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn expected() -> Vec<Expected> {
    const GITHUB_AND_SLACK: &[(&str, &str)] = &[("github", "github__"), ("slack", "slack__")];
    const DOCKER_TOKEN: &str = "bearer ${MCP_GATEWAY_AUTH_TOKEN}";
    const FORGE_TOKEN: &str = "bearer ${CONTEXTFORGE_TOKEN}";
    vec![
        Expected {
            file: "docker-desktop.json",
            name: "docker",
            kind: Kind::parse("docker"),
            auth: DOCKER_TOKEN,
            services: GITHUB_AND_SLACK,
            filter: Filter { no_destructive: true, ..Filter::default() },
            plain: false,
        },
        Expected {
            file: "docker-without-desktop.json",
            name: "docker",
            kind: Kind::parse("docker"),
            auth: DOCKER_TOKEN,
            services: GITHUB_AND_SLACK,
            filter: Filter { include_services: list(&["github", "slack"]), ..Filter::default() },
            plain: false,
        },
        Expected {
            file: "contextforge-server-scoped.json",
            name: "forge",
            kind: Kind::parse("context-forge"),
            auth: FORGE_TOKEN,
            services: &[],
            filter: Filter { include_services: list(&["github-work", "slack"]), ..Filter::default() },
            plain: false,
        },
        Expected {
            file: "several-gateways.json",
            name: "docker_github",
            kind: Kind::parse("docker"),
            auth: DOCKER_TOKEN,
            services: &[("github", "github__")],
            filter: Filter { include_services: list(&["github"]), ..Filter::default() },
            plain: false,
        },
        Expected {
            file: "several-gateways.json",
            name: "forge",
            kind: Kind::parse("context-forge"),
            auth: FORGE_TOKEN,
            services: &[],
            filter: Filter { read_only: true, ..Filter::default() },
            plain: false,
        },
        Expected {
            file: "several-gateways.json",
            name: "plain",
            kind: None,
            auth: "API key ${PLAIN_API_KEY} in x-api-key",
            services: &[],
            filter: Filter::default(),
            plain: true,
        },
        Expected {
            file: "docker-bare-names.json",
            name: "docker",
            kind: Kind::parse("docker"),
            auth: DOCKER_TOKEN,
            // Declared by their tools.
            services: &[("github", ""), ("slack", "")],
            filter: Filter::default(),
            plain: false,
        },
        Expected {
            file: "custom-declared-services.json",
            name: "custom",
            kind: Kind::parse("generic"),
            auth: "basic ${GATEWAY_USER} ${GATEWAY_PASSWORD}",
            services: &[("github", "github__"), ("slack", "slack__"), ("lab", "lab__")],
            filter: Filter {
                exclude_services: list(&["lab"]),
                exclude_tools: list(&["*_delete*"]),
                no_destructive: true,
                ..Filter::default()
            },
            plain: false,
        },
        Expected {
            file: "hosted-api-key.json",
            name: "hosted",
            kind: Kind::parse("generic"),
            auth: "API key ${HOSTED_API_KEY} in x-api-key",
            services: &[("github", "GITHUB_"), ("gmail", "GMAIL_")],
            filter: Filter {
                include_services: list(&["github", "gmail"]),
                exclude_tools: list(&["*_DELETE_*"]),
                ..Filter::default()
            },
            plain: false,
        },
    ]
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples")
}

/// The examples by name, sorted.
fn files() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.strip_suffix(".json").is_some())
        .collect();
    names.sort();
    names
}

fn gateways(file: &str) -> Vec<(String, GatewayConfig)> {
    let config = ConfigFile::load(&folder().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    config
        .gateways()
        .into_iter()
        .map(|(name, gateway)| {
            let gateway = gateway.unwrap_or_else(|e| panic!("{file}: {name}: {e}"));
            (name, gateway)
        })
        .collect()
}

fn json(file: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(folder().join(file)).unwrap()).unwrap()
}

/// `${VAR}` and nothing else, no default either.
fn is_variable(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn every_example_has_what_its_name_says() {
    for wanted in expected() {
        let at = format!("{}: {}", wanted.file, wanted.name);
        let (_, found) = gateways(wanted.file)
            .into_iter()
            .find(|(name, _)| name == wanted.name)
            .unwrap_or_else(|| panic!("{at} is no gateway"));
        let declared: Vec<(&str, &str)> = found
            .services
            .iter()
            .map(|service| (service.name.as_str(), service.prefix.as_deref().unwrap_or_default()))
            .collect();
        assert_eq!(found.kind, wanted.kind, "{at}");
        assert_eq!(found.auth.describe(), wanted.auth, "{at}");
        assert_eq!(declared, wanted.services, "{at}");
        assert_eq!(found.filter, wanted.filter, "{at}");
        assert_eq!(found.plain, wanted.plain, "{at}");
    }
}

#[test]
fn no_gateway_of_an_example_is_left_unchecked() {
    let checked: BTreeSet<(String, String)> =
        expected().iter().map(|wanted| (wanted.file.to_owned(), wanted.name.to_owned())).collect();
    let mut there = BTreeSet::new();
    for file in files() {
        let gateways = gateways(&file);
        assert!(!gateways.is_empty(), "{file} has no gateway");
        there.extend(gateways.into_iter().map(|(name, _)| (file.clone(), name)));
    }
    assert_eq!(there, checked);
}

#[test]
fn no_example_holds_a_secret() {
    for file in files() {
        let content = json(&file);
        for (name, server) in content["mcpServers"].as_object().unwrap() {
            let holder = server.get("gateway").unwrap_or(server);
            for (member, values) in [("env", server.get("env")), ("auth", holder.get("auth"))] {
                for (key, value) in values.and_then(Value::as_object).into_iter().flatten() {
                    // How, and in which header; the rest is the credential.
                    if matches!((member, key.as_str()), ("auth", "type" | "header")) {
                        continue;
                    }
                    let text = value.as_str().unwrap_or_default();
                    assert!(is_variable(text), "{file}: {name}: {member}.{key} is {text:?} and no variable");
                }
            }
        }
    }
}

#[test]
fn pflow_gets_every_variable_that_a_gateway_needs() {
    for file in files() {
        let content = json(&file);
        for (name, gateway) in gateways(&file) {
            if gateway.plain {
                continue;
            }
            let server = &content["mcpServers"][&name];
            assert_eq!(server["args"], serde_json::json!(["serve", name]), "{file}: {name}");
            for (variable, _) in gateway.variables() {
                let given = server["env"][variable].as_str();
                assert_eq!(given, Some(format!("${{{variable}}}").as_str()), "{file}: {name}: env.{variable}");
            }
        }
    }
}

#[test]
fn the_readme_names_every_example() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let files = files();
    assert!(!files.is_empty());
    for file in files {
        assert!(readme.contains(&format!("[{file}]({file})")), "{file}");
    }
}
