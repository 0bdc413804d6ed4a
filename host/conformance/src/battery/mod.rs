//! The checks. One file per part of the contract; each demands only what `wit/gateway.wit` says, and cites where.
//! Takes a [`Stage`]; gives a [`Verdict`]. What MCP itself leaves open, no check may demand.

mod attribution;
mod calls;
mod connecting;
mod errors;
mod filter;
mod health;
mod listing;
mod products;
mod review;
mod robustness;

use std::{future::Future, pin::Pin};

use super::{Interface, stage::Stage, verdict::Verdict};

/// A check being played.
pub(super) type Play = Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// One demand of the contract.
pub(super) struct Check {
    pub(super) interface: Interface,
    /// A sentence about the component.
    pub(super) name: &'static str,
    /// Where the WIT file says so.
    pub(super) cites: &'static str,
    /// What must be found.
    pub(super) expected: &'static str,
    pub(super) play: fn(Stage) -> Play,
}

/// A table of checks: the function, what it cites, its name, what it expects.
macro_rules! checks {
    ($interface:ident: $($function:ident, $cites:literal, $name:literal, $expected:literal;)+) => {
        pub(super) const CHECKS: &[super::Check] = &[$(super::Check {
            interface: super::Interface::$interface,
            name: $name,
            cites: $cites,
            expected: $expected,
            play: |stage| Box::pin($function(stage)),
        }),+];
    };
}
use checks;

/// All of them, in the order in which they are shown.
pub(super) fn all() -> impl Iterator<Item = &'static Check> {
    [
        connecting::CHECKS,
        listing::CHECKS,
        attribution::CHECKS,
        errors::CHECKS,
        filter::CHECKS,
        health::CHECKS,
        calls::CHECKS,
        products::CHECKS,
        review::CHECKS,
        robustness::CHECKS,
    ]
    .into_iter()
    .flatten()
}
