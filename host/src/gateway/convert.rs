//! Between the contract's types and the shapes of [`report`](crate::report).
//! Takes one, gives the other. No judgement, no traffic.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Map, value::RawValue};

use crate::{
    config::{Claims, Filter, GatewayConfig},
    json::Json,
    report::{Attribution, Confidence, Era, Finding, Kind, Service, ServiceHealth, Status, Tool},
    runtime::{filter, health, types},
    scrub,
};

/// Pages of a catalogue to read at most: 10,000 tools in pages of ten.
pub(super) const MAX_PAGES: u32 = 1_000;

macro_rules! same_names {
    ($function:ident: $from:ty => $to:ident { $($variant:ident),+ $(,)? }) => {
        pub(super) fn $function(from: $from) -> $to {
            match from { $(<$from>::$variant => $to::$variant),+ }
        }
    };
}

same_names!(era: types::Era => Era { Legacy, Modern });
same_names!(attribution: types::Attribution => Attribution {
    Declared, Reported, Control, Claimed, Prefix, Inferred, None,
});
same_names!(confidence: types::Confidence => Confidence { Certain, High, Low, None });
same_names!(status: types::Status => Status {
    Ok, Degraded, Offline, Disabled, AuthRequired, Forbidden, RateLimited, Timeout, Unreachable, UpstreamError, Unknown,
});

/// Whether the tools of this rung are the gateway's own.
pub(super) fn is_control(rung: types::Attribution) -> bool {
    attribution(rung) == Attribution::Control
}

/// What is no identifier is none that anybody knows.
pub(super) fn kind(id: &str) -> Kind {
    Kind::parse(id).unwrap_or_default()
}

/// What the component is told of a gateway. No credential is in it.
pub(super) fn endpoint(config: &GatewayConfig, tokens: types::TokenRange) -> types::Endpoint {
    types::Endpoint {
        url: config.url.to_string(),
        kind: config.kind.as_ref().map(|kind| kind.as_str().to_owned()),
        services: config
            .services
            .iter()
            .map(|service| types::DeclaredService {
                name: service.name.clone(),
                prefix: service.prefix.clone(),
                tools: service.tools.clone(),
            })
            .collect(),
        client: types::Implementation { name: "pflow-gateway".into(), version: env!("CARGO_PKG_VERSION").into() },
        era: config.era.map(|era| match era {
            Era::Legacy => types::Era::Legacy,
            Era::Modern => types::Era::Modern,
        }),
        era_is_fixed: config.era.is_some(),
        max_pages: MAX_PAGES,
        tokens,
        settings: config.settings.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        timeout_ms: u32::try_from(config.timeout.as_millis()).unwrap_or(u32::MAX),
    }
}

/// A filter as the component has it. What is only claimed counts where `claims` says so.
pub(super) fn rules(filter: &Filter, claims: Claims) -> filter::Rules {
    filter::Rules {
        include_services: filter.include_services.clone(),
        exclude_services: filter.exclude_services.clone(),
        include_tools: filter.include_tools.clone(),
        exclude_tools: filter.exclude_tools.clone(),
        read_only: filter.read_only,
        no_destructive: filter.no_destructive,
        control_tools: filter.control_tools,
        claims: claims != Claims::LeftOut,
    }
}

/// What a filter sees of a tool: what it looks at, and no large text beyond.
pub(super) fn candidate(tool: &types::Tool, looks: filter::Details) -> filter::Candidate {
    let wanted = |detail, text: Option<&String>| text.filter(|_| looks.contains(detail)).cloned();
    filter::Candidate {
        title: wanted(filter::Details::TITLE, tool.title.as_ref()),
        description: wanted(filter::Details::DESCRIPTION, tool.description.as_ref()),
        input_schema: wanted(filter::Details::INPUT_SCHEMA, Some(&tool.input_schema)),
        meta: wanted(filter::Details::META, tool.meta.as_ref()),
        original_name: wanted(filter::Details::ORIGINAL_NAME, tool.provenance.original_name.as_ref()),
        name: tool.name.clone(),
        service: tool.provenance.service.clone(),
        attribution: tool.provenance.attribution,
        confidence: tool.provenance.confidence,
        annotations: tool.annotations.clone(),
    }
}

/// The same of what is known by its name alone.
pub(super) fn bare(name: &str, service: Option<&str>, confidence: types::Confidence) -> filter::Candidate {
    filter::Candidate {
        name: name.to_owned(),
        service: service.map(str::to_owned),
        attribution: types::Attribution::None,
        confidence,
        annotations: None,
        title: None,
        description: None,
        input_schema: None,
        meta: None,
        original_name: None,
    }
}

/// Why a filter left a tool out, as the key of `filtered_because`. A component's own reason has its words.
pub(super) fn reason(reason: &filter::Reason) -> Cow<'static, str> {
    let known = match reason {
        filter::Reason::ServiceNotIncluded => "service_not_included",
        filter::Reason::ServiceNotCertain => "service_not_certain",
        filter::Reason::ServiceExcluded => "service_excluded",
        filter::Reason::ToolNotIncluded => "tool_not_included",
        filter::Reason::ToolExcluded => "tool_excluded",
        filter::Reason::NotReadOnly => "not_read_only",
        filter::Reason::Destructive => "destructive",
        filter::Reason::ControlTool => "control_tool",
        filter::Reason::Other(words) => return format!("{OTHER_REASON}{}", own_reason(words)).into(),
    };
    known.into()
}

