//! What the words mean: files, gateways, credentials.
//! Takes typed arguments; gives [`GatewayConfig`]s and [`Gateway`]s. Never touches the network by itself, never reads a token.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::HeaderName;

use super::{args, screen::Format, waiting::Waiting};
use pflow_gateway::{
    Gateway,
    config::{Auth, ConfigFile, GatewayConfig, Method, Template, Trust, names_a_secret, shown_target},
    history::History,
    seen::Seen,
    told_of_stdio,
};
use pflow_gateway_base::{Class, Deadline, Error, Result, sync::Mutex};
use pflow_gateway_runtime::{Limits, Product, Runtime, Source};

/// Unit tests use no home of a user's, and their files are their own.
fn trust(file: &Path) -> Trust {
    if cfg!(test) { Trust::of_files(vec![file.to_owned()]) } else { Trust::of_this_user() }
}

/// What all commands share.
pub(super) struct Context {
    /// As it appears in help and in commands to type next.
    pub(super) program: String,
    config: Option<PathBuf>,
    pub(super) component: Option<PathBuf>,
    pub(super) timeout: Option<Duration>,
    pub(super) era: Option<args::EraName>,
    pub(super) format: Format,
    /// How much more to say: the number of `-v`.
    pub(super) verbose: u8,
    /// What `--timeout` allows for all of one command.
    pub(super) deadline: Option<Deadline>,
    /// What the command waits for now.
    pub(super) waiting: Waiting,
    /// The server file was written: an interruption has to say so.
    wrote: AtomicBool,
    /// The gateways that were opened, to end their sessions when the command is interrupted.
    opened: Mutex<Vec<Gateway>>,
    /// The components that were loaded: whoever needs one again has it.
    loaded: Mutex<Vec<Arc<Runtime>>>,
}

impl Context {
    pub(super) fn new(program: &str, global: &args::Global) -> Self {
        Self {
            program: program.to_owned(),
            config: global.config.clone(),
            component: global.component.clone(),
            timeout: global.timeout,
            era: global.era,
            verbose: global.verbose,
            format: if global.json { Format::Json } else { Format::Text },
            deadline: global.timeout.map(Deadline::within),
            waiting: Waiting::default(),
            wrote: AtomicBool::new(false),
            opened: Mutex::default(),
            loaded: Mutex::default(),
        }
    }

