//! A connection, whatever it is made of: TCP, TLS on it, a proxy's tunnel with TLS in it.
//! Takes a stream; gives hyper's own traits, and how often it was used. No logic.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::habit::{Habit, Watched};

/// What a connection is made of.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How many answers came over a connection. Goes with it, through the pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Uses(Arc<AtomicU32>);

impl Uses {
    /// Those of the connection that a request was sent on.
    pub(super) fn of(connection: &Connected) -> Self {
        let mut extensions = http::Extensions::new();
        connection.get_extras(&mut extensions);
        extensions.remove().unwrap_or_default()
    }

    pub(super) fn answered(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the peer has answered on it before, and may have closed it since.
    pub(super) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// One connection.
pub(super) struct Wire {
    io: TokioIo<Box<dyn Stream>>,
    uses: Uses,
    proxied: bool,
}

impl Wire {
    pub(super) fn new(stream: impl Stream + 'static) -> Self {
        Self::from_box(Box::new(stream))
    }

    pub(super) fn from_box(stream: Box<dyn Stream>) -> Self {
        Self { io: TokioIo::new(stream), uses: Uses::default(), proxied: false }
    }

    /// Ends at a proxy that wants whole URLs (RFC 9112 section 3.2.2).
    pub(super) fn ending_at_proxy(self) -> Self {
        Self { proxied: true, ..self }
    }

    /// When it ends is told here.
    pub(super) fn watched(self, habit: &Arc<Habit>) -> Self {
        let stream: Box<dyn Stream> = Box::new(Watched::new(self.io.into_inner(), habit));
        Self { io: TokioIo::new(stream), ..self }
    }

    pub(super) fn into_inner(self) -> Box<dyn Stream> {
        self.io.into_inner()
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.proxied).extra(self.uses.clone())
    }
}

impl Read for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, into)
    }
}

impl Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, pieces)
    }
}
