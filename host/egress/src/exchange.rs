//! One request of a guest, and what its answer makes necessary.
//! Takes the guest's request; gives the answer that counts: after redirects within the origin, after a short wait that the gateway asked
//! for, after a connection whose end nobody saw. The latter two happen once at most, and a call of a tool is never sent twice unless it
//! certainly did not run.

use std::{borrow::Cow, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header, request};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper_util::client::legacy::connect::capture_connection;
use pflow_gateway_base::Advice as _;
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;
use wasmtime_wasi_http::{RequestOptions, WasiBody};

use super::{
    Egress, EgressFailure, Origin, Phase, Progress, RequestTrace, Scheme, Visit,
    body::{Bounded, Outgoing, broken},
    coding::{self, Decoder, Packed},
    failure::ProxyProblem,
    hooks::is_host_header,
    paths::Paths,
    policy::Standing,
    redact::Masked,
    tls, told,
    visit::Exchange,
    wire::Uses,
};

/// The longest wait that a gateway is given when it asks for one: starting a container takes seconds, and somebody waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a request that are looked at for its method. What is only asked is short.
const QUESTION: u64 = 64 * 1024;
/// Redirects that are followed for one request: as many as pflow's own client follows.
const REDIRECTS: usize = 20;

/// What has been done for one request, so that nothing is done twice.
#[derive(Default)]
struct Done {
    /// Where redirects led away from.
    left: Vec<Uri>,
    waited: bool,
    repeated: bool,
}

/// A request that can be sent more than once.
struct Prepared {
    method: Method,
    origin: Origin,
    standing: Standing,
    headers: HeaderMap,
    body: Outgoing,
    /// The path, as the guest knows it.
    asked: String,
}

/// How long there is for an answer.
struct Patience {
    allowed: Duration,
    until: Instant,
}

/// What came of one attempt.
struct Attempt {
    outcome: Result<Response<Incoming>, EgressFailure>,
    /// The connection had been used before.
    reused: bool,
}

impl Egress {
    pub(super) async fn exchange(
        &self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        visit: &std::sync::Arc<Visit>,
    ) -> Result<Response<WasiBody>, EgressFailure> {
        let inner = &*self.inner;
        let (parts, body) = request.into_parts();
        let (origin, standing) = inner.policy.check(&parts.uri)?;
        // One opens a tunnel, the other echoes the credentials.
        if [Method::CONNECT, Method::TRACE].contains(&parts.method) {
            return Err(EgressFailure::MethodDenied { method: parts.method.to_string() });
        }
        if standing == Standing::Own && !inner.paths.allow(&parts.method, parts.uri.path()) {
            let failure = EgressFailure::PathDenied {
                method: parts.method.to_string(),
                origin,
                path: pflow_gateway_base::scrub::line(parts.uri.path(), 200),
                setting: Paths::setting(&parts.method, parts.uri.path()),
            };
            // A component may go on without; whoever wrote it must learn what it lacks.
            tracing::warn!("{failure}{}", failure.hint().map(|hint| format!("; {hint}")).unwrap_or_default());
            return Err(failure);
        }
        let mut target = self.target(&origin, &parts.uri, standing)?;
        // The path that the guest asked for, whatever it becomes: it can be shown.
        let trace = trace_of(&parts, &origin);
        let mut exchange = visit.admit(&inner.limits, trace.clone())?;

        let allowed = visit.timeout().unwrap_or(inner.timeout);
        let shortest = |asked: Option<Duration>| asked.map_or(allowed, |asked| asked.min(allowed));
        let first_byte = shortest(options.and_then(|options| options.first_byte_timeout));
        let between = shortest(options.and_then(|options| options.between_bytes_timeout));
        let patience = Patience { allowed: first_byte, until: Instant::now() + first_byte };

        let body = tokio::time::timeout_at(patience.until, Outgoing::collect(body, inner.limits.request_body))
            .await
            .map_err(|_| EgressFailure::BadRequest { detail: "its body does not end".to_owned() })??;
        if tracing::enabled!(tracing::Level::DEBUG) {
            tracing::debug!(
                "{}",
                told::request(&parts.method, &origin, &parts.headers, body.asks().as_deref(), body.size())
            );
        }
        let asked = parts.uri.path().to_owned();
        let mut prepared = Prepared {
            headers: self.headers(&parts, &origin, &body)?,
            method: parts.method,
            origin,
            standing,
            body,
            asked,
        };
        let mut done = Done::default();
        loop {
            let attempt = self.attempt(&prepared, &target, &patience).await?;
            match attempt.outcome {
                Err(EgressFailure::Reset { when: Progress::NoAnswer, .. })
                    if attempt.reused && !done.repeated && prepared.only_asks() =>
                {
                    done.repeated = true;
                    tracing::debug!("a connection that was used again had ended; asking once more");
                }
                Err(failure) => return Err(failure),
                Ok(response) => {
                    exchange.answered(response.status());
                    if tracing::enabled!(tracing::Level::DEBUG) {
                        tracing::debug!("{}", told::response(response.status(), response.headers()));
                    }
                    let changed = self.keep_cookies(&prepared.origin, &target, response.headers());
                    if let Some((origin, next)) = self.redirected(&response, &prepared, &target) {
                        let round = !changed && (next == target || done.left.contains(&next));
                        done.left.push(std::mem::replace(&mut target, next));
                        if round || done.left.len() > REDIRECTS {
                            return Err(self.ring(prepared, &done.left, &target));
                        }
                        tracing::debug!("redirected within the origin");
                        prepared.origin = origin;
                    } else if let Some(wait) =
                        asked_to_wait(&response).filter(|wait| !done.waited && patience.covers(*wait))
                        && prepared.only_asks()
                    {
                        done.waited = true;
                        drop(response);
                        tracing::debug!(?wait, "the gateway asks to wait");
                        tokio::time::sleep(wait).await;
                    } else {
                        return self.answered(response, &prepared, exchange, between);
                    }
                }
            }
            drop(exchange);
            exchange = visit.admit(&inner.limits, trace.clone())?;
        }
    }

