//! Whether a gateway that did not answer hangs as a whole, or only this request does.
//! Takes the error of a time-out; gives it with a better hint. Asks `GET /health` once, after the time-out and never before it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http_body_util::BodyExt as _;
use wasmtime_wasi_http::WasiBody;

use super::pool::Pool;
use crate::{
    Class, Error,
    egress::{Egress, Visit},
    report::Kind,
};

/// For an answer that a well gateway gives at once. Every command is back within its own time limit and a second.
const PATIENCE: Duration = Duration::from_millis(700);

/// The same error, with what `GET /health` tells of a gateway that took the connection and then said nothing. Products that have no such
/// path are not asked.
pub(super) async fn told(pool: &Pool, error: Error) -> Error {
    let connected = |egress: &Egress| {
        egress.last_connection().is_some_and(|seen| seen.connect.is_some() && seen.failure().is_none())
    };
    // A status is an answer, if only that of a proxy in between.
    let answered = error.message.contains("HTTP 5") || error.message.contains("HTTP 408");
    if error.class != Class::Timeout || answered || !pool.egress.get().is_some_and(connected) {
        return error;
    }
    let docker = match pool.config().kind {
        Some(Kind::Docker) => true,
        // On this machine, an answer that is late is none; elsewhere the network may be slow.
        None if pool
            .config()
            .url
            .host_str()
            .is_some_and(|host| matches!(host, "127.0.0.1" | "localhost" | "[::1]")) =>
        {
            false
        }
        None | Some(Kind::ContextForge | Kind::Generic) => return error,
    };
    // Who has answered before does not hang at its start.
    if pool.session().is_some() {
        return error;
    }
    let Some(status) = ask(pool).await else {
        let start = "Docker's gateway opens its port before it has reached its services, so one of them hangs at its start: \
                     its log names it; take it out, or repair it, and restart the gateway";
        return error.with_hint(if docker {
            format!("it does not even answer GET /health. {start}")
        } else {
            format!("it does not even answer GET /health: the whole server hangs. {start}, if it is one")
        });
    };
    if status >= 500 {
        return error.with_hint(format!("GET /health says HTTP {status}: it is not ready; look into its log"));
    }
    if !docker {
        return error;
    }
    error.with_hint("it answers GET /health, so it runs, and only this request is slow: allow more with --timeout or \"timeout\" in the entry")
}

/// The status of `GET /health` at the gateway's own origin. None: no answer in time.
async fn ask(pool: &Pool) -> Option<u16> {
    let egress = pool.egress.get()?;
    let mut url = pool.config().url.clone();
    url.set_path("/health");
    url.set_query(None);
    let visit = Arc::new(Visit::new());
    visit.begin(Some(PATIENCE));
    let request = http::Request::get(url.as_str()).body(nothing()).ok()?;
    egress.send(request, None, &visit).await.ok().map(|response| response.status().as_u16())
}

fn nothing() -> WasiBody {
    http_body_util::Empty::<bytes::Bytes>::new().map_err(|never: Infallible| match never {}).boxed_unsync()
}
