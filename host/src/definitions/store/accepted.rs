//! What was accepted, as it is held in memory: names, owners and digests, without the definitions.
//! Takes lines in their order; finds a tool by a name that it has or had, or by its identity. Never decides between two that claim to be the
//! same.

use std::collections::HashMap;

use super::format::Header;
use crate::definitions::{Digest, Identity, Owner};

/// An accepted tool without its definition.
#[derive(Clone, Debug)]
pub struct Known {
    /// As it was listed then.
    pub name: String,
    pub(super) former: Vec<String>,
    /// Whose it was.
    pub owner: Owner,
    /// Of its definition.
    pub digest: Digest,
    /// Where its line begins.
    pub(super) place: u64,
}

/// What was accepted, without the definitions: some hundred bytes a tool.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub(super) header: Header,
    pub(super) tools: Vec<Known>,
    by_name: HashMap<String, usize>,
    by_identity: HashMap<Identity, Option<usize>>,
}

impl Accepted {
    pub(super) fn new(header: Header) -> Self {
        Self { header, tools: Vec::new(), by_name: HashMap::new(), by_identity: HashMap::new() }
    }

    pub(super) fn add(&mut self, known: Known) {
        let at = self.tools.len();
        for former in &known.former {
            self.by_name.entry(former.clone()).or_insert(at);
        }
        if let Some(identity) = &known.owner.identity {
            // Of two that claim to be the same nobody knows which is meant.
            self.by_identity.entry(identity.clone()).and_modify(|at| *at = None).or_insert(Some(at));
        }
        self.tools.push(known);
    }

    /// Names that tools have outrank those that they had.
    pub(super) fn finish(mut self) -> Self {
        for (at, known) in self.tools.iter().enumerate() {
            self.by_name.insert(known.name.clone(), at);
        }
        self
    }

    pub(in crate::definitions) fn declared(&self) -> &str {
        &self.header.declared
    }

    /// When, in seconds since 1970.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.header.at
    }

    /// The tool that has, or had, this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<(usize, &Known)> {
        let at = *self.by_name.get(name)?;
        Some((at, self.tools.get(at)?))
    }

    /// The accepted tool at this place.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&Known> {
        self.tools.get(at)
    }

    pub(in crate::definitions) fn identified(&self, identity: &Identity) -> Option<(usize, &Known)> {
        let at = (*self.by_identity.get(identity)?)?;
        Some((at, self.tools.get(at)?))
    }

    #[cfg(test)]
    pub(in crate::definitions) fn of_tests(
        declared: &str,
        tools: &[(crate::definitions::Listing<'_>, Digest)],
    ) -> Self {
        use super::format::{By, FORMAT};

        let header =
            Header { format: FORMAT, made_for: String::new(), declared: declared.to_owned(), at: 0, by: By::First };
        let mut all = Self::new(header);
        for (tool, digest) in tools {
            let (name, owner) = (tool.name.to_owned(), tool.owner.clone());
            all.add(Known { name, former: Vec::new(), owner, digest: *digest, place: 0 });
        }
        all.finish()
    }
}
