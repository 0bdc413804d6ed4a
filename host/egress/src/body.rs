//! Bodies on their way in and out, measured.
//! Takes hyper's and the guest's bodies; gives the same bytes, decoded, up to the limits and not slower than allowed. Never holds an
//! answer back; a request is held until all of it is there, so that half of one is never sent and the whole can be sent again.

use std::{
    error::Error as StdError,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::Sleep;
use wasmtime_wasi_http::WasiBody;

use super::{
    EgressFailure, EgressLimits, Origin, Phase, Progress,
    coding::{Decoder, NotCoded},
    tls::find,
    visit::Exchange,
};
use pflow_gateway_base::json::{pick, unquote};

/// An answer's body.
pub(super) struct Bounded {
    inner: Incoming,
    decoder: Option<Decoder>,
    origin: Origin,
    exchange: Option<Exchange>,
    /// As they came.
    raw: u64,
    /// As they are passed on.
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
        decoder: Option<Decoder>,
        origin: Origin,
        exchange: Exchange,
        limits: &EgressLimits,
        idle: Duration,
    ) -> Self {
        Self {
            inner,
            decoder,
            origin,
            exchange: Some(exchange),
            raw: 0,
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

    /// What the decoder makes of what it has.
    fn decoded(&mut self) -> Result<Option<Bytes>, EgressFailure> {
        let Some(decoder) = &mut self.decoder else { return Ok(None) };
        let pulled = decoder.pull().map_err(|problem| {
            let origin = self.origin.clone();
            match problem {
                NotCoded::Known(coding) => EgressFailure::NotCoded { origin, coding: coding.to_string() },
                NotCoded::Unknown(coding) => EgressFailure::UnknownCoding { origin, coding },
            }
        })?;
        if let Some(bytes) = &pulled {
            self.count(bytes.len())?;
        }
        Ok(pulled)
    }

    /// What of a frame can be passed on.
    fn take(&mut self, frame: Frame<Bytes>) -> Result<Option<Frame<Bytes>>, EgressFailure> {
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(decoder) = &mut self.decoder else {
            self.count(length)?;
            return Ok(Some(frame));
        };
        self.raw = self.raw.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        if self.raw > self.limit {
            return Err(EgressFailure::BodyTooLarge { origin: self.origin.clone(), limit: self.limit });
        }
        match frame.into_data() {
            Ok(bytes) => {
                decoder.push(bytes);
                Ok(self.decoded()?.map(Frame::data))
            }
            Err(trailers) => Ok(Some(trailers)),
        }
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
        loop {
            match self.decoded() {
                Ok(None) => {}
                Ok(Some(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Err(failure) => return self.failed(failure),
            }
            match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.waiting = None;
                    match self.take(frame) {
                        Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                        // Not enough for a piece yet.
                        Ok(None) => {}
                        Err(failure) => return self.failed(failure),
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    let failure = broken(&error, &self.origin, Progress::Body(self.received));
                    return self.failed(failure);
                }
                Poll::Ready(None) => {
                    if let Some(exchange) = self.exchange.take() {
                        exchange.complete();
                    }
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    let idle = self.idle;
                    let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
                    if waiting.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    let origin = self.origin.clone();
                    return self.failed(EgressFailure::Timeout { origin, phase: Phase::Body, after: idle });
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.is_none() || (self.decoder.is_none() && self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        if self.decoder.is_some() { SizeHint::default() } else { self.inner.size_hint() }
    }
}

/// A request's body, whole. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Outgoing {
    pieces: Arc<[Bytes]>,
    next: usize,
    left: u64,
}

impl Outgoing {
    /// How much it is.
    pub(super) fn size(&self) -> u64 {
        self.left
    }

    /// The JSON-RPC method that it names, if it is in one piece.
    pub(super) fn asks(&self) -> Option<String> {
        let [whole] = &*self.pieces else { return None };
        let [method] = pick(std::str::from_utf8(whole).ok()?, ["method"])?;
        Some(unquote(method?)?.into_owned())
    }

    /// Waits until the guest has written all of it.
    pub(super) async fn collect(mut inner: WasiBody, limit: u64) -> Result<Self, EgressFailure> {
        let (mut pieces, mut size) = (Vec::new(), 0_u64);
        while let Some(frame) = inner.frame().await {
            let frame = frame.map_err(|error| EgressFailure::BadRequest { detail: error.to_string() })?;
            // MCP knows no trailers.
            let Ok(bytes) = frame.into_data() else { continue };
            size = size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            if size > limit {
                return Err(EgressFailure::RequestTooLarge { limit });
            }
            if !bytes.is_empty() {
                pieces.push(bytes);
            }
        }
        Ok(Self { pieces: pieces.into(), next: 0, left: size })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// As one text, when it is short enough to be looked at.
    pub(super) fn text(&self, most: u64) -> Option<Vec<u8>> {
        (self.left <= most).then(|| self.pieces.concat())
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = EgressFailure;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, EgressFailure>>> {
        let Some(bytes) = self.pieces.get(self.next).cloned() else { return Poll::Ready(None) };
        self.next += 1;
        self.left = self.left.saturating_sub(bytes.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
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
