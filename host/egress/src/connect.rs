//! From an origin to a connection: look up, check every address, TCP, TLS; or by way of a proxy.
//! Takes the canonical origin that the policy allowed; gives a stream to an address that the policy allowed, and a trace of how
//! it went. Never connects to an address that was not checked, but to the proxy's that the user named.

use std::{
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use rustls_pki_types::ServerName;
use tokio::{
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::{Instant as Moment, timeout_at},
};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::{
    EgressFailure, Origin, Scheme,
    failure::{Phase, ProxyProblem, TlsProblem},
    habit::Habit,
    policy::Policy,
    proxy::{Proxies, Proxy, Way},
    tls::{self, Tls, TlsInfo},
    wire::Wire,
};

/// How long the first address may take alone before the next one is tried beside it (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// A future, boxed.
pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Looks names up. The system's resolver, except in tests.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses of a name. Never called with an address.
    fn resolve(&self, host: &str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
}

/// What the operating system knows: its hosts file, its DNS.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str) -> BoxFuture<io::Result<Vec<IpAddr>>> {
        let host = host.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// How far an attempt to connect got, step by step. A step that was not reached, or is not needed, is absent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionTrace {
    /// Where to.
    pub origin: Origin,
    /// The proxy: which, and whether it lets through. Absent without one; with one, it looks up and connects, and the next two
    /// steps are absent.
    pub proxy: Option<Step<String>>,
    /// The name's addresses; the address itself when the host is one.
    pub resolve: Option<Step<Vec<IpAddr>>>,
    /// The address that accepted.
    pub connect: Option<Step<SocketAddr>>,
    /// What was agreed. Absent for `http`.
    pub tls: Option<Step<TlsInfo>>,
}

/// One step: how long it took, and what came of it.
#[derive(Clone, Debug)]
pub struct Step<T> {
    /// How long it took.
    pub took: Duration,
    /// What was seen, or why it failed.
    pub outcome: Result<T, EgressFailure>,
}

impl ConnectionTrace {
    /// The first failure.
    #[must_use]
    pub fn failure(&self) -> Option<&EgressFailure> {
        fn of<T>(step: Option<&Step<T>>) -> Option<&EgressFailure> {
            step.and_then(|step| step.outcome.as_ref().err())
        }
        of(self.proxy.as_ref())
            .or_else(|| of(self.resolve.as_ref()))
            .or_else(|| of(self.connect.as_ref()))
            .or_else(|| of(self.tls.as_ref()))
    }
}

/// Makes connections for the pool.
#[derive(Clone)]
pub(super) struct Connector {
    shared: Arc<Shared>,
    /// Of the pool that its connections are for.
    habit: Arc<Habit>,
}

struct Shared {
    policy: Policy,
    resolver: Arc<dyn Resolve>,
    tls: Tls,
    proxies: Proxies,
    timeout: Duration,
    addresses: usize,
    newest: watch::Sender<Option<ConnectionTrace>>,
}

impl Connector {
    pub(super) fn new(
        policy: Policy,
        resolver: Arc<dyn Resolve>,
        tls: Tls,
        proxies: Proxies,
        timeout: Duration,
        addresses: usize,
        habit: Arc<Habit>,
    ) -> Self {
        let newest = watch::Sender::new(None);
        Self { shared: Arc::new(Shared { policy, resolver, tls, proxies, timeout, addresses, newest }), habit }
    }

    /// The same, for another pool.
    pub(super) fn for_pool(&self, habit: Arc<Habit>) -> Self {
        Self { shared: Arc::clone(&self.shared), habit }
    }

    /// By way of which proxy an origin is reached.
    pub(super) fn proxy(&self, origin: &Origin) -> Result<Option<Proxy>, EgressFailure> {
        self.shared.proxies.of(origin)
    }

    /// The failure of an attempt that was given up meanwhile: what it was doing then. The trace says so too.
    pub(super) fn given_up(&self, origin: &Origin, after: Duration) -> EgressFailure {
        fn gave_up<T>(failure: EgressFailure, took: Duration) -> Step<T> {
            Step { took, outcome: Err(failure) }
        }
        let failed = |phase| EgressFailure::Timeout { origin: origin.clone(), phase, after };
        let direct = matches!(self.proxy(origin), Ok(None));
        let mut phase = Phase::Connect;
        self.shared.newest.send_if_modified(|newest| {
            let Some(trace) = newest.as_mut().filter(|trace| direct && trace.origin == *origin) else {
                return false;
            };
            if trace.resolve.is_none() {
                phase = Phase::Resolve;
                trace.resolve = Some(gave_up(failed(phase), after));
            } else if trace.connect.is_none() {
                trace.connect = Some(gave_up(failed(phase), after));
            } else if trace.tls.is_none() && origin.scheme() == Scheme::Https {
                phase = Phase::Tls;
                trace.tls = Some(gave_up(failed(phase), after));
            } else {
                return false;
            }
            true
        });
        failed(phase)
    }

