//! Which service a tool is from, by the rule of one company. Everything else is passed on to the component behind.
//! Takes a catalogue and gives it with other provenance, and passes everything else on as it came. Asks the gateway for one page, when the
//! entry names it: `"settings": {"systems": "/systems.txt"}`, which `"paths"` has to allow, too.

mod bindings {
    wit_bindgen::generate!({
        path: "../../../../wit",
        inline: "
            package acme:rule;
            world rule {
                import pflow:gateway/discovery@0.2.0;
                import pflow:gateway/health@0.2.0;
                import pflow:gateway/calls@0.2.0;
                import pflow:gateway/log@0.2.0;
                import wasi:http/outgoing-handler@0.2.2;
                export pflow:gateway/discovery@0.2.0;
                export pflow:gateway/health@0.2.0;
                export pflow:gateway/calls@0.2.0;
            }
        ",
        world: "acme:rule/rule",
        generate_all,
    });
}

use std::collections::BTreeMap;

use bindings::{
    exports::pflow::gateway::{calls, discovery, health},
    pflow::gateway::{
        calls as behind_calls, discovery as behind, health as behind_health, log,
        types::{Attribution, Catalog, Confidence, Endpoint, Failure, Provenance, Service, Session, Status},
    },
    wasi::{
        http::{
            outgoing_handler,
            types::{Fields, OutgoingBody, OutgoingRequest, Scheme},
        },
        io::streams::StreamError,
    },
};

/// The setting that names the page.
const SETTING: &str = "systems";
/// Bytes of a page.
const MOST: usize = 100_000;

/// The rule: `SYSTEM.what_it_does`.
fn system_of(tool: &str) -> Option<&str> {
    tool.split_once('.').map(|(system, _)| system)
}

/// The systems that there are: those of the page, one in a line, when the entry names it; else, or when it cannot be had, these.
fn systems(endpoint: &Endpoint) -> Vec<String> {
    let known = || ["crm", "erp", "hr", "warehouse"].map(str::to_owned).to_vec();
    let Some((_, page)) = endpoint.settings.iter().find(|(name, _)| name == SETTING) else { return known() };
    match get(&endpoint.url, page) {
        Ok(text) => text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        Err(problem) => {
            log::log(log::Level::Warn, "rule", &format!("{page} cannot be read: {problem}"));
            known()
        }
    }
}

/// GET of a page of the gateway's own origin. The host allows what the entry's `paths` names, and adds the credential where it is due.
fn get(gateway: &str, path: &str) -> Result<String, String> {
    let (scheme, rest) = gateway.split_once("://").ok_or("the gateway's URL is not absolute")?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    let request = OutgoingRequest::new(Fields::new());
    let refused = |()| "it is not a path";
    request.set_scheme(Some(&scheme)).map_err(refused)?;
    request.set_authority(Some(authority)).map_err(refused)?;
    request.set_path_with_query(Some(path)).map_err(refused)?;
    let body = request.body().map_err(refused)?;
    let coming = outgoing_handler::handle(request, None).map_err(|code| code.to_string())?;
    OutgoingBody::finish(body, None).map_err(|code| code.to_string())?;
    coming.subscribe().block();
    let answer = coming.get().ok_or("no answer")?.map_err(|()| "no answer")?.map_err(|code| code.to_string())?;
    if answer.status() != 200 {
        return Err(format!("HTTP {}", answer.status()));
    }
    // A stream is a child of its body, and dropped before it.
    let body = answer.consume().map_err(|()| "no body")?;
    let stream = body.stream().map_err(|()| "no body")?;
    let mut bytes = Vec::new();
    while bytes.len() < MOST {
        match stream.blocking_read(65_536) {
            Ok(more) => bytes.extend(more),
            Err(StreamError::Closed) => return String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()),
            Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
        }
    }
    Err(format!("it is longer than {MOST} bytes"))
}

