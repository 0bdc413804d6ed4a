//! What is odd about a catalogue to somebody who has to trust it: names that look alike, text that nobody sees, words that do not fit
//! what is known.
//! Takes tools with their provenance, services, and what was reported and declared; gives findings. Pure. Must not accuse honest text of
//! any language, and never drops or changes anything.

pub mod rules;
mod strings;

use std::collections::{BTreeMap, BTreeSet};

use pflow_gateway_unseen::{Kind, Verdict, hides, verdicts};

use crate::{
    attribution,
    gateways::Report,
    model::{Attribution, Concern, DeclaredService, Service, Tool, Warning},
    names::{self, number, shown},
    text,
};

/// Findings of one kind that are told one by one.
const TOLD: usize = 20;
/// Characters of a name that MCP allows.
const LONGEST: usize = 128;
/// So many blanks, or ends of lines, in a row push what follows out of sight.
const BLANKS: usize = 200;
const LINES: usize = 15;
/// Letters and numbers of what is hidden that are shown.
const EXAMPLES: usize = 3;

/// All findings.
#[must_use]
pub fn review(tools: &[Tool], services: &[Service], report: &Report, declared: &[DeclaredService]) -> Vec<Warning> {
    let service_names: BTreeSet<&str> = services
        .iter()
        .map(|service| service.name.as_str())
        .chain(declared.iter().map(|declared| declared.name.as_str()))
        .collect();
    let tool_names: BTreeSet<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let mut hidden = Vec::new();
    let mut alike = Vec::new();
    for (what, names) in [("service", &service_names), ("tool", &tool_names)] {
        hidden.extend(names.iter().filter_map(|name| hidden_in_name(what, name)));
        hidden.extend(names.iter().filter_map(|name| too_long(what, name)));
        alike.extend(names.iter().filter_map(|name| disguised(what, name)));
        alike.extend(names::alike(names.iter().copied()).iter().map(|names| look_alike(what, names)));
    }
    hidden.extend(tools.iter().flat_map(hidden_in_texts));
    let mut claims: Vec<(String, String)> = tools.iter().filter_map(forged).collect();
    claims.extend(squatting(tools, services, report, declared));
    claims.extend(contradicted(tools, report));
    [(Concern::LookAlike, alike), (Concern::HiddenText, hidden), (Concern::Claim, claims)]
        .into_iter()
        .flat_map(|(concern, found)| few(concern, found))
        .collect()
}

/// The first of them as warnings, and how many there are beyond.
#[must_use]
pub fn few(concern: Concern, found: Vec<(String, String)>) -> Vec<Warning> {
    let more = found.len().saturating_sub(TOLD);
    let mut warnings: Vec<Warning> = found
        .into_iter()
        .take(TOLD)
        .map(|(subject, message)| Warning { concern, subject: Some(subject), message })
        .collect();
    if more > 0 {
        let message = format!("{} like these not shown", text::count(more, "more finding"));
        warnings.push(Warning { concern, subject: None, message });
    }
    warnings
}

/// `U+0456, U+0430, …`.
fn numbers(characters: &[char]) -> String {
    let mut told: Vec<String> = characters.iter().take(EXAMPLES).map(|c| number(*c)).collect();
    if characters.len() > EXAMPLES {
        told.push("…".to_owned());
    }
    told.join(", ")
}

fn hidden_in_name(what: &str, name: &str) -> Option<(String, String)> {
    let unseen = names::unseen(name);
    let message = || {
        format!(
            "the name of the {what} \"{}\" has invisible characters ({}); only its exact spelling means it",
            shown(name),
            numbers(&unseen)
        )
    };
    (!unseen.is_empty()).then(|| (text::clean(name), message()))
}

fn too_long(what: &str, name: &str) -> Option<(String, String)> {
    let length = name.chars().count();
    let start: String = name.chars().take(40).collect();
    let message = || {
        format!(
            "the name of the {what} \"{}…\" has {length} characters; MCP allows {LONGEST}, and its end is not seen everywhere",
            shown(&start)
        )
    };
    (length > LONGEST).then(|| (text::clean(name), message()))
}

fn disguised(what: &str, name: &str) -> Option<(String, String)> {
    let (letter, twin) = names::intruder(name)?;
    let message = format!(
        "the {what} \"{}\" is written with \"{letter}\" ({}), which looks like \"{twin}\" and is another letter",
        shown(name),
        number(letter)
    );
    Some((text::clean(name), message))
}

