//! The gateway as what is talked to: how it is configured, the way out to it, its credential, and its failures in words.
//! Takes a [`GatewayConfig`]; gives the one [`Egress`] of it, made at first use, and [`Error`]s that name it. Never shows a credential, and
//! knows nothing of sessions.

use std::time::{Duration, SystemTime};

use tokio::sync::OnceCell;

use super::{
    background::apart,
    explain::{Known, MORE_TIME, Renewed, explain, who},
};
use crate::{
    Advice as _, Class, Deadline, Error, Result,
    config::{GatewayConfig, Variables},
    egress::Egress,
    gateway::failure::Failure,
    runtime::seconds,
};

/// One gateway, as what is talked to.
pub(super) struct Peer {
    config: GatewayConfig,
    egress: OnceCell<Egress>,
}

impl Peer {
    pub(super) fn new(config: GatewayConfig) -> Self {
        Self { config, egress: OnceCell::new() }
    }

    pub(super) fn config(&self) -> &GatewayConfig {
        &self.config
    }

    /// The way out, once somebody needed it.
    pub(super) fn egress(&self) -> Option<&Egress> {
        self.egress.get()
    }

    /// The way out, with credentials; made at first use, so that a missing variable is found when it matters. A token command may take its
    /// time, until then.
    pub(super) async fn way_out(&self, by: Deadline) -> Result<&Egress, Failure> {
        by.bound(self.made()).await.map_err(|_| self.late(by))?.map_err(Failure::Host)
    }

    async fn made(&self) -> Result<&Egress> {
        self.egress
            .get_or_try_init(|| async {
                // First: a variable that is not set may be a part of the URL.
                let needed = self.config.variables().next().is_some();
                let variables = if needed { self.variables().await? } else { Variables::default() };
                let credentials = self.config.credentials(&variables).await?;
                let egress = Egress::new(&self.config.way_out()?, &self.config.egress_limits)?;
                egress.set_credentials(credentials);
                Ok(egress)
            })
            .await
    }

    /// Where credentials are: in the environment, and in the settings beside the server file.
    async fn variables(&self) -> Result<Variables> {
        let folder = self.config.folder.clone();
        let read = apart(move || folder.map_or_else(Variables::of_this_user, |folder| Ok(Variables::load(&folder))));
        Ok(read.await??)
    }

    /// Before a session is opened: cookies belong to one.
    pub(super) fn forget_cookies(&self) {
        if let Some(egress) = self.egress.get() {
            egress.forget_cookies();
        }
    }

    /// When the credential says that it ends, if it says so.
    pub(super) fn credential_expiry(&self) -> Option<SystemTime> {
        self.egress.get()?.credentials().expiry()
    }

    /// Reads the credentials again, wherever a newer value can be. Whether one was found.
    pub(super) async fn credentials_changed(&self) -> bool {
        let Some(egress) = self.egress.get() else { return false };
        if self.config.auth.is_none() {
            return false;
        }
        let Ok(variables) = self.variables().await else { return false };
        for variables in [variables.clone(), variables.settings_first()] {
            match self.config.credentials(&variables).await {
                Ok(fresh) if egress.credentials() != fresh => {
                    egress.set_credentials(fresh);
                    return true;
                }
                Ok(_) => {}
                Err(error) => {
                    let why = error.message();
                    tracing::warn!(gateway = %self.config.name, "the credential cannot be read again: {why}");
                }
            }
        }
        false
    }

    /// What is left of the time.
    pub(super) fn left_of(&self, by: Deadline) -> Result<Duration, Failure> {
        let left = by.left();
        if left.is_zero() { Err(self.late(by)) } else { Ok(left) }
    }

    /// The time is over, and nothing is known that says it better.
    pub(super) fn late(&self, by: Deadline) -> Failure {
        let message =
            format!("{} gave no answer within {}, several steps together", who(&self.config), seconds(by.limit()));
        Failure::Host(Error::new(Class::Timeout, message).with_hint(MORE_TIME))
    }

    /// A failure in the words of a user.
    pub(super) fn explain(&self, failure: Failure) -> Error {
        self.explain_after(failure, Renewed::No, None)
    }

    /// The same, of something that had this much time; and whether a new session was opened before it.
    pub(super) fn explain_after(&self, failure: Failure, renewed: Renewed, by: Option<Deadline>) -> Error {
        explain(failure, &Known { config: &self.config, expiry: self.credential_expiry(), renewed, by })
    }
}
