//! JSON as it was written: `1.0`, `1e400` and integers of any size stay what they are, and large answers stay text.
//! Takes text; gives text that is JSON, and looks at it that cost no more than its size. Never rewrites a number.

mod pretty;
mod sound;
mod tree;

use std::{borrow::Cow, fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

pub use self::{
    pretty::{Pretty, pretty},
    sound::sound,
    tree::{Node, unquote},
};

/// One JSON value, carried as its text. Cheap to clone.
///
/// ```
/// use pflow_gateway_base::json::Json;
///
/// let price = Json::parse("123456789012345678901234567890".to_owned())?;
/// assert_eq!(serde_json::to_string(&[&price])?, "[123456789012345678901234567890]");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

/// Why a text is not the JSON that is wanted.
#[derive(Debug, thiserror::Error)]
pub enum NotJson {
    /// No JSON at all.
    #[error("it is not valid JSON")]
    Syntax(#[from] serde_json::Error),
    /// JSON that many parsers refuse.
    #[error("it is not JSON that everybody can read: {0}")]
    Unsound(&'static str),
    /// Another kind of value.
    #[error("it is not a JSON object")]
    NoObject,
}

impl Json {
    /// One value that every parser accepts.
    ///
    /// # Errors
    ///
    /// The text is something else: broken, too deep, or with half of a surrogate pair.
    pub fn parse(text: String) -> Result<Self, NotJson> {
        let raw = RawValue::from_string(text)?;
        sound(raw.get()).map_err(NotJson::Unsound)?;
        Ok(Self(raw.into()))
    }

    /// The same of a text that stays the caller's.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn read_from(text: &str) -> Result<Self, NotJson> {
        let raw: &RawValue = serde_json::from_str(text)?;
        sound(raw.get()).map_err(NotJson::Unsound)?;
        Ok(Self(raw.to_owned().into()))
    }

    /// One object that every parser accepts and understands alike: of two members of one name the last stays, as for Python.
    ///
    /// # Errors
    ///
    /// The text is something else.
    pub fn object(text: String) -> Result<Self, NotJson> {
        let whole = Self::parse(text)?;
        let members = members(whole.get()).ok_or(NotJson::NoObject)?;
        let mut seen = std::collections::HashSet::new();
        if members.iter().all(|(name, _)| seen.insert(name.as_ref())) {
            return Ok(whole);
        }
        seen.clear();
        let mut last: Vec<_> = members.iter().rev().filter(|(name, _)| seen.insert(name.as_ref())).collect();
        last.reverse();
        Ok(Self::from_members(last.into_iter().map(|(name, value)| (name.as_ref(), *value))))
    }

    /// A text that was put together of parts that are JSON.
    pub fn trusted(text: String) -> Self {
        RawValue::from_string(text).map_or_else(|_| Self::null(), Self::from)
    }

    /// An object of these members, as they are.
    pub fn from_members<'a>(members: impl Iterator<Item = (&'a str, &'a RawValue)>) -> Self {
        let mut text = String::from("{");
        for (name, value) in members {
            if text.len() > 1 {
                text.push(',');
            }
            quote(name, &mut text);
            text.push(':');
            text.push_str(value.get());
        }
        text.push('}');
        Self::trusted(text)
    }

    /// A string.
    #[must_use]
    pub fn string(text: &str) -> Self {
        Self::from(Value::from(text))
    }

    fn null() -> Self {
        Self(RawValue::NULL.to_owned().into())
    }

    /// The text.
    #[must_use]
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// The same, borrowed.
    #[must_use]
    pub fn raw(&self) -> &RawValue {
        &self.0
    }

    /// Whether it is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.get().starts_with('{')
    }

    /// Read into something of the caller's. Null where it does not fit.
    #[must_use]
    pub fn read<'a, T: Deserialize<'a> + Default>(&'a self) -> T {
        serde_json::from_str(self.get()).unwrap_or_default()
    }

    /// As a tree. For small values, and where digits do not matter.
    #[must_use]
    pub fn to_value(&self) -> Value {
        self.read()
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        serde_json::value::to_raw_value(&value).map_or_else(|_| Self::null(), |raw| Self(raw.into()))
    }
}

