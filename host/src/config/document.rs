//! The text of a JSON file, changed in one place.
//! Takes text that was parsed before, and what to put or take out; gives the text back, every other byte as it was. Never looks into values.

use std::{io, ops::Range};

use serde::Serialize as _;
use serde_json::{
    Value,
    ser::{Formatter, PrettyFormatter, Serializer},
};

/// A file without servers, as pflow writes it.
const EMPTY: &str = "{\n  \"mcpServers\": {}\n}\n";

/// Text of a JSON object.
#[derive(Clone, Debug)]
pub(super) struct Document(String);

/// A member of an object: where its key begins, and its value.
struct Place {
    key: String,
    at: usize,
    value: Range<usize>,
}

/// How the file is laid out.
enum Style {
    /// One member per line.
    Lines { unit: String, newline: &'static str },
    /// All on one line, with or without blanks.
    Line { spaced: bool },
}

impl Document {
    /// None: an empty one.
    pub(super) fn new(text: Option<&str>) -> Self {
        Self(text.filter(|text| !text.trim().is_empty()).unwrap_or(EMPTY).to_owned())
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// The text of a member of a member of the object; of two with one name the last, which is the one that counts.
    pub(super) fn of(&self, object: &str, name: &str) -> Option<&str> {
        let place = self.inside(object)?.1.into_iter().rfind(|place| place.key == name)?;
        self.0.get(place.value)
    }

    /// Names that are in the object more than once, with their lines.
    pub(super) fn twice(&self, object: &str) -> Vec<(String, Vec<usize>)> {
        let places = self.inside(object).map(|(_, places)| places).unwrap_or_default();
        let mut seen: Vec<(String, Vec<usize>)> = Vec::new();
        for place in places {
            let line = 1 + self.0.get(..place.at).map_or(0, |before| before.matches('\n').count());
            match seen.iter_mut().find(|(name, _)| *name == place.key) {
                Some((_, lines)) => lines.push(line),
                None => seen.push((place.key, vec![line])),
            }
        }
        seen.retain(|(_, lines)| lines.len() > 1);
        seen
    }

    /// A value as it would be written into the object.
    pub(super) fn laid_out(&self, object: &str, name: &str, value: &Value) -> String {
        let style = self.style();
        let known = self.inside(object).map(|(_, places)| places).unwrap_or_default();
        let beside = known.iter().rfind(|place| place.key == name).or(known.last());
        let indent = beside.and_then(|place| self.indent(place.at)).unwrap_or_else(|| style.indent(2));
        style.lay_out(value, &indent)
    }

    /// Puts a member into a member of the object, in place of the one that has its name; `text` is the value's.
    pub(super) fn put(&mut self, object: &str, name: &str, text: &str) {
        if self.inside(object).is_none() {
            self.insert(None, object, "{}");
        }
        let Some((_, places)) = self.inside(object) else { return };
        match places.into_iter().rfind(|place| place.key == name) {
            Some(place) => self.0.replace_range(place.value, text),
            None => self.insert(Some(object), name, text),
        }
    }

    /// Takes every member of this name out of a member of the object.
    pub(super) fn remove(&mut self, object: &str, name: &str) {
        while let Some((whole, places)) = self.inside(object) {
            let Some(at) = places.iter().position(|place| place.key == name) else { return };
            let (before, this, after) =
                (at.checked_sub(1).and_then(|at| places.get(at)), places.get(at), places.get(at + 1));
            let range = match (before, this, after) {
                (_, Some(this), Some(after)) => this.at..after.at,
                (Some(before), Some(this), None) => before.value.end..this.value.end,
                _ => {
                    self.0.replace_range(whole, "{}");
                    return;
                }
            };
            self.0.replace_range(range, "");
        }
    }

    /// Behind the last member of the object, or of the whole.
    fn insert(&mut self, object: Option<&str>, name: &str, text: &str) {
        let style = self.style();
        let found = match object {
            Some(object) => self.inside(object),
            None => self.root(),
        };
        let Some((whole, places)) = found else { return };
        let key = Value::from(name).to_string();
        let depth = 1 + usize::from(object.is_some());
        let colon = if matches!(style, Style::Line { spaced: false }) { ":" } else { ": " };
        if let Some(last) = places.last() {
            let gap = match &style {
                Style::Line { spaced: true } => " ".to_owned(),
                Style::Line { spaced: false } => String::new(),
                Style::Lines { newline, .. } => {
                    format!("{newline}{}", self.indent(last.at).unwrap_or_else(|| style.indent(depth)))
                }
            };
            self.0.insert_str(last.value.end, &format!(",{gap}{key}{colon}{text}"));
        } else {
            let inside = match &style {
                Style::Line { .. } => format!("{{{key}{colon}{text}}}"),
                Style::Lines { newline, .. } => {
                    let (deep, shallow) = (style.indent(depth), style.indent(depth - 1));
                    format!("{{{newline}{deep}{key}{colon}{text}{newline}{shallow}}}")
                }
            };
            self.0.replace_range(whole, &inside);
        }
    }

    fn style(&self) -> Style {
        let newline = if self.0.contains("\r\n") { "\r\n" } else { "\n" };
        let unit = self.root().and_then(|(_, places)| self.indent(places.first()?.at)).filter(|unit| !unit.is_empty());
        match unit {
            Some(unit) => Style::Lines { unit, newline },
            None if self.0.trim().contains('\n') => Style::Lines { unit: "  ".to_owned(), newline },
            None => Style::Line { spaced: self.0.contains("\": ") },
        }
    }

    /// The white space before this place, when nothing else is before it on its line.
    fn indent(&self, at: usize) -> Option<String> {
        let (_, line) = self.0.get(..at)?.rsplit_once('\n')?;
        line.trim().is_empty().then(|| line.to_owned())
    }

    fn root(&self) -> Option<(Range<usize>, Vec<Place>)> {
        members(&self.0, self.0.find('{')?)
    }

    /// Where a member of the object is, and what is in it.
    fn inside(&self, object: &str) -> Option<(Range<usize>, Vec<Place>)> {
        let place = self.root()?.1.into_iter().rfind(|place| place.key == object)?;
        members(&self.0, place.value.start)
    }
}

impl Style {
    fn indent(&self, depth: usize) -> String {
        match self {
            Self::Lines { unit, .. } => unit.repeat(depth),
            Self::Line { .. } => String::new(),
        }
    }

