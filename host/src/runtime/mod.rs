//! The sandbox.

use std::path::Path;
use crate::{Result, report};

/// An engine, one component compiled for it, and the limits that every instance is held to. One per process is
/// enough; gateways share it.
pub struct Runtime {}

impl Runtime {
    /// The built-in component, or the one in this file.
    ///
    /// # Errors
    ///
    /// `component`: the file is no component, or does not fit the contract.
    pub fn new(component: Option<&Path>) -> Result<std::sync::Arc<Self>> {
        todo!()
    }

    /// What is loaded.
    #[must_use]
    pub fn describe(&self) -> report::Component {
        todo!()
    }
}
