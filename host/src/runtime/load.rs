//! From a component's bytes to something that runs: compiled ahead of time, or once and then kept.
//! Takes bytes and an engine; gives a [`Component`]. The only place that trusts machine code, and only code whose digest stands with it.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, component::Component};

use super::{engine::fingerprint, inspect::Anatomy};
use crate::{Class, Error, Result};

/// First bytes of a file with machine code; the last is the format's version.
const MAGIC: &[u8; 8] = b"pflowgw\x01";
/// Magic, the component's digest, the engine's fingerprint, the code's digest.
const HEADER: usize = 8 + 32 + 8 + 32;

/// Where machine code may be found, and where to keep it.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// Files made while packaging, tried in order. Installed with the program, so trusted as much as it is.
    pub packaged: Vec<PathBuf>,
    /// The cache folder. None: compile every time.
    pub cache: Option<PathBuf>,
}

impl Store {
    /// Beside the program, and the user's cache folder: `$XDG_CACHE_HOME/pflow-gateway`, or `~/.cache/pflow-gateway`.
    #[must_use]
    pub fn of_this_process() -> Self {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        let mut packaged: Vec<_> = super::packaged_file().into_iter().collect();
        if let Ok(program) = std::env::current_exe() {
            packaged.push(program.with_file_name("gateway.cwasm"));
        }
        Self { packaged, cache: cache.map(|folder| folder.join("pflow-gateway")) }
    }
}

/// Loads ready machine code, or compiles and keeps it.
pub(super) fn load(engine: &Engine, bytes: &[u8], anatomy: &Anatomy, store: &Store) -> Result<Component> {
    let key = Key::of(bytes, engine);
    for file in &store.packaged {
        if let Some(component) = read_entry(file, &key, engine) {
            return Ok(component);
        }
    }
    let entry = store.cache.as_ref().and_then(|folder| match private(folder) {
        Ok(()) => Some(folder.join(format!("{}-{:016x}.cwasm", anatomy.sha256, fingerprint(engine)))),
        Err(e) => {
            tracing::warn!("not using the cache {}: {e}", folder.display());
            None
        }
    });
    if let Some(component) = entry.as_ref().and_then(|file| read_entry(file, &key, engine)) {
        return Ok(component);
    }
    tracing::info!(sha256 = %anatomy.sha256, bytes = anatomy.size, "compiling the component, once");
    if let Some(listener) = super::COMPILING.get() {
        listener(anatomy.size);
    }
    let code = compile(engine, bytes)?;
    if let Some(file) = entry
        && let Err(e) = write_entry(&file, &key, &code)
    {
        tracing::warn!("cannot keep the compiled component in {}: {e}", file.display());
    }
    trust(engine, &code).map_err(|e| Error::new(Class::Component, format!("the component does not load: {e:#}")))
}

/// Writes machine code for these bytes to `file`, for packaging.
pub(super) fn precompile(engine: &Engine, bytes: &[u8], file: &Path) -> Result<()> {
    let code = compile(engine, bytes)?;
    write_entry(file, &Key::of(bytes, engine), &code)
        .map_err(|e| Error::new(Class::Config, format!("cannot write {}: {e}", file.display())))
}

fn compile(engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>> {
    engine.precompile_component(bytes).map_err(|e| {
        Error::new(Class::Component, format!("the component does not compile: {e:#}"))
            .with_hint("check it with `wasm-tools validate --features component-model`")
    })
}

/// What an entry must be for, to be used.
struct Key {
    component: [u8; 32],
    engine: u64,
}

impl Key {
    fn of(bytes: &[u8], engine: &Engine) -> Self {
        Self { component: Sha256::digest(bytes).into(), engine: fingerprint(engine) }
    }

    fn header(&self, code: &[u8]) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&self.component);
        header.extend_from_slice(&self.engine.to_le_bytes());
        header.extend_from_slice(&Sha256::digest(code));
        header
    }
}

/// None when the file is absent, for something else, cut short or changed.
fn read_entry(file: &Path, key: &Key, engine: &Engine) -> Option<Component> {
    let entry = match fs::read(file) {
        Ok(entry) => entry,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return None,
        Err(e) => {
            tracing::warn!("cannot read {}: {e}", file.display());
            return None;
        }
    };
    let (header, code) = entry.split_at_checked(HEADER)?;
    if header != key.header(code) {
        tracing::debug!("{} is for something else, or damaged", file.display());
        return None;
    }
    trust(engine, code).inspect_err(|e| tracing::warn!("{} does not load: {e:#}", file.display())).ok()
}

#[expect(unsafe_code, reason = "the one loader of machine code")]
fn trust(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `code` comes from `precompile_component` of this very version and configuration of wasmtime: either from the line
    // above this call, or from a file whose header names the component, the engine's compatibility hash and the SHA-256 of `code`,
    // all compared by `read_entry`. Such a file lies beside the program, or in a folder that only this user can
    // write to (`private`); whoever can forge it can as well replace the program.
    unsafe { Component::deserialize(engine, code) }
}

/// Beside the target and renamed, so that nobody ever sees half of it; two writers both succeed.
fn write_entry(file: &Path, key: &Key, code: &[u8]) -> io::Result<()> {
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(&key.header(code))?;
    temporary.write_all(code)?;
    readable(temporary.as_file())?;
    temporary.persist(file).map(drop).map_err(|e| e.error)
}

#[cfg(unix)]
fn readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_file: &fs::File) -> io::Result<()> {
    Ok(())
}

/// Makes the folder, for this user alone; refuses one that others can write to.
#[cfg(unix)]
fn private(folder: &Path) -> Result<(), String> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| e.to_string())?;
    let found = fs::metadata(folder).map_err(|e| e.to_string())?;
    if found.mode() & 0o022 != 0 {
        return Err(format!("others can write to it (mode {:o}); chmod 700 it", found.mode() & 0o777));
    }
    // Whose folder it is, is whose machine code is in it. A new file tells who we are.
    let me = tempfile::tempfile_in(folder).and_then(|file| file.metadata()).map_err(|e| e.to_string())?.uid();
    if found.uid() != me {
        return Err(format!("it belongs to somebody else (user {})", found.uid()));
    }
    Ok(())
}

#[cfg(not(unix))]
fn private(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|e| e.to_string())
}
