//! What was listed last, for when the gateway is away.
//! Takes lists, and writes them while nobody waits for it; gives the last one. Never writes an older list over a newer one, and keeps no more
//! than two of them in memory.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tokio::{sync::watch, task::spawn_blocking};

use super::{Snapshot, Snapshots};
use crate::report::Tools;
use crate::sync::Mutex;

/// Writes snapshots one after the other.
pub(super) struct Keeper(Arc<Inner>);

struct Inner {
    snapshots: Arc<dyn Snapshots>,
    /// What is written next; a newer list takes its place.
    next: Mutex<Option<Tools>>,
    /// Whether something is being written.
    busy: watch::Sender<bool>,
}

impl Keeper {
    pub(super) fn new(snapshots: Arc<dyn Snapshots>) -> Self {
        Self(Arc::new(Inner { snapshots, next: Mutex::default(), busy: watch::Sender::new(false) }))
    }

    /// Keeps this list from now on. Waits for nothing.
    pub(super) fn store(&self, tools: Tools) {
        let mut next = self.0.next.lock();
        *next = Some(tools);
        if !self.0.busy.send_replace(true) {
            let inner = Arc::clone(&self.0);
            spawn_blocking(move || inner.write());
        }
    }

    /// The last list that was kept.
    pub(super) async fn load(&self) -> Option<Snapshot> {
        self.written().await;
        let inner = Arc::clone(&self.0);
        spawn_blocking(move || inner.snapshots.load()).await.ok().flatten()
    }

    /// Waits until everything is written.
    pub(super) async fn written(&self) {
        let _ = self.0.busy.subscribe().wait_for(|busy| !busy).await;
    }
}

impl Inner {
    fn write(&self) {
        loop {
            let tools = {
                let mut next = self.next.lock();
                let Some(tools) = next.take() else {
                    self.busy.send_replace(false);
                    return;
                };
                tools
            };
            // Whoever waits for the end of writing must not wait for one that panicked.
            match catch_unwind(AssertUnwindSafe(|| self.snapshots.store(&tools))) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the snapshot could not be written"),
                Err(_) => tracing::error!("writing the snapshot failed: this is a bug of pflow-gateway"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::{
        io,
        sync::mpsc::{Receiver, channel},
        time::SystemTime,
    };

    use super::*;
    use crate::serve::catalog::catalogue;

    /// Writes when it is let; remembers how many tools each list had.
    struct Slow {
        let_go: Mutex<Receiver<()>>,
        wrote: Mutex<Vec<Tools>>,
    }

    impl Snapshots for Slow {
        fn load(&self) -> Option<Snapshot> {
            let tools = self.wrote.lock().last()?.clone();
            Some(Snapshot { tools, taken: SystemTime::UNIX_EPOCH })
        }

        fn store(&self, tools: &Tools) -> io::Result<()> {
            self.let_go.lock().recv().map_err(io::Error::other)?;
            self.wrote.lock().push(tools.clone());
            Ok(())
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_the_disk_and_of_lists_that_wait_the_newest_is_written() {
        let (go, let_go) = channel();
        let slow = Arc::new(Slow { let_go: Mutex::new(let_go), wrote: Mutex::default() });
        let keeper = Keeper::new(slow.clone());
        let list = |total| Tools { total, ..catalogue(vec![]) };
        keeper.store(list(1));
        // The first is being written.
        while slow.let_go.try_lock().is_some() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        keeper.store(list(2));
        keeper.store(list(3));
        assert!(slow.wrote.lock().is_empty(), "all of that waited for nothing");
        go.send(()).unwrap();
        go.send(()).unwrap();
        assert_eq!(keeper.load().await.unwrap().tools.total, 3);
        let totals: Vec<_> = slow.wrote.lock().iter().map(|tools| tools.total).collect();
        assert_eq!(totals, [1, 3]);
        keeper.store(list(4));
        go.send(()).unwrap();
        keeper.written().await;
        assert_eq!(slow.wrote.lock().last().unwrap().total, 4);
    }
}
