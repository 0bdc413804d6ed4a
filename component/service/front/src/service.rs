//! The service: who is asked for what.
//! Takes a request; gives an answer, whole or as a stream that has begun. Nothing is kept between two requests: what a session needs is in
//! its id.

use std::rc::Rc;

use pflow_gateway_service_settings::Gateway;
use serde_json::{Value, json};

use crate::{
    answer::{Answer, event},
    authentication::Visitor,
    call, catalog,
    delivery::{self, Sent},
    failure::{self, Delivery, Failure, Marked, Seen},
    guard, pages, params,
    ready::{NAME, Prepared, Ready, VERSION},
    request::{Request, plain},
    rpc::{self, Fault, Message},
    seal::Sealed,
    upstream::{Call, Catalog, Conversation, Kept, Outside, Refused, Session, Tool, Wanted},
};

/// Revisions with a handshake, the newest first.
const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// The revision without one.
const MODERN: &str = "2026-07-28";

const VERSION_OF_MESSAGE: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// All of it.
    Whole(Answer),
    /// The last event of a stream that has begun.
    Streamed(String),
}

impl From<Answer> for Answered {
    fn from(answer: Answer) -> Self {
        Self::Whole(answer)
    }
}

/// Answers a request.
pub fn answer<O: Prepared>(outside: &O, request: &Request) -> Answered {
    if let Some(refusal) = guard::too_large(request) {
        return refusal.into();
    }
    let ready = outside.ready();
    match (request.method.as_str(), request.path.as_str()) {
        ("GET" | "HEAD", "/") => return pages::what_this_is().into(),
        ("GET" | "HEAD", "/health") => return pages::health().into(),
        // Engines and scrapers ask by address: no Host check, and no word about gateways without a token.
        ("GET" | "HEAD", page @ ("/ready" | "/metrics")) => {
            let visitor = ready.as_ref().ok().and_then(|ready| ready.authenticator.visitor(request).ok());
            let visitor = visitor.as_ref().filter(|_| {
                ready.as_ref().is_ok_and(|ready| guard::from_elsewhere(&ready.settings, request).is_none())
            });
            let ready = ready.and_then(|ready| ready.usable(outside).map(|()| ready));
            let page = if page == "/ready" {
                pages::ready(outside, &ready, visitor)
            } else {
                pages::metrics(outside, &ready, visitor)
            };
            return page.into();
        }
        (_, "/" | "/health" | "/ready" | "/metrics") => {
            return Answer::refusal(405, "this page is only read").with("Allow", "GET, HEAD").into();
        }
        _ => {}
    }
    let ready = match ready {
        Ok(ready) => ready,
        Err(problem) => return Answer::refusal(503, &Failure::settings(&problem).message).into(),
    };
    outside.limits(&ready.settings.limits);
    if let Some(refusal) = guard::from_elsewhere(&ready.settings, request) {
        return refusal.into();
    }
    let visitor = match ready.authenticator.visitor(request) {
        Ok(visitor) => visitor,
        Err(refusal) => return refusal.into(),
    };
    let name = request.path.strip_prefix('/').and_then(|path| path.strip_suffix("/mcp")).unwrap_or_default();
    let gateway = ready.settings.gateway(name).filter(|gateway| visitor.may_use(&gateway.name));
    let Some(gateway) = gateway else {
        return Answer::refusal(404, "there is no such gateway here for this token; its path is /NAME/mcp").into();
    };
    Mcp { outside, request, ready: &ready, visitor: &visitor, gateway }.answer()
}

/// One request to one gateway.
struct Mcp<'a, O> {
    outside: &'a O,
    request: &'a Request,
    ready: &'a Ready,
    visitor: &'a Visitor,
    gateway: &'a Gateway,
}

/// How the client speaks.
enum Era {
    Legacy(Box<Sealed>),
    Modern,
}

