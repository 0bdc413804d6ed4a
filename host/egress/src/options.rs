//! What a way out is made of.
//! Takes what a user wrote, resolved; nothing here reads a file or the environment.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;
use url::Url;

use super::{Addresses, Origin, PathRule};

/// The way to one gateway, as its user wants it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EgressOptions {
    /// What errors call the gateway.
    pub name: String,
    /// The MCP endpoint. Its origin is the one that credentials are for.
    pub url: Url,
    /// Further paths of that origin that a guest may ask, and that the credential is for.
    pub paths: Vec<PathRule>,
    /// Origins besides, without credentials.
    pub allow_origins: Vec<Origin>,
    /// Where the gateway may be.
    pub addresses: Addresses,
    /// Further roots of trust, a PEM file.
    pub ca_file: Option<PathBuf>,
    /// By way of what requests leave.
    pub proxy: ProxyChoice,
    /// For a connection, and for everything that has no limit of its own.
    pub timeout: Duration,
}

impl EgressOptions {
    /// The way to this URL and nowhere else, within 30 seconds.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self {
            name: url.host_str().unwrap_or_default().to_owned(),
            url,
            paths: Vec::new(),
            allow_origins: Vec::new(),
            addresses: Addresses::default(),
            ca_file: None,
            proxy: ProxyChoice::default(),
            timeout: Duration::from_secs(30),
        }
    }
}

/// The proxy that requests take.
#[derive(Clone, Debug, Default)]
pub enum ProxyChoice {
    /// What `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    #[default]
    Environment,
    /// None, whatever they say.
    None,
    /// This one. May hold a password.
    Url(SecretString),
}
