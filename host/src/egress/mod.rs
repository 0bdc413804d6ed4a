//! The only way out of the sandbox.
//! Takes a guest's HTTP request; gives the answer of an origin that the user configured. Never follows a redirect, never shows a
//! credential to the guest, never connects where the user did not say.
//!
//! # What is allowed
//!
//! Exactly two things: the origin of the entry's `url`, and the origins in its `allow_origins`. An empty list of the latter, which is
//! the usual case, means that nothing but the gateway itself can be reached. There are no wildcards and no deny-list.
//!
//! | in the entry | allows | with credentials | private addresses |
//! | --- | --- | --- | --- |
//! | `"url": "https://gw.example/mcp"` | every path of `https://gw.example` | yes | yes |
//! | `"allow_origins": ["https://status.example"]` | every path of `https://status.example` | no | no |
//! | `"allow_origins": ["http://10.0.0.9:81"]` | every path of `http://10.0.0.9:81` | no | this one |
//! | (nothing) | nothing | | |
//!
//! How an origin is written, and what counts as the same one, is described at [`Origin`]. A denial names the origin and the line that
//! would allow it.
//!
//! # Why addresses are checked too
//!
//! The list above speaks of names, and a name leads wherever its owner points it: to `127.0.0.1`, to the metadata service
//! of a cloud, to a printer, and somewhere else a second later. So after the look-up every address is checked ([`AddressClass`]), and the
//! connection goes to exactly the address that was checked. Gateways do live on localhost and in private networks, so for the
//! configured origin loopback and private addresses are fine; link-local and metadata addresses are not, unless they were
//! written literally as the host.
//!
//! # Redirects, credentials, limits
//!
//! A redirect is an answer like any other: the guest sees it, and a request to its target is a request like any other.
//! [`Credentials`] are added after the policy said yes, to requests for the gateway's own origin alone; headers with which a guest could
//! set its own are dropped ([`is_host_header`]). What one operation may use is in [`EgressLimits`], what it used in [`Visit`].
//!
//! ```no_run
//! # async fn example(config: pflow_gateway::config::GatewayConfig, request: http::Request<wasmtime_wasi_http::WasiBody>) -> pflow_gateway::Result<()> {
//! use std::sync::Arc;
//! use pflow_gateway::egress::{Egress, EgressLimits, Visit};
//!
//! let egress = Egress::new(&config, &EgressLimits::default())?;
//! let visit = Arc::new(Visit::new());
//! if let Err(_coarse) = egress.send(request, None, &visit).await {
//!     // What the guest is told is coarse. The reason is here.
//!     if let Some(failure) = visit.take_failure() {
//!         return Err(failure.into());
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod address;
mod body;
mod connect;
mod credentials;
mod failure;
mod hooks;
mod limits;
mod origin;
mod policy;
mod redact;
#[cfg(test)]
mod tests;
mod tls;
mod visit;

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use hyper_util::{
    client::legacy::{Client, connect::capture_connection},
    rt::{TokioExecutor, TokioTimer},
};
use wasmtime_wasi_http::{RequestOptions, WasiBody};

pub use address::AddressClass;
pub use connect::{ConnectionTrace, Resolve, Step, SystemResolver};
pub use credentials::{Credentials, NotAHeaderValue};
pub use failure::{Delivery, Denial, EgressFailure, Phase, Progress, TlsProblem};
pub use hooks::{EgressHooks, is_host_header};
pub use limits::EgressLimits;
pub use origin::{Origin, OriginError, Scheme};
pub use tls::TlsInfo;
pub use visit::{RequestTrace, Visit};

use crate::{Error, Result, config::GatewayConfig};
use body::{Bounded, Outgoing, broken};
use connect::Connector;
use policy::{Policy, Standing};
use redact::{Masked, Secrets};
use visit::Exchange;

/// The way out to one gateway: policy, credentials and a pool of connections. Cheap to clone, safe to share.
///
/// Connections belong to the tokio runtime on which they were opened.
#[derive(Clone)]
pub struct Egress {
    inner: Arc<Inner>,
}

struct Inner {
    policy: Policy,
    credentials: RwLock<Credentials>,
    limits: EgressLimits,
    timeout: Duration,
    connector: Connector,
    client: Client<Connector, Outgoing>,
}

