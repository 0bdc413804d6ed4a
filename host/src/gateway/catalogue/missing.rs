//! Names that were looked for and are not in the catalogue.
//! Takes names, and how often the gateway announced another list; says of a name that it is still missing. For some seconds, so that a
//! model that invents names does not make a request for each, and never beyond a change that the gateway announced.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::sync::Mutex;

/// For how long a name that was not in the list is taken to be still not there.
const MISSING: Duration = Duration::from_secs(5);
/// Names that are remembered.
const MOST: usize = 1_000;

/// Names that the last catalogue did not have.
#[derive(Default)]
pub(super) struct Missing {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    names: HashMap<String, Instant>,
    /// As many changes as the gateway had announced before the last reading.
    changes: u64,
}

impl Missing {
    /// A catalogue was read; before that, so many changes were announced.
    pub(super) fn listed(&self, changes: u64) {
        let mut state = self.state.lock();
        if state.changes != changes {
            state.changes = changes;
            state.names.clear();
        }
    }

    /// It does not have this name.
    pub(super) fn note(&self, name: &str) {
        let mut state = self.state.lock();
        state.names.retain(|_, at| at.elapsed() < MISSING);
        if state.names.len() < MOST {
            state.names.insert(name.to_owned(), Instant::now());
        }
    }

    /// Whether it is taken to be still missing, now that so many changes are announced.
    pub(super) fn has(&self, name: &str, changes: u64) -> bool {
        let state = self.state.lock();
        state.changes == changes && state.names.get(name).is_some_and(|at| at.elapsed() < MISSING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_missing_until_the_gateway_announces_another_list() {
        let missing = Missing::default();
        missing.listed(0);
        assert!(!missing.has("a", 0));
        missing.note("a");
        assert!(missing.has("a", 0) && !missing.has("b", 0));
        // Listed again, and nothing has changed.
        missing.listed(0);
        assert!(missing.has("a", 0));
        assert!(!missing.has("a", 1), "nobody has looked since");
        missing.listed(1);
        assert!(!missing.has("a", 1));
    }

    #[test]
    fn a_name_is_missing_for_some_seconds_only() {
        let missing = Missing::default();
        missing.note("a");
        let before = Instant::now().checked_sub(MISSING);
        missing.state.lock().names.values_mut().zip(before).for_each(|(at, before)| *at = before);
        assert!(!missing.has("a", 0));
        missing.note("b");
        assert_eq!(missing.state.lock().names.len(), 1, "and is forgotten then");
    }

    #[test]
    fn names_without_end_fill_no_memory() {
        let missing = Missing::default();
        (0..=MOST).for_each(|number| missing.note(&number.to_string()));
        assert_eq!(missing.state.lock().names.len(), MOST);
    }
}
