//! The way to the client: one line after the other, from whoever has something to say.
//! Takes messages; writes them to stdout in the order they came. Never writes half a line, and never anything else.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    sync::mpsc,
};

use super::rpc::Sent;
use crate::json::Json;

/// Lines that may wait for a client that does not read. Whoever has one more waits too.
const WAITING: usize = 64;

/// The client, for everybody who tells it something. Cheap to clone.
#[derive(Clone)]
pub(super) struct Client {
    lines: mpsc::Sender<Sent>,
    /// Whether it may be told something that it did not ask for.
    ready: Arc<AtomicBool>,
}

impl Client {
    /// A client, and what is to be written to it.
    pub(super) fn new() -> (Self, mpsc::Receiver<Sent>) {
        let (lines, waiting) = mpsc::channel(WAITING);
        (Self { lines, ready: Arc::default() }, waiting)
    }

    /// Sends one line. The client may be gone; then nobody needs to know.
    pub(super) async fn send(&self, line: Sent) {
        let _ = self.lines.send(line).await;
    }

    pub(super) async fn notify(&self, method: &str, params: Option<Json>) {
        self.send(Sent::notification(method, params)).await;
    }

    /// From now on it may be told what it did not ask for.
    pub(super) fn is_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// The tools are others than those that were shown.
    pub(super) async fn tools_changed(&self) {
        if self.ready.load(Ordering::Relaxed) {
            self.notify("notifications/tools/list_changed", None).await;
        }
    }
}

/// Writes until nobody has anything to say any more, or nobody reads.
pub(super) async fn write(mut waiting: mpsc::Receiver<Sent>, mut out: impl AsyncWrite + Unpin) {
    while let Some(line) = waiting.recv().await {
        if let Err(error) = write_line(&line, &mut out).await {
            tracing::debug!(%error, "the client does not read any more");
            return;
        }
    }
}

async fn write_line(line: &Sent, out: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
    // Small pieces are gathered: each write may be a system call.
    let mut gathered = Vec::with_capacity(8 * 1024);
    for chunk in line.chunks() {
        if gathered.len().saturating_add(chunk.len()) > gathered.capacity() {
            out.write_all(&gathered).await?;
            gathered.clear();
        }
        if chunk.len() > gathered.capacity() {
            out.write_all(chunk).await?;
        } else {
            gathered.extend_from_slice(chunk);
        }
    }
    gathered.push(b'\n');
    out.write_all(&gathered).await?;
    out.flush().await
}
