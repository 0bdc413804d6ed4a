//! The services behind the fakes: GitHub-like, Slack-like, big ones, and a lab of tools that misbehave on request.
//! Takes names and numbers; gives tool definitions as they go on the wire, and the results of calls.
//! Never pretends to do anything: a result says which service and tool ran, and with which arguments.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

/// A service: a name and its tools, under the names that they have there.
#[derive(Clone, Debug)]
pub struct Service {
    /// As an administrator named it.
    pub name: String,
    /// In no particular order.
    pub tools: Vec<Tool>,
}

/// A tool at its service.
#[derive(Clone, Debug)]
pub struct Tool {
    /// Its name there, without any prefix.
    pub name: String,
    /// Everything else that `tools/list` says.
    pub rest: Map<String, Value>,
}

/// What kind of tool it is, as its annotations tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// `readOnlyHint`.
    Reads,
    /// Nothing: by MCP's defaults it may be destructive.
    Writes,
    /// `idempotentHint`, not destructive.
    Sets,
    /// `destructiveHint`.
    Destroys,
}

impl Nature {
    fn annotations(self) -> Option<Value> {
        match self {
            Self::Reads => Some(json!({"readOnlyHint": true})),
            Self::Writes => None,
            Self::Sets => Some(json!({"destructiveHint": false, "idempotentHint": true})),
            Self::Destroys => Some(json!({"destructiveHint": true})),
        }
    }
}

impl Tool {
    /// A tool with string parameters; those that end with `!` are required.
    #[must_use]
    pub fn new(name: &str, description: &str, parameters: &[&str], nature: Nature) -> Self {
        let bare = |p: &str| p.trim_end_matches('!').to_owned();
        let properties: Map<String, Value> = parameters.iter().map(|p| (bare(p), parameter(&bare(p)))).collect();
        let required: Vec<String> = parameters.iter().filter(|p| p.ends_with('!')).map(|p| bare(p)).collect();
        let mut rest = Map::new();
        rest.insert("title".to_owned(), json!(title(name)));
        rest.insert("description".to_owned(), json!(description));
        rest.insert(
            "inputSchema".to_owned(),
            json!({"type": "object", "properties": properties, "required": required}),
        );
        if let Some(annotations) = nature.annotations() {
            rest.insert("annotations".to_owned(), annotations);
        }
        Self { name: name.to_owned(), rest }
    }

    /// The tool as `tools/list` shows it under this name.
    #[must_use]
    pub fn listed(&self, name: &str) -> Value {
        let mut whole = Map::new();
        whole.insert("name".to_owned(), json!(name));
        whole.extend(self.rest.clone());
        Value::Object(whole)
    }
}

fn parameter(name: &str) -> Value {
    match name {
        "seconds" => json!({"type": "number", "minimum": 0}),
        "steps" | "bytes" | "number" | "limit" => json!({"type": "integer", "minimum": 0}),
        _ => json!({"type": "string"}),
    }
}

