//! Keeps looking at gateways, side by side.
//! Takes gateways and an interval; gives every report as it comes, with what changed. Ends when nobody listens any more.

use std::time::Duration;

use tokio::{sync::mpsc, task::JoinSet};

use super::pace::{Pace, die};
use crate::{
    Gateway,
    history::{Looker, Transition},
    report::GatewayHealth,
};

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
    updates: mpsc::Receiver<Update>,
    /// Aborted when dropped.
    _looks: JoinSet<()>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Watch {
    /// Begins to watch; the first look is at once.
    #[must_use]
    pub fn start(gateways: Vec<Gateway>, looker: &Looker, every: Duration) -> Self {
        let (sender, updates) = mpsc::channel(64);
        let mut looks = JoinSet::new();
        for gateway in gateways {
            let (sender, looker, mut pace) = (sender.clone(), looker.clone(), Pace::new(every));
            looks.spawn(async move {
                loop {
                    let (health, transitions) = looker.look(&gateway).await;
                    let next = pace.next(&health, die());
                    if sender.send(Update { health, transitions, next }).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(next).await;
                }
            });
        }
        Self { updates, _looks: looks }
    }

    /// The next report. None when there is no gateway to watch.
    pub async fn next(&mut self) -> Option<Update> {
        self.updates.recv().await
    }
}
