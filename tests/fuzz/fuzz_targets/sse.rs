//! Server-sent events: wherever the bytes are cut, the events are the same, and they are those of a plain reading of the standard.

use std::time::Duration;

use pflow_gateway_component::mcp::sse::{Event, Parser};

/// Everything that a stream gave.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    events: Vec<Event>,
    last_id: Option<String>,
    retry: Option<Duration>,
}

fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut parser = Parser::new();
    let mut events: Vec<Event> = chunks.into_iter().flat_map(|chunk| parser.push(chunk)).collect();
    events.extend(parser.finish());
    let read = Read { events, last_id: parser.last_id().map(str::to_owned), retry: parser.retry() };
    let again = parser.reconnected();
    assert_eq!((again.last_id().map(str::to_owned), again.retry()), (read.last_id.clone(), read.retry));
    read
}

/// WHATWG HTML §9.2.6, line by line over the whole text; an event that only lacks its blank line at the end counts.
fn reference(bytes: &[u8]) -> Read {
    let mut lines: Vec<Vec<u8>> = vec![Vec::new()];
    let mut rest = bytes.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            b'\r' => {
                rest.next_if_eq(&b'\n');
                lines.push(Vec::new());
            }
            b'\n' => lines.push(Vec::new()),
            other => lines.last_mut().expect("one line").push(other),
        }
    }
    if let Some(first) = lines.first_mut()
        && first.starts_with(&[0xef, 0xbb, 0xbf])
    {
        first.drain(..3);
    }
    let mut read = Read::default();
    let mut data: Option<String> = None;
    let mut kind = String::new();
    for line in &lines {
        if line.is_empty() {
            if let Some(data) = data.take() {
                read.events.push(Event { kind: std::mem::take(&mut kind), data });
            }
            kind.clear();
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let field = &line[..colon.unwrap_or(line.len())];
        let mut value = colon.map_or(&b""[..], |colon| &line[colon + 1..]);
        if value.first() == Some(&b' ') {
            value = &value[1..];
        }
        let value = String::from_utf8_lossy(value).into_owned();
        match field {
            b"data" => data = Some(data.map_or(value.clone(), |before| format!("{before}\n{value}"))),
            b"event" => kind = value,
            b"id" if !value.contains('\0') => read.last_id = Some(value).filter(|id| !id.is_empty()),
            b"retry" if !value.is_empty() && value.chars().all(|c| c.is_ascii_digit()) => {
                read.retry = value.parse().ok().map(Duration::from_millis);
            }
            _ => {}
        }
    }
    if let Some(data) = data {
        read.events.push(Event { kind, data });
    }
    read
}

/// One input.
pub fn run(bytes: &[u8]) {
    let whole = read([bytes]);
    assert_eq!(whole, reference(bytes), "as the standard has it");
    // Every place, while there are few; then chunks of every small size.
    for at in 0..bytes.len().min(96) {
        let (start, end) = bytes.split_at(at);
        assert_eq!(read([start, end]), whole, "cut at {at}");
        assert_eq!(read([start, b"", end]), whole, "cut at {at}, with nothing between");
    }
    for size in [1, 2, 3, 7] {
        assert_eq!(read(bytes.chunks(size)), whole, "in chunks of {size}");
    }
    let held: usize = whole.events.iter().map(|event| event.data.len() + event.kind.len()).sum();
    // A byte that is not UTF-8 becomes three.
    assert!(held <= bytes.len() * 3, "no more than came");
}
