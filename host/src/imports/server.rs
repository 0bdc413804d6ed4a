//! One server as a client writes it.
//! Takes its entry; gives what stands in it in pflow's words: URL, headers, variables, tools to keep. A credential in plain text is replaced
//! by a variable, and its value is in nothing that is given back.

use serde_json::{Map, Value};

use super::{Http, ImportError, Server};
use crate::{
    config::{Template, misfit, names_a_secret, public, shown_target},
    scrub,
};

/// Names under which clients keep the URL.
const URLS: [&str; 4] = ["url", "httpUrl", "serverUrl", "uri"];
/// Names under which clients keep tools to keep, and tools to leave out.
const KEPT: [&str; 2] = ["includeTools", "enabled_tools"];
const LEFT_OUT: [&str; 3] = ["excludeTools", "disabled_tools", "disabledTools"];
/// Programs that only pass messages on to a URL.
const BRIDGES: [&str; 4] = ["mcp-remote", "mcp-proxy", "supergateway", "fastmcp-remote"];
/// What pflow allows for one operation, in seconds.
const LONGEST: f64 = 600.0;

/// Reads one entry.
pub(super) fn read(called: &str, entry: &Value) -> Server {
    let shown = scrub::line(called, 100);
    let Some(members) = entry.as_object() else {
        return unfit(ImportError::NotAnObject { server: shown });
    };
    if members.get("disabled") == Some(&Value::Bool(true)) || members.get("enabled") == Some(&Value::Bool(false)) {
        return unfit(ImportError::SwitchedOff { server: shown });
    }
    if members.contains_key("gateway") {
        return unfit(ImportError::Ours { server: shown });
    }
    let url = URLS.iter().find_map(|member| Some((*member, members.get(*member)?.as_str()?)));
    let Some((member, url)) = url else { return program(&shown, members) };
    let kind = members.get("type").or_else(|| members.get("transport")).and_then(Value::as_str).unwrap_or_default();
    // The Gemini CLI means HTTP+SSE by a "url" without a type, and says so by having "httpUrl", too; others mean Streamable HTTP.
    if kind.eq_ignore_ascii_case("sse") || (member == "url" && kind.is_empty() && is_sse(url)) {
        let sse = serde_json::json!({"type": "sse", "url": url});
        return unfit(misfit(called, &sse).map_or(ImportError::OldTransport { server: shown }, ImportError::from));
    }
    match http(&shown, url, members) {
        Ok(http) => Server::Http(Box::new(http)),
        Err(error) => unfit(error),
    }
}

fn unfit(why: ImportError) -> Server {
    Server::Unfit(why.into())
}

/// By its path, as servers of that transport have it.
fn is_sse(url: &str) -> bool {
    url.split(['?', '#']).next().is_some_and(|path| path.trim_end_matches('/').ends_with("/sse"))
}

fn program(shown: &str, members: &Map<String, Value>) -> Server {
    let Some(command) = members.get("command").and_then(Value::as_str).filter(|command| !command.is_empty()) else {
        return unfit(ImportError::Nothing { server: shown.to_owned() });
    };
    let args: Vec<&str> =
        members.get("args").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let is_bridge = args.iter().chain(&[command]).any(|word| {
        let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
        BRIDGES.contains(&name.split('@').next().unwrap_or(name))
    });
    let to = args.iter().find(|word| word.starts_with("http://") || word.starts_with("https://"));
    let bridge = to.filter(|_| is_bridge).map(|url| scrub::line(&public(url), 200));
    Server::Program { command: scrub::line(command, 100), bridge }
}

