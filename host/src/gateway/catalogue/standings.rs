//! How the tools of one listing stand to what was accepted.
//! Takes comparisons; gives what changed, and each tool as it may be shown. Never changes once it is made.

use std::{collections::HashMap, sync::Arc};

use super::accepted::listing;
use crate::{
    config::Changes,
    definitions::{Accepted, Comparison, Definition, Difference, Stamp, Standing, Store},
    gateway::convert,
    report::{self, Change, ChangedTool},
    runtime::types,
    scrub,
};

/// Changed tools that are told one by one in a report.
const TOLD: usize = 100;

/// How the tools of one listing stand to what was accepted.
#[derive(Default)]
pub(in crate::gateway) struct Standings {
    compared: Option<Compared>,
}

struct Compared {
    changes: Changes,
    basis: Basis,
    /// In the order listed; none for what the filter leaves out.
    tools: Vec<Option<Comparison>>,
    /// What was accepted of those that changed, by their places in the listing: where they are held.
    before: HashMap<usize, Definition>,
    changed: Vec<ChangedTool>,
    more: usize,
}

/// With what a listing was compared, and which state of the file that was.
pub(super) struct Basis {
    pub(super) accepted: Reference,
    pub(super) stamp: Option<Stamp>,
}

/// What there is to compare with.
pub(super) enum Reference {
    /// Nothing was accepted before: this listing is, if it is complete.
    Nothing,
    Known(Arc<Accepted>),
    /// It cannot be read.
    Broken(String),
    /// Nothing was accepted, and nothing can be written down.
    NotKept(String),
}

impl Compared {
    /// Reads what was accepted of the tools that changed, as far as it is told or shown.
    fn look_into_changes(&mut self, store: &Store, catalog: &types::Catalog) {
        let Reference::Known(accepted) = &self.basis.accepted else { return };
        let changed = self.tools.iter().enumerate().filter_map(|(at, comparison)| Some((at, comparison.as_ref()?)));
        let mut changed: Vec<(usize, Comparison)> = changed
            .filter(|(_, comparison)| matches!(comparison.standing, Standing::Changed | Standing::Replaced))
            .map(|(at, comparison)| (at, *comparison))
            .collect();
        if changed.is_empty() {
            return;
        }
        // What was replaced is worse.
        let name = |at: usize| catalog.tools.get(at).map(|tool| tool.name.as_str());
        changed.sort_by_key(|(at, comparison)| (comparison.standing != Standing::Replaced, name(*at)));
        let held = self.changes == Changes::Hold;
        let read = if held { changed.len() } else { TOLD };
        let places = changed.iter().take(read).filter_map(|(_, comparison)| comparison.with);
        let mut definitions = match store.definitions(accepted, places) {
            Ok(definitions) => definitions,
            Err(error) => {
                tracing::warn!(%error, "what was accepted cannot be read");
                HashMap::new()
            }
        };
        self.more = changed.len().saturating_sub(TOLD);
        for (at, comparison) in changed.iter().take(TOLD) {
            let Some(tool) = catalog.tools.get(*at) else { continue };
            let known = comparison.with.and_then(|with| accepted.get(with));
            let before = comparison.with.and_then(|with| definitions.get(&with));
            let difference = before.map(|before| Difference::between(before, &listing(tool).parts.to_definition()));
            let service = tool.provenance.service.clone();
            let was_of =
                known.and_then(|known| known.owner.service.clone()).filter(|was| service.as_ref() != Some(was));
            let difference = difference.unwrap_or_default();
            self.changed.push(ChangedTool {
                tool: tool.name.clone(),
                change: if comparison.standing == Standing::Replaced { Change::Replaced } else { Change::Changed },
                was_of: was_of.filter(|_| comparison.standing == Standing::Replaced),
                service,
                parts: difference.parts.iter().map(|part| (*part).to_owned()).collect(),
                means: difference.means,
                digest: comparison.digest.to_string(),
                held,
            });
        }
        if held {
            for (at, comparison) in changed {
                if let Some(before) = comparison.with.and_then(|with| definitions.remove(&with)) {
                    self.before.insert(at, before);
                }
            }
        }
    }

    /// The names of new tools that wait, and how many there are.
    fn waiting<'a>(&self, catalog: &'a types::Catalog) -> Vec<&'a str> {
        let new = |comparison: &Option<Comparison>| comparison.is_some_and(|found| found.standing == Standing::New);
        let waits = self.changes == Changes::Hold;
        let all = catalog.tools.iter().zip(&self.tools).filter(|(_, comparison)| waits && new(comparison));
        all.map(|(tool, _)| tool.name.as_str()).collect()
    }
}

