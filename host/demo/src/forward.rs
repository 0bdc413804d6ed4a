//! How the demo gateway talks to a service behind it: JSON-RPC in one POST, the service's own credential added.
//! Takes a method and its parameters; gives the result. Never sends one service's credential to another.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};

use super::http::Authentication;

/// Far above what a demo service answers.
const ANSWER_BYTES: usize = 1024 * 1024;
const DEADLINE: Duration = Duration::from_secs(10);

/// A way to one service.
#[derive(Clone)]
pub(super) struct Forward {
    url: String,
    credential: Option<(HeaderName, HeaderValue)>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A service that did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum ForwardError {
    #[error("it answered with HTTP {0}")]
    Status(http::StatusCode),
    #[error("it did not answer within {} s", DEADLINE.as_secs())]
    Deadline,
    #[error("no answer: {0}")]
    Transport(String),
    #[error("{message}")]
    Rpc { code: i64, message: String },
}

impl Forward {
    /// A way to the service at this URL, with the key to its authentication.
    pub(super) fn new(url: String, authentication: &Authentication) -> Result<Self, http::Error> {
        let credential = match authentication {
            Authentication::None => None,
            Authentication::Bearer(token) => {
                Some((header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}"))?))
            }
            Authentication::ApiKey { header, value } => {
                Some((HeaderName::from_static(header), HeaderValue::from_str(value)?))
            }
        };
        Ok(Self { url, credential, client: Client::builder(TokioExecutor::new()).build_http() })
    }

    /// Asks once.
    pub(super) async fn ask(&self, method: &str, params: Value) -> Result<Value, ForwardError> {
        tokio::time::timeout(DEADLINE, self.exchange(method, params)).await.map_err(|_| ForwardError::Deadline)?
    }

    async fn exchange(&self, method: &str, params: Value) -> Result<Value, ForwardError> {
        let broken = |error: &dyn std::fmt::Display| ForwardError::Transport(error.to_string());
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let mut request = Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| broken(&error))?;
        if let Some((name, value)) = &self.credential {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let response = self.client.request(request).await.map_err(|error| broken(&error))?;
        if !response.status().is_success() {
            return Err(ForwardError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES)
            .collect()
            .await
            .map_err(|error| broken(&error))?
            .to_bytes();
        let mut answer: Value = serde_json::from_slice(&body).map_err(|error| broken(&error))?;
        if let Some(error) = answer.get("error") {
            return Err(ForwardError::Rpc {
                code: error.get("code").and_then(Value::as_i64).unwrap_or_default(),
                message: error.get("message").and_then(Value::as_str).unwrap_or("unknown error").to_owned(),
            });
        }
        Ok(answer.get_mut("result").map(Value::take).unwrap_or_default())
    }
}
