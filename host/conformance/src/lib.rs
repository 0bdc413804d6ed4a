//! `component check`: a conformance kit that is part of the host.
//! Takes a component; plays imitation gateways on loopback to it, in the sandbox with the default limits; gives a [`Report`] with one line
//! for each demand of the contract. Never demands what `wit/gateway.wit` does not say, and judges by what arrives at the gateway and what
//! the component answers, never by its log.

mod battery;
mod gateway;
mod imitation;
mod report;
mod stage;
mod verdict;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{error::Elapsed, timeout},
};

pub use self::report::{Checked, InterfaceScore, Outcome, Report, Score};
use self::{
    battery::Check,
    report::Played,
    stage::Stage,
    verdict::{Miss, Verdict},
};
use pflow_gateway_base::Error;
use pflow_gateway_runtime::{Anatomy, Runtime, Unfit};

/// For one check, when nothing else is said: the slowest one of a component with a JavaScript engine inside took 2 s on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(15);

/// Checks that ended with their time before the others get less of it: a component that hangs shall not take an hour.
const PATIENCE: usize = 3;
/// What the others get then.
const IMPATIENT: u32 = 10;
/// Checks side by side. Most of them wait; each holds an instance.
const BESIDE: usize = 4;

/// A part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Interface {
    /// `discovery`: connecting, listing tools, attributing them, and judging what goes wrong.
    Discovery,
    /// `filter`.
    Filter,
    /// `health`.
    Health,
    /// `calls`.
    Calls,
    /// `products`.
    Products,
    /// `review`.
    Review,
    /// No interface: fitting the contract, and surviving what gateways send.
    Sandbox,
}

impl Interface {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 7] =
        [Self::Discovery, Self::Filter, Self::Health, Self::Calls, Self::Products, Self::Review, Self::Sandbox];

    /// The name, as in the WIT file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Filter => "filter",
            Self::Health => "health",
            Self::Calls => "calls",
            Self::Products => "products",
            Self::Review => "review",
            Self::Sandbox => "sandbox",
        }
    }
}

/// What to check, and how long each check may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// These parts of the contract; empty: all of them. That the component fits the contract is always looked at.
    pub interfaces: Vec<Interface>,
    /// For one check.
    pub deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { interfaces: Vec::new(), deadline: DEADLINE }
    }
}

impl Options {
    fn checks(&self) -> Vec<&'static Check> {
        let wanted = |check: &&Check| self.interfaces.is_empty() || self.interfaces.contains(&check.interface);
        battery::all().filter(wanted).collect()
    }
}

/// Plays all checks to this component. `told` hears how many of how many are done.
///
/// A check that traps, spins or hangs has failed when its time is over, and the others go on. Dropping the future ends everything.
pub async fn check(runtime: Arc<Runtime>, options: &Options, told: impl Fn(usize, usize)) -> Report {
    let mut played = anatomy(runtime.anatomy());
    let checks = options.checks();
    // What is looked at without playing is done.
    let before = played.len();
    let (total, turns, hung) = (before + checks.len(), Arc::new(Semaphore::new(BESIDE)), Arc::new(AtomicUsize::new(0)));
    let mut running = JoinSet::new();
    for (at, check) in checks.iter().copied().enumerate() {
        let (runtime, turns, hung, deadline) =
            (Arc::clone(&runtime), Arc::clone(&turns), Arc::clone(&hung), options.deadline);
        running.spawn(async move {
            // Closed by nobody.
            let _turn = turns.acquire_owned().await;
            let deadline = if hung.load(Ordering::Relaxed) < PATIENCE { deadline } else { deadline / IMPATIENT };
            let started = Instant::now();
            let ended = timeout(deadline, (check.play)(Stage::new(runtime, deadline))).await;
            let took = started.elapsed();
            if took >= deadline {
                hung.fetch_add(1, Ordering::Relaxed);
            }
            (at, Played { check: check.into(), verdict: settled(ended, deadline), took })
        });
    }
    let mut answers: Vec<(usize, Played)> = Vec::with_capacity(checks.len());
    told(before, total);
    while let Some(ended) = running.join_next().await {
        if let Ok(answer) = ended {
            answers.push(answer);
        }
        told(before + answers.len(), total);
    }
    answers.sort_by_key(|(at, _)| *at);
    // One that panicked is a bug of the kit, and no reason to be silent about it.
    for (at, check) in checks.iter().copied().enumerate() {
        if !answers.iter().any(|(answered, _)| *answered == at) {
            let verdict = Err(Miss::Wrong("the kit itself failed".to_owned()));
            answers.push((at, Played { check: check.into(), verdict, took: Duration::ZERO }));
        }
    }
    played.extend(answers.into_iter().map(|(_, played)| played));
    Report::new(played)
}

fn settled(ended: Result<Verdict, Elapsed>, deadline: Duration) -> Verdict {
    ended.unwrap_or_else(|_| Err(Miss::Wrong(format!("no end within {:.1} s", deadline.as_secs_f64()))))
}

/// The report on a component that the host refuses: nothing of it was run. With its bytes, if there are any, it says which demand it
/// does not meet.
#[must_use]
pub fn refused(bytes: Option<&[u8]>, reason: &Error, options: &Options) -> Report {
    let mut played = match bytes.map(Anatomy::read) {
        Some(Ok(read)) => anatomy(&read),
        Some(Err(unfit)) => vec![fitting(IS_A_COMPONENT, Err(Miss::Wrong(unfit.to_string())))],
        None => Vec::new(),
    };
    if played.iter().all(|played| played.verdict.is_ok()) {
        played.push(fitting(RUNS, Err(Miss::Wrong(reason.message.clone()))));
    }
    played.extend(options.checks().into_iter().map(|check| Played {
        check: check.into(),
        verdict: Err(Miss::Wrong("not run: the component does not fit the contract".to_owned())),
        took: Duration::ZERO,
    }));
    Report::new(played)
}

type Demand = (&'static str, &'static str, &'static str);

const IS_A_COMPONENT: Demand = ("is a WebAssembly component", "gateway", "a component in the binary format");
const EXPORTS: Demand = (
    "exports the contract in a version that this host speaks",
    "gateway",
    "discovery, filter, health and calls of pflow:gateway@0.1.x",
);
const IMPORTS: Demand = (
    "asks for nothing that this host does not offer",
    "gateway",
    "imports of WASI 0.2 and of pflow:gateway/types, log and events only",
);
const RUNS: Demand = (
    "can be run by this host",
    "gateway",
    "what was installed; code that compiles; the functions of wit/gateway.wit with their types",
);

fn fitting((name, cites, expected): Demand, verdict: Verdict) -> Played {
    let check = report::Asked { interface: Interface::Sandbox, name, cites, expected };
    Played { check, verdict, took: Duration::ZERO }
}

/// What shows before anything is compiled.
fn anatomy(anatomy: &Anatomy) -> Vec<Played> {
    let judged = |demand: Demand, checked: Result<(), Unfit>, found: String| {
        fitting(demand, checked.map(|()| found).map_err(|unfit| Miss::Wrong(unfit.to_string())))
    };
    vec![
        fitting(IS_A_COMPONENT, Ok(format!("{} bytes", anatomy.size))),
        judged(EXPORTS, anatomy.check_exports(), format!("version {}", anatomy.contract().unwrap_or_default())),
        judged(IMPORTS, anatomy.check_imports(), format!("{} imports", anatomy.imports.len())),
    ]
}