fn http(shown: &str, url: &str, members: &Map<String, Value>) -> Result<Http, ImportError> {
    let mut http = Http { url: rewritten(url), ..Http::default() };
    note_asked(url, &mut http.asked);
    for table in ["headers", "http_headers"] {
        for (name, value) in members.get(table).and_then(Value::as_object).into_iter().flatten() {
            let Some(value) = value.as_str() else {
                return Err(ImportError::NotAHeader { server: shown.to_owned(), header: scrub::line(name, 60) });
            };
            note_asked(value, &mut http.asked);
            let value = rewritten(value);
            let value = if names_a_secret(&name.to_ascii_lowercase())
                && Template::new(value.as_str()).names().next().is_none()
            {
                let variable = variable(shown, name);
                http.moved.push((name.clone(), variable.clone()));
                let scheme = value.split_once(' ').filter(|(scheme, _)| is_scheme(scheme));
                scheme.map_or_else(|| format!("${{{variable}}}"), |(scheme, _)| format!("{scheme} ${{{variable}}}"))
            } else {
                value
            };
            http.headers.push((name.clone(), value));
        }
    }
    for (name, variable) in members.get("env_http_headers").and_then(Value::as_object).into_iter().flatten() {
        http.headers.push((name.clone(), format!("${{{}}}", variable.as_str().unwrap_or_default())));
    }
    if let Some(variable) = members.get("bearer_token_env_var").and_then(Value::as_str) {
        http.headers.push(("Authorization".to_owned(), format!("Bearer ${{{variable}}}")));
    }
    http.include = names(members, &KEPT);
    http.exclude = names(members, &LEFT_OUT);
    let seconds = members.get("tool_timeout_sec").and_then(Value::as_f64);
    let milliseconds = || members.get("timeout").and_then(Value::as_f64).map(|time| time / 1_000.0);
    http.timeout = seconds.or_else(milliseconds).filter(|time| (1.0..=LONGEST).contains(time));
    if shown_target(&http.url).is_empty() {
        return Err(ImportError::EmptyUrl { server: shown.to_owned() });
    }
    Ok(http)
}

/// What stands before a credential, and is none.
fn is_scheme(word: &str) -> bool {
    ["bearer", "basic", "token", "apikey"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// A name for what was in plain text: `GITHUB_TOKEN`, `GITHUB_X_API_KEY`.
fn variable(server: &str, header: &str) -> String {
    let words = if header.eq_ignore_ascii_case("authorization") { "token" } else { header };
    as_variable(&format!("{server}_{words}"))
}

fn as_variable(text: &str) -> String {
    let name: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).take(60).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("MCP_{name}") } else { name }
}

fn names(members: &Map<String, Value>, places: &[&str]) -> Vec<String> {
    let lists = places.iter().filter_map(|place| members.get(*place)?.as_array());
    // pflow reads patterns there; other clients mean the letters.
    lists.flatten().filter_map(Value::as_str).map(crate::config::as_glob).collect()
}

