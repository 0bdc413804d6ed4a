//! The one session with a gateway that all conversations are attached to.
//! Takes conversations that have just started, or have lost it; gives each of them its [`Membership`]. Never opens two of them at a time,
//! and never sends a credential into one.

mod closing;
mod era;
mod opening;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use super::{background::Background, events::Events, peer::Peer};
use crate::{
    Deadline,
    egress::Credentials,
    gateway::failure::Failure,
    runtime::{Conversation, Runtime, types},
    sync::Mutex,
};

pub(in crate::gateway) use self::{
    closing::AtHand,
    opening::{Joined, Whose},
};

/// For goodbyes: nobody waits for them gladly.
const CLOSING: Duration = Duration::from_secs(2);

/// What was agreed with the gateway: what is read of it, and what a component needs to go on in it.
#[derive(Clone)]
struct Agreed {
    session: types::Session,
    /// Opaque; it may hold secrets.
    state: Arc<[u8]>,
}

impl Agreed {
    async fn read(conversation: &mut Conversation, within: Duration) -> Result<Self, Failure> {
        let session = conversation.session(within).await?;
        Ok(Self { session, state: conversation.state(within).await?.into() })
    }
}

/// That a conversation is attached to a session, and to which one.
#[derive(Clone)]
pub(super) struct Membership {
    agreed: Agreed,
    generation: Generation,
}

impl Membership {
    /// What another instance needs to go on in the same session.
    pub(super) fn state(&self) -> &Arc<[u8]> {
        &self.agreed.state
    }

    /// The product that the session is with, as the component calls it.
    pub(super) fn kind(&self) -> &str {
        &self.agreed.session.kind
    }

    pub(super) fn generation(&self) -> Generation {
        self.generation
    }
}

/// Which session in the order of their opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation(u64);

impl Generation {
    /// Of a session that is nobody else's.
    pub(super) const ITS_OWN: Self = Self(u64::MAX);
}

#[derive(Default)]
struct State {
    agreed: Option<Agreed>,
    /// Grows with every new session; an instance of an older one is not used again.
    generation: u64,
}

/// The session of one gateway, whoever uses it.
pub(super) struct SharedSession {
    peer: Arc<Peer>,
    events: Arc<Events>,
    background: Arc<Background>,
    state: Mutex<State>,
    /// Held while a session is opened or renewed, or a credential read again, so that it happens once.
    opening: Arc<tokio::sync::Mutex<()>>,
    /// Goodbyes that could not wait for an opening: what it opens is closed at once.
    closes: AtomicU64,
}

impl SharedSession {
    pub(super) fn new(peer: Arc<Peer>, events: Arc<Events>, background: Arc<Background>) -> Arc<Self> {
        let (state, opening, closes) = (Mutex::default(), Arc::default(), AtomicU64::new(0));
        Arc::new(Self { peer, events, background, state, opening, closes })
    }

    /// What was agreed, once there is a session.
    pub(super) fn agreed(&self) -> Option<types::Session> {
        self.state.lock().agreed.as_ref().map(|agreed| agreed.session.clone())
    }

    pub(super) fn generation(&self) -> Generation {
        Generation(self.state.lock().generation)
    }

    /// An instance without a conversation.
    pub(super) async fn start(&self, runtime: &Runtime, by: Deadline) -> Result<Conversation, Failure> {
        let egress = self.peer.way_out(by).await?.clone();
        Ok(Conversation::start(runtime, egress, self.events.inbox(), self.peer.left_of(by)?).await?)
    }

    /// Everybody goes on in this one.
    fn adopt(&self, agreed: Agreed) -> Membership {
        let mut state = self.state.lock();
        state.agreed = Some(agreed.clone());
        state.generation += 1;
        Membership { agreed, generation: Generation(state.generation) }
    }

    /// After a lost session: a new one, once for everybody. Gives the membership that the conversation has now; an older one when
    /// somebody else was faster.
    pub(super) async fn renew(
        &self,
        conversation: &mut Conversation,
        member: &Membership,
        by: Deadline,
    ) -> Result<Membership, Failure> {
        let _opening = by.bound(self.opening.lock()).await.map_err(|_| self.peer.late(by))?;
        if self.generation() != member.generation {
            return Ok(member.clone());
        }
        tracing::info!(gateway = %self.peer.config().name, "the session was lost; opening a new one");
        self.peer.forget_cookies();
        conversation.renew(self.peer.left_of(by)?).await?;
        let agreed = Agreed::read(conversation, self.peer.left_of(by)?).await?;
        self.remember_era(&agreed.session).await;
        Ok(self.adopt(agreed))
    }

    /// While it lists, a component may find that the gateway speaks the other era: then everybody goes on in the new session. Gives it, if
    /// that is so.
    pub(super) async fn moved(
        &self,
        conversation: &mut Conversation,
        member: &Membership,
        by: Deadline,
    ) -> Result<Option<Membership>, Failure> {
        let state = conversation.state(self.peer.left_of(by)?).await?;
        if *state == *member.agreed.state || self.generation() != member.generation {
            return Ok(None);
        }
        let other = Agreed::read(conversation, self.peer.left_of(by)?).await?;
        let era = other.session.era;
        tracing::info!(gateway = %self.peer.config().name, "listing went on in another session, in the era {era:?}");
        self.remember_era(&other.session).await;
        Ok(Some(self.adopt(other)))
    }

    /// Another credential than the one that was refused: one that somebody else has read meanwhile, or that can be read now. Of many that
    /// were refused together, one reads it for all.
    pub(super) async fn other_credential(&self, refused: Option<Credentials>, by: Deadline) -> bool {
        let Ok(_reading) = by.bound(self.opening.lock()).await else { return false };
        let other = |refused| self.peer.egress().is_some_and(|egress| egress.credentials() != refused);
        let changed = refused.is_some_and(other) || by.bound(self.peer.credentials_changed()).await.unwrap_or(false);
        if changed {
            let gateway = &self.peer.config().name;
            tracing::info!(%gateway, "the credential was refused; trying the one that is set now");
        }
        changed
    }
}
