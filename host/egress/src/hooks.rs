//! Where wasmtime hands over the guest's requests.
//! Takes a request and gives a response, by way of [`Egress::send`]. Never lets a guest set a header that is the host's.

use std::{future::Future, sync::Arc};

use http::{HeaderName, header, uri::Scheme};
use wasmtime_wasi_http::{DEFAULT_FORBIDDEN_HEADERS, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks};

use super::{Egress, Visit};

/// The hooks of one conversation.
#[derive(Clone, Debug)]
pub struct EgressHooks {
    egress: Egress,
    visit: Arc<Visit>,
}

impl EgressHooks {
    /// Requests leave by `egress`, on account of `visit`.
    #[must_use]
    pub fn new(egress: Egress, visit: Arc<Visit>) -> Self {
        Self { egress, visit }
    }

    /// The account.
    #[must_use]
    pub fn visit(&self) -> &Arc<Visit> {
        &self.visit
    }
}

/// Whether a header is the host's: it authenticates, addresses or frames a message. A guest may not set it, and does not
/// see it in answers.
#[must_use]
pub fn is_host_header(name: &HeaderName) -> bool {
    const FURTHER: [HeaderName; 11] = [
        header::AUTHORIZATION,
        header::COOKIE,
        header::SET_COOKIE,
        header::EXPECT,
        header::FORWARDED,
        // Gateways judge by it whether a browser is asking (DNS rebinding); we are none.
        header::ORIGIN,
        header::REFERER,
        header::TE,
        header::TRAILER,
        header::VIA,
        header::PROXY_AUTHENTICATE,
    ];
    let is_one = |name: &HeaderName| {
        DEFAULT_FORBIDDEN_HEADERS.contains(name)
            || FURTHER.contains(name)
            || ["proxy-", "x-forwarded-", "x-auth-request-"].iter().any(|start| name.as_str().starts_with(start))
            || STAND_IN.contains(&name.as_str())
    };
    // Servers that hand headers on as variables of an environment take one for the other.
    is_one(name)
        || name.as_str().contains('_')
            && HeaderName::try_from(name.as_str().replace('_', "-"))
                .is_ok_and(|name| is_one(&name) || name == header::CONTENT_LENGTH)
}

/// Say whose request it is, where it goes or what it does, in place of the request itself, to whoever believes what proxies say.
const STAND_IN: [&str; 22] = [
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "http2-settings",
    "remote-addr",
    "remote-user",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-real-ip",
    "x-remote-user",
    "x-rewrite-url",
    "x-webauth-user",
];

type Boxed<T> = Box<dyn Future<Output = Result<T, wasmtime_wasi_http::Error>> + Send>;

impl WasiHttpHooks for EgressHooks {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        let egress = self.egress.clone();
        Arc::new(move |name| is_host_header(name) || egress.adds(name))
    }

    fn is_supported_scheme(&mut self, _: &Scheme) -> bool {
        // The policy says no, and says why.
        true
    }

    fn set_host_header(&mut self) -> bool {
        // Set from the canonical origin.
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Boxed<()>,
    ) -> Boxed<(http::Response<WasiBody>, Boxed<()>)> {
        let (egress, visit) = (self.egress.clone(), Arc::clone(&self.visit));
        Box::new(async move {
            let response = egress.send(request, options, &visit).await?;
            // The connection is driven by the pool; nothing is left to wait for.
            Ok((response, Box::new(async { Ok(()) }) as Boxed<()>))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_for_the_request_is_the_hosts_in_either_spelling() {
        for name in [
            "host",
            "x-method-override",
            "X_Forwarded_Host",
            "content_length",
            "Transfer_Encoding",
            "remote_user",
            "x-auth-request-user",
        ] {
            assert!(HeaderName::try_from(name).is_ok_and(|name| is_host_header(&name)), "{name}");
        }
        for name in [
            "accept",
            "mcp-session-id",
            "mcp-protocol-version",
            "x-team",
            "x_team",
            "last-event-id",
            "content-type",
            "mcp-param-host",
        ] {
            assert!(HeaderName::try_from(name).is_ok_and(|name| !is_host_header(&name)), "{name}");
        }
    }
}
