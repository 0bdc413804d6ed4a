//! Faults by name: what a gateway, or what stands before it, can do wrong, and what a user must be told then.
//! Takes a fault of the table; gives a running [`Fake`] that has it, around a gateway that is otherwise well.
//! Never has an expectation that cannot be looked up: the table is also the reference page `docs/reference/faults.md`.

mod acts;
mod catalog;
mod connection;
mod eras;
mod http_answers;
mod page;
mod products;
mod sse;
mod table;

use std::{
    fmt, io,
    sync::Arc,
    sync::atomic::{AtomicUsize, Ordering},
};

use pflow_gateway::Class;
use serde_json::Value;

pub use page::reference_page;
pub use table::all;

use crate::{
    generic::{Config, Generic, Sessions},
    reply::{Answer, Payload, Reply},
    server::{Answering, Fake, Gateway, Transport},
    services, tls,
    wire::{Seen, WireLog},
};

/// Where a fault sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Below HTTP.
    Connection,
    /// Certificates, and TLS where there is none.
    Tls,
    /// Statuses, headers, bodies.
    Http,
    /// Event streams.
    Sse,
    /// Messages.
    JsonRpc,
    /// With or without `initialize`.
    Era,
    /// What MCP asks of a server.
    Mcp,
    /// `nextCursor`.
    Paging,
    /// `Mcp-Session-Id`.
    Session,
    /// Credentials.
    Auth,
    /// 429.
    RateLimit,
    /// `tools/call`.
    Call,
    /// A service behind the gateway.
    Backend,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "Connection",
            Self::Tls => "TLS",
            Self::Http => "HTTP",
            Self::Sse => "SSE",
            Self::JsonRpc => "JSON-RPC",
            Self::Era => "Eras",
            Self::Mcp => "MCP",
            Self::Paging => "Paging",
            Self::Session => "Session",
            Self::Auth => "Authentication",
            Self::RateLimit => "Rate limit",
            Self::Call => "Calls",
            Self::Backend => "Services behind the gateway",
        })
    }
}

/// What a command must report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It works, and nothing needs to be said.
    Good,
    /// It works, and a warning holds this word.
    Warns(&'static str),
    /// `error.class`.
    Fails(Class),
    /// The tool ran and reported an error of its own: `ok` is false, the result is there, and `error` says whose it is.
    ToolFails,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good => f.write_str("good"),
            Self::Warns(_) => f.write_str("good, with a warning"),
            Self::Fails(class) => write!(f, "`{}`", class.as_str()),
            Self::ToolFails => f.write_str("the tool's own error"),
        }
    }
}

/// What `pflow run` must end with, when its one step calls the tool through `serve`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pflow {
    /// Exit code 0.
    Good,
    /// Exit code 1, and the class in what it prints.
    Fails(Class),
    /// Exit code 1, and these words in what it prints.
    Words(&'static str),
}

impl fmt::Display for Pflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good => f.write_str("good"),
            Self::Fails(class) => write!(f, "`{}`", class.as_str()),
            Self::Words(_) => f.write_str("the tool's own error"),
        }
    }
}

/// Which requests meet the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// None gets that far.
    Connection,
    /// Every one.
    Every,
    /// Every JSON-RPC request that the gateway would answer well.
    Answers,
    /// One JSON-RPC method.
    Method(&'static str),
    /// `tools/list` with a cursor.
    LaterPage,
    /// `DELETE`.
    Delete,
}

/// Whether the tool can have run when the call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// It can, as far as a client can tell.
    Maybe,
    /// What came back says that it did not.
    No,
}

/// How long it takes until a command reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// At once: well before the deadline.
    AtOnce,
    /// At the deadline.
    AtDeadline,
}

