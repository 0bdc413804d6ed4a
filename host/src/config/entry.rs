//! One entry of `mcp-servers.json`, read: our own with a `gateway` member, or pflow's plain `"type": "http"`.
//! Takes a name and JSON; gives a [`GatewayConfig`]. Never resolves a variable.
//!
//! ```json
//! {"command": "pflow-gateway", "args": ["serve", "docker"], "env": {"GATEWAY_TOKEN": "${GATEWAY_TOKEN}"},
//!  "gateway": {
//!    "url": "http://127.0.0.1:8811/mcp",
//!    "kind": "docker",
//!    "auth": {"type": "bearer", "token": "${GATEWAY_TOKEN}"},
//!    "headers": {"X-Team": "a"},
//!    "services": {"include": ["git*"], "exclude": [], "declare": [{"name": "github", "prefix": "gh_"}, {"name": "slack", "tools": ["post_*"]}]},
//!    "tools": {"include": [], "exclude": ["*_delete*"], "read_only": false, "no_destructive": false, "control": false},
//!    "settings": {"page": "/status.json"},
//!    "trust": "certain",
//!    "timeout": 30,
//!    "ca_file": "~/company-ca.pem",
//!    "proxy": "http://${PROXY_USER}:${PROXY_PASSWORD}@proxy.example:3128",
//!    "allow_origins": ["https://status.example.com"],
//!    "paths": ["/status.json", "POST /api/refresh"],
//!    "addresses": "public",
//!    "component": "~/our-rules.wasm",
//!    "limits": {"memory_bytes": 536870912},
//!    "refresh": 60,
//!    "changes": "warn"}}
//! ```
//!
//! `auth.type` is `bearer` (`token`), `api_key` (`key`, `header`), `basic` (`username`, `password`) or `command` (`command`, an array: the
//! program and its arguments). `proxy` is a URL, or `false` for none whatever the environment says. `settings` are for the component, texts by name, without variables. `limits` are those of [`Limits::SETTINGS`] and [`EgressLimits::SETTINGS`]. `refresh` is how often `serve` looks
//! whether the tools changed, in seconds; `false` for never. `changes` is what becomes of tools that changed: `pass`, `warn` or `hold`. Only
//! `url` is required.

use std::{path::PathBuf, str::FromStr as _, time::Duration};

use http::HeaderName;
use serde_json::Value;

use super::error::{EntryError, Result};
use super::{
    Address, Auth, Changes, Claims, DEFAULT_REFRESH, DEFAULT_TIMEOUT, DeclaredService, Filter, GatewayConfig, Method,
    ProxySetting, Settings, Template, Variables, foreign, member::Member,
};
use crate::{
    egress::{Addresses, EgressLimits, Origin, PathRule},
    report::{Era, Kind},
    runtime::Limits,
    scrub,
};

/// pflow's ceiling for the timeout of an HTTP server.
const MAX_TIMEOUT: f64 = 600.0;
/// More often is hammering; less often than daily is never.
const MIN_REFRESH: f64 = 1.0;
const MAX_REFRESH: f64 = 86_400.0;
const API_KEY_HEADER: &str = "X-API-Key";

const KNOWN: [&str; 20] = [
    "adopted",
    "url",
    "kind",
    "era",
    "auth",
    "headers",
    "services",
    "settings",
    "tools",
    "trust",
    "timeout",
    "ca_file",
    "proxy",
    "allow_origins",
    "paths",
    "addresses",
    "component",
    "limits",
    "refresh",
    "changes",
];

/// Whether an entry is a gateway at all.
pub(super) fn is_gateway(entry: &Value) -> bool {
    entry.get("gateway").is_some() || entry.get("type").and_then(Value::as_str) == Some("http")
}

