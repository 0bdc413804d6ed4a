//! IBM ContextForge 1.0.7.post20260921, as measured.
//! Takes backends, tokens and modes; gives a [`Gateway`] whose backends, tokens and limits can be changed while it runs.
//! Never does anything that the fact sheet does not say. The real one is tested too; this one is fast and can be broken at will.

mod limiter;
mod mcp;
mod rest;

use std::{
    collections::{BTreeMap, HashSet},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use pflow_gateway_base::sync::Mutex;
use serde_json::json;

pub use limiter::{Limits, Tier};

use crate::{
    jwt,
    reply::Answer,
    server::{Answering, Gateway},
    services::{self, Nature, Service, Tool},
    wire::Seen,
};

/// The revisions that it echoes; anything else is answered with the first.
pub const VERSIONS: &[&str] = &["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// The id of the virtual server that holds everything.
pub const SERVER: &str = "5f0c1d2e3a4b4c5d8e9f0a1b2c3d4e5f";
/// The id of another virtual server, without any tool.
pub const OTHER_SERVER: &str = "00000000000000000000000000000001";

/// `USE_STATEFUL_SESSIONS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sessions {
    /// The default.
    #[default]
    Stateless,
    /// Ids, that outlive their DELETE.
    Stateful,
}

/// `JSON_RESPONSE_ENABLED`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// The default.
    #[default]
    Json,
    /// One event; a priming event first when stateful too.
    Sse,
}

/// How the process behind a backend is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Process {
    /// Well.
    #[default]
    Up,
    /// Dead.
    Dead,
    /// Refuses the gateway's credential.
    RefusesCredential,
}

/// A backend, called "gateway" there.
#[derive(Clone, Debug)]
pub struct Backend {
    /// The name as registered.
    pub name: String,
    /// `id`, which survives renames.
    pub id: String,
    /// Its tools, under their original names.
    pub service: Service,
    /// How it is.
    pub process: Process,
    /// What the last health check found.
    pub reachable: Reachable,
    /// What an administrator set.
    pub enabled: Enabled,
}

/// `reachable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reachable {
    /// The last checks were good, or not enough were bad.
    Yes,
    /// Enough checks failed.
    No,
}

/// `enabled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enabled {
    /// Its tools are listed.
    Yes,
    /// Its tools have vanished.
    No,
}

/// What a token may do.
#[derive(Clone, Debug)]
pub struct Grant {
    /// One virtual server alone.
    pub server: Option<String>,
    /// `tools.read`, `tools.execute`, `servers.read`, `gateways.read`, `servers.use`.
    pub permissions: HashSet<String>,
    /// Why it is refused, if it is.
    pub refused: Option<Refused>,
}

/// Why a token that was good once is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// `DELETE /v1/tokens/{id}`.
    Revoked,
    /// Its user is not in the database.
    NoUser,
}

impl Grant {
    /// Everything, everywhere.
    #[must_use]
    pub fn admin() -> Self {
        Self::new(None, &["tools.read", "tools.execute", "servers.read", "servers.use", "gateways.read"])
    }

    /// One server, with what a client should have.
    #[must_use]
    pub fn scoped(server: &str) -> Self {
        Self::new(Some(server), &["tools.read", "tools.execute", "servers.read", "servers.use"])
    }

    /// These permissions.
    #[must_use]
    pub fn new(server: Option<&str>, permissions: &[&str]) -> Self {
        let permissions = permissions.iter().map(|&p| p.to_owned()).collect();
        Self { server: server.map(str::to_owned), permissions, refused: None }
    }

    fn may(&self, permission: &str) -> bool {
        self.permissions.contains(permission)
    }
}

/// How it was started.
#[derive(Clone, Debug)]
pub struct Config {
    /// Sessions.
    pub sessions: Sessions,
    /// Framing.
    pub framing: Framing,
    /// `GATEWAY_TOOL_NAME_SEPARATOR`.
    pub separator: String,
    /// Backends.
    pub backends: Vec<Backend>,
    /// Tokens.
    pub tokens: BTreeMap<String, Grant>,
    /// Rate limits.
    pub limits: Limits,
    /// `TOOL_TIMEOUT`.
    pub tool_timeout: Duration,
}

impl Config {
    /// Four backends and an admin token that is good for an hour. Tell the token by [`Config::token`].
    #[must_use]
    pub fn usual() -> Self {
        let weird = ["Do.Thing_With-Mixed", "do_thing_with_mixed", "wait", "boom"];
        let weird: Vec<Tool> = weird.iter().map(|n| Tool::new(n, n, &["seconds"], Nature::Writes)).collect();
        let services = [
            ("GitHub Work", services::github()),
            ("slack", services::slack()),
            ("big_catalog", services::numbered("big_catalog", 150)),
            ("Weird Server (1)", Service { name: "weird".to_owned(), tools: weird }),
        ];
        let backend = |(number, (name, service)): (usize, (&str, Service))| Backend {
            name: name.to_owned(),
            id: format!("{:032x}", 0xc0de_0000_u64 + number as u64),
            service,
            process: Process::Up,
            reachable: Reachable::Yes,
            enabled: Enabled::Yes,
        };
        Self {
            sessions: Sessions::default(),
            framing: Framing::default(),
            separator: "-".to_owned(),
            backends: services.into_iter().enumerate().map(backend).collect(),
            tokens: BTreeMap::from([(jwt::expiring_in(3600), Grant::admin())]),
            limits: Limits::default(),
            tool_timeout: Duration::from_secs(60),
        }
    }

