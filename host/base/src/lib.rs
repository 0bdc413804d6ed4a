//! What every layer of pflow-gateway stands on: what a user is told when something fails, the one way to write a file, JSON that stays
//! text, deadlines, digests, and text made fit for a terminal.
//! Takes and gives plain values. Knows nothing of gateways, of MCP, or of WebAssembly.

mod access;
mod advice;
pub mod clock;
mod deadline;
pub mod digest;
pub mod ending;
mod error;
pub mod files;
pub mod folder;
pub mod jitter;
pub mod json;
mod listener;
pub mod programs;
pub mod random;
pub mod scrub;
pub mod setting;
pub mod spelling;
pub mod sync;

pub use deadline::Deadline;
pub use error::{Advice, Class, Error, Result, sentence};
pub use listener::Listener;
