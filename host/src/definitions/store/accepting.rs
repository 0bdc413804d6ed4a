//! Somebody decides: what was listed last counts from now on.
//! Takes names of tools, or none for all; writes both files anew. Never forgets under which names a tool was known.

use std::collections::{BTreeSet, HashMap};

use sha2::{Digest as _, Sha256};

use super::{
    FORMER, Store,
    accepted::Known,
    error::Result,
    format::{By, Header, Line, PendingHeader, PendingLine, copy, spend, write_line},
    lines::parsed,
    now, remove,
};
use crate::{
    definitions::{Digest, Standing},
    files,
};

/// What was accepted now.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Tools whose present definitions count from now on.
    pub tools: Vec<String>,
    /// Tools that are gone on purpose.
    pub gone: Vec<String>,
}

impl Store {
    /// Takes what was listed last as accepted: of these tools, or of all.
    ///
    /// # Errors
    ///
    /// The file is locked by somebody else, or cannot be read or written.
    pub fn accept(&self, only: &[String]) -> Result<Taken> {
        let _lock = files::Lock::of(&self.file)?;
        let mut taken = Taken::default();
        let Some((header, mut lines)) = self.pending_lines()? else { return Ok(taken) };
        let Some(accepted) = self.accepted()? else { return Ok(taken) };
        let wanted = |name: &str| only.is_empty() || only.iter().any(|wanted| wanted == name);
        // By the place of what it takes the place of; new ones in their order.
        let (mut instead, mut new, mut rest) = (HashMap::new(), Vec::new(), Vec::new());
        while let Some(text) = lines.next()? {
            let line: PendingLine<'_> = parsed(text)?;
            if !wanted(&line.tool.name) {
                rest.push(text.to_owned());
                continue;
            }
            taken.tools.push(line.tool.name.clone());
            // One that took a name which another tool had before has a place of its own.
            let own = |known: &Known| line.standing != Standing::Replaced || known.name == line.tool.name;
            match line.was.as_deref().and_then(|was| accepted.named(was)) {
                Some((at, known)) if own(known) => drop(instead.insert(at, text.to_owned())),
                _ => new.push(text.to_owned()),
            }
        }
        let (gone, still): (Vec<String>, Vec<String>) = header.gone.iter().cloned().partition(|name| wanted(name));
        taken.gone = gone;
        let without: BTreeSet<usize> =
            taken.gone.iter().filter_map(|name| accepted.named(name)).map(|(at, _)| at).collect();
        let mut old = self.lines()?;
        let by_user = Header { by: By::User, at: now(), ..accepted.header.clone() };
        self.write(&by_user, |out, left| {
            for at in 0.. {
                let Some(text) = old.next()? else { break };
                match instead.get(&at) {
                    Some(pending) => {
                        let PendingLine { standing, mut tool, .. } = parsed(pending)?;
                        let before: Line<'_> = parsed(text)?;
                        if standing == Standing::Changed {
                            tool.former = before.former;
                            if before.name != tool.name {
                                tool.former.insert(0, before.name);
                                tool.former.truncate(FORMER);
                            }
                        }
                        spend(left, tool.definition.map_or(0, |definition| definition.get().len()));
                        write_line(out, &tool)?;
                    }
                    None if without.contains(&at) => {}
                    None => copy(out, left, text)?,
                }
            }
            for pending in &new {
                let PendingLine { tool, .. } = parsed(pending)?;
                spend(left, tool.definition.map_or(0, |definition| definition.get().len()));
                write_line(out, &tool)?;
            }
            Ok(())
        })?;
        if rest.is_empty() && still.is_empty() {
            remove(&self.pending)?;
            return Ok(taken);
        }
        let of = Digest(Sha256::digest(format!("{} {}", rest.join("\n"), still.join("\n"))).into());
        let header = PendingHeader { gone: still, of, ..header };
        files::write(&self.pending, |out| {
            write_line(out, &header)?;
            rest.iter().try_for_each(|text| writeln!(out, "{text}"))
        })?;
        Ok(taken)
    }
}
