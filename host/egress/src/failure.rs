//! Why a request did not leave, or its answer did not arrive.
//! Takes what policy, connector and client saw; gives the sandbox's error code and a sentence of what happened. Never holds a credential, and
//! never says what to do: that is [`advice`](super::advice).

use std::{fmt, net::IpAddr, time::Duration};

use super::{AddressClass, Origin};

/// Why a request did not leave, or its answer did not arrive: the typed reason behind the coarse code that the sandbox sees.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EgressFailure {
    /// The policy does not allow this origin.
    #[error("{origin} is not allowed: {why}")]
    Denied {
        /// As the guest wrote it, bounded; or the canonical origin.
        origin: String,
        /// Why it is not.
        why: Denial,
        /// The setting that would allow it.
        setting: Option<String>,
    },
    /// A method that could be used for something else than a request to this origin.
    #[error("the method {method} is not allowed")]
    MethodDenied {
        /// `CONNECT` or `TRACE`.
        method: String,
    },
    /// A path of the gateway's own origin that nobody allowed.
    #[error("{method} {origin}{path} is not allowed: it is neither the gateway's MCP endpoint nor in paths")]
    PathDenied {
        /// As the guest wrote it.
        method: String,
        /// The gateway's own origin.
        origin: Origin,
        /// As the guest wrote it, bounded.
        path: String,
        /// The setting that would allow it.
        setting: Option<String>,
    },
    /// The gateway was on the internet, and now its name leads elsewhere.
    #[error("{origin} leads to {address}, a {class} address, and its entry says that it is on a public one")]
    MovedInside {
        /// The gateway's origin.
        origin: Origin,
        /// The address that it leads to now.
        address: IpAddr,
        /// What it is.
        class: AddressClass,
    },
    /// The name leads to an address that is not allowed.
    #[error("{origin} leads to {address}, a {class} address")]
    AddressDenied {
        /// Where the request was for.
        origin: Origin,
        /// The address that it leads to.
        address: IpAddr,
        /// What is wrong with it.
        class: AddressClass,
    },
    /// The name has no address.
    #[error("{host} has no address: {detail}")]
    Dns {
        /// The name.
        host: String,
        /// What the resolver said.
        detail: String,
    },
    /// Nothing accepts connections there.
    #[error("cannot connect to {origin}: {detail}")]
    Unreachable {
        /// Where the request was for.
        origin: Origin,
        /// What the system said, of the last address tried.
        detail: String,
    },
    /// TLS failed.
    #[error("TLS with {origin} failed: {detail}")]
    Tls {
        /// Where the request was for.
        origin: Origin,
        /// What kind of failure.
        problem: TlsProblem,
        /// What the library said.
        detail: String,
    },
    /// It took too long.
    #[error("{origin} {phase} within {} s", (after.as_secs_f64() * 10.0).round() / 10.0)]
    Timeout {
        /// Where the request was for.
        origin: Origin,
        /// What it was doing.
        phase: Phase,
        /// How long was allowed.
        after: Duration,
    },
    /// The answer's headers are too large.
    #[error("{origin} answered with more than {limit} bytes or {count} lines of headers")]
    HeaderTooLarge {
        /// Who answered.
        origin: Origin,
        /// Bytes allowed.
        limit: usize,
        /// Headers allowed.
        count: usize,
    },
    /// The answer's body is too large.
    #[error("{origin} answered with more than {limit} bytes")]
    BodyTooLarge {
        /// Who answered.
        origin: Origin,
        /// Bytes allowed.
        limit: u64,
    },
    /// All answers of one operation together are too large.
    #[error("the answers of one operation are more than {limit} bytes")]
    OperationTooLarge {
        /// Bytes allowed.
        limit: u64,
    },
    /// The request's body is too large.
    #[error("the request is larger than {limit} bytes")]
    RequestTooLarge {
        /// Bytes allowed.
        limit: u64,
    },
    /// Too many requests during one operation.
    #[error("more than {limit} requests in one operation")]
    TooManyRequests {
        /// Requests allowed.
        limit: u32,
    },
    /// Too many answers open at the same time.
    #[error("more than {limit} answers open at the same time")]
    TooManyOpen {
        /// Answers allowed.
        limit: u32,
    },
    /// The connection broke after the request was written.
    #[error("{origin} closed the connection {when}")]
    Reset {
        /// Who closed it.
        origin: Origin,
        /// How far the answer was.
        when: Progress,
    },
    /// It redirects, and redirects again.
    #[error("{origin} redirects without end: {way}")]
    Redirects {
        /// Who does.
        origin: Origin,
        /// The paths, in order.
        way: String,
    },
    /// What came back is not HTTP.
    #[error("{origin} does not speak HTTP: {detail}")]
    NotHttp {
        /// Who answered.
        origin: Origin,
        /// What is wrong with it.
        detail: String,
    },
    /// The answer is compressed in a way that was not asked for.
    #[error("the answer of {origin} is compressed with {coding}, which is not understood")]
    UnknownCoding {
        /// Who answered.
        origin: Origin,
        /// As its `Content-Encoding` names it.
        coding: String,
    },
    /// The answer is not compressed in the way that it says.
    #[error("the answer of {origin} says that it is compressed with {coding}, and is not")]
    NotCoded {
        /// Who answered.
        origin: Origin,
        /// What its `Content-Encoding` says.
        coding: String,
    },
    /// The proxy in between.
    #[error("{}", problem.sentence(proxy, origin))]
    Proxy {
        /// Which, and which setting names it; without its password.
        proxy: String,
        /// Where the request was for.
        origin: Origin,
        /// What is wrong.
        problem: ProxyProblem,
    },
    /// The request that the guest built is none.
    #[error("the request is not valid HTTP: {detail}")]
    BadRequest {
        /// What is wrong with it.
        detail: String,
    },
}

