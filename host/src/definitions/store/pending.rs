//! What of the last listing is not as it was accepted, until somebody decides.
//! Takes comparisons; keeps what differs with its whole definition, and gives it beside what was accepted. Never drops what waits because a
//! listing was only a part.

use std::collections::HashSet;

use sha2::{Digest as _, Sha256};

use super::{
    Accepted, Complete, Store, TOOLS,
    error::Result,
    format::{ALL, By, FORMAT, PendingHeader, PendingLine, definition, line, write_line},
    lines::{Lines, parsed},
    now, remove,
};
use crate::{
    config::Changes,
    definitions::{Comparison, Definition, Digest, Listing, Owner, Standing},
    files,
};

/// What there is to review.
#[derive(Debug)]
pub struct Review {
    /// When what is compared with was accepted: seconds since 1970.
    pub at: u64,
    /// Who accepted it.
    pub by: By,
    /// Accepted tools.
    pub tools: usize,
    /// Sorted by name.
    pub pending: Vec<Pending>,
    /// Accepted tools that are not listed any more.
    pub gone: Vec<String>,
}

/// A tool that is not as it was accepted.
#[derive(Debug)]
pub struct Pending {
    /// As listed.
    pub name: String,
    /// How it differs.
    pub standing: Standing,
    /// Whose it is now.
    pub owner: Owner,
    /// Of its definition now.
    pub digest: Digest,
    /// None where it is too large to be kept.
    pub now: Option<Definition>,
    /// What was accepted; none for a new one.
    pub before: Option<Before>,
}

/// What was accepted of a tool.
#[derive(Debug)]
pub struct Before {
    pub name: String,
    pub owner: Owner,
    /// None where it is too large to be kept.
    pub definition: Option<Definition>,
}

impl Store {
    pub(super) fn keep_pending(
        &self,
        accepted: &Accepted,
        tools: &[(Listing<'_>, Digest)],
        found: &[Comparison],
        changes: Changes,
        complete: Complete,
    ) -> Result<()> {
        let pending: Vec<_> = tools
            .iter()
            .zip(found)
            .filter(|(_, found)| match found.standing {
                Standing::Changed | Standing::Replaced => true,
                Standing::New => changes == Changes::Hold,
                Standing::Same | Standing::Renamed => false,
            })
            .take(TOOLS)
            .collect();
        let mut here = vec![false; accepted.tools.len()];
        for at in found.iter().filter_map(|found| found.with) {
            here.get_mut(at).into_iter().for_each(|here| *here = true);
        }
        let all = accepted.tools.iter().zip(&here).filter(|(_, here)| !**here);
        let mut gone: Vec<String> = all.map(|(known, _)| known.name.clone()).collect();
        let before = self.pending_lines().ok().flatten();
        let mut carried = Vec::new();
        if complete == Complete::No {
            // What a part of a list does not have may stand in the rest: of that it is as it was before.
            let was: HashSet<&str> = before.iter().flat_map(|(before, _)| &before.gone).map(String::as_str).collect();
            gone.retain(|name| was.contains(name.as_str()));
            let listed: HashSet<&str> = tools.iter().map(|(tool, _)| tool.name).collect();
            carried = carried_over(self.pending_lines()?, &listed)?;
        }
        let before = before.map(|(before, _)| before.of);
        if pending.is_empty() && gone.is_empty() && carried.is_empty() {
            return Ok(remove(&self.pending)?);
        }
        let mut hash = Sha256::new();
        for ((tool, digest), found) in &pending {
            hash.update(format!("{:?} {:?} {digest} {:?}\n", tool.name, found.standing, found.with));
        }
        for name in &gone {
            hash.update(format!("{name:?}\n"));
        }
        for line in &carried {
            hash.update(line);
        }
        let of = Digest(hash.finalize().into());
        if before == Some(of) {
            return Ok(());
        }
        let header = PendingHeader { format: FORMAT, made_for: self.made_for.clone(), at: now(), of, gone };
        files::write(&self.pending, |out| {
            write_line(out, &header)?;
            let left = &mut { ALL };
            for ((tool, digest), found) in &pending {
                let was = found.with.and_then(|at| accepted.get(at)).map(|known| known.name.clone());
                let text = definition(&tool.parts, left)?;
                let tool = line(tool, *digest, Vec::new(), text.as_deref());
                write_line(out, &PendingLine { standing: found.standing, was, tool })?;
            }
            Ok(carried.iter().try_for_each(|line| writeln!(out, "{line}"))?)
        })
    }

    /// What there is to review. None: nothing was accepted yet.
    ///
    /// # Errors
    ///
    /// A file is there, and cannot be read or is broken.
    pub fn review(&self) -> Result<Option<Review>> {
        let Some(accepted) = self.accepted()? else { return Ok(None) };
        let (by, at, tools) = (accepted.header.by, accepted.at(), accepted.tools.len());
        let mut review = Review { at, by, tools, pending: Vec::new(), gone: Vec::new() };
        let Some((header, mut lines)) = self.pending_lines()? else { return Ok(Some(review)) };
        review.gone = header.gone;
        let mut waiting = Vec::new();
        while let Some(text) = lines.next()? {
            let PendingLine { standing, was, tool } = parsed(text)?;
            let now = tool.definition.map(|definition| parsed(definition.get())).transpose()?;
            let known = was.as_deref().and_then(|was| accepted.named(was)).map(|(at, _)| at);
            waiting.push((
                known,
                Pending { name: tool.name, standing, owner: tool.owner, digest: tool.digest, now, before: None },
            ));
        }
        let mut before = self.definitions(&accepted, waiting.iter().filter_map(|(at, _)| *at))?;
        for (at, mut pending) in waiting {
            pending.before = at.and_then(|at| accepted.get(at).map(|known| (at, known))).map(|(at, known)| Before {
                name: known.name.clone(),
                owner: known.owner.clone(),
                definition: before.remove(&at),
            });
            review.pending.push(pending);
        }
        review.pending.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Some(review))
    }

    /// Behind the header. None: nothing differs.
    pub(super) fn pending_lines(&self) -> Result<Option<(PendingHeader, Lines)>> {
        let Some(mut lines) = Lines::open(&self.pending)? else { return Ok(None) };
        let header: PendingHeader = lines.header()?;
        Ok((header.format == FORMAT && header.made_for == self.made_for).then_some((header, lines)))
    }
}

/// The lines that wait, but for those of tools that are listed.
fn carried_over(before: Option<(PendingHeader, Lines)>, listed: &HashSet<&str>) -> Result<Vec<String>> {
    let mut carried = Vec::new();
    let Some((_, mut lines)) = before else { return Ok(carried) };
    while let Some(text) = lines.next()? {
        let line: PendingLine<'_> = parsed(text)?;
        if !listed.contains(line.tool.name.as_str()) {
            carried.push(text.trim_end().to_owned());
        }
    }
    Ok(carried)
}
