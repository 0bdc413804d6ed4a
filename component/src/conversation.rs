//! One conversation with one gateway: what the contract's resource does.
//! Takes an endpoint and the way out; gives a session, catalogues and results of calls. Must never repeat a tool call;
//! reading the catalogue may renew a lost session, once.

use std::{borrow::Cow, collections::BTreeMap, rc::Rc, time::Duration};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    catalog,
    classify::{self, Context},
    failure,
    gateways::{self, Culprit, Peer, Product, TextFailure},
    http::{Level, Outside},
    mcp::{
        elicitation::{self, Offer},
        era,
        exchange::{self, Ask, Dialogue, Progress},
        json_rpc,
        object::Object,
        paging::{self, Before, Fetched, Listing},
        param_headers, stream,
        tools::{self, Page},
    },
    model::{
        Call, Catalog, Delivery, Endpoint, Era, Error, Failure, Json, Outcome, ProtocolProblem, Refusal, Result,
        RpcError, Service, ServiceHealth, Session, Status, UpstreamFailure,
    },
    session::{self, Ids},
    verdicts::{self, SessionSent},
};

/// A conversation.
pub struct Conversation {
    outside: Rc<dyn Outside>,
    endpoint: Endpoint,
    session: Session,
    ids: Ids,
    /// The other era was asked in this conversation, or the user wants none.
    era_is_settled: bool,
}

/// One request, before the era's parts are added.
struct Question<'a> {
    method: &'a str,
    /// What `Mcp-Name` repeats.
    name: Option<&'a str>,
    /// `params`, but for `_meta`.
    members: Object,
    /// `_meta`, but for what the era adds.
    meta: Object,
    id: u64,
    /// The call that it belongs to, for events.
    token: Option<u32>,
    progress: Progress,
    /// `Mcp-Param-…`.
    headers: Vec<(String, String)>,
    service: Option<&'a str>,
    /// How long the answer may take, when that is less than the host allows.
    within: Option<Duration>,
}

/// Whether reading may begin anew after a cursor that is refused.
enum Patience<'a> {
    /// It may, and is told here that it should.
    Once(&'a mut bool),
    /// It did.
    None,
}

/// Whether the host can do something about it: open a session, read a credential again. Not where the first page still comes.
fn may_be_mended(error: &Error) -> bool {
    matches!(error, Error::SessionLost(_) | Error::AuthRequired(_) | Error::TokenExpired(_))
}

/// How often a result that asks for more input is answered.
const ROUNDS: u32 = 8;

impl Conversation {
    /// Connects, or attaches to a session without traffic.
    ///
    /// # Errors
    ///
    /// No agreement with the peer.
    pub fn open(outside: Rc<dyn Outside>, endpoint: Endpoint, attach: Option<Session>) -> Result<Self> {
        let mut ids = Ids::new(endpoint.tokens);
        let fresh = attach.is_none() && endpoint.era.is_none();
        let session = match attach {
            Some(session) => session,
            None => session::open(outside.as_ref(), &endpoint, &mut ids)?,
        };
        // A peer that was found to be legacy was asked for the modern era first.
        let era_is_settled = endpoint.era_is_fixed || (fresh && session.era == Era::Legacy);
        Ok(Self { outside, endpoint, session, ids, era_is_settled })
    }

    /// What it was opened with.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What was agreed.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Ends the session as well as it can and opens a new one.
    ///
    /// # Errors
    ///
    /// No agreement with the peer.
    pub fn renew(&mut self) -> Result<&Session> {
        let _ = session::end(self.outside.as_ref(), &self.endpoint.url, &self.session);
        // The modern era knows no sessions: who misses one is legacy.
        let era = if self.endpoint.era_is_fixed { self.session.era } else { Era::Legacy };
        let endpoint = Endpoint { era: Some(era), ..self.endpoint.clone() };
        self.session = session::open(self.outside.as_ref(), &endpoint, &mut self.ids)?;
        Ok(&self.session)
    }

    /// Ends the session, if there is one.
    ///
    /// # Errors
    ///
    /// The transport failed.
    pub fn close(&mut self) -> Result<()> {
        let ended = session::end(self.outside.as_ref(), &self.endpoint.url, &self.session);
        self.session.session_id = None;
        ended
    }

