//! Server files of other MCP clients, read.
//! Takes a file; gives the servers in it as they would be entries here, or why they would not. Only reads: never writes to another
//! program's file, starts nothing that one names, and repeats no credential that stands in one.

mod advice;
mod comments;
mod error;
mod file;
mod places;
mod server;

use std::path::{Path, PathBuf};

pub use self::{
    error::ImportError,
    places::{Client, usual},
};
use crate::{Error, files, scrub};

/// Claude Code keeps its history in the file of its servers; that grows.
const LARGEST: u64 = 32 * 1024 * 1024;

/// A server of another client.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its name here; pflow's rule for names is narrower than others'.
    pub name: String,
    /// Its name there.
    pub called: String,
    /// What it is for pflow.
    pub server: Server,
}

/// What it is for pflow.
#[derive(Clone, Debug, PartialEq)]
pub enum Server {
    /// A gateway, or any server at a URL.
    Http(Box<Http>),
    /// A program that the client starts.
    Program {
        /// The program, and nothing of its arguments: they may hold a key.
        command: String,
        /// It only passes messages on to this URL, as it may be shown.
        bridge: Option<String>,
    },
    /// It cannot be one, and why.
    Unfit(Error),
}

/// A server at a URL.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Http {
    /// With variables as pflow writes them.
    pub url: String,
    /// Headers, with variables as pflow writes them.
    pub headers: Vec<(String, String)>,
    /// Variables that take the place of a value, and what the value was for: `(HEADER, VARIABLE)`.
    pub moved: Vec<(String, String)>,
    /// Variables that the client asks its user for.
    pub asked: Vec<String>,
    /// Exact names of tools to keep, and to leave out.
    pub include: Vec<String>,
    /// Exact names of tools to leave out.
    pub exclude: Vec<String>,
    /// For one operation, in seconds.
    pub timeout: Option<f64>,
}

/// The servers in a file. Whose it is says its place or, of one that was named, what is in it.
///
/// # Errors
///
/// It cannot be read, is too large, or is no such file; of class `config`.
pub fn read(path: &Path) -> Result<Vec<Found>, ImportError> {
    let shown = scrub::line(&path.display().to_string(), 300);
    let bytes = files::read_regular_up_to(path, LARGEST)
        .map_err(|source| ImportError::Unread { file: shown.clone(), source })?;
    // A byte order mark says nothing, and VS Code writes one where it was one.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return Err(ImportError::NotText { file: shown }) };
    file::servers(&shown, text, path.extension().is_some_and(|end| end.eq_ignore_ascii_case("toml")))
}

/// The files of known clients that are there.
#[must_use]
pub fn there() -> Vec<(Client, PathBuf)> {
    usual().into_iter().filter(|(_, path)| path.is_file()).collect()
}
