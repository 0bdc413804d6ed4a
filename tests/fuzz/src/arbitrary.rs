//! The crate `arbitrary` with what its derive calls besides, which is behind a feature there: with that feature, cranelift, which has the crate too,
//! would be compiled anew for the fuzz targets (docs/decisions/0010-fuzzing.md).

pub use ::arbitrary::*;

/// As in `arbitrary`: a value that contains itself ends when the bytes do.
pub mod details {
    use std::{cell::Cell, thread::LocalKey};

    use super::{Error, Result, Unstructured};

    /// Owned or borrowed.
    pub trait IsEmpty {
        /// Whether there are no more bytes.
        fn is_empty(&self) -> bool;
    }

    impl IsEmpty for Unstructured<'_> {
        fn is_empty(&self) -> bool {
            Unstructured::is_empty(self)
        }
    }

    impl IsEmpty for &mut Unstructured<'_> {
        fn is_empty(&self) -> bool {
            Unstructured::is_empty(self)
        }
    }

    /// Refuses to go deeper without bytes.
    ///
    /// # Errors
    ///
    /// There are none, and this is not the first level.
    pub fn with_recursive_count<U: IsEmpty, R>(
        bytes: U,
        depth: &'static LocalKey<Cell<u32>>,
        make: impl FnOnce(U) -> Result<R>,
    ) -> Result<R> {
        if !bytes.is_empty() {
            return make(bytes);
        }
        if depth.get() > 0 {
            return Err(Error::NotEnoughData);
        }
        depth.set(1);
        let value = make(bytes);
        depth.set(0);
        value
    }
}
