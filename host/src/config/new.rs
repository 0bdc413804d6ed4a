//! What `add` and `setup` collect, and the entry that it becomes.
//! Takes names, a URL, templates; gives JSON for `mcp-servers.json`. Never writes a secret's value: credentials are references.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use http::HeaderName;
use serde_json::{Map, Value, json};
use url::Url;

use super::{Auth, AuthMethod, DEFAULT_TIMEOUT, DeclaredService, Filter, GatewayConfig, Template};
use crate::{Error, Result, egress::Origin, report::Kind};

/// A gateway that shall become an entry.
#[derive(Clone, Debug)]
pub struct NewGateway {
    /// The entry's name.
    pub name: String,
    /// The MCP URL.
    pub url: Url,
    /// The product, when the user said it.
    pub kind: Option<Kind>,
    /// How to authenticate.
    pub auth: Auth,
    /// Services that the user declared.
    pub services: Vec<DeclaredService>,
    /// What to leave out.
    pub filter: Filter,
    /// For one operation; pflow's default when absent.
    pub timeout: Option<Duration>,
    /// Further roots of trust, PEM. Absolute, or relative to the folder of `mcp-servers.json`.
    pub ca_file: Option<PathBuf>,
    /// Origins that the component may reach besides the gateway's own.
    pub allow_origins: Vec<Origin>,
    /// Further headers, after those of `auth`.
    pub headers: Vec<(HeaderName, Template)>,
    /// What pflow shall spawn.
    pub launcher: Launcher,
}

/// What pflow shall spawn to talk to a gateway; `serve NAME` is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher {
    /// The program.
    pub command: String,
    /// Its first arguments.
    pub args: Vec<String>,
}

static CURRENT: RwLock<Option<Launcher>> = RwLock::new(None);

impl Launcher {
    /// Says what [`current`](Self::current) shall give. For programs that embed this library: a Python interpreter knows its own
    /// `sys.executable`, which is more than the path of the running binary says inside a virtual environment.
    pub fn set_current(launcher: Self) {
        *CURRENT.write().unwrap_or_else(PoisonError::into_inner) = Some(launcher);
    }

    /// What is known to exist: this program by its absolute path; for a Python interpreter, the interpreter and `-m pflow_gateway`.
    ///
    /// # Errors
    ///
    /// Class `internal`: the system does not tell which program this is.
    pub fn current() -> Result<Self> {
        if let Some(known) = CURRENT.read().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(known);
        }
        let path = std::env::current_exe().ok().and_then(|path| path.into_os_string().into_string().ok()).ok_or_else(
            || {
                Error::new(crate::Class::Internal, "the path of this program cannot be found")
                    .with_hint("write the entry's \"command\" by hand")
            },
        )?;
        let name = std::path::Path::new(&path)
            .file_stem()
            .map(|stem| stem.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        let interpreter = name.starts_with("python") || name.starts_with("pypy");
        Ok(Self {
            command: path,
            args: if interpreter { vec!["-m".into(), "pflow_gateway".into()] } else { Vec::new() },
        })
    }
}

impl NewGateway {
    /// A gateway with nothing but a name and a URL.
    #[must_use]
    pub fn new(name: impl Into<String>, url: Url, launcher: Launcher) -> Self {
        Self {
            name: name.into(),
            url,
            kind: None,
            auth: Auth::none(),
            services: Vec::new(),
            filter: Filter::default(),
            timeout: None,
            ca_file: None,
            allow_origins: Vec::new(),
            headers: Vec::new(),
            launcher,
        }
    }

    /// The name and the JSON of its entry.
    ///
    /// # Errors
    ///
    /// Class `config`: pflow would not accept the name.
    pub fn entry(&self) -> Result<(String, Value)> {
        valid_name(&self.name)?;
        Ok((self.name.clone(), self.json(&self.name, &self.filter)))
    }

    /// One entry per service, `NAME_SERVICE`, each of which includes that service only.
    ///
    /// The separator is an underscore and hyphens become underscores: pflow takes the longest entry whose name a node's name starts
    /// with, up to a hyphen, so `docker-github` beside `docker` would take over tools of `docker` that start with `github-`.
    ///
    /// # Errors
    ///
    /// Class `config`: pflow would not accept the name, there is no service, or two services have the same entry name.
    pub fn entries_per_service(&self, services: &[String]) -> Result<Vec<(String, Value)>> {
        valid_name(&self.name)?;
        if services.is_empty() {
            return Err(Error::config("there is no service to make an entry for")
                .with_hint("declare services with --service NAME, or look with `services` what the gateway has"));
        }
        let mut owners: BTreeMap<String, &str> = BTreeMap::new();
        services
            .iter()
            .map(|service| {
                let name = format!("{}_{}", self.name, entry_name_of(service));
                if let Some(other) = owners.insert(name.clone(), service) {
                    return Err(Error::config(format!(
                        "the services {other:?} and {service:?} would both have the entry {name}"
                    ))
                    .with_hint("use one entry for all services, or choose them with --include"));
                }
                valid_name(&name)?;
                let filter = Filter { include_services: vec![as_glob(service)], ..self.filter.clone() };
                Ok((name.clone(), self.json(&name, &filter)))
            })
            .collect()
    }

    /// As it will be used, before anything is written.
    #[must_use]
    pub fn to_config(&self) -> GatewayConfig {
        GatewayConfig {
            name: self.name.clone(),
            url: self.url.clone(),
            kind: self.kind,
            auth: self.full_auth(),
            services: self.services.clone(),
            filter: self.filter.clone(),
            timeout: self.timeout.unwrap_or(DEFAULT_TIMEOUT),
            ca_file: self.ca_file.clone(),
            allow_origins: self.allow_origins.clone(),
            component: None,
        }
    }

