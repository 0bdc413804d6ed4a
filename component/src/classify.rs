//! What a failure means: judged by status, headers, body and text together, never by one code.
//! Takes what came back; gives a result or one error of the contract, with an honest word on delivery.
//! Must not know products (they are asked), and must not repeat anything.

use crate::{
    accidents,
    gateways::{self, Judgement, Product},
    http::{Failure, FailureKind, Headers, Sent},
    mcp::{
        exchange::{Problem, Reply},
        json_rpc::{Answer, RpcFault},
    },
    model::{
        Delivery, Error, ForeignAnswer, Json, ProtocolProblem, RateLimit, Refusal, Result, RpcError, SessionLoss,
        Status, TransportFailure, UpstreamFailure,
    },
    text::{self, contains},
    time,
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

/// Whether a request carried `Mcp-Session-Id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionSent {
    /// It did.
    Yes,
    /// There is none.
    No,
}

/// A failure below HTTP.
#[must_use]
pub fn transport(failure: &Failure) -> Error {
    let delivery = match failure.sent {
        Sent::No => Delivery::NotDelivered,
        Sent::Maybe => Delivery::MaybeDelivered,
    };
    let detail = text::clean(&failure.detail);
    match failure.kind {
        FailureKind::NotHttp => Error::NotMcp(ForeignAnswer {
            http_status: 0,
            content_type: None,
            problem: format!("what answers does not speak HTTP: {detail}"),
            body: String::new(),
            delivery,
        }),
        FailureKind::Denied => Error::EgressDenied(TransportFailure { detail, delivery: Delivery::NotDelivered }),
        FailureKind::Dns => Error::Dns(TransportFailure { detail, delivery: Delivery::NotDelivered }),
        FailureKind::Tls => Error::Tls(TransportFailure { detail, delivery: Delivery::NotDelivered }),
        FailureKind::Unreachable => Error::Unreachable(TransportFailure { detail, delivery }),
        FailureKind::Timeout => Error::Timeout(TransportFailure { detail, delivery }),
        FailureKind::Limit => Error::Limit(TransportFailure { detail, delivery }),
    }
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
            if let Some(error) = by_status(reply.status, &reply.headers, &reply.body, context)
                && !about_the_request
            {
                return Err(error);
            }
            Err(by_fault(&fault, reply.status, context))
        }
        Err(problem) => Err(by_status(reply.status, &reply.headers, &reply.body, context)
            .unwrap_or_else(|| without_answer(problem, reply.status, &reply.headers, reply.body, context))),
    }
}

/// What an HTTP answer without JSON-RPC means, for products' own APIs too. None: the status alone says nothing.
#[must_use]
pub fn by_status(status: u16, headers: &Headers, body: &str, context: &Context<'_>) -> Option<Error> {
    let words = match accidents::name(status, headers, body) {
        Some(name) if body.is_empty() => name,
        Some(name) => text::clean(&format!("{name}: {body}")),
        None => body.to_owned(),
    };
    let refusal = || Refusal {
        http_status: status,
        challenge: headers.get("www-authenticate").map(text::clean),
        body: words.clone(),
        delivery: Delivery::NotDelivered,
    };
    let transport = |what: &str| TransportFailure {
        detail: format!("HTTP {status}{what}{}{words}", if words.is_empty() { "" } else { ": " }),
        delivery: Delivery::MaybeDelivered,
    };
    Some(match status {
        401 => {
            let refusal = refusal();
            let expired = |text: &str| {
                contains(text, "token expired")
                    || contains(text, "token has expired")
                    || contains(text, "token is expired")
            };
            if expired(body) || refusal.challenge.as_deref().is_some_and(expired) {
                Error::TokenExpired(refusal)
            } else {
                Error::AuthRequired(refusal)
            }
        }
        403 | 421 => Error::Forbidden(refusal()),
        429 => Error::RateLimited(RateLimit {
            http_status: status,
            retry_after: retry_after(headers, body, context.now),
            body: body.to_owned(),
            delivery: Delivery::NotDelivered,
        }),
        404 if context.session == SessionSent::Yes => session_lost(status, body, Delivery::NotDelivered),
        400 | 404 | 409 | 410 | 422 if is_session_text(body) => session_lost(status, body, Delivery::NotDelivered),
        // A service's session may be meant, or the gateway failed half-way.
        500 | 503 if is_session_text(body) => session_lost(status, body, Delivery::MaybeDelivered),
        408 | 504 | 524 => Error::Timeout(transport("")),
        413 | 431 => Error::Limit(TransportFailure {
            delivery: Delivery::NotDelivered,
            ..transport(", the request is too large for the gateway")
        }),
        500..=599 => Error::Upstream(UpstreamFailure {
            service: None,
            status: if matches!(status, 502 | 503 | 520..=523 | 530) {
                Status::Unreachable
            } else {
                Status::UpstreamError
            },
            message: transport("").detail,
            delivery: Delivery::MaybeDelivered,
        }),
        _ => return None,
    })
}

fn session_lost(status: u16, body: &str, delivery: Delivery) -> Error {
    Error::SessionLost(SessionLoss { http_status: status, body: body.to_owned(), delivery })
}

