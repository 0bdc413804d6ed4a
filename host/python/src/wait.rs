//! Waiting for the host from a Python thread.
//! Takes a future; gives its result. Never holds the GIL while it waits, and never keeps Ctrl-C waiting: the interpreter's signal
//! handlers run several times a second, and an interrupted future is dropped, which ends its request.

use std::{
    future::Future,
    process,
    sync::mpsc,
    time::{Duration, Instant},
};

use pflow_gateway_base::sync::Mutex;
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
    let mut slot = RUNTIME.lock();
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

/// How long goodbyes may take after an interruption.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs `work` to its end on the process's runtime. Interrupted, it is dropped, and `farewell` runs for two seconds at most; whoever
/// interrupts that too is in a hurry.
///
/// # Errors
///
/// What a signal handler raised (`KeyboardInterrupt`); `InternalError` when `work` panicked.
pub(crate) fn wait<T: Send + 'static>(
    py: Python<'_>,
    work: impl Future<Output = T> + Send + 'static,
    farewell: impl Future<Output = ()> + Send + 'static,
) -> PyResult<T> {
    // A thread of the runtime that waits for the runtime would wait for itself.
    if Handle::try_current().is_ok() {
        return Err(errors::internal(py, "a thread of pflow_gateway itself cannot wait for it"));
    }
    let (send, receive) = mpsc::sync_channel(1);
    let task = runtime()?.spawn(async move {
        // The receiver is gone when the caller was interrupted.
        let _ = send.send(work.await);
    });
    match until(py, receive) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(errors::internal(py, "The host stopped with a panic; see stderr.")),
        Err(raised) => {
            task.abort();
            let (send, receive) = mpsc::sync_channel(1);
            runtime()?.spawn(async move {
                // What was dropped tells the gateway; only then is there something to wait for.
                let goodbye = async {
                    let _ = task.await;
                    farewell.await;
                };
                let _ = send.send(tokio::time::timeout(CLOSE_TIMEOUT, goodbye).await);
            });
            until(py, receive).map_or_else(Err, |_| Err(raised))
        }
    }
}

/// The next thing that comes, without the GIL. None: nothing will.
fn until<T: Send>(py: Python<'_>, mut receive: mpsc::Receiver<T>) -> PyResult<Option<T>> {
    loop {
        let (back, got) = py.detach(move || {
            let got = receive.recv_timeout(SIGNALS);
            (receive, got)
        });
        receive = back;
        match got {
            Ok(value) => return Ok(Some(value)),
            Err(mpsc::RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(None),
        }
    }
}

/// Waits for the end of what holds the other side, for at most so long.
///
/// # Errors
///
/// What a signal handler raised.
pub(crate) fn ended(py: Python<'_>, mut end: mpsc::Receiver<()>, within: Duration) -> PyResult<()> {
    let started = Instant::now();
    while started.elapsed() < within {
        let (back, got) = py.detach(move || {
            let got = end.recv_timeout(SIGNALS);
            (end, got)
        });
        end = back;
        if !matches!(got, Err(mpsc::RecvTimeoutError::Timeout)) {
            break;
        }
        py.check_signals()?;
    }
    Ok(())
}
