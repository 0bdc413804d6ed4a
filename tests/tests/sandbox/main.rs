//! Hostile components, and everything else that the sandbox promises: run for real, with small limits.
//! The attacks are in `tests/components/hostile`; what must become of each is in [`expect`]. Nothing here reaches beyond loopback.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "what was measured")]
// Dependencies of the other tests in this package.
#![allow(unused_crate_dependencies, clippy::allow_attributes, reason = "one package of tests, several programs")]

mod alone;
mod appended;
mod bombs;
mod cache;
mod components;
mod contract;
mod expect;
mod fairness;
mod guest;
mod raised;
mod server;
mod stand;
mod swap;

/// Where an attack begins, as `attacks.in` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    Open,
    Session,
    Renew,
    List,
    Close,
    Select,
    Check,
    Call,
    Cancel,
}

/// Lower-case hex.
fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// Makes a test of every attack: it runs what [`expect`] has under its name, then asks the same host for something decent. An
/// attack without an expectation does not compile.
macro_rules! attacks {
    ($($name:ident: $point:ident),+ $(,)?) => {
        mod attacks {
            use super::{Point, expect, stand::Stand};
            $(
                #[tokio::test]
                async fn $name() {
                    let stand = Stand::new().await;
                    expect::$name(stand.strike(stringify!($name), Point::$point)).await;
                    stand.behaves().await;
                    stand.is_left_alone().await;
                }
            )+
        }

        /// All of them, for the tests that run them in a row.
        const ATTACKS: &[(&str, Point)] = &[$((stringify!($name), Point::$point)),+];
    };
}
include!("../../components/hostile/attacks.in");