    /// Where the request goes: what the guest was not told of the gateway's URL is put in.
    fn target(&self, origin: &Origin, asked: &Uri, standing: Standing) -> Result<Uri, EgressFailure> {
        let asked = asked.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let credentials = self.credentials();
        match credentials.target().filter(|_| standing == Standing::Own) {
            Some(target) => canonical(origin, &target.reveal(asked)),
            None => canonical(origin, asked),
        }
    }

    /// Sends it, once.
    async fn attempt(&self, prepared: &Prepared, target: &Uri, patience: &Patience) -> Result<Attempt, EgressFailure> {
        let inner = &*self.inner;
        let origin = &prepared.origin;
        let mut outgoing = Request::new(prepared.body.clone());
        *outgoing.method_mut() = prepared.method.clone();
        *outgoing.uri_mut() = target.clone();
        let mut headers = prepared.headers.clone();
        self.add_own(&mut headers, origin, target, prepared.standing)?;
        *outgoing.headers_mut() = headers;

        notice_closed_connections().await;
        let connection = capture_connection(&mut outgoing);
        let client = if prepared.only_asks() { inner.pool.client.clone() } else { inner.for_a_call(prepared.standing) };
        let answered = tokio::time::timeout_at(patience.until, client.request(outgoing)).await;
        let used =
            connection.connection_metadata().as_ref().map(|connected| (Uses::of(connected), connected.is_proxied()));
        let reused = used.as_ref().is_some_and(|(uses, _)| uses.any());
        let forwarded = used.as_ref().is_some_and(|(_, proxied)| *proxied);
        let outcome = match answered {
            Ok(Ok(response)) if forwarded && response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                Err(match inner.connector.proxy(origin)? {
                    Some(proxy) => proxy.failed(origin, ProxyProblem::Status(407)),
                    None => EgressFailure::Reset { origin: origin.clone(), when: Progress::NoAnswer },
                })
            }
            Ok(Ok(response)) => {
                if let Some((uses, _)) = &used {
                    uses.answered();
                }
                Ok(response)
            }
            Ok(Err(error)) => {
                let failure = self.failure_of(&error, origin);
                if reused
                    && prepared.standing == Standing::Own
                    && matches!(failure, EgressFailure::Reset { when: Progress::NoAnswer, .. })
                {
                    inner.pool.habit.lost();
                }
                Err(failure)
            }
            Err(_) if used.is_none() => Err(inner.connector.given_up(origin, patience.allowed)),
            Err(_) => {
                let phase = Phase::FirstByte;
                Err(EgressFailure::Timeout { origin: origin.clone(), phase, after: patience.allowed })
            }
        };
        Ok(Attempt { outcome, reused })
    }

    /// Checks the head of an answer, and puts bounds around its body.
    fn answered(
        &self,
        response: Response<Incoming>,
        prepared: &Prepared,
        exchange: Exchange,
        between: Duration,
    ) -> Result<Response<WasiBody>, EgressFailure> {
        let limits = &self.inner.limits;
        let origin = prepared.origin.clone();
        let (mut parts, incoming) = response.into_parts();
        let size: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if size > limits.response_headers {
            let (limit, count) = (limits.response_headers, limits.response_header_count);
            return Err(EgressFailure::HeaderTooLarge { origin, limit, count });
        }
        if incoming.size_hint().lower() > limits.response_body {
            return Err(EgressFailure::BodyTooLarge { origin, limit: limits.response_body });
        }
        let codings = match coding::codings(&parts.headers) {
            Ok(codings) => Some(codings),
            // What a refusal says is worth less than that it is one; it is left out.
            Err(_) if incoming.is_end_stream() || !parts.status.is_success() => None,
            Err(coding) => return Err(EgressFailure::UnknownCoding { origin, coding }),
        };
        if parts.headers.remove(header::CONTENT_ENCODING).is_some() {
            parts.headers.remove(header::CONTENT_LENGTH);
        }
        parts.headers.remove(header::SET_COOKIE);
        // Nothing of the connection is the guest's business.
        parts.extensions.clear();
        self.inner.secrets.mask_headers(&mut parts.headers);
        let Some(codings) = codings else {
            exchange.complete();
            let empty = http_body_util::Empty::new().map_err(|never| match never {});
            return Ok(Response::from_parts(parts, empty.boxed_unsync()));
        };
        let packed = if parts.status.is_success() { Packed::Fails } else { Packed::IsLeftOut };
        let decoder = (!codings.is_empty()).then(|| Decoder::new(codings, packed));
        let body = Bounded::new(incoming, decoder, origin, exchange, limits, between);
        if self.inner.secrets.is_empty() {
            return Ok(Response::from_parts(parts, body.boxed_unsync()));
        }
        Ok(Response::from_parts(parts, Masked::new(body, self.inner.secrets.clone()).boxed_unsync()))
    }

    /// The guest's headers without the host's.
    fn headers(&self, parts: &request::Parts, origin: &Origin, body: &Outgoing) -> Result<HeaderMap, EgressFailure> {
        let credentials = self.credentials();
        let mut headers = parts.headers.clone();
        let foreign: Vec<HeaderName> = headers
            .keys()
            .filter(|name| is_host_header(name) || credentials.names().any(|known| known == *name))
            .cloned()
            .collect();
        for name in foreign {
            headers.remove(name);
        }
        // Without the scheme's own port, so that it stays the same where a redirect leads from http to https.
        let host = HeaderValue::try_from(origin.authority())
            .map_err(|error| EgressFailure::BadRequest { detail: error.to_string() })?;
        headers.insert(header::HOST, host);
        headers.insert(header::ACCEPT_ENCODING, coding::ACCEPTED);
        // Said by the client, from the body that there is.
        headers.remove(header::CONTENT_LENGTH);
        if body.is_empty() {
            if [Method::POST, Method::PUT, Method::PATCH].contains(&parts.method) {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
            } else {
                headers.remove(header::CONTENT_TYPE);
            }
        }
        if !headers.contains_key(header::USER_AGENT) {
            headers.insert(
                header::USER_AGENT,
                HeaderValue::from_static(concat!("pflow-gateway/", env!("CARGO_PKG_VERSION"))),
            );
        }
        Ok(headers)
    }

    /// What the host adds, at the moment of sending: it may have changed since the last time.
    fn add_own(
        &self,
        headers: &mut HeaderMap,
        origin: &Origin,
        target: &Uri,
        standing: Standing,
    ) -> Result<(), EgressFailure> {
        if standing == Standing::Own {
            for (name, value) in self.credentials().headers() {
                headers.insert(name, value.clone());
            }
        }
        if let Some(cookies) = self.inner.cookies.header(origin, target.path()) {
            // Beside those that the user wrote into the entry.
            headers.append(header::COOKIE, cookies);
        }
        if origin.scheme() == Scheme::Http
            && let Some(proxy) = self.inner.connector.proxy(origin)?
            && let Some(basic) = proxy.authorization()
        {
            headers.insert(header::PROXY_AUTHORIZATION, basic.clone());
        }
        Ok(())
    }

    /// Whether there are other cookies now.
    fn keep_cookies(&self, origin: &Origin, target: &Uri, headers: &HeaderMap) -> bool {
        let changed = self.inner.cookies.keep(origin, target.path(), headers);
        if changed {
            self.inner.cookies.values(|values| self.inner.secrets.learn_cookies(values));
        }
        changed
    }

    /// Where a redirect leads that is followed: within the origin, or from the gateway's `http` to its `https`, and only where method and
    /// body stay what they were (RFC 9110 section 15.4). That is what pflow's own client follows.
    fn redirected(&self, response: &Response<Incoming>, prepared: &Prepared, target: &Uri) -> Option<(Origin, Uri)> {
        let stays = match response.status() {
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            // A POST would become a GET without its body.
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => {
                [Method::GET, Method::HEAD].contains(&prepared.method)
            }
            _ => false,
        };
        if !stays {
            return None;
        }
        let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
        let next = Url::parse(&target.to_string()).ok()?.join(location).ok()?;
        let origin = Origin::of_url(&next).ok()?;
        if origin != prepared.origin
            && self.inner.policy.secured().filter(|_| prepared.standing == Standing::Own) != Some(&origin)
        {
            return None;
        }
        let path = next.path();
        if prepared.standing == Standing::Own
            && !self.inner.paths.allow_redirect(&prepared.method, &prepared.asked, path)
        {
            return None;
        }
        let path = next.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        let next = format!("{origin}{path}").parse().ok()?;
        Some((origin, next))
    }

    /// Redirects that do not end. Paths alone are shown, and the gateway's own as the guest knows it: the rest may hold a key.
    fn ring(&self, prepared: Prepared, left: &[Uri], target: &Uri) -> EgressFailure {
        /// More of them tell no more.
        const SHOWN: usize = 6;
        let first = left.first().map(Uri::path);
        let shown = |uri: &Uri| {
            let path =
                if Some(uri.path()) == first { prepared.asked.clone() } else { self.inner.secrets.masked(uri.path()) };
            pflow_gateway_base::scrub::line(&path, 100)
        };
        let skipped = (left.len() + 1).saturating_sub(SHOWN);
        let mut way: Vec<String> = left.iter().chain([target]).skip(skipped).map(shown).collect();
        if skipped > 0 {
            way.insert(0, "…".to_owned());
        }
        EgressFailure::Redirects { origin: prepared.origin, way: way.join(" → ") }
    }

    /// What an error of the client means.
    fn failure_of(&self, error: &hyper_util::client::legacy::Error, origin: &Origin) -> EgressFailure {
        if let Some(failure) = tls::find::<EgressFailure>(error) {
            return failure.clone();
        }
        if tls::find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse_too_large) {
            let limits = &self.inner.limits;
            return EgressFailure::HeaderTooLarge {
                origin: origin.clone(),
                limit: limits.response_headers,
                count: limits.response_header_count,
            };
        }
        broken(error, origin, Progress::NoAnswer)
    }
}

