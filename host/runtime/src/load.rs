//! From a component's bytes to something that runs: compiled ahead of time, or once and then kept.
//! Takes bytes and an engine; gives a [`Component`]. The only place that trusts machine code, and only code whose digest stands with it.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};

use super::{compile, digests::Digests, engine::fingerprint, error::LoadError, limits::CODE};
use pflow_gateway_base::{
    digest::{hex, sha256},
    files,
    folder::{Folder, is_ours},
};

/// How the trailer of a file with machine code begins; the last byte is the format's version.
const MAGIC: &[u8; 8] = b"pflowgw\x03";
/// Magic, the component's digest in hex, the engine's fingerprint, the code's digest. Behind the code, which so begins where a page does
/// and is mapped as it lies there.
const TRAILER: usize = 8 + 64 + 8 + 32;

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
pub(super) fn load(
    engine: &Engine,
    bytes: &[u8],
    sha256: &str,
    stack: usize,
    store: &Store,
) -> Result<Component, LoadError> {
    let key = Key { component: sha256, engine: fingerprint(engine) };
    let opened = store.cache.as_ref().map(|folder| (folder, Folder::private(folder)));
    let cache = opened.as_ref().and_then(|(_, opened)| opened.as_ref().ok());
    let digests = Digests::new(cache);
    let packaged = store.packaged.as_ref();
    if let Some(component) = packaged.and_then(|packaged| read_packaged(packaged, &key, &digests, engine)) {
        return Ok(component);
    }
    if let Some((folder, Err(error))) = &opened {
        tracing::warn!("not using the cache {}: {error}", folder.display());
    }
    let name = format!("{sha256}-{:016x}.cwasm", key.engine);
    if let Some(component) = cache.and_then(|cache| read_entry(cache, &name, &key, &digests, engine)) {
        return Ok(component);
    }
    tracing::info!(%sha256, bytes = bytes.len(), "compiling the component, once");
    if let Some(listener) = super::COMPILING.get() {
        listener(bytes.len());
    }
    let code = compile::compile(engine, bytes, stack)?;
    if let Some(cache) = cache
        && let Err(e) = cache.write(&name, &[&code, &key.trailer(&Sha256::digest(&code))])
    {
        tracing::warn!("cannot keep the compiled component {name}: {e}");
    }
    trust(engine, &Code::Copied(code)).map_err(LoadError::Code)
}

/// Writes machine code for these bytes to `file`, for packaging. Gives the SHA-256 of what it wrote, lower-case hex.
pub(super) fn precompile(engine: &Engine, bytes: &[u8], file: &Path) -> Result<String, LoadError> {
    let mut entry = compile::here(engine, bytes)?;
    let trailer = Key { component: &sha256(bytes), engine: fingerprint(engine) }.trailer(&Sha256::digest(&entry));
    entry.extend_from_slice(&trailer);
    files::shared(file, &entry).map_err(|source| LoadError::Unwritten { file: file.to_owned(), source })?;
    Ok(sha256(&entry))
}

/// What an entry must be for, to be used.
struct Key<'a> {
    /// SHA-256, lower-case hex.
    component: &'a str,
    engine: u64,
}

impl Key<'_> {
    fn trailer(&self, digest: &[u8]) -> Vec<u8> {
        let mut trailer = Vec::with_capacity(TRAILER);
        trailer.extend_from_slice(MAGIC);
        trailer.extend_from_slice(self.component.as_bytes());
        trailer.extend_from_slice(&self.engine.to_le_bytes());
        trailer.extend_from_slice(digest);
        trailer
    }

    /// The digest of the code in a trailer that is for this.
    fn digest_in<'a>(&self, trailer: &'a [u8]) -> Option<&'a [u8]> {
        let rest = trailer.strip_prefix(MAGIC).and_then(|rest| rest.strip_prefix(self.component.as_bytes()))?;
        rest.strip_prefix(&self.engine.to_le_bytes())
    }
}

/// None when the file is absent, not what was packaged, or for something else.
fn read_packaged(packaged: &Packaged, key: &Key<'_>, digests: &Digests<'_>, engine: &Engine) -> Option<Component> {
    let file = packaged.file.display();
    let seen = files::regular_file(&packaged.file).and_then(|(open, size)| {
        if is_ours(&open) {
            let entry = Entry::of(open, size)?;
            let digest = digests.of(&entry.file, size)?;
            return Ok((Some(entry.trailer.clone()), digest, Code::Mapped(entry)));
        }
        // Whoever it belongs to could change it after the look: what is looked at is a copy.
        let mut bytes = files::whole(&open, size, CODE)?;
        let digest = sha256(&bytes);
        let trailer = bytes.len().checked_sub(TRAILER).map(|at| bytes.split_off(at));
        Ok((trailer, digest, Code::Copied(bytes)))
    });
    let (trailer, digest, code) = match seen {
        Ok(seen) => seen,
        Err(e) => {
            tracing::debug!("cannot read {file}: {e}");
            return None;
        }
    };
    if digest != packaged.sha256 {
        tracing::warn!("{file} is not what was packaged with this program, and is not used");
        return None;
    }
    key.digest_in(&trailer?)?;
    trust(engine, &code).inspect_err(|e| tracing::warn!("{file} does not load: {e:#}")).ok()
}

