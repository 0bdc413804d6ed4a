//! One reading for all who want it at the same time.
//! Takes the outcome of every reading; gives the one that came while somebody waited. Never makes anybody suffer for another one's haste: a
//! reading whose time was up is made again by who has more.

use crate::{Class, Deadline, Result, sync::Mutex};

/// The newest outcome.
pub(super) struct Newest<T> {
    /// Held by who reads for all.
    turn: tokio::sync::Mutex<()>,
    last: Mutex<Last<T>>,
}

struct Last<T> {
    number: u64,
    outcome: Option<Result<T>>,
}

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Self { turn: tokio::sync::Mutex::default(), last: Mutex::new(Last { number: 0, outcome: None }) }
    }
}

impl<T: Clone> Newest<T> {
    /// Whoever read tells what came of it, whether others wait or not.
    pub(super) fn came(&self, outcome: &Result<T>) {
        let mut last = self.last.lock();
        last.number += 1;
        last.outcome = Some(outcome.clone());
    }

    /// What came of a reading that ended after this was asked; reads when nobody does. None: it was not in time.
    pub(super) async fn shared<F>(&self, by: Deadline, read: impl FnOnce() -> F) -> Option<Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let before = self.last.lock().number;
        let Ok(_turn) = by.bound(self.turn.lock()).await else { return None };
        {
            let last = self.last.lock();
            match &last.outcome {
                // Somebody else's time was up, and not this one's.
                Some(Err(error)) if error.class == Class::Timeout => {}
                Some(outcome) if last.number != before => return Some(outcome.clone()),
                _ => {}
            }
        }
        Some(read().await)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };

    use super::*;
    use crate::Error;

    fn soon() -> Deadline {
        Deadline::within(Duration::from_mins(1))
    }

    /// Reads after a moment; gives how often it has.
    async fn read(newest: &Newest<u32>, readings: &AtomicU32, fails: Option<Class>) -> Result<u32> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let number = readings.fetch_add(1, Ordering::Relaxed) + 1;
        let outcome = fails.map_or(Ok(number), |class| Err(Error::new(class, "no")));
        newest.came(&outcome);
        outcome
    }

    #[tokio::test]
    async fn those_who_ask_at_the_same_time_share_one_reading_and_who_asks_later_reads_again() {
        let (newest, readings) = (Newest::default(), AtomicU32::new(0));
        let ask = || newest.shared(soon(), || read(&newest, &readings, None));
        let both = tokio::join!(ask(), ask());
        assert!(matches!(both, (Some(Ok(1)), Some(Ok(1)))), "{both:?}");
        assert!(matches!(ask().await, Some(Ok(2))));
    }

    #[tokio::test]
    async fn a_failure_is_shared_unless_it_was_only_somebody_elses_haste() {
        let (newest, readings) = (&Newest::default(), &AtomicU32::new(0));
        let ask = |fails| newest.shared(soon(), move || read(newest, readings, fails));
        let both = tokio::join!(ask(Some(Class::Unreachable)), ask(None));
        assert!(matches!(&both, (Some(Err(_)), Some(Err(error))) if error.class == Class::Unreachable), "{both:?}");
        let both = tokio::join!(ask(Some(Class::Timeout)), ask(None));
        assert!(matches!(&both, (Some(Err(_)), Some(Ok(3)))), "{both:?}");
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_it_wants() {
        let (newest, readings) = (Newest::default(), AtomicU32::new(0));
        let haste = Deadline::within(Duration::from_millis(1));
        let both = tokio::join!(
            newest.shared(soon(), || read(&newest, &readings, None)),
            newest.shared(haste, || read(&newest, &readings, None)),
        );
        assert!(matches!(both, (Some(Ok(1)), None)), "{both:?}");
    }
}