impl Patience {
    /// Whether there is time for a wait and an answer after it.
    fn covers(&self, wait: Duration) -> bool {
        Instant::now() + wait < self.until
    }
}

impl Prepared {
    /// Whether it changes nothing, so that it may be sent twice: everything of MCP but a call of a tool, and what HTTP itself says so of.
    fn only_asks(&self) -> bool {
        #[derive(Deserialize)]
        struct Message<'a> {
            #[serde(borrow)]
            method: Option<Cow<'a, str>>,
        }

        match self.method {
            Method::GET | Method::HEAD | Method::OPTIONS | Method::DELETE => true,
            Method::POST => self.body.text(QUESTION).is_some_and(|text| {
                let message = serde_json::from_slice::<Message<'_>>(&text);
                message.is_ok_and(|message| message.method.is_some_and(|method| method != "tools/call"))
            }),
            _ => false,
        }
    }
}

/// How long a 503 asks to wait, when that is short.
fn asked_to_wait(response: &Response<Incoming>) -> Option<Duration> {
    if response.status() != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        // A date (RFC 9110 section 10.2.3).
        let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
        (date.to_utc() - chrono::Utc::now()).to_std().unwrap_or_default()
    };
    (wait <= PATIENCE).then_some(wait)
}

/// Lets the tasks that drive pooled connections see what happened to them since.
///
/// Between two `block_on` of a runtime with one thread nobody looks at its sockets: a connection that the server closed meanwhile
/// still counts as good, the next request is written into it, and nobody can say whether it arrived. The first yield polls the
/// sockets, the second lets the woken tasks run.
async fn notice_closed_connections() {
    for _ in 0..2 {
        tokio::task::yield_now().await;
    }
}

/// The request target, with the origin in its canonical spelling: the pool's key, and what is connected to.
fn canonical(origin: &Origin, path: &str) -> Result<Uri, EgressFailure> {
    // A target without a leading slash would be another form of request (RFC 9112 section 3.2).
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    format!("{origin}{path}")
        .parse()
        .map_err(|error: http::uri::InvalidUri| EgressFailure::BadRequest { detail: error.to_string() })
}

fn trace_of(parts: &request::Parts, origin: &Origin) -> RequestTrace {
    RequestTrace {
        method: parts.method.to_string(),
        origin: origin.clone(),
        path: parts.uri.path().chars().take(200).collect(),
        status: None,
        first_byte: None,
        received: 0,
        complete: None,
    }
}
