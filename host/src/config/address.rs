//! A gateway's URL: what stands in the entry, what may be shown of it, and what egress asks.
//! Takes the text of an entry; gives a [`Url`] without anything secret, and the real target to egress. Never prints a query, user info or a
//! path segment that looks like a key.
//!
//! | part | shown, and told to the component | sent by egress |
//! | --- | --- | --- |
//! | `${VAR}` in scheme, host or port | `${VAR}`; the component and egress know the origin | its value |
//! | `${VAR}` in the path | `${VAR}` | its value |
//! | a path segment that looks like a key | `abcd***` | as written |
//! | query | nothing | as written, variables resolved |
//! | fragment | nothing | nothing |

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};
use url::Url;

use super::error::{Result, UrlError};
use super::{
    Template, Variables,
    variables::{Piece, pieces},
};
use crate::{egress::Target, scrub};

/// Stands for an origin whose variable is not set; never asked, since resolving says so first.
const NOWHERE: &str = "http://not-set.invalid";
/// Shorter segments are names; keys of services are longer.
const KEY_LENGTH: usize = 20;
/// What is left of a segment that looks like a key.
const KEY_SHOWN: usize = 4;
/// Names of query parameters that carry a credential.
const SECRET_NAMES: [&str; 11] =
    ["key", "token", "secret", "password", "passwd", "auth", "credential", "signature", "sig", "jwt", "code"];

/// The URL of a gateway. Prints without its secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    written: Template,
    shown: String,
    url: Url,
}

impl Address {
    /// From the text of an entry; `from` is where it stands. Variables of scheme, host and port are resolved with these.
    ///
    /// # Errors
    ///
    /// `config`: no http or https URL, or one with a user or password inside.
    pub(super) fn read(text: &str, from: &str, variables: impl FnOnce() -> Result<Variables>) -> Result<Self> {
        let written = Template::new(text);
        let (origin, rest) = split(text);
        let resolved = if Template::new(origin).names().next().is_some() {
            // Without its value nothing is known of the origin; `resolve` says so when it is needed.
            variables().ok().and_then(|variables| Template::new(origin).resolve(&variables).ok())
        } else {
            Some(SecretString::from(origin))
        };
        let known = resolved.is_some();
        let origin_now = resolved.unwrap_or_else(|| NOWHERE.into());
        let url = disguised(&parse(&format!("{}{}", origin_now.expose_secret(), spelled(rest)), &public(text), from)?);
        let shown = if !known || written.names().next().is_some() { public(text) } else { url.to_string() };
        Ok(Self { written, shown, url })
    }

    /// As it stands in the entry. May hold a secret if the user wrote one.
    #[must_use]
    pub fn written(&self) -> &str {
        self.written.as_written()
    }

    /// For people: variables by their names, nothing secret.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The same as a URL, for the component: it knows the origin, and nothing secret.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Its variables, each with its default.
    pub fn variables(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.written.variables()
    }

