//! Doors for the fuzz targets (`tests/fuzz`): what this crate reads of others, as functions of bytes.
//! Takes what somebody else wrote; gives what is made of it, in plain types. Not part of the library: nothing of it is promised to stay.

use std::io;

pub use crate::{
    egress::fuzzing::{Cookies, decoded, masked, proxy, revealed},
    serve::fuzzing::{Line, Listed, call_result, id_of_fragments, line, listed},
};
use crate::{history, json, scrub};

/// What a text is when nobody shall see it whole: see [`history`].
#[must_use]
pub fn kept_text(text: &str) -> String {
    history::masked_text(text)
}

/// As it is shown on a terminal: several lines, one line, and as JSON.
#[must_use]
pub fn shown(text: &str, limit: usize) -> (String, String, String) {
    (scrub::text(text).into_owned(), scrub::line(text, limit), scrub::json(text).into_owned())
}

/// The same JSON three ways: as a tree that was written again, laid out for people, and as it came. None: it is not taken.
#[must_use]
pub fn json(text: &str) -> Option<(String, String, String)> {
    let json = json::Json::parse(text.to_owned()).ok()?;
    let mut tree = String::new();
    json::Node::parse(json.get())?.write(&mut tree);
    let mut pretty = Vec::new();
    json::pretty(json.get(), &mut pretty as &mut dyn io::Write).ok()?;
    Some((tree, String::from_utf8(pretty).ok()?, json.get().to_owned()))
}
