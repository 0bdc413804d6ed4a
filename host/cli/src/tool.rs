//! `tools TARGET TOOL`: one tool, as somebody wants to read it who is about to call it.
//! Takes a tool as it was listed; gives a signature, words, and an example that would pass the check. Says what is claimed as a claim.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    render::{Table, dim, plain},
    screen::{BOLD, DIM, Reply, careful, styled},
};
use pflow_gateway::{
    arguments::{Argument, Schema},
    catalogue::{HOW, tokens},
    config::shown_target,
    report::{Attribution, Confidence, Tool},
};
use pflow_gateway_base::{
    Error,
    json::{Json, Node},
    scrub,
};

const NAME: usize = 100;
const DETAIL: usize = 300;
/// A signature on a screen, in characters.
const SIGNATURE: usize = 1_000;
/// A description on a screen, in characters.
const DESCRIPTION: usize = 4_000;
/// Arguments, and those inside of them, that are collected: a schema may name itself a hundred times.
const COLLECTED: usize = 2_000;
/// Objects inside of objects that are listed.
const DEEPEST: usize = 3;
/// Arguments that are listed on a screen.
const ROWS: usize = 200;

/// `tools TARGET TOOL --json`.
#[derive(Serialize)]
struct OneTool<'a> {
    /// The entry's name, or the URL.
    gateway: &'a str,
    /// As `tools` lists it.
    tool: &'a Tool,
    /// `name(city: string, days?: integer)`; null when the schema cannot be read.
    signature: Option<String>,
    /// Required ones first.
    arguments: Vec<Row>,
    /// What it says that it returns; empty when it says nothing.
    returns: Vec<Row>,
    /// The annotations in words, one phrase each.
    marked: Vec<&'static str>,
    /// What it costs a model, about.
    tokens: usize,
    /// A command that would pass the check; null when none was found.
    example: Option<String>,
    /// Why a call would be refused here.
    refused: Option<&'a Error>,
    error: Option<()>,
}

/// One argument, or one member of a result.
#[derive(Serialize)]
struct Row {
    /// `filter.city` inside of an object, `tags[].name` inside of a list.
    name: String,
    #[serde(rename = "type")]
    kind: String,
    required: bool,
    description: Option<String>,
    /// As JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<Json>,
}

/// The shape of a reply without a tool.
pub(super) fn shape(target: &str) -> serde_json::Value {
    serde_json::json!({"gateway": shown_target(target), "tool": null})
}

/// One tool.
pub(super) fn describe(program: &str, target: &str, tool: &Tool, refused: Option<&Error>) -> Reply {
    let gateway = shown_target(target);
    // A key in a URL is repeated nowhere.
    let typed = if gateway == target { target } else { "TARGET" };
    let name = scrub::line(&tool.name, NAME);
    let schema = Schema::of(tool);
    let output = tool.output_schema.as_ref().and_then(|json| Schema::read(json.get()));
    let words = schema.as_ref().map_or_else(|| Some(Vec::new()), Schema::example);
    let report = OneTool {
        gateway: &gateway,
        tool,
        signature: schema.as_ref().map(|schema| schema.signature(&name)),
        arguments: schema.as_ref().map(rows).unwrap_or_default(),
        returns: output.as_ref().map(rows).unwrap_or_default(),
        marked: marked(tool),
        tokens: tokens(tool),
        example: words.and_then(|words| command(program, typed, &tool.name, &words)),
        refused,
        error: None,
    };
    Reply::good(text(&report, &name), &report)
}

/// A line that a shell reads as these words. None: no shell does.
fn command(program: &str, target: &str, tool: &str, words: &[String]) -> Option<String> {
    let mut line = format!("{program} call");
    for word in [target, tool].into_iter().chain(words.iter().map(String::as_str)) {
        line.push(' ');
        // `city=Lisbon` needs no quotes in any shell; shlex would add some.
        if !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-=:,./@%+".contains(c)) {
            line.push_str(word);
        } else {
            line.push_str(&shlex::try_quote(word).ok()?);
        }
    }
    // What nobody sees is in no command that somebody is to type.
    (scrub::line(&line, SIGNATURE) == line).then_some(line)
}

fn rows(schema: &Schema<'_>) -> Vec<Row> {
    let mut all = Vec::new();
    add_rows(schema, &schema.arguments(), "", 0, &mut all);
    all
}

