//! One client from its first line to its last.
//! Takes lines; carries out what they ask, side by side, and sends the answers. Every line is answered or told in the log, and whoever
//! has gone is waited for no longer than it takes to end what was begun.

use std::{collections::HashMap, time::Duration};

use serde_json::json;
use tokio::{
    io::AsyncBufRead,
    sync::oneshot,
    task::{AbortHandle, JoinSet},
};

use super::{
    client::Client,
    lines::{Lines, Taken},
    rpc::{self, Fault, INVALID_PARAMS, INVALID_REQUEST, Id, Line, Message, PARSE_ERROR, Read, Sent},
    server::Server,
    upstream::Upstream,
};
use crate::{
    json::{Json, pick, unquote},
    scrub,
};

/// How long a client that closes stdin may still wait for answers. After two seconds pflow ends the process.
const LAST_ANSWERS: Duration = Duration::from_millis(700);

/// The revisions with a handshake: pflow and every client that spawns servers speak one of them. The newest last.
const REVISIONS: [&str; 4] = ["2024-11-05", BATCHES, "2025-06-18", "2025-11-25"];
/// The only revision that has batches.
const BATCHES: &str = "2025-03-26";

/// A client that is connected, or about to be.
pub(super) struct Conversation<U, R> {
    server: Server<U>,
    client: Client,
    lines: Lines<R>,
    /// What was agreed on.
    revision: Option<&'static str>,
    tasks: JoinSet<Option<Id>>,
    /// What runs for a request.
    running: HashMap<Id, AbortHandle>,
}

impl<U: Upstream, R: AsyncBufRead + Unpin> Conversation<U, R> {
    pub(super) fn new(server: Server<U>, client: Client, lines: Lines<R>) -> Self {
        Self { server, client, lines, revision: None, tasks: JoinSet::new(), running: HashMap::new() }
    }

    /// Until stdin closes and what was begun is done, or `end` comes.
    pub(super) async fn hold(mut self, end: impl Future<Output = ()>) {
        let mut end = std::pin::pin!(end);
        loop {
            tokio::select! {
                biased;
                () = &mut end => break,
                Some(done) = self.tasks.join_next_with_id() => self.done(done),
                line = self.lines.next() => match line {
                    Some(Taken::Whole(line)) => self.line(line),
                    Some(Taken::TooLong { start, end }) => self.too_long(&start, &end),
                    None => {
                        tokio::select! {
                            () = &mut end => {}
                            _ = tokio::time::timeout(LAST_ANSWERS, self.drained()) => {}
                        }
                        break;
                    }
                },
            }
        }
        // Dropping a call tells the gateway; what it has done by then is told when the session has ended.
        self.tasks.shutdown().await;
    }

    async fn drained(&mut self) {
        while let Some(done) = self.tasks.join_next_with_id().await {
            self.done(done);
        }
    }

    fn done(&mut self, done: Result<(tokio::task::Id, Option<Id>), tokio::task::JoinError>) {
        let (task, id) = match done {
            Ok((task, id)) => (task, id),
            Err(error) => {
                // Cancelled, and dropped by now.
                self.server.tell_left_running();
                (error.id(), None)
            }
        };
        match id {
            // The same id may be in use again.
            Some(id) => {
                if self.running.get(&id).is_some_and(|running| running.id() == task) {
                    self.running.remove(&id);
                }
            }
            None => self.running.retain(|_, running| running.id() != task),
        }
    }

    /// Sends without waiting: a client that does not read must not keep this from reading.
    fn send(&mut self, line: Sent) {
        let client = self.client.clone();
        self.tasks.spawn(async move {
            client.send(line).await;
            None
        });
    }

    fn line(&mut self, line: Vec<u8>) {
        match rpc::read(line) {
            Line::Blank => {}
            Line::One(message) => {
                if let Some(answer) = self.message(message) {
                    self.deliver(answer, Delivery::Line(self.client.clone()));
                }
            }
            Line::Batch(_) if self.revision != Some(BATCHES) => {
                let why = format!("batches are part of MCP {BATCHES} alone; send one message a line");
                self.send(Sent::error(&Id::null(), &Fault::new(PARSE_ERROR, format!("Parse error: {why}"))));
            }
            Line::Batch(messages) if messages.is_empty() => {
                let fault = Fault::new(INVALID_REQUEST, "Invalid request: the batch is empty");
                self.send(Sent::error(&Id::null(), &fault));
            }
            Line::Batch(messages) => self.batch(messages),
        }
    }

    fn batch(&mut self, messages: Vec<Read>) {
        let mut answers = Vec::new();
        for message in messages {
            if let Some(answer) = self.message(message) {
                let (sender, answered) = oneshot::channel();
                answers.push(answered);
                self.deliver(answer, Delivery::Batch(sender));
            }
        }
        let client = self.client.clone();
        self.tasks.spawn(async move {
            let mut lines = Vec::new();
            for answer in answers {
                // One that was cancelled has none.
                lines.extend(answer.await);
            }
            if !lines.is_empty() {
                client.send(Sent::batch(lines)).await;
            }
            None
        });
    }

