//! What one watcher is told, and when: a change at once, one that flaps less and less often, and how it ended.
//! Takes what the watcher was told before, a state and a moment; gives what to tell now. Pure; whatever is held back is counted.

use std::time::Duration;

use crate::clock::Moment;
use crate::report::Status;

/// Which changes are worth telling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Floor {
    /// Whatever is not well, and that it is well again.
    #[default]
    Degraded,
    /// Only what is down, refused or out of reach, and that it is not any more.
    Offline,
}

impl Floor {
    /// In arguments.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Degraded => "degraded",
            Self::Offline => "offline",
        }
    }

    /// States that are one to whoever is told. `unknown` is no news of itself: where a product reports no health, it comes and goes
    /// with every call.
    fn class(self, status: Status) -> Status {
        match (status, self) {
            (Status::Unknown, _) | (Status::Degraded | Status::RateLimited | Status::Disabled, Self::Offline) => {
                Status::Ok
            }
            _ => status,
        }
    }

    /// Whether this is worth telling. The first look at what is well is no news.
    pub(super) fn is_news(self, from: Option<Status>, to: Status) -> bool {
        match from {
            None => !matches!(self.class(to), Status::Ok | Status::Disabled),
            Some(from) => self.class(from) != self.class(to),
        }
    }
}

/// What was told within this time counts.
const MEMORY: Duration = Duration::from_hours(24);
/// So many are told at once: down, up, and down again.
const FREE: usize = 3;
/// The next one has to last for this long, the one after it for twice as long …
const FIRST_HOLD: Duration = Duration::from_mins(2);
/// … and none for longer: whatever lasts an hour is told, so about thirty a day are the most.
const LONGEST_HOLD: Duration = Duration::from_hours(1);

/// How long a state has to last before it is told, after so many that were told lately.
fn hold(told_lately: usize) -> Duration {
    match told_lately.checked_sub(FREE).map(u32::try_from) {
        None => Duration::ZERO,
        Some(beyond) => {
            FIRST_HOLD.saturating_mul(1_u32.checked_shl(beyond.unwrap_or(31).min(16)).unwrap_or(1)).min(LONGEST_HOLD)
        }
    }
}

/// What a watcher knows of one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notified {
    /// What it was told last.
    pub(super) last: Status,
    /// What it saw last.
    pub(super) seen: Status,
    /// Since when it sees that.
    pub(super) since: Moment,
    /// Changes since it was told something.
    pub(super) held: u32,
    /// When it was told something lately.
    pub(super) lately: Vec<Moment>,
}

/// What a watcher knows of a tool that is not as it was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotifiedChange {
    /// Of the definition that it saw last.
    pub(super) digest: String,
    /// It was told of that one.
    pub(super) told: bool,
    /// Since when it sees that one.
    pub(super) since: Moment,
    /// When it was told something of this tool lately.
    pub(super) lately: Vec<Moment>,
}

impl NotifiedChange {
    /// The next look. True: it is to be told now. Each definition is told once; one that is another at every look, less and less often.
    pub(super) fn see(before: Option<Self>, digest: &str, now: Moment) -> (Self, bool) {
        let mut state =
            before.unwrap_or_else(|| Self { digest: String::new(), told: true, since: now, lately: Vec::new() });
        if state.digest != digest {
            digest.clone_into(&mut state.digest);
            state.told = false;
            state.since = now;
        }
        state.since = state.since.min(now);
        state.lately.retain(|at| at.age(now) < MEMORY);
        if state.told || state.since.age(now) < hold(state.lately.len()) {
            return (state, false);
        }
        state.told = true;
        state.lately.push(now);
        (state, true)
    }

    /// Whether it is remembered though it is over: what comes back soon is no news.
    pub(super) fn is_recent(&self, now: Moment) -> bool {
        self.lately.last().is_some_and(|at| at.age(now) < MEMORY)
    }
}

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct News {
    /// The state that was told before; none at the first look.
    pub(super) from: Option<Status>,
    /// It went to and fro, and now has lasted for a while.
    pub(super) settled: bool,
    /// Changes in between that were not told.
    pub(super) held_back: u32,
}

