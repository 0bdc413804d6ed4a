//! Server-sent events, as in the WHATWG HTML standard §9.2.
//! Takes bytes, cut anywhere; gives whole events. Must never depend on where the cuts are.

use std::time::Duration;

/// One event, or a block that only set an id or a retry time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `event:`; empty means `message`.
    pub kind: String,
    /// The `data:` lines, joined by line feeds. Empty for priming events.
    pub data: String,
}

/// An incremental parser.
#[derive(Debug, Default)]
pub struct Parser {
    /// Bytes of the unfinished line.
    line: Vec<u8>,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
    started: bool,
    data: String,
    has_data: bool,
    kind: String,
    /// The last `id:` seen, which `Last-Event-ID` repeats.
    last_id: Option<String>,
    retry: Option<Duration>,
}

impl Parser {
    /// A parser at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The id to resume after, if the server gave one.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref().filter(|id| !id.is_empty())
    }

    /// The parser for the connection that resumes this stream: keeps id and retry time, drops what was cut.
    #[must_use]
    pub fn reconnected(self) -> Self {
        Self { last_id: self.last_id, retry: self.retry, ..Self::default() }
    }

    /// How long the server wants a client to wait before it resumes.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Takes the next bytes; gives the events that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        let mut rest = bytes;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, tail) = rest.split_at(end);
            self.line.extend_from_slice(line);
            rest = match tail {
                [b'\r', b'\n', more @ ..] | [_, more @ ..] => more,
                [] => tail,
            };
            self.after_cr = tail == b"\r";
            self.end_of_line(&mut events);
        }
        self.line.extend_from_slice(rest);
        events
    }

    /// The stream ended: gives what was complete but for the blank line. The standard discards it; several servers forget that line,
    /// and half a JSON text does not parse anyway.
    pub fn finish(&mut self) -> Option<Event> {
        let mut events = Vec::new();
        if !self.line.is_empty() {
            self.end_of_line(&mut events);
        }
        self.dispatch(&mut events);
        events.pop()
    }

    fn end_of_line(&mut self, events: &mut Vec<Event>) {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !self.started {
            self.started = true;
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            self.dispatch(events);
            return;
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(0) => return,
            Some(colon) => {
                let (field, value) = line.split_at(colon);
                let value = value.get(1..).unwrap_or_default();
                (field, value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &b""[..]),
        };
        let value = String::from_utf8_lossy(value);
        match field {
            b"data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(&value);
                self.has_data = true;
            }
            b"event" => self.kind = value.into_owned(),
            b"id" if !value.contains('\0') => self.last_id = Some(value.into_owned()),
            b"retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok().map(Duration::from_millis);
            }
            _ => {}
        }
    }

    fn dispatch(&mut self, events: &mut Vec<Event>) {
        let kind = std::mem::take(&mut self.kind);
        let data = std::mem::take(&mut self.data);
        if std::mem::take(&mut self.has_data) {
            events.push(Event { kind, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &[u8]) -> Vec<Event> {
        let mut parser = Parser::new();
        let mut events = parser.push(text);
        events.extend(parser.finish());
        events
    }

    fn data(text: &str) -> Vec<String> {
        all(text.as_bytes()).into_iter().map(|event| event.data).collect()
    }

    #[test]
    fn lines_end_with_lf_crlf_or_a_lone_cr() {
        assert_eq!(data("data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\n\n"), ["a", "b", "c", "d"]);
    }

    #[test]
    fn several_data_lines_are_one_event() {
        assert_eq!(data("data: {\ndata:  \"a\":1\ndata:}\n\n"), ["{\n \"a\":1\n}"]);
    }

    #[test]
    fn comments_and_unknown_fields_are_ignored() {
        assert_eq!(data(": keep-alive\n\nfoo: bar\nfoo\ndata: x\n: c\n\n"), ["x"]);
    }

    #[test]
    fn a_priming_event_has_an_id_and_empty_data() {
        let mut parser = Parser::new();
        let events = parser.push(b"id: 7\nretry: 500\ndata:\n\n");
        assert_eq!(events, [Event { kind: String::new(), data: String::new() }]);
        assert_eq!(parser.last_id(), Some("7"));
        assert_eq!(parser.retry(), Some(Duration::from_millis(500)));
    }

    #[test]
    fn an_id_or_retry_alone_is_no_event_but_is_kept() {
        let mut parser = Parser::new();
        assert_eq!(parser.push(b"id: 9\nretry: x\n\n"), []);
        assert_eq!(parser.last_id(), Some("9"));
        assert_eq!(parser.retry(), None);
    }

    #[test]
    fn a_byte_order_mark_at_the_start_is_skipped() {
        assert_eq!(data("\u{feff}data: x\n\n"), ["x"]);
    }

    #[test]
    fn a_missing_blank_line_at_the_end_is_forgiven() {
        assert_eq!(data("event: message\ndata: x"), ["x"]);
    }

    proptest! {
        #[test]
        fn events_do_not_depend_on_the_cuts(
            text in "(data:|id: ?|event: |retry: 5|:|\r|\n|\r\n|\n\n|x|ä|\u{1f600}|\\{\"a\":1\\}|\u{feff}){0,60}",
            cuts in proptest::collection::vec(0_usize..200, 0..20),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let mut parser = Parser::new();
            let mut events = Vec::new();
            for (start, end) in cuts.iter().zip(cuts.iter().skip(1)) {
                events.extend(parser.push(bytes.get(*start..*end).unwrap_or_default()));
            }
            events.extend(parser.finish());
            prop_assert_eq!(events, all(bytes));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            all(&bytes);
        }
    }
}