    /// Reads and attributes all tools. A lost session is reported, not renewed: when to renew is the host's decision, since
    /// others are attached to the same one. What the session is may change here, when the peer turns out to speak the other era.
    ///
    /// # Errors
    ///
    /// A page could not be read.
    pub fn list_tools(&mut self) -> Result<Catalog> {
        let listing = match self.read_list() {
            Ok(listing) if listing.tools.is_empty() && !self.era_is_settled => self.list_otherwise().unwrap_or(listing),
            Err(error) if self.was_taken_for_modern(&error) => self.list_otherwise().ok_or(error)?,
            other => other?,
        };
        let product = self.product();
        let report = product.report(&Peer { outside: self.outside.as_ref(), url: &self.endpoint.url });
        Ok(catalog::build(listing, report, product, &self.endpoint.services))
    }

    /// A peer that says that it is modern, and then cannot list: whatever it says instead may only mean that it wants a session, and every
    /// gateway has words of its own for that. What did not reach it, and what asks to be left alone, means nothing of the kind.
    fn was_taken_for_modern(&self, error: &Error) -> bool {
        let disproved = match error {
            Error::Dns(_) | Error::Tls(_) | Error::EgressDenied(_) | Error::Limit(_) | Error::RateLimited(_) => false,
            Error::Unreachable(lost) | Error::Timeout(lost) => lost.delivery == Delivery::MaybeDelivered,
            _ => true,
        };
        disproved && self.session.era == Era::Modern && !self.era_is_settled
    }

    /// The list in the other era, once for a conversation: there are gateways that list everything in one era and nothing in the other.
    /// Goes on in it if there is anything in it.
    fn list_otherwise(&mut self) -> Option<Listing> {
        self.era_is_settled = true;
        let outside = Rc::clone(&self.outside);
        let other = session::other(outside.as_ref(), &self.endpoint, self.session.era, &mut self.ids).ok().flatten()?;
        let before = std::mem::replace(&mut self.session, other);
        match self.read_list() {
            Ok(listing) if !listing.tools.is_empty() => {
                let line = format!("the peer lists nothing in the era {:?}; going on in the other", before.era);
                self.outside.log(Level::Debug, "conversation", &line);
                Some(listing)
            }
            _ => {
                let tried = std::mem::replace(&mut self.session, before);
                let _ = session::end(outside.as_ref(), &self.endpoint.url, &tried);
                None
            }
        }
    }

    fn read_list(&mut self) -> Result<Listing> {
        let mut stale = false;
        match self.read_pages(&mut Patience::Once(&mut stale)) {
            // A cursor that went stale while reading: the catalogue changed. From the start, once.
            Err(_) if stale => self.read_pages(&mut Patience::None),
            listing => listing,
        }
    }

    /// All pages; those that can be had, where tools came before one that cannot.
    fn read_pages(&mut self, patience: &mut Patience<'_>) -> Result<Listing> {
        paging::read_all(self.endpoint.max_pages, |cursor, before| {
            let error = match self.read_page(cursor) {
                Ok(page) => return Ok(Fetched::Page(page)),
                Err(error) => error,
            };
            let Some(cursor) = cursor else { return Err(error) };
            let refused = matches!(&error, Error::Rejected(refused) if refused.code == -32_602);
            if refused && cursor.is_empty() {
                // Some write an empty cursor where there is none.
                return Ok(Fetched::End);
            }
            if let (true, Patience::Once(stale)) = (refused, &mut *patience) {
                **stale = true;
                return Err(error);
            }
            // A limit is the user's own: who set it wants to hear of it, and can raise it.
            let limited = matches!(error, Error::Limit(_));
            if limited || before == Before::Nothing || (may_be_mended(&error) && self.read_page(None).is_err()) {
                return Err(error);
            }
            Ok(Fetched::Unread(classify::in_short(&error)))
        })
    }

