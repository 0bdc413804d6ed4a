//! What Python wants to hear while a call runs, told on a thread of its own.
//! Takes events from the runtime's threads; calls Python's functions in their order. Never lets the runtime wait for Python: progress
//! that nobody takes in time is dropped, and a callback may use the gateway itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use pflow_gateway::{OnMessage, OnProgress, json::Json};
use pyo3::prelude::*;

use crate::json;

/// Reports of progress that wait at most. The next one says more than those that are dropped.
const PROGRESS: usize = 256;
/// Messages that wait at most; a few megabytes of them.
const MESSAGES: usize = 4_096;

enum Event {
    Progress(f64, Option<f64>, Option<String>),
    Message(String, Option<String>, Json),
}

/// The runtime's side.
#[derive(Clone)]
struct Queue {
    events: mpsc::Sender<Event>,
    waiting: Arc<AtomicUsize>,
}

impl Queue {
    fn push(&self, event: Event) {
        let most = if matches!(event, Event::Progress(..)) { PROGRESS } else { MESSAGES };
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= most || self.events.send(event).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What the host calls, and what ends once everything was told that came before the host was done with them.
#[derive(Default)]
pub(crate) struct Callbacks {
    pub(crate) on_progress: Option<OnProgress>,
    pub(crate) on_message: Option<OnMessage>,
    pub(crate) end: Option<mpsc::Receiver<()>>,
}

/// A thread that calls these, if there are any.
pub(crate) fn start(on_progress: Option<Py<PyAny>>, on_message: Option<Py<PyAny>>) -> PyResult<Callbacks> {
    if on_progress.is_none() && on_message.is_none() {
        return Ok(Callbacks::default());
    }
    let (events, incoming) = mpsc::channel();
    let queue = Queue { events, waiting: Arc::default() };
    let waiting = Arc::clone(&queue.waiting);
    let callbacks = Callbacks {
        on_progress: on_progress.as_ref().map(|_| progress(queue.clone())),
        on_message: on_message.as_ref().map(|_| message(queue.clone())),
        end: None,
    };
    let (ended, end) = mpsc::channel();
    thread::Builder::new().name("pflow-gateway-callbacks".to_owned()).spawn(move || {
        for event in incoming {
            waiting.fetch_sub(1, Ordering::Relaxed);
            match event {
                Event::Progress(progress, total, message) => {
                    report_to(on_progress.as_ref(), |py| (progress, total, message).into_pyobject(py));
                }
                Event::Message(level, logger, data) => {
                    report_to(on_message.as_ref(), |py| (level, logger, json::to_python(py, &data)?).into_pyobject(py));
                }
            }
        }
        drop(ended);
    })?;
    Ok(Callbacks { end: Some(end), ..callbacks })
}

fn progress(queue: Queue) -> OnProgress {
    Box::new(move |progress, total, message| queue.push(Event::Progress(progress, total, message)))
}

fn message(queue: Queue) -> OnMessage {
    Box::new(move |level, logger, data| queue.push(Event::Message(level, logger, data)))
}

/// What a callback raises cannot reach the caller, so Python's `unraisablehook` gets it.
fn report_to(
    callback: Option<&Py<PyAny>>,
    arguments: impl for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyTuple>>,
) {
    let Some(callback) = callback else { return };
    Python::attach(|py| {
        let callback = callback.bind(py);
        if let Err(error) = arguments(py).and_then(|arguments| callback.call1(arguments)) {
            error.write_unraisable(py, Some(callback));
        }
    });
}