/// Why the policy says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// A proper origin that nobody configured.
    NotListed,
    /// No origin at all.
    NotAnOrigin(super::OriginError),
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotListed => f.write_str("it is neither the gateway's own origin nor in allow_origins"),
            Self::NotAnOrigin(error) => error.fmt(f),
        }
    }
}

/// What kind of TLS failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsProblem {
    /// The certificate is signed by nobody that is trusted here.
    UnknownIssuer,
    /// The certificate is not valid any more, or not yet.
    Expired,
    /// The certificate is for another name.
    WrongName,
    /// Something else about the certificate.
    Certificate,
    /// The peer refused: protocol version, cipher, a client certificate.
    Refused,
    /// The peer does not speak TLS.
    NotTls,
    /// There is nothing to trust: no platform roots and no `ca_file`.
    NoRoots,
    /// Anything else.
    Protocol,
}

/// What is wrong with a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyProblem {
    /// The setting that names it names none.
    Setting(&'static str),
    /// Its name has no address.
    Dns(String),
    /// Nothing accepts connections there.
    Unreachable(String),
    /// It, or the gateway behind it, did not answer in time.
    Timeout(Duration),
    /// TLS with the proxy itself failed.
    Tls(String),
    /// It answered, and not with a way through.
    Status(u16),
    /// It closed the connection without an answer.
    Closed,
    /// The connection broke.
    Broken(String),
    /// What is there is no proxy.
    NotAProxy,
    /// What SOCKS said.
    Socks(String),
}

impl ProxyProblem {
    fn sentence(&self, proxy: &str, origin: &Origin) -> String {
        match self {
            Self::Setting(why) => format!("{proxy} {why}"),
            Self::Dns(detail) => format!("the proxy {proxy} has no address: {detail}"),
            Self::Unreachable(detail) => format!("cannot connect to the proxy {proxy}: {detail}"),
            Self::Timeout(after) => {
                format!("the proxy {proxy} gave no connection to {origin} within {} s", after.as_secs_f64())
            }
            Self::Tls(detail) => format!("TLS with the proxy {proxy} failed: {detail}"),
            Self::Status(407) => format!("the proxy {proxy} wants a user name and password (HTTP 407)"),
            Self::Status(403) => format!("the proxy {proxy} does not allow connections to {origin} (HTTP 403)"),
            Self::Status(status) => format!("the proxy {proxy} gives no connection to {origin} (HTTP {status})"),
            Self::Closed => format!("the proxy {proxy} closed the connection without an answer"),
            Self::Broken(detail) => format!("the connection to the proxy {proxy} broke: {detail}"),
            Self::NotAProxy => format!("what answers at {proxy} is no proxy"),
            Self::Socks(detail) => format!("the proxy {proxy} gives no connection to {origin}: {detail}"),
        }
    }
}

