//! Content blocks that pflow's client can take.
//! Takes a block as the gateway sent it; gives one of MCP's five kinds. What fits stays; a block of an unknown kind becomes a text
//! that says it.

use std::borrow::Cow;

use crate::{
    fit::are_icons,
    json::{each_member, elements, pick, quote, unquote},
};

/// A text block.
pub(super) fn text(words: &str) -> String {
    let mut block = String::from(r#"{"type":"text","text":"#);
    quote(words, &mut block);
    block.push('}');
    block
}

/// The block in a form that fits; None: it fits as it is.
pub(super) fn fit(block: &str) -> Option<String> {
    let names = ["type", "text", "data", "mimeType", "uri", "name", "resource"];
    let Some([kind, words, data, mime, uri, name, resource]) = pick(block, names) else {
        return Some(text(&said(block)));
    };
    let mut new = Changes::default();
    match kind.and_then(unquote).as_deref() {
        Some("text") => new.needs_text("text", words, String::new),
        Some("image" | "audio") if data.is_some_and(is_text) => {
            new.needs_text("mimeType", mime, || "application/octet-stream".to_owned());
        }
        Some("resource_link") if uri.is_some_and(is_url) => {
            new.needs_text("name", name, || {
                let uri = uri.map(said).unwrap_or_default();
                uri.trim_end_matches('/').rsplit('/').next().filter(|last| !last.is_empty()).unwrap_or(&uri).to_owned()
            });
            new.link(block);
        }
        Some("resource") => match resource.and_then(|inside| Some(contents(inside)?.applied_or(inside))) {
            None => return Some(text(block)),
            Some(inside) if resource == Some(inside.as_ref()) => {}
            Some(inside) => new.0.push(("resource", Some(inside.into_owned()))),
        },
        _ => return Some(text(block)),
    }
    new.around(block);
    new.applied(block)
}

/// What a value says, as words: a string's own, anything else as it stands.
fn said(json: &str) -> String {
    unquote(json).map_or_else(|| json.to_owned(), Cow::into_owned)
}

fn is_text(json: &str) -> bool {
    json.starts_with('"')
}

/// pflow's client reads every URI as a URL.
fn is_url(json: &str) -> bool {
    unquote(json).is_some_and(|uri| url::Url::parse(&uri).is_ok())
}

/// What the contents of an embedded resource need to fit; None: they are none.
fn contents(json: &str) -> Option<Changes> {
    let [uri, text, blob] = pick(json, ["uri", "text", "blob"])?;
    let mut new = Changes::default();
    if !uri.is_some_and(is_url) || (text.is_none() && !blob.is_some_and(is_text)) {
        return None;
    }
    if !blob.is_some_and(is_text) {
        new.needs_text("text", text, String::new);
    }
    new.optional_texts(json, ["mimeType"]);
    new.meta(json);
    Some(new)
}

/// Members to be written anew, or left out.
#[derive(Default)]
struct Changes(Vec<(&'static str, Option<String>)>);

impl Changes {
    /// The member is a string; where it is something else, what that says.
    fn needs_text(&mut self, name: &'static str, given: Option<&str>, otherwise: impl FnOnce() -> String) {
        if given.is_some_and(is_text) {
            return;
        }
        let words = given.filter(|given| *given != "null").map_or_else(otherwise, said);
        let mut json = String::new();
        quote(&words, &mut json);
        self.0.push((name, Some(json)));
    }

    /// Each of these members is a string or absent.
    fn optional_texts<const N: usize>(&mut self, block: &str, names: [&'static str; N]) {
        let given = pick(block, names).unwrap_or([None; N]);
        for (name, given) in names.into_iter().zip(given) {
            if given.is_some_and(|given| given != "null") {
                self.needs_text(name, given, String::new);
            }
        }
    }

    fn link(&mut self, block: &str) {
        self.optional_texts(block, ["title", "description", "mimeType"]);
        let [size, icons] = pick(block, ["size", "icons"]).unwrap_or_default();
        if size.is_some_and(|size| size != "null" && size.parse::<u64>().is_err()) {
            self.0.push(("size", None));
        }
        if icons.is_some_and(|icons| icons != "null" && !are_icons(icons)) {
            self.0.push(("icons", None));
        }
    }

    /// What stands around the content of any kind.
    fn around(&mut self, block: &str) {
        let [annotations] = pick(block, ["annotations"]).unwrap_or_default();
        if annotations.is_some_and(|annotations| annotations != "null" && !are_annotations(annotations)) {
            self.0.push(("annotations", None));
        }
        self.meta(block);
    }

    fn meta(&mut self, block: &str) {
        let [meta] = pick(block, ["_meta"]).unwrap_or_default();
        if meta.is_some_and(|meta| meta != "null" && !meta.starts_with('{')) {
            self.0.push(("_meta", None));
        }
    }

    fn applied_or<'a>(&self, object: &'a str) -> Cow<'a, str> {
        self.applied(object).map_or(Cow::Borrowed(object), Cow::Owned)
    }

    /// The object with these changes; None: there are none.
    fn applied(&self, object: &str) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let mut out = String::from("{");
        let mut write = |name: &str, value: &str| {
            if out.len() > 1 {
                out.push(',');
            }
            quote(name, &mut out);
            out.push(':');
            out.push_str(value);
        };
        each_member(object, &mut |name, value| {
            if !self.0.iter().any(|(changed, _)| *changed == name) {
                write(&name, value.get());
            }
        });
        for (name, value) in &self.0 {
            if let Some(value) = value {
                write(name, value);
            }
        }
        // What is left out here is still said, where nobody stumbles over it.
        let left_out: Vec<&str> = self.0.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect();
        if !left_out.is_empty() {
            let mut ours = String::from("{");
            each_member(object, &mut |name, value| {
                if left_out.contains(&name.as_ref()) {
                    if ours.len() > 1 {
                        ours.push(',');
                    }
                    quote(&name, &mut ours);
                    ours.push(':');
                    ours.push_str(value.get());
                }
            });
            ours.push('}');
            write("pflow-gateway", &ours);
        }
        out.push('}');
        Some(out)
    }
}

/// `{"audience"?: ["user", "assistant"], "priority"?: 0 to 1}`
fn are_annotations(json: &str) -> bool {
    let Some([audience, priority]) = pick(json, ["audience", "priority"]) else { return false };
    let mut roles = true;
    let listed = audience.is_none_or(|audience| {
        audience == "null"
            || elements(audience, &mut |role| roles &= matches!(role.get(), r#""user""# | r#""assistant""#))
    });
    let between = priority.is_none_or(|priority| {
        priority == "null" || priority.parse::<f64>().is_ok_and(|priority| (0.0..=1.0).contains(&priority))
    });
    listed && roles && between
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_the_five_kinds_stay_as_they_are() {
        for good in [
            r#"{"type":"text","text":"x","annotations":{"audience":["user"],"priority":0.5,"lastModified":"2026"},"_meta":{},"x":1}"#,
            r#"{"type":"image","data":"x","mimeType":"image/png"}"#,
            r#"{"type":"audio","data":"x","mimeType":"audio/wav"}"#,
            r#"{"type":"resource_link","uri":"file:///a/b.pdf","name":"b.pdf","size":12,"title":null,"icons":[{"src":"data:,"}]}"#,
            r#"{"type":"resource","resource":{"uri":"notes://1","mimeType":"text/plain","text":"inside"}}"#,
            r#"{"type":"resource","resource":{"uri":"file:///r.pdf","blob":"JVBERi0="}}"#,
        ] {
            assert_eq!(fit(good), None, "{good}");
        }
    }

    #[test]
    fn everything_else_is_made_one_and_says_what_it_said() {
        for (odd, fitted) in [
            (r#"{"type":"text","text":42}"#, r#"{"type":"text","text":"42"}"#),
            (r#"{"type":"text","text":{"a":1.0}}"#, r#"{"type":"text","text":"{\"a\":1.0}"}"#),
            (r#"{"type":"text"}"#, r#"{"type":"text","text":""}"#),
            (r#""bare""#, r#"{"type":"text","text":"bare"}"#),
            (r#"{"type":"video","url":"x://y"}"#, r#"{"type":"text","text":"{\"type\":\"video\",\"url\":\"x://y\"}"}"#),
            (r#"{"type":"image","data":7}"#, r#"{"type":"text","text":"{\"type\":\"image\",\"data\":7}"}"#),
            (r#"{"type":"image","data":"x"}"#, r#"{"type":"image","data":"x","mimeType":"application/octet-stream"}"#),
            (
                r#"{"type":"resource_link","uri":"file:///a/b.pdf","size":"big"}"#,
                r#"{"type":"resource_link","uri":"file:///a/b.pdf","name":"b.pdf","pflow-gateway":{"size":"big"}}"#,
            ),
            (
                r#"{"type":"resource_link","uri":"b.pdf"}"#,
                r#"{"type":"text","text":"{\"type\":\"resource_link\",\"uri\":\"b.pdf\"}"}"#,
            ),
            (
                r#"{"type":"resource","resource":{"uri":"n://1","text":7}}"#,
                r#"{"type":"resource","resource":{"uri":"n://1","text":"7"}}"#,
            ),
            (
                r#"{"type":"resource","resource":{"text":"x"}}"#,
                r#"{"type":"text","text":"{\"type\":\"resource\",\"resource\":{\"text\":\"x\"}}"}"#,
            ),
            (
                r#"{"type":"text","text":"x","annotations":{"priority":7},"_meta":3}"#,
                r#"{"type":"text","text":"x","pflow-gateway":{"annotations":{"priority":7},"_meta":3}}"#,
            ),
        ] {
            assert_eq!(fit(odd).as_deref(), Some(fitted), "{odd}");
            assert_eq!(fit(fitted), None, "twice is once");
        }
    }
}
