//! The pages of the service itself: what this is, whether it lives, whether it is ready, what it can count.
//! Takes the state of the settings, and who asks; gives JSON or OpenMetrics. Nobody who brings no token makes it ask a gateway, or hears its
//! name: an engine asks whether a replica is ready every second.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::{
    answer::Answer,
    authentication::Visitor,
    failure::{self, Failure},
    ready::{NAME, Ready, VERSION},
    upstream::{Conversation as _, Kept, Outside, Refused},
};

/// Seconds for which what `/ready` says of gateways may be kept.
const KEPT: u64 = 10;

/// `GET /`
#[must_use]
pub fn what_this_is() -> Answer {
    Answer::text(
        200,
        format!(
            "{NAME} {VERSION}: MCP gateways behind one address.\n\n\
             /NAME/mcp  MCP over Streamable HTTP, for each gateway\n\
             /health    whether this replica lives; asks nobody\n\
             /ready     whether its settings can be used; with a token, also how its gateways are\n\
             /metrics   the same as OpenMetrics\n"
        ),
    )
}

/// `GET /health`
#[must_use]
pub fn health() -> Answer {
    Answer::json(200, json!({"status": "ok", "version": VERSION}).to_string())
}

/// How one gateway is.
struct Look {
    gateway: String,
    failure: Option<Failure>,
    tools: usize,
    services: Vec<(String, u32)>,
}

fn look<O: Outside>(outside: &O, ready: &Ready, visitor: &Visitor) -> Vec<Look> {
    let gateways = ready.settings.gateways.iter().filter(|gateway| visitor.may_use(&gateway.name));
    gateways
        .map(|gateway| {
            let mut look = Look { gateway: gateway.name.clone(), failure: None, tools: 0, services: Vec::new() };
            let seen = |seen| Some(failure::explain(&gateway.name, &seen));
            match outside.connect(gateway, None) {
                Err(Refused::Settings(problem)) => look.failure = Some(Failure::settings(&problem)),
                Err(Refused::Gateway(why)) => look.failure = seen(why),
                Ok(mut conversation) => {
                    match conversation.list() {
                        Err(why) => look.failure = seen(why),
                        Ok(catalog) => {
                            let kept = Kept::from(catalog);
                            match crate::catalog::shown(outside, gateway, visitor, &kept) {
                                Err(failure) => look.failure = Some(failure),
                                Ok(tools) => {
                                    look.tools = tools.len();
                                    let has = |name: &str| {
                                        tools.iter().filter(|tool| tool.service.as_deref() == Some(name)).count()
                                    };
                                    look.services = kept
                                        .catalog
                                        .services
                                        .iter()
                                        .map(|(name, _)| (name.clone(), u32::try_from(has(name)).unwrap_or(u32::MAX)))
                                        .filter(|(_, tools)| *tools > 0)
                                        .collect();
                                }
                            }
                        }
                    }
                    // A session that nobody uses any more; one that cannot be ended ends by itself.
                    let _ = conversation.close();
                }
            }
            // Now: the next gateway brings its own credential, and only that one is masked then.
            if let Some(failure) = &mut look.failure {
                failure.message = outside.mask(std::mem::take(&mut failure.message));
                failure.hint = failure.hint.take().map(|hint| outside.mask(hint));
            }
            look
        })
        .collect()
}

/// `GET /ready`
pub fn ready<O: Outside>(outside: &O, ready: &Result<Rc<Ready>, String>, visitor: Option<&Visitor>) -> Answer {
    let ready = match ready {
        Err(problem) => {
            return Answer::json(503, json!({"ready": false, "problem": problem}).to_string());
        }
        Ok(ready) => ready,
    };
    let Some(visitor) = visitor else {
        return Answer::json(200, json!({"ready": true}).to_string());
    };
    let looks = look(outside, ready, visitor);
    let gateways: Vec<Value> = looks
        .iter()
        .map(|look| {
            json!({
                "gateway": look.gateway, "ok": look.failure.is_none(), "tools": look.tools,
                "services": look.services.iter().map(|(name, tools)| json!({"name": name, "tools": tools})).collect::<Vec<_>>(),
                "error": look.failure.as_ref().map(Failure::json),
            })
        })
        .collect();
    let well = looks.iter().all(|look| look.failure.is_none());
    let body = json!({"ready": true, "gateways": gateways, "checked_at": outside.now(), "kept_for": KEPT});
    let mut answer = Answer::json(if well { 200 } else { 503 }, outside.mask(body.to_string()));
    answer.headers.retain(|(name, _)| name != "Cache-Control");
    answer.with("Cache-Control", format!("private, max-age={KEPT}"))
}

/// `GET /metrics`: what an instance that lives for one request can say.
pub fn metrics<O: Outside>(outside: &O, ready: &Result<Rc<Ready>, String>, visitor: Option<&Visitor>) -> Answer {
    let mut text = format!(
        "# TYPE pflow_gateway_service info\n# HELP pflow_gateway_service What runs.\n\
         pflow_gateway_service_info{{version=\"{VERSION}\"}} 1\n\
         # TYPE pflow_gateway_configured gauge\n# HELP pflow_gateway_configured Whether the settings can be used.\n\
         pflow_gateway_configured {}\n",
        u8::from(ready.is_ok())
    );
    if let (Ok(ready), Some(visitor)) = (ready, visitor) {
        let looks = look(outside, ready, visitor);
        text.push_str(
            "# TYPE pflow_gateway_up gauge\n# HELP pflow_gateway_up Whether the gateway listed its tools just now.\n",
        );
        for look in &looks {
            text.push_str(&format!(
                "pflow_gateway_up{{gateway=\"{}\"}} {}\n",
                look.gateway,
                u8::from(look.failure.is_none())
            ));
        }
        text.push_str("# TYPE pflow_gateway_tools gauge\n# HELP pflow_gateway_tools Tools that this token is shown.\n");
        for look in &looks {
            text.push_str(&format!("pflow_gateway_tools{{gateway=\"{}\"}} {}\n", look.gateway, look.tools));
        }
    }
    text.push_str("# EOF\n");
    let mut answer = Answer::text(200, outside.mask(text));
    answer.headers.retain(|(name, _)| name != "Content-Type");
    answer.with("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
}
