//! What the words mean: files, gateways, credentials.
//! Takes typed arguments; gives [`GatewayConfig`]s and [`Gateway`]s. Never touches the network by itself, never reads a token.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use http::HeaderName;

use super::args;
use crate::{
    Error, Gateway, Result,
    config::{Auth, ConfigFile, GatewayConfig, Method, Template},
    history::History,
    runtime::Runtime,
};

/// What all commands share.
pub(super) struct Context {
    /// As it appears in help and in commands to type next.
    pub(super) program: String,
    config: Option<PathBuf>,
    pub(super) component: Option<PathBuf>,
    pub(super) timeout: Option<Duration>,
    pub(super) era: Option<args::EraName>,
}

impl Context {
    pub(super) fn new(program: &str, global: &args::Global) -> Self {
        Self {
            program: program.to_owned(),
            config: global.config.clone(),
            component: global.component.clone(),
            timeout: global.timeout,
            era: global.era,
        }
    }

    /// pflow's server file.
    pub(super) fn path(&self) -> Result<PathBuf> {
        self.config.clone().map_or_else(ConfigFile::default_path, Ok)
    }

    /// The server file that was chosen, if it is not pflow's own.
    pub(super) fn chosen_file(&self) -> Option<PathBuf> {
        self.config.clone()
    }

    /// pflow's server file, read now.
    pub(super) fn file(&self) -> Result<ConfigFile> {
        ConfigFile::load(&self.path()?)
    }

    /// The folder of pflow's server file.
    pub(super) fn folder(&self) -> Result<PathBuf> {
        let path = self.path()?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        Ok(parent.map_or_else(|| PathBuf::from("."), Path::to_path_buf))
    }

    /// The folder of what is remembered of the gateways in this file.
    pub(super) fn memory(&self) -> Result<PathBuf> {
        ConfigFile::memory(&self.path()?)
    }

    /// What is remembered of gateways; off when there is no folder for it.
    pub(super) fn history(&self) -> History {
        self.memory().map_or_else(|error| History::off(error.message), |folder| History::new(&folder))
    }

    /// The gateway of this name or URL, with the flags of this command applied.
    pub(super) fn gateway(&self, target: &str, auth: &args::Auth) -> Result<Gateway> {
        let mut config = self.file()?.find(target)?;
        if let Some(given) = credential(auth)? {
            config.auth = given;
        }
        if let Some(ca_file) = &auth.ca_file {
            config.ca_file = Some(ca_file.clone());
        }
        self.open(config)
    }

    /// A gateway that is configured so, on the component that these flags ask for.
    pub(super) fn open(&self, mut config: GatewayConfig) -> Result<Gateway> {
        if let Some(timeout) = self.timeout {
            config.timeout = timeout;
        }
        if let Some(era) = self.era {
            config.era = era.fixed();
        }
        if let Some(component) = &self.component {
            config.component = Some(component.clone());
            config.components = None;
        }
        Ok(Gateway::new(Runtime::shared(config.component.as_deref(), &config.limits)?, config))
    }
}

/// The credential that the flags describe; none when they are silent.
pub(super) fn credential(flags: &args::Auth) -> Result<Option<Auth>> {
    let method = if let Some(variable) = &flags.bearer_env {
        Method::Bearer { token: Template::variable(variable_name(variable)?) }
    } else if let Some(variable) = &flags.api_key_env {
        let header = flags.api_key_header.clone().unwrap_or_else(|| HeaderName::from_static("x-api-key"));
        Method::ApiKey { header, key: Template::variable(variable_name(variable)?) }
    } else if let Some([username, password]) = flags.basic_env.as_deref() {
        Method::Basic {
            username: Template::variable(variable_name(username)?),
            password: Template::variable(variable_name(password)?),
        }
    } else if let Some(command) = &flags.token_command {
        let argv = shlex::split(command).filter(|argv| !argv.is_empty()).ok_or_else(|| {
            Error::config("--token-command is empty or has a quote that does not end").with_hint(
                "write it as in a shell, like --token-command 'vault read -field=token mcp'; it runs without one",
            )
        })?;
        Method::Command { argv }
    } else {
        Method::None
    };
    let mut headers = Vec::new();
    for (name, value) in &flags.headers {
        let template = Template::new(value.clone());
        if names_a_secret(name.as_str()) && template.names().next().is_none() {
            return Err(Error::config(format!("--header {name} holds its value in plain text")).with_hint(format!(
                "keep the value in a variable and name that, in single quotes: --header '{name}=${{VAR}}'"
            )));
        }
        headers.push((name.clone(), template));
    }
    Ok((method != Method::None || !headers.is_empty()).then_some(Auth { method, headers }))
}

/// How tokens of well-known services begin; they would pass for names.
const TOKENS: [&str; 9] = ["ghp_", "gho_", "ghs_", "github_pat_", "glpat", "xoxb", "xoxp", "sk_", "eyJ"];

/// A variable's name, as pflow takes it; `${NAME}` will do. A token that was pasted instead is refused, and not repeated.
pub(super) fn variable_name(text: &str) -> Result<&str> {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    let mut letters = name.chars();
    let starts = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    let fits = starts && name.len() <= 64 && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if fits && !TOKENS.iter().any(|token| name.starts_with(token)) {
        return Ok(name);
    }
    Err(Error::config("what was given is not the name of an environment variable")
        .with_hint("give the variable's name, like GATEWAY_TOKEN, and never the value itself"))
}

/// Whether a header of this name is for credentials. Such a value is never written to a file.
fn names_a_secret(header: &str) -> bool {
    ["auth", "token", "key", "secret", "password", "cookie", "session"].iter().any(|word| header.contains(word))
}
