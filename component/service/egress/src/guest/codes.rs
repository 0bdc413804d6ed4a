//! The engine's enumerations and those that are exported: the same words in two types.
//! Takes one, gives the other. Decides nothing.

use super::{engine::types as engine, given::types as given};

pub(crate) fn header_error(error: engine::HeaderError) -> given::HeaderError {
    match error {
        engine::HeaderError::InvalidSyntax => given::HeaderError::InvalidSyntax,
        engine::HeaderError::Forbidden => given::HeaderError::Forbidden,
        engine::HeaderError::Immutable => given::HeaderError::Immutable,
    }
}

/// Methods, both ways.
macro_rules! methods {
    ($($name:ident $text:literal),+ $(,)?) => {
        pub(crate) fn method(method: given::Method) -> engine::Method {
            match method {
                $(given::Method::$name => engine::Method::$name,)+
                given::Method::Other(other) => engine::Method::Other(other),
            }
        }

        pub(crate) fn given_method(method: &engine::Method) -> given::Method {
            match method {
                $(engine::Method::$name => given::Method::$name,)+
                engine::Method::Other(other) => given::Method::Other(other.clone()),
            }
        }

        pub(crate) fn method_name(method: &engine::Method) -> String {
            match method {
                $(engine::Method::$name => $text.to_owned(),)+
                engine::Method::Other(other) => other.clone(),
            }
        }
    };
}

methods! {
    Get "GET", Head "HEAD", Post "POST", Put "PUT", Delete "DELETE", Connect "CONNECT", Options "OPTIONS", Trace "TRACE", Patch "PATCH",
}

pub(crate) fn scheme(scheme: given::Scheme) -> engine::Scheme {
    match scheme {
        given::Scheme::Http => engine::Scheme::Http,
        given::Scheme::Https => engine::Scheme::Https,
        given::Scheme::Other(other) => engine::Scheme::Other(other),
    }
}

pub(crate) fn given_scheme(scheme: &engine::Scheme) -> given::Scheme {
    match scheme {
        engine::Scheme::Http => given::Scheme::Http,
        engine::Scheme::Https => given::Scheme::Https,
        engine::Scheme::Other(other) => given::Scheme::Other(other.clone()),
    }
}

/// Engines take a request without one for `https`.
pub(crate) fn scheme_name(scheme: Option<&engine::Scheme>) -> String {
    match scheme {
        None | Some(engine::Scheme::Https) => "https".to_owned(),
        Some(engine::Scheme::Http) => "http".to_owned(),
        Some(engine::Scheme::Other(other)) => other.clone(),
    }
}

fn size(size: engine::FieldSizePayload) -> given::FieldSizePayload {
    given::FieldSizePayload { field_name: size.field_name, field_size: size.field_size }
}

macro_rules! errors {
    (plain: $($plain:ident),+; with_value: $($value:ident),+; with_size: $($sized:ident),+ $(;)?) => {
        pub(crate) fn error(code: engine::ErrorCode) -> given::ErrorCode {
            match code {
                $(engine::ErrorCode::$plain => given::ErrorCode::$plain,)+
                $(engine::ErrorCode::$value(value) => given::ErrorCode::$value(value),)+
                $(engine::ErrorCode::$sized(sized) => given::ErrorCode::$sized(size(sized)),)+
                engine::ErrorCode::HttpRequestHeaderSize(sized) => {
                    given::ErrorCode::HttpRequestHeaderSize(sized.map(size))
                }
                engine::ErrorCode::DnsError(payload) => given::ErrorCode::DnsError(given::DnsErrorPayload {
                    rcode: payload.rcode,
                    info_code: payload.info_code,
                }),
                engine::ErrorCode::TlsAlertReceived(payload) => {
                    given::ErrorCode::TlsAlertReceived(given::TlsAlertReceivedPayload {
                        alert_id: payload.alert_id,
                        alert_message: payload.alert_message,
                    })
                }
            }
        }
    };
}

errors! {
    plain:
        DnsTimeout, DestinationNotFound, DestinationUnavailable, DestinationIpProhibited, DestinationIpUnroutable,
        ConnectionRefused, ConnectionTerminated, ConnectionTimeout, ConnectionReadTimeout, ConnectionWriteTimeout,
        ConnectionLimitReached, TlsProtocolError, TlsCertificateError, HttpRequestDenied, HttpRequestLengthRequired,
        HttpRequestMethodInvalid, HttpRequestUriInvalid, HttpRequestUriTooLong, HttpResponseIncomplete,
        HttpResponseTimeout, HttpUpgradeFailed, HttpProtocolError, LoopDetected, ConfigurationError;
    with_value:
        HttpRequestBodySize, HttpRequestHeaderSectionSize, HttpRequestTrailerSectionSize,
        HttpResponseHeaderSectionSize, HttpResponseBodySize, HttpResponseTrailerSectionSize,
        HttpResponseTransferCoding, HttpResponseContentCoding, InternalError;
    with_size:
        HttpRequestTrailerSize, HttpResponseHeaderSize, HttpResponseTrailerSize;
}
