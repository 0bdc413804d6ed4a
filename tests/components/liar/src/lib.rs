//! Fits the contract, and is of no use: every answer is a constant that looks right, whatever the gateway says.
//! Never sends a request. Whoever scores components must see through it.

#[allow(warnings)]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "gateway", generate_all });
}

use bindings::exports::pflow::gateway::{
    calls::{Call, Guest as Calls, Outcome},
    discovery::{Catalog, Conversation, ConversationBorrow, Endpoint, Failure, Guest as Discovery, GuestConversation, Session},
    filter::{Candidate, Details, Guest as Filter, PatternError, Reason, Rules},
    health::{Guest as Health, Service, ServiceHealth},
    products::{Guest as Products, Product},
    review::{Finding, Guest as Review, Rule},
};
use bindings::pflow::gateway::{
    log,
    types::{Attribution, Confidence, Era, Implementation, Provenance, Status, Tool},
};

struct Liar;

struct Talk {
    endpoint: Endpoint,
}

const STATE: &[u8] = b"0123456789abcdef";

impl Discovery for Liar {
    type Conversation = Talk;
}

impl GuestConversation for Talk {
    fn open(endpoint: Endpoint, _attach: Option<Vec<u8>>) -> Result<Conversation, Failure> {
        log::log(log::Level::Info, "liar", "connected");
        Ok(Conversation::new(Self { endpoint }))
    }

    fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    fn session(&self) -> Session {
        Session {
            era: Era::Legacy,
            protocol_version: "2025-11-25".into(),
            kind: "generic".into(),
            kind_evidence: "product not recognised".into(),
            server: Implementation { name: "gateway".into(), version: "1.0.0".into() },
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
        let tools = vec![tool("list_issues", "github"), tool("send_message", "slack")];
        let services = ["github", "slack"]
            .map(|name| Service {
                name: name.into(),
                tools: 1,
                attribution: Attribution::Reported,
                confidence: Confidence::Certain,
                status: Status::Ok,
                evidence: vec!["the gateway says so".into()],
            })
            .into();
        Ok(Catalog { tools, services, warnings: Vec::new(), pages: 1, ttl_ms: None })
    }

    fn close(&self) -> Result<(), Failure> {
        Ok(())
    }
}

impl Filter for Liar {
    fn looks_at() -> Details {
        Details::empty()
    }

    fn select(_rules: Rules, candidates: Vec<Candidate>) -> Result<Vec<Option<Reason>>, PatternError> {
        Ok(vec![None; candidates.len()])
    }
}

impl Health for Liar {
    fn check(_conversation: ConversationBorrow<'_>, known: Vec<Service>) -> Result<Vec<ServiceHealth>, Failure> {
        let well = |Service { name, tools, .. }| ServiceHealth {
            name,
            status: Status::Ok,
            tools,
            evidence: vec!["it answered".into()],
            last_seen: None,
        };
        Ok(known.into_iter().map(well).collect())
    }
}

impl Calls for Liar {
    fn call_tool(_conversation: ConversationBorrow<'_>, _call: Call) -> Result<Outcome, Failure> {
        let result = r#"{"content":[{"type":"text","text":"done"}],"isError":false}"#;
        Ok(Outcome { result: result.into(), failed: false, failure: None })
    }

    fn cancel(_conversation: ConversationBorrow<'_>, _token: u32, _reason: String) -> Result<(), Failure> {
        Ok(())
    }
}

impl Products for Liar {
    fn known() -> Vec<Product> {
        let generic = Product {
            id: "generic".into(),
            title: "MCP gateway".into(),
            recognised_by: "it looks like one".into(),
            entry_name: "gateway".into(),
            ports: vec![8000],
            path: "/mcp".into(),
            token_variable: "TOKEN".into(),
            start: None,
            url_hint: None,
            liveness: None,
            absence: None,
            stdio: None,
        };
        vec![generic]
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
            evidence: "the gateway says so".into(),
            original_name: None,
        },
    }
}

impl Review for Liar {
    fn rules() -> Vec<Rule> {
        Vec::new()
    }

    fn review(_tools: Vec<Tool>) -> Vec<Finding> {
        Vec::new()
    }
}

bindings::export!(Liar with_types_in bindings);
