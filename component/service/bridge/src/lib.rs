//! The part of the service that hears what the gateway component says while it works.
//! Takes its log and its events; gives lines on stderr, and events on the answer that is being written. Never waits for anybody, and writes
//! nothing in which a credential of the gateway could stand.

#[cfg(target_arch = "wasm32")]
mod guest;

pub mod event;
pub mod line;
