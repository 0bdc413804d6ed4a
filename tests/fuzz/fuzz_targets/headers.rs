//! Errors of gateways: whatever status, headers and body say, the judgement is one of the contract's, in clean words, and waiting times are
//! numbers that can be waited for.

use crate::arbitrary;
use derive_arbitrary::Arbitrary;
use pflow_gateway_component::{
    http::Headers,
    model::Error,
    verdicts::{SessionSent, by_status},
};

/// What is tried.
#[derive(Arbitrary, Debug)]
pub struct Input {
    status: u16,
    retry: Option<String>,
    challenge: Option<String>,
    body: String,
}

/// One input.
pub fn run(input: &Input) {
    let mut pairs = vec![("content-type".to_owned(), "application/json".to_owned())];
    pairs.extend(input.retry.clone().map(|value| ("Retry-After".to_owned(), value)));
    pairs.extend(input.challenge.clone().map(|value| ("WWW-Authenticate".to_owned(), value)));
    let headers = Headers::new(pairs);
    judged(input, &headers);
}

fn judged(input: &Input, headers: &Headers) {
    for session in [SessionSent::Yes, SessionSent::No] {
        let Some(error) = by_status(input.status, headers, &input.body, session, 1_800_000_000) else { continue };
        assert!(input.status >= 300, "{} is judged as {error:?}", input.status);
        if let Error::RateLimited(limit) = &error {
            assert!(limit.retry_after.is_none_or(|seconds| seconds <= 3_600), "{limit:?}");
        }
        if let Error::AuthRequired(refusal) | Error::TokenExpired(refusal) | Error::Forbidden(refusal) = &error {
            let clean = |c: char| !c.is_control();
            assert!(refusal.challenge.as_deref().is_none_or(|challenge| challenge.chars().all(clean)), "{refusal:?}");
        }
    }
}
