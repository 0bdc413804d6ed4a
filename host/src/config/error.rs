//! What is wrong with `mcp-servers.json`, with an entry of it, or with what an entry names.
//! Takes what the system, the parsers and the checks say; gives it as data, with its cause. Never holds a credential, and never says what to
//! do: that is `advice`.

use std::{io, path::PathBuf, process::ExitStatus};

use pflow_gateway_service_settings::{LONGEST_TEXT, MOST_SETTINGS, SettingFault};

use crate::{
    components::ComponentsError,
    egress::{NotAHeaderValue, OriginError, PathError},
    files::LockError,
    setting::OutOfRange,
};

/// The result of everything in here that can fail.
pub(super) type Result<T, E = ConfigError> = std::result::Result<T, E>;

/// What is wrong with the file, with an entry of it, or with what an entry names. Texts are fit for a terminal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Nobody knows where pflow's folder is.
    #[error("there is no home folder: HOME is not set")]
    NoHome,
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// What the file keeps, or does not.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// An entry for a server at a URL, not as pflow writes it.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// A URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A credential, or what gives it.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// A variable has no value and no default.
    #[error("the variable {name} is not set")]
    Unset {
        /// Which.
        name: String,
    },
    /// A limit is not between its floor and its ceiling.
    #[error(transparent)]
    Limit(#[from] OutOfRange),
    /// A name that no gateway can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The components beside the file.
    #[error(transparent)]
    Components(#[from] ComponentsError),
    /// A text that was made for an entry is no JSON.
    #[error("the text of {name} is not valid JSON")]
    Text {
        /// The entry.
        name: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// The system does not tell the program's own path.
    #[error("cannot tell the path of this program")]
    Program(#[source] io::Error),
}

/// What is wrong with the file, or with writing it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Unread {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is text that pflow does not read.
    #[error("{} {encoding}", path.display())]
    Encoding {
        /// Which.
        path: PathBuf,
        /// As what it is written.
        encoding: Encoding,
    },
    /// It is no JSON.
    #[error("{} is not valid JSON at line {line}, column {column}: {problem}", path.display())]
    Syntax {
        /// Which.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What stands there, or what the parser says.
        problem: String,
    },
    /// It is JSON of another kind.
    #[error("{} must hold an object", path.display())]
    NoObject {
        /// Which.
        path: PathBuf,
    },
    /// Its servers are no object.
    #[error("{} must hold an object as \"mcpServers\"", path.display())]
    NoServers {
        /// Which.
        path: PathBuf,
    },
    /// It is somebody else's, and an entry of it wants something of this user.
    #[error("{} is not pflow's own file, and {gateway} in it wants to {}", path.display(), wants.join(", and to "))]
    Foreign {
        /// Which.
        path: PathBuf,
        /// The entry.
        gateway: String,
        /// What it wants to do.
        wants: Vec<String>,
    },
    /// Another program wrote it after it was read.
    #[error("{} was changed by another program meanwhile", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("cannot write {}", path.display())]
    Unwritten {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Somebody else is changing it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// What is trusted cannot be kept: nobody knows where.
    #[error("there is no home folder to keep it in: HOME is not set")]
    NoPlaceForTrust,
    /// What is trusted cannot be written.
    #[error("cannot write {}", path.display())]
    TrustUnwritten {
        /// Where it is kept.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// As what a text is written that pflow does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Encoding {
    /// UTF-16.
    #[error("is UTF-16, as PowerShell writes files; pflow reads UTF-8")]
    Utf16,
    /// UTF-8, behind a mark.
    #[error("begins with a byte order mark (BOM), which pflow does not read")]
    ByteOrderMark,
    /// Something else.
    #[error("is not UTF-8: look at byte {at}")]
    Other {
        /// The first byte that cannot be, from 1.
        at: usize,
    },
}

/// What is wrong with an entry, or with the search for one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Nothing has this name.
    #[error("no gateway is called {target:?} in {}{}", path.display(), elsewhere.as_ref().map_or_else(String::new, |elsewhere| format!(": {elsewhere}")))]
    Unknown {
        /// What was looked for.
        target: String,
        /// Where.
        path: PathBuf,
        /// Where the file has its servers, when pflow does not look there.
        elsewhere: Option<String>,
        /// What may have been meant.
        meant: Meant,
    },
    /// The name is taken.
    #[error("{name} exists already in {}", path.display())]
    Exists {
        /// By which entry.
        name: String,
        /// Where.
        path: PathBuf,
    },
    /// There is nowhere to put it.
    #[error("\"mcpServers\" is not an object")]
    NoServers,
    /// No object.
    #[error("{name} is no entry: it must be an object")]
    NoObject {
        /// Which.
        name: String,
    },
    /// An entry of nothing.
    #[error("{name} has neither a \"url\" nor a \"command\"")]
    Nothing {
        /// Which.
        name: String,
    },
    /// An MCP server that is no gateway.
    #[error("{name} is not a gateway: it is an MCP server that pflow starts itself")]
    Started {
        /// Which.
        name: String,
    },
    /// A member is not there.
    #[error("{path} is missing")]
    Missing {
        /// Which.
        path: String,
    },
    /// A member is something else than it must be.
    #[error("{path} must be {expected}, not {found}")]
    Wrong {
        /// Which.
        path: String,
        /// What it must be.
        expected: String,
        /// What it is; not told where it may be a credential.
        found: String,
        /// Seconds that are too many, and would do as milliseconds.
        milliseconds: Option<f64>,
    },
    /// A way of authentication that nobody knows.
    #[error("{path}.type must be bearer, api_key, basic or command")]
    Auth {
        /// Where.
        path: String,
    },
    /// No name of a header.
    #[error("{path}: {name:?} is no header name")]
    HeaderName {
        /// Where.
        path: String,
        /// What stands there.
        name: String,
    },
    /// A service that is not declared as one.
    #[error("{path}: {problem}")]
    Declaration {
        /// Where.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A limit that nobody knows.
    #[error("{path} is no limit")]
    NoLimit {
        /// Where.
        path: String,
    },
    /// No origin.
    #[error("{path}")]
    Origin {
        /// Where.
        path: String,
        /// Why not.
        source: OriginError,
    },
    /// No path that a component may be allowed.
    #[error("{path}")]
    Path {
        /// Where.
        path: String,
        /// Why not.
        source: PathError,
    },
    /// No setting for a component.
    #[error("{path}: {}", setting(name, *fault))]
    Setting {
        /// Where.
        path: String,
        /// Its name. Its value is not told: it may be a secret.
        name: String,
        /// What is wrong with it.
        fault: SettingFault,
    },
    /// More settings than a component is given.
    #[error("{path}: more than {MOST_SETTINGS} settings")]
    Settings {
        /// Where.
        path: String,
    },
    /// A proxy without an address.
    #[error("\"proxy\" in the entry is empty")]
    Proxy,
}

/// What may have been meant by a name that no gateway has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meant {
    /// One of the servers that are where pflow does not look.
    Elsewhere,
    /// A URL, without its scheme.
    Url(String),
    /// A name much like it.
    Near(String),
    /// One of these; there may be none.
    Known(Vec<String>),
}

fn setting(name: &str, fault: SettingFault) -> String {
    match fault {
        SettingFault::Name => format!("\"{name}\" cannot be the name of a setting"),
        SettingFault::Text => {
            format!("the setting {name} is longer than {LONGEST_TEXT} bytes, or has control characters")
        }
        SettingFault::Variable => format!("the setting {name} names a variable, and variables are not put in here"),
        SettingFault::Credential => format!("the setting {name} looks like a credential"),
    }
}

/// What is wrong with an entry that names a server at a URL, and not as pflow does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// It speaks what came before Streamable HTTP.
    #[error("{name} speaks HTTP+SSE (\"sse\"), the transport before Streamable HTTP; pflow and pflow-gateway do not")]
    Sse {
        /// Which.
        name: String,
    },
    /// Its URL stands where pflow does not look.
    #[error("{name} has its URL in \"{member}\", as {who}; pflow reads \"url\" beside \"type\": \"http\"")]
    UrlElsewhere {
        /// Which.
        name: String,
        /// Where.
        member: String,
        /// Who writes it so.
        who: String,
        /// What pflow wants.
        line: String,
    },
    /// A transport that pflow has no such word for.
    #[error("{name} has \"{member}\": \"{transport}\", which pflow does not know; it wants \"type\": \"http\"")]
    Transport {
        /// Which.
        name: String,
        /// Where.
        member: String,
        /// The word.
        transport: String,
        /// What pflow wants.
        line: String,
    },
    /// A URL without a type.
    #[error("{name} has a \"url\" and no \"type\", so pflow looks for a command to start, and finds none")]
    NoType {
        /// Which.
        name: String,
        /// What pflow wants.
        line: String,
    },
}

/// What is wrong with a URL. It is shown without what is secret in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Read as a slash by some. Not shown: what is a host to one is a path with a key to another.
    #[error("{from} holds a backslash; write /")]
    Backslash {
        /// Where it stands.
        from: String,
    },
    /// None.
    #[error("{from} {shown:?} is not a valid URL")]
    Invalid {
        /// Where it stands.
        from: String,
        /// The URL.
        shown: String,
        /// Why not.
        source: url::ParseError,
    },
    /// Of something else than HTTP.
    #[error("{from} {shown:?} must start with http:// or https://")]
    Scheme {
        /// Where it stands.
        from: String,
        /// The URL.
        shown: String,
    },
    /// A user name or a password is in it. Not shown.
    #[error("{from} holds a user name or password")]
    UserInfo {
        /// Where it stands.
        from: String,
    },
    /// Its variables have other values than when it was read.
    #[error("the variables of {shown} changed what it points to")]
    Moved {
        /// The URL.
        shown: String,
    },
}

/// What is wrong with a credential, or with what gives it. `from` names variables, and no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// HTTP's Basic has no way to write it.
    #[error("the user name in {from} holds a colon, which Basic cannot carry")]
    Colon {
        /// What it was made of.
        from: String,
    },
    /// No value of a header.
    #[error("the value for the header {header} {problem}")]
    HeaderValue {
        /// Which.
        header: String,
        /// What is wrong with it.
        problem: NotAHeaderValue,
    },
    /// Nothing.
    #[error("{from} is empty")]
    Empty {
        /// What it was made of.
        from: String,
    },
    /// More than a line.
    #[error("{from} holds a line break or another control character")]
    ControlCharacter {
        /// What it was made of.
        from: String,
    },
    /// No command.
    #[error("the token command is empty")]
    NoCommand,
    /// The command does not start.
    #[error("the token command {program} cannot be run")]
    NotRun {
        /// Which.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// The command does not end.
    #[error("the token command {program} took more than {seconds} s")]
    Late {
        /// Which.
        program: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// What the command says is no text.
    #[error("the token command {program} cannot be read")]
    Unread {
        /// Which.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// The command failed.
    #[error("the token command {program} ended with {status}")]
    Failed {
        /// Which.
        program: String,
        /// How.
        status: ExitStatus,
    },
    /// The command says something else than a token.
    #[error("the token command {program} did not print one line with a token")]
    NoToken {
        /// Which.
        program: String,
    },
}

/// A name that no gateway can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It begins with a hyphen.
    #[error("{name:?} cannot be a gateway's name: it would be read as a flag")]
    Flag {
        /// Which.
        name: String,
    },
    /// It is too long, or has other characters than pflow allows.
    #[error("{name:?} cannot be a gateway's name")]
    Invalid {
        /// Which.
        name: String,
    },
    /// Two services come to the same.
    #[error("two services would both be called {name}")]
    Twice {
        /// Which.
        name: String,
    },
}
