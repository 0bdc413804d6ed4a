//! HTTP/1.1 on loopback, written by hand: a server that must be able to break every rule of HTTP cannot stand on one that keeps them.
//! Takes a [`Gateway`], gives a running [`Fake`] with its URL and its wire log.
//! Never listens anywhere but on 127.0.0.1, and is gone when it is dropped.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::{Buf as _, Bytes, BytesMut};
use pflow_gateway_base::Listener;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
    task::AbortHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    reply::{Answer, Payload, Reply, Step, chunk, reason},
    wire::{Seen, WireLog},
};

/// A reply on its way.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

/// What answers the requests.
pub trait Gateway: Send + Sync + 'static {
    /// The reply to one request. Dropped when the client goes away.
    fn answer<'a>(&'a self, seen: &'a Seen) -> Answering<'a>;
}

/// How connections are taken.
#[derive(Clone, Default)]
pub enum Transport {
    /// TCP.
    #[default]
    Plain,
    /// TLS in front.
    Tls(TlsAcceptor),
    /// The kernel accepts, nobody reads: connected, and not a byte comes.
    NeverRead,
    /// Closed as soon as it is open.
    CloseAtOnce,
    /// Nobody accepts and the queue is full: the connection never comes about.
    NeverAccept,
}

/// A running fake. Dropping it closes everything.
pub struct Fake {
    address: SocketAddr,
    scheme: &'static str,
    path: String,
    log: WireLog,
    accepting: AbortHandle,
    open: Arc<Semaphore>,
    /// Connections that fill the queue of a listener that accepts none.
    _fillers: Vec<TcpStream>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Fake {
    /// Serves on a free port, in the current runtime.
    pub async fn start(gateway: Arc<dyn Gateway>) -> io::Result<Self> {
        Self::start_with(gateway, Transport::Plain, WireLog::default(), 0).await
    }

    /// Serves with everything chosen; port 0 is a free one.
    pub async fn start_with(
        gateway: Arc<dyn Gateway>,
        transport: Transport,
        log: WireLog,
        port: u16,
    ) -> io::Result<Self> {
        let scheme = if matches!(transport, Transport::Tls(_)) { "https" } else { "http" };
        let mut fillers = Vec::new();
        let listener = if matches!(transport, Transport::NeverAccept) {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
            let listener = socket.listen(0)?;
            let address = listener.local_addr()?;
            // A queue of length 0 takes one connection or two, by the kernel's own count.
            for _ in 0..4 {
                let connecting = TcpStream::connect(address);
                let Ok(Ok(stream)) = tokio::time::timeout(std::time::Duration::from_millis(100), connecting).await
                else {
                    break;
                };
                fillers.push(stream);
            }
            Listener::of(listener)?
        } else {
            Listener::bind((Ipv4Addr::LOCALHOST, port)).await?
        };
        let address = listener.address();
        // Closed by `Fake::refuse`, to take no new connection and to end those that are open.
        let open = Arc::new(Semaphore::new(0));
        let accepting = tokio::spawn(accept(listener, gateway, transport, log.clone(), Arc::clone(&open)));
        let accepting = accepting.abort_handle();
        Ok(Self { address, scheme, path: "/mcp".to_owned(), log, accepting, open, _fillers: fillers })
    }

    /// An address where nothing listens: the port was free a moment ago.
    pub async fn nowhere() -> io::Result<SocketAddr> {
        Ok(Listener::bind((Ipv4Addr::LOCALHOST, 0)).await?.address())
    }

    /// The same, with another path for its URL.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// The MCP URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.address, self.path)
    }

    /// The MCP URL with another scheme or host.
    #[must_use]
    pub fn url_as(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}{}", self.address.port(), self.path)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was asked.
    #[must_use]
    pub fn log(&self) -> &WireLog {
        &self.log
    }

    /// Closes the listener and every connection, as a process that dies does. The port is then refused.
    pub fn stop(&self) {
        self.open.close();
        self.accepting.abort();
    }
}

async fn accept(
    mut listener: Listener,
    gateway: Arc<dyn Gateway>,
    transport: Transport,
    log: WireLog,
    open: Arc<Semaphore>,
) {
    let numbers = AtomicU64::new(0);
    let mut unread = Vec::new();
    if matches!(transport, Transport::NeverAccept) {
        let _ = open.acquire().await;
        return;
    }
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = open.acquire() => return,
        };
        let number = numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let (gateway, log) = (Arc::clone(&gateway), log.clone());
        match &transport {
            Transport::Plain => {
                // A client that goes away is no error of ours.
                listener.spawn(async move { drop(serve(stream, gateway, log, number).await) });
            }
            Transport::Tls(acceptor) => {
                let acceptor = acceptor.clone();
                listener.spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = serve(stream, gateway, log, number).await;
                    }
                });
            }
            Transport::NeverRead | Transport::NeverAccept => unread.push(stream),
            Transport::CloseAtOnce => drop(stream),
        }
    }
}

/// A connection that can be reset.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {
    fn reset_on_close(&self);
}

impl Wire for TcpStream {
    fn reset_on_close(&self) {
        let _ = self.set_zero_linger();
    }
}

impl Wire for TlsStream<TcpStream> {
    fn reset_on_close(&self) {
        let _ = self.get_ref().0.set_zero_linger();
    }
}

/// Whether a connection can go on with the next request.
enum Next {
    Request,
    Close,
}