impl Egress {
    /// The way out to a gateway. Reads its `ca_file`; the platform's roots are read when they are first needed.
    ///
    /// There are no credentials before [`set_credentials`](Self::set_credentials).
    ///
    /// # Errors
    ///
    /// Class `config`: the `ca_file` cannot be used, or the URL has no origin.
    pub fn new(config: &GatewayConfig, limits: &EgressLimits) -> Result<Self> {
        Self::with_resolver(config, limits, Arc::new(SystemResolver))
    }

    /// The same, with another way to look names up.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_resolver(config: &GatewayConfig, limits: &EgressLimits, resolver: Arc<dyn Resolve>) -> Result<Self> {
        let own = Origin::of_url(&config.url).map_err(|error| Error::config(format!("{}: {error}", config.name)))?;
        let policy = Policy::new(own, config.allow_origins.clone());
        let tls = tls::Tls::new(config.ca_file.as_deref())?;
        let connect = limits.connect.min(config.timeout);
        let connector = Connector::new(policy.clone(), resolver, tls, connect, limits.addresses);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits.idle_connection)
            .pool_max_idle_per_host(limits.idle_connections)
            .http1_max_buf_size(limits.response_headers)
            .http1_max_headers(limits.response_header_count)
            // A request that was never written, because its pooled connection had been closed, goes out on another one.
            .retry_canceled_requests(true)
            .set_host(false)
            .build(connector.clone());
        let credentials = RwLock::new(Credentials::none());
        let inner = Inner { policy, credentials, limits: limits.clone(), timeout: config.timeout, connector, client };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Replaces what is added to requests for the gateway's own origin, from the next request on.
    pub fn set_credentials(&self, credentials: Credentials) {
        *self.inner.credentials.write().unwrap_or_else(PoisonError::into_inner) = credentials;
    }

    /// What is added now.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.inner.credentials.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the newest attempt to connect saw. `None`: there was none yet, or the policy refused before it.
    #[must_use]
    pub fn last_connection(&self) -> Option<ConnectionTrace> {
        self.inner.connector.newest()
    }

    /// Whether the host adds this header itself.
    pub(crate) fn adds(&self, name: &HeaderName) -> bool {
        self.inner.credentials.read().unwrap_or_else(PoisonError::into_inner).names().any(|known| known == name)
    }

    /// Sends one request of a guest. `options` can shorten the waits for the answer and its parts, never lengthen them.
    ///
    /// # Errors
    ///
    /// What the guest may know. The typed reason is left in `visit`, also when the answer's body fails later.
    pub async fn send(
        &self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        visit: &Arc<Visit>,
    ) -> Result<Response<WasiBody>, wasmtime_wasi_http::Error> {
        self.exchange(request, options, visit).await.map_err(|failure| {
            tracing::debug!(%failure, "a request failed");
            let error = failure.to_wasi();
            visit.fail(failure);
            error
        })
    }

    async fn exchange(
        &self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        visit: &Arc<Visit>,
    ) -> Result<Response<WasiBody>, EgressFailure> {
        let inner = &*self.inner;
        let (parts, body) = request.into_parts();
        let (origin, standing) = inner.policy.check(&parts.uri)?;
        // One opens a tunnel, the other echoes the credentials.
        if [Method::CONNECT, Method::TRACE].contains(&parts.method) {
            return Err(EgressFailure::MethodDenied { method: parts.method.to_string() });
        }
        let exchange = visit.admit(&inner.limits, trace_of(&parts, &origin))?;

        let mut outgoing = Request::new(Outgoing::new(body, inner.limits.request_body));
        *outgoing.method_mut() = parts.method;
        *outgoing.uri_mut() = canonical(&origin, &parts.uri)?;
        *outgoing.headers_mut() = self.headers(parts.headers, &origin, standing)?;

        let allowed = visit.timeout().unwrap_or(inner.timeout);
        let shortest = |asked: Option<Duration>| asked.map_or(allowed, |asked| asked.min(allowed));
        let first_byte = shortest(options.and_then(|options| options.first_byte_timeout));
        let between = shortest(options.and_then(|options| options.between_bytes_timeout));

        notice_closed_connections().await;
        let connection = capture_connection(&mut outgoing);
        let response = match tokio::time::timeout(first_byte, inner.client.request(outgoing)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.failure_of(&error, &origin)),
            Err(_) => {
                let phase = if connection.connection_metadata().is_some() { Phase::FirstByte } else { Phase::Connect };
                return Err(EgressFailure::Timeout { origin, phase, after: first_byte });
            }
        };
        self.bounded(response, origin, exchange, between)
    }

    /// Checks the head of an answer, and puts bounds around its body.
    fn bounded(
        &self,
        response: Response<hyper::body::Incoming>,
        origin: Origin,
        exchange: Exchange,
        between: Duration,
    ) -> Result<Response<WasiBody>, EgressFailure> {
        let limits = &self.inner.limits;
        exchange.answered(response.status());
        let (mut parts, incoming) = response.into_parts();
        let size: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if size > limits.response_headers {
            let (limit, count) = (limits.response_headers, limits.response_header_count);
            return Err(EgressFailure::HeaderTooLarge { origin, limit, count });
        }
        if incoming.size_hint().lower() > limits.response_body {
            return Err(EgressFailure::BodyTooLarge { origin, limit: limits.response_body });
        }
        // Nothing of the connection is the guest's business.
        parts.extensions.clear();
        let body = Bounded::new(incoming, origin, exchange, limits, between);
        let secrets = Secrets::of(&self.credentials());
        if secrets.is_empty() {
            return Ok(Response::from_parts(parts, body.boxed_unsync()));
        }
        secrets.mask_headers(&mut parts.headers);
        Ok(Response::from_parts(parts, Masked::new(body, secrets).boxed_unsync()))
    }

    /// The guest's headers without the host's, and the host's.
    fn headers(&self, mut headers: HeaderMap, origin: &Origin, standing: Standing) -> Result<HeaderMap, EgressFailure> {
        let credentials = self.credentials();
        let foreign: Vec<HeaderName> = headers
            .keys()
            .filter(|name| is_host_header(name) || credentials.names().any(|known| known == *name))
            .cloned()
            .collect();
        for name in foreign {
            headers.remove(name);
        }
        let host = HeaderValue::try_from(origin.authority())
            .map_err(|error| EgressFailure::BadRequest { detail: error.to_string() })?;
        headers.insert(header::HOST, host);
        if !headers.contains_key(header::USER_AGENT) {
            headers.insert(
                header::USER_AGENT,
                HeaderValue::from_static(concat!("pflow-gateway/", env!("CARGO_PKG_VERSION"))),
            );
        }
        if standing == Standing::Own {
            for (name, value) in credentials.headers() {
                headers.insert(name, value.clone());
            }
        }
        Ok(headers)
    }

    /// What an error of the client means.
    fn failure_of(&self, error: &hyper_util::client::legacy::Error, origin: &Origin) -> EgressFailure {
        if let Some(failure) = tls::find::<EgressFailure>(error) {
            return failure.clone();
        }
        if tls::find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse_too_large) {
            let limits = &self.inner.limits;
            return EgressFailure::HeaderTooLarge {
                origin: origin.clone(),
                limit: limits.response_headers,
                count: limits.response_header_count,
            };
        }
        broken(error, origin, Progress::NoAnswer)
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("policy", &self.inner.policy)
            .field("credentials", &self.credentials())
            .finish_non_exhaustive()
    }
}

/// Lets the tasks that drive pooled connections see what happened to them since.
///
/// Between two `block_on` of a runtime with one thread nobody looks at its sockets: a connection that the server closed meanwhile
/// still counts as good, the next request is written into it, and nobody can say whether it arrived. The first yield polls the
/// sockets, the second lets the woken tasks run.
async fn notice_closed_connections() {
    for _ in 0..2 {
        tokio::task::yield_now().await;
    }
}

/// The request target, with the origin in its canonical spelling: the pool's key, and what is connected to.
fn canonical(origin: &Origin, target: &http::Uri) -> Result<http::Uri, EgressFailure> {
    let path = target.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    // A target without a leading slash would be another form of request (RFC 9112 section 3.2).
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    format!("{origin}{path}")
        .parse()
        .map_err(|error: http::uri::InvalidUri| EgressFailure::BadRequest { detail: error.to_string() })
}

fn trace_of(parts: &http::request::Parts, origin: &Origin) -> RequestTrace {
    RequestTrace {
        method: parts.method.to_string(),
        origin: origin.clone(),
        path: parts.uri.path().chars().take(200).collect(),
        status: None,
        first_byte: None,
        received: 0,
        complete: None,
    }
}
