//! What is loaded, as `component show --json` has it.
//! Only a shape.

use serde::Serialize;
use serde_json::Value;

/// `component show --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// `built-in`, or the file.
    pub source: String,
    /// Of the component's bytes, in hex.
    pub sha256: String,
    /// `pflow:gateway`.
    pub package: String,
    /// The contract's version.
    pub version: String,
    /// Bytes.
    pub size: usize,
    /// Interfaces that it asks for.
    pub imports: Vec<String>,
    /// Interfaces that it offers.
    pub exports: Vec<String>,
    /// The limits that apply to every run of it.
    pub limits: serde_json::Map<String, Value>,
}