/// Reads one entry.
pub(super) fn read(name: &str, entry: &Value) -> Result<GatewayConfig> {
    let entry = Member::root(name, entry);
    let Some(gateway) = entry.get("gateway") else { return plain(name, &entry) };
    gateway.object()?;
    gateway.warn_of_others(&KNOWN);
    let services = gateway.get("services");
    let mut filter = Filter::default();
    if let Some(services) = &services {
        service_filter(services, &mut filter)?;
    }
    if let Some(tools) = gateway.get("tools") {
        tool_filter(&tools, &mut filter)?;
    }
    let address = address(&gateway)?;
    let (limits, egress_limits) = limits(&gateway)?;
    Ok(GatewayConfig {
        name: name.to_owned(),
        url: address.url().clone(),
        address,
        kind: gateway.get("kind").map(|kind| read_kind(&kind)).transpose()?,
        era: gateway.get("era").map_or(Ok(None), |era| read_era(&era))?,
        auth: auth(&gateway)?,
        services: services
            .and_then(|s| s.get("declare"))
            .map(|declared| declare(&declared))
            .transpose()?
            .unwrap_or_default(),
        settings: gateway.get("settings").map(|settings| Settings::read(&settings)).transpose()?.unwrap_or_default(),
        filter,
        claims: gateway.get("trust").map_or(Ok(Claims::Unsaid), |trust| read_claims(&trust))?,
        timeout: timeout(&gateway)?,
        timeout_given: gateway.get("timeout").is_some(),
        ca_file: gateway.get("ca_file").map(|file| path(&file)).transpose()?,
        proxy: gateway.get("proxy").map(|proxy| read_proxy(&proxy)).transpose()?.unwrap_or_default(),
        allow_origins: gateway.get("allow_origins").map(|list| origins(&list)).transpose()?.unwrap_or_default(),
        paths: gateway.get("paths").map(|list| paths(&list)).transpose()?.unwrap_or_default(),
        addresses: gateway.get("addresses").map_or(Ok(Addresses::default()), |member| addresses(&member))?,
        component: gateway.get("component").map(|file| path(&file)).transpose()?.into(),
        components: None,
        folder: None,
        memory: None,
        limits,
        egress_limits,
        refresh: refresh(&gateway)?,
        changes: gateway.get("changes").map(|changes| read_changes(&changes)).transpose()?.unwrap_or_default(),
        plain: false,
        remarks: Vec::new(),
    })
}

/// pflow's own HTTP entry.
fn plain(name: &str, entry: &Member) -> Result<GatewayConfig> {
    if !is_gateway(entry.value()) {
        return Err(foreign::no_gateway(name, entry.value()));
    }
    let address = address(entry)?;
    Ok(GatewayConfig {
        auth: auth(entry)?,
        timeout: timeout(entry)?,
        timeout_given: entry.get("timeout").is_some(),
        plain: true,
        name: name.to_owned(),
        ..GatewayConfig::at(address)
    })
}

fn address(holder: &Member) -> Result<Address> {
    let member = holder.required("url")?;
    Address::read(member.string()?, member.path(), Variables::of_this_user)
}

/// `false`, or the URL of a proxy.
fn read_proxy(member: &Member) -> Result<ProxySetting> {
    match member.value() {
        Value::Bool(false) => Ok(ProxySetting::None),
        Value::String(text) if !text.trim().is_empty() => Ok(ProxySetting::Url(Template::new(text.trim()))),
        _ => Err(member.wrong("false, or a proxy's URL like http://proxy.example:3128")),
    }
}

fn read_kind(member: &Member) -> Result<Kind> {
    Kind::parse(member.string()?)
        .ok_or_else(|| member.wrong("a product, written with lower-case letters, digits and -, like acme-2"))
}

fn read_claims(member: &Member) -> Result<Claims> {
    match member.string()? {
        "certain" => Ok(Claims::LeftOut),
        "claims" => Ok(Claims::Believed),
        _ => Err(member.wrong("certain or claims")),
    }
}

fn read_changes(member: &Member) -> Result<Changes> {
    let text = member.string()?;
    let found = Changes::ALL.into_iter().find(|changes| changes.as_str() == text);
    found.ok_or_else(|| member.wrong("pass, warn or hold"))
}

/// None: find out.
fn read_era(member: &Member) -> Result<Option<Era>> {
    match member.string()? {
        "auto" => Ok(None),
        "legacy" => Ok(Some(Era::Legacy)),
        "modern" => Ok(Some(Era::Modern)),
        _ => Err(member.wrong("auto, legacy or modern")),
    }
}

fn auth(holder: &Member) -> Result<Auth> {
    let mut headers = Vec::new();
    if let Some(member) = holder.get("headers") {
        for name in member.object()?.keys() {
            let value = member.required(name)?;
            headers.push((header_name(name, member.path())?, Template::new(value.string()?)));
        }
    }
    let method = match holder.get("auth") {
        Some(auth) if !auth.value().as_object().is_some_and(serde_json::Map::is_empty) => method(&auth)?,
        _ => Method::None,
    };
    Ok(Auth { method, headers })
}