fn add_rows<'s>(schema: &'s Schema<'_>, members: &[Argument<'s>], before: &str, depth: usize, all: &mut Vec<Row>) {
    for member in members {
        if all.len() >= COLLECTED {
            return;
        }
        let name = format!("{before}{}", member.name);
        all.push(Row {
            kind: schema.kind(member.schema),
            required: member.required,
            description: member.description().map(std::borrow::Cow::into_owned),
            default: member.keyword("default").and_then(|json| Json::parse(json).ok()),
            name: name.clone(),
        });
        if depth >= DEEPEST {
            continue;
        }
        let deeper = depth.saturating_add(1);
        add_rows(schema, &schema.members(member.schema), &format!("{name}."), deeper, all);
        if let Some(items @ Node::Object(_)) = member.schema.get("items") {
            add_rows(schema, &schema.members(items), &format!("{name}[]."), deeper, all);
        }
    }
}

/// The annotations in words. They are the server's own, and no promise.
fn marked(tool: &Tool) -> Vec<&'static str> {
    let hints = tool.annotations.as_ref().map(Json::to_value).unwrap_or_default();
    let hint = |name: &str| hints.get(name).and_then(serde_json::Value::as_bool);
    let mut words = Vec::new();
    match (hint("readOnlyHint"), hint("destructiveHint")) {
        (Some(true), _) => words.push("only reads"),
        (Some(false), Some(false)) => words.push("changes something, and destroys nothing"),
        (None, Some(false)) => words.push("destroys nothing"),
        (_, Some(true)) => words.push("may destroy or overwrite something"),
        (Some(false), None) => words.push("changes something; MCP then takes it for destructive"),
        (None, None) => words.push("not marked; MCP then takes it for destructive"),
    }
    if hint("readOnlyHint") != Some(true) && hint("idempotentHint") == Some(true) {
        words.push("calling it twice changes no more than once");
    }
    match hint("openWorldHint") {
        Some(true) => words.push("reaches other systems"),
        Some(false) => words.push("stays within its service"),
        None => {}
    }
    words
}

fn origin(tool: &Tool) -> String {
    let evidence = scrub::line(&tool.evidence, DETAIL);
    let evidence = if evidence.is_empty() { evidence } else { format!(": {evidence}") };
    match &tool.service {
        None => format!("of no known service{evidence}"),
        Some(service) => {
            let doubt = match (tool.attribution, tool.confidence) {
                (Attribution::Inferred, _) | (_, Confidence::Low) => "a guess".to_owned(),
                (attribution, confidence) => format!("{attribution}, {confidence}"),
            };
            format!("{} ({doubt}){evidence}", scrub::line(service, NAME))
        }
    }
}