    fn read_page(&mut self, cursor: Option<&str>) -> Result<Page> {
        const METHOD: &str = "tools/list";
        let id = self.ids.hand_out();
        // One that hangs shall not take those before it along, nor the call that the list is read for.
        let within = cursor.map(|_| Duration::from_millis(u64::from(self.endpoint.timeout_ms) / 3));
        let result = self.ask(Question {
            method: METHOD,
            name: None,
            members: cursor.map(|cursor| Object::default().with("cursor", cursor)).unwrap_or_default(),
            meta: Object::default(),
            id,
            token: None,
            progress: Progress::Unwanted,
            headers: Vec::new(),
            service: None,
            within,
        })?;
        tools::read(&result, self.session.era).map_err(|problem| {
            Error::Protocol(ProtocolProblem {
                method: METHOD.to_owned(),
                problem: crate::text::clean(&problem),
                delivery: Delivery::MaybeDelivered,
            })
        })
    }

    /// How the services are, as far as the product tells.
    ///
    /// # Errors
    ///
    /// The gateway's own API refused or failed.
    pub fn health(&self, known: &[Service]) -> Result<Vec<ServiceHealth>> {
        let product = self.product();
        let told = product.health(&Peer { outside: self.outside.as_ref(), url: &self.endpoint.url }, known)?;
        Ok(crate::health::merge(known, told, product.no_health()))
    }

    /// Calls a tool once. Never repeats it.
    ///
    /// # Errors
    ///
    /// There is no result, for whatever reason.
    pub fn call_tool(&mut self, call: &Call) -> Result<Outcome> {
        const METHOD: &str = "tools/call";
        let invalid = |message: &str| {
            Error::Rejected(RpcError {
                method: METHOD.to_owned(),
                code: -32_602,
                message: message.to_owned(),
                data: None,
                delivery: Delivery::NotDelivered,
            })
        };
        let arguments = call.arguments.trim();
        let Some(written) = json_rpc::as_object(arguments) else {
            return Err(invalid("the arguments are not a JSON object"));
        };
        let meta = match &call.meta {
            None => Object::default(),
            Some(meta) => callers_meta(meta).ok_or_else(|| invalid("_meta is not a JSON object"))?,
        };
        let headers = self.param_headers(call, arguments);
        let listening = self.listen();
        let outcome = self.rounds(call, written, &meta, &headers);
        if listening {
            self.outside.stop_listening();
        }
        outcome
    }

    /// A server that was offered elicitation may ask on a stream of its own (2025-11-25, "listening for messages").
    fn listen(&self) -> bool {
        if self.session.era == Era::Modern
            || self.session.session_id.is_none()
            || session::offer(&self.endpoint) == Offer::Nothing
        {
            return false;
        }
        let headers = era::headers(&self.session, "", None);
        self.outside.listen(stream::listening(&self.endpoint.url, &headers))
    }

    /// One request; in the modern era more, while the peer wants input.
    fn rounds(
        &mut self,
        call: &Call,
        arguments: &RawValue,
        meta: &Object,
        headers: &[(String, String)],
    ) -> Result<Outcome> {
        const METHOD: &str = "tools/call";
        let mut id = u64::from(call.token);
        let mut input = Object::default();
        for round in 0..ROUNDS {
            let token = if call.progress { Object::default().with("progressToken", &id) } else { Object::default() };
            let members = Object::default().with("name", &call.tool).with("arguments", arguments);
            let asked = self.ask(Question {
                method: METHOD,
                name: Some(&call.tool),
                members: members.and(input),
                meta: token.and(meta.clone()),
                id,
                token: Some(call.token),
                progress: if call.progress { Progress::Wanted } else { Progress::Unwanted },
                headers: headers.to_vec(),
                service: call.service.as_deref(),
                within: None,
            });
            let result = if round == 0 { asked? } else { asked.map_err(Error::after_another)? };
            if !json_rpc::is_json(&result) {
                return Err(Error::Protocol(ProtocolProblem {
                    method: METHOD.to_owned(),
                    problem: "the result holds an invalid string or number, or is nested too deeply".to_owned(),
                    delivery: Delivery::MaybeDelivered,
                }));
            }
            match self.more_input(&result)? {
                None => return self.outcome(result, call),
                Some(more) => input = more,
            }
            // By the specification a retry is a new request.
            id = self.ids.hand_out();
        }
        Err(Error::Protocol(ProtocolProblem {
            method: METHOD.to_owned(),
            problem: format!("the peer asked for input {ROUNDS} times"),
            delivery: Delivery::MaybeDelivered,
        }))
    }

