//! Dates as peers write them.
//! Takes text; gives seconds since 1970-01-01 UTC. Must never panic, and gives nothing rather than a wrong time.

/// `2026-11-22T10:35:45.123456`, with or without `Z`: UTC either way, as `ContextForge` means it.
#[must_use]
pub fn iso_8601(text: &str) -> Option<u64> {
    let part = |range: std::ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<u64>().ok());
    seconds(part(0..4)?, part(5..7)?, part(8..10)?, [part(11..13)?, part(14..16)?, part(17..19)?])
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7, the one form that is sent today).
#[must_use]
pub fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = text.trim().strip_suffix(" GMT")?;
    let part = |range: std::ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<u64>().ok());
    let month = MONTHS.iter().zip(1..).find(|(name, _)| text.get(8..11) == Some(name)).map(|(_, month)| month)?;
    seconds(part(12..16)?, month, part(5..7)?, [part(17..19)?, part(20..22)?, part(23..25)?])
}

fn seconds(year: u64, month: u64, day: u64, [hour, minute, second]: [u64; 3]) -> Option<u64> {
    let valid = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !valid || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days of the civil calendar, counted from 0000-03-01 (H. Hinnant, "chrono-compatible low-level date algorithms").
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some(days.checked_sub(719_468)? * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_dates_are_read() {
        assert_eq!(iso_8601("1970-01-01T00:00:00"), Some(0));
        assert_eq!(iso_8601("2027-01-15T08:00:00Z"), Some(1_800_000_000));
        assert_eq!(iso_8601("2024-02-29T23:59:59.123456"), Some(1_709_251_199));
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in ["", "now", "2026-13-01T00:00:00", "2026-01-01", "1969-12-31T23:59:59", "ä026-01-01T00:00:00"] {
            assert_eq!(iso_8601(text), None, "{text}");
            assert_eq!(http_date(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,40}", almost in "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}") {
            let _ = (iso_8601(&text), http_date(&text), iso_8601(&almost));
        }
    }
}
