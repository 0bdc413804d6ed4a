//! The part of the service through which the gateway component reaches its gateway, and nothing else.
//! Takes requests and gives the answers of the engine's `wasi:http`; adds the credential when a request is complete and goes where it may.
//! The credential is never in what the gateway component can read: not in its request, and in an answer's headers and body it is masked. A
//! body, and everything that an operation waits for, has an end.

#[cfg(target_arch = "wasm32")]
mod guest;

pub mod credential;
pub mod mask;
pub mod passing;
pub mod policy;
pub mod tally;
