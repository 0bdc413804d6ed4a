//! An imitation gateway as a process, for tests in other languages.
//! Takes what to imitate; prints one JSON line `{"url", "pid", …}`, then obeys JSON lines on stdin and answers each with one.
//! Never outlives its stdin, and never prints a credential that was not made up here.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Args, Parser, Subcommand, ValueEnum};
use pflow_gateway_tests::{
    context_forge::{self, ContextForge, Enabled, Grant, Process, Reachable},
    docker::{self, Backend, Condition, Docker, Feature, Runs},
    faults::{self, Fault, Pflow},
    generic::{self, Auth, Eras, Framing, Generic, Lost, Meta, Sessions, State},
    jwt,
    server::{Fake, Gateway, Transport},
    services, tls,
    wire::WireLog,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

/// An imitation MCP gateway on 127.0.0.1. Prints one JSON line with its URL, serves until stdin closes.
#[derive(Parser)]
struct Command {
    /// Append one JSON line per request to this file. Credentials are never in it.
    #[arg(long, global = true)]
    log: Option<PathBuf>,
    /// Listen here; 0: a free port.
    #[arg(long, global = true, default_value_t = 0)]
    port: u16,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Any MCP server. On stdin: {"do":"lose-sessions"}, {"do":"service","name":"github","state":"gone"},
    /// {"do":"rotate","token":"new"}, {"do":"separator","value":"-"}, {"do":"services","value":["github","x:20"]}, {"do":"list-changed"},
    /// `{"do":"define","service":"github","tool":"create_issue","set":{"description":"other","annotations":null}}`.
    Generic(GenericArgs),
    /// Docker MCP Gateway. On stdin: {"do":"backend","name":"slack","state":"down"}, {"do":"restart-backend","name":"slack"},
    /// {"do":"restart","token":"new"}, {"do":"wake"}.
    Docker(DockerArgs),
    /// IBM ContextForge. On stdin: {"do":"backend","name":"slack","process":"dead","reachable":false,"enabled":true,"rename":"x"},
    /// {"do":"grant","token":"t","server":"ID","permissions":["tools.read"]}, {"do":"revoke","token":"t"}, {"do":"lose-sessions"}.
    ContextForge(ContextForgeArgs),
    /// A gateway with one fault.
    Fault {
        /// Its name; `faults` lists them.
        name: String,
    },
    /// Prints the table of faults as JSON lines and ends.
    Faults,
}

#[derive(Clone, Copy, ValueEnum)]
enum EraName {
    Legacy,
    Modern,
    Dual,
    OldSse,
}

#[derive(Clone, Copy, ValueEnum)]
enum FramingName {
    Json,
    Sse,
    SsePrimed,
}

#[derive(Clone, Copy, ValueEnum)]
enum LostName {
    NotFound,
    NotFoundText,
    NoValidSession,
    Ok,
    Unavailable,
}

#[derive(Clone, Copy, ValueEnum)]
enum MetaName {
    None,
    Tools,
    Outcomes,
}

#[derive(Args)]
struct GenericArgs {
    /// `github`, `slack`, `lab`, or NAME:COUNT; comma-separated.
    #[arg(long, value_delimiter = ',', default_value = "github,slack,lab")]
    services: Vec<String>,
    /// Between service and tool; empty: bare names.
    #[arg(long, default_value = "__")]
    separator: String,
    /// Tools per page.
    #[arg(long)]
    page: Option<usize>,
    #[arg(long, value_enum, default_value = "legacy")]
    era: EraName,
    #[arg(long, value_enum, default_value = "json")]
    framing: FramingName,
    /// No session ids.
    #[arg(long)]
    stateless: bool,
    /// How a lost session is answered.
    #[arg(long, value_enum, default_value = "not-found")]
    lost: LostName,
    /// Lose the session after so many calls.
    #[arg(long)]
    calls_per_session: Option<u32>,
    /// Lose the session after so many seconds.
    #[arg(long)]
    session_ttl: Option<f64>,
    /// Want this bearer token.
    #[arg(long)]
    bearer: Option<String>,
    /// Want this key, HEADER=KEY.
    #[arg(long)]
    api_key: Option<String>,
    /// Want these, USER:PASSWORD.
    #[arg(long)]
    basic: Option<String>,
    /// Want a JWT that expires in so many seconds; it is printed as `token`.
    #[arg(long)]
    jwt: Option<i64>,
    /// Milliseconds before every answer.
    #[arg(long, default_value_t = 0)]
    latency: u64,
    #[arg(long, value_enum, default_value = "none")]
    meta: MetaName,
    /// `ttlMs`, modern era.
    #[arg(long, default_value_t = 0)]
    ttl_ms: u64,
    /// `serverInfo`, NAME/VERSION.
    #[arg(long, default_value = "fake-gateway/1.2.3")]
    server: String,
    /// Speak TLS; the PEM to trust is printed as `ca`.
    #[arg(long)]
    tls: bool,
}

#[derive(Args)]
struct DockerArgs {
    /// Want this token.
    #[arg(long)]
    token: Option<String>,
    /// As for generic.
    #[arg(long, value_delimiter = ',', default_value = "github,slack,bulk:120")]
    services: Vec<String>,
    /// `tool-name-prefix` on.
    #[arg(long)]
    prefix: bool,
    /// A catalog prefix, SERVICE=ALIAS.
    #[arg(long)]
    alias: Vec<String>,
    /// `dynamic-tools` on.
    #[arg(long)]
    dynamic_tools: bool,
    /// Backends that are down at start.
    #[arg(long)]
    down: Vec<String>,
    /// Backends that nobody is signed in to at start.
    #[arg(long)]
    signed_out: Vec<String>,
    /// Backends that run in a container, one for each call.
    #[arg(long)]
    container: Vec<String>,
    /// Backends that run in one container for a session.
    #[arg(long)]
    long_lived: Vec<String>,
    /// Start with an empty profile: nothing but the control tools.
    #[arg(long)]
    empty_profile: bool,
    /// Backends' page size; the gateway shows only the first page.
    #[arg(long)]
    backend_page: Option<usize>,
    /// A backend hangs at start.
    #[arg(long)]
    hung: bool,
    /// `--transport sse`.
    #[arg(long)]
    sse: bool,
}

#[derive(Args)]
struct ContextForgeArgs {
    /// `USE_STATEFUL_SESSIONS=true`.
    #[arg(long)]
    stateful: bool,
    /// `JSON_RESPONSE_ENABLED=false`.
    #[arg(long)]
    sse: bool,
    /// `GATEWAY_TOOL_NAME_SEPARATOR`.
    #[arg(long, default_value = "-")]
    separator: String,
    /// Requests per minute, MEDIUM tier.
    #[arg(long, default_value_t = 100)]
    medium: u32,
    /// The root `/mcp` for a URL and not the virtual server's.
    #[arg(long)]
    root: bool,
    /// Give a token that is scoped to the virtual server.
    #[arg(long)]
    scoped: bool,
    /// Seconds until the token expires.
    #[arg(long, default_value_t = 3600)]
    expires: i64,
    /// `TOOL_TIMEOUT`, seconds.
    #[arg(long, default_value_t = 60)]
    tool_timeout: u64,
}

/// Obeys one line; says what was wrong with it.
type Obey = Box<dyn Fn(&Value) -> Result<(), String>>;

/// Prints a line on stdout, at once.
async fn say(line: &Value) -> io::Result<()> {
    let mut stdout = tokio::io::stdout();
    stdout.write_all(format!("{line}\n").as_bytes()).await?;
    stdout.flush().await
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let command = Command::parse();
    let log = command.log.as_deref().map(WireLog::to_file).transpose()?.unwrap_or_default();
    let mut hello = json!({"url": null, "pid": std::process::id()});
    let port = command.port;
    // Held until the end: dropping a fake ends it.
    let (_fake, _faulty, obey): (Option<Fake>, Option<faults::Faulty>, Obey) = match command.what {
        What::Faults => {
            for fault in faults::all() {
                let (ends, class, words) = match fault.pflow() {
                    Pflow::Good => ("good", None, None),
                    Pflow::Fails(class) => ("fails", Some(class.as_str()), None),
                    Pflow::Words(words) => ("words", None, Some(words)),
                };
                let line = json!({"name": fault.name, "family": fault.family.to_string(), "does": fault.does,
                    "test": fault.test.to_string(), "tools": fault.tools.to_string(), "call": fault.call.to_string(),
                    "pflow": {"ends": ends, "class": class, "words": words}, "tool": fault.tool,
                    "deadline": fault.deadline, "requests": fault.requests, "calls": fault.calls});
                say(&line).await?;
            }
            return Ok(());
        }
        What::Fault { name } => {
            let Some(fault) = Fault::named(&name) else {
                return Err(io::Error::other(format!("no fault is called {name:?}")));
            };
            let faulty = fault.start_with(log, port).await?;
            hello["url"] = json!(faulty.url);
            hello["ca"] = json!(faulty.ca);
            hello["token"] = json!(fault.token.map(|token| token()));
            (None, Some(faulty), Box::new(|_| Err("a fault takes no orders".to_owned())))
        }
        What::Generic(args) => {
            let (config, token) = args.config();
            hello["token"] = json!(token);
            let transport = if args.tls {
                let (acceptor, pem) = tls::self_signed(&["localhost", "127.0.0.1"])?;
                hello["ca"] = json!(pem);
                Transport::Tls(acceptor)
            } else {
                Transport::Plain
            };
            let generic = Generic::new(config);
            let fake = Fake::start_with(Arc::new(generic.clone()), transport, log, port).await?;
            hello["url"] = json!(if args.tls { fake.url_as("https", "localhost") } else { fake.url() });
            (Some(fake), None, Box::new(move |order| obey_generic(&generic, order)))
        }
        What::Docker(args) => {
            let sse = args.sse;
            let docker = Arc::new(Docker::new(args.config()));
            let gateway: Arc<dyn Gateway> = docker.clone();
            let fake =
                Fake::start_with(gateway, Transport::Plain, log, port).await?.at(if sse { "/sse" } else { "/mcp" });
            hello["url"] = json!(fake.url());
            (Some(fake), None, Box::new(move |order| obey_docker(&docker, order)))
        }
        What::ContextForge(args) => {
            let config = args.config();
            hello["token"] = json!(config.token());
            let path = if args.root { "/mcp".to_owned() } else { format!("/servers/{}/mcp", context_forge::SERVER) };
            let forge = Arc::new(ContextForge::new(config));
            let gateway: Arc<dyn Gateway> = forge.clone();
            let fake = Fake::start_with(gateway, Transport::Plain, log, port).await?.at(&path);
            hello["url"] = json!(fake.url());
            hello["server"] = json!(context_forge::SERVER);
            (Some(fake), None, Box::new(move |order| obey_context_forge(&forge, order)))
        }
    };
    say(&hello).await?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let done = serde_json::from_str(&line).map_err(|e| e.to_string()).and_then(|order| obey(&order));
        say(&match done {
            Ok(()) => json!({"ok": true}),
            Err(problem) => json!({"ok": false, "error": problem}),
        })
        .await?;
    }
    Ok(())
}

