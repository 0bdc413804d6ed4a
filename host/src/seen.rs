//! What was behind a gateway when somebody looked: the product, and the services with their tools.
//! Takes and gives [`Seen`], one file for all gateways under pflow's folder. A hint for lists: never holds a credential, never answers for
//! another URL than it was seen at, and nothing depends on it.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{config::GatewayConfig, files, gateway::SeenTool, report::Kind, scrub};

/// Gateways to remember; beyond that, nothing new is kept.
const MOST: usize = 500;
/// Services of one gateway to remember.
const SERVICES: usize = 200;
/// Characters of a service's name.
const NAME: usize = 100;
/// The file is read no further, in bytes: it is ours, and others could have written it.
const LARGEST: u64 = 4 * 1024 * 1024;

/// What was seen of one gateway, before filters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Seen {
    /// The product, once detected.
    pub kind: Option<Kind>,
    /// Number of tools; none before the first listing.
    pub tools: Option<usize>,
    /// The services, and how many tools each has.
    pub services: BTreeMap<String, usize>,
}

#[derive(Deserialize, Serialize)]
struct Kept {
    /// The URL; with a digest of what is hidden of it.
    made_for: String,
    #[serde(flatten)]
    seen: Seen,
}

impl Seen {
    /// What was seen of this entry, if it was.
    #[must_use]
    pub fn last(pflow_folder: &Path, config: &GatewayConfig) -> Option<Self> {
        let kept = read(&file(pflow_folder)).ok()?.remove(&config.name)?;
        (kept.made_for == config.identity()).then_some(kept.seen)
    }

    /// As the last listing shows it. Without tools nothing is known of them; an empty list is none.
    pub fn of(kind: Option<Kind>, tools: Option<&[SeenTool]>) -> Self {
        let mut services: BTreeMap<String, usize> = BTreeMap::new();
        for service in tools.unwrap_or_default().iter().filter_map(|tool| tool.service.as_ref()) {
            let service = scrub::line(service, NAME);
            if services.len() < SERVICES || services.contains_key(&service) {
                let count = services.entry(service).or_default();
                *count = count.saturating_add(1);
            }
        }
        Self { kind, tools: tools.map(<[SeenTool]>::len), services }
    }

    /// Keeps it for these entries; a product that was detected before stays when this look did not detect one. A folder that cannot be
    /// written to is no error.
    pub fn keep(&self, pflow_folder: &Path, entries: &[GatewayConfig]) {
        change(pflow_folder, |all| {
            let mut changed = false;
            for config in entries {
                let (mut seen, made_for) = (self.clone(), config.identity());
                let before = all.get(&config.name).filter(|before| before.made_for == made_for);
                if let Some(Kept { seen: before, .. }) = before {
                    seen.kind = seen.kind.or_else(|| before.kind.clone());
                    if seen.tools.is_none() {
                        (seen.tools, seen.services) = (before.tools, before.services.clone());
                    }
                }
                let same = before.is_some_and(|before| before.seen == seen);
                if !same && seen != Self::default() && (all.len() < MOST || all.contains_key(&config.name)) {
                    all.insert(config.name.clone(), Kept { made_for, seen });
                    changed = true;
                }
            }
            changed
        });
    }

    /// Keeps nothing of this entry any more.
    pub fn forget(pflow_folder: &Path, name: &str) {
        change(pflow_folder, |all| all.remove(name).is_some());
    }
}

fn file(pflow_folder: &Path) -> PathBuf {
    pflow_folder.join("gateway").join("seen.json")
}

/// Nothing is kept yet, or it cannot be understood: both begin anew.
fn read(file: &Path) -> io::Result<BTreeMap<String, Kept>> {
    match files::regular(file, LARGEST) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// Changes the file, if `change` says that it did. Two who do so at once wait for each other.
fn change(pflow_folder: &Path, change: impl FnOnce(&mut BTreeMap<String, Kept>) -> bool) {
    // pflow's folder is pflow's to make.
    if !pflow_folder.is_dir() {
        return;
    }
    let file = file(pflow_folder);
    let changed = || -> io::Result<()> {
        files::private_folder(file.parent().unwrap_or(pflow_folder))?;
        let _lock = files::Lock::of(&file).map_err(|error| io::Error::other(crate::sentence(&error)))?;
        let mut all = read(&file)?;
        if !change(&mut all) {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&all)?;
        if bytes.len() as u64 > LARGEST {
            return Err(io::Error::other("it would be larger than what is read again"));
        }
        files::replace(&file, &bytes)
    };
    if let Err(error) = changed() {
        tracing::debug!(file = %file.display(), "what was seen is not remembered: {error}");
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::fs;

    use serde_json::json;

    use super::*;

    fn entry(url: &str) -> GatewayConfig {
        crate::config::read_entry("g", &json!({"command": "x", "gateway": {"url": url}})).unwrap()
    }

    fn tool(service: Option<&str>) -> SeenTool {
        SeenTool { name: "t".to_owned(), service: service.map(str::to_owned), read_only: None, destructive: None }
    }

    #[test]
    fn what_was_seen_is_known_of_the_same_url_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let config = entry("http://127.0.0.1:9/mcp");
        assert_eq!(Seen::last(folder.path(), &config), None);
        Seen::of(Some(Kind::default()), None).keep(folder.path(), std::slice::from_ref(&config));
        Seen::of(None, Some(&[tool(Some("a")), tool(Some("a")), tool(None)]))
            .keep(folder.path(), std::slice::from_ref(&config));
        let seen = Seen::last(folder.path(), &config).unwrap();
        assert_eq!((seen.kind, seen.tools, seen.services.get("a")), (Some(Kind::default()), Some(3), Some(&2)));
        assert_eq!(Seen::last(folder.path(), &entry("http://127.0.0.1:10/mcp")), None);
        Seen::forget(folder.path(), "g");
        assert_eq!(Seen::last(folder.path(), &config), None);
    }

    #[test]
    fn a_broken_file_is_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "{oops").unwrap();
        let config = entry("http://127.0.0.1:9/mcp");
        assert_eq!(Seen::last(folder.path(), &config), None);
        Seen::of(Kind::parse("docker"), None).keep(folder.path(), std::slice::from_ref(&config));
        assert_eq!(Seen::last(folder.path(), &config).unwrap().kind, Kind::parse("docker"));
    }
}
