//! Failures as the contract has them: one record, with what to do about it.
//! Takes an error, the configured URL and the product; gives the record. Never judges: what an error is was decided before.

use crate::{
    accidents, gateways,
    model::{Code, Delivery, Error, Failure, Kind, Refusal, TransportFailure},
};

/// The record. `kind` is the product, found or configured; none when nobody has said which it is.
#[must_use]
pub fn record(error: Error, url: &str, kind: Option<Kind>) -> Failure {
    let advice = accidents::advice(&error, url).or_else(|| gateways::advice(&error, url, kind));
    let mut failure = plain(error);
    failure.advice = advice;
    failure
}

fn plain(error: Error) -> Failure {
    match error {
        Error::AuthRequired(refusal) => refused(Code::AuthRequired, refusal),
        Error::TokenExpired(refusal) => refused(Code::TokenExpired, refusal),
        Error::Forbidden(refusal) => refused(Code::Forbidden, refusal),
        Error::Blocked(refusal) => refused(Code::Blocked, refusal),
        Error::RateLimited(limit) => Failure {
            http_status: answered(limit.http_status),
            retry_after: limit.retry_after,
            ..bare(Code::RateLimited, limit.delivery, limit.body)
        },
        Error::Timeout(lost) => transport(Code::Timeout, lost),
        Error::Unreachable(lost) => transport(Code::Unreachable, lost),
        Error::Dns(lost) => transport(Code::Dns, lost),
        Error::Tls(lost) => transport(Code::Tls, lost),
        Error::EgressDenied(lost) => transport(Code::EgressDenied, lost),
        Error::Limit(lost) => transport(Code::Limit, lost),
        Error::NotMcp(answer) => {
            let mut failure = Failure {
                http_status: answered(answer.http_status),
                ..bare(Code::NotMcp, answer.delivery, answer.problem)
            };
            failure.tell("content-type", answer.content_type);
            failure.tell("body", Some(answer.body).filter(|body| !body.is_empty()));
            failure
        }
        Error::Protocol(problem) => Failure {
            method: Some(problem.method).filter(|method| !method.is_empty()),
            ..bare(Code::ProtocolError, problem.delivery, problem.problem)
        },
        Error::SessionLost(loss) => {
            Failure { http_status: answered(loss.http_status), ..bare(Code::SessionLost, loss.delivery, loss.body) }
        }
        Error::Rejected(fault) => {
            let mut failure =
                Failure { method: Some(fault.method), ..bare(Code::Rejected, fault.delivery, fault.message) };
            failure.tell("rpc-code", Some(fault.code.to_string()));
            failure.tell("rpc-data", fault.data);
            failure
        }
        Error::Upstream(upstream) => Failure {
            http_status: upstream.http_status.and_then(answered),
            service: upstream.service,
            service_status: Some(upstream.status),
            ..bare(Code::UpstreamError, upstream.delivery, upstream.message)
        },
        Error::Unsupported(what) => bare(Code::Unsupported, Delivery::NotDelivered, what),
    }
}

/// Of nothing but these.
fn bare(code: Code, delivery: Delivery, message: String) -> Failure {
    Failure {
        code,
        delivery,
        http_status: None,
        retry_after: None,
        service: None,
        service_status: None,
        method: None,
        message,
        advice: None,
        details: Vec::new(),
    }
}

/// 0 is what does not speak HTTP.
fn answered(status: u16) -> Option<u16> {
    (status != 0).then_some(status)
}

fn refused(code: Code, refusal: Refusal) -> Failure {
    let mut failure = Failure {
        http_status: answered(refusal.http_status),
        method: refusal.method,
        ..bare(code, refusal.delivery, refusal.body)
    };
    failure.tell("challenge", refusal.challenge);
    failure
}

fn transport(code: Code, lost: TransportFailure) -> Failure {
    bare(code, lost.delivery, lost.detail)
}

