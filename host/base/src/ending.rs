//! How a process is asked to end: by a person at a terminal, or by whoever started it.
//! Takes nothing; gives which of the two, once. Never ends anything by itself.

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Ctrl-C.
    Interrupt,
    /// `kill`, a supervisor, the end of a container; on Windows also Ctrl-Break, a window that is closed, the end of a session.
    Terminate,
}

/// Resolves when this process is asked to end; never where the system cannot tell.
pub async fn asked() -> Ending {
    match told().await {
        Ok(ending) => ending,
        Err(_) => std::future::pending().await,
    }
}

#[cfg(unix)]
async fn told() -> std::io::Result<Ending> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(tokio::select! {
        _ = interrupt.recv() => Ending::Interrupt,
        _ = terminate.recv() => Ending::Terminate,
    })
}

#[cfg(windows)]
async fn told() -> std::io::Result<Ending> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

    let (mut interrupt, mut stop) = (ctrl_c()?, ctrl_break()?);
    let (mut close, mut logoff, mut shutdown) = (ctrl_close()?, ctrl_logoff()?, ctrl_shutdown()?);
    Ok(tokio::select! {
        _ = interrupt.recv() => Ending::Interrupt,
        _ = stop.recv() => Ending::Terminate,
        _ = close.recv() => Ending::Terminate,
        _ = logoff.recv() => Ending::Terminate,
        _ = shutdown.recv() => Ending::Terminate,
    })
}

#[cfg(all(test, unix))]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use std::{future::poll_fn, pin::pin, task::Poll};

    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn each_signal_is_told_as_what_it_is() {
        for (signal, expected) in [(Signal::INT, Ending::Interrupt), (Signal::TERM, Ending::Terminate)] {
            let mut asked = pin!(asked());
            // It listens from its first turn on; before, the signal would end the tests.
            assert!(poll_fn(|turn| Poll::Ready(asked.as_mut().poll(turn).is_pending())).await, "nobody asked yet");
            kill_process(getpid(), signal).unwrap();
            assert_eq!(asked.await, expected);
        }
    }
}
