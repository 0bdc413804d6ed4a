//! A JSON object that is put together: members in order, and what others wrote of it as they wrote it.
//! Takes names and values; gives what `serde` writes. Never touches a number that came as text.

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::value::{RawValue, to_raw_value};

/// Members in the order in which they were set. A name that is set twice stands there twice.
#[derive(Clone, Debug, Default)]
pub struct Object(Vec<(String, Box<RawValue>)>);

impl Object {
    /// The object with one more member. A value that is no JSON, such as a map whose keys are no strings, is left out.
    #[must_use]
    pub fn with(mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Self {
        self.0.extend(to_raw_value(value).ok().map(|value| (name.to_owned(), value)));
        self
    }

    /// Whether nothing was set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The members of the other one behind those of this one.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn members_stay_in_order_and_numbers_as_they_were_written() {
        let theirs: &RawValue = serde_json::from_str("1.10e400").unwrap();
        let inner = Object::default().with("z", theirs).with("a\"", "b\n");
        let object = Object::default().with("inner", &inner).and(Object::default().with("n", &7));
        assert_eq!(serde_json::to_string(&object).unwrap(), r#"{"inner":{"z":1.10e400,"a\"":"b\n"},"n":7}"#);
        assert!(Object::default().is_empty() && !object.is_empty());
    }
}
