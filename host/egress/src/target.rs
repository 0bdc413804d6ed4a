//! What is hidden of the gateway's URL: keys in its path, its query.
//! Takes what the component knows of the URL and what it is; gives the target of a request. Never prints either.

use std::fmt;

use secrecy::zeroize::Zeroizing;

/// The real path and query in place of those that the component was told.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    told: String,
    path: Zeroizing<String>,
    query: Option<Zeroizing<String>>,
    secrets: Vec<Zeroizing<String>>,
}

impl Target {
    /// None: nothing is hidden. `secrets` are parts of it that must not come back in an answer.
    #[must_use]
    pub fn new(told: &str, path: &str, query: Option<&str>, secrets: Vec<Zeroizing<String>>) -> Option<Self> {
        let query = query.map(|query| Zeroizing::new(query.to_owned()));
        let hidden = told != path || query.is_some();
        hidden.then(|| Self { told: told.to_owned(), path: Zeroizing::new(path.to_owned()), query, secrets })
    }

    /// The path and query to ask for.
    #[must_use]
    pub fn reveal(&self, asked: &str) -> String {
        if asked == self.told {
            return match &self.query {
                Some(query) => format!("{}?{}", *self.path, **query),
                None => self.path.to_string(),
            };
        }
        // Other paths of the gateway often begin as its URL does: a key there is put in, the query is for the URL alone.
        let (path, rest) = asked.find(['?', '#']).map_or((asked, ""), |at| asked.split_at(at));
        let (told, real): (Vec<&str>, Vec<&str>) = (self.told.split('/').collect(), self.path.split('/').collect());
        if told.len() != real.len() {
            return asked.to_owned();
        }
        let revealed: Vec<&str> = path
            .split('/')
            .enumerate()
            .map(|(at, segment)| match (told.get(at), real.get(at)) {
                (Some(told), Some(real)) if *told == segment => real,
                _ => segment,
            })
            .collect();
        format!("{}{rest}", revealed.join("/"))
    }

    pub(super) fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        self.secrets.iter().map(|secret| secret.as_bytes())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.told)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_for_the_url_alone_and_a_key_for_what_begins_as_it_does() {
        let target = Target::new("/s/abcd***/mcp", "/s/abcdefgh/mcp", Some("k=v"), Vec::new()).unwrap();
        for (asked, expected) in [
            ("/s/abcd***/mcp", "/s/abcdefgh/mcp?k=v"),
            ("/s/abcd***/health?x=1", "/s/abcdefgh/health?x=1"),
            ("/s/abcd***", "/s/abcdefgh"),
            ("/abcd***/mcp", "/abcd***/mcp"),
            ("/health", "/health"),
            ("/", "/"),
        ] {
            assert_eq!(target.reveal(asked), expected);
        }
        assert_eq!(format!("{target:?}"), "Target(/s/abcd***/mcp)");
    }

    #[test]
    fn a_url_without_secrets_hides_nothing() {
        assert_eq!(Target::new("/mcp", "/mcp", None, Vec::new()), None);
    }
}
