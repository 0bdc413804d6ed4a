//! What a check plays on: fresh instances of the candidate, and imitation gateways for it to talk to.
//! Takes a [`Runtime`]; gives [`Guest`]s and [`Scene`]s. Never lets a candidate have more than the default limits and its time.

use std::{io, sync::Arc, time::Duration};

use pflow_gateway_base::sync::Mutex;

use super::{
    gateway::Gateway,
    imitation::Imitation,
    verdict::{Miss, describe, wrong},
};
use pflow_gateway_base::sentence;
use pflow_gateway_host_egress::{Egress, EgressLimits, EgressOptions, SetupError};
use pflow_gateway_runtime::{Conversation, Events, Failure, Runtime, calls, filter, health, products, review, types};

/// The name and version that the candidate shall send as its client's.
pub(super) const CLIENT: (&str, &str) = ("conformance-kit", "7.8.9");
/// The first token that the candidate may use for requests of its own: not 1, so that one that counts for itself is found out.
pub(super) const FIRST_ID: u32 = 7_000;
/// The token of calls, out of the other's range.
pub(super) const CALL_ID: u32 = 900_000;

/// What a host lets a component read besides the endpoint, where nobody said which product it is.
const READABLE: [&str; 3] = ["/health", "/v1/gateways", "/v1/tools"];

/// Whether the candidate can report events at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reports {
    /// It imports `pflow:gateway/events`.
    Events,
    /// It does not.
    Nothing,
}

/// Where one check is played.
#[derive(Clone)]
pub(super) struct Stage {
    runtime: Arc<Runtime>,
    /// What one call into the candidate may take.
    within: Duration,
    reports: Reports,
}

impl Stage {
    pub(super) fn new(runtime: Arc<Runtime>, within: Duration) -> Self {
        let imports_events =
            runtime.describe().imports.iter().any(|import| import.starts_with("pflow:gateway/events@"));
        let reports = if imports_events { Reports::Events } else { Reports::Nothing };
        Self { runtime, within, reports }
    }

    /// A check of events has nothing to look at when the candidate cannot report any.
    pub(super) fn wants_events(&self) -> Result<(), Miss> {
        match self.reports {
            Reports::Events => Ok(()),
            Reports::Nothing => Err(Miss::NotOffered("it does not import pflow:gateway/events".to_owned())),
        }
    }

    /// A fresh instance that may talk to this URL's origin, without a conversation.
    pub(super) async fn guest(&self, url: &str) -> Result<Guest, Miss> {
        let kit = |error: SetupError| Miss::Wrong(format!("the kit failed: {}", sentence(&error)));
        let url = url.parse().map_err(|error| Miss::Wrong(format!("the kit failed: {url}: {error}")))?;
        let mut options = EgressOptions::new(url);
        options.timeout = self.within;
        options.paths = READABLE.iter().filter_map(|path| path.parse().ok()).collect();
        let egress = Egress::new(&options, &EgressLimits::default()).map_err(kit)?;
        let heard = Arc::new(RecordedEvents::default());
        let events: Arc<dyn Events> = heard.clone();
        let conversation = Conversation::start(&self.runtime, egress, events, self.within)
            .await
            .map_err(|failure| Miss::Wrong(format!("it does not start: {}", describe(&failure))))?;
        Ok(Guest { conversation, heard, within: self.within })
    }

    /// A gateway, and an instance beside it that has not talked to it yet.
    pub(super) async fn scene(&self, gateway: Gateway) -> Result<Scene, Miss> {
        let peer = Imitation::start(gateway).await.map_err(|error| cannot_listen(&error))?;
        let guest = self.guest(peer.url()).await?;
        Ok(Scene { endpoint: endpoint(peer.url()), peer, guest })
    }

    /// A gateway, and a conversation with it.
    pub(super) async fn open(&self, gateway: Gateway) -> Result<Scene, Miss> {
        let mut scene = self.scene(gateway).await?;
        scene.open().await?;
        Ok(scene)
    }

    /// What becomes of connecting to this gateway.
    pub(super) async fn opening(&self, gateway: Gateway) -> Result<(Scene, Result<(), Failure>), Miss> {
        let mut scene = self.scene(gateway).await?;
        let opened = scene.try_open().await;
        Ok((scene, opened))
    }
}

fn cannot_listen(error: &io::Error) -> Miss {
    Miss::Wrong(format!("the kit cannot listen on loopback: {error}"))
}

/// A gateway as the host describes it to the candidate.
pub(super) fn endpoint(url: &str) -> types::Endpoint {
    types::Endpoint {
        url: url.to_owned(),
        kind: None,
        services: Vec::new(),
        client: types::Implementation { name: CLIENT.0.to_owned(), version: CLIENT.1.to_owned() },
        era: None,
        era_is_fixed: false,
        max_pages: 1_000,
        tokens: types::TokenRange { first: FIRST_ID, count: 1_000 },
        settings: vec![("of-the-kit".to_owned(), "a text".to_owned())],
        timeout_ms: 10_000,
    }
}

/// A call of this tool, without arguments.
pub(super) fn call(tool: &str) -> calls::Call {
    calls::Call {
        tool: tool.to_owned(),
        input_schema: None,
        service: None,
        arguments: "{}".to_owned(),
        token: CALL_ID,
        progress: false,
        meta: None,
    }
}

/// An imitation gateway and an instance of the candidate.
pub(super) struct Scene {
    pub(super) peer: Imitation,
    pub(super) guest: Guest,
    /// What the instance is told of the gateway.
    pub(super) endpoint: types::Endpoint,
}

