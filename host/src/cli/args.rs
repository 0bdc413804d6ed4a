//! What was typed.
//! Takes words; gives typed arguments, or clap's own message. Knows nothing of what they mean: that is `context` and the commands.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};
use http::HeaderName;

use crate::{
    config::{Changes, Claims, DeclaredService, Filter, Setting},
    conformance::Interface,
    egress::{Origin, PathRule},
    health::ProbeOf,
    history::Floor,
    monitor::OnChange,
    report::{Era, Kind},
};

/// MCP gateways for pflow: add them, see what is behind them, run workflows through them.
#[derive(Debug, Parser)]
#[command(version, no_binary_name = true, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "TARGET is a name in pflow's mcp-servers.json, or a URL.\n\
    Exit codes: 0 good, 1 failed or unhealthy, 2 usage or configuration, 130 interrupted.")]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Flags of every command, before or after its name.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Everywhere")]
pub(super) struct Global {
    /// Print the result as JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// pflow's server file [default: ~/.pflow/mcp-servers.json]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) config: Option<PathBuf>,
    /// Run this component, the sandboxed WebAssembly program that knows gateways, instead of the built-in one
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) component: Option<PathBuf>,
    /// Time limit for the whole command, in seconds; for test, health, monitor and serve: for each step [default: 30 for each
    /// step; 25 for serve; or "timeout" in the entry]
    #[arg(long, global = true, value_name = "SECS", value_parser = seconds)]
    pub(super) timeout: Option<Duration>,
    /// How the gateway speaks MCP: with `initialize` (legacy), without it (modern, since 2026-07-28), or find out
    #[arg(long, global = true, value_enum)]
    pub(super) era: Option<EraName>,
    /// Say more on stderr; -vv and -vvv say still more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(super) verbose: u8,
    /// Print no result and no warning: errors, and the exit code, tell
    #[arg(short, long, global = true, conflicts_with_all = ["verbose", "json"])]
    pub(super) quiet: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a gateway into pflow's mcp-servers.json, after testing it
    Add(Add),
    /// Find a gateway, ask what is needed, test it and write it
    Setup(Setup),
    /// Turn a plain HTTP entry into a gateway entry
    Adopt(Adopt),
    /// Change one thing of a gateway's filter, and say what pflow gains and loses
    Set(Set),
    /// Take a gateway out of pflow's mcp-servers.json
    Remove(Remove),
    /// List the gateways
    List,
    /// Test the connection step by step, and say what fails
    Test(Look),
    /// List the services behind a gateway
    Services(Look),
    /// List the tools of a gateway with their services
    Tools(Tools),
    /// Check the health of gateways and of the services behind them
    Health(Health),
    /// Keep watching gateways, and serve a status page, metrics and events
    Monitor(Monitor),
    /// Look at the last good catalogue of a gateway, or accept the present one
    Snapshot(Snapshot),
    /// Call one tool
    Call(Call),
    /// Serve a gateway over stdio; this is what pflow starts
    Serve(Serve),
    /// Show, choose or check the component: the sandboxed WebAssembly program that knows gateways
    Component(Component),
    /// Let a server file that is not pflow's own use variables, token commands, components and certificates, as it is now
    Trust(Trust),
    /// Run a gateway of three made-up services on this machine
    Demo(Demo),
    /// Check what has to be right on this machine: pflow, versions, entries, variables, permissions, clock
    Doctor(Doctor),
    /// Print a script that completes commands and flags of pflow-gateway in a shell
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: ShellName,
    },
    /// Write manual pages, one per command
    #[command(hide = true)]
    Man {
        /// Where to
        #[arg(value_hint = ValueHint::DirPath)]
        folder: PathBuf,
    },
}

