//! What a body is: an event stream, or one text.
//! Takes the media type and the first bytes; gives the form. The bytes decide where they are clear: servers and proxies were seen to send
//! streams as `application/json` or without a type, and JSON as `text/event-stream`. Must not swallow what it looked at.

use crate::http::{Body, Chunk, Failure};

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Server-sent events.
    Stream,
    /// One text.
    Whole,
}

/// With what a line of an event stream begins.
const FIELDS: &[&[u8]] = &[b"data:", b"event:", b"id:", b"retry:", b":"];
/// The longest of them.
const LONGEST: usize = 6;
/// Blanks at the start that are looked behind. More of them are no stream, whatever comes then; each look goes over all of them.
const BLANKS: usize = 4_096;

/// Looks at the start of a body, which then begins with it again. A declared stream is not waited for: it may be silent for long.
pub(super) fn recognise(media_type: Option<&str>, body: &mut Box<dyn Body>) -> Result<Form, Failure> {
    match media_type {
        Some("text/event-stream") => return Ok(Form::Stream),
        Some("text/html") => return Ok(Form::Whole),
        _ => {}
    }
    let mut start = Vec::new();
    while start.len() < BLANKS && trimmed(&start).len() < LONGEST {
        match body.chunk()? {
            Some(mut bytes) => start.append(&mut bytes),
            None => break,
        }
    }
    let form = if starts_as_stream(&start) { Form::Stream } else { Form::Whole };
    let rest = std::mem::replace(body, Box::new(Nothing));
    *body = Box::new(Seen { start: Some(start).filter(|start| !start.is_empty()), rest });
    Ok(form)
}

fn starts_as_stream(bytes: &[u8]) -> bool {
    FIELDS.iter().any(|field| trimmed(bytes).starts_with(field))
}

/// No field of an event stream begins so.
pub(super) fn starts_as_json(bytes: &[u8]) -> bool {
    matches!(trimmed(bytes).first(), Some(b'{' | b'['))
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii_start()
}

/// A body whose start was looked at.
struct Seen {
    start: Option<Vec<u8>>,
    rest: Box<dyn Body>,
}

impl Body for Seen {
    fn chunk(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        match self.start.take() {
            Some(start) => Ok(Some(start)),
            None => self.rest.chunk(),
        }
    }

    fn next_chunk(&mut self) -> Result<Chunk, Failure> {
        match self.start.take() {
            Some(start) => Ok(Chunk::Response(Some(start))),
            None => self.rest.next_chunk(),
        }
    }
}

struct Nothing;

impl Body for Nothing {
    fn chunk(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        Ok(None)
    }
}
