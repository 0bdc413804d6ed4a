//! One conversation with one gateway: what the contract's resource does.
//! Takes an endpoint and the way out; gives a session, catalogues and results of calls. Must never repeat a tool call;
//! reading the catalogue may renew a lost session, once.

use std::rc::Rc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    catalog,
    classify::{self, Context, SessionSent},
    gateways::{self, Culprit, Peer, Product, TextFailure},
    http::Outside,
    mcp::{
        elicitation::Offer,
        era,
        exchange::{self, Ask, Dialogue, Progress},
        json_rpc::{self, quote},
        paging::{self, Listing},
        param_headers,
        session::{self, Ids},
        tools,
    },
    model::{
        Call, Catalog, Delivery, Endpoint, Era, Error, Json, Outcome, ProtocolProblem, Refusal, Result, RpcError,
        Service, ServiceHealth, Session, Status, UpstreamFailure,
    },
};

/// A conversation.
pub struct Conversation {
    outside: Rc<dyn Outside>,
    endpoint: Endpoint,
    session: Session,
    ids: Ids,
}

/// One request, before the era's parts are added.
struct Question<'a> {
    method: &'a str,
    /// What `Mcp-Name` repeats.
    name: Option<&'a str>,
    /// Members of `params`, without braces.
    members: String,
    /// Members of `_meta`, without braces.
    meta: String,
    id: u64,
    progress: Progress,
    /// `Mcp-Param-…`.
    headers: Vec<(String, String)>,
    service: Option<&'a str>,
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
        let mut ids = Ids::new(endpoint.first_request_id);
        let session = match attach {
            Some(session) => session,
            None => session::open(outside.as_ref(), &endpoint, &mut ids)?,
        };
        Ok(Self { outside, endpoint, session, ids })
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
        let endpoint = Endpoint { era: Some(self.session.era), ..self.endpoint.clone() };
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
    /// others are attached to the same one.
    ///
    /// # Errors
    ///
    /// A page could not be read.
    pub fn list_tools(&mut self) -> Result<Catalog> {
        let listing = match self.read_pages() {
            // A cursor that went stale while reading: the catalogue changed. From the start, once.
            Err(Error::Rejected(RpcError { code: -32_602, data: Some(data), .. })) if data == CURSOR_MARK => {
                self.read_pages()?
            }
            other => other?,
        };
        let product = self.product();
        let report = product.report(&Peer { outside: self.outside.as_ref(), url: &self.endpoint.url });
        Ok(catalog::build(listing, report, product, &self.endpoint.services))
    }

    fn read_pages(&mut self) -> Result<Listing> {
        const METHOD: &str = "tools/list";
        paging::read_all(self.endpoint.max_pages, |cursor| {
            let id = self.ids.hand_out();
            let result = self
                .ask(Question {
                    method: METHOD,
                    name: None,
                    members: cursor.map(|cursor| format!(r#""cursor":{}"#, quote(cursor))).unwrap_or_default(),
                    meta: String::new(),
                    id,
                    progress: Progress::Unwanted,
                    headers: Vec::new(),
                    service: None,
                })
                .map_err(|error| match error {
                    Error::Rejected(refused) if cursor.is_some() && refused.code == -32_602 => {
                        Error::Rejected(RpcError { data: Some(CURSOR_MARK.to_owned()), ..refused })
                    }
                    other => other,
                })?;
            tools::read(&result, self.session.era).map_err(|problem| {
                Error::Protocol(ProtocolProblem {
                    method: METHOD.to_owned(),
                    problem: crate::text::clean(&problem),
                    delivery: Delivery::MaybeDelivered,
                })
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
        if !json_rpc::is_object(arguments) {
            return Err(invalid("the arguments are not a JSON object"));
        }
        let meta = match &call.meta {
            None => String::new(),
            Some(meta) => members(meta).ok_or_else(|| invalid("_meta is not a JSON object"))?,
        };
        let headers = self.param_headers(call, arguments);
        let listening = self.listen();
        let outcome = self.rounds(call, arguments, &meta, &headers);
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
        self.outside.listen(exchange::listening(&self.endpoint.url, &headers))
    }

    /// One request; in the modern era more, while the peer wants input.
    fn rounds(&mut self, call: &Call, arguments: &str, meta: &str, headers: &[(String, String)]) -> Result<Outcome> {
        const METHOD: &str = "tools/call";
        let mut id = call.request_id;
        let mut input = String::new();
        for _ in 0..ROUNDS {
            let token = if call.progress { format!(r#""progressToken":{id}"#) } else { String::new() };
            let comma = if token.is_empty() || meta.is_empty() { "" } else { "," };
            let result = self.ask(Question {
                method: METHOD,
                name: Some(&call.tool),
                members: format!(r#""name":{},"arguments":{arguments}{input}"#, quote(&call.tool)),
                meta: format!("{token}{comma}{meta}"),
                id,
                progress: if call.progress { Progress::Wanted } else { Progress::Unwanted },
                headers: headers.to_vec(),
                service: call.service.as_deref(),
            })?;
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
        if bindings.is_empty() {
            return Vec::new();
        }
        serde_json::from_str(arguments)
            .map(|arguments| param_headers::headers(&bindings, &arguments))
            .unwrap_or_default()
    }

    /// `resultType: "input_required"` of the modern era: the members of the retry. Nobody is there to ask, so elicitation is
    /// declined, and anything else is an error. The state goes back as it came.
    fn more_input(&self, result: &str) -> Result<Option<String>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Typed<'a> {
            #[serde(default)]
            result_type: Option<String>,
            #[serde(default)]
            input_requests: Option<std::collections::BTreeMap<String, Wanted>>,
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
        let mut answers = Vec::new();
        for (key, wanted) in typed.input_requests.unwrap_or_default() {
            if wanted.method != "elicitation/create" {
                return Err(problem(format!(
                    "the peer asks for {}, which was not offered",
                    crate::text::clean(&wanted.method)
                )));
            }
            answers.push(format!(r#"{}:{{"action":"decline"}}"#, quote(&key)));
        }
        let mut members = String::new();
        if !answers.is_empty() {
            members = format!(r#","inputResponses":{{{}}}"#, answers.join(","));
        }
        if let Some(state) = typed.request_state {
            members.push_str(r#","requestState":"#);
            members.push_str(state.get());
        }
        Ok(Some(members))
    }

    fn outcome(&self, result: Json, call: &Call) -> Result<Outcome> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Failed<'a> {
            #[serde(default)]
            is_error: Option<bool>,
            #[serde(borrow, default)]
            content: Vec<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct Text {
            text: String,
        }
        let Ok(Failed { is_error: Some(true), content }) = serde_json::from_str::<Failed<'_>>(&result) else {
            return Ok(Outcome { result, failed: false, failure: None });
        };
        let told = match content.as_slice() {
            [block] => serde_json::from_str::<Text>(block.get()).ok().and_then(|Text { text }| {
                Some((self.product().failure_in_text(&text, &call.tool)?, crate::text::clean(&text)))
            }),
            _ => None,
        };
        let failure = match told {
            None => None,
            // The credential may not do this; no service was asked.
            Some((TextFailure { status: Status::Forbidden, delivery, culprit: Culprit::Gateway }, body)) => {
                return Err(Error::Forbidden(Refusal { http_status: 200, challenge: None, body, delivery }));
            }
            Some((TextFailure { status, delivery, culprit }, message)) => {
                let service = match culprit {
                    Culprit::Service => call.service.clone(),
                    Culprit::Gateway => None,
                };
                Some(UpstreamFailure { service, status, message, delivery })
            }
        };
        Ok(Outcome { failed: true, failure, result })
    }

    /// Tells the peer that a call is no longer wanted. In the modern era closing the stream says it, so nothing is sent.
    ///
    /// # Errors
    ///
    /// The notification could not be sent.
    pub fn cancel(&self, request_id: u64, reason: &str) -> Result<()> {
        const METHOD: &str = "notifications/cancelled";
        if self.session.era == Era::Modern {
            return Ok(());
        }
        let params = format!(r#"{{"requestId":{request_id},"reason":{}}}"#, quote(reason));
        let headers = era::headers(&self.session, METHOD, None);
        let body = json_rpc::notification(METHOD, Some(&params));
        let (status, headers, body) = exchange::tell(self.outside.as_ref(), &self.endpoint.url, &headers, body)
            .map_err(|failure| classify::transport(&failure))?;
        classify::by_status(status, &headers, &body, &self.context(METHOD, None)).map_or(Ok(()), Err)
    }

    fn ask(&self, question: Question<'_>) -> Result<Json> {
        let mut headers = era::headers(&self.session, question.method, question.name);
        headers.extend(question.headers);
        let params = era::params(self.session.era, &self.endpoint.client, &question.members, &question.meta);
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
                progress: question.progress,
            },
        )
        .map_err(|failure| classify::transport(&failure))?;
        classify::reply(reply, &self.context(question.method, question.service))
    }

    fn context<'a>(&self, method: &'a str, service: Option<&'a str>) -> Context<'a> {
        let session = if self.session.session_id.is_some() { SessionSent::Yes } else { SessionSent::No };
        Context { method, session, product: self.product(), service }
    }

    fn product(&self) -> &'static dyn Product {
        gateways::product(self.session.kind)
    }
}

/// Marks a refused cursor on its way from a page to the list; it never leaves this file.
const CURSOR_MARK: &str = "\"stale cursor\"";

/// The members of a caller's `_meta`, without its braces, and without those that are ours to set.
fn members(object: &str) -> Option<String> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(object).ok()?;
    let ours = |name: &str| {
        name == "progressToken"
            || ["protocolVersion", "clientCapabilities", "clientInfo"]
                .iter()
                .any(|member| name.strip_prefix("io.modelcontextprotocol/") == Some(member))
    };
    let members = object.iter().filter(|(name, _)| !ours(name));
    Some(members.map(|(name, value)| format!("{}:{value}", quote(name))).collect::<Vec<_>>().join(","))
}
