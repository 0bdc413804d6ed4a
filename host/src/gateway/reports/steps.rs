//! The steps of a test while it goes on.
//! Takes what connects, and whom to tell; tells of a step as soon as it is done, in the order of the report. Tells of no step
//! that failed: why it did is known only when all is over.

use tokio::sync::watch;

use crate::{egress::ConnectionTrace, report::Check};

/// Whom to tell of a step that is done.
pub(crate) type Tell<'a> = &'a (dyn Fn(&Check) + Send + Sync);

/// Nobody.
pub(in crate::gateway) fn nobody(_: &Check) {}

/// Tells of each step once.
pub(super) struct Steps<'a> {
    tell: Tell<'a>,
    told: usize,
}

impl<'a> Steps<'a> {
    pub(super) fn new(tell: Tell<'a>) -> Self {
        Self { tell, told: 0 }
    }

    /// These are done, from the first one on.
    pub(super) fn done(&mut self, steps: &[Check]) {
        steps.iter().skip(self.told).for_each(self.tell);
        self.told = self.told.max(steps.len());
    }

    /// Does the work; meanwhile tells how far the connection is, each time that `seen` shows more of it.
    pub(super) async fn during<T>(
        &mut self,
        mut seen: watch::Receiver<Option<ConnectionTrace>>,
        steps: impl Fn(&ConnectionTrace) -> Vec<Check>,
        work: impl Future<Output = T>,
    ) -> T {
        // One of before is no news.
        seen.mark_unchanged();
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                Ok(()) = seen.changed() => {
                    let trace = seen.borrow_and_update().clone();
                    self.done(&trace.map(|trace| steps(&trace)).unwrap_or_default());
                }
                done = &mut work => return done,
            }
        }
    }
}
