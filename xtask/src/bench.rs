//! `cargo xtask bench`: to come.
use crate::shell::{Failure, Result};
use clap::Args;
#[derive(Args)]
pub(crate) struct Options {}
pub(crate) fn bench(_options: &Options) -> Result {
    Err(Failure("not there yet".into()))
}
