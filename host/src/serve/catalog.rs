//! The tools of a gateway as pflow shall see them.
//! Takes the filtered catalogue; gives MCP's tool objects, each saying where it is from. Schemas, annotations, titles and icons
//! pass as they came. Never shows two tools of one name.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::rename::Renames;
use crate::{
    report::{Confidence, Tool, Tools},
    scrub,
};

/// The member of `_meta` under which provenance is told.
pub(super) const META: &str = "pflow-gateway";

/// What is shown to pflow.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    tools: Vec<Value>,
    renames: HashMap<String, Renames>,
}

impl Catalog {
    /// Prepares the tools; the first of several with one name stays.
    pub(super) fn new(report: &Tools) -> Self {
        let mut catalog = Self::default();
        let mut seen = std::collections::HashSet::new();
        for tool in &report.tools {
            if tool.name.chars().any(char::is_control) {
                tracing::warn!(tool = %scrub::line(&tool.name, 128), "left out: its name has control characters");
            } else if seen.insert(tool.name.as_str()) {
                catalog.show(&report.gateway, tool);
            } else {
                tracing::warn!(tool = %tool.name, "left out: another tool has the same name; the first one stays");
            }
        }
        catalog
    }

    fn show(&mut self, gateway: &str, tool: &Tool) {
        let mut schema = tool.input_schema.clone();
        let renames = Renames::apply(&mut schema);
        let mut shown = Map::new();
        shown.insert("name".to_owned(), tool.name.clone().into());
        if let Some(title) = &tool.title {
            shown.insert("title".to_owned(), scrub::text(title).into());
        }
        shown.insert("description".to_owned(), description(gateway, tool, &renames).into());
        shown.insert("inputSchema".to_owned(), schema);
        for (name, value) in
            [("outputSchema", &tool.output_schema), ("annotations", &tool.annotations), ("icons", &tool.icons)]
        {
            if let Some(value) = value {
                shown.insert(name.to_owned(), value.clone());
            }
        }
        let mut meta = tool.meta.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
        let provenance = json!({
            "gateway": gateway, "service": tool.service, "attribution": tool.attribution, "confidence": tool.confidence,
            "evidence": tool.evidence,
        });
        meta.insert(META.to_owned(), provenance);
        shown.insert("_meta".to_owned(), Value::Object(meta));
        self.tools.push(Value::Object(shown));
        if !renames.is_empty() {
            self.renames.insert(tool.name.clone(), renames);
        }
    }

    /// MCP's tool objects.
    pub(super) fn tools(&self) -> &[Value] {
        &self.tools
    }

    /// Arguments as the tool knows them.
    pub(super) fn restore(&self, tool: &str, arguments: Map<String, Value>) -> Map<String, Value> {
        match self.renames.get(tool) {
            Some(renames) => renames.restore(arguments),
            None => arguments,
        }
    }
}

/// The tool's own words, then where it is from: `… [github via docker]`. A stock `pflow mcp list github` finds it by that.
fn description(gateway: &str, tool: &Tool, renames: &Renames) -> String {
    let mut text = tool.description.as_deref().map(|text| scrub::text(text).trim_end().to_owned()).unwrap_or_default();
    let mut add = |words: &str| {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(words);
    };
    if !renames.is_empty() {
        add(&renames.explain());
    }
    let gateway = scrub::line(gateway, 128);
    match (tool.service.as_deref().map(|service| scrub::line(service, 128)), tool.confidence) {
        (Some(service), Confidence::Certain | Confidence::High) => add(&format!("[{service} via {gateway}]")),
        (Some(service), Confidence::Low | Confidence::None) => add(&format!("[probably {service} via {gateway}]")),
        (None, _) => add(&format!("[via {gateway}]")),
    }
    text
}