fn title(name: &str) -> String {
    let words = name.replace(['_', '-'], " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Six tools.
#[must_use]
pub fn github() -> Service {
    use Nature::{Destroys, Reads, Writes};
    let tools = vec![
        Tool::new("list_issues", "List issues of a repository", &["repo!", "state"], Reads),
        Tool::new("get_issue", "Read one issue", &["repo!", "number!"], Reads),
        Tool::new("create_issue", "Open an issue", &["repo!", "title!", "body"], Writes),
        Tool::new("search_code", "Search code", &["query!"], Reads),
        Tool::new("list_pull_requests", "List pull requests of a repository", &["repo!"], Reads),
        Tool::new("delete_branch", "Delete a branch", &["repo!", "branch!"], Destroys),
    ];
    Service { name: "github".to_owned(), tools }
}

/// Three tools.
#[must_use]
pub fn slack() -> Service {
    use Nature::{Reads, Sets, Writes};
    let tools = vec![
        Tool::new("list_channels", "List channels", &[], Reads),
        Tool::new("post_message", "Post a message to a channel", &["channel!", "text!"], Writes),
        Tool::new("set_topic", "Set the topic of a channel", &["channel!", "topic!"], Sets),
    ];
    Service { name: "slack".to_owned(), tools }
}

/// Any number of tools, `item_000_lookup` and so on.
#[must_use]
pub fn numbered(name: &str, count: usize) -> Service {
    let tool =
        |i: usize| Tool::new(&format!("item_{i:03}_lookup"), &format!("Look up item {i}"), &["key"], Nature::Reads);
    Service { name: name.to_owned(), tools: (0..count).map(tool).collect() }
}

/// Tools that do as they are told: `echo`, `wait`, `boom`, `big`, `steps`, `say`.
#[must_use]
pub fn lab() -> Service {
    use Nature::{Reads, Sets, Writes};
    let tools = vec![
        Tool::new("echo", "Give the arguments back", &["text"], Reads),
        Tool::new("wait", "Answer after a while", &["seconds!"], Sets),
        Tool::new("boom", "Fail", &["reason"], Writes),
        Tool::new("big", "Answer with many bytes", &["bytes!"], Reads),
        Tool::new("steps", "Report progress, then answer", &["steps!", "seconds"], Reads),
        Tool::new("say", "Send log messages, then answer", &["text!", "steps"], Reads),
    ];
    Service { name: "lab".to_owned(), tools }
}

/// Tools as in a container: `echo`, `steps`, and `crash`, at which the process ends.
#[must_use]
pub fn container() -> Service {
    use Nature::{Reads, Writes};
    let tools = vec![
        Tool::new("echo", "Give the arguments back", &["text"], Reads),
        Tool::new("steps", "Report progress, then answer", &["steps!", "seconds"], Reads),
        Tool::new("crash", "End the process during the call", &[], Writes),
    ];
    Service { name: "box".to_owned(), tools }
}

/// A service by its specification: `github`, `slack`, `lab`, `box`, or `NAME:COUNT` for a numbered one.
#[must_use]
pub fn by_name(specification: &str) -> Service {
    match specification.split_once(':') {
        Some((name, count)) => numbered(name, count.parse().unwrap_or(10)),
        None => match specification {
            "github" => github(),
            "slack" => slack(),
            "lab" => lab(),
            "box" => container(),
            other => numbered(other, 10),
        },
    }
}

/// Where a running tool can send notifications; none when the answer is not a stream.
pub type Notify = Option<mpsc::UnboundedSender<Value>>;

/// Runs a tool. `params` are those of the request.
pub async fn run(service: &str, tool: &str, params: &Value, notify: &Notify) -> Value {
    let arguments = params.get("arguments").cloned().unwrap_or_else(|| json!({}));
    let number = |name: &str| arguments.get(name).and_then(Value::as_f64);
    let word = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let send = |message: Value| notify.as_ref().is_some_and(|n| n.send(message).is_ok());
    match tool {
        "wait" => tokio::time::sleep(seconds(number("seconds").unwrap_or(1.0))).await,
        "boom" => {
            return crate::rpc::failed(format!("Error executing tool boom: boom: {}", word("reason")));
        }
        "big" => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size that a test chose")]
            let text = "x".repeat(number("bytes").unwrap_or(0.0) as usize);
            // As FastMCP does with a text.
            if arguments.get("structured").and_then(Value::as_bool) == Some(true) {
                return json!({"content": [{"type": "text", "text": text}], "structuredContent": {"result": text}});
            }
            return crate::rpc::text(text);
        }
        "steps" => {
            let token = params.get("_meta").and_then(|m| m.get("progressToken")).cloned();
            let steps = number("steps").unwrap_or(3.0);
            let mut step = 0.0;
            while step < steps {
                tokio::time::sleep(seconds(number("seconds").unwrap_or(0.0))).await;
                step += 1.0;
                if let Some(token) = &token {
                    let params = json!({"progressToken": token, "progress": step, "total": steps, "message": format!("step {step}")});
                    send(crate::rpc::notification("notifications/progress", &params));
                }
            }
        }
        "say" => {
            for _ in 0..number("steps").map_or(1, |n| n.round().clamp(0.0, 1000.0).to_string().parse().unwrap_or(1)) {
                let params = json!({"level": "info", "logger": service, "data": word("text")});
                send(crate::rpc::notification("notifications/message", &params));
            }
        }
        _ => {}
    }
    let done = json!({"service": service, "tool": tool, "arguments": arguments});
    json!({"content": [{"type": "text", "text": done.to_string()}], "structuredContent": done})
}

fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or(Duration::ZERO)
}
