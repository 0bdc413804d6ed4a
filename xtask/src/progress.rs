//! How far a task is, and about how long the rest will take.
//! Takes the steps of a task, and each step as it begins; prints its number and an estimate, and keeps how long it took. An estimate is the time that
//! the step took here the last time, or before that what it took from nothing on two idle cores; never a promise.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::shell::{say, target};

/// A step, and how many seconds it takes from nothing on two idle cores.
pub(crate) type Step = (&'static str, u64);

/// Under the target folder: seconds by step, of the last time each was played.
const KEPT: &str = "durations.json";

static TASK: Mutex<Option<Task>> = Mutex::new(None);

/// From now on steps are those of this task. In a task that is under way they stay that one's.
pub(crate) fn begin(steps: &[Step]) {
    let mut task = TASK.lock().unwrap_or_else(PoisonError::into_inner);
    if task.is_none() {
        let kept = fs::read(target().join(KEPT)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        *task = Some(Task::new(steps, kept.unwrap_or_default()));
    }
}

/// A step begins, and the one before it has ended. One that the task does not have is only named.
pub(crate) fn step(name: &str) {
    let mut task = TASK.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(task) = task.as_mut() else { return say(name) };
    task.ended(Instant::now());
    keep(&task.kept);
    say(task.begins(name, Instant::now()));
}

/// The last step has ended well.
pub(crate) fn end() {
    if let Some(mut task) = TASK.lock().unwrap_or_else(PoisonError::into_inner).take() {
        task.ended(Instant::now());
        keep(&task.kept);
    }
}

/// Estimates are a comfort: where they cannot be kept, nothing else suffers.
fn keep(kept: &BTreeMap<String, u64>) {
    if let Ok(text) = serde_json::to_string_pretty(kept) {
        let _ = fs::create_dir_all(target()).and_then(|()| fs::write(target().join(KEPT), text));
    }
}

struct Task {
    steps: Vec<Step>,
    /// Seconds, by the name of the step.
    kept: BTreeMap<String, u64>,
    /// The number of the step that is played, from 1.
    at: usize,
    playing: Option<(String, Instant)>,
}

impl Task {
    fn new(steps: &[Step], kept: BTreeMap<String, u64>) -> Self {
        Self { steps: steps.to_vec(), kept, at: 0, playing: None }
    }

    fn ended(&mut self, now: Instant) {
        if let Some((name, since)) = self.playing.take() {
            self.kept.insert(name, now.saturating_duration_since(since).as_secs());
        }
    }

    /// The line to say.
    fn begins(&mut self, name: &str, now: Instant) -> String {
        let ahead = self.steps.get(self.at..).unwrap_or_default();
        let Some(further) = ahead.iter().position(|(step, _)| *step == name) else { return name.to_owned() };
        self.at = self.at.saturating_add(further).saturating_add(1);
        self.playing = Some((name.to_owned(), now));
        let seconds = |(step, usual): &Step| self.kept.get(*step).copied().unwrap_or(*usual);
        let rest: u64 = self.steps.iter().skip(self.at.saturating_sub(1)).map(seconds).sum();
        let own = self.steps.get(self.at.saturating_sub(1)).map_or(0, seconds);
        let (number, all) = (self.at, self.steps.len());
        let estimate = match (own, rest) {
            (_, 0) => String::new(),
            (own, rest) if own == rest => format!(" (about {})", span(own)),
            (0, rest) => format!(" (to the end about {})", span(rest)),
            (own, rest) => format!(" (about {}; to the end {})", span(own), span(rest)),
        };
        format!("{number}/{all} {name}{estimate}")
    }
}

/// `40 s`, `6 min`: no more precise than an estimate is.
fn span(seconds: u64) -> String {
    match Duration::from_secs(seconds).as_secs() {
        short @ 0..90 => format!("{} s", short.max(1)),
        long => format!("{} min", long.saturating_add(30) / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_told_with_its_number_and_what_it_took_the_last_time_or_takes_usually() {
        let kept = BTreeMap::from([("build".to_owned(), 200), ("elsewhere".to_owned(), 7)]);
        let mut task = Task::new(&[("format", 2), ("build", 400), ("test", 30)], kept);
        let start = Instant::now();
        assert_eq!(task.begins("format", start), "1/3 format (about 2 s; to the end 4 min)");
        task.ended(start + Duration::from_secs(3));
        assert_eq!(task.begins("build", start), "2/3 build (about 3 min; to the end 4 min)");
        assert_eq!(task.begins("a word", start), "a word", "it is none of the task's steps");
        task.ended(start + Duration::from_secs(100));
        assert_eq!(task.begins("test", start), "3/3 test (about 30 s)");
        task.ended(start + Duration::from_millis(300));
        let kept = [("build", 100), ("elsewhere", 7), ("format", 3), ("test", 0)];
        assert_eq!(task.kept, kept.map(|(name, took)| (name.to_owned(), took)).into());
    }

    #[test]
    fn a_step_that_is_left_out_counts_as_played() {
        let mut task = Task::new(&[("a", 60), ("b", 60), ("c", 0)], BTreeMap::new());
        assert_eq!(task.begins("b", Instant::now()), "2/3 b (about 60 s)");
        assert_eq!(task.begins("a", Instant::now()), "a", "it does not go back");
        assert_eq!(task.begins("c", Instant::now()), "3/3 c");
    }
}
