//! The body of a request, read only when somebody wants it.
//! Takes the engine's request; gives all of its body, or a refusal. Never more of it than the settings allow, nor for longer.

use std::cell::Cell;

use super::{
    MS,
    bindings::wasi::{
        clocks0_2_12::monotonic_clock,
        http0_2_12::types::{IncomingBody, IncomingRequest},
        io0_2_12::{poll, streams::InputStream, streams::StreamError},
    },
};
use crate::{answer::Answer, request::Request};

/// Of what is too long, this much is read on, so that who is still writing hears why.
const SWALLOWED: u64 = 16 * 1024 * 1024;
/// The same of what nobody wants: who sends it is not let in, and may wait for its answer to the end of its writing.
const UNWANTED: u64 = 1024 * 1024;
/// Milliseconds for that.
const UNWANTED_MS: u64 = 2_000;

/// A body that nobody has read.
pub(super) struct Unread {
    request: Cell<Option<IncomingRequest>>,
    /// What the head says.
    length: Option<u64>,
}

/// What became of a part of it.
enum Read {
    Whole,
    TooLong,
    Late,
    Broke,
}

impl Unread {
    pub(super) fn new(request: IncomingRequest, head: &Request) -> Self {
        let length = head.header("content-length").and_then(|length| length.parse().ok());
        Self { request: Cell::new(Some(request)), length }
    }

    /// All of it.
    pub(super) fn read(&self, most: u64, within_ms: u64) -> Result<Vec<u8>, Answer> {
        let broken = || Answer::refusal(400, "the body broke off, or cannot be read");
        let Some(stream) = self.stream() else { return Err(broken()) };
        let until = monotonic_clock::now().saturating_add(within_ms.saturating_mul(MS));
        let mut bytes = Vec::new();
        let too_long = self.length.is_some_and(|length| length > most);
        let read = if too_long { Read::TooLong } else { stream.take(until, most, |part| bytes.extend(part)) };
        match read {
            Read::Whole => Ok(bytes),
            Read::TooLong => {
                drop(bytes);
                if self.length.is_none_or(|length| length <= SWALLOWED) {
                    stream.take(until, SWALLOWED, drop);
                }
                Err(Answer::refusal(413, &format!("the body is longer than {most} bytes")))
            }
            Read::Late => {
                Err(Answer::refusal(408, &format!("the body did not come within {} s", within_ms.div_ceil(1_000))))
            }
            Read::Broke => Err(broken()),
        }
    }

    /// After the answer: some of what nobody wanted, for an engine that answers a client only when its writing is over.
    pub(super) fn drain(&self) {
        // Most requests without a wanted body have none at all.
        if self.length == Some(0) {
            return;
        }
        if let Some(stream) = self.stream() {
            let until = monotonic_clock::now().saturating_add(UNWANTED_MS.saturating_mul(MS));
            stream.take(until, UNWANTED, drop);
        }
    }

    fn stream(&self) -> Option<Stream> {
        let request = self.request.take()?;
        let body = request.consume().ok()?;
        let stream = body.stream().ok()?;
        Some(Stream { bytes: stream, _body: body, _request: request })
    }
}

/// The engine's, with what it hangs on; dropped in this order.
struct Stream {
    bytes: InputStream,
    _body: IncomingBody,
    _request: IncomingRequest,
}

impl Stream {
    /// Reads it to its end, as long as it is no longer and takes no longer than this.
    fn take(&self, until: u64, most: u64, mut part: impl FnMut(Vec<u8>)) -> Read {
        let mut read = 0_u64;
        loop {
            let (ready, late) = (self.bytes.subscribe(), monotonic_clock::subscribe_instant(until));
            let arrived = poll::poll(&[&ready, &late]).contains(&0);
            drop((ready, late));
            if !arrived || monotonic_clock::now() > until {
                return Read::Late;
            }
            match self.bytes.read(64 * 1024) {
                Ok(bytes) => {
                    read = read.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                    if read > most {
                        return Read::TooLong;
                    }
                    part(bytes);
                }
                Err(StreamError::Closed) => return Read::Whole,
                Err(StreamError::LastOperationFailed(_)) => return Read::Broke,
            }
        }
    }
}
