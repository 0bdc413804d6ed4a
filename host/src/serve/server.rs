//! MCP requests from pflow, answered through the gateway.
//! Takes methods and params; gives results as JSON, or errors that name their class. Holds no state but the catalogue shown last.

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde_json::{json, value::RawValue};
use tokio::sync::Notify;

use super::{
    catalog::{Catalog, META, Outputs},
    client::Client,
    error::ServeError,
    events,
    keeper::Keeper,
    rename::may_be_renamed,
    results::call_result,
    rpc::{Fault, GATEWAY_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND},
    snapshot::{Snapshot, Snapshots},
    upstream::Upstream,
};
use crate::{
    Class, Error, Unlisted,
    json::{Json, each_member, members, pick, unquote},
    report::Tools,
    sync::Mutex,
};

/// How long to wait before the gateway is asked again after an old catalogue was shown.
const FIRST_RETRY: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 5_000 });
const LAST_RETRY: Duration = Duration::from_secs(60);
/// Doublings of the time between two looks at the tools.
const LONGEST_REFRESH: u32 = 4;
/// Different warnings that are said at most; a gateway can make up ever new ones.
const SAID: usize = 1_000;

/// The server.
pub(super) struct Server<U> {
    inner: Arc<Inner<U>>,
}

impl<U> Clone for Server<U> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

struct Inner<U> {
    upstream: U,
    keeper: Keeper,
    /// What the client saw last.
    shown: Mutex<Option<Arc<Shown>>>,
    /// An old catalogue was shown: somebody has to look when the gateway is back.
    stale: Notify,
    /// The least urgent log message that the client wants.
    least: AtomicUsize,
    /// Whether this client calls tools.
    calls: AtomicBool,
    /// Warnings that were said.
    said: Mutex<HashSet<String>>,
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
    pub(super) fn new(upstream: U, snapshots: Arc<dyn Snapshots>) -> Self {
        let least = AtomicUsize::new(events::urgency("info"));
        Self {
            inner: Arc::new(Inner {
                upstream,
                keeper: Keeper::new(snapshots),
                shown: Mutex::default(),
                stale: Notify::new(),
                least,
                calls: AtomicBool::new(false),
                said: Mutex::default(),
            }),
        }
    }

    /// Waits until what was listed is written down.
    pub(super) async fn written(&self) {
        self.inner.keeper.written().await;
    }

    /// The gateway's name.
    pub(super) fn name(&self) -> &str {
        self.inner.upstream.name()
    }

    /// Tells which calls were given up and may still run.
    pub(super) fn tell_left_running(&self) {
        super::tell_left_running(&self.inner.upstream);
    }

    /// Carries out a request of a client that is connected.
    pub(super) async fn answer(&self, method: &str, params: Option<&Json>, client: &Client) -> Result<Json, Fault> {
        let params = params.map_or("{}", Json::get);
        match method {
            "ping" => Ok(json!({}).into()),
            "tools/list" => self.inner.list(params).await,
            "tools/call" => self.inner.call(params, client).await,
            "logging/setLevel" => {
                let level = pick(params, ["level"]).and_then(|[level]| level).and_then(unquote);
                let level = level.filter(|level| events::is_level(level)).ok_or_else(|| {
                    Fault::new(
                        INVALID_PARAMS,
                        "Invalid params: \"level\" must be one of MCP's levels, like \"warning\"",
                    )
                })?;
                self.inner.least.store(events::urgency(&level), Ordering::Relaxed);
                Ok(json!({}).into())
            }
            _ => Err(Fault::new(METHOD_NOT_FOUND, format!("Method not found: {}", crate::scrub::line(method, 100)))),
        }
    }
}

impl<U: Upstream> Inner<U> {
    fn shown(&self) -> Option<Arc<Shown>> {
        self.shown.lock().clone()
    }

    fn show(&self, shown: Shown) -> Arc<Shown> {
        let shown = Arc::new(shown);
        *self.shown.lock() = Some(Arc::clone(&shown));
        shown
    }

    /// Says what was noticed, each thing once: the list is read again and again.
    fn say(&self, warnings: &[String]) {
        let mut said = self.said.lock();
        for warning in warnings {
            if said.len() < SAID && said.insert(warning.clone()) {
                tracing::warn!("{warning}");
            }
        }
    }