    /// Writes the server file.
    pub(super) fn save(&self, file: &ConfigFile) -> Result<()> {
        file.save()?;
        self.wrote.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the server file was written.
    pub(super) fn has_written(&self) -> bool {
        self.wrote.load(Ordering::Relaxed)
    }

    /// pflow's server file.
    pub(super) fn path(&self) -> Result<PathBuf> {
        Ok(self.config.clone().map_or_else(ConfigFile::default_path, Ok)?)
    }

    /// The server file that was chosen, if it is not pflow's own.
    pub(super) fn chosen_file(&self) -> Option<PathBuf> {
        self.config.clone()
    }

    /// pflow's server file, read now.
    pub(super) fn file(&self) -> Result<ConfigFile> {
        let path = self.path()?;
        Ok(ConfigFile::load_with(&path, trust(&path))?)
    }

    /// The same, to be changed: whoever else wants to change it waits.
    pub(super) fn edit(&self) -> Result<ConfigFile> {
        let path = self.path()?;
        Ok(ConfigFile::edit_with(&path, trust(&path))?)
    }

    /// The folder of pflow's server file.
    pub(super) fn folder(&self) -> Result<PathBuf> {
        let path = self.path()?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        Ok(parent.map_or_else(|| PathBuf::from("."), Path::to_path_buf))
    }

    /// The folder of what is remembered of the gateways in this file.
    pub(super) fn memory(&self) -> Result<PathBuf> {
        Ok(ConfigFile::memory(&self.path()?)?)
    }

    /// What is remembered of gateways; off when there is no folder for it.
    pub(super) fn history(&self) -> History {
        self.memory().map_or_else(|error| History::off(error.message), |folder| History::new(&folder))
    }

    /// The gateway of this name or URL, with the flags of this command applied.
    pub(super) async fn gateway(&self, target: &str, auth: &args::Auth) -> Result<Gateway> {
        self.open(self.config(target, auth).await?).await
    }

    /// The same, for one question: `--timeout` is for all of it, what comes before the question included.
    pub(super) async fn asked(&self, target: &str, auth: &args::Auth) -> Result<Gateway> {
        let shown = shown_target(target);
        let _waiting = self.waiting.on(&shown);
        let Some(by) = self.deadline else { return self.gateway(target, auth).await };
        let gateway = by.bound(self.gateway(target, auth)).await.map_err(|_| {
            let limit = by.limit().as_secs_f64();
            Error::new(Class::Timeout, format!("{shown} was not asked within the {limit} s of --timeout")).with_hint(
                "nothing was sent: its files or its component took too long to read; allow more with --timeout",
            )
        })??;
        Ok(gateway.until(by))
    }

    /// How it is configured. Whoever owns the file may never end writing it: nothing else waits for that.
    pub(super) async fn config(&self, target: &str, auth: &args::Auth) -> Result<GatewayConfig> {
        let (path, named) = (self.path()?, target.to_owned());
        let (file, found) = apart(move || {
            let file = ConfigFile::load_with(&path, trust(&path))?;
            let found = file.find(&named);
            Ok((file, found))
        })
        .await?;
        let mut config = match found {
            Ok(config) => config,
            Err(error) => return Err(told_of_stdio(error.into(), &file, target, &self.component_of(target)).await),
        };
        if let Some(given) = credential(auth)? {
            config.auth = given;
        }
        if let Some(ca_file) = &auth.ca_file {
            config.ca_file = Some(ca_file.clone());
        }
        Ok(config)
    }

    /// What a look showed is what lists tell of this entry from now on. Of a URL nothing is kept.
    pub(super) async fn saw(&self, gateway: &Gateway) {
        let (Ok(folder), Some(kind)) = (self.memory(), gateway.seen_kind()) else { return };
        if gateway.config().name.contains("://") {
            return;
        }
        let tools = (!gateway.saw_a_part()).then(|| gateway.seen_tools());
        let (seen, entry) = (Seen::of(Some(kind), tools.as_deref()), gateway.config().clone());
        let _ = tokio::task::spawn_blocking(move || seen.keep(&folder, &[entry])).await;
    }

    /// A gateway that is configured so, on the component that these flags ask for.
    pub(super) async fn open(&self, mut config: GatewayConfig) -> Result<Gateway> {
        if let Some(timeout) = self.timeout {
            config.timeout = timeout;
            config.timeout_given = true;
        }
        if let Some(era) = self.era {
            config.era = era.fixed();
        }
        if let Some(component) = &self.component {
            config.component = Source::File(component.clone());
            config.components = None;
        }
        let runtime = self.runtime(config.component.clone(), config.limits.clone()).await?;
        tracing::info!("{} is {}", pflow_gateway_base::scrub::line(&config.name, 100), config.shown());
        let gateway = Gateway::new(runtime, config);
        self.opened.lock().push(gateway.clone());
        Ok(gateway)
    }

    /// The component that an entry of this name would run on; of no name, the one that was chosen for all.
    pub(super) fn component_of(&self, name: &str) -> Source {
        if let Some(file) = &self.component {
            return Source::File(file.clone());
        }
        self.file().ok().and_then(|file| file.chosen_component(name)).unwrap_or_default()
    }

    /// What the component knows of products, for an entry of this name; empty for none yet.
    pub(super) async fn products(&self, name: &str) -> Result<Vec<Product>> {
        let runtime = self.runtime(self.component_of(name), Limits::default()).await?;
        Ok(runtime.products().await?.to_vec())
    }

    /// Loads the component, unless this command has it already.
    async fn runtime(&self, component: Source, limits: Limits) -> Result<Arc<Runtime>> {
        // Compiling takes seconds when the component is large and new.
        let runtime = apart(move || Ok(Runtime::shared(&component, &limits)?)).await?;
        self.loaded.lock().push(Arc::clone(&runtime));
        Ok(runtime)
    }

    /// What the component of this program itself knows of products.
    pub(super) async fn built_in_products() -> Vec<Product> {
        let Ok(runtime) = apart(|| Ok(Runtime::shared(&Source::BuiltIn, &Limits::default())?)).await else {
            return Vec::new();
        };
        runtime.products().await.map(<[Product]>::to_vec).unwrap_or_default()
    }

    /// The calls that were given up and may still run, in words.
    pub(super) fn left_running(&self) -> Vec<String> {
        let of = |gateway: &Gateway| {
            let name = gateway.config().name.clone();
            gateway.left_running().into_iter().map(move |left| left.words(&name))
        };
        self.opened.lock().iter().flat_map(of).collect()
    }

    /// Tells every gateway that nobody waits any more, and ends the sessions. Two seconds at most.
    pub(super) async fn hang_up(&self) {
        let gateways = std::mem::take(&mut *self.opened.lock());
        let mut farewells = tokio::task::JoinSet::new();
        for gateway in gateways {
            farewells.spawn(async move { gateway.hang_up().await });
        }
        farewells.join_all().await;
    }
}

/// On a thread that nothing else needs.
pub(super) async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::new(Class::Internal, "reading files was cut short").because(error))?
}

