//! Whole conversations against scripted peers: no network, no sandbox, the logic as it is.
//! The peers imitate what real gateways were seen to send.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod docker;
mod eras;
mod fake;
mod faults;
mod forge;
mod legacy;
mod metadata;
mod modern;
mod pages;
mod plain;
mod results;
mod streams;