fn method(auth: &Member) -> Result<Method> {
    auth.object()?;
    let template = |name: &str| -> Result<Template> { Ok(Template::new(auth.required(name)?.string()?)) };
    let kind = auth.required("type")?;
    Ok(match kind.string()? {
        "bearer" => Method::Bearer { token: template("token")? },
        "api_key" => {
            let name = auth.get("header").map(|header| header.string().map(str::to_owned)).transpose()?;
            Method::ApiKey {
                header: header_name(name.as_deref().unwrap_or(API_KEY_HEADER), auth.path())?,
                key: template("key")?,
            }
        }
        "basic" => Method::Basic { username: template("username")?, password: template("password")? },
        "command" => {
            let argv = auth.required("command")?;
            let words = argv.strings()?;
            if words.first().is_none_or(String::is_empty) {
                return Err(argv.wrong("the program and its arguments"));
            }
            Method::Command { argv: words }
        }
        _ => {
            return Err(EntryError::Auth { path: auth.path().to_owned() }.into());
        }
    })
}

/// The name of a header.
pub(super) fn header_name(text: &str, from: &str) -> Result<HeaderName, EntryError> {
    HeaderName::from_str(text)
        .map_err(|_| EntryError::HeaderName { path: from.to_owned(), name: scrub::line(text, 100) })
}

fn service_filter(services: &Member, filter: &mut Filter) -> Result<()> {
    if services.value().is_array() {
        filter.include_services = services.strings()?;
        return Ok(());
    }
    services.object()?;
    services.warn_of_others(&["include", "exclude", "declare"]);
    filter.include_services = list(services, "include")?;
    filter.exclude_services = list(services, "exclude")?;
    Ok(())
}

fn tool_filter(tools: &Member, filter: &mut Filter) -> Result<()> {
    if tools.value().is_array() {
        filter.include_tools = tools.strings()?;
        return Ok(());
    }
    tools.object()?;
    tools.warn_of_others(&["include", "exclude", "read_only", "no_destructive", "control"]);
    filter.include_tools = list(tools, "include")?;
    filter.exclude_tools = list(tools, "exclude")?;
    let flag = |name: &str| tools.get(name).map_or(Ok(false), |member| member.boolean());
    filter.read_only = flag("read_only")?;
    filter.no_destructive = flag("no_destructive")?;
    filter.control_tools = flag("control")?;
    Ok(())
}

fn list(holder: &Member, name: &str) -> Result<Vec<String>> {
    holder.get(name).map_or(Ok(Vec::new()), |member| member.strings())
}

fn declare(declared: &Member) -> Result<Vec<DeclaredService>> {
    let mut services = Vec::new();
    for item in declared.items()? {
        let service = if let Value::String(text) = item.value() {
            text.parse().map_err(|problem| EntryError::Declaration { path: item.path().to_owned(), problem })?
        } else {
            item.object()?;
            item.warn_of_others(&["name", "prefix", "tools"]);
            DeclaredService {
                name: item.required("name")?.string()?.to_owned(),
                prefix: item.get("prefix").map(|prefix| prefix.string().map(str::to_owned)).transpose()?,
                tools: list(&item, "tools")?,
            }
        };
        services.push(service);
    }
    Ok(services)
}

fn timeout(holder: &Member) -> Result<Duration> {
    let Some(member) = holder.get("timeout") else { return Ok(DEFAULT_TIMEOUT) };
    let seconds = member.number()?;
    if seconds > MAX_TIMEOUT {
        let milliseconds = (1_000.0..=MAX_TIMEOUT * 1_000.0).contains(&seconds).then_some(seconds);
        return Err(member.wrong_unless_milliseconds("at most 600 (seconds)", milliseconds));
    }
    Ok(Duration::from_secs_f64(seconds))
}

fn refresh(holder: &Member) -> Result<Option<Duration>> {
    let Some(member) = holder.get("refresh") else { return Ok(Some(DEFAULT_REFRESH)) };
    if member.value() == &Value::Bool(false) {
        return Ok(None);
    }
    let seconds = member.number().map_err(|_| member.wrong("a number of seconds, or false"))?;
    if !(MIN_REFRESH..=MAX_REFRESH).contains(&seconds) {
        return Err(member.wrong("between 1 and 86400 (seconds), or false"));
    }
    Ok(Some(Duration::from_secs_f64(seconds)))
}

