//! JSON for people: indented, and without a character that a terminal obeys.
//! Takes text that is JSON; writes it piece by piece. Never changes a number, never holds a second copy.

use std::io::{self, Write};

use super::tree::string_end;
use crate::scrub;

/// Writes the value, two spaces a level, as serde does.
pub fn pretty(text: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut rest = text;
    let mut depth = 0_usize;
    // Behind an opening bracket: nothing is written before it is known whether something stands in it.
    let mut opened = false;
    while let Some(first) = rest.bytes().next() {
        let length = if first == b'"' { string_end(rest) } else { 1 };
        let Some((piece, behind)) = rest.split_at_checked(length) else { break };
        rest = behind;
        match first {
            b' ' | b'\t' | b'\n' | b'\r' => continue,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if !opened {
                    line(depth, out)?;
                }
                opened = false;
                out.write_all(piece.as_bytes())?;
                continue;
            }
            _ => {}
        }
        if opened {
            line(depth, out)?;
            opened = false;
        }
        match first {
            b'{' | b'[' => {
                out.write_all(piece.as_bytes())?;
                depth = depth.saturating_add(1);
                opened = true;
            }
            b',' => {
                out.write_all(b",")?;
                line(depth, out)?;
            }
            b':' => out.write_all(b": ")?,
            b'"' => out.write_all(scrub::json(piece).as_bytes())?,
            _ => out.write_all(piece.as_bytes())?,
        }
    }
    Ok(())
}

fn line(depth: usize, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"\n")?;
    (0..depth).try_for_each(|_| out.write_all(b"  "))
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