/// What the fault does to a request that meets it. None: nothing, this time.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    /// Nothing: it is in the connection.
    Connection,
    /// Replies in place of the gateway.
    Reply(fn(&Turn<'_>) -> Option<Reply>),
    /// Replies with what it makes of the gateway's good message.
    Message(fn(&Turn<'_>, Value) -> Option<Reply>),
}

/// How the fake listens, and which URL a client is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connect {
    /// As usual.
    Plain,
    /// Nothing listens.
    Refused,
    /// The connection never comes about.
    NeverAccepted,
    /// Connected, and nobody reads.
    NeverRead,
    /// Closed as soon as it is open.
    ClosedAtOnce,
    /// The host has no address.
    UnknownHost,
    /// TLS with a certificate that nobody vouches for.
    SelfSigned,
    /// TLS with a trusted certificate for another host.
    WrongHost,
    /// TLS with a trusted certificate: no fault.
    Trusted,
    /// An `https` URL, no TLS behind it.
    PlainBehindHttps,
    /// An `http` URL, TLS behind it.
    TlsBehindHttp,
}

/// A request that meets a fault.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) seen: &'a Seen,
    /// How many requests met the fault before.
    pub(crate) times: usize,
}

impl Turn<'_> {
    pub(crate) fn once(&self) -> bool {
        self.times == 0
    }

    pub(crate) fn cursor(&self) -> Option<&str> {
        self.seen.param("cursor").and_then(Value::as_str)
    }
}

/// One fault.
#[derive(Clone)]
pub struct Fault {
    /// Its name, for people and for `fake-gateway fault NAME`.
    pub name: &'static str,
    /// Where it sits.
    pub family: Family,
    /// What the gateway does, in one sentence.
    pub does: &'static str,
    /// Which requests meet it.
    pub stage: Stage,
    /// How it listens.
    pub connect: Connect,
    /// What `test` must report.
    pub test: Outcome,
    /// What `tools` must report.
    pub tools: Outcome,
    /// What `call` must report.
    pub call: Outcome,
    /// When it must be reported.
    pub ends: Ends,
    /// What `--timeout` says, in seconds.
    pub deadline: u64,
    /// HTTP requests that one command may send at most.
    pub requests: usize,
    /// `tools/call` that one `call` may send at most.
    pub calls: usize,
    /// Whether the tool can have run, once a `tools/call` was on the wire.
    pub ran: Ran,
    /// The tool that `call` calls.
    pub tool: &'static str,
    /// What a client sends as its token, when it matters.
    pub token: Option<fn() -> String>,
    /// What a tool that reports an error of its own says. `pflow run` must show it.
    pub words: Option<&'static str>,
    pub(crate) act: Act,
    pub(crate) inner: fn() -> Config,
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault").field("name", &self.name).field("family", &self.family).finish_non_exhaustive()
    }
}

/// A running fault.
pub struct Faulty {
    /// The URL to give to a client.
    pub url: String,
    /// A PEM that the client must trust, for faults that are about something else.
    pub ca: Option<String>,
    /// What was asked.
    pub log: WireLog,
    /// The gateway behind the fault.
    pub gateway: Generic,
    _fake: Option<Fake>,
}

/// The gateway around which faults are built: 15 tools of three services in pages of 5.
#[must_use]
pub fn usual() -> Config {
    Config { page: Some(5), ..Config::default() }
}

/// The same, with the fingerprint of Docker MCP Gateway.
#[must_use]
pub fn docker_like() -> Config {
    Config { server: ("Docker AI MCP Gateway".to_owned(), "2.0.1".to_owned()), ..usual() }
}

/// The same, with the fingerprint of `ContextForge`.
#[must_use]
pub fn forge_like() -> Config {
    let runtime = ("x-contextforge-mcp-runtime".to_owned(), "python".to_owned());
    Config { headers: vec![runtime], sessions: Sessions::None, ..usual() }
}

impl Fault {
    /// What `pflow run` must end with: what `call` reports, or what the tool itself says.
    #[must_use]
    pub fn pflow(&self) -> Pflow {
        match self.call {
            Outcome::Good | Outcome::Warns(_) => Pflow::Good,
            Outcome::Fails(class) => Pflow::Fails(class),
            Outcome::ToolFails => Pflow::Words(self.words.unwrap_or_default()),
        }
    }

