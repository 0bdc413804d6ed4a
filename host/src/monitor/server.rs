//! The monitor's HTTP server: `/`, `/part`, `/metrics`, `/health.json`, `/events`.
//! Takes what was seen; answers GET alone, on loopback or behind a token. Sends no secret, and follows no request to a gateway.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, broadcast},
    task::JoinSet,
};

use super::{board::Board, metrics, page};

type Body = BoxBody<Bytes, Infallible>;

/// Open connections, event streams among them.
const CONNECTIONS: usize = 256;
/// A line that says nothing, so that a dead connection is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// For the request's header.
const HEADER: Duration = Duration::from_secs(10);

/// Who may look.
#[derive(Clone)]
pub(super) enum Door {
    /// Everybody on this machine, who names it as such: a web page elsewhere cannot, by a name of its own that leads here.
    Loopback,
    /// Who brings the token: `Authorization: Bearer`, or as the password of `Basic`, which browsers ask for.
    Token(Arc<SecretString>),
}

impl Door {
    fn admits(&self, headers: &HeaderMap) -> Result<(), StatusCode> {
        match self {
            Self::Loopback => {
                let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
                if is_local(host) { Ok(()) } else { Err(StatusCode::MISDIRECTED_REQUEST) }
            }
            Self::Token(token) => {
                let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(shown);
                // Digests, so that the time it takes tells nothing.
                let same = |shown: String| Sha256::digest(shown) == Sha256::digest(token.expose_secret());
                if shown.is_some_and(same) { Ok(()) } else { Err(StatusCode::UNAUTHORIZED) }
            }
        }
    }
}

/// `Host` without its port is this machine.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn shown(authorization: &str) -> Option<String> {
    let (scheme, value) = authorization.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.trim().to_owned());
    }
    let pair = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(value.trim()).ok())??;
    String::from_utf8(pair).ok()?.split_once(':').map(|(_, password)| password.to_owned())
}

/// Serves until dropped.
pub(super) async fn serve(listener: TcpListener, door: Door, board: Arc<Board>) {
    let mut connections = JoinSet::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match (accepted, Arc::clone(&room).try_acquire_owned()) {
                (Ok((stream, from)), Ok(permit)) => {
                    connections.spawn(converse(stream, from, door.clone(), Arc::clone(&board), permit));
                }
                // Full: the peer sees a closed connection.
                (Ok(_), Err(_)) => {}
                (Err(_), _) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
}

async fn converse(stream: TcpStream, from: SocketAddr, door: Door, board: Arc<Board>, permit: OwnedSemaphorePermit) {
    let service = service_fn(move |request| {
        let (door, board) = (door.clone(), Arc::clone(&board));
        async move { Ok::<_, Infallible>(answer(&request, &door, &board).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_buf_size(32 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%from, "{error}");
    }
    drop(permit);
}

async fn answer(request: &Request<Incoming>, door: &Door, board: &Arc<Board>) -> Response<Body> {
    if let Err(status) = door.admits(request.headers()) {
        let mut response = plain(
            status,
            if status == StatusCode::UNAUTHORIZED { "the token, please\n" } else { "ask for it as localhost\n" },
        );
        if status == StatusCode::UNAUTHORIZED {
            let value = HeaderValue::from_static("Basic realm=\"pflow-gateway monitor\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        return response;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/" => text("text/html; charset=utf-8", page::page(&board.part().await)),
        "/part" => text("text/html; charset=utf-8", board.part().await),
        "/metrics" => text(metrics::CONTENT_TYPE, board.metrics()),
        "/health.json" => text("application/json", board.health_json()),
        "/events" => events(board),
        _ => plain(StatusCode::NOT_FOUND, "there is /, /metrics, /health.json and /events\n"),
    }
}

fn plain(status: StatusCode, words: &'static str) -> Response<Body> {
    let mut response = text("text/plain; charset=utf-8", words.to_owned());
    *response.status_mut() = status;
    response
}

fn text(kind: &'static str, text: String) -> Response<Body> {
    with_headers(kind, Full::new(Bytes::from(text)).boxed())
}

fn with_headers(kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&page::policy()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Every report and every change, from now on, and all that is known at the beginning.
fn events(board: &Arc<Board>) -> Response<Body> {
    let (known, receiver) = board.subscribe();
    let mut first = String::from("retry: 3000\n\n");
    for event in known {
        first.push_str(&event);
    }
    with_headers("text/event-stream", EventBody { first: Some(first), receive: Box::pin(receive(receiver)) }.boxed())
}

type Receiving = std::pin::Pin<Box<dyn Future<Output = Option<(Bytes, broadcast::Receiver<Arc<str>>)>> + Send + Sync>>;

/// The next event, or a heartbeat.
async fn receive(mut receiver: broadcast::Receiver<Arc<str>>) -> Option<(Bytes, broadcast::Receiver<Arc<str>>)> {
    let event = match tokio::time::timeout(HEARTBEAT, receiver.recv()).await {
        Ok(Ok(event)) => Bytes::copy_from_slice(event.as_bytes()),
        // Too slow for some: the next ones tell the state all the same.
        Ok(Err(broadcast::error::RecvError::Lagged(_))) => Bytes::from_static(b": some were skipped\n\n"),
        Ok(Err(broadcast::error::RecvError::Closed)) => return None,
        Err(_) => Bytes::from_static(b": still here\n\n"),
    };
    Some((event, receiver))
}

struct EventBody {
    first: Option<String>,
    receive: Receiving,
}

impl hyper::body::Body for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(first) = self.first.take() {
            return std::task::Poll::Ready(Some(Ok(Frame::data(Bytes::from(first)))));
        }
        self.receive.as_mut().poll(context).map(|received| {
            received.map(|(event, receiver)| {
                self.receive = Box::pin(receive(receiver));
                Ok(Frame::data(event))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered_on_loopback() {
        for good in ["localhost", "LOCALHOST:80", "127.0.0.1:9000", "127.1.2.3", "[::1]:80", "[::1]"] {
            assert!(is_local(good), "{good}");
        }
        for bad in ["", "evil.example", "localhost.evil.example:80", "10.0.0.1", "[fe80::1]", "127.0.0.1.evil.example"]
        {
            assert!(!is_local(bad), "{bad}");
        }
    }

    #[test]
    fn the_token_is_taken_as_bearer_or_as_password() {
        let door = Door::Token(Arc::new("s3cret".to_owned().into()));
        let admits = |value: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            }
            door.admits(&headers).is_ok()
        };
        assert!(admits(Some("Bearer s3cret")) && admits(Some("bearer s3cret")));
        assert!(admits(Some(&format!("Basic {}", STANDARD.encode("anyone:s3cret")))));
        for wrong in [None, Some("Bearer s3cre"), Some("s3cret"), Some("Basic s3cret"), Some("Bearer ")] {
            assert!(!admits(wrong), "{wrong:?}");
        }
    }
}
