//! `wasi:io` and what gives parts of it, towards the gateway component: the engine's, with an end.
//! Takes the engine's streams; gives streams that end when the operation's time or size is over, and say so in HTTP's words. Never waits past
//! the end of an operation.

use std::cell::RefCell;

use super::{
    Egress, bounds, codes,
    engine::types as http,
    engine_cli, engine_clock,
    engine_io::{error as engine_error, poll as engine_poll, streams as engine},
    exported::{
        cli0_2_12::{stderr, stdin, stdout},
        clocks0_2_12::monotonic_clock,
        io0_2_12::{error, poll, streams},
    },
    finder,
};
use crate::passing::Passing;

/// Ready as soon as one of these is.
pub(crate) struct Pollable(Vec<engine_poll::Pollable>);

impl Pollable {
    fn one(of: engine_poll::Pollable) -> poll::Pollable {
        poll::Pollable::new(Self(vec![of]))
    }

    /// Ready at the end of the operation too.
    pub(crate) fn bounded(of: engine_poll::Pollable) -> poll::Pollable {
        poll::Pollable::new(Self(vec![of, bounds::end()]))
    }
}

impl poll::GuestPollable for Pollable {
    fn ready(&self) -> bool {
        self.0.iter().any(engine_poll::Pollable::ready)
    }

    fn block(&self) {
        let all: Vec<&engine_poll::Pollable> = self.0.iter().collect();
        engine_poll::poll(&all);
    }
}

impl poll::Guest for Egress {
    type Pollable = Pollable;

    fn poll(list: Vec<poll::PollableBorrow<'_>>) -> Vec<u32> {
        let mut owners = Vec::new();
        let mut all: Vec<&engine_poll::Pollable> = Vec::new();
        for (number, pollable) in list.iter().enumerate() {
            for one in &pollable.get::<Pollable>().0 {
                owners.push(u32::try_from(number).unwrap_or(u32::MAX));
                all.push(one);
            }
        }
        let ready = engine_poll::poll(&all);
        let mut ready: Vec<u32> =
            ready.into_iter().filter_map(|at| owners.get(usize::try_from(at).ok()?).copied()).collect();
        ready.dedup();
        ready
    }
}

/// What broke a stream.
pub(crate) enum Broken {
    Engine(engine_error::Error),
    /// A bound of ours.
    Bound(http::ErrorCode),
}

impl Broken {
    /// In HTTP's words.
    pub(crate) fn code(&self) -> Option<http::ErrorCode> {
        match self {
            Self::Engine(error) => http::http_error_code(error),
            Self::Bound(code) => Some(code.clone()),
        }
    }

    fn given(self) -> streams::StreamError {
        streams::StreamError::LastOperationFailed(error::Error::new(self))
    }
}

impl error::Guest for Egress {
    type Error = Broken;
}

impl error::GuestError for Broken {
    fn to_debug_string(&self) -> String {
        match self {
            Self::Engine(error) => error.to_debug_string(),
            Self::Bound(code) => code.to_string(),
        }
    }
}

fn given(error: engine::StreamError) -> streams::StreamError {
    match error {
        engine::StreamError::Closed => streams::StreamError::Closed,
        engine::StreamError::LastOperationFailed(error) => Broken::Engine(error).given(),
    }
}

fn late() -> Result<(), streams::StreamError> {
    if bounds::over() { Err(Broken::Bound(http::ErrorCode::HttpResponseTimeout).given()) } else { Ok(()) }
}

/// What comes in: an answer's body, or the engine's stdin.
pub(crate) struct Input {
    stream: engine::InputStream,
    /// None: nobody's body.
    body: Option<Received>,
}

/// What came of a body.
struct Received {
    bounds: bounds::Body,
    /// None: there is nothing to mask.
    masked: Option<RefCell<Masked>>,
}

struct Masked {
    passing: Passing,
    /// What may be shown, and was not asked for yet: stars can be longer than what they stand for.
    shown: Vec<u8>,
}

impl Masked {
    fn take(&mut self, len: u64) -> Vec<u8> {
        let now = self.shown.len().min(usize::try_from(len).unwrap_or(usize::MAX));
        let later = self.shown.split_off(now);
        std::mem::replace(&mut self.shown, later)
    }
}

