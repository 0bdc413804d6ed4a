//! pflow's `mcp-servers.json`: found, read, changed by one entry, and written back whole.
//! Takes a path; gives gateways, and saves atomically. Never writes over somebody else's change, never loosens the file's mode.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::error::{ConfigError, EntryError, FileError, Meant, Misfit, Result};
use super::{GatewayConfig, Launch, Standing, Trust, Variables, document::Document, entry, foreign, launch, wants};
use crate::{
    components::Components,
    digest::sha256,
    files::{self, Lock},
    runtime::Source,
    scrub, spelling,
};

const FILE: &str = "mcp-servers.json";
const SERVERS: &str = "mcpServers";

/// Whether an entry may take the place of another of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// An existing entry is an error.
    No,
    /// It is replaced.
    Yes,
}

/// The file as it was read, and what became of it since.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    path: PathBuf,
    /// The bytes on disk when it was read; none when there was no file.
    read: Option<Vec<u8>>,
    content: Map<String, Value>,
    /// Held by who reads to write.
    lock: Option<Arc<Lock>>,
    /// The same as text: what is not changed keeps its bytes.
    document: Document,
    /// Where the servers are, when they are not where pflow looks.
    elsewhere: Option<String>,
    trust: Trust,
    standing: Standing,
    /// As it was read, nothing in it wanted anything of this user.
    harmless: bool,
}

/// `~/.pflow`.
pub(super) fn pflow_folder() -> Result<PathBuf> {
    let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty()).ok_or(ConfigError::NoHome)?;
    Ok(home.join(".pflow"))
}

fn memory_below(folder: &Path, path: &Path) -> PathBuf {
    let place = |path: &Path| {
        // The file may not be there yet.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let folder =
            folder.canonicalize().or_else(|_| std::path::absolute(folder)).unwrap_or_else(|_| folder.to_owned());
        path.canonicalize().unwrap_or_else(|_| folder.join(path.file_name().unwrap_or_default()))
    };
    let place_of_file = place(path);
    if place_of_file == place(&folder.join(FILE)) {
        return folder.to_owned();
    }
    let digest: String = sha256(place_of_file.as_os_str().as_encoded_bytes()).chars().take(32).collect();
    folder.join("gateway").join("files").join(digest)
}

impl ConfigFile {
    /// `~/.pflow/mcp-servers.json`.
    ///
    /// # Errors
    ///
    /// `config`: there is no home folder.
    pub fn default_path() -> Result<PathBuf> {
        Ok(pflow_folder()?.join(FILE))
    }

    /// The folder of what is remembered of the gateways in this file: pflow's own for pflow's own file; for any other one below it, by
    /// the digest of the file's path. Never beside a file that may be somebody else's: what lies there would be believed.
    ///
    /// # Errors
    ///
    /// `config`: there is no home folder.
    pub fn memory(path: &Path) -> Result<PathBuf> {
        let folder = pflow_folder()?;
        Ok(memory_below(&folder, path))
    }

    /// Reads the file. One that does not exist is an empty one.
    ///
    /// # Errors
    ///
    /// `config`: it cannot be read, or is not the JSON that pflow writes; names file, line and column.
    pub fn load(path: &Path) -> Result<Self> {
        // Unit tests use no home of a user's; those of trust itself say where it is kept.
        let trust = if cfg!(test) { Trust::default() } else { Trust::of_this_user() };
        let mut file = Self::load_with(path, trust)?;
        if cfg!(test) {
            file.standing = Standing::Own;
        }
        Ok(file)
    }