/// The credential that the flags describe; none when they are silent.
pub(super) fn credential(flags: &args::Auth) -> Result<Option<Auth>> {
    let method = if let Some(variable) = &flags.bearer_env {
        Method::Bearer { token: Template::variable(variable_name(variable)?) }
    } else if let Some(variable) = &flags.api_key_env {
        let header = flags.api_key_header.clone().unwrap_or_else(|| HeaderName::from_static("x-api-key"));
        Method::ApiKey { header, key: Template::variable(variable_name(variable)?) }
    } else if let Some([username, password]) = flags.basic_env.as_deref() {
        Method::Basic {
            username: Template::variable(variable_name(username)?),
            password: Template::variable(variable_name(password)?),
        }
    } else if let Some(command) = &flags.token_command {
        let argv = shlex::split(command).filter(|argv| !argv.is_empty()).ok_or_else(|| {
            Error::config("--token-command is empty or has a quote that does not end").with_hint(
                "write it as in a shell, like --token-command 'vault read -field=token mcp'; it runs without one",
            )
        })?;
        Method::Command { argv }
    } else {
        Method::None
    };
    let mut headers = Vec::new();
    for (name, value) in &flags.headers {
        let template = Template::new(value.clone());
        if names_a_secret(name.as_str()) && template.names().next().is_none() {
            return Err(Error::config(format!("--header {name} holds its value in plain text")).with_hint(format!(
                "keep the value in a variable and name that, in single quotes: --header '{name}=${{VAR}}'"
            )));
        }
        headers.push((name.clone(), template));
    }
    Ok((method != Method::None || !headers.is_empty()).then_some(Auth { method, headers }))
}

/// How tokens of well-known services begin; they would pass for names.
const TOKENS: [&str; 9] = ["ghp_", "gho_", "ghs_", "github_pat_", "glpat", "xoxb", "xoxp", "sk_", "eyJ"];

/// A variable's name, as pflow takes it; `${NAME}` will do. A token that was pasted instead is refused, and not repeated.
pub(super) fn variable_name(text: &str) -> Result<&str> {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    let mut letters = name.chars();
    let starts = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    let fits = starts && name.len() <= 64 && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if fits && !TOKENS.iter().any(|token| name.starts_with(token)) {
        return Ok(name);
    }
    Err(Error::config("what was given is not the name of an environment variable")
        .with_hint("give the variable's name, like GATEWAY_TOKEN, and never the value itself"))
}