/// What took too long. Displayed after the origin: `http://… did not answer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Looking the name up.
    Resolve,
    /// Setting up TCP.
    Connect,
    /// Setting up TLS.
    Tls,
    /// Waiting for the status line and headers.
    FirstByte,
    /// Waiting for more of the body.
    Body,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Resolve => "was not resolved",
            Self::Connect => "did not accept a connection",
            Self::Tls => "did not complete TLS",
            Self::FirstByte => "did not answer",
            Self::Body => "stopped in the middle of its answer and sent nothing more",
        })
    }
}

/// How far an answer was when the connection broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing had come.
    NoAnswer,
    /// This many bytes of the body had come.
    Body(u64),
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer => f.write_str("without an answer"),
            Self::Body(1) => f.write_str("after one byte of its answer"),
            Self::Body(bytes) => write!(f, "after {bytes} bytes of its answer"),
        }
    }
}

/// Whether a request can have had an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It never left.
    NotDelivered,
    /// It may have arrived.
    MaybeDelivered,
}

impl EgressFailure {
    /// Whether the request can have had an effect.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        match self {
            Self::Denied { .. }
            | Self::MethodDenied { .. }
            | Self::PathDenied { .. }
            | Self::AddressDenied { .. }
            | Self::MovedInside { .. }
            | Self::Dns { .. }
            | Self::Unreachable { .. }
            | Self::Tls { .. }
            | Self::TooManyRequests { .. }
            | Self::TooManyOpen { .. }
            | Self::Proxy { .. }
            | Self::BadRequest { .. }
            // A redirect comes in place of what was asked for.
            | Self::Redirects { .. }
            // It is sent when all of it is there.
            | Self::RequestTooLarge { .. }
            | Self::Timeout { phase: Phase::Resolve | Phase::Connect | Phase::Tls, .. } => Delivery::NotDelivered,
            _ => Delivery::MaybeDelivered,
        }
    }

    /// What the sandbox is told: no more than the kind of failure.
    pub(super) fn to_wasi(&self) -> wasmtime_wasi_http::Error {
        use wasmtime_wasi_http::Error as Wasi;
        match self {
            Self::Denied { why: Denial::NotListed, .. } | Self::PathDenied { .. } => Wasi::HttpRequestDenied,
            Self::Denied { why: Denial::NotAnOrigin(_), .. } | Self::BadRequest { .. } => Wasi::HttpRequestUriInvalid,
            Self::MethodDenied { .. } => Wasi::HttpRequestMethodInvalid,
            Self::AddressDenied { .. } | Self::MovedInside { .. } => Wasi::DestinationIpProhibited,
            Self::Dns { .. } => Wasi::DnsError { rcode: None, info_code: None },
            Self::Unreachable { .. } | Self::Proxy { .. } => Wasi::ConnectionRefused,
            Self::Tls { problem, .. } => match problem {
                TlsProblem::UnknownIssuer
                | TlsProblem::Expired
                | TlsProblem::WrongName
                | TlsProblem::Certificate
                | TlsProblem::NoRoots => Wasi::TlsCertificateError,
                TlsProblem::Refused => Wasi::TlsAlertReceived { alert_id: None, alert_message: None },
                TlsProblem::NotTls | TlsProblem::Protocol => Wasi::TlsProtocolError,
            },
            Self::Timeout { phase, .. } => match phase {
                Phase::Resolve => Wasi::DnsTimeout,
                Phase::Connect | Phase::Tls => Wasi::ConnectionTimeout,
                Phase::FirstByte => Wasi::HttpResponseTimeout,
                Phase::Body => Wasi::ConnectionReadTimeout,
            },
            Self::HeaderTooLarge { limit, .. } => Wasi::HttpResponseHeaderSectionSize(u32::try_from(*limit).ok()),
            Self::BodyTooLarge { limit, .. } | Self::OperationTooLarge { limit } => {
                Wasi::HttpResponseBodySize(Some(*limit))
            }
            Self::RequestTooLarge { limit } => Wasi::HttpRequestBodySize(Some(*limit)),
            Self::TooManyRequests { .. } | Self::TooManyOpen { .. } => Wasi::ConnectionLimitReached,
            Self::Reset { when: Progress::NoAnswer, .. } => Wasi::ConnectionTerminated,
            Self::Reset { .. } => Wasi::HttpResponseIncomplete,
            Self::NotHttp { .. } => Wasi::HttpProtocolError,
            Self::Redirects { .. } => Wasi::LoopDetected,
            Self::UnknownCoding { coding, .. } | Self::NotCoded { coding, .. } => {
                Wasi::HttpResponseContentCoding(Some(coding.clone()))
            }
        }
    }
}
