//! The Model Context Protocol, client side, over Streamable HTTP.
//! From bytes up: [`sse`] and [`json_rpc`] read, [`exchange`] asks one thing, [`era`] and [`session`] agree on how to speak,
//! [`paging`] and [`tools`] read catalogues, [`param_headers`] is 2026-07-28's. Must not know any product.

pub mod elicitation;
pub mod era;
pub mod exchange;
pub mod json_rpc;
pub mod paging;
pub mod param_headers;
pub mod session;
pub mod sse;
pub mod tools;