    /// Reads the catalogue; while the gateway is away, the last snapshot.
    async fn load(&self) -> Result<Arc<Shown>, Error> {
        let error = match self.upstream.tools().await {
            Ok(tools) => match self.catalog(tools).await {
                Ok((tools, catalog)) => return Ok(self.keep(tools, catalog)),
                Err(error) => error.into(),
            },
            Err(error) => error,
        };
        if !away(error.class) {
            return Err(error);
        }
        let Some(Snapshot { tools, taken }) = self.keeper.load().await else { return Err(error) };
        let (upstream, why) = (self.upstream.clone(), error.clone());
        let last = tokio::task::spawn_blocking(move || {
            upstream.shown_stale(taken, tools.tools.len(), &why);
            Catalog::new(&tools)
        });
        match last.await {
            Ok(catalog) => {
                tracing::warn!(%error, class = error.class.as_str(), "the gateway is away; showing the last snapshot");
                self.say(catalog.warnings());
                Ok(self.show(Shown { catalog, stale: Some(Stale { taken, error }) }))
            }
            Err(_) => Err(error),
        }
    }

    /// The catalogue as pflow shall see it.
    async fn catalog(&self, tools: Tools) -> Result<(Tools, Catalog), ServeError> {
        self.prepared(move || {
            let catalog = Catalog::new(&tools);
            (tools, catalog)
        })
        .await
    }

    /// A catalogue that was just read is what is shown from now on, and what is shown when the gateway is away.
    fn keep(&self, tools: Tools, catalog: Catalog) -> Arc<Shown> {
        self.say(&tools.warnings);
        self.say(catalog.warnings());
        // An empty list is how some gateways fail, and a part is no whole: neither replaces a snapshot that has tools.
        if tools.total > 0 && !tools.cut {
            self.keeper.store(tools);
        }
        self.show(Shown { catalog, stale: None })
    }

    /// What was shown last, or what the gateway listed for a call.
    async fn known(&self) -> Option<Arc<Shown>> {
        if let Some(shown) = self.shown() {
            return Some(shown);
        }
        let tools = self.upstream.known_tools()?;
        let (_, catalog) = self.catalog(tools).await.ok()?;
        Some(self.show(Shown { catalog, stale: None }))
    }

    /// Prepares a catalogue where nobody waits for the thread, and no longer than the gateway may take: what it costs is a gateway's choice.
    async fn prepared<T: Send + 'static>(&self, prepare: impl FnOnce() -> T + Send + 'static) -> Result<T, ServeError> {
        let limit = self.upstream.timeout();
        match tokio::time::timeout(limit, tokio::task::spawn_blocking(prepare)).await {
            Ok(Ok(prepared)) => Ok(prepared),
            Ok(Err(error)) => Err(ServeError::Unprepared(error)),
            Err(_) => Err(ServeError::TooLong { gateway: self.upstream.name().to_owned(), limit }),
        }
    }

    /// `tools/list`
    async fn list(&self, params: &str) -> Result<Json, Fault> {
        let cursor = pick(params, ["cursor"]).and_then(|[cursor]| cursor).filter(|cursor| *cursor != "null");
        if let Some(cursor) = cursor {
            let cursor = crate::scrub::line(cursor, 100);
            return Err(Fault::new(INVALID_PARAMS, format!("Invalid cursor: {cursor}; all tools are on one page")));
        }
        let calls = self.calls.load(Ordering::Relaxed);
        let shown = match self.load().await {
            Ok(shown) => shown,
            // pflow's client lists after a call, to check the result: a call that was answered must not fail for that.
            Err(error) if calls => match self.known().await {
                Some(shown) => shown,
                None => return Err(rpc_error(&error)),
            },
            Err(error) => return Err(rpc_error(&error)),
        };
        if shown.stale.is_some() {
            self.stale.notify_one();
        }
        Ok(list_result(&shown, if calls { Outputs::LeftOut } else { Outputs::Shown }))
    }

    /// `tools/call`
    async fn call(&self, params: &str, client: &Client) -> Result<Json, Fault> {
        let invalid = |why: &str| Fault::new(INVALID_PARAMS, format!("Invalid params: {why}"));
        let [name, arguments, meta] = pick(params, ["name", "arguments", "_meta"]).unwrap_or_default();
        let name = name.and_then(unquote).ok_or_else(|| invalid("\"name\" must be a string"))?;
        let mut arguments = match arguments {
            None | Some("null") => json!({}).into(),
            Some(arguments) => {
                Json::object(arguments.to_owned()).map_err(|_| invalid("\"arguments\" must be an object"))?
            }
        };
        let meta = meta.filter(|meta| *meta != "null");
        if meta.is_some_and(|meta| !meta.starts_with('{')) {
            return Err(invalid("\"_meta\" must be an object"));
        }
        self.calls.store(true, Ordering::Relaxed);
        let mut renamed = false;
        each_member(arguments.get(), &mut |name, _| renamed = renamed || may_be_renamed(&name));
        if renamed {
            let shown = match self.shown() {
                Some(shown) => shown,
                None => self.load().await.map_err(|error| rpc_error(&error))?,
            };
            arguments = shown.catalog.restore(&name, arguments);
        }
        let token = meta.and_then(|meta| pick(meta, ["progressToken"])).and_then(|[token]| token);
        let token: Option<Box<RawValue>> = token.and_then(|token| serde_json::from_str(token).ok());
        let (mut options, mut waiting) = events::channel(token.is_some());
        options.meta = meta.and_then(passed_on);
        // pflow calls what it registered: the list of that time had it.
        options.unlisted = Unlisted::Asked;
        let call = self.upstream.call(&name, arguments, options);
        let mut call = std::pin::pin!(call);
        let least = || self.least.load(Ordering::Relaxed);
        let report = loop {
            tokio::select! {
                biased;
                Some(event) = waiting.recv() => events::forward(event, client, token.as_deref(), least()).await,
                report = &mut call => break report,
            }
        };
        while let Ok(event) = waiting.try_recv() {
            events::forward(event, client, token.as_deref(), least()).await;
        }
        self.say(self.upstream.change_of(&report.tool).as_slice());
        Ok(call_result(report))
    }
}

