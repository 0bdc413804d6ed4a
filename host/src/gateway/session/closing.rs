//! Taking leave of the gateway: calls that nobody waits for are taken back, and the session is ended.
//! Takes calls as they were on their way, and idle conversations of the session. Never takes longer than two seconds, and never ends a
//! session before the gateway was told of its calls, as far as that went in time.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{CLOSING, SharedSession};
use crate::{
    Deadline,
    gateway::events::Call,
    runtime::{Conversation, Runtime},
};

/// How long a goodbye waits for a session that is just being opened: mostly it is known in a moment.
const OPENING: Duration = Duration::from_millis(100);

/// With what the session can be ended.
pub(in crate::gateway) struct AtHand {
    /// Conversations that are attached to it and do nothing.
    pub(in crate::gateway) idle: Vec<Conversation>,
    /// What to start another one on, where there is none.
    pub(in crate::gateway) runtime: Arc<Runtime>,
}

impl SharedSession {
    /// Tells the gateway, beside everything else, that nobody waits for a call any more. In the session that the call was made in:
    /// a new one would know nothing of it.
    pub(in crate::gateway) fn take_back(self: &Arc<Self>, token: u32, call: Call) {
        let session = Arc::clone(self);
        self.background.spawn(async move {
            let by = Deadline::within(CLOSING);
            let Ok(mut conversation) = session.start(&call.runtime, by).await else { return };
            let attach = Some(&*call.state);
            if conversation.open(&session.endpoint(&session.events.token()), attach, by.left()).await.is_ok() {
                let told = conversation.cancel(token, "the caller gave up", by.left()).await;
                tracing::debug!(gateway = %session.peer.config().name, token, told = told.is_ok(), "cancelled");
            }
        });
    }

    /// Ends the session when nobody uses it any more; otherwise only tells what nobody waits for.
    pub(in crate::gateway) async fn hang_up(self: &Arc<Self>, at_hand: impl FnOnce() -> AtHand + Send) {
        if self.events.is_quiet() {
            self.close(at_hand, CLOSING).await;
        } else {
            self.background.finish(Deadline::within(CLOSING)).await;
        }
    }

    /// Ends the session, as well as that goes, and every call in it.
    pub(in crate::gateway) async fn end(self: &Arc<Self>, at_hand: impl FnOnce() -> AtHand + Send) {
        self.close(at_hand, OPENING).await;
    }

    async fn close(self: &Arc<Self>, at_hand: impl FnOnce() -> AtHand + Send, opening: Duration) {
        let by = Deadline::within(CLOSING);
        for (token, call) in self.events.give_up() {
            self.take_back(token, call);
        }
        // The session's end needs some of the time, too.
        self.background.finish(Deadline::within(CLOSING / 2)).await;
        // What is opened later ends itself.
        if by.or_sooner(Deadline::within(opening)).bound(self.opening.lock()).await.is_err() {
            self.closes.fetch_add(1, Ordering::Relaxed);
        }
        let agreed = self.state.lock().agreed.take();
        let AtHand { idle, runtime } = at_hand();
        let Some(agreed) = agreed else { return };
        let mut conversation = if let Some(conversation) = idle.into_iter().find(|idle| !idle.finished()) {
            conversation
        } else {
            let Ok(mut fresh) = self.start(&runtime, by).await else { return };
            if fresh.open(&self.endpoint(&self.events.token()), Some(&agreed.state), by.left()).await.is_err() {
                return;
            }
            fresh
        };
        if let Err(failure) = conversation.close(by.left()).await {
            let error = self.peer.explain(failure.into());
            tracing::debug!(gateway = %self.peer.config().name, "the session was not ended: {error}");
        }
    }

    /// Ends a session that is nobody else's.
    pub(in crate::gateway) async fn leave_its_own(conversation: &mut Conversation) {
        let _ = conversation.close(CLOSING).await;
    }
}
