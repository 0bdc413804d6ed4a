//! Keeps looking at gateways, side by side.
//! Takes gateways and an interval; gives every report as it comes, with what changed. Ends when nobody listens any more.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

use super::pace::Pace;
use crate::{Gateway, health::Looker, history::Transition, jitter, report::GatewayHealth};

/// One look.
#[derive(Clone, Debug)]
pub struct Update {
    /// What was seen, judged.
    pub health: GatewayHealth,
    /// What changed.
    pub transitions: Vec<Transition>,
    /// When this gateway is looked at next.
    pub next: Duration,
}

/// All gateways being watched. Dropping it ends the watch.
pub struct Watch {
    looker: Looker,
    every: Duration,
    sender: mpsc::Sender<Update>,
    updates: mpsc::Receiver<Update>,
    /// Aborted when dropped.
    looks: JoinSet<()>,
    by_name: BTreeMap<String, AbortHandle>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("gateways", &self.by_name.keys()).finish_non_exhaustive()
    }
}

impl Watch {
    /// Begins to watch; the first look is at once.
    #[must_use]
    pub fn start(gateways: Vec<Gateway>, looker: &Looker, every: Duration) -> Self {
        let (sender, updates) = mpsc::channel(64);
        let (looks, by_name) = (JoinSet::new(), BTreeMap::new());
        let mut watch = Self { looker: looker.clone(), every, sender, updates, looks, by_name };
        for gateway in gateways {
            watch.add(gateway);
        }
        watch
    }

    /// Watches this one too, instead of the one that had its name.
    pub fn add(&mut self, gateway: Gateway) {
        let name = gateway.config().name.clone();
        self.remove(&name);
        let (sender, looker, mut pace) = (self.sender.clone(), self.looker.clone(), Pace::new(self.every));
        let handle = self.looks.spawn(async move {
            loop {
                let (health, transitions) = looker.look_whatever_happens(&gateway).await;
                let next = pace.next(&health, jitter::fraction());
                if sender.send(Update { health, transitions, next }).await.is_err() {
                    return;
                }
                tokio::time::sleep(next).await;
            }
        });
        self.by_name.insert(name, handle);
    }

    /// Watches the gateway of this name no more. A report of it may still be on its way.
    pub fn remove(&mut self, name: &str) {
        if let Some(handle) = self.by_name.remove(name) {
            handle.abort();
        }
        while self.looks.try_join_next().is_some() {}
    }

    /// The next report of a gateway that is being watched.
    pub async fn next(&mut self) -> Option<Update> {
        loop {
            let update = self.updates.recv().await?;
            if self.by_name.contains_key(&update.health.gateway) {
                return Some(update);
            }
        }
    }
}
