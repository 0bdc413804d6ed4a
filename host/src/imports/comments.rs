//! JSON as editors let people write it: with comments, and with a comma behind the last member.
//! Takes text; gives text of the same length that is JSON, so that a place in one is the same place in the other. Never looks into strings.

/// Blanks in place of comments and of commas behind the last member.
pub(super) fn without(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = bytes.to_vec();
    let (mut at, mut comma, mut before) = (0_usize, None, b'{');
    while let Some(byte) = bytes.get(at).copied() {
        let next = bytes.get(at + 1).copied();
        let end = match (byte, next) {
            (b'"', _) => {
                comma = None;
                before = b'"';
                at = string_end(bytes, at);
                continue;
            }
            (b'/', Some(b'/')) => line_end(bytes, at),
            (b'/', Some(b'*')) => block_end(bytes, at),
            _ => {
                match byte {
                    // Behind nothing it is a mistake, and stays one.
                    b',' => comma = Some(at).filter(|_| !matches!(before, b'{' | b'[' | b',')),
                    b'}' | b']' => {
                        if let Some(place) = comma.take().and_then(|comma| plain.get_mut(comma)) {
                            *place = b' ';
                        }
                    }
                    byte if byte.is_ascii_whitespace() => {}
                    _ => comma = None,
                }
                if !byte.is_ascii_whitespace() {
                    before = byte;
                }
                at += 1;
                continue;
            }
        };
        for place in plain.get_mut(at..end).into_iter().flatten().filter(|byte| **byte != b'\n') {
            *place = b' ';
        }
        at = end;
    }
    // Only whole comments, which are whole characters, became blanks.
    String::from_utf8(plain).unwrap_or_else(|_| text.to_owned())
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes.iter().skip(from).position(|byte| *byte == b'\n').map_or(bytes.len(), |length| from + length)
}

/// One that does not end stays, and is an error of JSON.
fn block_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from + 2..).unwrap_or_default();
    rest.windows(2).position(|two| two == b"*/").map_or(from + 2, |length| from + 2 + length + 2)
}

fn string_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    loop {
        match bytes.get(at) {
            None => return bytes.len(),
            Some(b'\\') => at += 2,
            Some(b'"') => return at + 1,
            Some(_) => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn comments_and_last_commas_become_blanks_and_strings_stay() {
        for (before, after) in [
            ("{\"a\": 1, // ü\n}", "{\"a\": 1       \n}"),
            ("[1, /* , */ 2,]", "[1,         2 ]"),
            ("[1, /* end */ ]", "[1            ]"),
            (r#"{"a": "// no, ]", "b": "\",]"}"#, r#"{"a": "// no, ]", "b": "\",]"}"#),
            ("[1,,2]", "[1,,2]"),
            ("{,}", "{,}"),
            ("[1,,]", "[1,,]"),
            ("[1] /* never", "[1]    never"),
        ] {
            assert_eq!(without(before), after);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_keeps_its_length_and_json_stays_json(text in "[ -~ü\n\"/*,\\\\{}\\[\\]]{0,60}", value in "\\PC*") {
            prop_assert_eq!(without(&text).len(), text.len());
            let json = serde_json::json!({"a": [value, {}]}).to_string();
            prop_assert_eq!(without(&json), json);
        }
    }
}
