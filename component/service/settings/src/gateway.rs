//! One gateway of the service, with the members that an entry of `mcp-servers.json` has.
//! Takes `GATEWAYS`; gives [`Gateway`]s. Never resolves what `auth` and `headers` point to.

use crate::{Filter, Problem, Result, Template, Upstream, filter::list, member::Member, own};

/// How it speaks MCP, when the user said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// With `initialize`.
    Legacy,
    /// Without.
    Modern,
}

/// What proves to the gateway who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Nothing.
    None,
    /// `Authorization: Bearer`.
    Bearer(Template),
    /// A header of its own.
    ApiKey {
        /// Its name.
        header: String,
        /// Its value.
        key: Template,
    },
    /// `Authorization: Basic`.
    Basic {
        /// Before the colon.
        username: Template,
        /// After it.
        password: Template,
    },
}

/// A service that the user declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredService {
    /// Its name.
    pub name: String,
    /// What its tools' names start with.
    pub prefix: Option<String>,
    /// Globs of its tools' names.
    pub tools: Vec<String>,
}

/// A gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    /// The first part of its path here.
    pub name: String,
    /// Absolute, `http` or `https`, without user info.
    pub url: String,
    /// Variables that stand in the URL.
    pub url_variables: Vec<String>,
    /// The product, by the identifier that the gateway component knows it by. None: find out.
    pub kind: Option<String>,
    /// None: find out.
    pub era: Option<Era>,
    /// The credential.
    pub auth: Auth,
    /// Further headers.
    pub headers: Vec<(String, Template)>,
    /// Declared services.
    pub services: Vec<DeclaredService>,
    /// For the gateway component, by name.
    pub settings: Vec<(String, String)>,
    /// What anybody is shown of it.
    pub filter: Filter,
    /// For one operation, in milliseconds.
    pub timeout_ms: u32,
    /// Of its answers.
    pub limits: Upstream,
}

const KNOWN: [&str; 12] = [
    "url",
    "kind",
    "era",
    "auth",
    "headers",
    "services",
    "settings",
    "tools",
    "trust",
    "timeout",
    "limits",
    "addresses",
];

/// Members of an entry that are the engine's business here.
const OF_THE_ENGINE: [(&str, &str); 7] = [
    ("ca_file", "give the engine's own store the authority"),
    ("proxy", "set the proxy where the engine runs"),
    ("allow_origins", "only the gateway's own origin is ever reached"),
    ("paths", "only the paths that MCP and the product need are ever asked"),
    ("component", "compose the service with that component: cargo xtask service --gateway FILE"),
    ("refresh", "tools are listed when a client lists them"),
    ("changes", "accept definitions where pflow runs: \"changes\" of the entry there"),
];

const DEFAULT_TIMEOUT_MS: u32 = 30_000;