/// What a run of the component, and a conversation, may use.
fn limits(holder: &Member) -> Result<(Limits, EgressLimits)> {
    let (mut limits, mut egress) = (Limits::default(), EgressLimits::default());
    let Some(given) = holder.get("limits") else { return Ok((limits, egress)) };
    for name in given.object()?.keys() {
        let member = given.required(name)?;
        let value = || member.value().as_u64().ok_or_else(|| member.wrong("a whole number"));
        if let Some(setting) = Limits::SETTINGS.iter().find(|setting| setting.name == name) {
            setting.apply(&mut limits, value()?, member.path())?;
        } else if let Some(setting) = EgressLimits::SETTINGS.iter().find(|setting| setting.name == name) {
            setting.apply(&mut egress, value()?, member.path())?;
        } else {
            // Not just a warning: whoever writes it relies on it.
            return Err(EntryError::NoLimit { path: scrub::line(member.path(), 200) }.into());
        }
    }
    Ok((limits, egress))
}

/// A path; `~` is the home folder. A relative one is meant from the file's folder, which only the file knows.
fn path(member: &Member) -> Result<PathBuf> {
    let text = member.string()?;
    if let Some(rest) = text.strip_prefix("~/")
        && let Some(home) = std::env::home_dir()
    {
        return Ok(home.join(rest));
    }
    Ok(PathBuf::from(text))
}

fn origins(list: &Member) -> Result<Vec<Origin>> {
    list.items()?
        .iter()
        .map(|item| {
            let origin = Origin::from_str(item.string()?);
            Ok(origin.map_err(|source| EntryError::Origin { path: item.path().to_owned(), source })?)
        })
        .collect()
}

fn paths(list: &Member) -> Result<Vec<PathRule>> {
    list.items()?
        .iter()
        .map(|item| {
            let rule = PathRule::from_str(item.string()?);
            Ok(rule.map_err(|source| EntryError::Path { path: item.path().to_owned(), source })?)
        })
        .collect()
}