impl Input {
    pub(crate) fn body(stream: engine::InputStream) -> streams::InputStream {
        let masked = finder().filter(|finder| !finder.is_empty());
        let masked = masked.map(|finder| RefCell::new(Masked { passing: Passing::new(finder), shown: Vec::new() }));
        streams::InputStream::new(Self { stream, body: Some(Received { bounds: bounds::Body::default(), masked }) })
    }

    /// As it came, counted.
    fn raw(&self, len: u64) -> Result<Vec<u8>, streams::StreamError> {
        let bytes = self.stream.read(len).map_err(given)?;
        self.counted(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
        Ok(bytes)
    }

    fn masked(&self) -> Option<&RefCell<Masked>> {
        self.body.as_ref()?.masked.as_ref()
    }

    /// Something is there that the engine knows nothing of.
    fn has_some(&self) -> bool {
        self.masked().is_some_and(|masked| !masked.borrow().shown.is_empty())
    }

    fn counted(&self, bytes: u64) -> Result<(), streams::StreamError> {
        let Some(body) = &self.body else { return Ok(()) };
        body.bounds
            .received(bytes)
            .map_err(|most| Broken::Bound(http::ErrorCode::HttpResponseBodySize(Some(most))).given())
    }

    /// Waits until something is there, it ended, or the time is over.
    fn wait(&self) -> Result<(), streams::StreamError> {
        late()?;
        if !self.has_some() {
            engine_poll::poll(&[&self.stream.subscribe(), &bounds::end()]);
        }
        Ok(())
    }
}

impl streams::GuestInputStream for Input {
    fn read(&self, len: u64) -> Result<Vec<u8>, streams::StreamError> {
        late()?;
        let Some(masked) = self.masked() else { return self.raw(len) };
        let mut masked = masked.borrow_mut();
        if masked.shown.is_empty() && len > 0 {
            let shown = match self.raw(len) {
                Ok(bytes) => masked.passing.pass(&bytes),
                // What was held back was none. The next one who reads is told of the end.
                Err(streams::StreamError::Closed) => {
                    let rest = masked.passing.end();
                    if rest.is_empty() {
                        return Err(streams::StreamError::Closed);
                    }
                    rest
                }
                Err(error) => return Err(error),
            };
            masked.shown = shown;
        }
        Ok(masked.take(len))
    }

    fn blocking_read(&self, len: u64) -> Result<Vec<u8>, streams::StreamError> {
        loop {
            self.wait()?;
            let bytes = self.read(len)?;
            if !bytes.is_empty() || len == 0 {
                return Ok(bytes);
            }
        }
    }

    fn skip(&self, len: u64) -> Result<u64, streams::StreamError> {
        if self.masked().is_some() {
            // As many as would have been read.
            return self.read(len).map(|bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        }
        late()?;
        let skipped = self.stream.skip(len).map_err(given)?;
        self.counted(skipped)?;
        Ok(skipped)
    }

    fn blocking_skip(&self, len: u64) -> Result<u64, streams::StreamError> {
        loop {
            self.wait()?;
            let skipped = self.skip(len)?;
            if skipped > 0 || len == 0 {
                return Ok(skipped);
            }
        }
    }

    fn subscribe(&self) -> poll::Pollable {
        if self.has_some() {
            return Pollable::one(engine_clock::subscribe_duration(0));
        }
        Pollable::bounded(self.stream.subscribe())
    }
}

/// What goes out.
pub(crate) struct Output {
    stream: engine::OutputStream,
    to: To,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    /// A body, while the operation lasts.
    Gateway,
    /// The engine's log, always.
    Log,
}

impl Output {
    /// A body of a request.
    pub(crate) fn body(stream: engine::OutputStream) -> streams::OutputStream {
        streams::OutputStream::new(Self { stream, to: To::Gateway })
    }

    fn log(stream: engine::OutputStream) -> streams::OutputStream {
        streams::OutputStream::new(Self { stream, to: To::Log })
    }

    fn late(&self) -> Result<(), streams::StreamError> {
        if self.to == To::Gateway { late() } else { Ok(()) }
    }

