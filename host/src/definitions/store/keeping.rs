//! A listing is kept: the first one as accepted, and of later ones what was learnt.
//! Takes listings with their digests; writes under a lock, whole or not at all. Never begins anew where changes are held.

use std::{
    collections::{BTreeSet, HashMap},
    io::{self, Write},
    path::Path,
};

use super::{
    Accepted, FORMER, Store, TOOLS,
    error::Result,
    format::{ALL, By, FORMAT, Header, Line, copy, spend, write_line, write_tool},
    lines::{Lines, parsed},
    now, remove,
};
use crate::{
    config::Changes,
    definitions::{Comparison, Digest, Listing, Standing, compare::is_news_of},
    files,
};

/// What keeping a listing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It was the first one, and is accepted: so many tools.
    First(usize),
    /// It was compared with what was accepted.
    Compared,
}

/// Whether a listing was read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complete {
    /// To its last page.
    Yes,
    /// A page of it could not be read.
    No,
}

impl Store {
    /// Keeps a listing: as accepted when it is the first one and complete, else what of it differs. Tools that nobody knows yet are accepted
    /// as they come, unless they are held.
    ///
    /// # Errors
    ///
    /// The file is locked by somebody else, or cannot be read or written.
    pub fn keep(&self, tools: &[(Listing<'_>, Digest)], changes: Changes, complete: Complete) -> Result<Kept> {
        let _lock = files::Lock::of(&self.file)?;
        let accepted = match self.accepted() {
            // What was held stays so, until somebody has looked.
            Err(error) if changes == Changes::Hold => return Err(error),
            Err(error) => {
                tracing::warn!(file = %self.file.display(), %error, "what was accepted of the tools cannot be read; it begins anew");
                None
            }
            Ok(accepted) => accepted,
        };
        let Some(accepted) = accepted else {
            if complete == Complete::No || tools.is_empty() {
                return Ok(Kept::Compared);
            }
            let header = self.header(By::First);
            self.write(&header, |out, left| {
                let mut tools = tools.iter().take(TOOLS);
                Ok(tools.try_for_each(|(tool, digest)| write_tool(out, left, tool, *digest, Vec::new()))?)
            })?;
            remove(&self.pending)?;
            return Ok(Kept::First(tools.len()));
        };
        let found = self.compare(&accepted, tools);
        self.refresh(&accepted, tools, &found, changes)?;
        self.keep_pending(&accepted, tools, &found, changes, complete)?;
        Ok(Kept::Compared)
    }

    fn header(&self, by: By) -> Header {
        Header { format: FORMAT, made_for: self.made_for.clone(), declared: self.declared.clone(), at: now(), by }
    }

    pub(super) fn write(
        &self,
        header: &Header,
        fill: impl FnOnce(&mut dyn Write, &mut usize) -> Result<()>,
    ) -> Result<()> {
        files::private_folder(self.file.parent().unwrap_or(Path::new(".")))?;
        files::write(&self.file, |out| {
            write_line(out, header)?;
            fill(out, &mut { ALL })
        })
    }

    /// Writes what was learnt of tools that are as they were accepted, and takes in new ones.
    fn refresh(
        &self,
        accepted: &Accepted,
        tools: &[(Listing<'_>, Digest)],
        found: &[Comparison],
        changes: Changes,
    ) -> Result<()> {
        let mut learnt: HashMap<usize, &Listing<'_>> = HashMap::new();
        let mut new = Vec::new();
        let mut seen = BTreeSet::new();
        for ((tool, digest), found) in tools.iter().zip(found) {
            match (found.standing, found.with) {
                (Standing::Same | Standing::Renamed, Some(at))
                    if accepted.get(at).is_some_and(|known| is_news_of(known, tool)) =>
                {
                    learnt.insert(at, tool);
                }
                (Standing::New, _) if changes != Changes::Hold && seen.insert(tool.name) => new.push((tool, *digest)),
                _ => {}
            }
        }
        new.truncate(TOOLS.saturating_sub(accepted.tools.len()));
        if learnt.is_empty() && new.is_empty() && accepted.declared() == self.declared {
            return Ok(());
        }
        let header = Header { declared: self.declared.clone(), ..accepted.header.clone() };
        let mut lines = self.lines()?;
        self.write(&header, |out, left| {
            for at in 0.. {
                let Some(text) = lines.next()? else { break };
                match learnt.get(&at) {
                    None => copy(out, left, text)?,
                    Some(tool) => {
                        let mut line: Line<'_> = parsed(text)?;
                        if line.name != tool.name {
                            let old = std::mem::replace(&mut line.name, tool.name.to_owned());
                            line.former.retain(|name| *name != tool.name && *name != old);
                            line.former.insert(0, old);
                            line.former.truncate(FORMER);
                        }
                        line.owner = tool.owner.clone();
                        spend(left, line.definition.map_or(0, |definition| definition.get().len()));
                        write_line(out, &line)?;
                    }
                }
            }
            Ok(new.iter().try_for_each(|(tool, digest)| write_tool(out, left, tool, *digest, Vec::new()))?)
        })
    }

    /// Behind the header.
    pub(super) fn lines(&self) -> Result<Lines> {
        let mut lines = Lines::open(&self.file)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        lines.next()?;
        Ok(lines)
    }
}
