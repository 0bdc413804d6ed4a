//! What `doctor`, `demo` and `completions` are told: this machine.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf};

use clap::{Args, ValueEnum, ValueHint};

use super::values::address;

/// `doctor`.
#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// Test each gateway, too
    #[arg(long)]
    pub(crate) contact: bool,
}

/// `uninstall`.
#[derive(Args, Debug)]
pub(crate) struct Uninstall {
    /// Take the entries of gateways out instead of turning them back into plain HTTP entries
    #[arg(long)]
    pub(crate) remove_entries: bool,
    /// Delete what is remembered of gateways, too: history, catalogues, accepted tools, components
    #[arg(long)]
    pub(crate) remove_data: bool,
    /// Say what would be done, and do nothing
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
}

/// `demo`.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Loopback address; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// Require the token in this environment variable, instead of one made up
    #[arg(long, value_name = "VAR")]
    pub(crate) token_env: Option<String>,
    /// Tools on one page
    #[arg(long, value_name = "TOOLS", default_value = "20")]
    pub(crate) page_size: NonZeroUsize,
    /// Write URL and token to this file, as JSON, once it listens
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ready_file: Option<PathBuf>,
}

/// A shell, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShellName {
    /// Into ~/.local/share/bash-completion/completions/pflow-gateway
    Bash,
    /// Into _pflow-gateway, in a folder of $fpath
    Zsh,
    /// Into ~/.config/fish/completions/pflow-gateway.fish
    Fish,
    /// Into $PROFILE
    Powershell,
}
