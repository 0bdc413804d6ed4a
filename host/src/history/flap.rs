//! Which changes of state are announced: one that goes to and fro is announced once, and again when it has settled.
//! Takes how often and how long; gives a verdict. Pure; forgets nothing, since every change is recorded either way.

use std::time::Duration;

/// Changes within this time count as going to and fro.
pub(super) const WINDOW: Duration = Duration::from_secs(600);
/// So many changes in the window are still announced one by one: down, up, and down again.
const FREE_CHANGES: i64 = 3;
/// So many equal looks in a row are settled.
const STEADY_LOOKS: i64 = 3;

/// Whether to announce a change that was just seen, with this many earlier ones within [`WINDOW`].
pub(super) fn announce_change(earlier: i64) -> bool {
    earlier < FREE_CHANGES
}

/// Whether a state that was held back is to be announced now, after so many equal looks in a row.
pub(super) fn announce_settled(equal_looks: i64) -> bool {
    equal_looks >= STEADY_LOOKS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_changes_are_announced_at_once_and_the_rest_when_they_settle() {
        assert!(announce_change(0) && announce_change(2));
        assert!(!announce_change(3) && !announce_change(300));
        assert!(!announce_settled(1) && !announce_settled(2));
        assert!(announce_settled(3) && announce_settled(30));
    }
}
