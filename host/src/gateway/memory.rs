//! What complete listings leave behind, so that a loss is noticed by whoever looks first.
//! Takes what was listed; writes it to the history of the entry, beside the answer and never before it. Gateways that are no entry
//! leave nothing.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, atomic::Ordering},
};

use super::{
    convert,
    pool::{Listed, Pool},
};
use crate::{
    history::{Gone, History, Moment, SnapshotTool},
    runtime::types,
};

impl Pool {
    /// Keeps what was listed, unless it was kept already.
    pub(super) fn remember(&self, listed: &Arc<Listed>) {
        let Some(memory) = self.config().memory.clone() else { return };
        if listed.catalog.tools.is_empty() || !is_complete(&listed.catalog) {
            return;
        }
        let tools = tools_of(&listed.catalog);
        let mut digest = DefaultHasher::new();
        tools.hash(&mut digest);
        let digest = digest.finish();
        if self.remembered.swap(digest, Ordering::Relaxed) == digest {
            return;
        }
        // Without a runtime the process is ending.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (name, url) = (self.config().name.clone(), self.config().url.to_string());
        self.await_before_closing(
            runtime.spawn_blocking(move || History::new(&memory).listed(&name, &url, &tools, Moment::now())),
        );
    }

    /// What is remembered of a tool that is not listed any more.
    pub(super) async fn gone(&self, tool: &str) -> Option<Gone> {
        let memory = self.config().memory.clone()?;
        let (name, tool) = (self.config().name.clone(), tool.to_owned());
        tokio::task::spawn_blocking(move || History::new(&memory).gone(&name, &tool)).await.ok()?
    }
}

/// As a look keeps them.
pub(super) fn tools_of(catalog: &types::Catalog) -> Vec<SnapshotTool> {
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
