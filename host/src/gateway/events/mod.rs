//! What a gateway tells while it is asked, and which calls are on their way to it.
//! Takes listeners and calls by their tokens; gives each listener what is told of its call, and whoever ends the gateway the calls that
//! have no answer. Never sends anything.

mod inbox;
mod listener;
mod tokens;
mod underway;

use std::sync::Arc;

use self::{inbox::Inbox, tokens::Tokens, underway::Underway};
pub(in crate::gateway) use self::{
    listener::Listener,
    tokens::Held,
    underway::{Call, End},
};
pub use self::{
    listener::{OnMessage, OnProgress},
    underway::LeftRunning,
};
use crate::runtime;

/// The events of one gateway, and the calls that they belong to.
#[derive(Default)]
pub(super) struct Events {
    tokens: Tokens,
    inbox: Arc<Inbox>,
    underway: Underway,
}

impl Events {
    /// The token of one call, its own until it is dropped.
    pub(super) fn token(&self) -> Held {
        self.tokens.one()
    }

    /// The tokens of one conversation.
    pub(super) fn tokens(&self) -> Held {
        self.tokens.block()
    }

    /// Where a component tells what it hears.
    pub(super) fn inbox(&self) -> Arc<dyn runtime::Events> {
        self.inbox.clone()
    }

    /// How often the list of tools became another one, as the gateway announced or as the host knows.
    pub(super) fn changes(&self) -> u64 {
        self.inbox.changes()
    }

    /// The host knows that it is another one.
    pub(super) fn tools_changed(&self) {
        runtime::Events::tools_changed(&*self.inbox);
    }

    /// A call goes out.
    pub(super) fn begin(&self, token: u32, listener: Arc<Listener>, call: Call) {
        self.inbox.listen(token, listener);
        self.underway.begin(token, call);
    }

    /// A call came to its end, or nobody waits for it any more. Gives it back when the gateway has to be told so.
    pub(super) fn end(&self, token: u32, end: End) -> Option<Call> {
        self.inbox.leave(token);
        self.underway.end(token, end)
    }

    /// Whether no call is on its way.
    pub(super) fn is_quiet(&self) -> bool {
        self.underway.is_empty()
    }

    /// Gives up all calls. Gives back those of which the gateway has to be told.
    pub(super) fn give_up(&self) -> Vec<(u32, Call)> {
        self.underway.give_up()
    }

    /// The calls that were given up since this was asked last, and may still run.
    pub(super) fn left_running(&self) -> Vec<LeftRunning> {
        self.underway.left_running()
    }
}