    /// What stands in it in plain text and looks like a credential, by name.
    #[must_use]
    pub fn literal_key(&self) -> Option<String> {
        let (_, rest) = split(self.written());
        // What is behind a # is never sent.
        let spelled = spelled(rest);
        let spelled = spelled.split('#').next().unwrap_or_default();
        let (path, query) = spelled.split_once('?').unwrap_or((spelled, ""));
        let in_query = query.split('&').find_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or(("", pair));
            let literal = !value.is_empty() && !value.contains("${");
            (literal && (names_a_secret(name) || looks_like_a_key(value))).then(|| scrub::line(name, 40))
        });
        let in_path =
            || segments(path).any(|(segment, before)| is_key(segment, before)).then(|| "a part of its path".into());
        let named =
            |name: String| if name.is_empty() { "its query".into() } else { format!("\"{name}\" in its query") };
        in_query.map(named).or_else(in_path)
    }

    /// A credential is in it, in plain text or in a variable that is not the host's.
    pub(super) fn holds_a_secret(&self) -> bool {
        let (_, rest) = split(self.written());
        Template::new(rest).names().next().is_some() || self.literal_key().is_some()
    }

    /// What egress puts in place of what the component knows. None: nothing is hidden.
    ///
    /// # Errors
    ///
    /// `config`: a variable has no value and no default, or with its value this is no URL.
    pub(super) fn resolve(&self, variables: &Variables) -> Result<Option<Target>> {
        let real = self.written.resolve(variables)?;
        let real = parse(real.expose_secret(), &self.shown, "the URL")?;
        if real.origin() != self.url.origin() {
            return Err(UrlError::Moved { shown: self.shown.clone() }.into());
        }
        let in_path =
            segments(real.path()).filter(|(segment, before)| is_key(segment, before)).map(|(key, _)| key.to_owned());
        let in_query = real
            .query_pairs()
            .filter(|(name, value)| names_a_secret(name) || looks_like_a_key(value))
            .map(|(_, value)| value.into_owned());
        let secrets = in_path.chain(in_query).map(Zeroizing::new).collect();
        Ok(Target::new(self.url.path(), real.path(), real.query(), secrets))
    }
}

/// What may be shown.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.shown)
    }
}

/// A URL as it may be shown, whatever it is: for words about one that is not read yet.
#[must_use]
pub fn public(text: &str) -> String {
    // What comes behind a backslash is host to some and path to others.
    let text = text.split('\\').next().unwrap_or_default();
    let (origin, rest) = split(text);
    let hidden = masked(origin);
    let scheme = hidden.find("://").map_or(0, |at| at + 3);
    // User info stands before the host.
    let host = hidden.rfind('@').map_or(scheme, |at| at + 1).max(scheme);
    let (scheme, host) = (origin.get(..scheme).unwrap_or_default(), origin.get(host..).unwrap_or_default());
    let rest = spelled(rest);
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let mut shown = format!("{}{}", spelled(scheme), spelled(host));
    for (at, (segment, before)) in segments(path).enumerate() {
        if at > 0 || path.starts_with('/') {
            shown.push('/');
        }
        shown.push_str(&shortened(segment, before));
    }
    shown
}

/// A target as it was typed: the name of an entry, or a URL as it may be shown.
#[must_use]
pub fn shown_target(target: &str) -> String {
    if target.contains("://") { public(target) } else { target.to_owned() }
}

/// Scheme and authority, and everything after them; what variables hold is not looked into.
fn split(text: &str) -> (&str, &str) {
    let masked = masked(text);
    let ends = ['/', '?', '#'];
    let scheme = masked.split_once("://").filter(|(scheme, _)| !scheme.contains(ends)).map_or(0, |(s, _)| s.len() + 3);
    let rest = masked.get(scheme..).and_then(|rest| rest.find(ends)).map_or(text.len(), |at| scheme + at);
    text.split_at_checked(rest).unwrap_or((text, ""))
}

/// As long as the text, so that places in one are places in the other; with nothing of what variables are written as.
fn masked(text: &str) -> String {
    pieces(text).fold(String::new(), |mut masked, piece| {
        match piece {
            Piece::Text(plain) => masked.push_str(plain),
            Piece::Variable { text, .. } => masked.extend(std::iter::repeat_n('x', text.len())),
        }
        masked
    })
}

/// With every variable by its name alone: a default may be a secret.
fn spelled(text: &str) -> String {
    pieces(text).fold(String::new(), |mut spelled, piece| {
        match piece {
            Piece::Text(plain) => spelled.push_str(plain),
            Piece::Variable { name, .. } => {
                spelled.push_str("${");
                spelled.push_str(name);
                spelled.push('}');
            }
        }
        spelled
    })
}

