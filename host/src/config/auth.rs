//! How the host authenticates at a gateway: what pflow knows (bearer, API key, basic, headers), and a command that prints a token.
//! Takes templates; gives [`Credentials`]. Never keeps a resolved value, never runs a shell.

use std::{process::Stdio, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::HeaderName;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{io::AsyncReadExt as _, process::Command};

use super::error::{CredentialError, Result};
use super::variables::{Template, Variables};
use crate::egress::Credentials;

/// For a token command: a login helper may ask a server.
const COMMAND_TIME: Duration = Duration::from_secs(30);
/// A token; no more is read of what a command prints.
const COMMAND_OUTPUT: u64 = 64 * 1024;

/// How the host authenticates. Holds templates (`${VAR}`), never values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// The credential.
    pub method: Method,
    /// Further headers, sent with every request to the gateway's own origin.
    pub headers: Vec<(HeaderName, Template)>,
}

/// One way to authenticate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Without.
    #[default]
    None,
    /// `Authorization: Bearer`.
    Bearer {
        /// The token.
        token: Template,
    },
    /// A header of the gateway's own.
    ApiKey {
        /// Its name; `X-API-Key` unless said.
        header: HeaderName,
        /// Its value.
        key: Template,
    },
    /// `Authorization: Basic` (RFC 7617).
    Basic {
        /// The user-id; no colon.
        username: Template,
        /// The password.
        password: Template,
    },
    /// `Authorization: Bearer`, with what a program prints. Run for every new connection, and again after a 401.
    Command {
        /// The program and its arguments; no shell.
        argv: Vec<String>,
    },
}

impl Auth {
    /// Nothing is added to requests.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.method == Method::None && self.headers.is_empty()
    }

    /// Where the credential comes from, in words without a value: `bearer ${GATEWAY_TOKEN}`.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.method {
            Method::None if self.headers.is_empty() => "none".into(),
            Method::None => {
                let names: Vec<_> = self.headers.iter().map(|(name, value)| format!("{name} {value}")).collect();
                format!("headers {}", names.join(", "))
            }
            Method::Bearer { token } => format!("bearer {token}"),
            Method::ApiKey { header, key } => format!("API key {key} in {header}"),
            Method::Basic { username, password } => format!("basic {username} {password}"),
            Method::Command { argv } => format!("the command {}", argv.first().map_or("", String::as_str)),
        }
    }

    /// Where a credential stands in plain text, if one does.
    #[must_use]
    pub fn literal(&self) -> Option<String> {
        let plain = |template: &Template| template.names().next().is_none();
        let method = match &self.method {
            Method::Bearer { token } if plain(token) => Some("bearer".to_owned()),
            Method::ApiKey { header, key } if plain(key) => Some(header.to_string()),
            Method::Basic { password, .. } if plain(password) => Some("basic".to_owned()),
            _ => None,
        };
        let header = || self.headers.iter().find(|(name, value)| names_a_secret(name.as_str()) && plain(value));
        method.or_else(|| header().map(|(name, _)| name.to_string()))
    }

    /// All variables in it, each with its default.
    pub fn variables(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let (one, two) = match &self.method {
            Method::None | Method::Command { .. } => (None, None),
            Method::Bearer { token } => (Some(token), None),
            Method::ApiKey { key, .. } => (Some(key), None),
            Method::Basic { username, password } => (Some(username), Some(password)),
        };
        one.into_iter().chain(two).chain(self.headers.iter().map(|(_, value)| value)).flat_map(Template::variables)
    }

    /// The headers to add, now.
    ///
    /// # Errors
    ///
    /// `config`: a variable is not set, a value is empty or holds what no header may hold, the command fails.
    pub async fn resolve(&self, variables: &Variables) -> Result<Credentials> {
        let mut headers = Vec::with_capacity(self.headers.len() + 1);
        for (name, value) in &self.headers {
            headers.push((name.clone(), clean(&value.resolve(variables)?, value)?));
        }
        let bearer = |token: &SecretString| SecretString::from(format!("Bearer {}", token.expose_secret()));
        match &self.method {
            Method::None => {}
            Method::Bearer { token } => {
                let value = filled(&token.resolve(variables)?, token)?;
                headers.push((http::header::AUTHORIZATION, bearer(&value)));
            }
            Method::ApiKey { header, key } => headers.push((header.clone(), filled(&key.resolve(variables)?, key)?)),
            Method::Basic { username, password } => {
                let user = filled(&username.resolve(variables)?, username)?;
                let password = filled(&password.resolve(variables)?, password)?;
                if user.expose_secret().contains(':') {
                    return Err(CredentialError::Colon { from: username.to_string() }.into());
                }
                let both = SecretString::from(format!("{}:{}", user.expose_secret(), password.expose_secret()));
                let value = format!("Basic {}", BASE64_STANDARD.encode(both.expose_secret()));
                headers.push((http::header::AUTHORIZATION, value.into()));
            }
            Method::Command { argv } => headers.push((http::header::AUTHORIZATION, bearer(&printed(argv).await?))),
        }
        let mut credentials = Credentials::none();
        for (name, value) in headers {
            let wrong = |problem| CredentialError::HeaderValue { header: name.to_string(), problem };
            credentials = credentials.with(name.clone(), &value).map_err(wrong)?;
        }
        Ok(credentials)
    }
}

