//! The contract `pflow:gateway`: the one file that knows its types.
//! Takes and gives the shapes of [`upstream`](crate::upstream), translated one to one. Decides nothing.

use pflow_gateway_service_settings::{Era, Filter, Gateway};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::bindings::pflow::{
    gateway::{
        calls,
        discovery::Conversation as Handle,
        filter,
        types::{self as wit},
    },
    service::way_out,
};
use crate::{
    delivery::Sent,
    failure::{Class, Delivery, Seen},
    upstream::{Call, Catalog, Conversation, Outcome, Session, Tool},
};

/// Pages of a catalogue to read at most.
const MAX_PAGES: u32 = 1_000;
/// Milliseconds for ending a session.
const CLOSE_TIMEOUT: u32 = 5_000;
/// Tokens of the conversation that one request of a client gets: more than pages.
const OWN: u32 = 1 << 13;
/// Those of its calls follow.
const CALLS: u32 = 1 << 6;

/// A conversation with the gateway.
pub(super) struct Talk {
    handle: Handle,
    /// Of the next call.
    token: u32,
    /// Milliseconds for one operation.
    within: u32,
}

impl Talk {
    /// Replicas share a session, and nobody hands out tokens: each begins somewhere below 2³¹, which every server can count to.
    pub(super) fn open(gateway: &Gateway, attach: Option<&Session>, random: u64) -> Result<Self, Seen> {
        let room = u64::from(i32::MAX.unsigned_abs() - OWN - CALLS);
        let first = 1 + u32::try_from(random % room).unwrap_or_default();
        let endpoint = wit::Endpoint {
            url: gateway.url.clone(),
            kind: gateway.kind.clone(),
            services: gateway
                .services
                .iter()
                .map(|service| wit::DeclaredService {
                    name: service.name.clone(),
                    prefix: service.prefix.clone(),
                    tools: service.tools.clone(),
                })
                .collect(),
            client: wit::Implementation {
                name: crate::ready::NAME.to_owned(),
                version: crate::ready::VERSION.to_owned(),
            },
            era: gateway.era.map(|era| match era {
                Era::Legacy => wit::Era::Legacy,
                Era::Modern => wit::Era::Modern,
            }),
            era_is_fixed: gateway.era.is_some(),
            max_pages: MAX_PAGES,
            tokens: wit::TokenRange { first, count: OWN },
            settings: gateway.settings.clone(),
            timeout_ms: gateway.timeout_ms,
        };
        way_out::begin(gateway.timeout_ms);
        let handle = Handle::open(&endpoint, attach.map(|session| session.state.as_slice())).map_err(seen)?;
        Ok(Self { handle, token: first.saturating_add(OWN), within: gateway.timeout_ms })
    }
}

impl Conversation for Talk {
    fn session(&self) -> Session {
        Session { state: self.handle.state() }
    }

    fn is_nobodys(&self) -> bool {
        self.handle.session().era == wit::Era::Modern
    }

    fn renew(&mut self) -> Result<(), Seen> {
        way_out::begin(self.within);
        self.handle.renew().map_err(seen)
    }

    fn list(&mut self) -> Result<Catalog, Seen> {
        way_out::begin(self.within);
        self.handle.list_tools().map(catalog).map_err(seen)
    }

    fn call(&mut self, call: &Call) -> Result<Outcome, Seen> {
        let token = self.token;
        // A second one in this conversation has one of its own.
        self.token = token.saturating_add(1);
        let call = calls::Call {
            tool: call.tool.clone(),
            input_schema: call.input_schema.clone(),
            service: call.service.clone(),
            arguments: call.arguments.clone(),
            token,
            progress: call.progress,
            meta: call.meta.clone(),
        };
        way_out::begin(self.within);
        let outcome = calls::call_tool(&self.handle, &call).map_err(seen)?;
        Ok(Outcome { result: outcome.result, failure: outcome.failure.map(seen) })
    }

    fn sent(&self) -> Sent {
        match way_out::reached() {
            way_out::Sent::Nothing => Sent::Nothing,
            way_out::Sent::Refused => Sent::Refused,
            way_out::Sent::Answered => Sent::Answered,
            way_out::Sent::Unanswered => Sent::Unanswered,
            way_out::Sent::Several => Sent::Several,
        }
    }

    fn close(&mut self) -> Result<(), Seen> {
        // Nobody waits longer for the end of a session than this.
        way_out::begin(self.within.min(CLOSE_TIMEOUT));
        self.handle.close().map_err(seen)
    }
}

