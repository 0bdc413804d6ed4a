//! Trying a component that was chosen, letting it take over, and putting it out again.
//! Takes what [`Current`](super::current::Current) decides; does what it takes with conversations. Says on the log what it did and why.

use std::sync::Arc;

use super::{
    current::{Choice, Fault, Serving, fault, load},
    pool::{Listed, Pool},
};
use crate::{
    Class, Deadline, Error, Result,
    runtime::{Events as _, Failure, Runtime},
};

impl Pool {
    /// Whether another component was chosen; if so, tries it beside everything else.
    pub(super) fn look(&self) {
        // Without a runtime there is no beside.
        let (Ok(runtime), Some(pool)) = (tokio::runtime::Handle::try_current(), self.me.upgrade()) else { return };
        if !self.current.due(self.config()) {
            return;
        }
        drop(runtime.spawn(async move {
            let looking = Arc::clone(&pool);
            // A small file, but on somebody's network drive.
            let chosen = tokio::task::spawn_blocking(move || looking.current.chosen(looking.config()));
            if let Ok(Some(choice)) = chosen.await {
                Trial { pool, choice: Some(choice) }.run().await;
            }
        }));
    }

    /// The component of a choice, and the catalogue that it read. None: nobody can read it now, which is not its fault.
    async fn try_out(&self, choice: &Choice) -> Result<(Arc<Runtime>, Option<Listed>)> {
        let runtime = load(choice, self.config()).await?;
        // Its conversation is given back to nobody: no component has this number.
        let candidate = Serving { runtime: Arc::clone(&runtime), number: u64::MAX };
        let by = || Deadline::within(self.config().timeout);
        let failure = match self.read_on(&candidate, by()).await {
            Ok(listed) => return self.compared(listed).await.map(|listed| (runtime, Some(listed))),
            Err(failure) => failure,
        };
        // The gateway's failure, or the component's? The one in use can tell.
        if fault(&failure) != Fault::Component && self.read_on(&self.current.serving(), by()).await.is_err() {
            return Ok((runtime, None));
        }
        Err(self.explain(failure))
    }

    /// A new component's catalogue, unless the one in use sees much more: tools are the gateway's, whoever lists them.
    async fn compared(&self, listed: Listed) -> Result<Listed> {
        let few = |before: &Listed| {
            let kept = before.by_name.keys().filter(|name| listed.by_name.contains_key(*name)).count();
            (kept * 2 < before.by_name.len()).then_some((kept, before.by_name.len()))
        };
        if self.listed().is_none_or(|before| few(&before).is_none()) {
            return Ok(listed);
        }
        // They may have gone meanwhile.
        let by = Deadline::within(self.config().timeout);
        match self.read_on(&self.current.serving(), by).await.ok().and_then(|before| few(&before)) {
            Some((kept, all)) => {
                Err(Error::new(Class::Component, format!("of the {all} tools that the gateway has, it lists {kept}")))
            }
            None => Ok(listed),
        }
    }

    /// What became of a call on the component of this number. True: another one answers now, and the failure was this one's.
    pub(super) fn put_out(&self, component: u64, failure: &Failure) -> bool {
        if let Some(choice) = self.current.failed(component, failure) {
            let why = match failure {
                Failure::Host(error) => error.message.clone(),
                Failure::Gateway(..) => "it makes nothing of the gateway's answers".to_owned(),
            };
            tracing::warn!(
                gateway = %self.config().name,
                "rolled back: {choice} failed in its first calls ({why}); {} answers again. `component use` tries another, \
                 `component reset` goes back for good",
                self.current.serving().runtime.source(),
            );
            self.shared().catalog = None;
            self.inbox().tools_changed();
        }
        fault(failure) == Fault::Component && self.current.serving().number != component
    }

    /// A call on the component of this number was answered.
    pub(super) fn answered(&self, component: u64) {
        self.current.answered(component);
    }
}

/// Trying a component that was chosen. Dropped in the middle, the choice is free again.
struct Trial {
    pool: Arc<Pool>,
    choice: Option<Choice>,
}

impl Drop for Trial {
    fn drop(&mut self) {
        if self.choice.is_some() {
            self.pool.current.abandon();
        }
    }
}

impl Trial {
    async fn run(mut self) {
        let Some(choice) = self.choice.clone() else { return };
        let (pool, gateway) = (Arc::clone(&self.pool), self.pool.config().name.clone());
        tracing::debug!(%gateway, "trying {choice}");
        let outcome = pool.try_out(&choice).await;
        self.choice = None;
        match outcome {
            Ok((runtime, listed)) => {
                pool.current.take_over(choice.clone(), runtime);
                {
                    let mut shared = pool.shared();
                    shared.idle.clear();
                    shared.catalog = listed.map(Arc::new);
                }
                // Another component may see other tools, or other services.
                pool.inbox().tools_changed();
                tracing::info!(%gateway, "{choice} answers from now on");
            }
            Err(error) => {
                let serving = pool.current.serving();
                tracing::warn!(
                    %gateway,
                    "{choice} was chosen and does not work: {}; {} goes on", error.message, serving.runtime.source(),
                );
                pool.current.refuse(choice);
            }
        }
    }
}
