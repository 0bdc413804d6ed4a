//! Docker MCP Gateway: its fingerprint, its control tools, and what its errors mean.
//! Takes names and errors as the real gateway was seen to send them (2026-07). Must not start an OAuth flow, declare
//! `elicitation` or call `mcp-*` tools: those change the gateway for everybody.

use super::{Judgement, Product, Seen};
use crate::{
    classify,
    mcp::json_rpc::RpcFault,
    model::{Delivery, Status},
    text::contains,
};

/// Docker MCP Gateway.
pub struct Docker;

const SERVER_NAME: &str = "Docker AI MCP Gateway";

/// The gateway's reserved names, and what it adds while it runs.
const CONTROL_TOOLS: &[&str] = &[
    "mcp-find",
    "mcp-add",
    "mcp-remove",
    "mcp-exec",
    "mcp-config-set",
    "mcp-create-profile",
    "mcp-activate-profile",
    "mcp-registry-import",
    "code-mode",
    "find-tools",
];

/// Why it is this product.
pub(super) fn recognise(seen: &Seen<'_>) -> Option<String> {
    (seen.server.name == SERVER_NAME).then(|| format!("serverInfo.name is \"{SERVER_NAME}\""))
}

impl Product for Docker {
    fn is_control_tool(&self, name: &str) -> bool {
        CONTROL_TOOLS.contains(&name) || name.starts_with("code-mode-")
    }

    fn refuses_method(&self, status: u16, body: &str) -> bool {
        status == 400 && body.starts_with("JSON RPC not handled")
    }

    fn judge_fault(&self, fault: &RpcFault) -> Option<Judgement> {
        let text = fault.message.as_str();
        if contains(text, "a secret is being passed") {
            return Some(Judgement::Refused(Delivery::NotDelivered));
        }
        if contains(text, "a secret is being returned") {
            return Some(Judgement::Refused(Delivery::MaybeDelivered));
        }
        if contains(text, "invalid during session initialization") {
            return Some(Judgement::Session(Delivery::NotDelivered));
        }
        // A restarted service poisons this gateway session for good; a new one works at once.
        if contains(text, "session not found") || contains(text, "client is closing") {
            return Some(Judgement::Session(Delivery::MaybeDelivered));
        }
        // `calling "tools/call": …` is a service's own error; the gateway adds `sending`, `rejected by transport`
        // or `failed to connect` where the way to it failed.
        let on_the_way = ["rejected by transport", "failed to connect", "dial tcp", "sending \""];
        if on_the_way.iter().any(|words| contains(text, words)) {
            let status = classify::words(text).unwrap_or(Status::Unreachable);
            return Some(Judgement::Service(status, classify::delivery_of(status, text)));
        }
        None
    }

    fn no_health(&self) -> &'static str {
        "Docker MCP Gateway reports no health of its services"
    }
}
