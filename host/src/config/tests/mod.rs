//! The configuration as a whole: files, entries, variables.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod entries;
mod files;
mod new_gateways;
mod values;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::{Class, Error};

/// A folder with a `mcp-servers.json`.
pub(super) struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn with(text: &str) -> Self {
        let folder = Self::new();
        std::fs::write(folder.file(), text).unwrap();
        folder
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn file(&self) -> PathBuf {
        self.path().join("mcp-servers.json")
    }

    pub(super) fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    pub(super) fn load(&self) -> ConfigFile {
        ConfigFile::load(&self.file()).unwrap().with_variables(Variables::from_map([("SET", "value")]))
    }
}

/// A file with one entry, `gw`.
pub(super) fn entry(entry: &Value) -> Result<GatewayConfig, Error> {
    Folder::with(&json!({"mcpServers": {"gw": entry}}).to_string()).load().find("gw")
}

/// A file with one entry that has this `gateway` member and a good URL.
pub(super) fn gateway(members: Value) -> Result<GatewayConfig, Error> {
    let mut gateway = json!({"url": "http://127.0.0.1:8811/mcp"});
    if let (Value::Object(all), Value::Object(members)) = (&mut gateway, members) {
        all.extend(members);
    }
    entry(&json!({"command": "x", "gateway": gateway}))
}
