//! A client's file as a whole: where in it the servers are.
//! Takes its text; gives each server. Knows the members that clients use, and no client by its name.

use serde_json::{Map, Value};

use super::{Found, Server, comments, server};
use crate::{Error, Result, config::check_name, scrub};

/// Where clients keep servers: one member, or one inside of another.
const PLACES: [&[&str]; 5] =
    [&["mcpServers"], &["servers"], &["mcp_servers"], &["mcp", "servers"], &["context_servers"]];

/// The servers of a text.
pub(super) fn servers(shown: &str, text: &str, is_toml: bool) -> Result<Vec<Found>> {
    let content = if is_toml { of_toml(shown, text)? } else { of_json(shown, text)? };
    let tables: Vec<&Map<String, Value>> = PLACES.iter().filter_map(|place| table(&content, place)).collect();
    if tables.is_empty() {
        let known = "it has none of mcpServers, servers, mcp_servers, mcp.servers and context_servers";
        return Err(Error::config(format!("{shown} names no MCP servers: {known}"))
            .with_hint("name a file as Claude, Cursor, VS Code, Codex, Windsurf or the Gemini CLI writes it"));
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

fn of_json(shown: &str, text: &str) -> Result<Value> {
    serde_json::from_str(&comments::without(text)).map_err(|error| {
        // The parser's words name a place, and nothing of what is written there.
        Error::config(format!("{shown} is not valid JSON"))
            .because(error)
            .with_hint("nothing was changed; correct it, or name another file")
    })
}

fn of_toml(shown: &str, text: &str) -> Result<Value> {
    toml::from_str::<Value>(text).map_err(|error| {
        let line =
            error.span().and_then(|span| text.get(..span.start)).map_or(1, |before| 1 + before.matches('\n').count());
        Error::config(format!("{shown} is not valid TOML at line {line}: {}", scrub::line(error.message(), 200)))
            .with_hint("nothing was changed; correct it, or name another file")
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
        assert!(servers("f", "{\"theme\": 1}", false).unwrap_err().message.contains("names no MCP servers"));
        assert!(servers("f", "{,}", false).unwrap_err().message.contains("line 1 column 2"));
        let wrong = servers("f", "model = \"x\"\n[mcp_servers.a\nurl = \"s3cret\"", true).unwrap_err();
        assert!(wrong.message.contains("at line 2") && !wrong.message.contains("s3cret"), "{wrong}");
    }

    #[test]
    fn a_name_that_is_none_for_pflow_is_said_and_does_not_hide_the_others() {
        let all = servers("f", r#"{"mcpServers": {"..": {"url": "http://h"}, "b": {"command": "x"}}}"#, false).unwrap();
        let kinds: Vec<_> = all.iter().map(|found| matches!(found.server, Server::Unfit(_))).collect();
        assert_eq!(kinds, [true, false]);
    }
}
