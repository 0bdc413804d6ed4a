//! What an instance uses, counted: memory, tables, CPU time, events.
//! Takes what wasmtime and the host's functions report; gives the limit that was reached. Never forgets it, since a guest whose
//! allocation fails just aborts.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use pflow_gateway_base::sync::{Mutex, MutexGuard};
use wasmtime::ResourceLimiter;

use super::limits::{Limits, TICK};

/// What one turn is charged at most. A guest that computes gives its thread back at every tick; a turn that lasts longer was the host's work, or
/// the operating system had given the processor to somebody else. Wall time is bounded anyway.
const TURN: Duration = TICK.saturating_mul(4);

/// What one event costs besides its text: the entry in a listener's queue, the JSON around it.
const EVENT: usize = 256;

/// A limit that was reached; its `Display` names it and the setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitReached {
    /// Linear memory, in bytes.
    #[error("the component asked for more than {} of memory (limit `memory`)", size(*.0))]
    Memory(usize),
    /// Table elements.
    #[error("the component asked for more than {0} table elements (limit `table_elements`)")]
    Tables(usize),
    /// CPU time.
    #[error("the component computed for more than {} (limit `cpu`)", seconds(*.0))]
    Cpu(Duration),
    /// Wall time.
    #[error("the component took more than {} (limit `wall`)", seconds(*.0))]
    Wall(Duration),
    /// Bytes handed to the host.
    #[error("the component handed more than {} to the host at once (limit `transfer`)", size(*.0))]
    Transfer(usize),
    /// Open resources.
    #[error("the component holds more than {0} handles (limit `handles`)")]
    Handles(usize),
    /// Core instances, memories or tables.
    #[error("the component consists of more than {0} instances, memories or tables (limit `instances`)")]
    Instances(usize),
    /// Stack, in bytes.
    #[error("the component called itself deeper than {} of stack (limit `stack`)", size(*.0))]
    Stack(usize),
}

impl LimitReached {
    /// The setting that allows more, and what it is now.
    #[must_use]
    pub fn setting(self) -> (&'static str, u64) {
        match self {
            Self::Memory(bytes) => ("memory_bytes", bytes as u64),
            Self::Tables(elements) => ("table_elements", elements as u64),
            Self::Cpu(time) => ("cpu_seconds", time.as_secs()),
            Self::Wall(time) => ("wall_seconds", time.as_secs()),
            Self::Transfer(bytes) => ("transfer_bytes", bytes as u64),
            Self::Handles(handles) => ("handles", handles as u64),
            Self::Instances(instances) => ("instances", instances as u64),
            Self::Stack(bytes) => ("stack_bytes", bytes as u64),
        }
    }
}

/// Seconds without needless digits.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    let text = format!("{:.1}", duration.as_secs_f64());
    format!("{} s", text.strip_suffix(".0").unwrap_or(&text))
}

/// The largest unit that loses nothing.
fn size(bytes: usize) -> String {
    const UNITS: [(usize, &str); 2] = [(1024 * 1024, "MiB"), (1024, "KiB")];
    UNITS
        .iter()
        .find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit))
        .map_or_else(|| format!("{bytes} bytes"), |(unit, name)| format!("{} {name}", bytes / unit))
}

/// The CPU time of one call into a guest.
///
/// Counts the time in which the call is polled: what a guest waits for is not in it, and neither are the other guests that
/// share the thread. (Counting ticks instead would let a crowd of spinning guests hide behind each other.)
#[derive(Clone, Default)]
pub(super) struct Cpu(Arc<Mutex<Spent>>);

#[derive(Default)]
struct Spent {
    before: Duration,
    since: Option<Instant>,
}

impl Spent {
    fn turn(&self) -> Duration {
        self.since.map(|since| since.elapsed().min(TURN)).unwrap_or_default()
    }
}

impl Cpu {
    fn lock(&self) -> MutexGuard<'_, Spent> {
        self.0.lock()
    }

    /// Runs a call on this account.
    pub(super) async fn charge<F: Future>(&self, call: F) -> F::Output {
        let mut call = pin!(call);
        poll_fn(|context| {
            self.lock().since = Some(Instant::now());
            let polled = call.as_mut().poll(context);
            let mut spent = self.lock();
            let turn = spent.turn();
            spent.before += turn;
            spent.since = None;
            polled
        })
        .await
    }

    fn begin(&self) {
        *self.lock() = Spent::default();
    }

    fn spent(&self) -> Duration {
        let spent = self.lock();
        spent.before + spent.turn()
    }
}