impl Failure {
    fn tell(&mut self, name: &str, text: Option<String>) {
        self.details.extend(text.map(|text| (name.to_owned(), text)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ForeignAnswer, RpcError, Status, UpstreamFailure};

    const URL: &str = "https://gw.example:8443/servers/abc/mcp";

    fn refusal(http_status: u16, body: &str, delivery: Delivery) -> Refusal {
        let method = Some("tools/call".to_owned());
        Refusal { http_status, method, challenge: Some("Bearer".to_owned()), body: body.to_owned(), delivery }
    }

    fn upstream(status: Status, message: &str) -> Error {
        let (service, message) = (Some("slack".to_owned()), message.to_owned());
        let delivery = Delivery::MaybeDelivered;
        Error::Upstream(UpstreamFailure { http_status: Some(200), service, status, message, delivery })
    }

    fn advice(error: Error, kind: Option<Kind>) -> String {
        record(error, URL, kind).advice.unwrap_or_default()
    }

    #[test]
    fn nothing_that_an_error_says_is_lost_in_the_record() {
        let refused = record(Error::Forbidden(refusal(403, "no", Delivery::NotDelivered)), URL, Some(Kind::Generic));
        assert_eq!((refused.code, refused.http_status), (Code::Forbidden, Some(403)));
        assert_eq!((refused.message.as_str(), refused.method.as_deref()), ("no", Some("tools/call")));
        assert_eq!(refused.details, [("challenge".to_owned(), "Bearer".to_owned())]);
        let rejected = record(
            Error::Rejected(RpcError {
                method: "tools/list".to_owned(),
                code: -32_601,
                message: "unknown".to_owned(),
                data: Some("[1]".to_owned()),
                delivery: Delivery::NotDelivered,
            }),
            URL,
            None,
        );
        assert_eq!(rejected.method.as_deref(), Some("tools/list"));
        assert_eq!(
            rejected.details,
            [("rpc-code".to_owned(), "-32601".to_owned()), ("rpc-data".to_owned(), "[1]".to_owned())]
        );
        let failed = record(upstream(Status::Offline, "it is down"), URL, Some(Kind::Generic));
        assert_eq!((failed.service.as_deref(), failed.service_status), (Some("slack"), Some(Status::Offline)));
        assert_eq!(failed.delivery, Delivery::MaybeDelivered);
    }

    #[test]
    fn what_does_not_speak_http_has_no_status() {
        let answer = ForeignAnswer {
            http_status: 0,
            content_type: None,
            problem: "what answers does not speak HTTP".to_owned(),
            body: String::new(),
            delivery: Delivery::NotDelivered,
        };
        let failure = record(Error::NotMcp(answer), URL, None);
        assert_eq!((failure.http_status, failure.details.len()), (None, 0));
    }

    #[test]
    fn a_product_gives_its_own_remedies_and_nobody_else_does() {
        let passed = || Error::Blocked(refusal(200, "a secret is being passed to tool x", Delivery::NotDelivered));
        let returned = Error::Blocked(refusal(200, "a secret is being returned by x", Delivery::MaybeDelivered));
        assert!(advice(passed(), Some(Kind::Docker)).starts_with("Docker's gateway takes an argument for a secret"));
        assert!(advice(returned, Some(Kind::Docker)).starts_with("Docker's gateway takes a part of the result"));
        assert_eq!(advice(passed(), Some(Kind::Generic)), "");
        let signed_out = || upstream(Status::AuthRequired, "calling \"tools/call\": unauthorized");
        assert!(advice(signed_out(), Some(Kind::Docker)).contains("docker mcp oauth authorize slack"));
        assert_eq!(advice(signed_out(), Some(Kind::ContextForge)), "");
        let refused = |status, body| Error::Forbidden(refusal(status, body, Delivery::NotDelivered));
        assert!(
            advice(refused(200, "Access denied"), Some(Kind::ContextForge)).contains("tools.execute; {credential}")
        );
        assert!(advice(refused(403, "Access denied"), Some(Kind::ContextForge)).contains("another virtual server"));
        assert_eq!(advice(refused(403, "no"), Some(Kind::ContextForge)), "");
        let unauthorized = || Error::AuthRequired(refusal(401, "", Delivery::NotDelivered));
        assert!(advice(unauthorized(), Some(Kind::Docker)).starts_with("{credential} must hold the gateway's token"));
        assert_eq!(advice(unauthorized(), None), "", "it may be any gateway");
    }

    #[test]
    fn a_peer_that_has_not_said_what_it_is_is_helped_by_what_only_one_product_says() {
        let foreign = |http_status, problem: &str| {
            Error::NotMcp(ForeignAnswer {
                http_status,
                content_type: None,
                problem: problem.to_owned(),
                body: String::new(),
                delivery: Delivery::NotDelivered,
            })
        };
        assert!(
            advice(foreign(307, "HTTP 307, a redirect to /sse, which is not followed"), None)
                .contains("--transport sse")
        );
        assert!(advice(foreign(404, "HTTP 404"), None).starts_with("check the id in the URL"));
        assert_eq!(record(foreign(404, "HTTP 404"), "http://gw.example/mcp", None).advice, None);
        assert!(advice(foreign(404, "it speaks the old HTTP+SSE transport"), Some(Kind::Generic)).contains("FastMCP"));
    }
}
