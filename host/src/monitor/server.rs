//! The monitor's HTTP server: `/`, `/part`, `/metrics`, `/health.json`, `/events`.
//! Takes what was seen; answers GET alone, on loopback or behind a token. Sends no secret, and follows no request to a gateway.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
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
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore, broadcast},
    task::AbortHandle,
};

use super::{board::Board, metrics, page};
use crate::Listener;

type Body = BoxBody<Bytes, Infallible>;

/// Open connections, event streams among them.
const CONNECTIONS: usize = 256;
/// Event streams: each one stays.
const STREAMS: usize = 64;
/// Connections of one address that is not this machine.
const OF_ONE: usize = 32;
/// A line that says nothing, so that a dead connection is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// For the request's header.
const HEADER: Duration = Duration::from_secs(10);

/// Who may look.
#[derive(Clone)]
pub(super) enum AccessPolicy {
    /// Everybody on this machine, who names it as such: a web page elsewhere cannot, by a name of its own that leads here.
    Open,
    /// Who brings the token: `Authorization: Bearer`, as the password of `Basic`, in the query, or in the cookie that follows on it.
    Token(Arc<SecretString>),
}

/// How somebody came in.
#[derive(Debug, PartialEq, Eq)]
enum Admitted {
    /// As on every request.
    Plainly,
    /// By the printed URL: a browser gets the cookie, and the token goes out of its address line.
    ByUrl,
}

impl AccessPolicy {
    fn admits(&self, request: &Head<'_>, port: u16) -> Result<Admitted, StatusCode> {
        let Self::Token(token) = self else {
            return if is_local(request.header(&header::HOST)) {
                Ok(Admitted::Plainly)
            } else {
                Err(StatusCode::MISDIRECTED_REQUEST)
            };
        };
        // Digests, so that the time it takes tells nothing.
        let same = |shown: &str| Sha256::digest(shown) == Sha256::digest(token.expose_secret());
        if shown(request.header(&header::AUTHORIZATION)).is_some_and(|shown| same(&shown))
            || cookies(request.header(&header::COOKIE)).any(|(name, value)| name == cookie_name(port) && same(value))
        {
            return Ok(Admitted::Plainly);
        }
        let mut pairs = url::form_urlencoded::parse(request.query.as_bytes());
        if pairs.any(|(name, value)| name == "token" && same(&value)) {
            return Ok(Admitted::ByUrl);
        }
        Err(StatusCode::UNAUTHORIZED)
    }
}

/// What decides who may look.
struct Head<'a> {
    headers: &'a HeaderMap,
    query: &'a str,
}

impl Head<'_> {
    /// One header that is there once; said twice it means nothing.
    fn header(&self, name: &HeaderName) -> &str {
        let mut all = self.headers.get_all(name).iter();
        match (all.next(), all.next()) {
            (Some(only), None) => only.to_str().unwrap_or_default(),
            _ => "",
        }
    }
}

/// Cookies are of a host, whatever the port: two monitors have one each.
fn cookie_name(port: u16) -> String {
    format!("pflow_gateway_monitor_{port}")
}

fn cookies(header: &str) -> impl Iterator<Item = (&str, &str)> {
    header.split(';').filter_map(|pair| pair.trim().split_once('='))
}

