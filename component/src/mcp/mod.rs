//! The Model Context Protocol, client side, over Streamable HTTP.
//! From bytes up: [`sse`] and [`json_rpc`] read, [`exchange`] asks one thing and [`stream`] waits for its answer, [`era`] and [`session`] agree on how to speak,
//! [`paging`] and [`tools`] read catalogues, [`param_headers`] is 2026-07-28's. Must not know any product.

pub mod elicitation;
pub mod era;
pub mod exchange;
pub mod json_rpc;
mod media;
pub mod object;
pub mod own_keys;
pub mod paging;
pub mod param_headers;
pub mod sse;
pub mod stream;
pub mod tools;
