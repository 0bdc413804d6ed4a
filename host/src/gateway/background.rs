//! Work beside the calls: what nobody waits for, but the end of the gateway does.
//! Takes work; does it on other threads. Never lets one that serves calls wait for a file.

use tokio::{runtime::Handle, task::JoinHandle};

use crate::{Class, Deadline, Error, Result, sync::Mutex};

/// What shall be done before the gateway is closed, if that does not take long.
#[derive(Default)]
pub(super) struct Background {
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Background {
    /// Does it beside everything else. Without a runtime the process is ending: then it is not done.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Ok(runtime) = Handle::try_current() {
            self.keep(runtime.spawn(work));
        }
    }

    /// The same, of work that blocks its thread.
    pub(super) fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        if let Ok(runtime) = Handle::try_current() {
            self.keep(runtime.spawn_blocking(work));
        }
    }

    fn keep(&self, task: JoinHandle<()>) {
        let mut tasks = self.tasks.lock();
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }

    /// Waits until all of it is done.
    pub(super) async fn finish(&self, by: Deadline) {
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            let _ = by.bound(task).await;
        }
    }
}

/// Files may be slow, or locked: nothing that serves calls waits for them.
pub(super) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::new(Class::Internal, "reading files was cut short").because(error))
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    };

    use super::*;

    #[tokio::test]
    async fn the_end_waits_for_what_is_done_beside_it_but_not_for_ever() {
        let (background, done) = (Background::default(), Arc::new(AtomicBool::new(false)));
        let tell = Arc::clone(&done);
        background.spawn(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            tell.store(true, Ordering::Relaxed);
        });
        background.finish(Deadline::within(Duration::from_mins(1))).await;
        assert!(done.load(Ordering::Relaxed));
        background.spawn(std::future::pending());
        background.finish(Deadline::within(Duration::from_millis(20))).await;
    }
}
