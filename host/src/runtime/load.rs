//! From a component's bytes to something that runs: compiled ahead of time, or once and then kept.
//! Takes bytes and an engine; gives a [`Component`]. The only place that trusts machine code, and only code whose digest stands with it.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, component::Component};

use super::{compile, engine::fingerprint, limits::CODE};
use crate::{Class, Error, Result, digest::sha256, files, folder::Folder};

/// First bytes of a file with machine code; the last is the format's version.
const MAGIC: &[u8; 8] = b"pflowgw\x02";
/// Magic, the component's digest in hex, the engine's fingerprint, the code's digest.
const HEADER: usize = 8 + 64 + 8 + 32;

/// Machine code that was made while packaging. It lies where anybody may have put it, so the program carries its digest.
#[derive(Clone, Debug)]
pub struct Packaged {
    /// Beside the program, or inside the wheel.
    pub file: PathBuf,
    /// SHA-256 of the whole file, lower-case hex.
    pub sha256: String,
}

/// Where machine code may be found, and where to keep it.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// What came with the program.
    pub packaged: Option<Packaged>,
    /// The cache folder. None: compile every time.
    pub cache: Option<PathBuf>,
}

impl Store {
    /// What came with the program, and the user's cache folder: `$XDG_CACHE_HOME/pflow-gateway`, or `~/.cache/pflow-gateway`.
    #[must_use]
    pub fn of_this_process() -> Self {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        let cache = absolute("XDG_CACHE_HOME").or_else(|| home.map(|home| home.join(".cache")));
        Self { packaged: super::packaged(), cache: cache.map(|folder| folder.join("pflow-gateway")) }
    }
}

/// Loads ready machine code, or compiles and keeps it. `sha256` is of the bytes, lower-case hex.
pub(super) fn load(engine: &Engine, bytes: &[u8], sha256: &str, stack: usize, store: &Store) -> Result<Component> {
    let key = Key { component: sha256, engine: fingerprint(engine) };
    if let Some(component) = store.packaged.as_ref().and_then(|packaged| read_packaged(packaged, &key, engine)) {
        return Ok(component);
    }
    let cache = store.cache.as_ref().and_then(|folder| {
        Folder::private(folder).inspect_err(|e| tracing::warn!("not using the cache {}: {e}", folder.display())).ok()
    });
    let name = format!("{sha256}-{:016x}.cwasm", key.engine);
    if let Some(component) = cache.as_ref().and_then(|cache| read_entry(cache, &name, &key, engine)) {
        return Ok(component);
    }
    tracing::info!(%sha256, bytes = bytes.len(), "compiling the component, once");
    if let Some(listener) = super::COMPILING.get() {
        listener(bytes.len());
    }
    let code = compile::compile(engine, bytes, stack)?;
    if let Some(cache) = cache
        && let Err(e) = cache.write(&name, &[&key.header(&code), &code])
    {
        tracing::warn!("cannot keep the compiled component {name}: {e}");
    }
    trust(engine, &code).map_err(|e| Error::new(Class::Component, format!("the component does not load: {e:#}")))
}

/// Writes machine code for these bytes to `file`, for packaging. Gives the SHA-256 of what it wrote, lower-case hex.
pub(super) fn precompile(engine: &Engine, bytes: &[u8], file: &Path) -> Result<String> {
    let code = compile::here(engine, bytes)?;
    let mut entry = Key { component: &sha256(bytes), engine: fingerprint(engine) }.header(&code);
    entry.extend_from_slice(&code);
    files::shared(file, &entry)
        .map_err(|e| Error::new(Class::Config, format!("cannot write {}: {e}", file.display())))?;
    Ok(sha256(&entry))
}

/// What an entry must be for, to be used.
struct Key<'a> {
    /// SHA-256, lower-case hex.
    component: &'a str,
    engine: u64,
}

impl Key<'_> {
    fn header(&self, code: &[u8]) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(self.component.as_bytes());
        header.extend_from_slice(&self.engine.to_le_bytes());
        header.extend_from_slice(&Sha256::digest(code));
        header
    }

    /// The code of an entry, when it is for this and whole.
    fn code<'a>(&self, entry: &'a [u8]) -> Option<&'a [u8]> {
        let (header, code) = entry.split_at_checked(HEADER)?;
        (header == self.header(code)).then_some(code)
    }

    /// The code of an entry, when it is for this. That it is whole was seen by a digest of all of it.
    fn code_of_whole<'a>(&self, entry: &'a [u8]) -> Option<&'a [u8]> {
        let (header, code) = entry.split_at_checked(HEADER)?;
        let (header, component) = (header.strip_prefix(MAGIC)?, self.component.as_bytes());
        header.strip_prefix(component)?.starts_with(&self.engine.to_le_bytes()).then_some(code)
    }
}

/// None when the file is absent, not what was packaged, or for something else.
fn read_packaged(packaged: &Packaged, key: &Key<'_>, engine: &Engine) -> Option<Component> {
    let file = packaged.file.display();
    let entry = match files::regular(&packaged.file, CODE) {
        Ok(entry) => entry,
        Err(e) => {
            tracing::debug!("cannot read {file}: {e}");
            return None;
        }
    };
    if sha256(&entry) != packaged.sha256 {
        tracing::warn!("{file} is not what was packaged with this program, and is not used");
        return None;
    }
    trust(engine, key.code_of_whole(&entry)?).inspect_err(|e| tracing::warn!("{file} does not load: {e:#}")).ok()
}

/// None when the entry is absent, for something else, cut short or changed.
fn read_entry(cache: &Folder, name: &str, key: &Key<'_>, engine: &Engine) -> Option<Component> {
    let entry =
        cache.read(name, CODE).inspect_err(|e| tracing::warn!("not using the compiled component: {e}")).ok()??;
    let Some(code) = key.code(&entry) else {
        tracing::debug!("{name} is for something else, or damaged");
        return None;
    };
    trust(engine, code).inspect_err(|e| tracing::warn!("{name} does not load: {e:#}")).ok()
}

#[expect(unsafe_code, reason = "the one loader of machine code")]
fn trust(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `code` comes from `precompile_component` of this very version and configuration of wasmtime. Either this program, or a
    // process that it started from its own file, made it a moment ago; or the program carries the SHA-256 of the file that it came from
    // (`read_packaged`); or it was read through a descriptor of a folder that, like every folder above it, only this user and root can
    // change, from a file of theirs, under a header with its own SHA-256 that tells damage (`read_entry`).
    unsafe { Component::deserialize(engine, code) }
}