    /// Waits until it takes something, it broke, or the time is over.
    fn wait(&self) -> Result<(), streams::StreamError> {
        self.late()?;
        match self.to {
            To::Gateway => drop(engine_poll::poll(&[&self.stream.subscribe(), &bounds::end()])),
            To::Log => self.stream.subscribe().block(),
        }
        self.late()
    }

    fn all(&self, mut bytes: &[u8]) -> Result<(), streams::StreamError> {
        use streams::GuestOutputStream as _;
        while !bytes.is_empty() {
            self.wait()?;
            let permit = usize::try_from(self.check_write()?).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(bytes.len().min(permit));
            self.stream.write(now).map_err(given)?;
            bytes = later;
        }
        self.blocking_flush()
    }
}

impl streams::GuestOutputStream for Output {
    fn check_write(&self) -> Result<u64, streams::StreamError> {
        self.late()?;
        self.stream.check_write().map_err(given)
    }

    fn write(&self, contents: Vec<u8>) -> Result<(), streams::StreamError> {
        self.late()?;
        self.stream.write(&contents).map_err(given)
    }

    fn blocking_write_and_flush(&self, contents: Vec<u8>) -> Result<(), streams::StreamError> {
        self.all(&contents)
    }

    fn flush(&self) -> Result<(), streams::StreamError> {
        self.stream.flush().map_err(given)
    }

    fn blocking_flush(&self) -> Result<(), streams::StreamError> {
        self.flush()?;
        self.wait()?;
        self.check_write().map(drop)
    }

    fn subscribe(&self) -> poll::Pollable {
        match self.to {
            To::Gateway => Pollable::bounded(self.stream.subscribe()),
            To::Log => Pollable::one(self.stream.subscribe()),
        }
    }

    fn write_zeroes(&self, len: u64) -> Result<(), streams::StreamError> {
        self.late()?;
        self.stream.write_zeroes(len).map_err(given)
    }

    fn blocking_write_zeroes_and_flush(&self, len: u64) -> Result<(), streams::StreamError> {
        self.all(&vec![0; usize::try_from(len.min(4096)).unwrap_or_default()])
    }

    fn splice(&self, src: streams::InputStreamBorrow<'_>, len: u64) -> Result<u64, streams::StreamError> {
        use streams::GuestInputStream as _;
        let permit = self.check_write()?;
        let bytes = src.get::<Input>().read(len.min(permit))?;
        let moved = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.write(bytes)?;
        Ok(moved)
    }

    fn blocking_splice(&self, src: streams::InputStreamBorrow<'_>, len: u64) -> Result<u64, streams::StreamError> {
        use streams::GuestInputStream as _;
        self.wait()?;
        let permit = self.check_write()?;
        let bytes = src.get::<Input>().blocking_read(len.min(permit))?;
        let moved = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.write(bytes)?;
        Ok(moved)
    }
}

impl streams::Guest for Egress {
    type InputStream = Input;
    type OutputStream = Output;
}

impl stdin::Guest for Egress {
    fn get_stdin() -> stdin::InputStream {
        streams::InputStream::new(Input { stream: engine_cli::stdin::get_stdin(), body: None })
    }
}

impl stdout::Guest for Egress {
    fn get_stdout() -> stdout::OutputStream {
        Output::log(engine_cli::stdout::get_stdout())
    }
}

impl stderr::Guest for Egress {
    fn get_stderr() -> stderr::OutputStream {
        Output::log(engine_cli::stderr::get_stderr())
    }
}

impl monotonic_clock::Guest for Egress {
    fn now() -> u64 {
        engine_clock::now()
    }

    fn resolution() -> u64 {
        engine_clock::resolution()
    }

    fn subscribe_instant(when: u64) -> poll::Pollable {
        Pollable::one(engine_clock::subscribe_instant(when))
    }

    fn subscribe_duration(when: u64) -> poll::Pollable {
        Pollable::one(engine_clock::subscribe_duration(when))
    }
}

/// For `wasi:http/types`.
pub(crate) fn code_of(error: &error::ErrorBorrow<'_>) -> Option<super::given::types::ErrorCode> {
    error.get::<Broken>().code().map(codes::error)
}
