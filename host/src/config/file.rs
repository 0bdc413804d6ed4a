//! pflow's `mcp-servers.json`: reading it, and changing one's own entries in it.
//! Takes a path; gives gateways, and writes entries. Never writes a file that changed since it was read, and never touches other entries.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde_json::{Map, Value};

use super::{GatewayConfig, Variables, edit, entry};
use crate::{Error, Result};

/// The member that holds the entries.
const SECTION: &str = "mcpServers";

/// `mcp-servers.json`, as it was when it was read.
#[derive(Debug)]
pub struct ConfigFile {
    path: PathBuf,
    /// What the file held; `None` when there was none.
    loaded: Option<Vec<u8>>,
    /// What it shall hold.
    text: String,
    servers: Map<String, Value>,
    variables: OnceLock<Variables>,
}

/// Whether an entry that exists may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// It may.
    Yes,
    /// It is an error.
    No,
}

impl ConfigFile {
    /// `~/.pflow/mcp-servers.json`.
    ///
    /// # Errors
    ///
    /// Class `config`: there is no home folder.
    pub fn default_path() -> Result<PathBuf> {
        Variables::pflow_dir().map(|dir| dir.join("mcp-servers.json")).ok_or_else(|| {
            Error::config("there is no home folder, so pflow's mcp-servers.json cannot be found")
                .with_hint("set HOME, or name the file with --config FILE")
        })
    }

    /// Reads the file. One that does not exist is an empty one.
    ///
    /// # Errors
    ///
    /// Class `config`: it cannot be read, is no JSON (with line and column), or has another shape than pflow's.
    pub fn load(path: &Path) -> Result<Self> {
        let shown = path.display();
        let loaded = match fs::read(path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::config(format!("{shown} cannot be read: {error}"))),
        };
        let text = match &loaded {
            None => String::new(),
            Some(bytes) => String::from_utf8(bytes.clone()).map_err(|error| {
                let good = error.utf8_error().valid_up_to();
                let line = 1 + bytes.iter().take(good).filter(|byte| **byte == b'\n').count();
                Error::config(format!("{shown}, line {line}: not UTF-8")).with_hint("save the file as UTF-8")
            })?,
        };
        let servers = if loaded.is_none() { Map::new() } else { servers(&text, path)? };
        Ok(Self { path: path.to_owned(), loaded, text, servers, variables: OnceLock::new() })
    }

    /// The same, but with these variables instead of the process's own.
    #[must_use]
    pub fn with_variables(self, variables: Variables) -> Self {
        Self { variables: OnceLock::from(variables), ..self }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The entries that are gateways, in the file's order: those with a `gateway` member, and plain `"type": "http"` ones.
    #[must_use]
    pub fn gateways(&self) -> Vec<(String, Result<GatewayConfig>)> {
        self.servers
            .iter()
            .filter(|(_, entry)| entry::is_gateway(entry))
            .map(|(name, entry)| (name.clone(), self.parse(name, entry)))
            .collect()
    }

    /// A gateway by the name of its entry, or a URL of which there is no entry.
    ///
    /// # Errors
    ///
    /// Class `config`: no such entry (the message suggests and lists names), one that is no gateway, or a wrong value in it.
    pub fn find(&self, target: &str) -> Result<GatewayConfig> {
        match self.servers.get(target) {
            Some(found) if entry::is_gateway(found) => self.parse(target, found),
            Some(_) => Err(Error::config(format!("{target} is an MCP server that pflow starts itself, not a gateway"))
                .with_hint("gateways are entries with \"type\": \"http\" or a \"gateway\" member; `list` shows them")),
            None if target.contains("://") => entry::of_url(target),
            None => Err(self.unknown(target)),
        }
    }

    /// Whether there is an entry of this name, gateway or not.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.servers.contains_key(name)
    }

    /// An entry as it is in the file, gateway or not.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Value> {
        self.servers.get(name)
    }

    /// Adds entries, or replaces them. All or none; nothing is written before [`save`](Self::save).
    ///
    /// # Errors
    ///
    /// Class `config`: a name exists and may not be replaced.
    pub fn put(&mut self, entries: Vec<(String, Value)>, replace: Replace) -> Result<()> {
        if replace == Replace::No
            && let Some((name, _)) = entries.iter().find(|(name, _)| self.contains(name))
        {
            return Err(Error::config(format!("{} already has an entry {name}", self.path.display()))
                .with_hint("choose another name, or replace it with --force"));
        }
        let mut text = self.text.clone();
        for (name, value) in &entries {
            text = edit::set(&text, SECTION, name, value).ok_or_else(|| self.shapeless())?;
        }
        self.text = text;
        self.servers.extend(entries);
        Ok(())
    }

    /// Takes an entry out. Nothing is written before [`save`](Self::save).
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let removed = self.servers.get(name)?.clone();
        self.text = edit::unset(&self.text, SECTION, name)?;
        self.servers.shift_remove(name);
        Some(removed)
    }

    /// Writes the file: a new one beside it, mode 0600, made durable and then renamed over it. A symbolic link stays one.
    ///
    /// # Errors
    ///
    /// Class `config`: the file changed since it was read, or cannot be written. Then it is as it was.
    pub fn save(&self) -> Result<()> {
        let real = real_path(&self.path);
        let shown = self.path.display();
        let failed = |error: io::Error| Error::config(format!("{shown} cannot be written: {error}"));
        let folder = real.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(failed)?;
        // Between our own processes; pflow takes no lock. Released when it is closed.
        let _lock = lock(folder).map_err(failed)?;
        let now = match fs::read(&real) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        if now != self.loaded {
            return Err(Error::config(format!(
                "{shown} was changed by another program while this one was working; nothing was written"
            ))
            .with_hint("run the command again"));
        }
        let mut file =
            tempfile::Builder::new().prefix(".mcp-servers-").suffix(".tmp").tempfile_in(folder).map_err(failed)?;
        file.write_all(self.text.as_bytes()).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&real).map_err(|error| failed(error.error))?;
        #[cfg(unix)]
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(())
    }

    fn parse(&self, name: &str, entry: &Value) -> Result<GatewayConfig> {
        let variables = || {
            self.variables
                .get_or_init(|| Variables::pflow_dir().map_or_else(Variables::default, |dir| Variables::load(&dir)))
        };
        entry::parse(name, entry, &self.path, &variables)
    }

    fn shapeless(&self) -> Error {
        Error::config(format!("{} has another shape than pflow's, so nothing can be added", self.path.display()))
    }

    fn unknown(&self, target: &str) -> Error {
        let known: Vec<&str> =
            self.servers.iter().filter(|(_, entry)| entry::is_gateway(entry)).map(|(name, _)| name.as_str()).collect();
        let near = known
            .iter()
            .map(|name| (distance(&name.to_lowercase(), &target.to_lowercase()), *name))
            .filter(|(distance, name)| *distance <= name.chars().count().max(target.chars().count()).div_ceil(3))
            .min();
        let message = format!("there is no gateway {target:?} in {}", self.path.display());
        let names =
            if known.is_empty() { "there are none yet".to_owned() } else { format!("known: {}", known.join(", ")) };
        let hint = match near {
            Some((_, near)) => format!("did you mean {near}? ({names})"),
            None if target.contains('/') || target.contains(':') => {
                format!("a URL starts with http:// or https://; {names}")
            }
            None if known.is_empty() => "there are none yet: `add NAME URL` makes one".to_owned(),
            None => names,
        };
        Error::config(message).with_hint(hint)
    }
}

