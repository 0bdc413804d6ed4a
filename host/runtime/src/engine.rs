//! One engine per process, and the clock that interrupts it.
//! Takes [`Limits`]; gives a [`wasmtime::Engine`]. Never lets guest code run without a tick that reaches it.

use std::{
    hash::{Hash, Hasher},
    thread,
};

use wasmtime::{Config, Engine, OptLevel, WasmBacktraceDetails};

use super::{
    error::EngineError,
    limits::{Limits, TICK},
};

/// An engine that compiles and runs components, with its ticker.
pub(super) fn engine(limits: &Limits) -> Result<Engine, EngineError> {
    let engine = Engine::new(&config(limits)?).map_err(EngineError::Refused)?;
    start_ticker(&engine)?;
    Ok(engine)
}

fn config(limits: &Limits) -> Result<Config, EngineError> {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack)
        // The fiber's stack holds the guest's and the host's frames above it.
        .async_stack_size(limits.stack + 1024 * 1024)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // Address ranges are not memory: they keep bounds checks out of the code, and copy-on-write start-up images make an instance cheap.
        .memory_init_cow(true);
    // The baseline of the architecture, not this machine's processor: machine code made while packaging must run on all of them.
    config.target(env!("WASMTIME_TARGET")).map_err(EngineError::Refused)?;
    Ok(config)
}

/// Advances the epoch for as long as the engine is used by somebody else.
fn start_ticker(engine: &Engine) -> Result<(), EngineError> {
    let weak = engine.weak();
    thread::Builder::new()
        .name("pflow-gateway-epoch".into())
        .spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        })
        .map(drop)
        .map_err(EngineError::Clock)
}

/// What machine code depends on besides the component: wasmtime's version and the engine's settings.
pub(super) fn fingerprint(engine: &Engine) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}
