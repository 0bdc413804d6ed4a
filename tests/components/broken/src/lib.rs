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
    filter::{Candidate, Guest as Filter, PatternError, Reason, Rules},
    health::{Guest as Health, Service, ServiceHealth},
    products::{Guest as Products, Product},
};
use bindings::pflow::gateway::types::{Delivery, Era, FailureCode, Implementation};

struct Broken;

struct Talk;

impl Discovery for Broken {
    type Conversation = Talk;
}

impl GuestConversation for Talk {
    fn open(_endpoint: Endpoint, _attach: Option<Session>) -> Result<Conversation, Failure> {
        Ok(Conversation::new(Self))
    }

    fn session(&self) -> Session {
        Session {
            era: Era::Modern,
            protocol_version: String::new(),
            session_id: None,
            kind: "Docker MCP Gateway".into(),
            kind_evidence: String::new(),
            server: Implementation { name: String::new(), version: String::new() },
            announces_tool_changes: true,
        }
    }

    fn renew(&self) -> Result<Session, Failure> {
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

    fn cancel(_conversation: ConversationBorrow<'_>, _request_id: u64, _reason: String) -> Result<(), Failure> {
        Ok(())
    }
}

impl Products for Broken {
    /// Knows nothing, not even the one that everybody has to.
    fn known() -> Vec<Product> {
        Vec::new()
    }
}

bindings::export!(Broken with_types_in bindings);
