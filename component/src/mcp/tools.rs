//! Tools as `tools/list` gives them.
//! Takes the text of a result; gives tools, one warning per tool that is against the protocol, and the next cursor.
//! Schemas stay text, never resolved. Must never drop a good tool because of a bad one.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{json_rpc, own_keys, param_headers};
use crate::{
    model::{Annotations, Concern, Era, Json, Provenance, Tool, Warning},
    names, text,
};

/// One page.
#[derive(Debug, Default)]
pub struct Page {
    /// In the order of the page, unattributed.
    pub tools: Vec<Tool>,
    /// Tools that were left out, and why.
    pub warnings: Vec<Warning>,
    /// Where to go on; an empty string is a cursor too.
    pub next: Option<String>,
    /// How long it may be cached.
    pub ttl_ms: Option<u64>,
    /// `_meta` of the result.
    pub meta: Option<Json>,
}

/// A page of whatever is taken for a tool.
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct RawPage<'a, T> {
    /// Some write null where they have none; without the member it is no list.
    #[serde(deserialize_with = "nullable")]
    tools: Option<Vec<T>>,
    #[serde(borrow, default, rename = "nextCursor")]
    next: Option<&'a RawValue>,
    #[serde(default, rename = "ttlMs")]
    ttl_ms: Option<serde_json::Value>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

fn nullable<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    Option::deserialize(deserializer)
}

#[derive(Deserialize)]
struct RawTool<'a> {
    #[serde(default)]
    name: Option<serde_json::Value>,
    #[serde(borrow, default)]
    title: Option<&'a RawValue>,
    #[serde(borrow, default)]
    description: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "inputSchema")]
    input_schema: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "outputSchema")]
    output_schema: Option<&'a RawValue>,
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
    #[serde(borrow, default)]
    icons: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAnnotations<'a> {
    #[serde(borrow, default)]
    title: Option<&'a RawValue>,
    #[serde(borrow, default)]
    read_only_hint: Option<&'a RawValue>,
    #[serde(borrow, default)]
    destructive_hint: Option<&'a RawValue>,
    #[serde(borrow, default)]
    idempotent_hint: Option<&'a RawValue>,
    #[serde(borrow, default)]
    open_world_hint: Option<&'a RawValue>,
}

/// Names are for wires and terminals; nothing useful is longer (the specification says 128).
const LONGEST_NAME: usize = 1024;

/// Reads the result of `tools/list`.
///
/// # Errors
///
/// A phrase: the result is no list of tools at all.
pub fn read(result: &str, era: Era) -> Result<Page, String> {
    // In one pass, unless something on the page is no tool: then one by one, so that it hides no other.
    if let Ok(page) = serde_json::from_str::<RawPage<'_, RawTool<'_>>>(result) {
        return whole(page, |tool| fit(tool, era));
    }
    let page: RawPage<'_, &RawValue> = serde_json::from_str(result)
        .map_err(|error| format!("the result of tools/list is no list of tools: {error}"))?;
    whole(page, |tool| one(tool.get(), era))
}

/// The tool, and the members of its `_meta` that are ours alone to write; or its name, and why it is none.
type Read = Result<(Tool, Vec<String>), (Option<String>, String)>;

fn whole<T>(raw: RawPage<'_, T>, read: impl Fn(T) -> Read) -> Result<Page, String> {
    let next = match raw.next {
        None => None,
        Some(cursor) => {
            Some(serde_json::from_str::<String>(cursor.get()).map_err(|_| "nextCursor is not a string".to_owned())?)
        }
    };
    let mut page = Page {
        next,
        ttl_ms: raw.ttl_ms.and_then(|ttl| ttl.as_f64()).map(whole_milliseconds),
        meta: object(raw.meta),
        ..Page::default()
    };
    if raw.tools.is_none() {
        page.warnings.push(Warning {
            concern: Concern::Other,
            subject: None,
            message: "the gateway's list of tools is null; it is taken for an empty one".to_owned(),
        });
    }
    for (position, tool) in raw.tools.into_iter().flatten().enumerate() {
        match read(tool) {
            Ok((tool, own)) => {
                if let Some(member) = own.first() {
                    page.warnings.push(Warning {
                        concern: Concern::Claim,
                        message: format!(
                            "the tool \"{}\" sends _meta[\"{member}\"], which only pflow-gateway writes; it was taken out",
                            names::shown(&tool.name)
                        ),
                        subject: Some(text::clean(&tool.name)),
                    });
                }
                page.tools.push(tool);
            }
            Err((name, problem)) => page.warnings.push(Warning {
                concern: Concern::MalformedTool,
                message: match &name {
                    Some(name) => format!("the tool \"{name}\" was left out: {problem}"),
                    None => format!("tool number {} of a page was left out: {problem}", position + 1),
                },
                subject: name,
            }),
        }
    }
    Ok(page)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped; negative counts as 0 by the specification"
)]
fn whole_milliseconds(ttl: f64) -> u64 {
    ttl.clamp(0.0, 1e15) as u64
}

