//! `cargo xtask bench`: to come.
use clap::Args;
use crate::shell::{Failure, Result};
#[derive(Args)]
pub(crate) struct Options {}
pub(crate) fn bench(_options: &Options) -> Result { Err(Failure("not there yet".into())) }
