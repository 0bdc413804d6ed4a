//! What one instance may touch: an empty WASI, HTTP through egress, our log and events, and its meters.
//! Takes an [`Egress`](crate::egress::Egress) and [`Limits`]; gives wasmtime's store data. Never lends it the environment, files, sockets or stdin.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use wasmtime::{ResourceLimiter, component::ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::{
    bindings::{events, log, types},
    limits::{Limits, TICK},
    output::{Output, Sink},
};
use crate::egress::EgressHooks;

/// Where the events of a running request go.
pub trait Events: Send + Sync {
    /// `notifications/progress` for the request with this id.
    fn progress(&self, request: u64, progress: f64, total: Option<f64>, message: Option<String>);
    /// `notifications/message`: level, logger, data as JSON text.
    fn message(&self, level: String, logger: Option<String>, data: String);
    /// `notifications/tools/list_changed`.
    fn tools_changed(&self);
}

/// Store data of one instance.
pub(super) struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: EgressHooks,
    table: ResourceTable,
    pub(super) meter: Meter,
    pub(super) output: Output,
    events: Arc<dyn Events>,
}

impl State {
    pub(super) fn new(hooks: EgressHooks, limits: &Limits, events: Arc<dyn Events>) -> Self {
        let output = Output::new(limits.log);
        let wasi = WasiCtxBuilder::new()
            .stdout(output.stream(Sink::Stdout))
            .stderr(output.stream(Sink::Stderr))
            .allow_ip_name_lookup(false)
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        Self { wasi, http: WasiHttpCtx::new(), hooks, table, meter: Meter::new(limits), output, events }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}

impl log::Host for State {
    fn log(&mut self, level: log::Level, target: String, message: String) {
        self.output.log(level, &target, &message);
    }
}

impl types::Host for State {}

impl events::Host for State {
    fn progress(&mut self, request_id: u64, progress: f64, total: Option<f64>, message: Option<String>) {
        self.events.progress(request_id, progress, total, message);
    }

    fn message(&mut self, level: String, logger: Option<String>, data: types::Json) {
        self.events.message(level, logger, data);
    }

    fn tools_changed(&mut self) {
        self.events.tools_changed();
    }
}

/// A limit that was reached; its `Display` names it and the setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitReached {
    /// Linear memory.
    #[error("the component asked for more than {0} MiB of memory (limit `memory`)")]
    Memory(usize),
    /// Table elements.
    #[error("the component asked for more than {0} table elements (limit `table_elements`)")]
    Tables(usize),
    /// CPU time.
    #[error("the component computed for more than {} s (limit `cpu`)", .0.as_secs())]
    Cpu(Duration),
    /// Wall time.
    #[error("the component took more than {} s (limit `wall`)", .0.as_secs())]
    Wall(Duration),
    /// Bytes handed to the host.
    #[error("the component handed more than {0} MiB to the host at once (limit `transfer`)")]
    Transfer(usize),
}

/// Counts what an instance uses. Remembers the limit that was reached, since a guest whose allocation fails just aborts.
pub(super) struct Meter {
    limits: Limits,
    memory: usize,
    tables: usize,
    spent: Duration,
    last_tick: Option<Instant>,
    reached: Arc<Mutex<Option<LimitReached>>>,
}

impl Meter {
    fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            memory: 0,
            tables: 0,
            spent: Duration::ZERO,
            last_tick: None,
            reached: Arc::default(),
        }
    }

    /// A call into the guest begins.
    pub(super) fn begin(&mut self) {
        self.spent = Duration::ZERO;
        self.last_tick = None;
        *self.reached.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The epoch advanced while guest code ran.
    ///
    /// A guest that only waits for the host is also met by one tick after each wait, so a tick counts only when the one
    /// before it was near; wall time is bounded anyway.
    pub(super) fn tick(&mut self) -> Result<(), LimitReached> {
        let now = Instant::now();
        if let Some(last) = self.last_tick.replace(now) {
            let gap = now - last;
            if gap < TICK * 4 {
                self.spent += gap;
            }
        }
        if self.spent > self.limits.cpu {
            let reached = LimitReached::Cpu(self.limits.cpu);
            self.reach(reached);
            return Err(reached);
        }
        Ok(())
    }

    fn reach(&self, limit: LimitReached) {
        *self.reached.lock().unwrap_or_else(PoisonError::into_inner) = Some(limit);
    }

    pub(super) fn reached(&self) -> Option<LimitReached> {
        *self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        if total > self.limits.memory {
            self.reach(LimitReached::Memory(self.limits.memory / (1024 * 1024)));
            return Ok(false);
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.tables.saturating_add(desired.saturating_sub(current));
        if total > self.limits.table_elements {
            self.reach(LimitReached::Tables(self.limits.table_elements));
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
