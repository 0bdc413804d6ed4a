//! Masks credentials in a body while it passes, whatever the pieces in which it comes.
//! Takes bytes; gives them without the spellings, and holds back no more than what may be the beginning of one. Never looks at a byte twice
//! for each spelling: answers are megabytes.

use std::rc::Rc;

use crate::mask::{BEGINNING, MASK};

/// The spellings, and where to look closer.
pub struct Finder {
    spellings: Vec<String>,
    /// One bit for each two bytes with which one begins.
    pairs: Vec<u64>,
}

impl Finder {
    /// For these.
    #[must_use]
    pub fn new(spellings: Vec<String>) -> Self {
        let mut pairs = vec![0; 1 << 10];
        for spelling in &spellings {
            if let [one, two, ..] = spelling.as_bytes() {
                let (word, bit) = place(*one, *two);
                if let Some(word) = pairs.get_mut(word) {
                    *word |= bit;
                }
            }
        }
        Self { spellings, pairs }
    }

    /// Whether there is anything to mask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spellings.is_empty()
    }

    /// A whole text without them.
    #[must_use]
    pub fn mask(self: &Rc<Self>, text: &str) -> String {
        let mut passing = Passing::new(Rc::clone(self));
        let mut masked = passing.pass(text.as_bytes());
        masked.extend(passing.end());
        // Spellings begin and end with letters, so what is left of a text is one.
        String::from_utf8(masked).unwrap_or_else(|_| MASK.to_owned())
    }

    /// How many bytes come before the next two with which one may begin. The last byte is always one of them that must be looked at.
    fn skip(&self, bytes: &[u8]) -> usize {
        let next = bytes.windows(2).position(|two| matches!(two, [one, two] if self.may_begin(*one, *two)));
        next.unwrap_or(bytes.len().saturating_sub(1))
    }

    fn may_begin(&self, one: u8, two: u8) -> bool {
        let (word, bit) = place(one, two);
        self.pairs.get(word).is_some_and(|word| word & bit != 0)
    }

    /// What stands at the beginning of these bytes.
    fn look(&self, bytes: &[u8], more: bool) -> Look {
        let (mut found, mut open) = (0, false);
        for spelling in &self.spellings {
            let same = bytes.iter().zip(spelling.as_bytes()).take_while(|(one, other)| one == other).count();
            let all = spelling.len();
            if more && same == bytes.len() && same < all && same > 0 {
                open = true;
            }
            // What ends within a letter would leave half of it.
            let same = (0..=same).rev().find(|at| spelling.is_char_boundary(*at)).unwrap_or(0);
            if same >= BEGINNING.min(all) {
                found = found.max(same);
            }
        }
        match (open, found) {
            (true, _) => Look::Undecided,
            (false, 0) => Look::Nothing,
            (false, length) => Look::Spelling(length),
        }
    }
}

fn place(one: u8, two: u8) -> (usize, u64) {
    let pair = usize::from(one) << 8 | usize::from(two);
    (pair >> 6, 1 << (pair & 63))
}

enum Look {
    Nothing,
    /// So many bytes of one.
    Spelling(usize),
    /// What comes next decides.
    Undecided,
}

/// One body.
pub struct Passing {
    finder: Rc<Finder>,
    /// The beginning of what may be one.
    held: Vec<u8>,
    /// So many bytes of it belong to a mask that was given already.
    covered: usize,
}

impl Passing {
    /// Nothing of it has come.
    #[must_use]
    pub fn new(finder: Rc<Finder>) -> Self {
        Self { finder, held: Vec::new(), covered: 0 }
    }