/// Texts with which servers say that they do not know the session. Measured ones, and those of user reports (`facts/`).
const SESSION_TEXTS: &[&str] = &[
    "session not found",
    "no valid session id",
    "no valid session id provided",
    "missing session id",
    "invalid session id",
    "invalid or missing session",
    "invalid during session initialization",
    "unknown session",
    "session expired",
    "session has expired",
    "session terminated",
    "session has been terminated",
    "session does not exist",
    "session is closed",
    "session is required",
    "session id is required",
    "session id required",
    // A complaint that names the header is about it.
    "mcp-session-id",
    "client is closing",
    "server not initialized",
];

fn is_session_text(text: &str) -> bool {
    SESSION_TEXTS.iter().any(|known| contains(text, known))
}

/// The gateway's own words mean that nothing was passed on. A longer text may be about a session of the service.
fn delivery_of_session_text(status: u16, message: &str) -> Delivery {
    let text = message.trim_end_matches('.');
    let text = text.strip_prefix("Bad Request: ").unwrap_or(text);
    let own_words = SESSION_TEXTS.iter().any(|known| text.eq_ignore_ascii_case(known))
        || contains(text, "invalid during session initialization");
    if own_words || matches!(status, 400 | 404) { Delivery::NotDelivered } else { Delivery::MaybeDelivered }
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
    let upstream = |status, delivery| {
        let named = context.product.service_in_fault(fault);
        Error::Upstream(UpstreamFailure {
            service: named.as_deref().or(context.service).map(text::clean),
            status,
            message: message.clone(),
            delivery,
        })
    };
    let refusal = |delivery| Refusal { http_status: status, challenge: None, body: message.clone(), delivery };
    match context.product.judge_fault(fault) {
        Some(Judgement::Service(status, delivery)) => return upstream(status, delivery),
        Some(Judgement::Session(delivery)) => return session_lost(status, &message, delivery),
        Some(Judgement::Refused(delivery)) => return Error::Forbidden(refusal(delivery)),
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

const WORDS: &[(Status, &[&str])] = &[
    (
        Status::AuthRequired,
        &["unauthorized", "authentication required", "invalid token", "token expired", "invalid credentials"],
    ),
    (Status::Forbidden, &["forbidden", "access denied", "permission denied"]),
    (Status::RateLimited, &["rate limit", "too many requests"]),
    (
        Status::Unreachable,
        &[
            "connection refused",
            "connection attempts failed",
            "no such host",
            "connection reset",
            "dial tcp",
            "unreachable",
            "econnrefused",
            "enotfound",
            "name or service not known",
            "broken pipe",
            "connection closed",
            "failed to connect",
        ],
    ),
    (Status::Timeout, &["timed out", "timeout", "deadline exceeded"]),
    (Status::Offline, &["offline", "is down", "not running", " down"]),
    (Status::UpstreamError, &["upstream", "bad gateway", "service unavailable", "backend"]),
];

/// The state that the words of a gateway tell of.
#[must_use]
pub fn words(text: &str) -> Option<Status> {
    WORDS.iter().find(|(_, words)| words.iter().any(|word| contains(text, word))).map(|(status, _)| *status)
}

/// Whether a call with this outcome can have run.
#[must_use]
pub fn delivery_of(status: Status, message: &str) -> Delivery {
    let before_sending =
        ["connection refused", "no such host", "econnrefused", "enotfound", "failed to connect", "attempts failed"];
    match status {
        Status::AuthRequired | Status::Forbidden | Status::RateLimited | Status::Disabled | Status::Offline => {
            Delivery::NotDelivered
        }
        Status::Unreachable if before_sending.iter().any(|words| contains(message, words)) => Delivery::NotDelivered,
        _ => Delivery::MaybeDelivered,
    }
}

/// A failure in a phrase, for what goes on without its answer.
#[must_use]
pub fn in_short(error: &Error) -> String {
    let refusal = |refusal: &Refusal| said(&format!("HTTP {}", refusal.http_status), &refusal.body);
    match error {
        Error::AuthRequired(why) | Error::TokenExpired(why) | Error::Forbidden(why) => refusal(why),
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
    }
}

fn said(what: &str, words: &str) -> String {
    let colon = if words.is_empty() { "" } else { ": " };
    let all = text::clean(&format!("{what}{colon}{words}"));
    all.chars().take(SHORT).collect()
}

/// Characters of a failure in a phrase.
const SHORT: usize = 200;

/// The longest wait that is believed, in seconds. Some write milliseconds, and nobody waits for days.
const LONGEST_WAIT: f64 = 3_600.0;

/// Seconds to wait: `Retry-After`, or what products say instead.
fn retry_after(headers: &Headers, body: &str, now: u64) -> Option<u32> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let seconds = headers
        .get("retry-after")
        .and_then(|value| number(value).or_else(|| until(value, headers.get("date"), now)))
        .or_else(|| headers.get("x-lockout-remaining").and_then(number))
        .or_else(|| field(body, "reset_in_seconds"))
        .or_else(|| field(body, "retry_after"))
        .filter(|seconds| *seconds >= 0.0)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and an hour")]
    Some(seconds.min(LONGEST_WAIT).ceil() as u32)
}

/// Seconds until a date, by the clock of the one who wrote it, or else by ours.
fn until(date: &str, theirs: Option<&str>, ours: u64) -> Option<f64> {
    let now = theirs.and_then(time::http_date).unwrap_or(ours);
    let seconds = time::http_date(date)?.saturating_sub(now);
    Some(u32::try_from(seconds).map_or(LONGEST_WAIT, f64::from))
}

fn field(body: &str, name: &str) -> Option<f64> {
    let value: serde_json::Value = serde_json::from_str(body).ok()?;
    value.get(name)?.as_f64()
}
