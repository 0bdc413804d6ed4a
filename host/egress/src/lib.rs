//! The only way out of the sandbox.
//! Takes a guest's HTTP request; gives the answer of an origin that the user configured. Never follows a redirect to elsewhere, never shows a
//! credential to the guest, never connects where the user did not say.
//!
//! # What is allowed
//!
//! Exactly three things: the gateway's endpoint, with what its product is known to be read by; the `paths` of the entry; and the origins in
//! its `allow_origins`. Empty lists of the latter two, which is the usual case, mean that nothing but the gateway itself can be reached, and
//! nothing of its origin but what MCP needs. There are no wildcards but for what is below a path, and no deny-list.
//!
//! | in the entry | allows | with credentials | private addresses |
//! | --- | --- | --- | --- |
//! | `"url": "https://gw.example/mcp"` | `POST`, `GET` and `DELETE` of `https://gw.example/mcp` | yes | yes |
//! | `"kind": "docker"`, or none | `GET /health` of `https://gw.example` | yes | yes |
//! | `"kind": "context-forge"`, or none | `GET` of its lists of tools and gateways | yes | yes |
//! | `"paths": ["/status.json"]` | `GET` of `https://gw.example/status.json` | yes | yes |
//! | `"addresses": "public"` | | | no more |
//! | `"allow_origins": ["https://status.example"]` | every path of `https://status.example` | no | no |
//! | `"allow_origins": ["http://10.0.0.9:81"]` | every path of `http://10.0.0.9:81` | no | this one |
//! | (nothing) | nothing | | |
//!
//! How an origin is written, and what counts as the same one, is described at [`Origin`]; how a path is, at [`PathRule`]. A denial names
//! the line that would allow it.
//!
//! # Why addresses are checked too
//!
//! The list above speaks of names, and a name leads wherever its owner points it: to `127.0.0.1`, to the metadata service
//! of a cloud, to a printer, and somewhere else a second later. So after the look-up every address is checked ([`AddressClass`]), and the
//! connection goes to exactly the address that was checked. Gateways do live on localhost and in private networks, so for the
//! configured origin loopback and private addresses are fine; link-local and metadata addresses are not, unless they were
//! written literally as the host.
//!
//! # Redirects, cookies, proxies, credentials, limits
//!
//! Redirects within the origin that keep method and body are followed, twenty at most, and so is one from `http` to `https` of the same host.
//! Every other is an answer like any other: the guest sees it, and a request to its target is a request like any other. Cookies are kept and sent here, and never seen by the guest, nor by another
//! origin. Where the entry or the environment names a proxy, it is asked, and it looks names up: their addresses cannot be checked then.
//! [`Credentials`] are added after the policy said yes, to requests for the gateway's own origin alone; headers with which a guest could
//! set its own are dropped ([`is_host_header`]). What one operation may use is in [`EgressLimits`], what it used in [`Visit`].
//!
//! ```no_run
//! # async fn example(url: url::Url, request: http::Request<wasmtime_wasi_http::WasiBody>) -> pflow_gateway_base::Result<()> {
//! use std::sync::Arc;
//! use pflow_gateway_host_egress::{Egress, EgressLimits, EgressOptions, Visit};
//!
//! let egress = Egress::new(&EgressOptions::new(url), &EgressLimits::default())?;
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
mod advice;
mod body;
mod coding;
mod connect;
mod cookies;
mod credentials;
mod exchange;
mod failure;
#[doc(hidden)]
pub mod fuzzing;
mod habit;
mod hooks;
mod limits;
mod options;
mod origin;
mod paths;
mod policy;
mod proxy;
mod redact;
mod setup;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod told;
mod visit;
mod wire;

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderName, Request, Response};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use pflow_gateway_base::sync::{Mutex, RwLock};
use tokio::sync::watch;
use wasmtime_wasi_http::{RequestOptions, WasiBody};

pub use address::AddressClass;
pub use connect::{ConnectionTrace, Resolve, Step, SystemResolver};
pub use credentials::{Credentials, NotAHeaderValue};
pub use failure::{Delivery, Denial, EgressFailure, Phase, Progress, ProxyProblem, TlsProblem};
pub use hooks::{EgressHooks, is_host_header};
pub use limits::EgressLimits;
pub use options::{EgressOptions, ProxyChoice};
pub use origin::{Origin, OriginError, Scheme};
pub use paths::{PathError, PathRule};
pub use policy::Addresses;
pub use proxy::{leads_elsewhere, variables_of_the_way};
pub use setup::SetupError;
pub use target::Target;
pub use tls::{TlsInfo, usual_root_count};
pub use visit::{RequestTrace, Visit};

use body::Outgoing;
use connect::Connector;
use cookies::Jar;
use habit::{Habit, Trust};
use paths::Paths;
use policy::{Policy, Standing};
use proxy::Proxies;
use redact::Secrets;

/// The way out to one gateway: policy, credentials and a pool of connections. Cheap to clone, safe to share.
///
/// Connections belong to the tokio runtime on which they were opened.
#[derive(Clone)]
pub struct Egress {
    inner: Arc<Inner>,
}

struct Inner {
    own: Origin,
    policy: Policy,
    paths: Paths,
    credentials: RwLock<Credentials>,
    cookies: Jar,
    /// What is masked in answers.
    secrets: Secrets,
    limits: EgressLimits,
    timeout: Duration,
    connector: Connector,
    pool: Pool,
    /// For what must not be sent twice, while something in the other pool lies idle for too long.
    calls: Mutex<Pool>,
    /// With a new connection each time.
    unpooled: Client<Connector, Outgoing>,
}

/// Connections, and what is known of them. Cheap to clone.
#[derive(Clone)]
struct Pool {
    client: Client<Connector, Outgoing>,
    habit: Arc<Habit>,
}

