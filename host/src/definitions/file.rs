//! What was accepted of a gateway's tools, and what of the last listing differs: two files under pflow's folder.
//! Takes listings; keeps whole definitions, one line of JSON each, so that they are written and read one at a time. Never holds two
//! copies of a catalogue, never leaves half a file, never forgets what was accepted because a tool is gone.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::{
    Definition, Digest, Identity, Listing, Owner, Parts,
    compare::{Comparison, Standing, compare, is_news_of},
};
use crate::{
    config::{Changes, GatewayConfig},
    digest::sha256,
    files,
};

/// Changes when the lines do.
const FORMAT: u32 = 1;
/// Bytes of one definition. A larger one is recognised by its digest, and cannot be shown.
const ONE: usize = 512 * 1024;
/// Bytes of all definitions of a gateway; those beyond are recognised by their digests.
const ALL: usize = 64 * 1024 * 1024;
/// Bytes of a line: a definition, its names and escapes.
const LINE: u64 = 4 * 1024 * 1024;
/// Tools of a gateway: more than any listing has.
const TOOLS: usize = 100_000;
/// Names that a tool had before.
const FORMER: usize = 8;

/// The accepted definitions of one gateway, and what differs from them.
#[derive(Clone, Debug)]
pub struct Store {
    file: PathBuf,
    pending: PathBuf,
    made_for: String,
    declared: String,
}

/// Who accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// Nobody yet: they were the first that were seen.
    First,
    /// `snapshot accept`.
    User,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    made_for: String,
    declared: String,
    /// Seconds since 1970-01-01 UTC.
    at: u64,
    by: By,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct PendingHeader {
    format: u32,
    made_for: String,
    at: u64,
    /// Digest of what follows.
    of: Digest,
    /// Accepted tools that are not listed any more.
    gone: Vec<String>,
}

/// A tool's line.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former: Vec<String>,
    #[serde(default)]
    owner: Owner,
    digest: Digest,
    #[serde(borrow)]
    definition: Option<&'a RawValue>,
}

/// The same, of a tool that is not as it was accepted.
#[derive(Serialize, Deserialize)]
struct PendingLine<'a> {
    standing: Standing,
    /// The accepted one that it is compared with.
    was: Option<String>,
    #[serde(borrow)]
    tool: Line<'a>,
}

/// An accepted tool without its definition.
#[derive(Clone, Debug)]
pub struct Known {
    pub name: String,
    former: Vec<String>,
    pub owner: Owner,
    pub digest: Digest,
    /// Where its line begins.
    place: u64,
}

/// What was accepted, without the definitions: some hundred bytes a tool.
#[derive(Clone, Debug)]
pub struct Accepted {
    header: Header,
    tools: Vec<Known>,
    by_name: HashMap<String, usize>,
    by_identity: HashMap<Identity, Option<usize>>,
}

impl Accepted {
    fn new(header: Header) -> Self {
        Self { header, tools: Vec::new(), by_name: HashMap::new(), by_identity: HashMap::new() }
    }

