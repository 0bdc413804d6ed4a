//! The one loop in which a gateway is asked: try, judge, recover, within one deadline.
//! Takes an [`Operation`]; gives its answer, or why there is none. Never repeats what its operation does not allow to be repeated, and never
//! recovers from the same thing twice.

pub(super) mod delivery;
mod hang;
mod recovery;

use std::sync::Arc;

use self::{delivery::Sent, recovery::Recovery};
use super::{
    current::Current,
    instances::{Instance, Instances},
    peer::Peer,
    session::SharedSession,
};
use crate::{Deadline, Result, gateway::failure::Failure};

/// Something that a gateway is asked.
pub(super) trait Operation: Send {
    type Answer: Send;

    /// Whether what comes of it tells if a component that was just chosen is any good.
    const TELLS: Tells;

    /// One try.
    fn once(&mut self, lent: &mut Instance, by: Deadline)
    -> impl Future<Output = Result<Self::Answer, Failure>> + Send;

    /// Whether it may be tried again after this failure, in which so much was sent. A question may, always.
    fn judge(&mut self, _failure: &Failure, _sent: Sent) -> Again {
        Again::Allowed
    }
}

/// What comes of an operation, as it is taken for a component on probation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tells {
    /// Its answers speak for the component, its traps against it.
    OfTheComponent,
    Nothing,
}

/// Whether something may be tried once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Allowed,
    Forbidden,
}

/// How one gateway is asked.
pub(super) struct Attempts {
    peer: Arc<Peer>,
    current: Arc<Current>,
    session: Arc<SharedSession>,
    instances: Arc<Instances>,
}

impl Attempts {
    pub(super) fn new(
        peer: Arc<Peer>,
        current: Arc<Current>,
        session: Arc<SharedSession>,
        instances: Arc<Instances>,
    ) -> Self {
        Self { peer, current, session, instances }
    }

    /// Asks until there is an answer, or nothing is left to be done about there being none.
    pub(super) async fn run<O: Operation>(&self, operation: &mut O, by: Deadline) -> Result<O::Answer> {
        let mut recovery = Recovery::new(by);
        loop {
            recovery.begin(&self.peer);
            let (failure, lent) = match self.instances.lend(by).await {
                Ok(mut lent) => match operation.once(&mut lent, by).await {
                    Ok(answer) => {
                        if O::TELLS == Tells::OfTheComponent {
                            self.current.answered(lent.component());
                        }
                        self.instances.give_back(lent);
                        return Ok(answer);
                    }
                    Err(failure) => (failure, Some(lent)),
                },
                Err(failure) => (failure, None),
            };
            let sent = lent.as_ref().map_or(Sent::Nothing, |lent| Sent::of(lent.visit()));
            let again = operation.judge(&failure, sent);
            let component = lent.as_ref().filter(|_| O::TELLS == Tells::OfTheComponent).map(Instance::component);
            // A new session is good for the next one even when this must not be repeated.
            let recovered = if component.is_some_and(|number| self.current.put_out(number, &failure)) {
                recovery.other_component()
            } else {
                recovery.recover(self, &failure, lent).await
            };
            if !recovered || again == Again::Forbidden {
                return Err(recovery.explain(&self.peer, failure));
            }
        }
    }

    /// Whether a first connection that failed so is worth another one, and makes it so.
    pub(super) async fn is_worth_another(&self, failure: &Failure, by: Deadline) -> bool {
        Recovery::new(by).recover(self, failure, None).await
    }
}
