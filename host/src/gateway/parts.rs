//! The five parts of one gateway, put together: events, session, instances, attempts, catalogue.
//! Takes a [`GatewayConfig`] and a [`Runtime`]; gives each part to whoever asks something of the gateway. Has no state of its own.

use std::sync::Arc;

use super::{
    attempt::Attempts, background::Background, catalogue::Catalogue, current::Current, events::Events,
    instances::Instances, peer::Peer, session::SharedSession, takeover::Takeover,
};
use crate::{
    Deadline, Result,
    config::GatewayConfig,
    runtime::{Conversation, Product, Runtime},
};

/// What one gateway is made of.
pub(super) struct Parts {
    peer: Arc<Peer>,
    events: Arc<Events>,
    current: Arc<Current>,
    session: Arc<SharedSession>,
    instances: Arc<Instances>,
    attempts: Arc<Attempts>,
    catalogue: Arc<Catalogue>,
    takeover: Arc<Takeover>,
}

impl Parts {
    pub(super) fn new(runtime: Arc<Runtime>, config: GatewayConfig) -> Self {
        let (peer, events) = (Arc::new(Peer::new(config)), Arc::<Events>::default());
        let background = Arc::<Background>::default();
        let current = Arc::new(Current::new(peer.clone(), events.clone(), runtime));
        let session = SharedSession::new(peer.clone(), events.clone(), background.clone());
        let instances = Arc::new(Instances::new(peer.clone(), current.clone(), session.clone()));
        let attempts = Arc::new(Attempts::new(peer.clone(), current.clone(), session.clone(), instances.clone()));
        let catalogue = Arc::new(Catalogue::new(
            peer.clone(),
            events.clone(),
            background,
            current.clone(),
            instances.clone(),
            attempts.clone(),
        ));
        let takeover = Arc::new(Takeover::new(
            peer.clone(),
            events.clone(),
            current.clone(),
            instances.clone(),
            catalogue.clone(),
        ));
        Self { peer, events, current, session, instances, attempts, catalogue, takeover }
    }

    pub(super) fn config(&self) -> &GatewayConfig {
        self.peer.config()
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(super) fn events(&self) -> &Arc<Events> {
        &self.events
    }

    pub(super) fn current(&self) -> &Current {
        &self.current
    }

    pub(super) fn session(&self) -> &Arc<SharedSession> {
        &self.session
    }

    pub(super) fn instances(&self) -> &Instances {
        &self.instances
    }

    pub(super) fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// An instance without a conversation, for what needs no gateway.
    pub(super) async fn bare_instance(&self, by: Deadline) -> Result<Conversation> {
        self.instances.bare(by).await.map_err(|failure| self.peer.explain(failure))
    }

    /// Whether another component was chosen; if so, tries it beside everything else.
    pub(super) fn look(&self) {
        self.takeover.look();
    }

    /// What the component knows of this gateway's product: the one that answered, or that the user named.
    pub(super) async fn product(&self) -> Option<Product> {
        let answered = self.session.agreed().map(|session| super::convert::kind(&session.kind));
        let kind = answered.or_else(|| self.config().kind.clone())?;
        self.current.products().await.into_iter().find(|product| product.kind == kind)
    }
}