fn look_alike(what: &str, names: &[&str]) -> (String, String) {
    let told: Vec<String> = names
        .iter()
        .take(4)
        .map(|name| {
            let odd: Vec<char> = name.chars().filter(|c| !c.is_ascii()).collect();
            if odd.is_empty() {
                format!("\"{}\"", shown(name))
            } else {
                format!("\"{}\" (with {})", shown(name), numbers(&odd))
            }
        })
        .collect();
    // The one that is not plain is what it is about.
    let subject = names.iter().find(|name| !name.is_ascii()).or(names.last()).copied().unwrap_or_default();
    (text::clean(subject), format!("{} {what}s look alike: {}", names.len(), told.join(" and ")))
}

/// What is hidden in a tool's texts: one finding for each place.
fn hidden_in_texts(tool: &Tool) -> Vec<(String, String)> {
    let mut places: BTreeMap<&'static str, String> = BTreeMap::new();
    let mut look = |place: &'static str, text: &str| {
        if places.contains_key(place) {
            return;
        }
        if let Some(what) = hidden(text) {
            places.insert(place, what);
        }
    };
    for (place, text) in [("description", &tool.description), ("title", &tool.title)] {
        if let Some(text) = text {
            look(place, text);
        }
    }
    if let Some(title) = tool.annotations.as_ref().and_then(|annotations| annotations.title.as_deref()) {
        look("title", title);
    }
    let schemas = std::iter::once(&tool.input_schema).chain(&tool.output_schema);
    for schema in schemas.filter(|schema| !is_plain(schema)) {
        strings::each(schema, &mut look);
    }
    let name = shown(&tool.name);
    let told = |(place, what): (&str, String)| (text::clean(&tool.name), format!("the {place} of \"{name}\" {what}"));
    places.into_iter().map(told).collect()
}

/// JSON in which no text can hide anything: most schemas need not be taken apart to see that.
fn is_plain(json: &str) -> bool {
    const MANY: usize = 10;
    let mut blanks = 0_usize;
    json.bytes().all(|byte| {
        blanks = if byte == b' ' { blanks + 1 } else { 0 };
        blanks < MANY && byte != b'\\' && matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')
    })
}

/// What a text hides, as the end of a sentence.
fn hidden(text: &str) -> Option<String> {
    if hides(text) {
        let found: Vec<(char, Kind)> = verdicts(text)
            .filter_map(|(c, verdict)| if let Verdict::Hidden(kind) = verdict { Some((c, kind)) } else { None })
            .collect();
        let mut characters: Vec<char> = Vec::new();
        for (c, _) in &found {
            if !characters.contains(c) && characters.len() <= EXAMPLES {
                characters.push(*c);
            }
        }
        let message: String = found.iter().filter_map(|(c, kind)| letter(*c, *kind)).collect();
        let message = message.trim();
        let read = if message.chars().count() > 2 {
            format!("; a machine reads \"{}\" in them", text::clean(&message.chars().take(100).collect::<String>()))
        } else {
            String::new()
        };
        let what = text::count(found.len(), "character");
        return Some(format!("has {what} that nobody sees ({}){read}", numbers(&characters)));
    }
    pushed_away(text).then(|| "has text hidden behind many blanks or empty lines".to_owned())
}

/// The letter that a tag or a variation selector stands for.
fn letter(c: char, kind: Kind) -> Option<char> {
    let number = u32::from(c);
    let code = match kind {
        Kind::Tag => number.checked_sub(0xE_0000)?,
        Kind::Selector if number >= 0xE_0100 => number - 0xE_0100 + 16,
        Kind::Selector => number.checked_sub(0xFE00)?,
        Kind::Control | Kind::Direction | Kind::Invisible => return None,
    };
    char::from_u32(code).filter(|c| c.is_ascii_graphic() || *c == ' ')
}

fn pushed_away(text: &str) -> bool {
    // Most texts are too short for it.
    if text.len() < LINES || text.len() < BLANKS && text.bytes().filter(|byte| *byte == b'\n').count() < LINES {
        return false;
    }
    let (mut blanks, mut lines) = (0_usize, 0_usize);
    for c in text.chars() {
        if c.is_whitespace() {
            blanks += 1;
            lines += usize::from(c == '\n');
        } else if blanks >= BLANKS || lines >= LINES {
            return true;
        } else {
            (blanks, lines) = (0, 0);
        }
    }
    false
}

/// A description that ends as the host ends it: `… [github via docker]`.
fn forged(tool: &Tool) -> Option<(String, String)> {
    let description = tool.description.as_deref()?.trim_end();
    let (_, inside) = description.strip_suffix(']')?.rsplit_once('[')?;
    let inside = inside.strip_prefix("probably ").or_else(|| inside.strip_prefix("claimed ")).unwrap_or(inside);
    let (service, gateway) = inside.split_once(" via ")?;
    let word = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
    let message = || {
        format!(
            "the description of \"{}\" ends in \"[{} via {}]\", as if pflow-gateway had said where it is from",
            shown(&tool.name),
            shown(service),
            shown(gateway)
        )
    };
    (word(service) && word(gateway)).then(|| (text::clean(&tool.name), message()))
}

