//! The cache of machine code: never trusted further than its digest, never in the way.
//! An entry that was used is still the same file afterwards; one that was not used was replaced.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use pflow_gateway::runtime::{CodeStore, PackagedCode, Runtime, Source};
use sha2::{Digest as _, Sha256};
use wasm_encoder::BlockType;

use super::{
    appended::{load, module, with_module},
    guest,
    stand::{Stand, limits},
};

/// What stands behind the code: eight bytes of magic, the component's digest in hex, the engine's fingerprint, the code's digest.
const TRAILER: usize = 112;

/// Where the component's digest stands, in hex, and behind it the engine's fingerprint.
fn digest(bytes: &[u8]) -> std::ops::Range<usize> {
    let trailer = bytes.len() - TRAILER;
    trailer + 8..trailer + 72
}

struct Cache {
    folder: tempfile::TempDir,
}

impl Cache {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = Self { folder };
        fs::create_dir(cache.path()).unwrap();
        cache.mode(0o700);
        cache
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn mode(&self, mode: u32) {
        fs::set_permissions(self.path(), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn code(&self) -> CodeStore {
        CodeStore { packaged: None, cache: Some(self.path()) }
    }

    /// The machine code in it.
    fn entries(&self) -> Vec<PathBuf> {
        let all = fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path());
        all.filter(|path| path.extension().is_some_and(|end| end == "cwasm")).collect()
    }

    /// The only entry.
    fn entry(&self) -> PathBuf {
        let entries = self.entries();
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries[0].clone()
    }

    fn load(&self) -> std::sync::Arc<Runtime> {
        Runtime::with(&Source::File(guest::component("hostile")), limits(), &self.code()).unwrap()
    }
}

fn inode(file: &Path) -> u64 {
    fs::metadata(file).unwrap().ino()
}

/// Writes into the file itself, as a failing disk would.
fn overwrite(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn an_entry_is_made_once_and_then_used() {
    let cache = Cache::new();
    cache.load();
    let (entry, made) = (cache.entry(), inode(&cache.entry()));
    Stand::with(cache.load()).await.behaves().await;
    assert_eq!(inode(&entry), made, "it was made again");
    assert_eq!(fs::metadata(cache.path()).unwrap().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_damaged_entry_is_noticed_and_rebuilt() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 9] = [
        ("empty", Vec::clear),
        ("too short for a trailer", |bytes| bytes.truncate(TRAILER - 1)),
        ("cut before the trailer", |bytes| bytes.truncate(bytes.len() - TRAILER)),
        ("cut by one byte", |bytes| bytes.truncate(bytes.len() - 1)),
        ("longer by one byte", |bytes| bytes.push(0)),
        ("a bit of the code flipped", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }),
        ("the last bit flipped", |bytes| *bytes.last_mut().unwrap() ^= 0x80),
        ("another engine's", |bytes| {
            let at = digest(bytes).end;
            bytes[at] ^= 1;
        }),
        ("another component's", |bytes| {
            let at = digest(bytes).start;
            bytes[at] ^= 1;
        }),
    ];
    let cache = Cache::new();
    cache.load();
    let entry = cache.entry();
    let good = fs::read(&entry).unwrap();
    for (damage, change) in damages {
        overwrite(&entry, change);
        let before = inode(&entry);
        let stand = Stand::with(cache.load()).await;
        stand.behaves().await;
        assert_ne!(inode(&entry), before, "{damage}: it was used");
        let again = fs::read(&entry).unwrap();
        assert_eq!(again[digest(&again)], good[digest(&good)], "{damage}: it was not rebuilt");
        assert_eq!(cache.entries().len(), 1, "{damage}");
    }
}

#[tokio::test]
async fn a_folder_in_the_place_of_an_entry_is_only_a_pity() {
    let cache = Cache::new();
    cache.load();
    let entry = cache.entry();
    fs::remove_file(&entry).unwrap();
    fs::create_dir(&entry).unwrap();
    Stand::with(cache.load()).await.behaves().await;
}

/// A component that does not start, and an entry under its name with the code of one that does: who starts it used the entry.
fn forged(cache: &Cache) -> (Vec<u8>, PathBuf) {
    let spin = with_module(
        &module(1, 1, |f| {
            f.instructions().loop_(BlockType::Empty).br(0).end();
        }),
        1,
    );
    cache.load();
    let entry = cache.entry();
    let hex = super::hex(&Sha256::digest(&spin));
    overwrite(&entry, |bytes| {
        let at = digest(bytes);
        bytes[at].copy_from_slice(hex.as_bytes());
    });
    let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
    let (_, rest) = name.split_once('-').unwrap();
    let forged = entry.with_file_name(format!("{hex}-{rest}"));
    fs::rename(&entry, &forged).unwrap();
    (spin, forged)
}

async fn starts(bytes: &[u8], code: &CodeStore) -> bool {
    use pflow_gateway::runtime::Conversation;
    let stand = Stand::with(load(bytes, limits(), code).unwrap()).await;
    let events = std::sync::Arc::new(super::stand::RecordedEvents::default());
    Conversation::start(&stand.runtime, stand.egress(&[], &[]), events, super::stand::PATIENCE).await.is_ok()
}

#[tokio::test]
async fn a_folder_that_others_can_write_to_is_neither_read_nor_written() {
    let cache = Cache::new();
    let (bytes, forged) = forged(&cache);
    assert!(starts(&bytes, &cache.code()).await, "in a private folder the entry is used");
    for mode in [0o777, 0o770, 0o702] {
        cache.mode(mode);
        assert!(!starts(&bytes, &cache.code()).await, "mode {mode:o}: the entry was used");
        assert_eq!(cache.entries(), [forged.as_path()], "mode {mode:o}: something was written");
    }
}

#[tokio::test]
async fn a_folder_of_somebody_else_is_not_used() {
    let cache = Cache::new();
    let (bytes, _) = forged(&cache);
    // Only root can give a folder away; for others the path is not there to be tested.
    if std::os::unix::fs::chown(cache.path(), Some(12_345), None).is_ok() {
        assert!(!starts(&bytes, &cache.code()).await, "the entry was used");
    }
}

#[tokio::test]
async fn a_folder_below_one_that_others_can_write_to_is_not_used() {
    let cache = Cache::new();
    let (bytes, forged) = forged(&cache);
    let above = |mode| fs::set_permissions(cache.folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    // Whoever may rename the folder can put another into its place, between the look and the reading.
    above(0o777);
    assert!(!starts(&bytes, &cache.code()).await, "the entry was used");
    assert_eq!(cache.entries(), [forged.as_path()], "something was written");
    // As /tmp is.
    above(0o1777);
    assert!(starts(&bytes, &cache.code()).await, "only the owner could exchange it");
}

#[tokio::test]
async fn an_entry_that_others_can_write_to_is_not_used() {
    let cache = Cache::new();
    let (bytes, forged) = forged(&cache);
    fs::set_permissions(&forged, fs::Permissions::from_mode(0o622)).unwrap();
    assert!(!starts(&bytes, &cache.code()).await, "the entry was used");
}

#[tokio::test]
async fn an_entry_that_is_a_link_is_not_followed() {
    let cache = Cache::new();
    let (bytes, forged) = forged(&cache);
    let elsewhere = cache.folder.path().join("elsewhere");
    fs::rename(&forged, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &forged).unwrap();
    assert!(!starts(&bytes, &cache.code()).await, "the link was followed");
}

/// The digest of the whole file, as the program has it that was packaged with it.
fn packaged(file: &Path) -> PackagedCode {
    PackagedCode { file: file.to_owned(), sha256: super::hex(&Sha256::digest(fs::read(file).unwrap())) }
}

#[tokio::test]
async fn code_that_was_made_while_packaging_is_used_only_when_the_program_knows_its_digest() {
    let cache = Cache::new();
    let (bytes, forged) = forged(&cache);
    let file = cache.folder.path().join("gateway.cwasm");
    fs::rename(forged, &file).unwrap();
    let known = packaged(&file);
    let code = CodeStore { packaged: Some(known.clone()), cache: None };
    assert!(starts(&bytes, &code).await, "it was not used");
    // For any other component it is passed over.
    let runtime = Runtime::with(&Source::File(guest::component("hostile")), limits(), &code).unwrap();
    Stand::with(runtime).await.behaves().await;
    // Good in itself, and not what was packaged: somebody else laid it there.
    let code = CodeStore { packaged: Some(PackagedCode { sha256: "0".repeat(64), ..known.clone() }), cache: None };
    assert!(!starts(&bytes, &code).await, "a file was trusted because of where it lies");
    overwrite(&file, |bytes| bytes.truncate(1_000));
    let code = CodeStore { packaged: Some(known), cache: None };
    assert!(!starts(&bytes, &code).await, "it was used although it is damaged");
}

#[tokio::test]
async fn a_digest_that_was_taken_is_remembered_until_somebody_writes_to_the_file() {
    let cache = Cache::new();
    let (bytes, forged) = forged(&cache);
    let file = cache.folder.path().join("gateway.cwasm");
    fs::rename(forged, &file).unwrap();
    let code = CodeStore { packaged: Some(packaged(&file)), cache: Some(cache.path()) };
    assert!(starts(&bytes, &code).await);
    let notes = cache.path().join("digests");
    assert!(!notes.exists(), "the file could still change within a tick of its clock");
    // It has to rest for two seconds.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(starts(&bytes, &code).await);
    let remembered = fs::read_to_string(&notes).unwrap();
    assert_eq!(fs::metadata(&notes).unwrap().permissions().mode() & 0o777, 0o600);
    // Whoever believes this note does not read the file.
    fs::write(&notes, remembered.replace(&packaged(&file).sha256, &"0".repeat(64))).unwrap();
    assert!(!starts(&bytes, &code).await, "the digest was taken once more");
    for entry in cache.entries() {
        fs::remove_file(entry).unwrap();
    }
    fs::write(&notes, &remembered).unwrap();
    assert!(starts(&bytes, &code).await);
    // As long and, for all that a program can say, as old as before.
    let before = fs::metadata(&file).unwrap().modified().unwrap();
    overwrite(&file, |bytes| bytes[100] ^= 1);
    fs::File::options().write(true).open(&file).unwrap().set_modified(before).unwrap();
    assert!(!starts(&bytes, &code).await, "it was used although somebody wrote to it");
}

#[test]
fn several_processes_that_build_the_same_entry_at_once_all_succeed() {
    let cache = Cache::new();
    let children: Vec<_> = (0..3)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "cache::load_into_the_folder_given", "--ignored", "--test-threads=1"])
                .env("SANDBOX_CACHE", cache.path())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }
    let (entry, made) = (cache.entry(), inode(&cache.entry()));
    cache.load();
    assert_eq!(inode(&entry), made, "what they left is not good");
}

#[tokio::test]
#[ignore = "run by `several_processes_that_build_the_same_entry_at_once_all_succeed`"]
async fn load_into_the_folder_given() {
    let code = CodeStore { packaged: None, cache: Some(std::env::var_os("SANDBOX_CACHE").unwrap().into()) };
    let runtime = Runtime::with(&Source::File(guest::component("hostile")), limits(), &code).unwrap();
    Stand::with(runtime).await.behaves().await;
}
