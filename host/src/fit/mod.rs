//! What pflow's MCP client can take of what gateways send.
//! Takes tools as they were listed; gives them as pflow can read them, and says in words what that changed. One odd tool never hides the
//! others, and what can be read as it is stays as it is, byte for byte.

mod input;
mod output;

use std::collections::HashSet;

pub use self::{input::input, output::output};
use crate::{
    json::{Json, Node, elements, pick},
    report::Tool,
    scrub,
};

/// Text of a schema at most, in bytes. Real ones have some kilobytes; the largest that was seen had 400.
const SCHEMA: usize = 2 * 1024 * 1024;

/// Arguments of a tool at most.
const ARGUMENTS: usize = 10_000;

/// Mends of one tool that are told.
const TOLD: usize = 3;

/// A tool as pflow can take it.
pub struct Fitted<'a> {
    /// The input schema as a tree, mended.
    pub input: Node<'a>,
    /// Whether it is another one than was listed.
    pub mended: bool,
    /// The output schema; None: there is none, or pflow's client would stumble over it after the tool ran.
    pub output: Option<&'a Json>,
    /// The icons, where they are some.
    pub icons: Option<&'a Json>,
    /// What was changed, one sentence each.
    pub warnings: Vec<String>,
}

/// Fits one tool.
///
/// # Errors
///
/// Why pflow cannot be shown it at all, in a sentence.
pub fn tool(tool: &Tool) -> Result<Fitted<'_>, String> {
    let name = scrub::line(&tool.name, 128);
    let left_out = |why: String| format!("the tool {name} is not shown to pflow: {why}");
    if tool.name.chars().any(char::is_control) {
        return Err(left_out("its name has control characters".to_owned()));
    }
    if scrub::is_hidden_name(&tool.name) {
        let spelled = scrub::line(&scrub::spelled(&tool.name), 128);
        return Err(left_out(format!("its name has invisible characters (spelled out: {spelled})")));
    }
    let text = tool.input_schema.get();
    if text.len() > SCHEMA {
        return Err(left_out(format!("its inputSchema has {} bytes, and at most {SCHEMA} are taken", text.len())));
    }
    let mut schema = Node::parse(text).ok_or_else(|| left_out("its inputSchema cannot be read".to_owned()))?;
    let changes = input(&mut schema);
    if let Some(Node::Object(arguments)) = schema.get("properties")
        && arguments.len() > ARGUMENTS
    {
        return Err(left_out(format!("it has {} arguments, and at most {ARGUMENTS} are taken", arguments.len())));
    }
    let mut warnings = Vec::new();
    if !changes.is_empty() {
        warnings.push(format!("the inputSchema of {name} was mended for pflow: {}", few(&changes)));
    }
    let output = tool.output_schema.as_ref().filter(|schema| match output(schema.get()) {
        Ok(()) => true,
        Err(why) => {
            warnings.push(format!("the outputSchema of {name} is not shown to pflow: {why}"));
            false
        }
    });
    let icons = tool.icons.as_ref().filter(|icons| {
        let good = are_icons(icons.get());
        if !good {
            warnings
                .push(format!("the icons of {name} are not shown to pflow: they are no list of icons with a \"src\""));
        }
        good
    });
    Ok(Fitted { input: schema, mended: !changes.is_empty(), output, icons, warnings })
}

/// What of these tools pflow is not shown as it was listed, a sentence each.
#[must_use]
pub fn warnings(tools: &[Tool]) -> Vec<String> {
    let mut seen = HashSet::new();
    tools
        .iter()
        // Of several tools of one name the first is shown; the component says so.
        .filter(|tool| seen.insert(tool.name.as_str()))
        .flat_map(|shown| tool(shown).map_or_else(|why| vec![why], |fitted| fitted.warnings))
        .collect()
}

/// The first of them, and how many more there are.
fn few(changes: &[String]) -> String {
    let mut text = changes.iter().take(TOLD).cloned().collect::<Vec<_>>().join("; ");
    let more = changes.len().saturating_sub(TOLD);
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    text
}

/// A list of `{"src": …, "mimeType"?: …, "sizes"?: […]}`. pflow's client refuses all tools of a list for one icon that is none.
#[must_use]
pub fn are_icons(json: &str) -> bool {
    let text = |json: Option<&str>| json.is_none_or(|json| json == "null" || json.starts_with('"'));
    let mut good = true;
    let is_list = elements(json, &mut |icon| {
        let fits = pick(icon.get(), ["src", "mimeType", "sizes"]).is_some_and(|[src, mime, sizes]| {
            let mut strings = true;
            let listed = sizes.is_none_or(|sizes| {
                sizes == "null" || elements(sizes, &mut |size| strings &= size.get().starts_with('"'))
            });
            src.is_some_and(|src| src.starts_with('"')) && text(mime) && listed && strings
        });
        good &= fits;
    });
    is_list && good
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use serde_json::json;

    use super::*;
    use crate::serve::tests_tool as listed;

    #[test]
    fn what_pflow_is_not_shown_is_told_tool_by_tool() {
        let mut odd = listed("odd", None);
        odd.input_schema = json!({"type": "object", "properties": {"a": true, "b": null, "c": "x", "d": false}}).into();
        odd.output_schema = Some(json!({"type": "Number|null"}).into());
        odd.icons = Some(json!([{"href": "x"}]).into());
        let told = warnings(&[listed("good", None), odd]);
        assert_eq!(
            told,
            [
                "the inputSchema of odd was mended for pflow: \"a\" was true, now {}; \"b\" was null, now {}; \
                 \"c\" was a text, now its description; and 1 more",
                "the outputSchema of odd is not shown to pflow: \"Number|null\" is no type",
                "the icons of odd are not shown to pflow: they are no list of icons with a \"src\"",
            ]
        );
    }

    #[test]
    fn a_tool_that_is_too_large_is_left_out_and_told() {
        let mut wide = listed("wide", None);
        let arguments: serde_json::Map<_, _> = (0..10_001).map(|n| (format!("a{n}"), json!({}))).collect();
        wide.input_schema = json!({"type": "object", "properties": arguments}).into();
        assert_eq!(
            tool(&wide).map(|_| ()).unwrap_err(),
            "the tool wide is not shown to pflow: it has 10001 arguments, and at most 10000 are taken"
        );
        let mut long = listed("long", None);
        long.input_schema = json!({"description": "x".repeat(SCHEMA)}).into();
        assert!(tool(&long).map(|_| ()).unwrap_err().contains("bytes, and at most 2097152 are taken"));
    }

    #[test]
    fn a_good_tool_is_not_touched() {
        let mut good = listed("good", None);
        good.input_schema = json!({"type": "object", "properties": {"a": {"type": ["string", "null"]}}}).into();
        good.output_schema = Some(json!({"type": "object"}).into());
        good.icons = Some(json!([{"src": "data:,", "sizes": ["any"], "theme": "dark"}]).into());
        let fitted = tool(&good).unwrap_or_else(|why| unreachable!("{why}"));
        assert!(!fitted.mended && fitted.warnings.is_empty() && fitted.output.is_some() && fitted.icons.is_some());
    }
}