    fn param_headers(&self, call: &Call, arguments: &str) -> Vec<(String, String)> {
        if self.session.era == Era::Legacy {
            return Vec::new();
        }
        let bindings =
            call.input_schema.as_deref().and_then(|schema| param_headers::scan(schema).ok()).unwrap_or_default();
        param_headers::headers(&bindings, arguments)
    }

    /// `resultType: "input_required"` of the modern era: the members of the retry. Nobody is there to ask, so elicitation is
    /// declined, and anything else is an error. The state goes back as it came.
    fn more_input(&self, result: &str) -> Result<Option<Object>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Typed<'a> {
            #[serde(default)]
            result_type: Option<String>,
            #[serde(default)]
            input_requests: Option<BTreeMap<String, Wanted>>,
            #[serde(borrow, default)]
            request_state: Option<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct Wanted {
            #[serde(default)]
            method: String,
        }
        if self.session.era == Era::Legacy {
            return Ok(None);
        }
        let problem = |problem: String| {
            Error::Protocol(ProtocolProblem {
                method: "tools/call".to_owned(),
                problem,
                delivery: Delivery::MaybeDelivered,
            })
        };
        let typed: Typed<'_> = match serde_json::from_str(result) {
            Ok(typed) => typed,
            Err(error) => {
                return Err(problem(format!("the result cannot be read: {}", crate::text::clean(&error.to_string()))));
            }
        };
        match typed.result_type.as_deref() {
            None | Some("complete") => return Ok(None),
            Some("input_required") => {}
            Some(other) => {
                return Err(problem(format!("unknown resultType \"{}\"", crate::text::clean(other))));
            }
        }
        let mut answers = Object::default();
        for (key, wanted) in typed.input_requests.unwrap_or_default() {
            if wanted.method != "elicitation/create" {
                return Err(problem(format!(
                    "the peer asks for {}, which was not offered",
                    crate::text::clean(&wanted.method)
                )));
            }
            answers = answers.with(&key, &elicitation::decline());
        }
        let mut members = Object::default();
        if !answers.is_empty() {
            members = members.with("inputResponses", &answers);
        }
        if let Some(state) = typed.request_state {
            members = members.with("requestState", state);
        }
        Ok(Some(members))
    }

    fn outcome(&self, result: Json, call: &Call) -> Result<Outcome> {
        if !is_error(&result) {
            return Ok(Outcome { result, failed: false, failure: None });
        }
        let told = only_text(&result)
            .and_then(|text| Some((self.product().failure_in_text(&text, &call.tool)?, crate::text::clean(&text))));
        let failure = match told {
            None => None,
            // The credential may not do this; no service was asked.
            Some((TextFailure { status: Status::Forbidden, delivery, culprit: Culprit::Gateway }, body)) => {
                let method = Some("tools/call".to_owned());
                return Err(Error::Forbidden(Refusal { http_status: 200, method, challenge: None, body, delivery }));
            }
            Some((TextFailure { status, delivery, culprit }, message)) => {
                let service = match culprit {
                    Culprit::Service => call.service.clone(),
                    Culprit::Gateway => None,
                };
                Some(UpstreamFailure { http_status: Some(200), service, status, message, delivery })
            }
        };
        Ok(Outcome { failed: true, failure, result })
    }

    /// Tells the peer that a call is no longer wanted. In the modern era closing the stream says it, so nothing is sent.
    ///
    /// # Errors
    ///
    /// The notification could not be sent.
    pub fn cancel(&self, token: u32, reason: &str) -> Result<()> {
        const METHOD: &str = "notifications/cancelled";
        if self.session.era == Era::Modern {
            return Ok(());
        }
        let params = Object::default().with("requestId", &token).with("reason", reason);
        let headers = era::headers(&self.session, METHOD, None);
        let body = json_rpc::notification(METHOD, Some(&params));
        let (status, headers, body) = exchange::tell(self.outside.as_ref(), &self.endpoint.url, &headers, body, None)
            .map_err(|failure| verdicts::transport(&failure))?;
        verdicts::by_status(status, &headers, &body, self.context(METHOD, None).session, self.outside.now())
            .map_or(Ok(()), Err)
    }

    fn ask(&self, question: Question<'_>) -> Result<Json> {
        let mut headers = era::headers(&self.session, question.method, question.name);
        headers.extend(question.headers);
        let params = era::params(self.session.era, &self.endpoint.client, question.members, question.meta);
        let reply = exchange::ask(
            self.outside.as_ref(),
            Ask {
                url: &self.endpoint.url,
                method: question.method,
                id: question.id,
                body: json_rpc::request(question.id, question.method, &params),
                headers,
                dialogue: match self.session.era {
                    Era::Legacy => Dialogue::Both(session::offer(&self.endpoint)),
                    Era::Modern => Dialogue::AnswersOnly,
                },
                token: question.token,
                progress: question.progress,
                within: question.within,
            },
        )
        .map_err(|failure| verdicts::transport(&failure))?;
        classify::reply(reply, &self.context(question.method, question.service))
    }

    fn context<'a>(&self, method: &'a str, service: Option<&'a str>) -> Context<'a> {
        let session = if self.session.session_id.is_some() { SessionSent::Yes } else { SessionSent::No };
        Context { method, session, product: self.product(), service, now: self.outside.now() }
    }

    fn product(&self) -> &'static dyn Product {
        gateways::product(self.session.kind)
    }

    /// What did not work, as the contract has it, with what its product says to do about it.
    #[must_use]
    pub fn failure(&self, error: Error) -> Failure {
        failure::record(error, &self.endpoint.url, Some(self.session.kind))
    }
}

