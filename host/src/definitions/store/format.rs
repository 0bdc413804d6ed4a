//! The lines of the two files: one for what they are of, and one for each tool.
//! Takes tools as they are listed; writes whole definitions, as far as there is room for them. Never a line that does not end.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{error::Result, lines::parsed};
use crate::definitions::{Digest, Listing, Owner, Parts, Standing};

/// Changes when the lines do.
pub(super) const FORMAT: u32 = 1;
/// Bytes of one definition. A larger one is recognised by its digest, and cannot be shown.
pub(super) const ONE: usize = 512 * 1024;
/// Bytes of all definitions of a gateway; those beyond are recognised by their digests.
pub(super) const ALL: usize = 64 * 1024 * 1024;

/// Who accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// Nobody yet: they were the first that were seen.
    First,
    /// `snapshot accept`.
    User,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: u32,
    pub(super) made_for: String,
    pub(super) declared: String,
    /// Seconds since 1970-01-01 UTC.
    pub(super) at: u64,
    pub(super) by: By,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PendingHeader {
    pub(super) format: u32,
    pub(super) made_for: String,
    pub(super) at: u64,
    /// Digest of what follows.
    pub(super) of: Digest,
    /// Accepted tools that are not listed any more.
    pub(super) gone: Vec<String>,
}

/// A tool's line.
#[derive(Serialize, Deserialize)]
pub(super) struct Line<'a> {
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) former: Vec<String>,
    #[serde(default)]
    pub(super) owner: Owner,
    pub(super) digest: Digest,
    #[serde(borrow)]
    pub(super) definition: Option<&'a RawValue>,
}

/// The same, of a tool that is not as it was accepted.
#[derive(Serialize, Deserialize)]
pub(super) struct PendingLine<'a> {
    pub(super) standing: Standing,
    /// The accepted one that it is compared with.
    pub(super) was: Option<String>,
    #[serde(borrow)]
    pub(super) tool: Line<'a>,
}

pub(super) fn write_line(out: &mut (impl Write + ?Sized), line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

/// A line as it stands; without its definition where there is no room for it any more.
pub(super) fn copy(out: &mut dyn Write, left: &mut usize, text: &str) -> Result<()> {
    if spend(left, text.len()) {
        return Ok(writeln!(out, "{text}")?);
    }
    let line: Line<'_> = parsed(text)?;
    Ok(write_line(out, &Line { definition: None, ..line })?)
}

/// Whether there is room for so many bytes; then there is less.
pub(super) fn spend(left: &mut usize, bytes: usize) -> bool {
    match left.checked_sub(bytes) {
        Some(less) => {
            *left = less;
            true
        }
        None => false,
    }
}

pub(super) fn write_tool(
    out: &mut (impl Write + ?Sized),
    left: &mut usize,
    tool: &Listing<'_>,
    digest: Digest,
    former: Vec<String>,
) -> io::Result<()> {
    let text = definition(&tool.parts, left)?;
    write_line(out, &line(tool, digest, former, text.as_deref()))
}

pub(super) fn line<'a>(
    tool: &Listing<'_>,
    digest: Digest,
    former: Vec<String>,
    definition: Option<&'a RawValue>,
) -> Line<'a> {
    Line { name: tool.name.to_owned(), former, owner: tool.owner.clone(), digest, definition }
}

/// The definition as it is kept; none where it is too large, or there is no room for it.
pub(super) fn definition(parts: &Parts<'_>, left: &mut usize) -> io::Result<Option<Box<RawValue>>> {
    #[derive(Serialize)]
    struct Whole<'a> {
        title: Option<&'a str>,
        description: Option<&'a str>,
        input_schema: Box<RawValue>,
        output_schema: Option<Box<RawValue>>,
        annotations: Option<Box<RawValue>>,
    }

    let annotations = parts.annotations.as_deref();
    let size = [parts.title, parts.description, Some(parts.input_schema), parts.output_schema, annotations];
    let size: usize = size.iter().flatten().map(|text| text.len()).sum();
    if size > ONE || !spend(left, size) {
        return Ok(None);
    }
    // What is no JSON is kept as a text. One line: JSON has line breaks between its parts only.
    let raw = |text: &str| {
        let text = text.replace(['\n', '\r'], " ");
        RawValue::from_string(text.clone()).or_else(|_| serde_json::value::to_raw_value(&text))
    };
    let whole = Whole {
        title: parts.title,
        description: parts.description,
        input_schema: raw(parts.input_schema)?,
        output_schema: parts.output_schema.map(raw).transpose()?,
        annotations: parts.annotations.as_deref().map(raw).transpose()?,
    };
    Ok(Some(serde_json::value::to_raw_value(&whole)?))
}
