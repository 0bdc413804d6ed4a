//! Why the servers of another client, or one of them, cannot be taken over.
//! Takes what the system and the parsers say; gives it as data, with its cause. Never holds a value that stands in such a file: it may be a
//! credential.

use std::io;

use crate::config::Misfit;

/// Why a client's file, or a server in it, cannot be taken over. Texts are fit for a terminal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It cannot be read, or is too large.
    #[error("cannot read {file}")]
    Unread {
        /// Its path.
        file: String,
        /// Why not.
        source: io::Error,
    },
    /// Not one of a client's files.
    #[error("{file} is not UTF-8")]
    NotText {
        /// Its path.
        file: String,
    },
    /// Not even with a client's liberties.
    #[error("{file} is not valid JSON")]
    NotJson {
        /// Its path.
        file: String,
        /// Where. The parser repeats nothing of what is written there.
        source: serde_json::Error,
    },
    /// Codex's.
    #[error("{file} is not valid TOML at line {line}: {why}")]
    NotToml {
        /// Its path.
        file: String,
        /// From 1.
        line: usize,
        /// The parser's words, without the line that it shows of the file.
        why: String,
    },
    /// Nothing where clients keep servers.
    #[error(
        "{file} names no MCP servers: it has none of mcpServers, servers, mcp_servers, mcp.servers and context_servers"
    )]
    NoServers {
        /// Its path.
        file: String,
    },
    /// An entry that is a text, a number, a list.
    #[error("{server} is no entry: it must be an object")]
    NotAnObject {
        /// Its name there.
        server: String,
    },
    /// The client does not use it either.
    #[error("{server} is switched off there")]
    SwitchedOff {
        /// Its name there.
        server: String,
    },
    /// What `serve` gave that client.
    #[error("{server} is a gateway of this program already")]
    Ours {
        /// Its name there.
        server: String,
    },
    /// The transport before Streamable HTTP.
    #[error("{server} speaks HTTP+SSE")]
    OldTransport {
        /// Its name there.
        server: String,
    },
    /// Not as pflow takes a server at a URL.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// Nothing to ask and nothing to start.
    #[error("{server} has neither a URL nor a command")]
    Nothing {
        /// Its name there.
        server: String,
    },
    /// A header's value is a number, a list.
    #[error("{server}: the header {header} is not a text")]
    NotAHeader {
        /// The server's name there.
        server: String,
        /// The header's name.
        header: String,
    },
    /// White space at best.
    #[error("{server} has an empty URL")]
    EmptyUrl {
        /// Its name there.
        server: String,
    },
}
