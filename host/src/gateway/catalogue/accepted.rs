//! What was accepted of a gateway's tools, held against what is listed.
//! Takes a listing as it was read; gives its [`Standings`], and keeps what is new beside the answer. Never lets anything pass for accepted
//! because a file cannot be read.

use std::{
    borrow::Cow,
    collections::HashSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{
    Listed,
    memory::is_complete,
    standings::{Basis, Reference, Standings},
};
use crate::{
    Result,
    config::{Changes, GatewayConfig},
    definitions::{
        Accepted, Comparison, Complete, Digest, Identity, Kept, Listing, Owner, Parts, Stamp, Standing, Store,
    },
    gateway::{
        background::{Background, apart},
        convert,
    },
    runtime::{filter, types},
    scrub, sentence,
    sync::Mutex,
};

/// What was accepted of a gateway's tools, as far as it is an entry, and looks at that.
pub(super) struct AcceptedTools {
    store: Option<Store>,
    background: Arc<Background>,
    gateway: String,
    changes: Changes,
    known: Mutex<Option<(Stamp, Arc<Accepted>)>>,
    /// Digest of the listing that was kept last.
    kept: AtomicU64,
}

/// That it could not be written is told once: it is tried with every listing.
static TOLD_OF_WRITING: AtomicBool = AtomicBool::new(false);

impl AcceptedTools {
    pub(super) fn of(config: &GatewayConfig, background: Arc<Background>) -> Self {
        let store = Store::of(config).filter(|_| config.changes != Changes::Pass);
        Self {
            store,
            background,
            gateway: config.name.clone(),
            changes: config.changes,
            known: Mutex::default(),
            kept: AtomicU64::new(0),
        }
    }

    /// What was accepted, read when the file is another one than before.
    fn read(&self, store: &Store) -> (Option<Stamp>, Reference) {
        let stamp = match store.stamp() {
            Ok(Some(stamp)) => stamp,
            Ok(None) => return (None, self.nothing(store)),
            Err(error) => return (None, Reference::Broken(error.to_string())),
        };
        let mut known = self.known.lock();
        if let Some((of, accepted)) = known.as_ref()
            && *of == stamp
        {
            return (Some(stamp), Reference::Known(Arc::clone(accepted)));
        }
        match store.accepted() {
            Ok(Some(accepted)) => {
                let accepted = Arc::new(accepted);
                *known = Some((stamp.clone(), Arc::clone(&accepted)));
                (Some(stamp), Reference::Known(accepted))
            }
            Ok(None) => (Some(stamp), self.nothing(store)),
            Err(error) => (Some(stamp), Reference::Broken(sentence(&error))),
        }
    }

    /// Nothing was accepted. Where nothing can be kept, nothing that changes would ever be held.
    fn nothing(&self, store: &Store) -> Reference {
        if self.changes == Changes::Hold {
            store.can_keep().map_or_else(|error| Reference::NotKept(sentence(&error)), |()| Reference::Nothing)
        } else {
            Reference::Nothing
        }
    }

    /// Whether something was accepted since then.
    pub(super) async fn is_newer_than(&self, standings: &Standings) -> bool {
        let (Some(store), Some(basis)) = (self.store.clone(), standings.basis()) else { return false };
        apart(move || store.stamp().ok().flatten()).await.is_ok_and(|now| now != basis.stamp)
    }

    /// How the tools stand that the filter keeps. Gives the catalogue back: it may be large, and nobody copies it.
    pub(super) async fn weigh(
        self: &Arc<Self>,
        catalog: types::Catalog,
        verdicts: Vec<Option<filter::Reason>>,
    ) -> Result<(types::Catalog, Vec<Option<filter::Reason>>, Standings)> {
        let Some(store) = self.store.clone() else { return Ok((catalog, verdicts, Standings::default())) };
        let accepted = Arc::clone(self);
        apart(move || {
            let standings = accepted.compared(&store, &catalog, &verdicts);
            (catalog, verdicts, standings)
        })
        .await
    }

    /// Keeps what was listed: as accepted when it is the first listing, and else what of it differs. Beside the answer.
    pub(super) fn keep(self: &Arc<Self>, listed: &Arc<Listed>) {
        let (Some(store), Some(basis)) = (self.store.clone(), listed.standings.basis()) else { return };
        let mut hash = DefaultHasher::new();
        matches!(basis.accepted, Reference::Known(_)).hash(&mut hash);
        for (tool, comparison) in listed.standings.compared(&listed.catalog) {
            (&tool.name, comparison.standing.as_str(), comparison.digest, owner(tool).identity).hash(&mut hash);
        }
        let digest = hash.finish();
        if self.kept.swap(digest, Ordering::Relaxed) == digest {
            return;
        }
        let (accepted, listed) = (Arc::clone(self), Arc::clone(listed));
        self.background.spawn_blocking(move || {
            if !accepted.write(&store, &listed) {
                // It is tried again with the next listing.
                accepted.kept.store(0, Ordering::Relaxed);
            }
        });
    }

    /// Whether it was written, or need not be.
    fn write(&self, store: &Store, listed: &Listed) -> bool {
        let tools = listed.standings.compared(&listed.catalog);
        let tools: Vec<_> = tools.map(|(tool, comparison)| (listing(tool), comparison.digest)).collect();
        keep_these(store, &listed.catalog, &tools, &self.gateway, self.changes)
    }

    fn compared(&self, store: &Store, catalog: &types::Catalog, verdicts: &[Option<filter::Reason>]) -> Standings {
        let (stamp, accepted) = self.read(store);
        let (mut places, mut tools, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for (at, (tool, left)) in catalog.tools.iter().zip(verdicts).enumerate() {
            // Of two with one name nobody ever sees the second one, whatever becomes of the first.
            let first = seen.insert(tool.name.as_str());
            if left.is_some() || !first {
                continue;
            }
            let listing = listing(tool);
            let digest = listing.parts.digest();
            places.push(at);
            tools.push((listing, digest));
        }
        let found: Vec<Comparison> = match &accepted {
            Reference::Known(accepted) => store.compare(accepted, &tools),
            Reference::Nothing => compared_with_nothing(&tools, Standing::Same),
            Reference::Broken(_) | Reference::NotKept(_) => compared_with_nothing(&tools, Standing::New),
        };
        let mut all = vec![None; catalog.tools.len()];
        for (at, comparison) in places.iter().zip(&found) {
            all.get_mut(*at).into_iter().for_each(|slot| *slot = Some(*comparison));
        }
        Standings::of(store, catalog, self.changes, Basis { accepted, stamp }, all)
    }
}

fn compared_with_nothing(tools: &[(Listing<'_>, Digest)], standing: Standing) -> Vec<Comparison> {
    tools.iter().map(|(_, digest)| Comparison { standing, digest: *digest, with: None }).collect()
}

fn keep_these(
    store: &Store,
    catalog: &types::Catalog,
    tools: &[(Listing<'_>, Digest)],
    gateway: &str,
    changes: Changes,
) -> bool {
    let complete = if is_complete(catalog) { Complete::Yes } else { Complete::No };
    let gateway = scrub::line(gateway, 100);
    match store.keep(tools, changes, complete) {
        Ok(Kept::First(tools)) => {
            tracing::info!("accepted {tools} tools of {gateway} as they are: they are the first that were seen of it");
            true
        }
        Ok(Kept::Compared) => true,
        Err(error) => {
            if !TOLD_OF_WRITING.swap(true, Ordering::Relaxed) {
                tracing::warn!("what was accepted of {gateway} could not be written: {}", sentence(&error));
            }
            false
        }
    }
}

impl Listed {
    /// Keeps what was listed for an entry that was written with what this was tested with.
    pub(in crate::gateway) fn keep_for(&self, config: &GatewayConfig) {
        let Some(store) = Store::of(config).filter(|_| config.changes != Changes::Pass) else { return };
        let kept = self.catalog.tools.iter().zip(&self.verdicts).filter(|(_, verdict)| verdict.is_none());
        let mut seen = HashSet::new();
        let tools: Vec<_> = kept
            .filter(|(tool, _)| seen.insert(tool.name.as_str()))
            .map(|(tool, _)| {
                let listing = listing(tool);
                let digest = listing.parts.digest();
                (listing, digest)
            })
            .collect();
        keep_these(&store, &self.catalog, &tools, &config.name, config.changes);
    }
}

fn owner(tool: &types::Tool) -> Owner {
    Owner {
        service: tool.provenance.service.clone(),
        certain: tool.provenance.confidence == types::Confidence::Certain,
        identity: Identity::of(tool),
    }
}

pub(super) fn listing(tool: &types::Tool) -> Listing<'_> {
    Listing {
        name: &tool.name,
        owner: owner(tool),
        parts: Parts {
            title: tool.title.as_deref(),
            description: tool.description.as_deref(),
            input_schema: &tool.input_schema,
            output_schema: tool.output_schema.as_deref(),
            annotations: tool.annotations.as_ref().map(|hints| Cow::Owned(convert::annotations(hints).to_string())),
        },
    }
}