/// `add`.
#[derive(Args, Debug)]
pub(super) struct Add {
    /// Name of the entry; pflow's tools will be called mcp-NAME-TOOL
    pub(super) name: String,
    /// The gateway's MCP URL
    pub(super) url: String,
    /// Write one entry per service, called `NAME_SERVICE`
    #[arg(long)]
    pub(super) per_service: bool,
    /// Write the entry without testing the gateway
    #[arg(long)]
    pub(super) no_test: bool,
    /// Overwrite an entry of this name
    #[arg(long)]
    pub(super) replace: bool,
    // What has a heading of its own comes last: clap gives the heading to all that follows.
    #[command(flatten)]
    pub(super) entry: Entry,
    #[command(flatten)]
    pub(super) auth: Auth,
}

/// What `add`, `setup` and `adopt` write besides name, URL and credential.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Entry {
    /// The product; found out when not said
    #[arg(long, value_parser = product)]
    pub(super) kind: Option<Kind>,
    /// Declare a service that the gateway itself does not report, and what its tools' names start with or are, like
    /// `github=gh_` or `github=list_issues,*_pull_request`; `NAME=` for all tools; may be repeated
    #[arg(long = "service", value_name = "NAME[=PREFIX|TOOL,…]", value_parser = declared)]
    pub(super) services: Vec<DeclaredService>,
    /// Set something for the component, like `page=/status.json`; what there is to set its author says; no credentials; may be repeated
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    pub(super) settings: Vec<Setting>,
    /// What to do with a tool that is no longer as it was accepted: let it pass in silence, warn, or hold it back until it is accepted
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(super) changes: Option<ChangesName>,
    /// Let the component reach this origin too, like `https://login.example.com`; may be repeated
    #[arg(long = "allow-origin", value_name = "ORIGIN", help_heading = CONNECTION)]
    pub(super) allow_origins: Vec<Origin>,
    /// Let the component ask this path of the gateway's own origin too, like `/status.json` or `POST /api/refresh`; the credential goes
    /// along; may be repeated
    #[arg(long = "allow-path", value_name = "PATH", help_heading = CONNECTION)]
    pub(super) paths: Vec<PathRule>,
    #[command(flatten)]
    pub(super) pick: Pick,
    /// Keep only these services (glob); may be repeated
    #[arg(long = "include-service", value_name = "GLOB", help_heading = FILTER)]
    pub(super) include_services: Vec<String>,
    /// Whom to believe when only some services are kept: nobody but the gateway and your own words, or also what tools
    /// say of themselves and what their names look like [default: certain]
    #[arg(long, value_enum, value_name = "WORD", help_heading = FILTER)]
    pub(super) trust: Option<TrustName>,
}

/// Whom to believe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TrustName {
    /// The gateway, and what is declared
    Certain,
    /// Tools' own words and names too
    Claims,
}

impl TrustName {
    /// As an entry has it.
    pub(super) fn of(given: Option<Self>) -> Claims {
        match given {
            None => Claims::Unsaid,
            Some(Self::Certain) => Claims::LeftOut,
            Some(Self::Claims) => Claims::Believed,
        }
    }
}

/// Headings of options in help texts.
const FILTER: &str = "Filter";
const CONNECTION: &str = "Connection";

/// Which tools to keep.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = FILTER)]
pub(super) struct Pick {
    /// Keep only these tools (glob on the whole name); may be repeated
    #[arg(long = "include", value_name = "GLOB")]
    pub(super) include_tools: Vec<String>,
    /// Leave out these tools (glob on the whole name); may be repeated
    #[arg(long = "exclude", value_name = "GLOB")]
    pub(super) exclude_tools: Vec<String>,
    /// Leave out these services (glob); may be repeated
    #[arg(long = "exclude-service", value_name = "GLOB")]
    pub(super) exclude_services: Vec<String>,
    /// Keep only tools that are marked as read-only
    #[arg(long)]
    pub(super) read_only: bool,
    /// Leave out tools that may destroy something
    #[arg(long)]
    pub(super) no_destructive: bool,
    /// Keep the gateway's own control tools
    #[arg(long)]
    pub(super) control_tools: bool,
}