/// The entries of a file's text.
fn servers(text: &str, path: &Path) -> Result<Map<String, Value>> {
    let shown = path.display();
    let parsed: Value = serde_json::from_str(text).map_err(|error| {
        let problem = error.to_string();
        let problem = problem.rsplit_once(" at line ").map_or(problem.as_str(), |(problem, _)| problem);
        Error::config(format!("{shown}, line {}, column {}: {problem}", error.line(), error.column()))
            .with_hint("repair the JSON there; nothing was changed")
    })?;
    let wrong = |what: &str| {
        Error::config(format!("{shown}: {what}")).with_hint("pflow's file is {\"mcpServers\": {NAME: {…}}}")
    };
    let Value::Object(mut members) = parsed else { return Err(wrong("not an object")) };
    match members.shift_remove(SECTION) {
        None => Ok(Map::new()),
        Some(Value::Object(servers)) => Ok(servers),
        Some(_) => Err(wrong("mcpServers is not an object")),
    }
}

/// Where a path leads, also when nothing is there yet.
fn real_path(path: &Path) -> PathBuf {
    let mut real = path.to_owned();
    // As deep as Linux follows links.
    for _ in 0..40 {
        let Ok(target) = fs::read_link(&real) else { break };
        real = real.parent().map_or_else(|| target.clone(), |folder| folder.join(&target));
    }
    real
}

#[cfg(unix)]
fn lock(folder: &Path) -> io::Result<fs::File> {
    let folder = fs::File::open(folder)?;
    folder.lock()?;
    Ok(folder)
}

#[cfg(not(unix))]
fn lock(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Letters to insert, remove, replace or swap until two words are the same.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut corner = i;
        let mut previous = i + 1;
        let mut next = Vec::with_capacity(row.len());
        next.push(previous);
        for (b, above) in right.iter().zip(row.iter().skip(1)) {
            previous = (corner + usize::from(a != *b)).min(above + 1).min(previous + 1);
            corner = *above;
            next.push(previous);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
