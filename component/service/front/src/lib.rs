//! The part of the service that speaks MCP with clients: Streamable HTTP in both eras, for several gateways.
//! Takes requests; asks the gateway component through [`upstream`] and answers. Holds no credential of a gateway, and nothing between two
//! requests but what spares a listing.

#[cfg(target_arch = "wasm32")]
mod guest;

pub mod answer;
pub mod authentication;
pub mod call;
pub mod catalog;
pub mod delivery;
pub mod failure;
pub mod guard;
pub mod pages;
pub mod params;
pub mod ready;
pub mod request;
pub mod rpc;
pub mod seal;
pub mod service;
pub mod upstream;

#[cfg(test)]
mod tests;