fn word<'a>(order: &'a Value, key: &str) -> Result<&'a str, String> {
    order.get(key).and_then(Value::as_str).ok_or_else(|| format!("{key} is missing"))
}

fn obey_generic(generic: &Generic, order: &Value) -> Result<(), String> {
    match word(order, "do")? {
        "lose-sessions" => generic.lose_sessions(),
        "service" => {
            let state = match word(order, "state")? {
                "up" => State::Up,
                "gone" => State::Gone,
                "failing" => State::Failing,
                "failing-as-text" => State::FailingAsText,
                "unauthorized" => State::Unauthorized,
                other => return Err(format!("no state is called {other:?}")),
            };
            generic.set(word(order, "name")?, state);
        }
        "rotate" => {
            let token = word(order, "token")?.to_owned();
            generic.change(|config| config.auth = Auth::Bearer(token));
        }
        "separator" => {
            let separator = word(order, "value")?.to_owned();
            generic.change(|config| config.separator = (!separator.is_empty()).then_some(separator));
        }
        "services" => {
            let names = order.get("value").and_then(Value::as_array).ok_or("value is missing")?;
            let services = names.iter().filter_map(Value::as_str).map(services::by_name).collect();
            generic.change(|config| config.services = services);
        }
        "latency" => {
            let latency = order.get("ms").and_then(Value::as_u64).ok_or("ms is missing")?;
            generic.change(|config| config.latency = Duration::from_millis(latency));
        }
        "define" => {
            let (service, tool) = (word(order, "service")?, word(order, "tool")?);
            let set = order.get("set").and_then(Value::as_object).ok_or("set is missing")?;
            let mut found = false;
            generic.change(|config| {
                let services = config.services.iter_mut().filter(|known| known.name == service);
                for known in services.flat_map(|known| &mut known.tools).filter(|known| known.name == tool) {
                    found = true;
                    for (name, value) in set {
                        match value {
                            Value::Null => drop(known.rest.remove(name)),
                            value => drop(known.rest.insert(name.clone(), value.clone())),
                        }
                    }
                }
            });
            if !found {
                return Err(format!("{service} has no tool {tool}"));
            }
        }
        "list-changed" => generic.notify(&json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})),
        other => return Err(format!("no order is called {other:?}")),
    }
    Ok(())
}

