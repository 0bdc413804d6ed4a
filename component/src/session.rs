//! Agreeing with a peer: discovery in the modern era, the handshake in the legacy one, and the end of a session.
//! Takes an endpoint and the way out; gives a session. Must not offer what nobody is there to answer (sampling, roots, and elicitation but for
//! defaults), and must not take a peer for modern that has not proved it.

use std::time::Duration;

use serde::Deserialize;

use crate::{
    classify::{self, Context},
    gateways::{self, Product, Seen},
    http::{Failure, FailureKind, Headers, Level, Method, Outside, Request, Sent},
    mcp::{
        elicitation::Offer,
        era::{self, Verdict},
        exchange::{self, Ask, Dialogue, Progress, Reply},
        json_rpc,
        object::Object,
    },
    model::{
        Delivery, Endpoint, Era, Error, ForeignAnswer, Implementation, Kind, ProtocolProblem, RateLimit, Result,
        Session, Tokens,
    },
    text,
    verdicts::{self, SessionSent},
};

/// Hands out JSON-RPC ids: the tokens of an instance, from the first to the last, and then again.
#[derive(Debug)]
pub struct Ids {
    tokens: Tokens,
    used: u32,
}

impl Ids {
    /// Counts through these.
    #[must_use]
    pub fn new(tokens: Tokens) -> Self {
        Self { tokens, used: 0 }
    }

