//! The stdio MCP server that pflow spawns.
//! Takes a gateway; speaks MCP on stdin and stdout until stdin closes. Never writes anything but protocol to stdout, and never
//! passes off an old catalogue as a new one.

mod catalog;
mod events;
mod input;
mod rename;
mod results;
mod server;
mod snapshot;
mod upstream;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use rmcp::{
    Peer, RoleServer, ServiceExt,
    service::{QuitReason, ServerInitializeError},
    transport::IntoTransport,
};

use self::{
    server::{Server, Watched},
    upstream::{Remembered, Upstream},
};
use crate::{Class, Error, Gateway, Result, history::History};

pub use self::snapshot::{FileSnapshots, NoSnapshots, Snapshot, Snapshots};

/// How long the gateway may take to end the session. pflow waits two seconds before it kills.
const FAREWELL: Duration = Duration::from_millis(1500);

/// How long a client that closes stdin may still wait for answers. After two seconds pflow ends the process.
const LAST_ANSWERS: Duration = Duration::from_millis(700);

/// How often to look whether the gateway announced other tools.
const CHANGES: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 500 });

/// Serves the gateway on stdin and stdout until stdin closes or the process is asked to end, then ends the gateway's session.
/// What calls tell of the services goes into the history.
///
/// # Errors
///
/// `protocol_error`: the client does not begin as MCP says. `internal`: the server itself failed.
pub async fn serve(gateway: Gateway, snapshots: Arc<dyn Snapshots>, history: History) -> Result<()> {
    let (stdin, stdout) = rmcp::transport::io::stdio_pipes();
    let (stdin, closed) = input::watched(stdin);
    let end = async {
        let left_alone = async {
            // Without a word: the reader is gone, and the server with it.
            if closed.await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(LAST_ANSWERS).await;
        };
        tokio::select! {
            () = end_requested() => {}
            () = left_alone => {}
        }
    };
    serve_on(Remembered { upstream: gateway, history }, snapshots, (stdin, stdout), end).await
}

async fn serve_on<U, T, E, A>(
    upstream: U,
    snapshots: Arc<dyn Snapshots>,
    transport: T,
    end: impl Future<Output = ()>,
) -> Result<()>
where
    U: Upstream,
    T: IntoTransport<RoleServer, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    tracing::info!(gateway = upstream.name(), url = upstream.url(), "serving on stdio");
    let server = Server::new(upstream.clone(), snapshots);
    let watched = server.watched();
    let announced = upstream.clone();
    let end = std::pin::pin!(end);
    let outcome = tokio::select! {
        outcome = converse(server, watched, announced, transport) => outcome,
        () = end => {
            tracing::info!("asked to end");
            Ok(())
        }
    };
    let closed = tokio::time::timeout(FAREWELL, upstream.close()).await;
    tell_left_running(&upstream);
    if closed.is_err() {
        tracing::warn!("the gateway did not end the session in time");
    }
    outcome
}

/// On stderr, for whoever looks for what became of a call: nobody else will hear of it.
fn tell_left_running(upstream: &impl Upstream) {
    for left in upstream.left_running() {
        tracing::warn!("nobody waits for it any more: {}", left.words(upstream.name()));
    }
}

async fn converse<U, T, E, A>(server: Server<U>, watched: Watched<U>, upstream: U, transport: T) -> Result<()>
where
    U: Upstream,
    T: IntoTransport<RoleServer, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    let running = match server.serve(transport).await {
        Ok(running) => running,
        // Nobody ever spoke: as good as a conversation that is over.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => {
            return Err(Error::new(Class::ProtocolError, format!("the client does not speak MCP: {error}"))
                .with_hint("`serve` is started by pflow; to look at a gateway yourself, use `test` or `tools`"));
        }
    };
    let peer = running.peer().clone();
    let refreshed = async {
        match upstream.refresh() {
            Some(every) => server::refresh(watched, peer.clone(), every).await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        ended = running.waiting() => ended,
        never = announce(upstream.clone(), peer.clone()) => match never {},
        never = refreshed => match never {},
    };
    match ended {
        Ok(QuitReason::Closed | QuitReason::Cancelled) => Ok(()),
        Ok(reason) => Err(Error::new(Class::Internal, format!("the server ended: {reason:?}"))),
        Err(error) => Err(Error::new(Class::Internal, format!("the server failed: {error}"))),
    }
}

/// Passes the gateway's announcements of other tools on.
async fn announce<U: Upstream>(upstream: U, peer: Peer<RoleServer>) -> std::convert::Infallible {
    let mut known = upstream.changes();
    loop {
        tokio::time::sleep(CHANGES).await;
        let now = upstream.changes();
        if now != known {
            known = now;
            // The client may be gone; then nobody needs to know.
            let _ = peer.notify_tool_list_changed().await;
        }
    }
}

/// Resolves when the process is asked to end.
#[cfg(unix)]
async fn end_requested() {
    use tokio::signal::unix::{SignalKind, signal};

    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Resolves when the process is asked to end.
#[cfg(not(unix))]
async fn end_requested() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