    fn add(&mut self, known: Known) {
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
    fn finish(mut self) -> Self {
        for (at, known) in self.tools.iter().enumerate() {
            self.by_name.insert(known.name.clone(), at);
        }
        self
    }

    pub(super) fn declared(&self) -> &str {
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

    pub(super) fn identified(&self, identity: &Identity) -> Option<(usize, &Known)> {
        let at = (*self.by_identity.get(identity)?)?;
        Some((at, self.tools.get(at)?))
    }

    #[cfg(test)]
    pub(super) fn of_tests(declared: &str, tools: &[(Listing<'_>, Digest)]) -> Self {
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

/// A file as it was: another one, or one that was written since, has another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(u64, Option<SystemTime>, u64);

/// What keeping a listing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It was the first one, and is accepted: so many tools.
    First(usize),
    /// It was compared with what was accepted.
    Compared,
}

/// What was shown of what differs.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Shown {
    tools: std::collections::BTreeMap<String, String>,
    gone: BTreeSet<String>,
}

/// Whether everything that differs was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum All {
    /// Nothing was left out.
    Yes,
    /// Some of it was not shown.
    No,
}

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

/// What was accepted now.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Tools whose present definitions count from now on.
    pub tools: Vec<String>,
    /// Tools that are gone on purpose.
    pub gone: Vec<String>,
}

impl Store {
    /// Of an entry; none for what is no entry.
    pub fn of(config: &GatewayConfig) -> Option<Self> {
        config.memory.as_deref().map(|memory| Self::at(memory, config))
    }

    /// Of an entry, in the folder of what is remembered.
    pub fn at(memory: &Path, config: &GatewayConfig) -> Self {
        let folder = memory.join("gateway").join("definitions");
        let name = config.file_name();
        // Whoever renames a service in the file has not exchanged it.
        let declared = sha256(format!("{:?}", config.services).as_bytes());
        Self {
            file: folder.join(format!("{name}.jsonl")),
            pending: folder.join(format!("{name}.pending.jsonl")),
            made_for: sha256(config.identity().as_bytes()),
            declared,
        }
    }

    /// What the file is now, if there is one.
    ///
    /// # Errors
    ///
    /// Nobody can say whether there is one.
    pub fn stamp(&self) -> io::Result<Option<Stamp>> {
        let about = match std::fs::symlink_metadata(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            about => about?,
        };
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&about);
        #[cfg(not(unix))]
        let number = 0;
        Ok(Some(Stamp(about.len(), about.modified().ok(), number)))
    }

    /// What was shown of what differs, to whoever decides about it.
    fn shown_file(&self) -> PathBuf {
        self.pending.with_extension("shown")
    }

    /// Keeps what was shown: the digest of each of these tools, and names of tools that are gone. `all`: and nothing else differed.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn keep_shown(&self, pending: &[&Pending], gone: &[String], all: All) -> io::Result<()> {
        let mut shown = if all == All::Yes { Shown::default() } else { self.shown().unwrap_or_default() };
        shown.tools.extend(pending.iter().map(|pending| (pending.name.clone(), pending.digest.to_string())));
        shown.gone.extend(gone.iter().cloned());
        files::replace(&self.shown_file(), &serde_json::to_vec(&shown)?)
    }

    fn shown(&self) -> Option<Shown> {
        serde_json::from_slice(&files::regular(&self.shown_file(), 64 * 1024 * 1024).ok()?).ok()
    }

    /// Tools that are not as they were shown, or were not shown. Nothing, where nothing was ever shown.
    #[must_use]
    pub fn changed_since_shown(&self, pending: &[&Pending], gone: &[String]) -> Vec<String> {
        let Some(shown) = self.shown() else { return Vec::new() };
        let pending = pending.iter().filter(|now| shown.tools.get(&now.name) != Some(&now.digest.to_string()));
        let gone = gone.iter().filter(|name| !shown.gone.contains(*name));
        pending.map(|now| now.name.clone()).chain(gone.cloned()).collect()
    }

    /// It was decided.
    pub fn forget_shown(&self) -> io::Result<()> {
        remove(&self.shown_file())
    }

    /// Whether something can be written down.
    ///
    /// # Errors
    ///
    /// Why not, in words.
    pub fn can_keep(&self) -> Result<(), String> {
        files::Lock::of(&self.file).map(drop).map_err(|error| error.message)
    }

