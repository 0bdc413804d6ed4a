//! Docker MCP Gateway: its fingerprint, its control tools, and what its errors mean.
//! Takes names and errors as the real gateway was seen to send them (2026-07). Must not start an OAuth flow, declare
//! `elicitation` or call `mcp-*` tools: those change the gateway for everybody.

use super::{Judgement, Product, Seen};
use crate::{
    mcp::json_rpc::RpcFault,
    model::{
        Absence, Delivery, Error, ForeignAnswer, Kind, Liveness, ProductFacts, Status, StdioStart, UpstreamFailure,
    },
    text::contains,
    verdicts,
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

/// Docker Desktop's governance refuses a tool: `policy denied tool T on server S: reason`.
const POLICY_DENIED: &str = "policy denied tool ";
/// It could not be asked: `policy check failed for S/T: reason`.
const POLICY_UNKNOWN: &str = "policy check failed for ";
/// `server "S" not found in configuration`.
const NOT_CONFIGURED: &str = "not found in configuration";

/// Why it is this product.
pub(super) fn recognise(seen: &Seen<'_>) -> Option<String> {
    (seen.server.name == SERVER_NAME).then(|| format!("serverInfo.name is \"{SERVER_NAME}\""))
}

/// `calling "tools/call": …` is a service's own error, whatever it says there, unless the gateway could not send it.
fn is_of_the_service(text: &str) -> bool {
    text.strip_prefix("calling \"tools/call\": ").is_some_and(|rest| !rest.starts_with("sending \"tools/call\": "))
}

/// What the gateway's own words come to. Most are said before anything was sent.
fn of_the_gateway(text: &str) -> Option<Judgement> {
    if contains(text, "a secret is being passed") {
        return Some(Judgement::Blocked(Delivery::NotDelivered));
    }
    if contains(text, "a secret is being returned") {
        return Some(Judgement::Blocked(Delivery::MaybeDelivered));
    }
    if contains(text, "invalid during session initialization") {
        return Some(Judgement::Session(Delivery::NotDelivered));
    }
    // A restarted service poisons this gateway session for good; a new one works at once. The first text is the service's
    // own 404 to this very POST (go-sdk streamable.go), the second comes before anything is written (jsonrpc2/wire.go).
    let refused_by_service = contains(text, "failed to connect (session id") && contains(text, "session not found");
    if refused_by_service || contains(text, "client is closing") {
        return Some(Judgement::Session(Delivery::NotDelivered));
    }
    if contains(text, POLICY_DENIED) || contains(text, POLICY_UNKNOWN) {
        return Some(Judgement::Service(Status::Forbidden, Delivery::NotDelivered));
    }
    if contains(text, NOT_CONFIGURED) {
        return Some(Judgement::Service(Status::Disabled, Delivery::NotDelivered));
    }
    // A container is started for each call; without the daemon there is none.
    if contains(text, "cannot connect to the docker daemon") {
        return Some(Judgement::Service(Status::Unreachable, Delivery::NotDelivered));
    }
    // Where the way to it failed the gateway says `sending`, `rejected by transport` or `failed to connect`.
    let on_the_way = ["rejected by transport", "failed to connect", "dial tcp", "sending \""];
    if on_the_way.iter().any(|words| contains(text, words)) {
        let status = verdicts::words(text).unwrap_or(Status::Unreachable);
        return Some(Judgement::Service(status, verdicts::delivery_of(status, text)));
    }
    None
}

/// A redirect that only this product answers with, when it was started for the old transport.
pub(super) fn unasked(error: &Error) -> Option<&'static str> {
    let Error::NotMcp(ForeignAnswer { http_status: 300..=399, problem, .. }) = error else { return None };
    problem.ends_with("/sse, which is not followed").then_some(
        "Docker's gateway was started with --transport sse, which is not spoken here: start it with --transport streaming",
    )
}

/// What to do about a service that fails behind it.
fn at_the_service(failure: &UpstreamFailure) -> Option<String> {
    let name = failure.service.as_deref().unwrap_or("NAME");
    let says = |text: &str| contains(&failure.message, text);
    Some(match failure.status {
        Status::AuthRequired => format!(
            "sign in again with `docker mcp oauth authorize {name}`, or set its secret; no restart is needed if its tools are listed"
        ),
        Status::Forbidden if says(POLICY_DENIED) => {
            "a policy of your organization in Docker Desktop forbids it; ask who administers that".to_owned()
        }
        Status::Forbidden if says(POLICY_UNKNOWN) => {
            "Docker Desktop could not ask your organization's policy, and then refuses; look whether it is signed in"
                .to_owned()
        }
        Status::Disabled if says(NOT_CONFIGURED) => {
            "put it back with `docker mcp profile server add`, or --servers, and restart the gateway; `tools {gateway}` lists what there is now"
                .to_owned()
        }
        Status::Unreachable | Status::Offline if says("docker daemon") => {
            "start Docker where the gateway runs: the service is a container".to_owned()
        }
        Status::UpstreamError if failure.message.trim().ends_with("EOF") => {
            format!("its process ended during the call; the gateway's log, or `docker logs`, tells why {name} ended")
        }
        _ => return None,
    })
}

