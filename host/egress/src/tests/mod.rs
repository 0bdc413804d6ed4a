//! The way out as a whole: hooks called directly, and real servers on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod faults;
mod fronts;
mod policy;
mod proxies;
mod secure;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, header};
use http_body_util::{BodyExt as _, Full};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};

use pflow_gateway_base::{Advice as _, Class, Error, Listener};

use super::*;

/// The way to a URL, within five seconds.
pub(super) fn options(url: &str) -> EgressOptions {
    let mut options = EgressOptions::new(url.parse().unwrap());
    options.timeout = Duration::from_secs(5);
    // What is tried here is the rest; the paths have tests of their own.
    options.paths = ["/", "/*", "POST /", "POST /*", "PUT /*", "DELETE /*", "PATCH /*", "OPTIONS /*"]
        .map(|rule| rule.parse().unwrap())
        .to_vec();
    options
}

pub(super) fn egress(url: &str) -> Egress {
    Egress::new(&options(url), &EgressLimits::default()).unwrap()
}

pub(super) fn limited(url: &str, limits: &EgressLimits) -> Egress {
    Egress::new(&options(url), limits).unwrap()
}

pub(super) fn bearer(token: &str) -> Credentials {
    Credentials::none().with(header::AUTHORIZATION, &format!("Bearer {token}").into()).unwrap()
}

pub(super) fn body(bytes: impl Into<Bytes>) -> WasiBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(super) fn get(url: &str) -> Request<WasiBody> {
    Request::get(url).body(body("")).unwrap()
}

pub(super) fn visit() -> Arc<Visit> {
    Arc::new(Visit::new())
}

/// What came of a request: status and body, or the typed failure.
pub(super) async fn fetch(egress: &Egress, request: Request<WasiBody>) -> Result<(u16, Bytes), EgressFailure> {
    fetch_on(egress, request, &visit()).await
}

pub(super) async fn fetch_on(
    egress: &Egress,
    request: Request<WasiBody>,
    visit: &Arc<Visit>,
) -> Result<(u16, Bytes), EgressFailure> {
    let failure = |_| visit.take_failure().expect("a failure without its reason");
    let response = egress.send(request, None, visit).await.map_err(failure)?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(failure)?;
    Ok((status, body.to_bytes()))
}

/// A server on loopback. Ends with the test.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    /// Runs `handle` for every connection, numbered from 0.
    pub(super) async fn start<F>(handle: impl Fn(usize, TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.address();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(listener.serve_each(move |stream| {
            let handled = handle(counter.fetch_add(1, Ordering::SeqCst), stream);
            async move { drop(handled.await) }
        }));
        Self { address, connections, task }
    }

    /// Answers every request on every connection with the request itself.
    pub(super) async fn echo() -> Self {
        Self::start(|_, mut stream| async move {
            while let Some(request) = read_request(&mut stream).await? {
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{request}", request.len());
                stream.write_all(answer.as_bytes()).await?;
            }
            Ok(())
        })
        .await
    }

    /// Reads one request, sends these bytes, and keeps the connection open.
    pub(super) async fn saying(answer: impl Into<Bytes>) -> Self {
        let answer = answer.into();
        Self::start(move |_, mut stream| {
            let answer = answer.clone();
            async move {
                read_request(&mut stream).await?;
                stream.write_all(&answer).await?;
                std::future::pending().await
            }
        })
        .await
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request, head and body. `None` at the end of the connection.
pub(super) async fn read_request(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes).to_lowercase();
            let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            if bytes.len() >= head + 4 + length.map_or(0, |length| length.parse::<usize>().unwrap()) {
                return Ok(Some(String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

/// A port on which nothing listens.
pub(super) async fn closed_port() -> SocketAddr {
    Listener::bind("127.0.0.1:0").await.unwrap().address()
}

/// Names as a test wants them.
#[derive(Clone, Debug)]
pub(super) struct Names(pub(super) &'static [(&'static str, &'static [&'static str])]);

impl Resolve for Names {
    fn resolve(&self, host: &str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        let found = self.0.iter().find(|(name, _)| *name == host);
        let answer = match found {
            Some((_, addresses)) => Ok(addresses.iter().map(|address| address.parse().unwrap()).collect()),
            None => Err(io::Error::other("failed to lookup address information: Name or service not known")),
        };
        Box::pin(async move { answer })
    }
}