/// An absolute http or https URL that holds no credential. `shown` is what errors may say of it.
fn parse(text: &str, shown: &str, from: &str) -> Result<Url> {
    let from = || from.to_owned();
    if text.split(['?', '#']).next().is_some_and(|text| text.contains('\\')) {
        // Some read it as a slash: what is a host to one is a path with a key to another. So it is not shown either.
        return Err(UrlError::Backslash { from: from() }.into());
    }
    let shown = scrub::line(shown, 200);
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(source) => return Err(UrlError::Invalid { from: from(), shown, source }.into()),
    };
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(UrlError::Scheme { from: from(), shown }.into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        // Not shown: it holds a password.
        return Err(UrlError::UserInfo { from: from() }.into());
    }
    Ok(url)
}

/// Without query, fragment and keys.
fn disguised(url: &Url) -> Url {
    let mut disguised = url.clone();
    disguised.set_query(None);
    disguised.set_fragment(None);
    let path: Vec<String> = segments(url.path()).map(|(segment, before)| shortened(segment, before)).collect();
    disguised.set_path(&path.join("/"));
    disguised
}

/// The segments of a path, each with the one before it.
fn segments(path: &str) -> impl Iterator<Item = (&str, &str)> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let before = std::iter::once("").chain(path.split('/'));
    path.split('/').zip(before)
}

fn shortened(segment: &str, before: &str) -> String {
    if is_key(segment, before) {
        format!("{}***", segment.chars().take(KEY_SHOWN).collect::<String>())
    } else {
        segment.to_owned()
    }
}

/// The id of a virtual server of `ContextForge` is long and no key.
fn is_key(segment: &str, before: &str) -> bool {
    let id = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    looks_like_a_key(segment) && !(before == "servers" && id(segment))
}

/// Long, without a word's shape: letters and digits mixed.
fn looks_like_a_key(text: &str) -> bool {
    let has = |what: fn(&char) -> bool| text.chars().any(|c| what(&c));
    text.chars().count() >= KEY_LENGTH
        && !text.contains("${")
        && !text.contains("%7B")
        && has(char::is_ascii_digit)
        && has(char::is_ascii_alphabetic)
}

fn names_a_secret(parameter: &str) -> bool {
    let parameter = parameter.to_lowercase();
    SECRET_NAMES.iter().any(|word| parameter.contains(word))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]
mod tests {
    use super::{super::error::ConfigError, *};
    use crate::Error;

    const KEY: &str = "key-of-mine-SECRET-4242";

    fn variables() -> Variables {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let environment =
            [("TOK", KEY), ("BASE", "http://h:1"), ("WHOLE", "http://h:1/a?k=v"), ("HOST", "h"), ("BAD", "h h")];
        Variables::from_maps(environment.map(own).into(), Vec::new())
    }

    fn read(text: &str) -> Result<Address> {
        Address::read(text, "g.url", || Ok(variables()))
    }

    /// What is shown, what the component is told, and what is asked.
    fn parts(text: &str) -> (String, String, String) {
        let address = read(text).unwrap();
        let target = address.resolve(&variables()).unwrap();
        let told = address.url().path();
        let asked = target.map_or_else(|| told.to_owned(), |target| target.reveal(told));
        (address.shown().to_owned(), address.url().to_string(), asked)
    }

