//! A fourth product, ACME, of which no line of the host knows: what `setup`, `add --kind`, `test` and hints say of it stands here.
//! Asks the gateway's URL once, to find out whether anybody is there; its tools and their failures are constants.

#[allow(warnings)]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "gateway", generate_all });
}

use bindings::{
    exports::pflow::gateway::{
        calls::{Call, Guest as Calls, Outcome},
        discovery::{
            Catalog, Conversation, ConversationBorrow, Endpoint, Failure, Guest as Discovery, GuestConversation, Session,
        },
        filter::{Candidate, Details, Guest as Filter, PatternError, Reason, Rules},
        health::{Guest as Health, Service, ServiceHealth},
        review::{Finding, Guest as Review, Rule, Severity},
        products::{Absence, Guest as Products, Product, StdioStart},
    },
    pflow::gateway::types::{
        Attribution, Confidence, Delivery, Era, FailureCode, Implementation, Provenance, Status, Tool,
    },
    wasi::http::{
        outgoing_handler,
        types::{Fields, OutgoingBody, OutgoingRequest, Scheme},
    },
};

struct Acme;

struct Talk {
    endpoint: Endpoint,
}

const STATE: &[u8] = b"acme";

/// A failure of which only this is known.
fn failure(code: FailureCode, message: &str) -> Failure {
    Failure {
        code,
        delivery: Delivery::NotDelivered,
        http_status: None,
        retry_after: None,
        service: None,
        service_status: None,
        method: None,
        message: message.into(),
        advice: None,
        details: Vec::new(),
    }
}

/// The status with which the gateway answers GET.
fn ask(url: &str) -> Result<u16, String> {
    let (_, rest) = url.split_once("://").ok_or("no URL")?;
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).map_err(|()| "scheme")?;
    request.set_authority(Some(authority)).map_err(|()| "authority")?;
    request.set_path_with_query(Some(path)).map_err(|()| "path")?;
    let body = request.body().map_err(|()| "body")?;
    let future = outgoing_handler::handle(request, None).map_err(|code| format!("{code:?}"))?;
    OutgoingBody::finish(body, None).map_err(|code| format!("{code:?}"))?;
    future.subscribe().block();
    match future.get() {
        Some(Ok(Ok(answer))) => Ok(answer.status()),
        other => Err(format!("{other:?}")),
    }
}

impl Discovery for Acme {
    type Conversation = Talk;
}

impl GuestConversation for Talk {
    fn open(endpoint: Endpoint, attach: Option<Vec<u8>>) -> Result<Conversation, Failure> {
        if endpoint.kind.as_deref().is_some_and(|kind| !["acme", "generic"].contains(&kind)) {
            return Err(failure(FailureCode::Unsupported, "this is only for ACME"));
        }
        if attach.as_deref().is_some_and(|state| state != STATE) {
            return Err(failure(FailureCode::SessionLost, "another component's session"));
        }
        if attach.is_none() {
            match ask(&endpoint.url) {
                Ok(401) => {
                    return Err(Failure {
                        http_status: Some(401),
                        advice: Some("{credential} must hold a key from the console of ACME, for {gateway}".into()),
                        ..failure(FailureCode::AuthRequired, "no key")
                    });
                }
                Ok(_) => {}
                Err(why) => return Err(failure(FailureCode::Unreachable, &why)),
            }
        }
        Ok(Conversation::new(Self { endpoint }))
    }

    fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    fn session(&self) -> Session {
        Session {
            era: Era::Legacy,
            protocol_version: "2025-11-25".into(),
            kind: "acme".into(),
            kind_evidence: "it answers GET".into(),
            server: Implementation { name: "ACME".into(), version: "7".into() },
            announces_tool_changes: false,
        }
    }

    fn state(&self) -> Vec<u8> {
        STATE.to_vec()
    }

    fn renew(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn list_tools(&self) -> Result<Catalog, Failure> {
        let service = |name: &str, status| Service {
            name: name.into(),
            tools: 1,
            attribution: Attribution::Reported,
            confidence: Confidence::Certain,
            status,
            evidence: vec!["ACME says so".into()],
        };
        let set = |name: &str| self.endpoint.settings.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone());
        let mut tools = vec![tool("find_customer", "crm"), tool("send_mail", "mail")];
        if let (Some(tool), Some(text)) = (tools.last_mut(), set("mail.description")) {
            tool.description = Some(text);
        }
        if let (Some(tool), Some(_)) = (tools.first_mut(), set("crm.declared")) {
            tool.provenance.attribution = Attribution::Declared;
        }
        Ok(Catalog {
            tools,
            services: vec![service("crm", Status::Ok), service("mail", Status::AuthRequired)],
            warnings: Vec::new(),
            pages: 1,
            ttl_ms: None,
        })
    }

    fn close(&self) -> Result<(), Failure> {
        Ok(())
    }
}

