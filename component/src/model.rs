//! The contract's types, as the logic uses them: native Rust, so that everything but the glue is tested natively.
//! Mirrors `types`, `filter`, `health` and `calls` of `wit/gateway.wit`, where every item is described; JSON stays text.
//! Must never know WIT bindings or HTTP.

#![expect(missing_docs, reason = "described in wit/gateway.wit, item by item")]

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    Legacy,
    Modern,
}

/// Ordered: the best evidence first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attribution {
    Declared,
    Reported,
    Control,
    Claimed,
    Prefix,
    Inferred,
    None,
}

/// Ordered: the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    Certain,
    High,
    Low,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok,
    Degraded,
    Offline,
    Disabled,
    AuthRequired,
    Forbidden,
    RateLimited,
    Timeout,
    Unreachable,
    UpstreamError,
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Implementation {
    pub name: String,
    pub version: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredService {
    pub name: String,
    pub prefix: Option<String>,
    pub tools: Vec<String>,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub first: u32,
    pub count: u32,
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

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    pub title: Option<String>,
    pub read_only: Option<bool>,
    pub destructive: Option<bool>,
    pub idempotent: Option<bool>,
    pub open_world: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    pub service: Option<String>,
    pub service_id: Option<String>,
    pub attribution: Attribution,
    pub confidence: Confidence,
    pub evidence: String,
    pub original_name: Option<String>,
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    pub name: String,
    pub title: Option<String>,
    pub description: Option<String>,
    pub input_schema: Json,
    pub output_schema: Option<Json>,
    pub annotations: Option<Annotations>,
    pub icons: Option<Json>,
    pub meta: Option<Json>,
    pub provenance: Provenance,
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
pub struct Service {
    pub name: String,
    pub tools: u32,
    pub attribution: Attribution,
    pub confidence: Confidence,
    pub status: Status,
    pub evidence: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    MalformedTool,
    DuplicateName,
    PageLimit,
    RepeatedCursor,
    NoTools,
    RoundNumber,
    AttributionUnavailable,
    Unattributed,
    Endpoint,
    Claim,
    LookAlike,
    HiddenText,
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub concern: Concern,
    pub subject: Option<String>,
    pub message: String,
}

#[derive(Clone, Debug)]
pub struct Catalog {
    pub tools: Vec<Tool>,
    pub services: Vec<Service>,
    pub warnings: Vec<Warning>,
    pub pages: u32,
    pub ttl_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    NotDelivered,
    MaybeDelivered,
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    AuthRequired,
    TokenExpired,
    Forbidden,
    Blocked,
    RateLimited,
    Timeout,
    Unreachable,
    Dns,
    Tls,
    EgressDenied,
    Limit,
    NotMcp,
    ProtocolError,
    SessionLost,
    Rejected,
    UpstreamError,
    Unsupported,
}

/// An [`Error`] as the contract has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: Code,
    pub delivery: Delivery,
    pub http_status: Option<u16>,
    pub retry_after: Option<u32>,
    pub service: Option<String>,
    pub service_status: Option<Status>,
    pub method: Option<String>,
    pub message: String,
    pub advice: Option<String>,
    pub details: Vec<(String, String)>,
}

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

#[derive(Clone, Debug)]
pub struct Call {
    pub tool: String,
    pub input_schema: Option<Json>,
    pub service: Option<String>,
    pub arguments: Json,
    pub token: u32,
    pub progress: bool,
    pub meta: Option<Json>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub result: Json,
    pub failed: bool,
    pub failure: Option<UpstreamFailure>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceHealth {
    pub name: String,
    pub status: Status,
    pub tools: u32,
    pub evidence: Vec<String>,
    pub last_seen: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub include_services: Vec<String>,
    pub exclude_services: Vec<String>,
    pub include_tools: Vec<String>,
    pub exclude_tools: Vec<String>,
    pub read_only: bool,
    pub no_destructive: bool,
    pub control_tools: bool,
    pub claims: bool,
}

#[derive(Clone, Debug)]
pub struct Candidate {
    pub name: String,
    pub service: Option<String>,
    pub attribution: Attribution,
    pub confidence: Confidence,
    pub annotations: Option<Annotations>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    ServiceNotIncluded,
    ServiceNotCertain,
    ServiceExcluded,
    ToolNotIncluded,
    ToolExcluded,
    NotReadOnly,
    Destructive,
    ControlTool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    pub pattern: String,
    pub problem: String,
}
