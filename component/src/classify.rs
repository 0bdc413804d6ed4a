//! What a failure means: judged by status, headers, body and text together, never by one code.
//! Takes what came back; gives a result or one error of the contract, with an honest word on delivery.
//! Must not know products (they are asked), and must not repeat anything.

use crate::{
    accidents,
    gateways::{self, Judgement, Product},
    http::Headers,
    mcp::{
        exchange::{Problem, Reply},
        json_rpc::{Answer, RpcFault},
    },
    model::{
        Delivery, Error, ForeignAnswer, Json, ProtocolProblem, RateLimit, Refusal, Result, RpcError, Status,
        UpstreamFailure,
    },
    text::{self, contains},
    verdicts::{SessionSent, by_status, delivery_of, delivery_of_session_text, is_session_text, session_lost, words},
};

/// What was asked, and of whom.
pub struct Context<'a> {
    /// The MCP method.
    pub method: &'a str,
    /// Whether the request carried a session id.
    pub session: SessionSent,
    /// The product, as far as known.
    pub product: &'a dyn Product,
    /// The service that the tool is from, when a tool was called.
    pub service: Option<&'a str>,
    /// Seconds since 1970-01-01 UTC: what a date in an answer is compared with.
    pub now: u64,
}

/// The result, or what the answer means instead.
///
/// # Errors
///
/// Everything that is no result.
pub fn reply(reply: Reply, context: &Context<'_>) -> Result<Json> {
    match reply.answer {
        Ok(Answer::Result(result)) => Ok(result),
        Ok(Answer::Error(fault)) => {
            // Statuses that mean the same with any body come first.
            let about_the_request = reply.status == 404 && is_about_the_request(fault.code);
            if let Some(error) = by_status(reply.status, &reply.headers, &reply.body, context.session, context.now)
                && !about_the_request
            {
                return Err(error);
            }
            Err(by_fault(&fault, reply.status, context))
        }
        Err(problem) => Err(by_status(reply.status, &reply.headers, &reply.body, context.session, context.now)
            .unwrap_or_else(|| without_answer(problem, reply.status, &reply.headers, reply.body, context))),
    }
}

fn without_answer(problem: Problem, status: u16, headers: &Headers, body: String, context: &Context<'_>) -> Error {
    let method = context.method.to_owned();
    match problem {
        Problem::Protocol(problem) => {
            Error::Protocol(ProtocolProblem { method, problem, delivery: Delivery::MaybeDelivered })
        }
        Problem::Foreign(_) if context.product.refuses_method(status, &body) => {
            let delivery = Delivery::NotDelivered;
            Error::Rejected(RpcError { method, code: -32601, message: body, data: None, delivery })
        }
        Problem::Foreign(_) if status == 400 && contains(&body, "protocol version") => {
            Error::Protocol(ProtocolProblem { method, problem: body, delivery: Delivery::NotDelivered })
        }
        Problem::Foreign(problem) => {
            let problem = match (status, headers.get("location")) {
                (300..=399, Some(location)) => {
                    format!("HTTP {status}, a redirect to {}, which is not followed", text::clean(location))
                }
                _ => gateways::explain(status, &body)
                    .map(str::to_owned)
                    .or_else(|| accidents::name(status, headers, &body))
                    .unwrap_or(problem),
            };
            let content_type = headers.get("content-type").map(text::clean);
            // A redirect and a refusal of the request come before anything is passed on; a page in place of an answer, or of an
            // error of a proxy, may come after.
            let delivery = if matches!(status, 300..=499) { Delivery::NotDelivered } else { Delivery::MaybeDelivered };
            Error::NotMcp(ForeignAnswer { http_status: status, content_type, problem, body, delivery })
        }
    }
}

