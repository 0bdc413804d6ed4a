//! The tools of a gateway as a client is shown them, page by page.
//! Takes a catalogue and who asks; gives MCP's list result. Says of services only what is certain, where only a gateway itself can say it:
//! in `_meta` of the list, so that a second hop knows as much as the first.

use std::{collections::BTreeMap, rc::Rc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pflow_gateway_service_settings::Gateway;
use serde_json::json;

use crate::{
    authentication::Visitor,
    failure::Failure,
    rpc::{Fault, INVALID_PARAMS},
    upstream::{Kept, Outside, Tool},
};

/// Tools of one page. Many clients read the first page only, so it is a large one.
pub const PAGE: usize = 1_000;
/// Bytes of one page: above it the page ends, but never before its first tool.
pub const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// The tools that somebody may see and call.
///
/// # Errors
///
/// A glob of the settings that is none.
pub fn shown<'k, O: Outside>(
    outside: &O,
    gateway: &Gateway,
    visitor: &Visitor,
    kept: &'k Kept,
) -> Result<Vec<&'k Tool>, Failure> {
    let shown = verdicts(outside, gateway, visitor, kept)?;
    Ok(kept.catalog.tools.iter().filter(|tool| may(&shown, tool)).collect())
}

/// The tool of this name, if somebody may see and call it.
///
/// # Errors
///
/// A glob of the settings that is none.
pub fn named<'k, O: Outside>(
    outside: &O,
    gateway: &Gateway,
    visitor: &Visitor,
    kept: &'k Kept,
    name: &str,
) -> Result<Option<&'k Tool>, Failure> {
    let shown = verdicts(outside, gateway, visitor, kept)?;
    Ok(kept.catalog.tools.iter().find(|tool| tool.name == name).filter(|tool| may(&shown, tool)))
}

fn may(shown: &[bool], tool: &Tool) -> bool {
    shown.get(tool.index).copied().unwrap_or(false)
}

/// For each tool whether the gateway's filter and the client's let it pass.
fn verdicts<O: Outside>(outside: &O, gateway: &Gateway, visitor: &Visitor, kept: &Kept) -> Result<Rc<[bool]>, Failure> {
    if let Some(shown) = kept.shown.borrow().get(visitor.name()) {
        return Ok(Rc::clone(shown));
    }
    let catalog = &kept.catalog;
    let broken = |place: &str, problem: String| Failure::settings(&format!("{place}: {problem}"));
    let mut shown = outside
        .select(&gateway.filter, catalog)
        .map_err(|problem| broken(&format!("GATEWAYS.{}", gateway.name), problem))?;
    if let Visitor::Client(client) = visitor {
        let theirs = outside
            .select(&client.filter, catalog)
            .map_err(|problem| broken(&format!("CLIENTS.{}", client.name), problem))?;
        shown = shown.into_iter().zip(theirs).map(|(ours, theirs)| ours && theirs).collect();
    }
    let shown: Rc<[bool]> = shown.into();
    kept.shown.borrow_mut().insert(visitor.name().to_owned(), Rc::clone(&shown));
    Ok(shown)
}

/// One page of them: the members of a list result, without the braces.
///
/// # Errors
///
/// A cursor that was not given here.
pub fn page(tools: &[&Tool], cursor: Option<&str>) -> Result<String, Fault> {
    let after = match cursor {
        None => None,
        Some(cursor) => {
            let name = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            Some(name.ok_or_else(|| Fault::new(INVALID_PARAMS, "Invalid params: unknown cursor"))?)
        }
    };
    // A name, not a number: what came or went meanwhile moves nothing.
    let rest = tools.iter().filter(|tool| after.as_ref().is_none_or(|after| tool.name > *after));
    let mut on_page: Vec<&Tool> = Vec::new();
    let (mut bytes, mut more) = (0_usize, false);
    for tool in rest {
        bytes = bytes.saturating_add(tool.json.len());
        if !on_page.is_empty() && (on_page.len() >= PAGE || bytes > PAGE_BYTES) {
            more = true;
            break;
        }
        on_page.push(tool);
    }
    let mut result = String::from("\"tools\":[");
    for (at, tool) in on_page.iter().enumerate() {
        if at > 0 {
            result.push(',');
        }
        result.push_str(&tool.json);
    }
    result.push(']');
    if let Some(last) = on_page.last().filter(|_| more) {
        result.push_str(&format!(r#","nextCursor":"{}""#, URL_SAFE_NO_PAD.encode(&last.name)));
    }
    Ok(result)
}

/// `_meta` of a list: the services of its tools, where that is certain. Names of tools are exact.
#[must_use]
pub fn services(tools: &[&Tool]) -> serde_json::Value {
    let mut services: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for tool in tools.iter().filter(|tool| tool.certain && !tool.control) {
        if let Some(service) = &tool.service {
            services.entry(service).or_default().push(&tool.name);
        }
    }
    json!({ "pflow.dev/services": services })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on shall stop")]

    use serde_json::Value;

    use super::*;

    fn tools(count: usize) -> Vec<Tool> {
        (0..count)
            .map(|index| Tool {
                name: format!("t{index:05}"),
                json: format!(r#"{{"name":"t{index:05}"}}"#),
                service: Some("s".to_owned()),
                certain: index % 2 == 0,
                index,
                ..Tool::default()
            })
            .collect()
    }

    fn read(tools: &[&Tool], cursor: Option<&str>) -> (Vec<String>, Option<String>) {
        let page: Value = serde_json::from_str(&format!("{{{}}}", page(tools, cursor).unwrap())).unwrap();
        let names = page["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned());
        (names.collect(), page["nextCursor"].as_str().map(str::to_owned))
    }

    #[test]
    fn pages_hold_every_tool_once_though_the_list_changes_between_them() {
        let all = tools(2_500);
        let all: Vec<&Tool> = all.iter().collect();
        let (first, next) = read(&all, None);
        // One that the first page had is gone.
        let fewer: Vec<&Tool> = all.iter().copied().filter(|tool| tool.name != "t00003").collect();
        let (second, next) = read(&fewer, next.as_deref());
        let (third, end) = read(&fewer, next.as_deref());
        assert_eq!((first.len(), second.len(), third.len(), end), (1_000, 1_000, 500, None));
        assert_eq!([first, second, third].concat(), all.iter().map(|tool| tool.name.clone()).collect::<Vec<_>>());
        assert_eq!(page(&all, Some("?!")).unwrap_err().code, INVALID_PARAMS);
    }

    #[test]
    fn a_page_ends_by_size_too_and_has_one_tool_at_least() {
        let mut all = tools(3);
        for tool in &mut all {
            tool.json = format!(r#"{{"name":"{}","d":"{}"}}"#, tool.name, "x".repeat(PAGE_BYTES));
        }
        let all: Vec<&Tool> = all.iter().collect();
        let (first, next) = read(&all, None);
        assert_eq!((first.len(), next.is_some()), (1, true));
    }

    #[test]
    fn only_what_is_certain_is_reported() {
        let mut all = tools(4);
        all[2].control = true;
        let all: Vec<&Tool> = all.iter().collect();
        assert_eq!(services(&all), json!({"pflow.dev/services": {"s": ["t00000"]}}));
    }
}
