//! What `import` is told.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// `import`.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// A client's server file [default: those of known clients at their usual places]
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// Only the servers of these names; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Say what would be written, and write nothing
    #[arg(long, conflicts_with_all = ["yes", "no_test"])]
    pub(crate) dry_run: bool,
    /// Write the entries without testing the gateways
    #[arg(long)]
    pub(crate) no_test: bool,
    /// Do not ask before writing
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
}
