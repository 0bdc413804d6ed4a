//! The products. One file each; what differs between products lives only here.
//! Takes what was seen on the wire; gives which product it is, what it knows of its services, what its errors mean.
//! Must not guess: a product that says nothing yields nothing.

pub mod context_forge;
pub mod docker;
pub mod generic;

use std::collections::BTreeMap;

use crate::{
    http::{Headers, Outside},
    mcp::json_rpc::RpcFault,
    model::{Delivery, Error, Implementation, Kind, ProductFacts, Result, Service, ServiceHealth, Status, Warning},
    text,
};

/// What a product adds to plain MCP.
pub trait Product {
    /// What is known of it without asking it.
    fn facts(&self) -> ProductFacts;

    /// What to do about a failure, where this product's own words or ways say more than MCP does. The URL is the configured one.
    fn advice(&self, _error: &Error, _url: &str) -> Option<String> {
        None
    }

    /// Whether a tool, by its exact name, controls the gateway itself.
    fn is_control_tool(&self, _name: &str) -> bool {
        false
    }

    /// Whether a non-JSON answer is this product's way to say "method not found".
    fn refuses_method(&self, _status: u16, _body: &str) -> bool {
        false
    }

    /// What a JSON-RPC error of this product means, where it needs this product's knowledge.
    fn judge_fault(&self, _fault: &RpcFault) -> Option<Judgement> {
        None
    }

    /// Whether the tool itself may have written a JSON-RPC error: then its words say nothing of what ran before.
    fn may_be_of_the_tool(&self, _fault: &RpcFault) -> bool {
        false
    }

    /// The service that a JSON-RPC error of this product names.
    fn service_in_fault(&self, _fault: &RpcFault) -> Option<String> {
        None
    }

    /// How tools get names that tell their service, where this product can do it.
    fn bare_names(&self) -> Option<&'static str> {
        None
    }

    /// Why a gateway of this product can be without any service, and what to do.
    fn no_services(&self) -> Option<&'static str> {
        None
    }

    /// The gateway's own failure in the text of an `isError` result.
    fn failure_in_text(&self, _text: &str, _tool: &str) -> Option<TextFailure> {
        None
    }

    /// What the gateway's own API says of its tools and services.
    fn report(&self, _peer: &Peer<'_>) -> Report {
        Report::default()
    }

    /// What the gateway's own API says of its services' health. None: it has none.
    fn health(&self, _peer: &Peer<'_>, _known: &[Service]) -> Result<Option<Vec<ServiceHealth>>> {
        Ok(None)
    }

    /// Why there is no health of services, in one phrase.
    fn no_health(&self) -> &'static str {
        "the gateway reports no health of its services"
    }

    /// Whether a shared part before this separator hints at a service, when nothing better is known.
    fn infers_at(&self, separator: &str) -> bool {
        separator != "_"
    }
}

/// Where a product's own API is, and the way to it.
pub struct Peer<'a> {
    /// The way out.
    pub outside: &'a dyn Outside,
    /// The configured MCP URL.
    pub url: &'a str,
}

/// What a JSON-RPC error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// A service behind the gateway failed.
    Service(Status, Delivery),
    /// The session is lost, or useless.
    Session(Delivery),
    /// A rule of the gateway's stopped this call, or its result.
    Blocked(Delivery),
}

/// The gateway's failure inside a good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextFailure {
    /// The state it tells of.
    pub status: Status,
    /// Whether the tool can have run.
    pub delivery: Delivery,
    /// Who is to blame.
    pub culprit: Culprit,
}

/// Who is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Culprit {
    /// The service of the tool.
    Service,
    /// The gateway.
    Gateway,
}

/// What a gateway's API told.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// By the tool's name on the wire.
    pub tools: BTreeMap<String, Reported>,
    /// Services by name, with their state and what it rests on.
    pub services: BTreeMap<String, (Status, String)>,
    /// What could not be had.
    pub warnings: Vec<Warning>,
}

/// What is told of one tool.
#[derive(Clone, Debug)]
pub struct Reported {
    /// The service's name.
    pub service: String,
    /// The tool's name there.
    pub original_name: Option<String>,
    /// What the product knows the service by, whatever it is called.
    pub service_id: Option<String>,
    /// Where it is said.
    pub evidence: String,
}

/// What detection looks at.
pub struct Seen<'a> {
    /// The configured MCP URL.
    pub url: &'a str,
    /// The headers of the first MCP answer.
    pub headers: &'a Headers,
    /// `serverInfo`.
    pub server: &'a Implementation,
}

/// The product, and why.
#[must_use]
pub fn detect(seen: &Seen<'_>) -> (Kind, String) {
    docker::recognise(seen)
        .map(|evidence| (Kind::Docker, evidence))
        .or_else(|| context_forge::recognise(seen).map(|evidence| (Kind::ContextForge, evidence)))
        .unwrap_or_else(|| (Kind::Generic, "product not recognised".to_owned()))
}

/// What an answer that is no MCP means, when it is in the words of a product: at that point nobody has said which one it is.
#[must_use]
pub fn explain(status: u16, body: &str) -> Option<&'static str> {
    context_forge::explains(status, body)
}

/// What to do about a failure, when a product knows. Of a peer that has not said what it is, each looks for what is nobody else's.
#[must_use]
pub fn advice(error: &Error, url: &str, kind: Option<Kind>) -> Option<String> {
    match kind {
        Some(kind) => product(kind).advice(error, url),
        None => docker::unasked(error).map(str::to_owned).or_else(|| context_forge::ContextForge.advice(error, url)),
    }
    .or_else(|| generic::old_transport(error))
}

/// Whether a product that the user named is known here.
///
/// # Errors
///
/// It is not.
pub fn known(id: Option<&str>) -> Result<()> {
    match id {
        Some(id) if Kind::of_id(id).is_none() => {
            let all: Vec<&str> = Kind::ALL.into_iter().map(Kind::id).collect();
            let id = text::clean(id);
            Err(Error::Unsupported(format!("no product \"{id}\" is known, only {}", all.join(", "))))
        }
        _ => Ok(()),
    }
}

/// The product's knowledge.
#[must_use]
pub fn product(kind: Kind) -> &'static dyn Product {
    match kind {
        Kind::Docker => &docker::Docker,
        Kind::ContextForge => &context_forge::ContextForge,
        Kind::Generic => &generic::Generic,
    }
}
