//! A gateway that works together with the component against the host.
//! Takes raw bytes and answers by path; keeps every request as it came, and counts connections. Written on the bare socket, so that what is
//! asserted is what was on the wire.

use std::{
    io::Write as _,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use pflow_gateway_base::{Listener, sync::Mutex};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};

/// What the server saw.
#[derive(Default)]
pub(super) struct Seen {
    requests: Mutex<Vec<String>>,
    open: AtomicUsize,
    connections: AtomicUsize,
}

impl Seen {
    /// The heads of all requests, as they came.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().clone()
    }

    /// Connections that are open now.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Connections that there ever were.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A server on loopback, until it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) seen: Arc<Seen>,
    task: JoinHandle<()>,
}

impl Server {
    /// `elsewhere`: where `/redirect` leads.
    pub(super) async fn start(elsewhere: Option<SocketAddr>) -> Self {
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.address();
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(listener.serve_each(move |stream| {
            let seen = Arc::clone(&shared);
            seen.open.fetch_add(1, Ordering::SeqCst);
            seen.connections.fetch_add(1, Ordering::SeqCst);
            async move {
                let _ = serve(stream, &seen, elsewhere).await;
                seen.open.fetch_sub(1, Ordering::SeqCst);
            }
        }));
        Self { address, seen, task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[allow(clippy::too_many_lines)] // one answer for each attack
async fn serve(mut stream: TcpStream, seen: &Seen, elsewhere: Option<SocketAddr>) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk).await? {
                0 => return Ok(()),
                read => buffer.extend_from_slice(&chunk[..read]),
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end);
        seen.requests.lock().push(head.clone());
        let path = head.split(' ').nth(1).unwrap_or_default();
        if head.starts_with("POST") || head.to_ascii_lowercase().contains("transfer-encoding:") {
            // Reads on as long as anything comes; a second request in the body would be seen in it.
            let mut body = buffer.clone();
            let mut chunk = vec![0; 65_536];
            while let Ok(Ok(read)) = tokio::time::timeout(Duration::from_millis(500), stream.read(&mut chunk)).await {
                if read == 0 {
                    break;
                }
                body.truncate(4096);
                body.extend_from_slice(&chunk[..read]);
            }
            return stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await;
        }
        match path.rsplit('/').next().unwrap_or_default() {
            "redirect" => {
                let target =
                    elsewhere.map_or_else(|| "http://127.0.0.1:1".into(), |address| format!("http://{address}"));
                let head = format!("HTTP/1.1 302 Found\r\nlocation: {target}/landed\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
            }
            "echo-headers" => {
                let lines: Vec<_> = head.lines().skip(1).filter(|line| !line.is_empty()).collect();
                let echoed = format!("x-echo-{}\r\n", lines.join("\r\nx-echo-"));
                stream.write_all(format!("HTTP/1.1 200 OK\r\n{echoed}content-length: 0\r\n\r\n").as_bytes()).await?;
            }
            "echo-body" => {
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", head.len());
                stream.write_all(answer.as_bytes()).await?;
                // In pieces: a credential must not get through between two of them.
                for piece in head.as_bytes().chunks(7) {
                    stream.write_all(piece).await?;
                    stream.flush().await?;
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
            "endless" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
                let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
                loop {
                    stream.write_all(chunk.as_bytes()).await?;
                }
            }
            "headers" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
                for count in 0_u64.. {
                    stream.write_all(format!("x-{count}: {}\r\n", "x".repeat(1000)).as_bytes()).await?;
                }
            }
            "cookie" => {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nset-cookie: session=c00kie-0123456789-abcdef; Path=/\r\ncontent-length: 2\r\n\r\nok")
                    .await?;
            }
            "cookies-of-others" => {
                let others =
                    ["Domain=example.com", "Domain=com", "Domain=.1", "Domain=0.0.1", "Path=/elsewhere", "Max-Age=0"];
                let lines = others.map(|more| format!("set-cookie: other=forged; {more}\r\n")).concat();
                stream.write_all(format!("HTTP/1.1 200 OK\r\n{lines}content-length: 2\r\n\r\nok").as_bytes()).await?;
            }
            "more-cookies" => {
                let nth = seen.requests.lock().len();
                let lines: String = (0..12)
                    .map(|n| format!("set-cookie: c{nth}-{n}={}; Path=/\r\n", "x".repeat(3_000)))
                    .collect::<Vec<_>>()
                    .concat();
                stream.write_all(format!("HTTP/1.1 200 OK\r\n{lines}content-length: 2\r\n\r\nok").as_bytes()).await?;
            }
            "round" => stream.write_all(&moved(307, path)).await?,
            "leave" => stream.write_all(&moved(307, "/admin")).await?,
            "away" => {
                let target = elsewhere.map(|address| format!("http://{address}/landed")).unwrap_or_default();
                stream.write_all(&moved(307, &target)).await?;
            }
            odd if odd.starts_with("odd-") && odd != "odd-coding" => {
                let (own, other) =
                    (stream.local_addr()?, elsewhere.map(|address| address.to_string()).unwrap_or_default());
                let location = match odd {
                    "odd-0" => format!("//{other}/"),
                    "odd-1" => format!("http:\\\\{other}\\"),
                    "odd-2" => format!("http://{own}@{other}/"),
                    "odd-3" => format!("\t//{other}/"),
                    "odd-4" => format!("/\\{other}/"),
                    "odd-5" => format!("http://{other}#@{own}/"),
                    "odd-6" => format!("https://{own}/"),
                    "odd-7" => "javascript:alert(1)".to_owned(),
                    "odd-8" => format!("http://user:pass@{own}/"),
                    _ => format!("http:///{other}/"),
                };
                stream.write_all(&moved(308, &location)).await?;
            }
            "bomb" => stream.write_all(&coded("gzip", &gzip(&vec![0; 8 << 20]))).await?,
            "bomb-in-a-bomb" => {
                stream.write_all(&coded("gzip, gzip, gzip", &gzip(&gzip(&gzip(&vec![0; 8 << 20]))))).await?;
            }
            "gzip-head" => {
                // Its flag says that a name follows, which ends with a zero.
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n\x1f\x8b\x08\x08\0\0\0\0\0\x03")
                    .await?;
                loop {
                    stream.write_all(&vec![b'x'; 0x1_0000]).await?;
                }
            }
            "gzip-members" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n").await?;
                let members = gzip(b"").repeat(3_000);
                loop {
                    stream.write_all(&members).await?;
                }
            }
            codings if codings.starts_with("codings-") => {
                let count = codings.trim_start_matches("codings-").parse().unwrap_or(1);
                stream.write_all(&coded(&vec!["gzip"; count].join(", "), &gzip(b"{}"))).await?;
            }
            "odd-coding" => stream.write_all(&coded("zstd", b"\x28\xb5\x2f\xfd\x04\x00\x41\x00\x00hostile")).await?,
            wait if wait.starts_with("wait-") => {
                let wait = wait.trim_start_matches("wait-").replace('_', " ");
                let head = format!("HTTP/1.1 503 Busy\r\nretry-after: {wait}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
            }
            "provisional" => loop {
                stream.write_all(&b"HTTP/1.1 102 Processing\r\n\r\n".repeat(100)).await?;
            },
            "trailers" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n").await?;
                for count in 0_u64.. {
                    stream.write_all(format!("x-{count}: {}\r\n", "x".repeat(1000)).as_bytes()).await?;
                }
            }
            "extension" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;").await?;
                loop {
                    stream.write_all(&vec![b'x'; 0x1_0000]).await?;
                }
            }
            "two-lengths" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 30\r\n\r\nok").await?;
            }
            "short" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nok").await?;
                return Ok(());
            }
            status if status.starts_with("status-") => {
                let status = status.trim_start_matches("status-");
                let head = format!("HTTP/1.1 {status} Odd\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
                return Ok(());
            }
            _ if path.contains("/on/") => {
                let step: usize = path.rsplit('/').next().and_then(|step| step.parse().ok()).unwrap_or_default();
                stream.write_all(&moved(308, &format!("/on/{}", step + 1))).await?;
            }
            "silent" => {
                // Until the other side gives up.
                let mut nothing = [0; 1];
                let _ = stream.read(&mut nothing).await?;
                return Ok(());
            }
            "slow" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nx").await?;
                let mut nothing = [0; 1];
                let _ = stream.read(&mut nothing).await?;
                return Ok(());
            }
            _ => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?,
        }
    }
}

fn moved(status: u16, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

fn coded(coding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}
