//! One gateway, for every front end: conversations in the sandbox, kept and shared.
//! Takes a [`GatewayConfig`]; gives the shapes of [`report`](crate::report). Never prints.

mod call;
mod checks;
mod claims;
mod convert;
mod current;
mod declared;
mod definitions;
mod delivery;
mod era;
mod explain;
mod hang;
mod identity;
mod idle;
mod ids;
mod memory;
mod own;
mod pool;
mod recovery;
mod remedy;
mod reports;
mod review;
mod stdio;
mod steps;
mod takeover;
mod unknown;

use std::{future::Future, pin::Pin, sync::Arc};

pub use self::explain::status_of;
pub use self::{
    call::{CallOptions, OnMessage, OnProgress, Unlisted},
    delivery::LeftRunning,
    stdio::told_of_stdio,
};
pub use self::{claims::Uncertain, own::Own};
use self::{pool::Pool, steps::Tell};
use crate::{
    Deadline, Result,
    config::{Filter, GatewayConfig},
    history::SnapshotTool,
    json::Json,
    report,
    runtime::Runtime,
};

/// A tool of the last listing, as far as a snapshot and a probe need it.
#[derive(Clone, Debug)]
pub struct SeenTool {
    /// As listed.
    pub name: String,
    /// Whose it is, as far as that is known.
    pub service: Option<String>,
    /// Its `readOnlyHint`.
    pub read_only: Option<bool>,
    /// Its `destructiveHint`.
    pub destructive: Option<bool>,
}

/// What an operation of a [`Gateway`] gives. Boxed, so that it is compiled here once and not again in every crate that awaits it.
pub type Operation<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A gateway. Cheap to clone, safe to share; does nothing until it is asked something.
///
/// A component instance does one thing at a time, so it keeps several, all attached to the same MCP session: calls run side by
/// side. A lost session is renewed once for all of them, a rotated credential is read again once, and a call is
/// repeated only when that is safe.
#[derive(Clone)]
pub struct Gateway {
    pool: Arc<Pool>,
    by: Option<Deadline>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("name", &self.config().name).finish_non_exhaustive()
    }
}

impl Gateway {
    /// A gateway that runs on this runtime. No traffic.
    #[must_use]
    pub fn new(runtime: Arc<Runtime>, config: GatewayConfig) -> Self {
        Self { pool: Pool::new(runtime, config), by: None }
    }

    /// The same gateway for somebody who waits until then, whatever is asked. Otherwise each question has the configured timeout.
    #[must_use]
    pub fn until(&self, by: Deadline) -> Self {
        Self { pool: Arc::clone(&self.pool), by: Some(by) }
    }

    /// How long a question may take that is asked now.
    fn deadline(&self) -> Deadline {
        self.by.unwrap_or_else(|| Deadline::within(self.config().timeout))
    }

    /// Whether there is no time left for another question.
    pub fn is_late(&self) -> bool {
        self.by.is_some_and(Deadline::is_over)
    }

    /// How it is configured.
    #[must_use]
    pub fn config(&self) -> &GatewayConfig {
        self.pool.config()
    }

    /// The component that answers now. Another one may, when `component use` chose it.
    #[must_use]
    pub fn component(&self) -> report::Component {
        self.pool.component()
    }