fn one(text: &str, era: Era) -> Read {
    fit(serde_json::from_str(text).map_err(|error| (None, text::clean(&error.to_string())))?, era)
}

/// What is a tool by its form.
fn fit(raw: RawTool<'_>, era: Era) -> Read {
    let name = match raw.name {
        Some(serde_json::Value::String(name)) if !name.is_empty() => name,
        Some(serde_json::Value::String(_)) => return Err((None, "its name is empty".to_owned())),
        Some(_) => return Err((None, "its name is not a string".to_owned())),
        None => return Err((None, "it has no name".to_owned())),
    };
    let shown = || Some(text::clean(&name));
    if name.len() > LONGEST_NAME {
        return Err((shown(), format!("its name is longer than {LONGEST_NAME} bytes")));
    }
    if name.chars().any(char::is_control) {
        return Err((shown(), "its name has control characters".to_owned()));
    }
    let input_schema = match raw.input_schema {
        None => return Err((shown(), "it has no inputSchema".to_owned())),
        Some(schema) => object(Some(schema)).ok_or_else(|| (shown(), "its inputSchema is not an object".to_owned()))?,
    };
    if era == Era::Modern {
        param_headers::scan(&input_schema).map_err(|problem| (shown(), text::clean(&problem)))?;
    }
    let mut meta = object(raw.meta);
    let own = own_keys::take_out(&mut meta);
    let tool = Tool {
        title: string(raw.title),
        description: string(raw.description),
        input_schema,
        output_schema: object(raw.output_schema),
        annotations: raw.annotations.and_then(|raw| annotations(raw.get())),
        icons: raw
            .icons
            .filter(|icons| icons.get().starts_with('[') && json_rpc::is_sound(icons))
            .map(|icons| icons.get().to_owned()),
        meta,
        name,
        provenance: Provenance::default(),
    };
    Ok((tool, own))
}

fn object(raw: Option<&RawValue>) -> Option<Json> {
    raw.filter(|raw| raw.get().starts_with('{') && json_rpc::is_sound(raw)).map(|raw| raw.get().to_owned())
}

fn string(raw: Option<&RawValue>) -> Option<String> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

fn annotations(text: &str) -> Option<Annotations> {
    let raw: RawAnnotations<'_> = serde_json::from_str(text).ok()?;
    let hint = |raw: Option<&RawValue>| raw.and_then(|raw| serde_json::from_str::<bool>(raw.get()).ok());
    Some(Annotations {
        title: string(raw.title),
        read_only: hint(raw.read_only_hint),
        destructive: hint(raw.destructive_hint),
        idempotent: hint(raw.idempotent_hint),
        open_world: hint(raw.open_world_hint),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    /// What may stand in a list of tools: members in any number and of any type, and what is no object.
    fn element() -> impl Strategy<Value = String> {
        let member = prop_oneof![
            5 => Just(r#""name":"a""#),
            5 => Just(r#""inputSchema":{"type":"object"}"#),
            1 => Just(r#""name":7"#),
            1 => Just(r#""name":"\ud800""#),
            1 => Just(r#""title":"\ud800""#),
            1 => Just(r#""title":null"#),
            1 => Just(r#""description":["x"]"#),
            1 => Just(r#""inputSchema":{"x":"\udc00"}"#),
            1 => Just(r#""annotations":{"readOnlyHint":true,"title":1}"#),
            1 => Just(r#""annotations":{"title":"a","title":"b"}"#),
            1 => Just(r#""_meta":{"io.github.pflow-gateway/service":"x"}"#),
            1 => Just(r#""more":[{"name":"b"}]"#),
        ];
        let object = proptest::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")));
        let other = prop_oneof![Just("7"), Just("null"), Just("\"x\""), Just("[]"), Just(r#"["a"]"#), Just("true")];
        prop_oneof![9 => object, 1 => other.prop_map(str::to_owned)]
    }

    proptest! {
        #[test]
        fn a_page_is_the_same_whether_it_is_read_in_one_pass_or_tool_by_tool(
            elements in proptest::collection::vec(element(), 0..4),
            rest in prop_oneof![Just(""), Just(r#","nextCursor":"2","ttlMs":5"#), Just(r#","nextCursor":2"#), Just(r#","_meta":{"a":1}"#)],
            modern: bool,
        ) {
            let era = if modern { Era::Modern } else { Era::Legacy };
            let text = format!(r#"{{"tools":[{}]{rest}}}"#, elements.join(","));
            let page: RawPage<'_, &RawValue> = serde_json::from_str(&text).unwrap();
            let one_by_one = whole(page, |tool| one(tool.get(), era));
            prop_assert_eq!(format!("{:?}", read(&text, era)), format!("{:?}", one_by_one));
        }
    }

    #[test]
    fn what_is_no_tool_hides_no_other() {
        let text =
            r#"{"tools":[{"name":"a","inputSchema":{}},7,{"name":"a","name":"b"},{"name":"c","inputSchema":{}}]}"#;
        let page = read(text, Era::Legacy).unwrap();
        assert_eq!(page.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(page.warnings.len(), 2);
    }
}
