//! The types of the logic: those of the contract, as wit-bindgen makes them from `wit/gateway.wit`, where each is described, and a few that say more
//! than the contract does: which product, which session, what went wrong. JSON stays text.
//! Must never know HTTP.

#![expect(missing_docs, reason = "named as in wit/gateway.wit, where every item is described")]

pub use crate::bindings::{
    exports::pflow::gateway::{
        calls::Call,
        filter::{Candidate, PatternError, Reason, Rules},
        health::ServiceHealth,
    },
    pflow::gateway::types::{
        Annotations, Attribution, Catalog, Concern, Confidence, DeclaredService, Delivery, Era, Failure,
        FailureCode as Code, Implementation, Provenance, Service, Status, TokenRange as Tokens, Tool, Warning,
    },
};

/// JSON text, already known to be well-formed.
pub type Json = String;

/// The products that this component knows. In the contract they are identifiers: [`Kind::id`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Docker,
    ContextForge,
    Generic,
}

impl Kind {
    /// In the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::Docker, Self::ContextForge, Self::Generic];

    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::ContextForge => "context-forge",
            Self::Generic => "generic",
        }
    }

    /// None: this component does not know it.
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }
}

#[derive(Clone, Debug)]
pub struct Endpoint {
    pub url: String,
    pub kind: Option<Kind>,
    pub services: Vec<DeclaredService>,
    pub client: Implementation,
    pub era: Option<Era>,
    pub era_is_fixed: bool,
    pub max_pages: u32,
    pub tokens: Tokens,
    pub timeout_ms: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub era: Era,
    pub protocol_version: String,
    pub session_id: Option<String>,
    pub kind: Kind,
    pub kind_evidence: String,
    pub server: Implementation,
    pub announces_tool_changes: bool,
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Implementation {
    fn default() -> Self {
        Self { name: String::new(), version: String::new() }
    }
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Annotations {
    fn default() -> Self {
        Self { title: None, read_only: None, destructive: None, idempotent: None, open_world: None }
    }
}

/// Everything but control tools.
impl Default for Rules {
    fn default() -> Self {
        Self {
            include_services: Vec::new(),
            exclude_services: Vec::new(),
            include_tools: Vec::new(),
            exclude_tools: Vec::new(),
            read_only: false,
            no_destructive: false,
            control_tools: false,
            claims: false,
        }
    }
}

/// Unattributed: an honest answer, and what every tool is before the ladder was climbed.
impl Default for Provenance {
    fn default() -> Self {
        Self {
            service: None,
            service_id: None,
            attribution: Attribution::None,
            confidence: Confidence::None,
            evidence: "nothing tells which service it is from".to_owned(),
            original_name: None,
        }
    }
}

#[cfg(test)]
impl Tool {
    /// A tool of which nothing but the name is known.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            title: None,
            description: None,
            input_schema: "{}".to_owned(),
            output_schema: None,
            annotations: None,
            icons: None,
            meta: None,
            provenance: Provenance::default(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub http_status: u16,
    pub method: Option<String>,
    pub challenge: Option<String>,
    pub body: String,
    pub delivery: Delivery,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    pub http_status: u16,
    pub retry_after: Option<u32>,
    pub body: String,
    pub delivery: Delivery,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportFailure {
    pub detail: String,
    pub delivery: Delivery,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignAnswer {
    pub http_status: u16,
    pub content_type: Option<String>,
    pub problem: String,
    pub body: String,
    pub delivery: Delivery,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolProblem {
    pub method: String,
    pub problem: String,
    pub delivery: Delivery,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLoss {
    pub http_status: u16,
    pub body: String,
    pub delivery: Delivery,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcError {
    pub method: String,
    pub code: i64,
    pub message: String,
    pub data: Option<Json>,
    pub delivery: Delivery,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamFailure {
    pub http_status: Option<u16>,
    pub service: Option<String>,
    pub status: Status,
    pub message: String,
    pub delivery: Delivery,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a credential is needed: {0:?}")]
    AuthRequired(Refusal),
    #[error("the credential has expired: {0:?}")]
    TokenExpired(Refusal),
    #[error("forbidden: {0:?}")]
    Forbidden(Refusal),
    #[error("blocked: {0:?}")]
    Blocked(Refusal),
    #[error("rate limited: {0:?}")]
    RateLimited(RateLimit),
    #[error("timeout: {0:?}")]
    Timeout(TransportFailure),
    #[error("unreachable: {0:?}")]
    Unreachable(TransportFailure),
    #[error("no address: {0:?}")]
    Dns(TransportFailure),
    #[error("TLS: {0:?}")]
    Tls(TransportFailure),
    #[error("denied by the host's policy: {0:?}")]
    EgressDenied(TransportFailure),
    #[error("a limit was reached: {0:?}")]
    Limit(TransportFailure),
    #[error("not MCP: {0:?}")]
    NotMcp(ForeignAnswer),
    #[error("against the protocol: {0:?}")]
    Protocol(ProtocolProblem),
    #[error("the session is gone: {0:?}")]
    SessionLost(SessionLoss),
    #[error("rejected: {0:?}")]
    Rejected(RpcError),
    #[error("a service failed: {0:?}")]
    Upstream(UpstreamFailure),
    #[error("not supported: {0}")]
    Unsupported(String),
}

impl Error {
    /// The same, of a request before which another one of the same call was answered: what that one did is not known.
    #[must_use]
    pub fn after_another(mut self) -> Self {
        let delivery = match &mut self {
            Self::AuthRequired(it) | Self::TokenExpired(it) | Self::Forbidden(it) | Self::Blocked(it) => {
                &mut it.delivery
            }
            Self::RateLimited(it) => &mut it.delivery,
            Self::Timeout(it)
            | Self::Unreachable(it)
            | Self::Dns(it)
            | Self::Tls(it)
            | Self::EgressDenied(it)
            | Self::Limit(it) => &mut it.delivery,
            Self::NotMcp(it) => &mut it.delivery,
            Self::Protocol(it) => &mut it.delivery,
            Self::SessionLost(it) => &mut it.delivery,
            Self::Rejected(it) => &mut it.delivery,
            Self::Upstream(it) => &mut it.delivery,
            Self::Unsupported(_) => return self,
        };
        *delivery = Delivery::MaybeDelivered;
        self
    }
}

/// What every step of a conversation gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    pub why: &'static str,
    pub remedy: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liveness {
    pub path: &'static str,
    pub silent: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StdioStart {
    pub words: &'static [&'static str],
    pub transport_flags: &'static [&'static str],
    pub instead: &'static str,
}

/// What is known of a product without asking it. Named as in the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductFacts {
    pub kind: Kind,
    pub title: &'static str,
    pub recognised_by: &'static str,
    pub entry_name: &'static str,
    pub ports: &'static [u16],
    pub path: &'static str,
    pub token_variable: &'static str,
    pub start: Option<&'static str>,
    pub url_hint: Option<&'static str>,
    pub liveness: Option<Liveness>,
    pub absence: Option<Absence>,
    pub stdio: Option<StdioStart>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub result: Json,
    pub failed: bool,
    pub failure: Option<UpstreamFailure>,
}
