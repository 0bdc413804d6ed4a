//! What a user is told of a failure: its class, and what to do about it.
//! Takes an [`EgressFailure`] or a [`SetupError`]; gives class and hint, with the settings of an entry in the hint. Never guesses: what is not
//! known has no hint.

use pflow_gateway_base::{Advice, Class, setting};

use super::{EgressFailure, EgressLimits, Origin, Phase, ProxyProblem, SetupError, TlsProblem};

impl Advice for SetupError {
    fn class(&self) -> Class {
        Class::Config
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unread { .. } | Self::NotPem { .. } | Self::NoCertificate { .. } => {
                Some("ca_file is a PEM file with the certificates of further authorities".to_owned())
            }
            Self::NoOrigin { .. } | Self::Untrusted { .. } => None,
        }
    }
}

impl Advice for EgressFailure {
    fn class(&self) -> Class {
        match self {
            Self::Denied { .. }
            | Self::MethodDenied { .. }
            | Self::PathDenied { .. }
            | Self::AddressDenied { .. }
            | Self::MovedInside { .. } => Class::EgressDenied,
            Self::Dns { .. } => Class::Dns,
            Self::Proxy { problem: ProxyProblem::Setting(_), .. } => Class::Config,
            Self::Unreachable { .. } | Self::Reset { .. } | Self::Proxy { .. } => Class::Unreachable,
            Self::Tls { .. } => Class::Tls,
            Self::Timeout { .. } => Class::Timeout,
            Self::NotHttp { .. } | Self::Redirects { .. } => Class::NotMcp,
            Self::UnknownCoding { .. } | Self::NotCoded { .. } => Class::ProtocolError,
            Self::BadRequest { .. } => Class::Component,
            Self::HeaderTooLarge { .. }
            | Self::BodyTooLarge { .. }
            | Self::OperationTooLarge { .. }
            | Self::RequestTooLarge { .. }
            | Self::TooManyRequests { .. }
            | Self::TooManyOpen { .. } => Class::Limit,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::MovedInside { .. } => {
                "if the gateway moved there, write \"addresses\": \"any\" into the entry's \"gateway\"; if it did not, somebody leads its name astray".into()
            }
            Self::Denied { setting, .. } | Self::PathDenied { setting, .. } => {
                return setting.as_ref().map(|setting| format!("to allow it, add {setting} to the entry's \"gateway\""));
            }
            Self::AddressDenied { origin, address, .. } if origin.literal().is_none() => {
                format!("if this is meant, put the address itself into the entry's url instead of {}: {address}", origin.host())
            }
            Self::Dns { host, .. } => format!("check the spelling of {host}, and that this machine can resolve it"),
            Self::Unreachable { origin, .. } => {
                format!("check that the gateway is running and that {} is its host and port", origin.authority())
            }
            Self::Tls { origin, problem, .. } => problem.hint(origin),
            Self::Timeout { phase: Phase::FirstByte | Phase::Body, .. } => {
                "allow more time with \"timeout\" in the entry's \"gateway\" or --timeout, or look into the gateway's log".into()
            }
            Self::Timeout { origin, phase: Phase::Tls, .. } => format!(
                "a port without TLS often stays silent like this: if {} speaks plain HTTP, its URL begins with http://; or else check the host, the port and any firewall in between",
                origin.authority()
            ),
            Self::Timeout { .. } => "check the host, the port and any firewall in between".into(),
            Self::Reset { .. } => "the gateway restarted or failed: look into its log".into(),
            Self::NotHttp { origin, .. } => {
                format!("check the port, and whether it should be https:// instead: {}", origin.authority())
            }
            Self::Redirects { .. } => {
                "check the URL's path; if it is right, the gateway, or a proxy before it, is set up wrongly: look at its rules for slashes and for https".into()
            }
            Self::Proxy { origin, problem, .. } => problem.hint(origin),
            Self::UnknownCoding { .. } => {
                "gzip, deflate and br are asked for and understood; the gateway, or a proxy before it, must send one of them or none".into()
            }
            Self::NotCoded { .. } => {
                "a proxy before the gateway may have decoded the answer and left its Content-Encoding: look at its settings".into()
            }
            Self::HeaderTooLarge { .. } | Self::BodyTooLarge { .. } | Self::OperationTooLarge { .. } => {
                format!(
                    "check that the URL is that of an MCP endpoint; if it is, ask the tool for less, or {}",
                    self.raise()?
                )
            }
            Self::RequestTooLarge { .. } => format!("send smaller arguments, or {}", self.raise()?),
            Self::TooManyRequests { .. } | Self::TooManyOpen { .. } => return self.raise(),
            Self::MethodDenied { .. } | Self::AddressDenied { .. } | Self::BadRequest { .. } => return None,
        })
    }
}

impl EgressFailure {
    /// How to allow more of what ran out.
    fn raise(&self) -> Option<String> {
        let (name, now) = match self {
            Self::HeaderTooLarge { limit, .. } => ("response_header_bytes", *limit as u64),
            Self::BodyTooLarge { limit, .. } => ("response_body_bytes", *limit),
            Self::OperationTooLarge { limit } => ("operation_body_bytes", *limit),
            Self::RequestTooLarge { limit } => ("request_body_bytes", *limit),
            Self::TooManyRequests { limit } => ("requests", u64::from(*limit)),
            Self::TooManyOpen { limit } => ("open_responses", u64::from(*limit)),
            _ => return None,
        };
        let setting = EgressLimits::SETTINGS.iter().find(|setting| setting.name == name)?;
        Some(setting::raise(name, now, setting.ceiling))
    }
}

impl ProxyProblem {
    fn hint(&self, origin: &Origin) -> String {
        let host = origin.host();
        let without = format!(
            "if {host} is reached without a proxy, name it in NO_PROXY or write \"proxy\": false into the entry's \"gateway\""
        );
        match self {
            Self::Setting(_) => format!("write http://host:port; {without}"),
            Self::Status(407) => {
                "write them into the proxy's URL: http://USER:PASSWORD@host:port, special characters as %XX".into()
            }
            Self::Status(403) => format!("ask whoever runs the proxy to allow it; {without}"),
            Self::Status(502..=504) => {
                format!("check that {} is right, and that the proxy can reach it; {without}", origin.authority())
            }
            _ => format!("check the proxy's host and port; {without}"),
        }
    }
}

impl TlsProblem {
    fn hint(self, origin: &Origin) -> String {
        match self {
            Self::UnknownIssuer => {
                "if the gateway uses a private authority, name its certificate: --ca-file FILE (\"ca_file\" in the entry's \"gateway\")".into()
            }
            Self::Expired => "renew the gateway's certificate, and check this machine's clock".into(),
            Self::WrongName => format!("use the name that the certificate is for, instead of {}", origin.host()),
            Self::NotTls => format!("the port speaks no TLS; if it speaks plain HTTP, write http://{}", origin.authority()),
            Self::NoRoots => "install the system's ca-certificates, correct SSL_CERT_FILE or SSL_CERT_DIR where one is set, or name a root with --ca-file FILE".into(),
            Self::Refused | Self::Certificate | Self::Protocol => {
                "check the gateway's TLS settings: it must offer TLS 1.2 or 1.3 and ask for no client certificate".into()
            }
        }
    }
}