/// Names that begin like those of a service that is known for certain, and are not from it.
fn squatting(
    tools: &[Tool],
    services: &[Service],
    report: &Report,
    declared: &[DeclaredService],
) -> Vec<(String, String)> {
    // Where the gateway names the tools of a service one by one, the others are not of it.
    let told: BTreeSet<&str> = report.tools.values().map(|told| told.service.as_str()).collect();
    let known: BTreeSet<&str> = told
        .iter()
        .copied()
        .chain(report.services.keys().map(String::as_str))
        .chain(declared.iter().map(|declared| declared.name.as_str()))
        .collect();
    let mut found = Vec::new();
    for tool in tools {
        let place = &tool.provenance;
        let own = place.service.as_deref();
        if matches!(place.attribution, Attribution::Declared | Attribution::Control)
            || own.is_some_and(|own| !known.contains(own) && place.attribution == Attribution::Inferred)
        {
            continue;
        }
        let Some(like) = known_prefix(&known, &tool.name) else { continue };
        let name = shown(&tool.name);
        let how = match own {
            Some(own) if own == like => {
                if place.attribution != Attribution::Prefix || !told.contains(like) {
                    continue;
                }
                "but the gateway does not name it among them".to_owned()
            }
            Some(own) if attribution::begins_with(own, &tool.name) && own.len() > like.len() => continue,
            Some(own) => format!("but is from \"{}\"", shown(own)),
            None => "but is not known to be one".to_owned(),
        };
        let message = format!("\"{name}\" begins like the tools of \"{}\", {how}", shown(like));
        found.push((text::clean(&tool.name), message));
    }
    for service in services.iter().filter(|service| service.attribution == Attribution::Claimed) {
        if let Some(like) = known_prefix(&known, &service.name) {
            let message = format!(
                "the service \"{}\" is known only by what its tools say of themselves, and begins like \"{}\"",
                shown(&service.name),
                shown(like)
            );
            found.push((text::clean(&service.name), message));
        }
    }
    found
}

/// The known service with whose name and a separator this one begins; the longest.
fn known_prefix<'k>(known: &BTreeSet<&'k str>, name: &str) -> Option<&'k str> {
    let ends = name.char_indices().filter(|(_, c)| matches!(c, '_' | '-' | '.' | ':' | '/')).map(|(at, _)| at);
    ends.filter_map(|at| known.get(name.get(..at)?).copied()).max_by_key(|service| service.len())
}

/// Tools that were declared, by a prefix or a glob, to be a service's, though the gateway or they themselves say otherwise than the
/// others do.
fn contradicted(tools: &[Tool], report: &Report) -> Vec<(String, String)> {
    let mut by_service: BTreeMap<&str, Vec<(&Tool, String, &str)>> = BTreeMap::new();
    for tool in tools.iter().filter(|tool| tool.provenance.attribution == Attribution::Declared) {
        let Some(service) = tool.provenance.service.as_deref() else { continue };
        let said = match report.tools.get(&tool.name) {
            Some(told) => Some((told.service.clone(), "the gateway says")),
            None => attribution::claim_of(tool).map(|claim| (claim, "it says itself")),
        };
        if let Some((said, who)) = said {
            by_service.entry(service).or_default().push((tool, said, who));
        }
    }
    let mut found = Vec::new();
    for (service, said) in by_service {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, other, _) in &said {
            *counts.entry(other).or_default() += 1;
        }
        // What most of them say is another name of the same service.
        let most = counts.iter().max_by_key(|(_, count)| **count).map(|(other, _)| *other).unwrap_or_default();
        let usual = if counts.contains_key(service) { service } else { most };
        for (tool, other, who) in said.iter().filter(|(_, other, _)| other != usual) {
            let message = format!(
                "\"{}\" is declared to be from \"{}\", and {who} that it is from \"{}\"",
                shown(&tool.name),
                shown(service),
                shown(other)
            );
            found.push((text::clean(&tool.name), message));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_behind_many_blanks_in_a_schema_is_found_and_indented_json_is_not_taken_for_it() {
        let found = |text: &str| {
            let input_schema =
                format!("{{\n        \"type\": \"object\",\n            \"description\": \"{text}\"\n}}");
            hidden_in_texts(&Tool { input_schema, ..Tool::named("t") })
        };
        assert_eq!(found("plain").len(), 0);
        assert_eq!(found(&format!("a{}b", " ".repeat(BLANKS - 1))).len(), 0);
        assert_eq!(found(&format!("a{}b", " ".repeat(BLANKS))).len(), 1);
    }
}
