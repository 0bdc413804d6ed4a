//! What the server needs of a gateway, so that it can be tested without one.

use std::time::{Duration, SystemTime};

use crate::{CallOptions, Error, Gateway, LeftRunning, Result, config::Filter, json::Json, report};

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
