//! JSON for people: indented, and without a character that a terminal obeys.
//! Takes text that is JSON, in pieces of any size; writes it as it comes. Never changes a number, never holds more than one string of it.

use std::io::{self, Write};

use memchr::memchr2;

use crate::scrub;

/// Writes JSON that is written to it, two spaces a level, as serde does.
///
/// ```
/// use std::io::Write as _;
///
/// use pflow_gateway_base::json::Pretty;
///
/// let mut pretty = Pretty::new(Vec::new());
/// pretty.write_all(br#"{"a":[1"#)?;
/// pretty.write_all(b"]}")?;
/// assert_eq!(pretty.into_inner(), b"{\n  \"a\": [\n    1\n  ]\n}");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Pretty<W> {
    out: W,
    depth: usize,
    /// Behind an opening bracket: nothing is written before it is known whether something stands in it.
    opened: bool,
    /// A string of which more is to come, from its opening quote on.
    string: Vec<u8>,
    /// What comes next in it is escaped.
    escaped: bool,
}

impl<W: Write> Pretty<W> {
    /// Nothing is written yet.
    pub fn new(out: W) -> Self {
        Self { out, depth: 0, opened: false, string: Vec::new(), escaped: false }
    }

    /// What it writes to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn line(&mut self) -> io::Result<()> {
        const BLANKS: &[u8] = b"\n                                ";
        let wanted = self.depth.saturating_mul(2).saturating_add(1);
        if let Some(blanks) = BLANKS.get(..wanted) {
            return self.out.write_all(blanks);
        }
        self.out.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| self.out.write_all(b"  "))
    }

    /// Something comes that is no closing bracket.
    fn begin(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.opened) { self.line() } else { Ok(()) }
    }

    /// One character outside of strings.
    fn sign(&mut self, sign: u8) -> io::Result<()> {
        match sign {
            b' ' | b'\t' | b'\n' | b'\r' => Ok(()),
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if !std::mem::take(&mut self.opened) {
                    self.line()?;
                }
                self.out.write_all(&[sign])
            }
            b'{' | b'[' => {
                self.begin()?;
                self.depth = self.depth.saturating_add(1);
                self.opened = true;
                self.out.write_all(&[sign])
            }
            b',' => {
                self.out.write_all(b",")?;
                self.line()
            }
            b':' => self.out.write_all(b": "),
            _ => {
                self.begin()?;
                self.out.write_all(&[sign])
            }
        }
    }

    /// Bytes up to the end of the string that `piece` goes on with, its closing quote included; none: it does not end in it.
    fn rest_of_string(&mut self, piece: &[u8]) -> Option<usize> {
        let mut from = usize::from(std::mem::take(&mut self.escaped));
        loop {
            let rest = piece.get(from..)?;
            let at = from.saturating_add(memchr2(b'"', b'\\', rest)?);
            if piece.get(at) == Some(&b'"') {
                return Some(at.saturating_add(1));
            }
            from = at.saturating_add(2);
            if from > piece.len() {
                self.escaped = true;
                return None;
            }
        }
    }

    /// A whole string, with its quotes.
    fn whole(&mut self, string: &[u8]) -> io::Result<()> {
        self.begin()?;
        let text = std::str::from_utf8(string).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.out.write_all(scrub::json(text).as_bytes())
    }
}

impl<W: Write> Write for Pretty<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let mut rest = piece;
        while let Some((&first, behind)) = rest.split_first() {
            if !self.string.is_empty() {
                let end = self.rest_of_string(rest);
                let (more, behind) = rest.split_at(end.unwrap_or(rest.len()));
                self.string.extend_from_slice(more);
                if end.is_some() {
                    let string = std::mem::take(&mut self.string);
                    self.whole(&string)?;
                }
                rest = behind;
            } else if first != b'"' {
                self.sign(first)?;
                rest = behind;
            } else if let Some(end) = self.rest_of_string(behind) {
                let (string, behind) = rest.split_at(end.saturating_add(1));
                self.whole(string)?;
                rest = behind;
            } else {
                self.string.extend_from_slice(rest);
                break;
            }
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The same of one text.
pub fn pretty(text: &str, out: &mut dyn Write) -> io::Result<()> {
    Pretty::new(out).write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use serde_json::Value;

    use super::*;

    fn shown(text: &str) -> String {
        let mut out = Vec::new();
        pretty(text, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn it_does_not_matter_where_the_pieces_end() {
        let text = format!(r#"{{"a\\":["\\","\"x\u00e4é{}",-1.5e3,[],{{"":{{}}}}],"b":null}}"#, '\u{9b}');
        for size in 1..text.len() {
            let mut pretty = Pretty::new(Vec::new());
            text.as_bytes().chunks(size).for_each(|piece| pretty.write_all(piece).unwrap());
            assert_eq!(String::from_utf8(pretty.into_inner()).unwrap(), shown(&text), "pieces of {size}");
        }
    }

    #[test]
    fn it_looks_as_serde_writes_it() {
        for text in [
            r#"{"a":[1,2,{"b":[]},{}],"c":{"d":"x, {y}: \"z\" \\"},"e":null,"f":true}"#,
            "[]",
            "{}",
            "7",
            r#""a:b""#,
            "[[[]],[{}]]",
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(shown(text), format!("{value:#}"));
            assert_eq!(shown(&format!("{value:#}")), format!("{value:#}"), "twice is once");
        }
    }

    #[test]
    fn digits_stay_and_what_steers_a_terminal_is_escaped() {
        assert_eq!(shown("[1e400,-0.0,1.10]"), "[\n  1e400,\n  -0.0,\n  1.10\n]");
        assert_eq!(shown("\"a\u{9b}b\""), "\"a\\u009bb\"");
    }
}
