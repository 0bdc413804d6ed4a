//! JSON as a tree whose leaves are still the text that was sent.
//! Takes sound JSON; gives something that can be looked at and changed, and back. Never touches a leaf that nobody changed.

use std::borrow::Cow;

use memchr::memchr2;

use super::quote;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node<'a> {
    /// In order.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
    /// In order.
    Array(Vec<Node<'a>>),
    /// A string, a number, `true`, `false` or `null`, as JSON.
    Leaf(Cow<'a, str>),
}

impl<'a> Node<'a> {
    /// The tree of a text that is sound JSON; None for anything else.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut reader = Reader { rest: text };
        let node = reader.value(0)?;
        reader.blank();
        reader.rest.is_empty().then_some(node)
    }

    /// A JSON string.
    #[must_use]
    pub fn string(text: &str) -> Self {
        let mut json = String::new();
        quote(text, &mut json);
        Self::Leaf(Cow::Owned(json))
    }

    /// What a string says.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Leaf(json) if json.starts_with('"') => unquote(json),
            _ => None,
        }
    }

    /// Whether it is this word: `true`, `false` or `null`.
    #[must_use]
    pub fn is(&self, word: &str) -> bool {
        matches!(self, Self::Leaf(json) if json == word)
    }

    /// A member of an object. Of several of one name the last, as everywhere.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Appends the value as JSON.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Leaf(json) => out.push_str(json),
            Self::Array(elements) => {
                out.push('[');
                for (at, element) in elements.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    element.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    quote(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// What a JSON string says.
pub fn unquote(json: &str) -> Option<Cow<'_, str>> {
    let inside = json.strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') { serde_json::from_str(json).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inside)) }
}

/// Where the string at the start of a text ends, closing quote included.
pub(super) fn string_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut from = 1_usize;
    while let Some(found) = bytes.get(from..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        let at = from.saturating_add(found);
        if bytes.get(at) == Some(&b'"') {
            return at.saturating_add(1);
        }
        // What is escaped is skipped.
        from = at.saturating_add(2);
    }
    text.len()
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Takes this character, blanks before it included.
    fn take(&mut self, expected: char) -> bool {
        self.blank();
        let behind = self.rest.strip_prefix(expected);
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    fn piece(&mut self, length: usize) -> Option<&'a str> {
        let (piece, behind) = self.rest.split_at_checked(length)?;
        self.rest = behind;
        (!piece.is_empty()).then_some(piece)
    }

    fn leaf(&mut self) -> Option<&'a str> {
        self.blank();
        let length = if self.rest.starts_with('"') {
            string_end(self.rest)
        } else {
            self.rest.find([',', ']', '}', ':', ' ', '\t', '\n', '\r']).unwrap_or(self.rest.len())
        };
        self.piece(length)
    }

    fn value(&mut self, depth: u8) -> Option<Node<'a>> {
        // `sound` allows no more; this is what keeps a caller's mistake from the stack.
        let inner = depth.checked_add(1).filter(|depth| *depth < 200)?;
        if self.take('{') {
            let mut members = Vec::new();
            if self.take('}') {
                return Some(Node::Object(members));
            }
            loop {
                let name = unquote(self.leaf()?)?;
                if !self.take(':') {
                    return None;
                }
                members.push((name, self.value(inner)?));
                if self.take('}') {
                    return Some(Node::Object(members));
                }
                if !self.take(',') {
                    return None;
                }
            }
        }
        if self.take('[') {
            let mut elements = Vec::new();
            if self.take(']') {
                return Some(Node::Array(elements));
            }
            loop {
                elements.push(self.value(inner)?);
                if self.take(']') {
                    return Some(Node::Array(elements));
                }
                if !self.take(',') {
                    return None;
                }
            }
        }
        self.leaf().map(|leaf| Node::Leaf(Cow::Borrowed(leaf)))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn a_tree_gives_back_what_it_was_made_of() {
        for text in [
            r#"{"a":[1.0,-0.0,1e400,123456789012345678901234567890],"ü\n":{"b":"x\u0000,]}\""},"c":[]}"#,
            "[]",
            "{}",
            "null",
            r#""s""#,
        ] {
            let mut again = String::new();
            Node::parse(text).unwrap().write(&mut again);
            assert_eq!(again, text);
        }
        let spaced = Node::parse(" { \"a\" : [ 1 , true ] , \"b\" : { } } ").unwrap();
        assert_eq!(spaced.get("a"), Some(&Node::Array(vec![Node::Leaf("1".into()), Node::Leaf("true".into())])));
        assert!(Node::parse("[1,").is_none());
    }

    #[test]
    fn strings_say_what_they_say() {
        let node = Node::parse(r#"{"a":"x\ty","b":"plain","c":7}"#).unwrap();
        assert_eq!(node.get("a").unwrap().as_str().as_deref(), Some("x\ty"));
        assert_eq!(node.get("b").unwrap().as_str().as_deref(), Some("plain"));
        assert_eq!(node.get("c").unwrap().as_str(), None);
    }
}
