//! JSON that every parser accepts.
//! Takes text that is JSON by its grammar; says what in it others stumble over. Reads it once, whatever is in it.

use std::slice::Iter;

use memchr::memchr2;

/// Levels of arrays and objects. Python's parsers end at some hundred, serde's at 128.
const DEEPEST: usize = 127;

/// The grammar allows any depth and half of a surrogate pair; few parsers do.
pub fn sound(text: &str) -> Result<(), &'static str> {
    let mut depth = 0_usize;
    let mut bytes = text.as_bytes().iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth = depth.saturating_add(1);
                if depth > DEEPEST {
                    return Err("more than 127 levels of arrays and objects");
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => string(&mut bytes)?,
            _ => {}
        }
    }
    Ok(())
}

/// Behind the opening quote, to behind the closing one.
fn string(bytes: &mut Iter<'_, u8>) -> Result<(), &'static str> {
    const HALF: &str = "half of a surrogate pair (a \\ud800 to \\udfff without its other half)";
    let mut half = false;
    loop {
        if !half {
            // To what means something here, in steps of a machine's word and more.
            let plain = memchr2(b'"', b'\\', bytes.as_slice()).unwrap_or(bytes.len());
            *bytes = bytes.as_slice().get(plain..).unwrap_or_default().iter();
        }
        let Some(byte) = bytes.next() else { return Ok(()) };
        let unit = match byte {
            b'\\' => match bytes.next() {
                Some(b'u') => bytes
                    .by_ref()
                    .take(4)
                    .fold(0_u32, |unit, digit| (unit << 4) | char::from(*digit).to_digit(16).unwrap_or_default()),
                _ => 0,
            },
            b'"' if !half => return Ok(()),
            _ => 0,
        };
        half = match (half, unit) {
            (false, 0xD800..=0xDBFF) => true,
            (true, 0xDC00..=0xDFFF) => false,
            (true, _) | (false, 0xDC00..=0xDFFF) => return Err(HALF),
            (false, _) => false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_pairs_and_any_number_pass_half_pairs_and_depth_do_not() {
        for good in [r#""\ud83d\ude00""#, r#"["\\ud83d", 1e400, "\n\""]"#, r#"{"a": "\u00fc"}"#] {
            assert_eq!(sound(good), Ok(()), "{good}");
        }
        for bad in [r#""\ud83d""#, r#""\ud83d x""#, r#""\ude00""#, r#""\ud83d\ud83d\ude00""#, r#""\ud83d\n""#] {
            assert!(sound(bad).is_err(), "{bad}");
        }
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(sound(&nested(127)), Ok(()));
        assert!(sound(&nested(128)).is_err());
        assert_eq!(sound(&format!("[{}]", [r#""[[[""#; 200].join(","))), Ok(()), "brackets in strings are text");
    }
}
