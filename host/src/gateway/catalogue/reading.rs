//! One reading of the catalogue.
//! Takes an instance; gives a [`Listed`]. Never lets what a component says of the entry stand against what the entry says.

use std::{collections::HashMap, sync::Arc, time::Instant};

use super::{Catalogue, Listed, declared::held_to_the_entry, memory::is_cut};
use crate::{
    Deadline, Result,
    gateway::failure::Failure,
    gateway::{
        attempt::{Operation, Tells},
        convert,
        current::Serving,
        instances::Instance,
        verdicts,
    },
};

/// Reads it on whichever instance there is.
struct Reading<'a>(&'a Catalogue);

impl Operation for Reading<'_> {
    type Answer = Listed;

    const TELLS: Tells = Tells::OfTheComponent;

    async fn once(&mut self, lent: &mut Instance, by: Deadline) -> Result<Listed, Failure> {
        self.0.read(lent, by).await
    }
}

impl Catalogue {
    /// Tries again where that makes sense.
    pub(super) async fn read_anew(&self, by: Deadline) -> Result<Arc<Listed>> {
        let listed = Arc::new(self.attempts.run(&mut Reading(self), by).await?);
        *self.listed.lock() = Some(Arc::clone(&listed));
        Ok(listed)
    }

    /// The catalogue as this component reads it. Nothing is tried twice, and nobody else is shown it.
    pub(in crate::gateway) async fn read_on(&self, serving: &Serving, by: Deadline) -> Result<Listed, Failure> {
        let mut lent = self.instances.open_on(serving, by).await?;
        let listed = self.read(&mut lent, by).await;
        self.instances.dismiss(lent).await;
        listed
    }

    async fn read(&self, lent: &mut Instance, by: Deadline) -> Result<Listed, Failure> {
        self.instances.ready_to_list(lent, by).await?;
        let started = Instant::now();
        let mut catalog = lent.conversation().list_tools(self.peer.left_of(by)?).await?;
        let config = self.peer.config();
        held_to_the_entry(&mut catalog, config);
        let took = started.elapsed();
        self.instances.follow(lent, by).await?;
        let rules = convert::rules(&config.filter, config.claims);
        let verdicts = verdicts::of_catalog(&self.peer, lent.conversation(), &rules, &catalog, by).await?;
        let mut by_name = HashMap::with_capacity(catalog.tools.len());
        for (at, tool) in catalog.tools.iter().enumerate() {
            by_name.entry(tool.name.clone()).or_insert(at);
        }
        self.identities.learn(&catalog);
        let cut = is_cut(&catalog);
        let (catalog, verdicts, standings) = self.accepted.weigh(catalog, verdicts).await.map_err(Failure::Host)?;
        let kind = convert::kind(lent.member().kind());
        Ok(Listed { catalog, verdicts, by_name, took, cut, standings, kind, component: lent.component() })
    }
}