pub(crate) fn read(all: &Member, variable: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Gateway>> {
    let mut gateways = Vec::new();
    for (name, member) in all.members()? {
        let fits = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !fits || name.starts_with('.') {
            return Err(Problem::new(member.path(), "cannot be a part of a URL's path")
                .with_remedy("name it with letters, digits, hyphens and underscores"));
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(
                Problem::new(member.path(), "is a page of the service itself").with_remedy("give it another name")
            );
        }
        gateways.push(one(name, &member, variable)?);
    }
    if gateways.is_empty() {
        return Err(Problem::new(all.path(), "names no gateway")
            .with_remedy("name one, like {\"docker\": {\"url\": \"http://127.0.0.1:8811/mcp\"}}"));
    }
    Ok(gateways)
}

/// First parts of paths that are taken.
const RESERVED: [&str; 4] = ["health", "ready", "metrics", "mcp"];

fn one(name: String, member: &Member, variable: &dyn Fn(&str) -> Option<String>) -> Result<Gateway> {
    member.object()?;
    if let Some((other, remedy)) = OF_THE_ENGINE.iter().find(|(other, _)| member.get(other).is_some()) {
        return Err(Problem::new(format!("{}.{other}", member.path()), "is nothing that the service decides")
            .with_remedy(*remedy));
    }
    member.only(&KNOWN)?;
    if let Some(addresses) = member.get("addresses").filter(|member| member.value() != "any") {
        return Err(Problem::new(addresses.path(), "must be any: an engine connects by name and tells no address")
            .with_remedy("forbid private addresses in the engine's or the network's own policy"));
    }
    let url = member.required("url")?;
    let template = Template::new(url.string()?);
    let resolved = checked_url(&url, &template.resolve(url.path(), variable)?)?;
    let kind = member.get("kind").map(|kind| read_kind(&kind)).transpose()?;
    let era = match member.get("era") {
        None => None,
        Some(era) => match era.string()? {
            "auto" => None,
            "legacy" => Some(Era::Legacy),
            "modern" => Some(Era::Modern),
            _ => return Err(era.wrong("auto, legacy or modern")),
        },
    };
    let mut headers = Vec::new();
    if let Some(holder) = member.get("headers") {
        for (name, value) in holder.members()? {
            headers.push((header_name(&name, value.path())?, Template::new(value.string()?)));
        }
    }
    let gateway = Gateway {
        url: resolved,
        url_variables: template.variables(),
        kind,
        era,
        auth: member.get("auth").map_or(Ok(Auth::None), |auth| read_auth(&auth))?,
        headers,
        services: member
            .get("services")
            .and_then(|services| services.get("declare"))
            .map_or(Ok(Vec::new()), |declared| declare(&declared))?,
        settings: member.get("settings").map_or(Ok(Vec::new()), |settings| own::read(&settings))?,
        filter: Filter::read(member)?,
        timeout_ms: member.get("timeout").map_or(Ok(DEFAULT_TIMEOUT_MS), |timeout| read_timeout(&timeout))?,
        limits: member.get("limits").map_or(Ok(Upstream::default()), |limits| Upstream::read(&limits))?,
        name,
    };
    let credentials = gateway.credential_variables();
    if let Some(both) = gateway.url_variables.iter().find(|name| credentials.contains(name)) {
        return Err(Problem::new(url.path(), format!("holds {both}, which is a credential elsewhere in this gateway"))
            .with_remedy("a URL is no place for a credential: send it with auth or headers"));
    }
    Ok(gateway)
}

impl Gateway {
    /// Variables whose values only the way out may know.
    #[must_use]
    pub fn credential_variables(&self) -> Vec<String> {
        let mut names: Vec<String> = self.headers.iter().flat_map(|(_, value)| value.variables()).collect();
        match &self.auth {
            Auth::None => {}
            Auth::Bearer(token) => names.extend(token.variables()),
            Auth::ApiKey { key, .. } => names.extend(key.variables()),
            Auth::Basic { username, password } => {
                names.extend(username.variables());
                names.extend(password.variables());
            }
        }
        names
    }

    /// Where the setting is.
    #[must_use]
    pub fn place(&self, member: &str) -> String {
        format!("{}.{}.{member}", crate::GATEWAYS, self.name)
    }

    /// Scheme, authority and path of the URL.
    #[must_use]
    pub fn parts(&self) -> (&str, &str, &str) {
        parts(&self.url).unwrap_or_default()
    }
}

/// Scheme, authority, path with query.
fn parts(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    Some((scheme, authority, path))
}

fn checked_url(member: &Member, text: &str) -> Result<String> {
    let wrong = || member.wrong("an absolute URL, like http://127.0.0.1:8811/mcp");
    let text = text.trim();
    let text = text.split('#').next().unwrap_or(text);
    let (scheme, authority, path) = parts(text).ok_or_else(wrong)?;
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        return Err(wrong());
    }
    if authority.contains('@') {
        return Err(Problem::new(member.path(), "holds a user or a password")
            .with_remedy("write them as \"auth\": {\"type\": \"basic\", …}"));
    }
    let odd = |c: char| c.is_ascii_control() || c == ' ' || !c.is_ascii();
    if authority.is_empty() || text.contains(odd) {
        return Err(wrong());
    }
    let path = if path.is_empty() { "/" } else { path };
    Ok(format!("{scheme}://{}{path}", authority.to_ascii_lowercase()))
}