    /// Reads the file, with what is trusted.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_with(path: &Path, trust: Trust) -> Result<Self> {
        let read = match files::read_regular(path) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(FileError::Unread { path: path.to_owned(), source }.into()),
        };
        let text = read.as_deref().map(foreign::text).transpose();
        let text = text.map_err(|encoding| FileError::Encoding { path: path.to_owned(), encoding })?;
        let mut content = text.map_or_else(|| Ok(Map::new()), |text| parse(path, text))?;
        let elsewhere = if content.contains_key(SERVERS) { None } else { foreign::elsewhere(&content) };
        content.entry(SERVERS).or_insert_with(|| Value::Object(Map::new()));
        let document = Document::new(text);
        let standing = trust.standing(path, read.as_deref().unwrap_or_default());
        let path = path.to_owned();
        let mut file = Self { path, read, content, document, elsewhere, trust, standing, harmless: true, lock: None };
        file.harmless = standing != Standing::Foreign || !file.wants_something();
        Ok(file)
    }

    /// Reads the file to change it: until this is dropped, whoever else does so waits. pflow itself takes no lock; what it writes
    /// meanwhile is noticed by [`save`](Self::save).
    ///
    /// # Errors
    ///
    /// `config`: as [`load`](Self::load), or somebody else is changing the file and does not come to an end.
    pub fn edit(path: &Path) -> Result<Self> {
        let lock = Arc::new(Lock::of(&resolved(path)).map_err(FileError::from)?);
        Ok(Self { lock: Some(lock), ..Self::load(path)? })
    }

    /// The same, with what is trusted.
    ///
    /// # Errors
    ///
    /// As [`edit`](Self::edit).
    pub fn edit_with(path: &Path, trust: Trust) -> Result<Self> {
        let lock = Arc::new(Lock::of(&resolved(path)).map_err(FileError::from)?);
        Ok(Self { lock: Some(lock), ..Self::load_with(path, trust)? })
    }

    /// The bytes as they were read; none when there was no file.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        self.read.as_deref()
    }

    /// What a gateway of this file wants of this user and may not have; empty when the file is trusted.
    #[must_use]
    pub fn refused(&self, gateway: &GatewayConfig) -> Vec<String> {
        if self.standing == Standing::Foreign { wants(gateway) } else { Vec::new() }
    }

    /// A gateway of a file that may do what it wants.
    fn permitted(&self, gateway: GatewayConfig) -> Result<GatewayConfig> {
        let refused = self.refused(&gateway);
        if refused.is_empty() {
            return Ok(gateway);
        }
        let gateway = scrub::line(&gateway.name, 100);
        Err(FileError::Foreign { path: self.path.clone(), gateway, wants: refused }.into())
    }

    /// Whether any gateway of it wants something of this user.
    fn wants_something(&self) -> bool {
        self.gateways().iter().any(|(_, gateway)| gateway.as_ref().is_ok_and(|gateway| !wants(gateway).is_empty()))
    }

    /// What is odd about the file as a whole: names that are there twice, servers where pflow does not look.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let file = self.path.display();
        let twice = self.document.twice(SERVERS).into_iter().map(|(name, lines)| {
            let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
            format!(
                "{:?} is in {file} more than once (lines {}); the last one counts",
                scrub::line(&name, 100),
                lines.join(" and ")
            )
        });
        twice.chain(self.elsewhere.iter().map(|elsewhere| format!("{file}: {elsewhere}"))).collect()
    }

    /// Entries for a server at a URL, as other programs write them: what pflow wants instead.
    #[must_use]
    pub fn misfits(&self) -> Vec<(String, Misfit)> {
        self.servers().filter_map(|(name, server)| Some((name.clone(), foreign::misfit(name, server)?))).collect()
    }

    /// What pflow would start for this entry, and whether it can. None: nothing.
    #[must_use]
    pub fn launch(&self, name: &str, variables: &Variables) -> Option<Launch> {
        let server = self.entry(name)?;
        Launch::of(name, server, &entry::read(name, server).ok()?, variables)
    }

    /// The text of an entry as it stands in the file.
    #[must_use]
    pub fn entry_text(&self, name: &str) -> Option<&str> {
        self.document.of(SERVERS, name)
    }

    /// The text that an entry would have in the file.
    #[must_use]
    pub fn laid_out(&self, name: &str, server: &Value) -> String {
        self.document.laid_out(SERVERS, name, server)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn servers(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.content.get(SERVERS).and_then(Value::as_object).into_iter().flatten()
    }

    /// The entry of this name, whatever it is.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Value> {
        self.content.get(SERVERS)?.get(name)
    }

    /// Whether there is an entry of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// Every gateway in it, in order, with what is wrong with it.
    #[must_use]
    pub fn gateways(&self) -> Vec<(String, Result<GatewayConfig>)> {
        self.servers()
            .filter(|(_, server)| entry::is_gateway(server))
            .map(|(name, server)| (name.clone(), self.gateway(name, server)))
            .collect()
    }

    fn gateway(&self, name: &str, server: &Value) -> Result<GatewayConfig> {
        let mut gateway = entry::read(name, server)?;
        // The folder that pflow is run in is nobody's choice.
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let component = if let Source::File(file) = &mut gateway.component { Some(file) } else { None };
        for file in gateway.ca_file.iter_mut().chain(component) {
            *file = folder.join(&file);
        }
        let mut gateway = self.with_component(gateway)?;
        gateway.remarks.extend(foreign::remarks(name, server));
        if launch::is_old_form(server) {
            gateway.remarks.push(format!("{}: {}", scrub::line(name, 100), launch::old_form_words()));
        }
        gateway.memory = Self::memory(&self.path).ok();
        Ok(gateway)
    }

    /// With what stands beside the file: the component that `component use` chose, when the entry names none, and the folder.
    fn with_component(&self, mut gateway: GatewayConfig) -> Result<GatewayConfig> {
        let components = Components::beside(&self.path);
        gateway.folder = Some(components.folder().to_owned());
        if gateway.component == Source::BuiltIn {
            gateway.component = components.chosen(&gateway.name)?.map_or(Source::BuiltIn, |pin| pin.to_run());
            gateway.components = Some(components);
        }
        Ok(gateway)
    }

    /// The component that was chosen for a gateway of this name, or for all of them. None: the built-in one, or the file is somebody else's.
    #[must_use]
    pub fn chosen_component(&self, name: &str) -> Option<Source> {
        if self.standing == Standing::Foreign {
            return None;
        }
        Components::beside(&self.path).chosen(name).ok()?.map(|pin| pin.to_run())
    }

    /// The command that an entry of this name starts, with its arguments, when it is no gateway.
    #[must_use]
    pub fn started(&self, target: &str) -> Option<(String, Vec<String>)> {
        self.entry(target).filter(|entry| !entry::is_gateway(entry)).and_then(foreign::command_line)
    }

    /// The gateway of this name, or at this URL.
    ///
    /// # Errors
    ///
    /// `config`: there is none (with the nearest names), or its entry is wrong.
    pub fn find(&self, target: &str) -> Result<GatewayConfig> {
        if let Some(server) = self.entry(target) {
            return self.gateway(target, server).and_then(|gateway| self.permitted(gateway));
        }
        if target.contains("://") {
            let mut gateway = self.with_component(GatewayConfig::for_url(target)?)?;
            if self.standing == Standing::Foreign {
                // The user's own URL, with nothing of the file.
                (gateway.component, gateway.components) = (Source::BuiltIn, None);
            }
            return Ok(gateway);
        }
        let known: Vec<_> =
            self.servers().filter(|(_, server)| entry::is_gateway(server)).map(|(name, _)| name.as_str()).collect();
        let (named, target) = (target, scrub::line(&super::shown_target(target), 100));
        let meant = match spelling::nearest(named, &known) {
            _ if self.elsewhere.is_some() => Meant::Elsewhere,
            // `localhost:8811/mcp` is meant as a URL.
            _ if is_address(named) => Meant::Url(target.clone()),
            Some(near) => Meant::Near(scrub::line(near, 100)),
            None => Meant::Known(known.into_iter().map(str::to_owned).collect()),
        };
        Err(EntryError::Unknown { target, path: self.path.clone(), elsewhere: self.elsewhere.clone(), meant }.into())
    }

    /// Adds entries.
    ///
    /// # Errors
    ///
    /// `config`: one exists and may not be replaced; then nothing is added.
    pub fn put(&mut self, entries: Vec<(String, Value)>, replace: Replace) -> Result<()> {
        if replace == Replace::No
            && let Some((name, _)) = entries.iter().find(|(name, _)| self.contains(name))
        {
            return Err(EntryError::Exists { name: name.clone(), path: self.path.clone() }.into());
        }
        let servers = self.content.entry(SERVERS).or_insert_with(|| Value::Object(Map::new()));
        let servers = servers.as_object_mut().ok_or(EntryError::NoServers)?;
        for (name, server) in entries {
            let text = self.document.laid_out(SERVERS, &name, &server);
            self.document.put(SERVERS, &name, &text);
            servers.insert(name, server);
        }
        Ok(())
    }

    /// Puts an entry in as this text.
    ///
    /// # Errors
    ///
    /// `internal`: the text is no JSON.
    pub fn put_text(&mut self, name: &str, text: &str) -> Result<()> {
        let server =
            serde_json::from_str(text).map_err(|source| ConfigError::Text { name: name.to_owned(), source })?;
        self.put(vec![(name.to_owned(), server)], Replace::Yes)?;
        self.document.put(SERVERS, name, text);
        Ok(())
    }

    /// Takes an entry out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.document.remove(SERVERS, name);
        self.content.get_mut(SERVERS)?.as_object_mut()?.shift_remove(name)
    }

    /// Writes the file: whole, at once, for this user alone. A symbolic link stays one.
    ///
    /// # Errors
    ///
    /// `config`: it changed since it was read, or cannot be written; then it is as before.
    pub fn save(&self) -> Result<()> {
        // Who has read it without a lock can still wait until others are done; what they did is noticed below.
        let _lock = match &self.lock {
            Some(lock) => Arc::clone(lock),
            None => Arc::new(Lock::of(&resolved(&self.path)).map_err(FileError::from)?),
        };
        let failed = |source| FileError::Unwritten { path: self.path.clone(), source };
        let file = resolved(&self.path);
        let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        files::private_folder(folder).map_err(failed)?;
        let now = match fs::read(&file) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(failed(e).into()),
        };
        if now != self.read {
            return Err(FileError::Changed { path: self.path.clone() }.into());
        }
        let text = self.text().map_err(|e| failed(e.into()))?;
        // 0600 from the start: tempfile's mode.
        let mut temporary =
            tempfile::Builder::new().prefix(".mcp-servers-").suffix(".tmp").tempfile_in(folder).map_err(failed)?;
        temporary
            .write_all(text.as_bytes())
            .and_then(|()| temporary.as_file().sync_all())
            .and_then(|()| temporary.persist(&file).map(drop).map_err(|e| e.error))
            .map_err(failed)?;
        // What this user wrote is trusted, unless it went beside what is not.
        let ours = self.standing == Standing::Trusted || (self.standing == Standing::Foreign && self.harmless);
        if ours && !self.trust.names(&self.path) && self.wants_something() {
            self.trust.pin(&self.path, text.as_bytes())?;
        }
        Ok(())
    }
}

