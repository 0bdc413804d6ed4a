//! Any other aggregator, and plain MCP servers.
//! Knows nothing beyond MCP, and must stay so: what one product does belongs into that product's file.

use super::Product;
use crate::mcp::json_rpc::RpcFault;

/// No product.
pub struct Generic;

impl Product for Generic {
    fn may_be_of_the_tool(&self, _fault: &RpcFault) -> bool {
        true
    }
}
