//! `pace list`: what a native program for one purpose would do.
//! Takes a server; prints its tools. Never prints before the last page is there.

use std::io::{self, Write as _};

use clap::Args;
use serde::Serialize;

use crate::{Result, client::To};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    to: To,
}

#[derive(Serialize)]
struct Listed {
    tools: Vec<rmcp::model::Tool>,
}

pub(crate) fn list(options: &Options) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let connection = options.to.connect().await?;
        let tools = connection.list_all_tools().await?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        serde_json::to_writer(&mut out, &Listed { tools })?;
        out.write_all(b"\n")?;
        out.flush()?;
        connection.cancel().await?;
        Ok(())
    })
}