/// Whether a target is a host with a port, and what follows it.
fn is_address(target: &str) -> bool {
    let host = target.split('/').next().unwrap_or(target);
    let port = host.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
    port.is_some_and(|port| port.parse::<u16>().is_ok())
}

/// The target of a link, as pflow resolves it: renaming over the link would cut it. The target need not exist.
fn resolved(path: &Path) -> PathBuf {
    if let Ok(target) = fs::canonicalize(path) {
        return target;
    }
    match fs::read_link(path) {
        Ok(target) => path.parent().unwrap_or(Path::new("")).join(target),
        Err(_) => path.to_owned(),
    }
}

impl ConfigFile {
    /// What is to be written: the text with its changes, if that says what is meant.
    fn text(&self) -> serde_json::Result<String> {
        let text = self.document.text();
        if serde_json::from_str::<Map<String, Value>>(text).is_ok_and(|content| content == self.content) {
            return Ok(text.to_owned());
        }
        let mut text = serde_json::to_string_pretty(&self.content)?;
        text.push('\n');
        Ok(text)
    }
}

fn parse(path: &Path, text: &str) -> Result<Map<String, Value>, FileError> {
    let path = || path.to_owned();
    let content: Value = serde_json::from_str(text).map_err(|e| {
        let (line, column) = (e.line(), e.column());
        let problem = foreign::no_json(text, line, column).map_or_else(|| reason(&e), str::to_owned);
        FileError::Syntax { path: path(), line, column, problem }
    })?;
    let Value::Object(content) = content else { return Err(FileError::NoObject { path: path() }) };
    if content.get(SERVERS).is_some_and(|servers| !servers.is_object()) {
        return Err(FileError::NoServers { path: path() });
    }
    Ok(content)
}

