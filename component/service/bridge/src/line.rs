//! A line of the service's log.
//! Takes what the gateway component says; gives one line of JSON. Bounded, and never more than one line.

use serde_json::json;

/// Characters of a message.
const LONGEST: usize = 2_000;

/// One line, with its end.
#[must_use]
pub fn line(level: &str, target: &str, message: &str) -> String {
    let cut: String = message.chars().take(LONGEST).collect();
    // serde_json escapes what is below a blank; a line is one line.
    let mut line = json!({"level": level, "target": target, "message": cut}).to_string();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_whatever_is_said() {
        let told = line("warn", "http", &format!("a\n\u{1b}[2J\"b\"{}", "x".repeat(5_000)));
        assert_eq!(told.matches('\n').count(), 1);
        assert!(told.len() < 2_200 && !told.contains('\u{1b}'));
        assert!(told.starts_with(r#"{"level":"warn","target":"http","message":"a\n"#), "{told}");
    }
}
