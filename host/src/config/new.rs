//! A gateway to be written: what `add`, `setup` and `adopt` collect.
//! Takes typed parts; gives entries for `mcp-servers.json`. Never writes a secret's value where a variable was meant.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Map, Value, json};

use super::error::{ConfigError, NameError, Result};
use super::{
    Address, Auth, Changes, Claims, DeclaredService, Filter, GatewayConfig, Method, Settings, variables::NOT_SET,
};
use crate::{
    egress::{Origin, PathRule, variables_of_the_way},
    report::{Era, Kind},
    scrub,
};

/// What the Python side sets: how it starts this program, a JSON array.
const LAUNCHER: &str = "PFLOW_GATEWAY_LAUNCHER";

/// What pflow shall spawn, without the command's own arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher {
    /// A program that exists.
    pub command: String,
    /// Its first arguments.
    pub args: Vec<String>,
}

impl Launcher {
    /// How this process was started: by its own absolute path, or by the interpreter of the environment that pflow is in. A bare
    /// `pflow-gateway` need not be on the `PATH` that pflow has.
    ///
    /// # Errors
    ///
    /// `internal`: the system does not tell the program's own path.
    pub fn current() -> Result<Self> {
        if let Ok(launcher) = std::env::var(LAUNCHER)
            && let Ok(words) = serde_json::from_str::<Vec<String>>(&launcher)
            && let Some((command, args)) = words.split_first()
        {
            return Ok(Self { command: command.clone(), args: args.to_vec() });
        }
        let program = std::env::current_exe().map_err(ConfigError::Program)?;
        let named = std::env::args_os().next().and_then(|name| as_named(&name, std::env::var_os("PATH"), &program));
        let program = named.unwrap_or(program);
        Ok(Self { command: program.to_string_lossy().into_owned(), args: Vec::new() })
    }
}

/// The path by which this program was started, absolute or found on `PATH`, when it leads there: a link to a folder of versions goes on
/// when that version ends. The system itself tells only where it leads.
fn as_named(name: &OsStr, search: Option<OsString>, program: &Path) -> Option<PathBuf> {
    let program = program.canonicalize().ok()?;
    let leads_there = |path: &PathBuf| path.is_absolute() && path.canonicalize().is_ok_and(|end| end == program);
    let name = Path::new(name);
    if name.is_absolute() {
        return Some(name.to_owned()).filter(leads_there);
    }
    // With a slash it is relative to a folder, and not looked for.
    if name.components().count() != 1 || name.as_os_str().to_string_lossy().contains('/') {
        return None;
    }
    std::env::split_paths(&search?).map(|folder| folder.join(name)).find(leads_there)
}

/// A gateway that is not in the file yet.
#[derive(Clone, Debug)]
pub struct NewGateway {
    /// The entry's name; part of every tool's name in pflow.
    pub name: String,
    /// The MCP URL, as it will be written.
    pub address: Address,
    /// The product, when the user said it.
    pub kind: Option<Kind>,
    /// The era, when the user said it.
    pub era: Option<Era>,
    /// How to authenticate.
    pub auth: Auth,
    /// Services that the user declared.
    pub services: Vec<DeclaredService>,
    /// What the user set for the component.
    pub settings: Settings,
    /// What to leave out.
    pub filter: Filter,
    /// Whether claims count for it. Not said: they do not, where services are included.
    pub claims: Claims,
    /// What becomes of tools that change, when the user said it.
    pub changes: Option<Changes>,
    /// For one operation.
    pub timeout: Option<Duration>,
    /// Further roots of trust, PEM.
    pub ca_file: Option<PathBuf>,
    /// Origins that the component may reach besides the gateway's own.
    pub allow_origins: Vec<Origin>,
    /// Paths that the component may ask besides the MCP endpoint.
    pub paths: Vec<PathRule>,
    /// What pflow shall spawn.
    pub launcher: Launcher,
    /// The file that the entry goes to, when it is not pflow's own: `serve` must find it.
    pub config_file: Option<PathBuf>,
}

impl NewGateway {
    /// As it will be read back.
    ///
    /// # Errors
    ///
    /// `config`: the name cannot be one.
    pub fn to_config(&self) -> Result<GatewayConfig> {
        let (name, entry) = self.entry()?;
        super::entry::read(&name, &entry)
    }

    /// The entry.
    ///
    /// # Errors
    ///
    /// `config`: the name cannot be one.
    pub fn entry(&self) -> Result<(String, Value)> {
        check_name(&self.name)?;
        Ok((self.name.clone(), self.value(&self.name, &self.filter)))
    }