#[cfg(test)]
pub(super) use tests::{catalogue, tool};

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on shall stop")]

    use super::*;
    use crate::report::Attribution;

    pub(in crate::serve) fn tool(name: &str, service: Option<&str>) -> Tool {
        Tool {
            name: name.to_owned(),
            title: None,
            description: None,
            service: service.map(str::to_owned),
            attribution: Attribution::Reported,
            confidence: Confidence::Certain,
            evidence: "said so".to_owned(),
            input_schema: json!({"type": "object"}),
            output_schema: None,
            annotations: None,
            meta: None,
            icons: None,
            original_name: None,
        }
    }

    pub(in crate::serve) fn catalogue(tools: Vec<Tool>) -> Tools {
        Tools {
            gateway: "docker".to_owned(),
            total: tools.len(),
            pages: 1,
            filtered_out: 0,
            filtered_because: std::collections::BTreeMap::new(),
            tools,
            warnings: Vec::new(),
            nothing: None,
        }
    }

    #[test]
    fn a_tool_says_where_it_is_from_and_keeps_everything_else() {
        let mut whole = tool("github_create_issue", Some("github"));
        whole.title = Some("Create".to_owned());
        whole.description = Some("Opens an issue.\n".to_owned());
        whole.output_schema = Some(json!({"type": "object", "x-odd": 1}));
        whole.annotations = Some(json!({"readOnlyHint": false, "vendor": true}));
        whole.icons = Some(json!([{"src": "data:,"}]));
        whole.meta = Some(json!({"theirs": {"a": [1]}}));
        let catalog = Catalog::new(&catalogue(vec![whole]));
        assert_eq!(
            catalog.tools(),
            [json!({
                "name": "github_create_issue", "title": "Create", "description": "Opens an issue. [github via docker]",
                "inputSchema": {"type": "object"}, "outputSchema": {"type": "object", "x-odd": 1},
                "annotations": {"readOnlyHint": false, "vendor": true}, "icons": [{"src": "data:,"}],
                "_meta": {"theirs": {"a": [1]}, "pflow-gateway": {
                    "gateway": "docker", "service": "github", "attribution": "reported", "confidence": "certain", "evidence": "said so"
                }}
            })]
        );
    }

    #[test]
    fn a_guess_is_called_one_and_an_unknown_origin_is_not_invented() {
        let guess = Tool { confidence: Confidence::Low, attribution: Attribution::Inferred, ..tool("a_b", Some("a")) };
        let catalog = Catalog::new(&catalogue(vec![guess, tool("c", None)]));
        assert_eq!(catalog.tools()[0]["description"], "[probably a via docker]");
        assert_eq!(catalog.tools()[1]["description"], "[via docker]");
        assert_eq!(catalog.tools()[1]["_meta"]["pflow-gateway"]["service"], Value::Null);
    }

    #[test]
    fn the_first_of_two_tools_with_one_name_stays() {
        let first = Tool { title: Some("first".to_owned()), ..tool("same", None) };
        let catalog = Catalog::new(&catalogue(vec![first, tool("same", None), tool("bad\u{1b}[0m", None)]));
        assert_eq!(catalog.tools().len(), 1);
        assert_eq!(catalog.tools()[0]["title"], "first");
    }

    #[test]
    fn a_renamed_argument_is_explained_and_restored() {
        let input_schema = json!({"type": "object", "properties": {"timeout": {"type": "integer"}}});
        let catalog = Catalog::new(&catalogue(vec![Tool { input_schema, ..tool("run", Some("ci")) }]));
        assert_eq!(
            catalog.tools()[0]["description"],
            "In pflow, the argument \"timeout\" is called \"timeout_arg\". [ci via docker]"
        );
        assert_eq!(catalog.tools()[0]["inputSchema"]["properties"], json!({"timeout_arg": {"type": "integer"}}));
        let arguments = json!({"timeout_arg": 5}).as_object().unwrap().clone();
        assert_eq!(Value::Object(catalog.restore("run", arguments.clone())), json!({"timeout": 5}));
        assert_eq!(Value::Object(catalog.restore("other", arguments)), json!({"timeout_arg": 5}));
    }

    #[test]
    fn nothing_a_gateway_wrote_steers_a_terminal_through_a_description() {
        let nasty = Tool { description: Some("\u{1b}]0;pwned\u{7}Hi".to_owned()), ..tool("t", Some("s\u{1b}[2J")) };
        let catalog = Catalog::new(&catalogue(vec![nasty]));
        assert!(!catalog.tools()[0]["description"].as_str().unwrap().contains('\u{1b}'));
    }
}
