//! The only way out of the sandbox.

/// A scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {}
