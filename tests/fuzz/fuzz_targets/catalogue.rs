//! Lists of tools, as pflow is shown them: every list is one that its client takes, arguments that were renamed come back as they were, and
//! nothing steers a terminal.

use crate::arbitrary;
use derive_arbitrary::Arbitrary;
use pflow_gateway::{fuzzing::listed, report::Tools};
use serde_json::{Map, Value, json};

/// What is tried.
#[derive(Arbitrary, Debug)]
pub struct Input {
    tools: Vec<Tool>,
    arguments: Vec<Word>,
}

#[derive(Arbitrary, Debug)]
struct Tool {
    name: String,
    title: Option<String>,
    description: Option<String>,
    input: Schema,
    output: Option<Schema>,
    meta: Option<Schema>,
    icons: Option<Schema>,
}

/// JSON that looks like a schema, and some that does not.
#[derive(Arbitrary, Debug)]
enum Schema {
    Null,
    True,
    False,
    Number(i16),
    Text(String),
    List(Vec<Schema>),
    Object(Vec<(Keyword, Schema)>),
    Properties(Vec<(Word, Schema)>, Vec<Word>),
}

#[derive(Arbitrary, Debug)]
enum Keyword {
    Type,
    Properties,
    Required,
    AllOf,
    AnyOf,
    Not,
    If,
    Defs,
    Ref,
    Items,
    Description,
    DependentRequired,
    Src,
    Other(String),
}

/// A name of an argument: those that pflow swallows, those that they become, and any.
#[derive(Arbitrary, Debug)]
enum Word {
    Timeout,
    TimeoutArg,
    TimeoutArgArg,
    ResultFormat,
    Hidden(u8),
    ArgHidden(u8),
    Any(String),
}

impl Word {
    fn text(&self) -> String {
        match self {
            Self::Timeout => "timeout".to_owned(),
            Self::TimeoutArg => "timeout_arg".to_owned(),
            Self::TimeoutArgArg => "timeout_arg_arg".to_owned(),
            Self::ResultFormat => "result_format".to_owned(),
            Self::Hidden(number) => format!("__{number}"),
            Self::ArgHidden(number) => format!("arg__{number}"),
            Self::Any(text) => text.clone(),
        }
    }
}

impl Schema {
    fn json(&self, depth: usize) -> Value {
        if depth > 20 {
            return Value::Null;
        }
        match self {
            Self::Null => Value::Null,
            Self::True => true.into(),
            Self::False => false.into(),
            Self::Number(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
            Self::List(all) => all.iter().map(|one| one.json(depth + 1)).collect(),
            Self::Object(members) => {
                let member = |(keyword, value): &(Keyword, Self)| (keyword.text(), value.json(depth + 1));
                Value::Object(members.iter().map(member).collect())
            }
            Self::Properties(properties, required) => {
                let named: Map<_, _> =
                    properties.iter().map(|(word, value)| (word.text(), value.json(depth + 1))).collect();
                let required: Vec<_> = required.iter().map(Word::text).collect();
                json!({"type": "object", "properties": named, "required": required})
            }
        }
    }
}

impl Keyword {
    fn text(&self) -> String {
        match self {
            Self::Type => "type",
            Self::Properties => "properties",
            Self::Required => "required",
            Self::AllOf => "allOf",
            Self::AnyOf => "anyOf",
            Self::Not => "not",
            Self::If => "if",
            Self::Defs => "$defs",
            Self::Ref => "$ref",
            Self::Items => "items",
            Self::Description => "description",
            Self::DependentRequired => "dependentRequired",
            Self::Src => "src",
            Self::Other(text) => text,
        }
        .to_owned()
    }
}

/// One input.
pub fn run(input: &Input) {
    let json = |schema: &Option<Schema>| schema.as_ref().map(|schema| schema.json(0));
    let tools: Vec<Value> = input
        .tools
        .iter()
        .take(8)
        .map(|tool| {
            json!({
                "name": tool.name, "title": tool.title, "description": tool.description, "service": null,
                "attribution": "none", "confidence": "none", "evidence": "", "input_schema": tool.input.json(0),
                "output_schema": json(&tool.output), "annotations": null, "_meta": json(&tool.meta), "icons": json(&tool.icons),
            })
        })
        .collect();
    let total = tools.len();
    let report = json!({"gateway": "g", "total": total, "pages": 1, "filtered_out": 0, "tools": tools, "warnings": []});
    let text = report.to_string();
    let Ok(report) = serde_json::from_str::<Tools>(&text) else { return };
    let given: Map<_, _> = input.arguments.iter().map(|word| (word.text(), json!(1))).collect();
    let given = Value::Object(given).to_string();
    let calls: Vec<_> = report.tools.iter().map(|tool| (tool.name.as_str(), given.as_str())).collect();
    let shown = listed(&report, &calls);
    assert!(shown.tools.0.len() <= text.len() * 12 + 8_192, "bounded by what came");
    for list in [&shown.tools.0, &shown.tools.1] {
        let list: Vec<Value> = serde_json::from_str(list).unwrap_or_else(|error| panic!("{error}: {list}"));
        assert!(list.len() <= report.tools.len());
        for (at, tool) in list.iter().enumerate() {
            let name = tool["name"].as_str().expect("a name");
            assert!(!list[..at].iter().any(|before| before["name"] == name), "two of one name");
            fits(tool);
            comes_back(tool, &report);
        }
    }
    for warning in &shown.warnings {
        assert!(!warning.chars().any(|c| c.is_control()), "{warning:?}");
    }
}

/// What pflow's client refuses a whole list for.
fn fits(tool: &Value) {
    let schema = tool["inputSchema"].as_object().unwrap_or_else(|| panic!("no schema: {tool}"));
    if let Some(properties) = schema.get("properties") {
        let properties = properties.as_object().unwrap_or_else(|| panic!("no properties: {tool}"));
        for name in properties.keys() {
            assert!(
                name != "timeout" && name != "result_format" && !name.starts_with("__"),
                "pflow keeps {name:?} for itself"
            );
        }
    }
    assert!(
        tool["description"]
            .as_str()
            .is_some_and(|text| { !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') })
    );
    assert!(tool["_meta"].is_object(), "{tool}");
    assert!(tool.get("outputSchema").is_none_or(Value::is_object), "{tool}");
}

/// Every argument that is shown is one that the tool knows, once it is given back.
fn comes_back(tool: &Value, report: &Tools) {
    let name = tool["name"].as_str().unwrap_or_default();
    let Some(listed) = report.tools.iter().find(|listed| listed.name == name) else { panic!("nobody listed {name}") };
    let properties = |schema: &Value| -> Vec<String> {
        schema["properties"].as_object().map(|named| named.keys().cloned().collect()).unwrap_or_default()
    };
    let shown = properties(&tool["inputSchema"]);
    let given: Map<_, _> = shown.iter().map(|name| (name.clone(), json!(name))).collect();
    let given = Value::Object(given).to_string();
    let back = pflow_gateway::fuzzing::listed(report, &[(name, &given)]).arguments.remove(0);
    let back: Map<String, Value> = serde_json::from_str(&back).expect("an object");
    assert_eq!(back.len(), shown.len(), "two became one: {back:?}");
    let real = properties(&listed.input_schema.to_value());
    for known in back.keys() {
        assert!(real.contains(known), "{known:?} is none of {real:?}");
    }
}