    /// One entry per service, named `NAME_SERVICE`. An underscore: pflow splits tool names at hyphens, and takes the
    /// longest server name that fits.
    ///
    /// # Errors
    ///
    /// `config`: a name cannot be one, or two services come to the same.
    pub fn entries_per_service(&self, services: &[String]) -> Result<Vec<(String, Value)>> {
        check_name(&self.name)?;
        let mut entries: Vec<(String, Value)> = Vec::new();
        for service in services {
            let slug: String = service.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            let name = format!("{}_{slug}", self.name);
            check_name(&name)?;
            if entries.iter().any(|(other, _)| *other == name) {
                return Err(NameError::Twice { name }.into());
            }
            let filter = Filter { include_services: vec![escape(service)], ..self.filter.clone() };
            let value = self.value(&name, &filter);
            entries.push((name, value));
        }
        Ok(entries)
    }

    fn value(&self, name: &str, filter: &Filter) -> Value {
        let mut args: Vec<Value> = self.launcher.args.iter().map(|arg| json!(arg)).collect();
        args.extend([json!("serve"), json!(name)]);
        if let Some(file) = &self.config_file {
            args.extend([json!("--config"), json!(file)]);
        }
        let mut entry = Map::new();
        entry.insert("command".into(), json!(self.launcher.command));
        entry.insert("args".into(), Value::Array(args));
        // pflow gives a server that it starts only the variables that are named here.
        let mut variables = carried(self.address.variables().chain(self.auth.variables()));
        variables.extend(self.way(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty())));
        if !variables.is_empty() {
            entry.insert("env".into(), Value::Object(variables));
        }
        entry.insert("gateway".into(), self.gateway(filter));
        Value::Object(entry)
    }

    /// pflow itself reaches an HTTP entry by way of the proxies and the authorities that its environment names, whenever it is told of them.
    /// So they are handed on whether they are set now or not; empty, they count for nothing. On this machine none of them is expected:
    /// there the entry names those that are set.
    fn way(&self, is_set: impl Fn(&str) -> bool) -> Map<String, Value> {
        let Ok(origin) = Origin::of_url(self.address.url()) else { return Map::new() };
        let always = !origin.is_loopback();
        let names = variables_of_the_way(origin.scheme()).into_iter();
        // On other systems an empty one is taken for the name of a file.
        let by_choice = |name: &str| name == "SSL_CERT_FILE" && cfg!(any(windows, target_vendor = "apple"));
        names
            .filter(|name| is_set(name) || always && !by_choice(name))
            .map(|name| (name.to_owned(), json!(format!("${{{name}:-}}"))))
            .collect()
    }

    fn gateway(&self, filter: &Filter) -> Value {
        let mut gateway = Map::new();
        if let Some(kind) = &self.kind {
            gateway.insert("kind".into(), json!(kind.as_str()));
        }
        if let Some(era) = self.era {
            gateway.insert("era".into(), json!(era));
        }
        gateway.insert("url".into(), json!(self.address.written()));
        if let Some(auth) = auth(&self.auth.method) {
            gateway.insert("auth".into(), auth);
        }
        if !self.auth.headers.is_empty() {
            let headers: Map<_, _> =
                self.auth.headers.iter().map(|(name, value)| (name.to_string(), json!(value.as_written()))).collect();
            gateway.insert("headers".into(), Value::Object(headers));
        }
        let declared: Vec<_> = self
            .services
            .iter()
            .map(|service| {
                let mut declared = Map::new();
                declared.insert("name".into(), json!(service.name));
                if let Some(prefix) = &service.prefix {
                    declared.insert("prefix".into(), json!(prefix));
                }
                if !service.tools.is_empty() {
                    declared.insert("tools".into(), json!(service.tools));
                }
                Value::Object(declared)
            })
            .collect();
        let services = [
            ("include", json!(filter.include_services)),
            ("exclude", json!(filter.exclude_services)),
            ("declare", Value::Array(declared)),
        ];
        let tools = [
            ("include", json!(filter.include_tools)),
            ("exclude", json!(filter.exclude_tools)),
            ("read_only", json!(filter.read_only)),
            ("no_destructive", json!(filter.no_destructive)),
            ("control", json!(filter.control_tools)),
        ];
        for (name, members) in [("services", services.to_vec()), ("tools", tools.to_vec())] {
            let said: Map<_, _> = members
                .into_iter()
                .filter(|(_, value)| *value != json!([]) && *value != json!(false))
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            if !said.is_empty() {
                gateway.insert(name.into(), Value::Object(said));
            }
        }
        if !self.settings.is_empty() {
            gateway.insert("settings".into(), json!(self.settings));
        }
        let trust = match self.claims {
            Claims::Believed => Some("claims"),
            Claims::LeftOut => Some("certain"),
            Claims::Unsaid => (!filter.include_services.is_empty()).then_some("certain"),
        };
        if let Some(trust) = trust {
            gateway.insert("trust".into(), json!(trust));
        }
        if let Some(changes) = self.changes {
            gateway.insert("changes".into(), json!(changes.as_str()));
        }
        if let Some(timeout) = self.timeout {
            let seconds = timeout.as_secs_f64();
            gateway.insert(
                "timeout".into(),
                if timeout.subsec_nanos() == 0 { json!(timeout.as_secs()) } else { json!(seconds) },
            );
        }
        if let Some(file) = &self.ca_file {
            gateway.insert("ca_file".into(), json!(file));
        }
        if !self.allow_origins.is_empty() {
            let origins: Vec<_> = self.allow_origins.iter().map(ToString::to_string).collect();
            gateway.insert("allow_origins".into(), json!(origins));
        }
        if !self.paths.is_empty() {
            let paths: Vec<_> = self.paths.iter().map(ToString::to_string).collect();
            gateway.insert("paths".into(), json!(paths));
        }
        Value::Object(gateway)
    }
}

