//! Changes one entry of a JSON file and leaves every other byte as it is.
//! Takes the text of a JSON object and a path of two names; gives the changed text. Never prints anything anew that it was not
//! asked to change: numbers, escapes, order and spacing of everything else stay.

use serde_json::Value;

/// A member of an object: where its key starts, and where its value is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    key: String,
    start: usize,
    value: std::ops::Range<usize>,
}

/// Sets `text[section][name] = value`. The text must be a JSON object, or empty.
///
/// Gives `None` when the text has another shape: then nothing can be changed safely.
pub(super) fn set(text: &str, section: &str, name: &str, value: &Value) -> Option<String> {
    let text = if text.trim().is_empty() { "{}\n" } else { text };
    let outer = text.len() - text.trim_start().len();
    match members(text, outer)?.into_iter().rfind(|member| member.key == section) {
        None => {
            let mut object = serde_json::Map::new();
            object.insert(name.to_owned(), value.clone());
            insert(text, outer, section, &Value::Object(object), 1)
        }
        Some(found) => match members(text, found.value.start)?.into_iter().rfind(|member| member.key == name) {
            Some(entry) => replace(text, entry.value, &printed(value, 2)?),
            None => insert(text, found.value.start, name, value, 2),
        },
    }
}

/// Removes `text[section][name]`, every one if there are several.
pub(super) fn unset(text: &str, section: &str, name: &str) -> Option<String> {
    let outer = text.len() - text.trim_start().len();
    let mut text = text.to_owned();
    loop {
        let Some(found) = members(&text, outer)?.into_iter().rfind(|member| member.key == section) else {
            return Some(text);
        };
        let entries = members(&text, found.value.start)?;
        let Some(index) = entries.iter().rposition(|entry| entry.key == name) else { return Some(text) };
        let gone = entries.get(index)?;
        let before = index.checked_sub(1).and_then(|before| entries.get(before));
        let after = entries.get(index + 1);
        let range = match (before, after) {
            // Its own line and comma go, its neighbours' spacing stays.
            (_, Some(after)) => gone.start..after.start,
            (Some(before), None) => before.value.end..gone.value.end,
            (None, None) => found.value.start + 1..found.value.end - 1,
        };
        text = replace(&text, range, "")?;
    }
}

fn replace(text: &str, range: std::ops::Range<usize>, with: &str) -> Option<String> {
    Some([text.get(..range.start)?, with, text.get(range.end..)?].concat())
}

/// Adds a member at the end of the object that starts at `at`.
fn insert(text: &str, at: usize, name: &str, value: &Value, depth: usize) -> Option<String> {
    let (outer, inner) = ("  ".repeat(depth - 1), "  ".repeat(depth));
    let member = format!("{}: {}", serde_json::to_string(name).ok()?, printed(value, depth)?);
    if let Some(last) = members(text, at)?.last() {
        return replace(text, last.value.end..last.value.end, &format!(",\n{inner}{member}"));
    }
    let end = value_end(text, at)?;
    replace(text, at..end, &format!("{{\n{inner}{member}\n{outer}}}"))
}

/// A value as pflow prints it, two spaces a level, for a place that is `depth` levels deep.
fn printed(value: &Value, depth: usize) -> Option<String> {
    let plain = serde_json::to_string_pretty(value).ok()?;
    Some(plain.replace('\n', &format!("\n{}", "  ".repeat(depth))))
}

/// The members of the object that starts at `at`. The text is known to be valid JSON.
fn members(text: &str, at: usize) -> Option<Vec<Member>> {
    let bytes = text.as_bytes();
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    let mut found = Vec::new();
    let mut cursor = skip_space(bytes, at + 1);
    while bytes.get(cursor)? != &b'}' {
        let start = cursor;
        let end = string_end(bytes, start)?;
        let key = serde_json::from_str(text.get(start..end)?).ok()?;
        cursor = skip_space(bytes, end);
        if bytes.get(cursor)? != &b':' {
            return None;
        }
        let value = skip_space(bytes, cursor + 1);
        let end = value_end(text, value)?;
        found.push(Member { key, start, value: value..end });
        cursor = skip_space(bytes, end);
        if bytes.get(cursor)? == &b',' {
            cursor = skip_space(bytes, cursor + 1);
        }
    }
    Some(found)
}

/// Where the value that starts at `at` ends.
fn value_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut cursor, mut depth) = (at, 0_usize);
    loop {
        match bytes.get(cursor)? {
            b'"' => cursor = string_end(bytes, cursor)?,
            b'{' | b'[' => {
                depth += 1;
                cursor += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                cursor += 1;
            }
            _ if depth == 0 => {
                return Some(
                    bytes
                        .iter()
                        .skip(cursor)
                        .position(|byte| b",}] \t\r\n".contains(byte))
                        .map_or(bytes.len(), |n| cursor + n),
                );
            }
            _ => cursor += 1,
        }
        if depth == 0 {
            return Some(cursor);
        }
    }
}

/// Where the string that starts at `at` ends, its closing quote included.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let mut cursor = at + 1;
    loop {
        match bytes.get(cursor)? {
            b'"' => return Some(cursor + 1),
            b'\\' => cursor += 2,
            _ => cursor += 1,
        }
    }
}

fn skip_space(bytes: &[u8], from: usize) -> usize {
    bytes.iter().skip(from).position(|byte| !b" \t\r\n".contains(byte)).map_or(bytes.len(), |n| from + n)
}
