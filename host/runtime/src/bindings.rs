//! The contract in Rust, generated from `wit/gateway.wit`.
//! Only our own interfaces: WASI's come from wasmtime's crates. Never edited by hand.
#![expect(missing_docs, unreachable_pub, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package pflow:host;
        world contract {
            import pflow:gateway/log@0.2.0;
            import pflow:gateway/events@0.2.0;
            export pflow:gateway/discovery@0.2.0;
            export pflow:gateway/filter@0.2.0;
            export pflow:gateway/health@0.2.0;
            export pflow:gateway/calls@0.2.0;
            export pflow:gateway/products@0.2.0;
            export pflow:gateway/review@0.2.0;
        }
    ",
    world: "pflow:host/contract",
    exports: { default: async },
});

pub use exports::pflow::gateway::{calls, discovery, filter, health, products, review};
pub use pflow::gateway::{events, log, types};
