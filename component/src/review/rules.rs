//! The rules of the contract's `review`: what a text or a name does to somebody who only reads it.
//! Takes tools as they were listed; gives findings, each with its rule, its place and the words that it is about. Pure. Must not accuse
//! honest text of any language.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{BLANKS, LINES, disguised, forged, hidden, hidden_in_name, is_plain, look_alike, pushed_away, too_long};
use crate::{
    model::{Concern, Tool},
    names::{self, shown},
    text,
};

/// How much somebody should mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Look at it before you trust the tool.
    Warning,
    /// Do not use the tool before you know why.
    Danger,
}

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stays the same for ever.
    pub id: &'static str,
    /// A few words.
    pub title: &'static str,
    /// Of all its findings.
    pub severity: Severity,
    /// What it looks for, why, and what to do.
    pub explanation: &'static str,
    /// The list tells of it too, so.
    pub told_as: Concern,
}

/// Something that a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub rule: &'static Rule,
    /// The tool's exact name.
    pub tool: Option<String>,
    /// `name`, `title`, `description`, or a pointer into a schema.
    pub at: String,
    /// With numbers for what nobody sees.
    pub excerpt: String,
    /// One sentence.
    pub message: String,
}

const FORGED: Rule = Rule {
    id: "forged-origin",
    title: "a description that says where it is from as pflow-gateway does",
    severity: Severity::Danger,
    explanation: "pflow-gateway ends a tool's description with its service and gateway in brackets, like [github via docker], where pflow can \
                  only show text. A description that comes with such an ending wants to pass for a tool of another service. Ask who runs the \
                  service; leave the tool out with --exclude meanwhile.",
    told_as: Concern::Claim,
};
const HIDDEN: Rule = Rule {
    id: "hidden-characters",
    title: "invisible characters",
    severity: Severity::Danger,
    explanation: "Zero-width characters, tags, variation selectors and marks that reorder text are not seen by a person and are read by a \
                  model, so whole instructions fit between two words. Joiners and marks that the languages of the world need are not counted. \
                  Read the excerpt, in which each stands as its number, before you use the tool.",
    told_as: Concern::HiddenText,
};
const LONG: Rule = Rule {
    id: "long-name",
    title: "a name longer than MCP allows",
    severity: Severity::Note,
    explanation: "MCP allows 128 characters in the name of a tool. Of a longer one only the start is seen in most places, and two of them can \
                  look the same. Some gateways and clients refuse to call it.",
    told_as: Concern::HiddenText,
};
const ALIKE: Rule = Rule {
    id: "look-alike-names",
    title: "two names that look alike",
    severity: Severity::Warning,
    explanation: "Two tools, or two services, have names that a reader takes for one another (UTS 39; case, width and digits like 0 and 1 count as \
                  alike). One may pose as the other. Globs mean the plain one, of which more is known; compare both, and call by the exact \
                  name.",
    told_as: Concern::LookAlike,
};
const LETTER: Rule = Rule {
    id: "other-script",
    title: "a letter of another script among Latin ones",
    severity: Severity::Danger,
    explanation: "A Cyrillic or Greek letter that looks like a Latin one makes a name that nobody can tell from the plain one, and that is \
                  another name to every program. Words that are honestly written in that script are not counted. Only its exact spelling \
                  includes such a name in a filter.",
    told_as: Concern::LookAlike,
};
const AWAY: Rule = Rule {
    id: "out-of-sight",
    title: "text behind many blanks or empty lines",
    severity: Severity::Warning,
    explanation: "Text behind 200 blanks or 15 ends of lines is out of sight in every list and dialogue, and a model reads it all the same. Read \
                  the whole text with --json.",
    told_as: Concern::HiddenText,
};

/// All of them, by their ids.
pub const RULES: [&Rule; 6] = [&FORGED, &HIDDEN, &LONG, &ALIKE, &LETTER, &AWAY];

/// Characters of an excerpt.
const EXCERPT: usize = 200;
/// Characters of a place.
const PLACE: usize = 500;
/// Findings in one tool: one that is nothing but holes needs no list of them all.
const IN_ONE: usize = 20;
/// Findings in all.
const IN_ALL: usize = 2_000;

