//! What complete listings leave behind, so that a loss is noticed by whoever looks first.
//! Takes what was listed; writes it to the history of the entry, beside the answer and never before it. Gateways that are no entry
//! leave nothing.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::Listed;
use crate::{
    gateway::{
        background::{Background, apart},
        convert,
        peer::Peer,
    },
    history::{Gone, History, Moment, SnapshotTool},
    runtime::types,
};

/// The history of the entry, as far as it is one.
pub(super) struct Memory {
    peer: Arc<Peer>,
    background: Arc<Background>,
    /// Digest of the listing that was kept last.
    kept: AtomicU64,
}

impl Memory {
    pub(super) fn new(peer: Arc<Peer>, background: Arc<Background>) -> Self {
        Self { peer, background, kept: AtomicU64::new(0) }
    }

    /// Keeps what was listed, unless it was kept already.
    pub(super) fn keep(&self, listed: &Listed) {
        let config = self.peer.config();
        let Some(memory) = config.memory.clone() else { return };
        if listed.catalog.tools.is_empty() || !is_complete(&listed.catalog) {
            return;
        }
        let tools = tools_of(&listed.catalog);
        let mut digest = DefaultHasher::new();
        tools.hash(&mut digest);
        let digest = digest.finish();
        if self.kept.swap(digest, Ordering::Relaxed) == digest {
            return;
        }
        let (name, url) = (config.name.clone(), config.url.to_string());
        self.background.spawn_blocking(move || History::new(&memory).listed(&name, &url, &tools, Moment::now()));
    }

    /// What is remembered of a tool that is not listed any more.
    pub(super) async fn gone(&self, tool: &str) -> Option<Gone> {
        let memory = self.peer.config().memory.clone()?;
        let (name, tool) = (self.peer.config().name.clone(), tool.to_owned());
        apart(move || History::new(&memory).gone(&name, &tool)).await.ok()?
    }
}

/// As a look keeps them.
pub(in crate::gateway) fn tools_of(catalog: &types::Catalog) -> Vec<SnapshotTool> {
    let tool = |tool: &types::Tool| SnapshotTool { name: tool.name.clone(), service: tool.provenance.service.clone() };
    let mut tools: Vec<_> = catalog.tools.iter().map(tool).collect();
    tools.sort();
    tools
}

/// Whether reading stopped at a page that could not be had, and not at the limit.
pub(super) fn is_cut(catalog: &types::Catalog) -> bool {
    catalog.pages < convert::MAX_PAGES
        && catalog.warnings.iter().any(|warning| warning.concern == types::Concern::PageLimit)
}

/// Whether reading went to the end.
pub(super) fn is_complete(catalog: &types::Catalog) -> bool {
    !catalog
        .warnings
        .iter()
        .any(|warning| matches!(warning.concern, types::Concern::PageLimit | types::Concern::RepeatedCursor))
}