impl Pick {
    /// As a filter that keeps only these services, too.
    pub(super) fn filter(&self, include_services: &[String]) -> Filter {
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
pub(super) struct Auth {
    /// Send the token in this environment variable as `Authorization: Bearer`
    #[arg(long, value_name = "VAR", group = "credential")]
    pub(super) bearer_env: Option<String>,
    /// Send the key in this environment variable in a header
    #[arg(long, value_name = "VAR", group = "credential")]
    pub(super) api_key_env: Option<String>,
    /// The header for --api-key-env [default: X-API-Key]
    #[arg(long, value_name = "HEADER", requires = "api_key_env")]
    pub(super) api_key_header: Option<HeaderName>,
    /// Send user and password in these environment variables as `Authorization: Basic`
    #[arg(long, num_args = 2, value_names = ["USER_VAR", "PASS_VAR"], group = "credential")]
    pub(super) basic_env: Option<Vec<String>>,
    /// Send what this command prints as `Authorization: Bearer`; run without a shell
    #[arg(long, value_name = "CMD", group = "credential")]
    pub(super) token_command: Option<String>,
    /// A further header; VALUE may hold ${VAR}; may be repeated
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header)]
    pub(super) headers: Vec<(HeaderName, String)>,
    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = CONNECTION)]
    pub(super) ca_file: Option<PathBuf>,
}

/// `setup`.
#[derive(Args, Debug)]
pub(super) struct Setup {
    /// Which product
    #[arg(value_parser = product)]
    pub(super) product: Option<Kind>,
    /// Name of the entry
    #[arg(long)]
    pub(super) name: Option<String>,
    /// The gateway's MCP URL; looked for on this machine when not said
    #[arg(long)]
    pub(super) url: Option<String>,
    /// Set something for the component, like `page=/status.json`; what there is to set its author says; no credentials; may be repeated
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    pub(super) settings: Vec<Setting>,
    /// What to do with a tool that is no longer as it was accepted: let it pass in silence, warn, or hold it back until it is accepted
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(super) changes: Option<ChangesName>,
    /// Write one entry per service, called `NAME_SERVICE`
    #[arg(long)]
    pub(super) per_service: bool,
    /// Overwrite an entry of this name
    #[arg(long)]
    pub(super) replace: bool,
    /// Run `pflow mcp sync` afterwards
    #[arg(long, conflicts_with = "no_sync")]
    pub(super) sync: bool,
    /// Do not offer to run `pflow mcp sync`
    #[arg(long)]
    pub(super) no_sync: bool,
    /// Ask nothing: take the flags, and the usual answers for the rest
    #[arg(long, short = 'y')]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) pick: Pick,
    /// Services to keep, or `all`; may be repeated
    #[arg(long = "include-service", value_name = "GLOB", help_heading = FILTER)]
    pub(super) services: Vec<String>,
    /// Whom to believe when only some services are kept: nobody but the gateway, or also what tools say of themselves and what
    /// their names look like [default: certain]
    #[arg(long, value_enum, value_name = "WORD", help_heading = FILTER)]
    pub(super) trust: Option<TrustName>,
    #[command(flatten)]
    pub(super) auth: Auth,
}

/// `adopt`.
#[derive(Args, Debug)]
pub(super) struct Adopt {
    /// Name of the entry
    pub(super) name: String,
    /// Turn it back into a plain HTTP entry
    #[arg(long, conflicts_with_all = ["include_tools", "exclude_tools", "services", "include_services"])]
    pub(super) undo: bool,
    /// Change the entry without testing the gateway
    #[arg(long)]
    pub(super) no_test: bool,
    #[command(flatten)]
    pub(super) entry: Entry,
}

/// `trust`.
#[derive(Args, Debug)]
pub(super) struct Trust {
    /// A server file, for --config
    #[arg(value_hint = ValueHint::FilePath, required_unless_present = "list")]
    pub(super) file: Option<PathBuf>,
    /// List the files that are trusted
    #[arg(long, conflicts_with_all = ["file", "revoke"])]
    pub(super) list: bool,
    /// Trust the file no longer
    #[arg(long)]
    pub(super) revoke: bool,
}