    /// The next one.
    pub fn hand_out(&mut self) -> u64 {
        if self.used >= self.tokens.count {
            self.used = 0;
        }
        let id = u64::from(self.tokens.first).saturating_add(u64::from(self.used));
        self.used = self.used.saturating_add(1);
        id
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hello {
    #[serde(default)]
    protocol_version: Option<String>,
    #[serde(default)]
    server_info: Option<serde_json::Value>,
    #[serde(default)]
    capabilities: Option<serde_json::Value>,
    #[serde(default, rename = "_meta")]
    meta: Option<serde_json::Value>,
}

impl Hello {
    fn server(&self) -> Implementation {
        let info = self
            .server_info
            .as_ref()
            .or_else(|| self.meta.as_ref().and_then(|meta| meta.get("io.modelcontextprotocol/serverInfo")));
        let text = |name: &str| {
            info.and_then(|info| info.get(name))
                .and_then(serde_json::Value::as_str)
                .map(text::clean)
                .unwrap_or_default()
        };
        Implementation { name: text("name"), version: text("version") }
    }

    fn announces_tool_changes(&self) -> bool {
        self.capabilities
            .as_ref()
            .and_then(|capabilities| capabilities.get("tools")?.get("listChanged")?.as_bool())
            .unwrap_or(false)
    }
}

/// Finds out how the peer speaks, and agrees with it.
///
/// # Errors
///
/// No agreement: the peer is away, refuses, or is no MCP server.
pub fn open(outside: &dyn Outside, endpoint: &Endpoint, ids: &mut Ids) -> Result<Session> {
    match endpoint.era {
        Some(Era::Modern) if endpoint.era_is_fixed => modern(outside, endpoint, ids),
        Some(Era::Legacy) if endpoint.era_is_fixed => handshake(outside, endpoint, ids).map_err(Handshake::into_error),
        Some(Era::Legacy) => match handshake(outside, endpoint, ids) {
            Err(Handshake::ModernOnly(error)) => proven(outside, endpoint, ids)?.ok_or(error),
            agreed => agreed.map_err(Handshake::into_error),
        },
        Some(Era::Modern) | None => find_out(outside, endpoint, ids),
    }
}

/// A session in the other era, with a peer that lists nothing in this one. None: there is no other.
///
/// # Errors
///
/// No agreement with the peer.
pub fn other(outside: &dyn Outside, endpoint: &Endpoint, era: Era, ids: &mut Ids) -> Result<Option<Session>> {
    match era {
        Era::Modern => handshake(outside, endpoint, ids).map(Some).map_err(Handshake::into_error),
        Era::Legacy => match probe(outside, endpoint, ids, Some(patience(endpoint)))? {
            Probe::Modern(session) => Ok(Some(session)),
            _ => Ok(None),
        },
    }
}

/// How long to wait for what may remain without an answer, by peers that do not know it: a short time of its own, and never so
/// much that nothing is left for what follows.
fn patience(endpoint: &Endpoint) -> Duration {
    Duration::from_millis(u64::from(endpoint.timeout_ms) / 4).min(LONGEST_PATIENCE)
}

const LONGEST_PATIENCE: Duration = Duration::from_millis(2_500);

/// Asks in the modern era first: only a peer that proves to be modern is spoken to so. All others get the handshake.
fn find_out(outside: &dyn Outside, endpoint: &Endpoint, ids: &mut Ids) -> Result<Session> {
    let asked = probe(outside, endpoint, ids, Some(patience(endpoint)))?;
    if let Probe::Modern(session) = asked {
        return Ok(session);
    }
    let error = match handshake(outside, endpoint, ids) {
        Ok(session) => return Ok(session),
        Err(Handshake::ModernOnly(error)) => return proven(outside, endpoint, ids)?.ok_or(error),
        Err(Handshake::Failed(error)) => error,
    };
    match asked {
        // What a modern peer says of our request explains more than how it refuses the handshake.
        Probe::Refused(refusal) => Err(refusal),
        // Neither method is known, and 404 is how the modern era says so: a modern peer without discovery.
        Probe::NoSuchMethod(session) if is_unknown_method(&error) => Ok(session),
        // It may only have been slow.
        Probe::Silent if is_unknown_method(&error) => proven(outside, endpoint, ids)?.ok_or(error),
        _ => Err(error),
    }
}

fn is_unknown_method(error: &Error) -> bool {
    matches!(error, Error::Rejected(fault) if fault.code == -32_601)
}

/// The user says that the peer is modern: then it is spoken to so, whatever it makes of discovery.
fn modern(outside: &dyn Outside, endpoint: &Endpoint, ids: &mut Ids) -> Result<Session> {
    match probe(outside, endpoint, ids, None)? {
        Probe::Modern(session) | Probe::NoSuchMethod(session) => Ok(session),
        Probe::Refused(error) => Err(error),
        Probe::Unproven(reply) => refuse(reply, &discovery_context(outside, endpoint)),
        Probe::Silent => Err(unproven("the answer to server/discover was lost")),
    }
}

/// Asked again, with all the time there is: the answer to the handshake was that of a modern peer.
fn proven(outside: &dyn Outside, endpoint: &Endpoint, ids: &mut Ids) -> Result<Option<Session>> {
    Ok(match probe(outside, endpoint, ids, None)? {
        Probe::Modern(session) | Probe::NoSuchMethod(session) => Some(session),
        Probe::Refused(error) => return Err(error),
        Probe::Silent | Probe::Unproven(_) => None,
    })
}

/// What became of the first modern request.
enum Probe {
    /// The peer is modern.
    Modern(Session),
    /// The peer is modern, and not to be spoken to.
    Refused(Error),
    /// No such method; the session is the one to use if it is modern all the same.
    NoSuchMethod(Session),
    /// An answer that says nothing of eras.
    Unproven(Reply),
    /// No answer, or none in time.
    Silent,
}

const DISCOVER: &str = "server/discover";

fn discovery_context<'a>(outside: &dyn Outside, endpoint: &Endpoint) -> Context<'a> {
    Context {
        method: DISCOVER,
        session: SessionSent::No,
        product: known_product(endpoint),
        service: None,
        now: outside.now(),
    }
}

fn probe(outside: &dyn Outside, endpoint: &Endpoint, ids: &mut Ids, within: Option<Duration>) -> Result<Probe> {
    let context = discovery_context(outside, endpoint);
    let mut again = true;
    loop {
        let mut session = Session {
            era: Era::Modern,
            protocol_version: era::MODERN.to_owned(),
            session_id: None,
            kind: Kind::Generic,
            kind_evidence: String::new(),
            server: Implementation::default(),
            announces_tool_changes: false,
        };
        let id = ids.hand_out();
        let discovery = era::params(Era::Modern, &endpoint.client, Object::default(), Object::default());
        let asked = exchange::ask(
            outside,
            Ask {
                url: &endpoint.url,
                method: DISCOVER,
                id,
                body: json_rpc::request(id, DISCOVER, &discovery),
                headers: era::headers(&session, DISCOVER, None),
                dialogue: Dialogue::AnswersOnly,
                token: None,
                progress: Progress::Unwanted,
                within,
            },
        );
        let reply = match asked {
            Ok(reply) => reply,
            Err(failure) if within.is_some() && may_be_the_question(&failure) => {
                let line =
                    format!("no answer to {DISCOVER} ({}): asking with initialize", text::clean(&failure.detail));
                outside.log(Level::Debug, "session", &line);
                return Ok(Probe::Silent);
            }
            Err(failure) => return Err(verdicts::transport(&failure)),
        };
        match era::judge(&reply) {
            Verdict::Modern(result) => {
                let hello: Hello = serde_json::from_str(&result).unwrap_or_default();
                session.server = hello.server();
                session.announces_tool_changes = hello.announces_tool_changes();
                (session.kind, session.kind_evidence) = kind(endpoint, &reply.headers, &session.server);
                return Ok(Probe::Modern(session));
            }
            Verdict::NoSuchMethod => {
                (session.kind, session.kind_evidence) = kind(endpoint, &reply.headers, &session.server);
                return Ok(Probe::NoSuchMethod(session));
            }
            Verdict::OtherVersion(versions) if again && versions.iter().any(|version| version == era::MODERN) => {
                again = false;
            }
            // The handshake is for those.
            Verdict::OtherVersion(versions)
                if versions.iter().any(|version| era::LEGACY.contains(&version.as_str())) =>
            {
                return Ok(Probe::Unproven(reply));
            }
            Verdict::OtherVersion(versions) => {
                let versions = text::clean(&versions.join(", "));
                return Ok(Probe::Refused(unproven(&format!(
                    "the peer speaks none of our revisions, only: {versions}"
                ))));
            }
            Verdict::ModernRefusal => return refuse(reply, &context).or_else(|error| Ok(Probe::Refused(error))),
            Verdict::Unproven if reply.status == 429 => {
                // Whom ContextForge has locked out it shuts out of everything, for longer with every request.
                if reply.headers.get("x-lockout-remaining").is_some() {
                    return refuse(reply, &context);
                }
                pause(outside, endpoint, &reply, &context);
                return Ok(Probe::Silent);
            }
            Verdict::Unproven => return Ok(Probe::Unproven(reply)),
        }
    }
}

/// A short wait, where the peer asks for one: the limit may be on everything, or on questions that it does not know. Who asks for a long
/// one gets the handshake at once, as from every other client.
fn pause(outside: &dyn Outside, endpoint: &Endpoint, reply: &Reply, context: &Context<'_>) {
    let limited = verdicts::by_status(reply.status, &reply.headers, &reply.body, context.session, context.now);
    let Some(Error::RateLimited(RateLimit { retry_after: Some(seconds), .. })) = limited else { return };
    let wait = Duration::from_secs(u64::from(seconds));
    if wait <= patience(endpoint) {
        outside.sleep(wait);
    }
}

/// Whether another question may be answered where this one was not: it arrived, or some of it.
fn may_be_the_question(failure: &Failure) -> bool {
    failure.sent == Sent::Maybe && !matches!(failure.kind, FailureKind::Denied | FailureKind::Dns | FailureKind::Tls)
}

fn unproven(problem: &str) -> Error {
    Error::Protocol(ProtocolProblem {
        method: DISCOVER.to_owned(),
        problem: problem.to_owned(),
        delivery: Delivery::NotDelivered,
    })
}

fn refuse<T>(reply: Reply, context: &Context<'_>) -> Result<T> {
    let status = reply.status;
    Err(classify::reply(reply, context).err().unwrap_or_else(|| {
        Error::Protocol(ProtocolProblem {
            method: context.method.to_owned(),
            problem: format!("a result with HTTP {status}"),
            delivery: Delivery::NotDelivered,
        })
    }))
}

/// Why there is no legacy session.
enum Handshake {
    /// The peer speaks the modern era only.
    ModernOnly(Error),
    Failed(Error),
}

impl Handshake {
    fn into_error(self) -> Error {
        match self {
            Self::ModernOnly(error) | Self::Failed(error) => error,
        }
    }
}

impl From<Error> for Handshake {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

fn handshake(outside: &dyn Outside, endpoint: &Endpoint, ids: &mut Ids) -> Result<Session, Handshake> {
    let mut offered = era::OFFERED;
    let reply = loop {
        let reply = initialize(outside, endpoint, ids.hand_out(), offered)?;
        let Ok(json_rpc::Answer::Error(fault)) = &reply.answer else {
            break reply;
        };
        let supported = era::supported(fault);
        let older = era::LEGACY.iter().copied().find(|known| supported.iter().any(|theirs| theirs == known));
        match older {
            // By the specification the peer proposes a version; some refuse instead and list theirs.
            Some(older) if offered == era::OFFERED && older != offered => offered = older,
            _ if era::refuses_handshake(&reply) => {
                return Err(Handshake::ModernOnly(
                    refuse::<()>(reply, &context(outside, endpoint)).err().unwrap_or_else(unreachable_error),
                ));
            }
            _ => break reply,
        }
    };
    let (status, headers) = (reply.status, reply.headers.clone());
    let result = match classify::reply(reply, &context(outside, endpoint)) {
        Ok(result) => result,
        Err(Error::NotMcp(foreign)) => {
            return Err(Handshake::Failed(Error::NotMcp(old_transport(outside, endpoint, foreign))));
        }
        Err(error) => return Err(Handshake::Failed(error)),
    };
    let session = accept(endpoint, status, &headers, &result)?;
    confirm(outside, endpoint, &session)?;
    Ok(session)
}

fn unreachable_error() -> Error {
    Error::Protocol(ProtocolProblem {
        method: "initialize".to_owned(),
        problem: "the peer speaks another revision".to_owned(),
        delivery: Delivery::NotDelivered,
    })
}

fn context(outside: &dyn Outside, endpoint: &Endpoint) -> Context<'static> {
    Context {
        method: "initialize",
        session: SessionSent::No,
        product: known_product(endpoint),
        service: None,
        now: outside.now(),
    }
}

/// What is offered to this peer: elicitation only where the user said that it is a plain MCP server.
#[must_use]
pub fn offer(endpoint: &Endpoint) -> Offer {
    if endpoint.kind == Some(Kind::Generic) { Offer::Defaults } else { Offer::Nothing }
}

fn known_product(endpoint: &Endpoint) -> &'static dyn Product {
    gateways::product(endpoint.kind.unwrap_or(Kind::Generic))
}

fn initialize(outside: &dyn Outside, endpoint: &Endpoint, id: u64, offered: &str) -> Result<Reply> {
    let params = Object::default()
        .with("protocolVersion", offered)
        .with("capabilities", &offer(endpoint).capabilities())
        .with("clientInfo", &era::client_info(&endpoint.client));
    exchange::ask(
        outside,
        Ask {
            url: &endpoint.url,
            method: "initialize",
            id,
            body: json_rpc::request(id, "initialize", &params),
            headers: Vec::new(),
            dialogue: Dialogue::Both(offer(endpoint)),
            token: None,
            progress: Progress::Unwanted,
            within: None,
        },
    )
    .map_err(|failure| verdicts::transport(&failure))
}

fn accept(endpoint: &Endpoint, status: u16, headers: &Headers, result: &str) -> Result<Session> {
    let hello: Hello = serde_json::from_str(result).unwrap_or_default();
    let problem = |problem: String| {
        Error::Protocol(ProtocolProblem { method: "initialize".to_owned(), problem, delivery: Delivery::NotDelivered })
    };
    let Some(version) = &hello.protocol_version else {
        return Err(Error::NotMcp(ForeignAnswer {
            http_status: status,
            content_type: headers.get("content-type").map(text::clean),
            problem: "the answer to initialize has no protocolVersion".to_owned(),
            body: text::clean(result),
            delivery: Delivery::NotDelivered,
        }));
    };
    if !era::LEGACY.contains(&version.as_str()) {
        return Err(problem(format!(
            "the peer answered with the unknown revision \"{}\"; known are {}",
            text::clean(version),
            era::LEGACY.join(", ")
        )));
    }
    let session_id = headers.get("mcp-session-id").filter(|id| !id.is_empty()).map(str::to_owned);
    // The specification has no space in it; some servers do, and it does no harm in a header.
    if session_id.as_ref().is_some_and(|id| !id.bytes().all(|byte| (0x20..=0x7e).contains(&byte))) {
        return Err(problem("Mcp-Session-Id has characters other than visible ASCII and spaces".to_owned()));
    }
    let server = hello.server();
    let (kind, kind_evidence) = kind(endpoint, headers, &server);
    Ok(Session {
        era: Era::Legacy,
        protocol_version: version.clone(),
        session_id,
        kind,
        kind_evidence,
        announces_tool_changes: hello.announces_tool_changes(),
        server,
    })
}

fn kind(endpoint: &Endpoint, headers: &Headers, server: &Implementation) -> (Kind, String) {
    endpoint.kind.map_or_else(
        || gateways::detect(&Seen { url: &endpoint.url, headers, server }),
        |kind| (kind, "configured".to_owned()),
    )
}

/// `notifications/initialized`. Nothing that comes back for a notification is a reason to stop, not even silence: what follows tells whether
/// the session is good. Only 429 is: who goes on asking can be locked out.
fn confirm(outside: &dyn Outside, endpoint: &Endpoint, session: &Session) -> Result<()> {
    const METHOD: &str = "notifications/initialized";
    let headers = era::headers(session, METHOD, None);
    let message = json_rpc::notification(METHOD, None);
    match exchange::tell(outside, &endpoint.url, &headers, message, Some(patience(endpoint))) {
        Ok((429, headers, body)) => {
            let context = Context { method: METHOD, ..context(outside, endpoint) };
            return verdicts::by_status(429, &headers, &body, context.session, context.now).map_or(Ok(()), Err);
        }
        Ok((status, _, body)) if status >= 300 => {
            outside.log(Level::Warn, "session", &format!("{METHOD} was answered with HTTP {status}: {body}"));
        }
        Ok(_) => {}
        Err(failure) => {
            let line = format!("{METHOD} was not answered: {}", text::clean(&failure.detail));
            outside.log(Level::Warn, "session", &line);
        }
    }
    Ok(())
}

/// When `initialize` is refused, a GET tells whether the peer speaks the transport of 2024-11-05 (specification, backwards
/// compatibility). That stream is not read: its kind says enough.
fn old_transport(outside: &dyn Outside, endpoint: &Endpoint, foreign: ForeignAnswer) -> ForeignAnswer {
    if !matches!(foreign.http_status, 400 | 404 | 405) {
        return foreign;
    }
    let headers = vec![("Accept".to_owned(), "text/event-stream".to_owned())];
    let request = Request { method: Method::Get, url: endpoint.url.clone(), headers, body: Vec::new(), within: None };
    match outside.send(request) {
        Ok(response) if response.status == 200 && response.headers.media_type().as_deref() == Some("text/event-stream") => ForeignAnswer {
            problem: "it speaks the old HTTP+SSE transport (2024-11-05), not Streamable HTTP; most such servers have a Streamable HTTP URL too, \
                      often ending in /mcp"
                .to_owned(),
            ..foreign
        },
        _ => foreign,
    }
}

/// Ends a legacy session at the peer. Servers that do not support it (405) are no error.
///
/// # Errors
///
/// The transport failed, or the host stopped it.
pub fn end(outside: &dyn Outside, url: &str, session: &Session) -> Result<()> {
    if session.era == Era::Modern || session.session_id.is_none() {
        return Ok(());
    }
    let headers = era::headers(session, "", None);
    let request = Request { method: Method::Delete, url: url.to_owned(), headers, body: Vec::new(), within: None };
    outside.send(request).map(|_| ()).map_err(|failure| verdicts::transport(&failure))
}
