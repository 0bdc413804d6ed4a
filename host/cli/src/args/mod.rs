//! What was typed.
//! Takes words; gives typed arguments, or clap's own message. Knows nothing of what they mean: that is `context` and the commands.

mod component;
mod deploy;
mod entry;
mod import;
mod look;
mod machine;
mod values;
mod watch;

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};

use self::values::seconds;
pub(super) use self::{
    component::{CheckComponent, Component, ComponentAction, Language, NewComponent},
    deploy::{Deploy, EngineName},
    entry::{Add, Adopt, Auth, Edit, Entry, Pick, Remove, Set, Setup, Trust, TrustName},
    import::Import,
    look::{Call, Look, Serve, Tools},
    machine::{Demo, Doctor, ShellName, Uninstall},
    values::product,
    watch::{FailOn, Health, Monitor, Snapshot, SnapshotAction, Watching},
};
use pflow_gateway::report::Era;

/// MCP gateways for pflow: add them, see what is behind them, run workflows through them.
#[derive(Debug, Parser)]
#[command(version, no_binary_name = true, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "TARGET is a name in pflow's mcp-servers.json, or a URL.\n\
    Exit codes: 0 good, 1 failed or unhealthy, 2 usage or configuration, 130 interrupted, 143 terminated.")]
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
    /// Take over servers of other MCP clients: Claude, Cursor, VS Code, Codex, Windsurf, Gemini CLI
    Import(Import),
    /// Turn a plain HTTP entry into a gateway entry
    Adopt(Adopt),
    /// Change one thing of a gateway's filter, and say what pflow gains and loses
    Set(Set),
    /// Change an entry in your editor, and say what pflow gains and loses
    Edit(Edit),
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
    /// Write what an engine takes to run gateways as a service for a team; never a secret
    Deploy(Deploy),
    /// Run a gateway of three made-up services on this machine
    Demo(Demo),
    /// Check what has to be right on this machine: pflow, versions, entries, variables, permissions, clock
    Doctor(Doctor),
    /// Turn entries back into plain HTTP entries and say what else goes, before the program is uninstalled
    Uninstall(Uninstall),
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

impl Command {
    /// Whether it asks one gateway one thing and ends: more than one thread would only hand its work to and fro.
    pub(super) fn asks_once(&self) -> bool {
        matches!(self, Self::Test(_) | Self::Services(_) | Self::Tools(_) | Self::Call(_))
    }

    /// Whether it writes the server file.
    pub(super) fn writes(&self) -> bool {
        matches!(
            self,
            Self::Add(_)
                | Self::Setup(_)
                | Self::Import(_)
                | Self::Adopt(_)
                | Self::Set(_)
                | Self::Edit(_)
                | Self::Remove(_)
                | Self::Uninstall(_)
        )
    }
}

/// Headings of options in help texts.
const FILTER: &str = "Filter";
const CONNECTION: &str = "Connection";

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
