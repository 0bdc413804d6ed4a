//! Moments of the wall clock, as the history keeps them.
//! Takes and gives milliseconds since 1970 and RFC 3339. Ages are never negative: clocks are set back, and gateways' clocks differ.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

/// A moment: milliseconds since 1970-01-01 UTC. For showing and for ages; the order of events is the order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

impl Moment {
    /// What the clock says.
    #[must_use]
    pub fn now() -> Self {
        Self(Utc::now().timestamp_millis())
    }

    /// From milliseconds since 1970.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Seconds since 1970.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^52")]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1_000.0
    }

    /// From RFC 3339.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|at| Self(at.timestamp_millis()))
    }

    /// RFC 3339, UTC, to the second.
    #[must_use]
    pub fn rfc3339(self) -> String {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// How long ago, seen from `now`; zero for what seems to lie ahead.
    #[must_use]
    pub fn age(self, now: Self) -> Duration {
        Duration::from_millis(u64::try_from(now.0.saturating_sub(self.0)).unwrap_or_default())
    }

    /// How long until then, seen from `now`; none when it has passed.
    #[must_use]
    pub fn ahead(self, now: Self) -> Option<Duration> {
        let left = u64::try_from(self.0.saturating_sub(now.0)).ok()?;
        (left > 0).then(|| Duration::from_millis(left))
    }

    /// This much earlier.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl serde::Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.rfc3339())
    }
}

/// `4 minutes`, `2 days`.
#[must_use]
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_the_largest_unit_that_is_not_coarse() {
        for (seconds, said) in
            [(1, "1 second"), (119, "119 seconds"), (240, "4 minutes"), (7_200, "2 hours"), (200_000, "2 days")]
        {
            assert_eq!(span(Duration::from_secs(seconds)), said);
        }
    }

    #[test]
    fn an_age_is_never_negative() {
        let (early, late) = (Moment::from_millis(1_000), Moment::from_millis(5_000));
        assert_eq!(early.age(late), Duration::from_secs(4));
        assert_eq!(late.age(early), Duration::ZERO);
        assert_eq!(
            Moment::from_millis(i64::MIN).age(Moment::from_millis(i64::MAX)),
            Duration::from_millis(u64::try_from(i64::MAX).unwrap_or(0))
        );
    }

    #[test]
    fn a_moment_is_written_and_read_back() {
        let at = Moment::from_millis(1_795_401_000_000);
        assert_eq!(Moment::parse(&at.rfc3339()), Some(at));
        assert_eq!(Moment::parse("yesterday"), None);
    }
}
