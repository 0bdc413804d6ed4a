//! One instance of the component, talking to one gateway.
//! Takes an endpoint and an egress; gives what the component answers, or why there is no answer. Never goes on with an instance that
//! trapped or ran into a limit: such a conversation answers nothing but errors, and is to be dropped.

use std::{sync::Arc, time::Duration};

use tokio::time::{error::Elapsed, timeout};
use wasmtime::{
    Store, Trap, UpdateDeadline,
    component::{ResourceAny, ResourceTableError},
};

use super::{
    Runtime,
    bindings::{Contract, calls, filter, health, products, review, types},
    error::{Failure, Stopped},
    meter::LimitReached,
    state::{Events, State},
};
use pflow_gateway_base::scrub;
use pflow_gateway_host_egress::{Egress, EgressHooks, Visit};

impl types::Failure {
    /// One of its details.
    #[must_use]
    pub fn detail(&self, name: &str) -> Option<&str> {
        self.details.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    /// The code of a JSON-RPC error.
    #[must_use]
    pub fn rpc_code(&self) -> Option<i64> {
        self.detail("rpc-code")?.parse().ok()
    }
}

/// Calls into the guest, within its time. A closure that lends the store would not be `Send` for every lifetime.
macro_rules! enter {
    ($this:ident, $within:ident, $call:expr) => {{
        let within = $this.enter($within)?;
        let cpu = $this.store.data().meter.cpu();
        let answered = timeout(within.saturating_add($this.patience), cpu.charge($call)).await;
        $this.leave(within, answered)?
    }};
}

/// Bytes of a session's state.
const LONGEST_STATE: usize = 8_192;

/// Characters of a trap in the log: some thirty functions.
const TRAP: usize = 4_000;

/// An instance and its conversation.
pub struct Conversation {
    store: Store<State>,
    contract: Contract,
    resource: Option<ResourceAny>,
    visit: Arc<Visit>,
    finished: bool,
    /// By how much a call may outlast its time, while its requests may not.
    patience: Duration,
    /// Linear memory when it had started, in bytes.
    at_start: usize,
}

impl Conversation {
    /// A fresh instance, without a conversation: enough for [`select`](Self::select).
    ///
    /// # Errors
    ///
    /// [`Failure::Host`]: the component trapped or ran into a limit while starting.
    pub async fn start(
        runtime: &Runtime,
        egress: Egress,
        events: Arc<dyn Events>,
        within: Duration,
    ) -> Result<Self, Failure> {
        let visit = Arc::new(Visit::new());
        let limits = &runtime.limits;
        let state = State::new(EgressHooks::new(egress, Arc::clone(&visit)), limits, events);
        let mut store = Store::new(runtime.contract.engine(), state);
        // The component model's own tables are the host's memory too.
        store.set_max_component_handles(limits.handles);
        // Before anything of the guest runs: start functions are guest code too.
        store.limiter(|state| &mut state.meter);
        store.epoch_deadline_callback(|mut context| {
            context.data_mut().meter.tick()?;
            Ok(UpdateDeadline::Yield(1))
        });
        begin(&mut store);
        visit.begin(Some(within));
        let cpu = store.data().meter.cpu();
        let within = within.min(limits.wall);
        let started = timeout(within, cpu.charge(runtime.contract.instantiate_async(&mut store))).await;
        let contract = settle(&store, within, started).inspect_err(tell_trap)?;
        let at_start = store.data().meter.memory();
        Ok(Self { store, contract, resource: None, visit, finished: false, patience: Duration::ZERO, at_start })
    }

    /// Connects, or attaches to a session without any traffic.
    ///
    /// # Errors
    ///
    /// What the component says of the gateway, or why the host stopped it.
    pub async fn open(
        &mut self,
        endpoint: &types::Endpoint,
        attach: Option<&[u8]>,
        within: Duration,
    ) -> Result<(), Failure> {
        let attach = attach.map(<[u8]>::to_vec);
        let opened = enter!(
            self,
            within,
            self.contract.pflow_gateway_discovery().conversation().call_open(
                &mut self.store,
                endpoint,
                attach.as_ref()
            )
        );
        self.resource = Some(self.judged(opened)?);
        Ok(())
    }

    /// What was agreed.
    ///
    /// # Errors
    ///
    /// [`Failure::Host`] only.
    pub async fn session(&mut self, within: Duration) -> Result<types::Session, Failure> {
        let this = self.resource()?;
        let session = enter!(
            self,
            within,
            self.contract.pflow_gateway_discovery().conversation().call_session(&mut self.store, this)
        );
        tell_session(&session);
        Ok(session)
    }

    /// What another instance needs to attach to the session.
    ///
    /// # Errors
    ///
    /// [`Failure::Host`] only: it is longer than the contract allows, too.
    pub async fn state(&mut self, within: Duration) -> Result<Vec<u8>, Failure> {
        let this = self.resource()?;
        let state = enter!(
            self,
            within,
            self.contract.pflow_gateway_discovery().conversation().call_state(&mut self.store, this)
        );
        if state.len() <= LONGEST_STATE {
            return Ok(state);
        }
        Err(Stopped::LongState { found: state.len(), most: LONGEST_STATE }.into())
    }

