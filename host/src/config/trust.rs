//! Server files besides pflow's own that may use credentials: pinned by their digest, as direnv does.
//! Takes a file and its bytes; says whether they are what the user trusted. Never trusts a changed file, and never looks into one.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::error::{FileError, Result};
use super::{GatewayConfig, Method};
use crate::{digest::sha256, files, scrub};

/// Files that whoever starts this program trusts, whatever is in them; separated as in `PATH`.
pub(super) const VARIABLE: &str = "PFLOW_GATEWAY_TRUST";

/// The files that this user trusts.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    store: Option<PathBuf>,
    named: Vec<PathBuf>,
}

/// What a server file may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is pflow's own, and may do everything.
    Own,
    /// The user trusts it as it is.
    Trusted,
    /// Nobody said anything about it.
    Foreign,
}

impl Trust {
    /// What is kept below `~/.pflow`, and what the environment names.
    #[must_use]
    pub fn of_this_user() -> Self {
        let named = std::env::var_os(VARIABLE).map(|named| std::env::split_paths(&named).collect()).unwrap_or_default();
        Self { store: super::file::pflow_folder().ok().map(|folder| folder.join("gateway/trusted.json")), named }
    }

    /// What is kept in this file.
    #[must_use]
    pub fn at(store: PathBuf) -> Self {
        Self { store: Some(store), named: Vec::new() }
    }

    /// These files, whatever is in them, and no other.
    #[must_use]
    pub fn of_files(named: Vec<PathBuf>) -> Self {
        Self { store: None, named }
    }

    /// What a file with these bytes may do.
    #[must_use]
    pub fn standing(&self, file: &Path, bytes: &[u8]) -> Standing {
        let file = place(file);
        if super::ConfigFile::default_path().is_ok_and(|own| place(&own) == file) {
            return Standing::Own;
        }
        if self.names(&file) || self.files().get(&file).is_some_and(|pinned| *pinned == digest(bytes)) {
            Standing::Trusted
        } else {
            Standing::Foreign
        }
    }

    /// Whether this file is trusted whatever is in it.
    #[must_use]
    pub fn names(&self, file: &Path) -> bool {
        let file = place(file);
        self.named.iter().any(|named| place(named) == file)
    }

