//! One entry of `mcp-servers.json`, read as a gateway.
//! Takes its JSON; gives a [`GatewayConfig`], or the first wrong value and where it is. Never shows a value that may be a secret.
//!
//! ```json
//! "docker": {
//!   "command": "pflow-gateway", "args": ["serve", "docker"], "env": {"GATEWAY_TOKEN": "${GATEWAY_TOKEN}"},
//!   "gateway": {
//!     "kind": "docker", "url": "http://127.0.0.1:8811/mcp",
//!     "auth": {"type": "bearer", "token": "${GATEWAY_TOKEN}"}, "headers": {"X-Team": "blue"},
//!     "services": {"include": ["git*"], "exclude": [], "declare": ["slack", {"name": "github", "prefix": "gh_"}]},
//!     "tools": {"include": [], "exclude": ["mcp-*"], "read_only": false, "no_destructive": false, "control_tools": false},
//!     "timeout": 30, "ca_file": "ca.pem", "allow_origins": ["https://status.example"], "component": "mine.wasm"
//!   }
//! }
//! ```
//!
//! Only `url` is needed. A plain `"type": "http"` entry has `url`, `auth`, `headers` and `timeout` at its top, as pflow defines
//! them; with a `gateway` member as well, the latter's win. Strings are expanded like pflow does it. File names are relative to the
//! folder of `mcp-servers.json`. Members that are not known are kept, with a warning.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use http::HeaderName;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};
use url::Url;

use super::{
    Auth, AuthMethod, DEFAULT_TIMEOUT, DeclaredService, Filter, GatewayConfig, MAX_TIMEOUT, Template, Variables, auth,
};
use crate::{
    Error, Result,
    egress::{Origin, OriginError, is_host_header},
    report::Kind,
};

const MEMBERS: &[&str] =
    &["kind", "url", "auth", "headers", "services", "tools", "timeout", "ca_file", "allow_origins", "component"];

/// Looked up only when a value refers to one.
type Lookup<'a> = &'a dyn Fn() -> &'a Variables;

/// Whether an entry describes a gateway.
pub(super) fn is_gateway(entry: &Value) -> bool {
    entry.get("gateway").is_some_and(|gateway| !gateway.is_null())
        || entry.get("type").is_some_and(|kind| kind == "http")
}

/// Reads an entry.
pub(super) fn parse<'a>(name: &str, entry: &'a Value, file: &Path, variables: Lookup<'a>) -> Result<GatewayConfig> {
    let file_name =
        file.file_name().map_or_else(|| file.display().to_string(), |name| name.to_string_lossy().into_owned());
    let entry = Node { value: entry, place: format!("{file_name}: {name}"), variables };
    let gateway = entry.member("gateway")?;
    if let Some(gateway) = &gateway {
        gateway.only(MEMBERS)?;
    }
    let plain = entry.value.get("type").is_some_and(|kind| kind == "http").then_some(&entry);
    let member = |name: &str| -> Result<Option<Node<'a>>> {
        for holder in gateway.iter().chain(plain) {
            if let Some(found) = holder.member(name)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    };
    let own = |name: &str| gateway.as_ref().map_or(Ok(None), |gateway| gateway.member(name));

    let Some(url) = member("url")? else {
        let holder = gateway.as_ref().unwrap_or(&entry);
        return Err(Error::config(format!("{}.url is missing", holder.place))
            .with_hint("it is the URL of the gateway's MCP endpoint"));
    };
    let url = read_url(&url.text()?).map_err(|problem| url.error(problem))?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let path =
        |node: Option<Node<'a>>| node.map(|node| Ok::<_, Error>(resolve_path(folder, &node.text()?))).transpose();
    Ok(GatewayConfig {
        name: name.to_owned(),
        url,
        kind: own("kind")?.map(|kind| read_kind(&kind)).transpose()?,
        auth: Auth {
            method: member("auth")?.map_or(Ok(AuthMethod::None), |auth| read_auth(&auth))?,
            headers: member("headers")?.map_or(Ok(Vec::new()), |headers| read_headers(&headers))?,
        },
        services: match own("services")? {
            Some(services) => services.list("declare", read_declared)?,
            None => Vec::new(),
        },
        filter: read_filter(own("services")?, own("tools")?)?,
        timeout: member("timeout")?.map_or(Ok(DEFAULT_TIMEOUT), |timeout| read_timeout(&timeout))?,
        ca_file: path(own("ca_file")?)?,
        allow_origins: match &gateway {
            Some(gateway) => gateway.list("allow_origins", |origin| {
                let text = origin.text()?;
                text.parse::<Origin>().map_err(|problem| {
                    origin
                        .error(format!("{text:?}: {problem}"))
                        .with_hint("write it like https://status.example or http://10.0.0.5:8080")
                })
            })?,
            None => Vec::new(),
        },
        component: path(own("component")?)?,
    })
}