/// With what the key of a component's own reason begins.
const OTHER_REASON: &str = "other: ";

/// A component's own reason, fit for a line.
pub(super) fn own_reason(words: &str) -> String {
    let words = scrub::line(words, 100);
    if words.trim().is_empty() { "it does not say why".to_owned() } else { words }
}

pub(super) fn tool(tool: &types::Tool) -> Tool {
    Tool {
        name: tool.name.clone(),
        title: tool.title.clone(),
        description: tool.description.clone(),
        service: tool.provenance.service.clone(),
        attribution: attribution(tool.provenance.attribution),
        confidence: confidence(tool.provenance.confidence),
        evidence: phrase(&tool.provenance.evidence),
        input_schema: json(&tool.input_schema),
        output_schema: tool.output_schema.as_deref().map(json),
        annotations: tool.annotations.as_ref().map(annotations),
        meta: with_service_id(tool).as_deref().map(json),
        icons: tool.icons.as_deref().map(json),
        original_name: tool.provenance.original_name.clone(),
    }
}

/// The member of `_meta` in which we tell the id of a tool's service. No component lets a peer write it.
pub(super) const SERVICE_ID: &str = "pflow-gateway/service-id";

/// A tool's `_meta`, with what the gateway itself calls its service. The rest of it stays text: digits are not ours to rewrite.
fn with_service_id(tool: &types::Tool) -> Option<Cow<'_, str>> {
    let theirs = tool.meta.as_deref();
    let Some(id) = tool.provenance.service_id.as_deref() else { return theirs.map(Cow::Borrowed) };
    let Ok(mut members) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(theirs.unwrap_or("{}")) else {
        return theirs.map(Cow::Borrowed);
    };
    let id = serde_json::value::to_raw_value(&scrub::line(id, 500)).ok()?;
    members.insert(SERVICE_ID.into(), &id);
    serde_json::to_string(&members).ok().map(Cow::Owned)
}

/// MCP's spelling of the hints.
pub(super) fn annotations(hints: &types::Annotations) -> Json {
    let mut map = Map::new();
    if let Some(title) = &hints.title {
        map.insert("title".into(), title.clone().into());
    }
    for (name, hint) in [
        ("readOnlyHint", hints.read_only),
        ("destructiveHint", hints.destructive),
        ("idempotentHint", hints.idempotent),
        ("openWorldHint", hints.open_world),
    ] {
        if let Some(hint) = hint {
            map.insert(name.into(), hint.into());
        }
    }
    Json::from(map)
}

pub(super) fn service(service: &types::Service) -> Service {
    Service {
        name: service.name.clone(),
        tools: service.tools as usize,
        attribution: attribution(service.attribution),
        confidence: confidence(service.confidence),
        status: status(service.status),
        evidence: service.evidence.iter().map(|text| phrase(text)).collect(),
    }
}

pub(super) fn service_health(service: health::ServiceHealth) -> ServiceHealth {
    ServiceHealth {
        name: service.name,
        status: status(service.status),
        tools: service.tools as usize,
        evidence: service.evidence.iter().map(|text| phrase(text)).collect(),
        since: None,
        last_seen: service
            .last_seen
            .and_then(|seconds| chrono::DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0))
            .map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
    }
}

pub(super) fn warning(warning: &types::Warning) -> String {
    phrase(&warning.message)
}

/// The same with its kind.
pub(super) fn finding(warning: &types::Warning) -> Finding {
    let kind = match warning.concern {
        types::Concern::MalformedTool => "malformed_tool",
        types::Concern::DuplicateName => "duplicate_name",
        types::Concern::PageLimit => "page_limit",
        types::Concern::RepeatedCursor => "repeated_cursor",
        types::Concern::NoTools => "no_tools",
        types::Concern::RoundNumber => "round_number",
        types::Concern::AttributionUnavailable => "attribution_unavailable",
        types::Concern::Unattributed => "unattributed",
        types::Concern::Endpoint => "endpoint",
        types::Concern::Claim => "claim",
        types::Concern::LookAlike => "look_alike",
        types::Concern::HiddenText => "hidden_text",
        types::Concern::Other => "other",
    };
    Finding {
        kind: kind.to_owned(),
        subject: warning.subject.as_deref().map(phrase),
        message: phrase(&warning.message),
    }
}

/// A phrase that a component wrote, fit for a terminal.
pub(super) fn phrase(text: &str) -> String {
    scrub::line(text, 500)
}

/// JSON that a component handed over, as it stands. What is none is kept as a string, visibly.
pub(super) fn json(text: &str) -> Json {
    Json::read_from(text).unwrap_or_else(|_| Json::string(&phrase(text)))
}

/// The same of a result: it may be large, and is not copied.
pub(super) fn large_json(text: String) -> Json {
    let start = phrase(&text);
    Json::parse(text).unwrap_or_else(|_| Json::string(&start))
}