impl Filter for Acme {
    fn looks_at() -> Details {
        Details::DESCRIPTION
    }

    /// Leaves out what its own description calls secret; looks at nothing else, and is sent nothing else.
    fn select(_rules: Rules, candidates: Vec<Candidate>) -> Result<Vec<Option<Reason>>, PatternError> {
        let verdict = |candidate: &Candidate| {
            assert!(candidate.title.is_none() && candidate.input_schema.is_none() && candidate.meta.is_none());
            let secret = candidate.description.as_deref().is_some_and(|text| text.contains("secret"));
            secret.then(|| Reason::Other("its data are secret\u{1b}[31m\u{202e}".into()))
        };
        Ok(candidates.iter().map(verdict).collect())
    }
}

impl Health for Acme {
    fn check(_conversation: ConversationBorrow<'_>, known: Vec<Service>) -> Result<Vec<ServiceHealth>, Failure> {
        let told = |Service { name, tools, status, evidence, .. }| ServiceHealth {
            name,
            status,
            tools,
            evidence,
            last_seen: None,
        };
        Ok(known.into_iter().map(told).collect())
    }
}

impl Calls for Acme {
    fn call_tool(_conversation: ConversationBorrow<'_>, call: Call) -> Result<Outcome, Failure> {
        match call.tool.as_str() {
            "send_mail" => Err(Failure {
                service: Some("mail".into()),
                service_status: Some(Status::AuthRequired),
                advice: Some("sign in with `acme login mail`; {gateway} goes on by itself".into()),
                ..failure(FailureCode::UpstreamError, "signed out")
            }),
            "find_customer" if call.arguments.contains("quota") => {
                Err(failure(FailureCode::Other("quota exhausted".into()), "1000 of 1000"))
            }
            _ => {
                let result = r#"{"content":[{"type":"text","text":"done"}],"isError":false}"#;
                Ok(Outcome { result: result.into(), failed: false, failure: None })
            }
        }
    }

    fn cancel(_conversation: ConversationBorrow<'_>, _token: u32, _reason: String) -> Result<(), Failure> {
        Err(failure(FailureCode::Unsupported, "nothing can be cancelled"))
    }
}

impl Products for Acme {
    fn known() -> Vec<Product> {
        let generic = Product {
            id: "generic".into(),
            title: "MCP gateway".into(),
            recognised_by: "it does not answer GET".into(),
            entry_name: "gateway".into(),
            ports: vec![9],
            path: "/mcp".into(),
            token_variable: "TOKEN".into(),
            start: None,
            url_hint: None,
            liveness: None,
            absence: None,
            stdio: None,
        };
        let acme = Product {
            id: "acme".into(),
            title: "ACME Tool Hub".into(),
            recognised_by: "it answers GET".into(),
            entry_name: "hub".into(),
            ports: vec![9],
            path: "/hub".into(),
            token_variable: "ACME_KEY".into(),
            start: Some("acme hub start --port 9".into()),
            url_hint: Some("The URL is on the hub's own page".into()),
            absence: Some(Absence {
                why: "ACME puts services to sleep".into(),
                remedy: "wake {service} with `acme wake {service}`".into(),
            }),
            stdio: Some(StdioStart {
                words: vec!["acme".into(), "hub".into()],
                transport_flags: vec!["--stdio".into()],
                instead: "acme hub start".into(),
            }),
            ..generic.clone()
        };
        vec![acme, generic]
    }
}

fn tool(name: &str, service: &str) -> Tool {
    Tool {
        name: name.into(),
        title: None,
        description: Some("Does what its name says.".into()),
        input_schema: r#"{"type":"object"}"#.into(),
        output_schema: None,
        annotations: None,
        icons: None,
        meta: None,
        provenance: Provenance {
            service: Some(service.into()),
            service_id: None,
            attribution: Attribution::Reported,
            confidence: Confidence::Certain,
            evidence: "ACME says so".into(),
            original_name: None,
        },
    }
}

impl Review for Acme {
    fn rules() -> Vec<Rule> {
        vec![Rule {
            id: "acme-promises".into(),
            title: "a tool that promises something".into(),
            severity: Severity::Warning,
            explanation: "ACME promises nothing.".into(),
            told_as: None,
        }]
    }

    fn review(tools: Vec<Tool>) -> Vec<Finding> {
        let promises = |tool: &Tool| tool.description.as_deref().is_some_and(|text| text.contains("guaranteed"));
        let found = |tool: Tool| Finding {
            severity: Severity::Warning,
            rule: "acme-promises".into(),
            message: format!("{} promises something\u{1b}[31m", tool.name),
            tool: Some(tool.name),
            at: "description".into(),
            excerpt: tool.description.unwrap_or_default(),
        };
        tools.into_iter().filter(promises).map(found).collect()
    }
}

bindings::export!(Acme with_types_in bindings);