    fn too_long(&mut self, start: &[u8], end: &[u8]) {
        let id = rpc::id_of_fragments(start, end).unwrap_or_else(Id::null);
        let why = format!(
            "the line is longer than {} bytes; allow more with \"limits\": {{\"request_body_bytes\": …}} in the gateway's entry of mcp-servers.json",
            start.len()
        );
        tracing::warn!("a request was refused: {why}");
        self.send(Sent::error(&id, &Fault::new(INVALID_REQUEST, format!("Invalid request: {why}"))));
    }

    /// Takes what a message changes at once; gives what is to be done for its answer.
    fn message(&mut self, message: Read) -> Option<Work> {
        match message {
            Err((id, fault)) => {
                tracing::warn!("a line of the client was refused: {}", scrub::line(&fault.message, 300));
                Some(Work::Known(Sent::error(&id, &fault)))
            }
            Ok(Message::Response) => {
                tracing::debug!("the client answered a request that was not made");
                None
            }
            Ok(Message::Notification { method, params }) => {
                self.told(&method, params.as_ref());
                None
            }
            Ok(Message::Request { id, method, params }) => Some(self.request(id, method, params)),
        }
    }

    fn told(&mut self, method: &str, params: Option<&Json>) {
        match method {
            "notifications/cancelled" => {
                let id =
                    params.and_then(|params| pick(params.get(), ["requestId"])).and_then(|[id]| id).and_then(Id::new);
                // It may be answered already.
                if let Some(running) = id.and_then(|id| self.running.remove(&id)) {
                    running.abort();
                }
            }
            "notifications/initialized" => {}
            other => tracing::debug!(method = %scrub::line(other, 100), "a notification that changes nothing here"),
        }
    }

    fn request(&mut self, id: Id, method: String, params: Option<Json>) -> Work {
        match method.as_str() {
            "initialize" => Work::Known(match self.initialize(params.as_ref()) {
                Ok(agreed) => Sent::result(&id, agreed),
                Err(fault) => Sent::error(&id, &fault),
            }),
            // A probe for the era that has no handshake is told what it would be told by any server of the other one.
            "ping" | "server/discover" => Work::Asked { id, method, params },
            _ if self.revision.is_none() => {
                let why = format!("\"initialize\" comes first, and then {}", scrub::line(&method, 100));
                Work::Known(Sent::error(&id, &Fault::new(INVALID_REQUEST, format!("Invalid request: {why}"))))
            }
            _ => Work::Asked { id, method, params },
        }
    }

    /// `initialize`
    fn initialize(&mut self, params: Option<&Json>) -> Result<Json, Fault> {
        let version = params.and_then(|params| pick(params.get(), ["protocolVersion"])).and_then(|[version]| version);
        let version = version.and_then(unquote).ok_or_else(|| {
            Fault::new(INVALID_PARAMS, "Invalid params: \"protocolVersion\" must be a string, like \"2025-11-25\"")
        })?;
        // One that is not known is answered with the newest; the client decides.
        let agreed = REVISIONS.into_iter().find(|known| *known == version).or(REVISIONS.last().copied());
        self.revision = agreed;
        self.client.is_ready();
        Ok(json!({
            "protocolVersion": agreed,
            "capabilities": {"logging": {}, "tools": {"listChanged": true}},
            "serverInfo": {"name": "pflow-gateway", "version": env!("CARGO_PKG_VERSION")},
            "instructions": format!("Tools of the MCP gateway \"{}\".", self.server.name()),
        })
        .into())
    }

    fn deliver(&mut self, work: Work, delivery: Delivery) {
        let (id, method, params) = match work {
            Work::Known(answer) => {
                self.tasks.spawn(async move {
                    delivery.deliver(answer).await;
                    None
                });
                return;
            }
            Work::Asked { id, method, params } => (id, method, params),
        };
        let (server, client, asked) = (self.server.clone(), self.client.clone(), id.clone());
        let task = self.tasks.spawn(async move {
            let answer = match server.answer(&method, params.as_ref(), &client).await {
                Ok(result) => Sent::result(&asked, result),
                Err(fault) => Sent::error(&asked, &fault),
            };
            delivery.deliver(answer).await;
            Some(asked)
        });
        self.running.insert(id, task);
    }
}

/// What is to be done for an answer.
enum Work {
    /// Nothing more.
    Known(Sent),
    /// Whatever the method does.
    Asked { id: Id, method: String, params: Option<Json> },
}

/// Where an answer goes.
enum Delivery {
    Line(Client),
    Batch(oneshot::Sender<Sent>),
}

impl Delivery {
    async fn deliver(self, answer: Sent) {
        match self {
            Self::Line(client) => client.send(answer).await,
            Self::Batch(batch) => {
                // The batch goes with the conversation.
                let _ = batch.send(answer);
            }
        }
    }
}