    /// What it was opened with, as the component tells it to a part.
    ///
    /// # Errors
    ///
    /// [`Failure::Host`] only.
    pub async fn endpoint(&mut self, within: Duration) -> Result<types::Endpoint, Failure> {
        let this = self.resource()?;
        Ok(enter!(
            self,
            within,
            self.contract.pflow_gateway_discovery().conversation().call_endpoint(&mut self.store, this)
        ))
    }

    /// Ends the session and opens a new one.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn renew(&mut self, within: Duration) -> Result<(), Failure> {
        let this = self.resource()?;
        let renewed = enter!(
            self,
            within,
            self.contract.pflow_gateway_discovery().conversation().call_renew(&mut self.store, this)
        );
        self.judged(renewed)
    }

    /// All tools.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn list_tools(&mut self, within: Duration) -> Result<types::Catalog, Failure> {
        let this = self.resource()?;
        let listed = enter!(
            self,
            within,
            self.contract.pflow_gateway_discovery().conversation().call_list_tools(&mut self.store, this)
        );
        self.judged(listed)
    }

    /// What of each tool the filter wants to see.
    ///
    /// # Errors
    ///
    /// [`Failure::Host`] only.
    pub async fn looks_at(&mut self, within: Duration) -> Result<filter::Details, Failure> {
        Ok(enter!(self, within, self.contract.pflow_gateway_filter().call_looks_at(&mut self.store)))
    }

    /// The rules by which tools are reviewed.
    ///
    /// # Errors
    ///
    /// [`Failure::Host`] only.
    pub async fn rules(&mut self, within: Duration) -> Result<Vec<review::Rule>, Failure> {
        Ok(enter!(self, within, self.contract.pflow_gateway_review().call_rules(&mut self.store)))
    }

    /// What they find.
    ///
    /// # Errors
    ///
    /// [`Failure::Host`] only.
    pub async fn review(&mut self, tools: &[types::Tool], within: Duration) -> Result<Vec<review::Finding>, Failure> {
        Ok(enter!(self, within, self.contract.pflow_gateway_review().call_review(&mut self.store, tools)))
    }

    /// One verdict per candidate.
    ///
    /// # Errors
    ///
    /// [`Failure::Host`] only: a rule may be no glob, too.
    pub async fn select(
        &mut self,
        rules: &filter::Rules,
        candidates: &[filter::Candidate],
        within: Duration,
    ) -> Result<Vec<Option<filter::Reason>>, Failure> {
        let verdicts =
            enter!(self, within, self.contract.pflow_gateway_filter().call_select(&mut self.store, rules, candidates))
                .map_err(|e| Stopped::NotAGlob { pattern: e.pattern, problem: scrub::line(&e.problem, 300) })?;
        if verdicts.len() == candidates.len() {
            return Ok(verdicts);
        }
        Err(Stopped::Verdicts { given: verdicts.len(), tools: candidates.len() }.into())
    }

    /// How the services are.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn check_health(
        &mut self,
        known: &[types::Service],
        within: Duration,
    ) -> Result<Vec<health::ServiceHealth>, Failure> {
        let this = self.resource()?;
        let checked =
            enter!(self, within, self.contract.pflow_gateway_health().call_check(&mut self.store, this, known));
        self.judged(checked)
    }

    /// What the component knows of products.
    ///
    /// # Errors
    ///
    /// [`Failure::Host`] only.
    pub async fn products(&mut self, within: Duration) -> Result<Vec<products::Product>, Failure> {
        Ok(enter!(self, within, self.contract.pflow_gateway_products().call_known(&mut self.store)))
    }

    /// One tool call.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn call_tool(&mut self, call: &calls::Call, within: Duration) -> Result<calls::Outcome, Failure> {
        let this = self.resource()?;
        let called =
            enter!(self, within, self.contract.pflow_gateway_calls().call_call_tool(&mut self.store, this, call));
        self.judged(called)
    }

    /// Tells the gateway that a call is no longer wanted.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn cancel(&mut self, token: u32, reason: &str, within: Duration) -> Result<(), Failure> {
        let this = self.resource()?;
        let told =
            enter!(self, within, self.contract.pflow_gateway_calls().call_cancel(&mut self.store, this, token, reason));
        self.judged(told)
    }

    /// Ends the session at the gateway.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn close(&mut self, within: Duration) -> Result<(), Failure> {
        let this = self.resource()?;
        let closed = enter!(
            self,
            within,
            self.contract.pflow_gateway_discovery().conversation().call_close(&mut self.store, this)
        );
        self.judged(closed)
    }

    /// What it did on the network.
    #[must_use]
    pub fn visit(&self) -> &Arc<Visit> {
        &self.visit
    }

    /// From now on calls into it may take so much longer than their requests: what was agreed meanwhile is worth knowing.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Bytes by which its linear memory has grown since it started. It keeps them for as long as it lives.
    #[must_use]
    pub fn grown(&self) -> usize {
        self.store.data().meter.memory().saturating_sub(self.at_start)
    }

    /// It trapped, ran into a limit or out of time; there is nothing to do with it but to drop it.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.finished
    }

    fn resource(&self) -> Result<ResourceAny, Failure> {
        self.resource.ok_or(Failure::Host(Stopped::NotOpen))
    }

    fn judged<T>(&self, answer: Result<T, types::Failure>) -> Result<T, Failure> {
        answer.map_err(|failure| Failure::Gateway(Box::new(failure), self.visit.take_failure().map(Box::new)))
    }

    /// The requests of this call into the guest, for whoever wants to hear more. Not their paths: keys stand in some.
    fn tell_requests(&self) {
        if !tracing::enabled!(tracing::Level::INFO) {
            return;
        }
        for request in self.visit.requests() {
            let (method, origin) = (scrub::line(&request.method, 20), &request.origin);
            match (request.status, request.complete.or(request.first_byte)) {
                (Some(status), Some(took)) => {
                    let (ms, bytes) = (took.as_millis(), request.received);
                    tracing::info!("{method} {origin} → {} in {ms} ms, {bytes} bytes", status.as_u16());
                }
                (Some(status), None) => tracing::info!("{method} {origin} → {}", status.as_u16()),
                (None, _) => tracing::info!("{method} {origin} → no answer"),
            }
        }
    }

    /// Before a call into the guest; gives the time it has.
    fn enter(&mut self, within: Duration) -> Result<Duration, Failure> {
        if self.finished {
            return Err(Stopped::Finished.into());
        }
        let within = within.min(self.store.data().meter.limits().wall);
        begin(&mut self.store);
        self.visit.begin(Some(within));
        // Dropped in the middle (a cancelled call), the instance is left in a state that nothing may enter.
        self.finished = true;
        Ok(within)
    }

    /// After a call into the guest.
    fn leave<T>(&mut self, within: Duration, answered: Result<wasmtime::Result<T>, Elapsed>) -> Result<T, Failure> {
        self.tell_requests();
        let answer = settle(&self.store, within, answered).inspect_err(tell_trap)?;
        self.finished = false;
        Ok(answer)
    }
}

