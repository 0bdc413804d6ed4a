//! A gateway whose calls are remembered: the history hears of each, and failures are told with what it knows.
//! Takes calls and their results; gives them on. Never makes a good answer wait for the disk, and does not write each good call down by itself:
//! there may be thousands in a second.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::task::spawn_blocking;

use super::upstream::Upstream;
use crate::{
    CallOptions, Error, LeftRunning, Result,
    gateway::status_of,
    history::{CallResult, History, Moment, Stale},
    json::Json,
    report, scrub,
    sync::Mutex,
};

/// Good calls of a service that come within so long are written down as one.
const TOGETHER: Duration = Duration::from_millis(100);

/// A gateway whose calls are remembered, and whose failures are told with what is known of the service.
#[derive(Clone)]
pub(super) struct Remembered<U> {
    upstream: U,
    history: History,
    written: Arc<Written>,
}

impl<U> Remembered<U> {
    pub(super) fn new(upstream: U, history: History) -> Self {
        Self { upstream, history, written: Arc::default() }
    }
}

/// The services of which a good call was written down a moment ago.
#[derive(Default)]
struct Written(Mutex<HashMap<String, Arc<AtomicBool>>>);

impl Written {
    /// A good call. Some: it is to be written down now, and set is what came after it. None: it will be, by who writes for this service.
    fn good(&self, service: &str) -> Option<Arc<AtomicBool>> {
        let mut services = self.0.lock();
        if let Some(more) = services.get(service) {
            more.store(true, Ordering::Relaxed);
            return None;
        }
        let more = Arc::<AtomicBool>::default();
        services.insert(service.to_owned(), Arc::clone(&more));
        Some(more)
    }

    /// A failed one: what was good before it is no news any more, and what is good after it is.
    fn failed(&self, service: &str) {
        self.0.lock().remove(service);
    }

    /// A moment has passed. Whether there was a good call meanwhile.
    fn again(&self, service: &str, more: &Arc<AtomicBool>) -> bool {
        let mut services = self.0.lock();
        if !services.get(service).is_some_and(|known| Arc::ptr_eq(known, more)) {
            return false;
        }
        let again = more.swap(false, Ordering::Relaxed);
        if !again {
            services.remove(service);
        }
        again
    }

    /// The services with good calls that are not written down.
    fn left(&self) -> Vec<String> {
        let mut services = self.0.lock();
        let left = services.drain().filter(|(_, more)| more.load(Ordering::Relaxed));
        left.map(|(service, _)| service).collect()
    }
}

/// Writes a good call down, and those that follow it together, until there are none for a moment.
async fn write_down(history: History, written: Arc<Written>, gateway: String, service: String, more: Arc<AtomicBool>) {
    loop {
        let one = (history.clone(), gateway.clone(), service.clone());
        let _ = spawn_blocking(move || one.0.record_call(&one.1, &one.2, &CallResult::Answered, Moment::now())).await;
        tokio::time::sleep(TOGETHER).await;
        if !written.again(&service, &more) {
            return;
        }
    }
}

impl<U: Upstream> Upstream for Remembered<U> {
    fn name(&self) -> &str {
        self.upstream.name()
    }

    fn url(&self) -> String {
        self.upstream.url()
    }

    fn changes(&self) -> u64 {
        self.upstream.changes()
    }

    fn timeout(&self) -> Duration {
        self.upstream.timeout()
    }

    fn change_of(&self, tool: &str) -> Option<String> {
        self.upstream.change_of(tool)
    }

    fn request_limit(&self) -> u64 {
        self.upstream.request_limit()
    }

    fn refresh(&self) -> Option<Duration> {
        self.upstream.refresh()
    }

    fn shown_stale(&self, taken: SystemTime, tools: usize, error: &Error) {
        let taken = taken.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let taken = Moment::from_millis(i64::try_from(taken).unwrap_or_default());
        let stale = Stale { at: Moment::now(), taken, tools, status: status_of(error.class) };
        self.history.record_stale(self.name(), stale);
    }

    async fn tools(&self) -> Result<report::Tools> {
        self.upstream.tools().await
    }

    fn known_tools(&self) -> Option<report::Tools> {
        self.upstream.known_tools()
    }

    async fn call(&self, tool: &str, arguments: Json, options: CallOptions) -> report::Call {
        let mut report = self.upstream.call(tool, arguments, options).await;
        let Some((service, result)) = CallResult::of(&report) else {
            return report;
        };
        let (history, gateway) = (self.history.clone(), self.name().to_owned());
        // A good answer does not wait for the disk; a failure does, to be told with since when.
        if result == CallResult::Answered {
            if let Some(more) = self.written.good(&service) {
                tokio::spawn(write_down(history, Arc::clone(&self.written), gateway, service, more));
            }
            return report;
        }
        self.written.failed(&service);
        let remembered = spawn_blocking(move || {
            history.record_call(&gateway, &service, &result, Moment::now());
            history.last_service(&gateway, &service, Moment::now())
        });
        if let Ok(Some(last)) = remembered.await
            && let Some(error) = &mut report.error
        {
            let name = scrub::line(&last.name, 100);
            let _ = write!(error.message, " ({name}: {} since {})", last.status, last.since.rfc3339());
        }
        report
    }

    async fn close(&self) {
        let (history, gateway, left) = (self.history.clone(), self.name().to_owned(), self.written.left());
        let written = spawn_blocking(move || {
            for service in left {
                history.record_call(&gateway, &service, &CallResult::Answered, Moment::now());
            }
        });
        let ((), _) = tokio::join!(self.upstream.close(), written);
    }

    fn left_running(&self) -> Vec<LeftRunning> {
        self.upstream.left_running()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_calls_in_a_row_are_written_down_together_and_none_is_forgotten() {
        let written = Written::default();
        let Some(more) = written.good("github") else { unreachable!("the first one is written down at once") };
        assert!(written.good("slack").is_some(), "another service is another matter");
        for _ in 0..3 {
            assert!(written.good("github").is_none(), "it will be");
        }
        assert!(written.again("github", &more), "now");
        assert!(!written.again("github", &more), "none came since");
        assert!(written.good("github").is_some(), "at once again");
    }

    #[test]
    fn a_failed_call_makes_the_next_good_one_news_and_the_one_before_it_none() {
        let written = Written::default();
        let Some(before) = written.good("github") else { unreachable!("the first one") };
        assert!(written.good("github").is_none());
        written.failed("github");
        assert!(written.left().is_empty(), "what failed is newer");
        assert!(written.good("github").is_some(), "at once");
        assert!(!written.again("github", &before), "somebody else writes for it now");
        assert!(written.good("github").is_none(), "and goes on to");
    }

    #[test]
    fn what_is_not_written_down_at_the_end_is_known() {
        let written = Written::default();
        for service in ["github", "slack", "github"] {
            let _ = written.good(service);
        }
        assert_eq!(written.left(), ["github"]);
        assert!(written.left().is_empty(), "once");
    }
}