/// What pflow shall hand to the server that it starts: `"VAR": "${VAR}"`. With a default it is handed on with that, since pflow starts no
/// server of which a variable without one is not set.
fn carried<'a>(variables: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Map<String, Value> {
    let mut seen: Vec<(&str, Option<&str>)> = Vec::new();
    for (name, default) in variables {
        match seen.iter_mut().find(|(known, _)| *known == name) {
            // Two defaults: each place has to fall back to its own.
            Some((_, known)) if known.is_some() && default.is_some() && *known != default => *known = Some(NOT_SET),
            // Where one place has no default, pflow starts nothing without a value.
            Some((_, known)) => *known = known.and(default),
            None => seen.push((name, default)),
        }
    }
    seen.into_iter()
        .map(|(name, default)| {
            let value = default.map_or_else(|| format!("${{{name}}}"), |default| format!("${{{name}:-{default}}}"));
            (name.to_owned(), Value::String(value))
        })
        .collect()
}

fn auth(method: &Method) -> Option<Value> {
    Some(match method {
        Method::None => return None,
        Method::Bearer { token } => json!({"type": "bearer", "token": token.as_written()}),
        Method::ApiKey { header, key } => {
            json!({"type": "api_key", "header": header.as_str(), "key": key.as_written()})
        }
        Method::Basic { username, password } => {
            json!({"type": "basic", "username": username.as_written(), "password": password.as_written()})
        }
        Method::Command { argv } => json!({"type": "command", "command": argv}),
    })
}

/// pflow's rule for a server's name: letters, digits, hyphens and underscores.
pub fn check_name(name: &str) -> Result<(), NameError> {
    let shown = || scrub::line(name, 80);
    if name.starts_with('-') {
        return Err(NameError::Flag { name: shown() });
    }
    let stripped: String = name.chars().filter(|c| !matches!(c, '-' | '_')).collect();
    if !stripped.is_empty() && stripped.chars().all(char::is_alphanumeric) && name.len() <= 64 {
        return Ok(());
    }
    Err(NameError::Invalid { name: shown() })
}

