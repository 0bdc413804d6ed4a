//! How much and how long: what a client may send and take, and what a gateway may answer.
//! Takes `LIMITS`, and `limits` of a gateway with the names that an entry has for them; gives numbers. Never none: each has a default and
//! a ceiling.

use crate::{Problem, Result, member::Member};

/// Of a client's request and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// Bytes of a request's body. Arguments of a call are in it.
    pub request_body_bytes: u64,
    /// Milliseconds in which all of it must have come, however it drips.
    pub request_ms: u64,
    /// Milliseconds for which a client may take nothing of its answer.
    pub answer_ms: u64,
}

impl Default for Inbound {
    fn default() -> Self {
        Self { request_body_bytes: 8 * 1024 * 1024, request_ms: 30_000, answer_ms: 30_000 }
    }
}

/// Of a gateway's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Bytes of one answer's body.
    pub response_body_bytes: u64,
    /// Bytes of all answers of one operation.
    pub operation_body_bytes: u64,
    /// Requests of one operation.
    pub requests: u64,
}

/// As an entry's `limits` are by themselves.
impl Default for Upstream {
    fn default() -> Self {
        Self { response_body_bytes: 40 * 1024 * 1024, operation_body_bytes: 128 * 1024 * 1024, requests: 2_000 }
    }
}

impl Inbound {
    pub(crate) fn read(limits: &Member) -> Result<Self> {
        let mut read = Self::default();
        limits.only(&["request_body_bytes", "request_seconds", "answer_seconds"])?;
        set(limits, "request_body_bytes", 1 << 30, &mut read.request_body_bytes)?;
        for (name, ms) in [("request_seconds", &mut read.request_ms), ("answer_seconds", &mut read.answer_ms)] {
            let mut seconds = *ms / 1_000;
            set(limits, name, 600, &mut seconds)?;
            *ms = seconds.saturating_mul(1_000);
        }
        Ok(read)
    }
}

impl Upstream {
    pub(crate) fn read(limits: &Member) -> Result<Self> {
        const KNOWN: [&str; 3] = ["response_body_bytes", "operation_body_bytes", "requests"];
        let mut read = Self::default();
        if let Some(other) = limits.object()?.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            let place = format!("{}.{other}", limits.path());
            let remedy = format!(
                "the service knows {}; what bounds memory and computing is set where the engine runs",
                KNOWN.join(", ")
            );
            return Err(Problem::new(place, "is nothing that the service decides").with_remedy(remedy));
        }
        set(limits, "response_body_bytes", 1 << 30, &mut read.response_body_bytes)?;
        set(limits, "operation_body_bytes", 1 << 32, &mut read.operation_body_bytes)?;
        set(limits, "requests", 100_000, &mut read.requests)?;
        Ok(read)
    }
}

fn set(limits: &Member, name: &str, most: u64, to: &mut u64) -> Result<()> {
    let Some(member) = limits.get(name) else { return Ok(()) };
    let value = member.value().as_u64().filter(|value| (1..=most).contains(value));
    *to = value.ok_or_else(|| member.wrong(&format!("a whole number from 1 to {most}")))?;
    Ok(())
}
