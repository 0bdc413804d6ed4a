//! Any other aggregator, and plain MCP servers.
//! Knows nothing beyond MCP, and must stay so: what one product does belongs into that product's file.

use super::Product;

/// No product.
pub struct Generic;

impl Product for Generic {}