fn text(report: &OneTool<'_>, name: &str) -> String {
    let tool = report.tool;
    let mut text = String::new();
    let title = tool.title.as_deref().map(|title| scrub::line(title, NAME)).filter(|title| title != name);
    let _ = writeln!(text, "{}{}", styled(BOLD, name), title.map_or_else(String::new, |title| format!("  {title}")));
    match &report.signature {
        Some(signature) => {
            let _ = writeln!(text, "  {}", scrub::line(signature, SIGNATURE));
        }
        None => {
            let _ =
                writeln!(text, "  {} its input schema cannot be read; arguments are sent as they are given", careful());
        }
    }
    if let Some(about) = tool.description.as_deref().filter(|about| !about.trim().is_empty()) {
        let about: String = scrub::text(about.trim()).chars().take(DESCRIPTION).collect();
        text.push('\n');
        for line in about.lines() {
            let _ = writeln!(text, "{}", format!("  {line}").trim_end());
        }
    }
    for (title, rows) in [("Arguments", &report.arguments), ("Returns", &report.returns)] {
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n{}", styled(BOLD, title));
        let mut table = Table::new();
        for row in rows.iter().take(ROWS) {
            let need = if title == "Arguments" && row.required { "required" } else { "" };
            let mut about = row.description.as_deref().map_or_else(String::new, |about| scrub::line(about, DETAIL));
            if let Some(default) = &row.default {
                let _ = write!(
                    about,
                    "{}[default: {}]",
                    if about.is_empty() { "" } else { " " },
                    scrub::line(default.get(), NAME)
                );
            }
            table.row([
                plain(scrub::line(&row.name, NAME)),
                dim(scrub::line(&row.kind, DETAIL)),
                plain(need),
                plain(about),
            ]);
        }
        table.print("  ", &mut text);
        if rows.len() > ROWS {
            let _ = writeln!(text, "  and {} more: --json has all", rows.len().saturating_sub(ROWS));
        }
    }
    text.push('\n');
    let mut table = Table::new();
    table.row([dim("From"), plain(origin(tool))]);
    if let Some(original) = tool.original_name.as_deref().filter(|original| *original != tool.name) {
        table.row([dim("There"), plain(format!("called {}", scrub::line(original, NAME)))]);
    }
    table.row([dim("Marked"), plain(report.marked.join("; "))]);
    table.row([dim("Costs"), plain(format!("about {} tokens", report.tokens))]);
    if let Some(example) = &report.example {
        table.row([dim("Call"), plain(example.clone())]);
    }
    table.print("", &mut text);
    let _ = writeln!(text, "{}", styled(DIM, &format!("Tokens are {HOW}.")));
    if let Some(refused) = report.refused {
        let _ = writeln!(text, "{} {}", careful(), scrub::line(&refused.message, DETAIL));
        if let Some(hint) = &refused.hint {
            let _ = writeln!(text, "  → {}", scrub::line(hint, DETAIL));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on shall stop")]

    use serde_json::json;

    use super::*;

    fn forecast() -> Tool {
        let mut tool: Tool = serde_json::from_value(json!({
            "name": "weather_get_forecast", "service": "weather", "attribution": "reported", "confidence": "certain",
            "evidence": "said so", "input_schema": {"type": "object"}
        }))
        .unwrap();
        tool.title = Some("Forecast".to_owned());
        tool.description = Some("Returns the temperatures\nof the next days.\u{1b}[31m".to_owned());
        tool.input_schema = json!({"type": "object", "required": ["city"], "properties": {
            "days": {"type": "integer", "default": 3, "description": "1 to 6."},
            "city": {"type": "string", "description": "City, like Lisbon."},
            "unit": {"enum": ["celsius", "fahrenheit"]},
            "where": {"type": "object", "required": ["x"], "properties": {"x": {"type": "number"}}},
            "tags": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}}
        }})
        .into();
        tool.output_schema = Some(
            json!({"type": "object", "properties": {"days": {"type": "array", "items": {"type": "number"}}}}).into(),
        );
        tool.annotations = Some(json!({"readOnlyHint": true, "openWorldHint": true}).into());
        tool
    }

    #[test]
    fn one_tool_is_shown_with_what_it_takes_and_how_to_call_it() {
        let reply = describe("pflow-gateway", "demo", &forecast(), None);
        insta::assert_snapshot!("one tool", anstream::adapter::strip_str(&reply.text).to_string());
        let json = reply.json.to_value();
        assert_eq!(
            json["arguments"][0],
            json!({"name": "city", "type": "string", "required": true, "description": "City, like Lisbon."})
        );
        assert_eq!(json["example"], "pflow-gateway call demo weather_get_forecast city=CITY");
        assert_eq!(json["arguments"][1]["default"], 3);
    }

    #[test]
    fn marks_are_the_servers_words_and_silence_is_said() {
        let with = |hints: serde_json::Value| {
            let mut tool = forecast();
            tool.annotations = Some(hints.into());
            marked(&tool).join("; ")
        };
        assert_eq!(with(json!({"readOnlyHint": true})), "only reads");
        assert_eq!(with(json!({})), "not marked; MCP then takes it for destructive");
        assert_eq!(
            with(json!({"readOnlyHint": false, "destructiveHint": true, "idempotentHint": true})),
            "may destroy or overwrite something; calling it twice changes no more than once"
        );
    }

    #[test]
    fn an_example_is_quoted_for_the_shell_and_left_out_where_it_cannot_be_typed() {
        let line = |words: &[&str]| {
            command("pflow-gateway", "demo", "t", &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(line(&["a:=[\"x y\"]"]).unwrap(), "pflow-gateway call demo t 'a:=[\"x y\"]'");
        assert_eq!(line(&["a=\u{202e}x"]), None);
    }
}