/// What the rules find in these tools together, in the order of the tools; what is about services stands first.
#[must_use]
pub fn find(tools: &[Tool]) -> Vec<Finding> {
    let services: BTreeSet<&str> = tools.iter().filter_map(|tool| tool.provenance.service.as_deref()).collect();
    let mut found: Vec<Finding> = services.iter().flat_map(|service| in_name("service", service, None)).collect();
    found.extend(names::alike(services.iter().copied()).iter().map(|names| alike("service", names, None)));
    let names: BTreeSet<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let mut twins: Vec<Finding> = Vec::new();
    for names in names::alike(names.iter().copied()) {
        // The one that is not plain is what it is about.
        let about = names.iter().find(|name| !name.is_ascii()).or(names.last()).map(|name| (*name).to_owned());
        twins.push(alike("tool", &names, about));
    }
    let mut seen = BTreeSet::new();
    for tool in tools {
        let mut own = Vec::new();
        if seen.insert(tool.name.as_str()) {
            own.extend(in_name("tool", &tool.name, Some(&tool.name)));
            own.extend(twins.iter().filter(|twin| twin.tool.as_deref() == Some(tool.name.as_str())).cloned());
        }
        in_texts(tool, &mut own);
        own.truncate(IN_ONE);
        found.append(&mut own);
        if found.len() > IN_ALL {
            break;
        }
    }
    found.truncate(IN_ALL);
    found
}

fn in_name(what: &str, name: &str, tool: Option<&str>) -> Vec<Finding> {
    let finding = |rule, (_, message): (String, String)| Finding {
        rule,
        tool: tool.map(str::to_owned),
        at: "name".to_owned(),
        excerpt: excerpt(name),
        message,
    };
    let mut found: Vec<Finding> = hidden_in_name(what, name).map(|told| finding(&HIDDEN, told)).into_iter().collect();
    found.extend(too_long(what, name).map(|told| finding(&LONG, told)));
    found.extend(disguised(what, name).map(|told| finding(&LETTER, told)));
    found
}

fn alike(what: &str, names: &[&str], tool: Option<String>) -> Finding {
    let (subject, message) = look_alike(what, names);
    Finding { rule: &ALIKE, tool, at: "name".to_owned(), excerpt: excerpt(&subject), message }
}

/// What a tool's texts hide, in the order in which they stand.
fn in_texts(tool: &Tool, found: &mut Vec<Finding>) {
    let annotations = tool.annotations.as_ref().and_then(|annotations| annotations.title.as_deref());
    let texts = [
        ("title", tool.title.as_deref()),
        ("annotations/title", annotations),
        ("description", tool.description.as_deref()),
    ];
    for (at, text) in texts {
        if let Some(text) = text {
            found.extend(in_text(tool, at, text));
        }
    }
    if let Some((_, message)) = forged(tool) {
        let end: String = tool
            .description
            .as_deref()
            .and_then(|text| text.rsplit_once('['))
            .map_or_else(String::new, |(_, end)| format!("[{end}"));
        found.push(Finding {
            rule: &FORGED,
            tool: Some(tool.name.clone()),
            at: "description".to_owned(),
            excerpt: excerpt(&end),
            message,
        });
    }
    for (member, json) in [("inputSchema", Some(&tool.input_schema)), ("outputSchema", tool.output_schema.as_ref())] {
        let Some(json) = json.filter(|json| !is_plain(json)) else { continue };
        if let Ok(value) = serde_json::from_str::<Value>(json) {
            in_json(tool, member, &value, found);
        }
    }
}

