//! One text for all JSON that means the same to whoever calls a tool.
//! Takes JSON as it was listed; gives it with members sorted by name, without white space, and escapes written one way. Never changes a
//! number: `1` and `1.0` are two values.

use std::borrow::Cow;

use crate::json::{Node, quote};

/// Bytes of one text that is read as a tree, which takes some ten times its size. Beyond that the order of members counts.
const LARGEST: usize = 1024 * 1024;

/// The canonical form. What is no JSON stays as it is.
pub(super) fn canonical(text: &str) -> Cow<'_, str> {
    if text.len() > LARGEST {
        return Cow::Borrowed(text.trim());
    }
    let Some(mut node) = Node::parse(text) else { return Cow::Borrowed(text.trim()) };
    sort(&mut node);
    let mut out = String::with_capacity(text.len());
    node.write(&mut out);
    Cow::Owned(out)
}

/// Of several members of one name the last stays, as for everybody who reads JSON.
pub(super) fn sort(node: &mut Node<'_>) {
    match node {
        Node::Object(members) => {
            members.reverse();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            members.dedup_by(|(later, _), (first, _)| later == first);
            for (_, value) in members {
                sort(value);
            }
        }
        Node::Array(elements) => elements.iter_mut().for_each(sort),
        Node::Leaf(json) => {
            if json.contains('\\')
                && let Some(text) = crate::json::unquote(json)
            {
                let mut plain = String::with_capacity(text.len());
                quote(&text, &mut plain);
                *json = Cow::Owned(plain);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn order_white_space_and_escapes_are_no_change() {
        let one = canonical(r#"{"b": [1, {"y": "é", "x": null}], "a": "\u0041/"}"#);
        assert_eq!(one, r#"{"a":"A/","b":[1,{"x":null,"y":"é"}]}"#);
        assert_eq!(one, canonical("{\"a\":\"A\\/\",\n\"b\":[1,{\"x\":null,\"y\":\"\\u00e9\"}]}"));
        assert_eq!(canonical(r#"{"a":1,"a":2}"#), r#"{"a":2}"#, "the last one counts");
    }

    #[test]
    fn numbers_texts_and_the_order_of_lists_are() {
        for (one, other) in [("1", "1.0"), ("[1,2]", "[2,1]"), (r#""a""#, r#""a ""#), ("1e2", "100"), ("{}", "[]")] {
            assert_ne!(canonical(one), canonical(other));
        }
        assert_eq!(canonical(" no JSON "), "no JSON");
    }

    #[test]
    fn what_is_too_large_for_a_tree_is_compared_as_it_stands() {
        let large = format!(" [{}1]", "1,".repeat(600_000));
        assert_eq!(canonical(&large), large.trim());
    }
}
