//! An MCP server on a loopback port, behind a credential check.
//! Takes an rmcp handler and its authentication; gives the address it listens on. Never answers a request that it does not accept.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use pflow_gateway_base::Listener;
use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use tokio::{net::TcpStream, sync::watch, task::JoinHandle};

/// The only path that answers.
pub(super) const PATH: &str = "/mcp";

/// Who may come in.
#[derive(Clone)]
pub(super) enum Authentication {
    /// Everyone.
    None,
    /// Who brings `Authorization: Bearer` with this token.
    Bearer(String),
    /// Who brings this value in this header.
    ApiKey { header: &'static str, value: String },
}

impl Authentication {
    fn accepts(&self, headers: &HeaderMap) -> bool {
        let says = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        match self {
            Self::None => true,
            Self::Bearer(token) => {
                says("authorization").and_then(|value| value.strip_prefix("Bearer ")) == Some(token.as_str())
            }
            Self::ApiKey { header, value } => says(header) == Some(value.as_str()),
        }
    }

    /// In words, without the value.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::None => "no credential",
            Self::Bearer(_) => "bearer token",
            Self::ApiKey { .. } => "API key",
        }
    }

    fn challenge(&self) -> Response<BoxBody<Bytes, Infallible>> {
        let body =
            Full::new(Bytes::from_static(b"{\"error\":\"unauthorized\",\"message\":\"missing or wrong credential\"}"));
        let mut response = Response::new(body.boxed());
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        if matches!(self, Self::Bearer(_)) {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer realm=\"demo\""));
        }
        response
    }
}

/// How sessions and answers are done.
#[derive(Clone, Copy)]
pub(super) enum Style {
    /// Sessions, and answers as event streams: like most gateways.
    Sessions,
    /// Neither: every request stands alone and is answered in JSON.
    Stateless,
}

/// A server that runs until it is stopped or dropped.
pub(super) struct Listening {
    pub(super) address: SocketAddr,
    stop: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Listening {
    /// Starts to listen.
    pub(super) async fn open<S>(
        listen: SocketAddr,
        authentication: Authentication,
        style: Style,
        handler: S,
    ) -> std::io::Result<Self>
    where
        S: ServerHandler + Clone + Send + 'static,
    {
        let mut listener = Listener::bind(listen).await?;
        let address = listener.address();
        let mut config = StreamableHttpServerConfig::default();
        if matches!(style, Style::Stateless) {
            config = config.with_legacy_session_mode(false).with_json_response(true);
        }
        let sessions = config.cancellation_token.clone();
        let mcp =
            StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(LocalSessionManager::default()), config);
        let (stop, mut stopped) = watch::channel(());
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = stopped.changed() => break,
                    (stream, _) = listener.accept() => {
                        listener.spawn(converse(stream, authentication.clone(), mcp.clone()));
                    }
                }
            }
            sessions.cancel();
            listener.shutdown().await;
        });
        Ok(Self { address, stop, task })
    }

    /// The MCP URL.
    pub(super) fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// Ends all sessions and connections.
    pub(super) async fn stop(self) {
        drop(self.stop);
        // It ends by itself; a task that panicked has ended too.
        let _ = self.task.await;
    }
}

async fn converse<S>(
    stream: TcpStream,
    authentication: Authentication,
    mcp: StreamableHttpService<S, LocalSessionManager>,
) where
    S: ServerHandler + Clone + Send + 'static,
{
    let answer = service_fn(move |request: Request<Incoming>| {
        let (authentication, mcp) = (authentication.clone(), mcp.clone());
        async move {
            Ok::<_, Infallible>(if request.uri().path() != PATH {
                let mut response = Response::new(Full::new(Bytes::from_static(b"Not Found\n")).boxed());
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            } else if authentication.accepts(request.headers()) {
                let ends = request.method() == Method::DELETE;
                let mut response = mcp.handle(request).await;
                // The session is ended when this is said; to clients a 202 is a failure.
                if ends && response.status() == StatusCode::ACCEPTED {
                    *response.status_mut() = StatusCode::NO_CONTENT;
                }
                response
            } else {
                authentication.challenge()
            })
        }
    });
    // A client that hangs up is its own affair.
    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer).await;
}
