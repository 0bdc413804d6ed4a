//! One gateway, for every front end: conversations in the sandbox, kept and shared.
//! Takes a [`GatewayConfig`]; gives the shapes of [`report`](crate::report). Never prints.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use crate::{
    Result,
    config::{Filter, GatewayConfig},
    report,
    runtime::Runtime,
};

/// A gateway. Cheap to clone, safe to share; does nothing until it is asked something.
///
/// A component instance does one thing at a time, so it keeps several, all attached to the same MCP session: calls run side by
/// side. A lost session is renewed once for all of them, a rotated credential is read again once, and a call is
/// repeated only when that is safe.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Arc<Runtime>,
    config: GatewayConfig,
}

/// How to make one call.
#[derive(Default)]
pub struct CallOptions {
    /// At most this long; the gateway's own timeout when absent.
    pub timeout: Option<Duration>,
    /// Called for `notifications/progress` (progress, total, message) while the call runs.
    pub on_progress: Option<Box<dyn Fn(f64, Option<f64>, Option<String>) + Send + Sync>>,
    /// Called for `notifications/message` (level, logger, data) while the call runs.
    pub on_message: Option<Box<dyn Fn(String, Option<String>, Value) + Send + Sync>>,
    /// Further members of `_meta`.
    pub meta: Option<Map<String, Value>>,
}

impl Gateway {
    /// A gateway that runs on this runtime. No traffic.
    #[must_use]
    pub fn new(runtime: Arc<Runtime>, config: GatewayConfig) -> Self {
        Self { inner: Arc::new(Inner { runtime, config }) }
    }

    /// How it is configured.
    #[must_use]
    pub fn config(&self) -> &GatewayConfig {
        &self.inner.config
    }

    /// Goes through the steps of connecting, one by one. A failure is in the report.
    pub async fn test(&self) -> report::Test {
        todo!()
    }

    /// The services behind the gateway.
    pub async fn services(&self) -> Result<report::Services> {
        todo!()
    }

    /// The tools that the gateway's own filter and `narrow` both keep.
    pub async fn tools(&self, narrow: &Filter) -> Result<report::Tools> {
        todo!()
    }

    /// How the gateway and the services behind it are. A failure is in the report.
    pub async fn health(&self) -> report::GatewayHealth {
        todo!()
    }

    /// Calls one tool. A tool that the filter leaves out is refused.
    ///
    /// # Errors
    ///
    /// None: a failure is in the report, with its class.
    pub async fn call(&self, tool: &str, arguments: Map<String, Value>, options: CallOptions) -> report::Call {
        todo!()
    }

    /// Ends the session at the gateway. Dropping without it leaves the session to the gateway.
    pub async fn close(&self) {
        todo!()
    }
}
