//! Agreeing with a peer: discovery in the modern era, the handshake in the legacy one, and the end of a session.
//! Takes an endpoint and the way out; gives a session. Must not offer what nobody is there to answer (sampling, roots, and elicitation but for defaults).

use serde::Deserialize;

use super::{
    elicitation::Offer,
    era::{self, Verdict},
    exchange::{self, Ask, Dialogue, Progress, Reply},
    json_rpc::{self, quote},
};
use crate::{
    classify::{self, Context, SessionSent},
    gateways::{self, Product, Seen},
    http::{Headers, Level, Method, Outside, Request},
    model::{Delivery, Endpoint, Era, Error, ForeignAnswer, Implementation, Kind, ProtocolProblem, Result, Session},
    text,
};

/// Hands out JSON-RPC ids.
#[derive(Debug)]
pub struct Ids(u64);

impl Ids {
    /// Counts up from here.
    #[must_use]
    pub fn new(first: u64) -> Self {
        Self(first)
    }

    /// The next one.
    pub fn hand_out(&mut self) -> u64 {
        let id = self.0;
        self.0 = self.0.saturating_add(1);
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
    if endpoint.era == Some(Era::Legacy) {
        return match handshake(outside, endpoint, ids) {
            Ok(session) => Ok(session),
            Err(Handshake::ModernOnly(error)) => discover(outside, endpoint, ids)?.ok_or(error),
            Err(Handshake::Failed(error)) => Err(error),
        };
    }
    match discover(outside, endpoint, ids)? {
        Some(session) => Ok(session),
        None => handshake(outside, endpoint, ids).map_err(|failed| match failed {
            Handshake::ModernOnly(error) | Handshake::Failed(error) => error,
        }),
    }
}

/// The first modern request. None: the peer is legacy.
fn discover(outside: &dyn Outside, endpoint: &Endpoint, ids: &mut Ids) -> Result<Option<Session>> {
    const METHOD: &str = "server/discover";
    let product = known_product(endpoint);
    let context = Context { method: METHOD, session: SessionSent::No, product, service: None };
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
        let reply = exchange::ask(
            outside,
            Ask {
                url: &endpoint.url,
                method: METHOD,
                id,
                body: json_rpc::request(id, METHOD, &era::params(Era::Modern, &endpoint.client, "", "")),
                headers: era::headers(&session, METHOD, None),
                dialogue: Dialogue::AnswersOnly,
                progress: Progress::Unwanted,
            },
        )
        .map_err(|failure| classify::transport(&failure))?;
        let verdict = era::judge(&reply);
        match verdict {
            Verdict::Modern(result) => {
                let hello: Hello = serde_json::from_str(&result).unwrap_or_default();
                session.server = hello.server();
                session.announces_tool_changes = hello.announces_tool_changes();
                (session.kind, session.kind_evidence) = kind(endpoint, &reply.headers, &session.server);
                return Ok(Some(session));
            }
            Verdict::ModernWithoutDiscovery => {
                (session.kind, session.kind_evidence) = kind(endpoint, &reply.headers, &session.server);
                return Ok(Some(session));
            }
            Verdict::OtherVersion(versions) if again && versions.iter().any(|version| version == era::MODERN) => {
                again = false;
            }
            Verdict::OtherVersion(versions)
                if versions.iter().any(|version| era::LEGACY.contains(&version.as_str())) =>
            {
                return Ok(None);
            }
            Verdict::OtherVersion(versions) => {
                return Err(Error::Protocol(ProtocolProblem {
                    method: METHOD.to_owned(),
                    problem: format!(
                        "the peer speaks none of our revisions, only: {}",
                        text::clean(&versions.join(", "))
                    ),
                    delivery: Delivery::NotDelivered,
                }));
            }
            Verdict::ModernRefusal | Verdict::Unrelated => return refuse(reply, &context),
            Verdict::Legacy => return Ok(None),
        }
    }
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
            _ if fault.code == era::UNSUPPORTED_VERSION && supported.iter().any(|theirs| theirs == era::MODERN) => {
                return Err(Handshake::ModernOnly(
                    refuse::<()>(reply, &context(endpoint)).err().unwrap_or_else(unreachable_error),
                ));
            }
            _ => break reply,
        }
    };
    let (status, headers) = (reply.status, reply.headers.clone());
    let result = match classify::reply(reply, &context(endpoint)) {
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

fn context(endpoint: &Endpoint) -> Context<'static> {
    Context { method: "initialize", session: SessionSent::No, product: known_product(endpoint), service: None }
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
    let params = format!(
        r#"{{"protocolVersion":{},"capabilities":{},"clientInfo":{{"name":{},"version":{}}}}}"#,
        quote(offered),
        offer(endpoint).capabilities(),
        quote(&endpoint.client.name),
        quote(&endpoint.client.version)
    );
    exchange::ask(
        outside,
        Ask {
            url: &endpoint.url,
            method: "initialize",
            id,
            body: json_rpc::request(id, "initialize", &params),
            headers: Vec::new(),
            dialogue: Dialogue::Both(offer(endpoint)),
            progress: Progress::Unwanted,
        },
    )
    .map_err(|failure| classify::transport(&failure))
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
    if session_id.as_ref().is_some_and(|id| !id.bytes().all(|byte| (0x21..=0x7e).contains(&byte))) {
        return Err(problem("Mcp-Session-Id has characters other than visible ASCII".to_owned()));
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

/// `notifications/initialized`. Servers that do not want it, or answer it oddly, are no reason to stop; refusals are.
fn confirm(outside: &dyn Outside, endpoint: &Endpoint, session: &Session) -> Result<()> {
    const METHOD: &str = "notifications/initialized";
    let headers = era::headers(session, METHOD, None);
    let (status, headers, body) =
        exchange::tell(outside, &endpoint.url, &headers, json_rpc::notification(METHOD, None))
            .map_err(|failure| classify::transport(&failure))?;
    if matches!(status, 401 | 403 | 404 | 429) {
        let context = Context {
            method: METHOD,
            session: if session.session_id.is_some() { SessionSent::Yes } else { SessionSent::No },
            product: gateways::product(session.kind),
            service: None,
        };
        if let Some(error) = classify::by_status(status, &headers, &body, &context) {
            return Err(error);
        }
    }
    if status >= 300 {
        outside.log(Level::Warn, "session", &format!("{METHOD} was answered with HTTP {status}: {body}"));
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
    let request = Request { method: Method::Get, url: endpoint.url.clone(), headers, body: Vec::new() };
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
    let request = Request { method: Method::Delete, url: url.to_owned(), headers, body: Vec::new() };
    outside.send(request).map(|_| ()).map_err(|failure| classify::transport(&failure))
}
