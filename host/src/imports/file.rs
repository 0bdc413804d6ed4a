//! A client's file as a whole: where in it the servers are.
//! Takes its text; gives each server. Knows the members that clients use, and no client by its name.

use serde_json::{Map, Value};

use super::{Found, ImportError, Server, comments, server};
use crate::{config::check_name, scrub};

/// Where clients keep servers: one member, or one inside of another.
const PLACES: [&[&str]; 5] =
    [&["mcpServers"], &["servers"], &["mcp_servers"], &["mcp", "servers"], &["context_servers"]];

/// The servers of a text.
pub(super) fn servers(shown: &str, text: &str, is_toml: bool) -> Result<Vec<Found>, ImportError> {
    let content = if is_toml { of_toml(shown, text)? } else { of_json(shown, text)? };
    let tables: Vec<&Map<String, Value>> = PLACES.iter().filter_map(|place| table(&content, place)).collect();
    if tables.is_empty() {
        return Err(ImportError::NoServers { file: shown.to_owned() });
    }
    let all = tables.into_iter().flatten();
    Ok(all
        .map(|(called, entry)| Found { name: name_of(called), called: called.clone(), server: named(called, entry) })
        .collect())
}

fn table<'a>(content: &'a Value, place: &[&str]) -> Option<&'a Map<String, Value>> {
    place.iter().try_fold(content, |inside, member| inside.get(*member))?.as_object()
}

fn named(called: &str, entry: &Value) -> Server {
    match check_name(&name_of(called)) {
        Ok(()) => server::read(called, entry),
        Err(error) => Server::Unfit(error.into()),
    }
}

/// A name that pflow takes: letters, digits, hyphens and underscores.
fn name_of(called: &str) -> String {
    let fitting = |c: char| if c.is_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    called.trim().trim_start_matches('-').chars().map(fitting).take(64).collect()
}

fn of_json(shown: &str, text: &str) -> Result<Value, ImportError> {
    serde_json::from_str(&comments::without(text))
        .map_err(|source| ImportError::NotJson { file: shown.to_owned(), source })
}

fn of_toml(shown: &str, text: &str) -> Result<Value, ImportError> {
    toml::from_str::<Value>(text).map_err(|error| {
        let line =
            error.span().and_then(|span| text.get(..span.start)).map_or(1, |before| 1 + before.matches('\n').count());
        ImportError::NotToml { file: shown.to_owned(), line, why: scrub::line(error.message(), 200) }
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    #[test]
    fn servers_are_found_wherever_a_client_keeps_them() {
        let entry = r#"{"a b": {"type": "http", "url": "https://h/mcp"}}"#;
        for text in [
            format!("{{\"mcpServers\": {entry}}}"),
            format!("{{ // mine\n\"inputs\": [], \"servers\": {entry},}}"),
            format!("{{\"mcp\": {{\"servers\": {entry}}}}}"),
            format!("{{\"context_servers\": {entry}}}"),
        ] {
            let all = servers("f", &text, false).unwrap();
            let [found] = all.as_slice() else { panic!("{text}") };
            assert_eq!((found.name.as_str(), found.called.as_str()), ("a_b", "a b"));
            assert!(matches!(&found.server, Server::Http(http) if http.url == "https://h/mcp"), "{found:?}");
        }
        let wrong = |text: &str, is_toml: bool| servers("f", text, is_toml).unwrap_err();
        assert!(matches!(wrong("{\"theme\": 1}", false), ImportError::NoServers { .. }));
        let ImportError::NotJson { source, .. } = wrong("{,}", false) else { panic!("it is no JSON") };
        assert_eq!((source.line(), source.column()), (1, 2));
        let broken = wrong("model = \"x\"\n[mcp_servers.a\nurl = \"s3cret\"", true);
        assert!(matches!(broken, ImportError::NotToml { line: 2, .. }), "{broken:?}");
        assert!(!format!("{broken:?} {broken}").contains("s3cret"), "{broken:?}");
    }

    #[test]
    fn a_name_that_is_none_for_pflow_is_said_and_does_not_hide_the_others() {
        let all = servers("f", r#"{"mcpServers": {"..": {"url": "http://h"}, "b": {"command": "x"}}}"#, false).unwrap();
        let kinds: Vec<_> = all.iter().map(|found| matches!(found.server, Server::Unfit(_))).collect();
        assert_eq!(kinds, [true, false]);
    }
}
