//! Entries and files as other programs write them.
//! Takes an entry that pflow cannot use, or bytes that are no JSON; gives an error that names what it is and the line that pflow wants.

use serde_json::{Map, Value};

use super::address::public;
use crate::{Error, Result, scrub};

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
pub fn misfit(name: &str, entry: &Value) -> Option<Error> {
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
    let wrong = |why: String, hint: String| Some(Error::config(why).with_hint(hint));
    if transport.as_deref().is_some_and(|transport| transport.eq_ignore_ascii_case("sse")) {
        return wrong(
            format!("{name} speaks HTTP+SSE (\"sse\"), the transport before Streamable HTTP; pflow and pflow-gateway do not"),
            "ask its documentation for a Streamable HTTP URL (often /mcp in place of /sse), and write \"type\": \"http\" with that".into(),
        );
    }
    match (place, member, transport) {
        (Some((member, who)), ..) => wrong(
            format!("{name} has its URL in \"{member}\", as {who}; pflow reads \"url\" beside \"type\": \"http\""),
            format!("write {line}"),
        ),
        (None, Some(member), Some(transport)) if url.is_some() || is_streamable(&transport) || member == "type" => {
            wrong(
                format!(
                    "{name} has \"{member}\": \"{transport}\", which pflow does not know; it wants \"type\": \"http\""
                ),
                format!("write {line} in place of it"),
            )
        }
        _ if url.is_some() => wrong(
            format!("{name} has a \"url\" and no \"type\", so pflow looks for a command to start, and finds none"),
            format!("write {line}"),
        ),
        _ => None,
    }
}

/// What an entry is that is no gateway.
pub(super) fn no_gateway(name: &str, entry: &Value) -> Error {
    let shown = scrub::line(name, 100);
    let Some(members) = entry.as_object() else {
        return Error::config(format!("{shown} is no entry: it must be an object"))
            .with_hint("a gateway is written as \"type\": \"http\", \"url\": \"…\"");
    };
    if command(members).is_none() {
        return misfit(name, entry).unwrap_or_else(|| {
            Error::config(format!("{shown} has neither a \"url\" nor a \"command\""))
                .with_hint("a gateway is written as \"type\": \"http\", \"url\": \"…\"")
        });
    }
    Error::config(format!("{shown} is not a gateway: it is an MCP server that pflow starts itself"))
        .with_hint("a gateway is an entry with \"gateway\", or with \"type\": \"http\"")
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
pub(super) fn text<'a>(shown: &str, bytes: &'a [u8]) -> Result<&'a str> {
    let wrong = |why: &str, hint: &str| Err(Error::config(format!("{shown} {why}")).with_hint(hint));
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            return wrong(
                "is UTF-16, as PowerShell writes files; pflow reads UTF-8",
                "save it as UTF-8 without a byte order mark; in PowerShell 7: Set-Content -Encoding utf8NoBOM",
            );
        }
        [0xef, 0xbb, 0xbf, ..] => {
            return wrong(
                "begins with a byte order mark (BOM), which pflow does not read",
                "save it as UTF-8 without BOM; most editors have that as a choice when saving",
            );
        }
        _ => {}
    }
    std::str::from_utf8(bytes)
        .or_else(|error| wrong(&format!("is not UTF-8: look at byte {}", error.valid_up_to() + 1), "save it as UTF-8"))
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
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use serde_json::json;

    use super::*;

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
            let error = misfit("g", &entry).unwrap();
            assert!(error.message.contains(word) && error.message.contains("g "), "{entry}: {error}");
            assert!(!error.message.contains("starts itself"), "{error}");
            assert!(error.hint.unwrap().contains(wanted), "{entry}");
        }
        for entry in [
            json!({"type": "sse", "url": url}),
            json!({"transport": {"type": "sse", "url": url}}),
            json!({"transportType": "SSE", "url": url}),
        ] {
            assert!(misfit("g", &entry).unwrap().message.contains("HTTP+SSE"), "{entry}");
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
        let error = misfit("g", &json!({"url": "http://u:s3cret@h/mcp?key=s3cret"})).unwrap();
        assert!(error.hint.unwrap().contains("http://h/mcp\""));
    }

    #[test]
    fn what_is_no_gateway_is_called_what_it_is() {
        let words = |entry: Value| no_gateway("g", &entry).message;
        assert!(words(json!({"command": "npx"})).contains("pflow starts itself"));
        assert!(words(json!({"TOK": "x"})).contains("neither a \"url\" nor a \"command\""));
        assert!(words(json!("x")).contains("must be an object"));
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
