//! The conversations with one gateway: opened when needed, attached to one session, renewed together.
//! Takes a [`GatewayConfig`] and a [`Runtime`]; lends out [`Conversation`]s. Never lets two of them open a session each, and never
//! sends a credential into one.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::OnceCell, task::JoinHandle};

use super::{
    call::Listener,
    convert,
    current::{Current, Serving},
    explain::explain,
    identity::Identities,
    ids::{Held, Ids},
    recovery::Recovery,
};
use crate::{
    Error, Result,
    config::{GatewayConfig, Variables},
    egress::Egress,
    report::Attribution,
    runtime::{Conversation, Events, Failure, Runtime, filter, types},
};

/// Idle instances kept; pflow runs up to 70 calls side by side, but seldom for long.
const IDLE: usize = 8;
/// An instance that has grown by more than this, in bytes, is not kept: its memory comes back only when it ends, and a new one is
/// cheap to make.
const LARGE: usize = 16 * 1024 * 1024;
/// Calls of one instance: some take a few more of its ids.
const USES: u32 = 100;
/// For goodbyes: nobody waits for them gladly.
const CLOSING: Duration = Duration::from_secs(2);

/// All conversations with one gateway.
pub(super) struct Pool {
    /// For what goes on beside the calls.
    pub(super) me: Weak<Self>,
    pub(super) current: Current,
    config: GatewayConfig,
    pub(super) egress: OnceCell<Egress>,
    shared: Mutex<Shared>,
    /// Held while a session is opened or renewed, or a credential read again, so that it happens once.
    pub(super) opening: tokio::sync::Mutex<()>,
    ids: Ids,
    inbox: Arc<Inbox>,
    identities: Identities,
    /// Cancellations that are being told to the gateway; the session ends after them.
    goodbyes: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
pub(super) struct Shared {
    session: Option<types::Session>,
    /// Grows with every new session; an instance of an older one is dropped when it comes back.
    pub(super) generation: u64,
    pub(super) idle: Vec<Lent>,
    pub(super) catalog: Option<Arc<Listed>>,
}

/// A catalogue, and what the gateway's own filter makes of it.
pub(super) struct Listed {
    pub(super) catalog: types::Catalog,
    pub(super) verdicts: Vec<Option<filter::Reason>>,
    pub(super) by_name: HashMap<String, usize>,
    pub(super) took: Duration,
}

impl Listed {
    /// The first tool of this name, and why the filter leaves it out.
    pub(super) fn tool(&self, name: &str) -> Option<(&types::Tool, Option<filter::Reason>)> {
        let at = *self.by_name.get(name)?;
        Some((self.catalog.tools.get(at)?, self.verdicts.get(at).copied().flatten()))
    }
}

/// A conversation that was lent out, the session it belongs to, and the component that it runs on.
pub(super) struct Lent {
    pub(super) conversation: Conversation,
    pub(super) generation: u64,
    pub(super) component: u64,
    /// The ids that it counts through.
    #[expect(dead_code, reason = "held for as long as the conversation lives")]
    ids: Held,
    /// It has read the catalogue, whose pages may have used up its ids.
    has_listed: bool,
    /// How often it was lent out.
    uses: u32,
}

/// Takes what the component reports while requests run, and hands it to whoever waits.
#[derive(Default)]
pub(super) struct Inbox {
    listeners: Mutex<HashMap<u64, Arc<Listener>>>,
    changes: AtomicU64,
}

impl Inbox {
    fn listeners(&self) -> MutexGuard<'_, HashMap<u64, Arc<Listener>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn listen(&self, request: u64, listener: Arc<Listener>) {
        self.listeners().insert(request, listener);
    }

    pub(super) fn leave(&self, request: u64) {
        self.listeners().remove(&request);
    }
}

