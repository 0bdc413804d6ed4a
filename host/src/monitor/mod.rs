//! Watching gateways for as long as wanted: `health --watch` and `monitor`.
//! Takes gateways and a history; gives reports as they come, and serves them on a local port. Never asks a gateway more often than it
//! allows, and shows nobody a credential.

mod advice;
mod alert;
mod board;
mod error;
mod metrics;
mod pace;
mod page;
mod server;
mod watch;

use std::{net::SocketAddr, sync::Arc};

use secrecy::SecretString;

use self::{board::Board, server::AccessPolicy};
use crate::{Listener, history::History, random};

pub use self::{
    alert::{Alerts, OnChange},
    error::MonitorError,
    watch::{Update, Watch},
};

/// A token that nobody can guess: 128 bits.
///
/// # Errors
///
/// The system has no random numbers.
pub fn random_token() -> Result<SecretString, MonitorError> {
    Ok(random::token()?.into())
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
    /// The address is not this machine's and there is no token, or it cannot be had.
    pub async fn listen(
        address: SocketAddr,
        token: Option<SecretString>,
        history: History,
        names: Vec<String>,
    ) -> Result<Self, MonitorError> {
        let door = match token {
            Some(token) => AccessPolicy::Token(Arc::new(token)),
            None if address.ip().is_loopback() => AccessPolicy::Open,
            None => return Err(MonitorError::Open { address }),
        };
        let listener = Listener::bind(address).await.map_err(|source| MonitorError::Unheard { address, source })?;
        let address = listener.address();
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
