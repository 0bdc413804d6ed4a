//! From an origin to a connection: look up, check every address, TCP, TLS.
//! Takes the canonical origin that the policy allowed; gives a stream to an address that the policy allowed, and a trace of how
//! it went. Never connects to an address that was not checked.

use std::{
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet, time::timeout_at};
use tower_service::Service;

use super::{
    EgressFailure, Origin, Scheme,
    failure::{Phase, TlsProblem},
    policy::Policy,
    tls::{self, Tls, TlsInfo},
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
        of(self.resolve.as_ref()).or_else(|| of(self.connect.as_ref())).or_else(|| of(self.tls.as_ref()))
    }
}

/// Makes connections for the pool.
#[derive(Clone)]
pub(super) struct Connector {
    shared: Arc<Shared>,
}

struct Shared {
    policy: Policy,
    resolver: Arc<dyn Resolve>,
    tls: Tls,
    timeout: Duration,
    addresses: usize,
    newest: Mutex<Option<ConnectionTrace>>,
}

impl Connector {
    pub(super) fn new(
        policy: Policy,
        resolver: Arc<dyn Resolve>,
        tls: Tls,
        timeout: Duration,
        addresses: usize,
    ) -> Self {
        Self { shared: Arc::new(Shared { policy, resolver, tls, timeout, addresses, newest: Mutex::new(None) }) }
    }

    pub(super) fn newest(&self) -> Option<ConnectionTrace> {
        self.shared.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

impl Service<http::Uri> for Connector {
    type Response = Stream;
    type Error = EgressFailure;
    type Future = BoxFuture<Result<Stream, EgressFailure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: http::Uri) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            // Asked again: what the pool connects to is what counts.
            let (origin, _) = shared.policy.check(&target)?;
            let mut trace = ConnectionTrace { origin, resolve: None, connect: None, tls: None };
            let stream = shared.connect(target, &mut trace).await;
            *shared.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(trace);
            stream
        })
    }
}

impl Shared {
    async fn connect(&self, target: http::Uri, trace: &mut ConnectionTrace) -> Result<Stream, EgressFailure> {
        let origin = trace.origin.clone();
        let deadline = tokio::time::Instant::now() + self.timeout;
        let late = |phase| EgressFailure::Timeout { origin: origin.clone(), phase, after: self.timeout };

        let looked_up = timed(async {
            timeout_at(deadline, self.look_up(&origin)).await.unwrap_or_else(|_| Err(late(Phase::Resolve)))
        })
        .await;
        let addresses = trace.resolve.insert(looked_up).outcome.clone()?;

        let mut stream = None;
        let connected = timed(async {
            let raced = timeout_at(deadline, race(&addresses, origin.port())).await.unwrap_or_else(|_| Ok(None));
            match raced {
                Ok(Some((tcp, peer))) => {
                    stream = Some(tcp);
                    Ok(peer)
                }
                Ok(None) => Err(late(Phase::Connect)),
                Err(error) => Err(EgressFailure::Unreachable { origin: origin.clone(), detail: described(&error) }),
            }
        })
        .await;
        trace.connect.insert(connected).outcome.clone()?;
        let Some(tcp) = stream.map(TokioIo::new) else { return Err(late(Phase::Connect)) };
        if origin.scheme() == Scheme::Http {
            return Ok(MaybeHttpsStream::Http(tcp));
        }

        let mut stream = None;
        let secured = timed(async {
            let config = self.tls.client_config(&origin).await?;
            let mut connector = HttpsConnector::from((Given(Some(tcp)), config));
            let shaken = timeout_at(deadline, connector.call(target)).await.map_err(|_| late(Phase::Tls))?;
            let secured = shaken.map_err(|error| {
                let (problem, detail) = tls::problem_of(error.as_ref());
                EgressFailure::Tls { origin: origin.clone(), problem, detail }
            })?;
            let MaybeHttpsStream::Https(io) = &secured else {
                // Only `https` gets here.
                return Err(EgressFailure::Tls {
                    origin: origin.clone(),
                    problem: TlsProblem::Protocol,
                    detail: "none".into(),
                });
            };
            let seen = TlsInfo::of(io.inner().get_ref().1);
            stream = Some(secured);
            Ok(seen)
        })
        .await;
        trace.tls.insert(secured).outcome.clone()?;
        stream.ok_or_else(|| late(Phase::Tls))
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

/// An inner connector for [`HttpsConnector`] that gives what it was given.
struct Given(Option<TokioIo<TcpStream>>);

impl Service<http::Uri> for Given {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<TokioIo<TcpStream>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        std::future::ready(self.0.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)))
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
