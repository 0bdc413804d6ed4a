//! Whether a gateway that did not answer hangs as a whole, or only this request does.
//! Takes the error of a time-out; gives it with a better hint. Asks one path once, where the
//! component knows of one, after the time-out and never before it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http_body_util::BodyExt as _;
use url::Url;
use wasmtime_wasi_http::WasiBody;

use super::Attempts;
use crate::{
    Advice as _, Class, Error,
    egress::{Egress, Visit},
    runtime::Liveness,
};

/// For an answer that a well gateway gives at once. Every command is back within its own time limit and a second.
const PATIENCE: Duration = Duration::from_millis(700);

impl Attempts {
    /// The same error, with what its product's path for that tells of a gateway that took the connection and then said nothing. Products that have no such
    /// path are not asked.
    pub(in crate::gateway) async fn told_of_hanging(&self, error: Error) -> Error {
        let connected = |egress: &Egress| {
            egress.last_connection().is_some_and(|seen| seen.connect.is_some() && seen.failure().is_none())
        };
        // A status is an answer, if only that of a proxy in between.
        let answered = error.message.contains("HTTP 5") || error.message.contains("HTTP 408");
        if error.class != Class::Timeout || answered || !self.peer.egress().is_some_and(connected) {
            return error;
        }
        let known = self.current.products().await;
        let (liveness, certain) = match &self.peer.config().kind {
            Some(kind) => {
                (known.into_iter().find(|product| product.kind == *kind).and_then(|product| product.liveness), true)
            }
            // On this machine, an answer that is late is none; elsewhere the network may be slow.
            None if self
                .peer
                .config()
                .url
                .host_str()
                .is_some_and(|host| matches!(host, "127.0.0.1" | "localhost" | "[::1]")) =>
            {
                (known.into_iter().find_map(|product| product.liveness), false)
            }
            None => return error,
        };
        let Some(Liveness { path, silent }) = liveness else { return error };
        // Who has answered before does not hang at its start.
        if self.session.agreed().is_some() {
            return error;
        }
        let status = match ask(self.peer.egress(), &self.peer.config().url, &path).await {
            Asked::Answered(status) => status,
            Asked::NotAllowed => return error,
            Asked::Silent if certain => {
                return error.with_hint(format!("it does not even answer GET {path}. {silent}"));
            }
            Asked::Silent => {
                return error.with_hint(format!(
                    "it does not even answer GET {path}: the whole server hangs. {silent}, if it is one"
                ));
            }
        };
        if status >= 500 {
            return error.with_hint(format!("GET {path} says HTTP {status}: it is not ready; look into its log"));
        }
        if !certain {
            return error;
        }
        error.with_hint(format!(
            "it answers GET {path}, so it runs, and only this request is slow: allow more with --timeout or \"timeout\" in the entry"
        ))
    }
}

/// What became of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// With this status.
    Answered(u16),
    /// Not in time.
    Silent,
    /// The credential is not for this path, and so the gateway was not asked.
    NotAllowed,
}

/// Asks this path of the gateway's own origin.
async fn ask(egress: Option<&Egress>, gateway: &Url, path: &str) -> Asked {
    let Some(egress) = egress else { return Asked::NotAllowed };
    let mut url = gateway.clone();
    url.set_path(path);
    url.set_query(None);
    let visit = Arc::new(Visit::new());
    visit.begin(Some(PATIENCE));
    let Ok(request) = http::Request::get(url.as_str()).body(nothing()) else { return Asked::NotAllowed };
    match egress.send(request, None, &visit).await {
        Ok(response) => Asked::Answered(response.status().as_u16()),
        Err(_) if visit.take_failure().is_some_and(|failure| failure.class() == Class::EgressDenied) => {
            Asked::NotAllowed
        }
        Err(_) => Asked::Silent,
    }
}

fn nothing() -> WasiBody {
    http_body_util::Empty::<bytes::Bytes>::new().map_err(|never: Infallible| match never {}).boxed_unsync()
}
