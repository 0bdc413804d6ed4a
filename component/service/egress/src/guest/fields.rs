//! Header fields that the gateway component holds: its own, or an answer's with credentials masked.
//! Takes and gives fields. Nothing that egress adds to a request is ever in one.

use super::{
    codes,
    engine::types as engine,
    given::types::{self as given, FieldName, FieldValue, HeaderError},
};

/// Some fields.
pub(crate) struct Fields {
    inner: engine::Fields,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mutable,
    /// Of a request or an answer that exists.
    Immutable,
}

impl Fields {
    /// A copy that cannot be changed.
    pub(crate) fn immutable(of: &engine::Fields) -> Self {
        Self { inner: of.clone(), kind: Kind::Immutable }
    }

    /// The engine's, to be handed on.
    pub(crate) fn into_inner(self) -> engine::Fields {
        self.inner
    }

    fn change(
        &self,
        change: impl FnOnce(&engine::Fields) -> Result<(), engine::HeaderError>,
    ) -> Result<(), HeaderError> {
        match self.kind {
            Kind::Immutable => Err(HeaderError::Immutable),
            Kind::Mutable => change(&self.inner).map_err(codes::header_error),
        }
    }
}

impl given::GuestFields for Fields {
    fn new() -> Self {
        Self { inner: engine::Fields::new(), kind: Kind::Mutable }
    }

    fn from_list(entries: Vec<(FieldName, FieldValue)>) -> Result<given::Fields, HeaderError> {
        let inner = engine::Fields::from_list(&entries).map_err(codes::header_error)?;
        Ok(given::Fields::new(Self { inner, kind: Kind::Mutable }))
    }

    fn get(&self, name: FieldName) -> Vec<FieldValue> {
        self.inner.get(&name)
    }

    fn has(&self, name: FieldName) -> bool {
        self.inner.has(&name)
    }

    fn set(&self, name: FieldName, value: Vec<FieldValue>) -> Result<(), HeaderError> {
        self.change(|inner| inner.set(&name, &value))
    }

    fn delete(&self, name: FieldName) -> Result<(), HeaderError> {
        self.change(|inner| inner.delete(&name))
    }

    fn append(&self, name: FieldName, value: FieldValue) -> Result<(), HeaderError> {
        self.change(|inner| inner.append(&name, &value))
    }

    fn entries(&self) -> Vec<(FieldName, FieldValue)> {
        self.inner.entries()
    }

    fn clone(&self) -> given::Fields {
        given::Fields::new(Self { inner: self.inner.clone(), kind: Kind::Mutable })
    }
}
