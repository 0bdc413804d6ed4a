//! Limits that a user can set: `"limits": {"memory_bytes": …}` in an entry of `mcp-servers.json`.
//! Takes names and numbers; changes a set of limits. Never goes over a ceiling: a limit that can be switched off is none.

use std::fmt;

/// One limit of a set `T`. Its unit is part of its name.
pub struct Setting<T> {
    /// As in the entry, and in `component show --json`.
    pub name: &'static str,
    /// The least that makes sense.
    pub floor: u64,
    /// The most that can be allowed.
    pub ceiling: u64,
    /// Reads it.
    pub get: fn(&T) -> u64,
    /// Writes it, unchecked: see [`apply`](Self::apply).
    pub set: fn(&mut T, u64),
}

impl<T> fmt::Debug for Setting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting").field("name", &self.name).field("ceiling", &self.ceiling).finish_non_exhaustive()
    }
}

/// A limit that is less than its floor, or more than its ceiling.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} must be between {floor} and {ceiling}, not {value}")]
pub struct OutOfRange {
    /// Where the value stands.
    pub path: String,
    /// The least that makes sense.
    pub floor: u64,
    /// The most that can be allowed.
    pub ceiling: u64,
    /// What stands there.
    pub value: u64,
}

impl<T> Setting<T> {
    /// Sets it.
    ///
    /// # Errors
    ///
    /// Less than the floor, or more than the ceiling. `path` is where the value stands.
    pub fn apply(&self, limits: &mut T, value: u64, path: &str) -> Result<(), OutOfRange> {
        if value < self.floor || value > self.ceiling {
            return Err(OutOfRange { path: path.to_owned(), floor: self.floor, ceiling: self.ceiling, value });
        }
        (self.set)(limits, value);
        Ok(())
    }
}

/// How to allow more of what ran out.
pub fn raise<N: Copy + fmt::Display + PartialOrd>(name: &str, now: N, ceiling: N) -> String {
    if now >= ceiling {
        return format!("{now} is the most that \"{name}\" can be set to");
    }
    format!(
        "allow more with \"limits\": {{\"{name}\": …}} in the gateway's entry of mcp-servers.json; it is {now} now, and at most {ceiling}"
    )
}
