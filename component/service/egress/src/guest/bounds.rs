//! The bounds of the operation that is under way, and what was counted in it.
//! Takes the settings of the gateway that is open; gives the end of its time, and whether there may be more. There is one operation at a
//! time.

use std::cell::{Cell, RefCell};

use super::{OPEN, engine::types as http, engine_clock, engine_io::poll};
use crate::tally::{Fate, Sent, Tally};

thread_local! {
    /// On the monotonic clock. 0: none has begun.
    static END: Cell<u64> = const { Cell::new(0) };
    static TALLY: RefCell<Tally> = RefCell::default();
}

/// An operation begins.
pub(crate) fn begin(within_ms: u32) {
    END.set(engine_clock::now().saturating_add(u64::from(within_ms).saturating_mul(1_000_000)));
    TALLY.take();
}

/// What became of its messages.
pub(crate) fn sent() -> Sent {
    TALLY.with_borrow(Tally::sent)
}

/// Ready when its time is over.
pub(crate) fn end() -> poll::Pollable {
    engine_clock::subscribe_instant(END.get())
}

/// Whether its time is over.
pub(crate) fn over() -> bool {
    engine_clock::now() >= END.get()
}

/// Nanoseconds that are left.
pub(crate) fn left() -> u64 {
    END.get().saturating_sub(engine_clock::now())
}

/// A request wants to go out; a message has a number then.
pub(crate) fn request(method: &str) -> Result<Option<usize>, http::ErrorCode> {
    if over() {
        return Err(http::ErrorCode::ConnectionTimeout);
    }
    let most = OPEN.with_borrow(|open| open.as_ref().map_or(0, |open| open.gateway.limits.requests));
    TALLY.with_borrow_mut(|tally| {
        if tally.request() > most {
            return Err(http::ErrorCode::ConnectionLimitReached);
        }
        Ok((method == "POST").then(|| tally.message()))
    })
}

/// It was answered.
pub(crate) fn answered(message: Option<usize>, status: u16) {
    became(message, Fate::Answered(status));
}

/// It failed. Nobody read it where no connection stood.
pub(crate) fn failed(message: Option<usize>, code: &http::ErrorCode) {
    use http::ErrorCode as Code;
    let never = matches!(
        code,
        Code::DnsTimeout
            | Code::DnsError(_)
            | Code::DestinationNotFound
            | Code::DestinationUnavailable
            | Code::DestinationIpProhibited
            | Code::DestinationIpUnroutable
            | Code::ConnectionRefused
            | Code::ConnectionTimeout
            | Code::ConnectionLimitReached
            | Code::TlsProtocolError
            | Code::TlsCertificateError
            | Code::TlsAlertReceived(_)
            | Code::HttpRequestDenied
            | Code::HttpRequestUriInvalid
            | Code::HttpRequestMethodInvalid
    );
    if never {
        became(message, Fate::Never);
    }
}

fn became(message: Option<usize>, fate: Fate) {
    if let Some(number) = message {
        TALLY.with_borrow_mut(|tally| tally.became(number, fate));
    }
}

/// One answer's body.
#[derive(Default)]
pub(crate) struct Body(Cell<u64>);

impl Body {
    /// More of it came; or how much may come at most.
    pub(crate) fn received(&self, bytes: u64) -> Result<(), u64> {
        let limits = OPEN.with_borrow(|open| open.as_ref().map(|open| open.gateway.limits)).unwrap_or_default();
        self.0.set(self.0.get().saturating_add(bytes));
        if self.0.get() > limits.response_body_bytes {
            return Err(limits.response_body_bytes);
        }
        let all = TALLY.with_borrow_mut(|tally| tally.received(bytes));
        if all > limits.operation_body_bytes { Err(limits.operation_body_bytes) } else { Ok(()) }
    }
}
