//! Everything outside of the logic, by the engine's and the other parts' interfaces.
//! Takes and gives the shapes of [`upstream`](crate::upstream). Decides nothing.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use pflow_gateway_service_settings::{Filter, Gateway, Inbound};

use super::{
    Unread,
    bindings::{
        pflow::service::{reply, way_out},
        wasi::{
            clocks0_2_12::{monotonic_clock, wall_clock},
            http0_2_12::types::{OutgoingBody, ResponseOutparam},
            random0_2_12::random,
        },
    },
    gateway::{self, Talk},
};
use crate::{
    answer::Answer,
    ready::{Prepared, Ready},
    upstream::{Catalog, Kept, Outside, Refused, Session, Wanted},
};

/// How long an instance keeps a catalogue, where the engine keeps the instance: nanoseconds.
const KEPT: u64 = 60_000_000_000;

thread_local! {
    /// By gateway, with the moment until which it is kept.
    static CATALOGS: RefCell<BTreeMap<String, (u64, Rc<Kept>)>> = const { RefCell::new(BTreeMap::new()) };
    /// The same of what was agreed with gateways that keep no sessions.
    static AGREED: RefCell<BTreeMap<String, (u64, Session)>> = const { RefCell::new(BTreeMap::new()) };
    /// What the environment says. It is the same as long as the instance lives.
    static READY: RefCell<Option<Rc<Ready>>> = const { RefCell::new(None) };
}

/// The engine, for one request.
pub(super) struct Engine {
    unread: Unread,
    limits: Cell<Inbound>,
    out: Cell<Option<ResponseOutparam>>,
    /// The body of a stream that has begun.
    body: Cell<Option<OutgoingBody>>,
}

impl Engine {
    pub(super) fn new(unread: Unread, out: ResponseOutparam) -> Self {
        Self { unread, limits: Cell::default(), out: Cell::new(Some(out)), body: Cell::new(None) }
    }

    /// The answer is out.
    pub(super) fn done(&self) {
        self.unread.drain();
    }

    /// All of an answer.
    pub(super) fn answer(&self, answer: Answer, head_only: bool) {
        if let Some(out) = self.out.take() {
            super::send(out, answer, head_only, self.limits.get().answer_ms);
        }
    }

    /// The last event of a stream. A client that is gone gets none.
    pub(super) fn end(&self, last: &str) {
        let Some(body) = self.body.take() else { return };
        let written = reply::give_back()
            .is_some_and(|stream| super::write(&stream, last.as_bytes(), self.limits.get().answer_ms).is_ok());
        // What was cut off must not look whole.
        if written {
            let _ = OutgoingBody::finish(body, None);
        }
    }
}

impl Prepared for Engine {
    fn ready(&self) -> Result<Rc<Ready>, String> {
        if let Some(ready) = READY.with_borrow(Clone::clone) {
            return Ok(ready);
        }
        let ready = Rc::new(Ready::read(self)?);
        READY.set(Some(Rc::clone(&ready)));
        Ok(ready)
    }
}

impl Outside for Engine {
    type Conversation = Talk;

    fn limits(&self, limits: &Inbound) {
        self.limits.set(*limits);
    }

    fn body(&self) -> Result<Vec<u8>, Answer> {
        let limits = self.limits.get();
        self.unread.read(limits.request_body_bytes, limits.request_ms)
    }

    fn connect(&self, gateway: &Gateway, attach: Option<&Session>) -> Result<Talk, Refused> {
        self.way_out(gateway).map_err(Refused::Settings)?;
        Talk::open(gateway, attach, random::get_random_u64()).map_err(Refused::Gateway)
    }

    fn way_out(&self, gateway: &Gateway) -> Result<(), String> {
        way_out::open(&gateway.name)
    }

    fn select(&self, filter: &Filter, catalog: &Catalog) -> Result<Vec<bool>, String> {
        gateway::select(filter, catalog)
    }

    fn now(&self) -> u64 {
        wall_clock::now().seconds
    }

    fn random(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        for (byte, random) in bytes.iter_mut().zip(random::get_random_bytes(24)) {
            *byte = random;
        }
        bytes
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn mask(&self, text: String) -> String {
        way_out::mask(&text)
    }

    fn stream(&self, wanted: &Wanted) {
        let Some(out) = self.out.take() else { return };
        let headers = [
            ("Content-Type", "text/event-stream"),
            ("Cache-Control", "no-store"),
            // nginx holds back what it does not know to be a stream.
            ("X-Accel-Buffering", "no"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let Some((body, stream)) = super::begin(out, 200, headers) else { return };
        self.body.set(Some(body));
        reply::lend(
            stream,
            &reply::Wanted {
                progress_token: wanted.progress_token.clone(),
                level: wanted.level.clone(),
                patience_ms: self.limits.get().answer_ms,
            },
        );
    }

    fn agreed(&self, gateway: &str) -> Option<Session> {
        let now = monotonic_clock::now();
        AGREED.with_borrow(|all| all.get(gateway).filter(|(until, _)| *until > now).map(|(_, session)| session.clone()))
    }

    fn agree(&self, gateway: &str, session: Option<Session>) {
        let until = monotonic_clock::now().saturating_add(KEPT);
        AGREED.with_borrow_mut(|all| match session {
            Some(session) => all.insert(gateway.to_owned(), (until, session)),
            None => all.remove(gateway),
        });
    }

    fn kept(&self, gateway: &str) -> Option<Rc<Kept>> {
        let now = monotonic_clock::now();
        CATALOGS
            .with_borrow(|kept| kept.get(gateway).filter(|(until, _)| *until > now).map(|(_, kept)| Rc::clone(kept)))
    }

    fn keep(&self, gateway: &str, kept: &Rc<Kept>) {
        let until = monotonic_clock::now().saturating_add(KEPT);
        CATALOGS.with_borrow_mut(|all| all.insert(gateway.to_owned(), (until, Rc::clone(kept))));
    }
}
