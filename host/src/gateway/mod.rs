//! One gateway, for every front end: conversations in the sandbox, kept and shared.
//! Takes a [`GatewayConfig`]; gives the shapes of [`report`](crate::report). Never prints.

mod attempt;
mod background;
mod call;
mod catalogue;
mod convert;
mod current;
mod events;
mod explain;
mod failure;
mod instances;
mod parts;
mod peer;
mod remedy;
mod reports;
mod session;
mod stdio;
mod takeover;
mod verdicts;

use std::{future::Future, pin::Pin, sync::Arc};

pub use self::{
    call::{CallOptions, Unlisted},
    events::{LeftRunning, OnMessage, OnProgress},
    stdio::told_of_stdio,
};
pub use self::{
    explain::status_of,
    reports::{claims::Uncertain, own::Own},
};
use self::{
    parts::Parts,
    reports::{
        claims, own,
        steps::{self, Tell},
    },
};
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
    parts: Arc<Parts>,
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
        Self { parts: Arc::new(Parts::new(runtime, config)), by: None }
    }

    /// The same gateway for somebody who waits until then, whatever is asked. Otherwise each question has the configured timeout.
    #[must_use]
    pub fn until(&self, by: Deadline) -> Self {
        Self { parts: Arc::clone(&self.parts), by: Some(by) }
    }

    /// Asks the gateway something; before that, looks whether another component was chosen for it.
    fn ask<'a, T>(&'a self, question: impl Future<Output = T> + Send + 'a) -> Operation<'a, T> {
        Box::pin(async move {
            self.parts.look();
            question.await
        })
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
        self.parts.config()
    }

    /// The component that answers now. Another one may, when `component use` chose it.
    #[must_use]
    pub fn component(&self) -> report::Component {
        self.parts.current().serving().runtime.describe()
    }

    /// Goes through the steps of connecting, one by one. A failure is in the report.
    #[must_use]
    pub fn test(&self) -> Operation<'_, report::Test> {
        self.test_telling(&steps::nobody)
    }

    /// The same, and whom to tell of each step as soon as it is done.
    pub fn test_telling<'a>(&'a self, tell: Tell<'a>) -> Operation<'a, report::Test> {
        self.ask(reports::test(&self.parts, tell, self.deadline()))
    }

    /// The services behind the gateway.
    ///
    /// # Errors
    ///
    /// Why the catalogue could not be read.
    #[must_use]
    pub fn services(&self) -> Operation<'_, Result<report::Services>> {
        self.ask(reports::services(&self.parts, self.deadline()))
    }

    /// The tools that the gateway's own filter and `narrow` both keep. Reads the catalogue anew.
    ///
    /// # Errors
    ///
    /// Why the catalogue could not be read; `config` for an invalid pattern.
    #[must_use]
    pub fn tools<'a>(&'a self, narrow: &'a Filter) -> Operation<'a, Result<report::Tools>> {
        self.ask(reports::tools(&self.parts, narrow, self.deadline()))
    }

    /// What the component's rules think of the tools that the gateway's own filter and `narrow` both keep. Reads the catalogue anew.
    ///
    /// # Errors
    ///
    /// Why the catalogue could not be read; `config` for an invalid pattern.
    #[must_use]
    pub fn review<'a>(&'a self, narrow: &'a Filter) -> Operation<'a, Result<report::Review>> {
        self.ask(reports::reviewed(&self.parts, narrow, self.deadline()))
    }

    /// The same, without what pflow is not shown as it was listed: for whoever fits the tools for pflow.
    #[must_use]
    pub fn catalog<'a>(&'a self, narrow: &'a Filter) -> Operation<'a, Result<report::Tools>> {
        self.ask(reports::catalog(&self.parts, narrow, self.deadline()))
    }

    /// The tools of the last listing that the gateway's own filter keeps. No traffic; None before the first listing.
    #[must_use]
    pub fn known_catalog(&self) -> Option<report::Tools> {
        self.parts.catalogue().listed().map(|listed| reports::kept(&self.parts, &listed, &listed.verdicts))
    }

    /// How the gateway and the services behind it are. A failure is in the report.
    #[must_use]
    pub fn health(&self) -> Operation<'_, report::GatewayHealth> {
        self.ask(reports::health(&self.parts, self.deadline()))
    }

    /// Whether it was found where its name must go on leading to.
    pub fn shall_stay_public(&self) -> bool {
        self.parts.peer().egress().is_some_and(crate::egress::Egress::shall_stay_public)
    }

    /// The tools of the last listing, before filters; empty before the first one.
    #[must_use]
    pub fn seen_tools(&self) -> Vec<SeenTool> {
        let Some(listed) = self.parts.catalogue().listed() else { return Vec::new() };
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
        self.parts.catalogue().listed().map(|listed| listed.kind.clone())
    }

    /// Whether the last listing is only a part: a page of it could not be read.
    #[must_use]
    pub fn saw_a_part(&self) -> bool {
        self.parts.catalogue().listed().is_some_and(|listed| listed.cut)
    }

    /// Of the last listing, the services of whose tools some are not certain: those that the filter left out for that reason, or, `apart`,
    /// of all that it keeps.
    #[must_use]
    pub fn uncertain(&self, apart: bool) -> Vec<Uncertain> {
        use crate::runtime::filter::Reason;
        let Some(listed) = self.parts.catalogue().listed() else { return Vec::new() };
        claims::uncertain(&listed, |_, verdict| {
            matches!(verdict, Some(Reason::ServiceNotCertain)) || (apart && verdict.is_none())
        })
    }

    /// What the names of tools begin with that may be of this service, of which the gateway says nothing; and how many they are.
    #[must_use]
    pub fn prefix_of(&self, service: &str) -> Option<(String, usize)> {
        let listed = self.parts.catalogue().listed()?;
        claims::by_name(&listed, service)
    }

    /// Which of these its own filter leaves to it.
    #[must_use]
    pub fn own<'a>(&'a self, tools: &'a [SnapshotTool], services: &'a [String]) -> Operation<'a, Result<Own>> {
        Box::pin(own::own(&self.parts, tools, services, self.deadline()))
    }

    /// Accepts the last listing for an entry that was just written with what this gateway was tested with.
    pub fn keep_for(&self, config: &GatewayConfig) {
        if let Some(listed) = self.parts.catalogue().listed() {
            listed.keep_for(config);
        }
    }

    /// That a tool is not as it was accepted, in a sentence. Of the last listing.
    #[must_use]
    pub fn change_of(&self, tool: &str) -> Option<String> {
        let listed = self.parts.catalogue().listed()?;
        listed.standings.change_of(*listed.by_name.get(tool)?, tool)
    }

    /// Remembers what the tools of an older catalogue were, so that a name that has changed since is still understood.
    pub fn recall(&self, tools: &[report::Tool]) {
        self.parts.catalogue().recall(tools);
    }

    /// One tool by its name, as a call would find it, and why a call would be refused. Reads the catalogue when it was not read yet.
    #[must_use]
    pub fn find<'a>(&'a self, tool: &'a str) -> Operation<'a, Result<(report::Tool, Option<crate::Error>)>> {
        self.ask(call::find(&self.parts, tool, self.deadline()))
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
        self.ask(call::call(&self.parts, tool, arguments.into(), options, by))
    }

    /// How often the gateway announced that its tools changed, since this was made. A number that grew means: list them again.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.parts.look();
        self.parts.events().changes()
    }

    /// After a call was given up: the gateway is told, and its session ends unless somebody else still uses it. Takes two seconds at most.
    #[must_use]
    pub fn hang_up(&self) -> Operation<'_, ()> {
        Box::pin(self.parts.session().hang_up(|| self.parts.instances().at_hand()))
    }

    /// The calls that were given up since this was asked last, and may still run at the gateway.
    #[must_use]
    pub fn left_running(&self) -> Vec<LeftRunning> {
        self.parts.events().left_running()
    }

    /// Ends the session at the gateway, and the calls in it. Dropping without it leaves the session to the gateway.
    #[must_use]
    pub fn close(&self) -> Operation<'_, ()> {
        Box::pin(self.parts.session().end(|| self.parts.instances().at_hand()))
    }
}