impl From<Map<String, Value>> for Json {
    fn from(members: Map<String, Value>) -> Self {
        Self::from(Value::Object(members))
    }
}

impl From<Box<RawValue>> for Json {
    fn from(raw: Box<RawValue>) -> Self {
        Self(raw.into())
    }
}

/// The text decides: `1` and `1.0` are two values.
impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.get() == other.get()
    }
}

impl Eq for Json {}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::from)
    }
}

/// Appends a JSON string.
pub fn quote(text: &str, out: &mut String) {
    // A string always serializes.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// The members of an object, in order. None: the text is no object.
#[must_use]
pub fn members(text: &str) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    let mut members = Vec::new();
    each_member(text, &mut |name, value| members.push((name, value))).then_some(members)
}

/// These members of an object, each the last of its name; nothing else of it is kept. None: the text is no object.
#[must_use]
pub fn pick<'a, const N: usize>(text: &'a str, names: [&str; N]) -> Option<[Option<&'a str>; N]> {
    let mut found = [None; N];
    let is_object = each_member(text, &mut |name, value| {
        for (wanted, slot) in names.iter().zip(&mut found) {
            if *wanted == name {
                *slot = Some(value.get());
            }
        }
    });
    is_object.then_some(found)
}

/// Shows every member of an object to `visit`, one at a time. False: the text is no object.
pub fn each_member<'a>(text: &'a str, visit: &mut dyn FnMut(Cow<'a, str>, &'a RawValue)) -> bool {
    #[derive(Deserialize)]
    struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

    struct Each<'v, 'a>(&'v mut dyn FnMut(Cow<'a, str>, &'a RawValue));

    impl<'de> Visitor<'de> for Each<'_, 'de> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some((Name(name), value)) = map.next_entry()? {
                (self.0)(name, value);
            }
            Ok(())
        }
    }

    text.starts_with('{') && serde_json::Deserializer::from_str(text).deserialize_map(Each(visit)).is_ok()
}

/// Shows every element of an array to `visit`, one at a time: an array of ten million elements costs no more memory than its text.
/// False: the text is no array.
pub fn elements<'a>(text: &'a str, visit: &mut dyn FnMut(&'a RawValue)) -> bool {
    struct Each<'v, 'a>(&'v mut dyn FnMut(&'a RawValue));

    impl<'de> Visitor<'de> for Each<'_, 'de> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
            while let Some(element) = seq.next_element()? {
                (self.0)(element);
            }
            Ok(())
        }
    }

    text.starts_with('[') && serde_json::Deserializer::from_str(text).deserialize_seq(Each(visit)).is_ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn every_number_keeps_its_digits() {
        let text = r#"{"a": 123456789012345678901234567890, "b": [1.0, 1e400, -0.0, 1.10, 1E+2]}"#;
        let json = Json::parse(text.to_owned()).unwrap();
        assert_eq!((json.get(), serde_json::to_string(&json).unwrap().as_str()), (text, text));
        let read: Json = serde_json::from_str(text).unwrap();
        assert_eq!(read, json);
    }

    #[test]
    fn of_two_members_of_one_name_the_last_stays() {
        let object = |text: &str| Json::object(text.to_owned());
        assert_eq!(object(r#"{"a":1,"b":2,"\u0061":3.0}"#).unwrap().get(), r#"{"b":2,"a":3.0}"#);
        assert_eq!(object(r#" {"a" : 1} "#).unwrap().get(), r#"{"a" : 1}"#);
        assert!(matches!(object("[1]"), Err(NotJson::NoObject)));
        assert!(matches!(object("{"), Err(NotJson::Syntax(_))));
        assert!(matches!(object(r#"{"a":"\ud83d"}"#), Err(NotJson::Unsound(_))));
    }

    #[test]
    fn an_array_is_seen_element_by_element() {
        let mut seen = Vec::new();
        assert!(elements("[1.0, {\"a\": []}, \"x\"]", &mut |element| seen.push(element.get().to_owned())));
        assert_eq!(seen, ["1.0", "{\"a\": []}", "\"x\""]);
        assert!(!elements("{}", &mut |_| ()));
    }
}