    fn lay_out(&self, value: &Value, indent: &str) -> String {
        match self {
            Self::Lines { unit, newline } => {
                let text = written(value, PrettyFormatter::with_indent(unit.as_bytes()));
                text.replace('\n', &format!("{newline}{indent}"))
            }
            Self::Line { spaced: true } => written(value, Spaced),
            Self::Line { spaced: false } => value.to_string(),
        }
    }
}

fn written(value: &Value, formatter: impl Formatter) -> String {
    let mut bytes = Vec::new();
    // Writing a value to memory cannot fail; if it did, the safe form is the plain one.
    match value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter)) {
        Ok(()) => String::from_utf8(bytes).unwrap_or_else(|_| value.to_string()),
        Err(_) => value.to_string(),
    }
}

/// `{"a": 1, "b": 2}`, as Python writes it.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

/// The members of the object that begins here, and where it ends. None: there is no object.
fn members(text: &str, open: usize) -> Option<(Range<usize>, Vec<Place>)> {
    let bytes = text.as_bytes();
    if bytes.get(open) != Some(&b'{') {
        return None;
    }
    let mut places = Vec::new();
    let mut at = blank(bytes, open + 1);
    while bytes.get(at) == Some(&b'"') {
        let key_end = value_end(bytes, at)?;
        let key = serde_json::from_str(text.get(at..key_end)?).ok()?;
        let colon = blank(bytes, key_end);
        let start = blank(bytes, colon + 1);
        let end = value_end(bytes, start)?;
        places.push(Place { key, at, value: start..end });
        at = blank(bytes, end);
        if bytes.get(at) == Some(&b',') {
            at = blank(bytes, at + 1);
        }
    }
    (bytes.get(at) == Some(&b'}')).then_some((open..at + 1, places))
}