    /// The files, each with the digest of what was trusted.
    #[must_use]
    pub fn files(&self) -> BTreeMap<PathBuf, String> {
        let bytes = self.store.as_ref().and_then(|store| files::read_regular(store).ok());
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Trusts a file as it is now; gives the digest.
    ///
    /// # Errors
    ///
    /// `config`: it cannot be written down.
    pub fn pin(&self, file: &Path, bytes: &[u8]) -> Result<String> {
        let digest = digest(bytes);
        let mut files = self.files();
        files.insert(place(file), digest.clone());
        self.write(&files)?;
        Ok(digest)
    }

    /// Trusts a file no longer. Whether it was.
    ///
    /// # Errors
    ///
    /// `config`: it cannot be written down.
    pub fn revoke(&self, file: &Path) -> Result<bool> {
        let mut files = self.files();
        let was = files.remove(&place(file)).is_some();
        if was {
            self.write(&files)?;
        }
        Ok(was)
    }

    fn write(&self, trusted: &BTreeMap<PathBuf, String>) -> Result<()> {
        let Some(store) = &self.store else {
            return Err(FileError::NoPlaceForTrust.into());
        };
        let failed = |source| FileError::TrustUnwritten { path: store.clone(), source };
        let text = serde_json::to_vec_pretty(trusted).map_err(|e| failed(e.into()))?;
        let folder = store.parent().map_or(Ok(()), files::private_folder);
        Ok(folder.and_then(|()| files::replace(store, &text)).map_err(failed)?)
    }
}

/// What an entry of a foreign file would do with what is this user's.
#[must_use]
pub fn wants(gateway: &GatewayConfig) -> Vec<String> {
    let mut wants = Vec::new();
    if let Method::Command { argv } = &gateway.auth.method {
        wants.push(format!("run {}", scrub::line(&argv.join(" "), 200)));
    }
    let mut names: Vec<&str> = gateway.variables().map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    if !names.is_empty() {
        wants.push(format!("send {} to {}", names.join(" and "), scrub::line(gateway.shown(), 200)));
    }
    if let Some(component) = gateway.component.file() {
        wants.push(format!("run the component {}", scrub::line(&component.display().to_string(), 200)));
    }
    if let Some(file) = &gateway.ca_file {
        wants.push(format!("believe the certificates in {}", scrub::line(&file.display().to_string(), 200)));
    }
    wants
}

/// One file has one name, however it was reached.
fn place(file: &Path) -> PathBuf {
    fs::canonicalize(file).or_else(|_| std::path::absolute(file)).unwrap_or_else(|_| file.to_owned())
}

fn digest(bytes: &[u8]) -> String {
    sha256(bytes)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use crate::{
        Advice as _,
        config::{ConfigError, ConfigFile, Replace},
    };

    fn file(entry: &str) -> (tempfile::TempDir, PathBuf, Trust) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("servers.json");
        fs::write(&path, format!(r#"{{"mcpServers": {{"g": {entry}}}}}"#)).unwrap();
        let trust = Trust::at(folder.path().join("trusted.json"));
        (folder, path, trust)
    }

    #[test]
    fn a_foreign_file_gets_nothing_of_the_users_until_it_is_trusted_as_it_is() {
        for (gateway, wanted) in [
            (r#""auth": {"type": "command", "command": ["touch", "x"]}"#, "run touch x"),
            (r#""auth": {"type": "bearer", "token": "${AWS_SECRET}"}"#, "send AWS_SECRET to http://h/"),
            (r#""headers": {"a": "${A:-b}"}"#, "send A to"),
            (r#""component": "c.wasm""#, "run the component"),
            (r#""ca_file": "ca.pem""#, "believe the certificates"),
        ] {
            let (_folder, path, trust) =
                file(&format!(r#"{{"command": "x", "gateway": {{"url": "http://h", {gateway}}}}}"#));
            let find = || ConfigFile::load_with(&path, trust.clone()).unwrap().find("g");
            let error = find().unwrap_err();
            let ConfigError::File(FileError::Foreign { wants, .. }) = &error else { panic!("{error:?}") };
            assert!(wants.iter().any(|found| found.contains(wanted)), "{wanted}: {wants:?}");
            assert!(error.hint().unwrap().contains("trust "), "{wanted}");
            trust.pin(&path, &fs::read(&path).unwrap()).unwrap();
            find().unwrap();
            let changed = fs::read_to_string(&path).unwrap().replace("http://h", "http://evil");
            fs::write(&path, changed).unwrap();
            find().unwrap_err();
        }
    }

    #[test]
    fn a_foreign_file_that_wants_nothing_is_free() {
        let (_folder, path, trust) = file(r#"{"type": "http", "url": "http://h", "headers": {"a": "literal"}}"#);
        ConfigFile::load_with(&path, trust).unwrap().find("g").unwrap();
    }

    #[test]
    fn what_the_user_writes_to_a_file_is_trusted_and_what_others_wrote_is_not() {
        let entry = serde_json::json!({"type": "http", "url": "http://h", "headers": {"a": "${A}"}});
        for (before, works) in
            [(r#"{"type": "http", "url": "http://h"}"#, true), (r#"{"type": "http", "url": "http://h/${B}"}"#, false)]
        {
            let (_folder, path, trust) = file(before);
            let mut config = ConfigFile::load_with(&path, trust.clone()).unwrap();
            config.put(vec![("new".into(), entry.clone())], Replace::No).unwrap();
            config.save().unwrap();
            assert_eq!(ConfigFile::load_with(&path, trust).unwrap().find("new").is_ok(), works, "{before}");
        }
    }

    #[test]
    fn trust_ends_when_it_is_revoked() {
        let (_folder, path, trust) = file("{}");
        let bytes = fs::read(&path).unwrap();
        trust.pin(&path, &bytes).unwrap();
        assert_eq!(trust.standing(&path, &bytes), Standing::Trusted);
        assert!(trust.revoke(&path).unwrap());
        assert_eq!((trust.standing(&path, &bytes), trust.revoke(&path).unwrap()), (Standing::Foreign, false));
    }
}
