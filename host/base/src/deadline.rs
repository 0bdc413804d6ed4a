//! Until when something has to be done.
//! Takes a duration once, where somebody begins to wait; is handed down to everything that is done meanwhile. Never begins anew.

use std::time::Duration;

use tokio::time::{Instant, error::Elapsed, timeout_at};

/// What a duration too long for the clock stands for.
const FAR: Duration = Duration::from_hours(24 * 365);

/// A point in time, and how long it was away when the waiting began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    /// From now on.
    #[must_use]
    pub fn within(limit: Duration) -> Self {
        let now = Instant::now();
        Self { at: now.checked_add(limit).unwrap_or(now + FAR), limit }
    }

    /// How long was allowed.
    #[must_use]
    pub fn limit(self) -> Duration {
        self.limit
    }

    /// What is left of it; nothing once it is over.
    #[must_use]
    pub fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.left().is_zero()
    }

    /// The one that comes first.
    #[must_use]
    pub fn or_sooner(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }

    /// Waits for it, but not longer.
    ///
    /// # Errors
    ///
    /// The deadline has passed first.
    pub async fn bound<T>(self, work: impl Future<Output = T>) -> Result<T, Elapsed> {
        timeout_at(self.at, work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_for_everything_together() {
        let by = Deadline::within(Duration::from_millis(300));
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(by.left() <= Duration::from_millis(200) && by.limit() == Duration::from_millis(300));
        assert!(by.bound(std::future::pending::<()>()).await.is_err());
        assert!(by.is_over());
        assert_eq!(by.or_sooner(Deadline::within(Duration::from_secs(9))), by);
        assert!(!Deadline::within(Duration::MAX).is_over());
    }
}
