//! Members of `_meta` that only this program writes: `pflow-gateway` and `pflow-gateway/…`.
//! Takes `_meta` as a peer sent it; gives it without them, and which there were. Must run before anything reads what a peer sent: with
//! such a member a tool could pass for another one.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;

use super::object::Object;
use crate::{model::Json, text};

/// What every one of them begins with.
const OWN: &str = "pflow-gateway";

fn is_own(name: &str) -> bool {
    name.strip_prefix(OWN).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.', ':']))
}

/// Takes them out; gives their names. What is left stays text: digits are not ours to rewrite.
pub fn take_out(meta: &mut Option<Json>) -> Vec<String> {
    // An escape may hide the name.
    let Some(theirs) = meta.as_deref().filter(|meta| meta.contains(OWN) || meta.contains('\\')) else {
        return Vec::new();
    };
    let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(theirs).unwrap_or_default();
    let own: Vec<String> = members.keys().filter(|name| is_own(name)).map(|name| text::clean(name)).collect();
    if !own.is_empty() {
        let others = members.iter().filter(|(name, _)| !is_own(name));
        let others = others.fold(Object::default(), |others, (name, value)| others.with(name, value));
        *meta = if others.is_empty() { None } else { serde_json::to_string(&others).ok() };
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(meta: &str) -> (Option<String>, Vec<String>) {
        let mut meta = Some(meta.to_owned());
        let names = take_out(&mut meta);
        (meta, names)
    }

    #[test]
    fn our_own_members_are_taken_out_however_they_are_written() {
        for own in [
            r#"{"pflow-gateway/service-id":"1"}"#,
            r#"{"pflow-gateway":{"service":"github"}}"#,
            r#"{"pflow\u002dgateway/x":1}"#,
        ] {
            let (left, names) = taken(own);
            assert_eq!((left, names.len()), (None, 1), "{own}");
        }
        assert_eq!(taken(r#"{"b":1.0,"pflow-gateway/x":2,"a":1e400}"#).0.as_deref(), Some(r#"{"a":1e400,"b":1.0}"#));
    }

    #[test]
    fn everything_else_stays_byte_for_byte() {
        for theirs in [r#"{"pflow-gateways":1, "x":"pflow-gateway/y"}"#, r#"{ "pflow.dev/service" : "a\n" }"#, "{}"] {
            assert_eq!(taken(theirs), (Some(theirs.to_owned()), vec![]));
        }
        assert!(take_out(&mut None).is_empty());
    }
}