/// A URL that was typed instead of a name.
pub(super) fn of_url(target: &str) -> Result<GatewayConfig> {
    let url = read_url(target).map_err(Error::config)?;
    Ok(GatewayConfig {
        name: target.to_owned(),
        url,
        kind: None,
        auth: Auth::none(),
        services: Vec::new(),
        filter: Filter::default(),
        timeout: DEFAULT_TIMEOUT,
        ca_file: None,
        allow_origins: Vec::new(),
        component: None,
    })
}

/// The URL of an MCP endpoint.
pub(super) fn read_url(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| format!("{:?} is not a URL: {error}", without_user_info(text)))?;
    Origin::of_url(&url).map_err(|error| match error {
        OriginError::Scheme => format!("{:?}: the URL must start with http:// or https://", without_user_info(text)),
        OriginError::UserInfo => {
            format!("{:?}: no user name or password in the URL; use basic authentication", without_user_info(text))
        }
        other => format!("{:?}: {other}", without_user_info(text)),
    })?;
    // Never sent, and no part of what the gateway is.
    url.set_fragment(None);
    Ok(url)
}

/// Safe to print: no user info, no query.
fn without_user_info(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or("");
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

fn resolve_path(folder: &Path, text: &str) -> PathBuf {
    match (text.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => folder.join(text),
    }
}

fn read_kind(node: &Node<'_>) -> Result<Kind> {
    let text = node.text()?;
    Kind::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or_else(|| {
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        node.error(format!("{text:?} is not a kind")).with_hint(format!("one of: {}", known.join(", ")))
    })
}

fn read_timeout(node: &Node<'_>) -> Result<Duration> {
    let seconds = node.value.as_f64().ok_or_else(|| node.expected("a number of seconds"))?;
    if !(seconds > 0.0 && seconds <= MAX_TIMEOUT.as_secs_f64()) {
        return Err(node
            .error(format!("{} is not a timeout", node.value))
            .with_hint(format!("more than 0 and at most {} seconds, as in pflow", MAX_TIMEOUT.as_secs())));
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| node.expected("a number of seconds"))
}

fn read_auth(node: &Node<'_>) -> Result<AuthMethod> {
    const TYPES: &str = "bearer, api_key, basic, command, none";
    let members = node.object()?;
    // As in pflow: an empty object is no authentication.
    if members.is_empty() {
        return Ok(AuthMethod::None);
    }
    let needed = |name: &str| -> Result<Template> {
        let member = node.member(name)?.ok_or_else(|| Error::config(format!("{}.{name} is missing", node.place)))?;
        Ok(Template::new(member.string()?).at(&member.place))
    };
    let kind = node.member("type")?.ok_or_else(|| {
        Error::config(format!("{}.type is missing", node.place)).with_hint(format!("one of: {TYPES}"))
    })?;
    let known: &[&str] = match kind.string()? {
        "bearer" => &["type", "token"],
        "api_key" => &["type", "key", "header"],
        "basic" => &["type", "username", "password"],
        "command" => &["type", "command"],
        "none" => &["type"],
        other => {
            return Err(kind
                .error(format!("{other:?} is not a type of authentication"))
                .with_hint(format!("one of: {TYPES}")));
        }
    };
    node.only(known)?;
    Ok(match kind.string()? {
        "bearer" => AuthMethod::Bearer { token: needed("token")? },
        "api_key" => AuthMethod::ApiKey {
            header: match node.member("header")? {
                Some(header) => header_name(&header, header.string()?)?,
                None => auth::API_KEY_HEADER,
            },
            key: needed("key")?,
        },
        "basic" => AuthMethod::Basic { username: needed("username")?, password: needed("password")? },
        "command" => {
            let command =
                node.member("command")?.ok_or_else(|| Error::config(format!("{}.command is missing", node.place)))?;
            let argv = match command.value {
                Value::String(line) => auth::split_command(line).map_err(|error| command.error(error.message))?,
                _ => command.items(|word| word.string().map(str::to_owned))?,
            };
            if argv.first().is_none_or(String::is_empty) {
                return Err(command.error("the token command is empty"));
            }
            AuthMethod::Command { argv, place: command.place }
        }
        _ => AuthMethod::None,
    })
}

fn read_headers(node: &Node<'_>) -> Result<Vec<(HeaderName, Template)>> {
    let mut headers = Vec::new();
    for name in node.object()?.keys() {
        if let Some(value) = node.member(name)? {
            headers.push((header_name(&value, name)?, Template::new(value.string()?).at(&value.place)));
        }
    }
    Ok(headers)
}

fn header_name(node: &Node<'_>, text: &str) -> Result<HeaderName> {
    let name: HeaderName = text.parse().map_err(|_| node.error(format!("{text:?} is not a header name")))?;
    if is_host_header(&name) && name != http::header::AUTHORIZATION && name != http::header::COOKIE {
        return Err(node.error(format!("the header {name} is set by the connection itself and cannot be configured")));
    }
    Ok(name)
}

fn read_declared(node: &Node<'_>) -> Result<DeclaredService> {
    if node.value.is_string() {
        return Ok(DeclaredService { name: node.non_empty()?, prefix: None });
    }
    if !node.value.is_object() {
        return Err(node.expected("a service's name, or {\"name\": …, \"prefix\": …}"));
    }
    node.only(&["name", "prefix"])?;
    let name =
        node.member("name")?.ok_or_else(|| Error::config(format!("{}.name is missing", node.place)))?.non_empty()?;
    Ok(DeclaredService { name, prefix: node.member("prefix")?.map(|prefix| prefix.non_empty()).transpose()? })
}

fn read_filter(services: Option<Node<'_>>, tools: Option<Node<'_>>) -> Result<Filter> {
    let mut filter = Filter::default();
    if let Some(services) = services {
        if !services.value.is_object() {
            return Err(services
                .expected("an object")
                .with_hint("write it like {\"include\": [\"github\"], \"exclude\": []}"));
        }
        services.only(&["include", "exclude", "declare"])?;
        filter.include_services = services.list("include", Node::non_empty)?;
        filter.exclude_services = services.list("exclude", Node::non_empty)?;
    }
    if let Some(tools) = tools {
        if !tools.value.is_object() {
            return Err(tools
                .expected("an object")
                .with_hint("write it like {\"include\": [], \"exclude\": [\"mcp-*\"]}"));
        }
        tools.only(&["include", "exclude", "read_only", "no_destructive", "control_tools"])?;
        filter.include_tools = tools.list("include", Node::non_empty)?;
        filter.exclude_tools = tools.list("exclude", Node::non_empty)?;
        filter.read_only = tools.flag("read_only")?;
        filter.no_destructive = tools.flag("no_destructive")?;
        filter.control_tools = tools.flag("control_tools")?;
    }
    Ok(filter)
}

/// A value, and where it is.
struct Node<'a> {
    value: &'a Value,
    place: String,
    variables: Lookup<'a>,
}