/// A service's exact name as a glob.
#[must_use]
pub fn escape(name: &str) -> String {
    name.chars().fold(String::new(), |mut glob, c| {
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '!') {
            glob.push('\\');
        }
        glob.push(c);
        glob
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use crate::config::Template;

    fn new(name: &str) -> NewGateway {
        NewGateway {
            name: name.into(),
            address: GatewayConfig::for_url("http://127.0.0.1:8811/mcp").unwrap().address,
            kind: Kind::parse("docker"),
            era: Some(Era::Legacy),
            auth: Auth { method: Method::Bearer { token: Template::variable("GATEWAY_TOKEN") }, headers: Vec::new() },
            services: vec![DeclaredService { name: "github".into(), prefix: Some("gh_".into()), tools: Vec::new() }],
            settings: Settings::of(&["page=/status.json".parse().unwrap()]).unwrap(),
            filter: Filter { exclude_tools: vec!["mcp-*".into()], read_only: true, ..Filter::default() },
            claims: Claims::Unsaid,
            changes: Some(Changes::Hold),
            timeout: Some(Duration::from_millis(2_500)),
            ca_file: None,
            allow_origins: Vec::new(),
            paths: vec!["GET /status.json".parse().unwrap()],
            launcher: Launcher { command: "/opt/pflow-gateway".into(), args: Vec::new() },
            config_file: None,
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_that_cannot_know_its_path_says_where_linux_tells_it() {
        use crate::Advice as _;

        let error = ConfigError::Program(std::io::Error::other("no /proc/self/exe available. Is /proc mounted?"));
        assert!(error.hint().is_some_and(|hint| hint.starts_with("mount /proc")), "{:?}", error.hint());
    }

    #[test]
    fn an_entry_is_what_the_design_shows() {
        let (name, entry) = new("docker").entry().unwrap();
        assert_eq!(name, "docker");
        assert_eq!(
            entry,
            json!({
                "command": "/opt/pflow-gateway", "args": ["serve", "docker"],
                "env": {"GATEWAY_TOKEN": "${GATEWAY_TOKEN}"},
                "gateway": {"kind": "docker", "era": "legacy", "url": "http://127.0.0.1:8811/mcp",
                    "auth": {"type": "bearer", "token": "${GATEWAY_TOKEN}"},
                    "services": {"declare": [{"name": "github", "prefix": "gh_"}]},
                    "tools": {"exclude": ["mcp-*"], "read_only": true}, "settings": {"page": "/status.json"},
                    "changes": "hold", "timeout": 2.5, "paths": ["/status.json"]}
            })
        );
    }

    fn way(url: &str, set: &[&str]) -> Vec<String> {
        let address = GatewayConfig::for_url(url).unwrap().address;
        let way = NewGateway { address, ..new("g") }.way(|name| set.contains(&name));
        assert!(way.iter().all(|(name, value)| *value == json!(format!("${{{name}:-}}"))), "{way:?}");
        way.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    #[cfg(all(unix, not(target_vendor = "apple")))]
    fn proxies_and_authorities_are_handed_on_whether_they_are_set_yet_or_not() {
        let http = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];
        assert_eq!(way("http://gw.corp/mcp", &[]), http);
        assert_eq!(
            way("https://10.0.0.7/mcp", &["HTTP_PROXY"]),
            [
                "https_proxy",
                "HTTPS_PROXY",
                "all_proxy",
                "ALL_PROXY",
                "no_proxy",
                "NO_PROXY",
                "SSL_CERT_FILE",
                "SSL_CERT_DIR"
            ]
        );
        for here in ["http://127.0.0.1:8811/mcp", "http://localhost:1/mcp", "http://[::1]:1/mcp"] {
            assert_eq!(way(here, &["HTTPS_PROXY", "SSL_CERT_FILE"]), Vec::<String>::new(), "{here}");
            assert_eq!(way(here, &["HTTP_PROXY", "no_proxy"]), ["HTTP_PROXY", "no_proxy"], "{here}");
        }
        assert_eq!(way("https://localhost:1/mcp", &["SSL_CERT_FILE"]), ["SSL_CERT_FILE"]);
    }

    #[test]
    fn what_is_written_is_read_back_the_same() {
        let new = new("docker");
        let read = new.to_config().unwrap();
        assert_eq!((read.address, read.kind, read.era, read.auth), (new.address, new.kind, new.era, new.auth));
        assert_eq!((read.services, read.filter, Some(read.timeout)), (new.services, new.filter, new.timeout));
        assert_eq!(Some(read.changes), new.changes);
    }

    #[test]
    fn an_entry_per_service_uses_an_underscore_and_the_exact_name() {
        let entries = new("docker").entries_per_service(&["git hub".into(), "a*b".into()]).unwrap();
        let names: Vec<_> = entries.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["docker_git_hub", "docker_a_b"]);
        assert_eq!(entries[1].1["gateway"]["services"]["include"], json!(["a\\*b"]));
        assert!(new("d").entries_per_service(&["a b".into(), "a-b".into()]).is_err());
    }

    #[test]
    fn names_are_those_that_pflow_takes() {
        for good in ["docker", "my-gw_2", "ünï"] {
            check_name(good).unwrap();
        }
        for bad in ["", "-", "-x", "--json", "a b", "a/b", "a.b", "a\u{1b}"] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