    /// What may be shown once this came, too.
    pub fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        self.shown(true)
    }

    /// The rest, after the last byte.
    pub fn end(&mut self) -> Vec<u8> {
        self.shown(false)
    }

    fn shown(&mut self, more: bool) -> Vec<u8> {
        let bytes = std::mem::take(&mut self.held);
        if self.finder.is_empty() {
            return bytes;
        }
        let mut shown = Vec::with_capacity(bytes.len());
        // All before `done` is given or masked; all before `covered` is masked.
        let (mut done, mut covered, mut at) = (self.covered.min(bytes.len()), self.covered, 0);
        let give = |shown: &mut Vec<u8>, from: usize, to: usize| {
            shown.extend_from_slice(bytes.get(from..to).unwrap_or_default());
        };
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let skipped = self.finder.skip(rest);
            at += skipped;
            match self.finder.look(rest.get(skipped..).unwrap_or_default(), more) {
                Look::Nothing => {}
                Look::Undecided => break,
                Look::Spelling(length) => {
                    // One that overlaps the one before is part of the same stars.
                    if at >= covered {
                        give(&mut shown, done, at);
                        shown.extend_from_slice(MASK.as_bytes());
                    }
                    covered = covered.max(at.saturating_add(length));
                    done = covered;
                }
            }
            at += 1;
        }
        give(&mut shown, done, at);
        self.covered = covered.saturating_sub(at);
        self.held = bytes.get(at..).unwrap_or_default().to_vec();
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::spellings;

    const SECRET: &str = "se/cr\"et+token of 2026";

    fn in_pieces(text: &str, size: usize, secrets: &[&str]) -> String {
        let secrets: Vec<String> = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        let mut passing = Passing::new(Rc::new(Finder::new(spellings(&secrets))));
        let mut masked = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            masked.extend(passing.pass(piece));
        }
        masked.extend(passing.end());
        String::from_utf8(masked).unwrap_or_default()
    }

    #[test]
    fn an_echo_is_masked_wherever_the_pieces_end() {
        let text = r#"{"a":"se/cr\"et+token of 2026","b":"se\/cr\"et+tok…","c":"se/cr\"et+","d":"Se/cr"}"#;
        for size in 1..=text.len() {
            assert_eq!(
                in_pieces(text, size, &[SECRET]),
                r#"{"a":"***","b":"***…","c":"se/cr\"et+","d":"Se/cr"}"#,
                "{size}"
            );
        }
    }

    #[test]
    fn an_event_is_not_held_back_for_one_that_may_follow() {
        let mut passing = Passing::new(Rc::new(Finder::new(spellings(&[SECRET.to_owned()]))));
        assert_eq!(passing.pass(b"data: {\"x\":1}\n\n"), b"data: {\"x\":1}\n\n");
        assert_eq!(passing.pass(b"data: se/cr"), b"data: ");
        assert_eq!(passing.pass(b"ap\n\n"), b"se/crap\n\n");
        assert_eq!(passing.pass(b"data: se"), b"data: ");
        assert_eq!(passing.end(), b"se", "what was no credential in the end");
    }

    #[test]
    fn one_that_repeats_itself_is_masked_as_one_and_held_back_no_longer_than_it_is() {
        let secret = "aaaaaaaaaaaaaaaa";
        let mut passing = Passing::new(Rc::new(Finder::new(vec![secret.to_owned()])));
        let mut masked = passing.pass(b"x");
        for _ in 0..100 {
            masked.extend(passing.pass(&[b'a'; 50]));
            assert!(passing.held.len() < secret.len());
        }
        masked.extend(passing.pass(b"y"));
        masked.extend(passing.end());
        assert_eq!(masked, b"x***y");
    }

    #[test]
    fn two_that_overlap_across_pieces_leave_nothing_of_either() {
        for size in 1..20 {
            let masked = in_pieces("x abcdefgh12345678ijklmnop y", size, &["abcdefgh12345678", "12345678ijklmnop"]);
            assert_eq!(masked, "x *** y", "{size}");
        }
    }

    #[test]
    fn without_secrets_all_passes_at_once() {
        assert_eq!(in_pieces("any thing", 3, &[]), "any thing");
    }
}