/// `Host` is this machine: as URLs are read, so that nothing hides in it.
fn is_local(host: &str) -> bool {
    // What no host and no port has, and a parser would take for something else.
    if host.is_empty() || host.contains(['@', '/', '\\', '?', '#', '%']) || host.contains(char::is_whitespace) {
        return false;
    }
    let Ok(url) = url::Url::parse(&format!("http://{host}/")) else { return false };
    match url.host() {
        Some(url::Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name) == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
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
pub(super) async fn serve(mut listener: Listener, door: AccessPolicy, board: Arc<Board>) {
    let port = listener.address().port();
    let site = Arc::new(Site { door, board, port, streams: Arc::new(Semaphore::new(STREAMS)) });
    let mut guests = Guests::default();
    loop {
        let (stream, from) = listener.accept().await;
        // Full: the peer sees a closed connection.
        if guests.has_room(from.ip()) {
            let known = Arc::new(AtomicBool::new(false));
            let handle = listener.spawn(converse(stream, from, Arc::clone(&site), Arc::clone(&known)));
            guests.all.push_back(Guest { from: from.ip(), known, handle });
        }
    }
}

/// Who is connected, the oldest first.
#[derive(Default)]
struct Guests {
    all: VecDeque<Guest>,
}

struct Guest {
    from: IpAddr,
    /// It was let in once.
    known: Arc<AtomicBool>,
    handle: AbortHandle,
}

impl Guests {
    /// Whether one more may come. Whoever was not let in yet makes room for it: nobody without the token shuts out those who have it.
    fn has_room(&mut self, from: IpAddr) -> bool {
        self.all.retain(|guest| !guest.handle.is_finished());
        if !from.is_loopback() && self.all.iter().filter(|guest| guest.from == from).count() >= OF_ONE {
            return false;
        }
        if self.all.len() < CONNECTIONS {
            return true;
        }
        let stranger = self.all.iter().position(|guest| !guest.known.load(Ordering::Relaxed));
        stranger.and_then(|at| self.all.remove(at)).inspect(|guest| guest.handle.abort()).is_some()
    }
}

/// What all connections share.
struct Site {
    door: AccessPolicy,
    board: Arc<Board>,
    port: u16,
    streams: Arc<Semaphore>,
}

async fn converse(stream: TcpStream, from: SocketAddr, site: Arc<Site>, known: Arc<AtomicBool>) {
    let service = service_fn(move |request| {
        let (site, known) = (Arc::clone(&site), Arc::clone(&known));
        async move { Ok::<_, Infallible>(answer(&request, &site, &known).await) }
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
}

async fn answer(request: &Request<Incoming>, site: &Site, known: &AtomicBool) -> Response<Body> {
    let head = Head { headers: request.headers(), query: request.uri().query().unwrap_or_default() };
    let admitted = match site.door.admits(&head, site.port) {
        Ok(admitted) => admitted,
        Err(status) => return refused(status),
    };
    known.store(true, Ordering::Relaxed);
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let board = &site.board;
    match request.uri().path() {
        "/" if admitted == Admitted::ByUrl => welcome(site),
        "/" => text("text/html; charset=utf-8", page::page(&board.part().await)),
        "/part" => text("text/html; charset=utf-8", board.part().await),
        "/metrics" => text(metrics::CONTENT_TYPE, board.metrics()),
        "/health.json" => text("application/json", board.health_json()),
        "/events" => match Arc::clone(&site.streams).try_acquire_owned() {
            Ok(seat) => events(board, seat),
            Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "there are too many event streams already\n"),
        },
        _ => plain(StatusCode::NOT_FOUND, "there is /, /metrics, /health.json and /events\n"),
    }
}

fn refused(status: StatusCode) -> Response<Body> {
    if status != StatusCode::UNAUTHORIZED {
        return plain(status, "ask for it as localhost\n");
    }
    let words = "open the URL that the monitor printed when it started, or send its token as Authorization: Bearer\n";
    let mut response = plain(status, words);
    let value = HeaderValue::from_static("Basic realm=\"pflow-gateway monitor\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    response
}

/// The cookie instead of the token in the address line.
fn welcome(site: &Site) -> Response<Body> {
    let mut response = plain(StatusCode::SEE_OTHER, "");
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/"));
    if let AccessPolicy::Token(token) = &site.door {
        let name = cookie_name(site.port);
        let cookie = format!("{name}={}; Path=/; HttpOnly; SameSite=Strict", token.expose_secret());
        // A token of one's own may hold what no cookie holds; then the browser asks for it.
        if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
            cookie.set_sensitive(true);
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
    }
    response
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
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&page::policy()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Every report and every change, from now on, and all that is known at the beginning.
fn events(board: &Arc<Board>, seat: OwnedSemaphorePermit) -> Response<Body> {
    let (known, receiver) = board.subscribe();
    let mut first = String::from("retry: 3000\n\n");
    for event in known {
        first.push_str(&event);
    }
    with_headers(
        "text/event-stream",
        EventBody { first: Some(first), receive: Box::pin(receive(receiver)), _seat: seat }.boxed(),
    )
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
    _seat: OwnedSemaphorePermit,
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
        for good in
            ["localhost", "LOCALHOST:80", "localhost.", "127.0.0.1:9000", "127.1.2.3", "[::1]:80", "[::1]", "0x7f.1"]
        {
            assert!(is_local(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example:80",
            "10.0.0.1",
            "[fe80::1]",
            "127.0.0.1.evil.example",
            "[::1].evil.example",
            "[::1]evil",
            "localhost:80@evil.example",
            "localhost:x",
            "localhost/@evil.example",
            "localhost\\.evil.example",
            "localhost#.evil.example",
            "localhost evil.example",
            "localhost%00",
            ":80",
        ] {
            assert!(!is_local(bad), "{bad}");
        }
    }

    fn admits(door: &AccessPolicy, headers: &[(HeaderName, &str)], query: &str) -> Result<Admitted, StatusCode> {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(name, value.parse().unwrap());
        }
        door.admits(&Head { headers: &all, query }, 9_464)
    }

    #[test]
    fn the_token_is_taken_as_bearer_as_password_in_the_query_and_as_cookie() {
        let door = AccessPolicy::Token(Arc::new("s3cret".to_owned().into()));
        let by = |authorization: &str| admits(&door, &[(header::AUTHORIZATION, authorization)], "").is_ok();
        assert!(by("Bearer s3cret") && by("bearer s3cret"));
        assert!(by(&format!("Basic {}", STANDARD.encode("anyone:s3cret"))));
        for wrong in ["", "Bearer s3cre", "s3cret", "Basic s3cret", "Bearer "] {
            assert!(!by(wrong), "{wrong:?}");
        }
        let cookie = |cookie: &str| admits(&door, &[(header::COOKIE, cookie)], "").is_ok();
        assert!(cookie("pflow_gateway_monitor_9464=s3cret") && cookie("a=b; pflow_gateway_monitor_9464=s3cret; c"));
        for wrong in ["pflow_gateway_monitor_9464=", "pflow_gateway_monitor_1=s3cret", "token=s3cret", "s3cret"] {
            assert!(!cookie(wrong), "{wrong:?}");
        }
        assert_eq!(admits(&door, &[], "a=b&token=s3cret"), Ok(Admitted::ByUrl));
        assert_eq!(admits(&door, &[], "token=other"), Err(StatusCode::UNAUTHORIZED));
        assert_eq!(admits(&door, &[], "token"), Err(StatusCode::UNAUTHORIZED));
    }

    #[test]
    fn a_host_that_is_named_twice_is_none() {
        assert!(admits(&AccessPolicy::Open, &[(header::HOST, "localhost")], "").is_ok());
        let twice = [(header::HOST, "localhost"), (header::HOST, "evil.example")];
        assert_eq!(admits(&AccessPolicy::Open, &twice, ""), Err(StatusCode::MISDIRECTED_REQUEST));
    }

    async fn get(address: SocketAddr, path: &str) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    // One thread: whatever blocks it blocks everything, and the test does not end in time.
    #[tokio::test]
    async fn a_history_that_somebody_holds_up_keeps_nobody_from_the_metrics_and_the_looks() {
        use crate::{
            Gateway,
            config::GatewayConfig,
            health::Looker,
            history::History,
            monitor::Update,
            report::Status,
            runtime::{Limits, Runtime, Source},
        };

        let folder = tempfile::tempdir().unwrap();
        let history = History::new(folder.path());
        let looker = Looker::new(history.clone(), Vec::new());
        let gateway = Gateway::new(
            Runtime::shared(&Source::BuiltIn, &Limits::default()).unwrap(),
            GatewayConfig::for_url("http://127.0.0.1:9/mcp").unwrap(),
        );
        let (health, _) = looker.look(&gateway).await;
        let board = Arc::new(Board::new(history.clone(), vec![health.gateway.clone()]));
        board.post(&Update { health, transitions: Vec::new(), next: Duration::ZERO });
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.address();
        let server = tokio::spawn(serve(listener, AccessPolicy::Open, Arc::clone(&board)));
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let (held, is_held) = tokio::sync::oneshot::channel();
        let holder = std::thread::spawn(move || history.hold_until(|| held.send(()).unwrap(), &wait));
        is_held.await.unwrap();
        let page = tokio::spawn(get(address, "/"));
        let look = tokio::spawn(async move { looker.look(&gateway).await });
        for path in ["/metrics", "/health.json", "/metrics"] {
            let answer = tokio::time::timeout(Duration::from_secs(60), get(address, path)).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        }
        assert!(!page.is_finished() && !look.is_finished(), "they do need the history");
        go_on.send(()).unwrap();
        holder.join().unwrap();
        assert!(page.await.unwrap().starts_with("HTTP/1.1 200 OK\r\n"));
        assert_eq!(look.await.unwrap().0.status, Status::Unreachable);
        server.abort();
    }

    #[tokio::test]
    async fn strangers_make_room_for_those_who_come_and_never_take_the_room_of_those_who_were_let_in() {
        let mut tasks = tokio::task::JoinSet::new();
        let here = IpAddr::from([127, 0, 0, 1]);
        let mut guest = |known: bool, from: IpAddr| Guest {
            from,
            known: Arc::new(AtomicBool::new(known)),
            handle: tasks.spawn(std::future::pending::<()>()),
        };
        let mut guests = Guests::default();
        for n in 0..CONNECTIONS {
            assert!(guests.has_room(here));
            guests.all.push_back(guest(n != 7, here));
        }
        assert!(guests.has_room(here), "the one stranger goes");
        guests.all.push_back(guest(true, here));
        assert_eq!((guests.has_room(here), guests.all.len()), (false, CONNECTIONS));
        let mut guests = Guests::default();
        let there = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..OF_ONE {
            assert!(guests.has_room(there));
            guests.all.push_back(guest(true, there));
        }
        assert!(!guests.has_room(there) && guests.has_room(IpAddr::from([192, 0, 2, 2])));
    }
}
