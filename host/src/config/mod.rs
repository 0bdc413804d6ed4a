//! Gateways as pflow's own `mcp-servers.json` describes them.
//! Takes the file, the environment and pflow's `settings.json`; gives [`GatewayConfig`]s, and writes entries.
//! Never changes an entry that it was not asked to change, and never stores a secret's value.

mod auth;
mod edit;
mod entry;
mod file;
mod new;
#[cfg(test)]
mod tests;
mod variables;

use std::{path::PathBuf, time::Duration};

use url::Url;

pub use auth::{API_KEY_HEADER, Auth, AuthMethod};
pub use file::{ConfigFile, Replace};
pub use new::{Launcher, NewGateway};
pub use variables::{Missing, Precedence, Template, Variables};

use crate::{egress::Origin, report::Kind};

/// How long one operation may take when nobody says it: pflow's own default for an HTTP server.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest timeout that pflow accepts.
pub const MAX_TIMEOUT: Duration = Duration::from_mins(10);

/// A gateway, ready to be used: one entry of `mcp-servers.json`, or a URL from the command line.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// The entry's name, or the URL as typed.
    pub name: String,
    /// The MCP URL.
    pub url: Url,
    /// The product, when the user said it.
    pub kind: Option<Kind>,
    /// What the host adds to requests for the gateway's origin. Unresolved: resolved anew for every connection, so that
    /// a rotated token is found.
    pub auth: Auth,
    /// Services that the user declared.
    pub services: Vec<DeclaredService>,
    /// What to leave out.
    pub filter: Filter,
    /// For one operation: connect, list, call.
    pub timeout: Duration,
    /// Further roots of trust, PEM.
    pub ca_file: Option<PathBuf>,
    /// Origins that the component may reach besides the gateway's own.
    pub allow_origins: Vec<Origin>,
    /// Another component than the built-in one.
    pub component: Option<PathBuf>,
}

/// A service that the user declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredService {
    /// Its name.
    pub name: String,
    /// What its tools' names start with, the separator included.
    pub prefix: Option<String>,
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
