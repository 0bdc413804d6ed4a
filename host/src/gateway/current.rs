//! Which component answers for a gateway, and how another takes over while calls run.
//! Takes what `component use` chose and what became of calls; gives the runtime to start the next conversation on. Never
//! interrupts a conversation, and never leaves a gateway with a component that does not work when it had one that did.
//!
//! A component that was just chosen is tried first, beside the one in use: it must connect and list tools. Then new conversations
//! start on it, and old ones end on the old one. Until it has answered a few calls it is on probation: if it traps, runs into a
//! limit, or makes nothing of answers several times, the old one is put back, and stays until something else is chosen.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{events::Events, peer::Peer};
use crate::{
    Advice as _, Class, Error, Result,
    components::Pin,
    config::GatewayConfig,
    gateway::failure::Failure,
    runtime::{Product, Runtime, Source, types},
    sync::Mutex,
};

/// How often to look what is chosen.
const LOOK: Duration = Duration::from_millis(if cfg!(test) { 10 } else { 500 });
/// Answers after which a new component is trusted.
const PROBATION: u8 = 10;
/// Answers in a row that it could make nothing of.
const STRIKES: u8 = 3;

/// A component that runs, and which one in the order of their taking over.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) runtime: Arc<Runtime>,
    /// Grows with every change. A conversation of another number is not kept.
    pub(super) number: u64,
}

impl Serving {
    /// One that is only tried: no component in use ever has its number.
    pub(super) fn tried(runtime: Arc<Runtime>) -> Self {
        Self { runtime, number: u64::MAX }
    }
}

/// What runs, and what may come.
pub(super) struct Current {
    peer: Arc<Peer>,
    events: Arc<Events>,
    state: Mutex<State>,
}

struct State {
    serving: Serving,
    looked: Option<Instant>,
    /// Something is being loaded and tried.
    trying: bool,
    /// What was tried and refused, or put back; not tried again before something else was chosen.
    refused: Option<Choice>,
    probation: Option<Probation>,
}

/// What `component use` says: a digest, or none for the built-in component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) pin: Option<Pin>,
}

impl Choice {
    /// Whether this is what runs.
    fn is(&self, runtime: &Runtime) -> bool {
        match &self.pin {
            Some(pin) => pin.sha256 == runtime.sha256(),
            None => runtime.is_built_in(),
        }
    }
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.pin {
            Some(pin) => write!(f, "{} ({})", pin.source.display(), pin.sha256.get(..12).unwrap_or(&pin.sha256)),
            None => f.write_str("the built-in component"),
        }
    }
}

/// A new component, until it is trusted.
struct Probation {
    choice: Choice,
    before: Arc<Runtime>,
    answers: u8,
    strikes: u8,
}

impl Current {
    pub(super) fn new(peer: Arc<Peer>, events: Arc<Events>, runtime: Arc<Runtime>) -> Self {
        let state = State {
            serving: Serving { runtime, number: 0 },
            looked: None,
            trying: false,
            refused: None,
            probation: None,
        };
        Self { peer, events, state: Mutex::new(state) }
    }

    pub(super) fn serving(&self) -> Serving {
        self.state.lock().serving.clone()
    }

    /// Whether it is time to look what is [`chosen`](Self::chosen): at most twice a second.
    pub(super) fn due(&self) -> bool {
        let mut state = self.state.lock();
        if self.peer.config().components.is_none() || state.trying || state.looked.is_some_and(|at| at.elapsed() < LOOK)
        {
            return false;
        }
        state.looked = Some(Instant::now());
        true
    }

    /// A choice that is neither what runs nor what was refused. Reads a small file; whoever gets a choice has to
    /// [`take_over`](Self::take_over) with it or to [`refuse`](Self::refuse) it.
    pub(super) fn chosen(&self) -> Option<Choice> {
        let config = self.peer.config();
        let components = config.components.as_ref()?;
        let choice = match components.chosen(&config.name) {
            Ok(pin) => Choice { pin },
            Err(error) => {
                tracing::debug!(gateway = %config.name, "what is chosen cannot be read: {}", error.message());
                return None;
            }
        };
        let mut state = self.state.lock();
        if choice.is(&state.serving.runtime) {
            // Chosen again after it was put back and something else was chosen: worth another try.
            state.refused = None;
            return None;
        }
        if state.trying || state.refused.as_ref() == Some(&choice) {
            return None;
        }
        state.trying = true;
        Some(choice)
    }

