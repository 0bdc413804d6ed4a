//! A small HTTP/1.1 client that sends exactly what it is told, to assert on every byte of a fake's answer.
//! Takes a method, a path, headers, a body; gives status, headers, body. One connection each.
//! Never adds a header but `Host` and `Content-Length`, and those only when they are not given.

use std::{io, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, chunking undone. What had come within the time, when it did not end.
    pub body: String,
    /// The body did not end within the time.
    pub open: bool,
}

impl Response {
    /// The first header of this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The body as JSON: whole, or the data of the last event; null when it is neither.
    #[must_use]
    pub fn json(&self) -> Value {
        let data = self.body.lines().filter_map(|l| l.strip_prefix("data: ")).next_back().unwrap_or(&self.body);
        serde_json::from_str(data).unwrap_or(Value::Null)
    }
}

/// Sends one request and reads the answer, for at most `wait`.
pub async fn send(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
    wait: Duration,
) -> io::Result<Response> {
    let mut request = format!("{method} {target} HTTP/1.1\r\n");
    let has = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    if !has("host") {
        request.push_str(&format!("Host: {address}\r\n"));
    }
    if !has("content-length") && (!body.is_empty() || method == "POST") {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request.push_str(body);
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut raw = Vec::new();
    let ended = timeout(wait, read(&mut stream, &mut raw, method == "HEAD")).await;
    parse(&raw, ended.is_err()).ok_or_else(|| io::ErrorKind::TimedOut.into())
}

async fn read(stream: &mut TcpStream, raw: &mut Vec<u8>, head_only: bool) {
    loop {
        if parse(raw, false).is_some_and(|response| head_only || !response.open) {
            return;
        }
        if !matches!(stream.read_buf(raw).await, Ok(n) if n > 0) {
            return;
        }
    }
}

/// None while the head is incomplete.
fn parse(raw: &[u8], late: bool) -> Option<Response> {
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, rest) = raw.split_at(end);
    let rest = rest.get(4..)?;
    let head = String::from_utf8_lossy(head).into_owned();
    let mut lines = head.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let pairs = lines.filter_map(|l| l.split_once(':'));
    let headers: Vec<(String, String)> = pairs.map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned())).collect();
    let of = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let (body, open) = if of("transfer-encoding").is_some_and(|v| v == "chunked") {
        dechunk(rest)
    } else {
        let length: usize = of("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
        (rest.to_vec(), rest.len() < length)
    };
    Some(Response { status, headers, body: String::from_utf8_lossy(&body).into_owned(), open: open || late })
}

fn dechunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
            return (body, true);
        };
        let size =
            rest.get(..end).and_then(|s| std::str::from_utf8(s).ok()).and_then(|s| usize::from_str_radix(s, 16).ok());
        let (Some(size), Some(data)) = (size, rest.get(end + 2..)) else {
            return (body, true);
        };
        let Some(piece) = data.get(..size) else {
            return (body, true);
        };
        if size == 0 {
            return (body, false);
        }
        body.extend_from_slice(piece);
        rest = data.get(size + 2..).unwrap_or_default();
    }
}