/// `set`.
#[derive(Args, Debug)]
pub(super) struct Set {
    /// Name of the entry
    pub(super) name: String,
    /// Take this out of the filter; may be repeated
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(super) unset: Vec<Unset>,
    /// Say what would change, and write nothing
    #[arg(long, conflicts_with = "no_test")]
    pub(super) dry_run: bool,
    /// Write it without asking the gateway what it changes for pflow
    #[arg(long)]
    pub(super) no_test: bool,
    #[command(flatten)]
    pub(super) pick: Pick,
    /// Keep only these services (glob); may be repeated
    #[arg(long = "include-service", value_name = "GLOB", help_heading = FILTER)]
    pub(super) include_services: Vec<String>,
}

/// A part of a filter, by the name of its flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Unset {
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
    pub(super) fn place(self) -> (&'static str, &'static str) {
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
pub(super) struct Remove {
    /// Name of the entry
    pub(super) name: String,
}

/// `test` and `services`.
#[derive(Args, Debug)]
pub(super) struct Look {
    /// A name, or a URL
    pub(super) target: String,
    #[command(flatten)]
    pub(super) auth: Auth,
}

/// `tools`.
#[derive(Args, Debug)]
pub(super) struct Tools {
    /// A name, or a URL; all gateways when --search is given without it
    #[arg(required_unless_present = "search")]
    pub(super) target: Option<String>,
    /// Show this tool alone: what it takes and returns, and how to call it
    #[arg(conflicts_with_all = ["search", "tokens"])]
    pub(super) tool: Option<String>,
    /// Rank the tools by these words, in names, descriptions and arguments
    #[arg(long, value_name = "WORDS", conflicts_with = "tokens")]
    pub(super) search: Option<String>,
    /// Estimate what each tool costs a model that is shown it, in tokens
    #[arg(long)]
    pub(super) tokens: bool,
    /// Show what the component's rules think of the tools: text that nobody sees, names that look alike; fails when something is found
    #[arg(long, conflicts_with_all = ["search", "tokens", "tool"])]
    pub(super) review: bool,
    /// Only tools of these services (glob); may be repeated
    #[arg(long = "service", visible_alias = "include-service", value_name = "GLOB", help_heading = FILTER)]
    pub(super) services: Vec<String>,
    #[command(flatten)]
    pub(super) pick: Pick,
    #[command(flatten)]
    pub(super) auth: Auth,
}

/// `health`.
#[derive(Args, Debug)]
pub(super) struct Health {
    /// Names or URLs; all gateways when none is given
    pub(super) targets: Vec<String>,
    /// Keep looking, every so many seconds
    #[arg(long, value_name = "SECS", value_parser = seconds, conflicts_with = "history")]
    pub(super) watch: Option<Duration>,
    /// Show recorded history only; contact no gateway
    #[arg(long)]
    pub(super) history: bool,
    /// How far back, like 30m, 24h or 7d
    #[arg(long, value_name = "TIME", value_parser = stretch, default_value = "24h", requires = "history")]
    pub(super) since: Duration,
    /// From which state on the exit code is 1
    #[arg(long, value_enum, value_name = "STATE", default_value = "degraded")]
    pub(super) fail_on: FailOn,
    #[command(flatten)]
    pub(super) watching: Watching,
    #[command(flatten)]
    pub(super) auth: Auth,
}

/// `health` and `monitor`.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Watching {
    /// Run this command for every change, with the change as JSON on stdin; run without a shell
    #[arg(long, value_name = "CMD")]
    pub(super) on_change: Option<OnChange>,
    /// From which state on a change is announced, and that it is over
    #[arg(long, value_enum, value_name = "STATE", default_value = "degraded")]
    pub(super) alert_on: FailOn,
    /// Run --on-change once with a made-up change, say how it went, and look at nothing
    #[arg(long, requires = "on_change")]
    pub(super) test_alert: bool,
    /// Call this harmless tool, without arguments, to know a service's state for certain; may be repeated; a tool that no gateway
    /// lists is reported
    #[arg(long = "probe", value_name = "SERVICE=TOOL")]
    pub(super) probes: Vec<ProbeOf>,
}

