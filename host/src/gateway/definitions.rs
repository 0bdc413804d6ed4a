//! Which tools of a listing are not as they were accepted, and what becomes of them.
//! Takes a listing as it was read; says how each of its tools stands, and keeps what is new beside the answer. Never lets a call pass that
//! is to be held because a file cannot be read.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{
    convert,
    memory::is_complete,
    pool::{Listed, Pool, apart},
};
use crate::{
    Error, Result,
    config::{Changes, GatewayConfig},
    definitions::{
        Accepted, Comparison, Complete, Definition, Difference, Digest, Identity, Kept, Listing, Mark, Owner, Parts,
        Stamp, Standing, Store,
    },
    report::{self, Change, ChangedTool},
    runtime::{filter, types},
    scrub,
};

/// Changed tools that are told one by one in a report.
const TOLD: usize = 100;
/// … and in warnings.
const WARNED: usize = 5;
/// Names in one sentence.
const NAMES: usize = 5;
/// Lines of a difference in a refusal.
const LINES: usize = 4;

/// What was accepted of a gateway's tools, as far as it is an entry, and looks at that.
#[derive(Debug)]
pub(super) struct AcceptedTools {
    store: Option<Store>,
    changes: Changes,
    known: Mutex<Option<(Stamp, Arc<Accepted>)>>,
    /// Digest of the listing that was kept last.
    kept: AtomicU64,
}

/// How the tools of one listing stand to what was accepted.
#[derive(Default)]
pub(super) struct Standings {
    compared: Option<Compared>,
}

struct Compared {
    changes: Changes,
    accepted: Reference,
    /// Of what it was compared with.
    stamp: Option<Stamp>,
    /// In the order listed; none for what the filter leaves out.
    tools: Vec<Option<Comparison>>,
    /// What was accepted of those that changed, by their places in the listing: where they are held.
    before: HashMap<usize, Definition>,
    changed: Vec<ChangedTool>,
    more: usize,
}

/// That it could not be written is told once: it is tried with every listing.
static TOLD_OF_WRITING: AtomicBool = AtomicBool::new(false);

enum Reference {
    /// Nothing was accepted before: this listing is, if it is complete.
    Nothing,
    Known(Arc<Accepted>),
    /// It cannot be read.
    Broken(String),
    /// Nothing was accepted, and nothing can be written down.
    NotKept(String),
}

impl AcceptedTools {
    pub(super) fn of(config: &GatewayConfig) -> Self {
        let store = Store::of(config).filter(|_| config.changes != Changes::Pass);
        Self { store, changes: config.changes, known: Mutex::default(), kept: AtomicU64::new(0) }
    }

    /// What was accepted, read when the file is another one than before.
    fn read(&self, store: &Store) -> (Option<Stamp>, Reference) {
        let stamp = match store.stamp() {
            Ok(Some(stamp)) => stamp,
            Ok(None) => return (None, self.nothing(store)),
            Err(error) => return (None, Reference::Broken(error.to_string())),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
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
            Err(error) => (Some(stamp), Reference::Broken(error.to_string())),
        }
    }

    /// Nothing was accepted. Where nothing can be kept, nothing that changes would ever be held.
    fn nothing(&self, store: &Store) -> Reference {
        if self.changes == Changes::Hold {
            store.can_keep().map_or_else(Reference::NotKept, |()| Reference::Nothing)
        } else {
            Reference::Nothing
        }
    }

    /// Whether something was accepted since then.
    pub(super) async fn is_newer_than(&self, standings: &Standings) -> bool {
        let (Some(store), Some(compared)) = (self.store.clone(), &standings.compared) else { return false };
        apart(move || store.stamp().ok().flatten()).await.is_ok_and(|now| now != compared.stamp)
    }
}

impl Pool {
    /// How the tools stand that the filter keeps. Gives the catalogue back: it may be large, and nobody copies it.
    pub(super) async fn weigh(
        &self,
        catalog: types::Catalog,
        verdicts: Vec<Option<filter::Reason>>,
    ) -> Result<(types::Catalog, Vec<Option<filter::Reason>>, Standings)> {
        let Some(store) = self.accepted.store.clone() else { return Ok((catalog, verdicts, Standings::default())) };
        let Some(pool) = self.me.upgrade() else { return Ok((catalog, verdicts, Standings::default())) };
        apart(move || {
            let compared = pool.accepted.compared(&store, &catalog, &verdicts);
            (catalog, verdicts, Standings { compared: Some(compared) })
        })
        .await
    }

