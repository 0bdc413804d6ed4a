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

use tokio::{
    sync::{OnceCell, OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
};

use super::{
    call::Listener,
    convert,
    current::{Current, Serving},
    declared::held_to_the_entry,
    definitions::{AcceptedTools, Standings},
    delivery::{LeftRunning, Marked},
    explain::{Known, MORE_TIME, Renewed, explain, who},
    identity::Identities,
    ids::{Held, Ids},
    memory::is_cut,
    recovery::Recovery,
};
use crate::{
    Class, Deadline, Error, Result,
    config::{GatewayConfig, Variables},
    egress::{Egress, Visit},
    report::{Attribution, Kind},
    runtime::{Conversation, Events, Failure, Product, Runtime, filter, seconds, types},
    scrub,
};

/// Idle instances kept; pflow runs up to 70 calls side by side, but seldom for long.
const IDLE: usize = 8;
/// An instance that has grown by more than this, in bytes, is not kept: its memory comes back only when it ends, and a new one is
/// cheap to make.
const LARGE: usize = 16 * 1024 * 1024;
/// Calls of one instance: some take a few more of its ids.
const USES: u32 = 100;
/// Instances at work at a time. pflow makes up to 70 calls side by side, and none of them may wait for another; beyond that, each
/// instance costs some ten megabytes of memory.
const SIDE_BY_SIDE: usize = 80;
/// For goodbyes: nobody waits for them gladly.
const CLOSING: Duration = Duration::from_secs(2);
/// How long a goodbye waits for a session that is just being opened: mostly it is known in a moment.
const OPENING: Duration = Duration::from_millis(100);
/// By how much a step of its own may outlast the deadline, to say better what it waited for.
const GRACE: Duration = Duration::from_millis(100);
/// For how long a name that was not in the list is taken to be still not there.
const MISSING: Duration = Duration::from_secs(5);
/// Names that are remembered: as missing, or as left running.
const NAMES: usize = 1_000;

/// All conversations with one gateway.
pub(super) struct Pool {
    /// For what goes on beside the calls.
    pub(super) me: Weak<Self>,
    pub(super) current: Current,
    config: GatewayConfig,
    pub(super) egress: OnceCell<Egress>,
    shared: Mutex<Shared>,
    /// Held while a session is opened or renewed, or a credential read again, so that it happens once.
    ids: Ids,
    pub(super) opening: Arc<tokio::sync::Mutex<()>>,
    /// Goodbyes that could not wait for an opening: what it opens is closed at once.
    closes: AtomicU64,
    /// Who waits here gets its turn in the order of asking.
    room: Arc<Semaphore>,
    /// Held while the catalogue is read for calls, so that those who miss a name at the same time read it once.
    listing: tokio::sync::Mutex<()>,
    last_listing: Mutex<LastListing>,
    inbox: Arc<Inbox>,
    identities: Identities,
    /// Calls that were sent and have no answer yet, by their tokens.
    waiting: Mutex<HashMap<u32, Waiting>>,
    /// Tools whose calls were given up before an answer came, and may still run.
    left: Mutex<Vec<LeftRunning>>,
    /// Cancellations that are being told to the gateway; the session ends after them.
    goodbyes: Mutex<Vec<JoinHandle<()>>>,
    /// Digest of the listing that was remembered last.
    pub(super) remembered: AtomicU64,
    /// What was accepted of the tools.
    pub(super) accepted: AcceptedTools,
}

/// A call on its way.
pub(super) struct Waiting {
    pub(super) tool: String,
    pub(super) marked: Marked,
    /// Of the session that it was made in.
    pub(super) state: Arc<[u8]>,
    /// The component that made it: it alone knows for sure how to take it back.
    pub(super) runtime: Arc<Runtime>,
    pub(super) visit: Arc<Visit>,
}

/// What became of the newest reading of the catalogue, and which names it did not have.
#[derive(Default)]
struct LastListing {
    number: u64,
    outcome: Option<Result<Arc<Listed>>>,
    missing: HashMap<String, Instant>,
    /// As many changes as the gateway had announced then.
    changes: u64,
}

/// What was agreed with the gateway: what is read of it, and what a component needs to go on in it.
#[derive(Clone)]
pub(super) struct Agreed {
    pub(super) session: types::Session,
    /// Opaque; it may hold secrets.
    pub(super) state: Arc<[u8]>,
}

#[derive(Default)]
pub(super) struct Shared {
    agreed: Option<Agreed>,
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
    /// A page of it could not be read: what it lacks may be there all the same.
    pub(super) cut: bool,
    /// How its tools stand to what was accepted.
    pub(super) standings: Standings,
    /// The product that listed it.
    pub(super) kind: Kind,
}

impl Listed {
    /// The first tool of this name, and why the filter leaves it out.
    pub(super) fn tool(&self, name: &str) -> Option<(&types::Tool, Option<&filter::Reason>)> {
        let at = *self.by_name.get(name)?;
        Some((self.catalog.tools.get(at)?, self.verdicts.get(at).and_then(Option::as_ref)))
    }
}

/// A conversation that was lent out, the session it belongs to, and the component that it runs on.
pub(super) struct Lent {
    pub(super) conversation: Conversation,
    pub(super) agreed: Agreed,
    pub(super) generation: u64,
    pub(super) component: u64,
    pub(super) runtime: Arc<Runtime>,
    /// The tokens that it counts through.
    #[expect(dead_code, reason = "held for as long as the conversation lives")]
    ids: Held,
    /// It has read the catalogue, whose pages may have used up its ids.
    has_listed: bool,
    /// How often it was lent out.
    uses: u32,
    /// Its place among those at work; none while it is idle.
    room: Option<OwnedSemaphorePermit>,
}

/// Takes what the component reports while requests run, and hands it to whoever waits.
#[derive(Default)]
pub(super) struct Inbox {
    listeners: Mutex<HashMap<u32, Arc<Listener>>>,
    changes: AtomicU64,
}

impl Inbox {
    fn listeners(&self) -> MutexGuard<'_, HashMap<u32, Arc<Listener>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn listen(&self, token: u32, listener: Arc<Listener>) {
        self.listeners().insert(token, listener);
    }

    pub(super) fn leave(&self, token: u32) {
        self.listeners().remove(&token);
    }
}