    /// New conversations start on this component from now on. Gives its number; `first` has it before anybody else.
    pub(super) fn take_over(&self, choice: Choice, runtime: Arc<Runtime>, first: impl FnOnce(u64)) -> u64 {
        let mut state = self.state.lock();
        first(state.serving.number + 1);
        state.trying = false;
        state.refused = None;
        let before = std::mem::replace(&mut state.serving.runtime, runtime);
        state.serving.number += 1;
        state.probation = Some(Probation { choice, before, answers: 0, strikes: 0 });
        state.serving.number
    }

    /// Nobody tries it any more, and nothing is known of it.
    pub(super) fn abandon(&self) {
        self.state.lock().trying = false;
    }

    /// It will not take over.
    pub(super) fn refuse(&self, choice: Choice) {
        let mut state = self.state.lock();
        state.trying = false;
        state.refused = Some(choice);
    }

    /// The component of this number answered.
    pub(super) fn answered(&self, number: u64) {
        let mut state = self.state.lock();
        if state.serving.number != number {
            return;
        }
        let Some(probation) = &mut state.probation else { return };
        probation.strikes = 0;
        probation.answers += 1;
        if probation.answers >= PROBATION {
            state.probation = None;
        }
    }

    /// What became of a try on the component of this number. True: another one answers now, and the failure was this one's.
    pub(super) fn put_out(&self, number: u64, failure: &Failure) -> bool {
        if let Some(choice) = self.failed(number, failure) {
            let why = match failure {
                Failure::Host(error) => error.message.clone(),
                Failure::Gateway(..) => "it cannot make sense of the gateway's answers".to_owned(),
            };
            tracing::warn!(
                gateway = %self.peer.config().name,
                "rolled back: {choice} failed in its first calls ({why}); {} answers again. `component use` tries another, \
                 `component reset` goes back for good",
                self.serving().runtime.source(),
            );
            self.events.tools_changed();
        }
        fault(failure) == Fault::Component && self.serving().number != number
    }

    /// The products that the one in use knows. None, where it fails: all that is lost is a better hint.
    pub(super) async fn products(&self) -> Vec<Product> {
        let runtime = self.serving().runtime;
        match runtime.products().await {
            Ok(products) => products.to_vec(),
            Err(error) => {
                tracing::info!("what the component knows of products cannot be had: {}", error.message());
                Vec::new()
            }
        }
    }

    /// The component of this number failed so. Puts the one before back if that is the new one's fault; gives what was put out
    /// then. None too when the number is of one that is not in use any more, except that `number` then is behind
    /// [`serving`](Self::serving)'s.
    fn failed(&self, number: u64, failure: &Failure) -> Option<Choice> {
        let mut state = self.state.lock();
        if state.serving.number != number {
            return None;
        }
        let probation = state.probation.as_mut()?;
        match fault(failure) {
            Fault::Component => {}
            Fault::Doubtful => {
                probation.strikes += 1;
                if probation.strikes < STRIKES {
                    return None;
                }
            }
            Fault::Other => return None,
        }
        let Probation { choice, before, .. } = state.probation.take()?;
        state.serving.runtime = before;
        state.serving.number += 1;
        state.refused = Some(choice.clone());
        Some(choice)
    }
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It trapped, or ran into a limit.
    Component,
    /// The gateway's answer was not understood: the gateway's fault, or the component's.
    Doubtful,
    /// The gateway's, the network's, the caller's.
    Other,
}

pub(super) fn fault(failure: &Failure) -> Fault {
    match failure {
        Failure::Host(error) if matches!(error.class, Class::Component | Class::Limit | Class::Internal) => {
            Fault::Component
        }
        Failure::Gateway(judged, _)
            if matches!(judged.code, types::FailureCode::ProtocolError | types::FailureCode::NotMcp) =>
        {
            Fault::Doubtful
        }
        _ => Fault::Other,
    }
}

