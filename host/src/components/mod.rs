//! Which component runs for which gateway: installed in pflow's folder, pinned by its digest.
//! Takes files and gateways' names; gives [`Pin`]s. Never runs a byte of a component, and never gives one that is not what was installed.
//!
//! `gateway-components.json` says what was chosen, `gateway-components/SHA256.wasm` is a copy of it: what its author does to the file
//! later changes nothing until it is installed again.

mod advice;
mod error;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    digest::is_sha256,
    files::{self, Lock},
    runtime::{Anatomy, LoadError, Source},
};

pub use self::error::ComponentsError;

const PINS: &str = "gateway-components.json";
const FILES: &str = "gateway-components";

/// The result of everything in here that can fail.
type Result<T, E = ComponentsError> = std::result::Result<T, E>;

/// For whom a component is chosen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Every gateway that has no choice of its own.
    All,
    /// The gateway of this name.
    Gateway(String),
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all gateways"),
            Self::Gateway(name) => write!(f, "the gateway {}", crate::scrub::line(name, 100)),
        }
    }
}

/// An installed component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// SHA-256 of its bytes, lower-case hex.
    pub sha256: String,
    /// Where it was installed from.
    pub source: PathBuf,
    /// The copy that runs. Its name is its digest, and [`Runtime`](crate::runtime::Runtime) refuses it when that is not so any more.
    pub file: PathBuf,
}

/// The components that were chosen, in one of pflow's folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    folder: PathBuf,
}

/// The file. Keys that a later version adds are kept.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Pins {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    all: Option<Entry>,
    #[serde(default)]
    gateways: BTreeMap<String, Entry>,
    #[serde(flatten)]
    further: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Entry {
    sha256: String,
    source: PathBuf,
}

impl Pin {
    /// What runs.
    #[must_use]
    pub fn to_run(&self) -> Source {
        Source::Pinned { file: self.file.clone(), sha256: self.sha256.clone() }
    }
}

impl Components {
    /// Those that belong to this `mcp-servers.json`, whether it exists or not.
    #[must_use]
    pub fn beside(config: &Path) -> Self {
        Self {
            folder: config
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or(Path::new("."))
                .to_owned(),
        }
    }

    /// pflow's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Installs the component in this file and chooses it.
    ///
    /// # Errors
    ///
    /// `config`: the file cannot be read, or pflow's folder not be written. `component`: it does not fit the contract; then nothing
    /// is changed.
    pub fn install(&self, file: &Path, scope: &Scope) -> Result<Pin> {
        let bytes = crate::runtime::read(file)?;
        let anatomy = Anatomy::read(&bytes)
            .and_then(|anatomy| anatomy.check().map(|()| anatomy))
            .map_err(|source| LoadError::Unfit { component: file.display().to_string(), source })?;
        let _lock = self.lock()?;
        let mut pins = self.pins()?;
        let source = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let entry = Entry { sha256: anatomy.sha256, source };
        let pin = self.pin(&entry)?;
        write(&pin.file, &bytes)?;
        match scope {
            Scope::All => pins.all = Some(entry),
            Scope::Gateway(name) => {
                pins.gateways.insert(name.clone(), entry);
            }
        }
        self.save(&pins)?;
        Ok(pin)
    }

    /// What was chosen, for all first.
    ///
    /// # Errors
    ///
    /// `config`: `gateway-components.json` cannot be read.
    pub fn list(&self) -> Result<Vec<(Scope, Pin)>> {
        let pins = self.pins()?;
        let all = pins.all.iter().map(|entry| (Scope::All, entry));
        let gateways = pins.gateways.iter().map(|(name, entry)| (Scope::Gateway(name.clone()), entry));
        all.chain(gateways).map(|(scope, entry)| Ok((scope, self.pin(entry)?))).collect()
    }

    /// What runs for this gateway: its own choice, or the one for all. None: the built-in component.
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    pub fn chosen(&self, gateway: &str) -> Result<Option<Pin>> {
        let pins = self.pins()?;
        pins.gateways.get(gateway).or(pins.all.as_ref()).map(|entry| self.pin(entry)).transpose()
    }

    /// Takes a choice back. Gives what was chosen. The copy is removed when nobody uses it any more.
    ///
    /// # Errors
    ///
    /// `config`: pflow's folder cannot be read or written.
    pub fn reset(&self, scope: &Scope) -> Result<Option<Pin>> {
        let _lock = self.lock()?;
        let mut pins = self.pins()?;
        let removed = match scope {
            Scope::All => pins.all.take(),
            Scope::Gateway(name) => pins.gateways.remove(name),
        };
        let Some(removed) = removed else { return Ok(None) };
        let pin = self.pin(&removed)?;
        self.save(&pins)?;
        let used = pins.all.iter().chain(pins.gateways.values()).any(|entry| entry.sha256 == removed.sha256);
        if !used && let Err(error) = fs::remove_file(&pin.file) {
            tracing::debug!("{} stays: {error}", pin.file.display());
        }
        Ok(Some(pin))
    }

    /// Held from reading to writing: of two who choose at once, both choices stay.
    fn lock(&self) -> Result<Lock> {
        Ok(Lock::of(&self.folder.join(PINS))?)
    }

    fn pin(&self, entry: &Entry) -> Result<Pin> {
        // It becomes a file's name.
        if !is_sha256(&entry.sha256) {
            return Err(ComponentsError::NoDigest { file: self.folder.join(PINS) });
        }
        let file = self.folder.join(FILES).join(format!("{}.wasm", entry.sha256));
        Ok(Pin { sha256: entry.sha256.clone(), source: entry.source.clone(), file })
    }

    fn pins(&self) -> Result<Pins> {
        let path = self.folder.join(PINS);
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|source| ComponentsError::NotJson { file: path, source })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Pins::default()),
            Err(source) => Err(ComponentsError::Unread { file: path, source }),
        }
    }

    fn save(&self, pins: &Pins) -> Result<()> {
        let text = serde_json::to_vec_pretty(pins).map_err(ComponentsError::NoText)?;
        write(&self.folder.join(PINS), &text)
    }
}

/// For this user alone, whole or not at all.
fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    let cannot = |source| ComponentsError::Unwritten { file: file.to_owned(), source };
    let folder = file.parent().unwrap_or(Path::new("."));
    files::private_folder(folder).map_err(cannot)?;
    files::replace(file, bytes).map_err(cannot)
}
