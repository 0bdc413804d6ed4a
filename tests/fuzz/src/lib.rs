//! Fuzz targets: what reads the bytes of others, each with the property that has to hold whatever they are.
//! Takes the name of a target and bytes; panics where the property does not hold. `cargo xtask fuzz` searches for such bytes, and
//! `cargo test` plays what was found before. Touches no network.

#[path = "../fuzz_targets/addresses.rs"]
pub mod addresses;
#[path = "../fuzz_targets/anatomy.rs"]
pub mod anatomy;
mod arbitrary;
#[path = "../fuzz_targets/attribution.rs"]
pub mod attribution;
#[path = "../fuzz_targets/catalogue.rs"]
pub mod catalogue;
#[path = "../fuzz_targets/codings.rs"]
pub mod codings;
#[path = "../fuzz_targets/cookies.rs"]
pub mod cookies;
#[path = "../fuzz_targets/entries.rs"]
pub mod entries;
#[path = "../fuzz_targets/filters.rs"]
pub mod filters;
#[path = "../fuzz_targets/headers.rs"]
pub mod headers;
#[path = "../fuzz_targets/history.rs"]
pub mod history;
#[path = "../fuzz_targets/json.rs"]
pub mod json;
#[path = "../fuzz_targets/json_rpc.rs"]
pub mod json_rpc;
#[path = "../fuzz_targets/lines.rs"]
pub mod lines;
#[path = "../fuzz_targets/masks.rs"]
pub mod masks;
#[path = "../fuzz_targets/origins.rs"]
pub mod origins;
#[path = "../fuzz_targets/paging.rs"]
pub mod paging;
#[path = "../fuzz_targets/proxies.rs"]
pub mod proxies;
#[path = "../fuzz_targets/results.rs"]
pub mod results;
#[path = "../fuzz_targets/snapshots.rs"]
pub mod snapshots;
#[path = "../fuzz_targets/sse.rs"]
pub mod sse;
#[path = "../fuzz_targets/words.rs"]
pub mod words;

use std::{cell::RefCell, collections::VecDeque, path::Path, sync::OnceLock, time::Duration};

use self::arbitrary::{Arbitrary, Unstructured};
use pflow_gateway_component::http::{Body, Failure, FailureKind, Headers, Level, Outside, Request, Response, Sent};

/// One input for a target.
type Run = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: [(&str, Run); 21] = [
    ("sse", sse::run),
    ("json_rpc", |bytes| json_rpc::run(text(bytes))),
    ("paging", |bytes| made(bytes).iter().for_each(paging::run)),
    ("attribution", |bytes| made(bytes).iter().for_each(attribution::run)),
    ("filters", |bytes| made(bytes).iter().for_each(filters::run)),
    ("results", |bytes| results::run(text(bytes))),
    ("catalogue", |bytes| made(bytes).iter().for_each(catalogue::run)),
    ("json", |bytes| json::run(text(bytes))),
    ("lines", lines::run),
    ("masks", |bytes| made(bytes).iter().for_each(masks::run)),
    ("words", |bytes| words::run(text(bytes))),
    ("origins", |bytes| made(bytes).iter().for_each(origins::run)),
    ("proxies", |bytes| made(bytes).iter().for_each(proxies::run)),
    ("cookies", |bytes| made(bytes).iter().for_each(cookies::run)),
    ("codings", codings::run),
    ("addresses", |bytes| made(bytes).iter().for_each(addresses::run)),
    ("entries", entries::run),
    ("anatomy", anatomy::run),
    ("history", history::run),
    ("snapshots", snapshots::run),
    ("headers", |bytes| made(bytes).iter().for_each(headers::run)),
];

/// The text at the beginning of these bytes.
fn text(bytes: &[u8]) -> &str {
    let good = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    let text = std::str::from_utf8(&bytes[..good]).unwrap_or_default();
    // serde_json gives keys of this name a meaning of its own, in `Value` alone: the second judge would be wrong.
    if text.contains("$serde_json::private") { "" } else { text }
}

/// Something that these bytes decide; None when they are too few.
fn made<'a, T: Arbitrary<'a>>(bytes: &'a [u8]) -> Option<T> {
    T::arbitrary_take_rest(Unstructured::new(bytes)).ok()
}

/// A folder of this process, in memory where there is one: some targets need files.
#[must_use]
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    FOLDER.get_or_init(|| tempfile::tempdir_in(place).expect("a folder for files")).path()
}

/// An answer of the peer.
#[derive(Clone, Debug)]
pub struct Scripted {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub media: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// Bytes per chunk; 0: all at once.
    pub cut: usize,
}

/// A peer that answers by a function of the request and its number, counted from 0.
pub struct Peer<F> {
    answer: F,
    /// What was asked, in order.
    pub asked: RefCell<Vec<Request>>,
    /// What reached the host besides answers: progress, messages, changes.
    pub events: RefCell<Vec<String>>,
}

impl<F: Fn(&Request, usize) -> Option<Scripted>> Peer<F> {
    /// A peer; `None` is a connection that breaks.
    pub fn new(answer: F) -> Self {
        Self { answer, asked: RefCell::default(), events: RefCell::default() }
    }
}

impl<F: Fn(&Request, usize) -> Option<Scripted>> Outside for Peer<F> {
    fn send(&self, request: Request) -> Result<Response, Failure> {
        let position = self.asked.borrow().len();
        let answer = (self.answer)(&request, position);
        self.asked.borrow_mut().push(request);
        let Scripted { status, media, body, cut } = answer.ok_or_else(|| Failure {
            kind: FailureKind::Unreachable,
            detail: "reset".to_owned(),
            sent: Sent::Maybe,
        })?;
        let headers = Headers::new(vec![("Content-Type".to_owned(), media.to_owned())]);
        let chunks = body.chunks(if cut == 0 { body.len().max(1) } else { cut }).map(<[u8]>::to_vec).collect();
        Ok(Response { status, headers, body: Box::new(Chunks(chunks)) })
    }

    fn listen(&self, _: Request) -> bool {
        false
    }

    fn stop_listening(&self) {}
    fn take_listening(&self) -> Option<Response> {
        None
    }

    fn sleep(&self, _: Duration) {}

    fn now(&self) -> u64 {
        1_800_000_000
    }

    fn progress(&self, token: u32, progress: f64, _: Option<f64>, _: Option<&str>) {
        self.events.borrow_mut().push(format!("progress {token} {progress}"));
    }

    fn message(&self, _: Option<u32>, level: &str, _: Option<&str>, data: &str) {
        self.events.borrow_mut().push(format!("message {level} {data}"));
    }

    fn tools_changed(&self) {
        self.events.borrow_mut().push("tools changed".to_owned());
    }

    fn log(&self, _: Level, _: &str, _: &str) {}
}

struct Chunks(VecDeque<Vec<u8>>);

impl Body for Chunks {
    fn chunk(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.0.pop_front())
    }
}