/// Counts what an instance uses.
pub(super) struct Meter {
    limits: Limits,
    memory: usize,
    tables: usize,
    events: usize,
    cpu: Cpu,
    reached: Option<LimitReached>,
}

impl Meter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { limits: limits.clone(), memory: 0, tables: 0, events: limits.events, cpu: Cpu::default(), reached: None }
    }

    /// A call into the guest begins.
    pub(super) fn begin(&mut self) {
        self.cpu.begin();
        self.events = self.limits.events;
        self.reached = None;
    }

    /// Linear memory, in bytes. It never shrinks.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    /// The account of this instance's CPU time.
    pub(super) fn cpu(&self) -> Cpu {
        self.cpu.clone()
    }

    /// The epoch advanced while guest code ran.
    pub(super) fn tick(&mut self) -> Result<(), LimitReached> {
        if self.cpu.spent() > self.limits.cpu {
            let reached = LimitReached::Cpu(self.limits.cpu);
            self.reached = Some(reached);
            return Err(reached);
        }
        Ok(())
    }

    /// Whether an event with so much text may still be passed on. Says once when not.
    pub(super) fn event(&mut self, text: usize) -> bool {
        if self.events == 0 {
            return false;
        }
        self.events = self.events.saturating_sub(text.saturating_add(EVENT));
        if self.events == 0 {
            tracing::warn!(target: "component", "the component reports too many events (limit `events`); the rest is dropped");
        }
        self.events > 0
    }

    pub(super) fn reached(&self) -> Option<LimitReached> {
        self.reached
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        if total > self.limits.memory {
            self.reached = Some(LimitReached::Memory(self.limits.memory));
            return Ok(false);
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.tables.saturating_add(desired.saturating_sub(current));
        if total > self.limits.table_elements {
            self.reached = Some(LimitReached::Tables(self.limits.table_elements));
            return Ok(false);
        }
        self.tables = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances
    }

    fn tables(&self) -> usize {
        self.limits.instances
    }

    fn memories(&self) -> usize {
        self.limits.instances
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    #[test]
    fn waiting_costs_no_cpu_time_and_computing_does() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let cpu = Cpu::default();
        runtime.block_on(cpu.charge(async { tokio::time::sleep(Duration::from_millis(200)).await }));
        let waited = cpu.spent();
        for _ in 0..10 {
            runtime.block_on(cpu.charge(async { std::thread::sleep(TICK) }));
        }
        let computed = cpu.spent().checked_sub(waited).unwrap();
        // Two turns, begun and ended; ten turns of a tick each.
        assert!(waited <= TURN * 2 && computed >= TICK * 10, "waiting cost {waited:?}, computing {computed:?}");
    }

    #[test]
    fn all_memories_share_one_limit() {
        let mut meter = Meter::new(&Limits { memory: 100, ..Limits::default() });
        assert!(meter.memory_growing(0, 60, None).unwrap());
        assert!(!meter.memory_growing(0, 60, None).unwrap());
        assert!(meter.memory_growing(60, 100, None).unwrap());
        assert_eq!(meter.reached(), Some(LimitReached::Memory(100)));
        meter.begin();
        assert_eq!(meter.reached(), None);
        assert!(!meter.memory_growing(100, 101, None).unwrap());
    }

    #[test]
    fn events_end_and_begin_again_with_the_next_call() {
        let mut meter = Meter::new(&Limits { events: 3 * EVENT, ..Limits::default() });
        assert!(meter.event(0) && meter.event(0));
        assert!(!meter.event(0) && !meter.event(0));
        meter.begin();
        assert!(meter.event(0));
        assert!(!meter.event(usize::MAX));
    }

    #[test]
    fn limits_are_told_in_units_that_lose_nothing() {
        assert_eq!(
            LimitReached::Cpu(Duration::from_millis(300)).to_string(),
            "the component computed for more than 0.3 s (limit `cpu`)"
        );
        assert_eq!(size(256 * 1024 * 1024), "256 MiB");
        assert_eq!(size(1536), "1536 bytes");
        assert_eq!(size(2048), "2 KiB");
    }
}