/// Which products there are is the gateway component's knowledge; it refuses one that it does not know.
fn read_kind(member: &Member) -> Result<String> {
    let id = member.string()?;
    let letters = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if id.is_empty() || id.len() > 40 || !id.chars().all(letters) {
        return Err(member.wrong("a product's identifier, like docker, context-forge or generic"));
    }
    Ok(id.to_owned())
}

fn read_auth(auth: &Member) -> Result<Auth> {
    if auth.object()?.is_empty() {
        return Ok(Auth::None);
    }
    let secret = |name: &str| -> Result<Template> {
        let member = auth.required(name)?;
        let template = Template::new(member.string()?);
        if template.variables().is_empty() {
            return Err(Problem::new(member.path(), "must point to a variable, like \"${GATEWAY_TOKEN}\"")
                .with_remedy("put the credential into that variable: what stands in GATEWAYS itself, every part of the service can read"));
        }
        Ok(template)
    };
    let kind = auth.required("type")?;
    Ok(match kind.string()? {
        "bearer" => {
            auth.only(&["type", "token"])?;
            Auth::Bearer(secret("token")?)
        }
        "api_key" => {
            auth.only(&["type", "key", "header"])?;
            let header = auth.get("header").map(|header| header.string().map(str::to_owned)).transpose()?;
            let header = header_name(header.as_deref().unwrap_or("X-API-Key"), auth.path())?;
            Auth::ApiKey { header, key: secret("key")? }
        }
        "basic" => {
            auth.only(&["type", "username", "password"])?;
            let username = Template::new(auth.required("username")?.string()?);
            Auth::Basic { username, password: secret("password")? }
        }
        "command" => {
            return Err(Problem::new(kind.path(), "cannot be command: a service runs no programs").with_remedy(
                "let what rotates the token write it into the variable of a bearer, and start new replicas",
            ));
        }
        _ => return Err(kind.wrong("bearer, api_key or basic")),
    })
}

fn header_name(text: &str, place: &str) -> Result<String> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if text.is_empty() || !text.chars().all(token) {
        return Err(Problem::new(place, "names no header")
            .with_remedy("header names are letters, digits and hyphens, like X-API-Key"));
    }
    // What frames a request is nobody's to set.
    let framing = ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"];
    if framing.contains(&text.to_ascii_lowercase().as_str()) {
        return Err(Problem::new(place, "names a header that belongs to HTTP itself").with_remedy("leave it out"));
    }
    Ok(text.to_owned())
}

fn read_timeout(member: &Member) -> Result<u32> {
    let seconds = member.value().as_f64().filter(|seconds| *seconds > 0.0 && *seconds <= 600.0);
    let seconds = seconds.ok_or_else(|| member.wrong("a number of seconds, at most 600"))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 600,000")]
    Ok((seconds * 1_000.0).ceil() as u32)
}

fn declare(declared: &Member) -> Result<Vec<DeclaredService>> {
    let mut services = Vec::new();
    for item in declared.items()? {
        if let Some(text) = item.value().as_str() {
            services.push(in_one_word(text));
            continue;
        }
        item.only(&["name", "prefix", "tools"])?;
        services.push(DeclaredService {
            name: item.required("name")?.string()?.to_owned(),
            prefix: item.get("prefix").map(|prefix| prefix.string().map(str::to_owned)).transpose()?,
            tools: list(&item, "tools")?,
        });
    }
    Ok(services)
}

/// `github`, `github=gh_`, `github=list_issues,*_pull_request`.
fn in_one_word(text: &str) -> DeclaredService {
    let (name, rest) = text.split_once('=').map_or((text, None), |(name, rest)| (name, Some(rest)));
    let name = name.trim().to_owned();
    match rest {
        Some(rest) if rest.contains([',', '*', '?', '[', '{']) => {
            let tools = rest.split(',').map(|tool| tool.trim().to_owned()).collect();
            DeclaredService { name, prefix: None, tools }
        }
        prefix => DeclaredService { name, prefix: prefix.map(str::to_owned), tools: Vec::new() },
    }
}