/// For each tool whether the filter keeps it.
pub(super) fn select(rules: &Filter, catalog: &Catalog) -> Result<Vec<bool>, String> {
    let rules = filter::Rules {
        include_services: rules.include_services.clone(),
        exclude_services: rules.exclude_services.clone(),
        include_tools: rules.include_tools.clone(),
        exclude_tools: rules.exclude_tools.clone(),
        read_only: rules.read_only,
        no_destructive: rules.no_destructive,
        control_tools: rules.control_tools,
        claims: rules.claims,
    };
    let looks = filter::looks_at();
    let candidates: Vec<filter::Candidate> = catalog.tools.iter().map(|tool| candidate(tool, looks)).collect();
    match filter::select(&rules, &candidates) {
        Ok(verdicts) => Ok(verdicts.into_iter().map(|verdict| verdict.is_none()).collect()),
        Err(error) => Err(format!("the pattern {:?} is none: {}", error.pattern, error.problem)),
    }
}

/// The rungs, as numbers that a catalogue can keep.
const RUNGS: [wit::Attribution; 7] = [
    wit::Attribution::Declared,
    wit::Attribution::Reported,
    wit::Attribution::Control,
    wit::Attribution::Claimed,
    wit::Attribution::Prefix,
    wit::Attribution::Inferred,
    wit::Attribution::None,
];
const TRUST: [wit::Confidence; 4] =
    [wit::Confidence::Certain, wit::Confidence::High, wit::Confidence::Low, wit::Confidence::None];

fn candidate(tool: &Tool, looks: filter::Details) -> filter::Candidate {
    // Of what was kept of a tool: the object that is listed.
    let kept: Kept =
        if looks.is_empty() { Kept::default() } else { serde_json::from_str(&tool.json).unwrap_or_default() };
    let wanted = |detail, text: Option<String>| text.filter(|_| looks.contains(detail));
    filter::Candidate {
        name: tool.name.clone(),
        service: tool.service.clone(),
        attribution: RUNGS.get(tool.rung).copied().unwrap_or(wit::Attribution::None),
        confidence: TRUST.get(tool.trust).copied().unwrap_or(wit::Confidence::None),
        annotations: tool.hints.map(|[read_only, destructive, idempotent, open_world]| wit::Annotations {
            title: None,
            read_only,
            destructive,
            idempotent,
            open_world,
        }),
        title: wanted(filter::Details::TITLE, kept.title),
        description: wanted(filter::Details::DESCRIPTION, kept.description),
        input_schema: wanted(filter::Details::INPUT_SCHEMA, Some(tool.input_schema.clone())),
        meta: wanted(filter::Details::META, kept.meta.map(|meta| meta.get().to_owned())),
        original_name: wanted(filter::Details::ORIGINAL_NAME, tool.original_name.clone()),
    }
}

/// What a filter may want to see of a tool that was written down.
#[derive(Default, Deserialize)]
struct Kept {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default, rename = "_meta")]
    meta: Option<Box<RawValue>>,
}

fn catalog(catalog: wit::Catalog) -> Catalog {
    let mut tools: Vec<Tool> = Vec::with_capacity(catalog.tools.len());
    for tool in catalog.tools {
        // Two of one name: nobody could say which is called.
        if tools.iter().rev().take_while(|before| before.name >= tool.name).any(|before| before.name == tool.name) {
            continue;
        }
        tools.push(read(tool));
    }
    tools.sort_by(|one, other| one.name.cmp(&other.name));
    for (index, tool) in tools.iter_mut().enumerate() {
        tool.index = index;
    }
    Catalog {
        tools,
        services: catalog.services.into_iter().map(|service| (service.name, service.tools)).collect(),
        ttl_ms: catalog.ttl_ms,
    }
}

fn read(tool: wit::Tool) -> Tool {
    let json = written(&tool);
    let hints = tool.annotations.as_ref();
    let provenance = tool.provenance;
    Tool {
        json,
        read_only: hints.is_some_and(|hints| hints.read_only == Some(true)),
        idempotent: hints.is_some_and(|hints| hints.idempotent == Some(true)),
        hints: hints.map(|hints| [hints.read_only, hints.destructive, hints.idempotent, hints.open_world]),
        certain: provenance.confidence == wit::Confidence::Certain,
        control: provenance.attribution == wit::Attribution::Control,
        rung: RUNGS.iter().position(|rung| *rung == provenance.attribution).unwrap_or(RUNGS.len()),
        trust: TRUST.iter().position(|trust| *trust == provenance.confidence).unwrap_or(TRUST.len()),
        service: provenance.service,
        original_name: provenance.original_name,
        name: tool.name,
        input_schema: tool.input_schema,
        index: 0,
    }
}