    #[test]
    fn only_egress_knows_what_variables_and_keys_hold() {
        for (text, shown, told, asked) in [
            ("http://h:1/mcp", "http://h:1/mcp", "http://h:1/mcp", "/mcp"),
            ("http://h:1", "http://h:1/", "http://h:1/", "/"),
            (
                "http://h:1/mcp?apiKey=${TOK}&x=1#f",
                "http://h:1/mcp",
                "http://h:1/mcp",
                "/mcp?apiKey=key-of-mine-SECRET-4242&x=1",
            ),
            ("http://h:1?a=/b", "http://h:1/", "http://h:1/", "/?a=/b"),
            ("${BASE:-http://other}/mcp", "${BASE}/mcp", "http://h:1/mcp", "/mcp"),
            ("${NONE:-http://other}/mcp?k=1", "${NONE}/mcp", "http://other/mcp", "/mcp?k=1"),
            ("http://${HOST}:${PORT:-8811}/mcp", "http://${HOST}:${PORT}/mcp", "http://h:8811/mcp", "/mcp"),
            ("${WHOLE}", "${WHOLE}", "http://h:1/a", "/a?k=v"),
            (
                "http://h/s/${TOK}/mcp",
                "http://h/s/${TOK}/mcp",
                "http://h/s/$%7BTOK%7D/mcp",
                "/s/key-of-mine-SECRET-4242/mcp",
            ),
            (
                "http://h/s/key-of-mine-SECRET-4242/mcp",
                "http://h/s/key-***/mcp",
                "http://h/s/key-***/mcp",
                "/s/key-of-mine-SECRET-4242/mcp",
            ),
            (
                "http://h/servers/0123456789abcdef0123456789abcdef/mcp",
                "http://h/servers/0123456789abcdef0123456789abcdef/mcp",
                "http://h/servers/0123456789abcdef0123456789abcdef/mcp",
                "/servers/0123456789abcdef0123456789abcdef/mcp",
            ),
            ("http://h/$TOK/${1}", "http://h/$TOK/$%7B1%7D", "http://h/$TOK/$%7B1%7D", "/$TOK/$%7B1%7D"),
        ] {
            assert_eq!(parts(text), (shown.to_owned(), told.to_owned(), asked.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_variable_that_is_not_set_is_named_when_it_is_needed() {
        for text in ["http://h/mcp?k=${GONE}", "${GONE}/mcp", "http://h/${GONE}"] {
            let address = read(text).unwrap();
            let error = address.resolve(&variables()).unwrap_err();
            assert!(matches!(&error, ConfigError::Unset { name } if name == "GONE"), "{text}: {error:?}");
        }
    }

    #[test]
    fn no_form_of_it_prints_a_secret() {
        for text in [
            format!("http://h/mcp?k={KEY}"),
            format!("http://h/{KEY}/mcp#{KEY}"),
            format!("${{NONE:-http://h/{KEY}}}/mcp?k=${{X:-{KEY}}}"),
        ] {
            let address = read(&text).unwrap();
            let all = format!("{address} {address:?} {} {:?}", address.url(), address.resolve(&variables()).unwrap());
            assert!(!all.contains("SECRET"), "{text}: {all}");
        }
        for text in [
            format!("http://u:{KEY}@h/mcp"),
            format!("ftp://u:{KEY}@h"),
            format!("http://u:{KEY}@h h/{KEY}"),
            format!("x?{KEY}"),
        ] {
            // With what it comes from, which is in logs and in front of programs.
            let all = format!("{:?}", Error::from(read(&text).unwrap_err()));
            assert!(!all.contains("SECRET"), "{text}: {all}");
        }
    }

    #[test]
    fn a_value_that_makes_no_url_is_refused_without_it() {
        let error = read("http://${BAD}/mcp").unwrap_err();
        let ConfigError::Url(UrlError::Invalid { shown, source, .. }) = &error else { panic!("{error:?}") };
        assert_eq!((shown.as_str(), *source), ("http://${BAD}/mcp", url::ParseError::IdnaError));
        let said = r#"g.url "http://${BAD}/mcp" is not a valid URL: invalid international domain name"#;
        assert_eq!(Error::from(error).message, said);
    }

    #[test]
    fn a_key_in_plain_text_is_noticed_and_an_ordinary_parameter_is_not() {
        let place = |text: &str| read(text).unwrap().literal_key();
        assert_eq!(place("http://h/mcp?profile=work&apiKey=abc").unwrap(), "\"apiKey\" in its query");
        assert_eq!(place(&format!("http://h/mcp?x={KEY}")).unwrap(), "\"x\" in its query");
        assert_eq!(place(&format!("http://h/{KEY}/mcp")).unwrap(), "a part of its path");
        for good in ["http://h/mcp", "http://h/mcp?profile=work", "http://h/mcp?apiKey=${TOK}", "http://h/${TOK}/mcp"] {
            assert_eq!(place(good), None, "{good}");
        }
    }
}
