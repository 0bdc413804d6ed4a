//! The gateway component, as the service's logic sees it.
//! In the sandbox it is the contract; in tests it is a script. Must say of every failure what it says about delivery.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use pflow_gateway_service_settings::{Filter, Gateway, Inbound};
use serde::{Deserialize, Serialize};

use crate::{answer::Answer, delivery::Sent, failure::Seen};

/// A session with a gateway, as the gateway component wrote it down: nobody else reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Opaque.
    #[serde(rename = "s", with = "coded")]
    pub state: Vec<u8>,
}

/// Bytes in JSON, in base64.
mod coded {
    use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD_NO_PAD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A tool, ready to be listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tool {
    /// On the wire.
    pub name: String,
    /// MCP's tool object.
    pub json: String,
    /// `inputSchema`, JSON.
    pub input_schema: String,
    /// The service that it is from.
    pub service: Option<String>,
    /// Its name there.
    pub original_name: Option<String>,
    /// That is certain: declared, or reported by the gateway itself.
    pub certain: bool,
    /// It is one of the gateway's own.
    pub control: bool,
    /// Its server says that it only reads.
    pub read_only: bool,
    /// Its server says that twice is as good as once.
    pub idempotent: bool,
    /// How its service is known, and how far that can be trusted: the contract's enumerations, for its filter.
    pub rung: usize,
    /// The same.
    pub trust: usize,
    /// Its server's hints, if there are any: read-only, destructive, idempotent, open world.
    pub hints: Option<[Option<bool>; 4]>,
    /// At which place of the catalogue it stands.
    pub index: usize,
}

/// All tools at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Sorted by name.
    pub tools: Vec<Tool>,
    /// Services and how many tools each has.
    pub services: Vec<(String, u32)>,
    /// How long the gateway allows it to be kept, in milliseconds.
    pub ttl_ms: Option<u64>,
}

/// A catalogue that an instance keeps, with what was found out about it: a filter need not be asked twice about the same tools.
#[derive(Debug, Default)]
pub struct Kept {
    /// As it was read.
    pub catalog: Catalog,
    /// By client, for each tool whether it is shown.
    pub shown: RefCell<BTreeMap<String, Rc<[bool]>>>,
}

impl From<Catalog> for Kept {
    fn from(catalog: Catalog) -> Self {
        Self { catalog, shown: RefCell::default() }
    }
}

/// A call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// On the wire.
    pub tool: String,
    /// JSON.
    pub input_schema: Option<String>,
    /// The service that it is from.
    pub service: Option<String>,
    /// JSON, an object.
    pub arguments: String,
    /// Somebody hears of progress.
    pub progress: bool,
    /// Members of `_meta` that are for the service; JSON, an object.
    pub meta: Option<String>,
}

/// What came back of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// `CallToolResult`, JSON.
    pub result: String,
    /// The gateway's own failure, recognised in an error result.
    pub failure: Option<Seen>,
}

/// What the client wants to hear of while its call runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `progressToken`, JSON.
    pub progress_token: Option<String>,
    /// The least urgent log message.
    pub level: Option<String>,
}

/// A conversation with a gateway.
pub trait Conversation {
    /// What it takes to go on in its session.
    fn session(&self) -> Session;
    /// Whether its gateway keeps no sessions: anybody can go on in this one, and nobody needs to end it.
    fn is_nobodys(&self) -> bool;
    /// Opens a new session in the place of a lost one.
    fn renew(&mut self) -> Result<(), Seen>;
    /// Reads all tools.
    fn list(&mut self) -> Result<Catalog, Seen>;
    /// Calls once.
    fn call(&mut self, call: &Call) -> Result<Outcome, Seen>;
    /// What the way out saw of the last of these.
    fn sent(&self) -> Sent;
    /// Ends the session.
    fn close(&mut self) -> Result<(), Seen>;
}

/// Everything outside of the logic.
pub trait Outside {
    /// With one gateway.
    type Conversation: Conversation;

    /// How long and how much, as soon as that is known.
    fn limits(&self, limits: &Inbound);
    /// The body of the request, which nobody reads before its head was let in. A refusal where it is too long, or does not come.
    fn body(&self) -> Result<Vec<u8>, Answer>;
    /// Connects, or attaches to a session without traffic. A text where the settings are wrong.
    fn connect(&self, gateway: &Gateway, attach: Option<&Session>) -> Result<Self::Conversation, Refused>;
    /// Whether there is a way to the gateway, with its credential; asks nobody. A text where the settings are wrong.
    fn way_out(&self, gateway: &Gateway) -> Result<(), String>;
    /// For each tool of the whole list whether it is wanted; or the glob that is none.
    fn select(&self, filter: &Filter, catalog: &Catalog) -> Result<Vec<bool>, String>;
    /// Seconds since 1970-01-01 UTC.
    fn now(&self) -> u64;
    /// Bytes that nobody can foretell.
    fn random(&self) -> [u8; 24];
    /// The settings, and tokens of clients.
    fn variable(&self, name: &str) -> Option<String>;
    /// Without credentials of the gateway.
    fn mask(&self, text: String) -> String;
    /// Begins an event stream as the answer; what comes while a call runs goes there by itself.
    fn stream(&self, wanted: &Wanted);
    /// What was agreed with a gateway of late that keeps no sessions.
    fn agreed(&self, gateway: &str) -> Option<Session>;
    /// Keeps that, for a while; none: it may be otherwise by now.
    fn agree(&self, gateway: &str, session: Option<Session>);
    /// A catalogue that this instance read of late.
    fn kept(&self, gateway: &str) -> Option<Rc<Kept>>;
    /// Keeps one, for a while.
    fn keep(&self, gateway: &str, kept: &Rc<Kept>);
}

/// Why there is no conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The settings are wrong.
    Settings(String),
    /// The gateway failed.
    Gateway(Seen),
}