impl From<FailOn> for Floor {
    fn from(state: FailOn) -> Self {
        match state {
            FailOn::Degraded => Self::Degraded,
            FailOn::Offline => Self::Offline,
        }
    }
}

/// From which state on `health` fails, and changes are announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// Anything that is not ok
    #[default]
    Degraded,
    /// Only what is down, refused or out of reach
    Offline,
}

/// `monitor`.
#[derive(Args, Debug)]
pub(super) struct Monitor {
    /// Names or URLs; all gateways when none is given
    pub(super) targets: Vec<String>,
    /// Where to serve the status page; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464", value_parser = address)]
    pub(super) listen: SocketAddr,
    /// Require the token in this environment variable, instead of one made up at each start
    #[arg(long, value_name = "VAR")]
    pub(super) token_env: Option<String>,
    /// Require no token: every user of this machine can read the status page, metrics and events
    #[arg(long, conflicts_with = "token_env")]
    pub(super) no_token: bool,
    /// Look at each gateway every so many seconds
    #[arg(long, value_name = "SECS", value_parser = seconds, default_value = "30")]
    pub(super) every: Duration,
    #[command(flatten)]
    pub(super) watching: Watching,
    #[command(flatten)]
    pub(super) auth: Auth,
}

/// `snapshot`.
#[derive(Args, Debug)]
pub(super) struct Snapshot {
    #[command(subcommand)]
    pub(super) action: SnapshotAction,
}

/// What to do with the last good catalogue.
#[derive(Debug, Subcommand)]
pub(super) enum SnapshotAction {
    /// Show the last good catalogue of a gateway
    Show {
        /// Name of the entry
        target: String,
    },
    /// Show how the last listing differs from it: what is gone, what is new, and what says other things of itself
    Diff {
        /// Name of the entry
        target: String,
        /// Only these tools
        tools: Vec<String>,
        /// Give the exit code 1 when something differs
        #[arg(long)]
        exit_code: bool,
    },
    /// Take the last listing as good: what is gone is meant to be gone, and what changed is as it should be
    Accept {
        /// Name of the entry
        target: String,
        /// Only these tools
        tools: Vec<String>,
    },
}

/// `call`.
#[derive(Args, Debug)]
pub(super) struct Call {
    /// A name, or a URL
    pub(super) target: String,
    /// The tool's exact name at the gateway
    pub(super) tool: String,
    /// The tool's arguments: city=Lisbon, days:=3 (JSON), body=@letter.txt (a file; @@ is an @), or - for all of them as JSON from stdin
    #[arg(value_name = "ARGUMENT")]
    pub(super) words: Vec<String>,
    /// All arguments, a JSON object; - reads them from stdin
    #[arg(long, value_name = "JSON", allow_hyphen_values = true, conflicts_with = "words")]
    pub(super) args: Option<String>,
    /// Send the arguments without checking them against the tool's input schema
    #[arg(long)]
    pub(super) no_check: bool,
    #[command(flatten)]
    pub(super) auth: Auth,
}

/// `serve`.
#[derive(Args, Debug)]
pub(super) struct Serve {
    /// A name, or a URL
    pub(super) target: String,
}

/// `component`.
#[derive(Args, Debug)]
pub(super) struct Component {
    #[command(subcommand)]
    pub(super) action: ComponentAction,
}

