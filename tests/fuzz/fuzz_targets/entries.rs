//! Files of servers, of any form: reading one never panics, errors are one clean sentence, and an entry that is put in and taken out
//! leaves every other byte as it was.

use std::fs;

use pflow_gateway::{
    Advice as _,
    config::{ConfigFile, Replace, Trust, wants},
};
use serde_json::{Value, json};

/// One input.
pub fn run(bytes: &[u8]) {
    let path = crate::folder().join("mcp-servers.json");
    fs::write(&path, bytes).expect("a file");
    let trust = Trust::at(crate::folder().join("trusted.json"));
    let mut file = match ConfigFile::load_with(&path, trust.clone()) {
        Ok(file) => file,
        Err(error) => return clean(&error.message()),
    };
    for (_, gateway) in file.gateways() {
        match gateway {
            Ok(gateway) => {
                for want in wants(&gateway) {
                    clean(&want);
                }
                for remark in &gateway.remarks {
                    clean(remark);
                }
                clean(gateway.shown());
                clean(&gateway.auth.describe());
            }
            Err(error) => clean(&error.message()),
        }
    }
    for (name, misfit) in file.misfits() {
        clean(&misfit.message());
        let _ = file.find(&name);
    }
    for remark in file.remarks() {
        clean(&remark);
    }
    let before = fs::read_to_string(&path).ok();
    let servers = |file: &ConfigFile| file.entry("fuzz-entry").cloned();
    if file.contains("fuzz-entry") {
        return;
    }
    let entry = json!({"type": "http", "url": "http://gw.example/mcp", "args": ["é\n", 1.5]});
    if file.put(vec![("fuzz-entry".to_owned(), entry.clone())], Replace::No).is_err() {
        return;
    }
    file.save().expect("it can be written");
    let mut again =
        ConfigFile::load_with(&path, trust).unwrap_or_else(|error| panic!("what was written cannot be read: {error}"));
    assert_eq!(servers(&again), Some(entry));
    let removed = again.remove("fuzz-entry");
    assert!(removed.is_some());
    again.save().expect("it can be written");
    let after = fs::read_to_string(&path).expect("text");
    // Where there were servers, nothing of them moved.
    let had_some = before.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok()).is_some_and(|value| {
        value.get("mcpServers").and_then(Value::as_object).is_some_and(|servers| !servers.is_empty())
    });
    if let (true, Some(before)) = (had_some, before) {
        assert_eq!(after, before, "another byte changed");
    }
}

fn clean(words: &str) {
    assert!(!words.chars().any(|c| c.is_control() && c != '\n'), "{words:?}");
}
