//! Locks that a panic does not close.
//! Takes a value; lends it to one holder at a time (or to many readers). Never fails: where a holder panicked, the next one gets the value as it was
//! left, as with `parking_lot`. So nothing is kept in these that a panic could leave half changed.

use std::sync::{PoisonError, TryLockError};

pub use std::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

/// [`std::sync::Mutex`] without poisoning.
#[derive(Debug, Default)]
pub struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// An open one.
    pub const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// Waits until nobody else holds the value.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value, unless somebody else holds it.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(left)) => Some(left.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// [`std::sync::RwLock`] without poisoning.
#[derive(Debug, Default)]
pub struct RwLock<T>(std::sync::RwLock<T>);

impl<T> RwLock<T> {
    /// An open one.
    pub const fn new(value: T) -> Self {
        Self(std::sync::RwLock::new(value))
    }

    /// Waits until nobody writes.
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody else holds the value.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn whoever_comes_after_a_panic_gets_the_value() {
        let (one, other) = (Mutex::new(1), RwLock::new(1));
        let ended = thread::scope(|scope| {
            let panics = || {
                let (mut one, mut other) = (one.lock(), other.write());
                (*one, *other) = (2, 2);
                std::panic::resume_unwind(Box::new("a bug"));
            };
            scope.spawn(panics).join()
        });
        assert!(ended.is_err());
        assert_eq!((*one.lock(), *other.read()), (2, 2));
        assert_eq!(one.try_lock().as_deref(), Some(&2));
        let held = one.lock();
        assert!(one.try_lock().is_none());
        drop(held);
        *other.write() = 3;
        assert_eq!(*other.read(), 3);
    }
}
