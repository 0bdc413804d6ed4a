//! The pieces that faults are made of.
//! Takes bytes, statuses, messages; gives replies. Never knows which fault it serves.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::{Act, Connect, Ends, Family, Fault, Outcome, Ran, Stage, Turn, usual};
use crate::{
    generic::Config,
    reply::{Answer, Payload, Reply, Step},
};
use pflow_gateway::Class;
use tokio::sync::mpsc;

impl Fault {
    /// A fault whose three commands are good, in few requests, at once. What differs is said by the others.
    pub(super) fn new(name: &'static str, family: Family, stage: Stage, does: &'static str, act: Act) -> Self {
        Self {
            name,
            family,
            does,
            stage,
            connect: Connect::Plain,
            test: Outcome::Good,
            tools: Outcome::Good,
            call: Outcome::Good,
            ends: Ends::AtOnce,
            deadline: 2,
            requests: 10,
            calls: 1,
            ran: Ran::Maybe,
            tool: "github__create_issue",
            token: None,
            words: None,
            act,
            inner: usual,
        }
    }

    pub(super) fn reply(
        name: &'static str,
        family: Family,
        stage: Stage,
        does: &'static str,
        act: fn(&Turn<'_>) -> Option<Reply>,
    ) -> Self {
        Self::new(name, family, stage, does, Act::Reply(act))
    }

    pub(super) fn message(
        name: &'static str,
        family: Family,
        stage: Stage,
        does: &'static str,
        act: fn(&Turn<'_>, Value) -> Option<Reply>,
    ) -> Self {
        Self::new(name, family, stage, does, Act::Message(act))
    }

    /// All three commands fail with this class.
    pub(super) fn fails(mut self, class: Class) -> Self {
        self.test = Outcome::Fails(class);
        self.tools = Outcome::Fails(class);
        self.call = Outcome::Fails(class);
        self
    }

    /// What comes back says that the tool did not run.
    pub(super) fn did_not_run(mut self) -> Self {
        self.ran = Ran::No;
        self
    }

    /// `tools` warns with this word.
    pub(super) fn warns(mut self, word: &'static str) -> Self {
        self.tools = Outcome::Warns(word);
        self
    }

    /// `call` alone fails, with this class.
    pub(super) fn call_fails(mut self, class: Class) -> Self {
        self.call = Outcome::Fails(class);
        self
    }

    pub(super) fn call_is(mut self, outcome: Outcome) -> Self {
        self.call = outcome;
        self
    }

    pub(super) fn at_deadline(mut self) -> Self {
        self.ends = Ends::AtDeadline;
        self
    }

    /// The tool says this of itself.
    pub(super) fn words(mut self, words: &'static str) -> Self {
        self.words = Some(words);
        self
    }

    /// At most so many HTTP requests in one command.
    pub(super) fn requests(mut self, most: usize) -> Self {
        self.requests = most;
        self
    }

    /// At most so many `tools/call` in one `call`.
    pub(super) fn calls(mut self, most: usize) -> Self {
        self.calls = most;
        self
    }

    /// More time, for what is much work.
    pub(super) fn within(mut self, seconds: u64) -> Self {
        self.deadline = seconds;
        self
    }

    pub(super) fn test_is(mut self, outcome: Outcome) -> Self {
        self.test = outcome;
        self
    }

    pub(super) fn connect(mut self, connect: Connect) -> Self {
        self.connect = connect;
        self
    }

    pub(super) fn with_token(mut self, token: fn() -> String) -> Self {
        self.token = Some(token);
        self
    }

    pub(super) fn around(mut self, inner: fn() -> Config) -> Self {
        self.inner = inner;
        self
    }

    pub(super) fn tool(mut self, tool: &'static str) -> Self {
        self.tool = tool;
        self
    }
}

/// A whole answer.
#[expect(clippy::unnecessary_wraps, reason = "what an act returns")]
pub(super) fn answer(answer: Answer) -> Option<Reply> {
    Some(Reply::Answer(answer))
}

/// Steps on the socket.
#[expect(clippy::unnecessary_wraps, reason = "what an act returns")]
pub(super) fn script(steps: Vec<Step>) -> Option<Reply> {
    Some(Reply::Script(steps))
}

/// A good JSON answer.
pub(super) fn json(message: &Value) -> Option<Reply> {
    answer(Answer::json(200, message))
}

/// Bytes to send.
pub(super) fn bytes(data: impl Into<Bytes>) -> Step {
    Step::Send(data.into())
}

/// Milliseconds.
pub(super) const fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// An event stream that ends, in one piece.
pub(super) fn events(text: impl Into<Bytes>) -> Option<Reply> {
    answer(Answer::events(200, text))
}

/// An event stream that ends, sent in these pieces, one chunk each.
pub(super) fn pieces(parts: impl IntoIterator<Item = Bytes>) -> Option<Reply> {
    let (sender, receiver) = mpsc::unbounded_channel();
    for part in parts {
        let _ = sender.send(part);
    }
    answer(Answer::stream(receiver))
}

/// An event stream that stays open after this: bytes by hand, since a channel would need a keeper.
pub(super) fn open_stream(first: &[u8], then: Step) -> Option<Reply> {
    let mut head = crate::reply::chunked_head(200, "text/event-stream");
    if !first.is_empty() {
        head.extend_from_slice(&crate::reply::chunk(first));
    }
    script(vec![bytes(head), then])
}

/// An event stream that says this and stays open until the client goes.
pub(super) fn kept_open(first: Bytes) -> Option<Reply> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let _ = sender.send(first);
    tokio::spawn(async move { sender.closed().await });
    answer(Answer::stream(receiver))
}

/// A body of any content type.
pub(super) fn body(status: u16, content_type: &str, text: impl Into<Bytes>) -> Option<Reply> {
    answer(
        Answer { status, headers: Vec::new(), payload: Payload::Whole(text.into()) }.with("Content-Type", content_type),
    )
}

/// A message whose `result` was changed.
pub(super) fn with_result(mut message: Value, change: impl FnOnce(&mut Value)) -> Option<Reply> {
    change(message.get_mut("result")?);
    json(&message)
}

/// A message whose `result.tools` was changed.
pub(super) fn with_tools(message: Value, change: impl FnOnce(&mut Vec<Value>)) -> Option<Reply> {
    with_result(message, |result| {
        if let Some(Value::Array(tools)) = result.get_mut("tools") {
            change(tools);
        }
    })
}