/// The way of a trap through the guest's functions, for whoever writes components. The names are the guest's.
fn tell_trap(stopped: &Stopped) {
    if let Stopped::Trap { source, .. } = stopped {
        tracing::info!("the component trapped: {}", scrub::line(&format!("{source:#}"), TRAP));
    }
}

/// What was agreed, for whoever wants to hear more.
fn tell_session(session: &types::Session) {
    let era = match session.era {
        types::Era::Legacy => "legacy",
        types::Era::Modern => "modern",
    };
    tracing::info!("agreed on MCP {} ({era} era)", scrub::line(&session.protocol_version, 40));
}

/// A new call into the guest: its CPU time and transfer start at nothing.
fn begin(store: &mut Store<State>) {
    store.set_epoch_deadline(1);
    let transfer = store.data().meter.limits().transfer;
    store.set_hostcall_fuel(transfer);
    let state = store.data_mut();
    state.meter.begin();
    state.output.begin();
}

/// What became of a call: an answer, or the reason why there is none.
fn settle<T>(
    store: &Store<State>,
    within: Duration,
    answered: Result<wasmtime::Result<T>, Elapsed>,
) -> Result<T, Stopped> {
    let state = store.data();
    let trap = match answered {
        Ok(Ok(answer)) => return Ok(answer),
        Err(_) if within >= state.meter.limits().wall => return Err(LimitReached::Wall(within).into()),
        Err(_) => return Err(Stopped::Late(within)),
        Ok(Err(trap)) => trap,
    };
    if let Some(reached) = state.meter.reached().or_else(|| limit_of(&trap, state)) {
        return Err(reached.into());
    }
    let words = match (trap.downcast_ref::<Trap>(), state.output.last_words()) {
        (_, Some(words)) => words,
        (Some(trap), None) => trap.to_string(),
        (None, None) => scrub::line(&trap.root_cause().to_string(), 500),
    };
    Err(Stopped::Trap { words, source: Arc::new(trap) })
}

/// The limit behind a trap that the meter did not set off itself.
fn limit_of(trap: &wasmtime::Error, state: &State) -> Option<LimitReached> {
    let limits = state.meter.limits();
    if let Some(reached) = trap.downcast_ref::<LimitReached>() {
        return Some(*reached);
    }
    if let Some(Trap::StackOverflow) = trap.downcast_ref::<Trap>() {
        return Some(LimitReached::Stack(limits.stack));
    }
    // What wasmtime has no type for.
    let cause = trap.root_cause().to_string();
    let full = matches!(trap.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full))
        || cause.contains("resource table has no free keys")
        || cause.contains("store handle limit exceeded");
    if full {
        return Some(LimitReached::Handles(limits.handles));
    }
    if cause.contains("resource limit exceeded") && cause.contains("count too high") {
        return Some(LimitReached::Instances(limits.instances));
    }
    if cause.contains("fuel allocated for hostcalls") {
        return Some(LimitReached::Transfer(limits.transfer));
    }
    None
}
