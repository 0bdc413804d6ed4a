//! This process and its terminal, as each system has them.
//! Takes nothing; changes this process, or gives its terminal back as it was. Never fails: where the system cannot do it, nothing is lost.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(super) use self::unix::{AsItWas, interrupt, no_dumps};
#[cfg(windows)]
pub(super) use self::windows::{AsItWas, interrupt, no_dumps};
