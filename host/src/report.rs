//! The shapes of `--json`, and of what the Python module returns. Stable: fields are added, never changed or removed.
//! Built by [`Gateway`](crate::Gateway); printed by [`cli`](crate::cli). No logic.

use serde::Serialize;

pub use crate::runtime::{Description as Component, Kind};
use crate::{Error, json::Json};

macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// The name in JSON and on the screen.
            #[must_use]
            pub fn as_str(self) -> &'static str { match self { $(Self::$variant => $text),+ } }
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.pad(self.as_str()) }
        }
    };
}

names! {
    /// How the peer speaks MCP.
    Era {
        /// `initialize` handshake, up to 2025-11-25.
        Legacy = "legacy",
        /// Self-contained requests, from 2026-07-28.
        Modern = "modern",
    }
}

names! {
    /// How a tool's service is known, best first.
    Attribution {
        /// Declared by the user.
        Declared = "declared",
        /// Said by the gateway itself.
        Reported = "reported",
        /// One of the gateway's own control tools.
        Control = "control",
        /// Said by the tool itself.
        Claimed = "claimed",
        /// Prefix of a known service name.
        Prefix = "prefix",
        /// Inferred from a shared prefix.
        Inferred = "inferred",
        /// Not known.
        None = "none",
    }
}

names! {
    /// How far an attribution can be trusted.
    Confidence {
        /// Said by the user or by the gateway.
        Certain = "certain",
        /// Very likely.
        High = "high",
        /// A guess.
        Low = "low",
        /// Not known.
        None = "none",
    }
}

names! {
    /// The state of a gateway or of a service behind it.
    Status {
        /// Works.
        Ok = "ok",
        /// Works in part.
        Degraded = "degraded",
        /// Down.
        Offline = "offline",
        /// Switched off by an administrator.
        Disabled = "disabled",
        /// Wants a credential.
        AuthRequired = "auth_required",
        /// Refuses this credential.
        Forbidden = "forbidden",
        /// Asked to slow down.
        RateLimited = "rate_limited",
        /// Did not answer in time.
        Timeout = "timeout",
        /// No connection.
        Unreachable = "unreachable",
        /// Answers with errors.
        UpstreamError = "upstream_error",
        /// Nothing was seen that says more.
        Unknown = "unknown",
    }
}

/// `test --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Test {
    /// The entry's name, or the URL.
    pub gateway: String,
    /// The MCP URL.
    pub url: String,
    /// Everything passed.
    pub ok: bool,
    /// The product, once known.
    pub kind: Option<Kind>,
    /// The MCP revision, once agreed.
    pub protocol: Option<String>,
    /// The era, once known.
    pub era: Option<Era>,
    /// Step by step: resolve, connect, tls, auth, protocol, tools; before them pflow for an entry, proxy where there is one, and config
    /// when that is what is wrong. A step that was not reached, or of which nothing was seen, has `ok: null`.
    pub checks: Vec<Check>,
    /// Number of tools, before filters.
    pub tools: Option<usize>,
    /// Number of services.
    pub services: Option<usize>,
    /// Tools with which the gateway itself is controlled, among `tools`.
    pub control_tools: Option<usize>,
    /// Tools of no known service, among `tools`.
    pub unattributed: Option<usize>,
    /// Tools that the entry's own filter leaves out, among `tools`; control tools are not counted.
    pub filtered_out: Option<usize>,
    /// What was noticed and is not a failure.
    pub warnings: Vec<String>,
    /// What was noticed in the catalogue, by its kind; the words are among `warnings` too.
    pub findings: Vec<Finding>,
    /// Why it failed.
    pub error: Option<Error>,
}

/// One step of a test.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// pflow, config, proxy, resolve, connect, tls, auth, protocol or tools.
    pub name: &'static str,
    /// Passed, failed, or not reached.
    pub ok: Option<bool>,
    /// Milliseconds it took.
    pub ms: Option<f64>,
    /// One phrase: what was seen.
    pub detail: String,
}

