//! How the host authenticates at a gateway.
//! Takes templates and a token command; gives [`Credentials`]. Never logs a value, and starts no shell.

use std::{process::Stdio, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, header};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};
use tokio::{io::AsyncReadExt as _, process::Command};

use super::{Template, Variables};
use crate::{Error, Result, egress::Credentials};

/// Where pflow puts an API key when the entry does not say it.
pub const API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// How long a token command may take: as long as a person needs to touch a hardware key.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// How much a token command may print. The largest tokens in use are some 10 KiB; a header section is at most 64.
const COMMAND_OUTPUT: u64 = 32 * 1024;

/// How the host authenticates at the gateway. Holds templates (`${VAR}`), never values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// The scheme.
    pub method: AuthMethod,
    /// Further headers. The method's own header wins over one of the same name, as in pflow.
    pub headers: Vec<(HeaderName, Template)>,
}

/// The scheme of authentication, in the shape of pflow's `auth` member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuthMethod {
    /// None: `auth` is absent, or `{"type": "none"}`.
    #[default]
    None,
    /// `{"type": "bearer", "token": "${VAR}"}`.
    Bearer {
        /// The token.
        token: Template,
    },
    /// `{"type": "api_key", "key": "${VAR}", "header": "X-API-Key"}`.
    ApiKey {
        /// The header that carries it.
        header: HeaderName,
        /// The key.
        key: Template,
    },
    /// `{"type": "basic", "username": "${VAR}", "password": "${VAR}"}`.
    Basic {
        /// The user's name.
        username: Template,
        /// The password.
        password: Template,
    },
    /// `{"type": "command", "command": ["vault", "read", …]}`: a bearer token that a command prints. Ours, not pflow's.
    Command {
        /// The program and its arguments. No shell is involved.
        argv: Vec<String>,
        /// Where it was written.
        place: String,
    },
}

impl Auth {
    /// No authentication.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// A bearer token.
    #[must_use]
    pub fn bearer(token: Template) -> Self {
        AuthMethod::Bearer { token }.into()
    }

    /// An API key.
    #[must_use]
    pub fn api_key(header: Option<HeaderName>, key: Template) -> Self {
        AuthMethod::ApiKey { header: header.unwrap_or(API_KEY_HEADER), key }.into()
    }

    /// A user name and a password.
    #[must_use]
    pub fn basic(username: Template, password: Template) -> Self {
        AuthMethod::Basic { username, password }.into()
    }

    /// A command that prints a bearer token, as typed: split into words like a POSIX shell does, and nothing else.
    ///
    /// # Errors
    ///
    /// Class `config`: no words, or an unfinished quotation.
    pub fn command(line: &str) -> Result<Self> {
        Ok(AuthMethod::Command { argv: split_command(line)?, place: String::new() }.into())
    }

    /// The same, with further headers.
    #[must_use]
    pub fn with_headers(mut self, headers: Vec<(HeaderName, Template)>) -> Self {
        self.headers = headers;
        self
    }

    /// One phrase for people: `bearer ${GATEWAY_TOKEN}`. Shows references, never a literal value.
    #[must_use]
    pub fn describe(&self) -> String {
        let method = match &self.method {
            AuthMethod::None => None,
            AuthMethod::Bearer { token } => Some(format!("bearer {token}")),
            AuthMethod::ApiKey { header, key } => Some(format!("API key {key} in {header}")),
            AuthMethod::Basic { username, password } => Some(format!("basic {username} {password}")),
            AuthMethod::Command { argv, .. } => {
                Some(format!("bearer from the command {}", argv.first().map_or("", String::as_str)))
            }
        };
        let headers = self.headers.iter().map(|(name, value)| format!("{name}: {value}"));
        let all: Vec<String> = method.into_iter().chain(headers).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(", ") }
    }

    /// The templates in it, headers included.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let method: Vec<&Template> = match &self.method {
            AuthMethod::None | AuthMethod::Command { .. } => Vec::new(),
            AuthMethod::Bearer { token } => vec![token],
            AuthMethod::ApiKey { key, .. } => vec![key],
            AuthMethod::Basic { username, password } => vec![username, password],
        };
        method.into_iter().chain(self.headers.iter().map(|(_, value)| value))
    }

    /// The credentials as of now: variables looked up, the command run.
    ///
    /// An empty token, key, user name or password adds no header and a warning in the log, as in pflow: `${TOKEN:-}` means
    /// "if there is one".
    ///
    /// # Errors
    ///
    /// Class `config`: a variable is not set, a value cannot be in a header, or the command failed.
    pub async fn resolve(&self, variables: &Variables) -> Result<Credentials> {
        let mut credentials = Credentials::none();
        for (name, value) in &self.headers {
            credentials = add(credentials, name.clone(), &value.resolve(variables)?, value.place())?;
        }
        match &self.method {
            AuthMethod::None => Ok(credentials),
            AuthMethod::Bearer { token } => {
                let value = token.resolve(variables)?;
                if is_empty(&value, token) {
                    return Ok(credentials);
                }
                add(credentials, header::AUTHORIZATION, &bearer(&value), token.place())
            }
            AuthMethod::ApiKey { header, key } => {
                let value = key.resolve(variables)?;
                if is_empty(&value, key) {
                    return Ok(credentials);
                }
                add(credentials, header.clone(), &value, key.place())
            }
            AuthMethod::Basic { username, password } => {
                let (user, pass) = (username.resolve(variables)?, password.resolve(variables)?);
                if is_empty(&user, username) || is_empty(&pass, password) {
                    return Ok(credentials);
                }
                for (value, template) in [(&user, username), (&pass, password)] {
                    // Encoded, a line break would not be noticed by whoever checks header values.
                    if value.expose_secret().chars().any(|c| c.is_ascii_control()) {
                        return Err(not_a_header_value(template.place()));
                    }
                }
                let pair = Zeroizing::new(format!("{}:{}", user.expose_secret(), pass.expose_secret()));
                let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
                let value = SecretString::from(format!("Basic {}", encoded.as_str()));
                add(credentials, header::AUTHORIZATION, &value, username.place())
            }
            AuthMethod::Command { argv, place } => {
                let token = run(argv, place, variables, COMMAND_TIMEOUT).await?;
                add(credentials, header::AUTHORIZATION, &bearer(&token), place)
            }
        }
    }
}

