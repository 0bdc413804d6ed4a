//! One catalogue as it was read, and what the gateway's own filter makes of it.
//! Takes what a reading gave; gives tools by their names. Never changes.

use std::{collections::HashMap, time::Duration};

use super::standings::Standings;
use crate::{
    report::Kind,
    runtime::{filter, types},
};

/// A catalogue, and what the gateway's own filter makes of it.
pub(in crate::gateway) struct Listed {
    pub(in crate::gateway) catalog: types::Catalog,
    pub(in crate::gateway) verdicts: Vec<Option<filter::Reason>>,
    /// The place of the first tool of each name.
    pub(in crate::gateway) by_name: HashMap<String, usize>,
    pub(in crate::gateway) took: Duration,
    /// A page of it could not be read: what it lacks may be there all the same.
    pub(in crate::gateway) cut: bool,
    /// How its tools stand to what was accepted.
    pub(in crate::gateway) standings: Standings,
    /// The product that listed it.
    pub(in crate::gateway) kind: Kind,
    /// The number of the component that read it.
    pub(super) component: u64,
}

impl Listed {
    /// The first tool of this name, and why the filter leaves it out.
    pub(in crate::gateway) fn tool(&self, name: &str) -> Option<(&types::Tool, Option<&filter::Reason>)> {
        let at = *self.by_name.get(name)?;
        Some((self.catalog.tools.get(at)?, self.verdicts.get(at).and_then(Option::as_ref)))
    }
}