impl<O: Outside> Mcp<'_, O> {
    fn answer(&self) -> Answered {
        match self.request.method.as_str() {
            "POST" => self.post(),
            "DELETE" => self.delete().into(),
            // Nothing is said between requests, so nobody needs to listen.
            "GET" => {
                Answer::refusal(405, "this service says nothing between requests").with("Allow", "POST, DELETE").into()
            }
            _ => Answer::refusal(405, "MCP is spoken with POST").with("Allow", "POST, DELETE").into(),
        }
    }

    fn post(&self) -> Answered {
        let media = self.request.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
        if !media.trim().eq_ignore_ascii_case("application/json") {
            return Answer::refusal(415, "the body must be application/json").into();
        }
        if !self.request.accepts("application/json") && !self.request.accepts("text/event-stream") {
            return Answer::refusal(406, "answers are application/json or text/event-stream; Accept takes neither")
                .into();
        }
        // Only now: who is not let in makes nobody wait for a body.
        let body = match self.outside.body() {
            Ok(body) => body,
            Err(refusal) => return refusal.into(),
        };
        let message = match Message::read(&body) {
            Ok(message) => message,
            Err(fault) => return Answer::json(400, fault.written(None)).into(),
        };
        if self.is_modern(&message) { self.modern(&message) } else { self.legacy(&message) }
    }

    /// By what the message says of itself, or its header where that names no revision with a handshake.
    fn is_modern(&self, message: &Message) -> bool {
        let header = self.request.header("mcp-protocol-version");
        message.meta().contains_key(VERSION_OF_MESSAGE)
            || message.method.as_deref() == Some("server/discover")
            || header.is_some_and(|version| version == MODERN)
    }

    /// As JSON, or as an event where the client takes nothing else.
    fn said(&self, status: u16, text: &str) -> Answer {
        let text = self.outside.mask(text.to_owned());
        if status == 200 && !self.request.accepts("application/json") {
            return Answer::event(&text);
        }
        Answer::json(status, text)
    }

    fn legacy(&self, message: &Message) -> Answered {
        let version = self.request.header("mcp-protocol-version");
        if let Some(version) = version.filter(|version| !LEGACY.contains(version)) {
            let known = LEGACY.join(", ");
            let told = format!(
                "Bad Request: the MCP-Protocol-Version {:?} is not spoken here: {MODERN}, {known}",
                failure::line(version)
            );
            return Answer::refusal(400, &told).into();
        }
        if message.method.as_deref() == Some("initialize") {
            return match &message.id {
                Some(id) => self.initialize(message, id).into(),
                None => Answer::json(
                    400,
                    Fault::new(rpc::INVALID_REQUEST, "Invalid Request: initialize needs an id").written(None),
                )
                .into(),
            };
        }
        let sealed = match self.session() {
            Ok(sealed) => sealed,
            Err(refusal) => return refusal.into(),
        };
        let (Some(id), Some(method)) = (&message.id, &message.method) else {
            // Notifications, and answers to questions that nobody asked.
            return Answer::empty(202).into();
        };
        if method == "ping" {
            return self.said(200, &rpc::result(id, "{}")).into();
        }
        self.work(message, id, method, &Era::Legacy(Box::new(sealed)))
    }

    /// The session that the request names.
    fn session(&self) -> Result<Sealed, Answer> {
        if !self.request.has("mcp-session-id") {
            return Err(Answer::refusal(400, "Bad Request: Mcp-Session-Id is missing; initialize gives one"));
        }
        let id = self.request.header("mcp-session-id").unwrap_or_default();
        let sealed = self.ready.keys.open(id, self.outside.now());
        // Whatever is wrong with it: who made it up learns nothing.
        sealed.filter(|sealed| sealed.gateway == self.gateway.name && sealed.client == self.visitor.name()).ok_or_else(
            || {
                let fault = Fault::new(rpc::SESSION_NOT_FOUND, "Session not found: initialize again");
                Answer::json(404, fault.written(None))
            },
        )
    }

    fn initialize(&self, message: &Message, id: &str) -> Answer {
        let asked = message.text("protocolVersion");
        let version = asked.as_deref().filter(|asked| LEGACY.contains(asked)).unwrap_or("2025-11-25").to_owned();
        let mut conversation = match self.outside.connect(self.gateway, None) {
            Ok(conversation) => conversation,
            Err(refused) => return self.fault(id, &self.fault_of(refused)),
        };
        let sealed = Sealed {
            gateway: self.gateway.name.clone(),
            client: self.visitor.name().to_owned(),
            since: self.outside.now(),
            version: version.clone(),
            session: conversation.session(),
        };
        let Some(session) = self.ready.keys.seal(&sealed, self.outside.random()) else {
            let _ = conversation.close();
            let told = format!("the session id of {} is too long to be handed on in a header", self.gateway.name);
            return self.fault(id, &Fault::new(rpc::GATEWAY_ERROR, told));
        };
        let result = json!({
            "protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server(),
            "instructions": format!("The tools of the MCP gateway {}.", self.gateway.name),
        });
        self.said(200, &rpc::result(id, &result.to_string())).with("Mcp-Session-Id", session)
    }

    /// Ends the session at the gateway. The id itself cannot be called back; it then leads to a session that is over there.
    fn delete(&self) -> Answer {
        let sealed = match self.session() {
            Ok(sealed) => sealed,
            Err(refusal) => return refusal,
        };
        let ended =
            self.outside.connect(self.gateway, Some(&sealed.session)).map(|mut conversation| conversation.close());
        match ended {
            // One that cannot be ended ends by itself; the client is done with it.
            Ok(_) | Err(Refused::Gateway(_)) => Answer::empty(204),
            Err(Refused::Settings(problem)) => Answer::refusal(503, &Failure::settings(&problem).message),
        }
    }

    fn modern(&self, message: &Message) -> Answered {
        let (Some(id), Some(method)) = (&message.id, &message.method) else {
            return Answer::empty(202).into();
        };
        if let Some((status, fault)) = self.contradiction(message, method) {
            return Answer::json(status, fault.written(Some(id))).into();
        }
        if method == "server/discover" {
            let result = json!({
                "supportedVersions": [MODERN], "capabilities": {"tools": {}, "logging": {}},
                "ttlMs": 60_000, "cacheScope": "private",
                "instructions": format!("The tools of the MCP gateway {}.", self.gateway.name),
            });
            return self.said(200, &rpc::result(id, &call::modern(&result.to_string(), &server()))).into();
        }
        self.work(message, id, method, &Era::Modern)
    }

    /// What headers and message say must be the same: who routes by one must not be fooled by the other.
    fn contradiction(&self, message: &Message, method: &str) -> Option<(u16, Fault)> {
        let meta = message.meta();
        let text = |name: &str| meta.get(name).and_then(|value| serde_json::from_str::<String>(value.get()).ok());
        let Some(version) = text(VERSION_OF_MESSAGE) else {
            let told = format!("Invalid params: _meta[\"{VERSION_OF_MESSAGE}\"] is required");
            return Some((400, Fault::new(rpc::INVALID_PARAMS, told)));
        };
        let mismatch = |told: String| Some((400, Fault::new(rpc::HEADER_MISMATCH, told)));
        if self.request.header("mcp-protocol-version") != Some(version.as_str()) {
            return mismatch("Header mismatch: MCP-Protocol-Version is not what _meta says".to_owned());
        }
        if version != MODERN {
            let data = json!({"supported": [MODERN], "requested": failure::line(&version)});
            let fault = Fault::new(rpc::UNSUPPORTED_VERSION, "Unsupported protocol version");
            return Some((400, Fault { data: Some(data), ..fault }));
        }
        if !meta.get(CAPABILITIES).is_some_and(|value| value.get().starts_with('{')) {
            let told = format!("Invalid params: _meta[\"{CAPABILITIES}\"] is required");
            return Some((400, Fault::new(rpc::INVALID_PARAMS, told)));
        }
        if self.request.header("mcp-method") != Some(method) {
            return mismatch(format!("Header mismatch: Mcp-Method is not {}", failure::line(method)));
        }
        if method == "tools/call" {
            let name = message.text("name");
            let header = self.request.header("mcp-name").and_then(plain);
            if name.is_some() && header != name {
                return mismatch("Header mismatch: Mcp-Name is not the tool's name".to_owned());
            }
        }
        None
    }

    fn work(&self, message: &Message, id: &str, method: &str, era: &Era) -> Answered {
        match method {
            "tools/list" => self.list(message, id, era).into(),
            "tools/call" => self.call(message, id, era),
            _ => {
                let fault = Fault::new(rpc::METHOD_NOT_FOUND, format!("Method not found: {}", failure::line(method)));
                // The modern era says so in HTTP too.
                let status = if matches!(era, Era::Modern) { 404 } else { 200 };
                self.said(status, &fault.written(Some(id))).into()
            }
        }
    }

    fn fault(&self, id: &str, fault: &Fault) -> Answer {
        self.said(200, &fault.written(Some(id)))
    }

    fn fault_of(&self, refused: Refused) -> Fault {
        fault(&self.failure_of(refused))
    }

    fn failure_of(&self, refused: Refused) -> Failure {
        match refused {
            Refused::Settings(problem) => Failure::settings(&problem),
            Refused::Gateway(seen) => failure::explain(&self.gateway.name, &seen),
        }
    }

    /// With the session that the client brings, or one of its own.
    fn connect(&self, era: &Era) -> Result<Connected<O::Conversation>, Refused> {
        let attach = match era {
            Era::Legacy(sealed) => Some(sealed.session.clone()),
            Era::Modern => self.outside.agreed(&self.gateway.name),
        };
        let connected = |conversation, theirs| Connected { conversation, theirs, sent: Sent::Nothing };
        let opened = match self.outside.connect(self.gateway, attach.as_ref()) {
            // Another gateway component made it, before this one was deployed: the client need not know.
            Err(Refused::Gateway(seen))
                if attach.is_some() && seen.class == failure::Class::SessionLost && seen.delivery == Delivery::No =>
            {
                connected(self.outside.connect(self.gateway, None)?, None)
            }
            conversation => connected(conversation?, attach),
        };
        // The next request of a client without a session need not ask again how this gateway speaks.
        if matches!(era, Era::Modern) && opened.theirs.is_none() && opened.conversation.is_nobodys() {
            self.outside.agree(&self.gateway.name, Some(opened.conversation.session()));
        }
        Ok(opened)
    }

    /// What failed may have failed because the gateway speaks otherwise by now.
    fn failed(&self) {
        self.outside.agree(&self.gateway.name, None);
    }

    fn list(&self, message: &Message, id: &str, era: &Era) -> Answer {
        let listed = self.connect(era).map_err(|refused| self.fault_of(refused)).and_then(|mut connected| {
            let read = connected.list();
            connected.end();
            let catalog = read.map_err(|seen| {
                self.failed();
                fault(&failure::explain(&self.gateway.name, &seen))
            })?;
            let kept = Rc::new(Kept::from(catalog));
            self.outside.keep(&self.gateway.name, &kept);
            let tools =
                catalog::shown(self.outside, self.gateway, self.visitor, &kept).map_err(|failure| fault(&failure))?;
            let page = catalog::page(&tools, message.text("cursor").as_deref())?;
            let meta = catalog::services(&tools);
            Ok(match era {
                Era::Legacy(_) => format!("{{{page},\"_meta\":{meta}}}"),
                Era::Modern => {
                    let ttl = kept.catalog.ttl_ms.unwrap_or(0);
                    let whole = format!("{{{page},\"_meta\":{meta},\"ttlMs\":{ttl},\"cacheScope\":\"private\"}}");
                    call::modern(&whole, &server())
                }
            })
        });
        match listed {
            Ok(result) => self.said(200, &rpc::result(id, &result)),
            Err(fault) => self.fault(id, &fault),
        }
    }

    fn call(&self, message: &Message, id: &str, era: &Era) -> Answered {
        let invalid = |told: &str| self.fault(id, &Fault::new(rpc::INVALID_PARAMS, format!("Invalid params: {told}")));
        let Some(name) = message.text("name") else { return invalid("\"name\" must be text").into() };
        let arguments = message.param("arguments").unwrap_or("{}");
        if !arguments.starts_with('{') {
            return invalid("\"arguments\" must be an object").into();
        }
        if message.param("_meta").is_some_and(|meta| !meta.starts_with('{')) {
            return invalid("\"_meta\" must be an object").into();
        }
        let finish = |result: &str| match era {
            Era::Legacy(_) => rpc::result(id, result),
            Era::Modern => rpc::result(id, &call::modern(result, &server())),
        };
        let mut connected = match self.connect(era) {
            Ok(connected) => connected,
            // Nothing was sent: it did not run.
            Err(refused) => return self.said(200, &finish(&call::failed(&self.failure_of(refused)))).into(),
        };
        let tool = match self.tool(&mut connected, &name) {
            Ok(Some(tool)) => tool,
            Ok(None) => {
                connected.end();
                let told = format!("Unknown tool: {}", failure::line(&name));
                return self.fault(id, &Fault::new(rpc::INVALID_PARAMS, told)).into();
            }
            Err(failure) => {
                connected.end();
                return self.said(200, &finish(&call::failed(&failure))).into();
            }
        };
        let tool = match self.agreed(&mut connected, tool, arguments, era) {
            Ok(tool) => tool,
            Err(fault) => {
                connected.end();
                return Answer::json(400, fault.written(Some(id))).into();
            }
        };
        let meta = message.meta();
        let wanted = Wanted {
            progress_token: meta.get("progressToken").map(|token| token.get().to_owned()),
            // Only the modern era says with each request what of the log it wants; a session cannot remember it.
            level: meta
                .get(LOG_LEVEL)
                .filter(|_| matches!(era, Era::Modern))
                .and_then(|level| serde_json::from_str(level.get()).ok()),
        };
        let theirs: std::collections::BTreeMap<_, _> = meta
            .iter()
            .filter(|(name, _)| *name != "progressToken" && !name.starts_with("io.modelcontextprotocol/"))
            .collect();
        let call = Call {
            tool: tool.name.clone(),
            input_schema: Some(tool.input_schema.clone()),
            service: tool.service.clone(),
            arguments: arguments.to_owned(),
            progress: wanted.progress_token.is_some(),
            meta: if theirs.is_empty() { None } else { serde_json::to_string(&theirs).ok() },
        };
        let live = wanted != Wanted::default() && self.request.accepts("text/event-stream");
        if live {
            self.outside.stream(&wanted);
        }
        let called = connected.call(&call);
        if called.is_err() {
            self.failed();
        }
        let result = self.outcome(called, connected.sent(), &tool);
        connected.end();
        let text = finish(&result);
        if live { Answered::Streamed(event(&self.outside.mask(text))) } else { self.said(200, &text).into() }
    }

    /// What the call came to.
    fn outcome(&self, called: Result<crate::upstream::Outcome, Seen>, sent: Sent, tool: &Tool) -> String {
        let marked = match tool {
            Tool { read_only: true, .. } => Marked::ReadOnly,
            Tool { idempotent: true, .. } => Marked::Idempotent,
            _ => Marked::Neither,
        };
        let told = |seen: &Seen, delivery: Delivery| {
            let seen = Seen { delivery, ..seen.clone() };
            failure::told_of_call(failure::explain(&self.gateway.name, &seen), &tool.name, delivery, marked)
        };
        match called {
            Ok(outcome) => match &outcome.failure {
                None => outcome.result,
                Some(seen) => call::told(&outcome.result, &told(seen, delivery::of_upstream(seen, sent))),
            },
            Err(seen) => call::failed(&told(&seen, delivery::of_failure(&seen, sent))),
        }
    }

    /// The tool of this name, if this client may have it.
    fn tool(&self, connected: &mut Connected<O::Conversation>, name: &str) -> Result<Option<Tool>, Failure> {
        if let Some(kept) = self.outside.kept(&self.gateway.name)
            && let Some(tool) = self.named(&kept, name)?
        {
            return Ok(Some(tool));
        }
        self.tool_anew(connected, name)
    }

    /// The same, as the gateway says now.
    fn tool_anew(&self, connected: &mut Connected<O::Conversation>, name: &str) -> Result<Option<Tool>, Failure> {
        let catalog = connected.list().map_err(|seen| {
            self.failed();
            // The tools were asked for, not the tool: it did not run.
            failure::explain(&self.gateway.name, &seen)
        })?;
        let kept = Rc::new(Kept::from(catalog));
        self.outside.keep(&self.gateway.name, &kept);
        self.named(&kept, name)
    }

    fn named(&self, kept: &Kept, name: &str) -> Result<Option<Tool>, Failure> {
        Ok(catalog::named(self.outside, self.gateway, self.visitor, kept, name)?.cloned())
    }

    /// The tool whose schema the client's headers and arguments follow. A client may have read a newer list than this instance keeps.
    fn agreed(
        &self,
        connected: &mut Connected<O::Conversation>,
        tool: Tool,
        arguments: &str,
        era: &Era,
    ) -> Result<Tool, Fault> {
        let contradiction = |tool: &Tool| match era {
            Era::Legacy(_) => None,
            Era::Modern => params::contradiction(&tool.input_schema, arguments, self.request),
        };
        if contradiction(&tool).is_none() {
            return Ok(tool);
        }
        let newer = self.tool_anew(connected, &tool.name).ok().flatten().unwrap_or(tool);
        match contradiction(&newer) {
            None => Ok(newer),
            Some(header) => {
                let told = format!("Header mismatch: {header} is not what the arguments say");
                Err(Fault::new(rpc::HEADER_MISMATCH, told))
            }
        }
    }
}

