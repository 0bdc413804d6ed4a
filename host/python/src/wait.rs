//! Waiting for the host from a Python thread.
//! Takes a future; gives its result. Never holds the GIL while it waits, and never keeps Ctrl-C waiting: the interpreter's signal
//! handlers run several times a second, and an interrupted future is dropped, which ends its request.

use std::{
    future::Future,
    process,
    sync::{Mutex, PoisonError, mpsc},
    time::Duration,
};

use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::errors;

/// How long Ctrl-C may go unnoticed. Python runs signal handlers on its main thread only, and only when asked.
const SIGNALS: Duration = Duration::from_millis(50);

/// Two threads carry as many conversations as a gateway takes: they wait for the network.
const THREADS: usize = 2;

/// The process's runtime, and the process it belongs to: threads do not survive a fork.
static RUNTIME: Mutex<Option<(u32, Runtime)>> = Mutex::new(None);

fn runtime() -> std::io::Result<Handle> {
    let mut slot = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((pid, runtime)) = slot.as_ref()
        && *pid == process::id()
    {
        return Ok(runtime.handle().clone());
    }
    let runtime =
        Builder::new_multi_thread().worker_threads(THREADS).thread_name("pflow-gateway").enable_all().build()?;
    let handle = runtime.handle().clone();
    if let Some((_, parents)) = slot.replace((process::id(), runtime)) {
        // Dropping it would wait for threads that only the parent has.
        std::mem::forget(parents);
    }
    Ok(handle)
}

/// Runs `work` to its end on the process's runtime.
///
/// # Errors
///
/// What a signal handler raised (`KeyboardInterrupt`); `InternalError` when `work` panicked.
pub(crate) fn wait<T: Send + 'static>(py: Python<'_>, work: impl Future<Output = T> + Send + 'static) -> PyResult<T> {
    let (send, mut receive) = mpsc::sync_channel(1);
    let task = runtime()?.spawn(async move {
        // The receiver is gone when the caller was interrupted.
        let _ = send.send(work.await);
    });
    loop {
        let (back, got) = py.detach(move || {
            let got = receive.recv_timeout(SIGNALS);
            (receive, got)
        });
        receive = back;
        match got {
            Ok(value) => return Ok(value),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                if let Err(raised) = py.check_signals() {
                    task.abort();
                    return Err(raised);
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(errors::internal(py, "The host stopped with a panic; see stderr."));
            }
        }
    }
}