/// Whether a header of this name is for credentials. Such a value is never written to a file.
#[must_use]
pub fn names_a_secret(header: &str) -> bool {
    ["auth", "token", "key", "secret", "password", "cookie", "session"].iter().any(|word| header.contains(word))
}

fn filled(value: &SecretString, from: &Template) -> Result<SecretString> {
    if value.expose_secret().trim().is_empty() {
        return Err(CredentialError::Empty { from: from.to_string() }.into());
    }
    clean(value, from)
}

/// White space around is never meant; a line break inside would end the header (CWE-113).
fn clean(value: &SecretString, from: &Template) -> Result<SecretString> {
    let trimmed = value.expose_secret().trim();
    if trimmed.chars().any(char::is_control) {
        return Err(CredentialError::ControlCharacter { from: from.to_string() }.into());
    }
    Ok(trimmed.into())
}

/// The first line that a program prints.
async fn printed(argv: &[String]) -> Result<SecretString, CredentialError> {
    let (program, arguments) = argv.split_first().ok_or(CredentialError::NoCommand)?;
    let named = || program.clone();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| CredentialError::NotRun { program: named(), source })?;
    let mut text = String::new();
    let finished = tokio::time::timeout(COMMAND_TIME, async {
        if let Some(stdout) = child.stdout.take() {
            stdout.take(COMMAND_OUTPUT).read_to_string(&mut text).await?;
        }
        child.wait().await
    })
    .await
    .map_err(|_| CredentialError::Late { program: named(), seconds: COMMAND_TIME.as_secs() })?
    .map_err(|source| CredentialError::Unread { program: named(), source })?;
    let text = SecretString::from(text);
    if !finished.success() {
        return Err(CredentialError::Failed { program: named(), status: finished });
    }
    let token = text.expose_secret().trim();
    if token.is_empty() || token.chars().any(char::is_control) {
        return Err(CredentialError::NoToken { program: named() });
    }
    Ok(token.into())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::{super::error::ConfigError, *};
    use crate::Error;

    fn resolve(method: Method) -> Result<Credentials> {
        let environment = [("TOKEN", " abc\n"), ("BROKEN", "a\r\nX-Evil: 1"), ("EMPTY", "  "), ("USER", "ann:b")];
        let variables = Variables::from_maps(environment.map(|(n, v)| (n.to_owned(), v.to_owned())).into(), Vec::new());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Auth { method, headers: Vec::new() }.resolve(&variables))
    }

    fn header(name: HeaderName, value: &str) -> Credentials {
        Credentials::none().with(name, &value.to_owned().into()).unwrap()
    }

    #[test]
    fn white_space_around_a_token_is_dropped() {
        let bearer = resolve(Method::Bearer { token: Template::variable("TOKEN") }).unwrap();
        assert!(bearer == header(http::header::AUTHORIZATION, "Bearer abc"));
    }

    #[test]
    fn basic_is_as_in_rfc_7617() {
        let basic = Method::Basic { username: Template::new("Aladdin"), password: Template::new("open sesame") };
        assert!(resolve(basic).unwrap() == header(http::header::AUTHORIZATION, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    }

    #[test]
    fn what_would_break_a_header_is_refused_by_its_variable() {
        use ConfigError::{Credential, Unset};

        let refused = |variable| resolve(Method::Bearer { token: Template::variable(variable) }).unwrap_err();
        let broken = refused("BROKEN");
        assert!(!format!("{broken:?}").contains("Evil"));
        assert!(matches!(broken, Credential(CredentialError::ControlCharacter { from }) if from == "${BROKEN}"));
        assert!(matches!(refused("EMPTY"), Credential(CredentialError::Empty { from }) if from == "${EMPTY}"));
        assert!(matches!(refused("MISSING"), Unset { name } if name == "MISSING"));
        let colon = Method::Basic { username: Template::variable("USER"), password: Template::new("x") };
        let colon = resolve(colon).unwrap_err();
        assert!(matches!(colon, Credential(CredentialError::Colon { from }) if from == "${USER}"));
    }

    #[test]
    fn a_token_command_gives_a_bearer_and_its_failures_are_told_apart() {
        let command = |argv: &[&str]| Method::Command { argv: argv.iter().map(|&word| word.to_owned()).collect() };
        let printed = resolve(command(&["printf", "tok\\n"])).unwrap();
        assert!(printed == header(http::header::AUTHORIZATION, "Bearer tok"));
        let failed = |argv| resolve(command(argv)).unwrap_err();
        let ended = failed(&["false"]);
        assert!(matches!(ended, ConfigError::Credential(CredentialError::Failed { .. })), "{ended:?}");
        assert_eq!(ended.to_string(), "the token command false ended with exit status: 1");
        assert!(matches!(failed(&["true"]), ConfigError::Credential(CredentialError::NoToken { .. })));
        let absent = Error::from(failed(&["/nonexistent/helper"]));
        let why = absent.find::<ConfigError>();
        assert!(matches!(why, Some(ConfigError::Credential(CredentialError::NotRun { .. }))), "{absent:?}");
        assert_eq!(absent.find::<std::io::Error>().unwrap().kind(), std::io::ErrorKind::NotFound);
        assert!(absent.message.starts_with("the token command /nonexistent/helper cannot be run: No such file"));
    }
}
