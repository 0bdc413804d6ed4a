//! The component's logic without a sandbox: the same crate, compiled for this machine, and HTTP of the plainest kind.
//! Takes the URL of `pace serve`; gives how long a list took. Speaks HTTP/1.1 on one connection that is kept, knows `Content-Length` alone, and stops
//! at the first surprise: what is measured against must not be slow for reasons of its own.

use std::{
    cell::RefCell,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    rc::Rc,
    time::{Duration, Instant},
};

use pflow_gateway_component::{
    conversation::Conversation,
    http::{Body, Failure, Headers, Level, Method, Outside, Request, Response},
    model::{Endpoint, Implementation, Tokens},
};

/// One connection.
struct Wire {
    authority: String,
    stream: RefCell<BufReader<TcpStream>>,
}

/// The whole body, in one piece.
struct Whole(Option<Vec<u8>>);

impl Body for Whole {
    fn chunk(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.0.take())
    }
}

impl Wire {
    fn to(url: &str) -> Self {
        let authority = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap().to_owned();
        let stream = TcpStream::connect(&authority).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { authority, stream: RefCell::new(BufReader::with_capacity(64 << 10, stream)) }
    }
}

impl Outside for Wire {
    fn send(&self, request: Request) -> Result<Response, Failure> {
        let method = match request.method {
            Method::Post => "POST",
            Method::Get => "GET",
            Method::Delete => "DELETE",
        };
        let mut message =
            format!("{method} /mcp HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n", self.authority, request.body.len());
        for (name, value) in &request.headers {
            message.push_str(&format!("{name}: {value}\r\n"));
        }
        message.push_str("\r\n");
        let mut message = message.into_bytes();
        message.extend(request.body);
        let mut stream = self.stream.borrow_mut();
        stream.get_mut().write_all(&message).unwrap();

        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        let (mut headers, mut length) = (Vec::new(), 0);
        loop {
            line.clear();
            stream.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
            assert!(!name.eq_ignore_ascii_case("transfer-encoding"), "a body of unknown length");
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        Ok(Response { status, headers: Headers::new(headers), body: Box::new(Whole(Some(body))) })
    }

    fn listen(&self, _: Request) -> bool {
        false
    }

    fn stop_listening(&self) {}

    fn take_listening(&self) -> Option<Response> {
        None
    }

    fn sleep(&self, _: Duration) {}

    fn now(&self) -> u64 {
        1_800_000_000
    }

    fn progress(&self, _: u32, _: f64, _: Option<f64>, _: Option<&str>) {}

    fn message(&self, _: Option<u32>, _: &str, _: Option<&str>, _: &str) {}

    fn tools_changed(&self) {}

    fn log(&self, _: Level, _: &str, _: &str) {}
}

/// A list in a conversation that stands, which is not counted.
pub(super) fn listed(url: &str, tools: usize) -> Duration {
    let endpoint = Endpoint {
        url: url.to_owned(),
        kind: None,
        services: Vec::new(),
        client: Implementation { name: "native".to_owned(), version: "0".to_owned() },
        era: None,
        era_is_fixed: false,
        max_pages: 1_000,
        tokens: Tokens { first: 1, count: 1_000_000 },
        timeout_ms: 30_000,
    };
    let mut conversation = Conversation::open(Rc::new(Wire::to(url)), endpoint, None).unwrap();
    let started = Instant::now();
    let catalog = conversation.list_tools().unwrap();
    let took = started.elapsed();
    assert_eq!(catalog.tools.len(), tools);
    took
}
