//! The advice to ask once more, in the words of whoever does not know what was asked of them.
//! Takes a peer's words; gives them without the parts that advise it. Says nothing of whether it would be good advice: the caller knows that.

/// What people write who do not know what was asked of them.
const ADVICE: [&str; 15] = [
    "try again",
    "try it again",
    "try your request again",
    "try later",
    "again later",
    "retry",
    "re-try",
    "resubmit",
    "reload",
    "call it again",
    "call again",
    "run it again",
    "send it again",
    "repeat the call",
    "once more",
];

/// A gateway's, or a proxy's, words without the parts that advise to ask once more.
#[must_use]
pub fn without_advice(words: &str) -> String {
    if !advises(words) {
        return words.to_owned();
    }
    // Where a part ends, the next begins: a sentence, a clause, what follows a colon, a line.
    let mut parts = vec![String::new()];
    let mut letters = words.chars().peekable();
    while let Some(letter) = letters.next() {
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
        let ends = matches!(letter, '.' | ',' | ';' | ':' | '!' | '?' | '\n' | '>' | '|')
            && letters.peek().is_none_or(|next| next.is_whitespace() || letter == '>' || letter == '\n');
        if ends {
            parts.push(String::new());
        }
    }
    let kept: String = parts.into_iter().filter(|part| !advises(part)).collect();
    let kept = kept.trim_end_matches([' ', ',', ';', ':', '\n']);
    if kept.is_empty() { "the answer is lost".to_owned() } else { kept.to_owned() }
}

/// Whether it is said in words of their own: neither `Retry-After` nor `/retry` advises anything.
fn advises(words: &str) -> bool {
    let words = words.to_lowercase();
    let part_of_a_name = |letter: char| letter.is_alphanumeric() || matches!(letter, '/' | '_' | '-' | '=');
    ADVICE.iter().any(|advice| {
        words.match_indices(advice).any(|(at, found)| {
            let before = words.get(..at).and_then(|before| before.chars().next_back());
            let after = words.get(at.saturating_add(found.len())..).and_then(|after| after.chars().next());
            !before.is_some_and(part_of_a_name) && !after.is_some_and(part_of_a_name)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_else_but_to_try_again_leaves_the_sentence_before_it() {
        assert_eq!(without_advice("g answers HTTP 503: Retry"), "g answers HTTP 503");
        assert_eq!(without_advice("<p>Down.</p><p>Try again</p>"), "<p>Down.</p><p>");
        assert_eq!(
            without_advice("http://h:1/retry: Retry-After is missing"),
            "http://h:1/retry: Retry-After is missing"
        );
        assert_eq!(without_advice("Retry"), "the answer is lost");
        assert_eq!(without_advice("as it was: all of it."), "as it was: all of it.");
    }
}
