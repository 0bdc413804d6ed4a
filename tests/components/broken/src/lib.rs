//! Fits the contract, and fails in a different way in every function: traps, spins, hangs, miscounts, says nonsense.
//! Whoever scores components must come to the end with it.

#[allow(warnings)]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "gateway", generate_all });
}

use std::{hint::black_box, thread, time::Duration};

use bindings::exports::pflow::gateway::{
    calls::{Call, Guest as Calls, Outcome},
    discovery::{Catalog, Conversation, ConversationBorrow, Endpoint, Error, Guest as Discovery, GuestConversation, Session},
    filter::{Candidate, Guest as Filter, PatternError, Reason, Rules},
    health::{Guest as Health, Service, ServiceHealth},
};
use bindings::pflow::gateway::types::{Delivery, Era, Implementation, Kind, ProtocolProblem};

struct Broken;

struct Talk;

impl Discovery for Broken {
    type Conversation = Talk;
}

impl GuestConversation for Talk {
    fn open(_endpoint: Endpoint, _attach: Option<Session>) -> Result<Conversation, Error> {
        Ok(Conversation::new(Self))
    }

    fn session(&self) -> Session {
        Session {
            era: Era::Modern,
            protocol_version: String::new(),
            session_id: None,
            kind: Kind::Docker,
            kind_evidence: String::new(),
            server: Implementation { name: String::new(), version: String::new() },
            announces_tool_changes: true,
        }
    }

    fn renew(&self) -> Result<Session, Error> {
        panic!("there is nothing to renew")
    }

    /// Traps.
    fn list_tools(&self) -> Result<Catalog, Error> {
        panic!("out of cheese")
    }

    /// Says nonsense, and tries to colour the screen.
    fn close(&self) -> Result<(), Error> {
        Err(Error::ProtocolError(ProtocolProblem {
            method: "\u{1b}[31mDELETE".into(),
            problem: "\u{202e}redro fo tuo\r\n".into(),
            delivery: Delivery::NotDelivered,
        }))
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
    fn check(_conversation: ConversationBorrow<'_>, known: Vec<Service>) -> Result<Vec<ServiceHealth>, Error> {
        loop {
            black_box(&known);
        }
    }
}

impl Calls for Broken {
    /// Hangs.
    fn call_tool(_conversation: ConversationBorrow<'_>, _call: Call) -> Result<Outcome, Error> {
        loop {
            thread::sleep(Duration::from_secs(3_600));
        }
    }

    fn cancel(_conversation: ConversationBorrow<'_>, _request_id: u64, _reason: String) -> Result<(), Error> {
        Ok(())
    }
}

bindings::export!(Broken with_types_in bindings);