/// Variables as pflow writes them, of what VS Code (`${env:X}`, `${input:x}`), Claude Code (`${X}`, `${X:-d}`) and the Gemini CLI (`$X`) write.
fn rewritten(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let after = from.get(1..).unwrap_or_default();
        if let Some((inside, behind)) = after.strip_prefix('{').and_then(|inside| inside.split_once('}')) {
            let inside = inside
                .strip_prefix("env:")
                .map(str::to_owned)
                .or_else(|| inside.strip_prefix("input:").map(as_variable));
            match inside {
                Some(name) => out.push_str(&format!("${{{name}}}")),
                None => out.push_str(from.get(..from.len() - behind.len()).unwrap_or_default()),
            }
            rest = behind;
            continue;
        }
        let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
        let (name, behind) = after.split_at(end);
        if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            out.push_str(&format!("${{{name}}}"));
        } else {
            out.push('$');
            out.push_str(name);
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// What VS Code asks its user for, by the name of the variable that takes its place.
fn note_asked(text: &str, asked: &mut Vec<String>) {
    let inputs = text.split("${input:").skip(1).filter_map(|rest| rest.split_once('}'));
    for (id, _) in inputs {
        let name = as_variable(id);
        if !asked.contains(&name) {
            asked.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "a test that panics has failed")]

    use serde_json::json;

    use super::*;

    fn of(entry: &Value) -> Http {
        match read("git hub", entry) {
            Server::Http(http) => *http,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_clients_way_to_name_a_variable_becomes_pflows() {
        for (before, after) in [
            ("Bearer ${env:TOK}", "Bearer ${TOK}"),
            ("Bearer ${input:github-token}", "Bearer ${GITHUB_TOKEN}"),
            ("Bearer $TOK.", "Bearer ${TOK}."),
            ("${TOK:-none}", "${TOK:-none}"),
            ("costs 5$ or $5", "costs 5$ or $5"),
            ("${open", "${open"),
        ] {
            assert_eq!(rewritten(before), after);
        }
        let asked =
            of(&json!({"type": "http", "url": "https://h/mcp", "headers": {"Authorization": "Bearer ${input:pat}"}}))
                .asked;
        assert_eq!(asked, ["PAT"]);
    }

    #[test]
    fn a_credential_in_plain_text_becomes_a_variable_and_is_nowhere_in_what_is_given() {
        let http = of(
            &json!({"url": "https://h/mcp", "headers": {"Authorization": "Bearer s3cret", "X-Api-Key": "s3cret", "X-Team": "a"}}),
        );
        assert_eq!(
            http.headers,
            [("Authorization", "Bearer ${GIT_HUB_TOKEN}"), ("X-Api-Key", "${GIT_HUB_X_API_KEY}"), ("X-Team", "a")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(http.moved.len(), 2);
        assert!(!format!("{http:?}").contains("s3cret"));
    }

    #[test]
    fn codex_the_gemini_cli_and_windsurf_are_read_with_their_filters() {
        let codex =
            of(&json!({"url": "https://h/mcp", "bearer_token_env_var": "TOK", "env_http_headers": {"X-A": "A"},
            "enabled_tools": ["a", "b*"], "disabled_tools": ["c"], "tool_timeout_sec": 45}));
        assert!(codex.headers.contains(&("Authorization".to_owned(), "Bearer ${TOK}".to_owned())), "{codex:?}");
        assert!(codex.headers.contains(&("X-A".to_owned(), "${A}".to_owned())));
        assert_eq!(
            (codex.include, codex.exclude, codex.timeout),
            (vec!["a".into(), "b\\*".into()], vec!["c".into()], Some(45.0))
        );
        let gemini = of(&json!({"httpUrl": "https://h/mcp", "timeout": 30000, "includeTools": ["x"]}));
        assert_eq!((gemini.url.as_str(), gemini.timeout), ("https://h/mcp", Some(30.0)));
        assert_eq!(of(&json!({"serverUrl": "https://h/mcp"})).url, "https://h/mcp");
    }

    #[test]
    fn what_cannot_be_a_gateway_says_why() {
        let why = |entry: &Value| match read("x", entry) {
            Server::Unfit(error) => error.message,
            other => panic!("{other:?}"),
        };
        assert!(why(&json!({"type": "sse", "url": "https://h/sse"})).contains("HTTP+SSE"));
        assert!(why(&json!({"url": "https://h/sse"})).contains("HTTP+SSE"));
        assert!(why(&json!({"url": "https://h/mcp", "disabled": true})).contains("switched off"));
        assert!(why(&json!({"url": "https://h/mcp", "enabled": false})).contains("switched off"));
        assert!(why(&json!({"env": {}})).contains("neither a URL nor a command"));
        assert!(why(&json!([])).contains("must be an object"));
    }

    #[test]
    fn a_program_that_only_passes_messages_on_names_the_url_without_its_key() {
        let bridge = read(
            "x",
            &json!({"command": "npx", "args": ["-y", "mcp-remote@latest", "https://u:s3cret@h/mcp?key=s3cret", "--header", "A: s3cret"]}),
        );
        assert_eq!(bridge, Server::Program { command: "npx".into(), bridge: Some("https://h/mcp".into()) });
        let other = read("x", &json!({"command": "npx", "args": ["-y", "server", "https://h/mcp"]}));
        assert_eq!(other, Server::Program { command: "npx".into(), bridge: None });
    }
}