    /// Goes through the steps of connecting, one by one. A failure is in the report.
    #[must_use]
    pub fn test(&self) -> Operation<'_, report::Test> {
        self.test_telling(&steps::nobody)
    }

    /// The same, and whom to tell of each step as soon as it is done.
    pub fn test_telling<'a>(&'a self, tell: Tell<'a>) -> Operation<'a, report::Test> {
        Box::pin(reports::test(&self.pool, tell, self.deadline()))
    }

    /// The services behind the gateway.
    ///
    /// # Errors
    ///
    /// Why the catalogue could not be read.
    #[must_use]
    pub fn services(&self) -> Operation<'_, Result<report::Services>> {
        Box::pin(reports::services(&self.pool, self.deadline()))
    }

    /// The tools that the gateway's own filter and `narrow` both keep. Reads the catalogue anew.
    ///
    /// # Errors
    ///
    /// Why the catalogue could not be read; `config` for a pattern that is none.
    #[must_use]
    pub fn tools<'a>(&'a self, narrow: &'a Filter) -> Operation<'a, Result<report::Tools>> {
        Box::pin(reports::tools(&self.pool, narrow, self.deadline()))
    }

    /// What the component's rules think of the tools that the gateway's own filter and `narrow` both keep. Reads the catalogue anew.
    ///
    /// # Errors
    ///
    /// Why the catalogue could not be read; `config` for a pattern that is none.
    #[must_use]
    pub fn review<'a>(&'a self, narrow: &'a Filter) -> Operation<'a, Result<report::Review>> {
        Box::pin(review::reviewed(&self.pool, narrow, self.deadline()))
    }

    /// The same, without what pflow is not shown as it was listed: for whoever fits the tools for pflow.
    #[must_use]
    pub fn catalog<'a>(&'a self, narrow: &'a Filter) -> Operation<'a, Result<report::Tools>> {
        Box::pin(reports::catalog(&self.pool, narrow, self.deadline()))
    }

    /// The tools of the last listing that the gateway's own filter keeps. No traffic; None before the first listing.
    #[must_use]
    pub fn known_catalog(&self) -> Option<report::Tools> {
        self.pool.listed().map(|listed| reports::kept(&self.pool, &listed, &listed.verdicts))
    }

    /// How the gateway and the services behind it are. A failure is in the report.
    #[must_use]
    pub fn health(&self) -> Operation<'_, report::GatewayHealth> {
        Box::pin(reports::health(&self.pool, self.deadline()))
    }

    /// Whether it was found where its name must go on leading to.
    pub fn shall_stay_public(&self) -> bool {
        self.pool.egress.get().is_some_and(crate::egress::Egress::shall_stay_public)
    }

    /// The tools of the last listing, before filters; empty before the first one.
    #[must_use]
    pub fn seen_tools(&self) -> Vec<SeenTool> {
        let Some(listed) = self.pool.listed() else { return Vec::new() };
        let seen = |tool: &crate::runtime::types::Tool| SeenTool {
            name: tool.name.clone(),
            service: tool.provenance.service.clone(),
            read_only: tool.annotations.as_ref().and_then(|hints| hints.read_only),
            destructive: tool.annotations.as_ref().and_then(|hints| hints.destructive),
        };
        listed.catalog.tools.iter().map(seen).collect()
    }

    /// The product that the last listing is of.
    #[must_use]
    pub fn seen_kind(&self) -> Option<report::Kind> {
        self.pool.listed().map(|listed| listed.kind.clone())
    }

    /// Whether the last listing is only a part: a page of it could not be read.
    #[must_use]
    pub fn saw_a_part(&self) -> bool {
        self.pool.listed().is_some_and(|listed| listed.cut)
    }

    /// Of the last listing, the services of whose tools some are not certain: those that the filter left out for that reason, or, `apart`,
    /// of all that it keeps.
    #[must_use]
    pub fn uncertain(&self, apart: bool) -> Vec<Uncertain> {
        use crate::runtime::filter::Reason;
        let Some(listed) = self.pool.listed() else { return Vec::new() };
        claims::uncertain(&listed, |_, verdict| {
            matches!(verdict, Some(Reason::ServiceNotCertain)) || (apart && verdict.is_none())
        })
    }

    /// What the names of tools begin with that may be of this service, of which the gateway says nothing; and how many they are.
    #[must_use]
    pub fn prefix_of(&self, service: &str) -> Option<(String, usize)> {
        let listed = self.pool.listed()?;
        claims::by_name(&listed, service)
    }

    /// Which of these its own filter leaves to it.
    #[must_use]
    pub fn own<'a>(&'a self, tools: &'a [SnapshotTool], services: &'a [String]) -> Operation<'a, Result<Own>> {
        Box::pin(own::own(&self.pool, tools, services, self.deadline()))
    }

    /// Accepts the last listing for an entry that was just written with what this gateway was tested with.
    pub fn keep_for(&self, config: &GatewayConfig) {
        if let Some(listed) = self.pool.listed() {
            listed.keep_for(config);
        }
    }

    /// That a tool is not as it was accepted, in a sentence. Of the last listing.
    #[must_use]
    pub fn change_of(&self, tool: &str) -> Option<String> {
        let listed = self.pool.listed()?;
        listed.standings.change_of(*listed.by_name.get(tool)?, tool)
    }

    /// Remembers what the tools of an older catalogue were, so that a name that has changed since is still understood.
    pub fn recall(&self, tools: &[report::Tool]) {
        self.pool.identities().recall(tools);
    }

    /// One tool by its name, as a call would find it, and why a call would be refused. Reads the catalogue when it was not read yet.
    #[must_use]
    pub fn find<'a>(&'a self, tool: &'a str) -> Operation<'a, Result<(report::Tool, Option<crate::Error>)>> {
        Box::pin(call::find(&self.pool, tool, self.deadline()))
    }

    /// Calls one tool with these arguments, an object. A tool that the gateway's filter leaves out is refused. A failure is in the report, with its class.
    ///
    /// Dropping the future cancels the call, at the gateway too.
    #[must_use]
    pub fn call<'a>(
        &'a self,
        tool: &'a str,
        arguments: impl Into<Json>,
        options: CallOptions,
    ) -> Operation<'a, report::Call> {
        let by = match (options.timeout.map(Deadline::within), self.by) {
            (Some(own), Some(by)) => own.or_sooner(by),
            (Some(by), None) | (None, Some(by)) => by,
            (None, None) => self.deadline(),
        };
        Box::pin(call::call(&self.pool, tool, arguments.into(), options, by))
    }

    /// How often the gateway announced that its tools changed, since this was made. A number that grew means: list them again.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.pool.changes()
    }

    /// After a call was given up: the gateway is told, and its session ends unless somebody else still uses it. Takes two seconds at most.
    #[must_use]
    pub fn hang_up(&self) -> Operation<'_, ()> {
        Box::pin(self.pool.hang_up())
    }

    /// The calls that were given up since this was asked last, and may still run at the gateway.
    #[must_use]
    pub fn left_running(&self) -> Vec<LeftRunning> {
        self.pool.left_running()
    }

    /// Ends the session at the gateway, and the calls in it. Dropping without it leaves the session to the gateway.
    #[must_use]
    pub fn close(&self) -> Operation<'_, ()> {
        Box::pin(self.pool.end())
    }
}