/// The parser's words without the place, which is said already.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::Advice as _;

    fn file(content: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mcp-servers.json");
        fs::write(&path, content).unwrap();
        (folder, path)
    }

    #[test]
    fn a_missing_file_is_an_empty_one_and_saving_makes_it_for_this_user_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/mcp-servers.json");
        let mut config = ConfigFile::load(&path).unwrap();
        assert!(config.gateways().is_empty());
        config.put(vec![("a".into(), json!({"type": "http", "url": "http://localhost/mcp"}))], Replace::No).unwrap();
        config.save().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(ConfigFile::load(&path).unwrap().gateways().len(), 1);
    }

    #[test]
    fn what_is_remembered_of_another_file_lies_under_pflows_folder_and_never_beside_it() {
        let home = tempfile::tempdir().unwrap();
        let (pflow, repository) = (home.path().join(".pflow"), home.path().join("repository"));
        fs::create_dir(&repository).unwrap();
        let memory = |path: &Path| memory_below(&pflow, path);
        assert_eq!(memory(&pflow.join(FILE)), pflow, "before it is made");
        fs::create_dir(&pflow).unwrap();
        assert_eq!(memory(&pflow.join(FILE)), pflow);
        let all = [pflow.join("work.json"), repository.join(FILE), repository.join("work.json"), PathBuf::from(FILE)];
        let mut seen: Vec<PathBuf> = all.iter().map(|path| memory(path)).collect();
        assert!(seen.iter().all(|folder| folder.parent() == Some(&*pflow.join("gateway/files"))), "{seen:?}");
        assert_eq!(
            memory(&repository.join("../repository").join(FILE)),
            memory(&repository.join(FILE)),
            "by its place"
        );
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), all.len());
        #[cfg(unix)]
        {
            // A link to pflow's own file is that file; one beside it is not.
            fs::write(pflow.join(FILE), "{}").unwrap();
            std::os::unix::fs::symlink(pflow.join(FILE), repository.join("link.json")).unwrap();
            assert_eq!(memory(&repository.join("link.json")), pflow);
        }
    }

    #[test]
    fn broken_json_is_placed_and_left_alone() {
        let (_folder, path) = file("{\n  \"mcpServers\": {,}\n}");
        let error = ConfigFile::load(&path).unwrap_err();
        assert!(matches!(error, ConfigError::File(FileError::Syntax { line: 2, column: 18, .. })), "{error:?}");
        assert!(error.to_string().contains("is not valid JSON at line 2, column 18"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\n  \"mcpServers\": {,}\n}");
    }

    #[test]
    fn an_unknown_name_gets_the_nearest_one() {
        let (_folder, path) =
            file(r#"{"mcpServers": {"docker": {"type": "http", "url": "http://x/"}, "fs": {"command": "y"}}}"#);
        let config = ConfigFile::load(&path).unwrap();
        let hint = |name: &str| config.find(name).unwrap_err().hint().unwrap();
        assert_eq!(hint("dokcer"), "did you mean docker?");
        assert_eq!(hint("zzz"), "known gateways: docker");
        assert!(matches!(config.find("fs"), Err(ConfigError::Entry(EntryError::Started { .. }))));
        assert_eq!(config.find("https://h:1/mcp").unwrap().url.as_str(), "https://h:1/mcp");
    }

    #[test]
    fn an_existing_entry_is_replaced_only_when_that_is_said() {
        let (_folder, path) = file(r#"{"mcpServers": {"a": {"command": "x"}}}"#);
        let mut config = ConfigFile::load(&path).unwrap();
        let new = vec![("b".into(), json!({})), ("a".into(), json!({"command": "y"}))];
        let refused = config.put(new.clone(), Replace::No);
        assert!(matches!(refused, Err(ConfigError::Entry(EntryError::Exists { name, .. })) if name == "a"));
        assert!(!config.contains("b"), "nothing is added when one is refused");
        config.put(new, Replace::Yes).unwrap();
        assert_eq!(config.entry("a").unwrap()["command"], "y");
    }

    #[test]
    fn a_change_by_another_program_is_never_written_over() {
        let (_folder, path) = file("{}");
        let mut config = ConfigFile::load(&path).unwrap();
        config.put(vec![("a".into(), json!({}))], Replace::No).unwrap();
        fs::write(&path, r#"{"other": 1}"#).unwrap();
        assert!(matches!(config.save(), Err(ConfigError::File(FileError::Changed { .. }))));
        assert_eq!(fs::read_to_string(&path).unwrap(), r#"{"other": 1}"#);
    }

    #[test]
    fn a_symbolic_link_stays_one() {
        let (folder, path) = file("{}");
        let link = folder.path().join("link.json");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut config = ConfigFile::load(&link).unwrap();
        config.put(vec![("a".into(), json!({}))], Replace::No).unwrap();
        config.save().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().file_type().is_symlink());
        assert!(fs::read_to_string(&path).unwrap().contains("\"a\""));
    }

    #[test]
    fn a_symbolic_link_to_what_is_not_there_yet_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (link, target) = (folder.path().join("link.json"), folder.path().join("target.json"));
        std::os::unix::fs::symlink("target.json", &link).unwrap();
        let mut config = ConfigFile::edit(&link).unwrap();
        config.put(vec![("a".into(), json!({}))], Replace::No).unwrap();
        config.save().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().file_type().is_symlink());
        assert!(fs::read_to_string(&target).unwrap().contains("\"a\""));
    }

    #[test]
    fn whoever_adds_at_the_same_time_adds_to_what_the_others_have() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mcp-servers.json");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = path.clone();
                scope.spawn(move || {
                    let mut config = ConfigFile::edit(&path).unwrap();
                    config.put(vec![(format!("gw{number}"), json!({"command": "x"}))], Replace::No).unwrap();
                    config.save().unwrap();
                });
            }
        });
        let all = ConfigFile::load(&path).unwrap();
        assert!((0..8).all(|number| all.contains(&format!("gw{number}"))), "{:?}", all.content);
    }

    proptest! {
        #[test]
        fn other_entries_keep_their_place_and_value(names in prop::collection::hash_set("[a-z]{1,8}", 1..8), text in "\\PC*", number in any::<i64>()) {
            let mut servers = Map::new();
            for name in &names {
                servers.insert(name.clone(), json!({"command": text, "x": [number, null, 1.5], "unknown": {"z": 1, "a": 2}}));
            }
            let before = json!({"zeta": true, SERVERS: servers, "alpha": {}});
            let (_folder, path) = file(&before.to_string());
            let mut config = ConfigFile::load(&path).unwrap();
            config.put(vec![("NEW".into(), json!({"command": "new"}))], Replace::No).unwrap();
            config.save().unwrap();
            let mut after: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            prop_assert!(after[SERVERS].as_object_mut().unwrap().shift_remove("NEW").is_some());
            prop_assert_eq!(after.to_string(), before.to_string());
        }
    }
}