fn obey_docker(docker: &Docker, order: &Value) -> Result<(), String> {
    match word(order, "do")? {
        "backend" => {
            let condition = match word(order, "state")? {
                "up" => Condition::Up,
                "down" => Condition::Down,
                "unauthorized" => Condition::Unauthorized,
                "denied" => Condition::Denied,
                "unjudged" => Condition::Unjudged,
                "unconfigured" => Condition::Unconfigured,
                "no-daemon" => Condition::NoDaemon,
                other => return Err(format!("no state is called {other:?}")),
            };
            docker.set(word(order, "name")?, condition);
        }
        "restart-backend" => docker.restart_backend(word(order, "name")?),
        "restart" => docker.restart(order.get("token").and_then(Value::as_str)),
        "wake" => docker.wake(),
        other => return Err(format!("no order is called {other:?}")),
    }
    Ok(())
}

fn obey_context_forge(forge: &ContextForge, order: &Value) -> Result<(), String> {
    match word(order, "do")? {
        "backend" => {
            let process = match order.get("process").and_then(Value::as_str) {
                None => None,
                Some("up") => Some(Process::Up),
                Some("dead") => Some(Process::Dead),
                Some("refuses-credential") => Some(Process::RefusesCredential),
                Some(other) => return Err(format!("no process state is called {other:?}")),
            };
            let flag = |key: &str| order.get(key).and_then(Value::as_bool);
            forge.backend(word(order, "name")?, |backend| {
                backend.process = process.unwrap_or(backend.process);
                backend.reachable =
                    flag("reachable").map_or(backend.reachable, |yes| if yes { Reachable::Yes } else { Reachable::No });
                backend.enabled =
                    flag("enabled").map_or(backend.enabled, |yes| if yes { Enabled::Yes } else { Enabled::No });
                if let Some(name) = order.get("rename").and_then(Value::as_str) {
                    name.clone_into(&mut backend.name);
                }
            });
        }
        "grant" => {
            let permissions = order.get("permissions").and_then(Value::as_array).cloned().unwrap_or_default();
            let permissions: Vec<&str> = permissions.iter().filter_map(Value::as_str).collect();
            let server = order.get("server").and_then(Value::as_str);
            forge.grant(word(order, "token")?, Grant::new(server, &permissions));
        }
        "revoke" => {
            let revoked = Grant { refused: Some(context_forge::Refused::Revoked), ..Grant::admin() };
            forge.grant(word(order, "token")?, revoked);
        }
        "lose-sessions" => forge.lose_sessions(),
        other => return Err(format!("no order is called {other:?}")),
    }
    Ok(())
}

