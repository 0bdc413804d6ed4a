//! After a failure that need not be the end: another session, another credential.
//! Takes a failure; makes another try worth while, or says that it is not. Never does the same thing twice for one operation, and never
//! decides whether a call may be repeated.

use super::{
    explain::{Renewed, is_credential},
    pool::{Lent, Pool, agreed},
};
use crate::{
    Deadline, Error,
    egress::{Credentials, Egress},
    runtime::{Failure, types},
};

/// What was done for one operation. A gateway that was started anew may want both, another credential and another session.
pub(super) struct Recovery {
    by: Deadline,
    session: bool,
    credential: bool,
    component: bool,
    /// What the present try began with.
    used: Option<Credentials>,
    /// Why there is no new session.
    failure: Option<Failure>,
    /// Whether there is one, since the last try.
    opened: Renewed,
    /// Whether the last try was made in it.
    renewed: Renewed,
}

impl Recovery {
    /// For an operation that has this much time.
    pub(super) fn new(by: Deadline) -> Self {
        Self {
            by,
            session: false,
            credential: false,
            component: false,
            used: None,
            failure: None,
            opened: Renewed::No,
            renewed: Renewed::No,
        }
    }

    /// A try begins.
    pub(super) fn begin(&mut self, pool: &Pool) {
        self.renewed = self.opened;
        self.used = pool.egress.get().map(Egress::credentials);
    }

    /// Whether it is worth trying once more after this failure, and makes it so.
    pub(super) async fn recover(&mut self, pool: &Pool, failure: &Failure, lent: Option<Lent>) -> bool {
        let Failure::Gateway(error, _) = failure else { return false };
        if !matches!(error.code, types::FailureCode::SessionLost) {
            if let Some(lent) = lent {
                pool.give_back(lent);
            }
            return is_credential(error) && self.credential(pool).await;
        }
        let Some(lent) = lent else { return false };
        if std::mem::replace(&mut self.session, true) {
            return false;
        }
        self.renew(pool, lent).await
    }

    /// Another component answers now: worth one try.
    pub(super) fn other_component(&mut self) -> bool {
        !std::mem::replace(&mut self.component, true)
    }

    /// What to say in the end: why there is no new session, or what was seen last.
    pub(super) fn explain(self, pool: &Pool, last: Failure) -> Error {
        pool.explain_after(self.failure.unwrap_or(last), self.renewed, Some(self.by))
    }

    async fn renew(&mut self, pool: &Pool, mut lent: Lent) -> bool {
        let mut outcome = pool.renew(&mut lent, self.by).await;
        if let Err(Failure::Gateway(error, _)) = &outcome
            && is_credential(error)
            && self.credential(pool).await
        {
            outcome = pool.renew(&mut lent, self.by).await;
        }
        match outcome {
            Ok(()) => {
                self.opened = Renewed::Yes;
                pool.give_back(lent);
                true
            }
            Err(failure) => {
                self.failure = Some(failure);
                false
            }
        }
    }

    /// Another credential than the one that was refused.
    async fn credential(&mut self, pool: &Pool) -> bool {
        if std::mem::replace(&mut self.credential, true) {
            return false;
        }
        // Of many calls that were refused together, one reads it for all.
        let Ok(_reading) = self.by.bound(pool.opening.lock()).await else { return false };
        let other = |used| pool.egress.get().is_some_and(|egress| egress.credentials() != used);
        let changed =
            self.used.take().is_some_and(other) || self.by.bound(pool.credentials_changed()).await.unwrap_or(false);
        if changed {
            tracing::info!(gateway = %pool.config().name, "the credential was refused; trying the one that is set now");
        }
        changed
    }
}

impl Pool {
    /// After a lost session: a new one, once for everybody.
    async fn renew(&self, lent: &mut Lent, by: Deadline) -> Result<(), Failure> {
        let _opening = by.bound(self.opening.lock()).await.map_err(|_| self.late(by))?;
        if self.shared().generation != lent.generation {
            return Ok(());
        }
        tracing::info!(gateway = %self.config().name, "the session was lost; opening a new one");
        self.forget_cookies();
        lent.conversation.renew(self.left_of(by)?).await?;
        let agreed = agreed(&mut lent.conversation, self.left_of(by)?).await?;
        self.remember_era(&agreed.session).await;
        lent.agreed = agreed.clone();
        lent.generation = self.opened(agreed);
        Ok(())
    }

    /// Reads the credentials again, wherever a newer value can be. Whether one was found.
    async fn credentials_changed(&self) -> bool {
        let Some(egress) = self.egress.get() else { return false };
        if self.config().auth.is_none() {
            return false;
        }
        let Ok(variables) = self.variables().await else { return false };
        for variables in [variables.clone(), variables.settings_first()] {
            match self.config().credentials(&variables).await {
                Ok(fresh) if egress.credentials() != fresh => {
                    egress.set_credentials(fresh);
                    return true;
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(gateway = %self.config().name, "the credential cannot be read again: {error}");
                }
            }
        }
        false
    }
}
