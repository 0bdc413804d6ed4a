//! The wire log: what a client asked of a fake, in order.
//! Takes requests as they come off the socket; gives records to assert on, and JSON lines for other processes.
//! Never keeps the value of a credential: only whether there was one.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use pflow_gateway_base::sync::Mutex;
use serde::Serialize;
use serde_json::Value;

/// Headers whose values are never kept.
const SECRET: &[&str] = &["authorization", "cookie", "proxy-authorization", "x-api-key", "x-gateway-key"];

/// One request as it came off the socket. Header names are in lower case.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `POST`.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// In order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body, any chunking undone.
    pub body: Bytes,
    /// The body as JSON, when it is.
    pub message: Option<Value>,
    /// Which connection it came on, counted from 1.
    pub connection: u64,
    /// Its number in the log, counted from 0.
    pub number: usize,
}

impl Seen {
    /// The first header of this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The target without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// One parameter of the query, not decoded.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| pair.split_once('=').filter(|(n, _)| *n == name).map(|(_, v)| v))
    }

    /// The JSON-RPC method, when the body is a request or a notification.
    #[must_use]
    pub fn rpc_method(&self) -> Option<&str> {
        self.message.as_ref()?.get("method")?.as_str()
    }

    /// The JSON-RPC id; null when there is none.
    #[must_use]
    pub fn rpc_id(&self) -> Value {
        self.message.as_ref().and_then(|m| m.get("id")).cloned().unwrap_or(Value::Null)
    }

    /// A member of `params`.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&Value> {
        self.message.as_ref()?.get("params")?.get(name)
    }
}

/// One line of the log.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// Seconds since 1970-01-01 UTC.
    pub time: f64,
    /// Milliseconds since the fake started.
    pub ms: f64,
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// `Mcp-Session-Id`.
    pub session: Option<String>,
    /// JSON-RPC method.
    pub rpc: Option<String>,
    /// JSON-RPC id.
    pub id: Value,
    /// `params.name` of a `tools/call`.
    pub tool: Option<String>,
    /// Whether a credential came along. Never which.
    pub auth: bool,
    /// `MCP-Protocol-Version`.
    pub protocol: Option<String>,
    /// Which connection it came on, counted from 1.
    pub connection: u64,
    /// All headers but credentials.
    #[serde(skip)]
    pub headers: Vec<(String, String)>,
    /// The JSON-RPC message.
    #[serde(skip)]
    pub message: Option<Value>,
    /// The client went away before the answer was complete.
    #[serde(skip)]
    pub abandoned: bool,
}

impl Record {
    /// The first header of this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

#[derive(Debug)]
struct Inner {
    started: Instant,
    records: Mutex<Vec<Record>>,
    file: Mutex<Option<File>>,
}

/// A log, shared by all connections of a fake.
#[derive(Clone, Debug)]
pub struct WireLog {
    inner: Arc<Inner>,
}

impl Default for WireLog {
    fn default() -> Self {
        Self::new(None)
    }
}

impl WireLog {
    fn new(file: Option<File>) -> Self {
        let inner = Inner { started: Instant::now(), records: Mutex::default(), file: Mutex::new(file) };
        Self { inner: Arc::new(inner) }
    }

    /// A log that also appends a JSON line per request to a file.
    pub fn to_file(path: &Path) -> io::Result<Self> {
        Ok(Self::new(Some(File::options().create(true).append(true).open(path)?)))
    }

    /// Adds a request and tells its number.
    pub(crate) fn add(&self, seen: &Seen) -> usize {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let tool = (seen.rpc_method() == Some("tools/call")).then(|| seen.param("name")?.as_str().map(str::to_owned));
        let record = Record {
            time: now.as_secs_f64(),
            ms: self.inner.started.elapsed().as_secs_f64() * 1000.0,
            method: seen.method.clone(),
            path: seen.target.clone(),
            session: seen.header("mcp-session-id").map(str::to_owned),
            rpc: seen.rpc_method().map(str::to_owned),
            id: seen.rpc_id(),
            tool: tool.flatten(),
            auth: seen.headers.iter().any(|(name, _)| SECRET.contains(&name.as_str())),
            protocol: seen.header("mcp-protocol-version").map(str::to_owned),
            connection: seen.connection,
            headers: seen.headers.iter().filter(|(name, _)| !SECRET.contains(&name.as_str())).cloned().collect(),
            message: seen.message.clone(),
            abandoned: false,
        };
        if let (Some(file), Ok(mut line)) = (self.inner.file.lock().as_mut(), serde_json::to_string(&record)) {
            line.push('\n');
            // One write per line: another process reads the file while it grows.
            let _ = file.write_all(line.as_bytes());
        }
        let mut records = self.inner.records.lock();
        records.push(record);
        records.len() - 1
    }

    pub(crate) fn abandon(&self, number: usize) {
        if let Some(record) = self.inner.records.lock().get_mut(number) {
            record.abandoned = true;
        }
    }

    /// All requests so far.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.inner.records.lock().clone()
    }

    /// Number of requests so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.records.lock().len()
    }

    /// Nothing was asked yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many times this JSON-RPC method was sent.
    #[must_use]
    pub fn count(&self, rpc: &str) -> usize {
        self.inner.records.lock().iter().filter(|r| r.rpc.as_deref() == Some(rpc)).count()
    }

    /// Forgets what was seen.
    pub fn clear(&self) {
        self.inner.records.lock().clear();
    }

    /// The requests in one line each, for the message of a failing test.
    #[must_use]
    pub fn summary(&self) -> String {
        let records = self.records();
        let lines = records.iter().map(|r| {
            let rpc = r.rpc.as_deref().unwrap_or("-");
            format!(
                "{:7.0} ms  #{} {} {} {rpc} {}",
                r.ms,
                r.connection,
                r.method,
                r.path,
                r.tool.as_deref().unwrap_or("")
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
