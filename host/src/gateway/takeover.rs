//! Trying a component that was chosen, letting it take over, and putting it out again.
//! Takes what [`Current`](super::current::Current) decides; does what it takes with conversations. Says on the log what it did and why.

use std::sync::Arc;

use super::{
    catalogue::{Catalogue, Listed},
    current::{Choice, Current, Fault, Serving, fault, load},
    events::Events,
    instances::Instances,
    peer::Peer,
};
use crate::{Class, Deadline, Error, Result, runtime::Runtime};

/// Where a component that was chosen is tried.
pub(super) struct Takeover {
    peer: Arc<Peer>,
    events: Arc<Events>,
    current: Arc<Current>,
    instances: Arc<Instances>,
    catalogue: Arc<Catalogue>,
}

impl Takeover {
    pub(super) fn new(
        peer: Arc<Peer>,
        events: Arc<Events>,
        current: Arc<Current>,
        instances: Arc<Instances>,
        catalogue: Arc<Catalogue>,
    ) -> Self {
        Self { peer, events, current, instances, catalogue }
    }

    /// Whether another component was chosen; if so, tries it beside everything else.
    pub(super) fn look(self: &Arc<Self>) {
        // Without a runtime there is no beside.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !self.current.due() {
            return;
        }
        let this = Arc::clone(self);
        drop(runtime.spawn(async move {
            let current = Arc::clone(&this.current);
            // A small file, but on somebody's network drive.
            let chosen = tokio::task::spawn_blocking(move || current.chosen());
            if let Ok(Some(choice)) = chosen.await {
                Trial { place: this, choice: Some(choice) }.run().await;
            }
        }));
    }

    /// The component of a choice, and the catalogue that it read. None: nobody can read it now, which is not its fault.
    async fn try_out(&self, choice: &Choice) -> Result<(Arc<Runtime>, Option<Listed>)> {
        let runtime = load(choice, self.peer.config()).await?;
        let candidate = Serving::tried(Arc::clone(&runtime));
        let by = || Deadline::within(self.peer.config().timeout);
        let failure = match self.catalogue.read_on(&candidate, by()).await {
            Ok(listed) => return self.compared(listed).await.map(|listed| (runtime, Some(listed))),
            Err(failure) => failure,
        };
        // The gateway's failure, or the component's? The one in use can tell.
        if fault(&failure) != Fault::Component && self.catalogue.read_on(&self.current.serving(), by()).await.is_err() {
            return Ok((runtime, None));
        }
        Err(self.peer.explain(failure))
    }

    /// A new component's catalogue, unless the one in use sees much more: tools are the gateway's, whoever lists them.
    async fn compared(&self, listed: Listed) -> Result<Listed> {
        let few = |before: &Listed| {
            let kept = before.by_name.keys().filter(|name| listed.by_name.contains_key(*name)).count();
            (kept * 2 < before.by_name.len()).then_some((kept, before.by_name.len()))
        };
        if self.catalogue.listed().is_none_or(|before| few(&before).is_none()) {
            return Ok(listed);
        }
        // They may have gone meanwhile.
        let by = Deadline::within(self.peer.config().timeout);
        match self.catalogue.read_on(&self.current.serving(), by).await.ok().and_then(|before| few(&before)) {
            Some((kept, all)) => {
                Err(Error::new(Class::Component, format!("of the {all} tools that the gateway has, it lists {kept}")))
            }
            None => Ok(listed),
        }
    }
}

/// Trying a component that was chosen. Dropped in the middle, the choice is free again.
struct Trial {
    place: Arc<Takeover>,
    choice: Option<Choice>,
}

impl Drop for Trial {
    fn drop(&mut self) {
        if self.choice.is_some() {
            self.place.current.abandon();
        }
    }
}

impl Trial {
    async fn run(mut self) {
        let Some(choice) = self.choice.clone() else { return };
        let (place, gateway) = (Arc::clone(&self.place), self.place.peer.config().name.clone());
        tracing::debug!(%gateway, "trying {choice}");
        let outcome = place.try_out(&choice).await;
        self.choice = None;
        match outcome {
            Ok((runtime, listed)) => {
                place.current.take_over(choice.clone(), runtime, |number| place.catalogue.adopt(listed, number));
                place.instances.forget_idle();
                // Another component may see other tools, or other services.
                place.events.tools_changed();
                tracing::info!(%gateway, "{choice} answers from now on");
            }
            Err(error) => {
                let serving = place.current.serving();
                tracing::warn!(
                    %gateway,
                    "{choice} was chosen and does not work: {}; {} goes on", error.message, serving.runtime.source(),
                );
                place.current.refuse(choice);
            }
        }
    }
}