/// A conversation, and the session at the gateway that the client's id leads to, if there is one.
struct Connected<C> {
    conversation: C,
    theirs: Option<Session>,
    sent: Sent,
}

impl<C: Conversation> Connected<C> {
    /// In place of a session that is gone, if that is what failed and nothing ran.
    fn renewed(&mut self, seen: &Seen) -> bool {
        let lost = seen.class == failure::Class::SessionLost && seen.delivery == Delivery::No;
        lost && self.conversation.renew().is_ok()
    }

    fn list(&mut self) -> Result<Catalog, Seen> {
        match self.conversation.list() {
            // Reading changes nothing.
            Err(seen) if self.renewed(&Seen { delivery: Delivery::No, ..seen.clone() }) => self.conversation.list(),
            read => read,
        }
    }

    fn call(&mut self, call: &Call) -> Result<crate::upstream::Outcome, Seen> {
        let called = self.conversation.call(call);
        self.sent = self.conversation.sent();
        match called {
            Err(seen) if self.renewed(&Seen { delivery: delivery::of_failure(&seen, self.sent), ..seen.clone() }) => {
                let called = self.conversation.call(call);
                self.sent = self.conversation.sent();
                called
            }
            called => called,
        }
    }

    /// What the way out saw of the last call.
    fn sent(&self) -> Sent {
        self.sent
    }

    /// Ends a session that nobody would find again: one of this request alone, one in the place of a lost one, and one that was opened
    /// because the gateway speaks otherwise by now.
    fn end(&mut self) {
        if !self.conversation.is_nobodys() && self.theirs.as_ref() != Some(&self.conversation.session()) {
            // It ends by itself where it cannot be ended.
            let _ = self.conversation.close();
        }
    }
}

fn server() -> Value {
    json!({"name": NAME, "version": VERSION})
}

fn fault(failure: &Failure) -> Fault {
    Fault { code: rpc::GATEWAY_ERROR, message: failure.line(), data: Some(failure.json()) }
}
