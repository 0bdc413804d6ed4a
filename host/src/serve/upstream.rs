//! What the server needs of a gateway, so that it can be tested without one.

use serde_json::{Map, Value};

use crate::{CallOptions, Gateway, Result, config::Filter, report};

/// A gateway as the stdio server sees it.
pub(super) trait Upstream: Clone + Send + Sync + 'static {
    fn name(&self) -> &str;
    fn url(&self) -> String;
    fn tools(&self) -> impl Future<Output = Result<report::Tools>> + Send;
    fn call(
        &self,
        tool: &str,
        arguments: Map<String, Value>,
        options: CallOptions,
    ) -> impl Future<Output = report::Call> + Send;
    /// Grows whenever the gateway announces other tools.
    fn changes(&self) -> u64;
    fn close(&self) -> impl Future<Output = ()> + Send;
}

impl Upstream for Gateway {
    fn name(&self) -> &str {
        &self.config().name
    }

    fn url(&self) -> String {
        self.config().url.to_string()
    }

    async fn tools(&self) -> Result<report::Tools> {
        Self::tools(self, &Filter::default()).await
    }

    async fn call(&self, tool: &str, arguments: Map<String, Value>, options: CallOptions) -> report::Call {
        Self::call(self, tool, arguments, options).await
    }

    fn changes(&self) -> u64 {
        Self::changes(self)
    }

    async fn close(&self) {
        Self::close(self).await;
    }
}