/// What a JSON-RPC error means.
#[must_use]
pub fn by_fault(fault: &RpcFault, status: u16, context: &Context<'_>) -> Error {
    let message = text::clean(&fault.message);
    let calling = context.method == "tools/call";
    let upstream = |state, delivery| {
        let named = context.product.service_in_fault(fault);
        Error::Upstream(UpstreamFailure {
            http_status: Some(status),
            service: named.as_deref().or(context.service).map(text::clean),
            status: state,
            message: message.clone(),
            delivery,
        })
    };
    let refusal = |delivery| Refusal {
        http_status: status,
        method: Some(context.method.to_owned()),
        challenge: None,
        body: message.clone(),
        delivery,
    };
    match context.product.judge_fault(fault) {
        Some(Judgement::Service(status, delivery)) => return upstream(status, delivery),
        Some(Judgement::Session(delivery)) => return session_lost(status, &message, delivery),
        Some(Judgement::Blocked(delivery)) => return Error::Blocked(refusal(delivery)),
        None => {}
    }
    if is_session_text(&message) && !is_about_the_request(fault.code) {
        return session_lost(status, &message, delivery_of_session_text(status, &message));
    }
    if let Some(words) = words_of_failure(fault) {
        return match words {
            _ if calling && context.product.may_be_of_the_tool(fault) => upstream(words, Delivery::MaybeDelivered),
            _ if calling => upstream(words, delivery_of(words, &message)),
            Status::AuthRequired => Error::AuthRequired(refusal(Delivery::NotDelivered)),
            Status::Forbidden => Error::Forbidden(refusal(Delivery::NotDelivered)),
            Status::RateLimited => {
                let delivery = Delivery::NotDelivered;
                Error::RateLimited(RateLimit {
                    http_status: status,
                    retry_after: None,
                    body: message.clone(),
                    delivery,
                })
            }
            _ => upstream(words, Delivery::NotDelivered),
        };
    }
    if fault.code == INTERNAL_ERROR {
        return upstream(Status::UpstreamError, Delivery::MaybeDelivered);
    }
    let data = fault.data.as_ref().map(|data| data.get().to_owned()).filter(|data| crate::mcp::json_rpc::is_json(data));
    let delivery = delivery_of_rejection(fault.code, &message);
    Error::Rejected(RpcError { method: context.method.to_owned(), code: fault.code, message, data, delivery })
}

/// A complaint about the request comes before the tool runs, but for one: some SDKs say -32602 of a result that does not fulfil the
/// tool's own output schema.
fn delivery_of_rejection(code: i64, message: &str) -> Delivery {
    let of_the_request = is_about_the_request(code) || code == -32_600;
    let of_the_result = contains(message, "output") || contains(message, "structured content");
    if of_the_request && !of_the_result { Delivery::NotDelivered } else { Delivery::MaybeDelivered }
}

/// JSON-RPC's "internal error": the request was fine, the gateway or what is behind it was not.
const INTERNAL_ERROR: i64 = -32_603;

/// Codes with which a server complains about the request, whatever else the text says.
fn is_about_the_request(code: i64) -> bool {
    matches!(code, -32_700 | -32_602 | -32_601)
}

/// The status of a service that a JSON-RPC error tells of, by its words: codes of gateways say little.
fn words_of_failure(fault: &RpcFault) -> Option<Status> {
    match fault.code {
        401 => return Some(Status::AuthRequired),
        403 => return Some(Status::Forbidden),
        429 => return Some(Status::RateLimited),
        408 | 504 => return Some(Status::Timeout),
        502 | 503 => return Some(Status::Unreachable),
        500..=599 => return Some(Status::UpstreamError),
        // 0 and the ranges that the specification leaves to servers; the others are about the request.
        0 | -32_603 | -32_099..=-32_000 => {}
        _ => return None,
    }
    words(&fault.message)
}

/// A failure in a phrase, for what goes on without its answer.
#[must_use]
pub fn in_short(error: &Error) -> String {
    let refusal = |refusal: &Refusal| said(&format!("HTTP {}", refusal.http_status), &refusal.body);
    match error {
        Error::AuthRequired(why) | Error::TokenExpired(why) | Error::Forbidden(why) | Error::Blocked(why) => {
            refusal(why)
        }
        Error::RateLimited(limit) => said(&format!("HTTP {}", limit.http_status), &limit.body),
        Error::Timeout(lost)
        | Error::Unreachable(lost)
        | Error::Dns(lost)
        | Error::Tls(lost)
        | Error::EgressDenied(lost)
        | Error::Limit(lost) => lost.detail.clone(),
        Error::NotMcp(answer) => said(&format!("HTTP {}, {}", answer.http_status, answer.problem), &answer.body),
        Error::Protocol(problem) => problem.problem.clone(),
        Error::SessionLost(loss) => said(&format!("HTTP {}", loss.http_status), &loss.body),
        Error::Rejected(fault) => said(&format!("error {}", fault.code), &fault.message),
        Error::Upstream(failure) => failure.message.clone(),
        Error::Unsupported(what) => what.clone(),
    }
}

fn said(what: &str, words: &str) -> String {
    let colon = if words.is_empty() { "" } else { ": " };
    let all = text::clean(&format!("{what}{colon}{words}"));
    all.chars().take(SHORT).collect()
}

/// Characters of a failure in a phrase.
const SHORT: usize = 200;