    fn full_auth(&self) -> Auth {
        let mut auth = self.auth.clone();
        auth.headers.extend(self.headers.iter().cloned());
        auth
    }

    fn json(&self, name: &str, filter: &Filter) -> Value {
        let auth = self.full_auth();
        let mut entry = Map::new();
        entry.insert("command".into(), json!(self.launcher.command));
        entry.insert("args".into(), self.launcher.args.iter().map(String::as_str).chain(["serve", name]).collect());
        // pflow starts servers with a small environment; what is not named here, `serve` does not see.
        let env: BTreeMap<String, String> = references(&auth).into_iter().collect();
        if !env.is_empty() {
            entry.insert("env".into(), json!(env));
        }
        // Also how long pflow itself waits for the list of tools; by default a minute.
        if let Some(timeout) = self.timeout.filter(|timeout| *timeout > Duration::from_secs(50)) {
            entry.insert("timeout".into(), seconds((timeout + Duration::from_secs(10)).min(super::MAX_TIMEOUT)));
        }
        entry.insert("gateway".into(), self.gateway_json(&auth, filter));
        Value::Object(entry)
    }

    fn gateway_json(&self, auth: &Auth, filter: &Filter) -> Value {
        let mut gateway = Map::new();
        if let Some(kind) = self.kind {
            gateway.insert("kind".into(), json!(kind));
        }
        gateway.insert("url".into(), json!(self.url.as_str()));
        if let Some(auth) = auth_json(&auth.method) {
            gateway.insert("auth".into(), auth);
        }
        if !auth.headers.is_empty() {
            let headers = auth.headers.iter().map(|(name, value)| (name.to_string(), json!(value.as_str()))).collect();
            gateway.insert("headers".into(), Value::Object(headers));
        }
        let mut services = lists([("include", &filter.include_services), ("exclude", &filter.exclude_services)]);
        if !self.services.is_empty() {
            let declared = self.services.iter().map(|service| match &service.prefix {
                Some(prefix) => json!({"name": service.name, "prefix": prefix}),
                None => json!(service.name),
            });
            services.insert("declare".into(), declared.collect());
        }
        let mut tools = lists([("include", &filter.include_tools), ("exclude", &filter.exclude_tools)]);
        for (name, set) in [
            ("read_only", filter.read_only),
            ("no_destructive", filter.no_destructive),
            ("control_tools", filter.control_tools),
        ] {
            if set {
                tools.insert(name.into(), json!(true));
            }
        }
        for (name, members) in [("services", services), ("tools", tools)] {
            if !members.is_empty() {
                gateway.insert(name.into(), Value::Object(members));
            }
        }
        if let Some(timeout) = self.timeout {
            gateway.insert("timeout".into(), seconds(timeout));
        }
        if let Some(file) = &self.ca_file {
            gateway.insert("ca_file".into(), json!(file.to_string_lossy()));
        }
        if !self.allow_origins.is_empty() {
            gateway.insert("allow_origins".into(), self.allow_origins.iter().map(Origin::to_string).collect());
        }
        Value::Object(gateway)
    }
}

/// pflow's rule for names of entries: letters and digits, hyphens and underscores, at least one of the former.
fn valid_name(name: &str) -> Result<()> {
    let bare: String = name.chars().filter(|c| !matches!(c, '-' | '_')).collect();
    if !bare.is_empty() && bare.chars().all(char::is_alphanumeric) {
        return Ok(());
    }
    Err(Error::config(format!("{name:?} cannot be the name of an entry"))
        .with_hint("pflow takes letters, digits, hyphens and underscores: docker, my_gateway"))
}

/// A service's name as a part of an entry's name.
fn entry_name_of(service: &str) -> String {
    service.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect()
}

/// A pattern that matches exactly this name.
fn as_glob(name: &str) -> String {
    let mut glob = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\') {
            glob.extend(['[', c, ']']);
        } else {
            glob.push(c);
        }
    }
    glob
}

/// The variables that must reach `serve`, each as the reference that pflow resolves. The first spelling of several wins, one without
/// a default before one with it.
fn references(auth: &Auth) -> Vec<(String, String)> {
    let command: Vec<Template> = match &auth.method {
        AuthMethod::Command { argv, .. } => argv.iter().map(Template::new).collect(),
        _ => Vec::new(),
    };
    let mut all: Vec<(String, String)> = auth.templates().chain(&command).flat_map(Template::references).collect();
    all.sort_by_key(|(_, written)| written.contains(":-"));
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|(name, _)| seen.insert(name.clone()));
    all
}

fn auth_json(method: &AuthMethod) -> Option<Value> {
    Some(match method {
        AuthMethod::None => return None,
        AuthMethod::Bearer { token } => json!({"type": "bearer", "token": token.as_str()}),
        AuthMethod::ApiKey { header, key } if *header == super::API_KEY_HEADER => {
            json!({"type": "api_key", "key": key.as_str()})
        }
        AuthMethod::ApiKey { header, key } => {
            json!({"type": "api_key", "key": key.as_str(), "header": header.as_str()})
        }
        AuthMethod::Basic { username, password } => {
            json!({"type": "basic", "username": username.as_str(), "password": password.as_str()})
        }
        AuthMethod::Command { argv, .. } => json!({"type": "command", "command": argv}),
    })
}

fn lists<'a>(named: impl IntoIterator<Item = (&'a str, &'a Vec<String>)>) -> Map<String, Value> {
    named.into_iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| (name.to_owned(), json!(list))).collect()
}

/// Whole seconds as an integer, as people write them.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked: no fraction, and at most 600")]
fn seconds(duration: Duration) -> Value {
    let seconds = duration.as_secs_f64();
    if seconds.fract() == 0.0 { json!(seconds as u64) } else { json!(seconds) }
}