fn blank(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// Behind the value that begins here.
fn value_end(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut depth) = (start, 0_usize);
    loop {
        match *bytes.get(at)? {
            b'"' => at = string_end(bytes, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                // Of the holder, behind a number or a word.
                let Some(less) = depth.checked_sub(1) else { return Some(at) };
                depth = less;
                at += 1;
            }
            c if depth == 0 && at > start && (c == b',' || c.is_ascii_whitespace()) => return Some(at),
            _ => {
                at += 1;
                continue;
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match *bytes.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const SERVERS: &str = "mcpServers";

    /// Puts a value in, as it is laid out there.
    fn put(text: &str, name: &str, value: &Value) -> String {
        let mut document = Document::new(Some(text));
        let laid_out = document.laid_out(SERVERS, name, value);
        document.put(SERVERS, name, &laid_out);
        document.text().to_owned()
    }

    #[test]
    fn a_new_entry_is_laid_out_as_the_file_is() {
        let new = json!({"x": [1, {}], "y": "ü"});
        for (before, after) in [
            (r#"{"mcpServers":{"a":{"b":1}}}"#, r#"{"mcpServers":{"a":{"b":1},"n":{"x":[1,{}],"y":"ü"}}}"#),
            (r#"{"mcpServers": {"a": {"b": 1}}}"#, r#"{"mcpServers": {"a": {"b": 1}, "n": {"x": [1, {}], "y": "ü"}}}"#),
            (r#"{"mcpServers": {}}"#, r#"{"mcpServers": {"n": {"x": [1, {}], "y": "ü"}}}"#),
            (
                "{\r\n\t\"mcpServers\": {\r\n\t\t\"a\": 1\r\n\t}\r\n}",
                "{\r\n\t\"mcpServers\": {\r\n\t\t\"a\": 1,\r\n\t\t\"n\": {\r\n\t\t\t\"x\": [\r\n\t\t\t\t1,\r\n\t\t\t\t{}\r\n\t\t\t],\r\n\t\t\t\"y\": \"ü\"\r\n\t\t}\r\n\t}\r\n}",
            ),
            (
                "{\n  \"z\": 1e2\n}\n",
                "{\n  \"z\": 1e2,\n  \"mcpServers\": {\n    \"n\": {\n      \"x\": [\n        1,\n        {}\n      ],\n      \"y\": \"ü\"\n    }\n  }\n}\n",
            ),
        ] {
            assert_eq!(put(before, "n", &new), after);
        }
    }

    #[test]
    fn of_two_entries_with_one_name_the_last_counts_and_both_go() {
        let text = "{\"mcpServers\": {\n\"a\": 1,\n\"b\": 2,\n\"a\": 3}}";
        let mut document = Document::new(Some(text));
        assert_eq!(document.of(SERVERS, "a"), Some("3"));
        assert_eq!(document.twice(SERVERS), [("a".to_owned(), vec![2, 4])]);
        document.put(SERVERS, "a", "4");
        assert_eq!(document.text(), "{\"mcpServers\": {\n\"a\": 1,\n\"b\": 2,\n\"a\": 4}}");
        document.remove(SERVERS, "a");
        assert_eq!(document.text(), "{\"mcpServers\": {\n\"b\": 2}}");
        document.remove(SERVERS, "b");
        assert_eq!(document.text(), "{\"mcpServers\": {}}");
    }

    proptest! {
        #[test]
        fn what_is_put_and_taken_out_leaves_every_byte_as_it_was(names in prop::collection::vec("[a-z\"\\\\ü{}]{1,6}", 0..5), text in "\\PC*", pretty in any::<bool>()) {
            let servers: serde_json::Map<_, _> = names.iter().map(|name| (name.clone(), json!({"t": text, "n": [1, "}", null]}))).collect();
            let whole = json!({"z": "{", SERVERS: servers, "a": []});
            let before = if pretty { format!("{whole:#}\n") } else { whole.to_string() };
            let mut document = Document::new(Some(&before));
            let value = json!({"new": [true]});
            let laid_out = document.laid_out(SERVERS, "NEW", &value);
            document.put(SERVERS, "NEW", &laid_out);
            let parsed: Value = serde_json::from_str(document.text()).unwrap();
            prop_assert_eq!(parsed.get(SERVERS).and_then(|s| s.get("NEW")), Some(&value));
            document.remove(SERVERS, "NEW");
            prop_assert_eq!(document.text(), before);
        }
    }
}
