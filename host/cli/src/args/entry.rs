//! What `add`, `setup`, `adopt`, `set`, `remove` and `trust` are told: what stands in an entry.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use http::HeaderName;

use super::{
    CONNECTION, FILTER,
    values::{declared, header, product, setting},
};
use pflow_gateway::{
    config::{Changes, Claims, DeclaredService, Filter, Setting},
    report::Kind,
};
use pflow_gateway_host_egress::{Origin, PathRule};

/// `add`.
#[derive(Args, Debug)]
pub(crate) struct Add {
    /// Name of the entry; pflow's tools will be called mcp-NAME-TOOL
    pub(crate) name: String,
    /// The gateway's MCP URL
    pub(crate) url: String,
    /// Write one entry per service, called `NAME_SERVICE`
    #[arg(long)]
    pub(crate) per_service: bool,
    /// Write the entry without testing the gateway
    #[arg(long)]
    pub(crate) no_test: bool,
    /// Overwrite an entry of this name
    #[arg(long)]
    pub(crate) replace: bool,
    // What has a heading of its own comes last: clap gives the heading to all that follows.
    #[command(flatten)]
    pub(crate) entry: Entry,
    #[command(flatten)]
    pub(crate) auth: Auth,
}

/// What `add`, `setup` and `adopt` write besides name, URL and credential.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Entry {
    /// The product; found out when not said
    #[arg(long, value_parser = product)]
    pub(crate) kind: Option<Kind>,
    /// Declare a service that the gateway itself does not report, and what its tools' names start with or are, like
    /// `github=gh_` or `github=list_issues,*_pull_request`; `NAME=` for all tools; may be repeated
    #[arg(long = "service", value_name = "NAME[=PREFIX|TOOL,…]", value_parser = declared)]
    pub(crate) services: Vec<DeclaredService>,
    /// Set something for the component, like `page=/status.json`; what there is to set its author says; no credentials; may be repeated
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) settings: Vec<Setting>,
    /// What to do with a tool that is no longer as it was accepted: let it pass in silence, warn, or hold it back until it is accepted
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) changes: Option<ChangesName>,
    /// Let the component reach this origin too, like `https://login.example.com`; may be repeated
    #[arg(long = "allow-origin", value_name = "ORIGIN", help_heading = CONNECTION)]
    pub(crate) allow_origins: Vec<Origin>,
    /// Let the component ask this path of the gateway's own origin too, like `/status.json` or `POST /api/refresh`; the credential goes
    /// along; may be repeated
    #[arg(long = "allow-path", value_name = "PATH", help_heading = CONNECTION)]
    pub(crate) paths: Vec<PathRule>,
    #[command(flatten)]
    pub(crate) pick: Pick,
    /// Keep only these services (glob); may be repeated
    #[arg(long = "include-service", value_name = "GLOB", help_heading = FILTER)]
    pub(crate) include_services: Vec<String>,
    /// Whom to believe when only some services are kept: nobody but the gateway and your own words, or also what tools
    /// say of themselves and what their names look like [default: certain]
    #[arg(long, value_enum, value_name = "WORD", help_heading = FILTER)]
    pub(crate) trust: Option<TrustName>,
}

/// Whom to believe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TrustName {
    /// The gateway, and what is declared
    Certain,
    /// Tools' own words and names too
    Claims,
}

impl TrustName {
    /// As an entry has it.
    pub(crate) fn of(given: Option<Self>) -> Claims {
        match given {
            None => Claims::Unsaid,
            Some(Self::Certain) => Claims::LeftOut,
            Some(Self::Claims) => Claims::Believed,
        }
    }
}