/// The members of an object. Of two with one name the last counts, as with most parsers.
fn members_of(object: &str) -> BTreeMap<Cow<'_, str>, &RawValue> {
    #[derive(Deserialize)]
    struct Members<'a>(#[serde(borrow)] BTreeMap<Key<'a>, &'a RawValue>);
    #[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
    struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Members<'_>>(object)
        .map(|Members(members)| members.into_iter().map(|(Key(key), value)| (key, value)).collect())
        .unwrap_or_default()
}

/// `isError`, read alone, so that nothing beside it hides a failure. What is no boolean counts as in most languages: only what is
/// empty, zero or says "false" is no failure.
fn is_error(result: &str) -> bool {
    let members = members_of(result);
    let Some(value) = members.get("isError") else { return false };
    match serde_json::from_str::<serde_json::Value>(value.get()) {
        Ok(serde_json::Value::Null | serde_json::Value::Bool(false)) => false,
        Ok(serde_json::Value::Number(number)) => number.as_f64() != Some(0.0),
        Ok(serde_json::Value::String(text)) => {
            !matches!(text.trim().to_ascii_lowercase().as_str(), "" | "false" | "0" | "no")
        }
        _ => true,
    }
}

/// The text of a result that is one text: a single block, a string in place of the list, or a block without a list.
fn only_text(result: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Text {
        text: String,
    }
    let content = members_of(result).get("content")?.get();
    if let Ok(text) = serde_json::from_str::<String>(content) {
        return Some(text);
    }
    let blocks: Vec<&RawValue> = serde_json::from_str(content).unwrap_or_default();
    let block = match blocks.as_slice() {
        [] => content,
        [block] => block.get(),
        _ => return None,
    };
    serde_json::from_str::<Text>(block).ok().map(|Text { text }| text)
}

/// A caller's `_meta` without those members that are ours to set. None: it is not an object.
fn callers_meta(object: &str) -> Option<Object> {
    if !json_rpc::is_object(object) {
        return None;
    }
    let object = members_of(object);
    let ours = |name: &str| {
        name == "progressToken"
            || ["protocolVersion", "clientCapabilities", "clientInfo"]
                .iter()
                .any(|member| name.strip_prefix("io.modelcontextprotocol/") == Some(member))
    };
    let members = object.iter().filter(|(name, _)| !ours(name));
    Some(members.fold(Object::default(), |meta, (name, value)| meta.with(name, value)))
}
