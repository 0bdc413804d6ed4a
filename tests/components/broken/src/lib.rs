//! Fits the contract, and fails in a different way in every function: traps, spins, hangs, miscounts, says nonsense.
//! Whoever scores components must come to the end with it.

#[allow(warnings)]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "gateway", generate_all });
}

use std::{hint::black_box, thread, time::Duration};

use bindings::exports::pflow::gateway::{
    calls::{Call, Guest as Calls, Outcome},
    discovery::{Catalog, Conversation, ConversationBorrow, Endpoint, Failure, Guest as Discovery, GuestConversation, Session},
    filter::{Candidate, Details, Guest as Filter, PatternError, Reason, Rules},
    health::{Guest as Health, Service, ServiceHealth},
    products::{Guest as Products, Product},
    review::{Finding, Guest as Review, Rule},
};
use bindings::pflow::gateway::types::{Delivery, Era, FailureCode, Implementation, Tool};

struct Broken;

struct Talk {
    endpoint: Endpoint,
}

/// A byte too long.
const STATE: [u8; 8_193] = [0; 8_193];

impl Discovery for Broken {
    type Conversation = Talk;
}

impl GuestConversation for Talk {
    fn open(endpoint: Endpoint, _attach: Option<Vec<u8>>) -> Result<Conversation, Failure> {
        Ok(Conversation::new(Self { endpoint }))
    }

    fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    fn session(&self) -> Session {
        Session {
            era: Era::Modern,
            protocol_version: String::new(),
            kind: "Docker MCP Gateway".into(),
            kind_evidence: String::new(),
            server: Implementation { name: String::new(), version: String::new() },
            announces_tool_changes: true,
        }
    }

    fn state(&self) -> Vec<u8> {
        STATE.to_vec()
    }

    fn renew(&self) -> Result<(), Failure> {
        panic!("there is nothing to renew")
    }

    /// Traps.
    fn list_tools(&self) -> Result<Catalog, Failure> {
        panic!("out of cheese")
    }

    /// Says nonsense, and tries to colour the screen.
    fn close(&self) -> Result<(), Failure> {
        Err(Failure {
            code: FailureCode::ProtocolError,
            delivery: Delivery::NotDelivered,
            http_status: None,
            retry_after: None,
            service: None,
            service_status: None,
            method: Some("\u{1b}[31mDELETE".into()),
            message: "\u{202e}redro fo tuo\r\n".into(),
            advice: Some("\u{1b}]0;{credential}\u{7}".into()),
            details: vec![("\u{1b}".into(), "\u{0}".into())],
        })
    }
}

impl Filter for Broken {
    fn looks_at() -> Details {
        Details::empty()
    }

    /// Miscounts.
    fn select(_rules: Rules, candidates: Vec<Candidate>) -> Result<Vec<Option<Reason>>, PatternError> {
        Ok(vec![None; candidates.len() + 1])
    }
}

impl Health for Broken {
    /// Spins.
    fn check(_conversation: ConversationBorrow<'_>, known: Vec<Service>) -> Result<Vec<ServiceHealth>, Failure> {
        loop {
            black_box(&known);
        }
    }
}

impl Calls for Broken {
    /// Hangs.
    fn call_tool(_conversation: ConversationBorrow<'_>, _call: Call) -> Result<Outcome, Failure> {
        loop {
            thread::sleep(Duration::from_secs(3_600));
        }
    }

    fn cancel(_conversation: ConversationBorrow<'_>, _token: u32, _reason: String) -> Result<(), Failure> {
        Ok(())
    }
}

impl Products for Broken {
    /// Knows nothing, not even the one that everybody has to.
    fn known() -> Vec<Product> {
        Vec::new()
    }
}

impl Review for Broken {
    fn rules() -> Vec<Rule> {
        Vec::new()
    }

    fn review(_tools: Vec<Tool>) -> Vec<Finding> {
        Vec::new()
    }
}

bindings::export!(Broken with_types_in bindings);