impl Notified {
    /// The next look.
    pub(super) fn see(before: Option<Self>, status: Status, floor: Floor, now: Moment) -> (Self, Option<News>) {
        let Some(mut state) = before else {
            let bad = floor.is_news(None, status);
            let lately = if bad { vec![now] } else { Vec::new() };
            let news = bad.then_some(News { from: None, settled: false, held_back: 0 });
            return (Self { last: status, seen: status, since: now, held: 0, lately }, news);
        };
        let changed = floor.is_news(Some(state.seen), status);
        // The clock was set back: nothing began in the future.
        state.since = if changed { now } else { state.since.min(now) };
        state.seen = status;
        state.lately.retain(|at| at.age(now) < MEMORY);
        if !floor.is_news(Some(state.last), status) {
            state.last = status;
            state.held = state.held.saturating_add(u32::from(changed));
            // As it was told, and for long: what was between is over.
            if state.since.age(now) >= LONGEST_HOLD {
                state.held = 0;
            }
            return (state, None);
        }
        let wait = hold(state.lately.len());
        if state.since.age(now) < wait {
            state.held = state.held.saturating_add(u32::from(changed));
            return (state, None);
        }
        // The change that is told now was counted when it was held back.
        let held_back = if changed { state.held } else { state.held.saturating_sub(1) };
        let news = News { from: Some(state.last), settled: !changed, held_back };
        state.last = status;
        state.held = 0;
        state.lately.push(now);
        (state, Some(news))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Moment {
        Moment::from_millis(1_795_400_000_000 + seconds * 1_000)
    }

    /// What is told of looks every `every` seconds, with when.
    fn played(states: impl Iterator<Item = Status>, every: i64, floor: Floor) -> Vec<(i64, Status, News)> {
        let mut before = None;
        let mut all = Vec::new();
        for (second, status) in (0..).step_by(usize::try_from(every).unwrap_or(1)).zip(states) {
            let (state, news) = Notified::see(before, status, floor, at(second));
            all.extend(news.map(|news| (second, status, news)));
            before = Some(state);
        }
        all
    }

    const WEEK: usize = 7 * 86_400 / 30;

    #[test]
    fn a_week_of_going_to_and_fro_is_told_a_bounded_number_of_times_whatever_its_rhythm() {
        // Looks in one state: from every look another to half a day.
        for steps in [1, 2, 3, 4, 5, 9, 17, 20, 33, 65, 119, 121, 240, 480, 1_440] {
            let flapping = (0..WEEK).map(|n| if n / steps % 2 == 0 { Status::Ok } else { Status::Unreachable });
            let end = std::iter::repeat_n(Status::Unreachable, 121 + 2);
            let told = played(flapping.chain(end), 30, Floor::Degraded);
            let changes = WEEK / steps;
            assert!(told.len() <= 7 * 32 && told.len() <= changes + 1, "{steps}: {} of {changes}", told.len());
            assert!(steps > 17 || told.len() <= 7 * 8, "{steps}: {}", told.len());
            let first = told.first().map(|(at, status, news)| (*at, *status, news.from, news.settled));
            let began = i64::try_from(steps).unwrap_or(0) * 30;
            assert_eq!(first, Some((began, Status::Unreachable, Some(Status::Ok), false)), "{steps}");
            assert_eq!(told.last().map(|(_, status, _)| *status), Some(Status::Unreachable), "{steps}: it stays down");
            // One after the other, each from what was told before.
            for pair in told.windows(2) {
                let [one, two] = pair else { continue };
                assert_eq!(two.2.from, Some(one.1));
            }
        }
    }

    #[test]
    fn three_changes_are_told_at_once_and_the_rest_when_they_have_lasted() {
        let states =
            [Status::Ok, Status::Offline, Status::Ok, Status::Offline, Status::Ok, Status::Offline, Status::Ok];
        let told = played(states.into_iter().chain(std::iter::repeat_n(Status::Ok, 30)), 10, Floor::Degraded);
        let times: Vec<_> =
            told.iter().map(|(at, status, news)| (*at, *status, news.settled, news.held_back)).collect();
        assert_eq!(
            times,
            [
                (10, Status::Offline, false, 0),
                (20, Status::Ok, false, 0),
                (30, Status::Offline, false, 0),
                (180, Status::Ok, true, 2)
            ]
        );
    }

    #[test]
    fn a_definition_is_told_once_and_ever_new_ones_less_and_less_often() {
        let mut before = None;
        let mut told = Vec::new();
        // The same one for an hour, then another one at each look of a day.
        let looks =
            (0..120).map(|n| (n * 30, "a".to_owned())).chain((0..2_400).map(|n| (7_200 + n * 30, format!("{n}"))));
        for (second, digest) in looks {
            let (state, tell) = NotifiedChange::see(before, &digest, at(second));
            before = Some(state);
            if tell {
                told.push(second);
            }
        }
        assert_eq!(told, [0, 7_200, 7_230], "what does not stay is not told");
        let (state, tell) = NotifiedChange::see(before, "last", at(80_000));
        assert!(!tell && state.is_recent(at(90_000)) && !state.is_recent(at(200_000)));
        assert!(NotifiedChange::see(Some(state), "last", at(80_121)).1, "what stays is");
    }

    #[test]
    fn unknown_and_ok_are_the_same_to_whoever_is_told() {
        let states = [Status::Unknown, Status::Ok, Status::Unknown, Status::Degraded, Status::Unknown, Status::Ok];
        let told: Vec<_> = played(states.into_iter(), 30, Floor::Degraded)
            .into_iter()
            .map(|(at, status, news)| (at, news.from, status))
            .collect();
        assert_eq!(
            told,
            [(90, Some(Status::Unknown), Status::Degraded), (120, Some(Status::Degraded), Status::Unknown),]
        );
    }

    #[test]
    fn with_a_floor_only_what_is_down_and_back_is_told() {
        let states = [Status::Degraded, Status::Ok, Status::RateLimited, Status::Offline, Status::Degraded, Status::Ok];
        let told: Vec<_> = played(states.into_iter(), 30, Floor::Offline)
            .into_iter()
            .map(|(_, status, news)| (news.from, status))
            .collect();
        assert_eq!(told, [(Some(Status::RateLimited), Status::Offline), (Some(Status::Offline), Status::Degraded)]);
        assert_eq!(
            played([Status::Offline].into_iter(), 30, Floor::Offline).len(),
            1,
            "down at the first look is news"
        );
        assert_eq!(played([Status::Degraded].into_iter(), 30, Floor::Offline).len(), 0);
    }

    #[test]
    fn a_clock_that_jumps_holds_nothing_back_for_longer_than_an_hour() {
        let (mut state, _) = Notified::see(None, Status::Ok, Floor::Degraded, at(0));
        for n in 0..6 {
            let status = if n % 2 == 0 { Status::Offline } else { Status::Ok };
            state = Notified::see(Some(state), status, Floor::Degraded, at(50 * 365 * 86_400 + n)).0;
        }
        let mut told = None;
        for minute in 0..=61 {
            let (next, news) = Notified::see(Some(state), Status::Ok, Floor::Degraded, at(minute * 60));
            state = next;
            told = told.or(news);
        }
        assert!(told.is_some_and(|news| news.from == Some(Status::Offline)));
    }
}