impl Scene {
    pub(super) async fn try_open(&mut self) -> Result<(), Failure> {
        self.guest.open(&self.endpoint, None).await
    }

    pub(super) async fn open(&mut self) -> Result<(), Miss> {
        self.try_open().await.map_err(|failure| Miss::Wrong(format!("it does not connect: {}", describe(&failure))))
    }

    /// The tools.
    pub(super) async fn list(&mut self) -> Result<types::Catalog, Miss> {
        self.guest
            .list_tools()
            .await
            .map_err(|failure| Miss::Wrong(format!("it does not list the tools: {}", describe(&failure))))
    }

    /// What came of a call.
    pub(super) async fn call(&mut self, call: &calls::Call) -> Result<calls::Outcome, Miss> {
        self.guest
            .call_tool(call)
            .await
            .map_err(|failure| Miss::Wrong(format!("the call failed: {}", describe(&failure))))
    }

    /// The one request with this JSON-RPC method.
    pub(super) fn only(&self, rpc: &str) -> Result<super::imitation::Received, Miss> {
        let mut asked = self.peer.asked(rpc);
        match (asked.pop(), asked.len()) {
            (Some(request), 0) => Ok(request),
            (None, _) => wrong(format!("no {rpc} was sent")),
            (Some(_), more) => wrong(format!("{rpc} was sent {} times", more + 1)),
        }
    }
}

/// An instance of the candidate, within its time.
pub(super) struct Guest {
    conversation: Conversation,
    pub(super) heard: Arc<RecordedEvents>,
    within: Duration,
}

impl Guest {
    /// From now on, a call may take no longer than this.
    pub(super) fn hurry(&mut self, within: Duration) {
        self.within = self.within.min(within);
    }

    pub(super) async fn open(&mut self, endpoint: &types::Endpoint, attach: Option<&[u8]>) -> Result<(), Failure> {
        self.conversation.open(endpoint, attach, self.within).await
    }

    pub(super) async fn session(&mut self) -> Result<types::Session, Failure> {
        self.conversation.session(self.within).await
    }

    pub(super) async fn state(&mut self) -> Result<Vec<u8>, Failure> {
        self.conversation.state(self.within).await
    }

    pub(super) async fn endpoint(&mut self) -> Result<types::Endpoint, Failure> {
        self.conversation.endpoint(self.within).await
    }

    pub(super) async fn looks_at(&mut self) -> Result<filter::Details, Failure> {
        self.conversation.looks_at(self.within).await
    }

    pub(super) async fn rules(&mut self) -> Result<Vec<review::Rule>, Failure> {
        self.conversation.rules(self.within).await
    }

    pub(super) async fn review(&mut self, tools: &[types::Tool]) -> Result<Vec<review::Finding>, Failure> {
        self.conversation.review(tools, self.within).await
    }

    pub(super) async fn renew(&mut self) -> Result<(), Failure> {
        self.conversation.renew(self.within).await
    }

    pub(super) async fn list_tools(&mut self) -> Result<types::Catalog, Failure> {
        self.conversation.list_tools(self.within).await
    }

    pub(super) async fn close(&mut self) -> Result<(), Failure> {
        self.conversation.close(self.within).await
    }

    pub(super) async fn select(
        &mut self,
        rules: &filter::Rules,
        candidates: &[filter::Candidate],
    ) -> Result<Vec<Option<filter::Reason>>, Failure> {
        self.conversation.select(rules, candidates, self.within).await
    }

    pub(super) async fn products(&mut self) -> Result<Vec<products::Product>, Failure> {
        self.conversation.products(self.within).await
    }

    pub(super) async fn check_health(
        &mut self,
        known: &[types::Service],
    ) -> Result<Vec<health::ServiceHealth>, Failure> {
        self.conversation.check_health(known, self.within).await
    }

    pub(super) async fn call_tool(&mut self, call: &calls::Call) -> Result<calls::Outcome, Failure> {
        self.conversation.call_tool(call, self.within).await
    }

    pub(super) async fn cancel(&mut self, token: u32, reason: &str) -> Result<(), Failure> {
        self.conversation.cancel(token, reason, self.within).await
    }
}

/// One progress notification: token, progress, total, message.
pub(super) type Progress = (u32, f64, Option<f64>, Option<String>);

/// One message of the log: token, level, logger, data.
pub(super) type Message = (Option<u32>, String, Option<String>, String);

/// The events that the candidate reported.
#[derive(Default)]
pub(super) struct RecordedEvents {
    progress: Mutex<Vec<Progress>>,
    messages: Mutex<Vec<Message>>,
    changes: Mutex<usize>,
}

impl RecordedEvents {
    pub(super) fn progress(&self) -> Vec<Progress> {
        self.progress.lock().clone()
    }

    pub(super) fn messages(&self) -> Vec<Message> {
        self.messages.lock().clone()
    }

    pub(super) fn changes(&self) -> usize {
        *self.changes.lock()
    }
}

impl Events for RecordedEvents {
    fn progress(&self, token: u32, progress: f64, total: Option<f64>, message: Option<String>) {
        self.progress.lock().push((token, progress, total, message));
    }

    fn message(&self, token: Option<u32>, level: String, logger: Option<String>, data: String) {
        self.messages.lock().push((token, level, logger, data));
    }

    fn tools_changed(&self) {
        *self.changes.lock() += 1;
    }
}
