//! A component that fits the contract and attacks the host.
//! Takes the name of an attack from the endpoint's URL (`?attack=NAME`), from a declared service (`attack-NAME`) where the host hides the
//! query, or the filter's first pattern; begins it in the export that
//! `attacks.in` gives. With another name it behaves. Reports what it got as the result of the call.

mod attack;
mod http;

#[allow(warnings)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        inline: "
            package pflow:hostile;
            world hostile {
                include pflow:gateway/gateway@0.2.0;
                include wasi:cli/imports@0.2.2;
            }
        ",
        world: "pflow:hostile/hostile",
        generate_all,
    });
}

use bindings::exports::pflow::gateway::{
    calls::{Call, Guest as Calls, Outcome},
    discovery::{
        Catalog, Conversation, ConversationBorrow, Endpoint, Failure, Guest as Discovery, GuestConversation, Session,
    },
    filter::{Candidate, Details, Guest as Filter, PatternError, Reason, Rules},
    health::{Guest as Health, Service, ServiceHealth},
    products::{Guest as Products, Product},
    review::{Finding, Guest as Review, Rule},
};
use bindings::pflow::gateway::types::{
    Attribution, Confidence, Delivery, Era, FailureCode, Implementation, Provenance, Tool,
};

/// Where an attack begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Point {
    Open,
    Session,
    Renew,
    List,
    Close,
    Select,
    Check,
    Call,
    Cancel,
}

/// What an attack is told.
pub struct Aim<'a> {
    /// The gateway's URL without its query.
    pub url: &'a str,
    /// From the call.
    pub arguments: &'a str,
}

macro_rules! attacks {
    ($($name:ident: $point:ident),+ $(,)?) => {
        /// Runs the attack of this name if it begins here. Gives what it has to tell.
        fn attack(name: &str, at: Point, aim: &Aim) -> Option<String> {
            match (name, at) {
                $((stringify!($name), Point::$point) => Some(attack::$name(aim)),)+
                _ => None,
            }
        }
    };
}
include!("../attacks.in");

/// A conversation that remembers its attack. With `cruel`, dropping it is one.
pub struct Hostile {
    url: String,
    attack: String,
    pub cruel: Option<fn()>,
    endpoint: Option<Endpoint>,
}

/// Whatever it is attached to.
const STATE: &[u8] = b"hostile";

impl Hostile {
    pub fn cruel(act: fn()) -> Self {
        Self { url: String::new(), attack: String::new(), cruel: Some(act), endpoint: None }
    }

    fn at(&self, point: Point) -> Option<String> {
        attack(&self.attack, point, &Aim { url: &self.url, arguments: "" })
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        if let Some(act) = self.cruel {
            act();
        }
    }
}

struct Component;

impl Discovery for Component {
    type Conversation = Hostile;
}

impl GuestConversation for Hostile {
    fn open(endpoint: Endpoint, _attach: Option<Vec<u8>>) -> Result<Conversation, Failure> {
        let (url, query) = endpoint.url.split_once('?').unwrap_or((&endpoint.url, ""));
        let declared = || endpoint.services.iter().find_map(|service| service.name.strip_prefix("attack-"));
        let attack = query.split('&').find_map(|pair| pair.strip_prefix("attack=")).or_else(declared);
        let attack = attack.unwrap_or_default();
        let hostile = Hostile { url: url.to_owned(), attack: attack.to_owned(), cruel: None, endpoint: Some(endpoint.clone()) };
        hostile.at(Point::Open);
        Ok(Conversation::new(hostile))
    }

    fn endpoint(&self) -> Endpoint {
        self.endpoint.clone().expect("it was opened")
    }

    fn session(&self) -> Session {
        self.at(Point::Session);
        session()
    }

    fn state(&self) -> Vec<u8> {
        STATE.to_vec()
    }

    fn renew(&self) -> Result<(), Failure> {
        self.at(Point::Renew);
        Ok(())
    }

    fn list_tools(&self) -> Result<Catalog, Failure> {
        let warnings = match self.at(Point::List) {
            Some(_) => attack::warnings(),
            None => Vec::new(),
        };
        Ok(Catalog { tools: vec![tool()], services: Vec::new(), warnings, pages: 1, ttl_ms: None })
    }

    fn close(&self) -> Result<(), Failure> {
        self.at(Point::Close);
        Ok(())
    }
}

impl Filter for Component {
    fn looks_at() -> Details {
        Details::empty()
    }

    fn select(rules: Rules, candidates: Vec<Candidate>) -> Result<Vec<Option<Reason>>, PatternError> {
        let name = rules.include_tools.first().map_or("", String::as_str);
        let verdicts = attack(name, Point::Select, &Aim { url: "", arguments: "" });
        let count = verdicts.and_then(|count| count.parse().ok()).unwrap_or(candidates.len());
        Ok(vec![None; count])
    }
}

impl Health for Component {
    fn check(conversation: ConversationBorrow<'_>, _known: Vec<Service>) -> Result<Vec<ServiceHealth>, Failure> {
        conversation.get::<Hostile>().at(Point::Check);
        Ok(Vec::new())
    }
}

impl Calls for Component {
    fn call_tool(conversation: ConversationBorrow<'_>, call: Call) -> Result<Outcome, Failure> {
        let hostile = conversation.get::<Hostile>();
        let told = attack(&hostile.attack, Point::Call, &Aim { url: &hostile.url, arguments: &call.arguments });
        if hostile.attack == "huge_error" {
            let message = told.unwrap_or_default();
            return Err(Failure {
                code: FailureCode::Rejected,
                delivery: Delivery::MaybeDelivered,
                http_status: None,
                retry_after: None,
                service: None,
                service_status: None,
                method: Some("tools/call".into()),
                message,
                advice: None,
                details: vec![("rpc-code".into(), "-32000".into())],
            });
        }
        Ok(Outcome { result: told.unwrap_or_else(|| "well".into()), failed: false, failure: None })
    }

    fn cancel(conversation: ConversationBorrow<'_>, _token: u32, _reason: String) -> Result<(), Failure> {
        conversation.get::<Hostile>().at(Point::Cancel);
        Ok(())
    }
}

impl Products for Component {
    fn known() -> Vec<Product> {
        attack::products()
    }
}

fn session() -> Session {
    Session {
        era: Era::Legacy,
        protocol_version: "2025-11-25".into(),
        kind: "generic".into(),
        kind_evidence: "it says so".into(),
        server: Implementation { name: "hostile".into(), version: "0".into() },
        announces_tool_changes: false,
    }
}

fn tool() -> Tool {
    Tool {
        name: "attack".into(),
        title: None,
        description: None,
        input_schema: r#"{"type":"object"}"#.into(),
        output_schema: None,
        annotations: None,
        icons: None,
        meta: None,
        provenance: Provenance {
            service: None,
            service_id: None,
            attribution: Attribution::None,
            confidence: Confidence::None,
            evidence: String::new(),
            original_name: None,
        },
    }
}

impl Review for Component {
    fn rules() -> Vec<Rule> {
        Vec::new()
    }

    fn review(_tools: Vec<Tool>) -> Vec<Finding> {
        Vec::new()
    }
}

bindings::export!(Component with_types_in bindings);
