//! What one instance may touch: an empty WASI, HTTP through egress, our log and events, and its meters.
//! Takes an [`Egress`](pflow_gateway_host_egress::Egress) and [`Limits`]; gives wasmtime's store data. Never lends it the environment, files, sockets or stdin.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::{
    bindings::{events, log, types},
    limits::Limits,
    meter::Meter,
    output::{Output, Sink},
};
use pflow_gateway_host_egress::EgressHooks;

/// Where the events of a running request go.
pub trait Events: Send + Sync {
    /// `notifications/progress` for the call with this token.
    fn progress(&self, token: u32, progress: f64, total: Option<f64>, message: Option<String>);
    /// `notifications/message`: level, logger, data as JSON text.
    fn message(&self, token: Option<u32>, level: String, logger: Option<String>, data: String);
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
            // Made in the host's memory before it is copied into the guest's.
            .max_random_size(1024 * 1024)
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
    fn progress(&mut self, token: u32, progress: f64, total: Option<f64>, message: Option<String>) {
        if self.meter.event(message.as_ref().map_or(0, String::len)) {
            self.events.progress(token, progress, total, message);
        }
    }

    fn message(&mut self, token: Option<u32>, level: String, logger: Option<String>, data: types::Json) {
        if self.meter.event(level.len() + logger.as_ref().map_or(0, String::len) + data.len()) {
            self.events.message(token, level, logger, data);
        }
    }

    fn tools_changed(&mut self) {
        if self.meter.event(0) {
            self.events.tools_changed();
        }
    }
}