/// Which tools to keep.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = FILTER)]
pub(crate) struct Pick {
    /// Keep only these tools (glob on the whole name); may be repeated
    #[arg(long = "include", value_name = "GLOB")]
    pub(crate) include_tools: Vec<String>,
    /// Leave out these tools (glob on the whole name); may be repeated
    #[arg(long = "exclude", value_name = "GLOB")]
    pub(crate) exclude_tools: Vec<String>,
    /// Leave out these services (glob); may be repeated
    #[arg(long = "exclude-service", value_name = "GLOB")]
    pub(crate) exclude_services: Vec<String>,
    /// Keep only tools that are marked as read-only
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Leave out tools that may destroy something
    #[arg(long)]
    pub(crate) no_destructive: bool,
    /// Keep the gateway's own control tools
    #[arg(long)]
    pub(crate) control_tools: bool,
}

impl Pick {
    /// As a filter that keeps only these services, too.
    pub(crate) fn filter(&self, include_services: &[String]) -> Filter {
        Filter {
            include_services: include_services.to_vec(),
            exclude_services: self.exclude_services.clone(),
            include_tools: self.include_tools.clone(),
            exclude_tools: self.exclude_tools.clone(),
            read_only: self.read_only,
            no_destructive: self.no_destructive,
            control_tools: self.control_tools,
        }
    }
}

/// How to authenticate at the gateway. Values stay in the environment: only the variables' names are written.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Credential")]
pub(crate) struct Auth {
    /// Send the token in this environment variable as `Authorization: Bearer`
    #[arg(long, value_name = "VAR", group = "credential")]
    pub(crate) bearer_env: Option<String>,
    /// Send the key in this environment variable in a header
    #[arg(long, value_name = "VAR", group = "credential")]
    pub(crate) api_key_env: Option<String>,
    /// The header for --api-key-env [default: X-API-Key]
    #[arg(long, value_name = "HEADER", requires = "api_key_env")]
    pub(crate) api_key_header: Option<HeaderName>,
    /// Send user and password in these environment variables as `Authorization: Basic`
    #[arg(long, num_args = 2, value_names = ["USER_VAR", "PASS_VAR"], group = "credential")]
    pub(crate) basic_env: Option<Vec<String>>,
    /// Send what this command prints as `Authorization: Bearer`; run without a shell
    #[arg(long, value_name = "CMD", group = "credential")]
    pub(crate) token_command: Option<String>,
    /// A further header; VALUE may hold ${VAR}; may be repeated
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header)]
    pub(crate) headers: Vec<(HeaderName, String)>,
    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = CONNECTION)]
    pub(crate) ca_file: Option<PathBuf>,
}

/// `setup`.
#[derive(Args, Debug)]
pub(crate) struct Setup {
    /// Which product
    #[arg(value_parser = product)]
    pub(crate) product: Option<Kind>,
    /// Name of the entry
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The gateway's MCP URL; looked for on this machine when not said
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Set something for the component, like `page=/status.json`; what there is to set its author says; no credentials; may be repeated
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) settings: Vec<Setting>,
    /// What to do with a tool that is no longer as it was accepted: let it pass in silence, warn, or hold it back until it is accepted
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) changes: Option<ChangesName>,
    /// Write one entry per service, called `NAME_SERVICE`
    #[arg(long)]
    pub(crate) per_service: bool,
    /// Overwrite an entry of this name
    #[arg(long)]
    pub(crate) replace: bool,
    /// Run `pflow mcp sync` afterwards
    #[arg(long, conflicts_with = "no_sync")]
    pub(crate) sync: bool,
    /// Do not offer to run `pflow mcp sync`
    #[arg(long)]
    pub(crate) no_sync: bool,
    /// Ask nothing: take the flags, and the usual answers for the rest
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) pick: Pick,
    /// Services to keep, or `all`; may be repeated
    #[arg(long = "include-service", value_name = "GLOB", help_heading = FILTER)]
    pub(crate) services: Vec<String>,
    /// Whom to believe when only some services are kept: nobody but the gateway, or also what tools say of themselves and what
    /// their names look like [default: certain]
    #[arg(long, value_enum, value_name = "WORD", help_heading = FILTER)]
    pub(crate) trust: Option<TrustName>,
    #[command(flatten)]
    pub(crate) auth: Auth,
}

