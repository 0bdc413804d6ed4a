//! What `health`, `monitor` and `snapshot` are told: looks that are compared with those before.

use std::{net::SocketAddr, time::Duration};

use clap::{Args, Subcommand, ValueEnum};

use super::{
    Auth,
    values::{address, seconds, stretch},
};
use pflow_gateway::{health::ProbeOf, history::Floor, monitor::OnChange};

/// `health`.
#[derive(Args, Debug)]
pub(crate) struct Health {
    /// Names or URLs; all gateways when none is given
    pub(crate) targets: Vec<String>,
    /// Keep looking, every so many seconds
    #[arg(long, value_name = "SECS", value_parser = seconds, conflicts_with = "history")]
    pub(crate) watch: Option<Duration>,
    /// Show recorded history only; contact no gateway
    #[arg(long)]
    pub(crate) history: bool,
    /// How far back, like 30m, 24h or 7d
    #[arg(long, value_name = "TIME", value_parser = stretch, default_value = "24h", requires = "history")]
    pub(crate) since: Duration,
    /// From which state on the exit code is 1
    #[arg(long, value_enum, value_name = "STATE", default_value = "degraded")]
    pub(crate) fail_on: FailOn,
    #[command(flatten)]
    pub(crate) watching: Watching,
    #[command(flatten)]
    pub(crate) auth: Auth,
}

/// `health` and `monitor`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Watching {
    /// Run this command for every change, with the change as JSON on stdin; run without a shell
    #[arg(long, value_name = "CMD")]
    pub(crate) on_change: Option<OnChange>,
    /// From which state on a change is announced, and that it is over
    #[arg(long, value_enum, value_name = "STATE", default_value = "degraded")]
    pub(crate) alert_on: FailOn,
    /// Run --on-change once with a made-up change, say how it went, and look at nothing
    #[arg(long, requires = "on_change")]
    pub(crate) test_alert: bool,
    /// Call this harmless tool, without arguments, to know a service's state for certain; may be repeated; a tool that no gateway
    /// lists is reported
    #[arg(long = "probe", value_name = "SERVICE=TOOL")]
    pub(crate) probes: Vec<ProbeOf>,
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
pub(crate) enum FailOn {
    /// Anything that is not ok
    #[default]
    Degraded,
    /// Only what is down, refused or out of reach
    Offline,
}

/// `monitor`.
#[derive(Args, Debug)]
pub(crate) struct Monitor {
    /// Names or URLs; all gateways when none is given
    pub(crate) targets: Vec<String>,
    /// Where to serve the status page; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464", value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// Require the token in this environment variable, instead of one made up at each start
    #[arg(long, value_name = "VAR")]
    pub(crate) token_env: Option<String>,
    /// Require no token: every user of this machine can read the status page, metrics and events
    #[arg(long, conflicts_with = "token_env")]
    pub(crate) no_token: bool,
    /// Look at each gateway every so many seconds
    #[arg(long, value_name = "SECS", value_parser = seconds, default_value = "30")]
    pub(crate) every: Duration,
    #[command(flatten)]
    pub(crate) watching: Watching,
    #[command(flatten)]
    pub(crate) auth: Auth,
}

/// `snapshot`.
#[derive(Args, Debug)]
pub(crate) struct Snapshot {
    #[command(subcommand)]
    pub(crate) action: SnapshotAction,
}

/// What to do with the last good catalogue.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotAction {
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
