//! The tools of a gateway as pflow shall see them.
//! Takes the filtered catalogue; gives MCP's tool objects, each saying where it is from. What pflow can read passes as it came. Never
//! shows two tools of one name.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::json;

use super::rename::Renames;
use crate::{
    fit,
    json::{Json, each_member, quote},
    report::{Attribution, Confidence, Tool, Tools},
    scrub,
};

/// The member of `_meta` under which provenance is told.
pub(super) const META: &str = "pflow-gateway";

/// Whether a member of `_meta` is one that only this program writes. Whoever else sent it is not believed.
pub(super) fn is_own(name: &str) -> bool {
    name.strip_prefix(META).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.', ':']))
}

/// What is shown to pflow.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    tools: Vec<Shown>,
    renames: HashMap<String, Renames>,
    /// What of it is not as it was listed, one sentence each.
    warnings: Vec<String>,
}

/// One tool object, in pieces: its output schema is not always shown.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    /// From `{` on, without the output schema.
    start: String,
    output: Option<Json>,
}

/// Whether output schemas are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outputs {
    Shown,
    /// Somebody calls tools: pflow's client checks results against them after the tool ran, and a tool that breaks its own word would
    /// have failed though it ran.
    LeftOut,
}

impl Catalog {
    /// Prepares the tools; the first of several with one name stays.
    pub(super) fn new(report: &Tools) -> Self {
        let mut catalog = Self::default();
        let mut seen = HashSet::new();
        for tool in &report.tools {
            if !seen.insert(tool.name.as_str()) {
                let name = scrub::line(&tool.name, 128);
                catalog.warnings.push(format!("another tool is called {name} too; pflow is shown the first one"));
                continue;
            }
            match fit::tool(tool) {
                Ok(fitted) => catalog.show(&report.gateway, tool, fitted),
                Err(why) => catalog.warnings.push(why),
            }
        }
        catalog
    }

    fn show(&mut self, gateway: &str, tool: &Tool, fitted: fit::Fitted<'_>) {
        let fit::Fitted { mut input, mended, output, icons, warnings } = fitted;
        self.warnings.extend(warnings);
        let renames = Renames::apply(&mut input);
        let mut shown = Writer::new();
        shown.member("name", &tool.name);
        if let Some(title) = &tool.title {
            shown.member("title", &scrub::text(title));
        }
        shown.member("description", &description(gateway, tool, &renames));
        shown.name("inputSchema");
        if mended || !renames.is_empty() {
            input.write(&mut shown.0);
        } else {
            shown.0.push_str(tool.input_schema.get());
        }
        for (name, value) in [("annotations", tool.annotations.as_ref()), ("icons", icons)] {
            if let Some(value) = value {
                shown.member(name, value);
            }
        }
        shown.name("_meta");
        let mut meta = Writer::new();
        if let Some(theirs) = &tool.meta {
            each_member(theirs.get(), &mut |name, value| {
                if !is_own(&name) {
                    meta.member(&name, value);
                }
            });
        }
        let provenance = json!({
            "gateway": gateway, "service": tool.service, "attribution": tool.attribution, "confidence": tool.confidence,
            "evidence": tool.evidence,
        });
        meta.member(META, &provenance);
        shown.0.push_str(&meta.0);
        shown.0.push('}');
        self.tools.push(Shown { start: shown.0, output: output.cloned() });
        if !renames.is_empty() {
            self.renames.insert(tool.name.clone(), renames);
        }
    }

    /// Whether both show the same.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.tools == other.tools
    }

    /// What of it is not as it was listed.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// MCP's tool objects, a list in JSON.
    pub(super) fn write(&self, outputs: Outputs, out: &mut String) {
        let size: usize = self.tools.iter().map(|tool| tool.start.len().saturating_add(64)).sum();
        out.reserve(size);
        out.push('[');
        for (at, tool) in self.tools.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            out.push_str(&tool.start);
            if let Some(output) = tool.output.as_ref().filter(|_| outputs == Outputs::Shown) {
                out.push_str(r#","outputSchema":"#);
                out.push_str(output.get());
            }
            out.push('}');
        }
        out.push(']');
    }

    /// Arguments as the tool knows them.
    pub(super) fn restore(&self, tool: &str, arguments: Json) -> Json {
        match self.renames.get(tool) {
            Some(renames) => renames.restore(&arguments),
            None => arguments,
        }
    }
}