fn addresses(member: &Member) -> Result<Addresses> {
    match member.string()? {
        "any" => Ok(Addresses::Any),
        "public" => Ok(Addresses::Public),
        _ => Err(member.wrong("any or public")),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use serde_json::json;

    use super::{super::error::ConfigError, *};
    use crate::{Class, Error};

    fn wrong(entry: &Value) -> String {
        let error = Error::from(read("docker", entry).unwrap_err());
        assert_eq!(error.class, Class::Config);
        assert!(error.hint.is_some(), "{error}");
        error.message
    }

    #[test]
    fn every_complaint_says_where_the_value_stands() {
        let gateway = |gateway: Value| json!({"command": "x", "gateway": gateway});
        let with = |name: &str, value: Value| gateway(json!({"url": "http://h/mcp", name: value}));
        for (entry, expected) in [
            (gateway(json!(7)), "docker.gateway must be an object, not 7"),
            (gateway(json!({})), "docker.gateway.url is missing"),
            (
                gateway(json!({"url": "ftp://h/"})),
                "docker.gateway.url \"ftp://h/\" must start with http:// or https://",
            ),
            (
                gateway(json!({"url": "mcp"})),
                "docker.gateway.url \"mcp\" is not a valid URL: relative URL without a base",
            ),
            (
                with("kind", json!("Docker")),
                "docker.gateway.kind must be a product, written with lower-case letters, digits and -, like acme-2, not \"Docker\"",
            ),
            (
                with("services", json!({"include": ["a", 1]})),
                "docker.gateway.services.include[1] must be a string, not 1",
            ),
            (
                with("services", json!({"declare": [{"prefix": "x"}]})),
                "docker.gateway.services.declare[0].name is missing",
            ),
            (
                with("tools", json!({"read_only": "yes"})),
                "docker.gateway.tools.read_only must be true or false, not \"yes\"",
            ),
            (with("timeout", json!(0)), "docker.gateway.timeout must be a positive number, not 0"),
            (with("timeout", json!(601)), "docker.gateway.timeout must be at most 600 (seconds), not 601"),
            (with("limits", json!({"memory": 1})), "docker.gateway.limits.memory is no limit"),
            (
                with("limits", json!({"memory_bytes": "1 GB"})),
                "docker.gateway.limits.memory_bytes must be a whole number, not \"1 GB\"",
            ),
            (
                with("limits", json!({"cpu_seconds": 0})),
                "docker.gateway.limits.cpu_seconds must be between 1 and 600, not 0",
            ),
            (
                with("limits", json!({"requests": 1_000_000})),
                "docker.gateway.limits.requests must be between 1 and 100000, not 1000000",
            ),
            (
                with("refresh", json!("often")),
                "docker.gateway.refresh must be a number of seconds, or false, not \"often\"",
            ),
            (
                with("refresh", json!(0.1)),
                "docker.gateway.refresh must be between 1 and 86400 (seconds), or false, not 0.1",
            ),
            (
                with("auth", json!({"type": "oauth"})),
                "docker.gateway.auth.type must be bearer, api_key, basic or command",
            ),
            (with("auth", json!({"type": "bearer"})), "docker.gateway.auth.token is missing"),
            (
                with("paths", json!(["/a", "GET /b?c"])),
                "docker.gateway.paths[1]: a path begins with / and has no query, no blanks, and no . or .. between its slashes",
            ),
            (with("addresses", json!("private")), "docker.gateway.addresses must be any or public, not \"private\""),
            (with("headers", json!({"a b": "c"})), "docker.gateway.headers: \"a b\" is no header name"),
        ] {
            assert_eq!(wrong(&entry), expected);
        }
    }

    #[test]
    fn limits_and_the_refresh_are_taken_as_they_are_written() {
        let entry = json!({"command": "x", "gateway": {"url": "http://h/mcp", "refresh": false,
            "limits": {"memory_bytes": 1_048_576, "cpu_seconds": 5, "response_body_bytes": 1_000}}});
        let config = read("docker", &entry).unwrap();
        assert_eq!((config.limits.memory, config.limits.cpu), (1_048_576, Duration::from_secs(5)));
        assert_eq!((config.egress_limits.response_body, config.refresh), (1_000, None));
        assert_eq!(config.limits.handles, Limits::default().handles);
    }

    #[test]
    fn a_service_is_declared_alike_in_words_and_as_an_object() {
        let declared = |item: Value| {
            let entry = json!({"command": "x", "gateway": {"url": "http://h/mcp", "services": {"declare": [item]}}});
            read("docker", &entry).unwrap().services.pop().unwrap()
        };
        for (words, object) in [
            ("github", json!({"name": "github"})),
            ("github=gh_", json!({"name": "github", "prefix": "gh_"})),
            ("github=list_issues", json!({"name": "github", "prefix": "list_issues"})),
            ("linear=", json!({"name": "linear", "prefix": ""})),
            ("github=*_pull_request", json!({"name": "github", "tools": ["*_pull_request"]})),
            (
                "github=list_issues, get_{issue,user},[ab,]*",
                json!({"name": "github", "tools": ["list_issues", "get_{issue,user}", "[ab,]*"]}),
            ),
        ] {
            assert_eq!(declared(json!(words)), declared(object), "{words}");
        }
        for broken in ["=gh_", "", "github=a,,b", "github=,"] {
            assert!(broken.parse::<DeclaredService>().is_err(), "{broken}");
        }
    }

    #[test]
    fn every_default_is_below_its_ceiling() {
        for setting in Limits::SETTINGS {
            assert!((setting.get)(&Limits::default()) <= setting.ceiling, "{}", setting.name);
        }
        for setting in EgressLimits::SETTINGS {
            assert!((setting.get)(&EgressLimits::default()) <= setting.ceiling, "{}", setting.name);
        }
    }

    #[test]
    fn a_password_in_the_url_or_in_the_wrong_place_is_never_shown() {
        let url = wrong(&json!({"type": "http", "url": "http://ann:s3cret@h/mcp"}));
        assert!(url.contains("holds a user name or password") && !url.contains("s3cret"), "{url}");
        let auth = wrong(&json!({"type": "http", "url": "http://h/mcp", "auth": "s3cret"}));
        assert!(!auth.contains("s3cret"), "{auth}");
    }

    #[test]
    fn pflows_own_http_entry_is_a_gateway_too() {
        let entry = json!({"type": "http", "url": "https://h/mcp", "timeout": 60,
            "auth": {"type": "api_key", "key": "${KEY}"}, "headers": {"X-Team": "a"}});
        let config = read("plain", &entry).unwrap();
        assert!(config.plain);
        assert_eq!(config.name, "plain");
        assert_eq!(config.timeout, Duration::from_secs(60));
        assert_eq!(config.auth.describe(), "API key ${KEY} in x-api-key");
        assert_eq!(config.auth.headers.len(), 1);
    }

    #[test]
    fn a_server_that_pflow_starts_is_no_gateway() {
        let error = read("fs", &json!({"command": "npx", "args": ["fs"]})).unwrap_err();
        assert!(matches!(error, ConfigError::Entry(EntryError::Started { name }) if name == "fs"));
        assert!(!is_gateway(&json!({"command": "npx"})));
        assert!(is_gateway(&json!({"command": "x", "gateway": {}})));
    }
}