impl Product for Docker {
    fn facts(&self) -> ProductFacts {
        ProductFacts {
            kind: Kind::Docker,
            title: "Docker MCP Gateway",
            recognised_by: "serverInfo.name is \"Docker AI MCP Gateway\"",
            entry_name: "docker",
            ports: &[8811],
            path: "/mcp",
            token_variable: "MCP_GATEWAY_AUTH_TOKEN",
            start: Some("docker mcp gateway run --port 8811 --transport streaming"),
            url_hint: None,
            liveness: Some(Liveness {
                path: "/health",
                silent: "Docker's gateway opens its port before it has reached its services, so one of them hangs at its start: its log \
                         names it; take it out, or repair it, and restart the gateway",
            }),
            absence: Some(Absence {
                why: "Docker's gateway leaves out a service that it cannot reach at its start",
                remedy: "start {service}, then restart the gateway; its log says \"Can't start\" and why",
            }),
            stdio: Some(StdioStart {
                words: &["docker", "mcp", "gateway", "run"],
                transport_flags: &["--transport", "--port"],
                instead: "docker mcp gateway run --transport streaming --port 8811",
            }),
        }
    }

    fn advice(&self, error: &Error, _url: &str) -> Option<String> {
        let text = match error {
            Error::Blocked(refusal) if refusal.delivery == Delivery::NotDelivered => {
                "Docker's gateway takes an argument for a secret; leave it out, or, if it is none, start the gateway with --block-secrets=false"
            }
            Error::Blocked(_) => {
                "Docker's gateway takes a part of the result for a secret; ask the tool for less, or, if it is none, start the gateway with --block-secrets=false"
            }
            Error::AuthRequired(_) | Error::TokenExpired(_) => {
                "{credential} must hold the gateway's token; Docker's gateway makes a new one at each start unless MCP_GATEWAY_AUTH_TOKEN is set for it"
            }
            Error::Upstream(failure) => return at_the_service(failure),
            error => unasked(error)?,
        };
        Some(text.to_owned())
    }

    fn is_control_tool(&self, name: &str) -> bool {
        CONTROL_TOOLS.contains(&name) || name.starts_with("code-mode-")
    }

    fn refuses_method(&self, status: u16, body: &str) -> bool {
        status == 400 && body.starts_with("JSON RPC not handled")
    }

    fn judge_fault(&self, fault: &RpcFault) -> Option<Judgement> {
        let text = fault.message.as_str();
        if !is_of_the_service(text)
            && let Some(judgement) = of_the_gateway(text)
        {
            return Some(judgement);
        }
        // The service's process ended during the call.
        if text.ends_with("EOF") {
            return Some(Judgement::Service(Status::UpstreamError, Delivery::MaybeDelivered));
        }
        // Here 0 is any error of Go, and never says that the arguments are wrong. Errors of services keep their own codes; but a session that
        // a service misses is not the one with the gateway.
        let its_session = is_of_the_service(text) && verdicts::is_session_text(text);
        (fault.code == 0 || its_session).then(|| {
            let status = verdicts::words(text).unwrap_or(Status::UpstreamError);
            Judgement::Service(status, Delivery::MaybeDelivered)
        })
    }

    fn may_be_of_the_tool(&self, fault: &RpcFault) -> bool {
        is_of_the_service(&fault.message)
    }

    fn service_in_fault(&self, fault: &RpcFault) -> Option<String> {
        let text = fault.message.as_str();
        let after = |words: &str| text.split_once(words).map(|(_, rest)| rest);
        let found = if contains(text, POLICY_DENIED) {
            after(" on server ")?.split(": ").next()?
        } else if contains(text, POLICY_UNKNOWN) {
            // `SERVER/TOOL`, and both may hold slashes and dots; a tool's name rarely does.
            after(POLICY_UNKNOWN)?.split(": ").next()?.rsplit_once('/')?.0
        } else if contains(text, NOT_CONFIGURED) {
            after("server \"")?.split('"').next()?
        } else {
            return None;
        };
        Some(found.trim().to_owned()).filter(|name| !name.is_empty())
    }

    fn bare_names(&self) -> Option<&'static str> {
        Some(
            "`docker mcp feature enable tool-name-prefix`, and a restart of the gateway, puts the service's name before each tool's; \
             or declare them by their tools, like --service github=list_issues,*_pull_request",
        )
    }

    fn no_services(&self) -> Option<&'static str> {
        Some(
            "Docker's gateway starts so without a profile, with an empty one, and when it could start none of its servers: add some \
             with `docker mcp profile server add`, start it with --profile NAME or --servers NAMES, and look for \"Can't start\" in its log",
        )
    }

    fn no_health(&self) -> &'static str {
        "Docker MCP Gateway reports no health of its services"
    }
}
