//! The tools of one gateway, as they were listed last.
//! Takes what the component lists; gives a [`Listed`] that never changes, with the filter's verdicts and how its tools stand to what was
//! accepted. Never reads twice for those who miss a name at the same time, nor again for a name that was just not there.

mod accepted;
mod declared;
mod identity;
mod listed;
mod memory;
mod missing;
mod newest;
mod reading;
mod standings;
#[cfg(test)]
mod testing;
mod words;

use std::sync::Arc;

use self::{accepted::AcceptedTools, identity::Identities, memory::Memory, missing::Missing, newest::Newest};
pub(in crate::gateway) use self::{listed::Listed, memory::tools_of};
use super::{
    attempt::Attempts, background::Background, current::Current, events::Events, instances::Instances, peer::Peer,
};
use crate::{Deadline, Result, history::Gone, report, sync::Mutex};

/// The catalogue of one gateway.
pub(super) struct Catalogue {
    peer: Arc<Peer>,
    events: Arc<Events>,
    current: Arc<Current>,
    instances: Arc<Instances>,
    attempts: Arc<Attempts>,
    /// The last one that was read.
    listed: Mutex<Option<Arc<Listed>>>,
    newest: Newest<Arc<Listed>>,
    missing: Missing,
    identities: Identities,
    memory: Memory,
    accepted: Arc<AcceptedTools>,
}

impl Catalogue {
    pub(super) fn new(
        peer: Arc<Peer>,
        events: Arc<Events>,
        background: Arc<Background>,
        current: Arc<Current>,
        instances: Arc<Instances>,
        attempts: Arc<Attempts>,
    ) -> Self {
        Self {
            listed: Mutex::default(),
            newest: Newest::default(),
            missing: Missing::default(),
            identities: Identities::default(),
            memory: Memory::new(Arc::clone(&peer), Arc::clone(&background)),
            accepted: Arc::new(AcceptedTools::of(peer.config(), background)),
            peer,
            events,
            current,
            instances,
            attempts,
        }
    }

    /// The last one that was read, unless its component was put out since.
    pub(super) fn listed(&self) -> Option<Arc<Listed>> {
        let serving = self.current.serving().number;
        self.listed.lock().clone().filter(|listed| listed.component >= serving)
    }

    /// What another component read that takes over with this number.
    pub(super) fn adopt(&self, listed: Option<Listed>, number: u64) {
        *self.listed.lock() = listed.map(|listed| Arc::new(Listed { component: number, ..listed }));
    }

    /// Reads it and applies the gateway's own filter. Tries again when the session or the credential was lost. A complete one is remembered.
    pub(super) async fn list(&self, by: Deadline) -> Result<Arc<Listed>> {
        let listed = self.list_to_judge(by).await?;
        self.memory.keep(&listed);
        Ok(listed)
    }

    /// The same, for who compares it with what is remembered.
    pub(super) async fn list_to_judge(&self, by: Deadline) -> Result<Arc<Listed>> {
        let changes = self.events.changes();
        let outcome = self.read_anew(by).await;
        if let Ok(listed) = &outcome {
            self.accepted.keep(listed);
        }
        self.newest.came(&outcome);
        self.missing.listed(changes);
        outcome
    }

    /// The catalogue for a call that misses a name. Those who ask while it is being read share what comes of it.
    pub(super) async fn list_once(&self, by: Deadline) -> Result<Arc<Listed>> {
        match self.newest.shared(by, || self.list(by)).await {
            Some(outcome) => outcome,
            None => Err(self.peer.explain(self.peer.late(by))),
        }
    }

    /// Whether this name was looked for in vain a moment ago, and nothing says that this has changed.
    pub(super) fn is_missing(&self, name: &str) -> bool {
        self.missing.has(name, self.events.changes())
    }

    /// A name that is not in the catalogue that was just read.
    pub(super) fn misses(&self, name: &str) {
        self.missing.note(name);
    }

    /// Whether this name was ever seen with an identity.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.identities.knows(name)
    }

    /// The name that the tool has now which this name meant.
    pub(super) fn renamed(&self, name: &str, listed: &Listed) -> Option<String> {
        self.identities.renamed(name, &listed.catalog).map(|tool| tool.name.clone())
    }

    /// Remembers what the tools of an older catalogue were, so that a name that has changed since is still understood.
    pub(super) fn recall(&self, tools: &[report::Tool]) {
        self.identities.recall(tools);
    }

    /// What is remembered of a tool that is not listed any more.
    pub(super) async fn gone(&self, tool: &str) -> Option<Gone> {
        self.memory.gone(tool).await
    }

    /// Whether something was accepted since this was listed.
    pub(super) async fn was_accepted_since(&self, listed: &Listed) -> bool {
        self.accepted.is_newer_than(&listed.standings).await
    }
}
