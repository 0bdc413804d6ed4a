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

#[derive(Deserialize)]
struct RawPage<'a> {
    /// Some write null where they have none; without the member it is no list.
    #[serde(borrow, deserialize_with = "nullable")]
    tools: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default, rename = "nextCursor")]
    next: Option<&'a RawValue>,
    #[serde(default, rename = "ttlMs")]
    ttl_ms: Option<serde_json::Value>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

fn nullable<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<&'de RawValue>>, D::Error> {
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
    let raw: RawPage<'_> = serde_json::from_str(result)
        .map_err(|error| format!("the result of tools/list is no list of tools: {error}"))?;
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
        match one(tool.get(), era) {
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

/// The tool, and the members of its `_meta` that are ours alone to write.
fn one(text: &str, era: Era) -> Result<(Tool, Vec<String>), (Option<String>, String)> {
    let raw: RawTool<'_> = serde_json::from_str(text).map_err(|error| (None, text::clean(&error.to_string())))?;
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
