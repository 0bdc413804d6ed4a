//! What a tool is to whoever calls it: title, description, schemas and annotations, and whose it is.
//! Takes tools as they are listed; gives digests, what was accepted of them, and how the two differ. Never goes by a name alone where
//! the gateway tells more.

mod canonical;
mod compare;
mod difference;
mod schema;
mod store;

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use self::canonical::canonical;
use crate::json::Json;

pub use self::{
    compare::{Comparison, Standing},
    difference::{Difference, Mark},
    store::{Accepted, All, By, Complete, Kept, Known, Pending, Review, Stamp, Store, StoreError, Taken},
};

/// What a tool says of itself, as far as callers and models go by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// For people.
    pub title: Option<String>,
    /// For models and people.
    pub description: Option<String>,
    /// JSON Schema of its arguments.
    pub input_schema: Json,
    /// JSON Schema of its structured result.
    pub output_schema: Option<Json>,
    /// Its hints: `readOnlyHint` and the like.
    pub annotations: Option<Json>,
}

#[cfg(test)]
impl Definition {
    /// Of what it is recognised.
    pub fn digest(&self) -> Digest {
        Parts {
            title: self.title.as_deref(),
            description: self.description.as_deref(),
            input_schema: self.input_schema.get(),
            output_schema: self.output_schema.as_ref().map(Json::get),
            annotations: self.annotations.as_ref().map(|hints| Cow::Borrowed(hints.get())),
        }
        .digest()
    }
}

/// The same, borrowed from a listing.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// For people.
    pub title: Option<&'a str>,
    /// For models and people.
    pub description: Option<&'a str>,
    /// JSON Schema of its arguments.
    pub input_schema: &'a str,
    /// JSON Schema of its structured result.
    pub output_schema: Option<&'a str>,
    /// Its hints, as an object.
    pub annotations: Option<Cow<'a, str>>,
}

impl Parts<'_> {
    /// SHA-256 over the canonical form. `_meta`, icons and the name are not in it.
    pub fn digest(&self) -> Digest {
        let mut hash = Sha256::new();
        let mut part = |text: Option<Cow<'_, str>>| match text {
            None => hash.update([0]),
            Some(text) => {
                hash.update([1]);
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text.as_bytes());
            }
        };
        part(self.title.map(Cow::Borrowed));
        part(self.description.map(Cow::Borrowed));
        part(Some(canonical(self.input_schema)));
        part(self.output_schema.map(canonical));
        part(self.annotations.as_deref().map(canonical));
        Digest(hash.finalize().into())
    }

    /// On its own.
    pub fn to_definition(&self) -> Definition {
        let json = |text: &str| Json::parse(text.to_owned()).unwrap_or_else(|_| Json::string(text));
        Definition {
            title: self.title.map(str::to_owned),
            description: self.description.map(str::to_owned),
            input_schema: json(self.input_schema),
            output_schema: self.output_schema.map(json),
            annotations: self.annotations.as_deref().map(json),
        }
    }
}

/// What a definition is recognised by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let pairs = text.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        });
        let bytes: Option<Vec<u8>> = pairs.collect();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("a SHA-256 in hex"))
    }
}

/// A tool, whatever it is called at the moment: the gateway's own id of its service, and its name there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The gateway's own id of the service.
    pub service: String,
    /// The name that the tool has at that service.
    pub original: String,
}

/// Whose a tool is, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The service's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub service: Option<String>,
    /// The gateway or the user says so; it is no guess.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub certain: bool,
    /// What it is, whatever it is called; where the gateway tells.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub identity: Option<Identity>,
}

/// A tool of a listing.
#[derive(Clone, Debug)]
pub struct Listing<'a> {
    /// As listed.
    pub name: &'a str,
    /// Whose it is.
    pub owner: Owner,
    /// What it says of itself.
    pub parts: Parts<'a>,
}

#[cfg(test)]
pub(crate) use tests::{listing, parts};

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    pub(crate) fn parts<'a>(description: &'a str, schema: &'a str) -> Parts<'a> {
        Parts {
            title: None,
            description: Some(description),
            input_schema: schema,
            output_schema: None,
            annotations: None,
        }
    }

    pub(crate) fn listing<'a>(name: &'a str, description: &'a str) -> Listing<'a> {
        Listing { name, owner: Owner::default(), parts: parts(description, r#"{"type":"object"}"#) }
    }

    #[test]
    fn a_digest_is_of_every_part_and_of_nothing_else() {
        let all = Parts {
            title: Some("T"),
            description: Some("D"),
            input_schema: r#"{"type":"object","properties":{"a":{},"b":{}}}"#,
            output_schema: Some("{}"),
            annotations: Some(Cow::Borrowed(r#"{"readOnlyHint":true}"#)),
        };
        let same =
            Parts { input_schema: "{ \"properties\": {\"b\":{}, \"a\":{}},\n \"type\": \"object\"}", ..all.clone() };
        assert_eq!(all.digest(), same.digest());
        let others = [
            Parts { title: None, ..all.clone() },
            Parts { description: Some("D "), ..all.clone() },
            Parts { input_schema: "{}", ..all.clone() },
            Parts { output_schema: None, ..all.clone() },
            Parts { annotations: None, ..all.clone() },
            // What moves from one part to the next is another definition.
            Parts { title: Some("TD"), description: Some(""), ..all.clone() },
        ];
        for other in &others {
            assert_ne!(all.digest(), other.digest(), "{other:?}");
        }
        let digest = all.digest();
        assert_eq!(all.to_definition().digest(), digest);
        let text = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&text).unwrap(), digest);
        for wrong in [r#""""#, r#""ab""#, r#""zz""#, "7"] {
            assert!(serde_json::from_str::<Digest>(wrong).is_err());
        }
    }
}