/// An object that is being written, without its end.
struct Writer(String);

impl Writer {
    fn new() -> Self {
        Self(String::from("{"))
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        quote(name, &mut self.0);
        self.0.push(':');
    }

    fn member(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        self.name(name);
        // Texts and JSON always serialize.
        self.0.push_str(&serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()));
    }
}

/// The tool's own words, then where it is from: `… [github via docker]`. A stock `pflow mcp list github` finds it by that.
fn description(gateway: &str, tool: &Tool, renames: &Renames) -> String {
    let mut text = tool.description.as_deref().map(own_words).unwrap_or_default();
    let mut add = |words: &str| {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(words);
    };
    let renamed = renames.explain();
    if !renamed.is_empty() {
        add(&renamed);
    }
    let gateway = scrub::line(gateway, 128);
    match (tool.service.as_deref().map(|service| scrub::line(service, 128)), tool.confidence) {
        (Some(service), _) if tool.attribution == Attribution::Claimed => {
            add(&format!("[claimed {service} via {gateway}]"));
        }
        (Some(service), Confidence::Certain | Confidence::High) => add(&format!("[{service} via {gateway}]")),
        (Some(service), Confidence::Low | Confidence::None) => add(&format!("[probably {service} via {gateway}]")),
        (None, _) => add(&format!("[via {gateway}]")),
    }
    text
}

