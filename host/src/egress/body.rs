//! Bodies on their way in and out, measured.
//! Takes hyper's and the guest's bodies; gives the same bytes, up to the limits and not slower than allowed. Never buffers.

use std::{
    error::Error as StdError,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;
use wasmtime_wasi_http::WasiBody;

use super::{EgressFailure, EgressLimits, Origin, Phase, Progress, tls::find, visit::Exchange};

/// An answer's body.
pub(super) struct Bounded {
    inner: Incoming,
    origin: Origin,
    exchange: Option<Exchange>,
    received: u64,
    limit: u64,
    operation_limit: u64,
    idle: Duration,
    /// Runs while the peer is waited for, not while the guest is.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Bounded {
    pub(super) fn new(
        inner: Incoming,
        origin: Origin,
        exchange: Exchange,
        limits: &EgressLimits,
        idle: Duration,
    ) -> Self {
        Self {
            inner,
            origin,
            exchange: Some(exchange),
            received: 0,
            limit: limits.response_body,
            operation_limit: limits.operation_body,
            idle,
            waiting: None,
        }
    }

    fn failed(&mut self, failure: EgressFailure) -> Poll<Option<Result<Frame<Bytes>, wasmtime_wasi_http::Error>>> {
        let error = failure.to_wasi();
        tracing::debug!(%failure, "an answer's body ended early");
        if let Some(exchange) = self.exchange.take() {
            exchange.fail(failure);
        }
        Poll::Ready(Some(Err(error)))
    }

    fn count(&mut self, bytes: usize) -> Result<(), EgressFailure> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.received = self.received.saturating_add(bytes);
        let operation = self.exchange.as_ref().map_or(0, |exchange| exchange.received(bytes));
        if self.received > self.limit {
            Err(EgressFailure::BodyTooLarge { origin: self.origin.clone(), limit: self.limit })
        } else if operation > self.operation_limit {
            Err(EgressFailure::OperationTooLarge { limit: self.operation_limit })
        } else {
            Ok(())
        }
    }
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        // Ended, well or not.
        if self.exchange.is_none() {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.waiting = None;
                match self.count(frame.data_ref().map_or(0, Bytes::len)) {
                    Ok(()) => Poll::Ready(Some(Ok(frame))),
                    Err(failure) => self.failed(failure),
                }
            }
            Poll::Ready(Some(Err(error))) => {
                let failure = broken(&error, &self.origin, Progress::Body(self.received));
                self.failed(failure)
            }
            Poll::Ready(None) => {
                if let Some(exchange) = self.exchange.take() {
                    exchange.complete();
                }
                Poll::Ready(None)
            }
            Poll::Pending => {
                let idle = self.idle;
                let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
                if waiting.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                let failure = EgressFailure::Timeout { origin: self.origin.clone(), phase: Phase::Body, after: idle };
                self.failed(failure)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.is_none() || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A request's body.
pub(super) struct Outgoing {
    inner: WasiBody,
    left: u64,
    limit: u64,
}

impl Outgoing {
    pub(super) fn new(inner: WasiBody, limit: u64) -> Self {
        Self { inner, left: limit, limit }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = EgressFailure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, EgressFailure>>> {
        Pin::new(&mut self.inner).poll_frame(cx).map(|frame| match frame? {
            Ok(frame) => {
                let bytes = u64::try_from(frame.data_ref().map_or(0, Bytes::len)).unwrap_or(u64::MAX);
                match self.left.checked_sub(bytes) {
                    Some(left) => {
                        self.left = left;
                        Some(Ok(frame))
                    }
                    None => Some(Err(EgressFailure::RequestTooLarge { limit: self.limit })),
                }
            }
            Err(error) => Some(Err(EgressFailure::BadRequest { detail: error.to_string() })),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What an error of hyper means for an exchange on a connection that was there.
pub(super) fn broken(error: &(dyn StdError + 'static), origin: &Origin, when: Progress) -> EgressFailure {
    let reset = || EgressFailure::Reset { origin: origin.clone(), when };
    let Some(hyper) = find::<hyper::Error>(error) else {
        return match find::<io::Error>(error) {
            Some(_) => reset(),
            None => EgressFailure::NotHttp { origin: origin.clone(), detail: error.to_string() },
        };
    };
    if hyper.is_parse() {
        EgressFailure::NotHttp { origin: origin.clone(), detail: hyper.to_string() }
    } else if hyper.is_user() {
        EgressFailure::BadRequest { detail: hyper.to_string() }
    } else {
        reset()
    }
}
