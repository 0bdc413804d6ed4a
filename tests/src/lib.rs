//! Imitation gateways: what the real products were seen to do on the wire, on loopback, without the products.
//! Takes a configuration; gives a server on a port of the system's choice and a log of what was asked of it.
//! Never imitates what nobody observed: the rows of the fact sheets are asserted one by one in `tests/`.

pub mod client;
pub mod context_forge;
pub mod docker;
pub mod faults;
pub mod generic;
pub mod jwt;
pub mod modern;
pub mod old_sse;
pub mod program;
pub mod reply;
pub mod rpc;
pub mod server;
pub mod services;
pub mod tls;
pub mod wire;