/// Members of `_meta` that are for the service, not for the connection between pflow and this server.
fn passed_on(meta: &str) -> Option<Json> {
    let members = members(meta)?;
    let theirs = |name: &str| name != "progressToken" && !name.starts_with("io.modelcontextprotocol/");
    let mut passed =
        members.iter().filter(|(name, _)| theirs(name)).map(|(name, value)| (name.as_ref(), *value)).peekable();
    passed.peek()?;
    Some(Json::from_members(passed))
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

fn rpc_error(error: &Error) -> Fault {
    tracing::warn!(class = error.class.as_str(), "{error}");
    let message = match &error.hint {
        Some(hint) => format!("{} → {hint}", error.message),
        None => error.message.clone(),
    };
    Fault { code: GATEWAY_ERROR, message, data: serde_json::to_value(error).ok() }
}

fn list_result(shown: &Shown, outputs: Outputs) -> Json {
    let mut result = String::from(r#"{"tools":"#);
    shown.catalog.write(outputs, &mut result);
    if let Some(Stale { taken, error }) = &shown.stale {
        let taken = taken.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let note = json!({META: {"stale": true, "snapshot_taken_at": taken, "error": error}});
        result.push_str(r#","_meta":"#);
        result.push_str(&note.to_string());
    }
    result.push('}');
    Json::trusted(result)
}

/// Whenever an old catalogue was shown: asks the gateway until it is back, then tells the client if its tools are others than shown. Never
/// ends.
pub(super) async fn recover<U: Upstream>(server: Server<U>, client: Client) -> Infallible {
    let inner = &server.inner;
    loop {
        inner.stale.notified().await;
        let mut pause = FIRST_RETRY;
        loop {
            let stale = inner.shown();
            let asked = stale.as_ref().and_then(|shown| shown.stale.as_ref()?.error.asked_to_wait());
            tokio::time::sleep(pause.max(asked.unwrap_or_default())).await;
            pause = pause.saturating_mul(2).min(LAST_RETRY);
            let Some(before) = inner.shown().filter(|shown| shown.stale.is_some()) else { break };
            if let Ok(now) = inner.load().await
                && now.stale.is_none()
            {
                if !now.catalog.is_as(&before.catalog) {
                    client.tools_changed().await;
                }
                break;
            }
        }
    }
}

/// Looks now and then whether the tools are still those that were shown, and tells the client when they are not. For gateways
/// that do not announce it, or only on a stream that nobody holds open. Never ends.
pub(super) async fn refresh<U: Upstream>(server: Server<U>, client: Client, every: Duration) -> Infallible {
    let inner = &server.inner;
    let mut failures = 0;
    let mut asked = Duration::ZERO;
    loop {
        tokio::time::sleep(pause(every, failures).max(asked)).await;
        asked = Duration::ZERO;
        // Nothing was shown, or `recover` is at it.
        let Some(before) = inner.shown().filter(|shown| shown.stale.is_none()) else { continue };
        match inner.upstream.tools().await {
            // Also how some gateways fail. Whoever asks is told; nobody is told unasked.
            Ok(tools) if tools.total == 0 || tools.cut => failures = 0,
            Ok(tools) => {
                failures = 0;
                if let Ok((tools, catalog)) = inner.catalog(tools).await
                    && !catalog.is_as(&before.catalog)
                {
                    inner.keep(tools, catalog);
                    client.tools_changed().await;
                }
            }
            Err(error) => {
                failures += 1;
                asked = error.asked_to_wait().unwrap_or_default();
                tracing::debug!(class = error.class.as_str(), "the tools cannot be looked at again: {error}");
            }
        }
    }
}

/// A tenth earlier or later, so that many servers do not ask in one moment; twice as long with every failure.
fn pause(every: Duration, failures: u32) -> Duration {
    let slower = every.saturating_mul(1 << failures.min(LONGEST_REFRESH));
    slower.mul_f64(0.9 + 0.2 * crate::jitter::fraction())
}
