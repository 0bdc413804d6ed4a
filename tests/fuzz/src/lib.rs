//! What the fuzz targets share: a peer that plays a script, behind the component's own way out.
//! Takes answers; gives them one by one and records what was asked. Touches no network.

use std::{cell::RefCell, collections::VecDeque, time::Duration};

use pflow_gateway_component::http::{Body, Failure, FailureKind, Headers, Level, Outside, Request, Response, Sent};

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

    fn sleep(&self, _: Duration) {}

    fn now(&self) -> u64 {
        1_800_000_000
    }

    fn progress(&self, request_id: u64, progress: f64, _: Option<f64>, _: Option<&str>) {
        self.events.borrow_mut().push(format!("progress {request_id} {progress}"));
    }

    fn message(&self, level: &str, _: Option<&str>, data: &str) {
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
