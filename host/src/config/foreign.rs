//! Entries and files as other programs write them.
//! Takes an entry that pflow cannot use, or bytes that are no JSON; gives an error that names what it is and the line that pflow wants.

use serde_json::{Map, Value};

use super::address::public;
use super::error::{ConfigError, Encoding, EntryError, Misfit};
use crate::scrub;

/// Names under which other programs keep the URL.
const URLS: [(&str, &str); 5] = [
    ("serverUrl", "Windsurf writes"),
    ("httpUrl", "the Gemini CLI writes"),
    ("uri", "some programs write"),
    ("endpoint", "some programs write"),
    ("baseUrl", "some programs write"),
];
/// Where other programs say how to talk to it, besides `type`.
const TRANSPORTS: [&str; 2] = ["transport", "transportType"];
/// What VS Code, Zed and others call `mcpServers`.
const ELSEWHERE: [(&str, &str); 3] = [("servers", "VS Code"), ("context_servers", "Zed"), ("mcp", "some programs")];

/// What is wrong with an entry that names a server at a URL, and not as pflow does. None: it does, or is no such entry.
#[must_use]
pub fn misfit(name: &str, entry: &Value) -> Option<Misfit> {
    let members = entry.as_object()?;
    let kind = members.get("type").filter(|kind| !kind.is_null());
    let name = scrub::line(name, 100);
    if members.contains_key("gateway") || kind.is_some_and(|kind| kind == "http") {
        return None;
    }
    let is_started = command(members).is_some() && kind.is_none_or(|kind| kind == "stdio");
    if is_started {
        return None;
    }
    let (url, place) = located(members);
    let kind_words = kind.filter(|kind| *kind != "stdio").map(|kind| ("type".to_owned(), text_of(kind)));
    let (member, transport) = kind_words.or_else(|| transport(members)).unzip();
    let line = url
        .as_deref()
        .map_or_else(|| "\"type\": \"http\"".to_owned(), |url| format!("\"type\": \"http\", \"url\": \"{url}\""));
    if transport.as_deref().is_some_and(|transport| transport.eq_ignore_ascii_case("sse")) {
        return Some(Misfit::Sse { name });
    }
    match (place, member, transport) {
        (Some((member, who)), ..) => {
            Some(Misfit::UrlElsewhere { name, member: member.to_owned(), who: who.to_owned(), line })
        }
        (None, Some(member), Some(transport)) if url.is_some() || is_streamable(&transport) || member == "type" => {
            Some(Misfit::Transport { name, member, transport, line })
        }
        _ if url.is_some() => Some(Misfit::NoType { name, line }),
        _ => None,
    }
}

/// What an entry is that is no gateway.
pub(super) fn no_gateway(name: &str, entry: &Value) -> ConfigError {
    let shown = scrub::line(name, 100);
    let Some(members) = entry.as_object() else { return EntryError::NoObject { name: shown }.into() };
    if command(members).is_none() {
        return misfit(name, entry).map_or_else(|| EntryError::Nothing { name: shown }.into(), ConfigError::from);
    }
    EntryError::Started { name: shown }.into()
}

/// What is odd about an entry that pflow reads all the same.
pub(super) fn remarks(name: &str, entry: &Value) -> Vec<String> {
    let mut remarks = Vec::new();
    if entry.get("disabled") == Some(&Value::Bool(true)) || entry.get("enabled") == Some(&Value::Bool(false)) {
        let name = scrub::line(name, 100);
        remarks.push(format!(
            "{name} is marked as disabled, which pflow does not know: it uses the entry; take it out to switch it off"
        ));
    }
    remarks
}

/// Where the file keeps its servers, when it is not where pflow looks.
pub(super) fn elsewhere(content: &Map<String, Value>) -> Option<String> {
    let has = |value: &Value| value.as_object().is_some_and(|servers| servers.values().any(Value::is_object));
    ELSEWHERE.iter().find(|(member, _)| content.get(*member).is_some_and(has)).map(|(member, who)| {
        let inner = content.get(*member).and_then(|inner| inner.get("servers")).is_some_and(has);
        let member = if inner { format!("{member}.servers") } else { (*member).to_owned() };
        format!("its servers are in \"{member}\", as {who} writes them; pflow reads \"mcpServers\"")
    })
}

/// The text of a file, or why pflow cannot read it.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Encoding> {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err(Encoding::Utf16),
        [0xef, 0xbb, 0xbf, ..] => Err(Encoding::ByteOrderMark),
        _ => std::str::from_utf8(bytes).map_err(|error| Encoding::Other { at: error.valid_up_to() + 1 }),
    }
}

/// Why a text is no JSON, when it is something that people and other programs write.
pub(super) fn no_json(text: &str, line: usize, column: usize) -> Option<&'static str> {
    let here = text.lines().nth(line.checked_sub(1)?).unwrap_or_default();
    let from = |column: usize| here.get(column.saturating_sub(1)..).unwrap_or_default().trim_start();
    let comment = |text: &str| ["//", "/*", "#"].iter().any(|mark| text.starts_with(mark));
    if comment(from(column)) || comment(from(column.saturating_sub(1))) || comment(here.trim_start()) {
        return Some("a comment, which JSON does not have: take it out");
    }
    let begins = text.trim_start();
    if !begins.starts_with(['{', '[']) && begins.lines().next().is_some_and(|line| line.trim_end().ends_with(':')) {
        return Some("this is YAML; pflow reads JSON");
    }
    None
}

/// The command that an entry starts, with its arguments.
pub(super) fn command_line(entry: &Value) -> Option<(String, Vec<String>)> {
    let members = entry.as_object()?;
    let args = members.get("args").and_then(Value::as_array).into_iter().flatten();
    Some((command(members)?.to_owned(), args.filter_map(Value::as_str).map(str::to_owned).collect()))
}

