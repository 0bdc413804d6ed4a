//! The stdio MCP server that pflow spawns.
//! Takes a gateway; speaks MCP on stdin and stdout until stdin closes. Never writes anything but protocol to stdout, and never
//! passes off an old catalogue as a new one.

mod advice;
mod blocks;
mod catalog;
mod client;
mod conversation;
mod error;
mod events;
pub mod fuzzing;
mod keeper;
mod lines;
mod remembering;
mod rename;
mod results;
mod rpc;
mod server;
mod snapshot;
mod upstream;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader},
    task::JoinSet,
};

use self::{
    client::Client, conversation::Conversation, lines::Lines, remembering::Remembered, server::Server,
    upstream::Upstream,
};
use crate::{Gateway, ending, history::History};

#[cfg(test)]
pub(crate) use self::catalog::tool as tests_tool;
pub use self::snapshot::{FileSnapshots, NoSnapshots, Snapshot, Snapshots};

/// How long the gateway may take to end the session. pflow waits two seconds before it kills.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(1500);

/// How long a client that does not read may take for what is written already.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How often to look whether the gateway announced other tools.
const CHANGES: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 500 });

/// What a line may hold besides the arguments of a call, in bytes.
const ENVELOPE: u64 = 1024 * 1024;

/// Serves the gateway on stdin and stdout until stdin closes or the process is asked to end, then ends the gateway's session.
/// What calls tell of the services goes into the history.
pub async fn serve(gateway: Gateway, snapshots: Arc<dyn Snapshots>, history: History) {
    let (stdin, stdout) = rmcp::transport::io::stdio_pipes();
    // A task of its own: a call goes on where its line was read, and no other thread is woken for it.
    let mut serving = JoinSet::new();
    serving.spawn(serve_on(Remembered::new(gateway, history), snapshots, stdin, stdout, ended()));
    if let Some(Err(ended)) = serving.join_next().await
        && let Ok(panic) = ended.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

async fn serve_on<U: Upstream>(
    upstream: U,
    snapshots: Arc<dyn Snapshots>,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
    end: impl Future<Output = ()>,
) {
    tracing::info!(gateway = upstream.name(), url = upstream.url(), "serving on stdio");
    let (client, waiting) = Client::new();
    let mut writer = tokio::spawn(client::write(waiting, output));
    let limit = upstream.request_limit().saturating_add(ENVELOPE);
    let lines = Lines::new(BufReader::with_capacity(64 * 1024, input), usize::try_from(limit).unwrap_or(usize::MAX));
    let server = Server::new(upstream.clone(), snapshots);
    {
        let refreshed = async {
            match upstream.refresh() {
                Some(every) => server::refresh(server.clone(), client.clone(), every).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = Conversation::new(server.clone(), client.clone(), lines).hold(end) => {}
            never = announce(upstream.clone(), client.clone()) => match never {},
            never = server::recover(server.clone(), client.clone()) => match never {},
            never = refreshed => match never {},
        }
    }
    drop(client);
    if tokio::time::timeout(LAST_LINES, &mut writer).await.is_err() {
        writer.abort();
    }
    let (closed, written) = tokio::join!(
        tokio::time::timeout(CLOSE_TIMEOUT, upstream.close()),
        tokio::time::timeout(CLOSE_TIMEOUT, server.written()),
    );
    tell_left_running(&upstream);
    if written.is_err() {
        tracing::warn!("the snapshot was not written in time");
    }
    if closed.is_err() {
        tracing::warn!("the gateway did not end the session in time");
    }
}

/// On stderr, for whoever looks for what became of a call: nobody else will hear of it.
fn tell_left_running(upstream: &impl Upstream) {
    for left in upstream.left_running() {
        tracing::warn!("the client is gone: {}", left.words(upstream.name()));
    }
}

/// Passes the gateway's announcements of other tools on.
async fn announce<U: Upstream>(upstream: U, client: Client) -> std::convert::Infallible {
    let mut known = upstream.changes();
    loop {
        tokio::time::sleep(CHANGES).await;
        let now = upstream.changes();
        if now != known {
            known = now;
            client.tools_changed().await;
        }
    }
}

/// Resolves when the process is asked to end.
async fn ended() {
    let _ = ending::asked().await;
}
