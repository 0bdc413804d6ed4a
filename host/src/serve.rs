//! The stdio MCP server that pflow spawns.

use crate::{Gateway, Result};

/// Serves the gateway on stdin and stdout until stdin closes.
pub async fn serve(gateway: Gateway) -> Result<()> {
    todo!()
}
