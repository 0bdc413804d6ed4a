//! A gateway that works together with the component against the host.
//! Takes raw bytes and answers by path; keeps every request as it came, and counts connections. Written on the bare socket, so that what is
//! asserted is what was on the wire.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
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
        self.requests.lock().unwrap().clone()
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
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = Arc::clone(&shared);
                seen.open.fetch_add(1, Ordering::SeqCst);
                seen.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let _ = serve(stream, &seen, elsewhere).await;
                    seen.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
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
        seen.requests.lock().unwrap().push(head.clone());
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
