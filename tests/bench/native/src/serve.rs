//! An MCP server that is never the slow one: pages made beforehand, a thread for each connection, one write for each answer.
//! Takes tools, pages, delays and eras; prints its URLs and serves until stdin closes. Never keeps a session, and never judges a
//! request beyond what it needs to answer it.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::{Result, pages::Pages};

/// The largest request that is read.
const LARGEST: usize = 1 << 20;
const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";

#[derive(Args)]
pub(crate) struct Options {
    /// Tools in the catalogue
    #[arg(long, default_value_t = 500)]
    tools: usize,
    /// Tools on a page
    #[arg(long, default_value_t = 100)]
    page: usize,
    /// Milliseconds of network before every answer
    #[arg(long, default_value_t = 0)]
    delay: u64,
    /// Milliseconds that a call takes
    #[arg(long, default_value_t = 0)]
    service: u64,
    /// Listen on so many ports: each is an origin of its own
    #[arg(long, default_value_t = 1)]
    ports: usize,
    /// What it speaks
    #[arg(long, value_enum, default_value = "dual")]
    eras: Eras,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Eras {
    Legacy,
    Modern,
    Dual,
}

struct Server {
    pages: Pages,
    delay: Duration,
    service: Duration,
    eras: Eras,
}

pub(crate) fn serve(options: &Options) -> Result {
    let server = Arc::new(Server {
        pages: Pages::new(options.tools, options.page),
        delay: Duration::from_millis(options.delay),
        service: Duration::from_millis(options.service),
        eras: options.eras,
    });
    let mut urls = Vec::with_capacity(options.ports);
    for _ in 0..options.ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        urls.push(format!("http://{}/mcp", listener.local_addr()?));
        let server = Arc::clone(&server);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let server = Arc::clone(&server);
                // A client that goes away is no error of ours.
                thread::spawn(move || drop(server.converse(&connection)));
            }
        });
    }
    println!("{}", json!({"urls": urls}));
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

/// The parts of a message that an answer depends on.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<String>,
    #[serde(default)]
    params: Params,
}

#[derive(Default, Deserialize)]
struct Params {
    cursor: Option<String>,
    name: Option<String>,
    #[serde(rename = "protocolVersion")]
    version: Option<String>,
    #[serde(rename = "_meta")]
    meta: Option<Value>,
}

impl Server {
    fn converse(&self, connection: &TcpStream) -> io::Result<()> {
        connection.set_nodelay(true)?;
        let mut reader = BufReader::with_capacity(64 * 1024, connection);
        let mut writer = connection;
        let mut body = Vec::new();
        while let Some(request) = Request::read(&mut reader, &mut writer, &mut body)? {
            let (status, answer) =
                if request.post { self.answer(&body) } else { ("405 Method Not Allowed", String::new()) };
            thread::sleep(self.delay + request.path_delay);
            let mut bytes = Vec::with_capacity(answer.len() + 128);
            write!(
                bytes,
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                answer.len()
            )?;
            bytes.extend_from_slice(answer.as_bytes());
            writer.write_all(&bytes)?;
        }
        Ok(())
    }

    /// A status and a body.
    fn answer(&self, body: &[u8]) -> (&'static str, String) {
        let Ok(message) = serde_json::from_slice::<Message<'_>>(body) else {
            return ("400 Bad Request", failure("null", -32700, "Parse error"));
        };
        let Some(id) = message.id.map(RawValue::get) else { return ("202 Accepted", String::new()) };
        let params = &message.params;
        let modern = params.meta.as_ref().and_then(|m| m.get("io.modelcontextprotocol/protocolVersion")).is_some();
        let method = message.method.as_deref().unwrap_or_default();
        let known = match self.eras {
            Eras::Legacy => !modern && method != "server/discover",
            Eras::Modern => modern,
            Eras::Dual => true,
        };
        let result = match method {
            _ if !known => None,
            "initialize" => Some(welcome(params.version.as_deref()).to_string().into()),
            "server/discover" => Some(discovered().to_string().into()),
            "ping" => Some("{}".into()),
            "tools/list" => match self.pages.result(params.cursor.as_deref(), modern) {
                Some(page) => Some(page.into()),
                None => return ("200 OK", failure(id, -32602, "Invalid params: unknown cursor")),
            },
            "tools/call" => {
                thread::sleep(self.service);
                let done = called(params.name.as_deref().unwrap_or_default());
                Some(if modern { complete(done) } else { done }.to_string().into())
            }
            _ => None,
        };
        match result {
            Some(result) => ("200 OK", success(id, &result)),
            None if modern || method == "server/discover" => ("404 Not Found", failure(id, -32601, "Method not found")),
            None => ("200 OK", failure(id, -32601, "Method not found")),
        }
    }
}

fn success(id: &str, result: &std::borrow::Cow<'_, str>) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

fn failure(id: &str, code: i32, message: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#)
}

fn welcome(asked: Option<&str>) -> Value {
    let known = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
    let version = asked.filter(|version| known.contains(version)).unwrap_or(LEGACY);
    json!({"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "pace", "version": "1"}})
}

fn discovered() -> Value {
    complete(json!({"supportedVersions": [MODERN], "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "private"}))
}

/// What every result of the modern era has.
pub(crate) fn complete(mut result: Value) -> Value {
    if let Some(object) = result.as_object_mut() {
        object.insert("resultType".to_owned(), json!("complete"));
        object.insert(
            "_meta".to_owned(),
            json!({"io.modelcontextprotocol/serverInfo": {"name": "pace", "version": "1"}}),
        );
    }
    result
}

fn called(name: &str) -> Value {
    json!({"content": [{"type": "text", "text": format!("{name} ran")}]})
}

/// The head of a request.
struct Request {
    post: bool,
    /// Milliseconds that its path asks for, like /delay-250/mcp: one server is many gateways, some of them slow.
    path_delay: Duration,
}

impl Request {
    /// The next one, with its body in `body`; none when the client has closed.
    fn read(
        reader: &mut BufReader<&TcpStream>,
        writer: &mut &TcpStream,
        body: &mut Vec<u8>,
    ) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let path_delay = line
            .split_once("/delay-")
            .and_then(|(_, rest)| rest.split(['/', ' ']).next()?.parse().ok())
            .map_or(Duration::ZERO, Duration::from_millis);
        let request = Self { post: line.starts_with("POST "), path_delay };
        let (mut length, mut chunked) = (0, false);
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().map_err(|_| io::ErrorKind::InvalidData)?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("expect") {
                writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
        }
        body.clear();
        if chunked {
            while piece(reader, body)? {}
        } else {
            take(reader, body, length)?;
        }
        Ok(Some(request))
    }
}

fn take(reader: &mut BufReader<&TcpStream>, body: &mut Vec<u8>, length: usize) -> io::Result<()> {
    if body.len().saturating_add(length) > LARGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let start = body.len();
    body.resize(start + length, 0);
    reader.read_exact(body.get_mut(start..).unwrap_or_default())
}

/// One chunk; whether there are more.
fn piece(reader: &mut BufReader<&TcpStream>, body: &mut Vec<u8>) -> io::Result<bool> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let length = usize::from_str_radix(line.trim(), 16).map_err(|_| io::ErrorKind::InvalidData)?;
    take(reader, body, length)?;
    line.clear();
    reader.read_line(&mut line)?;
    Ok(length > 0)
}