/// Applies the rule to every tool, and counts the services anew.
fn attribute(catalog: &mut Catalog, systems: &[String]) {
    for tool in &mut catalog.tools {
        let system = system_of(&tool.name).filter(|system| systems.iter().any(|known| known == system));
        if let Some(service) = system {
            tool.provenance = Provenance {
                service: Some(service.to_owned()),
                service_id: None,
                // A rule of ours: what is `declared` stands in the entry.
                attribution: Attribution::Claimed,
                confidence: Confidence::High,
                evidence: format!("the company's rule: {service}.* is {service}"),
                original_name: tool.name.split_once('.').map(|(_, name)| name.to_owned()),
            };
        }
    }
    let mut counts = BTreeMap::<&str, u32>::new();
    for tool in &catalog.tools {
        if let Some(service) = &tool.provenance.service {
            *counts.entry(service).or_default() += 1;
        }
    }
    catalog.services.retain(|service| counts.contains_key(service.name.as_str()));
    for (name, tools) in counts {
        match catalog.services.iter_mut().find(|service| service.name == name) {
            Some(service) => service.tools = tools,
            None => catalog.services.push(Service {
                name: name.to_owned(),
                tools,
                attribution: Attribution::Claimed,
                confidence: Confidence::High,
                status: Status::Unknown,
                evidence: vec!["the company's rule".to_owned()],
            }),
        }
    }
}

struct Rule;

/// A conversation is one of the component behind.
struct Conversation(behind::Conversation);

impl discovery::Guest for Rule {
    type Conversation = Conversation;
}

impl discovery::GuestConversation for Conversation {
    fn open(endpoint: Endpoint, attach: Option<Vec<u8>>) -> Result<discovery::Conversation, Failure> {
        let conversation = behind::Conversation::open(&endpoint, attach.as_deref())?;
        Ok(discovery::Conversation::new(Self(conversation)))
    }

    fn endpoint(&self) -> Endpoint {
        self.0.endpoint()
    }

    fn session(&self) -> Session {
        self.0.session()
    }

    fn state(&self) -> Vec<u8> {
        self.0.state()
    }

    fn renew(&self) -> Result<(), Failure> {
        self.0.renew()
    }

    fn list_tools(&self) -> Result<Catalog, Failure> {
        let mut catalog = self.0.list_tools()?;
        attribute(&mut catalog, &systems(&self.0.endpoint()));
        Ok(catalog)
    }

    fn close(&self) -> Result<(), Failure> {
        self.0.close()
    }
}

impl health::Guest for Rule {
    fn check(
        conversation: health::ConversationBorrow<'_>,
        known: Vec<Service>,
    ) -> Result<Vec<health::ServiceHealth>, Failure> {
        let told = behind_health::check(&conversation.get::<Conversation>().0, &known)?;
        let same = |behind_health::ServiceHealth { name, status, tools, evidence, last_seen }| health::ServiceHealth {
            name,
            status,
            tools,
            evidence,
            last_seen,
        };
        Ok(told.into_iter().map(same).collect())
    }
}

impl calls::Guest for Rule {
    fn call_tool(conversation: calls::ConversationBorrow<'_>, call: calls::Call) -> Result<calls::Outcome, Failure> {
        if let Some(service) = &call.service {
            log::log(log::Level::Info, "rule", &format!("call {} of {} goes to {service}", call.token, call.tool));
        }
        let calls::Call { tool, input_schema, service, arguments, token, progress, meta } = call;
        let call = behind_calls::Call { tool, input_schema, service, arguments, token, progress, meta };
        let behind_calls::Outcome { result, failed, failure } =
            behind_calls::call_tool(&conversation.get::<Conversation>().0, &call)?;
        Ok(calls::Outcome { result, failed, failure })
    }

    fn cancel(conversation: calls::ConversationBorrow<'_>, token: u32, reason: String) -> Result<(), Failure> {
        behind_calls::cancel(&conversation.get::<Conversation>().0, token, &reason)
    }
}

bindings::export!(Rule with_types_in bindings);
