//! The client's end of stdin, noticed at once.
//! Takes a reader; gives the same bytes, and says when they have ended. Never reads ahead.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::oneshot,
};

/// A reader that says when it is at its end.
pub(super) struct Input<R> {
    inner: R,
    end: Option<oneshot::Sender<()>>,
}

/// The reader, and what resolves when it has nothing more.
pub(super) fn watched<R>(inner: R) -> (Input<R>, oneshot::Receiver<()>) {
    let (end, ended) = oneshot::channel();
    (Input { inner, end: Some(end) }, ended)
}

impl<R: AsyncRead + Unpin> AsyncRead for Input<R> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, into);
        let over = match &read {
            Poll::Ready(Ok(())) => into.filled().len() == before && into.remaining() > 0,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if over && let Some(end) = self.end.take() {
            // Nobody may want to know any more.
            let _ = end.send(());
        }
        read
    }
}