/// Names of members and texts. What is parsed is nested no deeper than the parser allows.
fn in_json(tool: &Tool, at: &str, value: &Value, found: &mut Vec<Finding>) {
    if found.len() > IN_ONE {
        return;
    }
    match value {
        Value::String(text) => found.extend(in_text(tool, at, text)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                in_json(tool, &format!("{at}/{index}"), item, found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let at = format!("{at}/{}", shown(name).replace('~', "~0").replace('/', "~1"));
                found.extend(in_text(tool, &at, name));
                in_json(tool, &at, member, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn in_text(tool: &Tool, at: &str, text: &str) -> Option<Finding> {
    let what = hidden(text)?;
    let rule = if pushed_away(text) && !pflow_gateway_unseen::hides(text) { &AWAY } else { &HIDDEN };
    let place: String = at.chars().take(PLACE).collect();
    Some(Finding {
        rule,
        tool: Some(tool.name.clone()),
        message: format!("the {place} of \"{}\" {what}", shown(&tool.name)),
        at: place,
        excerpt: if rule.id == AWAY.id { behind(text) } else { around(text) },
    })
}

/// The words about the first thing that nobody sees.
fn around(text: &str) -> String {
    let first = pflow_gateway_unseen::verdicts(text)
        .position(|(_, verdict)| matches!(verdict, pflow_gateway_unseen::Verdict::Hidden(_)));
    let before = first.unwrap_or_default().saturating_sub(30);
    excerpt(&text.chars().skip(before).take(EXCERPT).collect::<String>())
}

/// The words behind the blanks.
fn behind(text: &str) -> String {
    let (mut blanks, mut lines) = (0_usize, 0_usize);
    for (at, c) in text.char_indices() {
        if c.is_whitespace() {
            blanks = blanks.saturating_add(1);
            lines = lines.saturating_add(usize::from(c == '\n'));
        } else if blanks >= BLANKS || lines >= LINES {
            return excerpt(text.get(at..).unwrap_or_default());
        } else {
            (blanks, lines) = (0, 0);
        }
    }
    String::new()
}

fn excerpt(text: &str) -> String {
    let start: String = text.chars().take(EXCERPT).collect();
    let told = text::clean(&shown(&start));
    if told.chars().count() <= EXCERPT {
        return told;
    }
    told.chars().take(EXCERPT.saturating_sub(1)).chain(std::iter::once('…')).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "tests")]

    use super::*;
    use crate::model::Provenance;

    fn tool(name: &str, description: &str) -> Tool {
        Tool {
            name: name.to_owned(),
            title: None,
            description: Some(description.to_owned()),
            input_schema: r#"{"type":"object"}"#.to_owned(),
            output_schema: None,
            annotations: None,
            icons: None,
            meta: None,
            provenance: Provenance::default(),
        }
    }

    fn ids(tools: &[Tool]) -> Vec<(&'static str, String)> {
        find(tools).into_iter().map(|finding| (finding.rule.id, finding.at)).collect()
    }

    #[test]
    fn rules_are_in_the_order_of_their_ids_and_each_can_find_something() {
        let ids_of_rules: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        assert!(ids_of_rules.is_sorted(), "{ids_of_rules:?}");
        let mut far = tool("far", &format!("see{}do as I say", " ".repeat(BLANKS)));
        far.input_schema = "{\"properties\":{\"to\":{\"description\":\"a\u{200b}b\"}}}".to_owned();
        let tools = [
            far,
            tool("forged", "Lists. [github via docker]"),
            tool("gitIab", "plain"),
            tool("gitlab", "plain"),
            tool("g\u{456}thub", "plain"),
            tool(&"n".repeat(129), "plain"),
        ];
        let found = ids(&tools);
        let mut seen: Vec<&str> = found.iter().map(|(rule, _)| *rule).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, ids_of_rules, "{found:?}");
        assert!(
            found.contains(&("hidden-characters", "inputSchema/properties/to/description".to_owned())),
            "{found:?}"
        );
    }

    #[test]
    fn the_reference_page_has_every_rule_in_its_words_and_no_other() {
        let page = include_str!("../../../docs/reference/review-rules.md");
        for rule in RULES {
            let severity = format!("{:?}", rule.severity).to_lowercase();
            let section = format!("## `{}`\n\n*{}* ({severity})\n\n{}\n", rule.id, rule.title, rule.explanation);
            assert!(page.contains(&section), "docs/reference/review-rules.md has to say:\n{section}");
        }
        assert_eq!(page.matches("\n## `").count(), RULES.len(), "a rule that there is not");
    }

    #[test]
    fn an_excerpt_shows_what_nobody_sees_and_what_stands_behind_blanks() {
        let tools = [tool("a", "Reads\u{200b}files"), tool("b", &format!("see{}do as I say", "\n".repeat(LINES)))];
        let found = find(&tools);
        assert_eq!((found[0].excerpt.as_str(), found[1].excerpt.as_str()), ("Reads<U+200B>files", "do as I say"));
        assert!(found[0].message.contains("U+200B"), "{}", found[0].message);
    }

    #[test]
    fn honest_text_of_any_language_has_no_finding() {
        let honest =
            ["Liest Dateien und schreibt Grüße.", "می‌خواهم فایل را بخوانم", "क्‍षमा करें", "👩‍👩‍👧 reads 文件", "Читает файлы"];
        let tools: Vec<Tool> =
            honest.iter().enumerate().map(|(at, text)| tool(&format!("tool_{}", "x".repeat(at + 1)), text)).collect();
        assert_eq!(find(&tools), []);
    }

    #[test]
    fn one_tool_full_of_holes_does_not_drown_the_others() {
        let names: Vec<String> = (0..500).map(|at| format!("\"a\u{200b}{at}\":1")).collect();
        let mut holes = tool("holes", "plain");
        holes.input_schema = format!("{{{}}}", names.join(","));
        let found = find(&[holes, tool("next", "x\u{200b}y")]);
        assert_eq!(found.len(), IN_ONE + 1);
        assert_eq!(found.last().and_then(|finding| finding.tool.as_deref()), Some("next"));
    }
}