async fn serve(mut stream: impl Wire, gateway: Arc<dyn Gateway>, log: WireLog, connection: u64) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    while let Some(mut seen) = read_request(&mut stream, &mut buffer, connection).await? {
        seen.number = log.add(&seen);
        let reply = tokio::select! {
            reply = gateway.answer(&seen) => reply,
            _ = gone(&mut stream, &mut buffer) => {
                log.abandon(seen.number);
                return Ok(());
            }
        };
        let sent = match reply {
            Reply::Answer(answer) => send(&mut stream, &mut buffer, answer, &seen).await,
            Reply::Script(steps) => play(&mut stream, &mut buffer, steps).await,
        };
        match sent {
            Ok(Next::Request) => {}
            Ok(Next::Close) => break,
            Err(problem) => {
                log.abandon(seen.number);
                return Err(problem);
            }
        }
    }
    let _ = stream.shutdown().await;
    Ok(())
}

/// Ends when the client has gone away. What it sends meanwhile is kept for the next request.
async fn gone(stream: &mut impl Wire, buffer: &mut BytesMut) -> io::Error {
    loop {
        match stream.read_buf(buffer).await {
            Ok(0) => return io::ErrorKind::ConnectionAborted.into(),
            Ok(_) => {}
            Err(problem) => return problem,
        }
    }
}

async fn more(stream: &mut impl Wire, buffer: &mut BytesMut) -> io::Result<()> {
    if stream.read_buf(buffer).await? == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

async fn line(stream: &mut impl Wire, buffer: &mut BytesMut) -> io::Result<Vec<u8>> {
    loop {
        if let Some(end) = buffer.windows(2).position(|two| two == b"\r\n") {
            let line = buffer.split_to(end).to_vec();
            buffer.advance(2);
            return Ok(line);
        }
        more(stream, buffer).await?;
    }
}

async fn exactly(stream: &mut impl Wire, buffer: &mut BytesMut, length: usize) -> io::Result<Bytes> {
    while buffer.len() < length {
        more(stream, buffer).await?;
    }
    Ok(buffer.split_to(length).freeze())
}

/// The next request; none when the client has closed between two.
async fn read_request(stream: &mut impl Wire, buffer: &mut BytesMut, connection: u64) -> io::Result<Option<Seen>> {
    if buffer.is_empty() && stream.read_buf(buffer).await? == 0 {
        return Ok(None);
    }
    if !buffer.first().is_some_and(u8::is_ascii_uppercase) {
        // Not HTTP: TLS, most likely. Every server answers so.
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await?;
        return Ok(None);
    }
    let start = String::from_utf8_lossy(&line(stream, buffer).await?).into_owned();
    let mut parts = start.split(' ');
    let (method, target) = (parts.next().unwrap_or_default().to_owned(), parts.next().unwrap_or_default().to_owned());
    let mut headers = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&line(stream, buffer).await?).into_owned();
        let Some((name, value)) = text.split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut seen = Seen { method, target, headers, body: Bytes::new(), message: None, connection, number: 0 };
    if seen.header("expect").is_some_and(|v| v.eq_ignore_ascii_case("100-continue")) {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let chunked = seen.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
    seen.body = if chunked {
        read_chunks(stream, buffer).await?
    } else {
        let length = seen.header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
        exactly(stream, buffer, length).await?
    };
    seen.message = serde_json::from_slice(&seen.body).ok();
    Ok(Some(seen))
}

async fn read_chunks(stream: &mut impl Wire, buffer: &mut BytesMut) -> io::Result<Bytes> {
    let mut body = BytesMut::new();
    loop {
        let size = String::from_utf8_lossy(&line(stream, buffer).await?).into_owned();
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        if size == 0 {
            while !line(stream, buffer).await?.is_empty() {}
            return Ok(body.freeze());
        }
        body.extend_from_slice(&exactly(stream, buffer, size).await?);
        let _ = line(stream, buffer).await?;
    }
}

async fn send(stream: &mut impl Wire, buffer: &mut BytesMut, answer: Answer, seen: &Seen) -> io::Result<Next> {
    let mut head = format!("HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match &answer.payload {
        Payload::Whole(body) => head.push_str(&format!("Content-Length: {}\r\n", body.len())),
        Payload::Stream(_) => head.push_str("Transfer-Encoding: chunked\r\n"),
        Payload::None => {}
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    match answer.payload {
        Payload::Whole(body) if seen.method != "HEAD" => bytes.extend_from_slice(&body),
        Payload::Stream(mut receiver) => {
            stream.write_all(&bytes).await?;
            stream.flush().await?;
            loop {
                let piece = tokio::select! {
                    piece = receiver.recv() => piece,
                    problem = gone(stream, buffer) => return Err(problem),
                };
                let Some(piece) = piece else { break };
                if !piece.is_empty() {
                    stream.write_all(&chunk(&piece)).await?;
                    stream.flush().await?;
                }
            }
            bytes = b"0\r\n\r\n".to_vec();
        }
        Payload::Whole(_) | Payload::None => {}
    }
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    let close = seen.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
    Ok(if close { Next::Close } else { Next::Request })
}

async fn play(stream: &mut impl Wire, buffer: &mut BytesMut, steps: Vec<Step>) -> io::Result<Next> {
    for step in steps {
        match step {
            Step::Send(bytes) => {
                stream.write_all(&bytes).await?;
                stream.flush().await?;
            }
            Step::Pause(time) => tokio::select! {
                () = tokio::time::sleep(time) => {}
                problem = gone(stream, buffer) => return Err(problem),
            },
            Step::Flood(bytes, pause) => loop {
                stream.write_all(&bytes).await?;
                stream.flush().await?;
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    problem = gone(stream, buffer) => return Err(problem),
                }
            },
            Step::Hang => return Err(gone(stream, buffer).await),
            Step::Close => return Ok(Next::Close),
            Step::Reset => {
                stream.reset_on_close();
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
    }
    Ok(Next::Request)
}