impl<'a> Node<'a> {
    /// A member; `null` counts as absent.
    fn member(&self, name: &str) -> Result<Option<Node<'a>>> {
        let found = self.object()?.get(name).filter(|value| !value.is_null());
        Ok(found.map(|value| Node { value, place: format!("{}.{name}", self.place), variables: self.variables }))
    }

    fn object(&self) -> Result<&'a Map<String, Value>> {
        self.value.as_object().ok_or_else(|| self.expected("an object"))
    }

    fn string(&self) -> Result<&'a str> {
        self.value.as_str().ok_or_else(|| self.expected("a string"))
    }

    /// A string with its references replaced.
    fn text(&self) -> Result<String> {
        let text = self.string()?;
        if !text.contains("${") {
            return Ok(text.to_owned());
        }
        Ok(Template::new(text).at(&self.place).resolve((self.variables)())?.expose_secret().to_owned())
    }

    fn non_empty(&self) -> Result<String> {
        let text = self.text()?;
        if text.trim().is_empty() { Err(self.error("an empty string")) } else { Ok(text) }
    }

    fn flag(&self, name: &str) -> Result<bool> {
        match self.member(name)? {
            Some(flag) => flag.value.as_bool().ok_or_else(|| flag.expected("true or false")),
            None => Ok(false),
        }
    }

    fn list<T>(&self, name: &str, read: impl Fn(&Node<'a>) -> Result<T>) -> Result<Vec<T>> {
        self.member(name)?.map_or(Ok(Vec::new()), |list| list.items(read))
    }

    fn items<T>(&self, read: impl Fn(&Node<'a>) -> Result<T>) -> Result<Vec<T>> {
        let list = self.value.as_array().ok_or_else(|| self.expected("a list"))?;
        list.iter()
            .enumerate()
            .map(|(index, value)| {
                read(&Node { value, place: format!("{}[{index}]", self.place), variables: self.variables })
            })
            .collect()
    }

    /// Warns of members that mean nothing here. They stay in the file.
    fn only(&self, known: &[&str]) -> Result<()> {
        for name in self.object()?.keys().filter(|name| !known.contains(&name.as_str())) {
            tracing::warn!("{}.{name} is not known and has no effect", self.place);
        }
        Ok(())
    }

    fn error(&self, problem: impl std::fmt::Display) -> Error {
        Error::config(format!("{}: {problem}", self.place))
    }

    fn expected(&self, what: &str) -> Error {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        // Numbers and booleans are no secrets where they are; anything else may be one.
        match self.value {
            Value::Number(_) | Value::Bool(_) => self.error(format!("expected {what}, found {}", self.value)),
            _ => self.error(format!("expected {what}, found {found}")),
        }
    }
}