/// None when the entry is absent, for something else, cut short or changed.
fn read_entry(cache: &Folder, name: &str, key: &Key<'_>, digests: &Digests<'_>, engine: &Engine) -> Option<Component> {
    let (file, size) =
        cache.open(name).inspect_err(|e| tracing::warn!("not using the compiled component: {e}")).ok()??;
    let read = Entry::of(file, size).and_then(|entry| Ok((digests.of(&entry.file, entry.size)?, entry)));
    let (digest, entry) = read.inspect_err(|e| tracing::debug!("not using {name}: {e}")).ok()?;
    if key.digest_in(&entry.trailer).map(hex) != Some(digest) {
        tracing::debug!("{name} is for something else, or damaged");
        return None;
    }
    trust(engine, &Code::Mapped(entry)).inspect_err(|e| tracing::warn!("{name} does not load: {e:#}")).ok()
}

/// A file with machine code that only this user and root can change.
struct Entry {
    file: File,
    /// Of the code alone.
    size: u64,
    trailer: Vec<u8>,
}

impl Entry {
    fn of(mut file: File, size: u64) -> io::Result<Self> {
        if size > CODE {
            return Err(io::Error::other(format!("it is larger than {CODE} bytes")));
        }
        let Some(code) = size.checked_sub(TRAILER as u64) else {
            return Err(io::Error::other("it is cut short"));
        };
        let mut trailer = vec![0; TRAILER];
        file.seek(SeekFrom::Start(code))?;
        file.read_exact(&mut trailer)?;
        Ok(Self { file, size: code, trailer })
    }

    /// The code, where it cannot be mapped.
    fn copy(&self) -> io::Result<Vec<u8>> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        files::whole(&self.file, self.size, CODE).map(|mut bytes| {
            bytes.truncate(usize::try_from(self.size).unwrap_or(usize::MAX));
            bytes
        })
    }
}

/// Machine code that was looked at, and is what it should be.
enum Code {
    /// In a file that nobody else can change.
    Mapped(Entry),
    /// In memory.
    Copied(Vec<u8>),
}

#[expect(unsafe_code, reason = "the one loader of machine code")]
fn trust(engine: &Engine, code: &Code) -> wasmtime::Result<Component> {
    // SAFETY: the code comes from `precompile_component` of this very version and configuration of wasmtime. Either this program, or a
    // process that it started from its own file, made it a moment ago; or the program carries the SHA-256 of the file that it came from
    // (`read_packaged`); or it was read through a descriptor of a folder that, like every folder above it, only this user and root can
    // change, from a file of theirs, behind which stands its SHA-256, which tells damage (`read_entry`). What is mapped is the very
    // file that was looked at, by its descriptor, and only this user and root can change what it holds; our own writers replace files and
    // never change one. A digest that was remembered (`digests`) is of a file to which nobody has written since, by the time that
    // the system alone sets, and the note of it lies in the same folder as the machine code of other components.
    unsafe {
        match code {
            Code::Copied(bytes) => Component::deserialize(engine, bytes),
            Code::Mapped(entry) => match descriptor(&entry.file) {
                // Where nothing may be executed, as on a volume that is mounted so, a copy in memory still may.
                Some(path) => {
                    Component::deserialize_file(engine, path).or_else(|_| Component::deserialize(engine, entry.copy()?))
                }
                None => Component::deserialize(engine, entry.copy()?),
            },
        }
    }
}

/// A path that opens this very file: wasmtime maps components from paths alone.
fn descriptor(file: &File) -> Option<PathBuf> {
    #[cfg(target_os = "linux")]
    {
        let path = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file)));
        // There may be no /proc.
        File::open(&path).is_ok().then_some(path)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = file;
        None
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_copy_of_an_entry_is_its_code_without_the_trailer() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"machine code").unwrap();
        file.write_all(&[7; TRAILER]).unwrap();
        let entry = Entry::of(file, 12 + TRAILER as u64).unwrap();
        let digest = Digests::new(None).of(&entry.file, entry.size).unwrap();
        assert_eq!(entry.copy().unwrap(), b"machine code");
        assert_eq!((digest, entry.trailer.as_slice()), (sha256(b"machine code"), &[7; TRAILER][..]));
    }
}
