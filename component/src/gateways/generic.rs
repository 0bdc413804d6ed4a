//! Any other aggregator, and plain MCP servers.
//! Knows nothing beyond MCP, and must stay so: what one product does belongs in that product's file.

use super::Product;
use crate::{
    mcp::json_rpc::RpcFault,
    model::{Error, Kind, ProductFacts},
};

/// No product.
pub struct Generic;

/// What a server of the old transport can be told to speak, by the two programs that most people start.
pub(super) fn old_transport(error: &Error) -> Option<String> {
    let Error::NotMcp(answer) = error else { return None };
    (answer.problem.contains("HTTP+SSE") && !matches!(answer.http_status, 300..=399 | 500..)).then(|| {
        "Docker's gateway speaks Streamable HTTP with --transport streaming, FastMCP with transport=\"http\"".to_owned()
    })
}

impl Product for Generic {
    fn facts(&self) -> ProductFacts {
        ProductFacts {
            kind: Kind::Generic,
            title: "MCP gateway",
            recognised_by: "product not recognised",
            entry_name: "gateway",
            ports: &[8000, 8080, 3000, 9000],
            path: "/mcp",
            token_variable: "MCP_GATEWAY_TOKEN",
            start: None,
            url_hint: None,
            liveness: None,
            absence: None,
            stdio: None,
        }
    }

    fn may_be_of_the_tool(&self, _fault: &RpcFault) -> bool {
        true
    }
}