    /// Keeps what was listed: as accepted when it is the first listing, and else what of it differs. Beside the answer.
    pub(super) fn keep_definitions(&self, listed: &Arc<Listed>) {
        let Some(compared) = &listed.standings.compared else { return };
        let mut hash = DefaultHasher::new();
        matches!(compared.accepted, Reference::Known(_)).hash(&mut hash);
        for (tool, comparison) in listed.catalog.tools.iter().zip(&compared.tools) {
            if let Some(comparison) = comparison {
                (&tool.name, comparison.standing.as_str(), comparison.digest, owner(tool).identity).hash(&mut hash);
            }
        }
        let digest = hash.finish();
        if self.accepted.kept.swap(digest, Ordering::Relaxed) == digest {
            return;
        }
        let Some(pool) = self.me.upgrade() else { return };
        let (Some(store), Ok(runtime)) = (self.accepted.store.clone(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let (listed, name, changes) = (Arc::clone(listed), self.config().name.clone(), self.config().changes);
        self.await_before_closing(runtime.spawn_blocking(move || {
            if !keep(&store, &listed, &name, changes) {
                // It is tried again with the next listing.
                pool.accepted.kept.store(0, Ordering::Relaxed);
            }
        }));
    }
}

/// Whether it was written, or need not be.
fn keep(store: &Store, listed: &Listed, gateway: &str, changes: Changes) -> bool {
    let Some(compared) = &listed.standings.compared else { return true };
    let all = listed.catalog.tools.iter().zip(&compared.tools);
    let tools: Vec<_> =
        all.filter_map(|(tool, comparison)| Some((listing(tool), comparison.as_ref()?.digest))).collect();
    keep_these(store, &listed.catalog, &tools, gateway, changes)
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
    match store.keep(tools, changes, complete).and_then(|kept| kept.map_err(|error| Error::config(error.to_string()))) {
        Ok(Kept::First(tools)) => {
            tracing::info!("accepted {tools} tools of {gateway} as they are: they are the first that were seen of it");
            true
        }
        Ok(Kept::Compared) => true,
        Err(error) => {
            if !TOLD_OF_WRITING.swap(true, Ordering::Relaxed) {
                tracing::warn!("what was accepted of {gateway} could not be written: {error}");
            }
            false
        }
    }
}

impl Listed {
    /// Keeps what was listed for an entry that was written with what this was tested with.
    pub(super) fn keep_for(&self, config: &GatewayConfig) {
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

impl AcceptedTools {
    fn compared(&self, store: &Store, catalog: &types::Catalog, verdicts: &[Option<filter::Reason>]) -> Compared {
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
        let mut compared = Compared {
            changes: self.changes,
            accepted,
            stamp,
            tools: all,
            before: HashMap::new(),
            changed: Vec::new(),
            more: 0,
        };
        compared.look_into_changes(store, catalog);
        compared
    }
}

fn compared_with_nothing(tools: &[(Listing<'_>, Digest)], standing: Standing) -> Vec<Comparison> {
    tools.iter().map(|(_, digest)| Comparison { standing, digest: *digest, with: None }).collect()
}

impl Compared {
    /// Reads what was accepted of the tools that changed, as far as it is told or shown.
    fn look_into_changes(&mut self, store: &Store, catalog: &types::Catalog) {
        let Reference::Known(accepted) = &self.accepted else { return };
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
    /// Tools that changed or were replaced, as far as they are told one by one.
    pub(super) fn changed(&self) -> &[ChangedTool] {
        self.compared.as_ref().map_or(&[], |compared| &compared.changed)
    }

    /// How many more there are.
    pub(super) fn more_changed(&self) -> usize {
        self.compared.as_ref().map_or(0, |compared| compared.more)
    }

    /// That the tool in this place is not as it was accepted.
    pub(super) fn change_of(&self, at: usize, tool: &str) -> Option<String> {
        if let Some(changed) = self.changed().iter().find(|changed| changed.tool == tool) {
            return Some(changed.words());
        }
        // There are more than are told one by one.
        let standing = self.compared.as_ref()?.tools.get(at).copied().flatten()?.standing;
        let changed = matches!(standing, Standing::Changed | Standing::Replaced);
        changed.then(|| format!("the tool {} is not as it was accepted", scrub::line(tool, 200)))
    }

    /// The tool in this place as it is shown: where changes are held, as it was accepted, and not at all when nothing of it was.
    pub(super) fn shown(&self, at: usize, tool: &types::Tool) -> Option<report::Tool> {
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
            && let Reference::Known(accepted) = &compared.accepted
        {
            let known = comparison.with.and_then(|with| accepted.get(with));
            shown.service = known.and_then(|known| known.owner.service.clone());
            shown.meta = None;
            shown.icons = None;
        }
        Some(report::Tool { title, description, input_schema, output_schema, annotations, ..shown })
    }
}

impl Listed {
    /// Why a call of this tool is refused until somebody accepts it.
    pub(super) fn held(&self, config: &GatewayConfig, name: &str) -> Option<Error> {
        let compared = self.standings.compared.as_ref().filter(|compared| compared.changes == Changes::Hold)?;
        let at = *self.by_name.get(name)?;
        let comparison = compared.tools.get(at).copied().flatten()?;
        if comparison.standing.is_accepted() {
            return None;
        }
        let (gateway, shown) = (scrub::line(&config.name, 100), scrub::line(name, 200));
        let accept = format!("pflow-gateway snapshot accept {gateway} {shown}");
        if let Reference::Broken(why) = &compared.accepted {
            return Some(
                Error::config(format!(
                    "{gateway} holds {shown}: what was accepted of its tools cannot be read ({why}); nothing was sent"
                ))
                .with_hint(format!("look at its tools, then accept them: pflow-gateway snapshot accept {gateway}")),
            );
        }
        if let Reference::NotKept(why) = &compared.accepted {
            return Some(
                Error::config(format!(
                    "{gateway} holds {shown}: what is accepted cannot be written down ({why}), so that no change would be noticed; nothing was sent"
                ))
                .with_hint("make pflow's folder one that you can write to, or take \"changes\": \"hold\" out of the entry"),
            );
        }
        let tool = self.catalog.tools.get(at)?;
        let look =
            format!("look at it with `pflow-gateway snapshot diff {gateway} {shown}`, then accept it with `{accept}`");
        if comparison.standing == Standing::New {
            return Some(
                Error::config(format!("{gateway} holds {shown}: it is new, and nobody accepted it; nothing was sent"))
                    .with_hint(look),
            );
        }
        let told = compared.changed.iter().find(|changed| changed.tool == name);
        let what = told.map_or_else(
            || format!("{shown} is not as it was accepted"),
            |told| ChangedTool { held: false, means: Vec::new(), ..told.clone() }.words(),
        );
        let lines = compared.before.get(&at).map(|before| {
            let lines = Difference::between(before, &listing(tool).parts.to_definition()).lines();
            first_lines(&lines)
        });
        let lines = lines.filter(|lines| !lines.is_empty()).map_or_else(String::new, |lines| format!(" ({lines})"));
        Some(Error::config(format!("{gateway} holds {shown}: {what}{lines}; nothing was sent")).with_hint(look))
    }
}

/// The first lines of a difference, in one.
fn first_lines(lines: &[(Mark, String)]) -> String {
    let sign = |mark| match mark {
        Mark::Old => Some("- "),
        Mark::New => Some("+ "),
        Mark::Other => Some(""),
        Mark::Title | Mark::Means => None,
    };
    let all = lines.iter().filter_map(|(mark, line)| Some(format!("{}{line}", sign(*mark)?)));
    all.take(LINES).collect::<Vec<_>>().join(" | ")
}

impl Listed {
    /// What there is to say of its tools, in sentences.
    pub(super) fn warnings_of_changes(&self, gateway: &str) -> Vec<String> {
        let changed = self.standings.changed();
        let mut all: Vec<String> = changed.iter().take(WARNED).map(ChangedTool::words).collect();
        let count = changed.len() + self.standings.more_changed();
        if count > 0 {
            let gateway = scrub::line(gateway, 100);
            let (what, is, it) =
                if count == 1 { ("1 tool".to_owned(), "is", "it") } else { (format!("{count} tools"), "are", "them") };
            all.push(format!(
                "{what} of {gateway} {is} not as accepted: `snapshot diff {gateway}` shows how, `snapshot accept {gateway}` accepts {it}"
            ));
        }
        all.extend(self.notes_of_changes(gateway));
        all
    }

    /// The same, without the tools that changed.
    pub(super) fn notes_of_changes(&self, gateway: &str) -> Vec<String> {
        let Some(compared) = self.standings.compared.as_ref().filter(|compared| compared.changes == Changes::Hold)
        else {
            return Vec::new();
        };
        let gateway = scrub::line(gateway, 100);
        match &compared.accepted {
            Reference::Nothing if is_complete(&self.catalog) && !self.catalog.tools.is_empty() => {
                vec![format!(
                    "the tools of {gateway} are accepted as they are now, the first that were seen of it; changes are held from now on"
                )]
            }
            Reference::Nothing => {
                vec![format!(
                    "no tool of {gateway} is accepted yet, since the listing was not complete: nothing is held"
                )]
            }
            Reference::Broken(why) => vec![format!(
                "what was accepted of the tools of {gateway} cannot be read ({why}): all of them are held; look at them, then `snapshot accept {gateway}`"
            )],
            Reference::NotKept(why) => {
                vec![format!("what is accepted of {gateway} cannot be written down ({why}): all of its tools are held")]
            }
            Reference::Known(_) => {
                let waiting = compared.waiting(&self.catalog);
                if waiting.is_empty() {
                    return Vec::new();
                }
                let names: BTreeSet<&str> = waiting.iter().copied().collect();
                let more = names.len().saturating_sub(NAMES);
                let mut told: Vec<String> = names.into_iter().take(NAMES).map(|name| scrub::line(name, 100)).collect();
                if more > 0 {
                    told.push(format!("{more} more"));
                }
                let what = if waiting.len() == 1 { "1 new tool waits" } else { "new tools wait" };
                let count = if waiting.len() == 1 { String::new() } else { format!("{} ", waiting.len()) };
                vec![format!(
                    "{count}{what} until accepted: {}; `snapshot diff {gateway}` shows, `snapshot accept {gateway}` accepts",
                    told.join(", ")
                )]
            }
        }
    }
}

fn owner(tool: &types::Tool) -> Owner {
    Owner {
        service: tool.provenance.service.clone(),
        certain: tool.provenance.confidence == types::Confidence::Certain,
        identity: Identity::of(tool),
    }
}

fn listing(tool: &types::Tool) -> Listing<'_> {
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
