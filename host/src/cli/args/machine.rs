//! What `doctor`, `demo` and `completions` are told: this machine.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf};

use clap::{Args, ValueEnum, ValueHint};

use super::values::address;

/// `doctor`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Doctor {
    /// Test each gateway, too
    #[arg(long)]
    pub(in crate::cli) contact: bool,
}

/// `demo`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Demo {
    /// Loopback address; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", value_parser = address)]
    pub(in crate::cli) listen: SocketAddr,
    /// Require the token in this environment variable, instead of one made up
    #[arg(long, value_name = "VAR")]
    pub(in crate::cli) token_env: Option<String>,
    /// Tools on one page
    #[arg(long, value_name = "TOOLS", default_value = "20")]
    pub(in crate::cli) page_size: NonZeroUsize,
    /// Write URL and token to this file, as JSON, once it listens
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) ready_file: Option<PathBuf>,
}

/// A shell, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ShellName {
    /// Into ~/.local/share/bash-completion/completions/pflow-gateway
    Bash,
    /// Into _pflow-gateway, in a folder of $fpath
    Zsh,
    /// Into ~/.config/fish/completions/pflow-gateway.fish
    Fish,
    /// Into $PROFILE
    Powershell,
}
