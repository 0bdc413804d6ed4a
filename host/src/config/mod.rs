//! Gateways as pflow's own `mcp-servers.json` describes them.
//! Takes the file, the environment and pflow's `settings.json`; gives [`GatewayConfig`]s, and writes entries.
//! Never changes an entry that it was not asked to change, and never stores a secret's value.

mod address;
mod advice;
mod auth;
mod document;
mod entry;
mod error;
mod exposed;
mod file;
mod foreign;
mod launch;
mod member;
mod new;
mod place;
mod settings;
mod trust;
mod usual_paths;
mod variables;
mod way_out;

use std::{path::PathBuf, time::Duration};

use url::Url;

pub use self::auth::names_a_secret;
pub use self::{
    address::public,
    foreign::misfit,
    launch::hook_of,
    new::{check_name, escape as as_glob},
};
pub use self::{
    address::{Address, shown_target},
    auth::{Auth, Method},
    error::{ConfigError, CredentialError, Encoding, EntryError, FileError, Meant, Misfit, NameError, UrlError},
    file::{ConfigFile, Replace},
    launch::{Launch, relaunched},
    new::{Launcher, NewGateway},
    settings::{Setting, Settings},
    trust::{Standing, Trust, wants},
    variables::{Template, Variables},
};
use crate::{
    components::Components,
    egress::{Addresses, Credentials, EgressLimits, Origin, PathRule},
    report::{Era, Kind},
    runtime::{Limits, Source},
};

/// An entry, read as a gateway of this name; nothing beside it counts.
pub fn read_entry(name: &str, server: &serde_json::Value) -> Result<GatewayConfig, ConfigError> {
    entry::read(name, server)
}

/// How long one operation may take when nothing else is said: what pflow gives an MCP tool call.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// What `serve` allows when nothing else is said: it has to give up before pflow does, which says less.
pub const SERVE_TIMEOUT: Duration = Duration::from_secs(25);

/// How often `serve` looks whether a gateway's tools changed. Gateways that announce it do so to whoever has a stream
/// open, and half of them never do.
pub const DEFAULT_REFRESH: Duration = Duration::from_mins(1);

/// A gateway, ready to be used: one entry of `mcp-servers.json`, or a URL from the command line.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// The entry's name, or the URL as it may be shown.
    pub name: String,
    /// The MCP URL without anything secret: query, keys in the path, what variables hold. For the component, and for words.
    pub url: Url,
    /// The same as it is written, and what egress makes of it.
    pub address: Address,
    /// The product, when the user said it.
    pub kind: Option<Kind>,
    /// The era, when the user said it: then no other is tried.
    pub era: Option<Era>,
    /// What the host adds to requests for the gateway's origin. Unresolved: resolved anew for every connection, so that
    /// a rotated token is found.
    pub auth: Auth,
    /// Services that the user declared.
    pub services: Vec<DeclaredService>,
    /// What the user set for the component.
    pub settings: Settings,
    /// What to leave out.
    pub filter: Filter,
    /// Whether claims count for it.
    pub claims: Claims,
    /// For one operation: connect, list, call.
    pub timeout: Duration,
    /// The timeout is somebody's choice, and not the usual one.
    pub timeout_given: bool,
    /// Further roots of trust, PEM.
    pub ca_file: Option<PathBuf>,
    /// By way of what requests leave.
    pub proxy: ProxySetting,
    /// Origins that the component may reach besides the gateway's own.
    pub allow_origins: Vec<Origin>,
    /// Paths of the gateway's own origin that the component may ask besides the MCP endpoint.
    pub paths: Vec<PathRule>,
    /// Where the gateway may be.
    pub addresses: Addresses,
    /// The component.
    pub component: Source,
    /// Where `component use` writes its choice for this gateway, when `component` is such a choice or there is none. None: the
    /// entry or a flag names the component, and nothing else counts.
    pub components: Option<Components>,
    /// pflow's folder, where it is known: what is remembered of the gateway is kept there.
    pub folder: Option<PathBuf>,
    /// Where the history of the entry lies. None: it is no entry.
    pub memory: Option<PathBuf>,
    /// What a run of the component may use.
    pub limits: Limits,
    /// What one conversation may take from the network.
    pub egress_limits: EgressLimits,
    /// How often `serve` looks whether the tools changed. None: only when the gateway says so.
    pub refresh: Option<Duration>,
    /// What becomes of a tool that is not as it was accepted.
    pub changes: Changes,
    /// The entry is pflow's own plain `"type": "http"`: pflow talks to the gateway itself. `adopt` changes that.
    pub plain: bool,
    /// What is odd about the entry, in sentences.
    pub remarks: Vec<String>,
}

impl GatewayConfig {
    /// A gateway that is configured by nothing but its URL.
    ///
    /// # Errors
    ///
    /// `config`: no absolute http or https URL, or one with a user or password inside.
    pub fn for_url(url: &str) -> Result<Self, ConfigError> {
        Ok(Self::at(Address::read(url, "the URL", Variables::of_this_user)?))
    }

