//! After a failure that need not be the end: another session, another credential.
//! Takes a failure; makes another try worth while, or says that it is not. Never does the same thing twice for one operation, and never
//! decides whether a call may be repeated.

use super::Attempts;
use crate::{
    Deadline, Error,
    egress::{Credentials, Egress},
    gateway::failure::Failure,
    gateway::{
        explain::{Renewed, is_credential},
        instances::Instance,
        peer::Peer,
    },
    runtime::types,
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
    pub(super) fn begin(&mut self, peer: &Peer) {
        self.renewed = self.opened;
        self.used = peer.egress().map(Egress::credentials);
    }

    /// Whether it is worth trying once more after this failure, and makes it so.
    pub(super) async fn recover(&mut self, with: &Attempts, failure: &Failure, lent: Option<Instance>) -> bool {
        let Failure::Gateway(error, _) = failure else { return false };
        if !matches!(error.code, types::FailureCode::SessionLost) {
            if let Some(lent) = lent {
                with.instances.give_back(lent);
            }
            return is_credential(error) && self.credential(with).await;
        }
        let Some(lent) = lent else { return false };
        if std::mem::replace(&mut self.session, true) {
            return false;
        }
        self.renew(with, lent).await
    }

    /// Another component answers now: worth one try.
    pub(super) fn other_component(&mut self) -> bool {
        !std::mem::replace(&mut self.component, true)
    }

    /// What to say in the end: why there is no new session, or what was seen last.
    pub(super) fn explain(self, peer: &Peer, last: Failure) -> Error {
        peer.explain_after(self.failure.unwrap_or(last), self.renewed, Some(self.by))
    }

    async fn renew(&mut self, with: &Attempts, mut lent: Instance) -> bool {
        let mut outcome = with.instances.renew(&mut lent, self.by).await;
        if let Err(Failure::Gateway(error, _)) = &outcome
            && is_credential(error)
            && self.credential(with).await
        {
            outcome = with.instances.renew(&mut lent, self.by).await;
        }
        match outcome {
            Ok(()) => {
                self.opened = Renewed::Yes;
                with.instances.give_back(lent);
                true
            }
            Err(failure) => {
                self.failure = Some(failure);
                false
            }
        }
    }

    /// Another credential than the one that was refused.
    async fn credential(&mut self, with: &Attempts) -> bool {
        if std::mem::replace(&mut self.credential, true) {
            return false;
        }
        with.session.other_credential(self.used.take(), self.by).await
    }
}
