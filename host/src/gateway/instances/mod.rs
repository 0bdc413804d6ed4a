//! Instances of the component, lent out to whoever asks the gateway something.
//! Takes the session and the component that answers; gives an [`Instance`] that nobody else uses and that is in the session. Never keeps
//! one that is used up, of an older session, or of a component that was replaced.

mod shelf;

use std::sync::Arc;

use self::shelf::{Place, Reusable, Shelf};
use super::{
    current::{Current, Serving},
    events::Held,
    peer::Peer,
    session::{AtHand, Generation, Joined, Membership, SharedSession, Whose},
};
use crate::{
    Class, Deadline, Error,
    gateway::failure::Failure,
    runtime::{Conversation, Runtime, seconds},
};

/// Idle instances kept for longer than a moment; pflow runs up to 70 calls side by side, but seldom for long.
const IDLE: usize = 8;
/// An instance that has grown by more than this, in bytes, is not kept: its memory comes back only when it ends, and a new one is
/// cheap to make.
const LARGE: usize = 16 * 1024 * 1024;
/// Calls of one instance: some take a few more of its ids.
const USES: u32 = 100;
/// Instances at work at a time. pflow makes up to 70 calls side by side, and none of them may wait for another; beyond that, each
/// instance costs some ten megabytes of memory.
const SIDE_BY_SIDE: usize = 80;

/// An instance that was lent out, the session that it is in, and the component that it runs on.
pub(super) struct Instance {
    conversation: Conversation,
    member: Membership,
    serving: Serving,
    /// The tokens that it counts through.
    #[expect(dead_code, reason = "held for as long as the conversation lives")]
    tokens: Held,
    /// It has read the catalogue, whose pages may have used up its tokens.
    has_listed: bool,
    /// How often it was lent out.
    uses: u32,
    /// Its place among those at work; none while it is idle.
    place: Option<Place>,
}

impl Instance {
    pub(super) fn conversation(&mut self) -> &mut Conversation {
        &mut self.conversation
    }

    /// What its conversation sent.
    pub(super) fn visit(&self) -> &Arc<crate::egress::Visit> {
        self.conversation.visit()
    }

    pub(super) fn member(&self) -> &Membership {
        &self.member
    }

    /// The number of its component.
    pub(super) fn component(&self) -> u64 {
        self.serving.number
    }

    pub(super) fn runtime(&self) -> &Arc<Runtime> {
        &self.serving.runtime
    }
}

impl Reusable for Instance {
    type Owner = (u64, Generation);

    fn owner(&self) -> Self::Owner {
        (self.serving.number, self.member.generation())
    }

    fn is_worn(&self) -> bool {
        self.conversation.finished() || self.conversation.grown() > LARGE || self.uses >= USES
    }
}

/// All instances of one gateway.
pub(super) struct Instances {
    peer: Arc<Peer>,
    current: Arc<Current>,
    session: Arc<SharedSession>,
    shelf: Shelf<Instance>,
}

impl Instances {
    pub(super) fn new(peer: Arc<Peer>, current: Arc<Current>, session: Arc<SharedSession>) -> Self {
        Self { peer, current, session, shelf: Shelf::new(SIDE_BY_SIDE, IDLE) }
    }

    /// An instance that nobody else uses: an idle one, or a new one that has come into the session.
    pub(super) async fn lend(&self, by: Deadline) -> Result<Instance, Failure> {
        let Some(place) = self.shelf.place(by).await else {
            let message = format!(
                "{SIDE_BY_SIDE} requests to {} run side by side, and none of them ended within {}",
                self.peer.config().name,
                seconds(by.limit())
            );
            return Err(Failure::Host(
                Error::new(Class::Limit, message).with_hint("this one was not sent; make fewer at a time"),
            ));
        };
        let mut lent = self.free(by).await?;
        lent.place = Some(place);
        Ok(lent)
    }

    async fn free(&self, by: Deadline) -> Result<Instance, Failure> {
        loop {
            let serving = self.current.serving();
            if let Some(idle) = self.shelf.take((serving.number, self.session.generation())) {
                return Ok(idle);
            }
            match self.open_on(&serving, by).await {
                // The one that answers now gets its chance.
                Err(failure) if self.current.put_out(serving.number, &failure) => {}
                outcome => return outcome,
            }
        }
    }

    /// A new one on this component, whoever else is at work.
    pub(super) async fn open_on(&self, serving: &Serving, by: Deadline) -> Result<Instance, Failure> {
        let conversation = self.session.start(&serving.runtime, by).await?;
        let number = serving.number;
        let unread = || if number == self.current.serving().number { Whose::Everybodys } else { Whose::Its };
        let Joined { conversation, tokens, member } = self.session.join(conversation, unread, by).await?;
        let serving = serving.clone();
        Ok(Instance { conversation, member, serving, tokens, has_listed: false, uses: 0, place: None })
    }

    /// Makes it fit to list all tools. Another one in its place, if it has done so before.
    pub(super) async fn ready_to_list(&self, lent: &mut Instance, by: Deadline) -> Result<(), Failure> {
        if lent.has_listed {
            let place = lent.place.take();
            *lent = self.open_on(&self.current.serving(), by).await?;
            lent.place = place;
        }
        lent.has_listed = true;
        Ok(())
    }

    /// After it has listed: where its component went on in another session, everybody does.
    pub(super) async fn follow(&self, lent: &mut Instance, by: Deadline) -> Result<(), Failure> {
        // What a component says that is only tried changes nothing for the others.
        if lent.serving.number != self.current.serving().number {
            return Ok(());
        }
        if let Some(member) = self.session.moved(&mut lent.conversation, &lent.member, by).await? {
            lent.member = member;
        }
        Ok(())
    }

    /// After it lost the session: it is in the one that everybody uses from now on, or is of no use any more.
    pub(super) async fn renew(&self, lent: &mut Instance, by: Deadline) -> Result<(), Failure> {
        lent.member = self.session.renew(&mut lent.conversation, &lent.member, by).await?;
        Ok(())
    }

    /// Takes it back, to lend it again if it is still good.
    pub(super) fn give_back(&self, mut lent: Instance) {
        lent.uses += 1;
        lent.place = None;
        self.shelf.give_back(lent, (self.current.serving().number, self.session.generation()));
    }

    /// The same, of one that may have a session of its own.
    pub(super) async fn dismiss(&self, mut lent: Instance) {
        if lent.member.generation() == Generation::ITS_OWN {
            SharedSession::leave_its_own(&mut lent.conversation).await;
        }
        self.give_back(lent);
    }

    /// An instance without a conversation, for what needs no gateway.
    pub(super) async fn bare(&self, by: Deadline) -> Result<Conversation, Failure> {
        self.session.start(&self.current.serving().runtime, by).await
    }

    /// No idle one is lent out again.
    pub(super) fn forget_idle(&self) {
        drop(self.shelf.clear());
    }

    /// With what the session can be ended: no idle one is lent out again.
    pub(super) fn at_hand(&self) -> AtHand {
        let (serving, generation) = (self.current.serving(), self.session.generation());
        let idle = self.shelf.clear().into_iter().filter(|idle| idle.member.generation() == generation);
        AtHand { idle: idle.map(|idle| idle.conversation).collect(), runtime: serving.runtime }
    }
}
