//! What the server needs of a gateway, so that it can be tested without one.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use crate::{
    CallOptions, Error, Gateway, LeftRunning, Result,
    config::Filter,
    gateway::status_of,
    history::{CallResult, History, Moment, Stale},
    json::Json,
    report, scrub,
};

/// A gateway as the stdio server sees it.
pub(super) trait Upstream: Clone + Send + Sync + 'static {
    fn name(&self) -> &str;
    fn url(&self) -> String;
    fn tools(&self) -> impl Future<Output = Result<report::Tools>> + Send;
    /// The tools as they were read last, without any traffic; None before that.
    fn known_tools(&self) -> Option<report::Tools>;
    fn call(&self, tool: &str, arguments: Json, options: CallOptions) -> impl Future<Output = report::Call> + Send;
    /// Grows whenever the gateway announces other tools.
    fn changes(&self) -> u64;
    /// How long one operation may take.
    fn timeout(&self) -> Duration;
    /// How large a request to the gateway may be, in bytes.
    fn request_limit(&self) -> u64;
    /// How often to look whether the tools changed; None: only when it announces it.
    fn refresh(&self) -> Option<Duration>;
    /// An old catalogue was shown, since the gateway could not be asked; pflow's `mcp sync` tells it.
    fn shown_stale(&self, taken: SystemTime, tools: usize, error: &Error) {
        let _ = (taken, tools, error);
    }
    /// That a tool is not as it was accepted, in a sentence.
    fn change_of(&self, tool: &str) -> Option<String> {
        let _ = tool;
        None
    }
    fn close(&self) -> impl Future<Output = ()> + Send;
    /// The calls that were given up since this was asked last, and may still run.
    fn left_running(&self) -> Vec<LeftRunning>;
}

impl Upstream for Gateway {
    fn name(&self) -> &str {
        &self.config().name
    }

    fn url(&self) -> String {
        self.config().shown().to_owned()
    }

    async fn tools(&self) -> Result<report::Tools> {
        let mut tools = Self::catalog(self, &Filter::default()).await?;
        // Tools, and none but the gateway's own: a sync that registers nothing would not say so.
        match tools.nothing.take().filter(|_| tools.total > 0) {
            Some(nothing) => Err(nothing),
            None => Ok(tools),
        }
    }

    fn known_tools(&self) -> Option<report::Tools> {
        Self::known_catalog(self)
    }

    async fn call(&self, tool: &str, arguments: Json, options: CallOptions) -> report::Call {
        Self::call(self, tool, arguments, options).await
    }

    fn changes(&self) -> u64 {
        Self::changes(self)
    }

    fn timeout(&self) -> Duration {
        self.config().timeout
    }

    fn change_of(&self, tool: &str) -> Option<String> {
        Self::change_of(self, tool)
    }

    fn request_limit(&self) -> u64 {
        self.config().egress_limits.request_body
    }

    fn refresh(&self) -> Option<Duration> {
        self.config().refresh
    }

    async fn close(&self) {
        Self::close(self).await;
    }

    fn left_running(&self) -> Vec<LeftRunning> {
        Self::left_running(self)
    }
}

/// A gateway whose calls are remembered, and whose failures are told with what is known of the service.
#[derive(Clone)]
pub(super) struct Remembered<U> {
    pub(super) upstream: U,
    pub(super) history: History,
}

impl<U: Upstream> Upstream for Remembered<U> {
    fn name(&self) -> &str {
        self.upstream.name()
    }

    fn url(&self) -> String {
        self.upstream.url()
    }

    fn changes(&self) -> u64 {
        self.upstream.changes()
    }

    fn timeout(&self) -> Duration {
        self.upstream.timeout()
    }

    fn change_of(&self, tool: &str) -> Option<String> {
        self.upstream.change_of(tool)
    }

    fn request_limit(&self) -> u64 {
        self.upstream.request_limit()
    }

    fn refresh(&self) -> Option<Duration> {
        self.upstream.refresh()
    }

    fn shown_stale(&self, taken: SystemTime, tools: usize, error: &Error) {
        let taken = taken.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let taken = Moment::from_millis(i64::try_from(taken).unwrap_or_default());
        let stale = Stale { at: Moment::now(), taken, tools, status: status_of(error.class) };
        self.history.record_stale(self.name(), stale);
    }

    async fn tools(&self) -> Result<report::Tools> {
        self.upstream.tools().await
    }

    fn known_tools(&self) -> Option<report::Tools> {
        self.upstream.known_tools()
    }

    async fn call(&self, tool: &str, arguments: Json, options: CallOptions) -> report::Call {
        let mut report = self.upstream.call(tool, arguments, options).await;
        let Some((service, result)) = CallResult::of(&report) else {
            return report;
        };
        let (history, gateway) = (self.history.clone(), self.name().to_owned());
        let failed = result != CallResult::Answered;
        let remembered = tokio::task::spawn_blocking(move || {
            history.record_call(&gateway, &service, &result, Moment::now());
            if failed { history.last_service(&gateway, &service, Moment::now()) } else { None }
        });
        // A good answer does not wait for the disk; a failure does, to be told with since when.
        if failed
            && let Ok(Some(last)) = remembered.await
            && let Some(error) = &mut report.error
        {
            let name = scrub::line(&last.name, 100);
            let _ = write!(error.message, " ({name}: {} since {})", last.status, last.since.rfc3339());
        }
        report
    }

    async fn close(&self) {
        self.upstream.close().await;
    }

    fn left_running(&self) -> Vec<LeftRunning> {
        self.upstream.left_running()
    }
}
