//! A demo service in the manner of a chat: channels, messages, people.
//! Starts with the same data every time and remembers what it was told until it ends. Holds nothing real.

use pflow_gateway_base::sync::Mutex;
use serde::Serialize;
use serde_json::{Value, json};

use super::service::{Arguments, Effect, Parameter, Service, Spec, Type, may, need, text, whole};

/// The service.
pub(super) struct Slack {
    state: Mutex<State>,
}

struct State {
    channels: Vec<Channel>,
    messages: Vec<Message>,
}

#[derive(Clone, Serialize)]
struct Channel {
    name: String,
    topic: String,
    members: u64,
}

#[derive(Clone, Serialize)]
struct Message {
    id: u64,
    channel: String,
    user: String,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reactions: Vec<String>,
}

const PEOPLE: &[(&str, &str, &str)] = &[
    ("mara", "Mara Lindqvist", "Europe/Stockholm"),
    ("jonas", "Jonas Weber", "Europe/Berlin"),
    ("yuki", "Yuki Tanaka", "Asia/Tokyo"),
];

const CHANNEL: Parameter = need("channel", Type::Text, "Channel, like general.");
const MESSAGE: Parameter = need("message_id", Type::Whole, "The message's id.");

const TOOLS: &[Spec] = &[
    Spec {
        name: "list_channels",
        title: "List channels",
        about: "Lists the channels with their topics.",
        effect: Effect::Reads,
        parameters: &[],
    },
    Spec {
        name: "read_channel",
        title: "Read a channel",
        about: "Returns the latest messages of a channel, oldest first.",
        effect: Effect::Reads,
        parameters: &[CHANNEL, may("limit", Type::Whole, "At most this many. Default: 20.")],
    },
    Spec {
        name: "read_thread",
        title: "Read a thread",
        about: "Returns a message and the answers to it.",
        effect: Effect::Reads,
        parameters: &[MESSAGE],
    },
    Spec {
        name: "search_messages",
        title: "Search messages",
        about: "Finds messages of all channels by words.",
        effect: Effect::Reads,
        parameters: &[need("query", Type::Text, "Words to look for.")],
    },
    Spec {
        name: "post_message",
        title: "Post a message",
        about: "Writes a message into a channel and returns its id.",
        effect: Effect::Adds,
        parameters: &[CHANNEL, need("text", Type::Text, "The message.")],
    },
    Spec {
        name: "reply",
        title: "Answer a message",
        about: "Answers a message in its thread.",
        effect: Effect::Adds,
        parameters: &[MESSAGE, need("text", Type::Text, "The answer.")],
    },
    Spec {
        name: "add_reaction",
        title: "React to a message",
        about: "Adds an emoji to a message.",
        effect: Effect::Changes,
        parameters: &[MESSAGE, need("emoji", Type::Text, "Its name, like thumbsup.")],
    },
    Spec {
        name: "set_topic",
        title: "Set a topic",
        about: "Changes the topic of a channel.",
        effect: Effect::Changes,
        parameters: &[CHANNEL, need("topic", Type::Text, "The new topic.")],
    },
    Spec {
        name: "delete_message",
        title: "Delete a message",
        about: "Deletes a message and the answers to it. Cannot be undone.",
        effect: Effect::Destroys,
        parameters: &[MESSAGE],
    },
    Spec {
        name: "list_people",
        title: "List people",
        about: "Lists the people of the workspace.",
        effect: Effect::Reads,
        parameters: &[],
    },
    Spec {
        name: "get_person",
        title: "Get a person",
        about: "Returns the profile of one person.",
        effect: Effect::Reads,
        parameters: &[need("user", Type::Text, "User name, like mara.")],
    },
];

impl Slack {
    pub(super) fn new() -> Self {
        let channel =
            |name: &str, topic: &str, members| Channel { name: name.to_owned(), topic: topic.to_owned(), members };
        let message = |id, channel: &str, user: &str, text: &str, thread| Message {
            id,
            channel: channel.to_owned(),
            user: user.to_owned(),
            text: text.to_owned(),
            thread,
            reactions: Vec::new(),
        };
        Self {
            state: Mutex::new(State {
                channels: vec![
                    channel("general", "Everything that concerns everyone", 42),
                    channel("releases", "What ships, and when", 17),
                    channel("incidents", "Something is on fire", 9),
                ],
                messages: vec![
                    message(1, "general", "mara", "Good morning! The office is closed on Friday.", None),
                    message(2, "releases", "jonas", "api 2.4 goes out today at 14:00 UTC.", None),
                    message(3, "releases", "yuki", "Release notes are in acme/docs.", Some(2)),
                    message(4, "incidents", "yuki", "Carts are empty after a reload, see acme/web#1.", None),
                ],
            }),
        }
    }
}

