//! What one conversation may take from the network.
//! Numbers, each with the reason for it. No logic.

use std::time::Duration;

use pflow_gateway_base::setting::Setting;

/// The bounds of every request that leaves the sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EgressLimits {
    /// Bytes of one response's body.
    ///
    /// A tool's result may be 16 MiB of text. FastMCP sends it twice, as text and as structured content, and quotes and line breaks
    /// are escaped.
    pub response_body: u64,
    /// Bytes of all response bodies during one operation.
    ///
    /// 10,000 tools of 2 kB each, read page by page and once more from a gateway's own API, are 40 MiB.
    pub operation_body: u64,
    /// Bytes of one request's body.
    ///
    /// Arguments of a call: as large as a result may be.
    pub request_body: u64,
    /// Bytes of a response's status line and headers together.
    ///
    /// nginx sends at most 32 KiB by itself; and it stays below the 128 KiB that wasmtime allows for headers in memory.
    pub response_headers: usize,
    /// Number of a response's headers.
    ///
    /// hyper's own default; answers of gateways have one or two dozen.
    pub response_header_count: usize,
    /// Requests during one operation.
    ///
    /// 10,000 tools in pages of 10 are 1,000 requests, and a gateway's own API may be asked as often.
    pub requests: u32,
    /// Responses that are open at the same time in one conversation.
    ///
    /// A conversation does one thing at a time: its call, answers to the server's own requests, and one stream to listen.
    pub open: u32,
    /// Until a name is resolved and TCP and TLS are set up. The operation's own timeout, when that is shorter.
    ///
    /// A lost SYN is sent again after 1, 3 and 7 seconds: ten seconds survive three losses.
    pub connect: Duration,
    /// How long an unused connection is kept.
    ///
    /// uvicorn and Node close theirs after 5 seconds. Closing first, no request is written into a connection that is
    /// being closed, where nobody could say whether it arrived.
    pub idle_connection: Duration,
    /// Unused connections that are kept per origin.
    ///
    /// pflow runs up to 70 calls side by side; after such a burst half of them is enough.
    pub idle_connections: usize,
    /// Addresses of one name that are tried.
    ///
    /// Large providers publish up to 16; more is somebody's attempt to make us scan a network.
    pub addresses: usize,
}

impl Default for EgressLimits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            response_body: 40 * MIB,
            operation_body: 128 * MIB,
            request_body: 24 * MIB,
            response_headers: 64 * 1024,
            response_header_count: 100,
            requests: 2_000,
            open: 16,
            connect: Duration::from_secs(10),
            idle_connection: Duration::from_secs(4),
            idle_connections: 32,
            addresses: 16,
        }
    }
}

/// One setting: its name, its ceiling, and the field.
macro_rules! setting {
    ($name:literal, $floor:literal..=$ceiling:expr, $field:ident: $type:ty) => {
        Setting {
            name: $name,
            floor: $floor,
            ceiling: $ceiling,
            get: |limits: &EgressLimits| limits.$field as u64,
            // The ceiling fits every field.
            set: |limits: &mut EgressLimits, value| limits.$field = <$type>::try_from(value).unwrap_or(<$type>::MAX),
        }
    };
}

impl EgressLimits {
    /// Those that a user can set, by the names of their settings: the unit is part of each.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Map<String, serde_json::Value> {
        Self::SETTINGS.iter().map(|setting| (setting.name.to_owned(), (setting.get)(self).into())).collect()
    }

    /// What a user can set, and how far.
    #[expect(clippy::cast_lossless, reason = "one macro for fields of several widths")]
    pub const SETTINGS: [Setting<Self>; 7] = [
        // They pass through the sandbox: more than its memory cannot arrive.
        setting!("response_body_bytes", 1..=1 << 30, response_body: u64),
        setting!("operation_body_bytes", 1..=1 << 32, operation_body: u64),
        setting!("request_body_bytes", 1..=1 << 30, request_body: u64),
        // hyper needs 8 KiB; wasmtime allows 128 for headers, and names and values are not all that counts there.
        setting!("response_header_bytes", 8_192..=96 * 1024, response_headers: usize),
        setting!("requests", 1..=100_000, requests: u32),
        setting!("open_responses", 1..=256, open: u32),
        Setting {
            name: "connect_seconds",
            floor: 1,
            ceiling: 120,
            get: |limits: &Self| limits.connect.as_secs(),
            set: |limits: &mut Self, value| limits.connect = Duration::from_secs(value),
        },
    ];
}