/// MCP's tool object. What is JSON already stays as it came.
fn written(tool: &wit::Tool) -> String {
    let mut json = String::from("{");
    let mut member = |name: &str, value: &str| {
        if json.len() > 1 {
            json.push(',');
        }
        json.push_str(&format!("\"{name}\":{value}"));
    };
    member("name", &Value::from(tool.name.as_str()).to_string());
    for (name, text) in [("title", &tool.title), ("description", &tool.description)] {
        if let Some(text) = text {
            member(name, &Value::from(text.as_str()).to_string());
        }
    }
    member("inputSchema", &tool.input_schema);
    if let Some(hints) = &tool.annotations {
        let mut map = Map::new();
        if let Some(title) = &hints.title {
            map.insert("title".to_owned(), title.as_str().into());
        }
        for (name, hint) in [
            ("readOnlyHint", hints.read_only),
            ("destructiveHint", hints.destructive),
            ("idempotentHint", hints.idempotent),
            ("openWorldHint", hints.open_world),
        ] {
            if let Some(hint) = hint {
                map.insert(name.to_owned(), hint.into());
            }
        }
        member("annotations", &Value::Object(map).to_string());
    }
    for (name, value) in [("outputSchema", &tool.output_schema), ("icons", &tool.icons), ("_meta", &tool.meta)] {
        if let Some(value) = value {
            member(name, value);
        }
    }
    json.push('}');
    json
}

fn delivery(delivery: wit::Delivery) -> Delivery {
    match delivery {
        wit::Delivery::NotDelivered => Delivery::No,
        wit::Delivery::MaybeDelivered => Delivery::Maybe,
    }
}

fn seen(failure: wit::Failure) -> Seen {
    let code = failure.details.iter().find(|(name, _)| name == "rpc-code").and_then(|(_, code)| code.parse().ok());
    let (class, words) = match failure.code {
        wit::FailureCode::AuthRequired | wit::FailureCode::TokenExpired => (Class::AuthRequired, failure.message),
        wit::FailureCode::Forbidden => (Class::Forbidden, failure.message),
        wit::FailureCode::Blocked => (Class::Blocked, failure.message),
        wit::FailureCode::RateLimited => (Class::RateLimited, failure.message),
        wit::FailureCode::Timeout => (Class::Timeout, failure.message),
        wit::FailureCode::Unreachable => (Class::Unreachable, failure.message),
        wit::FailureCode::Dns => (Class::Dns, failure.message),
        wit::FailureCode::Tls => (Class::Tls, failure.message),
        wit::FailureCode::EgressDenied => (Class::EgressDenied, failure.message),
        wit::FailureCode::Limit => (Class::Limit, failure.message),
        wit::FailureCode::NotMcp => (Class::NotMcp, failure.message),
        wit::FailureCode::ProtocolError => (Class::ProtocolError, failure.message),
        wit::FailureCode::SessionLost => (Class::SessionLost, failure.message),
        wit::FailureCode::Rejected => (Class::Rejected, failure.message),
        wit::FailureCode::UpstreamError => (Class::Upstream, failure.message),
        wit::FailureCode::Unsupported => (Class::Unsupported, failure.message),
        wit::FailureCode::Other(what) => (Class::Other, format!("{what}: {}", failure.message)),
    };
    Seen {
        class,
        status: failure.http_status,
        words,
        method: failure.method.unwrap_or_default().into(),
        code: code.unwrap_or_default(),
        service: failure.service,
        state: state(failure.service_status),
        retry_after: failure.retry_after,
        advice: failure.advice.map(Into::into),
        delivery: delivery(failure.delivery),
    }
}

fn state(status: Option<wit::Status>) -> &'static str {
    match status {
        Some(wit::Status::Ok) => "ok",
        Some(wit::Status::Degraded) => "degraded",
        Some(wit::Status::Offline) => "offline",
        Some(wit::Status::Disabled) => "disabled",
        Some(wit::Status::AuthRequired) => "auth-required",
        Some(wit::Status::Forbidden) => "forbidden",
        Some(wit::Status::RateLimited) => "rate-limited",
        Some(wit::Status::Timeout) => "timeout",
        Some(wit::Status::Unreachable) => "unreachable",
        Some(wit::Status::UpstreamError) | None => "upstream-error",
        Some(wit::Status::Unknown) => "unknown",
    }
}