/// The component of a choice, ready to run. Compiling takes seconds when it is large and new: not on a thread that others need.
pub(super) async fn load(choice: &Choice, config: &GatewayConfig) -> Result<Arc<Runtime>> {
    let source = choice.pin.as_ref().map_or(Source::BuiltIn, Pin::to_run);
    let limits = config.limits.clone();
    tokio::task::spawn_blocking(move || Runtime::shared(&source, &limits))
        .await
        .map_err(|error| Error::new(Class::Internal, "loading the component was cut short").because(error))?
        .map_err(Error::from)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;
    use crate::components::{Components, Scope};

    /// What a custom section changes: a component that is the same, with another digest.
    fn renamed(folder: &std::path::Path, name: &str) -> std::path::PathBuf {
        let mut bytes = crate::runtime::BUILT_IN.to_vec();
        bytes.extend([0, u8::try_from(name.len() + 2).unwrap(), u8::try_from(name.len()).unwrap()]);
        bytes.extend(name.bytes());
        bytes.push(0);
        let file = folder.join(format!("{name}.wasm"));
        std::fs::write(&file, bytes).unwrap();
        file
    }

    struct Place {
        peer: Arc<Peer>,
        components: Components,
        folder: tempfile::TempDir,
    }

    fn place() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let components = Components::beside(&folder.path().join("mcp-servers.json"));
        let mut config = GatewayConfig::for_url("http://127.0.0.1:1/mcp").unwrap();
        config.components = Some(components.clone());
        Place { peer: Arc::new(Peer::new(config)), components, folder }
    }

    impl Place {
        fn built_in(&self) -> Arc<Runtime> {
            Runtime::shared(&Source::BuiltIn, &self.peer.config().limits).unwrap()
        }

        fn current(&self) -> Current {
            Current::new(Arc::clone(&self.peer), Arc::default(), self.built_in())
        }
    }

    fn look(current: &Current) -> Option<Choice> {
        std::thread::sleep(LOOK * 2);
        if current.due() { current.chosen() } else { None }
    }

    fn trap() -> Failure {
        Failure::Host(Error::new(Class::Component, "the component failed: unreachable"))
    }

    #[test]
    fn a_choice_is_given_once_and_the_one_before_comes_back_when_it_traps() {
        let place = place();
        let (current, built_in) = (place.current(), place.built_in());
        assert_eq!(look(&current), None);
        place.components.install(&renamed(place.folder.path(), "other"), &Scope::All).unwrap();
        let choice = look(&current).unwrap();
        // Somebody is at it.
        assert_eq!(look(&current), None);
        let number = current.take_over(choice.clone(), Arc::clone(&built_in), |number| assert_eq!(number, 1));
        assert_eq!((number, current.serving().number), (1, 1));
        // What the one before still does is not the new one's fault.
        assert_eq!(current.failed(0, &trap()), None);
        assert_eq!(current.failed(1, &trap()), Some(choice.clone()));
        assert_eq!(current.serving().number, 2);
        // Not again, until something else was chosen.
        assert_eq!(look(&current), None);
        place.components.reset(&Scope::All).unwrap();
        assert_eq!(look(&current), None);
        place.components.install(&renamed(place.folder.path(), "other"), &Scope::All).unwrap();
        assert!(look(&current).is_some());
    }

    #[test]
    fn after_ten_answers_a_trap_is_just_a_trap() {
        let place = place();
        let (current, built_in) = (place.current(), place.built_in());
        let number = current.take_over(Choice { pin: None }, built_in, drop);
        for _ in 0..PROBATION {
            current.answered(number);
        }
        assert_eq!(current.failed(number, &trap()), None);
        assert_eq!(current.serving().number, number);
    }

    #[test]
    fn one_answer_that_is_not_understood_is_no_reason_and_three_in_a_row_are() {
        let place = place();
        let (current, built_in) = (place.current(), place.built_in());
        let number = current.take_over(Choice { pin: None }, built_in, drop);
        let odd = || {
            let problem = types::Failure {
                code: types::FailureCode::ProtocolError,
                delivery: types::Delivery::MaybeDelivered,
                http_status: None,
                retry_after: None,
                service: None,
                service_status: None,
                method: Some("tools/call".into()),
                message: "no result".into(),
                advice: None,
                details: Vec::new(),
            };
            Failure::Gateway(Box::new(problem), None)
        };
        assert_eq!(current.failed(number, &odd()), None);
        assert_eq!(current.failed(number, &odd()), None);
        current.answered(number);
        assert_eq!(current.failed(number, &odd()), None);
        assert_eq!(current.failed(number, &odd()), None);
        assert!(current.failed(number, &odd()).is_some());
    }
}