impl Pool {
    fn new(connector: &Connector, habit: Arc<Habit>, limits: &EgressLimits) -> Self {
        let client = client(connector.for_pool(Arc::clone(&habit)), limits, limits.idle_connections);
        Self { client, habit }
    }
}

fn client(connector: Connector, limits: &EgressLimits, idle: usize) -> Client<Connector, Outgoing> {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(limits.idle_connection)
        .pool_max_idle_per_host(idle)
        .http1_max_buf_size(limits.response_headers)
        .http1_max_headers(limits.response_header_count)
        // A request that was never written, because its pooled connection had been closed, goes out on another one.
        .retry_canceled_requests(true)
        .set_host(false)
        .build(connector)
}

impl Inner {
    /// By which connections a request goes out that must not be sent twice: on one that was used before only if the peer keeps it for certain.
    fn for_a_call(&self, standing: Standing) -> Client<Connector, Outgoing> {
        match self.pool.habit.trust() {
            Trust::All => self.pool.client.clone(),
            // How those to other origins are is not known.
            Trust::NotThese if standing == Standing::Own => self.fresh_enough().client,
            Trust::NotThese | Trust::None => self.unpooled.clone(),
        }
    }

    /// A pool in which nothing lies idle for too long: an empty one in the place of one where something does. Who waits for an answer by the
    /// former still gets it.
    fn fresh_enough(&self) -> Pool {
        let mut calls = self.calls.lock();
        if calls.habit.trust() != Trust::All {
            *calls = Pool::new(&self.connector, Arc::new(calls.habit.for_another_pool()), &self.limits);
        }
        calls.clone()
    }
}

impl Egress {
    /// The way out to a gateway. Reads its `ca_file`; the platform's roots are read when they are first needed.
    ///
    /// There are no credentials before [`set_credentials`](Self::set_credentials).
    ///
    /// # Errors
    ///
    /// The `ca_file` cannot be used, or the URL has no origin.
    pub fn new(options: &EgressOptions, limits: &EgressLimits) -> Result<Self, SetupError> {
        Self::with_resolver(options, limits, Arc::new(SystemResolver))
    }

    /// The same, with another way to look names up.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_resolver(
        options: &EgressOptions,
        limits: &EgressLimits,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, SetupError> {
        Self::by_way_of(options, limits, resolver, Proxies::new(&options.proxy))
    }

    fn by_way_of(
        options: &EgressOptions,
        limits: &EgressLimits,
        resolver: Arc<dyn Resolve>,
        proxies: Proxies,
    ) -> Result<Self, SetupError> {
        let own = Origin::of_url(&options.url)
            .map_err(|source| SetupError::NoOrigin { gateway: options.name.clone(), source })?;
        let policy = Policy::new(own.clone(), options.addresses, options.allow_origins.clone());
        let paths = Paths::new(&options.url, &options.paths);
        let tls = tls::Tls::new(options.ca_file.as_deref())?;
        let secrets = Secrets::default();
        secrets.learn_proxies(&proxies.given());
        let connect = limits.connect.min(options.timeout);
        let habit = Arc::<Habit>::default();
        let connector =
            Connector::new(policy.clone(), resolver, tls, proxies, connect, limits.addresses, Arc::clone(&habit));
        let pool = Pool::new(&connector, habit, limits);
        let inner = Inner {
            own,
            policy,
            paths,
            credentials: RwLock::new(Credentials::none()),
            cookies: Jar::default(),
            secrets,
            limits: limits.clone(),
            timeout: options.timeout,
            calls: Mutex::new(Pool::new(&connector, Arc::new(pool.habit.for_another_pool()), limits)),
            pool,
            unpooled: client(connector.clone(), limits, 0),
            connector,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Replaces what is added to requests for the gateway's own origin, from the next request on.
    pub fn set_credentials(&self, credentials: Credentials) {
        self.inner.secrets.learn(&credentials);
        *self.inner.credentials.write() = credentials;
    }

    /// Drops the gateway's cookies: a session begins. Those of the one before lead to where it was lost.
    pub fn forget_cookies(&self) {
        self.inner.cookies.forget(&self.inner.own);
    }

    /// What is added now.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.inner.credentials.read().clone()
    }

    /// What the newest attempt to connect saw. `None`: there was none yet, or the policy refused before it.
    #[must_use]
    pub fn last_connection(&self) -> Option<ConnectionTrace> {
        self.connections().borrow().clone()
    }

    /// The same for whoever wants to see it happen: changes with every step of an attempt that is done.
    #[must_use]
    pub fn connections(&self) -> watch::Receiver<Option<ConnectionTrace>> {
        self.inner.connector.newest()
    }

    /// Whether the gateway was found on the internet, by a name and without TLS: then its name must not lead into a private network later.
    /// With TLS nobody there could answer for it.
    #[must_use]
    pub fn shall_stay_public(&self) -> bool {
        let own = &self.inner.own;
        let seen = self.last_connection().filter(|trace| trace.origin == *own && trace.proxy.is_none());
        let addresses = seen.and_then(|trace| trace.resolve).and_then(|step| step.outcome.ok()).unwrap_or_default();
        own.scheme() == Scheme::Http
            && own.literal().is_none()
            && !addresses.is_empty()
            && addresses.into_iter().all(|address| AddressClass::of(address) == AddressClass::Public)
    }

    /// Whether the host adds this header itself.
    pub fn adds(&self, name: &HeaderName) -> bool {
        self.inner.credentials.read().names().any(|known| known == name)
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
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("policy", &self.inner.policy)
            .field("credentials", &self.credentials())
            .field("cookies", &self.inner.cookies)
            .finish_non_exhaustive()
    }
}
