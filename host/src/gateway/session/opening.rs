//! How a conversation comes into the session: it attaches to the one that there is, or opens one for everybody.
//! Takes a conversation that has just started; gives it back as a member. Never leaves a session at the gateway that nobody knows, even
//! when whoever asked is gone.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{Agreed, CLOSING, Generation, Membership, SharedSession};
use crate::{
    Class, Deadline, Error,
    gateway::failure::Failure,
    gateway::{convert, events::Held},
    runtime::{Conversation, types},
};

/// By how much a step of its own may outlast the deadline, to say better what it waited for.
const GRACE: Duration = Duration::from_millis(100);

/// Who goes on in a session that is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Whose {
    /// All instances from now on.
    Everybodys,
    /// Only the one that opens it, whose component is tried.
    Its,
}

/// A conversation in the session, and the tokens that it counts through.
pub(in crate::gateway) struct Joined {
    pub(in crate::gateway) conversation: Conversation,
    pub(in crate::gateway) tokens: Held,
    pub(in crate::gateway) member: Membership,
}

/// What became of attaching.
enum Attached {
    To(Membership),
    /// There is none.
    Nothing,
    /// There is one that this component makes nothing of.
    Unread,
}

impl SharedSession {
    /// Brings a conversation that has just started into the session. `unread`: whose a new one is when its component makes nothing of the
    /// session that there is.
    pub(in crate::gateway) async fn join(
        self: &Arc<Self>,
        mut conversation: Conversation,
        unread: impl Fn() -> Whose + Send,
        by: Deadline,
    ) -> Result<Joined, Failure> {
        let tokens = self.events.tokens();
        if let Attached::To(member) = self.attach(&mut conversation, &tokens, by).await? {
            return Ok(Joined { conversation, tokens, member });
        }
        let opening = by.bound(Arc::clone(&self.opening).lock_owned()).await.map_err(|_| self.peer.late(by))?;
        // What another component agreed on this one may not be able to read: then it needs a session of its own.
        let whose = match self.attach(&mut conversation, &tokens, by).await? {
            Attached::To(member) => return Ok(Joined { conversation, tokens, member }),
            Attached::Unread => unread(),
            Attached::Nothing => Whose::Everybodys,
        };
        // Beside whoever asked: a session that is opened is known, and can be ended, even when nobody waits for it any more.
        let session = Arc::clone(self);
        let agreeing = tokio::spawn(async move {
            let joined = session.open(conversation, tokens, whose, by).await;
            drop(opening);
            joined
        });
        let patient = tokio::time::timeout(by.left() + GRACE, agreeing);
        match patient.await.map_err(|_| self.peer.late(by))? {
            Ok(joined) => joined,
            Err(error) => Err(Failure::Host(Error::new(Class::Internal, "opening was cut short").because(error))),
        }
    }

    /// A session that was agreed on with the gateway.
    async fn open(
        &self,
        mut conversation: Conversation,
        tokens: Held,
        whose: Whose,
        by: Deadline,
    ) -> Result<Joined, Failure> {
        self.peer.forget_cookies();
        let closes = self.closes.load(Ordering::Relaxed);
        // Once the gateway has opened a session, it is worth some more time to learn which.
        conversation.set_patience(CLOSING);
        // The first question has its share of what is left. Whoever attaches to a session later knows the era from it.
        let timeout_ms = u32::try_from(by.left().as_millis()).unwrap_or(u32::MAX);
        let endpoint = types::Endpoint { timeout_ms, ..self.endpoint(&tokens) };
        self.agree(&mut conversation, &endpoint, by).await?;
        let agreed = Agreed::read(&mut conversation, CLOSING).await?;
        conversation.set_patience(Duration::ZERO);
        self.remember_era(&agreed.session).await;
        if self.closes.load(Ordering::Relaxed) != closes {
            let _ = conversation.close(CLOSING).await;
            return Err(self.peer.late(by));
        }
        let member = match whose {
            Whose::Everybodys => self.adopt(agreed),
            Whose::Its => Membership { agreed, generation: Generation::ITS_OWN },
        };
        Ok(Joined { conversation, tokens, member })
    }

    /// Attaches to the session, if there is one.
    async fn attach(&self, conversation: &mut Conversation, tokens: &Held, by: Deadline) -> Result<Attached, Failure> {
        let known = {
            let state = self.state.lock();
            let generation = Generation(state.generation);
            state.agreed.clone().map(|agreed| Membership { agreed, generation })
        };
        let Some(member) = known else { return Ok(Attached::Nothing) };
        match conversation
            .open(&self.endpoint(tokens), Some(member.state()), self.peer.left_of(by)?)
            .await
            .map_err(Failure::from)
        {
            Ok(()) => Ok(Attached::To(member)),
            // Nothing was asked: it is the state that it makes nothing of.
            Err(Failure::Gateway(failure, _))
                if matches!(failure.code, types::FailureCode::SessionLost) && conversation.visit().is_unused() =>
            {
                Ok(Attached::Unread)
            }
            Err(failure) => Err(failure),
        }
    }

    pub(super) fn endpoint(&self, tokens: &Held) -> types::Endpoint {
        convert::endpoint(self.peer.config(), tokens.range())
    }
}