impl State {
    fn channel(&mut self, name: &str) -> Result<&mut Channel, String> {
        let name = name.trim_start_matches('#');
        let known: Vec<String> = self.channels.iter().map(|channel| channel.name.clone()).collect();
        self.channels
            .iter_mut()
            .find(|channel| channel.name == name)
            .ok_or_else(|| format!("there is no channel \"{name}\"; there are {}", known.join(", ")))
    }

    fn message(&mut self, id: u64) -> Result<&mut Message, String> {
        self.messages.iter_mut().find(|message| message.id == id).ok_or_else(|| format!("there is no message {id}"))
    }

    fn post(&mut self, channel: String, words: &str, thread: Option<u64>) -> Message {
        let last = self.messages.iter().map(|message| message.id).max().unwrap_or_default();
        let message = Message {
            id: last.saturating_add(1),
            channel,
            user: "demo".to_owned(),
            text: words.to_owned(),
            thread,
            reactions: Vec::new(),
        };
        self.messages.push(message.clone());
        message
    }
}

impl Service for Slack {
    fn name(&self) -> &'static str {
        "slack"
    }

    fn tools(&self) -> &'static [Spec] {
        TOOLS
    }

    fn call(&self, tool: &str, arguments: &Arguments) -> Result<Value, String> {
        let id = whole(arguments, "message_id");
        let mut state = self.state.lock();
        match tool {
            "list_channels" => Ok(json!({"channels": state.channels})),
            "read_channel" => {
                let name = state.channel(text(arguments, "channel"))?.name.clone();
                let limit = match whole(arguments, "limit") {
                    0 => 20,
                    limit => usize::try_from(limit).unwrap_or(usize::MAX),
                };
                let all: Vec<&Message> = state.messages.iter().filter(|message| message.channel == name).collect();
                let shown: Vec<&Message> = all.iter().skip(all.len().saturating_sub(limit)).copied().collect();
                Ok(json!({"channel": name, "messages": shown}))
            }
            "read_thread" => {
                let first = state.message(id)?.clone();
                let answers: Vec<&Message> =
                    state.messages.iter().filter(|message| message.thread == Some(id)).collect();
                Ok(json!({"message": first, "answers": answers}))
            }
            "search_messages" => {
                let query = text(arguments, "query").to_lowercase();
                let found: Vec<&Message> =
                    state.messages.iter().filter(|message| message.text.to_lowercase().contains(&query)).collect();
                Ok(json!({"total": found.len(), "messages": found}))
            }
            "post_message" => {
                let name = state.channel(text(arguments, "channel"))?.name.clone();
                Ok(json!(state.post(name, text(arguments, "text"), None)))
            }
            "reply" => {
                let name = state.message(id)?.channel.clone();
                Ok(json!(state.post(name, text(arguments, "text"), Some(id))))
            }
            "add_reaction" => {
                let message = state.message(id)?;
                let emoji = text(arguments, "emoji").to_owned();
                if !message.reactions.contains(&emoji) {
                    message.reactions.push(emoji);
                }
                Ok(json!(message))
            }
            "set_topic" => {
                let channel = state.channel(text(arguments, "channel"))?;
                text(arguments, "topic").clone_into(&mut channel.topic);
                Ok(json!(channel))
            }
            "delete_message" => {
                state.message(id)?;
                let before = state.messages.len();
                state.messages.retain(|message| message.id != id && message.thread != Some(id));
                Ok(json!({"deleted": before.saturating_sub(state.messages.len())}))
            }
            "list_people" => Ok(json!({"people": PEOPLE
                .iter()
                .map(|(user, name, zone)| json!({"user": user, "name": name, "timezone": zone}))
                .collect::<Vec<_>>()})),
            "get_person" => {
                let wanted = text(arguments, "user").trim_start_matches('@');
                PEOPLE
                    .iter()
                    .find(|&&(user, ..)| user == wanted)
                    .map(|(user, name, zone)| json!({"user": user, "name": name, "timezone": zone}))
                    .ok_or_else(|| format!("no user is called \"{wanted}\""))
            }
            other => Err(format!("slack has no tool \"{other}\"")),
        }
    }
}
