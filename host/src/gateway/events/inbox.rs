//! What components tell while requests run.
//! Takes it by the tokens of calls; hands it to whoever listens. Never to another call's listener.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::Listener;
use crate::runtime::Events;
use crate::sync::Mutex;

/// Takes what the component reports, and hands it to whoever waits.
#[derive(Default)]
pub(super) struct Inbox {
    listeners: Mutex<HashMap<u32, Arc<Listener>>>,
    changes: AtomicU64,
}

impl Inbox {
    pub(super) fn listen(&self, token: u32, listener: Arc<Listener>) {
        self.listeners.lock().insert(token, listener);
    }

    pub(super) fn leave(&self, token: u32) {
        self.listeners.lock().remove(&token);
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }
}

impl Events for Inbox {
    fn progress(&self, token: u32, progress: f64, total: Option<f64>, message: Option<String>) {
        let listener = self.listeners.lock().get(&token).cloned();
        if let Some(listener) = listener {
            listener.progress(progress, total, message);
        }
    }

    fn message(&self, token: Option<u32>, level: String, logger: Option<String>, data: String) {
        // One that came with no call's answer is for everybody who waits.
        let listeners: Vec<_> = match token {
            Some(token) => self.listeners.lock().get(&token).cloned().into_iter().collect(),
            None => self.listeners.lock().values().cloned().collect(),
        };
        for listener in listeners {
            listener.message(level.clone(), logger.clone(), &data);
        }
    }

    fn tools_changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn each_listener_hears_of_its_own_call_and_all_hear_what_belongs_to_none() {
        let inbox = Inbox::default();
        let (tell, told) = mpsc::channel();
        for token in [1, 2] {
            let (of_progress, of_message) = (tell.clone(), tell.clone());
            let listener = Listener::new(
                Some(Box::new(move |progress, _, _| drop(of_progress.send(format!("{token}: {progress}"))))),
                Some(Box::new(move |level, _, data| drop(of_message.send(format!("{token}: {level} {data}"))))),
            );
            inbox.listen(token, Arc::new(listener));
        }
        let heard = || {
            let mut all: Vec<String> = told.try_iter().collect();
            all.sort();
            all
        };
        inbox.progress(1, 0.5, None, None);
        inbox.progress(3, 0.5, None, None);
        assert_eq!(heard(), ["1: 0.5"]);
        inbox.message(Some(2), "info".to_owned(), None, "{}".to_owned());
        assert_eq!(heard(), ["2: info {}"]);
        inbox.message(None, "info".to_owned(), None, "7".to_owned());
        assert_eq!(heard(), ["1: info 7", "2: info 7"]);
        inbox.leave(1);
        inbox.message(None, "info".to_owned(), None, "8".to_owned());
        inbox.progress(1, 0.5, None, None);
        assert_eq!(heard(), ["2: info 8"]);
    }
}