    /// The fault of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        all().into_iter().find(|f| f.name == name)
    }

    /// Starts a gateway with this fault.
    pub async fn start(&self) -> io::Result<Faulty> {
        self.start_with(WireLog::default(), 0).await
    }

    /// The same, with a log and a port.
    pub async fn start_with(&self, log: WireLog, port: u16) -> io::Result<Faulty> {
        let gateway = Generic::new((self.inner)());
        let server = Arc::new(Played { fault: self.clone(), inner: gateway.clone(), times: AtomicUsize::new(0) });
        let mut ca = None;
        let transport = match self.connect {
            Connect::NeverAccepted => Transport::NeverAccept,
            Connect::NeverRead => Transport::NeverRead,
            Connect::ClosedAtOnce => Transport::CloseAtOnce,
            Connect::SelfSigned | Connect::WrongHost | Connect::Trusted | Connect::TlsBehindHttp => {
                let names: &[&str] =
                    if self.connect == Connect::WrongHost { &["gateway.example"] } else { &["localhost", "127.0.0.1"] };
                let (acceptor, pem) = tls::self_signed(names)?;
                if matches!(self.connect, Connect::WrongHost | Connect::Trusted) {
                    ca = Some(pem);
                }
                Transport::Tls(acceptor)
            }
            Connect::Plain | Connect::Refused | Connect::UnknownHost | Connect::PlainBehindHttps => Transport::Plain,
        };
        let fake = Fake::start_with(server, transport, log.clone(), port).await?;
        let url = match self.connect {
            Connect::Refused => format!("http://{}/mcp", Fake::nowhere().await?),
            Connect::UnknownHost => fake.url_as("http", "no-such-host.invalid"),
            Connect::PlainBehindHttps => fake.url_as("https", "127.0.0.1"),
            Connect::TlsBehindHttp => fake.url_as("http", "127.0.0.1"),
            Connect::SelfSigned | Connect::WrongHost | Connect::Trusted => fake.url_as("https", "localhost"),
            Connect::Plain | Connect::NeverAccepted | Connect::NeverRead | Connect::ClosedAtOnce => fake.url(),
        };
        Ok(Faulty { url, ca, log, gateway, _fake: Some(fake) })
    }

    fn meets(&self, seen: &Seen) -> bool {
        match self.stage {
            Stage::Connection => false,
            Stage::Every => true,
            Stage::Answers => seen.method == "POST" && seen.rpc_method().is_some() && !seen.rpc_id().is_null(),
            Stage::Method(method) => seen.rpc_method() == Some(method),
            Stage::LaterPage => seen.rpc_method() == Some("tools/list") && seen.param("cursor").is_some(),
            Stage::Delete => seen.method == "DELETE",
        }
    }
}

/// A gateway that plays a fault.
struct Played {
    fault: Fault,
    inner: Generic,
    times: AtomicUsize,
}

impl Gateway for Played {
    fn answer<'a>(&'a self, seen: &'a Seen) -> Answering<'a> {
        Box::pin(async move {
            if !self.fault.meets(seen) {
                return self.inner.answer(seen).await;
            }
            match self.fault.act {
                Act::Connection => self.inner.answer(seen).await,
                Act::Reply(act) => {
                    let turn = Turn { seen, times: self.times.fetch_add(1, Ordering::Relaxed) };
                    match act(&turn) {
                        Some(reply) => reply,
                        None => self.inner.answer(seen).await,
                    }
                }
                Act::Message(act) => {
                    let reply = self.inner.answer(seen).await;
                    let Some(message) = good_message(&reply) else {
                        return reply;
                    };
                    let turn = Turn { seen, times: self.times.fetch_add(1, Ordering::Relaxed) };
                    match act(&turn, message) {
                        Some(Reply::Answer(answer)) => Reply::Answer(keep_session(answer, &reply)),
                        Some(script) => script,
                        None => reply,
                    }
                }
            }
        })
    }
}

/// The message of a good answer.
fn good_message(reply: &Reply) -> Option<Value> {
    let Reply::Answer(Answer { status: 200, payload: Payload::Whole(body), .. }) = reply else {
        return None;
    };
    let message: Value = serde_json::from_slice(body).ok()?;
    message.get("result").is_some().then_some(message)
}

/// A fault in a message is not one of the session.
fn keep_session(mut answer: Answer, good: &Reply) -> Answer {
    if let Reply::Answer(good) = good {
        answer
            .headers
            .extend(good.headers.iter().filter(|(n, _)| n == "Mcp-Session-Id" || n.starts_with("x-")).cloned());
    }
    answer
}

/// A service of tools that the tests of lists use.
pub(crate) fn one_service(count: usize) -> Config {
    Config { services: vec![services::numbered("svc", count)], ..Config::default() }
}
