//! MCP requests from pflow, answered through the gateway.
//! Takes requests; gives the gateway's own answers, unchanged, or errors that name their class. Holds no state but the catalogue shown last.

use std::{
    borrow::Cow,
    convert::Infallible,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use rmcp::{
    ErrorData, Peer, RoleServer, ServerHandler, Service,
    model::{
        CallToolRequestParams, ClientNotification, ClientRequest, CustomResult, ErrorCode, Implementation,
        ProtocolVersion, RequestMetaObject, ServerCapabilities, ServerConfig, ServerResult,
    },
    service::{NotificationContext, RequestContext},
};
use serde_json::{Map, Value, json};

use super::{
    catalog::{Catalog, META},
    events,
    rename::may_be_renamed,
    results::call_result,
    snapshot::{Snapshot, Snapshots},
    upstream::Upstream,
};
use crate::{Class, Error, report::Tools};

/// JSON-RPC leaves -32000 to -32099 to servers.
const GATEWAY_ERROR: ErrorCode = ErrorCode(-32000);

/// How long to wait before the gateway is asked again after an old catalogue was shown.
const FIRST_RETRY: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 5_000 });
const LAST_RETRY: Duration = Duration::from_secs(60);
/// Doublings of the time between two looks at the tools.
const LONGEST_REFRESH: u32 = 4;

/// The server.
pub(super) struct Server<U> {
    inner: Arc<Inner<U>>,
}

struct Inner<U> {
    upstream: U,
    snapshots: Arc<dyn Snapshots>,
    base: Base,
    /// What the client saw last.
    shown: Mutex<Option<Arc<Shown>>>,
    /// The least urgent log message that the client wants.
    least: AtomicUsize,
}

struct Shown {
    catalog: Catalog,
    /// Set when this is a snapshot.
    stale: Option<Stale>,
}

/// Why an old catalogue was shown.
struct Stale {
    taken: SystemTime,
    error: Error,
}

impl<U: Upstream> Server<U> {
    pub(super) fn watched(&self) -> Watched<U> {
        Watched(Arc::downgrade(&self.inner))
    }

    pub(super) fn new(upstream: U, snapshots: Arc<dyn Snapshots>) -> Self {
        let base = Base { instructions: format!("Tools of the MCP gateway \"{}\".", upstream.name()) };
        let least = AtomicUsize::new(events::urgency("info"));
        Self { inner: Arc::new(Inner { upstream, snapshots, base, shown: Mutex::new(None), least }) }
    }
}

impl<U: Upstream> Inner<U> {
    fn shown(&self) -> Option<Arc<Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn show(&self, shown: Shown) -> Arc<Shown> {
        let shown = Arc::new(shown);
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&shown));
        shown
    }

    /// Reads the catalogue; while the gateway is away, the last snapshot.
    async fn load(&self) -> Result<Arc<Shown>, Error> {
        let error = match self.upstream.tools().await {
            Ok(tools) => {
                for warning in &tools.warnings {
                    tracing::warn!("{warning}");
                }
                return Ok(self.keep(tools).await);
            }
            Err(error) => error,
        };
        if !away(error.class) {
            return Err(error);
        }
        let (snapshots, upstream, why) = (Arc::clone(&self.snapshots), self.upstream.clone(), error.clone());
        let loaded = move || {
            let last = snapshots.load()?;
            upstream.shown_stale(last.taken, last.tools.tools.len(), &why);
            Some(last)
        };
        match tokio::task::spawn_blocking(loaded).await {
            Ok(Some(Snapshot { tools, taken })) => {
                tracing::warn!(%error, class = error.class.as_str(), "the gateway is away; showing the last snapshot");
                Ok(self.show(Shown { catalog: Catalog::new(&tools), stale: Some(Stale { taken, error }) }))
            }
            _ => Err(error),
        }
    }

    /// A catalogue that was just read is what is shown from now on, and what is shown when the gateway is away.
    async fn keep(&self, tools: Tools) -> Arc<Shown> {
        let catalog = Catalog::new(&tools);
        // An empty list is how some gateways fail; it never replaces a snapshot that has tools.
        if tools.total > 0 {
            let snapshots = Arc::clone(&self.snapshots);
            let stored = tokio::task::spawn_blocking(move || snapshots.store(&tools)).await;
            if let Ok(Err(error)) = stored {
                tracing::warn!(%error, "the snapshot could not be written");
            }
        }
        self.show(Shown { catalog, stale: None })
    }

    async fn call(
        &self,
        request: CallToolRequestParams,
        meta: &RequestMetaObject,
        peer: &Peer<RoleServer>,
    ) -> Result<Value, ErrorData> {
        let mut arguments = request.arguments.unwrap_or_default();
        if arguments.keys().any(|name| may_be_renamed(name)) {
            let shown = match self.shown() {
                Some(shown) => shown,
                None => self.load().await.map_err(|error| rpc_error(&error))?,
            };
            arguments = shown.catalog.restore(&request.name, arguments);
        }
        let token = meta.get_progress_token();
        let (mut options, mut waiting) = events::channel(token.is_some());
        options.meta = passed_on(meta);
        let call = self.upstream.call(&request.name, arguments, options);
        let mut call = std::pin::pin!(call);
        let least = || self.least.load(Ordering::Relaxed);
        let report = loop {
            tokio::select! {
                biased;
                Some(event) = waiting.recv() => events::forward(event, peer, token.as_ref(), least()).await,
                report = &mut call => break report,
            }
        };
        while let Ok(event) = waiting.try_recv() {
            events::forward(event, peer, token.as_ref(), least()).await;
        }
        Ok(call_result(report))
    }
}