    /// The newest attempt, as far as it got; changes with every step of one.
    pub(super) fn newest(&self) -> watch::Receiver<Option<ConnectionTrace>> {
        self.shared.newest.subscribe()
    }
}

impl Service<http::Uri> for Connector {
    type Response = Wire;
    type Error = EgressFailure;
    type Future = BoxFuture<Result<Wire, EgressFailure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: http::Uri) -> Self::Future {
        let (shared, habit) = (Arc::clone(&self.shared), Arc::clone(&self.habit));
        Box::pin(async move {
            // Asked again: what the pool connects to is what counts.
            let origin = shared.policy.connects(&target)?;
            let mut trace = ConnectionTrace { origin, proxy: None, resolve: None, connect: None, tls: None };
            let stream = shared.connect(&mut trace).await;
            shared.tell(&trace);
            // What is known of the gateway's connections is of no other's.
            let own = shared.policy.is_of_gateway(&trace.origin);
            stream.map(|wire| if own { wire.watched(&habit) } else { wire })
        })
    }
}

impl Shared {
    async fn connect(&self, trace: &mut ConnectionTrace) -> Result<Wire, EgressFailure> {
        let origin = trace.origin.clone();
        let deadline = Moment::now() + self.timeout;
        self.tell(trace);
        let wire = match self.proxies.of(&origin)? {
            Some(proxy) => self.through(&proxy, deadline, trace).await?,
            None => self.directly(deadline, trace).await?,
        };
        if origin.scheme() == Scheme::Http {
            return Ok(wire);
        }
        self.tell(trace);
        let mut stream = None;
        let secured = timed(async {
            let failed = |problem, detail: String| EgressFailure::Tls { origin: origin.clone(), problem, detail };
            let (secured, seen) = timeout_at(deadline, self.secure(&origin, wire))
                .await
                .map_err(|_| self.late(&origin, Phase::Tls))?
                .map_err(|(problem, detail)| failed(problem, detail))?;
            stream = Some(secured);
            Ok(seen)
        })
        .await;
        trace.tls.insert(secured).outcome.clone()?;
        stream.ok_or_else(|| self.late(&origin, Phase::Tls))
    }

    /// Shows how far it is to whoever watches, or gives up waiting for the rest.
    fn tell(&self, trace: &ConnectionTrace) {
        self.newest.send_replace(Some(trace.clone()));
    }

    fn late(&self, origin: &Origin, phase: Phase) -> EgressFailure {
        EgressFailure::Timeout { origin: origin.clone(), phase, after: self.timeout }
    }

    async fn directly(&self, deadline: Moment, trace: &mut ConnectionTrace) -> Result<Wire, EgressFailure> {
        let origin = trace.origin.clone();
        let looked_up = timed(async {
            timeout_at(deadline, self.look_up(&origin))
                .await
                .unwrap_or_else(|_| Err(self.late(&origin, Phase::Resolve)))
        })
        .await;
        let addresses = trace.resolve.insert(looked_up).outcome.clone()?;
        self.tell(trace);

        let mut stream = None;
        let connected = timed(async {
            let raced = timeout_at(deadline, race(&addresses, origin.port())).await.unwrap_or_else(|_| Ok(None));
            match raced {
                Ok(Some((tcp, peer))) => {
                    stream = Some(tcp);
                    Ok(peer)
                }
                Ok(None) => Err(self.late(&origin, Phase::Connect)),
                Err(error) => Err(EgressFailure::Unreachable { origin: origin.clone(), detail: described(&error) }),
            }
        })
        .await;
        trace.connect.insert(connected).outcome.clone()?;
        stream.map(Wire::new).ok_or_else(|| self.late(&origin, Phase::Connect))
    }

    /// By way of a proxy. It looks the name up, so that the address cannot be checked; a literal one is.
    async fn through(
        &self,
        proxy: &Proxy,
        deadline: Moment,
        trace: &mut ConnectionTrace,
    ) -> Result<Wire, EgressFailure> {
        let origin = trace.origin.clone();
        let mut stream = None;
        let led = timed(async {
            let late = || Err(ProxyProblem::Timeout(self.timeout));
            let wire = timeout_at(deadline, self.to_proxy(proxy, &origin))
                .await
                .unwrap_or_else(|_| late().map_err(|problem| proxy.failed(&origin, problem)))?;
            stream = Some(wire);
            Ok(proxy.describe(&origin))
        })
        .await;
        trace.proxy.insert(led).outcome.clone()?;
        stream.ok_or_else(|| proxy.failed(&origin, ProxyProblem::Timeout(self.timeout)))
    }