impl From<AuthMethod> for Auth {
    fn from(method: AuthMethod) -> Self {
        Self { method, headers: Vec::new() }
    }
}

/// Splits a command line into words.
pub(super) fn split_command(line: &str) -> Result<Vec<String>> {
    match shlex::split(line) {
        Some(argv) if argv.first().is_some_and(|program| !program.is_empty()) => Ok(argv),
        Some(_) => Err(Error::config("the token command is empty")),
        None => Err(Error::config("the token command has an unfinished quotation")
            .with_hint("it is split into words as a POSIX shell does it; close every quote")),
    }
}

fn bearer(token: &SecretString) -> SecretString {
    SecretString::from(format!("Bearer {}", token.expose_secret()))
}

fn is_empty(value: &SecretString, template: &Template) -> bool {
    let empty = value.expose_secret().is_empty();
    if empty {
        tracing::warn!(template = %template, place = template.place(), "the credential is empty and is not sent");
    }
    empty
}

fn add(credentials: Credentials, name: HeaderName, value: &SecretString, place: &str) -> Result<Credentials> {
    credentials.with(name, value).map_err(|_| not_a_header_value(place))
}

fn not_a_header_value(place: &str) -> Error {
    let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
    Error::config(format!("{place}the value contains a line break or another control character, so it cannot be sent"))
        .with_hint("look for a line break at the end of the variable's value")
}

/// Runs a token command. Its output is a secret; its error output may quote it, so only the exit status is told.
pub(super) async fn run(
    argv: &[String],
    place: &str,
    variables: &Variables,
    timeout: Duration,
) -> Result<SecretString> {
    let failed = |what: String| {
        let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
        Error::config(format!("{place}the token command {what}"))
    };
    let mut words = Vec::with_capacity(argv.len());
    for word in argv {
        words.push(Template::new(word).at(place).resolve(variables)?);
    }
    let mut words = words.iter().map(ExposeSecret::expose_secret);
    let program = words.next().ok_or_else(|| failed("is empty".into()))?;
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            failed(format!("{program} cannot be started: {error}"))
                .with_hint("give the program's absolute path: pflow starts servers with a small PATH")
        })?;
    let finished = tokio::time::timeout(timeout, async {
        let mut output = Zeroizing::new(Vec::with_capacity(4096));
        if let Some(stdout) = child.stdout.take() {
            stdout.take(COMMAND_OUTPUT + 1).read_to_end(&mut output).await?;
        }
        // More than that is not read: the command would wait for us for ever.
        if output.len() as u64 > COMMAND_OUTPUT {
            child.start_kill()?;
        }
        Ok::<_, std::io::Error>((output, child.wait().await?))
    })
    .await;
    let (output, status) = match finished {
        Err(_) => return Err(failed(format!("{program} did not finish within {} s", timeout.as_secs_f64()))),
        Ok(Err(error)) => return Err(failed(format!("{program} failed: {error}"))),
        Ok(Ok(finished)) => finished,
    };
    if output.len() as u64 > COMMAND_OUTPUT {
        return Err(failed(format!("{program} printed more than {COMMAND_OUTPUT} bytes")));
    }
    if !status.success() {
        return Err(failed(format!("{program} failed: {status}")).with_hint("run it by hand to see what it says"));
    }
    let text = str::from_utf8(&output).map_err(|_| failed(format!("{program} printed something that is not UTF-8")))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(
            failed(format!("{program} printed nothing")).with_hint("it must print the token on its standard output")
        );
    }
    Ok(SecretString::from(token))
}