impl Standings {
    /// `tools`: how each one stands, in the order listed; none for what the filter leaves out.
    pub(super) fn of(
        store: &Store,
        catalog: &types::Catalog,
        changes: Changes,
        basis: Basis,
        tools: Vec<Option<Comparison>>,
    ) -> Self {
        let (before, changed, more) = (HashMap::new(), Vec::new(), 0);
        let mut compared = Compared { changes, basis, tools, before, changed, more };
        compared.look_into_changes(store, catalog);
        Self { compared: Some(compared) }
    }

    /// With what they were compared; with nothing at all where changes pass, and nothing is kept.
    pub(super) fn basis(&self) -> Option<&Basis> {
        self.compared.as_ref().map(|compared| &compared.basis)
    }

    /// The tools that the filter keeps, and how each one stands.
    pub(super) fn compared<'a>(
        &'a self,
        catalog: &'a types::Catalog,
    ) -> impl Iterator<Item = (&'a types::Tool, Comparison)> {
        let found = self.compared.iter().flat_map(|compared| &compared.tools);
        catalog.tools.iter().zip(found).filter_map(|(tool, comparison)| Some((tool, (*comparison)?)))
    }

    /// Where changes are held: what they were compared with.
    pub(super) fn held_to(&self) -> Option<&Reference> {
        Some(&self.holding()?.basis.accepted)
    }

    fn holding(&self) -> Option<&Compared> {
        self.compared.as_ref().filter(|compared| compared.changes == Changes::Hold)
    }

    /// The tool in this place, where changes are held and it is not as it was accepted: how it stands, and what was accepted of it.
    pub(super) fn unaccepted(&self, at: usize) -> Option<(Standing, Option<&Definition>)> {
        let compared = self.holding()?;
        let standing = compared.tools.get(at).copied().flatten()?.standing;
        (!standing.is_accepted()).then(|| (standing, compared.before.get(&at)))
    }

    /// Where changes are held, the names of new tools that wait.
    pub(super) fn waiting<'a>(&self, catalog: &'a types::Catalog) -> Vec<&'a str> {
        self.holding().map_or_else(Vec::new, |compared| compared.waiting(catalog))
    }

    /// Tools that changed or were replaced, as far as they are told one by one.
    pub(in crate::gateway) fn changed(&self) -> &[ChangedTool] {
        self.compared.as_ref().map_or(&[], |compared| &compared.changed)
    }

    /// How many more there are.
    pub(in crate::gateway) fn more_changed(&self) -> usize {
        self.compared.as_ref().map_or(0, |compared| compared.more)
    }

    /// That the tool in this place is not as it was accepted.
    pub(in crate::gateway) fn change_of(&self, at: usize, tool: &str) -> Option<String> {
        if let Some(changed) = self.changed().iter().find(|changed| changed.tool == tool) {
            return Some(changed.words());
        }
        // There are more than are told one by one.
        let standing = self.compared.as_ref()?.tools.get(at).copied().flatten()?.standing;
        let changed = matches!(standing, Standing::Changed | Standing::Replaced);
        changed.then(|| format!("the tool {} is not as it was accepted", scrub::line(tool, 200)))
    }

    /// The tool in this place as it is shown: where changes are held, as it was accepted, and not at all when nothing of it was.
    pub(in crate::gateway) fn shown(&self, at: usize, tool: &types::Tool) -> Option<report::Tool> {
        let mut shown = convert::tool(tool);
        let Some(compared) = self.compared.as_ref().filter(|compared| compared.changes == Changes::Hold) else {
            return Some(shown);
        };
        let comparison = compared.tools.get(at).copied().flatten();
        let Some(comparison) = comparison.filter(|comparison| !comparison.standing.is_accepted()) else {
            return Some(shown);
        };
        let Definition { title, description, input_schema, output_schema, annotations } =
            compared.before.get(&at)?.clone();
        if comparison.standing == Standing::Replaced
            && let Reference::Known(accepted) = &compared.basis.accepted
        {
            let known = comparison.with.and_then(|with| accepted.get(with));
            shown.service = known.and_then(|known| known.owner.service.clone());
            shown.meta = None;
            shown.icons = None;
        }
        Some(report::Tool { title, description, input_schema, output_schema, annotations, ..shown })
    }
}