    /// The first token.
    #[must_use]
    pub fn token(&self) -> String {
        self.tokens.keys().next().cloned().unwrap_or_default()
    }
}

/// The imitation.
#[derive(Debug)]
pub struct ContextForge {
    config: Mutex<Config>,
    limiter: limiter::Limiter,
    sessions: Mutex<HashSet<String>>,
    next: AtomicU64,
}

/// What slugify makes of a name.
#[must_use]
pub fn slugify(name: &str, separator: &str) -> String {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    words.collect::<Vec<_>>().join(separator)
}

impl ContextForge {
    /// A gateway that was started like this.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let limiter = limiter::Limiter::new(config.limits);
        Self { config: Mutex::new(config), limiter, sessions: Mutex::default(), next: AtomicU64::new(0) }
    }

    /// The configuration now.
    #[must_use]
    pub fn config(&self) -> Config {
        self.config.lock().clone()
    }

    /// Changes the running gateway.
    pub fn change(&self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config.lock());
    }

    /// Changes one backend, by the name it was registered with or has now.
    pub fn backend(&self, name: &str, change: impl FnOnce(&mut Backend)) {
        if let Some(backend) = self.config.lock().backends.iter_mut().find(|b| b.name == name) {
            change(backend);
        }
    }

    /// Adds a token.
    pub fn grant(&self, token: &str, grant: Grant) {
        self.config.lock().tokens.insert(token.to_owned(), grant);
    }

    /// Makes all session ids unknown, as a restart does.
    pub fn lose_sessions(&self) {
        self.sessions.lock().clear();
    }

    /// How many times a client went over a limit; the fifth locks its address out.
    #[must_use]
    pub fn violations(&self) -> u32 {
        self.limiter.violations()
    }

    /// What a token is good for, or the `detail` of its refusal.
    fn authenticate(&self, seen: &Seen, door: Api) -> Result<Grant, Answer> {
        let detail = |status: u16, detail: &str| Answer::json(status, &json!({"detail": detail}));
        let challenge = |answer: Answer| {
            if door == Api::Mcp { answer.with("www-authenticate", "Bearer") } else { answer }
        };
        let missing = match door {
            Api::Mcp => "Authentication required for MCP endpoints",
            Api::Rest => "Authorization token required",
        };
        let authorization = seen.header("authorization").unwrap_or_default();
        let (scheme, token) = authorization.split_once(' ').unwrap_or((authorization, ""));
        let cookie = seen.header("cookie").is_some_and(|c| c.contains("jwt_token"));
        if seen.method == "POST" && (scheme.eq_ignore_ascii_case("basic") || (cookie && authorization.is_empty())) {
            return Err(Answer::json(403, &json!({"detail": "CSRF validation failed", "code": "CSRF_TOKEN_INVALID"})));
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(challenge(detail(401, missing)));
        }
        let grant = self.config.lock().tokens.get(token).cloned();
        match grant {
            // Expired cannot be told from wrong.
            None => Err(challenge(detail(401, "Invalid authentication credentials"))),
            Some(_) if jwt::expired(token) => Err(challenge(detail(401, "Invalid authentication credentials"))),
            Some(Grant { refused: Some(Refused::Revoked), .. }) => {
                Err(detail(401, "Token has been revoked").with("www-authenticate", "Bearer"))
            }
            Some(Grant { refused: Some(Refused::NoUser), .. }) => Err(challenge(match door {
                Api::Mcp => detail(401, "User not found in database"),
                Api::Rest => detail(401, "Invalid authentication credentials"),
            })),
            Some(grant) => Ok(grant),
        }
    }

    async fn route(&self, seen: &Seen) -> Answer {
        let path = seen.path().trim_end_matches('/');
        match path {
            "/health" => {
                let body =
                    json!({"status": "healthy", "mcp_runtime": {"mode": "python", "rust_build_included": false}});
                return Answer::json(200, &body);
            }
            "/ready" => return Answer::json(200, &json!({"status": "ready"})),
            "/mcp" => return self.mcp(seen, None).await,
            _ => {}
        }
        let server = path.strip_prefix("/servers/").and_then(|rest| rest.strip_suffix("/mcp"));
        if let Some(server) = server.filter(|s| !s.contains('/')) {
            // Noise for MCP: the link leads to a 404.
            return self
                .mcp(seen, Some(server))
                .await
                .with("deprecation", "true")
                .with("sunset", "Sat, 26 Sep 2026 00:00:00 GMT")
                .with("link", format!("</v1/servers/{server}/mcp>; rel=\"successor-version\""));
        }
        self.rest(seen)
    }
}

/// Which door a request came by: the answers to a bad token differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    Mcp,
    Rest,
}

impl Gateway for ContextForge {
    fn answer<'a>(&'a self, seen: &'a Seen) -> Answering<'a> {
        Box::pin(async move {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let answer = match self.limiter.admit(seen.path()) {
                Err(refusal) => refusal,
                Ok(room) => {
                    let answer = self.route(seen).await;
                    answer
                        .with("x-ratelimit-limit", room.limit.to_string())
                        .with("x-ratelimit-remaining", room.remaining.to_string())
                }
            };
            answer.with("x-correlation-id", format!("{number:032x}")).into()
        })
    }
}