impl Events for Inbox {
    fn progress(&self, token: u32, progress: f64, total: Option<f64>, message: Option<String>) {
        let listener = self.listeners().get(&token).cloned();
        if let Some(listener) = listener {
            listener.progress(progress, total, message);
        }
    }

    fn message(&self, token: Option<u32>, level: String, logger: Option<String>, data: String) {
        // One that came with no call's answer is for everybody who waits.
        let listeners: Vec<_> = match token {
            Some(token) => self.listeners().get(&token).cloned().into_iter().collect(),
            None => self.listeners().values().cloned().collect(),
        };
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
        let accepted = AcceptedTools::of(&config);
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            current: Current::new(runtime),
            config,
            egress: OnceCell::new(),
            shared: Mutex::default(),
            ids: Ids::default(),
            opening: Arc::default(),
            closes: AtomicU64::new(0),
            room: Arc::new(Semaphore::new(SIDE_BY_SIDE)),
            listing: tokio::sync::Mutex::default(),
            last_listing: Mutex::default(),
            inbox: Arc::default(),
            identities: Identities::default(),
            waiting: Mutex::default(),
            left: Mutex::default(),
            goodbyes: Mutex::default(),
            remembered: AtomicU64::new(0),
            accepted,
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

    /// The token of one call, its own until it is dropped.
    pub(super) fn call_id(&self) -> Held {
        self.ids.one()
    }

    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session, once there is one.
    pub(super) fn session(&self) -> Option<types::Session> {
        self.shared().agreed.as_ref().map(|agreed| agreed.session.clone())
    }

    /// The catalogue of the last listing.
    pub(super) fn listed(&self) -> Option<Arc<Listed>> {
        self.shared().catalog.clone()
    }

    /// The way out, with credentials; made at first use, so that a missing variable is found when it matters.
    pub(super) async fn egress(&self) -> Result<&Egress> {
        self.egress
            .get_or_try_init(|| async {
                // First: a variable that is not set may be a part of the URL.
                let needed = self.config.variables().next().is_some();
                let variables = if needed { self.variables().await? } else { Variables::default() };
                let credentials = self.config.credentials(&variables).await?;
                let egress = Egress::new(&self.config.way_out()?, &self.config.egress_limits)?;
                egress.set_credentials(credentials);
                Ok(egress)
            })
            .await
    }

    /// The same, until then: a token command may take its time. Whoever made it is told of it.
    pub(super) async fn way_out(&self, by: Deadline) -> Result<&Egress, Failure> {
        by.bound(self.egress()).await.map_err(|_| self.late(by))?.map_err(Failure::Host)
    }

    /// Where credentials are: in the environment, and in the settings beside the server file.
    pub(super) async fn variables(&self) -> Result<Variables> {
        let folder = self.config.folder.clone();
        apart(move || folder.map_or_else(Variables::of_this_user, |folder| Ok(Variables::load(&folder)))).await?
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
    pub(super) async fn instance(&self, by: Deadline) -> Result<Conversation, Failure> {
        self.start(&self.current.serving().runtime, by).await
    }

    /// What the component knows of this gateway's product: the one that answered, or that the user named. Nothing, where it fails: all
    /// that is lost is a better hint.
    pub(super) async fn product(&self) -> Option<Product> {
        let kind = self.session().map(|session| convert::kind(&session.kind)).or_else(|| self.config.kind.clone())?;
        self.products().await.into_iter().find(|product| product.kind == kind)
    }

    /// The products that the component knows.
    pub(super) async fn products(&self) -> Vec<Product> {
        let runtime = Arc::clone(&self.current.serving().runtime);
        match runtime.products().await {
            Ok(products) => products.to_vec(),
            Err(error) => {
                tracing::info!("what the component knows of products cannot be had: {}", error.message);
                Vec::new()
            }
        }
    }

    async fn start(&self, runtime: &Runtime, by: Deadline) -> Result<Conversation, Failure> {
        let egress = self.way_out(by).await?.clone();
        let events: Arc<dyn Events> = self.inbox.clone();
        Conversation::start(runtime, egress, events, self.left_of(by)?).await
    }

    /// What is left of the time.
    pub(super) fn left_of(&self, by: Deadline) -> Result<Duration, Failure> {
        let left = by.left();
        if left.is_zero() { Err(self.late(by)) } else { Ok(left) }
    }

    /// The time is over, and nothing is known that says it better.
    pub(super) fn late(&self, by: Deadline) -> Failure {
        let message =
            format!("{} gave no answer within {}, several steps together", who(&self.config), seconds(by.limit()));
        Failure::Host(Error::new(Class::Timeout, message).with_hint(MORE_TIME))
    }

    /// A conversation that nobody else uses: an idle one, or a new one that is attached to the session.
    pub(super) async fn lend(&self, by: Deadline) -> Result<Lent, Failure> {
        self.look();
        let Ok(Ok(room)) = by.bound(Arc::clone(&self.room).acquire_owned()).await else {
            let message = format!(
                "{SIDE_BY_SIDE} requests to {} run side by side, and none of them ended within {}",
                self.config.name,
                seconds(by.limit())
            );
            return Err(Failure::Host(
                Error::new(Class::Limit, message).with_hint("this one was not sent; make fewer at a time"),
            ));
        };
        let mut lent = self.free(by).await?;
        lent.room = Some(room);
        Ok(lent)
    }

    async fn free(&self, by: Deadline) -> Result<Lent, Failure> {
        loop {
            let serving = self.current.serving();
            if let Some(lent) = self.idle(serving.number) {
                return Ok(lent);
            }
            match self.open_on(&serving, by).await {
                // The one that answers now gets its chance.
                Err(failure) if self.put_out(serving.number, &failure) => {}
                outcome => return outcome,
            }
        }
    }

    async fn open_on(&self, serving: &Serving, by: Deadline) -> Result<Lent, Failure> {
        let mut conversation = self.start(&serving.runtime, by).await?;
        let ids = self.ids.block();
        let lent = |conversation, ids, (agreed, generation)| Lent {
            conversation,
            agreed,
            generation,
            component: serving.number,
            runtime: Arc::clone(&serving.runtime),
            ids,
            has_listed: false,
            uses: 0,
            room: None,
        };
        if let Attached::To(agreed, generation) = self.attach(&mut conversation, &ids, by).await? {
            return Ok(lent(conversation, ids, (agreed, generation)));
        }
        let opening = by.bound(Arc::clone(&self.opening).lock_owned()).await.map_err(|_| self.late(by))?;
        // What another component agreed on this one may not be able to read: then it needs a session of its own, and everybody goes on in
        // that, unless it is only tried.
        let whose = match self.attach(&mut conversation, &ids, by).await? {
            Attached::To(agreed, generation) => return Ok(lent(conversation, ids, (agreed, generation))),
            Attached::Unread if serving.number != self.current.serving().number => Whose::Its,
            Attached::Unread | Attached::Nothing => Whose::Everybodys,
        };
        let Some(pool) = self.me.upgrade() else { return Err(self.late(by)) };
        // Beside whoever asked: a session that is opened is known, and can be ended, even when nobody waits for it any more.
        let agreeing = tokio::spawn(async move {
            let agreed = pool.open_session(conversation, ids, whose, by).await;
            drop(opening);
            agreed
        });
        let patient = tokio::time::timeout(by.left() + GRACE, agreeing);
        match patient.await.map_err(|_| self.late(by))? {
            Ok(agreed) => agreed.map(|(conversation, ids, attached)| lent(conversation, ids, attached)),
            Err(error) => Err(Failure::Host(Error::new(Class::Internal, format!("opening was cut short: {error}")))),
        }
    }

    /// A session that was agreed on with the gateway.
    async fn open_session(
        &self,
        mut conversation: Conversation,
        ids: Held,
        whose: Whose,
        by: Deadline,
    ) -> Result<(Conversation, Held, (Agreed, u64)), Failure> {
        self.forget_cookies();
        let closes = self.closes.load(Ordering::Relaxed);
        // Once the gateway has opened a session, it is worth some more time to learn which.
        conversation.set_patience(CLOSING);
        // The first question has its share of what is left. Whoever attaches to a session later knows the era from it.
        let timeout_ms = u32::try_from(by.left().as_millis()).unwrap_or(u32::MAX);
        let endpoint = types::Endpoint { timeout_ms, ..self.endpoint(&ids) };
        self.agree(&mut conversation, &endpoint, by).await?;
        let agreed = agreed(&mut conversation, CLOSING).await?;
        conversation.set_patience(Duration::ZERO);
        self.remember_era(&agreed.session).await;
        if self.closes.load(Ordering::Relaxed) != closes {
            let _ = conversation.close(CLOSING).await;
            return Err(self.late(by));
        }
        let generation = match whose {
            Whose::Everybodys => self.opened(agreed.clone()),
            Whose::Its => ITS_OWN,
        };
        Ok((conversation, ids, (agreed, generation)))
    }

    /// Attaches to the session, if there is one.
    async fn attach(&self, conversation: &mut Conversation, ids: &Held, by: Deadline) -> Result<Attached, Failure> {
        let known = {
            let shared = self.shared();
            shared.agreed.clone().map(|agreed| (agreed, shared.generation))
        };
        let Some((agreed, generation)) = known else { return Ok(Attached::Nothing) };
        match conversation.open(&self.endpoint(ids), Some(&agreed.state), self.left_of(by)?).await {
            Ok(()) => Ok(Attached::To(agreed, generation)),
            // Nothing was asked: it is the state that it makes nothing of.
            Err(Failure::Gateway(failure, _))
                if matches!(failure.code, types::FailureCode::SessionLost) && conversation.visit().is_unused() =>
            {
                Ok(Attached::Unread)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Takes a conversation back, unless it is used up.
    pub(super) fn give_back(&self, mut lent: Lent) {
        lent.uses += 1;
        lent.room = None;
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

    pub(super) fn opened(&self, agreed: Agreed) -> u64 {
        let mut shared = self.shared();
        shared.agreed = Some(agreed);
        shared.generation += 1;
        shared.idle.clear();
        shared.generation
    }

    /// The catalogue for a call that misses a name. Those who ask while it is being read share what comes of it.
    pub(super) async fn list_once(&self, by: Deadline) -> Result<Arc<Listed>> {
        let before = self.last_listing().number;
        let Ok(_turn) = by.bound(self.listing.lock()).await else { return Err(self.explain(self.late(by))) };
        {
            let last = self.last_listing();
            match &last.outcome {
                // Somebody else's time was up, and not this one's.
                Some(Err(error)) if error.class == Class::Timeout => {}
                Some(outcome) if last.number != before => return outcome.clone(),
                _ => {}
            }
        }
        self.list(by).await
    }

    fn last_listing(&self) -> MutexGuard<'_, LastListing> {
        self.last_listing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this name was looked for in vain a moment ago, and nothing says that this has changed.
    pub(super) fn is_missing(&self, name: &str) -> bool {
        let changes = self.inbox.changes.load(Ordering::Relaxed);
        let last = self.last_listing();
        last.changes == changes && last.missing.get(name).is_some_and(|at| at.elapsed() < MISSING)
    }

    /// A name that is not in the catalogue that was just read.
    pub(super) fn misses(&self, name: &str) {
        let mut last = self.last_listing();
        last.missing.retain(|_, at| at.elapsed() < MISSING);
        if last.missing.len() < NAMES {
            last.missing.insert(name.to_owned(), Instant::now());
        }
    }

    /// Reads the catalogue and applies the gateway's own filter. Tries again when the session or the credential was lost. A complete
    /// one is remembered.
    pub(super) async fn list(&self, by: Deadline) -> Result<Arc<Listed>> {
        let listed = self.list_to_judge(by).await?;
        self.remember(&listed);
        Ok(listed)
    }

    /// The same, for who compares it with what is remembered.
    pub(super) async fn list_to_judge(&self, by: Deadline) -> Result<Arc<Listed>> {
        let changes = self.inbox.changes.load(Ordering::Relaxed);
        let outcome = self.list_anew(by).await;
        if let Ok(listed) = &outcome {
            self.keep_definitions(listed);
        }
        let mut last = self.last_listing();
        last.number += 1;
        last.outcome = Some(outcome.clone());
        if last.changes != changes {
            last.changes = changes;
            last.missing.clear();
        }
        outcome
    }

    async fn list_anew(&self, by: Deadline) -> Result<Arc<Listed>> {
        let mut recovery = Recovery::new(by);
        loop {
            recovery.begin(self);
            let (failure, lent) = match self.lend(by).await {
                Ok(mut lent) => match self.read(&mut lent, by).await {
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
                return Err(recovery.explain(self, failure));
            }
        }
    }

    /// The catalogue as this component reads it. Nothing is tried twice.
    pub(super) async fn read_on(&self, serving: &Serving, by: Deadline) -> Result<Listed, Failure> {
        let mut lent = self.open_on(serving, by).await?;
        let listed = self.read(&mut lent, by).await;
        if lent.generation == ITS_OWN {
            let _ = lent.conversation.close(CLOSING).await;
        }
        self.give_back(lent);
        listed
    }

    async fn read(&self, lent: &mut Lent, by: Deadline) -> Result<Listed, Failure> {
        if lent.has_listed {
            let room = lent.room.take();
            *lent = self.open_on(&self.current.serving(), by).await?;
            lent.room = room;
        }
        lent.has_listed = true;
        let started = Instant::now();
        let mut catalog = lent.conversation.list_tools(self.left_of(by)?).await?;
        held_to_the_entry(&mut catalog, &self.config);
        let took = started.elapsed();
        self.keep_session_of(lent, by).await?;
        let rules = convert::rules(&self.config.filter, self.config.claims);
        let verdicts = self.verdicts(&mut lent.conversation, &rules, &catalog, by).await?;
        let mut by_name = HashMap::with_capacity(catalog.tools.len());
        for (at, tool) in catalog.tools.iter().enumerate() {
            by_name.entry(tool.name.clone()).or_insert(at);
        }
        self.identities.learn(&catalog);
        let cut = is_cut(&catalog);
        let (catalog, verdicts, standings) = self.weigh(catalog, verdicts).await.map_err(Failure::Host)?;
        let kind = convert::kind(&lent.agreed.session.kind);
        Ok(Listed { catalog, verdicts, by_name, took, cut, standings, kind })
    }

    /// While it lists, a component may find that the gateway speaks the other era: then everybody goes on in the new session.
    async fn keep_session_of(&self, lent: &mut Lent, by: Deadline) -> Result<(), Failure> {
        // What a component says that is only tried changes nothing for the others.
        if lent.component != self.current.serving().number {
            return Ok(());
        }
        let state = lent.conversation.state(self.left_of(by)?).await?;
        if *state == *lent.agreed.state || lent.generation != self.shared().generation {
            return Ok(());
        }
        let other = agreed(&mut lent.conversation, self.left_of(by)?).await?;
        tracing::info!(gateway = %self.config.name, "listing went on in another session, in the era {:?}", other.session.era);
        self.remember_era(&other.session).await;
        lent.agreed = other.clone();
        lent.generation = self.opened(other);
        Ok(())
    }

    /// The component's verdicts on a catalogue.
    pub(super) async fn select(
        &self,
        conversation: &mut Conversation,
        rules: &filter::Rules,
        catalog: &types::Catalog,
        by: Deadline,
    ) -> Result<Vec<Option<filter::Reason>>> {
        self.verdicts(conversation, rules, catalog, by).await.map_err(|failure| self.explain(failure))
    }

    /// The same, with what the component wants to see of each tool.
    async fn verdicts(
        &self,
        conversation: &mut Conversation,
        rules: &filter::Rules,
        catalog: &types::Catalog,
        by: Deadline,
    ) -> Result<Vec<Option<filter::Reason>>, Failure> {
        let looks = conversation.looks_at(self.left_of(by)?).await?;
        let candidates: Vec<_> = catalog.tools.iter().map(|tool| convert::candidate(tool, looks)).collect();
        conversation.select(rules, &candidates, self.left_of(by)?).await
    }

    /// The component's verdicts on these.
    pub(super) async fn judge(
        &self,
        conversation: &mut Conversation,
        rules: &filter::Rules,
        candidates: &[filter::Candidate],
        by: Deadline,
    ) -> Result<Vec<Option<filter::Reason>>> {
        let verdicts = match self.left_of(by) {
            Ok(left) => conversation.select(rules, candidates, left).await,
            Err(late) => Err(late),
        };
        verdicts.map_err(|f| self.explain(f))
    }

    /// A failure in the words of a user.
    pub(super) fn explain(&self, failure: Failure) -> Error {
        self.explain_after(failure, Renewed::No, None)
    }

    /// The same, of something that had this much time; and whether a new session was opened before it.
    pub(super) fn explain_after(&self, failure: Failure, renewed: Renewed, by: Option<Deadline>) -> Error {
        explain(failure, &Known { config: &self.config, expiry: self.credential_expiry(), renewed, by })
    }

    fn goodbyes(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.goodbyes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u32, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call goes out.
    pub(super) fn sends(&self, token: u32, call: Waiting) {
        self.waiting().insert(token, call);
    }

    /// A call came to its end, or nobody waits for it any more.
    pub(super) fn ends(self: &Arc<Self>, token: u32, end: End) {
        let Some(call) = self.waiting().remove(&token) else { return };
        if end == End::Answered || call.visit.is_unused() {
            return;
        }
        if end == End::Dropped {
            self.leave(&call);
        }
        self.tell_cancelled(token, call);
    }

    /// Nobody will hear what became of it.
    fn leave(&self, call: &Waiting) {
        let left = LeftRunning { tool: scrub::line(&call.tool, 200), repeatable: call.marked.repeatable() };
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        // For whoever never asks.
        if all.len() < NAMES {
            all.push(left);
        }
    }

    /// The calls that were given up since this was asked last.
    pub(super) fn left_running(&self) -> Vec<LeftRunning> {
        std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the session when nobody uses it any more.
    pub(super) async fn hang_up(self: &Arc<Self>) {
        if self.waiting().is_empty() {
            self.close(CLOSING).await;
        } else {
            self.said_goodbye(Deadline::within(CLOSING)).await;
        }
    }

    /// What shall be done before this gateway is closed, if that does not take long.
    pub(super) fn await_before_closing(&self, task: JoinHandle<()>) {
        let mut goodbyes = self.goodbyes();
        goodbyes.retain(|task| !task.is_finished());
        goodbyes.push(task);
    }

    /// Tells the gateway, beside everything else, that nobody waits for a call any more. In the session that the call was made in:
    /// a new one would know nothing of it.
    fn tell_cancelled(self: &Arc<Self>, token: u32, call: Waiting) {
        // Without a runtime the process is ending, and the connection with it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let pool = Arc::clone(self);
        let task = runtime.spawn(async move {
            let by = Deadline::within(CLOSING);
            let Ok(mut conversation) = pool.start(&call.runtime, by).await else { return };
            if conversation.open(&pool.endpoint(&pool.ids.one()), Some(&call.state), by.left()).await.is_ok() {
                let told = conversation.cancel(token, "the caller gave up", by.left()).await;
                tracing::debug!(gateway = %pool.config.name, token, told = told.is_ok(), "cancelled");
            }
        });
        self.await_before_closing(task);
    }

    /// Waits until the gateway has been told what nobody waits for.
    pub(super) async fn said_goodbye(&self, by: Deadline) {
        let goodbyes = std::mem::take(&mut *self.goodbyes());
        for goodbye in goodbyes {
            let _ = by.bound(goodbye).await;
        }
    }

    /// Ends the session, as well as that goes, and every call in it.
    pub(super) async fn end(self: &Arc<Self>) {
        self.close(OPENING).await;
    }

    async fn close(self: &Arc<Self>, opening: Duration) {
        let by = Deadline::within(CLOSING);
        let calls = std::mem::take(&mut *self.waiting());
        for (token, call) in calls {
            if !call.visit.is_unused() {
                self.leave(&call);
                self.tell_cancelled(token, call);
            }
        }
        // The session's end needs some of the time, too.
        self.said_goodbye(Deadline::within(CLOSING / 2)).await;
        // What is opened later ends itself.
        if by.or_sooner(Deadline::within(opening)).bound(self.opening.lock()).await.is_err() {
            self.closes.fetch_add(1, Ordering::Relaxed);
        }
        let (agreed, idle) = {
            let mut shared = self.shared();
            (shared.agreed.take(), std::mem::take(&mut shared.idle))
        };
        let Some(agreed) = agreed else { return };
        let mut conversation = if let Some(lent) = idle.into_iter().find(|lent| !lent.conversation.finished()) {
            lent.conversation
        } else {
            let Ok(mut fresh) = self.instance(by).await else { return };
            if fresh.open(&self.endpoint(&self.ids.one()), Some(&agreed.state), by.left()).await.is_err() {
                return;
            }
            fresh
        };
        if let Err(failure) = conversation.close(by.left()).await {
            tracing::debug!(gateway = %self.config.name, "the session was not ended: {}", self.explain(failure));
        }
    }

    fn endpoint(&self, ids: &Held) -> types::Endpoint {
        convert::endpoint(&self.config, ids.range())
    }
}

/// The generation of a session that is nobody else's.
const ITS_OWN: u64 = u64::MAX;

/// Who goes on in a session that is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// All instances from now on.
    Everybodys,
    /// Only the one that opens it, whose component is tried.
    Its,
}

/// What became of attaching.
enum Attached {
    /// To this session, of this generation.
    To(Agreed, u64),
    /// There is none.
    Nothing,
    /// There is one that this component makes nothing of.
    Unread,
}

/// What a conversation agreed on.
pub(super) async fn agreed(conversation: &mut Conversation, within: Duration) -> Result<Agreed, Failure> {
    let session = conversation.session(within).await?;
    Ok(Agreed { session, state: conversation.state(within).await?.into() })
}

/// How a call came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With an answer of some kind.
    Answered,
    /// Its time was up; its caller is told so.
    Late,
    /// Its caller is gone.
    Dropped,
}

/// Files may be slow, or locked: nothing that serves calls waits for them.
pub(super) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::new(Class::Internal, format!("reading files was cut short: {error}")))
}

/// Whether the tools of this rung are the gateway's own.
pub(super) fn is_control(attribution: types::Attribution) -> bool {
    convert::attribution(attribution) == Attribution::Control
}
