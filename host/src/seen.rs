//! What was behind a gateway when somebody looked: the product, and the services with their tools.
//! Takes and gives [`Seen`], one file for all gateways under pflow's folder. A hint for lists: never holds a credential, never answers for
//! another URL than it was seen at, and nothing depends on it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{config::GatewayConfig, files, gateway::SeenTool, report::Kind};

/// Gateways to remember; beyond that, nothing new is kept.
const MOST: usize = 500;
/// Services of one gateway to remember.
const SERVICES: usize = 200;
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
        let kept = read(&file(pflow_folder)).remove(&config.name)?;
        (kept.made_for == config.identity()).then_some(kept.seen)
    }

    /// As the last listing shows it; what that does not show stays unsaid.
    pub(crate) fn of(kind: Option<Kind>, tools: &[SeenTool]) -> Self {
        let mut services: BTreeMap<String, usize> = BTreeMap::new();
        for service in tools.iter().filter_map(|tool| tool.service.as_ref()) {
            if services.len() < SERVICES || services.contains_key(service) {
                let count = services.entry(service.clone()).or_default();
                *count = count.saturating_add(1);
            }
        }
        Self { kind, tools: (!tools.is_empty()).then_some(tools.len()), services }
    }

    /// Keeps it for this entry; a product that was detected before stays when this look did not detect one. A folder that cannot be
    /// written to is no error. Of two who write at once, one is forgotten.
    pub(crate) fn keep(mut self, pflow_folder: &Path, config: &GatewayConfig) {
        let (file, made_for) = (file(pflow_folder), config.identity());
        let mut all = read(&file);
        let before = all.remove(&config.name).filter(|before| before.made_for == made_for).map(|before| before.seen);
        if let Some(before) = &before {
            self.kind = self.kind.or(before.kind);
            if self.tools.is_none() {
                (self.tools, self.services) = (before.tools, before.services.clone());
            }
        }
        if before.as_ref() == Some(&self) || self == Self::default() || all.len() >= MOST {
            return;
        }
        all.insert(config.name.clone(), Kept { made_for, seen: self });
        write(&file, &all);
    }

    /// Keeps nothing of this entry any more.
    pub(crate) fn forget(pflow_folder: &Path, name: &str) {
        let file = file(pflow_folder);
        let mut all = read(&file);
        if all.remove(name).is_some() {
            write(&file, &all);
        }
    }
}

fn file(pflow_folder: &Path) -> PathBuf {
    pflow_folder.join("gateway").join("seen.json")
}

fn read(file: &Path) -> BTreeMap<String, Kept> {
    files::regular(file, LARGEST).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn write(file: &Path, all: &BTreeMap<String, Kept>) {
    // pflow's folder is pflow's to make.
    let Some(folder) = file.parent().filter(|folder| folder.parent().is_some_and(Path::is_dir)) else { return };
    let written = files::private_folder(folder)
        .and_then(|()| serde_json::to_vec(all).map_err(Into::into))
        .and_then(|bytes| files::replace(file, &bytes));
    if let Err(error) = written {
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
        Seen::of(Some(Kind::Generic), &[]).keep(folder.path(), &config);
        Seen::of(None, &[tool(Some("a")), tool(Some("a")), tool(None)]).keep(folder.path(), &config);
        let seen = Seen::last(folder.path(), &config).unwrap();
        assert_eq!((seen.kind, seen.tools, seen.services.get("a")), (Some(Kind::Generic), Some(3), Some(&2)));
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
        Seen::of(Some(Kind::Docker), &[]).keep(folder.path(), &config);
        assert_eq!(Seen::last(folder.path(), &config).unwrap().kind, Some(Kind::Docker));
    }
}