    /// How each of these stands.
    #[must_use]
    pub fn compare(&self, accepted: &Accepted, tools: &[(Listing<'_>, Digest)]) -> Vec<Comparison> {
        compare(accepted, &self.declared, tools)
    }

    /// What was accepted. None: nothing yet, or of another URL.
    ///
    /// # Errors
    ///
    /// The file is there, and cannot be read or is broken.
    pub fn accepted(&self) -> io::Result<Option<Accepted>> {
        let Some(mut lines) = Lines::open(&self.file)? else { return Ok(None) };
        let header: Header = lines.header()?;
        if header.format != FORMAT {
            return Err(broken("it was written by another version of pflow-gateway"));
        }
        if header.made_for != self.made_for {
            return Ok(None);
        }
        let mut accepted = Accepted::new(header);
        loop {
            let place = lines.place;
            let Some(text) = lines.next()? else { break };
            let Line { name, former, owner, digest, .. } = parsed(text)?;
            accepted.add(Known { name, former, owner, digest, place });
        }
        Ok(Some(accepted.finish()))
    }

    /// The accepted definitions in these places; those that are too large to be kept are missing.
    pub fn definitions(
        &self,
        accepted: &Accepted,
        places: impl Iterator<Item = usize>,
    ) -> io::Result<HashMap<usize, Definition>> {
        let mut found = HashMap::new();
        let Some(mut lines) = Lines::open(&self.file)? else { return Ok(found) };
        let mut places: Vec<usize> = places.collect();
        places.sort_unstable();
        for at in places {
            let Some(known) = accepted.get(at) else { continue };
            lines.go_to(known.place)?;
            let Some(text) = lines.next()? else { continue };
            let line: Line<'_> = parsed(text)?;
            // Somebody wrote the file since: then the next look tells.
            if line.digest != known.digest {
                return Err(broken("it was changed while it was read"));
            }
            if let Some(definition) = line.definition {
                found.insert(at, parsed(definition.get())?);
            }
        }
        Ok(found)
    }

    /// Keeps a listing: as accepted when it is the first one and complete, else what of it differs. Tools that nobody knows yet are accepted
    /// as they come, unless they are held.
    pub fn keep(
        &self,
        tools: &[(Listing<'_>, Digest)],
        changes: Changes,
        complete: Complete,
    ) -> crate::Result<io::Result<Kept>> {
        let _lock = files::Lock::of(&self.file)?;
        Ok(self.keep_locked(tools, changes, complete))
    }

    fn keep_locked(&self, tools: &[(Listing<'_>, Digest)], changes: Changes, complete: Complete) -> io::Result<Kept> {
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
                tools.iter().take(TOOLS).try_for_each(|(tool, digest)| write_tool(out, left, tool, *digest, Vec::new()))
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

    fn write(
        &self,
        header: &Header,
        fill: impl FnOnce(&mut dyn Write, &mut usize) -> io::Result<()>,
    ) -> io::Result<()> {
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
    ) -> io::Result<()> {
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
            new.iter().try_for_each(|(tool, digest)| write_tool(out, left, tool, *digest, Vec::new()))
        })
    }

    /// Behind the header.
    fn lines(&self) -> io::Result<Lines> {
        let mut lines = Lines::open(&self.file)?.ok_or(io::ErrorKind::NotFound)?;
        lines.next()?;
        Ok(lines)
    }

    fn keep_pending(
        &self,
        accepted: &Accepted,
        tools: &[(Listing<'_>, Digest)],
        found: &[Comparison],
        changes: Changes,
        complete: Complete,
    ) -> io::Result<()> {
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
            return remove(&self.pending);
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
            carried.iter().try_for_each(|line| writeln!(out, "{line}"))
        })
    }

    /// What there is to review. None: nothing was accepted yet.
    ///
    /// # Errors
    ///
    /// A file is there, and cannot be read or is broken.
    pub fn review(&self) -> io::Result<Option<Review>> {
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
    fn pending_lines(&self) -> io::Result<Option<(PendingHeader, Lines)>> {
        let Some(mut lines) = Lines::open(&self.pending)? else { return Ok(None) };
        let header: PendingHeader = lines.header()?;
        Ok((header.format == FORMAT && header.made_for == self.made_for).then_some((header, lines)))
    }

    /// Takes what was listed last as accepted: of these tools, or of all.
    ///
    /// # Errors
    ///
    /// The outer one: the file is locked by somebody else. The inner one: it cannot be read or written.
    pub fn accept(&self, only: &[String]) -> crate::Result<io::Result<Taken>> {
        let _lock = files::Lock::of(&self.file)?;
        Ok(self.accept_locked(only))
    }

    fn accept_locked(&self, only: &[String]) -> io::Result<Taken> {
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

    /// Deletes what differs: the next listing tells it again.
    ///
    /// # Errors
    ///
    /// It cannot be deleted.
    pub fn forget_pending(&self) -> io::Result<()> {
        remove(&self.pending)
    }

    /// Deletes what is known of the tools.
    pub fn forget(&self) {
        // Without a folder there is nothing, and a lock would make one.
        let folder = self.file.parent().filter(|folder| folder.is_dir());
        let lock = folder.and_then(|_| files::Lock::of(&self.file).ok());
        for file in [&self.file, &self.pending, &self.shown_file()] {
            if let Err(error) = remove(file) {
                tracing::warn!(file = %file.display(), %error, "what was accepted of the tools could not be deleted");
            }
        }
        if let Some(Err(error)) = lock.map(|lock| lock.remove(&self.file)) {
            tracing::debug!(file = %self.file.display(), %error, "its lock stays");
        }
    }
}

/// Whether a listing was read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complete {
    /// To its last page.
    Yes,
    /// A page of it could not be read.
    No,
}

/// Lines of a file of ours, one at a time.
struct Lines {
    file: BufReader<File>,
    /// Where the next one begins.
    place: u64,
    line: String,
}

impl Lines {
    /// None: there is no such file.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        match files::open_regular(path) {
            Ok(file) => {
                Ok(Some(Self { file: BufReader::with_capacity(64 * 1024, file), place: 0, line: String::new() }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn header<T: serde::de::DeserializeOwned>(&mut self) -> io::Result<T> {
        let text = self.next()?.ok_or_else(|| broken("it is empty"))?;
        serde_json::from_str(text).map_err(|error| broken(&error.to_string()))
    }

    fn next(&mut self) -> io::Result<Option<&str>> {
        self.line.clear();
        let read = (&mut self.file).take(LINE).read_line(&mut self.line)? as u64;
        self.place += read;
        if read == 0 {
            return Ok(None);
        }
        match self.line.strip_suffix('\n') {
            Some(line) => Ok(Some(line)),
            None => Err(broken("a line of it does not end")),
        }
    }

    fn go_to(&mut self, place: u64) -> io::Result<()> {
        self.file.seek(io::SeekFrom::Start(place))?;
        self.place = place;
        Ok(())
    }
}

/// The lines that wait, but for those of tools that are listed.
fn carried_over(before: Option<(PendingHeader, Lines)>, listed: &HashSet<&str>) -> io::Result<Vec<String>> {
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

fn parsed<'a, T: Deserialize<'a>>(text: &'a str) -> io::Result<T> {
    serde_json::from_str(text).map_err(|error| broken(&error.to_string()))
}

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn write_line(out: &mut (impl Write + ?Sized), line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

/// A line as it stands; without its definition where there is no room for it any more.
fn copy(out: &mut dyn Write, left: &mut usize, text: &str) -> io::Result<()> {
    if spend(left, text.len()) {
        return writeln!(out, "{text}");
    }
    let line: Line<'_> = parsed(text)?;
    write_line(out, &Line { definition: None, ..line })
}

/// Whether there is room for so many bytes; then there is less.
fn spend(left: &mut usize, bytes: usize) -> bool {
    match left.checked_sub(bytes) {
        Some(less) => {
            *left = less;
            true
        }
        None => false,
    }
}

fn write_tool(
    out: &mut (impl Write + ?Sized),
    left: &mut usize,
    tool: &Listing<'_>,
    digest: Digest,
    former: Vec<String>,
) -> io::Result<()> {
    let text = definition(&tool.parts, left)?;
    write_line(out, &line(tool, digest, former, text.as_deref()))
}

fn line<'a>(tool: &Listing<'_>, digest: Digest, former: Vec<String>, definition: Option<&'a RawValue>) -> Line<'a> {
    Line { name: tool.name.to_owned(), former, owner: tool.owner.clone(), digest, definition }
}

/// The definition as it is kept; none where it is too large, or there is no room for it.
fn definition(parts: &Parts<'_>, left: &mut usize) -> io::Result<Option<Box<RawValue>>> {
    #[derive(Serialize)]
    struct Whole<'a> {
        title: Option<&'a str>,
        description: Option<&'a str>,
        input_schema: Box<RawValue>,
        output_schema: Option<Box<RawValue>>,
        annotations: Option<Box<RawValue>>,
    }

    let annotations = parts.annotations.as_deref();
    let size = [parts.title, parts.description, Some(parts.input_schema), parts.output_schema, annotations];
    let size: usize = size.iter().flatten().map(|text| text.len()).sum();
    if size > ONE || !spend(left, size) {
        return Ok(None);
    }
    // What is no JSON is kept as a text. One line: JSON has line breaks between its parts only.
    let raw = |text: &str| {
        let text = text.replace(['\n', '\r'], " ");
        RawValue::from_string(text.clone()).or_else(|_| serde_json::value::to_raw_value(&text))
    };
    let whole = Whole {
        title: parts.title,
        description: parts.description,
        input_schema: raw(parts.input_schema)?,
        output_schema: parts.output_schema.map(raw).transpose()?,
        annotations: parts.annotations.as_deref().map(raw).transpose()?,
    };
    Ok(Some(serde_json::value::to_raw_value(&whole)?))
}

fn remove(file: &Path) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;
    use crate::definitions::listing;

    fn store(folder: &Path) -> Store {
        let mut config = GatewayConfig::for_url("http://127.0.0.1:8811/mcp").unwrap();
        "docker".clone_into(&mut config.name);
        Store::at(folder, &config)
    }

    fn keep(store: &Store, changes: Changes, tools: &[(&'static str, &'static str)]) -> Kept {
        let tools: Vec<_> = tools.iter().map(|(name, description)| listing(name, description)).collect();
        keep_all(store, changes, &tools).unwrap()
    }

    fn keep_all(store: &Store, changes: Changes, tools: &[Listing<'_>]) -> io::Result<Kept> {
        let tools: Vec<_> = tools.iter().map(|tool| (tool.clone(), tool.parts.digest())).collect();
        store.keep(&tools, changes, Complete::Yes).unwrap()
    }

    fn pending(store: &Store) -> Vec<(String, Standing, Option<String>)> {
        let of = |definition: Option<Definition>| definition.and_then(|definition| definition.description);
        let all = store.review().unwrap().unwrap().pending.into_iter();
        all.map(|one| (one.name, one.standing, of(one.before.and_then(|before| before.definition)))).collect()
    }

    #[test]
    fn the_first_listing_is_accepted_and_a_change_waits_with_both_definitions() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        assert!(store.review().unwrap().is_none());
        assert_eq!(keep(&store, Changes::Warn, &[("a", "A"), ("b", "B")]), Kept::First(2));
        assert_eq!(keep(&store, Changes::Warn, &[("a", "A"), ("b", "B")]), Kept::Compared);
        let review = store.review().unwrap().unwrap();
        assert_eq!((review.by, review.tools, review.pending.len(), review.gone.len()), (By::First, 2, 0, 0));
        keep(&store, Changes::Warn, &[("a", "A"), ("b", "evil")]);
        assert_eq!(pending(&store), [("b".to_owned(), Standing::Changed, Some("B".to_owned()))]);
        // It goes away and comes back: what was accepted is still known.
        keep(&store, Changes::Warn, &[("a", "A")]);
        assert_eq!(store.review().unwrap().unwrap().gone, ["b"]);
        keep(&store, Changes::Warn, &[("a", "A"), ("b", "evil")]);
        assert_eq!(pending(&store).len(), 1);
        // Nothing differs any more.
        keep(&store, Changes::Warn, &[("a", "A"), ("b", "B")]);
        assert!(pending(&store).is_empty());
    }

    #[test]
    fn new_tools_are_taken_in_unless_they_are_held() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        keep(&store, Changes::Hold, &[("a", "A")]);
        keep(&store, Changes::Hold, &[("a", "A"), ("b", "B")]);
        assert_eq!(pending(&store), [("b".to_owned(), Standing::New, None)]);
        keep(&store, Changes::Warn, &[("a", "A"), ("b", "B")]);
        assert!(pending(&store).is_empty());
        keep(&store, Changes::Warn, &[("a", "A"), ("b", "other")]);
        assert_eq!(pending(&store), [("b".to_owned(), Standing::Changed, Some("B".to_owned()))]);
    }

    #[test]
    fn one_tool_is_accepted_and_the_others_wait_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        keep(&store, Changes::Hold, &[("a", "A"), ("b", "B"), ("c", "C")]);
        let now = [("a", "1"), ("b", "2"), ("d", "D")];
        keep(&store, Changes::Hold, &now);
        let taken = store.accept(&["b".to_owned()]).unwrap().unwrap();
        assert_eq!(taken, Taken { tools: vec!["b".to_owned()], gone: Vec::new() });
        let names: Vec<_> = pending(&store).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["a", "d"]);
        assert_eq!(store.review().unwrap().unwrap().by, By::User);
        // The next listing says the same.
        keep(&store, Changes::Hold, &now);
        assert_eq!(pending(&store).len(), 2);
        let taken = store.accept(&[]).unwrap().unwrap();
        assert_eq!((taken.tools, taken.gone), (vec!["a".to_owned(), "d".to_owned()], vec!["c".to_owned()]));
        keep(&store, Changes::Hold, &now);
        let review = store.review().unwrap().unwrap();
        assert_eq!((review.tools, review.pending.len(), review.gone.len()), (3, 0, 0));
        assert_eq!(store.accept(&[]).unwrap().unwrap(), Taken::default());
    }

    #[test]
    fn a_renamed_tool_keeps_what_was_accepted_and_its_old_name_is_no_free_place() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let of = |name: &'static str, id: &str| {
            let identity = Some(Identity { service: id.to_owned(), original: "a".to_owned() });
            Listing { owner: Owner { service: Some(id.to_owned()), certain: true, identity }, ..listing(name, "A") }
        };
        keep_all(&store, Changes::Warn, &[of("old", "1")]).unwrap();
        keep_all(&store, Changes::Warn, &[of("new", "1")]).unwrap();
        assert!(pending(&store).is_empty(), "a rename is no change");
        keep_all(&store, Changes::Warn, &[of("new", "1"), of("old", "2")]).unwrap();
        assert_eq!(pending(&store), [("old".to_owned(), Standing::Replaced, Some("A".to_owned()))]);
        store.accept(&[]).unwrap().unwrap();
        keep_all(&store, Changes::Warn, &[of("new", "1"), of("old", "2")]).unwrap();
        assert!(pending(&store).is_empty());
        assert_eq!(store.review().unwrap().unwrap().tools, 2, "each has a place of its own");
    }

    #[test]
    fn another_url_is_another_gateway_and_an_incomplete_listing_is_no_first_one() {
        let folder = tempfile::tempdir().unwrap();
        let here = store(folder.path());
        let tools = [(listing("a", "A"), listing("a", "A").parts.digest())];
        assert_eq!(here.keep(&tools, Changes::Warn, Complete::No).unwrap().unwrap(), Kept::Compared);
        assert!(here.review().unwrap().is_none());
        keep(&here, Changes::Warn, &[("a", "A")]);
        let mut other = GatewayConfig::for_url("http://127.0.0.1:9/mcp").unwrap();
        "docker".clone_into(&mut other.name);
        assert!(Store::at(folder.path(), &other).review().unwrap().is_none());
    }

    #[test]
    fn a_part_of_a_list_tells_what_changed_and_says_nothing_of_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        keep(&store, Changes::Warn, &[("a", "A"), ("b", "B"), ("c", "C")]);
        keep(&store, Changes::Warn, &[("a", "A"), ("b", "B")]);
        let part = |tools: &[(&'static str, &'static str)]| {
            let tools: Vec<_> = tools.iter().map(|(name, description)| listing(name, description)).collect();
            let tools: Vec<_> = tools.into_iter().map(|tool| (tool.clone(), tool.parts.digest())).collect();
            store.keep(&tools, Changes::Warn, Complete::No).unwrap().unwrap()
        };
        part(&[("a", "A")]);
        assert_eq!(store.review().unwrap().unwrap().gone, ["c"], "b may stand in the rest");
        part(&[("a", "evil")]);
        assert_eq!(pending(&store), [("a".to_owned(), Standing::Changed, Some("A".to_owned()))]);
        assert_eq!(store.review().unwrap().unwrap().gone, ["c"]);
        // What waits goes on waiting when the part that is read has other tools; what is back is not gone.
        part(&[("b", "evil"), ("c", "C")]);
        let waits: Vec<_> = pending(&store).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(waits, ["a", "b"]);
        assert!(store.review().unwrap().unwrap().gone.is_empty());
    }

    #[test]
    fn what_is_too_large_in_any_part_is_known_by_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let large = "x".repeat(ONE + 1);
        let annotations = format!(r#"{{"title":"{large}"}}"#);
        let plain = crate::definitions::parts("A", "{}");
        for parts in [
            Parts { title: Some(&large), ..plain.clone() },
            Parts { annotations: Some((&*annotations).into()), ..plain.clone() },
            Parts { output_schema: Some(&annotations), ..plain },
        ] {
            store.forget();
            keep_all(&store, Changes::Hold, &[Listing { name: "a", owner: Owner::default(), parts }]).unwrap();
            assert!(std::fs::metadata(&store.file).unwrap().len() < 1_000);
            assert!(store.accepted().unwrap().is_some(), "what was written can be read again");
        }
    }

    #[test]
    fn what_is_too_large_is_known_by_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let (large, larger) = ("x".repeat(ONE + 1), "y".repeat(ONE + 1));
        let of = |text| Listing { name: "a", owner: Owner::default(), parts: crate::definitions::parts(text, "{}") };
        keep_all(&store, Changes::Warn, &[of(&large)]).unwrap();
        assert!(std::fs::metadata(&store.file).unwrap().len() < 1_000);
        keep_all(&store, Changes::Warn, &[of(&large)]).unwrap();
        assert!(pending(&store).is_empty());
        keep_all(&store, Changes::Warn, &[of(&larger)]).unwrap();
        assert_eq!(pending(&store), [("a".to_owned(), Standing::Changed, None)]);
    }

    #[test]
    fn a_broken_file_holds_everything_and_otherwise_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        for broken in ["", "{}\n", "[]\n", "{\"format\":9}\n", "\u{0}"] {
            keep(&store, Changes::Warn, &[("a", "A")]);
            std::fs::write(&store.file, broken).unwrap();
            assert!(store.accepted().is_err(), "{broken:?}");
            assert!(keep_all(&store, Changes::Hold, &[listing("a", "A")]).is_err(), "{broken:?}");
            assert_eq!(std::fs::read_to_string(&store.file).unwrap(), broken, "nothing is written over it");
            assert_eq!(keep(&store, Changes::Warn, &[("a", "A")]), Kept::First(1), "{broken:?}");
            // Half a line, as no write of ours leaves it.
            let whole = std::fs::read_to_string(&store.file).unwrap();
            std::fs::write(&store.file, &whole[..whole.len() - 5]).unwrap();
            assert!(store.accepted().is_err());
            store.forget();
        }
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_it_and_no_link_is_followed() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        keep(&store, Changes::Warn, &[("a", "A")]);
        keep(&store, Changes::Warn, &[("a", "B")]);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&store.file), mode(&store.pending), mode(store.file.parent().unwrap())),
            (0o600, 0o600, 0o700)
        );
        let elsewhere = folder.path().join("elsewhere");
        std::fs::rename(&store.file, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &store.file).unwrap();
        assert!(store.accepted().is_err());
    }

    #[test]
    fn ten_thousand_tools_are_written_read_and_compared_in_no_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let schema = format!(r#"{{"type":"object","properties":{{"a":{{"description":"{}"}}}}}}"#, "word ".repeat(300));
        let names: Vec<String> = (0..10_000).map(|number| format!("tool_{number}")).collect();
        let of = |description| -> Vec<Listing<'_>> {
            names
                .iter()
                .map(|name| Listing {
                    name,
                    owner: Owner::default(),
                    parts: crate::definitions::parts(description, &schema),
                })
                .collect()
        };
        let started = std::time::Instant::now();
        keep_all(&store, Changes::Hold, &of("one")).unwrap();
        let size = std::fs::metadata(&store.file).unwrap().len();
        assert!((15_000_000..25_000_000).contains(&size), "{size}");
        keep_all(&store, Changes::Hold, &of("one")).unwrap();
        keep_all(&store, Changes::Hold, &of("two")).unwrap();
        assert_eq!(store.review().unwrap().unwrap().pending.len(), 10_000);
        assert_eq!(store.accept(&[]).unwrap().unwrap().tools.len(), 10_000);
        // Some seconds even on a busy machine; a quadratic step would take many minutes.
        assert!(started.elapsed() < std::time::Duration::from_secs(120), "{:?}", started.elapsed());
    }
}