/// `adopt`.
#[derive(Args, Debug)]
pub(crate) struct Adopt {
    /// Name of the entry
    pub(crate) name: String,
    /// Turn it back into a plain HTTP entry
    #[arg(long, conflicts_with_all = ["include_tools", "exclude_tools", "services", "include_services"])]
    pub(crate) undo: bool,
    /// Change the entry without testing the gateway
    #[arg(long)]
    pub(crate) no_test: bool,
    #[command(flatten)]
    pub(crate) entry: Entry,
}

/// `trust`.
#[derive(Args, Debug)]
pub(crate) struct Trust {
    /// A server file, for --config
    #[arg(value_hint = ValueHint::FilePath, required_unless_present = "list")]
    pub(crate) file: Option<PathBuf>,
    /// List the files that are trusted
    #[arg(long, conflicts_with_all = ["file", "revoke"])]
    pub(crate) list: bool,
    /// Trust the file no longer
    #[arg(long)]
    pub(crate) revoke: bool,
}

/// `set`.
#[derive(Args, Debug)]
pub(crate) struct Set {
    /// Name of the entry
    pub(crate) name: String,
    /// Take this out of the filter; may be repeated
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) unset: Vec<Unset>,
    /// Say what would change, and write nothing
    #[arg(long, conflicts_with = "no_test")]
    pub(crate) dry_run: bool,
    /// Write it without asking the gateway what it changes for pflow
    #[arg(long)]
    pub(crate) no_test: bool,
    #[command(flatten)]
    pub(crate) pick: Pick,
    /// Keep only these services (glob); may be repeated
    #[arg(long = "include-service", value_name = "GLOB", help_heading = FILTER)]
    pub(crate) include_services: Vec<String>,
}

/// A part of a filter, by the name of its flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unset {
    /// Tools to keep
    Include,
    /// Tools to leave out
    Exclude,
    /// Services to keep
    IncludeService,
    /// Services to leave out
    ExcludeService,
    /// Only tools that are marked as read-only
    ReadOnly,
    /// No tools that may destroy something
    NoDestructive,
    /// The gateway's own control tools
    ControlTools,
}

impl Unset {
    /// Where it stands in an entry's `gateway`.
    pub(crate) fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Include => ("tools", "include"),
            Self::Exclude => ("tools", "exclude"),
            Self::IncludeService => ("services", "include"),
            Self::ExcludeService => ("services", "exclude"),
            Self::ReadOnly => ("tools", "read_only"),
            Self::NoDestructive => ("tools", "no_destructive"),
            Self::ControlTools => ("tools", "control"),
        }
    }
}

/// `remove`.
#[derive(Args, Debug)]
pub(crate) struct Remove {
    /// Name of the entry, or of a group that `add --per-service` wrote
    pub(crate) name: String,
    /// All entries of the group, `NAME_SERVICE` each
    #[arg(long)]
    pub(crate) all: bool,
}

/// `edit`.
#[derive(Args, Debug)]
pub(crate) struct Edit {
    /// Name of the entry
    pub(crate) name: String,
    /// Say what would change, and write nothing
    #[arg(long, conflicts_with = "no_test")]
    pub(crate) dry_run: bool,
    /// Write it without asking the gateway what it changes for pflow
    #[arg(long)]
    pub(crate) no_test: bool,
}

/// What becomes of tools that change, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChangesName {
    /// Compare nothing, say nothing
    Pass,
    /// Tell whoever looks, as without the flag
    Warn,
    /// Show pflow what was accepted, and refuse calls of what changed
    Hold,
}

impl From<ChangesName> for Changes {
    fn from(name: ChangesName) -> Self {
        match name {
            ChangesName::Pass => Self::Pass,
            ChangesName::Warn => Self::Warn,
            ChangesName::Hold => Self::Hold,
        }
    }
}