/// Members of `_meta` that are for the service, not for the connection between pflow and this server.
fn passed_on(meta: &RequestMetaObject) -> Option<Map<String, Value>> {
    let members: Map<String, Value> = meta
        .0
        .0
        .iter()
        .filter(|(name, _)| *name != "progressToken" && !name.starts_with("io.modelcontextprotocol/"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    (!members.is_empty()).then_some(members)
}

/// Whether an error means that the gateway cannot be reached now, and not that something has to be set right.
fn away(class: Class) -> bool {
    matches!(
        class,
        Class::Unreachable
            | Class::Dns
            | Class::Tls
            | Class::Timeout
            | Class::UpstreamError
            | Class::RateLimited
            | Class::SessionLost
            | Class::NotMcp
    )
}

fn rpc_error(error: &Error) -> ErrorData {
    tracing::warn!(class = error.class.as_str(), "{error}");
    let message = match &error.hint {
        Some(hint) => format!("{} → {hint}", error.message),
        None => error.message.clone(),
    };
    ErrorData::new(GATEWAY_ERROR, message, serde_json::to_value(error).ok())
}

fn list_result(shown: &Shown) -> Value {
    let mut result = json!({"tools": shown.catalog.tools()});
    if let (Some(Stale { taken, error }), Some(members)) = (&shown.stale, result.as_object_mut()) {
        let taken = taken.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let note = json!({"stale": true, "snapshot_taken_at": taken, "error": error});
        members.insert("_meta".to_owned(), json!({META: note}));
    }
    result
}

/// Asks the gateway until it is back, then tells the client if its tools are others than shown.
async fn recover<U: Upstream>(inner: Weak<Inner<U>>, peer: Peer<RoleServer>) {
    let mut pause = FIRST_RETRY;
    loop {
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(LAST_RETRY);
        let Some(inner) = inner.upgrade() else { return };
        let Some(before) = inner.shown().filter(|shown| shown.stale.is_some()) else { return };
        if let Ok(now) = inner.load().await
            && now.stale.is_none()
        {
            if now.catalog.tools() != before.catalog.tools() {
                // The client may be gone; then nobody needs to know.
                let _ = peer.notify_tool_list_changed().await;
            }
            return;
        }
    }
}

/// Looks now and then whether the tools are still those that were shown, and tells the client when they are not. For gateways
/// that do not announce it, or only on a stream that nobody holds open. Never ends.
pub(super) async fn refresh<U: Upstream>(watched: Watched<U>, peer: Peer<RoleServer>, every: Duration) -> Infallible {
    let mut failures = 0;
    let mut floor = Duration::ZERO;
    loop {
        tokio::time::sleep(pause(every, failures).max(floor)).await;
        floor = Duration::ZERO;
        let Some(inner) = watched.0.upgrade() else { return std::future::pending().await };
        // Nothing was shown, or `recover` is at it.
        let Some(before) = inner.shown().filter(|shown| shown.stale.is_none()) else { continue };
        match inner.upstream.tools().await {
            // Also how some gateways fail. Whoever asks is told; nobody is told unasked.
            Ok(tools) if tools.total == 0 => failures = 0,
            Ok(tools) => {
                failures = 0;
                if Catalog::new(&tools).tools() != before.catalog.tools() {
                    inner.keep(tools).await;
                    // The client may be gone; then nobody needs to know.
                    let _ = peer.notify_tool_list_changed().await;
                }
            }
            Err(error) => {
                failures += 1;
                floor = error.retry_after.map_or(Duration::ZERO, |seconds| Duration::from_secs(seconds.into()));
                tracing::debug!(class = error.class.as_str(), "the tools cannot be looked at again: {error}");
            }
        }
    }
}

/// A tenth earlier or later, so that many servers do not ask in one moment; twice as long with every failure.
fn pause(every: Duration, failures: u32) -> Duration {
    let slower = every.saturating_mul(1 << failures.min(LONGEST_REFRESH));
    slower.mul_f64(0.9 + 0.2 * crate::monitor::die())
}

/// What [`refresh`] watches: the server, for as long as there is one.
pub(super) struct Watched<U>(Weak<Inner<U>>);

impl<U: Upstream> Service<RoleServer> for Server<U> {
    #[expect(deprecated, reason = "logging/setLevel is deprecated from 2026-07-28 on, and pflow speaks 2025-11-25")]
    async fn handle_request(
        &self,
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        match request {
            // Both answers bypass rmcp's types, which would drop every field that they do not know.
            ClientRequest::ListToolsRequest(request) => {
                if let Some(cursor) = request.params.and_then(|params| params.cursor) {
                    return Err(ErrorData::invalid_params(format!("Invalid cursor: {cursor}"), None));
                }
                let was_stale = self.inner.shown().is_some_and(|shown| shown.stale.is_some());
                let shown = tokio::select! {
                    shown = self.inner.load() => shown.map_err(|error| rpc_error(&error))?,
                    () = context.ct.cancelled() => return Err(cancelled()),
                };
                if shown.stale.is_some() && !was_stale {
                    tokio::spawn(recover(Arc::downgrade(&self.inner), context.peer.clone()));
                }
                Ok(ServerResult::CustomResult(CustomResult(list_result(&shown))))
            }
            ClientRequest::CallToolRequest(request) => {
                let answered = tokio::select! {
                    result = self.inner.call(request.params, &context.meta, &context.peer) => Some(result),
                    // Dropping the call tells the gateway.
                    () = context.ct.cancelled() => None,
                };
                let Some(result) = answered else {
                    super::tell_left_running(&self.inner.upstream);
                    return Err(cancelled());
                };
                result.map(|result| ServerResult::CustomResult(CustomResult(result)))
            }
            ClientRequest::SetLevelRequest(request) => {
                let level = serde_json::to_value(request.params.level).unwrap_or_default();
                self.inner.least.store(events::urgency(level.as_str().unwrap_or_default()), Ordering::Relaxed);
                Ok(ServerResult::empty(()))
            }
            other => Service::handle_request(&self.inner.base, other, context).await,
        }
    }

    async fn handle_notification(
        &self,
        notification: ClientNotification,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Service::handle_notification(&self.inner.base, notification, context).await
    }

    fn get_info(&self) -> ServerConfig {
        ServerHandler::get_info(&self.inner.base)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        ServerHandler::supported_protocol_versions(&self.inner.base)
    }
}

fn cancelled() -> ErrorData {
    ErrorData::new(GATEWAY_ERROR, "cancelled", None)
}

/// Everything of MCP that has nothing to do with the gateway.
struct Base {
    instructions: String,
}

impl ServerHandler for Base {
    fn get_info(&self) -> ServerConfig {
        let mut capabilities = ServerCapabilities::default();
        let changes = json!({"tools": {"listChanged": true}, "logging": {}});
        if let Ok(parsed) = serde_json::from_value(changes) {
            capabilities = parsed;
        }
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("pflow-gateway", env!("CARGO_PKG_VERSION")))
            .with_instructions(self.instructions.clone())
    }

    /// The revisions with a handshake: pflow and every client that spawns servers speak one of them.
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(ProtocolVersion::known_up_to(&ProtocolVersion::LATEST_WITH_INITIALIZE))
    }
}
