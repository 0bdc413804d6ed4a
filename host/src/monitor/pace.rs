//! When to look again: regularly, not all at once, less often at what is down, and never before a gateway allows it.
//! Takes reports; gives waits. Pure but for the chance that is handed in.

use std::time::Duration;

use crate::{Class, Error, report::GatewayHealth};

/// What is down is looked at this seldom at most, unless it is always looked at less often.
const SLOWEST: Duration = Duration::from_secs(300);
/// A 429 without a time: five of them lock some gateways out for a quarter of an hour.
const AFTER_429: Duration = Duration::from_secs(60);
/// Doublings of the interval.
const DOUBLINGS: u32 = 4;

/// One gateway's rhythm.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    every: Duration,
    failures: u32,
}

impl Pace {
    pub(super) fn new(every: Duration) -> Self {
        Self { every, failures: 0 }
    }

    /// How long to wait after this look. `chance` is between 0 and 1.
    pub(super) fn next(&mut self, health: &GatewayHealth, chance: f64) -> Duration {
        let lost = health.tools.is_none();
        self.failures = if lost { self.failures.saturating_add(1) } else { 0 };
        let slower = self.every.saturating_mul(1 << self.failures.saturating_sub(1).min(DOUBLINGS));
        let mut wait = slower.min(SLOWEST.max(self.every));
        let error = health.error.as_ref();
        let floor = match error.and_then(Error::asked_to_wait) {
            Some(asked) => asked,
            None if error.is_some_and(|error| error.class == Class::RateLimited) => AFTER_429,
            None => Duration::ZERO,
        };
        // A tenth earlier or later, so that many gateways are not asked in one moment.
        wait = wait.mul_f64(0.9 + 0.2 * chance.clamp(0.0, 1.0));
        wait.max(floor.mul_f64(1.0 + 0.1 * chance.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Status;

    fn report(error: Option<Error>) -> GatewayHealth {
        let mut health = GatewayHealth::new("gw", Status::Ok, "");
        health.tools = error.is_none().then_some(3);
        health.error = error;
        health
    }

    #[test]
    fn what_is_down_is_asked_less_often_and_what_is_back_as_before() {
        let mut pace = Pace::new(Duration::from_secs(10));
        let down = report(Some(Error::new(Class::Unreachable, "")));
        let waits: Vec<u64> = (0..7).map(|_| pace.next(&down, 0.5).as_secs()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 160, 160]);
        assert_eq!(pace.next(&report(None), 0.5).as_secs(), 10);
        let mut slow = Pace::new(Duration::from_secs(3_600));
        assert_eq!((slow.next(&down, 0.5), slow.next(&down, 0.5)), (Duration::from_hours(1), Duration::from_hours(1)));
    }

    #[test]
    fn nobody_is_asked_before_he_allows_it() {
        let mut pace = Pace::new(Duration::from_secs(10));
        for chance in [0.0, 0.5, 1.0] {
            let told = report(Some(Error::new(Class::RateLimited, "").with_retry_after(Some(900))));
            assert!(pace.next(&told, chance) >= Duration::from_secs(900));
            assert!(
                Pace::new(Duration::from_secs(1)).next(&report(Some(Error::new(Class::RateLimited, ""))), chance)
                    >= AFTER_429
            );
        }
    }

    #[test]
    fn a_gateway_that_asks_for_years_is_looked_at_within_about_an_hour() {
        for seconds in [86_400, 900_000, u32::MAX] {
            let told = report(Some(Error::new(Class::RateLimited, "").with_retry_after(Some(seconds))));
            let wait = Pace::new(Duration::from_secs(10)).next(&told, 1.0);
            assert!(wait >= Error::LONGEST_WAIT && wait <= Error::LONGEST_WAIT.mul_f64(1.1), "{wait:?}");
        }
    }

    #[test]
    fn nobody_has_to_wait_for_longer_than_an_hour() {
        let asks = |seconds| Error::new(Class::RateLimited, "").with_retry_after(seconds).asked_to_wait();
        assert_eq!((asks(None), asks(Some(900))), (None, Some(Duration::from_secs(900))));
        assert_eq!((asks(Some(900_000)), asks(Some(u32::MAX))), (Some(Error::LONGEST_WAIT), Some(Error::LONGEST_WAIT)));
    }

    #[test]
    fn the_looks_are_spread() {
        let mut pace = Pace::new(Duration::from_secs(100));
        assert_eq!(pace.next(&report(None), 0.0), Duration::from_secs(90));
        assert_eq!(pace.next(&report(None), 1.0), Duration::from_secs(110));
    }
}