/// `services --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Services {
    /// The entry's name, or the URL.
    pub gateway: String,
    /// Sorted by name.
    pub services: Vec<Service>,
    /// Services that the entry's own filter leaves out; they are not in `services`.
    pub left_out: usize,
    /// Tools of no known service.
    pub unattributed: usize,
    /// What was noticed, in plain sentences.
    pub warnings: Vec<String>,
    /// What was noticed in the catalogue, by its kind; the words are among `warnings` too.
    pub findings: Vec<Finding>,
}

/// Something odd in a catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Finding {
    /// A concern of the contract, like `look_alike`, `hidden_text`, `claim`, `duplicate_name` or `malformed_tool`.
    pub kind: String,
    /// The tool or service that it is about.
    pub subject: Option<String>,
    /// One plain sentence.
    pub message: String,
}

names! {
    /// How much somebody should mind. Ordered: the least first.
    Severity {
        /// Worth knowing.
        Note = "note",
        /// Look at it before you trust the tool.
        Warning = "warning",
        /// Do not use the tool before you know why.
        Danger = "danger",
    }
}

/// `tools --review --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Review {
    /// The entry's name, or the URL.
    pub gateway: String,
    /// Tools that were looked at: those that the filters keep.
    pub tools: usize,
    /// What the rules found.
    pub findings: Vec<ReviewFinding>,
    /// How many more there are.
    pub more: usize,
    /// The component's rules.
    pub rules: Vec<ReviewRule>,
    /// What was noticed in the catalogue, in plain sentences.
    pub warnings: Vec<String>,
}

/// Something that a rule found in a tool.
#[derive(Clone, Debug, Serialize)]
pub struct ReviewFinding {
    /// How much somebody should mind.
    pub severity: Severity,
    /// The rule's `id`.
    pub rule: String,
    /// The tool's name. Null: about several, or about a service.
    pub tool: Option<String>,
    /// The service that the tool is from.
    pub service: Option<String>,
    /// In which part of the tool: `name`, `description`, or a place in a schema.
    pub at: String,
    /// The words that it is about; invisible characters stand as their numbers.
    pub excerpt: String,
    /// One plain sentence.
    pub message: String,
}

/// A rule of the component.
#[derive(Clone, Debug, Serialize)]
pub struct ReviewRule {
    /// Stays the same for ever.
    pub id: String,
    /// A few words.
    pub title: String,
    /// Of its findings, as a rule.
    pub severity: Severity,
    /// What it looks for, why, and what to do.
    pub explanation: String,
}

/// One service behind a gateway.
#[derive(Clone, Debug, Serialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Tools attributed to it.
    pub tools: usize,
    /// The weakest rung among its tools.
    pub attribution: Attribution,
    /// The weakest confidence among its tools.
    pub confidence: Confidence,
    /// Its state, as far as the catalogue shows it.
    pub status: Status,
    /// What all that rests on.
    pub evidence: Vec<String>,
}

/// `tools --json`.
#[derive(Clone, Debug, Serialize, serde::Deserialize)]
pub struct Tools {
    /// The entry's name, or the URL.
    pub gateway: String,
    /// Tools that the gateway listed, before filters.
    pub total: usize,
    /// Pages read.
    pub pages: u32,
    /// Tools that the filters left out.
    pub filtered_out: usize,
    /// How many were left out, by reason.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub filtered_because: std::collections::BTreeMap<String, usize>,
    /// Sorted by name.
    pub tools: Vec<Tool>,
    /// What was noticed, in plain sentences.
    pub warnings: Vec<String>,
    /// What was noticed in the catalogue, by its kind; the words are among `warnings` too.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Why there is nothing behind the gateway, if there is nothing.
    #[serde(skip)]
    pub nothing: Option<Error>,
    /// A page could not be read: there may be more. `warnings` says it.
    #[serde(skip)]
    pub cut: bool,
}