impl GenericArgs {
    /// The configuration, and the token that a client must send, if there is one.
    fn config(&self) -> (generic::Config, Option<String>) {
        let jwt = self.jwt.map(jwt::expiring_in);
        let token = jwt.or_else(|| self.bearer.clone());
        let auth = if let Some(token) = &token {
            Auth::Bearer(token.clone())
        } else if let Some((header, key)) = self.api_key.as_deref().and_then(|pair| pair.split_once('=')) {
            Auth::ApiKey(header.to_ascii_lowercase(), key.to_owned())
        } else if let Some(pair) = &self.basic {
            Auth::Basic(STANDARD.encode(pair))
        } else {
            Auth::None
        };
        let (name, version) = self.server.split_once('/').unwrap_or((&self.server, "0"));
        let config = generic::Config {
            services: self.services.iter().map(|s| services::by_name(s)).collect(),
            separator: (!self.separator.is_empty()).then(|| self.separator.clone()),
            page: self.page,
            server: (name.to_owned(), version.to_owned()),
            eras: match self.era {
                EraName::Legacy => Eras::Legacy,
                EraName::Modern => Eras::Modern,
                EraName::Dual => Eras::Dual,
                EraName::OldSse => Eras::OldSse,
            },
            framing: match self.framing {
                FramingName::Json => Framing::Json,
                FramingName::Sse => Framing::Sse,
                FramingName::SsePrimed => Framing::SsePrimed,
            },
            sessions: if self.stateless { Sessions::None } else { Sessions::Required },
            lost: match self.lost {
                LostName::NotFound => Lost::NotFound,
                LostName::NotFoundText => Lost::NotFoundText,
                LostName::NoValidSession => Lost::NoValidSession,
                LostName::Ok => Lost::Ok,
                LostName::Unavailable => Lost::Unavailable,
            },
            calls_per_session: self.calls_per_session,
            session_ttl: self.session_ttl.and_then(|s| Duration::try_from_secs_f64(s).ok()),
            auth,
            latency: Duration::from_millis(self.latency),
            meta: match self.meta {
                MetaName::None => Meta::None,
                MetaName::Tools => Meta::Tools,
                MetaName::Outcomes => Meta::Outcomes,
            },
            ttl_ms: self.ttl_ms,
            headers: Vec::new(),
        };
        (config, token)
    }
}