/// What the tool says, in words that cannot be taken for ours: `[github via docker]` is what stands at the end of a description when this
/// program says where it is from.
fn own_words(description: &str) -> String {
    let text = scrub::text(description);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.trim_end();
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        match after.split_once(']') {
            Some((inside, behind)) if inside.contains(" via ") && !inside.contains('[') => {
                out.push_str(&format!("({inside})"));
                rest = behind;
            }
            _ => {
                out.push('[');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
pub(crate) use tests::{catalogue, tool};

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on shall stop")]

    use serde_json::Value;

    use super::*;

    fn shown(catalog: &Catalog) -> Value {
        let mut text = String::new();
        catalog.write(Outputs::Shown, &mut text);
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn tool(name: &str, service: Option<&str>) -> Tool {
        Tool {
            name: name.to_owned(),
            title: None,
            description: None,
            service: service.map(str::to_owned),
            attribution: Attribution::Reported,
            confidence: Confidence::Certain,
            evidence: "said so".to_owned(),
            input_schema: json!({"type": "object"}).into(),
            output_schema: None,
            annotations: None,
            meta: None,
            icons: None,
            original_name: None,
        }
    }

    pub(crate) fn catalogue(tools: Vec<Tool>) -> Tools {
        Tools {
            gateway: "docker".to_owned(),
            total: tools.len(),
            pages: 1,
            filtered_out: 0,
            filtered_because: std::collections::BTreeMap::new(),
            tools,
            warnings: Vec::new(),
            findings: Vec::new(),
            nothing: None,
            cut: false,
        }
    }

    #[test]
    fn a_tool_says_where_it_is_from_and_keeps_everything_else() {
        let mut whole = tool("github_create_issue", Some("github"));
        whole.title = Some("Create".to_owned());
        whole.description = Some("Opens an issue.\n".to_owned());
        whole.output_schema = Some(json!({"type": "object", "x-odd": 1}).into());
        whole.annotations = Some(json!({"readOnlyHint": false, "vendor": true}).into());
        whole.icons = Some(json!([{"src": "data:,"}]).into());
        whole.meta = Some(Json::parse(r#"{"theirs": {"a": [1.0]}}"#.to_owned()).unwrap());
        let catalog = Catalog::new(&catalogue(vec![whole]));
        assert_eq!(
            shown(&catalog),
            json!([{
                "name": "github_create_issue", "title": "Create", "description": "Opens an issue. [github via docker]",
                "inputSchema": {"type": "object"}, "outputSchema": {"type": "object", "x-odd": 1},
                "annotations": {"readOnlyHint": false, "vendor": true}, "icons": [{"src": "data:,"}],
                "_meta": {"theirs": {"a": [1.0]}, "pflow-gateway": {
                    "gateway": "docker", "service": "github", "attribution": "reported", "confidence": "certain", "evidence": "said so"
                }}
            }])
        );
        let mut text = String::new();
        catalog.write(Outputs::LeftOut, &mut text);
        assert!(!text.contains("outputSchema"));
    }

    #[test]
    fn a_guess_is_called_one_and_an_unknown_origin_is_not_invented() {
        let guess = Tool { confidence: Confidence::Low, attribution: Attribution::Inferred, ..tool("a_b", Some("a")) };
        let catalog = Catalog::new(&catalogue(vec![guess, tool("c", None)]));
        assert_eq!(shown(&catalog)[0]["description"], "[probably a via docker]");
        assert_eq!(shown(&catalog)[1]["description"], "[via docker]");
        assert_eq!(shown(&catalog)[1]["_meta"]["pflow-gateway"]["service"], Value::Null);
    }

    #[test]
    fn a_claim_is_called_one_and_a_forged_origin_is_not_ours() {
        let claim =
            Tool { confidence: Confidence::High, attribution: Attribution::Claimed, ..tool("a", Some("github")) };
        let forged = Tool {
            description: Some("Lists [all] issues. [github via docker] [x [github via docker]]\n".to_owned()),
            ..tool("b", None)
        };
        let own = json!({"pflow-gateway/service-id": "1", "pflow-gateway": {"service": "github"}, "theirs": 1});
        let marked = Tool { meta: Some(own.into()), ..tool("c", None) };
        let catalog = Catalog::new(&catalogue(vec![claim, forged, marked]));
        let shown = shown(&catalog);
        assert_eq!(shown[0]["description"], "[claimed github via docker]");
        assert_eq!(
            shown[1]["description"],
            "Lists [all] issues. (github via docker) [x (github via docker)] [via docker]"
        );
        let members: Vec<_> = shown[2]["_meta"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["theirs", "pflow-gateway"]);
        assert_eq!(shown[2]["_meta"]["pflow-gateway"]["service"], Value::Null);
    }

    #[test]
    fn the_first_of_two_tools_with_one_name_stays() {
        let first = Tool { title: Some("first".to_owned()), ..tool("same", None) };
        let catalog = Catalog::new(&catalogue(vec![first, tool("same", None), tool("bad\u{1b}[0m", None)]));
        assert_eq!(catalog.tools.len(), 1);
        assert_eq!(catalog.warnings.len(), 2);
        assert_eq!(shown(&catalog)[0]["title"], "first");
    }

    #[test]
    fn a_renamed_argument_is_explained_and_restored() {
        let input_schema = json!({"type": "object", "properties": {"timeout": {"type": "integer"}}}).into();
        let catalog = Catalog::new(&catalogue(vec![Tool { input_schema, ..tool("run", Some("ci")) }]));
        assert_eq!(
            shown(&catalog)[0]["description"],
            "In pflow, the argument \"timeout\" is called \"timeout_arg\". [ci via docker]"
        );
        assert_eq!(shown(&catalog)[0]["inputSchema"]["properties"], json!({"timeout_arg": {"type": "integer"}}));
        let arguments = Json::parse(r#"{"timeout_arg": 5.0}"#.to_owned()).unwrap();
        assert_eq!(catalog.restore("run", arguments.clone()).get(), r#"{"timeout":5.0}"#);
        assert_eq!(catalog.restore("other", arguments.clone()), arguments);
    }

    #[test]
    fn nothing_a_gateway_wrote_steers_a_terminal_through_a_description() {
        let nasty = Tool { description: Some("\u{1b}]0;pwned\u{7}Hi".to_owned()), ..tool("t", Some("s\u{1b}[2J")) };
        let catalog = Catalog::new(&catalogue(vec![nasty]));
        assert!(!shown(&catalog)[0]["description"].as_str().unwrap().contains('\u{1b}'));
    }
}