/// One tool.
#[derive(Clone, Debug, Serialize, serde::Deserialize)]
pub struct Tool {
    /// The exact name on the wire.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// For models.
    pub description: Option<String>,
    /// The service it is from; null when unattributed.
    pub service: Option<String>,
    /// How that is known.
    pub attribution: Attribution,
    /// How far to trust it.
    pub confidence: Confidence,
    /// What it rests on.
    pub evidence: String,
    /// JSON Schema.
    pub input_schema: Json,
    /// JSON Schema.
    pub output_schema: Option<Json>,
    /// MCP's hints, as listed.
    pub annotations: Option<Json>,
    /// `_meta`, as listed.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Json>,
    /// `icons`, as listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icons: Option<Json>,
    /// The name at its service, when the gateway tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_name: Option<String>,
}

/// `health --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// The worst of all gateways.
    pub status: Status,
    /// One each, in the order asked.
    pub gateways: Vec<GatewayHealth>,
    /// Why nothing is remembered: the history is off. Null when it is on.
    pub history_off: Option<String>,
}

/// How bad a state is.
fn severity(status: Status) -> u8 {
    match status {
        Status::Ok => 0,
        Status::Disabled => 1,
        Status::Unknown => 2,
        Status::Degraded => 3,
        Status::RateLimited => 4,
        Status::Timeout => 5,
        Status::UpstreamError => 6,
        Status::Forbidden => 7,
        Status::AuthRequired => 8,
        Status::Unreachable => 9,
        Status::Offline => 10,
    }
}

/// The worst state of all.
#[must_use]
pub fn worst(gateways: &[GatewayHealth]) -> Status {
    gateways.iter().map(|gateway| gateway.status).max_by_key(|status| severity(*status)).unwrap_or(Status::Unknown)
}

names! {
    /// What became of a tool that was accepted.
    Change {
        /// It says other things of itself.
        Changed = "changed",
        /// Another tool has its name now.
        Replaced = "replaced",
    }
}

/// A tool that is not as it was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedTool {
    /// Its name now.
    pub tool: String,
    /// The service it is from, when known.
    pub service: Option<String>,
    /// What became of it.
    pub change: Change,
    /// The service that it was from when it was accepted, where that is another one.
    pub was_of: Option<String>,
    /// What differs: title, description, `input_schema`, `output_schema`, annotations. Empty where that is not known.
    pub parts: Vec<String>,
    /// What that means for callers, in sentences.
    pub means: Vec<String>,
    /// SHA-256 of the present definition, in hex.
    pub digest: String,
    /// Calls of it are refused until it is accepted.
    pub held: bool,
}

impl ChangedTool {
    /// One sentence.
    #[must_use]
    pub fn words(&self) -> String {
        let line = |text: &str| crate::scrub::line(text, 100);
        let name = line(&self.tool);
        let parts: Vec<&str> = self
            .parts
            .iter()
            .map(|part| match part.as_str() {
                "input_schema" => "arguments",
                "output_schema" => "result",
                other => other,
            })
            .collect();
        let mut text = match (self.change, &self.was_of) {
            (Change::Changed, _) => format!("the tool {name} changed since it was accepted"),
            (Change::Replaced, Some(before)) => {
                let now = self.service.as_deref().map_or_else(|| "another service".to_owned(), line);
                format!("{name} is another tool than was accepted: it was of {}, it is of {now}", line(before))
            }
            (Change::Replaced, None) => format!("{name} is another tool than was accepted"),
        };
        if !parts.is_empty() {
            text.push_str(if self.change == Change::Changed { ": " } else { "; it differs in " });
            text.push_str(&parts.join(", "));
        }
        if let Some(means) = self.means.first() {
            text.push_str("; ");
            text.push_str(means);
        }
        if self.held {
            text.push_str("; calls of it are refused until it is accepted");
        }
        text
    }
}