/// What to do with components.
#[derive(Debug, Subcommand)]
pub(super) enum ComponentAction {
    /// Show the running component and its limits
    Show,
    /// Run this component from now on
    Use {
        /// A component
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Only for this gateway
        #[arg(long, value_name = "NAME")]
        gateway: Option<String>,
    },
    /// List the components that were chosen
    List,
    /// Go back to the built-in component
    Reset {
        /// Only for this gateway
        #[arg(long, value_name = "NAME")]
        gateway: Option<String>,
    },
    /// Play imitation gateways to a component, and score it against the contract
    Check(CheckComponent),
    /// Write the built-in component to a file: to look at, or to compose a part of your own with it
    Export {
        /// Where to; a file that is there stays
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Write the built-in component's machine code, for packaging: a program uses it when it was built to know its digest
    Precompile {
        /// Where to
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: PathBuf,
    },
}

/// `component check`.
#[derive(Args, Debug)]
pub(super) struct CheckComponent {
    /// A component [default: the one that runs]
    #[arg(value_hint = ValueHint::FilePath)]
    pub(super) file: Option<PathBuf>,
    /// The one that runs for this gateway
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    pub(super) gateway: Option<String>,
    /// Check only this part of the contract; may be repeated
    #[arg(long = "interface", value_enum, value_name = "NAME")]
    pub(super) interfaces: Vec<InterfaceName>,
}

/// A part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum InterfaceName {
    /// Connecting, listing tools, and what goes wrong there
    Discovery,
    /// Which tools a user wants
    Filter,
    /// The state of services
    Health,
    /// Calling tools
    Calls,
    /// What is known of products
    Products,
    /// What rules think of tools
    Review,
    /// Surviving what gateways send
    Sandbox,
}

impl From<InterfaceName> for Interface {
    fn from(name: InterfaceName) -> Self {
        match name {
            InterfaceName::Discovery => Self::Discovery,
            InterfaceName::Filter => Self::Filter,
            InterfaceName::Health => Self::Health,
            InterfaceName::Calls => Self::Calls,
            InterfaceName::Products => Self::Products,
            InterfaceName::Review => Self::Review,
            InterfaceName::Sandbox => Self::Sandbox,
        }
    }
}

/// `doctor`.
#[derive(Args, Debug)]
pub(super) struct Doctor {
    /// Test each gateway, too
    #[arg(long)]
    pub(super) contact: bool,
}

/// `demo`.
#[derive(Args, Debug)]
pub(super) struct Demo {
    /// Loopback address; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", value_parser = address)]
    pub(super) listen: SocketAddr,
    /// Require the token in this environment variable, instead of one made up
    #[arg(long, value_name = "VAR")]
    pub(super) token_env: Option<String>,
    /// Tools on one page
    #[arg(long, value_name = "TOOLS", default_value = "20")]
    pub(super) page_size: NonZeroUsize,
    /// Write URL and token to this file, as JSON, once it listens
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) ready_file: Option<PathBuf>,
}

/// A shell, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ShellName {
    /// Into ~/.local/share/bash-completion/completions/pflow-gateway
    Bash,
    /// Into _pflow-gateway, in a folder of $fpath
    Zsh,
    /// Into ~/.config/fish/completions/pflow-gateway.fish
    Fish,
    /// Into $PROFILE
    Powershell,
}

/// An era, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum EraName {
    /// Find out, as without the flag
    Auto,
    /// The handshake, up to 2025-11-25
    Legacy,
    /// Without a handshake, since 2026-07-28
    Modern,
}

impl EraName {
    /// None: find out.
    pub(super) fn fixed(self) -> Option<Era> {
        match self {
            Self::Auto => None,
            Self::Legacy => Some(Era::Legacy),
            Self::Modern => Some(Era::Modern),
        }
    }
}

/// What becomes of tools that change, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ChangesName {
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

/// A product, as typed. Whether there is such a one the component knows.
pub(super) fn product(text: &str) -> Result<Kind, String> {
    Kind::try_from(text.to_owned()).map_err(str::to_owned)
}

/// Zero and less make no deadline, and a day is longer than anyone means.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "a number of seconds, like 30 or 2.5".to_owned())?;
    if !(0.001..=86_400.0).contains(&number) {
        return Err("a number of seconds from 0.001 to 86400".to_owned());
    }
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "an address with its port, like 127.0.0.1:9464 or [::1]:9464".to_owned())
}

fn stretch(text: &str) -> Result<Duration, String> {
    crate::history::stretch(text)
}

fn header(text: &str) -> Result<(HeaderName, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE, like X-Tenant=acme")?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| format!("\"{name}\" is no header name"))?;
    Ok((name, value.to_owned()))
}

fn setting(text: &str) -> Result<Setting, String> {
    text.parse()
}

fn declared(text: &str) -> Result<DeclaredService, String> {
    text.parse()
}