fn command(members: &Map<String, Value>) -> Option<&str> {
    members.get("command").and_then(Value::as_str).filter(|command| !command.is_empty())
}

/// The URL as it may be shown, and the member that it is in when that is not `url`, with who writes it so.
fn located(members: &Map<String, Value>) -> (Option<String>, Option<(&'static str, &'static str)>) {
    let shown = |value: &Value| value.as_str().map(|url| scrub::line(&public(url), 200));
    if let Some(url) = members.get("url").and_then(shown) {
        return (Some(url), None);
    }
    for (member, who) in URLS {
        if let Some(url) = members.get(member).and_then(shown) {
            return (Some(url), Some((member, who)));
        }
    }
    let inside = members.get("transport").and_then(|transport| transport.get("url")).and_then(shown);
    let place = inside.is_some().then_some(("transport", "some programs write"));
    (inside, place)
}

/// The member that says how to talk to it, and what it says.
fn transport(members: &Map<String, Value>) -> Option<(String, String)> {
    TRANSPORTS.iter().find_map(|member| {
        let value = members.get(*member)?;
        let kind = value.get("type").unwrap_or(value);
        kind.is_string().then(|| ((*member).to_owned(), text_of(kind)))
    })
}

fn text_of(value: &Value) -> String {
    scrub::line(value.as_str().unwrap_or(&value.to_string()), 60)
}

fn is_streamable(transport: &str) -> bool {
    let plain: String = transport.to_lowercase().chars().filter(char::is_ascii_alphabetic).collect();
    matches!(plain.as_str(), "streamablehttp" | "httpstreamable" | "http" | "streaming")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Advice as _;

    #[test]
    fn each_clients_way_to_write_a_url_is_named_with_the_line_that_pflow_wants() {
        let url = "http://h:1/mcp";
        let wanted = "\"type\": \"http\", \"url\": \"http://h:1/mcp\"";
        for (entry, word) in [
            (json!({"url": url}), "no \"type\""),
            (json!({"type": null, "url": url}), "no \"type\""),
            (json!({"type": "stdio", "url": url}), "no \"type\""),
            (json!({"type": "streamable-http", "url": url}), "\"type\": \"streamable-http\""),
            (json!({"type": "streamableHttp", "url": url, "disabled": false}), "\"type\": \"streamableHttp\""),
            (json!({"type": "ws", "url": url}), "\"type\": \"ws\""),
            (json!({"serverUrl": url}), "Windsurf"),
            (json!({"httpUrl": url, "timeout": 60000}), "Gemini"),
            (json!({"transportType": "streamable-http", "url": url}), "transportType"),
            (json!({"transport": "streamable-http", "url": url}), "\"transport\": \"streamable-http\""),
            (json!({"transport": {"type": "http", "url": url}}), "in \"transport\""),
        ] {
            let misfit = misfit("g", &entry).unwrap();
            let said = misfit.to_string();
            assert!(said.contains(word) && said.contains("g "), "{entry}: {said}");
            assert!(!said.contains("starts itself"), "{said}");
            assert!(misfit.hint().unwrap().contains(wanted), "{entry}");
        }
        for entry in [
            json!({"type": "sse", "url": url}),
            json!({"transport": {"type": "sse", "url": url}}),
            json!({"transportType": "SSE", "url": url}),
        ] {
            assert_eq!(misfit("g", &entry), Some(Misfit::Sse { name: "g".to_owned() }), "{entry}");
        }
    }

    #[test]
    fn what_pflow_can_use_is_no_misfit() {
        for entry in [
            json!({"type": "http", "url": "http://h"}),
            json!({"command": "npx", "url": "http://h"}),
            json!({"command": "npx", "type": "stdio"}),
            json!({"command": "x", "gateway": {}}),
            json!({"TOK": "x"}),
            json!(7),
        ] {
            assert!(misfit("g", &entry).is_none(), "{entry}");
        }
    }

    #[test]
    fn a_key_in_the_url_of_a_misfit_is_not_repeated() {
        let misfit = misfit("g", &json!({"url": "http://u:s3cret@h/mcp?key=s3cret"})).unwrap();
        assert!(!format!("{misfit:?}").contains("s3cret"));
        assert!(misfit.hint().unwrap().contains("http://h/mcp\""));
    }

    #[test]
    fn what_is_no_gateway_is_called_what_it_is() {
        let is = |entry: Value| match no_gateway("g", &entry) {
            ConfigError::Entry(error) => error,
            other => panic!("{other:?}"),
        };
        let name = || "g".to_owned();
        assert_eq!(is(json!({"command": "npx"})), EntryError::Started { name: name() });
        assert_eq!(is(json!({"TOK": "x"})), EntryError::Nothing { name: name() });
        assert_eq!(is(json!("x")), EntryError::NoObject { name: name() });
        let started = command_line(&json!({"command": "/usr/bin/acme", "args": ["gw", 7, "run"]}));
        assert_eq!(started, Some(("/usr/bin/acme".to_owned(), vec!["gw".to_owned(), "run".to_owned()])));
    }

    #[test]
    fn servers_that_are_elsewhere_are_found() {
        let found = |content: Value| elsewhere(content.as_object().unwrap());
        assert!(found(json!({"servers": {"g": {}}})).unwrap().contains("in \"servers\", as VS Code"));
        assert!(found(json!({"mcp": {"servers": {"g": {}}}})).unwrap().contains("in \"mcp.servers\""));
        assert!(found(json!({"context_servers": {"g": {}}})).unwrap().contains("Zed"));
        assert_eq!(found(json!({"servers": 7, "other": {"g": {}}})), None);
    }
}
