//! One instance of the component, talking to one gateway.
//! Takes an endpoint and an egress; gives what the component answers, or why there is no answer. Never goes on with an instance that
//! trapped or ran into a limit: such a conversation answers nothing but errors, and is to be dropped.

use std::{sync::Arc, time::Duration};

use tokio::time::{error::Elapsed, timeout};
use wasmtime::{Store, Trap, UpdateDeadline, component::ResourceAny};

use super::{
    Runtime,
    bindings::{Contract, calls, filter, health, types},
    state::{Events, LimitReached, State},
};
use crate::{
    Class, Error,
    egress::{Egress, EgressFailure, EgressHooks, Visit},
    scrub,
};

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// The component's judgement, and what egress saw last.
    Gateway(types::Error, Option<EgressFailure>),
    /// The host stopped it: a deadline, a limit, a trap.
    Host(Error),
}

/// Calls into the guest, within its time. A closure that lends the store would not be `Send` for every lifetime.
macro_rules! enter {
    ($this:ident, $within:ident, $call:expr) => {{
        let within = $this.enter($within)?;
        let answered = timeout(within, $call).await;
        $this.leave(within, answered)?
    }};
}

/// An instance and its conversation.
pub struct Conversation {
    store: Store<State>,
    contract: Contract,
    resource: Option<ResourceAny>,
    visit: Arc<Visit>,
    finished: bool,
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
        // Before anything of the guest runs: start functions are guest code too.
        store.limiter(|state| &mut state.meter);
        store.epoch_deadline_callback(|mut context| {
            context.data_mut().meter.tick()?;
            Ok(UpdateDeadline::Yield(1))
        });
        begin(&mut store);
        visit.begin(Some(within));
        let started = timeout(within.min(limits.wall), runtime.contract.instantiate_async(&mut store)).await;
        let contract = settle(&store, within, started).map_err(Failure::Host)?;
        Ok(Self { store, contract, resource: None, visit, finished: false })
    }

    /// Connects, or attaches to a session without any traffic.
    ///
    /// # Errors
    ///
    /// What the component says of the gateway, or why the host stopped it.
    pub async fn open(
        &mut self,
        endpoint: &types::Endpoint,
        attach: Option<&types::Session>,
        within: Duration,
    ) -> Result<(), Failure> {
        let opened = enter!(
            self,
            within,
            self.contract.pflow_gateway_discovery().conversation().call_open(&mut self.store, endpoint, attach)
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
        Ok(enter!(
            self,
            within,
            self.contract.pflow_gateway_discovery().conversation().call_session(&mut self.store, this)
        ))
    }

    /// Ends the session and opens a new one.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn renew(&mut self, within: Duration) -> Result<types::Session, Failure> {
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

    /// One verdict per candidate.
    ///
    /// # Errors
    ///
    /// `config` for a glob that is none; else [`Failure::Host`].
    pub async fn select(
        &mut self,
        rules: &filter::Rules,
        candidates: &[filter::Candidate],
        within: Duration,
    ) -> Result<Vec<Option<filter::Reason>>, Failure> {
        let verdicts =
            enter!(self, within, self.contract.pflow_gateway_filter().call_select(&mut self.store, rules, candidates))
                .map_err(|e| {
                    Failure::Host(
                        Error::config(format!("{:?} is not a glob: {}", e.pattern, scrub::line(&e.problem, 300)))
                            .with_hint("globs know *, ?, [abc] and {one,other}"),
                    )
                })?;
        if verdicts.len() == candidates.len() {
            return Ok(verdicts);
        }
        Err(Failure::Host(Error::new(
            Class::Component,
            format!("the component's filter gave {} verdicts for {} tools", verdicts.len(), candidates.len()),
        )))
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
    pub async fn cancel(&mut self, request: u64, reason: &str, within: Duration) -> Result<(), Failure> {
        let this = self.resource()?;
        let told = enter!(
            self,
            within,
            self.contract.pflow_gateway_calls().call_cancel(&mut self.store, this, request, reason)
        );
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
    pub fn visit(&self) -> &Visit {
        &self.visit
    }

    /// It trapped, ran into a limit or out of time; there is nothing to do with it but to drop it.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.finished
    }

    fn resource(&self) -> Result<ResourceAny, Failure> {
        self.resource.ok_or_else(|| Failure::Host(Error::new(Class::Internal, "the conversation is not open")))
    }

    fn judged<T>(&self, answer: Result<T, types::Error>) -> Result<T, Failure> {
        answer.map_err(|error| Failure::Gateway(error, self.visit.take_failure()))
    }

    /// Before a call into the guest; gives the time it has.
    fn enter(&mut self, within: Duration) -> Result<Duration, Failure> {
        if self.finished {
            return Err(Failure::Host(Error::new(Class::Internal, "the component's instance is finished")));
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
        let answer = settle(&self.store, within, answered).map_err(Failure::Host)?;
        self.finished = false;
        Ok(answer)
    }
}

/// A new call into the guest: its CPU time and transfer start at nothing.
fn begin(store: &mut Store<State>) {
    store.set_epoch_deadline(1);
    let transfer = store.data().meter.limits().transfer;
    store.set_hostcall_fuel(transfer);
    store.data_mut().meter.begin();
}

/// What became of a call: an answer, or the reason in the words of a user.
fn settle<T>(
    store: &Store<State>,
    within: Duration,
    answered: Result<wasmtime::Result<T>, Elapsed>,
) -> Result<T, Error> {
    let state = store.data();
    let trap = match answered {
        Ok(Ok(answer)) => return Ok(answer),
        Err(_) if within >= state.meter.limits().wall => {
            return Err(limit(LimitReached::Wall(within)));
        }
        Err(_) => {
            return Err(Error::new(Class::Timeout, format!("no answer within {} s", seconds(within)))
                .with_hint("try again, or allow more with --timeout or \"timeout\" in the entry"));
        }
        Ok(Err(trap)) => trap,
    };
    if let Some(reached) = state.meter.reached().or_else(|| trap.downcast_ref::<LimitReached>().copied()) {
        return Err(limit(reached));
    }
    let words = match (trap.downcast_ref::<Trap>(), state.output.last_words()) {
        (Some(Trap::StackOverflow), _) => "its stack overflowed (limit `stack`)".to_owned(),
        (_, Some(words)) => words,
        (Some(trap), None) => trap.to_string(),
        (None, None) => {
            let cause = scrub::line(&trap.root_cause().to_string(), 500);
            if cause.contains("fuel allocated for hostcalls") {
                return Err(limit(LimitReached::Transfer(state.meter.limits().transfer / (1024 * 1024))));
            }
            cause
        }
    };
    Err(Error::new(Class::Component, format!("the component failed: {words}"))
        .with_hint("this call is lost, the next one starts afresh; `component show` says which component it is"))
}

fn limit(reached: LimitReached) -> Error {
    Error::new(Class::Limit, reached.to_string()).with_hint("it was stopped; `component show` lists the limits")
}

/// Seconds without needless digits.
fn seconds(duration: Duration) -> String {
    let text = format!("{:.1}", duration.as_secs_f64());
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}