impl Events for Inbox {
    fn progress(&self, request: u64, progress: f64, total: Option<f64>, message: Option<String>) {
        let listener = self.listeners().get(&request).cloned();
        if let Some(listener) = listener {
            listener.progress(progress, total, message);
        }
    }

    fn message(&self, level: String, logger: Option<String>, data: String) {
        // A log message names no request: everybody who waits gets it.
        let listeners: Vec<_> = self.listeners().values().cloned().collect();
        for listener in listeners {
            listener.message(level.clone(), logger.clone(), &data);
        }
    }

    fn tools_changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }
}

impl Pool {
    pub(super) fn new(runtime: Arc<Runtime>, config: GatewayConfig) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            current: Current::new(runtime),
            config,
            egress: OnceCell::new(),
            shared: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            ids: Ids::default(),
            inbox: Arc::default(),
            identities: Identities::default(),
            goodbyes: Mutex::default(),
        })
    }

    pub(super) fn config(&self) -> &GatewayConfig {
        &self.config
    }

    pub(super) fn component(&self) -> crate::report::Component {
        self.current.serving().runtime.describe()
    }

    pub(super) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// What names of tools meant when they were seen.
    pub(super) fn identities(&self) -> &Identities {
        &self.identities
    }

    pub(super) fn changes(&self) -> u64 {
        self.look();
        self.inbox.changes.load(Ordering::Relaxed)
    }

    /// The id of one call, its own until it is dropped.
    pub(super) fn call_id(&self) -> Held {
        self.ids.one()
    }

    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session, once there is one.
    pub(super) fn session(&self) -> Option<types::Session> {
        self.shared().session.clone()
    }

    /// The catalogue of the last listing.
    pub(super) fn listed(&self) -> Option<Arc<Listed>> {
        self.shared().catalog.clone()
    }

    /// The way out, with credentials; made at first use, so that a missing variable is found when it matters.
    pub(super) async fn egress(&self) -> Result<&Egress> {
        self.egress
            .get_or_try_init(|| async {
                let egress = Egress::new(&self.config, &self.config.egress_limits)?;
                egress.set_credentials(self.config.auth.resolve(&Variables::of_this_user()?).await?);
                Ok(egress)
            })
            .await
    }

    /// Before a session is opened: cookies belong to one.
    pub(super) fn forget_cookies(&self) {
        if let Some(egress) = self.egress.get() {
            egress.forget_cookies();
        }
    }

    /// When the credential says that it ends, if it says so.
    pub(super) fn credential_expiry(&self) -> Option<std::time::SystemTime> {
        self.egress.get()?.credentials().expiry()
    }

    /// An instance without a conversation, for what needs no gateway.
    pub(super) async fn instance(&self) -> Result<Conversation> {
        self.start(&self.current.serving().runtime).await.map_err(|f| self.explain(f))
    }

    async fn start(&self, runtime: &Runtime) -> Result<Conversation, Failure> {
        let egress = self.egress().await.map_err(Failure::Host)?.clone();
        let events: Arc<dyn Events> = self.inbox.clone();
        Conversation::start(runtime, egress, events, self.config.timeout).await
    }

    /// A conversation that nobody else uses: an idle one, or a new one that is attached to the session.
    pub(super) async fn lend(&self) -> Result<Lent, Failure> {
        self.look();
        loop {
            let serving = self.current.serving();
            if let Some(lent) = self.idle(serving.number) {
                return Ok(lent);
            }
            match self.open_on(&serving).await {
                // The one that answers now gets its chance.
                Err(failure) if self.put_out(serving.number, &failure) => {}
                outcome => return outcome,
            }
        }
    }

    async fn open_on(&self, serving: &Serving) -> Result<Lent, Failure> {
        let mut conversation = self.start(&serving.runtime).await?;
        let ids = self.ids.block();
        let component = serving.number;
        let lent = |conversation, generation, ids| Lent {
            conversation,
            generation,
            component,
            ids,
            has_listed: false,
            uses: 0,
        };
        if let Some(generation) = self.attach(&mut conversation, &ids).await? {
            return Ok(lent(conversation, generation, ids));
        }
        let _opening = self.opening.lock().await;
        if let Some(generation) = self.attach(&mut conversation, &ids).await? {
            return Ok(lent(conversation, generation, ids));
        }
        self.forget_cookies();
        // Only here: who attaches to a session knows the era from it.
        self.agree(&mut conversation, &self.endpoint(&ids)).await?;
        let session = conversation.session(self.config.timeout).await?;
        let generation = self.opened(session);
        Ok(lent(conversation, generation, ids))
    }

    /// Attaches to the session, if there is one; gives its generation.
    async fn attach(&self, conversation: &mut Conversation, ids: &Held) -> Result<Option<u64>, Failure> {
        let known = {
            let shared = self.shared();
            shared.session.clone().map(|session| (session, shared.generation))
        };
        let Some((session, generation)) = known else { return Ok(None) };
        conversation.open(&self.endpoint(ids), Some(&session), self.config.timeout).await?;
        Ok(Some(generation))
    }

    /// Takes a conversation back, unless it is used up.
    pub(super) fn give_back(&self, mut lent: Lent) {
        lent.uses += 1;
        let serving = self.current.serving().number;
        let mut shared = self.shared();
        if !lent.conversation.finished()
            && lent.conversation.grown() <= LARGE
            && lent.uses < USES
            && lent.generation == shared.generation
            && lent.component == serving
            && shared.idle.len() < IDLE
        {
            shared.idle.push(lent);
        }
    }

    fn idle(&self, component: u64) -> Option<Lent> {
        let mut shared = self.shared();
        // Those of a component that was replaced end here.
        shared.idle.retain(|lent| lent.component == component);
        shared.idle.pop()
    }

    pub(super) fn opened(&self, session: types::Session) -> u64 {
        self.remember_era(&session);
        let mut shared = self.shared();
        shared.session = Some(session);
        shared.generation += 1;
        shared.idle.clear();
        shared.generation
    }

    /// Reads the catalogue and applies the gateway's own filter. Tries again when the session or the credential was lost.
    pub(super) async fn list(&self) -> Result<Arc<Listed>> {
        let mut recovery = Recovery::default();
        loop {
            recovery.begin(self);
            let (failure, lent) = match self.lend().await {
                Ok(mut lent) => match self.read(&mut lent).await {
                    Ok(listed) => {
                        self.answered(lent.component);
                        self.give_back(lent);
                        let listed = Arc::new(listed);
                        self.shared().catalog = Some(Arc::clone(&listed));
                        return Ok(listed);
                    }
                    Err(failure) => (failure, Some(lent)),
                },
                Err(failure) => (failure, None),
            };
            if lent.as_ref().is_some_and(|lent| self.put_out(lent.component, &failure)) {
                continue;
            }
            if !recovery.recover(self, &failure, lent).await {
                return Err(self.explain(recovery.failure(failure)));
            }
        }
    }

    /// The catalogue as this component reads it. Nothing is tried twice.
    pub(super) async fn read_on(&self, serving: &Serving) -> Result<Listed, Failure> {
        let mut lent = self.open_on(serving).await?;
        let listed = self.read(&mut lent).await;
        self.give_back(lent);
        listed
    }

    async fn read(&self, lent: &mut Lent) -> Result<Listed, Failure> {
        if lent.has_listed {
            *lent = self.open_on(&self.current.serving()).await?;
        }
        lent.has_listed = true;
        let started = Instant::now();
        let catalog = lent.conversation.list_tools(self.config.timeout).await?;
        let took = started.elapsed();
        self.keep_session_of(lent).await?;
        let rules = convert::rules(&self.config.filter);
        let candidates: Vec<_> = catalog.tools.iter().map(convert::candidate).collect();
        let verdicts = lent.conversation.select(&rules, &candidates, self.config.timeout).await?;
        let mut by_name = HashMap::with_capacity(catalog.tools.len());
        for (at, tool) in catalog.tools.iter().enumerate() {
            by_name.entry(tool.name.clone()).or_insert(at);
        }
        self.identities.learn(&catalog);
        Ok(Listed { catalog, verdicts, by_name, took })
    }

    /// While it lists, a component may find that the gateway speaks the other era: then everybody goes on in the new session.
    async fn keep_session_of(&self, lent: &mut Lent) -> Result<(), Failure> {
        let session = lent.conversation.session(self.config.timeout).await?;
        let other = {
            let shared = self.shared();
            let same = |known: &types::Session| known.era == session.era && known.session_id == session.session_id;
            lent.generation == shared.generation && shared.session.as_ref().is_some_and(|known| !same(known))
        };
        if other {
            tracing::info!(gateway = %self.config.name, "the gateway has tools only in the era {:?}", session.era);
            lent.generation = self.opened(session);
        }
        Ok(())
    }

    /// The component's verdicts on a catalogue.
    pub(super) async fn select(
        &self,
        conversation: &mut Conversation,
        rules: &filter::Rules,
        catalog: &types::Catalog,
    ) -> Result<Vec<Option<filter::Reason>>> {
        let candidates: Vec<_> = catalog.tools.iter().map(convert::candidate).collect();
        conversation.select(rules, &candidates, self.config.timeout).await.map_err(|f| self.explain(f))
    }

    /// A failure in the words of a user.
    pub(super) fn explain(&self, failure: Failure) -> Error {
        explain(failure, &self.config, self.credential_expiry())
    }

    fn goodbyes(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.goodbyes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the gateway, beside everything else, that nobody waits for a call any more. Only in the session that the
    /// call was made in: a new one would know nothing of it.
    pub(super) fn tell_cancelled(self: &Arc<Self>, request: u64) {
        let Some(session) = self.session() else { return };
        // Without a runtime the process is ending, and the connection with it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let pool = Arc::clone(self);
        let task = runtime.spawn(async move {
            let Ok(mut conversation) = pool.instance().await else { return };
            if conversation.open(&pool.endpoint(&pool.ids.one()), Some(&session), CLOSING).await.is_ok() {
                let told = conversation.cancel(request, "the caller gave up", CLOSING).await;
                tracing::debug!(gateway = %pool.config.name, request, told = told.is_ok(), "cancelled");
            }
        });
        let mut goodbyes = self.goodbyes();
        goodbyes.retain(|task| !task.is_finished());
        goodbyes.push(task);
    }

    /// Ends the session, as well as that goes.
    pub(super) async fn close(&self) {
        let goodbyes = std::mem::take(&mut *self.goodbyes());
        for goodbye in goodbyes {
            let _ = tokio::time::timeout(CLOSING, goodbye).await;
        }
        let (session, idle) = {
            let mut shared = self.shared();
            (shared.session.take(), std::mem::take(&mut shared.idle))
        };
        let Some(session) = session else { return };
        let mut conversation = if let Some(lent) = idle.into_iter().find(|lent| !lent.conversation.finished()) {
            lent.conversation
        } else {
            let Ok(mut fresh) = self.instance().await else { return };
            if fresh.open(&self.endpoint(&self.ids.one()), Some(&session), CLOSING).await.is_err() {
                return;
            }
            fresh
        };
        if let Err(failure) = conversation.close(CLOSING).await {
            tracing::debug!(gateway = %self.config.name, "the session was not ended: {}", self.explain(failure));
        }
    }

    fn endpoint(&self, ids: &Held) -> types::Endpoint {
        convert::endpoint(&self.config, ids.first())
    }
}

/// Whether the tools of this rung are the gateway's own.
pub(super) fn is_control(attribution: types::Attribution) -> bool {
    convert::attribution(attribution) == Attribution::Control
}
