//! Watching gateways for as long as wanted: `health --watch` and `monitor`.
//! Takes gateways and a history; gives reports as they come, and serves them on a local port. Never asks a gateway more often than it
//! allows, and shows nobody a credential.

mod alert;
mod board;
mod metrics;
mod pace;
mod page;
mod server;
mod watch;

use std::{net::SocketAddr, sync::Arc};

use secrecy::SecretString;
use tokio::net::TcpListener;

use self::{board::Board, server::AccessPolicy};
use crate::{Class, Error, Result, history::History};

pub use self::{
    alert::{Alerts, OnChange},
    watch::{Update, Watch},
};

/// A token that nobody can guess: 128 bits.
///
/// # Errors
///
/// `internal`: the system has no random numbers.
pub fn random_token() -> Result<SecretString> {
    let mut bytes = [0_u8; 16];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| Error::new(Class::Internal, "the system has no random numbers for a token"))?;
    Ok(bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")).into())
}

/// A monitor that serves until it is dropped.
pub struct Monitor {
    address: SocketAddr,
    board: Arc<Board>,
    task: tokio::task::JoinHandle<()>,
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Monitor {
    /// Listens. `names` are the gateways that will be posted, in the order to show them. Without a token every user of this machine
    /// may look.
    ///
    /// # Errors
    ///
    /// `config`: the address is not this machine's and there is no token, or it cannot be had.
    pub async fn listen(
        address: SocketAddr,
        token: Option<SecretString>,
        history: History,
        names: Vec<String>,
    ) -> Result<Self> {
        let door = match token {
            Some(token) => AccessPolicy::Token(Arc::new(token)),
            None if address.ip().is_loopback() => AccessPolicy::Open,
            None => {
                return Err(Error::config(format!("{address} can be reached from other machines")).with_hint(
                    "listen on 127.0.0.1, or leave out --no-token; --token-env VAR sets a token of your own",
                ));
            }
        };
        let listener = TcpListener::bind(address).await.map_err(|error| {
            Error::config(format!("cannot listen on {address}")).because(error).with_hint("port 0 takes any free one")
        })?;
        let address = listener
            .local_addr()
            .map_err(|error| Error::config(format!("cannot listen on {address}")).because(error))?;
        let board = Arc::new(Board::new(history, names));
        let task = tokio::spawn(server::serve(listener, door, Arc::clone(&board)));
        Ok(Self { address, board, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Shows these gateways from now on, in this order; the others are forgotten.
    pub fn show(&self, names: Vec<String>) {
        self.board.show(names);
    }

    /// Shows a look to all who ask.
    pub fn post(&self, update: &Update) {
        self.board.post(update);
    }
}