    async fn to_proxy(&self, proxy: &Proxy, origin: &Origin) -> Result<Wire, EgressFailure> {
        let failed = |problem| proxy.failed(origin, problem);
        let at = proxy.at();
        if let Some(address) = origin.literal() {
            self.policy.admits(origin, address)?;
        }
        // What the user wrote down may be anywhere; so may the company's proxy.
        let mut addresses = match at.literal() {
            Some(address) => vec![address],
            None => {
                self.resolver.resolve(&at.host()).await.map_err(|error| failed(ProxyProblem::Dns(described(&error))))?
            }
        };
        addresses.truncate(self.addresses);
        let (tcp, _) = race(&addresses, at.port())
            .await
            .map_err(|error| failed(ProxyProblem::Unreachable(described(&error))))?
            .ok_or_else(|| failed(ProxyProblem::Dns("the answer is empty".into())))?;
        let mut wire = Wire::new(tcp);
        if proxy.is_secure() {
            let (secured, _) = self.secure(at, wire).await.map_err(|(_, detail)| failed(ProxyProblem::Tls(detail)))?;
            wire = secured;
        }
        match proxy.way(origin) {
            Way::Forward => Ok(wire.ending_at_proxy()),
            Way::Tunnel => proxy.tunnel(wire, origin).await.map_err(failed),
            Way::Socks { resolve: false } => proxy.socks(wire, origin, &origin.host()).await.map_err(failed),
            Way::Socks { resolve: true } => {
                let addresses = self.look_up(origin).await?;
                let address = addresses.first().map_or_else(|| origin.host(), ToString::to_string);
                proxy.socks(wire, origin, &address).await.map_err(failed)
            }
        }
    }

    /// TLS with a peer, checked against its name.
    async fn secure(&self, peer: &Origin, wire: Wire) -> Result<(Wire, TlsInfo), (TlsProblem, String)> {
        let config = self.tls.client_config().await?;
        let name = ServerName::try_from(peer.host()).map_err(|error| (TlsProblem::Protocol, error.to_string()))?;
        let stream = TlsConnector::from(config)
            .connect(name, wire.into_inner())
            .await
            .map_err(|error| tls::problem_of(&error))?;
        let seen = TlsInfo::of(stream.get_ref().1);
        Ok((Wire::new(stream), seen))
    }

    /// The addresses of an origin. Every one of them is allowed, or none is given: a name that leads to a public and a private
    /// address at once has nothing good in mind.
    async fn look_up(&self, origin: &Origin) -> Result<Vec<IpAddr>, EgressFailure> {
        let failed = |detail: String| EgressFailure::Dns { host: origin.host(), detail };
        let mut addresses = match origin.literal() {
            Some(address) => vec![address],
            None => self.resolver.resolve(&origin.host()).await.map_err(|error| failed(described(&error)))?,
        };
        let mut seen = std::collections::HashSet::new();
        addresses.retain(|address| seen.insert(*address));
        if addresses.is_empty() {
            return Err(failed("the answer is empty".into()));
        }
        for address in &addresses {
            self.policy.admits(origin, *address)?;
        }
        addresses.truncate(self.addresses);
        Ok(addresses)
    }
}

/// Connects to the first address that accepts, starting the next one when the last failed or is slow. `None`: there was no address.
async fn race(addresses: &[IpAddr], port: u16) -> io::Result<Option<(TcpStream, SocketAddr)>> {
    let mut waiting = addresses.iter().map(|address| SocketAddr::new(*address, port));
    let mut running = JoinSet::new();
    let mut error = None;
    loop {
        let started = waiting.next();
        if let Some(peer) = started {
            running.spawn(async move {
                let stream = TcpStream::connect(peer).await?;
                // Requests are small and are waited for: Nagle's algorithm only delays them.
                stream.set_nodelay(true)?;
                Ok::<_, io::Error>((stream, peer))
            });
        }
        let ended = if started.is_some() {
            match tokio::time::timeout(STAGGER, running.join_next()).await {
                Ok(ended) => ended,
                Err(_) if waiting.len() > 0 => continue,
                Err(_) => running.join_next().await,
            }
        } else {
            running.join_next().await
        };
        match ended {
            Some(Ok(Ok(connected))) => return Ok(Some(connected)),
            Some(Ok(Err(failed))) => error = Some(failed),
            Some(Err(panicked)) => error = Some(io::Error::other(panicked)),
            None => return error.map_or(Ok(None), Err),
        }
    }
}

async fn timed<T>(step: impl Future<Output = Result<T, EgressFailure>>) -> Step<T> {
    let started = Instant::now();
    let outcome = step.await;
    Step { took: started.elapsed(), outcome }
}

/// An error of the system in few words: `connection refused`.
pub(super) fn described(error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused
        | Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::NetworkDown
        | Kind::AddrNotAvailable
        | Kind::TimedOut
        | Kind::UnexpectedEof
        | Kind::BrokenPipe => error.kind().to_string(),
        _ => {
            let text = error.to_string();
            text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned()
        }
    }
}