    /// The same, read already.
    #[must_use]
    pub fn at(address: Address) -> Self {
        Self {
            name: address.shown().to_owned(),
            url: address.url().clone(),
            address,
            kind: None,
            era: None,
            auth: Auth::default(),
            services: Vec::new(),
            settings: Settings::default(),
            filter: Filter::default(),
            claims: Claims::default(),
            timeout: DEFAULT_TIMEOUT,
            timeout_given: false,
            ca_file: None,
            proxy: ProxySetting::default(),
            allow_origins: Vec::new(),
            paths: Vec::new(),
            addresses: Addresses::default(),
            component: Source::BuiltIn,
            components: None,
            folder: None,
            memory: None,
            limits: Limits::default(),
            egress_limits: EgressLimits::default(),
            refresh: Some(DEFAULT_REFRESH),
            changes: Changes::default(),
            plain: false,
            remarks: Vec::new(),
        }
    }

    /// The MCP URL for people: variables by name, nothing secret.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.address.shown()
    }

    /// What egress adds to requests for the gateway's own origin, now: the credential, and what is hidden of the URL.
    ///
    /// # Errors
    ///
    /// `config`: a variable is not set, or holds what it must not.
    pub async fn credentials(&self, variables: &Variables) -> Result<Credentials, ConfigError> {
        let target = self.address.resolve(variables)?;
        Ok(self.auth.resolve(variables).await?.at(target))
    }

    /// The names of all variables that it is used with, in order, each with its default.
    pub fn variables(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let proxy = match &self.proxy {
            ProxySetting::Url(url) => Some(url.variables()),
            ProxySetting::Environment | ProxySetting::None => None,
        };
        self.address.variables().chain(self.auth.variables()).chain(proxy.into_iter().flatten())
    }
}

/// What becomes of a tool whose definition is another one than was accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Changes {
    /// Nothing is compared, and nothing said.
    Pass,
    /// It goes through, and whoever looks is told.
    #[default]
    Warn,
    /// pflow is shown the accepted one, and calls are refused until the new one is accepted. New tools wait, too.
    Hold,
}

impl Changes {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pass, Self::Warn, Self::Hold];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Hold => "hold",
        }
    }
}

/// The proxy that requests take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProxySetting {
    /// What `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    #[default]
    Environment,
    /// None, whatever they say.
    None,
    /// This one. May hold variables, and a password.
    Url(Template),
}

/// Whether services are included by what is not certain: what tools say of themselves, and what their names look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claims {
    /// `"trust": "certain"`: what is not certain is left out.
    LeftOut,
    /// `"trust": "claims"`.
    Believed,
    /// Nothing is said: an entry of before there was a choice. They are believed, and it is said.
    #[default]
    Unsaid,
}

/// A service that the user declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredService {
    /// Its name.
    pub name: String,
    /// What its tools' names start with, the separator included; or the whole name of a tool. Empty: all tools.
    pub prefix: Option<String>,
    /// Names of its tools, or globs of them.
    pub tools: Vec<String>,
}

/// `NAME`, `NAME=PREFIX`, or names of tools and globs of them: `NAME=list_issues,get_issue,*_pull_request`. As on the command line.
impl std::str::FromStr for DeclaredService {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, said) = match text.split_once('=') {
            Some((name, said)) => (name.trim(), Some(said.trim())),
            None => (text.trim(), None),
        };
        if name.is_empty() {
            return Err("a service needs a name: NAME, NAME=PREFIX or NAME=TOOL,TOOL".into());
        }
        let Some(said) = said else { return Ok(Self { name: name.into(), prefix: None, tools: Vec::new() }) };
        if !said.contains([',', '*', '?', '[', '{']) {
            return Ok(Self { name: name.into(), prefix: Some(said.into()), tools: Vec::new() });
        }
        let tools = listed(said);
        if tools.iter().any(|tool| tool.is_empty()) {
            return Err(format!("{name}={said} names an empty tool; write it like {name}=list_issues,get_issue"));
        }
        Ok(Self { name: name.into(), prefix: None, tools: tools.into_iter().map(str::to_owned).collect() })
    }
}

/// What commas part, but for those within a glob's braces and brackets.
fn listed(text: &str) -> Vec<&str> {
    let mut open = 0_usize;
    text.split(|c| {
        match c {
            '{' | '[' => open += 1,
            '}' | ']' => open = open.saturating_sub(1),
            _ => {}
        }
        c == ',' && open == 0
    })
    .map(str::trim)
    .collect()
}

/// Which tools to keep. Globs; an empty include list includes everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Services to keep.
    pub include_services: Vec<String>,
    /// Services to leave out.
    pub exclude_services: Vec<String>,
    /// Tools to keep.
    pub include_tools: Vec<String>,
    /// Tools to leave out.
    pub exclude_tools: Vec<String>,
    /// Only tools that are hinted to be read-only.
    pub read_only: bool,
    /// No tools that may be destructive.
    pub no_destructive: bool,
    /// Keep the gateway's own control tools.
    pub control_tools: bool,
}

impl Filter {
    /// What it leaves out, in words; none when it keeps everything.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let named = |what: &str, thing: &str, patterns: &[String]| {
            let many = if patterns.len() == 1 { "" } else { "s" };
            (!patterns.is_empty()).then(|| format!("{what} {thing}{many} {}", patterns.join(", ")))
        };
        let parts = [
            named("only", "service", &self.include_services),
            named("without", "service", &self.exclude_services),
            named("only", "tool", &self.include_tools),
            named("without", "tool", &self.exclude_tools),
            self.read_only.then(|| "only tools that are marked as reading".to_owned()),
            self.no_destructive.then(|| "no tools that may destroy something".to_owned()),
        ];
        let words: Vec<String> = parts.into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}