/// The state of one gateway.
#[derive(Clone, Debug, Serialize)]
pub struct GatewayHealth {
    /// The entry's name, or the URL.
    pub gateway: String,
    /// The gateway's own state; degraded when a service is not well.
    pub status: Status,
    /// Milliseconds until the catalogue was read.
    pub latency_ms: Option<f64>,
    /// Number of tools, before filters.
    pub tools: Option<usize>,
    /// Sorted by name.
    pub services: Vec<ServiceHealth>,
    /// Services that were there at the last good snapshot and are gone.
    pub vanished: Vec<String>,
    /// Services that were not there at the last good snapshot.
    pub appeared: Vec<String>,
    /// When, RFC 3339, UTC.
    pub checked_at: String,
    /// Why the gateway as a whole is not well.
    pub error: Option<Error>,
    /// Since when the status is what it is, RFC 3339, UTC. Null without a history.
    pub since: Option<String>,
    /// The product, once known.
    pub kind: Option<Kind>,
    /// The MCP revision, once agreed.
    pub protocol: Option<String>,
    /// When the gateway's own credential ends, RFC 3339, UTC, if it says so (`exp` of a JWT).
    pub expires_at: Option<String>,
    /// Tools that were there at the last good snapshot and are gone.
    pub vanished_tools: Vec<String>,
    /// Tools that were not there at the last good snapshot.
    pub appeared_tools: Vec<String>,
    /// Tools that the entry's own filter leaves out, among `tools`; control tools are not counted.
    pub filtered_out: Option<usize>,
    /// Tools that are not as they were accepted, a hundred at most.
    pub changed_tools: Vec<ChangedTool>,
    /// How many more there are.
    pub more_changed_tools: usize,
    /// What was noticed, in plain sentences.
    pub warnings: Vec<String>,
    /// What was noticed in the catalogue, by its kind; the words are among `warnings` too.
    pub findings: Vec<Finding>,
    /// What to do with this product about a service that is listed no more; `{service}` stands for its name.
    #[serde(skip)]
    pub absence: Option<String>,
}

impl GatewayHealth {
    /// Nothing seen yet but the state.
    #[must_use]
    pub fn new(gateway: impl Into<String>, status: Status, checked_at: impl Into<String>) -> Self {
        Self {
            gateway: gateway.into(),
            status,
            latency_ms: None,
            tools: None,
            services: Vec::new(),
            vanished: Vec::new(),
            appeared: Vec::new(),
            checked_at: checked_at.into(),
            error: None,
            since: None,
            kind: None,
            protocol: None,
            expires_at: None,
            vanished_tools: Vec::new(),
            appeared_tools: Vec::new(),
            filtered_out: None,
            changed_tools: Vec::new(),
            more_changed_tools: 0,
            warnings: Vec::new(),
            findings: Vec::new(),
            absence: None,
        }
    }
}

/// The state of one service.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceHealth {
    /// Its name.
    pub name: String,
    /// Its state.
    pub status: Status,
    /// Tools attributed to it.
    pub tools: usize,
    /// What that rests on, the strongest first.
    pub evidence: Vec<String>,
    /// Since when the status is what it is, RFC 3339, UTC. Null without a history.
    pub since: Option<String>,
    /// When it was last seen well, by the gateway or here, RFC 3339, UTC.
    pub last_seen: Option<String>,
}

impl ServiceHealth {
    /// A service in this state, resting on nothing yet.
    #[must_use]
    pub fn new(name: impl Into<String>, status: Status, tools: usize) -> Self {
        Self { name: name.into(), status, tools, evidence: Vec::new(), since: None, last_seen: None }
    }
}

/// `call --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// The entry's name, or the URL.
    pub gateway: String,
    /// The tool's exact name on the wire.
    pub tool: String,
    /// The service it is from, when known.
    pub service: Option<String>,
    /// The tool ran and did not report an error.
    pub ok: bool,
    /// MCP's `CallToolResult`, as it came. Null when there is none.
    pub result: Option<Json>,
    /// Why there is no good result.
    pub error: Option<Error>,
}

impl Call {
    /// A failure that the tool itself reports gets an error, too: whoever reads only that misses nothing.
    pub fn explain_failure(&mut self) {
        if !self.ok && self.error.is_none() {
            let message = format!("the tool {} reports an error", crate::scrub::line(&self.tool, 200));
            let error = Error::new(crate::Class::UpstreamError, message).with_hint("what it says is in the result");
            self.error = Some(error.with_service(self.service.clone()));
        }
    }
}