impl DockerArgs {
    fn config(self) -> docker::Config {
        let feature = |on: bool| if on { Feature::On } else { Feature::Off };
        let backend = |specification: &String| {
            let service = services::by_name(specification);
            let alias = self.alias.iter().filter_map(|a| a.split_once('=')).find(|(s, _)| *s == service.name);
            let is = |names: &[String]| names.contains(&service.name);
            let at_start = match (is(&self.down), is(&self.signed_out)) {
                (true, _) => Condition::Down,
                (_, true) => Condition::Unauthorized,
                _ => Condition::Up,
            };
            let runs = match (is(&self.container), is(&self.long_lived)) {
                (_, true) => Runs::LongLived,
                (true, _) => Runs::Container,
                _ => Runs::Remote,
            };
            let alias = alias.map(|(_, alias)| alias.to_owned());
            Backend { alias, page: self.backend_page, at_start, runs, ..Backend::new(service) }
        };
        let services = if self.empty_profile { &[][..] } else { &self.services };
        docker::Config {
            backends: services.iter().map(backend).collect(),
            prefix: feature(self.prefix),
            // With a profile they are always on.
            dynamic_tools: feature(self.dynamic_tools || self.empty_profile),
            block_secrets: Feature::On,
            hung: self.hung,
            transport: if self.sse { docker::Transport::Sse } else { docker::Transport::Streaming },
            token: self.token,
        }
    }
}

impl ContextForgeArgs {
    fn config(&self) -> context_forge::Config {
        let mut config = context_forge::Config::usual();
        let grant = if self.scoped { Grant::scoped(context_forge::SERVER) } else { Grant::admin() };
        config.tokens = [(jwt::expiring_in(self.expires), grant)].into();
        config.sessions =
            if self.stateful { context_forge::Sessions::Stateful } else { context_forge::Sessions::Stateless };
        config.framing = if self.sse { context_forge::Framing::Sse } else { context_forge::Framing::Json };
        config.separator.clone_from(&self.separator);
        config.limits.medium = self.medium;
        config.tool_timeout = Duration::from_secs(self.tool_timeout);
        config
    }
}
